//! The quotas of the API, in one place. The numbers are those of the Developer Guide, "Quotas", unless
//! a comment says otherwise.
//!
//! [`Quotas`] are those that an account can have raised with AWS, and an operator here with a file; the
//! constants are bounds of the protocol.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// How many there may be of what costs memory or time. Each has an error of its own, `TooMany…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Quotas {
    /// Distributions of the account. AWS begins with 500; one machine here was measured with 10,000.
    pub distributions: usize,
    /// Cache policies, AWS's own not counted.
    pub cache_policies: usize,
    /// Origin request policies, AWS's own not counted.
    pub origin_request_policies: usize,
    /// Response headers policies, AWS's own not counted.
    pub response_headers_policies: usize,
    /// Public keys.
    pub public_keys: usize,
    /// Key groups.
    pub key_groups: usize,
    /// Origin access controls.
    pub origin_access_controls: usize,
    /// Real-time log configurations.
    pub realtime_log_configs: usize,
    /// Continuous deployment policies.
    pub continuous_deployment_policies: usize,
    /// Certificates, imported ones alone being there (ACM User Guide, "Quotas").
    pub certificates: usize,
    /// Origins of a distribution.
    pub origins_per_distribution: usize,
    /// Origin groups of a distribution.
    pub origin_groups_per_distribution: usize,
    /// Cache behaviors of a distribution, the default one not counted.
    pub cache_behaviors_per_distribution: usize,
    /// Alternate domain names of a distribution.
    pub aliases_per_distribution: usize,
    /// Key groups of a distribution.
    pub key_groups_per_distribution: usize,
    /// Distributions that trust one key group.
    pub distributions_per_key_group: usize,
    /// Distributions that use one origin access control.
    pub distributions_per_origin_access_control: usize,
    /// Public keys of a key group.
    pub public_keys_per_key_group: usize,
    /// Tags of a resource.
    pub tags_per_resource: usize,
    /// Custom headers of an origin.
    pub custom_headers_per_origin: usize,
    /// Headers that a cache policy, an origin request policy or `ForwardedValues` names.
    pub headers_per_policy: usize,
    /// Cookies that one of them names.
    pub cookies_per_policy: usize,
    /// Query strings that one of them names.
    pub query_strings_per_policy: usize,
    /// Custom headers of a response headers policy.
    pub custom_headers_per_response_headers_policy: usize,
    /// Headers that a response headers policy removes.
    pub removed_headers_per_response_headers_policy: usize,
    /// Characters of a Content-Security-Policy.
    pub content_security_policy_bytes: usize,
    /// Paths of an invalidation.
    pub paths_per_invalidation: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            distributions: 20_000,
            cache_policies: 20,
            origin_request_policies: 20,
            response_headers_policies: 20,
            public_keys: 10,
            key_groups: 10,
            origin_access_controls: 100,
            // "Quotas" names no number; one for each behavior of a large distribution.
            realtime_log_configs: 150,
            continuous_deployment_policies: 20,
            certificates: 2500,
            origins_per_distribution: 100,
            origin_groups_per_distribution: 10,
            cache_behaviors_per_distribution: 75,
            aliases_per_distribution: 100,
            key_groups_per_distribution: 4,
            distributions_per_key_group: 100,
            distributions_per_origin_access_control: 100,
            public_keys_per_key_group: 5,
            tags_per_resource: 50,
            custom_headers_per_origin: 30,
            headers_per_policy: 10,
            cookies_per_policy: 10,
            query_strings_per_policy: 10,
            custom_headers_per_response_headers_policy: 10,
            removed_headers_per_response_headers_policy: 10,
            content_security_policy_bytes: 1783,
            // What could be in progress at once before "Quotas" began to count by the second.
            paths_per_invalidation: 3000,
        }
    }
}

/// Characters of a custom header's name.
pub(crate) const CUSTOM_HEADER_NAME_BYTES_MAX: usize = 256;
/// Characters of a custom header's value.
pub(crate) const CUSTOM_HEADER_VALUE_BYTES_MAX: usize = 1783;
/// Characters of all custom headers of an origin or of a response headers policy, names and values.
pub(crate) const CUSTOM_HEADERS_BYTES_MAX: usize = 10_240;
/// Characters of a list that one CORS header is made from. No page names a number; this is what all
/// custom headers may have together.
pub(crate) const CORS_LIST_BYTES_MAX: usize = CUSTOM_HEADERS_BYTES_MAX;
/// Characters of a policy's name (the console's number; the API reference has none).
pub(crate) const POLICY_NAME_CHARACTERS_MAX: usize = 128;
/// Characters of all headers, cookies and query strings that a policy names.
pub(crate) const POLICY_NAMES_BYTES_MAX: usize = 1024;
/// How many of a hundred responses get a Server-Timing header.
pub(crate) const SAMPLING_RATE_PERCENT: RangeInclusive<f64> = 0.0..=100.0;
/// Characters of a path to invalidate ("What you need to know when invalidating paths").
pub(crate) const INVALIDATION_PATH_BYTES_MAX: usize = 4000;
/// Custom error responses of a distribution: there are no more codes.
pub(crate) const CUSTOM_ERROR_RESPONSES_MAX: usize = 11;

/// Characters of a public key's or a key group's name. AWS documents none; an id has as many.
pub(crate) const NAME_CHARACTERS_MAX: usize = 128;
/// Characters of an origin access control's name (API reference, `OriginAccessControlConfig`).
pub(crate) const ORIGIN_ACCESS_CONTROL_NAME_CHARACTERS_MAX: usize = 64;
/// Characters of an origin access control's description ("Create an origin access control": 256).
pub(crate) const DESCRIPTION_CHARACTERS_MAX: usize = 256;
/// Characters of a real-time log configuration's name.
pub(crate) const REALTIME_LOG_CONFIG_NAME_BYTES_MAX: usize = 64;
/// Percent of requests that a real-time log has (API reference, `RealtimeLogConfig`).
pub(crate) const SAMPLING_RATE: RangeInclusive<i64> = 1..=100;
/// The share of requests that a staging distribution may get ("Quotas", continuous deployment).
pub(crate) const STAGING_WEIGHT: RangeInclusive<f64> = 0.0..=0.15;
/// Seconds that a session may stay with the staging distribution ("Quotas", continuous deployment).
pub(crate) const SESSION_STICKINESS_SECONDS: RangeInclusive<i32> = 300..=3600;
/// How the header that leads to the staging distribution must begin (API reference,
/// `ContinuousDeploymentSingleHeaderConfig`).
pub(crate) const STAGING_HEADER_PREFIX: &str = "aws-cf-cd-";
/// Characters of that header's name: as many as a custom header's.
pub(crate) const STAGING_HEADER_BYTES_MAX: usize = 256;
/// Characters of that header's value: as many as a custom header's.
pub(crate) const STAGING_HEADER_VALUE_BYTES_MAX: usize = 1783;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_every_quota_with_its_default() {
        let documentation = include_str!("../../../docs/limits.md");
        let defaults = serde_json::to_value(Quotas::default()).unwrap();
        for (name, default) in defaults.as_object().unwrap() {
            let row = format!("| `{name}` | {default} |");
            assert!(documentation.contains(&row), "docs/limits.md lacks {row}");
        }
    }

    #[test]
    fn a_file_names_what_it_changes() {
        let quotas: Quotas = serde_json::from_str(r#"{"cache-policies": 50}"#).unwrap();
        assert_eq!(quotas, Quotas { cache_policies: 50, ..Quotas::default() });
        assert!(serde_json::from_str::<Quotas>(r#"{"cash-policies": 50}"#).is_err());
    }
}
