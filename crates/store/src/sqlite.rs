//! A store in one file, for one process.
//!
//! SQLite in WAL mode with `synchronous=FULL`: a commit is acknowledged when its log record is on disk. One thread
//! writes (`writer`), a few connections read (`reader`), and `schema` opens the file or says why it must not be used.

mod reader;
mod schema;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use rusqlite::ErrorCode;
use tokio::sync::{mpsc, oneshot, watch};

use self::reader::Readers;
use self::writer::{Job, Writer};
use crate::Store;
use crate::error::{CommitError, OpenError, StorageError};
use crate::limits::{CHANGE_LOG_REVISIONS_MAX, WRITER_QUEUE_TRANSACTIONS_MAX};
use crate::range::{Page, Range};
use crate::record::{Key, Record, Revision};
use crate::transaction::{Committed, Transaction};
use crate::watch::{LogFollower, Watch};

/// What can be chosen about a [`SqliteStore`].
#[derive(Clone, Copy, Debug)]
pub struct SqliteOptions {
    /// How many revisions of changes are kept for watchers (and up to a thirty-second more).
    pub change_log_revisions_max: u64,
    /// How large the file may become; `None` leaves that to the disk. Its write-ahead log comes on top.
    pub file_bytes_max: Option<u64>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { change_log_revisions_max: CHANGE_LOG_REVISIONS_MAX, file_bytes_max: None }
    }
}

/// Keeps its records in an SQLite file.
///
/// Reading needs a tokio runtime (it uses the runtime's threads for blocking work). Dropping the store waits for the
/// transactions already handed over.
pub struct SqliteStore {
    /// `None` while dropping, and where the store was opened to be looked into.
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    readers: Arc<Readers>,
    published: watch::Receiver<Revision>,
}

impl SqliteStore {
    /// Opens the store at `path`, creating it (readable by its owner alone) if there is no file. Blocks on the disk.
    ///
    /// Keeping a second process away is the caller's business: it would not corrupt anything, but watchers here would
    /// learn of its commits late.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(path, SqliteOptions::default())
    }

    /// As [`open`](Self::open), with options.
    pub fn open_with(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let connection = schema::open(path, options)?;
        let current = reader::current_revision(&connection)
            .map_err(|source| OpenError::Sqlite { path: path.to_owned(), source: source.into() })?;
        let (progress_sender, published) = watch::channel(current);
        let (jobs, queue) = mpsc::channel(WRITER_QUEUE_TRANSACTIONS_MAX);
        let writer = Writer::new(connection, queue, progress_sender, options.change_log_revisions_max)
            .spawn()
            .map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        let readers = Arc::new(Readers::new(path));
        Ok(Self { jobs: Some(jobs), writer: Some(writer), readers, published })
    }

    /// Opens a store that is there to be looked into, whether or not another process uses it. Commits are refused as
    /// if the store had closed, and a watch learns nothing.
    pub fn look_into(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let current = schema::look_into(path)?;
        let (_, published) = watch::channel(current);
        Ok(Self { jobs: None, writer: None, readers: Arc::new(Readers::new(path)), published })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, key: &Key) -> Result<Option<Record>, StorageError> {
        let key = key.clone();
        self.readers.read(move |connection| reader::get(connection, key)).await
    }

    async fn range(&self, range: Range) -> Result<Page, StorageError> {
        self.readers.read(move |connection| reader::page(connection, &range)).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Committed, CommitError> {
        transaction.validate()?;
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(StorageError::Closed)?;
        jobs.send(Job { transaction, reply }).await.map_err(|_unsent| StorageError::Closed)?;
        answer.await.map_err(|_writer_ended| StorageError::Closed)?
    }

    fn watch(&self, kind_prefix: &str, after: Revision) -> Watch {
        let log = Arc::clone(&self.readers);
        Watch::new(LogFollower::new(log, kind_prefix, after, self.published.clone()))
    }

    async fn current_revision(&self) -> Result<Revision, StorageError> {
        Ok(*self.published.borrow())
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("Store writer panicked");
        }
    }
}

/// SQLite's integers are signed. Revisions come nowhere near the difference.
fn to_integer(revision: Revision) -> i64 {
    revision.0.cast_signed()
}

fn to_revision(integer: i64) -> Revision {
    Revision(integer.cast_unsigned())
}

fn storage_error(error: rusqlite::Error) -> StorageError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StorageError::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StorageError::Corrupt(error.into()),
        _ => StorageError::Failed(error.into()),
    }
}
