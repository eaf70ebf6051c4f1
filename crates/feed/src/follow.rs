//! From the store's history to one snapshot after another.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use edge_config::{Bundle, BundleError, Change, LinkError, ResourceId, Revision, Snapshot, link};
use store::{Key, Range, Record, StorageError, Store, WatchError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::bundle_record::{KIND_PREFIX, is_marker, resource_of};
use crate::limits::{COMPARISON_INTERVAL, RETRY_INTERVAL};

/// Why following could not begin.
#[derive(Debug, thiserror::Error)]
#[error("the stored configuration cannot be read")]
pub struct FollowError(#[from] StorageError);

/// Bundles that could not be taken, each with the revision that was refused. Their resources stay as
/// they were before; all others go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quarantine(BTreeMap<ResourceId, Revision>);

impl Quarantine {
    /// Holds these resources.
    pub fn of(resources: impl IntoIterator<Item = (ResourceId, Revision)>) -> Self {
        Self(resources.into_iter().collect())
    }

    /// Whether the newest bundle of a resource was refused.
    pub fn contains(&self, resource: &ResourceId) -> bool {
        self.0.contains_key(resource)
    }
}

/// Why the store is not followed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FollowingEnded {
    /// Nobody can write to it any more either.
    #[error("the store has closed")]
    StoreClosed,
    /// A panic; what it said is on standard error.
    #[error("following the store ended in a panic")]
    Panicked,
}

/// A store that is being followed, until this is dropped.
#[derive(Debug)]
pub struct Following {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    quarantine: watch::Receiver<Arc<Quarantine>>,
    task: JoinHandle<()>,
}

impl Following {
    /// The newest snapshot, always.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Returns when following has ended, which it never does while there is a store: from then on the
    /// snapshot stays as it is.
    pub async fn end(&mut self) -> FollowingEnded {
        match (&mut self.task).await {
            Ok(()) => FollowingEnded::StoreClosed,
            Err(_) => FollowingEnded::Panicked,
        }
    }

    /// What could not be taken into it.
    pub fn quarantine(&self) -> watch::Receiver<Arc<Quarantine>> {
        self.quarantine.clone()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads every bundle, then follows. The first snapshot is of the store's revision at the time.
pub async fn follow(store: Arc<dyn Store>) -> Result<Following, FollowError> {
    let mut follower = Follower { store, snapshot: Arc::default(), quarantine: BTreeMap::new() };
    follower.compare().await?;
    let (snapshots, snapshot_receiver) = watch::channel(Arc::clone(&follower.snapshot));
    let (quarantines, quarantine_receiver) =
        watch::channel(Arc::new(Quarantine(follower.quarantine.clone())));
    let task = tokio::spawn(follower.run(Publishing { snapshots, quarantines }));
    Ok(Following { snapshots: snapshot_receiver, quarantine: quarantine_receiver, task })
}

/// The snapshot of everything that is in the store now, and what could not be taken into it.
pub async fn read(store: Arc<dyn Store>) -> Result<(Arc<Snapshot>, Quarantine), FollowError> {
    let mut follower = Follower { store, snapshot: Arc::default(), quarantine: BTreeMap::new() };
    follower.compare().await?;
    Ok((follower.snapshot, Quarantine(follower.quarantine)))
}

struct Publishing {
    snapshots: watch::Sender<Arc<Snapshot>>,
    quarantines: watch::Sender<Arc<Quarantine>>,
}

struct Follower {
    store: Arc<dyn Store>,
    snapshot: Arc<Snapshot>,
    quarantine: BTreeMap<ResourceId, Revision>,
}

impl Follower {
    async fn run(mut self, publishing: Publishing) {
        let mut comparison = interval(COMPARISON_INTERVAL);
        comparison.set_missed_tick_behavior(MissedTickBehavior::Delay);
        comparison.reset();
        let mut watch = self.store.watch(KIND_PREFIX, to_store(self.snapshot.revision()));
        loop {
            let is_current = tokio::select! {
                _ = comparison.tick() => self.compare_and_report().await,
                changes = watch.next() => match changes {
                    Ok(changes) => {
                        let taken = changes.changes.into_iter().map(Incoming::from).collect();
                        self.take(from_store(changes.revision), taken);
                        true
                    }
                    Err(WatchError::Closed) => return,
                    Err(error) => {
                        tracing::warn!(%error, "Comparing everything because the watch broke");
                        false
                    }
                },
            };
            if !is_current {
                self.catch_up().await;
                watch = self.store.watch(KIND_PREFIX, to_store(self.snapshot.revision()));
            }
            self.publish(&publishing);
        }
    }

    async fn catch_up(&mut self) {
        while !self.compare_and_report().await {
            sleep(RETRY_INTERVAL).await;
        }
    }

    async fn compare_and_report(&mut self) -> bool {
        match self.compare().await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "Cannot read the stored configuration"
                );
                false
            }
        }
    }

    /// Makes the snapshot that of all bundles in the store, whatever it was before.
    ///
    /// What is in it already is neither decoded nor kept: of 100,000 distributions that would take a second of the
    /// control plane's only thread.
    async fn compare(&mut self) -> Result<(), StorageError> {
        let (mut stored, mut incoming) = (HashSet::new(), Vec::new());
        let (mut range, mut first_revision) = (Range::of_kind_prefix(KIND_PREFIX), None);
        let revision = loop {
            let page = self.store.range(range.clone()).await?;
            // What changed while the later pages were read is watched from the first page's revision.
            let revision = *first_revision.get_or_insert(from_store(page.revision));
            let last = page.records.last().map(|record| record.key.clone());
            let records = page.records.into_iter().map(Incoming::from);
            incoming.extend(records.filter(|record| {
                stored.extend(record.resource.clone());
                self.is_new(record)
            }));
            match last {
                Some(last) if page.more => range = range.after(last),
                _ => break revision,
            }
        };
        let known = self.snapshot.resources().map(|(resource, ..)| resource);
        let gone = known.filter(|resource| !stored.contains(*resource)).cloned();
        incoming.extend(gone.map(|resource| Incoming { resource: Some(resource), revision, value: None }));
        if revision != self.snapshot.revision() || !incoming.is_empty() {
            self.take(revision, incoming);
        }
        Ok(())
    }

    /// Whether a record has a bundle that is not in the snapshot, be it that it was refused before.
    fn is_new(&self, record: &Incoming) -> bool {
        record.resource.as_ref().is_some_and(|resource| {
            self.snapshot.resource(resource).is_none_or(|(known, _)| known < record.revision)
        })
    }

    fn take(&mut self, revision: Revision, incoming: Vec<Incoming>) {
        let mut changes = Vec::with_capacity(incoming.len());
        for incoming in incoming {
            let Some(resource) = incoming.resource.clone() else { continue };
            self.quarantine.remove(&resource);
            match incoming.decode(resource.clone()) {
                Ok(change) => changes.push(change),
                Err(error) => self.refuse(resource, incoming.revision, &Refusal::Bundle(error)),
            }
        }
        let linked = link(&self.snapshot, revision, &changes);
        self.snapshot = Arc::new(linked.snapshot);
        for rejected in linked.rejected {
            self.refuse(rejected.resource, rejected.revision, &Refusal::Link(rejected.reason));
        }
    }

    fn refuse(&mut self, resource: ResourceId, revision: Revision, refusal: &Refusal) {
        tracing::error!(
            %resource,
            %revision,
            error = refusal as &dyn std::error::Error,
            "Quarantined a bundle; its resource stays as it was"
        );
        self.quarantine.insert(resource, revision);
    }

    fn publish(&self, publishing: &Publishing) {
        let quarantine = Quarantine(self.quarantine.clone());
        if **publishing.quarantines.borrow() != quarantine {
            publishing.quarantines.send_replace(Arc::new(quarantine));
        }
        publishing.snapshots.send_if_modified(|published| {
            let is_another = !Arc::ptr_eq(published, &self.snapshot);
            published.clone_from(&self.snapshot);
            is_another
        });
    }
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Bundle(BundleError),
    #[error(transparent)]
    Link(LinkError),
}

