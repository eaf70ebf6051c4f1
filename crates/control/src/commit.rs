//! How a change becomes durable: one small transaction, with what it expects of the store.
//!
//! References and unique names are kept consistent without a lock. A change that adds a reference
//! expects the referred bundle to exist, and writes the `integrity` record; it does not compare that
//! record, so many such changes can be in flight and share one flush to disk. A change that takes
//! something away, or that takes a name, also compares `integrity`: it was checked against the
//! snapshot of that revision, and if anything was added since, it is checked again.

use std::sync::Arc;

use aws_api::ApiError;
use edge_config::{ResourceId, ResourceKind, Revision, Snapshot};
use store::{CommitError, Condition, Key, StorageError, Transaction, TransactionFault, Write};
use tokio::time::timeout;

use crate::control::Control;
use crate::errors::{internal, no_such_policy, unavailable};
use crate::limits::SNAPSHOT_WAIT_DURATION;
use crate::records::integrity_key;

/// What a change expects of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// The changed record is as it was read, or absent if it is new.
    Record,
    /// The caller reference was never used.
    CallerReference,
    /// A referred resource exists.
    Reference(ResourceId),
    /// No reference or name was added since it was checked.
    Integrity,
    /// The tags are as they were read.
    Tags,
}

/// A transaction that remembers why it compares what it compares.
#[derive(Debug, Default)]
pub(crate) struct Change {
    transaction: Transaction,
    expectations: Vec<Expectation>,
}

/// Why a change was not made.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The store is not as expected.
    Unmet(Expectation),
    /// Anything else, as the API tells it.
    Answer(ApiError),
}

impl Change {
    pub(crate) fn expect(mut self, expectation: Expectation, key: Key, condition: Condition) -> Self {
        self.transaction = self.transaction.when(key, condition);
        self.expectations.push(expectation);
        self
    }

    /// Expects every referred resource to have its bundle.
    pub(crate) fn expect_references(mut self, account_id: &str, references: Vec<ResourceId>) -> Self {
        for reference in references {
            let key = feed::delete_bundle(account_id, &reference).key().clone();
            self = self.expect(Expectation::Reference(reference), key, Condition::Exists);
        }
        self
    }

    pub(crate) fn put(mut self, key: Key, value: Vec<u8>) -> Self {
        self.transaction = self.transaction.put(key, value);
        self
    }

    pub(crate) fn delete(mut self, key: Key) -> Self {
        self.transaction = self.transaction.delete(key);
        self
    }

    pub(crate) fn write(mut self, write: Write) -> Self {
        self.transaction.writes.push(write);
        self
    }

    /// Expects that no reference or name was added since `integrity` was read.
    pub(crate) fn expect_integrity(self, account_id: &str, integrity: Integrity) -> Self {
        let condition = integrity.0.map_or(Condition::Absent, Condition::AtRevision);
        self.expect(Expectation::Integrity, integrity_key(account_id), condition)
    }

    /// Tells everyone who compares `integrity` that references or names changed.
    pub(crate) fn bump_integrity(self, account_id: &str) -> Self {
        self.put(integrity_key(account_id), Vec::new())
    }
}

/// The revision at which references and names last changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Integrity(Option<store::Revision>);

impl Control {
    /// Makes a change, durably, if the store is as the change expects.
    pub(crate) async fn commit(&self, change: Change) -> Result<store::Revision, Refusal> {
        match self.store().commit(change.transaction).await {
            Ok(committed) => Ok(committed.revision),
            Err(CommitError::Conflict { compare, .. }) => {
                let unmet = change.expectations.into_iter().nth(compare).map(Refusal::Unmet);
                Err(unmet.unwrap_or_else(|| Refusal::Answer(ApiError::internal())))
            }
            Err(CommitError::Refused(TransactionFault::TooLarge { .. })) => {
                Err(Refusal::Answer(ApiError::request_too_large()))
            }
            Err(error) => Err(Refusal::Answer(internal(&error))),
        }
    }

    /// The revision at which references and names last changed, and a snapshot that shows it.
    pub(crate) async fn current_snapshot(&self) -> Result<(Integrity, Arc<Snapshot>), ApiError> {
        let record = self.store().get(&integrity_key(self.account_id())).await.map_err(storage)?;
        let integrity = record.map(|record| record.revision);
        let wanted = Revision(integrity.unwrap_or_default().0);
        let mut snapshots = self.snapshots();
        let shown =
            timeout(SNAPSHOT_WAIT_DURATION, snapshots.wait_for(|next| next.revision() >= wanted)).await;
        match shown {
            Ok(Ok(snapshot)) => Ok((Integrity(integrity), Arc::clone(&snapshot))),
            Ok(Err(_)) | Err(_) => Err(unavailable()),
        }
    }
}

impl From<Refusal> for ApiError {
    /// For changes whose every expectation has an answer of its own.
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Answer(error) => error,
            Refusal::Unmet(Expectation::Reference(resource)) => unknown_reference(&resource),
            Refusal::Unmet(Expectation::Record) => crate::entity_tag::precondition_failed(),
            Refusal::Unmet(Expectation::Integrity | Expectation::Tags | Expectation::CallerReference) => {
                unavailable()
            }
        }
    }
}

/// The error for a reference to something that does not exist.
pub(crate) fn unknown_reference(resource: &ResourceId) -> ApiError {
    match resource.kind {
        ResourceKind::CachePolicy | ResourceKind::OriginRequestPolicy => {
            no_such_policy(resource.kind, &resource.id)
        }
        ResourceKind::Distribution => crate::errors::no_such_distribution(),
    }
}

/// The error for a store that failed.
#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
pub(crate) fn storage(error: StorageError) -> ApiError {
    internal(&error)
}
