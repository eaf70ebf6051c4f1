use std::time::SystemTime;

use aws_api::acm::{ImportCertificateRequest, KeyAlgorithm, KeyUsageName};
use aws_api::shape::Blob;
use edge_config::AliasName;
use proptest::collection::vec;
use proptest::prelude::*;
use rcgen::{ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};

use super::test_certificates::{TestAuthority, days, ed25519_key, p384_key, rsa_key};
use super::*;

fn parse(mut request: ImportCertificateRequest) -> Result<ImportedCertificate, ApiError> {
    ImportedCertificate::of(&mut request, SystemTime::now().into())
}

fn import(names: &[&str]) -> ImportCertificateRequest {
    TestAuthority::new().import(names)
}

fn check_taken(request: ImportCertificateRequest) -> CertificateFacts {
    parse(request).unwrap_or_else(|error| panic!("{error}")).facts
}

#[track_caller]
fn check(request: ImportCertificateRequest, expect: &str) {
    let error = parse(request).err().expect(expect);
    assert_eq!(error.code, "ValidationException");
    assert!(error.message.contains(expect), "{:?} lacks {expect:?}", error.message);
    assert!(error.message.ends_with('.'), "{:?}", error.message);
}

fn without_chain(request: ImportCertificateRequest) -> ImportCertificateRequest {
    ImportCertificateRequest { certificate_chain: None, ..request }
}

fn with_chain(request: ImportCertificateRequest, chain: String) -> ImportCertificateRequest {
    ImportCertificateRequest { certificate_chain: Some(chain.into_bytes().into()), ..request }
}

fn with_key(request: ImportCertificateRequest, key: &[u8]) -> ImportCertificateRequest {
    ImportCertificateRequest { private_key: Blob(key.to_vec()).into(), ..request }
}

#[test]
fn rsa_and_ecdsa_certificates_are_taken_with_and_without_chain() {
    let authority = TestAuthority::new();
    for (key, algorithm) in [
        (rsa_key(), KeyAlgorithm::Rsa2048),
        (KeyPair::generate().unwrap(), KeyAlgorithm::EcPrime256v1),
        (p384_key(), KeyAlgorithm::EcSecp384r1),
    ] {
        let facts = check_taken(authority.import_with(&key, &["api.example"], |_| {}));
        assert_eq!(facts.key_algorithm, Some(algorithm));
        check_taken(without_chain(authority.import_with(&key, &["api.example"], |_| {})));
    }
}

#[test]
fn a_certificate_tells_its_facts_in_acms_words() {
    let facts = check_taken(TestAuthority::new().import_with(
        &KeyPair::generate().unwrap(),
        &["API.example", "*.shop.example"],
        |params| {
            params.serial_number = Some(vec![0x0f, 0xac].into());
            params.distinguished_name.push(rcgen::DnType::CommonName, "*.shop.example");
        },
    ));
    assert_eq!(facts.names, ["api.example", "*.shop.example"]);
    assert_eq!(facts.domain_name(), "*.shop.example");
    assert_eq!(facts.serial, "0f:ac");
    assert_eq!(facts.issuer, "Testing");
    assert_eq!(facts.subject, "CN=*.shop.example");
    assert_eq!(facts.signature_algorithm, "SHA256WITHECDSA");
    assert_eq!(facts.key_usages, [KeyUsageName::DigitalSignature]);
    assert_eq!(facts.extended_key_usages[0].oid.as_deref(), Some("1.3.6.1.5.5.7.3.1"));
}

#[test]
fn a_certificate_must_be_valid_now() {
    let key = KeyPair::generate().unwrap();
    let authority = TestAuthority::new();
    let of = |from, until| {
        authority.import_with(&key, &["api.example"], |params| {
            (params.not_before, params.not_after) = (days(from), days(until));
        })
    };
    check(of(-9, -1), "has expired at");
    check(of(1, 9), "not valid before");
}

#[test]
fn a_certificate_needs_names_and_a_key_that_is_known() {
    check(import(&[]), "subject alternative names");
    let authority = TestAuthority::new();
    check(authority.import_with(&ed25519_key(), &["api.example"], |_| {}), "unsupported kind or size");
}

#[test]
fn the_private_key_belongs_to_the_certificate_and_is_open() {
    let other = KeyPair::generate().unwrap().serialize_pem();
    check(with_key(import(&["a.example"]), other.as_bytes()), "does not match");
    check(with_key(import(&["a.example"]), rsa_key().serialize_pem().as_bytes()), "does not match");
    check(with_key(import(&["a.example"]), b"no key"), "PrivateKey is not in a valid PEM");
    check(with_key(import(&["a.example"]), b""), "1 to 5120 bytes");
    check(with_key(import(&["a.example"]), &[b'a'; 5121]), "1 to 5120 bytes");
    let encrypted = other.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    check(with_key(import(&["a.example"]), encrypted.as_bytes()), "is encrypted");
    let garbage = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    check(with_key(import(&["a.example"]), garbage.as_bytes()), "PrivateKey cannot be used");
}

