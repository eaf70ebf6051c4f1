//! A store that forgets: for tests.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::Store;
use crate::error::{CommitError, StorageError, WatchError};
use crate::limits::{CHANGE_LOG_REVISIONS_MAX, PAGE_BYTES_MAX};
use crate::range::{Page, Range};
use crate::record::{Key, Record, Revision};
use crate::transaction::{Committed, Transaction, Write};
use crate::watch::{Change, ChangeLog, Changes, LogBatch, LogBatchBuilder, LogFollower, Watch};

/// Keeps its records in memory only.
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    published: watch::Sender<Revision>,
}

impl MemoryStore {
    /// An empty one.
    pub fn new() -> Self {
        Self::with_change_log(CHANGE_LOG_REVISIONS_MAX)
    }

    /// An empty one that keeps the changes of so many revisions.
    pub fn with_change_log(revisions_max: u64) -> Self {
        let state = State { log_revisions_max: revisions_max, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), published: watch::Sender::new(Revision::ZERO) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Record>, StorageError> {
        Ok(self.state().records.get(key).cloned())
    }

    async fn range(&self, range: Range) -> Result<Page, StorageError> {
        Ok(self.state().page(&range))
    }

    async fn commit(&self, transaction: Transaction) -> Result<Committed, CommitError> {
        transaction.validate()?;
        let mut state = self.state();
        let committed = state.commit(transaction)?;
        self.published.send_replace(committed.revision);
        Ok(committed)
    }

    fn watch(&self, kind_prefix: &str, after: Revision) -> Watch {
        let log = Arc::clone(&self.state);
        Watch::new(LogFollower::new(log, kind_prefix, after, self.published.subscribe()))
    }

    async fn current_revision(&self) -> Result<Revision, StorageError> {
        Ok(self.state().revision)
    }
}

#[derive(Default)]
struct State {
    records: BTreeMap<Key, Record>,
    revision: Revision,
    log: VecDeque<Changes>,
    log_revisions_max: u64,
    /// Changes up to here are gone from the log.
    compacted: Revision,
}

impl State {
    fn page(&self, range: &Range) -> Page {
        let (after, end) = range.bounds();
        let mut page = Page { records: Vec::new(), revision: self.revision, more: false };
        if after >= end {
            return page;
        }
        let mut bytes = 0;
        for (_, record) in self.records.range((Bound::Excluded(after), Bound::Excluded(end))) {
            if page.records.len() == range.bounded_limit() || bytes >= PAGE_BYTES_MAX {
                page.more = true;
                break;
            }
            bytes += record.value.len();
            page.records.push(record.clone());
        }
        page
    }

    fn commit(&mut self, transaction: Transaction) -> Result<Committed, CommitError> {
        for (index, compare) in transaction.compares.iter().enumerate() {
            let current = self.records.get(&compare.key).map(|record| record.revision);
            if !compare.condition.holds(current) {
                return Err(CommitError::Conflict { compare: index, current });
            }
        }
        let revision = self.revision.next();
        let changes: Vec<Change> =
            transaction.writes.into_iter().filter_map(|write| self.apply(write, revision)).collect();
        if !changes.is_empty() {
            self.revision = revision;
            self.log.push_back(Changes { revision, changes });
            self.compact();
        }
        Ok(Committed { revision: self.revision })
    }

    fn apply(&mut self, write: Write, revision: Revision) -> Option<Change> {
        match write {
            Write::Put { key, value } => {
                let created = self.records.get(&key).map_or(revision, |record| record.created);
                let record = Record { key: key.clone(), value, revision, created };
                self.records.insert(key, record.clone());
                Some(Change::Put(record))
            }
            Write::Delete { key } => self.records.remove(&key).map(|_| Change::Deleted { key, revision }),
        }
    }

    fn compact(&mut self) {
        let kept_after = Revision(self.revision.0.saturating_sub(self.log_revisions_max));
        while self.log.front().is_some_and(|oldest| oldest.revision <= kept_after) {
            self.log.pop_front();
            self.compacted = kept_after;
        }
    }

    fn read_after(&self, kind_prefix: &str, after: Revision) -> Result<LogBatch, WatchError> {
        if after < self.compacted {
            return Err(WatchError::Compacted { compacted: self.compacted });
        }
        if after > self.revision {
            return Err(WatchError::Ahead { current: self.revision });
        }
        let mut batch = LogBatchBuilder::new();
        let first = self.log.partition_point(|commit| commit.revision <= after);
        for commit in self.log.range(first..) {
            for change in commit.changes.iter().filter(|change| change.key().kind.starts_with(kind_prefix)) {
                if batch.push(commit.revision, change.clone()).is_err() {
                    return Ok(batch.finish_early(after));
                }
            }
        }
        Ok(batch.finish(self.revision))
    }
}

#[async_trait]
impl ChangeLog for Arc<Mutex<State>> {
    async fn read_after(&self, kind_prefix: &str, after: Revision) -> Result<LogBatch, WatchError> {
        lock(self).read_after(kind_prefix, after)
    }
}

/// No code panics while it holds the lock, so a poisoned state is still a whole one.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
