//! `arn:aws:acm:us-east-1:ACCOUNT:certificate/UUID`

use aws_api::ApiError;
use aws_api::acm::ErrorCode;
use uuid::Uuid;

use super::{invalid, no_such_certificate};

/// Where every certificate is.
const REGION: &str = "us-east-1";

/// Characters of an ARN (API reference, `Arn`).
const ARN_BYTES_MAX: usize = 2048;

pub(crate) fn new_certificate_id() -> String {
    Uuid::new_v4().to_string()
}

pub(crate) fn certificate_arn(account_id: &str, id: &str) -> String {
    format!("arn:aws:acm:{REGION}:{account_id}:certificate/{id}")
}

/// The id of the certificate that an ARN of this account names.
///
/// The model's pattern is a constraint, so what does not match it is a `ValidationException`; an ARN of
/// ACM that is none of a certificate is an `InvalidArnException`.
pub(crate) fn certificate_id_of_arn<'a>(account_id: &str, arn: &'a str) -> Result<&'a str, ApiError> {
    let [_, _, _, region, account, name] = parts(arn).ok_or_else(|| {
        invalid("The ARN is malformed. Certificates have arn:aws:acm:us-east-1:ACCOUNT:certificate/UUID.")
    })?;
    let id = name.strip_prefix("certificate/").filter(|id| is_id(id)).ok_or_else(|| {
        ErrorCode::InvalidArnException
            .with_message(format!("{arn} names no certificate. Give one that ends in certificate/UUID."))
    })?;
    if (region, account) == (REGION, account_id) { Ok(id) } else { Err(no_such_certificate(arn)) }
}

/// The six parts of an ARN of ACM.
fn parts(arn: &str) -> Option<[&str; 6]> {
    let is_character = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=/,.@-:".contains(&byte);
    if arn.len() > ARN_BYTES_MAX || !arn.bytes().all(is_character) {
        return None;
    }
    let mut parts = [""; 6];
    let mut found = arn.splitn(6, ':');
    for part in &mut parts {
        *part = found.next()?;
    }
    let is_account = !parts[4].is_empty() && parts[4].bytes().all(|byte| byte.is_ascii_digit());
    (parts[0] == "arn" && parts[2] == "acm" && is_account && !parts[5].is_empty()).then_some(parts)
}

fn is_id(text: &str) -> bool {
    Uuid::try_parse(text).is_ok_and(|id| id.to_string() == text)
}
