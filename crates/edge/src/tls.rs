//! TLS towards viewers: which certificate, versions and protocols a viewer gets, chosen after its
//! ClientHello has named the host that it wants.
//!
//! A name that a distribution's owner added gets the distribution's own certificate; every other name,
//! the ones that distributions are given included, gets the suffix's.
//!
//! What is negotiated depends on the certificate, on the oldest version that the distribution allows
//! and on whether it speaks HTTP/2, and on nothing else. There is one `ServerConfig` for each such
//! combination, made once and shared by all threads. Each owns the keys of its session tickets (fresh
//! ones every six hours), so a session can be resumed on any thread and never under another
//! configuration. Within a configuration rustls itself resumes a session only for the same SNI.

mod opened;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use edge_config::{LinkedDistribution, MinimumProtocolVersion, Snapshot};
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::server::{Accepted, Acceptor, ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CipherSuite, HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection, SupportedCipherSuite,
};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;

pub(crate) use opened::OpenedCertificates;
pub use opened::{OpenError, PrivateKeyOpener};

use crate::preparation::Prepared;

/// How long a viewer may take from its first byte to the end of the handshake. Slow mobile networks
/// need about 3 s; longer is a way to hold sockets.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// The most bytes of a ClientHello. Browsers with post-quantum key shares send about 2 KiB; rustls
/// alone would take 64 KiB from everybody.
const CLIENT_HELLO_BYTES_MAX: usize = 16 * 1024;

