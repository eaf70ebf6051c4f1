//! Origins and origin groups.

use std::ops::RangeInclusive;

use aws_api::ApiError;
use aws_api::cloudfront::{
    CustomHeaders, CustomOriginConfig, DistributionConfig, ErrorCode, Origin, OriginCustomHeader, OriginGroup,
};

use super::header_names::{is_field_value, is_token};
use super::origin_address::parse_origin_address;
use super::{duplicate, is_visible, origin_groups};
use crate::errors::invalid_argument;
use crate::quotas::{
    CONNECTION_ATTEMPTS, CONNECTION_TIMEOUT_SECONDS, CUSTOM_HEADER_NAME_BYTES_MAX,
    CUSTOM_HEADER_VALUE_BYTES_MAX, CUSTOM_HEADERS_BYTES_MAX, ORIGIN_KEEPALIVE_TIMEOUT_SECONDS,
    ORIGIN_READ_TIMEOUT_SECONDS, Quotas, RESPONSE_COMPLETION_TIMEOUT_SECONDS, TEXT_BYTES_MAX,
};

/// The status codes on which an origin group may fail over ("Optimize high availability with
/// CloudFront origin failover").
const FAILOVER_STATUS_CODES: [i32; 9] = [400, 403, 404, 416, 429, 500, 502, 503, 504];

/// Custom headers that an origin may not be given ("Add custom headers to origin requests").
const REFUSED_HEADERS: [&str; 18] = [
    "cache-control",
    "connection",
    "content-length",
    "cookie",
    "host",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "request-range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
];

/// Beginnings of names that none of them may have.
const REFUSED_HEADER_PREFIXES: [&str; 3] = ["if-", "x-amz-", "x-edge-"];

pub(super) fn validate(config: &DistributionConfig, quotas: &Quotas) -> Result<(), ApiError> {
    let origins = &config.origins.items;
    if origins.is_empty() {
        return Err(invalid_argument("Origins is empty. A distribution needs at least one origin."));
    }
    let most = quotas.origins_per_distribution;
    if origins.len() > most {
        return Err(ErrorCode::TooManyOrigins
            .with_message(format!("A distribution has at most {most} origins. Remove some.")));
    }
    origins.iter().try_for_each(|origin| validate_origin(origin, quotas))?;
    let groups = origin_groups(config);
    let most = quotas.origin_groups_per_distribution;
    if groups.len() > most {
        return Err(ErrorCode::TooManyOriginGroupsPerDistribution
            .with_message(format!("A distribution has at most {most} origin groups. Remove some.")));
    }
    groups.iter().try_for_each(|group| validate_origin_group(group, origins))?;
    let ids = origins.iter().map(|origin| &origin.id).chain(groups.iter().map(|group| &group.id));
    match duplicate(ids) {
        Some(id) => Err(invalid_argument(format!(
            "Two origins or origin groups have the Id {id:?}. Give each its own."
        ))),
        None => Ok(()),
    }
}

fn validate_origin(origin: &Origin, quotas: &Quotas) -> Result<(), ApiError> {
    let id = &origin.id;
    if id.is_empty() || id.len() > TEXT_BYTES_MAX {
        return Err(invalid_argument(format!(
            "The Id {id:?} of an origin must have 1 to {TEXT_BYTES_MAX} characters."
        )));
    }
    validate_kind(origin)?;
    parse_origin_address(origin)?;
    validate_path(origin)?;
    validate_custom_headers(origin, quotas)?;
    check_number(origin, "ConnectionAttempts", origin.connection_attempts, CONNECTION_ATTEMPTS)
        .and(check_number(origin, "ConnectionTimeout", origin.connection_timeout, CONNECTION_TIMEOUT_SECONDS))
        .map_err(invalid_argument)?;
    match &origin.custom_origin_config {
        Some(custom) => validate_custom_origin(origin, custom)?,
        None => check_read_timeout(
            origin,
            origin.s3_origin_config.as_ref().and_then(|bucket| bucket.origin_read_timeout),
        )?,
    }
    validate_completion_timeout(origin)
}

