//! Certificates for TLS: those that were given in files, and what they are good for.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use edge::ServedCertificate;
use edge_config::HostName;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use zeroize::Zeroizing;

use crate::durable::read_file;
use crate::settings::CertificateFiles;

/// What the two files of a certificate hold at one moment.
pub(crate) struct CertificateText {
    certificate: Vec<u8>,
    private_key: Zeroizing<Vec<u8>>,
}

impl CertificateText {
    /// Stands for the two files, so that they can be compared and the private key forgotten.
    pub(crate) fn digest(&self) -> Vec<u8> {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&(self.certificate.len() as u64).to_be_bytes());
        context.update(&self.certificate);
        context.update(&self.private_key);
        context.finish().as_ref().to_vec()
    }
}

impl CertificateFiles {
    /// Reads the two files.
    pub(crate) fn read(&self) -> Result<CertificateText> {
        let read = |path: &std::path::Path| {
            read_file(path)?.with_context(|| format!("there is no file {}", path.display()))
        };
        let certificate = read(&self.certificate)?;
        Ok(CertificateText { certificate, private_key: Zeroizing::new(read(&self.private_key)?) })
    }

    /// What they hold, as a TLS server takes it.
    pub(crate) fn parse(&self, text: &CertificateText) -> Result<Arc<CertifiedKey>> {
        edge::certified_key(&text.certificate, &text.private_key).with_context(|| {
            format!("{} and {} cannot be used", self.certificate.display(), self.private_key.display())
        })
    }
}

/// TLS for the API, with this certificate.
pub(crate) fn api_tls(certificate: ServedCertificate) -> Result<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS cannot be configured")?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificate));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The DNS names that a certificate is for, in lower case.
pub(crate) fn names(certificate: &CertifiedKey) -> Vec<String> {
    alternative_names(certificate, |name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    })
}

/// The IP addresses that a certificate is for.
pub(crate) fn addresses(certificate: &CertifiedKey) -> Vec<IpAddr> {
    alternative_names(certificate, |name| match name {
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .ok(),
        _ => None,
    })
}

fn alternative_names<T>(
    certificate: &CertifiedKey,
    select: impl Fn(&GeneralName<'_>) -> Option<T>,
) -> Vec<T> {
    let Ok(leaf) = leaf(certificate) else { return Vec::new() };
    let names = leaf.subject_alternative_name().ok().flatten();
    let names = names.into_iter().flat_map(|extension| &extension.value.general_names);
    names.filter_map(select).collect()
}

fn leaf(certificate: &CertifiedKey) -> Result<X509Certificate<'_>> {
    let leaf = certificate.end_entity_cert().map_err(|_| anyhow!("there is no certificate"))?;
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).map_err(|_| anyhow!("it is damaged"))?;
    Ok(leaf)
}

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl Validity {
    /// That of the first certificate of a chain.
    pub(crate) fn of(certificate: &CertifiedKey) -> Result<Self> {
        let leaf = leaf(certificate)?;
        let validity = leaf.validity();
        Ok(Self {
            not_before: validity.not_before.to_datetime(),
            not_after: validity.not_after.to_datetime(),
        })
    }

    /// An error that says what is wrong, unless it is valid at this moment.
    pub(crate) fn check(&self, now: OffsetDateTime) -> Result<()> {
        if now < self.not_before {
            bail!("it is valid only from {}: is this machine's clock right?", self.not_before);
        }
        if now > self.not_after {
            bail!("it expired at {}", self.not_after);
        }
        Ok(())
    }

    /// Whether the next one should be there: less than a third of the time is left, or, where a clock was wrong when it
    /// was made, it has not begun.
    pub(crate) fn is_due(&self, now: OffsetDateTime) -> bool {
        now < self.not_before || now >= self.not_after - (self.not_after - self.not_before) / 3
    }
}

