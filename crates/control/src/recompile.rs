//! Compiles what is stored anew, so that after an upgrade edges enforce what this release can, without
//! anybody's update.
//!
//! The store says which compiler its bundles are from. Where that is another one, each record is compiled
//! again and its bundle written where it differs, in small transactions; the compiler is noted last, so
//! that whoever is interrupted begins again. Certificates are left: their sealed keys are in their bundles
//! alone, and were there from the first release on.

use aws_api::cloudfront::{CachePolicyConfig, OriginRequestPolicyConfig, ResponseHeadersPolicyConfig};
use aws_api::shape::Structure;
use edge_config::{Bundle, CAPABILITIES, ResourceId, ResourceKind};
use store::{CommitError, Condition, Range, Record, StorageError, Store, Transaction, Write};

use crate::compile::{
    COMPILER, compile_cache_policy, compile_distribution, compile_origin_request_policy,
    compile_response_headers_policy,
};
use crate::extension_tags::Extensions;
use crate::kind::Kind;
use crate::limits::{COMMIT_ATTEMPTS_MAX, RECOMPILED_AT_ONCE_BYTES, RECOMPILED_AT_ONCE_MAX};
use crate::records::{ConfigRecord, DistributionRecord, decode_tags, tags_key};

/// What has bundles that follow from records.
const KINDS: [(Kind, ResourceKind); 4] = [
    (Kind::CachePolicy, ResourceKind::CachePolicy),
    (Kind::OriginRequestPolicy, ResourceKind::OriginRequestPolicy),
    (Kind::ResponseHeadersPolicy, ResourceKind::ResponseHeadersPolicy),
    (Kind::Distribution, ResourceKind::Distribution),
];

/// Why what is stored could not be compiled anew.
#[derive(Debug, thiserror::Error)]
pub enum RecompileError {
    /// The store cannot be read.
    #[error("the records to compile anew cannot be read from the store")]
    Read(#[from] StorageError),
    /// The store cannot be written.
    #[error("the bundles that were compiled anew cannot be written to the store")]
    Write(#[from] CommitError),
}

/// Makes the bundles of the store those that this release compiles from its records. To be done before
/// anyone follows or serves.
pub async fn recompile_bundles(store: &dyn Store, account_id: &str) -> Result<(), RecompileError> {
    let marker = feed::marker_key(account_id, "compiler");
    let compiler = format!("{COMPILER} {}", CAPABILITIES.join(" "));
    if store.get(&marker).await?.is_some_and(|record| record.value == compiler.as_bytes()) {
        return Ok(());
    }
    let mut attempts = 1;
    let outcome = loop {
        match Recompilation::run(store, account_id).await {
            // Another process does the same at this moment.
            Err(RecompileError::Write(CommitError::Conflict { .. })) if attempts < COMMIT_ATTEMPTS_MAX => {
                attempts += 1;
            }
            ended => break ended?,
        }
    };
    store.commit(Transaction::new().put(marker, compiler.into_bytes())).await?;
    if outcome.replaced > 0 || outcome.failed > 0 {
        let Recompilation { replaced, unchanged, failed, .. } = outcome;
        tracing::info!(
            replaced,
            unchanged,
            failed,
            "Compiled the stored configuration anew for this release"
        );
    }
    Ok(())
}

/// One pass over all records.
struct Recompilation<'a> {
    store: &'a dyn Store,
    account_id: &'a str,
    transaction: Transaction,
    bytes: usize,
    replaced: usize,
    unchanged: usize,
    failed: usize,
}

impl<'a> Recompilation<'a> {
    async fn run(store: &'a dyn Store, account_id: &'a str) -> Result<Self, RecompileError> {
        let transaction = Transaction::new();
        let mut pass =
            Self { store, account_id, transaction, bytes: 0, replaced: 0, unchanged: 0, failed: 0 };
        for (kind, resource_kind) in KINDS {
            pass.all_of(kind, resource_kind).await?;
        }
        pass.commit().await?;
        Ok(pass)
    }

    async fn all_of(&mut self, kind: Kind, resource_kind: ResourceKind) -> Result<(), RecompileError> {
        let range = Range::of_account(self.account_id, kind.as_str());
        let mut page = self.store.range(range.clone()).await?;
        loop {
            for record in &page.records {
                self.one(kind, resource_kind, record).await?;
            }
            match page.records.last() {
                Some(last) if page.more => {
                    page = self.store.range(range.clone().after(last.key.clone())).await?;
                }
                _ => return Ok(()),
            }
        }
    }

