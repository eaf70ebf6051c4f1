//! Reading: a few connections, each used by one read at a time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::{schema, storage_error, to_integer, to_revision};
use crate::error::{StorageError, WatchError};
use crate::limits::{PAGE_BYTES_MAX, READ_CONNECTIONS_MAX};
use crate::range::{Page, Range, kind_prefix_end};
use crate::record::{Key, Record, Revision};
use crate::watch::{Change, ChangeLog, LogBatch, LogBatchBuilder};

/// The connections that read.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Connections to the store at `path`, made when they are needed.
    pub(super) fn new(path: &Path) -> Self {
        let permits = Arc::new(Semaphore::new(READ_CONNECTIONS_MAX));
        Self { path: path.to_owned(), idle: Mutex::new(Vec::new()), permits }
    }

    /// Runs `query` on a thread that may block. All that it reads is of one moment.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let permit =
            Arc::clone(&self.permits).acquire_owned().await.map_err(|_closed| StorageError::Closed)?;
        let readers = Arc::clone(self);
        let read = spawn_blocking(move || {
            // Given back when the read is over, even if nobody waits for it any more.
            let _permit = permit;
            readers.read_now(query)
        });
        read.await.map_err(|error| StorageError::Failed(error.into()))?.map_err(storage_error)
    }

    fn read_now<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path)?,
        };
        let transaction = connection.transaction()?;
        // A connection whose read failed is dropped: a fresh one is the likelier to work.
        let answer = query(&transaction)?;
        transaction.finish()?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(answer)
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = schema::connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

#[async_trait]
impl ChangeLog for Arc<Readers> {
    async fn read_after(&self, kind_prefix: &str, after: Revision) -> Result<LogBatch, WatchError> {
        let kind_prefix = kind_prefix.to_owned();
        self.read(move |connection| changes_after(connection, &kind_prefix, after)).await?
    }
}

pub(super) fn current_revision(connection: &Connection) -> rusqlite::Result<Revision> {
    progress(connection).map(|(revision, _)| revision)
}

/// The newest revision, and the one up to which the log is compacted.
pub(super) fn progress(connection: &Connection) -> rusqlite::Result<(Revision, Revision)> {
    let mut statement = connection.prepare_cached("SELECT revision, compacted FROM progress")?;
    statement.query_row([], |row| Ok((to_revision(row.get(0)?), to_revision(row.get(1)?))))
}

pub(super) fn get(connection: &Connection, key: Key) -> rusqlite::Result<Option<Record>> {
    let mut statement = connection.prepare_cached(
        "SELECT revision, created, value FROM record WHERE kind = ?1 AND account = ?2 AND id = ?3",
    )?;
    let found = statement
        .query_row(params![key.kind, key.account, key.id], |row| {
            Ok((to_revision(row.get(0)?), to_revision(row.get(1)?), row.get::<_, Vec<u8>>(2)?))
        })
        .optional()?;
    Ok(found.map(|(revision, created, value)| Record { key, value: value.into(), revision, created }))
}

pub(super) fn page(connection: &Connection, range: &Range) -> rusqlite::Result<Page> {
    let (after, end) = range.bounds();
    let mut statement = connection.prepare_cached(
        "SELECT kind, account, id, revision, created, value FROM record
         WHERE (kind, account, id) > (?1, ?2, ?3) AND (kind, account, id) < (?4, ?5, ?6)
         ORDER BY kind, account, id",
    )?;
    let mut rows =
        statement.query(params![after.kind, after.account, after.id, end.kind, end.account, end.id])?;
    let mut page = Page { records: Vec::new(), revision: current_revision(connection)?, more: false };
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        if page.records.len() == range.bounded_limit() || bytes >= PAGE_BYTES_MAX {
            page.more = true;
            break;
        }
        let record = record(row)?;
        bytes += record.value.len();
        page.records.push(record);
    }
    Ok(page)
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        key: Key { kind: row.get(0)?, account: row.get(1)?, id: row.get(2)? },
        revision: to_revision(row.get(3)?),
        created: to_revision(row.get(4)?),
        value: Bytes::from(row.get::<_, Vec<u8>>(5)?),
    })
}

fn changes_after(
    connection: &Connection,
    kind_prefix: &str,
    after: Revision,
) -> rusqlite::Result<Result<LogBatch, WatchError>> {
    let (current, compacted) = progress(connection)?;
    if after < compacted {
        return Ok(Err(WatchError::Compacted { compacted }));
    }
    if after > current {
        return Ok(Err(WatchError::Ahead { current }));
    }
    let mut statement = connection.prepare_cached(
        "SELECT kind, account, id, revision, created, value FROM change
         WHERE revision > ?1 AND kind >= ?2 AND kind < ?3 ORDER BY revision, place",
    )?;
    let mut rows = statement.query(params![to_integer(after), kind_prefix, kind_prefix_end(kind_prefix)])?;
    let mut batch = LogBatchBuilder::new();
    while let Some(row) = rows.next()? {
        let revision = to_revision(row.get(3)?);
        if batch.push(revision, change(row, revision)?).is_err() {
            return Ok(Ok(batch.finish_early(after)));
        }
    }
    Ok(Ok(batch.finish(current)))
}

fn change(row: &Row<'_>, revision: Revision) -> rusqlite::Result<Change> {
    if row.get_ref(5)? == rusqlite::types::ValueRef::Null {
        let key = Key { kind: row.get(0)?, account: row.get(1)?, id: row.get(2)? };
        return Ok(Change::Deleted { key, revision });
    }
    record(row).map(Change::Put)
}
