//! What can go wrong, one enum for each thing that is asked of a store.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use thiserror::Error as ThisError;

use crate::limits::{TRANSACTION_BYTES_MAX, TRANSACTION_OPERATIONS_MAX};
use crate::record::{Key, Revision};

/// An error of whatever keeps the bytes.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// The medium failed. What was acknowledged before is kept, and later calls may succeed.
#[derive(Debug, ThisError)]
pub enum StorageError {
    /// No space is left.
    #[error("no space is left for the store")]
    Full,
    /// The store's file is damaged.
    #[error("the store is damaged")]
    Corrupt(#[source] Cause),
    /// Reading or writing failed.
    #[error("the store could not be read or written")]
    Failed(#[source] Cause),
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
}

/// A transaction did not apply; nothing of it is visible.
#[derive(Debug, ThisError)]
pub enum CommitError {
    /// A compare does not hold.
    #[error("compare {compare} of the transaction does not hold")]
    Conflict {
        /// Which of the transaction's compares; the first that failed.
        compare: usize,
        /// The revision that the compared record has instead, if it exists.
        current: Option<Revision>,
    },
    /// The transaction itself is at fault.
    #[error("the transaction is refused")]
    Refused(#[from] TransactionFault),
    /// The medium failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What makes a transaction unacceptable to every store.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum TransactionFault {
    /// More compares and writes than a store takes.
    #[error("{operations} compares and writes are more than {TRANSACTION_OPERATIONS_MAX}")]
    TooManyOperations {
        /// How many it has.
        operations: usize,
    },
    /// More bytes than a store takes.
    #[error("{bytes} bytes of keys and values are more than {TRANSACTION_BYTES_MAX}")]
    TooLarge {
        /// How many it has.
        bytes: usize,
    },
    /// A part of a key is empty, too long or holds characters that it must not.
    #[error("key {key:?} is malformed")]
    MalformedKey {
        /// Which.
        key: Key,
    },
    /// Two writes name the same key.
    #[error("key {key} is written twice")]
    DuplicateWrite {
        /// Which.
        key: Key,
    },
}

/// A watch ended. Except after [`Closed`](Self::Closed): read everything anew, then watch from there.
#[derive(Debug, ThisError)]
pub enum WatchError {
    /// Changes after the revision asked for are no longer kept.
    #[error("changes up to revision {compacted} are no longer kept")]
    Compacted {
        /// Up to here they are gone; a watch after this revision or a later one works.
        compacted: Revision,
    },
    /// The watch begins after a revision that the store has not reached: it is not the store that it was.
    #[error("the store is at revision {current} only")]
    Ahead {
        /// Where the store is.
        current: Revision,
    },
    /// The store was shut down, and all its changes have been told.
    #[error("the store is closed")]
    Closed,
    /// The medium failed. The watch can go on: the next call tries again from where it was.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The store's file cannot be used.
#[derive(Debug, ThisError)]
pub enum OpenError {
    /// The file cannot be created or opened.
    #[error("{} cannot be opened", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is not a Mantlet store", path.display())]
    NotAStore {
        /// Which.
        path: PathBuf,
    },
    /// The file was written by a newer release. Run that one, or restore a backup.
    #[error(
        "the store has schema {found}, this release knows up to {known}: it was written by a newer release"
    )]
    NewerSchema {
        /// The file's schema.
        found: u32,
        /// The newest that this release can use.
        known: u32,
    },
    /// The file is damaged. Restore a backup.
    #[error("{} is damaged: {finding}", path.display())]
    Corrupt {
        /// Which.
        path: PathBuf,
        /// What SQLite found.
        finding: String,
    },
    /// SQLite could not use the file.
    #[error("{} cannot be used as a store", path.display())]
    Sqlite {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Cause,
    },
}