#[test]
fn every_certificate_of_the_chain_vouches_for_the_one_before() {
    let (authority, other) = (TestAuthority::new(), TestAuthority::new());
    let request = || authority.import(&["api.example"]);
    check(with_chain(request(), other.chain()), "certificate 1 of CertificateChain did not sign");
    check(with_chain(request(), authority.root_pem()), "certificate 1 of");
    let [first, second] = [0, 1].map(|number| {
        let chain = authority.chain();
        let blocks: Vec<&str> = chain.split_inclusive("-----END CERTIFICATE-----\n").collect();
        blocks.get(number).map_or_else(|| panic!("{}", blocks.len()), |block| (*block).to_owned())
    });
    check(with_chain(request(), format!("{second}{first}")), "certificate 1 of");
    check(with_chain(request(), format!("{first}{}", other.root_pem())), "certificate 2 of");
    let own = String::from_utf8(request().certificate.0).unwrap();
    let same = request();
    let itself = String::from_utf8(same.certificate.0.clone()).unwrap();
    check(with_chain(same, itself), "contains the certificate itself");
    check(with_chain(request(), own), "certificate 1 of");
    check(with_chain(request(), second.repeat(11)), "more than 10");
    check(with_chain(request(), "chain".to_owned()), "CertificateChain is not in a valid PEM");
    check(with_chain(request(), "c".repeat(128 * 1024 + 1)), "CertificateChain must have");
}

#[test]
fn one_certificate_stands_in_its_field() {
    let authority = TestAuthority::new();
    let mut twice = authority.import(&["api.example"]);
    twice.certificate = [&*twice.certificate, authority.root_pem().as_bytes()].concat().into();
    check(twice, "more than one certificate");
    let none = ImportCertificateRequest { certificate: b"nothing".to_vec().into(), ..import(&["a.example"]) };
    check(none, "Certificate is not in a valid PEM");
    let garbage = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let garbage = ImportCertificateRequest {
        certificate: garbage.as_bytes().to_vec().into(),
        ..import(&["a.example"])
    };
    check(garbage, "cannot be read");
}

#[test]
fn the_request_keeps_no_private_key() {
    let mut request = import(&["api.example"]);
    let imported = ImportedCertificate::of(&mut request, SystemTime::now().into());
    assert!(imported.is_ok());
    assert!(request.private_key.is_empty());
}

#[test]
fn a_renewal_keeps_the_kind_of_key_and_its_usages() {
    use ExtendedKeyUsagePurpose::{ClientAuth, EmailProtection, ServerAuth};
    use KeyUsagePurpose::{DigitalSignature, KeyEncipherment};
    let authority = TestAuthority::new();
    let (key, rsa) = (KeyPair::generate().unwrap(), rsa_key());
    let of = |key: &KeyPair, usages: &[KeyUsagePurpose], extended: &[ExtendedKeyUsagePurpose]| {
        check_taken(authority.import_with(key, &["api.example"], |params| {
            params.key_usages = usages.to_vec();
            params.extended_key_usages = extended.to_vec();
        }))
    };
    let before = of(&key, &[DigitalSignature, KeyEncipherment], &[ServerAuth, ClientAuth]);
    assert_eq!(
        refuse_unlike(&before, &of(&key, &[DigitalSignature], &[ServerAuth, EmailProtection])),
        Ok(())
    );
    for after in [
        of(&rsa, &[DigitalSignature, KeyEncipherment], &[ServerAuth, ClientAuth]),
        of(&key, &[KeyEncipherment], &[ServerAuth]),
        of(&key, &[DigitalSignature], &[EmailProtection]),
    ] {
        assert_eq!(refuse_unlike(&before, &after).unwrap_err().code, "ValidationException");
    }
    let rsa_before = of(&rsa, &[DigitalSignature, KeyEncipherment], &[ServerAuth]);
    assert!(refuse_unlike(&rsa_before, &of(&rsa, &[DigitalSignature], &[ServerAuth])).is_err());
}

