//! Whose key signed a request.

use aws_api::ApiError;
use aws_api::sts::{GetCallerIdentityRequest, GetCallerIdentityResponse};

use crate::access::{Principal, Role};
use crate::authentication::Who;
use crate::control::{Caller, Control};

/// `GetCallerIdentity`: the user that a key's name is, or the role that was assumed. Where nobody needs to say who
/// they are, everybody is the account's root.
pub(crate) async fn get_caller_identity(
    control: &Control,
    caller: &Caller,
    _input: GetCallerIdentityRequest,
) -> Result<GetCallerIdentityResponse, ApiError> {
    let account_id = control.account_id();
    let (user_id, arn) = match &caller.who {
        Who::Anybody | Who::LocalUser => (account_id.to_owned(), format!("arn:aws:iam::{account_id}:root")),
        Who::Key(principal) => identity_of(account_id, principal),
    };
    Ok(GetCallerIdentityResponse {
        user_id: Some(user_id),
        account: Some(account_id.to_owned()),
        arn: Some(arn),
    })
}

fn identity_of(account_id: &str, principal: &Principal) -> (String, String) {
    let Principal { access_key_id, key_name, role, session } = principal;
    if let Some(name) = session.as_ref().and_then(|session| session.name.as_deref()) {
        return (assumed_role_id(*role, name), assumed_role_arn(account_id, *role, name));
    }
    let lasting_id = session.as_ref().map_or(access_key_id, |session| &session.parent);
    (lasting_id.clone(), format!("arn:aws:iam::{account_id}:user/{key_name}"))
}

/// How IAM names the session of a role by ids.
pub(crate) fn assumed_role_id(role: Role, session_name: &str) -> String {
    format!("{role}:{session_name}")
}

/// The ARN of the session of a role.
pub(crate) fn assumed_role_arn(account_id: &str, role: Role, session_name: &str) -> String {
    format!("arn:aws:sts::{account_id}:assumed-role/{role}/{session_name}")
}