/// A bundle record as it comes from the store; without a value when it is gone.
struct Incoming {
    resource: Option<ResourceId>,
    revision: Revision,
    value: Option<bytes::Bytes>,
}

impl Incoming {
    fn decode(&self, resource: ResourceId) -> Result<Change, BundleError> {
        let bundle = self.value.as_ref().map(|value| Bundle::decode(value)).transpose()?;
        Ok(Change { resource, revision: self.revision, bundle: bundle.map(Arc::new) })
    }

    fn of(key: &Key, revision: store::Revision, value: Option<bytes::Bytes>) -> Self {
        let resource = resource_of(key);
        if resource.is_none() && !is_marker(key) {
            tracing::warn!(%key, "Ignored a bundle of an unknown kind; a newer Mantlet wrote it");
        }
        Self { resource, revision: from_store(revision), value }
    }
}

impl From<Record> for Incoming {
    fn from(record: Record) -> Self {
        Self::of(&record.key, record.revision, Some(record.value))
    }
}

impl From<store::Change> for Incoming {
    fn from(change: store::Change) -> Self {
        match change {
            store::Change::Put(record) => record.into(),
            store::Change::Deleted { key, revision } => Self::of(&key, revision, None),
        }
    }
}

fn from_store(revision: store::Revision) -> Revision {
    Revision(revision.0)
}

