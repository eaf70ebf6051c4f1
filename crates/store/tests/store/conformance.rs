//! What every store promises, asked of each implementation.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests; their steps are functions of their own"
)]

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use store::{
    Change, Changes, CommitError, Condition, Key, MemoryStore, PAGE_RECORDS_MAX, Range, Record, Revision,
    SqliteOptions, SqliteStore, Store, Transaction, TransactionFault, Watch, WatchError,
};

/// Far above what any step takes; only a hang meets it.
const STEP_DEADLINE: Duration = Duration::from_secs(30);

/// The change log of the stores under test; short, so that compaction can be seen.
const LOG_REVISIONS: u64 = 64;

/// A store, and whatever must live as long.
struct Subject {
    store: Arc<dyn Store>,
    _directory: Option<tempfile::TempDir>,
}

impl Subject {
    fn memory(log_revisions: u64) -> Self {
        Self { store: Arc::new(MemoryStore::with_change_log(log_revisions)), _directory: None }
    }

    fn sqlite(log_revisions: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = SqliteOptions { change_log_revisions_max: log_revisions, ..SqliteOptions::default() };
        let store = SqliteStore::open_with(directory.path().join("store.db"), options).unwrap();
        Self { store: Arc::new(store), _directory: Some(directory) }
    }
}

/// Each test of the suite, for each implementation.
macro_rules! conformance {
    ($($test:ident($log_revisions:expr);)*) => {
        mod memory {
            use super::LOG_REVISIONS;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Subject::memory($log_revisions).store.clone()).await;
            })*
        }
        mod sqlite {
            use super::LOG_REVISIONS;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let subject = super::Subject::sqlite($log_revisions);
                super::$test(subject.store.clone()).await;
            })*
        }
    };
}

conformance! {
    a_new_store_is_empty(LOG_REVISIONS);
    a_put_is_read_back(LOG_REVISIONS);
    a_record_keeps_its_creation_until_deleted(LOG_REVISIONS);
    one_transaction_has_one_revision(LOG_REVISIONS);
    a_failing_compare_names_itself_and_changes_nothing(LOG_REVISIONS);
    compares_see_the_store_as_it_was_before(LOG_REVISIONS);
    a_transaction_that_changes_nothing_keeps_the_revision(LOG_REVISIONS);
    a_faulty_transaction_is_refused(LOG_REVISIONS);
    no_update_is_lost_among_64_writers(100_000);
    pages_are_in_order_and_complete(LOG_REVISIONS);
    pages_are_stable_under_changes(LOG_REVISIONS);
    an_account_sees_its_own_records(LOG_REVISIONS);
    a_kind_prefix_spans_accounts_and_kinds(LOG_REVISIONS);
    a_page_of_large_records_ends_early(LOG_REVISIONS);
    a_watch_tells_of_past_and_future(LOG_REVISIONS);
    a_watch_sees_only_its_kinds(LOG_REVISIONS);
    a_watch_waits_for_the_next_commit(LOG_REVISIONS);
    a_watch_sees_concurrent_commits_once_and_in_order(100_000);
    a_watch_reads_large_logs_in_batches(100_000);
    a_watch_resumes_from_a_revision(LOG_REVISIONS);
    a_compacted_watch_says_so(LOG_REVISIONS);
    a_watch_ahead_of_the_store_says_so(LOG_REVISIONS);
    a_list_then_watch_misses_nothing(100_000);
}

fn key(id: &str) -> Key {
    Key::new("000000000000", "distribution", id)
}

async fn within<T>(step: impl Future<Output = T>) -> T {
    tokio::time::timeout(STEP_DEADLINE, step).await.expect("the step ended in time")
}

async fn put(store: &dyn Store, key: Key, value: &str) -> Revision {
    store.commit(Transaction::new().put(key, value.to_owned())).await.unwrap().revision
}

async fn ids(store: &dyn Store, range: Range) -> Vec<String> {
    store.range(range).await.unwrap().records.into_iter().map(|record| record.key.id).collect()
}

async fn next(watch: &mut Watch) -> Changes {
    within(watch.next()).await.unwrap()
}

async fn a_new_store_is_empty(store: Arc<dyn Store>) {
    assert_eq!(store.current_revision().await.unwrap(), Revision::ZERO);
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    let page = store.range(Range::of_kind_prefix("")).await.unwrap();
    assert_eq!((page.records.len(), page.revision, page.more), (0, Revision::ZERO, false));
}

