//! Response headers policies ("Understand response headers policies").

use std::collections::BTreeSet;

use aws_api::ApiError;
use aws_api::cloudfront::{
    ErrorCode, ResponseHeadersPolicyConfig, ResponseHeadersPolicyContentSecurityPolicy,
    ResponseHeadersPolicyCustomHeader, ResponseHeadersPolicyCustomHeadersConfig,
    ResponseHeadersPolicyRemoveHeadersConfig, ResponseHeadersPolicySecurityHeadersConfig,
    ResponseHeadersPolicyServerTimingHeadersConfig,
};
use edge_config::is_protected_header;

use super::{cors, validate_comment, validate_name};
use crate::errors::invalid_argument;
use crate::quotas::{
    CUSTOM_HEADER_NAME_BYTES_MAX, CUSTOM_HEADER_VALUE_BYTES_MAX, CUSTOM_HEADERS_BYTES_MAX, Quotas,
    SAMPLING_RATE_PERCENT,
};
use crate::validate::header_names::{is_field_value, is_token};

/// Headers that `SecurityHeadersConfig` sets.
const SECURITY_HEADERS: [&str; 6] = [
    "content-security-policy",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "x-xss-protection",
];

/// Headers that `CorsConfig` sets.
const CORS_HEADERS: [&str; 6] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
];

/// Checks a whole configuration.
pub(crate) fn validate(config: &ResponseHeadersPolicyConfig, quotas: &Quotas) -> Result<(), ApiError> {
    validate_name(&config.name)?;
    validate_comment(config.comment.as_deref())?;
    refuse_empty(config)?;
    config.cors_config.as_ref().map_or(Ok(()), cors::validate)?;
    config.security_headers_config.as_ref().map_or(Ok(()), |security| validate_security(security, quotas))?;
    config.server_timing_headers_config.as_ref().map_or(Ok(()), validate_server_timing)?;
    validate_custom_headers(config, quotas)?;
    validate_removed_headers(config, quotas)
}

/// AWS refuses a policy that says nothing.
fn refuse_empty(config: &ResponseHeadersPolicyConfig) -> Result<(), ApiError> {
    let says_something = config.cors_config.is_some()
        || config.security_headers_config.is_some()
        || config.server_timing_headers_config.is_some()
        || config.custom_headers_config.is_some()
        || config.remove_headers_config.is_some();
    if says_something {
        return Ok(());
    }
    Err(invalid_argument(
        "The policy neither adds nor removes a header. Give it a CorsConfig, SecurityHeadersConfig, \
         ServerTimingHeadersConfig, CustomHeadersConfig or RemoveHeadersConfig.",
    ))
}

fn validate_security(
    security: &ResponseHeadersPolicySecurityHeadersConfig,
    quotas: &Quotas,
) -> Result<(), ApiError> {
    if let Some(protection) = &security.xss_protection {
        let report_uri = protection.report_uri.as_deref().unwrap_or_default();
        if protection.mode_block == Some(true) && !report_uri.is_empty() {
            return Err(invalid_argument(
                "The parameter ReportUri cannot be set when ModeBlock is true. Leave one of them out.",
            ));
        }
        if !is_field_value(report_uri) || report_uri.contains([' ', '\t', ';']) {
            return Err(invalid_argument(
                "The parameter ReportUri must be a URI of visible ASCII characters without semicolons. \
                 Percent-encode others.",
            ));
        }
        check_length("ReportUri", report_uri)?;
    }
    security
        .content_security_policy
        .as_ref()
        .map_or(Ok(()), |policy| validate_content_security_policy(policy, quotas))?;
    let max_age = security.strict_transport_security.as_ref().map(|strict| strict.access_control_max_age_sec);
    if max_age.is_some_and(|seconds| seconds < 0) {
        return Err(invalid_argument(
            "The parameter AccessControlMaxAgeSec of StrictTransportSecurity must be a number of seconds from 0.",
        ));
    }
    Ok(())
}

fn validate_content_security_policy(
    policy: &ResponseHeadersPolicyContentSecurityPolicy,
    quotas: &Quotas,
) -> Result<(), ApiError> {
    let value = &policy.content_security_policy;
    let most = quotas.content_security_policy_bytes;
    if value.len() > most {
        return Err(ErrorCode::TooLongCSPInResponseHeadersPolicy.with_message(format!(
            "The parameter ContentSecurityPolicy has more than {most} characters. Shorten it."
        )));
    }
    if value.is_empty() || !is_field_value(value) {
        return Err(invalid_argument(
            "The parameter ContentSecurityPolicy must be one line of visible ASCII characters, with spaces only \
             between them.",
        ));
    }
    Ok(())
}

