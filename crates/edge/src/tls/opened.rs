//! The certificates that distributions have of their own, opened: made off the request path, each once
//! for each of its revisions.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use edge_config::{LinkedCertificate, Revision, Snapshot};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::{CertificateConfigs, TlsSetupError};

/// Why a sealed private key stays closed.
pub type OpenError = Box<dyn Error + Send + Sync>;

type Open = dyn Fn(&str, &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> + Send + Sync;

/// What opens sealed private keys.
#[derive(Clone)]
pub struct PrivateKeyOpener(Arc<Open>);

impl PrivateKeyOpener {
    /// `open` is given a certificate's id and its sealed key, and returns the key in DER.
    pub fn new(
        open: impl Fn(&str, &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(open))
    }

    /// For edges that have no sealing key.
    pub(super) fn of_nothing() -> Self {
        Self::new(|_, _| Err("this edge was given no key that opens private keys".into()))
    }
}

impl fmt::Debug for PrivateKeyOpener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrivateKeyOpener")
    }
}

/// Why a certificate of the snapshot cannot be shown to viewers.
#[derive(Debug, thiserror::Error)]
enum UnusableCertificate {
    #[error("its private key cannot be opened")]
    Sealed(#[source] OpenError),
    #[error("what was sealed is no private key")]
    NoPrivateKey,
    #[error("the certificate and the private key cannot serve TLS")]
    Unusable(#[source] rustls::Error),
    #[error(transparent)]
    Setup(TlsSetupError),
}

/// The certificates of one snapshot, ready for handshakes.
#[derive(Debug, Default)]
pub(crate) struct OpenedCertificates(HashMap<Arc<str>, OpenedCertificate>);

#[derive(Clone, Debug)]
struct OpenedCertificate {
    revision: Revision,
    /// None where it never could be opened.
    configs: Option<Arc<CertificateConfigs>>,
}

impl OpenedCertificates {
    pub(super) fn get(&self, id: &str) -> Option<&Arc<CertificateConfigs>> {
        self.0.get(id)?.configs.as_ref()
    }

    /// Those of the next snapshot, at the cost of what changed.
    pub(super) fn next(self: &Arc<Self>, opener: &PrivateKeyOpener, snapshot: &Snapshot) -> Arc<Self> {
        let is_same = |certificate: &Arc<LinkedCertificate>| {
            self.0.get(&certificate.id).is_some_and(|known| known.revision == certificate.revision)
        };
        if snapshot.certificates().count() == self.0.len() && snapshot.certificates().all(is_same) {
            return Arc::clone(self);
        }
        let next = snapshot.certificates().map(|certificate| {
            let entry = match self.0.get(&certificate.id) {
                Some(known) if known.revision == certificate.revision => known.clone(),
                previous => OpenedCertificate::of(certificate, opener, previous),
            };
            (Arc::clone(&certificate.id), entry)
        });
        Arc::new(Self(next.collect()))
    }
}

impl OpenedCertificate {
    /// One that cannot be opened leaves what viewers saw before, so that a renewal that went wrong
    /// takes nothing down.
    fn of(certificate: &LinkedCertificate, opener: &PrivateKeyOpener, previous: Option<&Self>) -> Self {
        let revision = certificate.revision;
        match open(certificate, opener) {
            Ok(configs) => Self { revision, configs: Some(Arc::new(configs)) },
            Err(error) => {
                tracing::error!(
                    certificate = &*certificate.id,
                    %revision,
                    error = &error as &dyn Error,
                    "A certificate cannot be shown to viewers; import it again"
                );
                Self { revision, configs: previous.and_then(|previous| previous.configs.clone()) }
            }
        }
    }
}

fn open(
    certificate: &LinkedCertificate,
    opener: &PrivateKeyOpener,
) -> Result<CertificateConfigs, UnusableCertificate> {
    let LinkedCertificate { id, certificate, .. } = certificate;
    let key =
        (opener.0)(id, certificate.sealed_private_key.as_slice()).map_err(UnusableCertificate::Sealed)?;
    let key = PrivateKeyDer::try_from(key.as_slice()).map_err(|_| UnusableCertificate::NoPrivateKey)?;
    let key = any_supported_type(&key).map_err(UnusableCertificate::Unusable)?;
    let chain = certificate.chain.iter().map(|der| CertificateDer::from(der.as_slice().to_vec())).collect();
    let certified_key = CertifiedKey::new(chain, key);
    certified_key.keys_match().map_err(UnusableCertificate::Unusable)?;
    CertificateConfigs::new(&Arc::new(certified_key).into()).map_err(UnusableCertificate::Setup)
}
