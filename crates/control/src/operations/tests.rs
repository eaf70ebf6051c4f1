use std::collections::BTreeSet;

use aws_api::ApiError;
use aws_api::cloudfront::{
    CachePolicyType, CreateDistributionRequest, CreateDistributionResult, CreateDistributionWithTagsRequest,
    DefaultCacheBehavior, DeleteDistributionRequest, DistributionConfig, DistributionConfigWithTags,
    DistributionList, GetCachePolicyRequest, GetDistributionConfigRequest, GetDistributionRequest,
    GetDistributionResult, ListCachePoliciesRequest, ListDistributionsRequest, ListTagsForResourceRequest,
    Tag, TagKeys, TagResourceRequest, Tags, UntagResourceRequest, UpdateDistributionRequest,
    UpdateDistributionResult,
};
use aws_api::shape::Timestamp;
use edge_config::HostName;

use crate::commit::{Change, Expectation, Refusal};
use crate::kind::Kind;
use crate::operations::{cache_policies, distributions, tags};
use crate::reference::Reference;
use crate::test_support::{ACCOUNT, TestControl, distribution_config, settings};

/// A well-formed ETag that no resource has.
const OTHER_ETAG: &str = "E2QWRUHAPOMQZL";
const MISSING_ID: &str = "E00000000000AB";
const WEB_ACL: &str =
    "arn:aws:wafv2:us-east-1:123456789012:global/webacl/acl/473e64fd-f30b-4765-81a0-62ad96dd167a";

impl TestControl {
    async fn create(&self, config: DistributionConfig) -> Result<CreateDistributionResult, ApiError> {
        let input = CreateDistributionRequest { distribution_config: config };
        distributions::create(&self.control, &self.caller, input).await
    }

    /// The id and the ETag of a new distribution.
    async fn created(&self, caller_reference: &str) -> (String, String) {
        let created = self.create(distribution_config(caller_reference)).await.unwrap();
        (created.distribution.unwrap().id, created.etag.unwrap())
    }

    async fn get(&self, id: &str) -> Result<GetDistributionResult, ApiError> {
        let input = GetDistributionRequest { id: id.to_owned() };
        distributions::get(&self.control, &self.caller, input).await
    }

    async fn config(&self, id: &str) -> DistributionConfig {
        let input = GetDistributionConfigRequest { id: id.to_owned() };
        let got = distributions::get_config(&self.control, &self.caller, input).await;
        got.unwrap().distribution_config.unwrap()
    }

    async fn update(
        &self,
        id: &str,
        if_match: Option<&str>,
        distribution_config: DistributionConfig,
    ) -> Result<UpdateDistributionResult, ApiError> {
        let if_match = if_match.map(str::to_owned);
        let input = UpdateDistributionRequest { distribution_config, id: id.to_owned(), if_match };
        distributions::update(&self.control, &self.caller, input).await
    }

    async fn delete(&self, id: &str, if_match: Option<&str>) -> Result<(), ApiError> {
        let input = DeleteDistributionRequest { id: id.to_owned(), if_match: if_match.map(str::to_owned) };
        distributions::delete(&self.control, &self.caller, input).await
    }

    /// Disables a distribution; its new ETag.
    async fn disable(&self, id: &str, etag: &str) -> String {
        let config = DistributionConfig { enabled: false, ..self.config(id).await };
        self.update(id, Some(etag), config).await.unwrap().etag.unwrap()
    }

    async fn list(&self, marker: Option<&str>, max_items: Option<&str>) -> DistributionList {
        let input = ListDistributionsRequest {
            marker: marker.map(str::to_owned),
            max_items: max_items.map(str::to_owned),
        };
        let listed = distributions::list(&self.control, &self.caller, input).await;
        listed.unwrap().distribution_list.unwrap()
    }

    async fn status(&self, id: &str) -> String {
        self.distribution_status(id).await
    }

    async fn tags(&self, id: &str) -> Result<Vec<(String, String)>, ApiError> {
        let input = ListTagsForResourceRequest { resource: arn(id) };
        let listed = tags::list(&self.control, &self.caller, input).await?;
        let pairs = listed.tags.items.unwrap_or_default().into_iter();
        Ok(pairs.map(|tag| (tag.key, tag.value.unwrap_or_default())).collect())
    }

