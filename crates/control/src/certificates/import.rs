//! What `ImportCertificate` takes: the rules of the ACM User Guide, "Prerequisites for importing ACM
//! certificates" and "Reimport a certificate". Nothing that passes here can fail at an edge.

use aws_api::ApiError;
use aws_api::acm::{ExtendedKeyUsageName, ImportCertificateRequest, KeyAlgorithm, KeyUsageName};
use aws_api::shape::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge_config::Bytes;
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use zeroize::{Zeroize, Zeroizing};

use super::{CertificateFacts, invalid};
use crate::limits::{
    CERTIFICATE_CHAIN_BYTES_MAX, CERTIFICATE_CHAIN_LENGTH_MAX, CERTIFICATE_PEM_BYTES_MAX,
    PRIVATE_KEY_PEM_BYTES_MAX,
};

/// A certificate with its chain and its private key, which belong together.
pub(crate) struct ImportedCertificate {
    /// The certificate, then whoever vouches for the one before, in DER.
    pub(crate) chain: Vec<Bytes>,
    /// In DER.
    pub(crate) private_key: Zeroizing<Vec<u8>>,
    pub(crate) facts: CertificateFacts,
}

impl ImportedCertificate {
    /// Checks what a request brings. Its private key is overwritten.
    pub(crate) fn of(request: &mut ImportCertificateRequest, now: Timestamp) -> Result<Self, ApiError> {
        let private_key = Zeroizing::new(std::mem::take(&mut request.private_key.0.0));
        let certificate = read_certificate(&request.certificate)?;
        let issuers = match &request.certificate_chain {
            Some(chain) => read_chain(chain)?,
            None => Vec::new(),
        };
        let facts = CertificateFacts::of(&certificate).ok_or_else(|| {
            invalid("The certificate cannot be read. Give one X.509 certificate, version 3, in PEM.")
        })?;
        check_facts(&facts, now)?;
        check_chain(&certificate, &issuers)?;
        let private_key = read_private_key(&private_key)?;
        check_private_key(&certificate, &private_key)?;
        let chain = std::iter::once(&certificate).chain(&issuers).map(|der| (&**der).into()).collect();
        Ok(Self { chain, private_key, facts })
    }
}

fn read_certificate(pem: &[u8]) -> Result<CertificateDer<'static>, ApiError> {
    check_size("Certificate", pem, CERTIFICATE_PEM_BYTES_MAX)?;
    let malformed = || invalid("Certificate is not in a valid PEM format. Give one CERTIFICATE block.");
    let mut found = CertificateDer::pem_slice_iter(pem);
    let certificate = found.next().ok_or_else(malformed)?.map_err(|_| malformed())?;
    if found.next().is_some() {
        return Err(invalid(
            "Certificate contains more than one certificate. Give the others in CertificateChain.",
        ));
    }
    Ok(certificate)
}

fn read_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ApiError> {
    check_size("CertificateChain", pem, CERTIFICATE_CHAIN_BYTES_MAX)?;
    let malformed = || {
        invalid("CertificateChain is not in a valid PEM format. Give CERTIFICATE blocks, or leave it out.")
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .take(CERTIFICATE_CHAIN_LENGTH_MAX + 1)
        .collect::<Result<_, _>>()
        .map_err(|_| malformed())?;
    match chain.len() {
        0 => Err(malformed()),
        1..=CERTIFICATE_CHAIN_LENGTH_MAX => Ok(chain),
        _ => Err(invalid(format!(
            "CertificateChain has more than {CERTIFICATE_CHAIN_LENGTH_MAX} certificates. Remove those that \
             do not vouch for the certificate."
        ))),
    }
}

fn check_size(field: &str, bytes: &[u8], max: usize) -> Result<(), ApiError> {
    if (1..=max).contains(&bytes.len()) {
        return Ok(());
    }
    Err(invalid(format!("{field} must have 1 to {max} bytes.")))
}

fn check_facts(facts: &CertificateFacts, now: Timestamp) -> Result<(), ApiError> {
    if !matches!(
        facts.key_algorithm,
        Some(
            KeyAlgorithm::Rsa2048
                | KeyAlgorithm::Rsa3072
                | KeyAlgorithm::Rsa4096
                | KeyAlgorithm::EcPrime256v1
                | KeyAlgorithm::EcSecp384r1
        )
    ) {
        return Err(invalid(
            "The certificate's key is of an unsupported kind or size. Use RSA with 2048, 3072 or 4096 bits, \
             or ECDSA with P-256 or P-384.",
        ));
    }
    if facts.names.is_empty() {
        return Err(invalid(
            "The certificate has no DNS name among its subject alternative names, and viewers look nowhere \
             else. Have it issued with them.",
        ));
    }
    if facts.issuer.is_empty() {
        return Err(invalid("The certificate's Issuer is empty. Have it issued with one."));
    }
    if now < facts.not_before {
        return Err(invalid(format!(
            "The certificate is not valid before {}. Import it then, or set this machine's clock.",
            facts.not_before.to_iso8601()
        )));
    }
    if facts.is_expired(now) {
        return Err(invalid(format!(
            "The certificate has expired at {}. Import a renewed one.",
            facts.not_after.to_iso8601()
        )));
    }
    Ok(())
}

/// Each must vouch for the one before.
fn check_chain(certificate: &CertificateDer<'_>, issuers: &[CertificateDer<'_>]) -> Result<(), ApiError> {
    if issuers.contains(certificate) {
        return Err(invalid("CertificateChain contains the certificate itself. Remove it from there."));
    }
    let mut subject = certificate;
    for (index, issuer) in issuers.iter().enumerate() {
        if !vouches_for(issuer, subject) {
            return Err(invalid(format!(
                "Could not validate the certificate with the certificate chain: certificate {} of \
                 CertificateChain did not sign the one before it. Give the intermediates from the \
                 certificate's issuer upwards.",
                index + 1
            )));
        }
        subject = issuer;
    }
    Ok(())
}