async fn a_put_is_read_back(store: Arc<dyn Store>) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for (id, value) in [("bytes", every_byte), ("empty", Vec::new()), ("né 'quoted'", b"x".to_vec())] {
        let revision = store.commit(Transaction::new().put(key(id), value.clone())).await.unwrap().revision;
        let record = Record { key: key(id), value: value.into(), revision, created: revision };
        assert_eq!(store.get(&key(id)).await.unwrap(), Some(record));
        assert_eq!(store.current_revision().await.unwrap(), revision);
    }
}

async fn a_record_keeps_its_creation_until_deleted(store: Arc<dyn Store>) {
    let created = put(&*store, key("a"), "1").await;
    let updated = put(&*store, key("a"), "2").await;
    let record = store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!((record.created, record.revision), (created, updated));

    store.commit(Transaction::new().delete(key("a"))).await.unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    let again = put(&*store, key("a"), "3").await;
    let record = store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!((record.created, record.revision), (again, again));
}

async fn one_transaction_has_one_revision(store: Arc<dyn Store>) {
    let before = put(&*store, key("c"), "").await;
    let transaction = Transaction::new().put(key("a"), "1").put(key("b"), "2").delete(key("c"));
    let committed = store.commit(transaction).await.unwrap();
    assert_eq!(committed.revision, Revision(before.0 + 1));
    for id in ["a", "b"] {
        assert_eq!(store.get(&key(id)).await.unwrap().unwrap().revision, committed.revision);
    }
    assert_eq!(store.get(&key("c")).await.unwrap(), None);
}

async fn a_failing_compare_names_itself_and_changes_nothing(store: Arc<dyn Store>) {
    let at = put(&*store, key("a"), "1").await;
    let stale = Revision(at.0 + 7);
    for (condition, compared, current) in [
        (Condition::Absent, "a", Some(at)),
        (Condition::AtRevision(stale), "a", Some(at)),
        (Condition::AtRevision(at), "missing", None),
        (Condition::Exists, "missing", None),
    ] {
        let transaction = Transaction::new()
            .when(key("a"), Condition::AtRevision(at))
            .when(key(compared), condition)
            .put(key("b"), "x")
            .delete(key("a"));
        match store.commit(transaction).await {
            Err(CommitError::Conflict { compare: 1, current: found }) => assert_eq!(found, current),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.current_revision().await.unwrap(), at);
    assert_eq!(ids(&*store, Range::of_kind_prefix("")).await, ["a"]);
}

async fn compares_see_the_store_as_it_was_before(store: Arc<dyn Store>) {
    let create = Transaction::new().when(key("a"), Condition::Absent).put(key("a"), "1");
    let created = store.commit(create.clone()).await.unwrap().revision;
    assert!(matches!(store.commit(create).await, Err(CommitError::Conflict { compare: 0, .. })));
    let delete = Transaction::new()
        .when(key("a"), Condition::AtRevision(created))
        .when(key("a"), Condition::Exists)
        .delete(key("a"));
    store.commit(delete).await.unwrap();
}

async fn a_transaction_that_changes_nothing_keeps_the_revision(store: Arc<dyn Store>) {
    let at = put(&*store, key("a"), "1").await;
    let check = Transaction::new().when(key("a"), Condition::Exists);
    assert_eq!(store.commit(check).await.unwrap().revision, at);
    let absent = Transaction::new().delete(key("missing"));
    assert_eq!(store.commit(absent).await.unwrap().revision, at);
    let mut watch = store.watch("", Revision::ZERO);
    let after = put(&*store, key("a"), "2").await;
    assert_eq!(next(&mut watch).await.revision, at);
    assert_eq!(next(&mut watch).await.revision, after);
}

async fn a_faulty_transaction_is_refused(store: Arc<dyn Store>) {
    let twice = Transaction::new().put(key("a"), "1").delete(key("a"));
    match store.commit(twice).await {
        Err(CommitError::Refused(TransactionFault::DuplicateWrite { key: named })) => {
            assert_eq!(named, key("a"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.current_revision().await.unwrap(), Revision::ZERO);
}

/// Each writer reads a counter and writes it back one higher, if nobody came between. The register is linearisable if the
/// values told are exactly 1, 2, 3… and each writer's revisions rise.
async fn no_update_is_lost_among_64_writers(store: Arc<dyn Store>) {
    const WRITERS: u64 = 64;
    const INCREMENTS: u64 = 8;
    put(&*store, key("counter"), "0").await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut won = Vec::new();
                while won.len() < usize::try_from(INCREMENTS).unwrap() {
                    if let Some(increment) = try_increment(&*store).await {
                        won.push(increment);
                    }
                }
                won
            })
        })
        .collect();
    let mut all = BTreeMap::new();
    for writer in writers {
        let won = within(writer).await.unwrap();
        assert!(won.is_sorted(), "a writer's commits are in its own order");
        for (revision, value) in won {
            assert_eq!(all.insert(revision, value), None, "a revision is given once");
        }
    }
    let values: Vec<u64> = all.into_values().collect();
    assert_eq!(values, (1..=WRITERS * INCREMENTS).collect::<Vec<_>>());
}