    async fn tag(&self, id: &str, pairs: &[(&str, &str)]) -> Result<(), ApiError> {
        let input = TagResourceRequest { resource: arn(id), tags: tags_of(pairs) };
        tags::tag(&self.control, &self.caller, input).await
    }
}

fn arn(id: &str) -> String {
    format!("arn:aws:cloudfront::{ACCOUNT}:distribution/{id}")
}

fn tags_of(pairs: &[(&str, &str)]) -> Tags {
    let items = pairs.iter().map(|&(key, value)| Tag { key: key.to_owned(), value: Some(value.to_owned()) });
    Tags { items: Some(items.collect()) }
}

fn check<T: std::fmt::Debug>(result: Result<T, ApiError>, expect: (u16, &str)) {
    let error = result.unwrap_err();
    assert_eq!((error.status, error.code), expect, "{}", error.message);
}

fn is_name(text: &str, first: char, is_rest: fn(u8) -> bool) -> bool {
    text.len() == 14
        && text.starts_with(first)
        && text.bytes().skip(1).all(|byte| byte.is_ascii_digit() || is_rest(byte))
}

#[tokio::test]
async fn create_names_things_as_cloudfront_does() {
    let test = TestControl::new().await;
    let created = test.create(distribution_config("a")).await.unwrap();
    let distribution = created.distribution.unwrap();
    let upper = |byte: u8| byte.is_ascii_uppercase();
    assert!(is_name(&distribution.id, 'E', upper), "{}", distribution.id);
    assert!(is_name(&created.etag.unwrap(), 'E', upper));
    let label = distribution.domain_name.strip_suffix(".mantlet.localhost").unwrap();
    assert!(is_name(label, 'd', |byte| byte.is_ascii_lowercase()), "{label}");
    assert_eq!(distribution.arn, arn(&distribution.id));
    let location = format!("http://api/2020-05-31/distribution/{}", distribution.id);
    assert_eq!(created.location, Some(location));
    assert_eq!(distribution.status, "InProgress");
    assert!(distribution.last_modified_time > Timestamp::default());
}

#[tokio::test]
async fn get_answers_what_create_answered() {
    let test = TestControl::new().await;
    let created = test.create(distribution_config("a")).await.unwrap();
    let id = created.distribution.as_ref().unwrap().id.clone();
    let got = test.get(&id).await.unwrap();
    assert_eq!((got.distribution, got.etag), (created.distribution, created.etag));
}

#[tokio::test]
async fn a_caller_reference_is_used_once_and_again_after_the_distribution_is_gone() {
    let test = TestControl::new().await;
    let (id, etag) = test.created("a").await;
    let error = test.create(distribution_config("a")).await.unwrap_err();
    assert_eq!((error.status, error.code), (409, "DistributionAlreadyExists"));
    assert!(error.message.ends_with(&format!("Already exists: {id}")), "{}", error.message);
    let etag = test.disable(&id, &etag).await;
    test.delete(&id, Some(&etag)).await.unwrap();
    test.created("a").await;
}

#[tokio::test]
async fn a_distribution_is_deployed_when_every_edge_has_it() {
    let test = TestControl::new().await;
    let (id, etag) = test.created("a").await;
    assert_eq!(test.status(&id).await, "InProgress");
    test.apply().await;
    assert_eq!(test.status(&id).await, "Deployed");
    test.disable(&id, &etag).await;
    assert_eq!(test.status(&id).await, "InProgress");
    test.apply().await;
    assert_eq!(test.status(&id).await, "Deployed");
}

#[tokio::test]
async fn an_unchanged_update_changes_the_etag_alone() {
    let test = TestControl::new().await;
    let (id, etag) = test.created("a").await;
    let before = test.config(&id).await;
    let updated = test.update(&id, Some(&etag), before.clone()).await.unwrap();
    assert_ne!(updated.etag.as_ref(), Some(&etag));
    assert_eq!(test.config(&id).await, before);
    assert_eq!(test.get(&id).await.unwrap().etag, updated.etag);
}

