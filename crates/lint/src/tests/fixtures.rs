//! The preset of an API, and policies to give it.

use aws_api::cloudfront::{
    AllowedMethods, CacheBehavior, CacheBehaviors, CachePolicyConfig, CachePolicyCookieBehavior,
    CachePolicyCookiesConfig, CachePolicyHeaderBehavior, CachePolicyHeadersConfig, CachedMethods,
    CookieNames, CustomOriginConfig, DefaultCacheBehavior, DistributionConfig, Headers, Method, Origin,
    OriginProtocolPolicy, OriginRequestPolicyConfig, OriginRequestPolicyCookieBehavior,
    OriginRequestPolicyCookiesConfig, OriginRequestPolicyHeaderBehavior, OriginRequestPolicyHeadersConfig,
    OriginRequestPolicyQueryStringBehavior, OriginRequestPolicyQueryStringsConfig, Origins,
    ParametersInCacheKeyAndForwardedToOrigin, ResponseHeadersPolicyAccessControlAllowMethods,
    ResponseHeadersPolicyAccessControlAllowMethodsValues as CorsMethod,
    ResponseHeadersPolicyAccessControlAllowOrigins, ResponseHeadersPolicyConfig,
    ResponseHeadersPolicyCorsConfig, ViewerProtocolPolicy,
};

use crate::{ALL_VIEWER_EXCEPT_HOST_HEADER_ID, ALL_VIEWER_ID, CACHING_DISABLED_ID, Policies};

pub(super) const CACHING_OPTIMIZED: &str = "CachingOptimized";
pub(super) const USE_ORIGIN_CACHE_CONTROL: &str = "UseOriginCacheControl";
pub(super) const KEYED_BY_AUTHORIZATION: &str = "KeyedByAuthorization";
pub(super) const KEYED_BY_COOKIES: &str = "KeyedByCookies";
pub(super) const KEYED_BY_LANGUAGE: &str = "KeyedByLanguage";
pub(super) const KEYED_FOR_LONG: &str = "KeyedForLong";
pub(super) const CORS_S3: &str = "CorsS3";
pub(super) const WITH_PREFLIGHT: &str = "WithPreflight";
pub(super) const SIMPLE_CORS: &str = "SimpleCors";
pub(super) const ANY_ORIGIN_WITH_CREDENTIALS: &str = "AnyOriginWithCredentials";

/// An API at a private address, behind CachingDisabled and AllViewer.
pub(super) fn preset() -> DistributionConfig {
    DistributionConfig {
        caller_reference: "preset".to_owned(),
        origins: Origins::from_items(vec![origin("api", "10.0.0.5")]),
        default_cache_behavior: behavior(),
        enabled: true,
        ..DistributionConfig::default()
    }
}

pub(super) fn behavior() -> DefaultCacheBehavior {
    DefaultCacheBehavior {
        target_origin_id: "api".to_owned(),
        viewer_protocol_policy: ViewerProtocolPolicy::RedirectToHttps,
        allowed_methods: Some(methods(Method::ALL)),
        cache_policy_id: Some(CACHING_DISABLED_ID.to_owned()),
        origin_request_policy_id: Some(ALL_VIEWER_ID.to_owned()),
        ..DefaultCacheBehavior::default()
    }
}

/// A site of files: nothing of the viewer goes to the origin, and everything is kept.
pub(super) fn static_behavior() -> DefaultCacheBehavior {
    DefaultCacheBehavior {
        allowed_methods: Some(methods(&[Method::Get, Method::Head])),
        cache_policy_id: Some(CACHING_OPTIMIZED.to_owned()),
        origin_request_policy_id: None,
        ..behavior()
    }
}

pub(super) fn methods(methods: &[Method]) -> AllowedMethods {
    AllowedMethods {
        cached_methods: Some(CachedMethods::from_items(vec![Method::Get, Method::Head])),
        ..AllowedMethods::from_items(methods.to_vec())
    }
}

pub(super) fn origin(id: &str, domain_name: &str) -> Origin {
    Origin {
        id: id.to_owned(),
        domain_name: domain_name.to_owned(),
        custom_origin_config: Some(CustomOriginConfig {
            http_port: 3500,
            https_port: 443,
            origin_protocol_policy: OriginProtocolPolicy::HttpOnly,
            ..CustomOriginConfig::default()
        }),
        ..Origin::default()
    }
}

/// The settings of a default cache behavior under a path pattern.
pub(super) fn at(path_pattern: &str, settings: DefaultCacheBehavior) -> CacheBehavior {
    CacheBehavior {
        path_pattern: path_pattern.to_owned(),
        target_origin_id: settings.target_origin_id,
        viewer_protocol_policy: settings.viewer_protocol_policy,
        allowed_methods: settings.allowed_methods,
        cache_policy_id: settings.cache_policy_id,
        origin_request_policy_id: settings.origin_request_policy_id,
        response_headers_policy_id: settings.response_headers_policy_id,
        forwarded_values: settings.forwarded_values,
        min_ttl: settings.min_ttl,
        default_ttl: settings.default_ttl,
        max_ttl: settings.max_ttl,
        ..CacheBehavior::default()
    }
}

