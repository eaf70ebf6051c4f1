//! Cache behaviors: where they lead, what they allow, what decides on caching.

use std::collections::BTreeSet;

use aws_api::ApiError;
use aws_api::cloudfront::{
    AllowedMethods, CookieNames, DefaultCacheBehavior, DistributionConfig, ErrorCode, ForwardedValues,
    Headers, HttpVersion, ItemSelection, Method, QueryStringCacheKeys,
};
use edge_config::PathPattern;

use super::header_names::why_uncacheable;
use super::{duplicate, origin_groups};
use crate::cache_behavior::{AnyCacheBehavior, cache_behaviors};
use crate::errors::invalid_argument;
use crate::managed;
use crate::quotas::{Quotas, TTL_SECONDS};

pub(super) fn validate(config: &DistributionConfig, quotas: &Quotas) -> Result<(), ApiError> {
    let behaviors = cache_behaviors(config);
    let most = quotas.cache_behaviors_per_distribution;
    if behaviors.len() - 1 > most {
        return Err(ErrorCode::TooManyCacheBehaviors.with_message(format!(
            "A distribution has at most {most} cache behaviors beside the default one. Remove some."
        )));
    }
    let mut patterns = Vec::new();
    for behavior in &behaviors {
        patterns.extend(parse_path_pattern(behavior)?);
        validate_behavior(config, behavior, quotas)?;
    }
    match duplicate(patterns.iter().map(PathPattern::as_str)) {
        Some(pattern) => Err(invalid_argument(format!(
            "Two cache behaviors have the PathPattern {pattern:?}, and the second would never be used. Remove one."
        ))),
        None => Ok(()),
    }
}

/// The path pattern of a cache behavior; none for the default one.
pub(crate) fn parse_path_pattern(behavior: &AnyCacheBehavior) -> Result<Option<PathPattern>, ApiError> {
    let parse = |text: &String| {
        PathPattern::parse(text)
            .map_err(|error| invalid_argument(format!("The PathPattern {text:?} cannot be used: {error}.")))
    };
    behavior.path_pattern.as_ref().map(parse).transpose()
}

fn validate_behavior(
    config: &DistributionConfig,
    behavior: &AnyCacheBehavior,
    quotas: &Quotas,
) -> Result<(), ApiError> {
    let settings = &behavior.settings;
    let target = &settings.target_origin_id;
    let is_known = config.origins.items.iter().any(|origin| origin.id == *target)
        || origin_groups(config).iter().any(|group| group.id == *target);
    if !is_known {
        return Err(ErrorCode::NoSuchOrigin.with_message(format!(
            "{} has the TargetOriginId {target:?}, which is the Id of none of the distribution's origins or \
             origin groups. Set it to one of those.",
            behavior.label()
        )));
    }
    if let Some(allowed) = &settings.allowed_methods {
        validate_methods(behavior, allowed)?;
    }
    if enables_grpc(settings) {
        validate_grpc(config, behavior)?;
    }
    validate_caching(behavior, quotas)
}

/// `GET, HEAD`, these with `OPTIONS`, or all seven ("Cache behavior settings", Allowed HTTP methods).
fn validate_methods(behavior: &AnyCacheBehavior, allowed: &AllowedMethods) -> Result<(), ApiError> {
    let read_only = BTreeSet::from([Method::Get, Method::Head]);
    let with_options = BTreeSet::from([Method::Get, Method::Head, Method::Options]);
    let all: BTreeSet<Method> = Method::ALL.iter().copied().collect();
    let set = |items: &[Method]| {
        let methods: BTreeSet<Method> = items.iter().copied().collect();
        (methods.len() == items.len()).then_some(methods)
    };
    let allowed_set = set(&allowed.items).filter(|set| [&read_only, &with_options, &all].contains(&set));
    let Some(allowed_set) = allowed_set else {
        return Err(invalid_argument(format!(
            "{} must have as AllowedMethods GET and HEAD; or GET, HEAD and OPTIONS; or GET, HEAD, OPTIONS, PUT, \
             PATCH, POST and DELETE.",
            behavior.label()
        )));
    };
    let cached = allowed.cached_methods.as_ref().map(|cached| set(&cached.items));
    let is_cacheable = |cached: &Option<BTreeSet<Method>>| {
        cached.as_ref().is_some_and(|cached| {
            [&read_only, &with_options].contains(&cached) && cached.is_subset(&allowed_set)
        })
    };
    if cached.as_ref().is_none_or(is_cacheable) {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "{} must have as CachedMethods GET and HEAD; or, where OPTIONS is allowed, GET, HEAD and OPTIONS.",
        behavior.label()
    )))
}

/// Whether a cache behavior serves gRPC.
pub(crate) fn enables_grpc(settings: &DefaultCacheBehavior) -> bool {
    settings.grpc_config.as_ref().is_some_and(|grpc| grpc.enabled)
}

/// "You must include HTTP/2 as one of the supported HTTP versions and allow HTTP methods, including POST"
/// ("Using gRPC with CloudFront distributions").
fn validate_grpc(config: &DistributionConfig, behavior: &AnyCacheBehavior) -> Result<(), ApiError> {
    let allowed = behavior.settings.allowed_methods.as_ref();
    if !allowed.is_some_and(|allowed| allowed.items.contains(&Method::Post)) {
        return Err(invalid_argument(format!(
            "{} has GrpcConfig enabled, for which AllowedMethods must be all seven: gRPC is POST.",
            behavior.label()
        )));
    }
    let speaks_http2 =
        matches!(config.http_version, None | Some(HttpVersion::Http2 | HttpVersion::Http2and3));
    if !speaks_http2 {
        return Err(invalid_argument(format!(
            "{} has GrpcConfig enabled, which needs HTTP/2. Set HttpVersion to http2 or http2and3.",
            behavior.label()
        )));
    }
    Ok(())
}