async fn try_increment(store: &dyn Store) -> Option<(Revision, u64)> {
    let record = store.get(&key("counter")).await.unwrap().unwrap();
    let value = std::str::from_utf8(&record.value).unwrap().parse::<u64>().unwrap() + 1;
    let transaction = Transaction::new()
        .when(key("counter"), Condition::AtRevision(record.revision))
        .put(key("counter"), value.to_string());
    match store.commit(transaction).await {
        Ok(committed) => Some((committed.revision, value)),
        Err(CommitError::Conflict { current: Some(current), .. }) => {
            assert!(current > record.revision, "a conflict shows who was faster");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

async fn pages_are_in_order_and_complete(store: Arc<dyn Store>) {
    for id in ["c", "a", "e", "b", "d"] {
        put(&*store, key(id), id).await;
    }
    let range = Range::of_account("000000000000", "distribution").limit(2);
    let mut seen = Vec::new();
    let mut page = store.range(range.clone()).await.unwrap();
    loop {
        assert_eq!(page.revision, Revision(5));
        seen.extend(page.records.iter().map(|record| record.key.id.clone()));
        if !page.more {
            break;
        }
        let last = page.records.last().unwrap().key.clone();
        page = store.range(range.clone().after(last)).await.unwrap();
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    assert!(!store.range(range.clone().limit(5)).await.unwrap().more, "a page that just fits is the last");
    assert_eq!(ids(&*store, range.clone().limit(0)).await, ["a"], "no page is without a record");
    assert_eq!(ids(&*store, range.limit(usize::MAX)).await.len(), 5);
}

async fn pages_are_stable_under_changes(store: Arc<dyn Store>) {
    for id in ["b", "d", "f", "h"] {
        put(&*store, key(id), "").await;
    }
    let range = Range::of_account("000000000000", "distribution").limit(2);
    assert_eq!(ids(&*store, range.clone()).await, ["b", "d"]);
    // Behind the page, at its end and after it: records come and go.
    let changes = Transaction::new().put(key("a"), "").delete(key("d")).delete(key("b")).put(key("g"), "");
    store.commit(changes).await.unwrap();
    assert_eq!(ids(&*store, range.clone().after(key("d"))).await, ["f", "g"]);
    assert_eq!(ids(&*store, range.after(key("g"))).await, ["h"]);
}

async fn an_account_sees_its_own_records(store: Arc<dyn Store>) {
    for (account, kind, id) in
        [("1", "policy", "x"), ("1", "policy", "y"), ("11", "policy", "z"), ("1", "policy-2", "w")]
    {
        put(&*store, Key::new(account, kind, id), "").await;
    }
    assert_eq!(ids(&*store, Range::of_account("1", "policy")).await, ["x", "y"]);
    let after = Key::new("1", "policy", "x");
    assert_eq!(ids(&*store, Range::of_account("1", "policy").after(after)).await, ["y"]);
    let beyond = Key::new("2", "policy", "a");
    assert!(ids(&*store, Range::of_account("1", "policy").after(beyond)).await.is_empty());
}

async fn a_kind_prefix_spans_accounts_and_kinds(store: Arc<dyn Store>) {
    for (account, kind, id) in [
        ("2", "bundle/distribution", "a"),
        ("1", "bundle/distribution", "b"),
        ("1", "bundle/cache-policy", "c"),
        ("1", "bundle", "not"),
        ("1", "bundles", "not"),
    ] {
        put(&*store, Key::new(account, kind, id), "").await;
    }
    assert_eq!(ids(&*store, Range::of_kind_prefix("bundle/")).await, ["c", "b", "a"]);
    assert_eq!(ids(&*store, Range::of_kind_prefix("")).await.len(), 5);
    let after = Key::new("1", "bundle/cache-policy", "c");
    assert_eq!(ids(&*store, Range::of_kind_prefix("bundle/").after(after).limit(1)).await, ["b"]);
}

async fn a_page_of_large_records_ends_early(store: Arc<dyn Store>) {
    for id in 0..12 {
        let large = vec![b'x'; 1024 * 1024];
        store.commit(Transaction::new().put(key(&format!("{id:02}")), large)).await.unwrap();
    }
    let page = store.range(Range::of_kind_prefix("").limit(PAGE_RECORDS_MAX)).await.unwrap();
    assert!(page.more);
    assert_eq!(page.records.len(), store::PAGE_BYTES_MAX / (1024 * 1024));
}

async fn a_watch_tells_of_past_and_future(store: Arc<dyn Store>) {
    let first = put(&*store, key("a"), "1").await;
    let mut watch = store.watch("", Revision::ZERO);
    let second = store.commit(Transaction::new().put(key("b"), "2").delete(key("a"))).await.unwrap().revision;
    let put_of = |id, value: &'static str, revision| {
        Change::Put(Record { key: key(id), value: value.into(), revision, created: revision })
    };
    let expected = Changes { revision: first, changes: vec![put_of("a", "1", first)] };
    assert_eq!(next(&mut watch).await, expected);
    let deleted = Change::Deleted { key: key("a"), revision: second };
    let expected = Changes { revision: second, changes: vec![put_of("b", "2", second), deleted] };
    assert_eq!(next(&mut watch).await, expected);
}

async fn a_watch_sees_only_its_kinds(store: Arc<dyn Store>) {
    let bundle = Key::new("1", "bundle/distribution", "a");
    let mut watch = store.watch("bundle/", Revision::ZERO);
    put(&*store, key("a"), "").await;
    let mixed =
        store.commit(Transaction::new().put(key("b"), "").put(bundle.clone(), "")).await.unwrap().revision;
    put(&*store, Key::new("1", "bundle", "a"), "").await;
    let last = store.commit(Transaction::new().delete(bundle.clone())).await.unwrap().revision;
    let changes = next(&mut watch).await;
    assert_eq!((changes.revision, changes.changes.len()), (mixed, 1));
    assert_eq!(changes.changes[0].key(), &bundle);
    assert_eq!(next(&mut watch).await.revision, last);
}

async fn a_watch_waits_for_the_next_commit(store: Arc<dyn Store>) {
    let mut watch = store.watch("", Revision::ZERO);
    // Polled without a commit and dropped: nothing comes, and nothing is lost by it.
    let absent = key("a");
    for _ in 0..3 {
        tokio::select! {
            biased;
            changes = watch.next() => panic!("{changes:?}"),
            read = store.get(&absent) => assert!(read.unwrap().is_none()),
        }
    }
    let waiting = tokio::spawn(async move { (watch.next().await.unwrap(), watch) });
    let first = put(&*store, key("a"), "").await;
    let (changes, mut watch) = within(waiting).await.unwrap();
    assert_eq!(changes.revision, first);
    let second = put(&*store, key("a"), "").await;
    assert_eq!(next(&mut watch).await.revision, second);
}

async fn a_watch_sees_concurrent_commits_once_and_in_order(store: Arc<dyn Store>) {
    const WRITERS: usize = 16;
    const COMMITS: usize = 25;
    let watchers: Vec<_> = (0..3)
        .map(|_| {
            let mut watch = store.watch("distribution", Revision::ZERO);
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while seen.len() < WRITERS * COMMITS {
                    seen.push(watch.next().await.unwrap());
                }
                seen
            })
        })
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut told = Vec::new();
                for commit in 0..COMMITS {
                    let value = format!("{writer}-{commit}");
                    told.push((put(&*store, key(&format!("{}", commit % 5)), &value).await, value));
                }
                told
            })
        })
        .collect();
    let mut told = HashMap::new();
    for writer in writers {
        told.extend(within(writer).await.unwrap());
    }
    for watcher in watchers {
        let seen = within(watcher).await.unwrap();
        let revisions: Vec<u64> = seen.iter().map(|changes| changes.revision.0).collect();
        let all = u64::try_from(WRITERS * COMMITS).unwrap();
        assert_eq!(revisions, (1..=all).collect::<Vec<_>>());
        for changes in seen {
            let [Change::Put(record)] = changes.changes.as_slice() else { panic!("{changes:?}") };
            assert_eq!(record.value, told[&changes.revision]);
        }
    }
}

