//! What policies may be. AWS's own sentences, where they are known, stand first in the messages.

pub(crate) mod cache_policy;
mod cors;
pub(crate) mod origin_request_policy;
pub(crate) mod response_headers_policy;
mod selection;

use aws_api::ApiError;

use crate::errors::invalid_argument;
use crate::quotas::{COMMENT_CHARACTERS_MAX, POLICY_NAME_CHARACTERS_MAX};

/// The characters are those that the console and the CDK allow; the API reference names none.
fn validate_name(name: &str) -> Result<(), ApiError> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.is_empty() && name.len() <= POLICY_NAME_CHARACTERS_MAX && name.bytes().all(is_part) {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "The parameter Name must have 1 to {POLICY_NAME_CHARACTERS_MAX} letters, digits, hyphens and underscores."
    )))
}

fn validate_comment(comment: Option<&str>) -> Result<(), ApiError> {
    if comment.unwrap_or_default().chars().count() <= COMMENT_CHARACTERS_MAX {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "The parameter Comment has more than {COMMENT_CHARACTERS_MAX} characters. Shorten it."
    )))
}

#[cfg(test)]
mod tests;
