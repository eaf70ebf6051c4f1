//! Records, revisions, compare-and-set and watch: what the control plane keeps, and how everyone learns of changes.
//!
//! A record is bytes under a [`Key`]. The whole store has **one** revision that every commit raises by one; a record
//! carries the revision that last wrote it. A [`Transaction`] compares some records, then writes others, atomically.
//! A [`Watch`] tells of every commit after a revision, in order and once. The contract is a subset of etcd's version 3
//! API (range, transaction with compares, watch from a revision, compaction), so that a fleet can use etcd instead.
//!
//! Two implementations: [`SqliteStore`] keeps its records in one file, [`MemoryStore`] serves tests. Both pass the same
//! conformance suite (`tests/store/conformance.rs`).
//!
//! This crate does not know about CloudFront, edges, bundles, or what the bytes of a record mean.

mod error;
mod limits;
mod memory;
mod range;
mod record;
mod sqlite;
mod transaction;
mod watch;

pub use crate::error::{CommitError, OpenError, StorageError, TransactionFault, WatchError};
pub use crate::limits::{
    CHANGE_LOG_REVISIONS_MAX, KEY_PART_BYTES_MAX, PAGE_BYTES_MAX, PAGE_RECORDS_MAX, TRANSACTION_BYTES_MAX,
    TRANSACTION_OPERATIONS_MAX,
};
pub use crate::memory::MemoryStore;
pub use crate::range::{Page, Range, Scope};
pub use crate::record::{Key, Record, Revision};
pub use crate::sqlite::{SqliteOptions, SqliteStore};
pub use crate::transaction::{Committed, Compare, Condition, Transaction, Write};
pub use crate::watch::{Change, ChangeSource, Changes, Watch};

use async_trait::async_trait;

/// Where records are kept. Used as `Arc<dyn Store>`.
#[async_trait]
pub trait Store: Send + Sync {
    /// The record under `key`, if there is one.
    async fn get(&self, key: &Key) -> Result<Option<Record>, StorageError>;

    /// One page of the records in `range`, in the order of their keys.
    async fn range(&self, range: Range) -> Result<Page, StorageError>;

    /// Applies all writes of `transaction` if all its compares hold, else nothing.
    ///
    /// The answer comes when the commit is durable. Dropping the future does not withdraw a transaction that was
    /// already handed over.
    async fn commit(&self, transaction: Transaction) -> Result<Committed, CommitError>;

    /// The commits after `after` that touch a kind beginning with `kind_prefix`, past and future.
    fn watch(&self, kind_prefix: &str, after: Revision) -> Watch;

    /// The revision of the newest commit; [`Revision::ZERO`] in a store that was never written.
    async fn current_revision(&self) -> Result<Revision, StorageError>;
}
