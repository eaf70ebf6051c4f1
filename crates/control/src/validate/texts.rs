//! Names and comments of resources.

use aws_api::ApiError;

use crate::errors::invalid_argument;
use crate::quotas::COMMENT_CHARACTERS_MAX;

/// Checks a name that its owner chose, which is also a key of the index of names.
pub(crate) fn validate_name(member: &str, name: &str, most: usize) -> Result<(), ApiError> {
    let characters = name.chars().count();
    if (1..=most).contains(&characters) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "{member} must have 1 to {most} characters, none of them a control character. Choose another."
    )))
}

/// Checks a comment.
pub(crate) fn validate_comment(comment: Option<&str>) -> Result<(), ApiError> {
    if comment.is_none_or(|comment| comment.chars().count() <= COMMENT_CHARACTERS_MAX) {
        return Ok(());
    }
    Err(invalid_argument(format!("Comment has more than {COMMENT_CHARACTERS_MAX} characters. Shorten it.")))
}
