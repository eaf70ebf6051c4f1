//! `DIR/control.sock`: how commands of the directory's owner reach the process that runs on it, without a key and
//! whatever its API listens on.

use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use tokio::net::{UnixListener, UnixStream};

use crate::data_dir::DataDir;
use crate::durable;

const NAME: &str = "control.sock";

/// Listens; only the holder of the directory's lock may. What a process left that was killed is removed.
pub(crate) fn bind(directory: &DataDir) -> Result<UnixListener> {
    let file = directory.path().join(NAME);
    durable::remove_file(&file)?;
    let (_folder, path) = short_path(directory)?;
    let listener =
        UnixListener::bind(&path).with_context(|| format!("cannot listen on {}", file.display()))?;
    // The directory is closed to others already; this is for whoever opens it.
    fs::set_permissions(&file, Permissions::from_mode(0o600))
        .with_context(|| format!("cannot close {} to others", file.display()))?;
    Ok(listener)
}

/// Connects to the process that runs on the directory.
pub(crate) async fn connect(directory: &DataDir) -> Result<UnixStream> {
    let (_folder, path) = short_path(directory)?;
    UnixStream::connect(&path).await.with_context(|| {
        format!(
            "the mantlet process on {} cannot be reached through {NAME}; is it starting, or of an older release?",
            directory.path().display()
        )
    })
}

/// A socket's address has room for 108 bytes (unix(7)), and a directory's path may be longer: it is named by its open
/// descriptor, which must live as long as the name is used.
fn short_path(directory: &DataDir) -> Result<(File, PathBuf)> {
    let folder = File::open(directory.path())
        .with_context(|| format!("cannot open {}", directory.path().display()))?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()));
    Ok((folder, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_long_path_and_a_stale_socket_are_no_obstacle() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a".repeat(100)).join("b".repeat(100));
        let directory = DataDir::open_or_create(&path).unwrap();
        drop(bind(&directory).unwrap());
        assert!(connect(&directory).await.is_err(), "nobody listens");
        let listener = bind(&directory).unwrap();
        let (accepted, connected) = tokio::join!(listener.accept(), connect(&directory));
        assert!(accepted.is_ok() && connected.is_ok());
        let mode = fs::metadata(path.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
