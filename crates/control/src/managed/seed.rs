//! Puts the managed policies' bundles into the store, for edges know only what is there.

use edge_config::{Bundle, ResourceId, ResourceKind};
use store::{CommitError, Condition, Record, StorageError, Store, Transaction, Write};

use super::{cache_policies, origin_request_policies, response_headers_policies};
use crate::compile::{
    compile_cache_policy, compile_managed_response_headers_policy, compile_origin_request_policy,
};
use crate::limits::COMMIT_ATTEMPTS_MAX;

/// Why the managed policies could not be put into the store.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The store cannot be read.
    #[error("the managed policies cannot be read from the store")]
    Read(#[source] StorageError),
    /// The store cannot be written.
    #[error("the managed policies cannot be written to the store")]
    Write(#[source] CommitError),
}

/// Makes the managed policies of the store those of this release: in one transaction, and only what
/// differs. To be done before anyone follows or serves.
pub async fn seed_managed_policies(store: &dyn Store, account_id: &str) -> Result<(), SeedError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let transaction = outstanding(store, account_id).await.map_err(SeedError::Read)?;
        if transaction.writes.is_empty() {
            return Ok(());
        }
        let policies = transaction.writes.len();
        match store.commit(transaction).await {
            Ok(committed) => {
                tracing::info!(policies, revision = %committed.revision, "Stored the managed policies");
                return Ok(());
            }
            // Another process does the same at this moment.
            Err(CommitError::Conflict { .. }) if attempts < COMMIT_ATTEMPTS_MAX => {}
            Err(error) => return Err(SeedError::Write(error)),
        }
    }
}

/// What to write so that the store has the managed policies of this release.
async fn outstanding(store: &dyn Store, account_id: &str) -> Result<Transaction, StorageError> {
    let mut transaction = Transaction::new();
    for (resource, bundle) in bundles() {
        let write = feed::put_bundle(account_id, &resource, &bundle);
        let stored = store.get(write.key()).await?;
        if stored.as_ref().is_some_and(|record| holds(record, &write)) {
            continue;
        }
        let condition = stored.map_or(Condition::Absent, |record| Condition::AtRevision(record.revision));
        transaction = transaction.when(write.key().clone(), condition);
        transaction.writes.push(write);
    }
    Ok(transaction)
}

fn bundles() -> impl Iterator<Item = (ResourceId, Bundle)> {
    let cache_policies = cache_policies().iter().map(|policy| {
        (ResourceId::new(ResourceKind::CachePolicy, policy.id), compile_cache_policy(&policy.config))
    });
    let origin_request_policies = origin_request_policies().iter().map(|policy| {
        let resource = ResourceId::new(ResourceKind::OriginRequestPolicy, policy.id);
        (resource, compile_origin_request_policy(&policy.config))
    });
    let response_headers_policies = response_headers_policies().iter().map(|policy| {
        let resource = ResourceId::new(ResourceKind::ResponseHeadersPolicy, policy.id);
        (resource, compile_managed_response_headers_policy(&policy.config))
    });
    cache_policies.chain(origin_request_policies).chain(response_headers_policies)
}

fn holds(record: &Record, write: &Write) -> bool {
    matches!(write, Write::Put { value, .. } if record.value == *value)
}

#[cfg(test)]
mod tests {
    use store::{MemoryStore, Range};

    use super::*;

    const ACCOUNT: &str = "000000000000";

    #[tokio::test]
    async fn seeding_twice_writes_once() {
        let store = MemoryStore::new();
        seed_managed_policies(&store, ACCOUNT).await.unwrap();
        let revision = store.current_revision().await.unwrap();
        assert_eq!(revision.0, 1, "one transaction");
        seed_managed_policies(&store, ACCOUNT).await.unwrap();
        assert_eq!(store.current_revision().await.unwrap(), revision);
        let page = store.range(Range::of_kind_prefix("bundle/")).await.unwrap();
        assert_eq!(page.records.len(), 11 + 8 + 5);
    }

    #[tokio::test]
    async fn seeding_mends_what_differs_and_nothing_else() {
        let store = MemoryStore::new();
        seed_managed_policies(&store, ACCOUNT).await.unwrap();
        let (resource, _) = bundles().next().unwrap();
        let key = feed::delete_bundle(ACCOUNT, &resource).key().clone();
        store.commit(Transaction::new().put(key, "old")).await.unwrap();
        seed_managed_policies(&store, ACCOUNT).await.unwrap();
        let page = store.range(Range::of_kind_prefix("bundle/")).await.unwrap();
        let rewritten = page.records.iter().filter(|record| record.revision.0 == 3).count();
        assert_eq!(rewritten, 1);
    }
}
