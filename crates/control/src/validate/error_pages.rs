//! Custom error responses ("Create custom error responses").

use aws_api::ApiError;
use aws_api::cloudfront::{CustomErrorResponse, CustomErrorResponses, DistributionConfig, ErrorCode};

use super::{duplicate, is_visible};
use crate::errors::invalid_argument;
use crate::quotas::{CUSTOM_ERROR_RESPONSES_MAX, TEXT_BYTES_MAX, TTL_SECONDS};

/// The codes of an origin or an edge that can be replaced.
const ERROR_CODES: [i32; CUSTOM_ERROR_RESPONSES_MAX] =
    [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

pub(super) fn validate(config: &DistributionConfig) -> Result<(), ApiError> {
    let responses =
        config.custom_error_responses.as_ref().map(CustomErrorResponses::items).unwrap_or_default();
    responses.iter().try_for_each(validate_response)?;
    match duplicate(responses.iter().map(|response| response.error_code)) {
        Some(code) => Err(invalid_argument(format!("Two CustomErrorResponses are for {code}. Remove one."))),
        None => Ok(()),
    }
}

fn validate_response(response: &CustomErrorResponse) -> Result<(), ApiError> {
    let error_code = response.error_code;
    if !ERROR_CODES.contains(&error_code) {
        return Err(ErrorCode::InvalidErrorCode.with_message(format!(
            "A CustomErrorResponse has the ErrorCode {error_code}, which must be one of {ERROR_CODES:?}."
        )));
    }
    let path = response.response_page_path.as_deref().unwrap_or_default();
    let code = response.response_code.as_deref().unwrap_or_default();
    if path.is_empty() != code.is_empty() {
        return Err(invalid_argument(format!(
            "The CustomErrorResponse for {error_code} must have both ResponsePagePath and ResponseCode, or neither."
        )));
    }
    let is_path = path.starts_with('/') && path.len() <= TEXT_BYTES_MAX && is_visible(path);
    if !path.is_empty() && !is_path {
        return Err(invalid_argument(format!(
            "The ResponsePagePath {path:?} for {error_code} must begin with a slash and have at most \
             {TEXT_BYTES_MAX} visible ASCII characters."
        )));
    }
    let is_code = |code: &str| code == "200" || code.parse().is_ok_and(|code| ERROR_CODES.contains(&code));
    if !code.is_empty() && !is_code(code) {
        return Err(ErrorCode::InvalidResponseCode.with_message(format!(
            "The ResponseCode {code:?} for {error_code} must be 200 or one of {ERROR_CODES:?}."
        )));
    }
    if response.error_caching_min_ttl.is_some_and(|ttl| !TTL_SECONDS.contains(&ttl)) {
        return Err(invalid_argument(format!(
            "The ErrorCachingMinTTL for {error_code} must not be negative."
        )));
    }
    Ok(())
}
