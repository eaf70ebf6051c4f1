//! How a change becomes durable: one small transaction, with what it expects of the store.
//!
//! References and unique names are kept consistent without a lock. A change that adds a reference
//! expects the referred record to exist, and writes the `integrity` record; it does not compare that
//! record, so many such changes can be in flight and share one flush to disk. A change that takes
//! something away, or that takes a name, also compares `integrity`: it was checked against the
//! snapshot of that revision, and if anything was added since, it is checked again.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_api::ApiError;
use edge_config::{Revision, Snapshot};
use store::{CommitError, Condition, Key, StorageError, Transaction, TransactionFault, Write};
use tokio::time::timeout;

use crate::audit;
use crate::control::Control;
use crate::errors::{disk_full, internal, too_many_references, unavailable};
use crate::limits::SNAPSHOT_WAIT_DURATION;
use crate::records::integrity_key;
use crate::reference::Reference;

/// What a change expects of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// The changed record is as it was read, or absent if it is new.
    Record,
    /// What the change was derived from is as it was read.
    Source,
    /// The caller reference was never used.
    CallerReference,
    /// A referred resource exists.
    Reference(Reference),
    /// Nobody of the kind has this text in that index.
    Name {
        /// The index.
        index: &'static str,
        /// The text.
        text: String,
    },
    /// No reference or name was added since it was checked.
    Integrity,
    /// The tags are as they were read.
    Tags,
}

/// A transaction that remembers why it compares what it compares.
#[derive(Clone, Debug, Default)]
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

    /// Expects every referred resource to exist, and keeps the index of references.
    pub(crate) fn change_references(
        mut self,
        account_id: &str,
        user: &Reference,
        before: &BTreeSet<Reference>,
        after: &BTreeSet<Reference>,
    ) -> Self {
        for reference in after {
            if let Some(key) = reference.record_key(account_id) {
                self = self.expect(Expectation::Reference(reference.clone()), key, Condition::Exists);
            }
        }
        for added in after.difference(before) {
            self = self.put(added.index_key(account_id, user), Vec::new());
        }
        for removed in before.difference(after) {
            self = self.delete(removed.index_key(account_id, user));
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

    /// Both changes at once. What both write, such as the integrity record, is written once.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.expectations.extend(other.expectations);
        self.transaction.compares.extend(other.transaction.compares);
        for write in other.transaction.writes {
            if self.transaction.writes.iter().all(|written| written.key() != write.key()) {
                self.transaction.writes.push(write);
            }
        }
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
        let touched = audit::touched(&change.transaction);
        match self.store().commit(change.transaction).await {
            Ok(committed) => {
                audit::note(touched, committed.revision);
                Ok(committed.revision)
            }
            Err(CommitError::Conflict { compare, .. }) => {
                let unmet = change.expectations.into_iter().nth(compare).map(Refusal::Unmet);
                Err(unmet.unwrap_or_else(|| Refusal::Answer(ApiError::internal())))
            }
            Err(CommitError::Refused(TransactionFault::TooLarge { .. })) => {
                Err(Refusal::Answer(ApiError::request_too_large()))
            }
            Err(CommitError::Refused(TransactionFault::TooManyOperations { .. })) => {
                Err(Refusal::Answer(too_many_references()))
            }
            Err(CommitError::Storage(error)) => Err(Refusal::Answer(storage(error))),
            Err(error @ CommitError::Refused(_)) => Err(Refusal::Answer(internal(&error))),
        }
    }

    /// The revision at which references and names last changed.
    pub(crate) async fn integrity(&self) -> Result<Integrity, ApiError> {
        let record = self.store().get(&integrity_key(self.account_id())).await.map_err(storage)?;
        Ok(Integrity(record.map(|record| record.revision)))
    }

    /// That revision, and a snapshot that shows it.
    pub(crate) async fn current_snapshot(&self) -> Result<(Integrity, Arc<Snapshot>), ApiError> {
        let integrity = self.integrity().await?;
        let snapshot = self.snapshot_at(integrity.0.unwrap_or_default()).await?;
        Ok((integrity, snapshot))
    }

    /// A snapshot that shows what was committed up to a revision.
    pub(crate) async fn snapshot_at(&self, revision: store::Revision) -> Result<Arc<Snapshot>, ApiError> {
        let wanted = Revision(revision.0);
        let mut snapshots = self.snapshots();
        let shown =
            timeout(SNAPSHOT_WAIT_DURATION, snapshots.wait_for(|next| next.revision() >= wanted)).await;
        match shown {
            Ok(Ok(snapshot)) => Ok(Arc::clone(&snapshot)),
            Ok(Err(_)) | Err(_) => Err(unavailable()),
        }
    }
}

impl From<Refusal> for ApiError {
    /// For changes whose every expectation has an answer of its own.
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Answer(error) => error,
            Refusal::Unmet(Expectation::Reference(reference)) => reference.missing(),
            Refusal::Unmet(Expectation::Record | Expectation::Source) => {
                crate::entity_tag::precondition_failed()
            }
            Refusal::Unmet(
                Expectation::Integrity
                | Expectation::Tags
                | Expectation::CallerReference
                | Expectation::Name { .. },
            ) => unavailable(),
        }
    }
}

/// The error for a store that failed.
#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
pub(crate) fn storage(error: StorageError) -> ApiError {
    match error {
        StorageError::Full => disk_full(&error),
        StorageError::Corrupt(_) | StorageError::Failed(_) | StorageError::Closed => internal(&error),
    }
}
