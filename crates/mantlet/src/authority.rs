//! Certificate authorities of this installation: three, so that what one signs means nothing to the others.
//!
//! The viewers' authority signs the certificate that viewers see. A person installs it, so it is constrained to the
//! suffix: it cannot vouch for any other name. The connectors' and the origins' authorities sign for machines and are
//! never installed anywhere by hand.
//!
//! Each is a certificate and a sealed private key in `DIR/authorities`. The viewers' are kept by suffix: going back to
//! an earlier suffix finds the authority that was trusted then.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use edge_config::HostName;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData, SanType,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::data_dir::DataDir;
use crate::durable::{Audience, read_text, replace_file};
use crate::limits::{AUTHORITY_DAYS, CERTIFICATE_DAYS, CLOCK_DIFFERENCE_MAX};
use crate::seal::SealingKey;

/// The authorities, ready to sign.
pub(crate) struct Authorities {
    viewers: Authority,
    sealing_key: Arc<SealingKey>,
}

impl Authorities {
    /// Those in the data directory; what is missing is made.
    ///
    /// `sealing_key` is where the key that seals them is kept.
    pub(crate) fn load_or_create(directory: &DataDir, sealing_key: &Path, suffix: &HostName) -> Result<Self> {
        let folder = directory.authorities()?;
        let sealing_key = load_or_create_sealing_key(&folder, sealing_key)?;
        let load = |role: Role| Authority::load_or_create(&folder, &role, &sealing_key);
        let viewers = load(Role::Viewers(suffix.clone()))?;
        load(Role::Connectors)?;
        load(Role::Origins)?;
        replace_file(&directory.ca(), viewers.certificate_pem.as_bytes(), Audience::Everybody)?;
        Ok(Self { viewers, sealing_key: Arc::new(sealing_key) })
    }

    /// The key that seals the private keys of the directory, and those of imported certificates.
    pub(crate) fn sealing_key(&self) -> &Arc<SealingKey> {
        &self.sealing_key
    }

    /// A new certificate for the suffix and every name directly under it.
    ///
    /// It is made at every start and whenever it is due, and its private key never leaves the process's memory.
    pub(crate) fn issue_suffix_certificate(&self, suffix: &HostName) -> Result<IssuedCertificate> {
        self.viewers.check_is_valid(OffsetDateTime::now_utc())?;
        self.viewers.issue_server_certificate(&[format!("*.{suffix}"), suffix.to_string()])
    }
}

/// The sealing key belongs to what it sealed: where something is sealed already, a new one would only hide the loss.
pub(crate) fn load_or_create_sealing_key(folder: &Path, path: &Path) -> Result<SealingKey> {
    if let Some(key) = SealingKey::load(path)? {
        return Ok(key);
    }
    if has_sealed_files(folder)? {
        bail!(
            "the sealing key {} is missing, and {} holds private keys that it sealed; put it back, or name where \
             it is with --sealing-key-file",
            path.display(),
            folder.display()
        );
    }
    SealingKey::create(path)
}

fn has_sealed_files(folder: &Path) -> Result<bool> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let is_sealed = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "key");
    Ok(entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(is_sealed)))
}

/// A certificate with its chain and private key, as a TLS server takes it.
pub(crate) struct IssuedCertificate {
    /// The certificate, then that of its authority, in PEM.
    pub(crate) chain: String,
    /// The private key, in PEM.
    pub(crate) private_key: Zeroizing<String>,
}

/// What an authority is for.
enum Role {
    Viewers(HostName),
    Connectors,
    Origins,
}

impl Role {
    fn files(&self, folder: &Path) -> AuthorityFiles {
        let name = match self {
            Self::Viewers(suffix) => format!("viewers-{suffix}"),
            Self::Connectors => "connectors".to_owned(),
            Self::Origins => "origins".to_owned(),
        };
        AuthorityFiles {
            certificate: folder.join(format!("{name}.pem")),
            private_key: folder.join(format!("{name}.key")),
        }
    }

