//! Cache policies and origin request policies.

use aws_api::cloudfront::{
    CachePolicyConfig, CachePolicyCookieBehavior, CachePolicyQueryStringBehavior, CookieNames, Headers,
    OriginRequestPolicyConfig, OriginRequestPolicyCookieBehavior, OriginRequestPolicyHeaderBehavior,
    OriginRequestPolicyQueryStringBehavior, QueryStringNames,
};
use edge_config::{Bundle, CachePolicy, HeaderSelection, NameSelection, OriginRequestPolicy};

/// Compiles a cache policy. One without parameters has a key of host and path alone.
pub(crate) fn compile_cache_policy(config: &CachePolicyConfig) -> Bundle {
    let seconds = |ttl: i64| u64::try_from(ttl).unwrap_or_default();
    let ttls = CachePolicy {
        min_ttl_seconds: seconds(config.min_ttl),
        default_ttl_seconds: seconds(config.default_ttl.unwrap_or(86_400)),
        max_ttl_seconds: seconds(config.max_ttl.unwrap_or(31_536_000)),
        ..CachePolicy::default()
    };
    let Some(key) = &config.parameters_in_cache_key_and_forwarded_to_origin else {
        return Bundle::CachePolicy(ttls);
    };
    let cookies = names(key.cookies_config.cookies.as_ref().map(CookieNames::items));
    let query_strings = names(key.query_strings_config.query_strings.as_ref().map(QueryStringNames::items));
    Bundle::CachePolicy(CachePolicy {
        accept_encoding_gzip: key.enable_accept_encoding_gzip,
        accept_encoding_brotli: key.enable_accept_encoding_brotli == Some(true),
        headers: names(key.headers_config.headers.as_ref().map(Headers::items)),
        cookies: match key.cookies_config.cookie_behavior {
            CachePolicyCookieBehavior::None => NameSelection::None,
            CachePolicyCookieBehavior::All => NameSelection::All,
            CachePolicyCookieBehavior::Whitelist => NameSelection::Only(cookies),
            CachePolicyCookieBehavior::AllExcept => NameSelection::AllExcept(cookies),
        },
        query_strings: match key.query_strings_config.query_string_behavior {
            CachePolicyQueryStringBehavior::None => NameSelection::None,
            CachePolicyQueryStringBehavior::All => NameSelection::All,
            CachePolicyQueryStringBehavior::Whitelist => NameSelection::Only(query_strings),
            CachePolicyQueryStringBehavior::AllExcept => NameSelection::AllExcept(query_strings),
        },
        ..ttls
    })
}

/// Compiles an origin request policy.
pub(crate) fn compile_origin_request_policy(config: &OriginRequestPolicyConfig) -> Bundle {
    let headers = names(config.headers_config.headers.as_ref().map(Headers::items));
    let cookies = names(config.cookies_config.cookies.as_ref().map(CookieNames::items));
    let query_strings =
        names(config.query_strings_config.query_strings.as_ref().map(QueryStringNames::items));
    Bundle::OriginRequestPolicy(OriginRequestPolicy {
        headers: match config.headers_config.header_behavior {
            OriginRequestPolicyHeaderBehavior::None => HeaderSelection::None,
            OriginRequestPolicyHeaderBehavior::Whitelist => HeaderSelection::Only(headers),
            OriginRequestPolicyHeaderBehavior::AllViewer => HeaderSelection::AllViewer,
            OriginRequestPolicyHeaderBehavior::AllViewerAndWhitelistCloudFront => {
                HeaderSelection::AllViewerAndCloudFront(headers)
            }
            OriginRequestPolicyHeaderBehavior::AllExcept => HeaderSelection::AllExcept(headers),
        },
        cookies: match config.cookies_config.cookie_behavior {
            OriginRequestPolicyCookieBehavior::None => NameSelection::None,
            OriginRequestPolicyCookieBehavior::All => NameSelection::All,
            OriginRequestPolicyCookieBehavior::Whitelist => NameSelection::Only(cookies),
            OriginRequestPolicyCookieBehavior::AllExcept => NameSelection::AllExcept(cookies),
        },
        query_strings: match config.query_strings_config.query_string_behavior {
            OriginRequestPolicyQueryStringBehavior::None => NameSelection::None,
            OriginRequestPolicyQueryStringBehavior::All => NameSelection::All,
            OriginRequestPolicyQueryStringBehavior::Whitelist => NameSelection::Only(query_strings),
            OriginRequestPolicyQueryStringBehavior::AllExcept => NameSelection::AllExcept(query_strings),
        },
    })
}

fn names(items: Option<&[String]>) -> Vec<String> {
    items.unwrap_or_default().to_vec()
}
