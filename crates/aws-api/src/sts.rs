//! The one operation of the Security Token Service that clients need to learn whose key they hold, in the AWS
//! Query protocol.

use crate::ApiError;
use crate::error::error_codes;
use crate::limits::QUERY_BYTES_MAX;
use crate::operation::{Protocol, ServiceSchema, operations};
use crate::query::Parameters;
use crate::request::Request;
use crate::shape::{Member, structure};

/// The service itself.
pub static SERVICE: ServiceSchema = ServiceSchema {
    signing_name: "sts",
    protocol: Protocol::Query,
    target_prefix: "",
    namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
};

/// The version of the API that clients name beside the action.
const VERSION: &str = "2011-06-15";

pub use table::{ErrorCode, GetCallerIdentityRequest, GetCallerIdentityResponse, OperationId, operation};

#[allow(missing_docs, reason = "the vocabulary is the API's own")]
mod table {
    use super::{Member, SERVICE, error_codes, operations, structure};

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

    error_codes! {
        InvalidAction = 400,
    }

    operations! {
        &SERVICE;
        GetCallerIdentity: GetCallerIdentityRequest => GetCallerIdentityResponse,
            "POST" "/" 200 ("" => "GetCallerIdentity"),
            [];
    }
}

/// The operation that a form, or a query string, names.
pub(crate) fn route(request: &Request<'_>) -> Result<OperationId, ApiError> {
    let form = match request.method {
        "POST" if request.body.len() <= QUERY_BYTES_MAX => str::from_utf8(request.body).unwrap_or_default(),
        "GET" => "",
        _ => return Err(ApiError::unknown_operation(404)),
    };
    let form = Parameters::from_form(form)?;
    let query = Parameters::from_query(request.query)?;
    let parameter = |name| Ok::<_, ApiError>(form.get(name)?.or(query.get(name)?));
    let (Some(action), Some(VERSION)) = (parameter("Action")?, parameter("Version")?) else {
        return Err(ApiError::unknown_operation(404));
    };
    let operation = OperationId::ALL.iter().find(|known| known.name() == action).copied();
    operation
        .ok_or_else(|| ErrorCode::InvalidAction.with_message("The action is not valid for this endpoint."))
}
