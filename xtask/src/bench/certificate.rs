//! The certificate that all proxies show: P-256, its own issuer.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

/// What the names of distributions end in.
pub(super) const SUFFIX: &str = "bench.localhost";

/// A certificate and its key, in the forms in which the proxies want them.
pub(super) struct Certificate {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
    /// Both in one file.
    pub(super) combined: PathBuf,
}

impl Certificate {
    pub(super) fn create(directory: &Path) -> Result<Self> {
        let at = |name| directory.join(name);
        let (certificate, key) = (at("certificate.pem"), at("key.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "2", "-subj", "/CN=bench", "-addext"])
            .arg(format!("subjectAltName=DNS:*.{SUFFIX}"))
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()?;
        ensure!(
            made.status.success(),
            "openssl makes no certificate: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let combined = at("combined.pem");
        std::fs::write(&combined, [std::fs::read(&certificate)?, std::fs::read(&key)?].concat())?;
        Ok(Self { chain: certificate, key, combined })
    }
}
