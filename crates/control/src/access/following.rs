//! How keys that were changed elsewhere become known here.

use store::{Key, Range, Record, Revision, StorageError, WatchError};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::held::AccessKeys;
use super::record::{KEY_KIND, KIND_PREFIX, owner};
use crate::limits::WATCH_RETRY_DURATION;

/// Keys are followed until this is dropped.
#[derive(Debug)]
pub struct FollowingKeys {
    task: JoinHandle<()>,
}

impl Drop for FollowingKeys {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl AccessKeys {
    /// Learns of every change of keys in the store.
    pub fn follow(&self) -> FollowingKeys {
        let keys = self.clone();
        FollowingKeys { task: tokio::spawn(async move { keys.follow_on().await }) }
    }

    async fn follow_on(&self) {
        loop {
            match self.read_all().await {
                Ok(revision) => {
                    if matches!(self.watch_from(revision).await, WatchError::Closed) {
                        return;
                    }
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "Cannot read the access keys");
                }
            }
            sleep(WATCH_RETRY_DURATION).await;
        }
    }

    /// Takes every key of the store; the revision at which they were read.
    pub(super) async fn read_all(&self) -> Result<Revision, StorageError> {
        let (revision, records) = self.read_records().await?;
        for record in &records {
            self.take(record);
        }
        Ok(revision)
    }

    pub(super) async fn read_records(&self) -> Result<(Revision, Vec<Record>), StorageError> {
        let mut records: Vec<Record> = Vec::new();
        let mut revision = None;
        loop {
            let mut range = Range::of_account(owner(), KEY_KIND);
            if let Some(last) = records.last() {
                range = range.after(last.key.clone());
            }
            let page = self.shared.store.range(range).await?;
            let revision = *revision.get_or_insert(page.revision);
            records.extend(page.records);
            if !page.more {
                return Ok((revision, records));
            }
        }
    }

    /// Takes changes until the watch breaks.
    async fn watch_from(&self, revision: Revision) -> WatchError {
        let mut watch = self.shared.store.watch(KIND_PREFIX, revision);
        loop {
            match watch.next().await {
                Ok(changes) => {
                    for change in changes.changes {
                        self.take_change(change);
                    }
                }
                Err(error) => return error,
            }
        }
    }

    fn take_change(&self, change: store::Change) {
        let is_key = |key: &Key| key.kind == KEY_KIND;
        match change {
            store::Change::Put(record) if is_key(&record.key) => self.take(&record),
            store::Change::Deleted { key, revision } if is_key(&key) => self.forget(&key.id, revision),
            _ => {}
        }
    }
}
