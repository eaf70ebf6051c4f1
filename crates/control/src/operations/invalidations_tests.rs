use aws_api::ApiError;
use aws_api::cloudfront::{
    CreateInvalidationRequest, DeleteDistributionRequest, GetInvalidationRequest, Invalidation,
    InvalidationBatch, InvalidationList, ListInvalidationsRequest, Paths,
};

use crate::limits::{INVALIDATIONS_BYTES_MAX, INVALIDATIONS_MAX};
use crate::operations::{distributions, invalidations};
use crate::records::{InvalidationRecord, InvalidationsRecord, invalidations_key};
use crate::test_support::{ACCOUNT, TestControl, distribution_config};

const MISSING_ID: &str = "E00000000000AB";

fn check<T: std::fmt::Debug>(result: Result<T, ApiError>, expect: (u16, &str)) {
    let error = result.unwrap_err();
    assert_eq!((error.status, error.code), expect, "{}", error.message);
}

fn batch(caller_reference: &str, paths: &[&str]) -> InvalidationBatch {
    InvalidationBatch {
        caller_reference: caller_reference.to_owned(),
        paths: Paths::from_items(paths.iter().map(|&path| path.to_owned()).collect()),
    }
}

impl TestControl {
    async fn new_distribution(&self) -> String {
        self.create_distribution(distribution_config("a")).await
    }

    async fn invalidate(&self, id: &str, batch: InvalidationBatch) -> Result<Invalidation, ApiError> {
        let input = CreateInvalidationRequest { distribution_id: id.to_owned(), invalidation_batch: batch };
        let created = invalidations::create(&self.control, &self.caller, input).await?;
        let invalidation = created.invalidation.unwrap();
        let location = format!("http://api/2020-05-31/distribution/{id}/invalidation/{}", invalidation.id);
        assert_eq!(created.location, Some(location));
        Ok(invalidation)
    }

    async fn invalidation(&self, distribution: &str, id: &str) -> Result<Invalidation, ApiError> {
        let input = GetInvalidationRequest { distribution_id: distribution.to_owned(), id: id.to_owned() };
        let got = invalidations::get(&self.control, &self.caller, input).await?;
        Ok(got.invalidation.unwrap())
    }

    async fn invalidations(
        &self,
        id: &str,
        marker: Option<&str>,
        wanted: Option<&str>,
    ) -> Result<InvalidationList, ApiError> {
        let input = ListInvalidationsRequest {
            distribution_id: id.to_owned(),
            marker: marker.map(str::to_owned),
            max_items: wanted.map(str::to_owned),
        };
        let listed = invalidations::list(&self.control, &self.caller, input).await?;
        Ok(listed.invalidation_list.unwrap())
    }
}

#[tokio::test]
async fn an_invalidation_is_completed_at_once_and_read_as_it_was_made() {
    let test = TestControl::new().await;
    let id = test.new_distribution().await;
    let made = test.invalidate(&id, batch("a", &["/a", "/b/*?x=*"])).await.unwrap();
    assert_eq!(made.status, "Completed");
    assert_eq!(made.invalidation_batch, batch("a", &["/a", "/b/*?x=*"]));
    assert_eq!(test.invalidation(&id, &made.id).await.unwrap(), made);
    check(test.invalidation(&id, "I00000000000AB").await, (404, "NoSuchInvalidation"));
    check(test.invalidation(MISSING_ID, &made.id).await, (404, "NoSuchDistribution"));
    check(test.invalidate(MISSING_ID, batch("a", &["/"])).await, (404, "NoSuchDistribution"));
    check(test.invalidations(MISSING_ID, None, None).await, (404, "NoSuchDistribution"));
}

#[tokio::test]
async fn the_same_request_again_makes_nothing_and_another_one_is_told() {
    let test = TestControl::new().await;
    let id = test.new_distribution().await;
    let made = test.invalidate(&id, batch("a", &["/a", "/b"])).await.unwrap();
    assert_eq!(test.invalidate(&id, batch("a", &["/b", "/a"])).await.unwrap(), made);
    check(test.invalidate(&id, batch("a", &["/a"])).await, (409, "InvalidationBatchAlreadyExists"));
    assert_eq!(test.invalidations(&id, None, None).await.unwrap().quantity, 1);
    test.invalidate(&id, batch("b", &["/a", "/b"])).await.unwrap();
    assert_eq!(test.invalidations(&id, None, None).await.unwrap().quantity, 2);
}