#[tokio::test]
async fn if_match_is_checked_before_existence_and_existence_before_the_version() {
    let test = TestControl::new().await;
    let (id, _) = test.created("a").await;
    let config = || distribution_config("a");
    for if_match in [None, Some("nonsense"), Some("*")] {
        check(test.update(&id, if_match, config()).await, (400, "InvalidIfMatchVersion"));
        check(test.delete(MISSING_ID, if_match).await, (400, "InvalidIfMatchVersion"));
    }
    check(test.update(MISSING_ID, Some(OTHER_ETAG), config()).await, (404, "NoSuchDistribution"));
    check(test.delete(MISSING_ID, Some(OTHER_ETAG)).await, (404, "NoSuchDistribution"));
    check(test.update(&id, Some(OTHER_ETAG), config()).await, (412, "PreconditionFailed"));
    check(test.delete(&id, Some(OTHER_ETAG)).await, (412, "PreconditionFailed"));
}

#[tokio::test]
async fn the_caller_reference_may_not_change() {
    let test = TestControl::new().await;
    let (id, etag) = test.created("a").await;
    check(test.update(&id, Some(&etag), distribution_config("b")).await, (400, "IllegalUpdate"));
}

#[tokio::test]
async fn a_refused_change_changes_nothing() {
    let test = TestControl::new().await;
    let (id, etag) = test.created("a").await;
    let revision = test.store.current_revision().await.unwrap();
    let mut config = test.config(&id).await;
    config.default_cache_behavior.cache_policy_id = Some("other".to_owned());
    check(test.update(&id, Some(&etag), config).await, (404, "NoSuchCachePolicy"));
    let mut config = distribution_config("b");
    config.web_acl_id = Some(WEB_ACL.to_owned());
    check(test.create(config).await, (400, "UnsupportedOperation"));
    assert_eq!(test.store.current_revision().await.unwrap(), revision);
}

#[tokio::test]
async fn what_is_not_enforced_is_taken_when_the_operator_says_so() {
    let test = TestControl::with(|settings| settings.accept_unenforced = true).await;
    let mut config = distribution_config("a");
    config.web_acl_id = Some(WEB_ACL.to_owned());
    let created = test.create(config).await.unwrap().distribution.unwrap();
    assert_eq!(created.distribution_config.web_acl_id.as_deref(), Some(WEB_ACL));
}

#[tokio::test]
async fn only_a_disabled_distribution_is_deleted() {
    let test = TestControl::new().await;
    let (id, etag) = test.created("a").await;
    test.tag(&id, &[("team", "skin")]).await.unwrap();
    test.apply().await;
    assert!(test.is_linked(&id));
    check(test.delete(&id, Some(&etag)).await, (409, "DistributionNotDisabled"));
    let etag = test.disable(&id, &etag).await;
    test.delete(&id, Some(&etag)).await.unwrap();
    check(test.get(&id).await, (404, "NoSuchDistribution"));
    check(test.tags(&id).await, (404, "NoSuchResource"));
    test.apply().await;
    assert!(!test.is_linked(&id));
    let left = test.store.range(store::Range::of_kind_prefix("")).await.unwrap().records;
    assert!(left.iter().all(|record| record.key.id != id), "{left:?}");
}