/// The cipher suites of CloudFront's policies TLSv1.2_2021 and TLSv1.3_2025 ("Supported protocols and
/// ciphers between viewers and CloudFront"): forward secrecy and authenticated encryption only.
static CIPHER_SUITES: &[SupportedCipherSuite] = &[
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// The key exchanges of the same page; the post-quantum ones exist in TLS 1.3 only.
static KEY_EXCHANGES: &[&dyn SupportedKxGroup] = &[
    kx_group::X25519MLKEM768,
    kx_group::X25519,
    kx_group::SECP256R1,
    kx_group::SECP256R1MLKEM768,
    kx_group::SECP384R1,
];

/// Why a certificate and a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// No `CERTIFICATE` block, or a damaged one.
    #[error("the certificate file holds no PEM certificate chain")]
    MalformedCertificate(#[source] pem::Error),
    /// No private key block, or a damaged one.
    #[error("the key file holds no PEM private key")]
    MalformedKey(#[source] pem::Error),
    /// A kind of key that TLS servers do not have, or the key of another certificate.
    #[error("the certificate and the private key cannot serve TLS")]
    Unusable(#[source] rustls::Error),
}

/// Why TLS cannot be served at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The provider lacks what the configuration names.
    #[error("TLS cannot be configured")]
    Configuration(#[source] rustls::Error),
    /// No keys for session tickets.
    #[error("no keys for TLS session tickets could be made")]
    TicketKeys(#[source] rustls::Error),
}

/// Why a viewer's TLS handshake did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// Not done in time.
    #[error("the TLS handshake took longer than {HANDSHAKE_TIME_MAX:?}")]
    TimedOut,
    /// More ClientHello than anybody needs.
    #[error("the TLS ClientHello is larger than {CLIENT_HELLO_BYTES_MAX} bytes")]
    ClientHelloTooBig,
    /// The viewer closed first.
    #[error("the viewer closed the connection during the TLS handshake")]
    ViewerLeft,
    /// No TLS, or nothing in common: version, cipher suite or protocol.
    #[error("the TLS handshake failed")]
    Refused(#[source] rustls::Error),
    /// The connection broke.
    #[error("the connection broke during the TLS handshake")]
    Broken(#[source] io::Error),
}

/// A version of TLS that was negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl TlsVersion {
    /// As `ssl-protocol` in the access log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }

    /// Whether a distribution with that minimum may be served over it. The certificate's owner and the
    /// distribution that the Host names can differ, so this is asked again for every request.
    pub(crate) fn satisfies(self, minimum: MinimumProtocolVersion) -> bool {
        match minimum {
            MinimumProtocolVersion::Tls12 => true,
            MinimumProtocolVersion::Tls13 => self == Self::Tls13,
        }
    }
}

/// The protocol that ALPN chose; HTTP/1.1 where the viewer offered none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alpn {
    /// `http/1.1`.
    Http1,
    /// `h2`.
    Http2,
}

/// What a handshake settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFacts {
    /// The host that the viewer named, in lower case.
    pub(crate) sni: Option<Arc<str>>,
    /// The version.
    pub(crate) version: TlsVersion,
    /// The cipher suite, as `ssl-cipher` in the access log.
    pub(crate) cipher: &'static str,
    /// The protocol inside.
    pub(crate) alpn: Alpn,
    /// Whether it continued an earlier session.
    pub(crate) resumed: bool,
}

/// TLS towards viewers; cheap to clone, and shared by all threads.
#[derive(Clone, Debug)]
pub struct ViewerTls {
    suffix: Arc<CertificateConfigs>,
    opener: PrivateKeyOpener,
}

impl ViewerTls {
    /// TLS that shows `suffix_certificate` (the wildcard for the distributions' domain names) to every
    /// viewer, whatever name it asks for, but for distributions' own certificates.
    pub fn new(suffix_certificate: impl Into<ServedCertificate>) -> Result<Self, TlsSetupError> {
        let suffix = CertificateConfigs::new(&suffix_certificate.into())?;
        Ok(Self { suffix: Arc::new(suffix), opener: PrivateKeyOpener::of_nothing() })
    }

    /// With what opens the private keys of distributions' own certificates.
    #[must_use]
    pub fn with_private_keys(self, opener: PrivateKeyOpener) -> Self {
        Self { opener, ..self }
    }

    /// The certificates of a snapshot, given those of the one before.
    pub(crate) fn open_certificates(
        &self,
        previous: &Arc<OpenedCertificates>,
        snapshot: &Snapshot,
    ) -> Arc<OpenedCertificates> {
        previous.next(&self.opener, snapshot)
    }

    /// Performs a viewer's handshake.
    pub(crate) async fn accept(
        &self,
        viewer: TcpStream,
        prepared: &Prepared,
    ) -> Result<(TlsStream<TcpStream>, TlsFacts), TlsError> {
        tokio::time::timeout(HANDSHAKE_TIME_MAX, self.accept_without_limit(viewer, prepared))
            .await
            .map_err(|_| TlsError::TimedOut)?
    }

    async fn accept_without_limit(
        &self,
        viewer: TcpStream,
        prepared: &Prepared,
    ) -> Result<(TlsStream<TcpStream>, TlsFacts), TlsError> {
        let hello = read_client_hello(&viewer).await?;
        let sni = hello.client_hello().server_name().map(|name| Arc::<str>::from(name.to_ascii_lowercase()));
        let config = self.config(sni.as_deref().unwrap_or_default(), prepared);
        let stream = StartHandshake::from_parts(hello, viewer).into_stream(config).await.map_err(misdeed)?;
        let facts = facts(stream.get_ref().1, sni)?;
        Ok((stream, facts))
    }

    /// A name that no distribution has, a disabled one's and none at all get the same answer, so
    /// that a handshake tells nobody which names exist.
    fn config(&self, name: &str, prepared: &Prepared) -> Arc<ServerConfig> {
        match prepared.snapshot.distribution_by_host(name) {
            Some(found) if found.enabled => {
                let own = own_certificate(name, found, &prepared.certificates);
                own.unwrap_or(&self.suffix).select(found.minimum_protocol_version, found.http2)
            }
            _ => self.suffix.select(MinimumProtocolVersion::Tls12, true),
        }
    }
}

/// The certificate of a name that the distribution's owner added. The one that it was given stays the
/// suffix's, as with CloudFront ("Use alternate domain names and HTTPS").
fn own_certificate<'p>(
    name: &str,
    distribution: &LinkedDistribution,
    certificates: &'p OpenedCertificates,
) -> Option<&'p Arc<CertificateConfigs>> {
    let is_added = name != distribution.domain_name.as_str();
    let own = distribution.certificate.as_ref().filter(|_| is_added)?;
    certificates.get(&own.id)
}

/// The configurations that one certificate can be served with.
#[derive(Debug)]
struct CertificateConfigs {
    tls12: Arc<ServerConfig>,
    tls12_http2: Arc<ServerConfig>,
    tls13: Arc<ServerConfig>,
    tls13_http2: Arc<ServerConfig>,
}

impl CertificateConfigs {
    fn new(certificate: &ServedCertificate) -> Result<Self, TlsSetupError> {
        use MinimumProtocolVersion::{Tls12, Tls13};
        Ok(Self {
            tls12: server_config(certificate, Tls12, false)?,
            tls12_http2: server_config(certificate, Tls12, true)?,
            tls13: server_config(certificate, Tls13, false)?,
            tls13_http2: server_config(certificate, Tls13, true)?,
        })
    }

    fn select(&self, minimum: MinimumProtocolVersion, http2: bool) -> Arc<ServerConfig> {
        let config = match (minimum, http2) {
            (MinimumProtocolVersion::Tls12, false) => &self.tls12,
            (MinimumProtocolVersion::Tls12, true) => &self.tls12_http2,
            (MinimumProtocolVersion::Tls13, false) => &self.tls13,
            (MinimumProtocolVersion::Tls13, true) => &self.tls13_http2,
        };
        Arc::clone(config)
    }
}