fn vouches_for(issuer: &[u8], subject: &[u8]) -> bool {
    let (Ok((_, issuer)), Ok((_, subject))) =
        (X509Certificate::from_der(issuer), X509Certificate::from_der(subject))
    else {
        return false;
    };
    issuer.is_ca()
        && issuer.subject().as_raw() == subject.issuer().as_raw()
        && is_signed_by(&subject, &issuer.public_key().subject_public_key.data)
}

/// Tries the algorithms that viewers of today know: a signature is good under one at most.
fn is_signed_by(certificate: &X509Certificate<'_>, public_key: &[u8]) -> bool {
    let (signed, signature) = (certificate.tbs_certificate.as_ref(), &certificate.signature_value.data);
    let algorithms = default_provider().signature_verification_algorithms.all;
    algorithms.iter().any(|algorithm| algorithm.verify_signature(public_key, signed, signature).is_ok())
}

fn read_private_key(pem: &[u8]) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    check_size("PrivateKey", pem, PRIVATE_KEY_PEM_BYTES_MAX)?;
    if pem.windows(9).any(|window| window == b"ENCRYPTED") {
        return Err(invalid("PrivateKey is encrypted. Give it without a passphrase."));
    }
    let mut key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        invalid("PrivateKey is not in a valid PEM format. Give one block of PKCS #8, PKCS #1 or SEC 1.")
    })?;
    let der = Zeroizing::new(key.secret_der().to_vec());
    key.zeroize();
    Ok(der)
}

/// Builds what an edge builds.
fn check_private_key(certificate: &CertificateDer<'static>, private_key: &[u8]) -> Result<(), ApiError> {
    let unusable = || {
        invalid(
            "PrivateKey cannot be used. Give an RSA key of 2048 bits or more, or an ECDSA key on P-256 or P-384.",
        )
    };
    let key = PrivateKeyDer::try_from(private_key).map_err(|_| unusable())?;
    let key = any_supported_type(&key).map_err(|_| unusable())?;
    match CertifiedKey::new(vec![certificate.clone()], key).keys_match() {
        Ok(()) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(invalid(
            "The private key does not match the certificate. Give the key that it was issued for.",
        )),
        Err(_) => Err(invalid("The certificate cannot serve TLS. Give an X.509 certificate, version 3.")),
    }
}

/// What may not change when a certificate is imported anew ("Reimport a certificate").
pub(crate) fn refuse_unlike(before: &CertificateFacts, after: &CertificateFacts) -> Result<(), ApiError> {
    if before.key_algorithm != after.key_algorithm {
        return Err(invalid(
            "The type and size of a certificate's key cannot change when it is imported again. Import it as \
             a new one, without CertificateArn.",
        ));
    }
    let is_ecdsa =
        matches!(after.key_algorithm, Some(KeyAlgorithm::EcPrime256v1 | KeyAlgorithm::EcSecp384r1));
    // Not for ECDSA at all (RFC 5480 section 3), so it may go.
    let may_go = |usage: KeyUsageName| is_ecdsa && usage == KeyUsageName::KeyEncipherment;
    let lost = before.key_usages.iter().find(|usage| !after.key_usages.contains(usage) && !may_go(**usage));
    if let Some(lost) = lost {
        return Err(lost_usage("Key Usage", lost.as_str()));
    }
    // Authorities no longer issue it to servers.
    let may_go = ExtendedKeyUsageName::TlsWebClientAuthentication;
    let lost = before
        .extended_key_usages
        .iter()
        .find(|usage| !after.extended_key_usages.contains(usage) && usage.name != Some(may_go));
    match lost {
        Some(lost) => Err(lost_usage("Extended Key Usage", lost.oid.as_deref().unwrap_or_default())),
        None => Ok(()),
    }
}

fn lost_usage(extension: &str, usage: &str) -> ApiError {
    invalid(format!(
        "The {extension} {usage} of the certificate cannot be removed when it is imported again. Have it \
         issued with that, or import it as a new one, without CertificateArn."
    ))
}

/// A certificate in PEM (RFC 7468 section 5).
pub(crate) fn to_pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|&byte| char::from(byte)));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}
