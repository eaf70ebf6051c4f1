//! Whom HTTPS origins' certificates may be from: the machine's authorities, and those of `--origin-ca`.
//!
//! As with certificates, a file that was replaced is taken while running, and one that cannot be used is logged once
//! and leaves the authorities as they were.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use edge::OriginRoots;

/// The authorities in use, and the file that some of them are from.
pub(crate) struct OriginAuthorities {
    roots: OriginRoots,
    file: Option<File>,
    /// What was last logged of it, so that it is not logged at every look.
    complaint: Option<String>,
}

struct File {
    path: PathBuf,
    /// Of the authorities that are in use.
    pem: Vec<u8>,
}

impl OriginAuthorities {
    /// The machine's, and those of the file if there is one.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self> {
        let Some(path) = file else {
            let roots = OriginRoots::of_machine().context("cannot read whom this machine trusts")?;
            return Ok(Self { roots, file: None, complaint: None });
        };
        let pem = read(path)?;
        let file = File { path: path.to_owned(), pem };
        Ok(Self { roots: file.roots()?, file: Some(file), complaint: None })
    }

    /// What the edge believes.
    pub(crate) fn roots(&self) -> OriginRoots {
        self.roots.clone()
    }

    /// Takes the file anew if it was replaced. Connections to origins that are open stay.
    pub(crate) fn look(&mut self) {
        let Some(file) = &mut self.file else { return };
        let complaint = match file.next() {
            Ok(None) => None,
            Ok(Some(roots)) => {
                tracing::info!(file = %file.path.display(), "Took new authorities for origins");
                self.roots.replace(&roots);
                None
            }
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(error) = &complaint
            && self.complaint != complaint
        {
            tracing::error!(%error, "Refused new authorities for origins; those before stay in use");
        }
        self.complaint = complaint;
    }
}

impl File {
    fn next(&mut self) -> Result<Option<OriginRoots>> {
        let pem = read(&self.path)?;
        if pem == self.pem {
            return Ok(None);
        }
        let next = Self { path: self.path.clone(), pem };
        let roots = next.roots()?;
        *self = next;
        Ok(Some(roots))
    }

    fn roots(&self) -> Result<OriginRoots> {
        OriginRoots::of_machine_and(&self.pem).with_context(|| {
            format!(
                "cannot use --origin-ca {}: give certificates of authorities, in PEM",
                self.path.display()
            )
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read --origin-ca {}", path.display()))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn authority() -> String {
        let key = KeyPair::generate().unwrap();
        CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem()
    }

    #[test]
    fn a_file_that_was_replaced_is_taken_and_a_broken_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        fs::write(&file, authority()).unwrap();
        let mut authorities = OriginAuthorities::load(Some(&file)).unwrap();
        let in_use = |authorities: &OriginAuthorities| authorities.file.as_ref().unwrap().pem.clone();
        let first = in_use(&authorities);
        for broken in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            fs::write(&file, broken).unwrap();
            authorities.look();
            assert!(authorities.complaint.as_ref().unwrap().contains("ca.pem"), "{broken:?}");
            assert_eq!(in_use(&authorities), first, "{broken:?}");
        }
        fs::write(&file, authority()).unwrap();
        authorities.look();
        assert_eq!((authorities.complaint.clone(), in_use(&authorities) != first), (None, true));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_at_start() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        let error = |file: &Path| format!("{:#}", OriginAuthorities::load(Some(file)).err().unwrap());
        assert!(error(&file).contains("cannot read --origin-ca"), "{}", error(&file));
        fs::write(&file, "no certificate").unwrap();
        assert!(error(&file).contains("cannot use --origin-ca"), "{}", error(&file));
    }
}