    fn params(&self) -> Result<CertificateParams> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Mantlet");
        params.distinguished_name.push(DnType::CommonName, self.common_name()?);
        if let Self::Viewers(suffix) = self {
            params.name_constraints = Some(constraints(suffix));
        }
        set_validity(&mut params, AUTHORITY_DAYS);
        Ok(params)
    }

    /// What a person reads in a list of trusted authorities, unlike that of any other installation: RFC 5280 allows 64
    /// characters.
    fn common_name(&self) -> Result<String> {
        let mut random = [0; 4];
        aws_lc_rs::rand::fill(&mut random).ok().context("the system gives no random numbers")?;
        let number = u32::from_be_bytes(random);
        Ok(match self {
            Self::Viewers(suffix) => {
                let suffix: String = suffix.as_str().chars().take(38).collect();
                format!("Mantlet CA {number:08x} for {suffix}")
            }
            Self::Connectors => format!("Mantlet connectors CA {number:08x}"),
            Self::Origins => format!("Mantlet origins CA {number:08x}"),
        })
    }
}

/// RFC 5280, 4.2.1.10: names of a sort that is not mentioned are unconstrained, so every IP address is excluded.
fn constraints(suffix: &HostName) -> NameConstraints {
    NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(suffix.to_string())],
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(Ipv4Addr::UNSPECIFIED.into(), 0)),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(Ipv6Addr::UNSPECIFIED.into(), 0)),
        ],
    }
}

fn set_validity(params: &mut CertificateParams, days: i64) {
    let start = OffsetDateTime::now_utc() - CLOCK_DIFFERENCE_MAX;
    params.not_before = start;
    params.not_after = start + Duration::days(days);
}

/// Where an authority is kept.
struct AuthorityFiles {
    certificate: PathBuf,
    private_key: PathBuf,
}

impl AuthorityFiles {
    fn unusable(&self, fault: &anyhow::Error) -> anyhow::Error {
        let (certificate, private_key) = (self.certificate.display(), self.private_key.display());
        anyhow!(
            "the certificate authority {certificate} cannot be used: {fault}; restore it and {private_key} from a \
             backup, or remove both, and the next start makes a new authority that has to be trusted anew"
        )
    }
}

/// A certificate and the key that signs with it.
struct Authority {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl Authority {
    fn load_or_create(folder: &Path, role: &Role, sealing_key: &SealingKey) -> Result<Self> {
        let files = role.files(folder);
        // The key is written first, so a key alone is what an interrupted first start leaves: nobody has seen its
        // certificate yet.
        match (read_text(&files.certificate)?, sealing_key.open_file(&files.private_key)) {
            (Some(pem), Ok(Some(key))) => Self::from_files(pem, &key).map_err(|fault| files.unusable(&fault)),
            (Some(_), Ok(None)) => Err(files.unusable(&anyhow!("its private key is missing"))),
            (_, Err(error)) => Err(error),
            (None, Ok(_)) => Self::create(&files, role, sealing_key),
        }
    }

    fn create(files: &AuthorityFiles, role: &Role, sealing_key: &SealingKey) -> Result<Self> {
        let key = KeyPair::generate().context("cannot make a private key")?;
        let certificate = role.params()?.self_signed(&key).context("cannot make its certificate")?;
        sealing_key.seal_to_file(&files.private_key, key.serialized_der())?;
        replace_file(&files.certificate, certificate.pem().as_bytes(), Audience::Everybody)?;
        let kept = Zeroizing::new(key.serialize_der());
        Self::from_files(certificate.pem(), &kept)
    }