fn validate_caching(behavior: &AnyCacheBehavior, quotas: &Quotas) -> Result<(), ApiError> {
    let settings = &behavior.settings;
    let label = behavior.label();
    let has_policy = policy_id(settings.cache_policy_id.as_deref()).is_some();
    match &settings.forwarded_values {
        Some(_) if has_policy => Err(unusable_with_policy(&label, "ForwardedValues")),
        None if has_policy => {
            let ttls = [
                ("MinTTL", settings.min_ttl),
                ("DefaultTTL", settings.default_ttl),
                ("MaxTTL", settings.max_ttl),
            ];
            match ttls.into_iter().find(|(_, ttl)| ttl.is_some()) {
                Some((name, _)) => Err(unusable_with_policy(&label, name)),
                None => Ok(()),
            }
        }
        None => Err(invalid_argument(format!(
            "{label} has no CachePolicyId. Set it to {} (Managed-CachingDisabled) for an API.",
            managed::CACHING_DISABLED_ID
        ))),
        Some(_) if policy_id(settings.origin_request_policy_id.as_deref()).is_some() => {
            Err(invalid_argument(format!(
                "{label} has an OriginRequestPolicyId, which needs a CachePolicyId instead of ForwardedValues."
            )))
        }
        Some(forwarded_values) => {
            validate_ttls(&label, settings)?;
            validate_forwarded_values(&label, forwarded_values, quotas)
        }
    }
}

fn unusable_with_policy(label: &str, parameter: &str) -> ApiError {
    invalid_argument(format!(
        "The parameter {parameter} cannot be used when a cache policy is associated to the cache behavior. \
         {label} has both: remove {parameter}, or the CachePolicyId."
    ))
}

fn validate_ttls(label: &str, settings: &DefaultCacheBehavior) -> Result<(), ApiError> {
    let [min_ttl, default_ttl, max_ttl] =
        [settings.min_ttl, settings.default_ttl, settings.max_ttl].map(Option::unwrap_or_default);
    if [min_ttl, default_ttl, max_ttl].iter().any(|ttl| !TTL_SECONDS.contains(ttl)) {
        return Err(invalid_argument(format!(
            "{label} must have MinTTL, DefaultTTL and MaxTTL from {} to {} seconds.",
            TTL_SECONDS.start(),
            TTL_SECONDS.end()
        )));
    }
    if min_ttl <= default_ttl && default_ttl <= max_ttl {
        return Ok(());
    }
    Err(ErrorCode::InvalidTTLOrder.with_message(format!(
        "{label} must have a MinTTL of at most DefaultTTL, and a DefaultTTL of at most MaxTTL."
    )))
}

fn validate_forwarded_values(
    label: &str,
    forwarded_values: &ForwardedValues,
    quotas: &Quotas,
) -> Result<(), ApiError> {
    let headers = forwarded_values.headers.as_ref().map(Headers::items).unwrap_or_default();
    let cookies =
        forwarded_values.cookies.whitelisted_names.as_ref().map(CookieNames::items).unwrap_or_default();
    let query_strings = forwarded_values
        .query_string_cache_keys
        .as_ref()
        .map(QueryStringCacheKeys::items)
        .unwrap_or_default();
    let at_most = |most: usize, count: usize, code: ErrorCode, what: &str| {
        if count <= most {
            return Ok(());
        }
        Err(code.with_message(format!("{label} names more than {most} {what}. Name fewer, or all.")))
    };
    for name in headers.iter().filter(|name| *name != "*") {
        if let Some(what_to_do) = why_uncacheable(name) {
            return Err(invalid_argument(format!(
                "The parameter Header Name with value {name} is not allowed in ForwardedValues of {label}. \
                 {what_to_do}"
            )));
        }
    }
    at_most(quotas.headers_per_policy, headers.len(), ErrorCode::TooManyHeadersInForwardedValues, "headers")?;
    at_most(quotas.cookies_per_policy, cookies.len(), ErrorCode::TooManyCookieNamesInWhiteList, "cookies")?;
    at_most(
        quotas.query_strings_per_policy,
        query_strings.len(),
        ErrorCode::TooManyQueryStringParameters,
        "query strings",
    )?;
    let names_cookies = forwarded_values.cookies.forward == ItemSelection::Whitelist;
    if names_cookies == cookies.is_empty() {
        return Err(ErrorCode::InvalidForwardCookies.with_message(format!(
            "{label} must have WhitelistedNames of cookies with Forward whitelist, and without it none."
        )));
    }
    if !query_strings.is_empty() && !forwarded_values.query_string {
        return Err(ErrorCode::InvalidQueryStringParameters
            .with_message(format!("{label} has QueryStringCacheKeys, which need QueryString to be true.")));
    }
    Ok(())
}

/// The API takes an empty text for none.
pub(crate) fn policy_id(id: Option<&str>) -> Option<&str> {
    id.filter(|id| !id.is_empty())
}
