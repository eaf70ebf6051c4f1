//! Certificates that are replaced while they are served: by the local authority before they expire, or by whoever
//! replaces their files.
//!
//! What is wrong with a new certificate is logged once, and the one before stays in use. Nothing is remembered against
//! it: the next look tries again, so a file that was half written, or a clock that was wrong, mends itself.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use edge::ServedCertificate;
use edge_config::HostName;
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

use crate::authority::Authorities;
use crate::certificate::{Validity, addresses, check_covers_suffix, names, to_pem};
use crate::durable::{Audience, replace_file};
use crate::settings::CertificateFiles;

/// A certificate in use, and where the next one comes from.
pub(crate) struct RenewedCertificate {
    served: ServedCertificate,
    source: Source,
    /// What was last logged of it, so that it is not logged at every look.
    complaint: Option<String>,
}

enum Source {
    Authority { authorities: Box<Authorities>, suffix: HostName },
    Files(GivenCertificate),
}

struct GivenCertificate {
    files: CertificateFiles,
    use_as: UseAs,
    /// Of the files that are in use.
    digest: Vec<u8>,
}

/// What a given certificate is for.
enum UseAs {
    /// Viewers of distributions under a suffix.
    Suffix(HostName),
    /// The API. Others on this machine learn from the record which certificate it is.
    Api { record: PathBuf },
}

impl RenewedCertificate {
    /// One of the local authority.
    pub(crate) fn issued(authorities: Authorities, suffix: HostName) -> Result<Self> {
        let first = issue(&authorities, &suffix)?;
        Ok(Self::new(first, Source::Authority { authorities: Box::new(authorities), suffix }))
    }

    /// `--suffix-certificate`.
    pub(crate) fn of_suffix(files: CertificateFiles, suffix: HostName) -> Result<Self> {
        Self::given(files, UseAs::Suffix(suffix))
    }

    /// `--api-certificate`; the file `record` says from here on which one is in use.
    pub(crate) fn of_api(files: CertificateFiles, record: PathBuf) -> Result<Self> {
        Self::given(files, UseAs::Api { record })
    }

    fn given(files: CertificateFiles, use_as: UseAs) -> Result<Self> {
        let text = files.read()?;
        let first = files.parse(&text)?;
        let given = GivenCertificate { digest: text.digest(), files, use_as };
        given.take(&first)?;
        Ok(Self::new(first, Source::Files(given)))
    }

    fn new(first: Arc<CertifiedKey>, source: Source) -> Self {
        Self { served: first.into(), source, complaint: None }
    }

    /// What listeners show.
    pub(crate) fn served(&self) -> ServedCertificate {
        self.served.clone()
    }

    /// Whether it is one that was given, not one of the local authority.
    pub(crate) fn is_given(&self) -> bool {
        matches!(self.source, Source::Files(_))
    }

    /// Takes the next certificate if there is one.
    pub(crate) fn look(&mut self, now: OffsetDateTime) {
        let outcome = self.source.next(&self.served.current(), now);
        let complaint = match outcome {
            Ok(None) => None,
            Ok(Some(next)) => {
                tracing::info!(certificate = %self.source.name(), names = ?names(&next), "Took a new certificate");
                self.served.replace(next);
                None
            }
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(error) = &complaint
            && self.complaint != complaint
        {
            tracing::error!(
                certificate = %self.source.name(),
                %error,
                "Refused a new certificate; the one before stays in use"
            );
        }
        self.complaint = complaint;
    }
}

impl Source {
    /// What a person calls it.
    fn name(&self) -> String {
        match self {
            Self::Authority { suffix, .. } => format!("*.{suffix}"),
            Self::Files(given) => given.files.certificate.display().to_string(),
        }
    }

