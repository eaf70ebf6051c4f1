//! `DIR/audit.log`: who changed what, a JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use control::AuditSink;

/// The file that audit lines are appended to. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct AuditLog {
    path: Arc<PathBuf>,
    output: Arc<Mutex<Output<File>>>,
}

#[derive(Debug)]
struct Output<W> {
    writer: W,
    /// A line could be written only in part.
    is_torn: bool,
}

impl AuditLog {
    /// Opens the file at `path`, which is made, readable by its owner alone, if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = open(path).with_context(|| format!("cannot open the audit log {}", path.display()))?;
        let output = Output { writer: file, is_torn: false };
        Ok(Self { path: Arc::new(path.to_owned()), output: Arc::new(Mutex::new(output)) })
    }

    /// Opens the file anew, after it was renamed. If that fails, the old one stays in use.
    pub(crate) fn reopen(&self) {
        match open(&self.path) {
            Ok(file) => *self.output() = Output { writer: file, is_torn: false },
            Err(error) => {
                tracing::error!(%error, path = %self.path.display(), "Cannot open the audit log anew");
            }
        }
    }

    /// A line half written is at worst ended by the next.
    fn output(&self) -> MutexGuard<'_, Output<File>> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditSink for AuditLog {
    fn append(&self, line: &[u8]) -> io::Result<()> {
        self.output().append(line)
    }
}

impl<W: Write> Output<W> {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.writer.write_all(b"\n")?;
            self.is_torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match self.writer.write(rest) {
                Ok(0) => return Err(self.torn(rest.len() < line.len(), io::ErrorKind::WriteZero.into())),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.torn(rest.len() < line.len(), error)),
            }
        }
        Ok(())
    }

    fn torn(&mut self, is_torn: bool, error: io::Error) -> io::Error {
        self.is_torn = is_torn;
        error
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A disk with room for so many bytes.
    struct SmallDisk(Vec<u8>, usize);

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.1 - self.0.len());
            self.0.extend_from_slice(&bytes[..count]);
            if count == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_costs_lines_and_never_the_form_of_later_ones() {
        let mut output = Output { writer: SmallDisk(Vec::new(), 6), is_torn: false };
        assert!(output.append(b"one\n").is_ok());
        assert!(output.append(b"two\n").is_err());
        assert!(output.append(b"three\n").is_err());
        output.writer.1 = 100;
        assert!(output.append(b"four\n").is_ok());
        assert_eq!(String::from_utf8_lossy(&output.writer.0), "one\ntw\nfour\n");
    }

    #[test]
    fn it_is_its_owners_alone_and_follows_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let (path, old) = (directory.path().join("audit.log"), directory.path().join("audit.log.1"));
        let log = AuditLog::open(&path).unwrap();
        log.append(b"one\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::rename(&path, &old).unwrap();
        log.append(b"two\n").unwrap();
        log.reopen();
        log.append(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(old).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(path).unwrap(), "three\n");
    }
}
