//! `ForwardedValues`: what a cache behavior said before there were policies.

use aws_api::cloudfront::{
    CookieNames, CookiePreference, DefaultCacheBehavior, ForwardedValues, Headers, ItemSelection,
};
use edge_config::{CachePolicy, HeaderSelection, NameSelection, OriginRequestPolicy};

/// Stands for every header.
const ALL_HEADERS: &str = "*";

/// What does not go to the origin unless it is named: "CloudFront removes the header", or replaces it
/// by its own ("Request and response behavior for custom origins", the table of request headers). What
/// is not in that table goes, under legacy cache settings alone.
const NOT_FORWARDED_UNASKED: [&str; 8] = [
    "Accept",
    "Accept-Charset",
    "Accept-Language",
    "Authorization",
    "Host",
    "Referer",
    "User-Agent",
    "X-HTTP-Method-Override",
];

/// What would be cached, and what belongs to the key of it, as a cache policy.
///
/// `QueryStringCacheKeys` narrow the key, not what the origin gets; a key of all query strings keeps
/// apart whatever they keep apart.
pub(super) fn compile_forwarded_values(
    forwarded_values: &ForwardedValues,
    settings: &DefaultCacheBehavior,
) -> CachePolicy {
    let policy = CachePolicy {
        cookies: compile_cookies(&forwarded_values.cookies),
        query_strings: if forwarded_values.query_string { NameSelection::All } else { NameSelection::None },
        ..CachePolicy::default()
    };
    if forwards_all_headers(forwarded_values) {
        return policy;
    }
    let seconds = |ttl: Option<i64>| ttl.and_then(|ttl| u64::try_from(ttl).ok()).unwrap_or_default();
    CachePolicy {
        min_ttl_seconds: seconds(settings.min_ttl),
        default_ttl_seconds: seconds(settings.default_ttl),
        max_ttl_seconds: seconds(settings.max_ttl),
        // Brotli came with cache policies ("Serve compressed files").
        accept_encoding_gzip: true,
        headers: headers(forwarded_values).to_vec(),
        ..policy
    }
}

/// What goes to the origin beyond that, as an origin request policy.
pub(super) fn origin_request_policy_of(forwarded_values: &ForwardedValues) -> OriginRequestPolicy {
    let headers = if forwards_all_headers(forwarded_values) {
        HeaderSelection::AllViewer
    } else {
        HeaderSelection::AllExcept(NOT_FORWARDED_UNASKED.map(str::to_owned).to_vec())
    };
    OriginRequestPolicy { headers, ..OriginRequestPolicy::default() }
}

/// With all headers forwarded nothing is cached ("Cache content based on request headers").
pub(super) fn forwards_all_headers(forwarded_values: &ForwardedValues) -> bool {
    headers(forwarded_values).iter().any(|name| name == ALL_HEADERS)
}

fn compile_cookies(cookies: &CookiePreference) -> NameSelection {
    let names = cookies.whitelisted_names.as_ref().map(CookieNames::items).unwrap_or_default().to_vec();
    match cookies.forward {
        ItemSelection::None => NameSelection::None,
        ItemSelection::All => NameSelection::All,
        // "Cache content based on cookies": only here do names have wildcards.
        ItemSelection::Whitelist if names.iter().any(|name| name.contains(['*', '?'])) => {
            NameSelection::Matching(names)
        }
        ItemSelection::Whitelist => NameSelection::Only(names),
    }
}

fn headers(forwarded_values: &ForwardedValues) -> &[String] {
    forwarded_values.headers.as_ref().map(Headers::items).unwrap_or_default()
}