/// Refuses a certificate that viewers of a distribution under `suffix` would not accept.
pub(crate) fn check_covers_suffix(
    files: &CertificateFiles,
    certificate: &CertifiedKey,
    suffix: &HostName,
) -> Result<()> {
    let names = names(certificate);
    if names.contains(&format!("*.{suffix}")) {
        return Ok(());
    }
    bail!(
        "--suffix-certificate {} is for {}, and distributions need *.{suffix}: give one for that, or the \
         --domain-suffix that it is for",
        files.certificate.display(),
        if names.is_empty() { "no name".to_owned() } else { names.join(", ") }
    )
}

/// Whether the authorities that this machine trusts vouch for a chain, for this host.
pub(crate) fn is_trusted_by_machine(chain: &[CertificateDer<'_>], host: &ServerName<'_>) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    // Without any authority there is no verifier, and nothing is trusted.
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let (Ok(verifier), Some((leaf, intermediates))) = (verifier, chain.split_first()) else { return false };
    verifier.verify_server_cert(leaf, intermediates, host, &[], UnixTime::now()).is_ok()
}

/// Whether the last certificate of a chain was signed by its own key.
pub(crate) fn ends_in_root(chain: &[CertificateDer<'_>]) -> bool {
    let last = chain.last().and_then(|last| x509_parser::parse_x509_certificate(last).ok());
    last.is_some_and(|(_, last)| last.subject().as_raw() == last.issuer().as_raw())
}

/// A chain of certificates in PEM (RFC 7468), without the private key that a file may hold beside them.
pub(crate) fn to_pem(chain: &[CertificateDer<'_>]) -> String {
    let mut pem = String::new();
    for certificate in chain {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = BASE64.encode(certificate);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
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

    fn load(files: &CertificateFiles) -> Result<Arc<CertifiedKey>> {
        files.parse(&files.read()?)
    }

    #[test]
    fn a_certificate_names_what_it_is_for() {
        let (_directory, files) = given(&["api.example.org", "*.Shield.example.org"]);
        let certificate = load(&files).unwrap();
        assert_eq!(names(&certificate), ["api.example.org", "*.shield.example.org"]);
        let check = |suffix| check_covers_suffix(&files, &certificate, &HostName::parse(suffix).unwrap());
        check("shield.example.org").unwrap();
        assert!(check("example.org").unwrap_err().to_string().contains("is for api.example.org"));
        api_tls(certificate.into()).unwrap();
    }

    #[test]
    fn a_chain_is_written_as_it_was_read_and_without_its_key() {
        let (_directory, files) = given(&["api.example.org"]);
        let text = fs::read_to_string(&files.certificate).unwrap().replace("\r\n", "\n");
        fs::write(&files.certificate, text.clone() + &fs::read_to_string(&files.private_key).unwrap())
            .unwrap();
        assert_eq!(to_pem(&load(&files).unwrap().cert), text);
    }

    #[test]
    fn a_certificate_is_due_in_its_last_third_and_before_it_begins() {
        let at = |days: i64| OffsetDateTime::UNIX_EPOCH + time::Duration::days(days);
        let validity = Validity { not_before: at(100), not_after: at(400) };
        let due = [99, 100, 299, 300, 400, 9_999].map(|day| validity.is_due(at(day)));
        assert_eq!(due, [true, false, false, true, true, true]);
        assert!(validity.check(at(99)).unwrap_err().to_string().contains("clock"));
        assert!(validity.check(at(401)).unwrap_err().to_string().contains("expired"));
        validity.check(at(400)).unwrap();
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let (_directory, files) = given(&["a.example"]);
        let (_other_directory, other) = given(&["a.example"]);
        let mixed = CertificateFiles { private_key: other.private_key, ..files.clone() };
        let message = format!("{:#}", load(&mixed).unwrap_err());
        assert!(message.contains("chain.pem") && message.contains("key.pem"), "{message}");
        fs::remove_file(&files.private_key).unwrap();
        assert!(format!("{:#}", load(&files).unwrap_err()).contains("there is no file"));
    }
}
