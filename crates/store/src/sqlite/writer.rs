//! Writing: one thread, and one `fsync` for all transactions that wait at the same time.

use std::io;
use std::thread::{Builder, JoinHandle};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot, watch};

use super::{reader, storage_error, to_integer, to_revision};
use crate::error::CommitError;
use crate::limits::{COMPACTION_SLACK_DIVISOR, GROUP_TRANSACTIONS_MAX};
use crate::record::{Key, Revision};
use crate::transaction::{Committed, Transaction, Write};

type Outcome = Result<Committed, CommitError>;

/// A transaction that waits to be committed.
pub(super) struct Job {
    pub(super) transaction: Transaction,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// Commits what comes in through its queue, until the queue closes.
pub(super) struct Writer {
    connection: Connection,
    queue: mpsc::Receiver<Job>,
    progress_sender: watch::Sender<Revision>,
    change_log_revisions_max: u64,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        queue: mpsc::Receiver<Job>,
        progress_sender: watch::Sender<Revision>,
        change_log_revisions_max: u64,
    ) -> Self {
        Self { connection, queue, progress_sender, change_log_revisions_max }
    }

    pub(super) fn spawn(self) -> io::Result<JoinHandle<()>> {
        Builder::new().name("store-writer".to_owned()).spawn(|| self.run())
    }

    fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP_TRANSACTIONS_MAX
                && let Ok(job) = self.queue.try_recv()
            {
                group.push(job);
            }
            self.commit_group(group);
        }
    }

    /// Commits `group` at once and answers. If the medium fails, each transaction is tried alone, so that one which does
    /// not fit on the disk fails nobody but itself.
    fn commit_group(&mut self, group: Vec<Job>) {
        match self.try_commit(&group) {
            Ok(outcomes) => {
                for (job, outcome) in group.into_iter().zip(outcomes) {
                    // Who asked may have gone; the commit stands.
                    let _ = job.reply.send(outcome);
                }
            }
            Err(_) if group.len() > 1 => group.into_iter().for_each(|job| self.commit_group(vec![job])),
            Err(error) => {
                tracing::error!(%error, "Store could not commit");
                let error = storage_error(error);
                let _ = group.into_iter().next().map(|job| job.reply.send(Err(error.into())));
            }
        }
    }

    /// One SQLite transaction for all. On an error it is rolled back, whole.
    fn try_commit(&mut self, group: &[Job]) -> rusqlite::Result<Vec<Outcome>> {
        let sqlite = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (before, compacted) = reader::progress(&sqlite)?;
        let mut revision = before;
        let mut outcomes = Vec::with_capacity(group.len());
        for job in group {
            outcomes.push(apply(&sqlite, &job.transaction, &mut revision)?);
        }
        if revision > before {
            let compacted = compact(&sqlite, revision, compacted, self.change_log_revisions_max)?;
            sqlite
                .prepare_cached("UPDATE progress SET revision = ?1, compacted = ?2")?
                .execute(params![to_integer(revision), to_integer(compacted)])?;
        }
        // Refusals wait for this too: they may rest on a commit of the same group.
        sqlite.commit()?;
        if revision > before {
            self.progress_sender.send_replace(revision);
        }
        Ok(outcomes)
    }
}

/// Compares, then writes. `revision` is the store's, and moves on if anything changed.
fn apply(
    sqlite: &Connection,
    transaction: &Transaction,
    revision: &mut Revision,
) -> rusqlite::Result<Outcome> {
    for (index, compare) in transaction.compares.iter().enumerate() {
        let current = revisions_of(sqlite, &compare.key)?.map(|(current, _)| current);
        if !compare.condition.holds(current) {
            return Ok(Err(CommitError::Conflict { compare: index, current }));
        }
    }
    let next = revision.next();
    let mut changed = false;
    for (place, write) in (0..).zip(&transaction.writes) {
        changed |= match write {
            Write::Put { key, value } => put(sqlite, key, value, next, place)?,
            Write::Delete { key } => delete(sqlite, key, next, place)?,
        };
    }
    if changed {
        *revision = next;
    }
    Ok(Ok(Committed { revision: *revision }))
}

/// When a record was last put, and when it was created.
fn revisions_of(sqlite: &Connection, key: &Key) -> rusqlite::Result<Option<(Revision, Revision)>> {
    sqlite
        .prepare_cached("SELECT revision, created FROM record WHERE kind = ?1 AND account = ?2 AND id = ?3")?
        .query_row(params![key.kind, key.account, key.id], |row| {
            Ok((to_revision(row.get(0)?), to_revision(row.get(1)?)))
        })
        .optional()
}

fn put(
    sqlite: &Connection,
    key: &Key,
    value: &[u8],
    revision: Revision,
    place: u16,
) -> rusqlite::Result<bool> {
    let created = revisions_of(sqlite, key)?.map_or(revision, |(_, created)| created);
    sqlite
        .prepare_cached(
            "INSERT INTO record (kind, account, id, revision, created, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET revision = excluded.revision, value = excluded.value",
        )?
        .execute(params![key.kind, key.account, key.id, to_integer(revision), to_integer(created), value])?;
    log_change(sqlite, key, revision, place, Some((created, value)))?;
    Ok(true)
}

fn delete(sqlite: &Connection, key: &Key, revision: Revision, place: u16) -> rusqlite::Result<bool> {
    let deleted = sqlite
        .prepare_cached("DELETE FROM record WHERE kind = ?1 AND account = ?2 AND id = ?3")?
        .execute(params![key.kind, key.account, key.id])?;
    if deleted == 0 {
        return Ok(false);
    }
    log_change(sqlite, key, revision, place, None)?;
    Ok(true)
}

fn log_change(
    sqlite: &Connection,
    key: &Key,
    revision: Revision,
    place: u16,
    put: Option<(Revision, &[u8])>,
) -> rusqlite::Result<()> {
    let (created, value) = put.map(|(created, value)| (to_integer(created), value)).unzip();
    sqlite
        .prepare_cached(
            "INSERT INTO change (revision, place, kind, account, id, created, value)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![to_integer(revision), place, key.kind, key.account, key.id, created, value])?;
    Ok(())
}

/// Forgets changes that the log need not keep, and says up to which revision they are gone now.
fn compact(
    sqlite: &Connection,
    current: Revision,
    compacted: Revision,
    revisions_max: u64,
) -> rusqlite::Result<Revision> {
    let slack = revisions_max / COMPACTION_SLACK_DIVISOR;
    let oldest_kept_after = Revision(current.0.saturating_sub(revisions_max));
    if oldest_kept_after.0 <= compacted.0 + slack {
        return Ok(compacted);
    }
    sqlite
        .prepare_cached("DELETE FROM change WHERE revision <= ?1")?
        .execute(params![to_integer(oldest_kept_after)])?;
    Ok(oldest_kept_after)
}
