//! Sealing as the control plane needs it: it knows no files and no keys of files, so somebody else must do it.

use zeroize::Zeroizing;

/// Keeps secrets unreadable in the store. Implemented by whoever holds the sealing key.
pub trait Sealing: Send + Sync {
    /// Encrypts `secret`. `name` says what it is, and must be given again to open it, so that one sealed secret cannot
    /// stand in for another.
    fn seal(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, SealingError>;

    /// What was sealed under `name`.
    fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealingError>;
}

/// A secret cannot be sealed, or what was sealed cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SealingError(pub String);
