//! Pages of lists: `Marker` and `MaxItems`.

use aws_api::ApiError;
use aws_api::cloudfront::ErrorCode;
use store::{Range, Record};

use crate::commit::storage;
use crate::control::Control;
use crate::kind::Kind;
use crate::limits::PAGE_ITEMS_MAX;
use crate::records::resource_key;

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

/// The records of a kind after an id, as many as are wanted, and whether there are more.
pub(crate) async fn records_after(
    control: &Control,
    kind: Kind,
    after_id: &str,
    wanted: usize,
) -> Result<(Vec<Record>, bool), ApiError> {
    let account_id = control.account_id();
    let mut records: Vec<Record> = Vec::new();
    let mut last = resource_key(account_id, kind, after_id);
    // A page of the store may end early where records are large.
    loop {
        let range = Range::of_account(account_id, kind.as_str()).after(last.clone());
        let page = control.store().range(range.limit(wanted - records.len())).await.map_err(storage)?;
        records.extend(page.records);
        match records.last() {
            Some(record) if page.more && records.len() < wanted => last.clone_from(&record.key),
            _ => return Ok((records, page.more)),
        }
    }
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