async fn a_watch_reads_large_logs_in_batches(store: Arc<dyn Store>) {
    const COMMITS: u64 = 40;
    const WRITES: usize = 30;
    for commit in 0..COMMITS {
        let transaction = (0..WRITES).fold(Transaction::new(), |transaction, id| {
            transaction.put(key(&id.to_string()), commit.to_string())
        });
        store.commit(transaction).await.unwrap();
    }
    let mut watch = store.watch("", Revision::ZERO);
    for revision in 1..=COMMITS {
        let changes = next(&mut watch).await;
        assert_eq!((changes.revision, changes.changes.len()), (Revision(revision), WRITES));
    }
}

async fn a_watch_resumes_from_a_revision(store: Arc<dyn Store>) {
    for value in 1..=9 {
        put(&*store, key("a"), &value.to_string()).await;
    }
    let mut watch = store.watch("", Revision(4));
    assert_eq!(next(&mut watch).await.revision, Revision(5));
    let mut resumed = store.watch("", next(&mut watch).await.revision);
    assert_eq!(next(&mut resumed).await.revision, Revision(7));
}

async fn a_compacted_watch_says_so(store: Arc<dyn Store>) {
    let mut lagging = store.watch("", Revision::ZERO);
    let mut last = Revision::ZERO;
    for value in 0..LOG_REVISIONS * 2 {
        last = put(&*store, key("a"), &value.to_string()).await;
    }
    let Err(WatchError::Compacted { compacted }) = within(lagging.next()).await else {
        panic!("the log was cut");
    };
    assert!(compacted < last && compacted.0 + LOG_REVISIONS <= last.0);
    let mut watch = store.watch("", compacted);
    assert_eq!(next(&mut watch).await.revision, Revision(compacted.0 + 1));
    let mut too_early = store.watch("", Revision(compacted.0 - 1));
    assert!(matches!(within(too_early.next()).await, Err(WatchError::Compacted { .. })));
}

