//! Every limit of the store, with its reason.

use std::time::Duration;

/// Compares plus writes in one transaction: etcd's default `--max-txn-ops`, so that no code grows past what the fleet's
/// store will take.
pub const TRANSACTION_OPERATIONS_MAX: usize = 128;

/// Bytes of all keys and values in one transaction. etcd takes requests of 1.5 MiB by default; the rest is left for its
/// framing.
pub const TRANSACTION_BYTES_MAX: usize = 1_400_000;

/// Bytes of one part of a key. Account, kind and identifiers are short; host names are at most 253 bytes, and this
/// leaves room for a caller reference.
pub const KEY_PART_BYTES_MAX: usize = 512;

/// Records in one page; ten times what a list operation of the API asks for.
pub const PAGE_RECORDS_MAX: usize = 1_000;

/// Bytes of values after which a page ends, so that a page of large records stays affordable.
pub const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Revisions that the change log keeps, for watchers that lag or resume. At the 200 commits a second that the control
/// plane is built for, more than a minute; who is further behind reads everything anew.
pub const CHANGE_LOG_REVISIONS_MAX: u64 = 16_384;

/// The log is compacted when it is this fraction over its length, so that most commits delete nothing.
pub(crate) const COMPACTION_SLACK_DIVISOR: u64 = 32;

/// Changes that a watch reads at once. It always takes whole revisions, so it may exceed this by one transaction.
pub(crate) const WATCH_BATCH_CHANGES_MAX: usize = 256;

/// Bytes of values after which a watch stops reading ahead, likewise at the end of a revision.
pub(crate) const WATCH_BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Transactions waiting for the writer. With the queue full, committing waits: a slow disk slows its callers.
pub(crate) const WRITER_QUEUE_TRANSACTIONS_MAX: usize = 256;

/// Transactions that share one SQLite transaction and so one `fsync`.
pub(crate) const GROUP_TRANSACTIONS_MAX: usize = 128;

/// Connections that read at the same time. Reads take microseconds from memory; more would only compete for cores.
pub(crate) const READ_CONNECTIONS_MAX: usize = 4;

/// Prepared statements that a connection keeps; above the number of different statements we have.
pub(crate) const PREPARED_STATEMENTS_MAX: usize = 32;

/// How long to wait for a lock on the file. Only another process (a backup, a shell) can hold one that blocks us.
pub(crate) const BUSY_DURATION: Duration = Duration::from_secs(5);

/// What SQLite shrinks its write-ahead log back to after a checkpoint.
pub(crate) const WRITE_AHEAD_LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;
