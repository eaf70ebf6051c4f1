//! Cache policies, origin request policies and response headers policies.

use aws_api::cloudfront::{
    CachePolicyConfig, CachePolicyCookieBehavior, CachePolicyQueryStringBehavior, CookieNames, Headers,
    OriginRequestPolicyConfig, OriginRequestPolicyCookieBehavior, OriginRequestPolicyHeaderBehavior,
    OriginRequestPolicyQueryStringBehavior, QueryStringNames,
    ResponseHeadersPolicyAccessControlAllowMethodsValues as AllowedMethod,
    ResponseHeadersPolicyAccessControlExposeHeaders, ResponseHeadersPolicyConfig,
    ResponseHeadersPolicyCorsConfig, ResponseHeadersPolicyCustomHeadersConfig,
    ResponseHeadersPolicyRemoveHeadersConfig, ResponseHeadersPolicySecurityHeadersConfig,
    ResponseHeadersPolicyServerTimingHeadersConfig, ResponseHeadersPolicyStrictTransportSecurity,
    ResponseHeadersPolicyXSSProtection,
};
use edge_config::{
    Bundle, CachePolicy, CorsHeaders, HeaderSelection, NameSelection, OriginRequestPolicy, ResponseHeader,
    ResponseHeadersPolicy, ServerTimingHeader,
};

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

/// Compiles a response headers policy of one's own.
pub(crate) fn compile_response_headers_policy(config: &ResponseHeadersPolicyConfig) -> Bundle {
    Bundle::ResponseHeadersPolicy(response_headers_policy(config))
}

/// Compiles a managed response headers policy, whose documentation says less of what is exposed.
pub(crate) fn compile_managed_response_headers_policy(config: &ResponseHeadersPolicyConfig) -> Bundle {
    let mut policy = response_headers_policy(config);
    if let Some(cors) = &mut policy.cors {
        cors.exposes_to_preflight_alone = true;
    }
    Bundle::ResponseHeadersPolicy(policy)
}

fn response_headers_policy(config: &ResponseHeadersPolicyConfig) -> ResponseHeadersPolicy {
    let removed = config.remove_headers_config.as_ref().map(ResponseHeadersPolicyRemoveHeadersConfig::items);
    let custom = config.custom_headers_config.as_ref().map(ResponseHeadersPolicyCustomHeadersConfig::items);
    let custom = custom.unwrap_or_default().iter().map(|custom| ResponseHeader {
        name: custom.header.clone(),
        value: custom.value.clone(),
        overrides_origin: custom.r#override,
    });
    let security = config.security_headers_config.as_ref().map(security_headers);
    ResponseHeadersPolicy {
        cors: config.cors_config.as_ref().map(cors_headers),
        headers: security.unwrap_or_default().into_iter().chain(custom).collect(),
        removed_headers: removed.unwrap_or_default().iter().map(|removed| removed.header.clone()).collect(),
        server_timing: config.server_timing_headers_config.as_ref().and_then(server_timing_header),
    }
}

fn cors_headers(config: &ResponseHeadersPolicyCorsConfig) -> CorsHeaders {
    let exposed = config
        .access_control_expose_headers
        .as_ref()
        .map(ResponseHeadersPolicyAccessControlExposeHeaders::items);
    let methods = &config.access_control_allow_methods.items;
    // "ALL is a special value that includes all of the listed HTTP methods".
    let all = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
    let allow_methods = if methods.contains(&AllowedMethod::All) {
        all.map(str::to_owned).to_vec()
    } else {
        methods.iter().map(|method| method.as_str().to_owned()).collect()
    };
    CorsHeaders {
        allow_origins: config.access_control_allow_origins.items.clone(),
        allow_credentials: config.access_control_allow_credentials,
        allow_methods,
        allow_headers: config.access_control_allow_headers.items.clone(),
        expose_headers: names(exposed),
        exposes_to_preflight_alone: false,
        max_age_seconds: config.access_control_max_age_sec.and_then(|seconds| seconds.try_into().ok()),
        overrides_origin: config.origin_override,
    }
}

fn security_headers(config: &ResponseHeadersPolicySecurityHeadersConfig) -> Vec<ResponseHeader> {
    let header = |name: &str, value: String, overrides_origin| ResponseHeader {
        name: name.to_owned(),
        value,
        overrides_origin,
    };
    let ResponseHeadersPolicySecurityHeadersConfig {
        xss_protection,
        frame_options,
        referrer_policy,
        content_security_policy,
        content_type_options,
        strict_transport_security,
    } = config;
    let strict = strict_transport_security.as_ref();
    let headers = [
        strict.map(|set| header("Strict-Transport-Security", strict_transport(set), set.r#override)),
        content_type_options
            .as_ref()
            .map(|set| header("X-Content-Type-Options", "nosniff".to_owned(), set.r#override)),
        frame_options
            .as_ref()
            .map(|set| header("X-Frame-Options", set.frame_option.as_str().to_owned(), set.r#override)),
        xss_protection.as_ref().map(|set| header("X-XSS-Protection", xss_protects(set), set.r#override)),
        referrer_policy
            .as_ref()
            .map(|set| header("Referrer-Policy", set.referrer_policy.as_str().to_owned(), set.r#override)),
        content_security_policy.as_ref().map(|set| {
            header("Content-Security-Policy", set.content_security_policy.clone(), set.r#override)
        }),
    ];
    headers.into_iter().flatten().collect()
}

fn strict_transport(config: &ResponseHeadersPolicyStrictTransportSecurity) -> String {
    let directive = |is_set, text| if is_set == Some(true) { text } else { "" };
    format!(
        "max-age={}{}{}",
        config.access_control_max_age_sec,
        directive(config.include_subdomains, "; includeSubDomains"),
        directive(config.preload, "; preload")
    )
}

fn xss_protects(config: &ResponseHeadersPolicyXSSProtection) -> String {
    if !config.protection {
        return "0".to_owned();
    }
    match config.report_uri.as_deref().unwrap_or_default() {
        _ if config.mode_block == Some(true) => "1; mode=block".to_owned(),
        "" => "1".to_owned(),
        uri => format!("1; report={uri}"),
    }
}

/// Without a rate, only who asks with `Pragma: server-timing` is told, as with 0.
fn server_timing_header(
    config: &ResponseHeadersPolicyServerTimingHeadersConfig,
) -> Option<ServerTimingHeader> {
    let all = f64::from(ServerTimingHeader::SAMPLES);
    let sampled = (config.sampling_rate.unwrap_or_default() / 100.0 * all).round().clamp(0.0, all);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was clamped")]
    config.enabled.then_some(ServerTimingHeader { sampled: sampled as u32 })
}

fn names(items: Option<&[String]>) -> Vec<String> {
    items.unwrap_or_default().to_vec()
}
