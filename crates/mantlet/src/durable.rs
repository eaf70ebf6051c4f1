//! Small files that are either wholly there or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::limits::SMALL_FILE_BYTES_MAX;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Its owner alone.
    Owner,
    /// Everybody who can reach the directory.
    Everybody,
}

impl Audience {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Everybody => 0o644,
        }
    }
}

/// Puts a file in place: after a crash there is the old one or the new one, never a part.
///
/// One process at a time may replace a file: the holder of the data directory's lock.
pub(crate) fn replace_file(path: &Path, bytes: &[u8], audience: Audience) -> Result<()> {
    write_and_rename(path, bytes, audience).with_context(|| {
        format!("cannot write {}; is the disk full, or the directory not writable?", path.display())
    })
}

fn write_and_rename(path: &Path, bytes: &[u8], audience: Audience) -> io::Result<()> {
    let draft = draft_of(path);
    let outcome = write_draft(&draft, bytes, audience).and_then(|()| fs::rename(&draft, path));
    if outcome.is_err() {
        // The first error is the one to tell; a draft that stays is overwritten by the next attempt.
        let _ = fs::remove_file(&draft);
    }
    outcome?;
    sync_directory_of(path)
}

fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn write_draft(draft: &Path, bytes: &[u8], audience: Audience) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(audience.mode()).open(draft)?;
    // `mode` does nothing for a draft that a crash left behind, and the umask may have narrowed it.
    file.set_permissions(fs::Permissions::from_mode(audience.mode()))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes a file if it is there, durably.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    let removed = match fs::remove_file(path) {
        Ok(()) => sync_directory_of(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

/// A rename or a removal is durable once its directory is.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// A small file's bytes, or `None` if there is no such file.
pub(crate) fn read_file(path: &Path) -> Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot open {}", path.display())),
    };
    let mut bytes = Vec::new();
    file.take(SMALL_FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() as u64 > SMALL_FILE_BYTES_MAX {
        bail!(
            "{} is larger than {SMALL_FILE_BYTES_MAX} bytes, so it is not what it should be",
            path.display()
        );
    }
    Ok(Some(bytes))
}

/// As [`read_file`], for text.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>> {
    let Some(bytes) = read_file(path)? else { return Ok(None) };
    String::from_utf8(bytes)
        .map(Some)
        .ok()
        .with_context(|| format!("{} is not text, so it is not what it should be", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_with_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("endpoints.json");
        replace_file(&path, b"old", Audience::Everybody).unwrap();
        replace_file(&path, b"new", Audience::Owner).unwrap();
        assert_eq!(read_file(&path).unwrap().unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft stays");
    }

    #[test]
    fn a_draft_that_a_crash_left_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        fs::write(draft_of(&path), "half of something that is longer than the new content").unwrap();
        replace_file(&path, b"whole", Audience::Owner).unwrap();
        assert_eq!(read_file(&path).unwrap().unwrap(), b"whole");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_written_is_named_and_leaves_nothing() {
        let error = replace_file(Path::new("/dev/null/credentials"), b"", Audience::Owner).unwrap_err();
        assert!(format!("{error:#}").contains("/dev/null/credentials"), "{error:#}");
    }

    #[test]
    fn a_file_that_is_absent_is_no_error_and_one_that_is_huge_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        assert!(read_file(&path).unwrap().is_none());
        remove_file(&path).unwrap();
        let file = File::create(&path).unwrap();
        file.set_len(SMALL_FILE_BYTES_MAX + 1).unwrap();
        assert!(read_file(&path).unwrap_err().to_string().contains("larger"));
    }
}
