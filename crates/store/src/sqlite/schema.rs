//! Opening the file: whether it is ours, whether it is whole, and what its tables are.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::SqliteOptions;
use super::reader::current_revision;
use crate::error::OpenError;
use crate::limits::{BUSY_DURATION, PREPARED_STATEMENTS_MAX, WRITE_AHEAD_LOG_BYTES_MAX};
use crate::record::Revision;

/// In the file's header, where `file` and SQLite look for whose it is: "Mntl".
const APPLICATION_ID: u32 = 0x4d6e_746c;

/// The newest schema that this release knows.
const SCHEMA_KNOWN: u32 = 1;

/// Schema 1. Records have a rowid although their key is unique, because SQLite keeps large rows better that way. The
/// change log holds values too: a watcher is told what each commit put, not what is there by now.
const SCHEMA_1: &str = "
    CREATE TABLE progress (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        revision INTEGER NOT NULL,
        compacted INTEGER NOT NULL
    ) STRICT;
    INSERT INTO progress VALUES (1, 0, 0);
    CREATE TABLE record (
        kind TEXT NOT NULL,
        account TEXT NOT NULL,
        id TEXT NOT NULL,
        revision INTEGER NOT NULL,
        created INTEGER NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (kind, account, id)
    ) STRICT;
    CREATE TABLE change (
        revision INTEGER NOT NULL,
        place INTEGER NOT NULL,
        kind TEXT NOT NULL,
        account TEXT NOT NULL,
        id TEXT NOT NULL,
        created INTEGER,
        value BLOB,
        PRIMARY KEY (revision, place)
    ) STRICT;
";

/// The writer's connection to the store at `path`, created where there was no file.
pub(super) fn open(path: &Path, options: SqliteOptions) -> Result<Connection, OpenError> {
    create_private(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    let unusable = |error| open_error(path, error);
    let mut connection = connect(path).map_err(unusable)?;
    // Nothing is changed before the file is known to be ours.
    if is_empty(&connection).map_err(unusable)? {
        create_schema(&mut connection).map_err(unusable)?;
    }
    check_identity(path, &connection)?;
    check_whole(path, &connection)?;
    configure_writer(&connection, options).map_err(unusable)?;
    Ok(connection)
}

/// The revision of a store that is there, of which nothing is changed.
pub(super) fn look_into(path: &Path) -> Result<Revision, OpenError> {
    let unusable = |error| open_error(path, error);
    let connection = connect(path).map_err(unusable)?;
    check_identity(path, &connection)?;
    current_revision(&connection).map_err(unusable)
}

/// A connection as both the writer and readers have it.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // No URI file names (a path is a path) and no mutex: rusqlite never shares a connection between threads.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_DURATION)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS_MAX);
    Ok(connection)
}

/// Records hold keys and configurations: the file is its owner's alone. SQLite gives the files beside it the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => sync_directory_of(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// A new name is durable when its directory is (fsync(2)).
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let objects: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(objects == 0 && pragma(connection, "application_id")? == 0 && pragma(connection, "user_version")? == 0)
}

fn create_schema(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA_1)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_KNOWN)?;
    transaction.commit()
}

fn check_identity(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let read = |name| pragma(connection, name).map_err(|error| open_error(path, error));
    if read("application_id")? != APPLICATION_ID {
        return Err(OpenError::NotAStore { path: path.to_owned() });
    }
    match read("user_version")? {
        SCHEMA_KNOWN => Ok(()),
        found if found > SCHEMA_KNOWN => Err(OpenError::NewerSchema { found, known: SCHEMA_KNOWN }),
        _ => Err(OpenError::NotAStore { path: path.to_owned() }),
    }
}

/// Looks at every page once, so that damage is found now and not in the middle of a change.
fn check_whole(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let finding: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| open_error(path, error))?;
    if finding == "ok" {
        return Ok(());
    }
    Err(OpenError::Corrupt { path: path.to_owned(), finding })
}

fn configure_writer(connection: &Connection, options: SqliteOptions) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    // In WAL mode, only FULL syncs the log at every commit (SQLite, PRAGMA synchronous).
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "journal_size_limit", WRITE_AHEAD_LOG_BYTES_MAX.cast_signed())?;
    connection.pragma_update(None, "trusted_schema", false)?;
    if let Some(bytes) = options.file_bytes_max {
        let page_bytes = u64::from(pragma(connection, "page_size")?).max(1);
        connection.pragma_update(None, "max_page_count", (bytes / page_bytes).max(1).cast_signed())?;
    }
    Ok(())
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u32> {
    // The header holds 32 bits; SQLite shows them signed.
    connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map(i32::cast_unsigned)
}

fn open_error(path: &Path, error: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotAStore { path },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Corrupt { path, finding: error.to_string() },
        _ => OpenError::Sqlite { path, source: error.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A killed process cannot show that commits are synced: what it wrote survives in the page cache. The settings can.
    #[test]
    fn the_writer_syncs_every_commit() {
        let directory = tempfile::tempdir().unwrap();
        let connection = open(&directory.path().join("store.db"), SqliteOptions::default()).unwrap();
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        assert_eq!(pragma(&connection, "synchronous").unwrap(), 2, "FULL");
    }
}