#[tokio::test]
async fn batches_that_are_not_right_are_refused_by_name() {
    let test = TestControl::with(|settings| settings.quotas.paths_per_invalidation = 3).await;
    let id = test.new_distribution().await;
    for path in ["a", "", "*", "/a b", "/ü", "/a\n", &format!("/{}", "a".repeat(4000))] {
        check(test.invalidate(&id, batch("a", &[path])).await, (400, "InvalidArgument"));
    }
    check(test.invalidate(&id, batch("a", &[])).await, (400, "InvalidArgument"));
    check(test.invalidate(&id, batch("", &["/"])).await, (400, "InvalidArgument"));
    check(test.invalidate(&id, batch(&"r".repeat(513), &["/"])).await, (400, "InvalidArgument"));
    check(test.invalidate(&id, batch("a", &["/1", "/2", "/3", "/4"])).await, (413, "BatchTooLarge"));
    let mut wrong = batch("a", &["/"]);
    wrong.paths.quantity = 2;
    check(test.invalidate(&id, wrong).await, (400, "InconsistentQuantities"));
    let long = format!("/{}", "a".repeat(3999));
    test.invalidate(&id, batch("a", &[&long, "/*/a*b", "/*"])).await.unwrap();
}

#[tokio::test]
async fn lists_begin_with_the_newest_and_pages_do_not_shift() {
    let test = TestControl::new().await;
    let id = test.new_distribution().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(test.invalidate(&id, batch(&number.to_string(), &["/"])).await.unwrap().id);
    }
    made.reverse();
    let first = test.invalidations(&id, None, Some("2")).await.unwrap();
    assert_eq!((first.is_truncated, first.max_items), (true, 2));
    test.invalidate(&id, batch("newer", &["/"])).await.unwrap();
    let mut shown: Vec<String> = first.items().iter().map(|summary| summary.id.clone()).collect();
    let mut marker = first.next_marker;
    while let Some(after) = marker {
        let page = test.invalidations(&id, Some(&after), Some("2")).await.unwrap();
        assert!(page.items().iter().all(|summary| summary.status == "Completed"));
        shown.extend(page.items().iter().map(|summary| summary.id.clone()));
        marker = page.next_marker;
    }
    assert_eq!(shown, made);
    check(test.invalidations(&id, Some("a/b"), None).await, (400, "InvalidArgument"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_none_is_lost() {
    let test = std::sync::Arc::new(TestControl::new().await);
    let id = test.new_distribution().await;
    let tasks = (0..16).map(|number| {
        let (test, id) = (test.clone(), id.clone());
        // Two of each reference.
        tokio::spawn(async move { test.invalidate(&id, batch(&(number / 2).to_string(), &["/"])).await })
    });
    let mut ids = std::collections::BTreeSet::new();
    for task in tasks.collect::<Vec<_>>() {
        ids.insert(task.await.unwrap().unwrap().id);
    }
    assert_eq!(ids.len(), 8);
    assert_eq!(test.invalidations(&id, None, None).await.unwrap().quantity, 8);
}

#[tokio::test]
async fn invalidations_go_with_their_distribution() {
    let test = TestControl::new().await;
    let mut config = distribution_config("a");
    config.enabled = false;
    let id = test.create_distribution(config).await;
    test.invalidate(&id, batch("a", &["/"])).await.unwrap();
    let input = DeleteDistributionRequest { id: id.clone(), if_match: Some(test.etag(&id).await) };
    distributions::delete(&test.control, &test.caller, input).await.unwrap();
    assert_eq!(test.store.get(&invalidations_key(ACCOUNT, &id)).await.unwrap(), None);
    check(test.invalidations(&id, None, None).await, (404, "NoSuchDistribution"));
}

#[test]
fn the_oldest_go_when_there_are_too_many_or_they_are_too_large() {
    // Ids of later ones are smaller.
    let numbered = |number: usize, path: usize| InvalidationRecord {
        id: format!("I{:05}", 99_999 - number),
        created_time: aws_api::shape::Timestamp::default(),
        caller_reference: number.to_string(),
        paths: vec!["p".repeat(path)],
    };
    let mut kept = InvalidationsRecord::default();
    for number in 0..=INVALIDATIONS_MAX {
        kept.add(numbered(number, 1));
    }
    assert_eq!(kept.newest_first.len(), INVALIDATIONS_MAX);
    assert!(kept.of_caller_reference("0").is_none() && kept.of_caller_reference("1").is_some());
    assert_eq!(InvalidationsRecord::decode(&kept.encode().unwrap()).unwrap(), kept);
    kept.add(numbered(500, INVALIDATIONS_BYTES_MAX / 2));
    kept.add(numbered(501, INVALIDATIONS_BYTES_MAX / 2 - 6));
    assert_eq!(kept.newest_first.len(), 2);
    kept.add(numbered(502, INVALIDATIONS_BYTES_MAX));
    assert_eq!(kept.newest_first, [numbered(502, INVALIDATIONS_BYTES_MAX)]);
}
