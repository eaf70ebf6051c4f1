//! Cache policies ("Understand cache policies").

use aws_api::ApiError;
use aws_api::cloudfront::{
    CachePolicyConfig, CookieNames, ErrorCode, Headers, ParametersInCacheKeyAndForwardedToOrigin,
    QueryStringNames,
};

use super::selection::{Named, Selection, header_not_allowed, validate_selections};
use super::{validate_comment, validate_name};
use crate::errors::invalid_argument;
use crate::quotas::{Quotas, TTL_SECONDS};
use crate::validate::header_names::why_uncacheable;

/// Checks a whole configuration, defaults filled in.
pub(crate) fn validate(config: &CachePolicyConfig, quotas: &Quotas) -> Result<(), ApiError> {
    validate_name(&config.name)?;
    validate_comment(config.comment.as_deref())?;
    validate_ttls(config)?;
    let Some(parameters) = &config.parameters_in_cache_key_and_forwarded_to_origin else { return Ok(()) };
    let selections = selections(parameters, quotas);
    validate_selections(&selections)?;
    validate_headers(parameters)?;
    if is_caching_disabled(config) { refuse_any_key(parameters, &selections) } else { Ok(()) }
}

fn validate_ttls(config: &CachePolicyConfig) -> Result<(), ApiError> {
    let [min_ttl, default_ttl, max_ttl] = ttls(config);
    for (name, ttl) in [("MinTTL", min_ttl), ("DefaultTTL", default_ttl), ("MaxTTL", max_ttl)] {
        if !TTL_SECONDS.contains(&ttl) {
            return Err(invalid_argument(format!(
                "The parameter {name} must be from {} to {} seconds.",
                TTL_SECONDS.start(),
                TTL_SECONDS.end()
            )));
        }
    }
    if min_ttl <= default_ttl && default_ttl <= max_ttl {
        return Ok(());
    }
    // The model has InvalidTTLOrder for distributions alone.
    Err(invalid_argument(format!(
        "The parameters MinTTL, DefaultTTL and MaxTTL are {min_ttl}, {default_ttl} and {max_ttl}, of which none \
         may be above the next. Set all three; left out, DefaultTTL is a day and MaxTTL a year."
    )))
}

fn ttls(config: &CachePolicyConfig) -> [i64; 3] {
    [config.min_ttl, config.default_ttl.unwrap_or_default(), config.max_ttl.unwrap_or_default()]
}

fn is_caching_disabled(config: &CachePolicyConfig) -> bool {
    ttls(config) == [0, 0, 0]
}

fn selections<'a>(
    parameters: &'a ParametersInCacheKeyAndForwardedToOrigin,
    quotas: &Quotas,
) -> [Selection<'a>; 3] {
    let headers = &parameters.headers_config;
    let cookies = &parameters.cookies_config;
    let query_strings = &parameters.query_strings_config;
    [
        Selection {
            named: Named::Headers,
            behavior: headers.header_behavior.as_str(),
            names: headers.headers.as_ref().map(Headers::items).unwrap_or_default(),
            quota: (quotas.headers_per_policy, ErrorCode::TooManyHeadersInCachePolicy),
        },
        Selection {
            named: Named::Cookies,
            behavior: cookies.cookie_behavior.as_str(),
            names: cookies.cookies.as_ref().map(CookieNames::items).unwrap_or_default(),
            quota: (quotas.cookies_per_policy, ErrorCode::TooManyCookiesInCachePolicy),
        },
        Selection {
            named: Named::QueryStrings,
            behavior: query_strings.query_string_behavior.as_str(),
            names: query_strings.query_strings.as_ref().map(QueryStringNames::items).unwrap_or_default(),
            quota: (quotas.query_strings_per_policy, ErrorCode::TooManyQueryStringsInCachePolicy),
        },
    ]
}

fn validate_headers(parameters: &ParametersInCacheKeyAndForwardedToOrigin) -> Result<(), ApiError> {
    let normalises_accept_encoding =
        parameters.enable_accept_encoding_gzip || parameters.enable_accept_encoding_brotli == Some(true);
    let headers = parameters.headers_config.headers.as_ref().map(Headers::items).unwrap_or_default();
    for name in headers {
        if let Some(remedy) = why_uncacheable(name) {
            return Err(header_not_allowed(name, remedy));
        }
        if normalises_accept_encoding && name.eq_ignore_ascii_case("accept-encoding") {
            return Err(header_not_allowed(
                name,
                "EnableAcceptEncodingGzip and EnableAcceptEncodingBrotli take care of it: leave it out.",
            ));
        }
    }
    Ok(())
}

/// With all three times at 0 nothing is stored, so nothing may be in the key; the sentences are AWS's.
fn refuse_any_key(
    parameters: &ParametersInCacheKeyAndForwardedToOrigin,
    selections: &[Selection<'_>],
) -> Result<(), ApiError> {
    let selected =
        selections.iter().map(|selection| (selection.named.behavior(), selection.behavior != "none"));
    let formats = [
        ("EnableAcceptEncodingGzip", parameters.enable_accept_encoding_gzip),
        ("EnableAcceptEncodingBrotli", parameters.enable_accept_encoding_brotli == Some(true)),
    ];
    match selected.chain(formats).find(|(_, is_set)| *is_set) {
        None => Ok(()),
        Some((parameter, _)) => Err(invalid_argument(format!(
            "The parameter {parameter} is invalid for policy with caching disabled. MinTTL, DefaultTTL and MaxTTL \
             are 0: raise MaxTTL, or switch it off and forward what the origin needs with an origin request policy."
        ))),
    }
}