fn server_config(
    certificate: &ServedCertificate,
    minimum: MinimumProtocolVersion,
    http2: bool,
) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let versions: &[_] = match minimum {
        MinimumProtocolVersion::Tls12 => &[&TLS13, &TLS12],
        MinimumProtocolVersion::Tls13 => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)
        .map_err(TlsSetupError::Configuration)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificate.clone()));
    config.alpn_protocols =
        if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsSetupError::TicketKeys)?;
    // Tickets keep sessions with the viewers; nothing is kept here.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: CIPHER_SUITES.to_vec(),
        kx_groups: KEY_EXCHANGES.to_vec(),
        ..aws_lc_rs::default_provider()
    }
}

/// Reads a PEM certificate chain and its private key.
pub fn certified_key(certificate_pem: &[u8], key_pem: &[u8]) -> Result<Arc<CertifiedKey>, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(certificate_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(CertificateError::MalformedCertificate)?;
    if chain.is_empty() {
        return Err(CertificateError::MalformedCertificate(pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(CertificateError::MalformedKey)?;
    CertifiedKey::from_der(chain, key, &provider()).map(Arc::new).map_err(CertificateError::Unusable)
}

/// The certificate that a listener shows. It can be replaced while it is served: new handshakes get the
/// new one, and what runs goes on. Clones are the same certificate.
#[derive(Clone, Debug)]
pub struct ServedCertificate(Arc<RwLock<Arc<CertifiedKey>>>);

impl ServedCertificate {
    /// The certificate that is shown now.
    pub fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows another one from here on.
    pub fn replace(&self, certificate: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certificate;
    }
}

impl From<Arc<CertifiedKey>> for ServedCertificate {
    fn from(certificate: Arc<CertifiedKey>) -> Self {
        Self(Arc::new(RwLock::new(certificate)))
    }
}

impl ResolvesServerCert for ServedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

/// Reads up to the end of the ClientHello, within its limit. (tokio-rustls's own acceptor knows none.)
async fn read_client_hello(viewer: &TcpStream) -> Result<Accepted, TlsError> {
    let mut acceptor = Acceptor::default();
    let mut received = 0;
    loop {
        viewer.readable().await.map_err(TlsError::Broken)?;
        match acceptor.read_tls(&mut TryRead(viewer)) {
            Ok(0) => return Err(TlsError::ViewerLeft),
            Ok(bytes) => received += bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(TlsError::Broken(error)),
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok(accepted),
            Ok(None) if received > CLIENT_HELLO_BYTES_MAX => return Err(TlsError::ClientHelloTooBig),
            Ok(None) => {}
            Err((error, mut alert)) => {
                // The alert is a courtesy: a few bytes to a fresh socket, or nothing.
                let _ = alert.write_all(&mut TryWrite(viewer));
                return Err(TlsError::Refused(error));
            }
        }
    }
}

struct TryRead<'a>(&'a TcpStream);

impl io::Read for TryRead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

struct TryWrite<'a>(&'a TcpStream);

impl io::Write for TryWrite<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.try_write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What went wrong, out of the I/O error that tokio-rustls wraps it in.
fn misdeed(error: io::Error) -> TlsError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return TlsError::ViewerLeft;
    }
    match error.downcast::<rustls::Error>() {
        Ok(refusal) => TlsError::Refused(refusal),
        Err(broken) => TlsError::Broken(broken),
    }
}

fn facts(connection: &ServerConnection, sni: Option<Arc<str>>) -> Result<TlsFacts, TlsError> {
    let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
    let (Some(version), Some(cipher)) =
        (connection.protocol_version().and_then(version), suite.and_then(cipher))
    else {
        // Nothing else is configured, so nothing else can have been negotiated.
        return Err(TlsError::Refused(rustls::Error::HandshakeNotComplete));
    };
    let alpn = if connection.alpn_protocol() == Some(b"h2") { Alpn::Http2 } else { Alpn::Http1 };
    let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    Ok(TlsFacts { sni, version, cipher, alpn, resumed })
}

fn version(negotiated: ProtocolVersion) -> Option<TlsVersion> {
    match negotiated {
        ProtocolVersion::TLSv1_2 => Some(TlsVersion::Tls12),
        ProtocolVersion::TLSv1_3 => Some(TlsVersion::Tls13),
        _ => None,
    }
}

/// The names that CloudFront logs: OpenSSL's.
fn cipher(negotiated: CipherSuite) -> Option<&'static str> {
    Some(match negotiated {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
