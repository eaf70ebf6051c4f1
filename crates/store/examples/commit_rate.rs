//! Measures durable commits a second: `cargo run --release -p store --example commit_rate [DIRECTORY]`.
//!
//! Each commit is what creating a resource takes: one compare and three puts of 4 KiB in all.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use store::{CommitError, Condition, Key, Range, SqliteStore, Store, Transaction};

const DURATION: Duration = Duration::from_secs(3);

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let directory = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    for writers in [1, 8, 64] {
        let path = directory.join(format!("commit-rate-{}-{writers}.db", std::process::id()));
        let opened = Arc::new(SqliteStore::open(&path)?);
        measure(&opened, writers).await?;
        drop(opened);
        let started = Instant::now();
        drop(SqliteStore::open(&path)?);
        println!("  reopened in {:?}", started.elapsed());
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
        }
    }
    Ok(())
}

async fn measure(store: &Arc<SqliteStore>, writers: usize) -> Result<(), Failure> {
    let started = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = Arc::clone(store);
            tokio::spawn(async move { commit_until(&*store, writer, started + DURATION).await })
        })
        .collect();
    let mut commits = 0;
    for task in tasks {
        commits += task.await??;
    }
    let elapsed = started.elapsed();
    println!("{writers} writers: {:.0} commits/s", f64::from(commits) / elapsed.as_secs_f64());

    let started = Instant::now();
    let key = Key::new("000000000000", "distribution", "0-0");
    for _ in 0..1_000 {
        store.get(&key).await?;
    }
    println!("  get: {:?}", started.elapsed() / 1_000);
    let started = Instant::now();
    for _ in 0..100 {
        store.range(Range::of_account("000000000000", "distribution").limit(100)).await?;
    }
    println!("  page of 100: {:?}", started.elapsed() / 100);
    Ok(())
}

async fn commit_until(store: &dyn Store, writer: usize, end: Instant) -> Result<u32, CommitError> {
    let mut commits = 0;
    while Instant::now() < end {
        let id = format!("{writer}-{commits}");
        let key = |kind| Key::new("000000000000", kind, id.clone());
        let transaction = Transaction::new()
            .when(key("distribution"), Condition::Absent)
            .put(key("distribution"), vec![b'x'; 2048])
            .put(key("bundle/distribution"), vec![b'x'; 1984])
            .put(key("integrity"), vec![b'x'; 64]);
        store.commit(transaction).await?;
        commits += 1;
    }
    Ok(commits)
}
