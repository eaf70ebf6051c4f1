//! Temporary credentials.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use aws_api::ApiError;
use aws_api::sts::{
    AssumeRoleRequest, AssumeRoleResponse, AssumedRoleUser, Credentials, ErrorCode, GetSessionTokenRequest,
    GetSessionTokenResponse,
};

use crate::access::{AccessKeys, NewSession, Principal, Role};
use crate::authentication::{Authentication, Who};
use crate::control::{Caller, Control};
use crate::limits::{ASSUMED_ROLE_SECONDS, SESSION_SECONDS_MIN, SESSION_TOKEN_SECONDS};
use crate::operations::identity::{assumed_role_arn, assumed_role_id};

/// `GetSessionToken`: what the caller may, for a while.
pub(crate) async fn get_session_token(
    control: &Control,
    caller: &Caller,
    input: GetSessionTokenRequest,
) -> Result<GetSessionTokenResponse, ApiError> {
    let (keys, principal) = holder(control, caller)?;
    if principal.session.is_some() {
        return Err(ErrorCode::AccessDenied
            .with_message("Cannot call GetSessionToken with session credentials. Sign with an access key."));
    }
    if input.serial_number.is_some() || input.token_code.is_some() {
        return Err(ErrorCode::ValidationError.with_message(
            "There is no multi-factor authentication here. Leave SerialNumber and TokenCode out.",
        ));
    }
    let duration = duration(input.duration_seconds, SESSION_TOKEN_SECONDS)?;
    let session = keys.new_session(principal, principal.role, None, duration, SystemTime::now());
    Ok(GetSessionTokenResponse { credentials: Some(credentials(session)?) })
}

/// `AssumeRole`: a role that the caller has or one below it, for a while.
pub(crate) async fn assume_role(
    control: &Control,
    caller: &Caller,
    input: AssumeRoleRequest,
) -> Result<AssumeRoleResponse, ApiError> {
    let (keys, principal) = holder(control, caller)?;
    let account_id = control.account_id();
    let role = role_of_arn(account_id, &input.role_arn).filter(|role| *role <= principal.role);
    let role = role.ok_or_else(|| {
        ErrorCode::AccessDenied.with_message(format!(
            "The key {} has the role {} here, and AssumeRole takes that one or one below it: \
             arn:aws:iam::{account_id}:role/ and read, deploy or admin.",
            principal.key_name, principal.role
        ))
    })?;
    let name = input.role_session_name;
    check_session_name(&name)?;
    let duration = duration(input.duration_seconds, ASSUMED_ROLE_SECONDS)?;
    let session = keys.new_session(principal, role, Some(name.clone()), duration, SystemTime::now());
    Ok(AssumeRoleResponse {
        credentials: Some(credentials(session)?),
        assumed_role_user: Some(AssumedRoleUser {
            assumed_role_id: assumed_role_id(role, &name),
            arn: assumed_role_arn(account_id, role, &name),
        }),
    })
}

fn holder<'a>(control: &'a Control, caller: &'a Caller) -> Result<(&'a AccessKeys, &'a Principal), ApiError> {
    match (&control.settings().authentication, &caller.who) {
        (Authentication::SignatureV4(keys), Who::Key(principal)) => Ok((keys, principal)),
        _ => Err(ErrorCode::AccessDenied.with_message(
            "This process runs without authentication, so there are no credentials to give. None are needed.",
        )),
    }
}

fn role_of_arn(account_id: &str, arn: &str) -> Option<Role> {
    let name = arn.strip_prefix("arn:aws:iam::")?.strip_prefix(account_id)?.strip_prefix(":role/")?;
    name.parse().ok()
}

/// STS API Reference, `AssumeRole`: 2 to 64 characters of `[\w+=,.@-]`.
fn check_session_name(name: &str) -> Result<(), ApiError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if (2..=64).contains(&name.len()) && name.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(ErrorCode::ValidationError
        .with_message("RoleSessionName has 2 to 64 letters, digits and _+=,.@- characters. Give another."))
}

fn duration(wanted: Option<i32>, (longest, usual): (i32, i32)) -> Result<Duration, ApiError> {
    let allowed: RangeInclusive<i32> = SESSION_SECONDS_MIN..=longest;
    let seconds = wanted.unwrap_or(usual);
    let seconds = Some(seconds).filter(|seconds| allowed.contains(seconds));
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs).ok_or_else(|| {
        ErrorCode::ValidationError.with_message(format!(
            "DurationSeconds is from {SESSION_SECONDS_MIN} to {longest}. Give another."
        ))
    })
}

fn credentials(session: Option<NewSession>) -> Result<Credentials, ApiError> {
    let NewSession { key, token, expires } = session.ok_or_else(ApiError::internal)?;
    Ok(Credentials {
        access_key_id: key.id,
        secret_access_key: key.secret.as_str().into(),
        session_token: token.into(),
        expiration: expires,
    })
}
