//! Certificates for tests.

use aws_api::acm::ImportCertificateRequest;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize,
};
use time::{Duration, OffsetDateTime};

/// An authority below a root of its own.
pub(crate) struct TestAuthority {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
}

impl TestAuthority {
    pub(crate) fn new() -> Self {
        let root =
            CertifiedIssuer::self_signed(authority("Test root"), KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let intermediate = CertifiedIssuer::signed_by(authority("Test intermediate"), key, &root).unwrap();
        Self { root, intermediate }
    }

    /// A request that imports a new certificate for these names.
    pub(crate) fn import(&self, names: &[&str]) -> ImportCertificateRequest {
        self.import_with(&KeyPair::generate().unwrap(), names, |_| {})
    }

    pub(crate) fn import_with(
        &self,
        key: &KeyPair,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> ImportCertificateRequest {
        let mut params = leaf(names);
        change(&mut params);
        let certificate = params.signed_by(key, &self.intermediate).unwrap();
        ImportCertificateRequest {
            certificate: certificate.pem().into_bytes().into(),
            certificate_chain: Some(self.chain().into_bytes().into()),
            private_key: aws_api::shape::Blob(key.serialize_pem().into_bytes()).into(),
            ..ImportCertificateRequest::default()
        }
    }

    pub(crate) fn chain(&self) -> String {
        self.intermediate.pem() + &self.root.pem()
    }

    pub(crate) fn root_pem(&self) -> String {
        self.root.pem()
    }
}

pub(crate) fn rsa_key() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

pub(crate) fn p384_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap()
}

pub(crate) fn ed25519_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ED25519).unwrap()
}

/// Days from today on.
pub(crate) fn days(days: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::days(days)
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::OrganizationName, "Testing");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn leaf(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (params.not_before, params.not_after) = (days(-1), days(30));
    params
}
