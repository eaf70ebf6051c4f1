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

/// The page of `items` after `marker`, in the order of their ids, and the next page's marker if there
/// is one. A marker need not exist (any more): the page begins with what comes after it.
pub(crate) fn page_of<T: Clone>(
    items: impl IntoIterator<Item = T>,
    id_of: impl Fn(&T) -> &str,
    marker: Option<&str>,
    max_items: usize,
) -> (Vec<T>, Option<String>) {
    let mut rest: Vec<T> =
        items.into_iter().filter(|item| marker.is_none_or(|marker| id_of(item) > marker)).collect();
    rest.sort_by(|left, right| id_of(left).cmp(id_of(right)));
    let more = rest.len() > max_items;
    rest.truncate(max_items);
    let next_marker = rest.last().filter(|_| more).map(|last| id_of(last).to_owned());
    (rest, next_marker)
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

    #[test]
    fn pages_follow_each_other_without_overlap() {
        let all = ["c", "a", "b"];
        assert_eq!(page_of(all, |id| id, None, 2), (vec!["a", "b"], Some("b".to_owned())));
        assert_eq!(page_of(all, |id| id, Some("b"), 2), (vec!["c"], None));
        assert_eq!(page_of(all, |id| id, Some("bb"), 2), (vec!["c"], None), "a marker that is gone");
        assert_eq!(page_of(all, |id| id, Some("z"), 2), (vec![], None));
    }
}