#[test]
fn a_wildcard_covers_one_label_and_a_wildcard_alias_needs_itself() {
    let facts = check_taken(import(&["*.example.com", "example.com", "xn--mnchen-3ya.example"]));
    let covers = |alias: &str| facts.covers(&AliasName::parse(alias).unwrap());
    for alias in ["a.example.com", "A.Example.com", "example.com", "*.example.com", "xn--mnchen-3ya.example"]
    {
        assert!(covers(alias), "{alias}");
    }
    for alias in
        ["a.b.example.com", "*.a.example.com", "*.example", "example.org", "a.xn--mnchen-3ya.example"]
    {
        assert!(!covers(alias), "{alias}");
    }
    let exact = check_taken(import(&["a.example.com"]));
    assert!(!exact.covers(&AliasName::parse("*.example.com").unwrap()));
}

#[test]
fn an_arn_names_a_certificate_of_its_account_alone() {
    let id = "0b7a2f0e-52a0-4c8c-9a53-8a2f5c6d7e8f";
    let check = |arn: &str, expect: Result<&str, &str>| {
        assert_eq!(certificate_id_of_arn("000000000000", arn).map_err(|error| error.code), expect, "{arn}");
    };
    check(&certificate_arn("000000000000", id), Ok(id));
    check(&certificate_arn("111111111111", id), Err("ResourceNotFoundException"));
    check(&format!("arn:aws:acm:eu-west-1:000000000000:certificate/{id}"), Err("ResourceNotFoundException"));
    check("arn:aws:acm:us-east-1:000000000000:certificate/x", Err("InvalidArnException"));
    check(&format!("arn:aws:acm:us-east-1:000000000000:acme-endpoint/{id}"), Err("InvalidArnException"));
    for malformed in ["", "x", "arn:aws:iam:us-east-1:000000000000:certificate/x", "arn:aws:acm:us-east-1::x"]
    {
        check(malformed, Err("ValidationException"));
    }
    check(&"a".repeat(4000), Err("ValidationException"));
}

#[test]
fn pem_lines_have_64_characters() {
    let request = import(&["api.example"]);
    let imported = parse(import(&["api.example"])).unwrap();
    let pem = to_pem(imported.chain[0].as_slice());
    assert!(pem.lines().all(|line| line.len() <= 64));
    let again = ImportCertificateRequest { certificate: pem.into_bytes().into(), ..request };
    check(again, "did not sign the one before");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_are_refused(certificate in vec(any::<u8>(), 0..600), key in vec(any::<u8>(), 0..600)) {
        let request = ImportCertificateRequest {
            certificate: certificate.clone().into(),
            certificate_chain: Some(certificate.clone().into()),
            private_key: Blob(key).into(),
            ..ImportCertificateRequest::default()
        };
        prop_assert!(parse(request).is_err());
        // In valid PEM, so that the DER is reached; a certificate that has no meaning has no facts.
        let request = ImportCertificateRequest {
            certificate: to_pem(&certificate).into_bytes().into(),
            private_key: Blob(b"x".to_vec()).into(),
            ..ImportCertificateRequest::default()
        };
        prop_assert!(parse(request).is_err());
        prop_assert_eq!(CertificateFacts::of(&certificate), None);
    }

    /// One changed byte of a good certificate, chain or key: refused or taken, never a panic; and what
    /// is taken has the key that it came with.
    #[test]
    fn mutated_certificates_never_panic(
        which in 0..3_usize,
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let mut parts = good_der();
        let part = &mut parts[which];
        let index = position.index(part.len());
        if cut { part.truncate(index) } else { part[index] = byte }
        let [certificate, issuer, key] = parts;
        let mut request = import_of(&certificate, &issuer, &key);
        let _ = ImportedCertificate::of(&mut request, SystemTime::now().into());
    }
}

/// A certificate, its issuer and its key in DER, made once.
fn good_der() -> [Vec<u8>; 3] {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    static GOOD: std::sync::LazyLock<[Vec<u8>; 3]> = std::sync::LazyLock::new(|| {
        let request = import(&["api.example", "*.shop.example"]);
        let chain = request.certificate_chain.unwrap();
        [
            CertificateDer::from_pem_slice(&request.certificate).unwrap().to_vec(),
            CertificateDer::from_pem_slice(&chain).unwrap().to_vec(),
            PrivateKeyDer::from_pem_slice(&request.private_key.0.0).unwrap().secret_der().to_vec(),
        ]
    });
    GOOD.clone()
}

fn import_of(certificate: &[u8], issuer: &[u8], key: &[u8]) -> ImportCertificateRequest {
    ImportCertificateRequest {
        certificate: to_pem(certificate).into_bytes().into(),
        certificate_chain: Some(to_pem(issuer).into_bytes().into()),
        private_key: Blob(to_pem(key).replace("CERTIFICATE", "PRIVATE KEY").into_bytes()).into(),
        ..ImportCertificateRequest::default()
    }
}

#[test]
fn the_unchanged_parts_are_taken() {
    let [certificate, issuer, key] = good_der();
    check_taken(import_of(&certificate, &issuer, &key));
}