pub(super) fn behaviors(items: Vec<CacheBehavior>) -> CacheBehaviors {
    CacheBehaviors::from_items(items)
}

pub(super) fn policies() -> Policies {
    use OriginRequestPolicyHeaderBehavior::{AllExcept, AllViewer, Whitelist};
    let cache = [
        (CACHING_DISABLED_ID, cache_policy([0, 0, 0], &[], None)),
        (CACHING_OPTIMIZED, cache_policy([1, 86_400, 31_536_000], &[], None)),
        (USE_ORIGIN_CACHE_CONTROL, cache_policy([0, 0, 31_536_000], &["Host"], Some(&[]))),
        (KEYED_BY_AUTHORIZATION, cache_policy([0, 60, 600], &["Authorization"], None)),
        (KEYED_BY_COOKIES, cache_policy([0, 60, 600], &[], Some(&[]))),
        (KEYED_BY_LANGUAGE, cache_policy([0, 60, 600], &[], Some(&["lang"]))),
        (KEYED_FOR_LONG, cache_policy([5, 60, 600], &["authorization"], Some(&[]))),
    ];
    let origin_request = [
        (ALL_VIEWER_ID, origin_request_policy(AllViewer, &[], true)),
        (ALL_VIEWER_EXCEPT_HOST_HEADER_ID, origin_request_policy(AllExcept, &["host"], true)),
        (CORS_S3, origin_request_policy(Whitelist, &["Origin"], false)),
    ];
    let response_headers = [
        (SIMPLE_CORS, cors(&[], false)),
        (WITH_PREFLIGHT, cors(&[CorsMethod::Get, CorsMethod::Put], false)),
        (ANY_ORIGIN_WITH_CREDENTIALS, cors(&[CorsMethod::Get], true)),
    ];
    Policies {
        cache: named(cache),
        origin_request: named(origin_request),
        response_headers: named(response_headers),
    }
}

fn named<T, const N: usize>(policies: [(&str, T); N]) -> std::collections::BTreeMap<String, T> {
    policies.into_iter().map(|(id, policy)| (id.to_owned(), policy)).collect()
}

/// `cookies`: none of them, all of them (no names), or these.
fn cache_policy(
    [min, default, max]: [i64; 3],
    headers: &[&str],
    cookies: Option<&[&str]>,
) -> CachePolicyConfig {
    let cookie_behavior = match cookies {
        None => CachePolicyCookieBehavior::None,
        Some([]) => CachePolicyCookieBehavior::All,
        Some(_) => CachePolicyCookieBehavior::Whitelist,
    };
    let header_behavior = if headers.is_empty() {
        CachePolicyHeaderBehavior::None
    } else {
        CachePolicyHeaderBehavior::Whitelist
    };
    CachePolicyConfig {
        min_ttl: min,
        default_ttl: Some(default),
        max_ttl: Some(max),
        parameters_in_cache_key_and_forwarded_to_origin: Some(ParametersInCacheKeyAndForwardedToOrigin {
            headers_config: CachePolicyHeadersConfig {
                header_behavior,
                headers: Some(Headers::from_items(strings(headers))),
            },
            cookies_config: CachePolicyCookiesConfig {
                cookie_behavior,
                cookies: cookies.map(|names| CookieNames::from_items(strings(names))),
            },
            ..ParametersInCacheKeyAndForwardedToOrigin::default()
        }),
        ..CachePolicyConfig::default()
    }
}

fn origin_request_policy(
    header_behavior: OriginRequestPolicyHeaderBehavior,
    headers: &[&str],
    everything: bool,
) -> OriginRequestPolicyConfig {
    use OriginRequestPolicyCookieBehavior as Cookies;
    use OriginRequestPolicyQueryStringBehavior as QueryStrings;
    OriginRequestPolicyConfig {
        headers_config: OriginRequestPolicyHeadersConfig {
            header_behavior,
            headers: Some(Headers::from_items(strings(headers))),
        },
        cookies_config: OriginRequestPolicyCookiesConfig {
            cookie_behavior: if everything { Cookies::All } else { Cookies::None },
            cookies: None,
        },
        query_strings_config: OriginRequestPolicyQueryStringsConfig {
            query_string_behavior: if everything { QueryStrings::All } else { QueryStrings::None },
            query_strings: None,
        },
        ..OriginRequestPolicyConfig::default()
    }
}

fn cors(methods: &[CorsMethod], with_credentials: bool) -> ResponseHeadersPolicyConfig {
    ResponseHeadersPolicyConfig {
        cors_config: Some(ResponseHeadersPolicyCorsConfig {
            access_control_allow_origins: ResponseHeadersPolicyAccessControlAllowOrigins::from_items(
                strings(&["*"]),
            ),
            access_control_allow_methods: ResponseHeadersPolicyAccessControlAllowMethods::from_items(
                methods.to_vec(),
            ),
            access_control_allow_credentials: with_credentials,
            ..ResponseHeadersPolicyCorsConfig::default()
        }),
        ..ResponseHeadersPolicyConfig::default()
    }
}

pub(super) fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}
