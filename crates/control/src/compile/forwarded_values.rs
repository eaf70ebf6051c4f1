//! `ForwardedValues`: what a cache behavior said before there were policies.

use aws_api::ApiError;
use aws_api::cloudfront::{
    CookieNames, CookiePreference, DefaultCacheBehavior, ErrorCode, ForwardedValues, Headers, ItemSelection,
};
use edge_config::{CachePolicy, NameSelection};

use crate::managed;

/// Stands for every header.
const ALL_HEADERS: &str = "*";

/// What it forwards and what would be cached, as a cache policy.
pub(super) fn compile_forwarded_values(
    forwarded_values: &ForwardedValues,
    settings: &DefaultCacheBehavior,
) -> Result<CachePolicy, ApiError> {
    let seconds = |ttl: Option<i64>| ttl.and_then(|ttl| u64::try_from(ttl).ok()).unwrap_or_default();
    if forwards_all_headers(forwarded_values) {
        return compile_all_headers(forwarded_values);
    }
    Ok(CachePolicy {
        min_ttl_seconds: seconds(settings.min_ttl),
        default_ttl_seconds: seconds(settings.default_ttl),
        max_ttl_seconds: seconds(settings.max_ttl),
        accept_encoding_gzip: settings.compress == Some(true),
        accept_encoding_brotli: false,
        headers: headers(forwarded_values).to_vec(),
        cookies: compile_cookies(&forwarded_values.cookies)?,
        query_strings: if forwarded_values.query_string { NameSelection::All } else { NameSelection::None },
    })
}

/// With all headers forwarded nothing is cached ("Cache content based on request headers"), and what
/// the origin gets is what the managed policy AllViewer says, if cookies and query strings go too.
pub(super) fn origin_request_policy_of(forwarded_values: &ForwardedValues) -> Option<String> {
    forwards_all_headers(forwarded_values).then(|| managed::ALL_VIEWER_ID.to_owned())
}

fn compile_all_headers(forwarded_values: &ForwardedValues) -> Result<CachePolicy, ApiError> {
    if forwarded_values.query_string && forwarded_values.cookies.forward == ItemSelection::All {
        return Ok(CachePolicy::default());
    }
    Err(ErrorCode::UnsupportedOperation.with_message(
        "ForwardedValues with all headers (*) is taken only with all cookies and query strings. Set Cookies to \
         all and QueryString to true; or use a CachePolicyId and an OriginRequestPolicyId instead.",
    ))
}

fn compile_cookies(cookies: &CookiePreference) -> Result<NameSelection, ApiError> {
    let names = cookies.whitelisted_names.as_ref().map(CookieNames::items).unwrap_or_default();
    match cookies.forward {
        ItemSelection::None => Ok(NameSelection::None),
        ItemSelection::All => Ok(NameSelection::All),
        ItemSelection::Whitelist if names.iter().any(|name| name.contains(['*', '?'])) => {
            Err(ErrorCode::UnsupportedOperation.with_message(
                "WhitelistedNames of cookies with wildcards are not supported. Name each cookie, or forward all.",
            ))
        }
        ItemSelection::Whitelist => Ok(NameSelection::Only(names.to_vec())),
    }
}

fn forwards_all_headers(forwarded_values: &ForwardedValues) -> bool {
    headers(forwarded_values).iter().any(|name| name == ALL_HEADERS)
}

fn headers(forwarded_values: &ForwardedValues) -> &[String] {
    forwarded_values.headers.as_ref().map(Headers::items).unwrap_or_default()
}
