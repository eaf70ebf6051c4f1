//! The data directory: whose it is, who uses it now, and where everything in it lies.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::durable::{Audience, read_text, replace_file};
use crate::limits::{LOCK_RETRY, LOCK_TRIES_MAX};

/// The layout of the directory. A release that changes it raises the number and brings older directories up to date.
const FORMAT: u32 = 1;

/// A data directory that exists and is its user's alone.
#[derive(Clone, Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// The directory at `path`, made if there is none, closed to everybody else.
    pub(crate) fn open_or_create(path: &Path) -> Result<Self> {
        let directory = Self::look_into(path)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory.path)
            .with_context(|| format!("cannot make the data directory {}", directory.path.display()))?;
        directory.close_to_others()?;
        directory.check_format()?;
        Ok(directory)
    }

    /// The directory at `path`, which another process may be using, to look into it.
    pub(crate) fn look_into(path: &Path) -> Result<Self> {
        // Absolute, since what we print is pasted elsewhere.
        let path = std::path::absolute(path).context("--data-dir needs the name of a directory")?;
        Ok(Self { path })
    }

    /// A directory that holds somebody's other files is not ours to close.
    fn close_to_others(&self) -> Result<()> {
        let path = self.path.display();
        let facts = fs::metadata(&self.path).with_context(|| format!("cannot look at {path}"))?;
        if facts.uid() != rustix::process::geteuid().as_raw() {
            bail!("{path} belongs to another user; run as that user, or give another --data-dir");
        }
        let mode = facts.permissions().mode() & 0o777;
        if mode == 0o700 {
            return Ok(());
        }
        if !self.is_ours()? {
            bail!(
                "{path} holds other files and its mode is {mode:o}; \
                 give a directory of its own with --data-dir, or `chmod 700` it if it is meant"
            );
        }
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700))
            .with_context(|| format!("cannot make {path} readable by its owner alone"))?;
        tracing::warn!(%path, from = format!("{mode:o}"), "Changed the data directory's mode to 700");
        Ok(())
    }

    fn is_ours(&self) -> Result<bool> {
        let read = || format!("cannot read {}", self.path.display());
        let is_empty = fs::read_dir(&self.path).with_context(read)?.next().is_none();
        Ok(is_empty || self.file("format").exists())
    }

    fn check_format(&self) -> Result<()> {
        let file = self.file("format");
        let Some(text) = read_text(&file)? else {
            // Under somebody's repository it would be committed, keys and all.
            replace_file(&self.file(".gitignore"), b"*\n", Audience::Everybody)?;
            return replace_file(&file, format!("{FORMAT}\n").as_bytes(), Audience::Everybody);
        };
        match text.trim().parse::<u32>() {
            Ok(FORMAT) => Ok(()),
            Ok(newer) if newer > FORMAT => bail!(
                "{} has format {newer}, this release knows up to {FORMAT}: it was written by a newer release; \
                 run that one, or give another --data-dir",
                self.path.display()
            ),
            _ => bail!("{} is damaged: it must hold {FORMAT}; restore it from a backup", file.display()),
        }
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Every record.
    pub(crate) fn store(&self) -> PathBuf {
        self.file("store.sqlite")
    }

    /// The access key.
    pub(crate) fn credentials(&self) -> PathBuf {
        self.file("credentials")
    }

    /// The certificate of the viewers' authority: what clients trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// The certificate chain that the API serves now, where it speaks TLS.
    pub(crate) fn api_certificate(&self) -> PathBuf {
        self.file("api.pem")
    }

    /// The key that seals private keys, unless it is kept elsewhere.
    pub(crate) fn sealing_key(&self) -> PathBuf {
        self.file("sealing.key")
    }

    /// The access log, unless it is written elsewhere.
    pub(crate) fn access_log(&self) -> PathBuf {
        self.file("access.log")
    }

    /// What `mantlet apply` has made.
    pub(crate) fn applied(&self) -> PathBuf {
        self.file("applied.json")
    }

    /// Who changed what.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.file("audit.log")
    }

    /// Where the process that uses the directory can be reached.
    pub(crate) fn endpoints(&self) -> PathBuf {
        self.file("endpoints.json")
    }

    /// The directory of certificate authorities.
    pub(crate) fn authorities(&self) -> Result<PathBuf> {
        let path = self.file("authorities");
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(error).with_context(|| format!("cannot make {}", path.display()))
            }
            _ => Ok(path),
        }
    }

    fn file(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.path.join(name.as_ref())
    }

    /// Takes the directory for this process until the lock is dropped or the process ends, however it ends.
    pub(crate) async fn lock(&self) -> Result<Lock> {
        let path = self.file("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        for tries_left in (0..LOCK_TRIES_MAX).rev() {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    return Lock::held(file).with_context(|| format!("cannot write {}", path.display()));
                }
                Err(Errno::WOULDBLOCK) if tries_left > 0 => tokio::time::sleep(LOCK_RETRY).await,
                Err(Errno::WOULDBLOCK) => break,
                Err(error) => return Err(error).with_context(|| format!("cannot lock {}", path.display())),
            }
        }
        bail!(
            "{} is in use by another mantlet process{}; stop it, or give another --data-dir",
            self.path.display(),
            holder(&mut file).map(|id| format!(" (process {id})")).unwrap_or_default()
        )
    }

    /// Whether a process uses the directory now.
    pub(crate) fn is_in_use(&self) -> bool {
        let Ok(file) = File::open(self.file("lock")) else { return false };
        // Taken for an instant only: `lock` tries again for that reason.
        flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    }
}

