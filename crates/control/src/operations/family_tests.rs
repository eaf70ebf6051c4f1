//! What all families of resources have in common, shown with cache policies.

use aws_api::ApiError;
use aws_api::cloudfront::CachePolicyConfig;

use crate::entity_tag::EntityTag;
use crate::managed::CACHING_DISABLED_ID;
use crate::operations::cache_policies::CachePolicies;
use crate::resource::{Listed, Stored, create, delete, list, read, update};
use crate::test_support::{TestControl, distribution_config};

fn config(name: &str) -> CachePolicyConfig {
    CachePolicyConfig {
        name: name.to_owned(),
        min_ttl: 1,
        default_ttl: Some(2),
        max_ttl: Some(3),
        ..CachePolicyConfig::default()
    }
}

impl TestControl {
    async fn policy(&self, name: &str) -> Result<Stored<CachePolicyConfig>, ApiError> {
        create::<CachePolicies>(&self.control, config(name)).await
    }

    async fn change(
        &self,
        before: &Stored<CachePolicyConfig>,
        after: CachePolicyConfig,
    ) -> Result<Stored<CachePolicyConfig>, ApiError> {
        let if_match = EntityTag::required(Some(&before.etag()))?;
        update::<CachePolicies>(&self.control, &before.id, Some(if_match), after).await
    }

    async fn remove(&self, present: &Stored<CachePolicyConfig>) -> Result<(), ApiError> {
        let if_match = EntityTag::required(Some(&present.etag()))?;
        delete::<CachePolicies>(&self.control, &present.id, Some(if_match)).await
    }

    async fn policies(&self, listed: Listed, marker: Option<&str>, wanted: &str) -> (Vec<String>, bool) {
        let page = list::<CachePolicies>(&self.control, listed, marker, Some(wanted)).await.unwrap();
        (page.items.into_iter().map(|item| item.id).collect(), page.next_marker.is_some())
    }
}

fn check<T: std::fmt::Debug>(result: Result<T, ApiError>, expect: (u16, &str)) {
    let error = result.unwrap_err();
    assert_eq!((error.status, error.code), expect, "{}", error.message);
}

#[tokio::test]
async fn what_was_created_is_read() {
    let test = TestControl::new().await;
    let created = test.policy("a").await.unwrap();
    assert_eq!(read::<CachePolicies>(&test.control, &created.id).await.unwrap(), created);
    check(read::<CachePolicies>(&test.control, "../other").await, (404, "NoSuchCachePolicy"));
}

#[tokio::test]
async fn a_name_is_had_once_and_free_again_when_it_is_given_up() {
    let test = TestControl::new().await;
    let first = test.policy("a").await.unwrap();
    check(test.policy("a").await, (409, "CachePolicyAlreadyExists"));
    let second = test.policy("b").await.unwrap();
    check(test.change(&second, config("a")).await, (409, "CachePolicyAlreadyExists"));
    let renamed = test.change(&first, config("c")).await.unwrap();
    let second = test.change(&second, config("a")).await.unwrap();
    test.remove(&second).await.unwrap();
    test.policy("a").await.unwrap();
    assert_eq!(renamed.config.name, "c");
}

#[tokio::test]
async fn a_change_needs_the_present_version() {
    let test = TestControl::new().await;
    let first = test.policy("a").await.unwrap();
    let second = test.change(&first, config("b")).await.unwrap();
    check(test.change(&first, config("c")).await, (412, "PreconditionFailed"));
    check(test.remove(&first).await, (412, "PreconditionFailed"));
    assert_eq!(second.created_time, first.created_time);
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted() {
    let test = TestControl::new().await;
    let policy = test.policy("a").await.unwrap();
    let mut using = distribution_config("a");
    using.default_cache_behavior.cache_policy_id = Some(policy.id.clone());
    let id = test.create_distribution(using.clone()).await;
    check(test.remove(&policy).await, (409, "CachePolicyInUse"));
    using.default_cache_behavior.cache_policy_id = Some(CACHING_DISABLED_ID.to_owned());
    test.update_distribution(&id, using).await;
    test.remove(&policy).await.unwrap();
}

#[tokio::test]
async fn a_changed_policy_is_in_progress_until_every_edge_has_it() {
    let test = TestControl::new().await;
    let policy = test.policy("a").await.unwrap();
    let mut using = distribution_config("a");
    using.default_cache_behavior.cache_policy_id = Some(policy.id.clone());
    let id = test.create_distribution(using).await;
    test.apply().await;
    assert_eq!(test.distribution_status(&id).await, "Deployed");
    test.change(&policy, config("b")).await.unwrap();
    assert_eq!(test.distribution_status(&id).await, "InProgress");
    test.apply().await;
    assert_eq!(test.distribution_status(&id).await, "Deployed");
}

#[tokio::test]
async fn managed_policies_are_there_for_everybody_and_stay_as_they_are() {
    let test = TestControl::new().await;
    let managed = read::<CachePolicies>(&test.control, CACHING_DISABLED_ID).await.unwrap();
    check(test.change(&managed, config("a")).await, (400, "IllegalUpdate"));
    check(test.remove(&managed).await, (400, "IllegalDelete"));
}

#[tokio::test]
async fn lists_hold_managed_and_custom_ones_in_pages() {
    let test = TestControl::new().await;
    let mut custom: Vec<String> = Vec::new();
    for name in ["a", "b", "c"] {
        custom.push(test.policy(name).await.unwrap().id);
    }
    custom.sort();
    assert_eq!(test.policies(Listed::Custom, None, "100").await, (custom, false));
    let (all, more) = test.policies(Listed::All, None, "100").await;
    assert_eq!((all.len(), more), (11 + 3, false));
    let mut paged = Vec::new();
    loop {
        let (page, more) = test.policies(Listed::All, paged.last().map(String::as_str), "4").await;
        paged.extend(page);
        if !more {
            break;
        }
    }
    assert_eq!(paged, all);
    let (managed, _) = test.policies(Listed::Managed, None, "100").await;
    assert_eq!(managed.len(), 11);
}

#[tokio::test]
async fn quotas_are_exact() {
    let test = TestControl::with(|settings| settings.quotas.cache_policies = 2).await;
    let creations = ["a", "b", "c", "d"].map(|name| test.policy(name));
    let [a, b, c, d] = creations;
    let (a, b, c, d) = tokio::join!(a, b, c, d);
    let outcomes = vec![a, b, c, d];
    let (made, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 2);
    for refusal in refused {
        check(refusal, (400, "TooManyCachePolicies"));
    }
}
