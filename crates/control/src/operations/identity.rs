//! Whose key signed a request.

use aws_api::ApiError;
use aws_api::sts::{GetCallerIdentityRequest, GetCallerIdentityResponse};

use crate::control::{Caller, Control};

/// `GetCallerIdentity`: there is one account, and every key is its root's.
pub(crate) async fn get_caller_identity(
    control: &Control,
    _caller: &Caller,
    _input: GetCallerIdentityRequest,
) -> Result<GetCallerIdentityResponse, ApiError> {
    let account_id = control.account_id();
    Ok(GetCallerIdentityResponse {
        user_id: Some(account_id.to_owned()),
        account: Some(account_id.to_owned()),
        arn: Some(format!("arn:aws:iam::{account_id}:root")),
    })
}
