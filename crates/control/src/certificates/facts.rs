//! What a certificate says of itself, in ACM's words.

use aws_api::acm::{ExtendedKeyUsage, ExtendedKeyUsageName, KeyAlgorithm, KeyUsageName};
use aws_api::shape::Timestamp;
use edge_config::AliasName;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AlgorithmIdentifier, X509Name};

const EC_PRIME256V1: &str = "1.2.840.10045.3.1.7";
const EC_SECP384R1: &str = "1.3.132.0.34";
const EC_SECP521R1: &str = "1.3.132.0.35";

/// Signature algorithms by their object identifiers (RFC 8017 appendix C, RFC 5758 section 3.2).
const SIGNATURE_ALGORITHMS: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.5", "SHA1WITHRSA"),
    ("1.2.840.113549.1.1.11", "SHA256WITHRSA"),
    ("1.2.840.113549.1.1.12", "SHA384WITHRSA"),
    ("1.2.840.113549.1.1.13", "SHA512WITHRSA"),
    ("1.2.840.113549.1.1.10", "RSASSA-PSS"),
    ("1.2.840.10045.4.3.2", "SHA256WITHECDSA"),
    ("1.2.840.10045.4.3.3", "SHA384WITHECDSA"),
    ("1.2.840.10045.4.3.4", "SHA512WITHECDSA"),
];

/// Extended key usages by their object identifiers (RFC 5280 section 4.2.1.12).
const EXTENDED_KEY_USAGES: &[(&str, ExtendedKeyUsageName)] = &[
    ("2.5.29.37.0", ExtendedKeyUsageName::Any),
    ("1.3.6.1.5.5.7.3.1", ExtendedKeyUsageName::TlsWebServerAuthentication),
    ("1.3.6.1.5.5.7.3.2", ExtendedKeyUsageName::TlsWebClientAuthentication),
    ("1.3.6.1.5.5.7.3.3", ExtendedKeyUsageName::CodeSigning),
    ("1.3.6.1.5.5.7.3.4", ExtendedKeyUsageName::EmailProtection),
    ("1.3.6.1.5.5.7.3.5", ExtendedKeyUsageName::IpsecEndSystem),
    ("1.3.6.1.5.5.7.3.6", ExtendedKeyUsageName::IpsecTunnel),
    ("1.3.6.1.5.5.7.3.7", ExtendedKeyUsageName::IpsecUser),
    ("1.3.6.1.5.5.7.3.8", ExtendedKeyUsageName::TimeStamping),
    ("1.3.6.1.5.5.7.3.9", ExtendedKeyUsageName::OcspSigning),
];

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CertificateFacts {
    /// The DNS names that it is for, in lower case: those of the subject alternative names. Viewers
    /// look nowhere else (RFC 9525 section 6.3).
    pub(crate) names: Vec<String>,
    pub(crate) common_name: Option<String>,
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) serial: String,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// None for keys that ACM does not know.
    pub(crate) key_algorithm: Option<KeyAlgorithm>,
    pub(crate) signature_algorithm: String,
    pub(crate) key_usages: Vec<KeyUsageName>,
    pub(crate) extended_key_usages: Vec<ExtendedKeyUsage>,
}

impl CertificateFacts {
    /// Reads a certificate in DER; none if it is not one.
    pub(crate) fn of(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        rest.is_empty().then(|| Self::of_certificate(&certificate))
    }

    fn of_certificate(certificate: &X509Certificate<'_>) -> Self {
        let (key_usages, extended_key_usages) = usages(certificate);
        Self {
            names: names(certificate),
            common_name: common_name(certificate.subject()),
            subject: certificate.subject().to_string(),
            issuer: issuer(certificate.issuer()),
            serial: certificate.raw_serial_as_string(),
            not_before: timestamp(certificate.validity().not_before),
            not_after: timestamp(certificate.validity().not_after),
            key_algorithm: key_algorithm(certificate),
            signature_algorithm: signature_algorithm(&certificate.signature_algorithm),
            key_usages,
            extended_key_usages,
        }
    }

    /// What ACM shows as the certificate's name.
    pub(crate) fn domain_name(&self) -> &str {
        let common_name = self.common_name.as_deref().filter(|name| self.names.iter().any(|san| san == name));
        common_name.or(self.names.first().map(String::as_str)).unwrap_or_default()
    }

    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.not_after < now
    }

    /// Whether viewers of an alias will accept it: a wildcard stands for exactly one label
    /// (RFC 9525 section 6.3).
    pub(crate) fn covers(&self, alias: &AliasName) -> bool {
        let alias = alias.as_str();
        let is_covered_by = |name: &String| {
            name == alias
                || name.strip_prefix("*.").is_some_and(|parent| {
                    alias.split_once('.').is_some_and(|(first, rest)| first != "*" && rest == parent)
                })
        };
        self.names.iter().any(is_covered_by)
    }

    /// Whether it may be shown by servers.
    pub(crate) fn is_for_servers(&self) -> bool {
        let serves = [ExtendedKeyUsageName::Any, ExtendedKeyUsageName::TlsWebServerAuthentication];
        let usages = &self.extended_key_usages;
        usages.is_empty() || usages.iter().any(|usage| usage.name.is_some_and(|name| serves.contains(&name)))
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.into_iter().flat_map(|extension| &extension.value.general_names);
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => AliasName::parse(name).ok(),
        _ => None,
    });
    let mut unique: Vec<String> = Vec::new();
    for name in names {
        if !unique.iter().any(|known| known == name.as_str()) {
            unique.push(name.as_str().to_owned());
        }
    }
    unique
}

