//! Every limit of signatures, with its reason.

use std::time::Duration;

/// How far the signer's clock may be from ours: AWS's fifteen minutes (IAM User Guide, "AWS Signature Version 4 for API
/// requests").
pub const CLOCK_SKEW_DURATION: Duration = Duration::from_mins(15);

/// The longest life of a presigned URL: seven days, for the signing key is derived for no longer.
pub const EXPIRES_DURATION_MAX: Duration = Duration::from_hours(7 * 24);

/// Signed headers of one request. Clients sign what they send, and that is a dozen; each is looked up.
pub(super) const SIGNED_HEADERS_MAX: usize = 64;

/// Bytes of an `Authorization` header: the signed headers' names and some two hundred more.
pub(super) const AUTHORIZATION_BYTES_MAX: usize = 4096;