fn validate_server_timing(timing: &ResponseHeadersPolicyServerTimingHeadersConfig) -> Result<(), ApiError> {
    let Some(rate) = timing.sampling_rate else { return Ok(()) };
    // Four decimal places are a whole number of ten-thousandths, but for what a float cannot say.
    let scaled = rate * 10_000.0;
    if SAMPLING_RATE_PERCENT.contains(&rate) && (scaled - scaled.round()).abs() < 1e-6 {
        return Ok(());
    }
    Err(invalid_argument(
        "The parameter SamplingRate must be a percentage from 0 to 100 with at most four decimal places.",
    ))
}

fn validate_custom_headers(config: &ResponseHeadersPolicyConfig, quotas: &Quotas) -> Result<(), ApiError> {
    let headers = config.custom_headers_config.as_ref().map(ResponseHeadersPolicyCustomHeadersConfig::items);
    let headers = headers.unwrap_or_default();
    let most = quotas.custom_headers_per_response_headers_policy;
    if headers.len() > most {
        return Err(ErrorCode::TooManyCustomHeadersInResponseHeadersPolicy.with_message(format!(
            "The parameter CustomHeaders has more than {most} headers. Remove some."
        )));
    }
    headers.iter().try_for_each(validate_custom_header)?;
    let bytes: usize = headers.iter().map(|header| header.header.len() + header.value.len()).sum();
    if bytes > CUSTOM_HEADERS_BYTES_MAX {
        return Err(invalid_argument(format!(
            "The parameter CustomHeaders has names and values of more than {CUSTOM_HEADERS_BYTES_MAX} characters \
             in all. Shorten them."
        )));
    }
    refuse_duplicate("CustomHeaders", headers.iter().map(|header| header.header.as_str()))
}

fn validate_custom_header(header: &ResponseHeadersPolicyCustomHeader) -> Result<(), ApiError> {
    validate_header_name("CustomHeaders", &header.header)?;
    let name = header.header.as_str();
    let folded = name.to_ascii_lowercase();
    if SECURITY_HEADERS.contains(&folded.as_str()) {
        return Err(invalid_argument(format!(
            "The parameter CustomHeaders contains {name} that is a security header and cannot be set as custom \
             header. Set it in SecurityHeadersConfig."
        )));
    }
    if CORS_HEADERS.contains(&folded.as_str()) {
        return Err(invalid_argument(format!(
            "The parameter CustomHeaders contains {name} that is a CORS header and cannot be set as custom header. \
             Set it in CorsConfig."
        )));
    }
    if is_protected_header(name.as_bytes()) {
        return Err(invalid_argument(format!(
            "The parameter CustomHeaders contains {name} that is not allowed. CloudFront writes it itself: leave \
             it out."
        )));
    }
    if is_field_value(&header.value) && header.value.len() <= CUSTOM_HEADER_VALUE_BYTES_MAX {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "The parameter CustomHeaders has a value of {name} that is not one line of at most \
         {CUSTOM_HEADER_VALUE_BYTES_MAX} visible ASCII characters with spaces only between them. Change it."
    )))
}

fn validate_removed_headers(config: &ResponseHeadersPolicyConfig, quotas: &Quotas) -> Result<(), ApiError> {
    let headers = config.remove_headers_config.as_ref().map(ResponseHeadersPolicyRemoveHeadersConfig::items);
    let headers = headers.unwrap_or_default();
    let most = quotas.removed_headers_per_response_headers_policy;
    if headers.len() > most {
        return Err(ErrorCode::TooManyRemoveHeadersInResponseHeadersPolicy.with_message(format!(
            "The parameter RemoveHeaders has more than {most} headers. Remove some."
        )));
    }
    for header in headers {
        validate_header_name("RemoveHeaders", &header.header)?;
        if is_protected_header(header.header.as_bytes()) {
            return Err(invalid_argument(format!(
                "The parameter RemoveHeaders contains {} that is not allowed. It is one of \"Headers that you \
                 can't remove\": leave it out.",
                header.header
            )));
        }
    }
    refuse_duplicate("RemoveHeaders", headers.iter().map(|header| header.header.as_str()))
}

fn validate_header_name(list: &str, name: &str) -> Result<(), ApiError> {
    if is_token(name) && name.len() <= CUSTOM_HEADER_NAME_BYTES_MAX {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "The parameter {list} contains {name:?}, which is no name of a header. Give 1 to \
         {CUSTOM_HEADER_NAME_BYTES_MAX} letters, digits and hyphens."
    )))
}

/// Header names are one whatever their case.
pub(super) fn refuse_duplicate<'a>(
    list: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    match names.into_iter().find(|name| !seen.insert(name.to_ascii_lowercase())) {
        None => Ok(()),
        Some(name) => {
            Err(invalid_argument(format!("The parameter {list} contains {name} twice. Remove one.")))
        }
    }
}

/// Checks the length of what becomes one header's value.
pub(super) fn check_length(parameter: &str, value: &str) -> Result<(), ApiError> {
    if value.len() <= CUSTOM_HEADER_VALUE_BYTES_MAX {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "The parameter {parameter} makes a header of more than {CUSTOM_HEADER_VALUE_BYTES_MAX} characters. Shorten it."
    )))
}