    async fn one(
        &mut self,
        kind: Kind,
        resource_kind: ResourceKind,
        record: &Record,
    ) -> Result<(), RecompileError> {
        let tags = self.store.get(&tags_key(self.account_id, kind, &record.key.id)).await?;
        let bundle = match compile(kind, record, tags.as_ref()) {
            Ok(bundle) => bundle,
            Err(reason) => {
                tracing::warn!(
                    kind = kind.as_str(),
                    id = record.key.id,
                    reason,
                    "A record does not compile any more; edges keep what they have of it until it is updated"
                );
                self.failed += 1;
                return Ok(());
            }
        };
        let resource = ResourceId::new(resource_kind, &record.key.id);
        let Write::Put { key, value } = feed::put_bundle(self.account_id, &resource, &bundle) else {
            return Ok(());
        };
        let stored = self.store.get(&key).await?;
        if stored.as_ref().is_some_and(|stored| stored.value == value) {
            self.unchanged += 1;
            return Ok(());
        }
        self.bytes += value.len();
        self.replaced += 1;
        let transaction = std::mem::take(&mut self.transaction)
            .when(record.key.clone(), Condition::AtRevision(record.revision))
            .when(tags_key(self.account_id, kind, &record.key.id), as_read(tags.as_ref()))
            .when(key.clone(), as_read(stored.as_ref()));
        self.transaction = transaction.put(key, value);
        if self.transaction.writes.len() >= RECOMPILED_AT_ONCE_MAX || self.bytes >= RECOMPILED_AT_ONCE_BYTES {
            self.commit().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), RecompileError> {
        let transaction = std::mem::take(&mut self.transaction);
        self.bytes = 0;
        if !transaction.writes.is_empty() {
            self.store.commit(transaction).await?;
        }
        Ok(())
    }
}

fn as_read(record: Option<&Record>) -> Condition {
    record.map_or(Condition::Absent, |record| Condition::AtRevision(record.revision))
}

/// What edges get of a record, or why that cannot be said.
fn compile(kind: Kind, record: &Record, tags: Option<&Record>) -> Result<Bundle, String> {
    match kind {
        Kind::CachePolicy => config::<CachePolicyConfig>(record).map(|config| compile_cache_policy(&config)),
        Kind::OriginRequestPolicy => {
            config::<OriginRequestPolicyConfig>(record).map(|config| compile_origin_request_policy(&config))
        }
        Kind::ResponseHeadersPolicy => config::<ResponseHeadersPolicyConfig>(record)
            .map(|config| compile_response_headers_policy(&config)),
        Kind::Distribution => {
            let DistributionRecord { domain_name, config, .. } =
                DistributionRecord::decode(&record.value).map_err(|error| error.to_string())?;
            let tags =
                tags.map(|tags| decode_tags(&tags.value)).transpose().map_err(|error| error.to_string())?;
            let extensions = Extensions::of(&tags.unwrap_or_default()).map_err(|error| error.message)?;
            compile_distribution(&config, &domain_name, &extensions).map_err(|error| error.message)
        }
        _ => Err("records of this kind have no bundles".to_owned()),
    }
}

fn config<C: Structure + Default>(record: &Record) -> Result<C, String> {
    ConfigRecord::<C>::decode(&record.value).map(|decoded| decoded.config).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use aws_api::shape::Timestamp;
    use edge_config::HostName;
    use store::{Key, MemoryStore};

    use super::*;
    use crate::records::{distribution_key, encode_tags, resource_key};
    use crate::test_support::distribution_config;

    const ACCOUNT: &str = "000000000000";

    fn marker() -> Key {
        feed::marker_key(ACCOUNT, "compiler")
    }

    fn bundle_key(kind: ResourceKind, id: &str) -> Key {
        feed::delete_bundle(ACCOUNT, &ResourceId::new(kind, id)).key().clone()
    }

    fn now() -> Timestamp {
        Timestamp::from_unix_milliseconds(0).unwrap()
    }

    fn distribution(id: &str) -> Write {
        let mut config = distribution_config(id);
        config.default_root_object = Some("index.html".to_owned());
        let domain_name = HostName::parse("d1.mantlet.localhost").unwrap();
        let record = DistributionRecord { domain_name, last_modified_time: now(), config };
        Write::Put { key: distribution_key(ACCOUNT, id), value: record.encode().unwrap().into() }
    }

    fn policy<C: Structure + Default>(kind: Kind, config: C) -> Write {
        let record = ConfigRecord { created_time: now(), last_modified_time: now(), config };
        Write::Put { key: resource_key(ACCOUNT, kind, "P1"), value: record.encode().unwrap().into() }
    }

    async fn store_of(writes: impl IntoIterator<Item = Write>) -> MemoryStore {
        let store = MemoryStore::new();
        for write in writes {
            store.commit(Transaction { writes: vec![write], ..Transaction::new() }).await.unwrap();
        }
        store
    }

    async fn bundle(store: &MemoryStore, kind: ResourceKind, id: &str) -> Option<Bundle> {
        let record = store.get(&bundle_key(kind, id)).await.unwrap()?;
        Some(Bundle::decode(&record.value).unwrap())
    }

    #[tokio::test]
    async fn every_kind_is_compiled_and_that_once() {
        let store = store_of([
            policy(Kind::CachePolicy, CachePolicyConfig::default()),
            policy(Kind::OriginRequestPolicy, OriginRequestPolicyConfig::default()),
            policy(Kind::ResponseHeadersPolicy, ResponseHeadersPolicyConfig::default()),
            distribution("E1"),
            // What an older release knew of it.
            Write::Put { key: bundle_key(ResourceKind::Distribution, "E1"), value: "{}".into() },
        ])
        .await;
        recompile_bundles(&store, ACCOUNT).await.unwrap();
        for (_, kind) in KINDS {
            let id = if kind == ResourceKind::Distribution { "E1" } else { "P1" };
            assert!(bundle(&store, kind, id).await.is_some(), "{kind:?}");
        }
        let Some(Bundle::Distribution(found)) = bundle(&store, ResourceKind::Distribution, "E1").await else {
            panic!("no distribution");
        };
        assert_eq!(found.default_root_object.as_deref(), Some("/index.html"));

        let revision = store.current_revision().await.unwrap();
        recompile_bundles(&store, ACCOUNT).await.unwrap();
        assert_eq!(store.current_revision().await.unwrap(), revision, "this compiler is known");
        // An older release was here meanwhile, and left everything as it was.
        store.commit(Transaction::new().put(marker(), "0")).await.unwrap();
        recompile_bundles(&store, ACCOUNT).await.unwrap();
        assert_eq!(store.current_revision().await.unwrap().0, revision.0 + 2, "nothing but the marker");
    }

    #[tokio::test]
    async fn tags_are_compiled_as_well() {
        let tag =
            aws_api::cloudfront::Tag { key: "mantlet:max-body".to_owned(), value: Some("7".to_owned()) };
        let tags = encode_tags(&[tag]).unwrap().into();
        let tags = Write::Put { key: tags_key(ACCOUNT, Kind::Distribution, "E1"), value: tags };
        let store = store_of([distribution("E1"), tags]).await;
        recompile_bundles(&store, ACCOUNT).await.unwrap();
        let Some(Bundle::Distribution(found)) = bundle(&store, ResourceKind::Distribution, "E1").await else {
            panic!("no distribution");
        };
        assert_eq!(found.max_body_bytes, Some(7));
    }

    #[tokio::test]
    async fn a_record_that_does_not_compile_keeps_its_bundle_and_holds_up_nobody() {
        let kept = bundle_key(ResourceKind::Distribution, "E1");
        let store = store_of([
            Write::Put { key: distribution_key(ACCOUNT, "E1"), value: "not JSON".into() },
            Write::Put { key: kept.clone(), value: "as it was".into() },
            distribution("E2"),
        ])
        .await;
        recompile_bundles(&store, ACCOUNT).await.unwrap();
        assert_eq!(store.get(&kept).await.unwrap().unwrap().value, "as it was");
        assert!(bundle(&store, ResourceKind::Distribution, "E2").await.is_some());
        assert!(store.get(&marker()).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn many_records_go_in_transactions_that_a_store_takes() {
        let many = RECOMPILED_AT_ONCE_MAX * 2 + 1;
        let store = store_of((0..many).map(|number| distribution(&format!("E{number}")))).await;
        let before = store.current_revision().await.unwrap();
        recompile_bundles(&store, ACCOUNT).await.unwrap();
        let transactions = store.current_revision().await.unwrap().0 - before.0;
        assert_eq!(transactions, 3 + 1, "three of bundles and the marker");
        let last = format!("E{}", many - 1);
        assert!(bundle(&store, ResourceKind::Distribution, &last).await.is_some());
    }

    #[tokio::test]
    async fn whoever_was_interrupted_is_followed_by_whoever_finishes() {
        let store = store_of([distribution("E1"), distribution("E2")]).await;
        recompile_bundles(&store, ACCOUNT).await.unwrap();
        // As if the process had ended in between: one bundle is new, the other one and the marker are not.
        let unfinished =
            Transaction::new().put(bundle_key(ResourceKind::Distribution, "E2"), "{}").delete(marker());
        store.commit(unfinished).await.unwrap();
        recompile_bundles(&store, ACCOUNT).await.unwrap();
        assert!(bundle(&store, ResourceKind::Distribution, "E2").await.is_some());
    }
}