    fn from_files(certificate_pem: String, private_key: &[u8]) -> Result<Self> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(certificate_pem.as_bytes())
            .map_err(|_| anyhow!("its certificate is damaged"))?;
        let facts = pem.parse_x509().map_err(|_| anyhow!("its certificate is damaged"))?;
        let private_key = PrivatePkcs8KeyDer::from(private_key);
        let key = KeyPair::try_from(&private_key).map_err(|_| anyhow!("its private key is damaged"))?;
        if facts.public_key().raw != key.subject_public_key_info() {
            bail!("its certificate and its private key do not belong together");
        }
        if !facts.is_ca() {
            bail!("its certificate is not one of an authority");
        }
        let validity = facts.validity();
        let (not_before, not_after) = (validity.not_before.to_datetime(), validity.not_after.to_datetime());
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(pem.contents.as_slice()), key)
            .map_err(|_| anyhow!("its certificate is damaged"))?;
        let authority = Self { certificate_pem, issuer, not_before, not_after };
        authority.check_is_valid(OffsetDateTime::now_utc())?;
        Ok(authority)
    }

    /// What is signed outside of this time helps nobody, and a clock that says so is most likely wrong.
    fn check_is_valid(&self, now: OffsetDateTime) -> Result<()> {
        if now < self.not_before || now > self.not_after {
            bail!(
                "its certificate is valid from {} to {}, and this machine's clock says otherwise",
                self.not_before,
                self.not_after
            );
        }
        Ok(())
    }

    fn issue_server_certificate(&self, names: &[String]) -> Result<IssuedCertificate> {
        let key = KeyPair::generate().context("cannot make a private key")?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Mantlet");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = names
            .iter()
            .map(|name| Ok(SanType::DnsName(name.as_str().try_into()?)))
            .collect::<Result<_, rcgen::Error>>()?;
        set_validity(&mut params, CERTIFICATE_DAYS);
        let certificate =
            params.signed_by(&key, &self.issuer).context("cannot sign the suffix's certificate")?;
        Ok(IssuedCertificate {
            chain: certificate.pem() + &self.certificate_pem,
            private_key: Zeroizing::new(key.serialize_pem()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::{CertificateError, RootCertStore};
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{ServerName, UnixTime};

    use super::*;

    struct Room {
        _parent: tempfile::TempDir,
        directory: DataDir,
    }

    impl Room {
        fn new() -> Self {
            let parent = tempfile::tempdir().unwrap();
            let directory = DataDir::open_or_create(parent.path()).unwrap();
            Self { _parent: parent, directory }
        }

        fn load(&self, suffix: &str) -> Result<Authorities> {
            let suffix = HostName::parse(suffix).unwrap();
            Authorities::load_or_create(&self.directory, &self.directory.sealing_key(), &suffix)
        }

        fn ca(&self) -> String {
            fs::read_to_string(self.directory.ca()).unwrap()
        }

        fn file(&self, name: &str) -> PathBuf {
            self.directory.authorities().unwrap().join(name)
        }

        fn check_refused(&self, expect: &str) {
            let message = format!("{:#}", self.load("mantlet.localhost").err().unwrap());
            assert!(message.contains(expect), "{message}");
        }
    }

    fn verify(issued: &IssuedCertificate, name: &str) -> Result<(), rustls::Error> {
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(issued.chain.as_bytes()).map(Result::unwrap).collect();
        let mut roots = RootCertStore::empty();
        roots.add(chain.last().unwrap().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now()).map(|_| ())
    }

    #[test]
    fn the_suffix_certificate_is_good_for_every_distribution_and_nothing_else() {
        let suffix = HostName::parse("mantlet.localhost").unwrap();
        let issued =
            Room::new().load("mantlet.localhost").unwrap().issue_suffix_certificate(&suffix).unwrap();
        verify(&issued, "d111111abcdef8.mantlet.localhost").unwrap();
        verify(&issued, "mantlet.localhost").unwrap();
        verify(&issued, "a.b.mantlet.localhost").unwrap_err();
        verify(&issued, "example.com").unwrap_err();
    }

    #[test]
    fn an_authority_signs_nothing_outside_of_its_time() {
        let viewers = Room::new().load("mantlet.localhost").unwrap().viewers;
        viewers.check_is_valid(OffsetDateTime::now_utc()).unwrap();
        for wrong in [Duration::days(-2), Duration::days(AUTHORITY_DAYS + 1)] {
            let refused = viewers.check_is_valid(OffsetDateTime::now_utc() + wrong).unwrap_err().to_string();
            assert!(refused.contains("clock says otherwise"), "{refused}");
        }
    }

    #[test]
    fn the_viewers_authority_cannot_vouch_for_another_name() {
        let authorities = Room::new().load("mantlet.localhost").unwrap();
        for name in ["bank.example", "localhost", "xmantlet.localhost"] {
            let forged = authorities.viewers.issue_server_certificate(&[name.to_owned()]).unwrap();
            let error = verify(&forged, name).unwrap_err();
            assert!(
                matches!(&error, rustls::Error::InvalidCertificate(CertificateError::Other(_))),
                "{name}: {error:?}"
            );
        }
    }

    #[test]
    fn authorities_are_kept_by_suffix() {
        let room = Room::new();
        room.load("mantlet.localhost").unwrap();
        let first = room.ca();
        room.load("shield.example.org").unwrap();
        assert_ne!(room.ca(), first);
        room.load("mantlet.localhost").unwrap();
        assert_eq!(room.ca(), first);
    }

    #[test]
    fn three_authorities_share_nothing() {
        let room = Room::new();
        room.load("mantlet.localhost").unwrap();
        let read = |name: &str| fs::read_to_string(room.file(name)).unwrap();
        let all = [read("viewers-mantlet.localhost.pem"), read("connectors.pem"), read("origins.pem")];
        assert_eq!(all[0], room.ca());
        assert!(all[0] != all[1] && all[1] != all[2]);
    }

    #[test]
    fn no_private_key_lies_there_in_the_clear() {
        let room = Room::new();
        room.load("mantlet.localhost").unwrap();
        for name in ["viewers-mantlet.localhost.key", "connectors.key", "origins.key"] {
            assert!(fs::read(room.file(name)).unwrap().starts_with(b"mantlet sealed 1\n"), "{name}");
        }
    }

    #[test]
    fn what_is_damaged_is_refused_and_stays_as_it_is() {
        let room = Room::new();
        room.load("mantlet.localhost").unwrap();
        let certificate = room.file("viewers-mantlet.localhost.pem");
        let key = room.file("viewers-mantlet.localhost.key");
        let (good_certificate, good_key) = (fs::read(&certificate).unwrap(), fs::read(&key).unwrap());

        fs::write(&certificate, "-----BEGIN CERTIFICATE-----").unwrap();
        room.check_refused("its certificate is damaged");
        fs::copy(room.file("origins.pem"), &certificate).unwrap();
        room.check_refused("do not belong together");
        assert_eq!(fs::read(&certificate).unwrap(), fs::read(room.file("origins.pem")).unwrap());
        fs::write(&certificate, good_certificate).unwrap();

        fs::write(&key, "junk").unwrap();
        room.check_refused("viewers-mantlet.localhost.key");
        assert_eq!(fs::read(&key).unwrap(), b"junk");
        fs::remove_file(&key).unwrap();
        room.check_refused("its private key is missing");
        fs::write(&key, good_key).unwrap();
        room.load("mantlet.localhost").unwrap();
    }

    #[test]
    fn a_copy_without_its_sealing_key_is_useless_and_says_so() {
        let room = Room::new();
        room.load("mantlet.localhost").unwrap();
        fs::remove_file(room.directory.sealing_key()).unwrap();
        room.check_refused("--sealing-key-file");
        assert!(!room.directory.sealing_key().exists());
        SealingKey::create(&room.directory.sealing_key()).unwrap();
        room.check_refused("sealed with another key");
    }

    #[test]
    fn a_first_start_that_was_interrupted_is_taken_up() {
        let room = Room::new();
        room.load("mantlet.localhost").unwrap();
        fs::remove_file(room.file("origins.pem")).unwrap();
        room.load("mantlet.localhost").unwrap();
        room.load("mantlet.localhost").unwrap();
    }
}
