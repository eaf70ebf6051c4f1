//! Certificates for TLS: those that were given in files, and what they are good for.

use std::sync::Arc;

use anyhow::{Context, Result};
use edge_config::HostName;
use rustls::ServerConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use x509_parser::extensions::GeneralName;
use zeroize::Zeroizing;

use crate::durable::read_file;
use crate::settings::CertificateFiles;

impl CertificateFiles {
    /// Reads the two files.
    pub(crate) fn load(&self) -> Result<Arc<CertifiedKey>> {
        let (certificate_path, key_path) = (self.certificate.display(), self.private_key.display());
        let certificate =
            read_file(&self.certificate)?.with_context(|| format!("there is no file {certificate_path}"))?;
        let private_key = read_file(&self.private_key)?
            .map(Zeroizing::new)
            .with_context(|| format!("there is no file {key_path}"))?;
        edge::certified_key(&certificate, &private_key)
            .with_context(|| format!("{certificate_path} and {key_path} cannot be used"))
    }
}

/// TLS for the API, with this certificate.
pub(crate) fn api_tls(certificate: Arc<CertifiedKey>) -> Result<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS cannot be configured")?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The DNS names that a certificate is for, in lower case.
pub(crate) fn names(certificate: &CertifiedKey) -> Vec<String> {
    let Some(leaf) = certificate.cert.first() else { return Vec::new() };
    let Ok((_, leaf)) = x509_parser::parse_x509_certificate(leaf) else { return Vec::new() };
    let names = leaf.subject_alternative_name().ok().flatten();
    let names = names.into_iter().flat_map(|extension| &extension.value.general_names);
    let dns_names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    dns_names.collect()
}

/// Whether viewers of every distribution under `suffix` will accept the certificate.
pub(crate) fn covers_suffix(certificate: &CertifiedKey, suffix: &HostName) -> bool {
    names(certificate).contains(&format!("*.{suffix}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn given(names: &[&str]) -> (tempfile::TempDir, CertificateFiles) {
        let made =
            rcgen::generate_simple_self_signed(names.iter().map(ToString::to_string).collect::<Vec<_>>());
        let made = made.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let files = CertificateFiles {
            certificate: directory.path().join("chain.pem"),
            private_key: directory.path().join("key.pem"),
        };
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.private_key, made.signing_key.serialize_pem()).unwrap();
        (directory, files)
    }

    #[test]
    fn a_certificate_names_what_it_is_for() {
        let (_directory, files) = given(&["api.example.org", "*.Shield.example.org"]);
        let certificate = files.load().unwrap();
        assert_eq!(names(&certificate), ["api.example.org", "*.shield.example.org"]);
        assert!(covers_suffix(&certificate, &HostName::parse("shield.example.org").unwrap()));
        assert!(!covers_suffix(&certificate, &HostName::parse("example.org").unwrap()));
        api_tls(certificate).unwrap();
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let (_directory, files) = given(&["a.example"]);
        let (_other_directory, other) = given(&["a.example"]);
        let mixed = CertificateFiles { private_key: other.private_key, ..files.clone() };
        let message = format!("{:#}", mixed.load().unwrap_err());
        assert!(message.contains("chain.pem") && message.contains("key.pem"), "{message}");
        fs::remove_file(&files.private_key).unwrap();
        assert!(format!("{:#}", files.load().unwrap_err()).contains("there is no file"));
    }
}
