//! The CORS part of a response headers policy ("Understand response headers policies", CORS headers).

use std::collections::BTreeSet;

use aws_api::ApiError;
use aws_api::cloudfront::{
    ResponseHeadersPolicyAccessControlAllowMethodsValues as AllowedMethod,
    ResponseHeadersPolicyAccessControlExposeHeaders, ResponseHeadersPolicyCorsConfig,
};

use super::response_headers_policy::{check_length, refuse_duplicate};
use crate::errors::invalid_argument;
use crate::quotas::CORS_LIST_BYTES_MAX;
use crate::validate::header_names::is_token;

pub(super) fn validate(cors: &ResponseHeadersPolicyCorsConfig) -> Result<(), ApiError> {
    validate_origins(&cors.access_control_allow_origins.items)?;
    let allowed = &cors.access_control_allow_headers.items;
    validate_headers("Access-Control-Allow-Headers", allowed)?;
    let exposed = cors
        .access_control_expose_headers
        .as_ref()
        .map(ResponseHeadersPolicyAccessControlExposeHeaders::items);
    validate_headers("Access-Control-Expose-Headers", exposed.unwrap_or_default())?;
    validate_methods(&cors.access_control_allow_methods.items)?;
    if cors.access_control_allow_credentials {
        refuse_wildcards_with_credentials(cors)?;
    }
    if cors.access_control_max_age_sec.is_some_and(|seconds| seconds < 0) {
        return Err(invalid_argument(
            "The parameter Access-Control-Max-Age must be a number of seconds from 0. Leave it out for none.",
        ));
    }
    Ok(())
}

/// A wildcard means nothing to a browser that sends credentials (Fetch standard, CORS protocol and
/// credentials). AWS's sentence is known for the headers; the origins follow it.
fn refuse_wildcards_with_credentials(cors: &ResponseHeadersPolicyCorsConfig) -> Result<(), ApiError> {
    let is_any_origin = cors.access_control_allow_origins.items.iter().any(|origin| origin == "*");
    let is_any_header = cors.access_control_allow_headers.items.iter().any(|header| header.contains('*'));
    let header = match (is_any_origin, is_any_header) {
        (true, _) => "Access-Control-Allow-Origin",
        (_, true) => "Access-Control-Allow-Headers",
        _ => return Ok(()),
    };
    Err(invalid_argument(format!(
        "The parameter {header} cannot contain * when allowCredentials is true. List what is allowed by name, or \
         set AccessControlAllowCredentials to false."
    )))
}

fn validate_origins(origins: &[String]) -> Result<(), ApiError> {
    if origins.is_empty() {
        return Err(invalid_argument(
            "The parameter Access-Control-Allow-Origin lists no origin. List at least one, or * for all.",
        ));
    }
    for origin in origins {
        if origin != "*" && !is_origin(origin) {
            return Err(invalid_argument(format!(
                "The parameter Access-Control-Allow-Origin contains {origin:?}, which is no origin. Give a host \
                 with or without scheme and port, such as https://www.example.com; * may stand for everything, \
                 for what is left of a domain (*.example.com), or in the port."
            )));
        }
        check_length("Access-Control-Allow-Origin", origin)?;
    }
    check_list("Access-Control-Allow-Origin", origins)?;
    refuse_duplicate("Access-Control-Allow-Origin", origins.iter().map(String::as_str))
}

/// `[scheme://]host[:port]`.
fn is_origin(text: &str) -> bool {
    let (scheme, rest) = text.split_once("://").map_or((None, text), |(scheme, rest)| (Some(scheme), rest));
    // After the last colon, unless that is in the address of a host.
    let colon = rest.rfind(':').filter(|colon| !rest[*colon..].contains(']'));
    let (host, port) = colon.map_or((rest, None), |colon| (&rest[..colon], Some(&rest[colon + 1..])));
    scheme.is_none_or(is_scheme) && is_host(host) && port.is_none_or(is_port)
}

/// RFC 3986 section 3.1. Applications have schemes of their own.
fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// A name, whose leftmost label may be a wildcard if others follow; or an address.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let name = host.strip_prefix("*.").unwrap_or(host);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.split('.').all(is_label)
}

/// Digits, with wildcards anywhere: `*`, `1*3`.
fn is_port(port: &str) -> bool {
    (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*')
}

fn validate_headers(parameter: &str, headers: &[String]) -> Result<(), ApiError> {
    for header in headers {
        if !is_token(header) || header.matches('*').count() > 1 {
            return Err(invalid_argument(format!(
                "The parameter {parameter} contains {header:?}, which is no name of a header. Give names, * for \
                 all, or one * in a name."
            )));
        }
    }
    check_list(parameter, headers)?;
    refuse_duplicate(parameter, headers.iter().map(String::as_str))
}

fn validate_methods(methods: &[AllowedMethod]) -> Result<(), ApiError> {
    let distinct: BTreeSet<AllowedMethod> = methods.iter().copied().collect();
    if distinct.len() < methods.len() {
        return Err(invalid_argument(
            "The parameter Access-Control-Allow-Methods contains a method twice. Remove one.",
        ));
    }
    if distinct.contains(&AllowedMethod::All) && methods.len() > 1 {
        return Err(invalid_argument(
            "The parameter Access-Control-Allow-Methods contains ALL beside others. List ALL alone, or the methods.",
        ));
    }
    Ok(())
}

/// One header is made from the whole list.
fn check_list(parameter: &str, items: &[String]) -> Result<(), ApiError> {
    let bytes: usize = items.iter().map(|item| item.len() + 1).sum();
    if bytes <= CORS_LIST_BYTES_MAX {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "The parameter {parameter} has more than {CORS_LIST_BYTES_MAX} characters in all. List fewer."
    )))
}