    fn next(&mut self, current: &CertifiedKey, now: OffsetDateTime) -> Result<Option<Arc<CertifiedKey>>> {
        match self {
            Self::Authority { authorities, suffix } if Validity::of(current)?.is_due(now) => {
                issue(authorities, suffix).map(Some)
            }
            Self::Authority { .. } => Ok(None),
            Self::Files(given) => given.next(current, now),
        }
    }
}

impl GivenCertificate {
    fn next(&mut self, current: &CertifiedKey, now: OffsetDateTime) -> Result<Option<Arc<CertifiedKey>>> {
        let text = self.files.read()?;
        let digest = text.digest();
        if digest == self.digest {
            return Ok(None);
        }
        let next = self.files.parse(&text)?;
        Validity::of(&next)
            .and_then(|validity| validity.check(now))
            .with_context(|| format!("{} cannot replace the one before", self.files.certificate.display()))?;
        self.check_keeps_names(current, &next)?;
        self.take(&next)?;
        self.digest = digest;
        Ok(Some(next))
    }

    /// Refuses one that is not for what it is to be used for; records one that is.
    fn take(&self, certificate: &CertifiedKey) -> Result<()> {
        match &self.use_as {
            UseAs::Suffix(suffix) => check_covers_suffix(&self.files, certificate, suffix),
            UseAs::Api { record } => {
                replace_file(record, to_pem(&certificate.cert).as_bytes(), Audience::Everybody)
            }
        }
    }

    /// Clients of the API call it by a name of the first certificate.
    fn check_keeps_names(&self, current: &CertifiedKey, next: &CertifiedKey) -> Result<()> {
        let kept = match names(current).into_iter().find(|name| !name.starts_with('*')) {
            Some(name) => names(next).contains(&name).then_some(()).ok_or(name),
            None => match addresses(current).into_iter().find(|ip| !addresses(next).contains(ip)) {
                Some(ip) => Err(ip.to_string()),
                None => Ok(()),
            },
        };
        match (&self.use_as, kept) {
            (UseAs::Api { .. }, Err(name)) => bail!(
                "--api-certificate {} is not for {name} any more, by which clients call the API: give one that is, or \
                 restart for other names",
                self.files.certificate.display()
            ),
            _ => Ok(()),
        }
    }
}

fn issue(authorities: &Authorities, suffix: &HostName) -> Result<Arc<CertifiedKey>> {
    let issued = authorities.issue_suffix_certificate(suffix)?;
    edge::certified_key(issued.chain.as_bytes(), issued.private_key.as_bytes())
        .context("cannot use the certificate of the local authority")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair};
    use time::Duration;

    use super::*;
    use crate::certificate::to_pem;
    use crate::data_dir::DataDir;

    const SUFFIX: &str = "shield.example";

    struct Room {
        parent: tempfile::TempDir,
        files: CertificateFiles,
    }

    impl Room {
        fn new() -> Self {
            let parent = tempfile::tempdir().unwrap();
            let at = |name: &str| parent.path().join(name);
            let files = CertificateFiles { certificate: at("chain.pem"), private_key: at("key.pem") };
            let room = Self { parent, files };
            room.put(&["*.shield.example"], 0);
            room
        }

        /// Replaces both files by a new certificate that begins in some days.
        fn put(&self, names: &[&str], begins_in_days: i64) {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            let mut params = CertificateParams::new(names).unwrap();
            params.not_before = now() + Duration::days(begins_in_days) - Duration::hours(1);
            params.not_after = params.not_before + Duration::days(30);
            let key = KeyPair::generate().unwrap();
            fs::write(&self.files.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
            fs::write(&self.files.private_key, key.serialize_pem()).unwrap();
        }

        fn suffix(&self) -> RenewedCertificate {
            RenewedCertificate::of_suffix(self.files.clone(), suffix()).unwrap()
        }

        fn record(&self) -> PathBuf {
            self.parent.path().join("api.pem")
        }

        fn api(&self) -> RenewedCertificate {
            RenewedCertificate::of_api(self.files.clone(), self.record()).unwrap()
        }
    }

