//! The operations of the Security Token Service by which clients learn whose key they hold and get temporary
//! credentials, in the AWS Query protocol.

use crate::ApiError;
use crate::error::error_codes;
use crate::limits::QUERY_BYTES_MAX;
use crate::operation::{Protocol, ServiceSchema, operations};
use crate::query::Parameters;
use crate::request::Request;
use crate::scalar;
use crate::shape::{Member, Sensitive, Structure, Timestamp, structure};

/// The service itself.
pub static SERVICE: ServiceSchema = ServiceSchema {
    signing_name: "sts",
    protocol: Protocol::Query,
    target_prefix: "",
    namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
};

/// The version of the API that clients name beside the action.
const VERSION: &str = "2011-06-15";

pub use table::{
    AssumeRoleRequest, AssumeRoleResponse, AssumedRoleUser, Credentials, ErrorCode, GetCallerIdentityRequest,
    GetCallerIdentityResponse, GetSessionTokenRequest, GetSessionTokenResponse, OperationId, operation,
};

#[allow(missing_docs, reason = "the vocabulary is the API's own")]
mod table {
    use super::{Member, SERVICE, Sensitive, Timestamp, error_codes, operations, structure};

    structure! {
        /// Nothing: the signature says who asks.
        pub struct GetCallerIdentityRequest {}
    }

    structure! {
        /// Whose key signed the request.
        pub struct GetCallerIdentityResponse {
            pub user_id: Option<String> = Member::body("UserId"),
            pub account: Option<String> = Member::body("Account"),
            pub arn: Option<String> = Member::body("Arn"),
        }
    }

    structure! {
        /// For how long. `SerialNumber` and `TokenCode` are of multi-factor authentication.
        pub struct GetSessionTokenRequest {
            pub duration_seconds: Option<i32> = Member::body("DurationSeconds"),
            pub serial_number: Option<String> = Member::body("SerialNumber"),
            pub token_code: Option<Sensitive<String>> = Member::body("TokenCode"),
        }
    }

    structure! {
        /// Temporary credentials with the rights of the caller.
        pub struct GetSessionTokenResponse {
            pub credentials: Option<Credentials> = Member::body("Credentials"),
        }
    }

    structure! {
        /// Which role, under which name, for how long. An `ExternalId` is a condition of the role's owner against
        /// confused deputies; our roles have none.
        pub struct AssumeRoleRequest {
            pub role_arn: String = Member::body("RoleArn").required(),
            pub role_session_name: String = Member::body("RoleSessionName").required(),
            pub duration_seconds: Option<i32> = Member::body("DurationSeconds"),
            pub external_id: Option<String> = Member::body("ExternalId"),
        }
    }

    structure! {
        /// Temporary credentials with the rights of the role.
        pub struct AssumeRoleResponse {
            pub credentials: Option<Credentials> = Member::body("Credentials"),
            pub assumed_role_user: Option<AssumedRoleUser> = Member::body("AssumedRoleUser"),
        }
    }

    structure! {
        /// Who the credentials speak for.
        pub struct AssumedRoleUser {
            pub assumed_role_id: String = Member::body("AssumedRoleId").required(),
            pub arn: String = Member::body("Arn").required(),
        }
    }

    structure! {
        /// Temporary credentials.
        pub struct Credentials {
            pub access_key_id: String = Member::body("AccessKeyId").required(),
            pub secret_access_key: Sensitive<String> = Member::body("SecretAccessKey").required(),
            pub session_token: Sensitive<String> = Member::body("SessionToken").required(),
            pub expiration: Timestamp = Member::body("Expiration").required(),
        }
    }

    error_codes! {
        AccessDenied = 403,
        InvalidAction = 400,
        ValidationError = 400,
    }

    operations! {
        &SERVICE;
        AssumeRole: AssumeRoleRequest => AssumeRoleResponse,
            "POST" "/" 200 ("" => "AssumeRole"),
            [AccessDenied, ValidationError];
        GetCallerIdentity: GetCallerIdentityRequest => GetCallerIdentityResponse,
            "POST" "/" 200 ("" => "GetCallerIdentity"),
            [];
        GetSessionToken: GetSessionTokenRequest => GetSessionTokenResponse,
            "POST" "/" 200 ("" => "GetSessionToken"),
            [AccessDenied, ValidationError];
    }
}

/// The operation that a form, or a query string, names.
pub(crate) fn route(request: &Request<'_>) -> Result<OperationId, ApiError> {
    let given = Given::of(request)?;
    let (Some(action), Some(VERSION)) = (given.get("Action")?, given.get("Version")?) else {
        return Err(ApiError::unknown_operation(404));
    };
    let operation = OperationId::ALL.iter().find(|known| known.name() == action).copied();
    operation
        .ok_or_else(|| ErrorCode::InvalidAction.with_message("The action is not valid for this endpoint."))
}

/// Fills an operation's input. A parameter that it has not is refused: session policies, for one, restrict what
/// credentials may do, and to pass over them would give away more than was asked for.
pub(crate) fn decode(request: &Request<'_>, input: &mut dyn Structure) -> Result<(), ApiError> {
    let given = Given::of(request)?;
    let members = input.schema().members;
    let is_known = |name: &str| {
        ["Action", "Version"].contains(&name)
            || name.starts_with("X-Amz-")
            || members.iter().any(|member| member.wire_name == name)
    };
    if let Some(unknown) = given.names().find(|name| !is_known(name)) {
        let unknown: String = unknown.chars().take(NAME_CHARACTERS_TOLD_MAX).collect();
        return Err(ErrorCode::ValidationError
            .with_message(format!("The parameter {unknown:?} is not supported here. Leave it out.")));
    }
    for (member, place) in members.iter().zip(input.members_mut()) {
        match given.get(member.wire_name)? {
            Some(text) => scalar::read(place.slot(), text).map_err(|fault| {
                ErrorCode::ValidationError.with_message(format!("{} is {fault}.", member.wire_name))
            })?,
            None if member.required => {
                let message = format!("The parameter {} is missing.", member.wire_name);
                return Err(ErrorCode::ValidationError.with_message(message));
            }
            None => {}
        }
    }
    Ok(())
}

/// How much of a parameter's name is repeated to whoever sent it.
const NAME_CHARACTERS_TOLD_MAX: usize = 64;

/// The parameters of a form, and of the query string beside it.
struct Given {
    form: Parameters,
    query: Parameters,
}

impl Given {
    fn of(request: &Request<'_>) -> Result<Self, ApiError> {
        let form = match request.method {
            "POST" if request.body.len() <= QUERY_BYTES_MAX => {
                str::from_utf8(request.body).unwrap_or_default()
            }
            "GET" => "",
            _ => return Err(ApiError::unknown_operation(404)),
        };
        Ok(Self { form: Parameters::from_form(form)?, query: Parameters::from_query(request.query)? })
    }

    fn get(&self, name: &str) -> Result<Option<&str>, ApiError> {
        Ok(self.form.get(name)?.or(self.query.get(name)?))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.form.names().chain(self.query.names())
    }
}
