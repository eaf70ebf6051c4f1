//! What only a store on a disk must withstand: restarts, `kill -9`, foreign, newer and damaged files, a full disk.

#![expect(clippy::unwrap_used, reason = "tests; their steps are functions of their own")]

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rusqlite::Connection;
use store::{
    CommitError, Condition, Key, OpenError, Range, Revision, SqliteOptions, SqliteStore, StorageError, Store,
    Transaction,
};

fn key(id: &str) -> Key {
    Key::new("000000000000", "distribution", id)
}

async fn put(store: &dyn Store, id: &str, value: impl Into<Vec<u8>>) -> Result<Revision, CommitError> {
    let transaction = Transaction::new().put(key(id), value.into());
    store.commit(transaction).await.map(|committed| committed.revision)
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path).unwrap();
    put(&store, "a", "1").await.unwrap();
    put(&store, "b", "2").await.unwrap();
    let last = put(&store, "a", "3").await.unwrap();
    let before = store.range(Range::of_kind_prefix("")).await.unwrap();
    drop(store);

    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.current_revision().await.unwrap(), last);
    assert_eq!(store.range(Range::of_kind_prefix("")).await.unwrap(), before);
    let mut watch = store.watch("", Revision(1));
    assert_eq!(watch.next().await.unwrap().revision, Revision(2));
    assert_eq!(put(&store, "c", "4").await.unwrap(), Revision(last.0 + 1));
}

#[tokio::test]
async fn it_can_be_looked_into_while_it_is_used_and_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    assert!(SqliteStore::look_into(&path).is_err() && !path.exists(), "nothing is made");
    let store = SqliteStore::open(&path).unwrap();
    put(&store, "a", "1").await.unwrap();
    let looking = SqliteStore::look_into(&path).unwrap();
    put(&store, "b", "2").await.unwrap();
    let everything = store.range(Range::of_kind_prefix("")).await.unwrap();
    assert_eq!(looking.range(Range::of_kind_prefix("")).await.unwrap(), everything);
    let refused = put(&looking, "c", "3").await;
    assert!(matches!(refused, Err(CommitError::Storage(StorageError::Closed))), "{refused:?}");
    drop(store);
    drop(looking);

    let before = std::fs::read(&path).unwrap();
    let looking = SqliteStore::look_into(&path).unwrap();
    assert_eq!(looking.range(Range::of_kind_prefix("")).await.unwrap(), everything);
    drop(looking);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::write(&path, "no store").unwrap();
    assert!(matches!(SqliteStore::look_into(&path), Err(OpenError::NotAStore { .. })));
}

#[tokio::test]
async fn its_files_are_the_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("store.db")).unwrap();
    put(&store, "a", "1").await.unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        names.push(entry.file_name());
    }
    names.sort();
    assert_eq!(names, ["store.db", "store.db-shm", "store.db-wal"]);
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    drop(SqliteStore::open(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    drop(connection);
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(OpenError::NewerSchema { found: 7, known: 1 })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn another_applications_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(OpenError::NotAStore { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_no_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    std::fs::write(&path, "not a database, ".repeat(100)).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(OpenError::NotAStore { .. })));
    let missing = directory.path().join("missing").join("store.db");
    assert!(matches!(SqliteStore::open(missing), Err(OpenError::File { .. })));
    assert!(SqliteStore::open(directory.path()).is_err());
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path).unwrap();
    for id in 0..200 {
        put(&store, &id.to_string(), vec![b'x'; 500]).await.unwrap();
    }
    drop(store);
    let whole = std::fs::read(&path).unwrap();

    let mut scribbled = whole.clone();
    for page in scribbled.chunks_mut(4096).skip(2) {
        page[..8].fill(0xff);
    }
    std::fs::write(&path, &scribbled).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(OpenError::Corrupt { .. })));

    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(OpenError::Corrupt { .. })));
}

