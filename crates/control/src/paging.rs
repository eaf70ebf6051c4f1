//! Pages of lists: `Marker` and `MaxItems`.

use aws_api::ApiError;
use aws_api::cloudfront::ErrorCode;

use crate::limits::PAGE_ITEMS_MAX;

/// How many items a request wants: at most a page, which is also what silence means.
pub(crate) fn max_items(text: Option<&str>) -> Result<usize, ApiError> {
    let Some(text) = text else { return Ok(PAGE_ITEMS_MAX) };
    let wanted: Option<usize> = text.parse().ok().filter(|&items| items > 0);
    wanted.map(|items| items.min(PAGE_ITEMS_MAX)).ok_or_else(|| {
        ErrorCode::InvalidArgument.with_message("MaxItems must be a number from 1; leave it out for 100.")
    })
}

/// A number of items in the API's type, for the lists' counts.
pub(crate) fn count(items: usize) -> i32 {
    i32::try_from(items).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_items_is_a_positive_number_up_to_a_page() {
        assert_eq!(max_items(None), Ok(100));
        assert_eq!(max_items(Some("7")), Ok(7));
        assert_eq!(max_items(Some("1000")), Ok(100));
        for text in ["", "0", "-1", "many"] {
            assert_eq!(max_items(Some(text)).unwrap_err().code, "InvalidArgument", "{text}");
        }
    }
}
