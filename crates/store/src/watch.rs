//! Following changes.

use std::collections::VecDeque;

use async_trait::async_trait;
use tokio::sync::watch::Receiver;

use crate::error::WatchError;
use crate::limits::{WATCH_BATCH_BYTES_MAX, WATCH_BATCH_CHANGES_MAX};
use crate::record::{Key, Record, Revision};

/// What one commit did to one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was created or replaced.
    Put(Record),
    /// It was removed.
    Deleted {
        /// Its name.
        key: Key,
        /// The commit that removed it.
        revision: Revision,
    },
}

impl Change {
    /// The record that changed.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put(record) => &record.key,
            Self::Deleted { key, .. } => key,
        }
    }

    pub(crate) fn byte_len(&self) -> usize {
        match self {
            Self::Put(record) => record.key.byte_len() + record.value.len(),
            Self::Deleted { key, .. } => key.byte_len(),
        }
    }
}

/// What one commit did to the kinds that are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The commit.
    pub revision: Revision,
    /// In the order of the transaction's writes; never empty.
    pub changes: Vec<Change>,
}

/// Every commit after a revision that touches the watched kinds, in order and once.
pub struct Watch {
    source: Box<dyn ChangeSource>,
}

impl Watch {
    /// A watch that is fed by `source`.
    pub fn new(source: impl ChangeSource + 'static) -> Self {
        Self { source: Box::new(source) }
    }

    /// Waits for the next commit. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Changes, WatchError> {
        self.source.next().await
    }
}

/// Where a [`Watch`] gets its changes from; for those who implement a store.
#[async_trait]
pub trait ChangeSource: Send {
    /// As [`Watch::next`], and as safe to drop.
    async fn next(&mut self) -> Result<Changes, WatchError>;
}

/// A log of changes that can be read from any revision that it still holds.
#[async_trait]
pub(crate) trait ChangeLog: Send + Sync {
    /// The next few commits after `after`.
    async fn read_after(&self, kind_prefix: &str, after: Revision) -> Result<LogBatch, WatchError>;
}

/// Some commits from a log.
pub(crate) struct LogBatch {
    pub(crate) commits: VecDeque<Changes>,
    /// The log has no other matching commit up to here.
    pub(crate) read_to: Revision,
}

/// Fills a [`LogBatch`] change by change, and says when it is enough.
pub(crate) struct LogBatchBuilder {
    commits: VecDeque<Changes>,
    changes: usize,
    bytes: usize,
}

impl LogBatchBuilder {
    pub(crate) fn new() -> Self {
        Self { commits: VecDeque::new(), changes: 0, bytes: 0 }
    }

    /// Takes a change, unless it begins another commit and there is enough already.
    pub(crate) fn push(&mut self, revision: Revision, change: Change) -> Result<(), EnoughRead> {
        let full = self.changes >= WATCH_BATCH_CHANGES_MAX || self.bytes >= WATCH_BATCH_BYTES_MAX;
        let bytes = change.byte_len();
        match self.commits.back_mut() {
            Some(last) if last.revision == revision => last.changes.push(change),
            _ if full => return Err(EnoughRead),
            _ => self.commits.push_back(Changes { revision, changes: vec![change] }),
        }
        self.changes += 1;
        self.bytes += bytes;
        Ok(())
    }

    /// The batch, after the log was read to its end at `current`.
    pub(crate) fn finish(self, current: Revision) -> LogBatch {
        LogBatch { commits: self.commits, read_to: current }
    }

    /// The batch, after it took enough.
    pub(crate) fn finish_early(self, after: Revision) -> LogBatch {
        let read_to = self.commits.back().map_or(after, |last| last.revision);
        LogBatch { commits: self.commits, read_to }
    }
}

/// The rest is for the next batch.
pub(crate) struct EnoughRead;

/// Follows a [`ChangeLog`]: reads when told that there is something, and never queues more than a batch.
pub(crate) struct LogFollower<Log> {
    log: Log,
    kind_prefix: String,
    after: Revision,
    published: Receiver<Revision>,
    unread: VecDeque<Changes>,
}

impl<Log: ChangeLog> LogFollower<Log> {
    /// `published` changes whenever the log has grown, and closes with the store.
    pub(crate) fn new(log: Log, kind_prefix: &str, after: Revision, published: Receiver<Revision>) -> Self {
        Self { log, kind_prefix: kind_prefix.to_owned(), after, published, unread: VecDeque::new() }
    }
}

#[async_trait]
impl<Log: ChangeLog> ChangeSource for LogFollower<Log> {
    async fn next(&mut self) -> Result<Changes, WatchError> {
        loop {
            if let Some(changes) = self.unread.pop_front() {
                return Ok(changes);
            }
            // Marked as seen before reading, so that a commit during the read wakes the wait below.
            self.published.mark_unchanged();
            let batch = self.log.read_after(&self.kind_prefix, self.after).await?;
            self.after = batch.read_to;
            self.unread = batch.commits;
            if self.unread.is_empty() {
                self.published.changed().await.map_err(|_closed| WatchError::Closed)?;
            }
        }
    }
}