fn common_name(name: &X509Name<'_>) -> Option<String> {
    let text = name.iter_common_name().next()?.as_str().ok()?;
    Some(text.to_ascii_lowercase())
}

/// ACM shows the organisation that issued it (its examples: `Amazon`).
fn issuer(name: &X509Name<'_>) -> String {
    let organization = name.iter_organization().next().and_then(|part| part.as_str().ok());
    let common_name = name.iter_common_name().next().and_then(|part| part.as_str().ok());
    organization.or(common_name).map_or_else(|| name.to_string(), str::to_owned)
}

/// Years beyond 9999 do not exist in certificates (RFC 5280 section 4.1.2.5).
fn timestamp(time: ASN1Time) -> Timestamp {
    Timestamp::from_unix_milliseconds(time.timestamp().saturating_mul(1000)).unwrap_or_default()
}

fn key_algorithm(certificate: &X509Certificate<'_>) -> Option<KeyAlgorithm> {
    let key = certificate.public_key();
    match key.parsed().ok()? {
        PublicKey::RSA(key) => match key.key_size() {
            1024 => Some(KeyAlgorithm::Rsa1024),
            2048 => Some(KeyAlgorithm::Rsa2048),
            3072 => Some(KeyAlgorithm::Rsa3072),
            4096 => Some(KeyAlgorithm::Rsa4096),
            _ => None,
        },
        PublicKey::EC(_) => {
            let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
            match curve.as_str() {
                EC_PRIME256V1 => Some(KeyAlgorithm::EcPrime256v1),
                EC_SECP384R1 => Some(KeyAlgorithm::EcSecp384r1),
                EC_SECP521R1 => Some(KeyAlgorithm::EcSecp521r1),
                _ => None,
            }
        }
        _ => None,
    }
}

fn signature_algorithm(algorithm: &AlgorithmIdentifier<'_>) -> String {
    let identifier = algorithm.algorithm.to_id_string();
    let known = SIGNATURE_ALGORITHMS.iter().find(|(known, _)| *known == identifier);
    known.map_or(identifier, |(_, name)| (*name).to_owned())
}

fn usages(certificate: &X509Certificate<'_>) -> (Vec<KeyUsageName>, Vec<ExtendedKeyUsage>) {
    let (mut key_usages, mut extended) = (Vec::new(), Vec::new());
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::KeyUsage(usage) => {
                let flags = [
                    (usage.digital_signature(), KeyUsageName::DigitalSignature),
                    (usage.non_repudiation(), KeyUsageName::NonRepudiation),
                    (usage.key_encipherment(), KeyUsageName::KeyEncipherment),
                    (usage.data_encipherment(), KeyUsageName::DataEncipherment),
                    (usage.key_agreement(), KeyUsageName::KeyAgreement),
                    (usage.key_cert_sign(), KeyUsageName::CertificateSigning),
                    (usage.crl_sign(), KeyUsageName::CrlSigning),
                    (usage.encipher_only(), KeyUsageName::EncipherOnly),
                    (usage.decipher_only(), KeyUsageName::DecipherOnly),
                ];
                key_usages.extend(flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name));
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let flags = [
                    (usage.any, "2.5.29.37.0"),
                    (usage.server_auth, "1.3.6.1.5.5.7.3.1"),
                    (usage.client_auth, "1.3.6.1.5.5.7.3.2"),
                    (usage.code_signing, "1.3.6.1.5.5.7.3.3"),
                    (usage.email_protection, "1.3.6.1.5.5.7.3.4"),
                    (usage.time_stamping, "1.3.6.1.5.5.7.3.8"),
                    (usage.ocsp_signing, "1.3.6.1.5.5.7.3.9"),
                ];
                let known = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, oid)| oid.to_owned());
                let others = usage.other.iter().map(ToString::to_string);
                extended.extend(known.chain(others).map(extended_key_usage));
            }
            _ => {}
        }
    }
    (key_usages, extended)
}

fn extended_key_usage(oid: String) -> ExtendedKeyUsage {
    let known = EXTENDED_KEY_USAGES.iter().find(|(known, _)| *known == oid);
    let name = known.map_or(ExtendedKeyUsageName::Custom, |(_, name)| *name);
    ExtendedKeyUsage { name: Some(name), oid: Some(oid) }
}