fn validate_kind(origin: &Origin) -> Result<(), ApiError> {
    let id = &origin.id;
    if let Some(vpc) = &origin.vpc_origin_config {
        return Err(ErrorCode::EntityNotFound.with_message(format!(
            "The VPC origin {:?} of the origin {id:?} does not exist. Use CustomOriginConfig; an address in a \
             private network is fine.",
            vpc.vpc_origin_id
        )));
    }
    if origin.custom_origin_config.is_some() && origin.s3_origin_config.is_some() {
        return Err(ErrorCode::InvalidOrigin.with_message(format!(
            "The origin {id:?} has a CustomOriginConfig and an S3OriginConfig. Remove one of them; an HTTP \
             server needs CustomOriginConfig."
        )));
    }
    Ok(())
}

fn validate_path(origin: &Origin) -> Result<(), ApiError> {
    let path = origin.origin_path.as_deref().unwrap_or_default();
    let is_path = path.is_empty()
        || (path.starts_with('/')
            && !path.ends_with('/')
            && path.len() <= TEXT_BYTES_MAX
            && is_visible(path)
            && !path.contains(['?', '#']));
    if is_path {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "The OriginPath {path:?} of the origin {:?} must be empty, or begin with a slash, not end with one, \
         and have at most {TEXT_BYTES_MAX} visible ASCII characters without ? and #.",
        origin.id
    )))
}

fn validate_custom_headers(origin: &Origin, quotas: &Quotas) -> Result<(), ApiError> {
    let headers = origin.custom_headers.as_ref().map(CustomHeaders::items).unwrap_or_default();
    let most = quotas.custom_headers_per_origin;
    if headers.len() > most {
        return Err(ErrorCode::TooManyOriginCustomHeaders.with_message(format!(
            "The origin {:?} has more than {most} custom headers. Remove some.",
            origin.id
        )));
    }
    for header in headers {
        if let Some(reason) = why_no_custom_header(header) {
            return Err(invalid_argument(format!(
                "The custom header {:?} of the origin {:?} {reason}",
                header.header_name, origin.id
            )));
        }
    }
    let bytes: usize =
        headers.iter().map(|header| header.header_name.len() + header.header_value.len()).sum();
    if bytes > CUSTOM_HEADERS_BYTES_MAX {
        return Err(invalid_argument(format!(
            "The custom headers of the origin {:?} have more than {CUSTOM_HEADERS_BYTES_MAX} characters \
             in all. Shorten them.",
            origin.id
        )));
    }
    match duplicate(headers.iter().map(|header| header.header_name.to_ascii_lowercase())) {
        Some(name) => Err(invalid_argument(format!(
            "The origin {:?} has the custom header {name:?} twice. Remove one.",
            origin.id
        ))),
        None => Ok(()),
    }
}

fn why_no_custom_header(header: &OriginCustomHeader) -> Option<String> {
    let name = header.header_name.to_ascii_lowercase();
    if !is_token(&name) || name.len() > CUSTOM_HEADER_NAME_BYTES_MAX {
        Some(format!("must be named with 1 to {CUSTOM_HEADER_NAME_BYTES_MAX} letters, digits and hyphens."))
    } else if !is_field_value(&header.header_value)
        || header.header_value.len() > CUSTOM_HEADER_VALUE_BYTES_MAX
    {
        Some(format!(
            "must have a value of at most {CUSTOM_HEADER_VALUE_BYTES_MAX} visible ASCII characters, \
             spaces only between them."
        ))
    } else if is_refused_header(&name) {
        Some("is one that CloudFront sets or removes itself. Use another name.".to_owned())
    } else {
        None
    }
}