async fn a_watch_ahead_of_the_store_says_so(store: Arc<dyn Store>) {
    let at = put(&*store, key("a"), "1").await;
    let mut watch = store.watch("", Revision(at.0 + 1));
    assert!(matches!(within(watch.next()).await, Err(WatchError::Ahead { current }) if current == at));
}

/// What a feed does: read page by page while others write, then watch from the first page's revision.
async fn a_list_then_watch_misses_nothing(store: Arc<dyn Store>) {
    const IDS: usize = 40;
    const COMMITS: usize = 300;
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for commit in 0..COMMITS {
                let target = key(&format!("{:02}", commit * 7 % IDS));
                let transaction = match commit % 3 {
                    2 => Transaction::new().delete(target),
                    _ => Transaction::new().put(target, commit.to_string()),
                };
                store.commit(transaction).await.unwrap();
            }
        })
    };
    let mut mirror = BTreeMap::new();
    let mut from = None;
    let mut range = Range::of_kind_prefix("").limit(3);
    loop {
        let page = store.range(range.clone()).await.unwrap();
        from.get_or_insert(page.revision);
        if let Some(last) = page.records.last() {
            range = range.after(last.key.clone());
        }
        mirror.extend(page.records.into_iter().map(|record| (record.key.clone(), record)));
        if !page.more {
            break;
        }
    }
    within(writer).await.unwrap();
    let current = store.current_revision().await.unwrap();
    let mut at = from.unwrap();
    let mut watch = store.watch("", at);
    while at < current {
        let changes = next(&mut watch).await;
        at = changes.revision;
        for change in changes.changes {
            match change {
                Change::Put(record) => mirror.insert(record.key.clone(), record),
                Change::Deleted { key, .. } => mirror.remove(&key),
            };
        }
    }
    let truth = store.range(Range::of_kind_prefix("")).await.unwrap().records;
    assert_eq!(mirror.into_values().collect::<Vec<_>>(), truth);
}

#[tokio::test]
async fn a_watch_of_a_closed_store_tells_the_rest_then_closes() {
    let directory = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(directory.path().join("store.db")).unwrap();
    let stores: [Box<dyn Store>; 2] = [Box::new(MemoryStore::new()), Box::new(sqlite)];
    for store in stores {
        let mut watch = store.watch("", Revision::ZERO);
        let last = put(&*store, key("a"), "").await;
        drop(store);
        assert_eq!(next(&mut watch).await.revision, last);
        assert!(matches!(within(watch.next()).await, Err(WatchError::Closed)));
    }
}
