//! Changes at the same time, over each store.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_api::ApiError;
use aws_api::cloudfront::{
    CachePolicyConfig, DistributionConfig, GetDistributionConfigRequest, UpdateDistributionRequest,
};
use store::{MemoryStore, SqliteStore, Store};

use crate::entity_tag::EntityTag;
use crate::managed::CACHING_DISABLED_ID;
use crate::operations::cache_policies::CachePolicies;
use crate::operations::distributions;
use crate::resource::{create, delete, read};
use crate::test_support::{TestControl, distribution_config};

const TASKS: usize = 64;
/// Fewer than tasks, so that several of each way meet at one.
const POLICIES: usize = 8;

impl TestControl {
    async fn config_and_etag(&self, id: &str) -> (DistributionConfig, String) {
        let input = GetDistributionConfigRequest { id: id.to_owned() };
        let got = distributions::get_config(&self.control, &self.caller, input).await.unwrap();
        (got.distribution_config.unwrap(), got.etag.unwrap())
    }

    /// The ETag after an update of the version with `etag`.
    async fn update_at(
        &self,
        id: &str,
        etag: &str,
        distribution_config: DistributionConfig,
    ) -> Result<String, ApiError> {
        let if_match = Some(etag.to_owned());
        let input = UpdateDistributionRequest { distribution_config, id: id.to_owned(), if_match };
        distributions::update(&self.control, &self.caller, input).await.map(|updated| updated.etag.unwrap())
    }
}

/// Runs a test over a store in memory, and over one in a file.
async fn over_each_store<F: Future<Output = ()>>(test: impl Fn(Arc<dyn Store>) -> F) {
    test(Arc::new(MemoryStore::new())).await;
    let directory = tempfile::tempdir().unwrap();
    test(Arc::new(SqliteStore::open(directory.path().join("store")).unwrap())).await;
}

/// As clients do, again when the control plane says that too much changes at once.
async fn persistently<T, F: Future<Output = Result<T, ApiError>>>(
    attempt: impl Fn() -> F,
) -> Result<T, &'static str> {
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) if error.status == 503 => {}
            Err(error) => return Err(error.code),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_somebody_begins_to_use_is_not_deleted() {
    over_each_store(async |store| {
        let test =
            Arc::new(TestControl::over(store, |settings| settings.quotas.cache_policies = POLICIES).await);
        let mut policies = Vec::new();
        for number in 0..POLICIES {
            let config = CachePolicyConfig {
                name: format!("policy-{number}"),
                min_ttl: 1,
                ..CachePolicyConfig::default()
            };
            policies.push(create::<CachePolicies>(&test.control, config).await.unwrap());
        }
        let mut users = Vec::new();
        for number in 0..TASKS {
            users.push(test.create_distribution(distribution_config(&number.to_string())).await);
        }
        let tasks = users.iter().enumerate().map(|(number, user)| {
            let policy = policies[number % POLICIES].clone();
            let (for_use, for_deletion, user) = (test.clone(), test.clone(), user.clone());
            let id = policy.id.clone();
            let begin_to_use = tokio::spawn(async move {
                persistently(|| async {
                    let (mut config, etag) = for_use.config_and_etag(&user).await;
                    config.default_cache_behavior.cache_policy_id = Some(id.clone());
                    for_use.update_at(&user, &etag, config).await
                })
                .await
            });
            let delete = tokio::spawn(async move {
                persistently(|| async {
                    let if_match = EntityTag::required(Some(&policy.etag()))?;
                    delete::<CachePolicies>(&for_deletion.control, &policy.id, Some(if_match)).await
                })
                .await
            });
            (begin_to_use, delete)
        });
        let mut deleted = BTreeMap::new();
        for (number, (begin_to_use, delete)) in tasks.collect::<Vec<_>>().into_iter().enumerate() {
            let used = begin_to_use.await.unwrap();
            assert!(matches!(used, Ok(_) | Err("NoSuchCachePolicy")), "{used:?}");
            let gone = delete.await.unwrap();
            assert!(matches!(gone, Ok(()) | Err("CachePolicyInUse" | "NoSuchCachePolicy")), "{gone:?}");
            *deleted.entry(number % POLICIES).or_insert(0) += usize::from(gone.is_ok());
        }
        for user in &users {
            let used = test.config_and_etag(user).await.0.default_cache_behavior.cache_policy_id.unwrap();
            let there = read::<CachePolicies>(&test.control, &used).await;
            assert!(there.is_ok(), "{user} refers to {used}, which is gone");
        }
        for (number, policy) in policies.iter().enumerate() {
            let is_gone = read::<CachePolicies>(&test.control, &policy.id).await.is_err();
            assert_eq!(deleted[&number], usize::from(is_gone), "policy {number}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_make_one_history_and_lose_nothing() {
    over_each_store(async |store| {
        let test = Arc::new(TestControl::over(store, |_| {}).await);
        let mut config = distribution_config("a");
        config.comment = "0".to_owned().into();
        let id = test.create_distribution(config).await;
        let (_, first) = test.config_and_etag(&id).await;
        let writers = (0..TASKS).map(|_| {
            let (test, id) = (test.clone(), id.clone());
            tokio::spawn(async move {
                loop {
                    let (mut config, etag) = test.config_and_etag(&id).await;
                    let count: usize = config.comment.as_str().parse().unwrap();
                    config.comment = (count + 1).to_string().into();
                    match test.update_at(&id, &etag, config).await {
                        Ok(after) => return (etag, (count + 1, after)),
                        Err(error) => assert_eq!(error.code, "PreconditionFailed"),
                    }
                }
            })
        });
        let mut steps = BTreeMap::new();
        for writer in writers.collect::<Vec<_>>() {
            let (before, step) = writer.await.unwrap();
            assert!(steps.insert(before.clone(), step).is_none(), "two changes of the version {before}");
        }
        let (mut etag, mut count) = (first, 0);
        while let Some((next, after)) = steps.remove(&etag) {
            assert_eq!(next, count + 1);
            (etag, count) = (after, next);
        }
        let (config, last) = test.config_and_etag(&id).await;
        assert_eq!((count, last), (TASKS, etag));
        assert_eq!(config.comment.as_str(), TASKS.to_string());
        assert_eq!(config.default_cache_behavior.cache_policy_id.as_deref(), Some(CACHING_DISABLED_ID));
    })
    .await;
}