fn is_refused_header(name: &str) -> bool {
    REFUSED_HEADERS.contains(&name) || REFUSED_HEADER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn validate_custom_origin(origin: &Origin, custom: &CustomOriginConfig) -> Result<(), ApiError> {
    for (name, port) in [("HTTPPort", custom.http_port), ("HTTPSPort", custom.https_port)] {
        if !matches!(port, 80 | 443 | 1024..=65_535) {
            return Err(invalid_argument(format!(
                "The {name} {port} of the origin {:?} must be 80, 443, or from 1024 to 65535.",
                origin.id
            )));
        }
    }
    if custom.origin_ssl_protocols.as_ref().is_some_and(|protocols| protocols.items.is_empty()) {
        return Err(invalid_argument(format!(
            "The OriginSslProtocols of the origin {:?} are empty. List TLSv1.2.",
            origin.id
        )));
    }
    check_read_timeout(origin, custom.origin_read_timeout)?;
    check_number(
        origin,
        "OriginKeepaliveTimeout",
        custom.origin_keepalive_timeout,
        ORIGIN_KEEPALIVE_TIMEOUT_SECONDS,
    )
    .map_err(|message| ErrorCode::InvalidOriginKeepaliveTimeout.with_message(message))
}

fn check_read_timeout(origin: &Origin, seconds: Option<i32>) -> Result<(), ApiError> {
    check_number(origin, "OriginReadTimeout", seconds, ORIGIN_READ_TIMEOUT_SECONDS)
        .map_err(|message| ErrorCode::InvalidOriginReadTimeout.with_message(message))
}

fn validate_completion_timeout(origin: &Origin) -> Result<(), ApiError> {
    let Some(completion) = origin.response_completion_timeout else { return Ok(()) };
    let range = RESPONSE_COMPLETION_TIMEOUT_SECONDS;
    check_number(origin, "ResponseCompletionTimeout", Some(completion), range).map_err(invalid_argument)?;
    let custom = origin.custom_origin_config.as_ref().and_then(|custom| custom.origin_read_timeout);
    let read = custom.or(origin.s3_origin_config.as_ref().and_then(|bucket| bucket.origin_read_timeout));
    if read.is_some_and(|read| completion < read) {
        return Err(invalid_argument(format!(
            "The ResponseCompletionTimeout of the origin {:?} is below its OriginReadTimeout. Raise it, or \
             leave it out for no limit.",
            origin.id
        )));
    }
    Ok(())
}

fn check_number(
    origin: &Origin,
    name: &str,
    number: Option<i32>,
    range: RangeInclusive<i32>,
) -> Result<(), String> {
    if number.is_none_or(|number| range.contains(&number)) {
        return Ok(());
    }
    Err(format!(
        "The {name} of the origin {:?} must be from {} to {}.",
        origin.id,
        range.start(),
        range.end()
    ))
}

fn validate_origin_group(group: &OriginGroup, origins: &[Origin]) -> Result<(), ApiError> {
    let members: Vec<&str> = group.members.items.iter().map(|member| member.origin_id.as_str()).collect();
    let [primary, secondary] = members[..] else {
        return Err(invalid_argument(format!(
            "The origin group {:?} must have two members, the primary first.",
            group.id
        )));
    };
    if let Some(unknown) = members.iter().find(|id| origins.iter().all(|origin| origin.id != **id)) {
        return Err(ErrorCode::NoSuchOrigin.with_message(format!(
            "The origin group {:?} has the member {unknown:?}, which is none of the distribution's origins. \
             Add that origin, or name another.",
            group.id
        )));
    }
    if primary == secondary {
        return Err(invalid_argument(format!(
            "The origin group {:?} has the same origin twice. Name two.",
            group.id
        )));
    }
    let codes = &group.failover_criteria.status_codes.items;
    if codes.is_empty() || codes.iter().any(|code| !FAILOVER_STATUS_CODES.contains(code)) {
        return Err(invalid_argument(format!(
            "The StatusCodes of the origin group {:?} must be some of {FAILOVER_STATUS_CODES:?}.",
            group.id
        )));
    }
    Ok(())
}
