//! The quotas of the API, in one place. The numbers are those of the Developer Guide, "Quotas", unless
//! a comment says otherwise.

use std::ops::RangeInclusive;

/// Origins of a distribution.
pub(crate) const ORIGINS_MAX: usize = 100;
/// Origin groups of a distribution.
pub(crate) const ORIGIN_GROUPS_MAX: usize = 10;
/// Cache behaviors of a distribution, the default one not counted.
pub(crate) const CACHE_BEHAVIORS_MAX: usize = 75;
/// Alternate domain names of a distribution.
pub(crate) const ALIASES_MAX: usize = 100;
/// Tags of a resource.
pub(crate) const TAGS_MAX: usize = 50;
/// Custom headers of an origin.
pub(crate) const ORIGIN_CUSTOM_HEADERS_MAX: usize = 30;
/// Characters of a custom header's name.
pub(crate) const ORIGIN_CUSTOM_HEADER_NAME_BYTES_MAX: usize = 256;
/// Characters of a custom header's value.
pub(crate) const ORIGIN_CUSTOM_HEADER_VALUE_BYTES_MAX: usize = 1783;
/// Characters of all custom headers of an origin, names and values.
pub(crate) const ORIGIN_CUSTOM_HEADERS_BYTES_MAX: usize = 10_240;
/// Headers, cookies and query strings that `ForwardedValues` names, of each.
pub(crate) const FORWARDED_NAMES_MAX: usize = 10;
/// Custom error responses of a distribution: there are no more codes.
pub(crate) const CUSTOM_ERROR_RESPONSES_MAX: usize = 11;

/// Characters of a comment (API reference, `DistributionConfig`).
pub(crate) const COMMENT_CHARACTERS_MAX: usize = 128;
/// Characters of an origin's id, an origin path, a default root object or an error page's path.
pub(crate) const TEXT_BYTES_MAX: usize = 255;
/// Characters of a tag's key (API reference, `Tag`).
pub(crate) const TAG_KEY_CHARACTERS_MAX: usize = 128;
/// Characters of a tag's value (API reference, `Tag`).
pub(crate) const TAG_VALUE_CHARACTERS_MAX: usize = 256;

/// Attempts to connect to an origin.
pub(crate) const CONNECTION_ATTEMPTS: RangeInclusive<i32> = 1..=3;
/// Seconds for each of them.
pub(crate) const CONNECTION_TIMEOUT_SECONDS: RangeInclusive<i32> = 1..=10;
/// Seconds that an origin may be silent.
pub(crate) const ORIGIN_READ_TIMEOUT_SECONDS: RangeInclusive<i32> = 1..=120;
/// Seconds that an idle connection is kept. The API reference says 120, the newer "Quotas" 300.
pub(crate) const ORIGIN_KEEPALIVE_TIMEOUT_SECONDS: RangeInclusive<i32> = 1..=300;
/// Seconds that a whole exchange may be given: a day, beyond which no limit is meant.
pub(crate) const RESPONSE_COMPLETION_TIMEOUT_SECONDS: RangeInclusive<i32> = 1..=86_400;
/// Seconds that anything may be cached (100 years): no arithmetic on it can overflow.
pub(crate) const TTL_SECONDS: RangeInclusive<i64> = 0..=3_153_600_000;
