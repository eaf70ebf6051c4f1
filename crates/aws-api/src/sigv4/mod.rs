//! AWS Signature Version 4: who sent a request, and that nobody changed it on its way.
//!
//! [`verify`] checks a request signed in its `Authorization` header or in its query string (a presigned URL), [`sign`]
//! signs one. Both are functions of their arguments: the time and the secrets are handed in. The algorithm is that of
//! the IAM User Guide, "Create a signed AWS API request", for services other than S3: the path, encoded already, is
//! encoded once more.
//!
//! Stricter than AWS in what can be ambiguous: one `Authorization` header, one place for the signature, each of its
//! parameters once, every `x-amz-*` header signed.
//!
//! It does not know which keys exist, what they may do, or what time it is.

mod canonical;
mod claim;
mod error;
mod key;
mod limits;
mod payload;
mod sign;
mod signing_time;
mod verify;

#[cfg(test)]
mod tests;

pub use error::SignatureError;
pub use key::Secret;
pub use limits::{CLOCK_SKEW_DURATION, EXPIRES_DURATION_MAX};
pub use sign::{SigningCredentials, sign};
pub use verify::{Authenticated, Expectations, PayloadRule, SecretOf, verify};

/// The access key id that a request claims to be signed with; nobody has checked it.
pub fn claimed_access_key_id(request: &crate::Request<'_>) -> Option<String> {
    claim::Claim::of(request).ok().map(|claim| claim.access_key_id)
}

/// The algorithm's name on the wire.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// How every credential scope ends.
const TERMINATOR: &str = "aws4_request";