#[test]
fn an_interrupted_creation_is_completed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    std::fs::write(&path, "").unwrap();
    SqliteStore::open(&path).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_fails_one_commit_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let options = SqliteOptions { change_log_revisions_max: 4, file_bytes_max: Some(2 * 1024 * 1024) };
    let store = SqliteStore::open_with(&path, options).unwrap();
    let large = || vec![b'x'; 100_000];
    let mut kept = Vec::new();
    let full = loop {
        let id = kept.len().to_string();
        match put(&store, &id, large()).await {
            Ok(revision) => kept.push((id, revision)),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, CommitError::Storage(StorageError::Full)), "{full:?}");
    assert!(kept.len() > 8, "{} records fitted", kept.len());
    let (_, last) = *kept.last().unwrap();
    assert_eq!(store.current_revision().await.unwrap(), last);
    assert_eq!(store.get(&key(&kept.len().to_string())).await.unwrap(), None);
    for (id, revision) in &kept {
        let record = store.get(&key(id)).await.unwrap().unwrap();
        assert_eq!((record.revision, record.value.len()), (*revision, 100_000));
    }

    // Small commits that wait together with one that does not fit are not its victims.
    let store = Arc::new(store);
    let waiting: Vec<_> = (0..16)
        .map(|n: usize| {
            let store = Arc::clone(&store);
            let value = if n == 7 { vec![b'x'; 1_000_000] } else { vec![b'y'; 10] };
            tokio::spawn(async move { put(&*store, &format!("small-{n}"), value).await })
        })
        .collect();
    for (n, commit) in waiting.into_iter().enumerate() {
        assert_eq!(commit.await.unwrap().is_err(), n == 7, "commit {n}");
    }

    // Space comes back: records are deleted, and their changes leave the log.
    for (id, _) in &kept[..6] {
        store.commit(Transaction::new().delete(key(id))).await.unwrap();
    }
    put(&*store, "again", large()).await.unwrap();
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.get(&key("again")).await.unwrap().unwrap().value.len(), 100_000);
    assert!(store.get(&key(&kept[7].0)).await.unwrap().is_some());
}

/// Names the store that a killed process was writing to; set only in that process.
const KILLED_STORE: &str = "STORE_TEST_KILLED";

/// Not a test by itself: what the process to be killed does. It commits from several tasks and prints what was
/// acknowledged, until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_until_killed() {
    let Some(path) = std::env::var_os(KILLED_STORE) else { return };
    let store = Arc::new(SqliteStore::open(path).unwrap());
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 0_u64.. {
                    let id = format!("{writer}-{n}");
                    let transaction = Transaction::new()
                        .when(key(&id), Condition::Absent)
                        .put(key(&id), id.clone())
                        .put(key(&format!("{writer}")), id.clone());
                    let revision = store.commit(transaction).await.unwrap().revision;
                    // One write call a line, so that a line is printed whole or not at all.
                    let line = format!("acknowledged {revision} {id}\n");
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn kill_9_loses_no_acknowledged_commit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let mut acknowledged = Vec::new();
    // Killed after different numbers of acknowledgements, each time somewhere within the next commits.
    for kill_after in [1, 2, 50, 333, 7, 120] {
        acknowledged.extend(commit_and_kill(&path, kill_after));
        let store = SqliteStore::open(&path).unwrap();
        let current = store.current_revision().await.unwrap();
        for (revision, id) in &acknowledged {
            assert!(*revision <= current);
            let record = store.get(&key(id)).await.unwrap();
            let record = record.unwrap_or_else(|| panic!("commit {revision} of {id} is lost"));
            assert_eq!((record.revision, record.value.as_ref()), (*revision, id.as_bytes()));
        }
        assert_whole(&store).await;
        // The next process begins anew.
        for page in all_ids(&store).await.chunks(100) {
            let delete = page.iter().fold(Transaction::new(), |delete, id| delete.delete(key(id)));
            store.commit(delete).await.unwrap();
        }
        acknowledged.clear();
    }
}

/// Commits are there as wholes: what each writer put last is the newest of its records.
async fn assert_whole(store: &SqliteStore) {
    for id in all_ids(store).await.iter().filter(|id| !id.contains('-')) {
        let last = store.get(&key(id)).await.unwrap().unwrap();
        let told = std::str::from_utf8(&last.value).unwrap();
        assert_eq!(store.get(&key(told)).await.unwrap().unwrap().revision, last.revision);
    }
}

async fn all_ids(store: &SqliteStore) -> Vec<String> {
    let mut ids = Vec::new();
    let mut range = Range::of_kind_prefix("");
    loop {
        let page = store.range(range.clone()).await.unwrap();
        if let Some(last) = page.records.last() {
            range = range.after(last.key.clone());
        }
        ids.extend(page.records.into_iter().map(|record| record.key.id));
        if !page.more {
            return ids;
        }
    }
}

/// Runs [`commit_until_killed`] in a process of its own, kills that, and returns all that it had acknowledged.
fn commit_and_kill(path: &Path, kill_after: usize) -> Vec<(Revision, String)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::commit_until_killed", "--nocapture"])
        .env(KILLED_STORE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let Ok(line) = line else { break };
        // The test runner prints lines of its own, and its last one may lack an end.
        let Some((_, told)) = line.split_once("acknowledged ") else { continue };
        let (revision, id) = told.split_once(' ').unwrap();
        acknowledged.push((Revision(revision.parse().unwrap()), id.to_owned()));
        if acknowledged.len() == kill_after {
            // SIGKILL; lines already in the pipe are still read.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(acknowledged.len() >= kill_after);
    acknowledged
}
