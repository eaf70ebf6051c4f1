//! What a signature says about the body.

use super::error::SignatureError;
use super::key::sha256_hex;
use super::verify::PayloadRule;

/// Stands for the digest where the body is not signed.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// The last line of the canonical request: what the request declares, once that is seen to be true, else the body's
/// digest.
pub(super) fn payload_hash(
    declared: Option<&str>,
    body: &[u8],
    rule: PayloadRule,
) -> Result<String, SignatureError> {
    if declared == Some(UNSIGNED) {
        return match rule {
            PayloadRule::AllowUnsigned => Ok(UNSIGNED.to_owned()),
            PayloadRule::RequireSigned => Err(SignatureError::PayloadNotSigned),
        };
    }
    let actual = sha256_hex(body);
    match declared {
        Some(declared) if declared != actual => Err(SignatureError::PayloadMismatch),
        _ => Ok(actual),
    }
}
