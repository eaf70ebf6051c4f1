//! What CloudFront fills in where a policy's configuration is silent.

use aws_api::cloudfront::{
    CachePolicyConfig, OriginRequestPolicyConfig, ResponseHeadersPolicyConfig,
    ResponseHeadersPolicyCorsConfig, ResponseHeadersPolicySecurityHeadersConfig,
};

use super::{DEFAULT_TTL_SECONDS, MAX_TTL_SECONDS};

/// A list that was sent empty has no `Items` in answers.
macro_rules! without_empty_items {
    ($($listing:expr),* $(,)?) => {$(
        if let Some(listing) = $listing.as_mut().filter(|listing| listing.items().is_empty()) {
            listing.items = None;
        }
    )*};
}

/// "If the value of `MinTTL` is more than 86400 seconds, then the default value for this field is the
/// same as the value of `MinTTL`", and alike for `MaxTTL` (API reference, `CachePolicyConfig`). A
/// policy without parameters has nothing in its cache key but host and path.
pub(crate) fn complete_cache_policy(config: &mut CachePolicyConfig) {
    config.comment.get_or_insert_default();
    let default_ttl = *config.default_ttl.get_or_insert(DEFAULT_TTL_SECONDS.max(config.min_ttl));
    config.max_ttl.get_or_insert(MAX_TTL_SECONDS.max(default_ttl));
    let parameters = config.parameters_in_cache_key_and_forwarded_to_origin.get_or_insert_default();
    parameters.enable_accept_encoding_brotli.get_or_insert(false);
    without_empty_items!(
        parameters.headers_config.headers,
        parameters.cookies_config.cookies,
        parameters.query_strings_config.query_strings,
    );
}

pub(crate) fn complete_origin_request_policy(config: &mut OriginRequestPolicyConfig) {
    config.comment.get_or_insert_default();
    without_empty_items!(
        config.headers_config.headers,
        config.cookies_config.cookies,
        config.query_strings_config.query_strings,
    );
}

/// What is left out as a whole stays out: Terraform takes an empty part for a change.
pub(crate) fn complete_response_headers_policy(config: &mut ResponseHeadersPolicyConfig) {
    config.comment.get_or_insert_default();
    if let Some(cors) = &mut config.cors_config {
        complete_cors(cors);
    }
    if let Some(security) = &mut config.security_headers_config {
        complete_security(security);
    }
    without_empty_items!(config.custom_headers_config, config.remove_headers_config);
}

fn complete_cors(cors: &mut ResponseHeadersPolicyCorsConfig) {
    cors.access_control_expose_headers.get_or_insert_default();
    without_empty_items!(cors.access_control_expose_headers);
}

fn complete_security(security: &mut ResponseHeadersPolicySecurityHeadersConfig) {
    if let Some(protection) = &mut security.xss_protection {
        protection.mode_block.get_or_insert(false);
    }
    if let Some(strict) = &mut security.strict_transport_security {
        strict.include_subdomains.get_or_insert(false);
        strict.preload.get_or_insert(false);
    }
}