fn to_store(revision: Revision) -> store::Revision {
    store::Revision(revision.0)
}

#[cfg(test)]
mod tests {
    use edge_config::{CachePolicy, ResourceKind};
    use store::{MemoryStore, Transaction};

    use super::*;
    use crate::{delete_bundle, put_bundle};

    const ACCOUNT: &str = "000000000000";

    fn policy_id(id: &str) -> ResourceId {
        ResourceId::new(ResourceKind::CachePolicy, id)
    }

    async fn write(store: &MemoryStore, writes: Vec<store::Write>) -> Revision {
        let committed = store.commit(Transaction { compares: Vec::new(), writes }).await.unwrap();
        from_store(committed.revision)
    }

    fn policy(id: &str, min_ttl_seconds: u64) -> store::Write {
        let policy = CachePolicy { min_ttl_seconds, ..CachePolicy::default() };
        put_bundle(ACCOUNT, &policy_id(id), &Bundle::CachePolicy(policy))
    }

    async fn snapshot_at(following: &Following, revision: Revision) -> Arc<Snapshot> {
        let mut snapshots = following.snapshots();
        snapshots.wait_for(|snapshot| snapshot.revision() >= revision).await.unwrap().clone()
    }

    #[tokio::test]
    async fn a_marker_moves_the_revision_on_and_is_no_bundle() {
        let store = Arc::new(MemoryStore::new());
        let following = follow(store.clone()).await.unwrap();
        let key = crate::marker_key(ACCOUNT, "name");
        assert!(is_marker(&key) && resource_of(&key).is_none());
        let revision = write(&store, vec![store::Write::Put { key, value: bytes::Bytes::new() }]).await;
        assert_eq!(snapshot_at(&following, revision).await.resources().count(), 0);
    }

    #[tokio::test]
    async fn what_was_there_and_what_comes_is_in_the_snapshot() {
        let store = Arc::new(MemoryStore::new());
        let first = write(&store, vec![policy("a", 1)]).await;
        let following = follow(store.clone()).await.unwrap();
        assert_eq!(following.snapshots().borrow().revision(), first);
        assert!(following.snapshots().borrow().resource(&policy_id("a")).is_some());

        let second = write(&store, vec![policy("b", 2), delete_bundle(ACCOUNT, &policy_id("a"))]).await;
        let snapshot = snapshot_at(&following, second).await;
        assert!(snapshot.resource(&policy_id("a")).is_none());
        assert!(snapshot.resource(&policy_id("b")).is_some());
    }

    /// A store whose watch ends at once, in one way or the other.
    struct EndingStore(fn() -> Result<store::Changes, WatchError>);

    #[async_trait::async_trait]
    impl Store for EndingStore {
        async fn get(&self, _: &Key) -> Result<Option<Record>, StorageError> {
            Ok(None)
        }

        async fn range(&self, range: Range) -> Result<store::Page, StorageError> {
            MemoryStore::new().range(range).await
        }

        async fn commit(&self, transaction: Transaction) -> Result<store::Committed, store::CommitError> {
            MemoryStore::new().commit(transaction).await
        }

