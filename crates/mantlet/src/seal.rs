//! Sealing: what makes a copy of the data directory useless without its sealing key.
//!
//! A sealed file is the line `mantlet sealed 1`, a nonce and AES-256-GCM's output. The file's name is authenticated with
//! it, so that one sealed file cannot stand in for another. Private keys of certificates are sealed alike and stand in
//! the store.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{Sealing, SealingError};
use zeroize::Zeroizing;

use crate::durable::{Audience, read_file, read_text, replace_file};

const MAGIC: &[u8] = b"mantlet sealed 1\n";
const MAGIC_OF_ANY_FORMAT: &[u8] = b"mantlet sealed ";
const KEY_BYTES: usize = 32;

/// The key that seals the directory's private keys, in a file of its own.
pub(crate) struct SealingKey {
    key: RandomizedNonceKey,
    path: PathBuf,
}

impl SealingKey {
    /// The key in the file at `path`; `None` if there is no such file.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>> {
        let Some(text) = read_text(path)?.map(Zeroizing::new) else { return Ok(None) };
        let malformed =
            || anyhow!("{} is not a sealing key: it must be 32 bytes in base64; restore it", path.display());
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| malformed())?);
        if bytes.len() != KEY_BYTES {
            return Err(malformed());
        }
        Self::new(&bytes, path).map(Some)
    }

    /// Makes a new key and keeps it in a file at `path`.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(&mut *bytes).ok().context("the system gives no random numbers")?;
        let text = Zeroizing::new(STANDARD.encode(*bytes) + "\n");
        replace_file(path, text.as_bytes(), Audience::Owner)?;
        Self::new(&*bytes, path)
    }

    fn new(bytes: &[u8], path: &Path) -> Result<Self> {
        let key =
            RandomizedNonceKey::new(&AES_256_GCM, bytes).ok().context("the sealing key is not usable")?;
        Ok(Self { key, path: path.to_owned() })
    }

    /// Writes `secret` sealed to `path`.
    pub(crate) fn seal_to_file(&self, path: &Path, secret: &[u8]) -> Result<()> {
        replace_file(path, &self.seal(file_name(path)?, secret)?, Audience::Owner)
    }

    /// What is sealed in the file at `path`; `None` if there is no such file.
    pub(crate) fn open_file(&self, path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Some(sealed) = read_file(path)? else { return Ok(None) };
        let name = file_name(path)?;
        self.open(name, &sealed).map(Some).with_context(|| format!("cannot open {}", path.display()))
    }

    /// `secret`, sealed under a name that opening it must give again.
    pub(crate) fn seal(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>> {
        // The buffer that is sealed in place holds the secret until then and ciphertext after.
        let mut text = secret.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut text)
            .ok()
            .context("sealing failed")?;
        Ok([MAGIC, nonce.as_ref(), &text].concat())
    }

    /// What was sealed under that name.
    pub(crate) fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let Some(rest) = sealed.strip_prefix(MAGIC) else {
            if sealed.starts_with(MAGIC_OF_ANY_FORMAT) {
                bail!("it was sealed by a newer release; run that one");
            }
            bail!("it is damaged: a sealed file begins differently; restore it from a backup");
        };
        let Some((nonce, text)) = rest.split_first_chunk::<NONCE_LEN>() else {
            bail!("it is damaged: it is cut short; restore it from a backup");
        };
        let mut text = Zeroizing::new(text.to_vec());
        let opened = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(name.as_bytes()), &mut text)
            .map_err(|_| {
                let key = self.path.display();
                anyhow!(
                    "it is damaged, or sealed with another key than {key}; restore the two that belong together"
                )
            })?
            .len();
        text.truncate(opened);
        Ok(text)
    }
}

impl Sealing for SealingKey {
    fn seal(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, SealingError> {
        self.seal(name, secret).map_err(|error| SealingError(format!("{error:#}")))
    }

    fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        self.open(name, sealed).map_err(|error| SealingError(format!("{error:#}")))
    }
}

fn file_name(path: &Path) -> Result<&str> {
    path.file_name().and_then(|name| name.to_str()).with_context(|| format!("{} has no name", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Room {
        directory: tempfile::TempDir,
        key: SealingKey,
    }

    impl Room {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let key = SealingKey::create(&directory.path().join("sealing.key")).unwrap();
            Self { directory, key }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }
    }

    fn check_refused(outcome: Result<Option<Zeroizing<Vec<u8>>>>, expect: &str) {
        let message = format!("{:#}", outcome.err().unwrap());
        assert!(message.contains(expect), "{message}");
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_later_and_hides_the_secret() {
        let room = Room::new();
        room.key.seal_to_file(&room.path("a.key"), b"a private key").unwrap();
        let bytes = fs::read(room.path("a.key")).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"private"));
        let key_mode = fs::metadata(room.path("sealing.key")).unwrap().permissions().mode();
        assert_eq!(key_mode & 0o777, 0o600);
        let again = SealingKey::load(&room.path("sealing.key")).unwrap().unwrap();
        assert_eq!(&**again.open_file(&room.path("a.key")).unwrap().unwrap(), b"a private key");
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let room = Room::new();
        let sealed = room.key.seal("a.key", b"a private key").unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(room.key.open("a.key", &changed).is_err(), "byte {index}");
            assert!(room.key.open("a.key", &sealed[..index]).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn another_key_or_another_name_does_not_open_it() {
        let (room, other) = (Room::new(), Room::new());
        room.key.seal_to_file(&room.path("a.key"), b"secret").unwrap();
        check_refused(other.key.open_file(&room.path("a.key")), "sealed with another key");
        fs::rename(room.path("a.key"), room.path("b.key")).unwrap();
        check_refused(room.key.open_file(&room.path("b.key")), "damaged");
    }

    #[test]
    fn what_is_not_sealed_and_what_a_newer_release_sealed_are_told_apart() {
        let room = Room::new();
        fs::write(room.path("a.key"), "-----BEGIN PRIVATE KEY-----").unwrap();
        check_refused(room.key.open_file(&room.path("a.key")), "begins differently");
        fs::write(room.path("a.key"), "mantlet sealed 2\n…").unwrap();
        check_refused(room.key.open_file(&room.path("a.key")), "newer release");
        assert!(room.key.open_file(&room.path("absent.key")).unwrap().is_none());
    }

    #[test]
    fn a_malformed_sealing_key_is_refused() {
        let room = Room::new();
        for text in ["", "c2hvcnQ=", "not base64 at all"] {
            fs::write(room.path("sealing.key"), text).unwrap();
            assert!(SealingKey::load(&room.path("sealing.key")).is_err(), "{text:?}");
        }
    }
}