#[tokio::test]
async fn what_cannot_be_an_id_is_no_distribution() {
    let test = TestControl::new().await;
    for id in ["", "a/b", "\0", "ü", &"E".repeat(600)] {
        check(test.get(id).await, (404, "NoSuchDistribution"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_updates_at_one_etag_one_is_made() {
    let test = std::sync::Arc::new(TestControl::new().await);
    let (id, etag) = test.created("a").await;
    let config = test.config(&id).await;
    let updates = (0..16).map(|number| {
        let (test, id, etag, mut config) = (test.clone(), id.clone(), etag.clone(), config.clone());
        config.comment = format!("update {number}").into();
        tokio::spawn(async move { test.update(&id, Some(&etag), config).await })
    });
    let mut made = 0;
    for update in updates.collect::<Vec<_>>() {
        match update.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert_eq!(error.code, "PreconditionFailed"),
        }
    }
    assert_eq!(made, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_creates_at_once_are_all_made() {
    let test = std::sync::Arc::new(TestControl::new().await);
    let creates = (0..64).map(|number| {
        let test = test.clone();
        tokio::spawn(async move { test.created(&number.to_string()).await.0 })
    });
    let mut ids = BTreeSet::new();
    for create in creates.collect::<Vec<_>>() {
        ids.insert(create.await.unwrap());
    }
    assert_eq!(ids.len(), 64);
    test.apply().await;
    assert!(ids.iter().all(|id| test.is_linked(id)));
}

#[tokio::test]
async fn a_reference_that_vanishes_before_the_commit_is_noticed() {
    let test = TestControl::new().await;
    let reference = Reference::new(Kind::CachePolicy, "00000000-0000-0000-0000-000000000000");
    let after = BTreeSet::from([reference.clone()]);
    let user = Reference::new(Kind::Distribution, "E1");
    let change = Change::default().change_references(ACCOUNT, &user, &BTreeSet::new(), &after);
    let refusal = test.control.commit(change).await.unwrap_err();
    assert!(matches!(&refusal, Refusal::Unmet(Expectation::Reference(unmet)) if *unmet == reference));
    check(Err::<(), _>(ApiError::from(refusal)), (404, "NoSuchCachePolicy"));
}

#[tokio::test]
async fn there_are_no_more_distributions_than_the_quota_says() {
    let test = TestControl::with(|settings| settings.quotas.distributions = 2).await;
    test.created("a").await;
    let (id, etag) = test.created("b").await;
    check(test.create(distribution_config("c")).await, (400, "TooManyDistributions"));
    let etag = test.disable(&id, &etag).await;
    test.delete(&id, Some(&etag)).await.unwrap();
    test.created("c").await;
}

#[tokio::test]
async fn a_distribution_that_refers_to_more_than_the_store_can_check_is_refused_in_so_many_words() {
    let test = TestControl::new().await;
    let user = Reference::new(Kind::Distribution, "E1");
    let references: BTreeSet<_> = (0..=store::TRANSACTION_OPERATIONS_MAX)
        .map(|id| Reference::new(Kind::KeyGroup, id.to_string()))
        .collect();
    let change = Change::default().change_references(ACCOUNT, &user, &BTreeSet::new(), &references);
    let refusal = test.control.commit(change).await.unwrap_err();
    check(Err::<(), _>(ApiError::from(refusal)), (400, "InvalidArgument"));
}

#[tokio::test]
async fn what_a_distribution_refers_to_must_exist() {
    type Set = fn(&mut DefaultCacheBehavior, Option<String>);
    let test = TestControl::new().await;
    let cases: [(&str, Set); 3] = [
        ("NoSuchCachePolicy", |behavior, id| behavior.cache_policy_id = id),
        ("NoSuchOriginRequestPolicy", |behavior, id| behavior.origin_request_policy_id = id),
        ("NoSuchResponseHeadersPolicy", |behavior, id| behavior.response_headers_policy_id = id),
    ];
    for (code, set) in cases {
        for id in ["other", "../other", "no id at all", "\0", &"x".repeat(600)] {
            let mut config = distribution_config("a");
            set(&mut config.default_cache_behavior, Some(id.to_owned()));
            check(test.create(config).await, (404, code));
        }
    }
}

#[tokio::test]
async fn a_removal_that_was_checked_before_a_reference_was_added_is_not_made() {
    let test = TestControl::new().await;
    test.created("a").await;
    let (integrity, _) = test.control.current_snapshot().await.unwrap();
    test.created("b").await;
    let change = Change::default().expect_integrity(ACCOUNT, integrity);
    let refusal = test.control.commit(change).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Unmet(Expectation::Integrity)), "{refusal:?}");
    let (integrity, snapshot) = test.control.current_snapshot().await.unwrap();
    assert_eq!(snapshot.distributions().count(), 2);
    test.control.commit(Change::default().expect_integrity(ACCOUNT, integrity)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_stands_still_makes_changes_fail_and_nothing_hang() {
    let mut test = TestControl::new().await;
    test.created("a").await;
    let (_feed, stuck) = tokio::sync::watch::channel(std::sync::Arc::default());
    test.control = crate::Control::new(settings(), test.store.clone(), stuck, feed::Fleet::new());
    check(test.create(distribution_config("b")).await, (503, "ServiceUnavailable"));
}

#[tokio::test]
async fn lists_have_pages_without_overlap() {
    let test = TestControl::new().await;
    let mut ids = BTreeSet::new();
    for number in 0..5 {
        ids.insert(test.created(&number.to_string()).await.0);
    }
    let mut listed = Vec::new();
    let mut marker = None;
    loop {
        let page = test.list(marker.as_deref(), Some("2")).await;
        assert_eq!((page.max_items, page.marker.as_str()), (2, marker.as_deref().unwrap_or_default()));
        assert_eq!(page.is_truncated, page.next_marker.is_some());
        listed.extend(page.items().iter().map(|summary| summary.id.clone()));
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(listed, ids.into_iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn an_empty_list_has_no_items() {
    let list = TestControl::new().await.list(None, None).await;
    assert_eq!((list.quantity, list.items, list.is_truncated, list.max_items), (0, None, false, 100));
}

#[tokio::test]
async fn a_summary_says_what_the_distribution_says() {
    let test = TestControl::new().await;
    let created = test.create(distribution_config("a")).await.unwrap();
    test.apply().await;
    let summary = test.list(None, None).await.items().first().cloned().unwrap();
    let distribution = created.distribution.unwrap();
    assert_eq!(summary.etag, created.etag);
    assert_eq!((summary.id, summary.arn), (distribution.id, distribution.arn));
    assert_eq!(summary.domain_name, distribution.domain_name);
    assert_eq!(summary.origins, distribution.distribution_config.origins);
    assert_eq!(Some(summary.viewer_certificate), distribution.distribution_config.viewer_certificate);
    assert_eq!((summary.status.as_str(), summary.enabled), ("Deployed", true));
}

#[tokio::test]
async fn tags_are_added_replaced_and_removed_and_leave_the_etag_alone() {
    let test = TestControl::new().await;
    let (id, etag) = test.created("a").await;
    assert_eq!(test.tags(&id).await.unwrap(), []);
    test.tag(&id, &[("team", "skin"), ("env", "test")]).await.unwrap();
    test.tag(&id, &[("env", "live")]).await.unwrap();
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    assert_eq!(test.tags(&id).await.unwrap(), pairs(&[("team", "skin"), ("env", "live")]));
    let tag_keys = TagKeys { items: Some(vec!["env".to_owned(), "never-was".to_owned()]) };
    let input = UntagResourceRequest { resource: arn(&id), tag_keys };
    tags::untag(&test.control, &test.caller, input).await.unwrap();
    assert_eq!(test.tags(&id).await.unwrap(), pairs(&[("team", "skin")]));
    assert_eq!(test.get(&id).await.unwrap().etag, Some(etag));
}

#[tokio::test]
async fn created_with_tags() {
    let test = TestControl::new().await;
    let create = async |tags: Tags| {
        let distribution_config = distribution_config("a");
        let distribution_config_with_tags = DistributionConfigWithTags { distribution_config, tags };
        let input = CreateDistributionWithTagsRequest { distribution_config_with_tags };
        distributions::create_with_tags(&test.control, &test.caller, input).await
    };
    check(create(tags_of(&[("aws:name", "x")])).await, (400, "InvalidTagging"));
    let id = create(tags_of(&[("team", "skin")])).await.unwrap().distribution.unwrap().id;
    assert_eq!(test.tags(&id).await.unwrap(), [("team".to_owned(), "skin".to_owned())]);
}

#[tokio::test]
async fn tags_are_on_resources_of_this_account() {
    let test = TestControl::new().await;
    check(test.tags(MISSING_ID).await, (404, "NoSuchResource"));
    check(test.tag(MISSING_ID, &[("a", "b")]).await, (404, "NoSuchResource"));
    let input = ListTagsForResourceRequest { resource: "E1".to_owned() };
    check(tags::list(&test.control, &test.caller, input).await, (400, "InvalidArgument"));
}

#[tokio::test]
async fn tags_have_a_quota_over_all_requests() {
    let test = TestControl::new().await;
    let (id, _) = test.created("a").await;
    let keys: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    let pairs: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "")).collect();
    test.tag(&id, &pairs).await.unwrap();
    check(test.tag(&id, &[("one-more", "")]).await, (400, "InvalidTagging"));
}

#[tokio::test]
async fn managed_policies_are_listed_by_type() {
    let test = TestControl::new().await;
    let list = async |r#type| {
        let input = ListCachePoliciesRequest { r#type, ..ListCachePoliciesRequest::default() };
        let listed = cache_policies::list(&test.control, &test.caller, input).await.unwrap();
        listed.cache_policy_list.unwrap()
    };
    let managed = list(Some(CachePolicyType::Managed)).await;
    assert_eq!((managed.quantity, managed.items().len(), managed.max_items), (11, 11, 100));
    assert!(managed.items().iter().all(|summary| summary.r#type == CachePolicyType::Managed));
    assert_eq!(list(None).await, managed);
    let custom = list(Some(CachePolicyType::Custom)).await;
    assert_eq!((custom.quantity, custom.items, custom.next_marker), (0, None, None));
}

#[tokio::test]
async fn an_unknown_policy_is_not_found() {
    let test = TestControl::new().await;
    let input = GetCachePolicyRequest { id: "other".to_owned() };
    check(cache_policies::get(&test.control, &test.caller, input).await, (404, "NoSuchCachePolicy"));
}

#[tokio::test]
async fn another_domain_suffix_is_used_as_it_is() {
    let suffix = HostName::parse("shield.example").unwrap();
    let test = TestControl::with(|settings| settings.domain_suffix = suffix).await;
    let created = test.create(distribution_config("a")).await.unwrap().distribution.unwrap();
    assert!(created.domain_name.ends_with(".shield.example"), "{}", created.domain_name);
}

#[tokio::test]
async fn an_extension_tag_deploys_the_distribution_anew_and_leaves_its_etag() {
    let test = TestControl::new().await;
    let (id, etag) = test.created("a").await;
    test.apply().await;
    let max_body = || {
        let snapshots = test.control.snapshots();
        let snapshot = snapshots.borrow();
        snapshot.distribution(&id).unwrap().max_body_bytes
    };
    assert_eq!((test.distribution_status(&id).await.as_str(), max_body()), ("Deployed", None));

    test.tag(&id, &[("team", "skin")]).await.unwrap();
    assert_eq!(test.distribution_status(&id).await, "Deployed", "an ordinary tag reaches no edge");
    test.tag(&id, &[("mantlet:max-body", "1000")]).await.unwrap();
    assert_eq!(max_body(), Some(1000), "what is deployed is shown at once");
    assert_eq!(test.distribution_status(&id).await, "InProgress");
    test.apply().await;
    assert_eq!(test.distribution_status(&id).await, "Deployed");
    assert_eq!(test.etag(&id).await, etag);

    let config = test.get(&id).await.unwrap().distribution.unwrap().distribution_config;
    test.update(&id, Some(&etag), config).await.unwrap();
    test.apply().await;
    assert_eq!(max_body(), Some(1000), "an update keeps what the tags say");

    let keys = TagKeys { items: Some(vec!["mantlet:max-body".to_owned(), "mantlet:unknown".to_owned()]) };
    let input = UntagResourceRequest { resource: arn(&id), tag_keys: keys };
    tags::untag(&test.control, &test.caller, input).await.unwrap();
    test.apply().await;
    assert_eq!(max_body(), None);
}

#[tokio::test]
async fn an_unknown_or_malformed_extension_tag_is_refused_and_changes_nothing() {
    let test = TestControl::new().await;
    let (id, _) = test.created("a").await;
    check(test.tag(&id, &[("mantlet:unknown", "1")]).await, (400, "InvalidTagging"));
    check(test.tag(&id, &[("mantlet:max-body", "much")]).await, (400, "InvalidTagging"));
    assert_eq!(test.tags(&id).await.unwrap(), []);
}