        fn watch(&self, _: &str, _: store::Revision) -> store::Watch {
            store::Watch::new(Ending(self.0))
        }

        async fn current_revision(&self) -> Result<store::Revision, StorageError> {
            Ok(store::Revision::ZERO)
        }
    }

    struct Ending(fn() -> Result<store::Changes, WatchError>);

    #[async_trait::async_trait]
    impl store::ChangeSource for Ending {
        async fn next(&mut self) -> Result<store::Changes, WatchError> {
            (self.0)()
        }
    }

    /// A store whose watch says nothing.
    #[derive(Default)]
    struct SilentStore(MemoryStore);

    #[async_trait::async_trait]
    impl Store for SilentStore {
        async fn get(&self, key: &Key) -> Result<Option<Record>, StorageError> {
            self.0.get(key).await
        }

        async fn range(&self, range: Range) -> Result<store::Page, StorageError> {
            self.0.range(range.limit(1)).await
        }

        async fn commit(&self, transaction: Transaction) -> Result<store::Committed, store::CommitError> {
            self.0.commit(transaction).await
        }

        fn watch(&self, _: &str, _: store::Revision) -> store::Watch {
            store::Watch::new(Silent)
        }

        async fn current_revision(&self) -> Result<store::Revision, StorageError> {
            self.0.current_revision().await
        }
    }

    struct Silent;

    #[async_trait::async_trait]
    impl store::ChangeSource for Silent {
        async fn next(&mut self) -> Result<store::Changes, WatchError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_watch_misses_is_found_by_comparing() {
        let store = Arc::new(SilentStore::default());
        write(&store.0, vec![policy("changed", 1), policy("deleted", 1), policy("same", 1)]).await;
        let following = follow(store.clone()).await.unwrap();
        let changes =
            vec![policy("changed", 2), delete_bundle(ACCOUNT, &policy_id("deleted")), policy("new", 2)];
        let second = write(&store.0, changes).await;
        let snapshot = snapshot_at(&following, second).await;
        let revision = |id| snapshot.resource(&policy_id(id)).map(|(revision, _)| revision);
        assert_eq!((revision("changed"), revision("new")), (Some(second), Some(second)));
        assert!(revision("deleted").is_none() && revision("same").is_some_and(|same| same < second));
    }

    #[tokio::test(start_paused = true)]
    async fn comparing_disturbs_nobody_where_nothing_is_different() {
        let store = Arc::new(MemoryStore::new());
        write(&store, vec![policy("a", 1)]).await;
        let following = follow(store).await.unwrap();
        sleep(3 * COMPARISON_INTERVAL).await;
        assert!(!following.snapshots().has_changed().unwrap());
    }

    #[tokio::test]
    async fn the_end_of_following_is_told() {
        let end = async |how| follow(Arc::new(EndingStore(how))).await.unwrap().end().await;
        assert_eq!(end(|| Err(WatchError::Closed)).await, FollowingEnded::StoreClosed);
        assert_eq!(end(|| panic!("as the test wants")).await, FollowingEnded::Panicked);
    }

    #[tokio::test]
    async fn invariant_10_a_bad_bundle_is_quarantined_alone_until_it_is_mended() {
        let store = Arc::new(MemoryStore::new());
        write(&store, vec![policy("a", 1)]).await;
        let following = follow(store.clone()).await.unwrap();
        let mut bad = policy("a", 2);
        if let store::Write::Put { value, .. } = &mut bad {
            *value = "{\"capabilities\":[\"cache-policy/99\"],\"bundle\":7}".into();
        }
        let revision = write(&store, vec![bad, policy("b", 3)]).await;
        let snapshot = snapshot_at(&following, revision).await;
        assert!(snapshot.resource(&policy_id("b")).is_some(), "the others go on");
        assert!(
            snapshot.resource(&policy_id("a")).is_some_and(|(old, _)| old < revision),
            "it stays as it was"
        );
        assert!(following.quarantine().borrow().contains(&policy_id("a")));

        let mended = write(&store, vec![policy("a", 4)]).await;
        snapshot_at(&following, mended).await;
        assert!(!following.quarantine().borrow().contains(&policy_id("a")));
    }
}