    fn now() -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn suffix() -> HostName {
        HostName::parse(SUFFIX).unwrap()
    }

    /// Whether a look replaces the certificate, and what is wrong if it does not.
    fn look(certificate: &mut RenewedCertificate, now: OffsetDateTime) -> (bool, String) {
        let before = certificate.served().current();
        certificate.look(now);
        let replaced = certificate.served().current().cert != before.cert;
        (replaced, certificate.complaint.clone().unwrap_or_default())
    }

    #[track_caller]
    fn check_refused(certificate: &mut RenewedCertificate, expect: &str) {
        let (replaced, complaint) = look(certificate, now());
        assert!(!replaced && complaint.contains(expect), "{replaced}: {complaint}");
    }

    const TAKEN: (bool, String) = (true, String::new());
    const NOTHING_NEW: (bool, String) = (false, String::new());

    #[test]
    fn files_that_were_replaced_are_taken_once() {
        let room = Room::new();
        let mut certificate = room.suffix();
        assert_eq!(look(&mut certificate, now()), NOTHING_NEW);
        room.put(&["*.shield.example"], 0);
        assert_eq!(look(&mut certificate, now()), TAKEN);
        assert_eq!(look(&mut certificate, now()), NOTHING_NEW);
    }

    #[test]
    fn what_cannot_be_used_is_refused_until_it_is_mended() {
        let room = Room::new();
        let mut certificate = room.suffix();
        let good_key = fs::read(&room.files.private_key).unwrap();
        room.put(&["*.shield.example"], 0);
        let new_key = fs::read(&room.files.private_key).unwrap();
        fs::write(&room.files.private_key, good_key).unwrap();
        check_refused(&mut certificate, "cannot be used");
        fs::remove_file(&room.files.private_key).unwrap();
        check_refused(&mut certificate, "there is no file");
        fs::write(&room.files.private_key, new_key).unwrap();
        assert_eq!(look(&mut certificate, now()), TAKEN);

        room.put(&["www.example"], 0);
        check_refused(&mut certificate, "distributions need *.shield.example");
        room.put(&["*.shield.example"], -60);
        check_refused(&mut certificate, "it expired at");
        room.put(&["*.shield.example"], 2);
        check_refused(&mut certificate, "is this machine's clock right?");
        assert_eq!(look(&mut certificate, now() + Duration::days(3)), TAKEN, "once its time has come");
    }

    #[test]
    fn the_apis_certificate_is_recorded_and_keeps_the_name_that_clients_use() {
        let room = Room::new();
        room.put(&["api.example", "other.example"], 0);
        let mut certificate = room.api();
        let recorded = || fs::read_to_string(room.record()).unwrap();
        let in_use = |certificate: &RenewedCertificate| to_pem(&certificate.served().current().cert);
        assert_eq!(recorded(), in_use(&certificate));
        room.put(&["other.example"], 0);
        check_refused(&mut certificate, "not for api.example any more");
        room.put(&["api.example"], 0);
        assert_eq!(look(&mut certificate, now()), TAKEN);
        assert_eq!(recorded(), in_use(&certificate));
    }

    #[test]
    fn a_certificate_of_the_local_authority_is_renewed_in_time_and_after_a_wrong_clock() {
        let room = Room::new();
        let directory = DataDir::open_or_create(&room.parent.path().join("data")).unwrap();
        let authorities =
            || Authorities::load_or_create(&directory, &directory.sealing_key(), &suffix()).unwrap();
        let mut certificate = RenewedCertificate::issued(authorities(), suffix()).unwrap();
        assert_eq!(look(&mut certificate, now()), NOTHING_NEW);
        assert_eq!(look(&mut certificate, now() + Duration::days(540)), NOTHING_NEW);
        assert_eq!(look(&mut certificate, now() + Duration::days(560)), TAKEN);
        assert_eq!(look(&mut certificate, now() - Duration::days(1)), TAKEN, "it has not begun");
    }
}