/// The data directory is this process's own. The file stays: what locks is the kernel, so nothing can be stale.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Leaves the process id for whoever finds the directory taken.
    fn held(mut file: File) -> io::Result<Self> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn check_refused<T>(outcome: Result<T>, expect: &str) {
        let message = format!("{:#}", outcome.err().unwrap());
        assert!(message.contains(expect), "{message}");
    }

    #[test]
    fn a_new_directory_is_its_owners_alone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        DataDir::open_or_create(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        DataDir::open_or_create(&path).unwrap();
    }

    #[test]
    fn an_open_directory_is_closed_if_it_is_ours_and_refused_if_not() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path();
        set_mode(path, 0o755);
        DataDir::open_or_create(path).unwrap();
        assert_eq!(mode(path), 0o700, "it was empty");
        set_mode(path, 0o750);
        DataDir::open_or_create(path).unwrap();
        assert_eq!(mode(path), 0o700, "it was ours");

        fs::remove_file(path.join("format")).unwrap();
        fs::write(path.join("thesis.odt"), "").unwrap();
        set_mode(path, 0o755);
        check_refused(DataDir::open_or_create(path), "holds other files");
        assert_eq!(mode(path), 0o755);
    }

    #[test]
    fn a_file_in_the_directorys_place_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        check_refused(DataDir::open_or_create(file.path()), "cannot make the data directory");
    }

    #[test]
    fn a_newer_format_and_a_damaged_one_are_refused() {
        let parent = tempfile::tempdir().unwrap();
        DataDir::open_or_create(parent.path()).unwrap();
        fs::write(parent.path().join("format"), "2\n").unwrap();
        check_refused(DataDir::open_or_create(parent.path()), "newer release");
        fs::write(parent.path().join("format"), "").unwrap();
        check_refused(DataDir::open_or_create(parent.path()), "damaged");
    }

    #[tokio::test]
    async fn the_lock_keeps_a_second_away_and_names_the_first() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDir::open_or_create(parent.path()).unwrap();
        assert!(!directory.is_in_use());
        let lock = directory.lock().await.unwrap();
        assert!(directory.is_in_use());
        check_refused(directory.lock().await, &format!("process {}", std::process::id()));
        drop(lock);
        assert!(!directory.is_in_use());
    }

    #[tokio::test]
    async fn a_stale_lock_file_blocks_nobody() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDir::open_or_create(parent.path()).unwrap();
        fs::write(parent.path().join("lock"), "1\n").unwrap();
        assert!(!directory.is_in_use());
        directory.lock().await.unwrap();
    }
}
