//! TLS towards viewers: which certificate, versions and protocols a viewer gets, chosen after its
//! ClientHello has named the host that it wants.
//!
//! A name that a distribution's owner added gets the distribution's own certificate; every other name,
//! the ones that distributions are given included, gets the suffix's.
//!
//! What is negotiated depends on the certificate, on the distribution's security policy and on which versions
//! of HTTP it speaks, and on nothing else. There is one `ServerConfig` for each such
//! combination, made once and shared by all threads. Each owns the keys of its session tickets (fresh
//! ones every six hours), so a session can be resumed on any thread and never under another
//! configuration. Within a configuration rustls itself resumes a session only for the same SNI.

pub(crate) mod client_hello;
mod fingerprint;
mod opened;
mod quic;
mod security_policy;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use behavior::HttpVersion;
use edge_config::{LinkedDistribution, MinimumProtocolVersion, Snapshot};
use rustls::crypto::aws_lc_rs;
use rustls::server::{Accepted, Acceptor, ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CommonState, HandshakeKind, ProtocolVersion, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;

pub(crate) use fingerprint::Fingerprints;
pub(crate) use opened::OpenedCertificates;
pub use opened::{OpenError, PrivateKeyOpener};
pub(crate) use quic::{QUIC_VERSION, QuicTls};
pub(crate) use security_policy::NegotiatedCipher;

use crate::handshake_turns::Turns;
use crate::preparation::Prepared;

/// How long a viewer may take from its first byte to the end of the handshake. Slow mobile networks
/// need about 3 s; longer is a way to hold sockets.
pub(crate) const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// The most bytes of a ClientHello. Browsers with post-quantum key shares send about 2 KiB; rustls
/// alone would take 64 KiB from everybody.
const CLIENT_HELLO_BYTES_MAX: usize = 16 * 1024;

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
}

/// The protocol that ALPN chose; HTTP/1.1 where the viewer offered none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alpn {
    /// `http/1.1`.
    Http1,
    /// `h2`.
    Http2,
    /// `h3`, within QUIC.
    Http3,
}

/// What a handshake was begun with, by the name in the ClientHello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The id of the distribution's own certificate; none stands for the suffix's.
    pub(crate) certificate: Option<Arc<str>>,
    /// The security policy.
    pub(crate) policy: MinimumProtocolVersion,
}

impl Terms {
    /// Of names that nobody has, and of no name at all.
    const OF_NOBODY: Self = Self { certificate: None, policy: MinimumProtocolVersion::Tls12 };

    /// Those of the name in a ClientHello, in lower case, and whether HTTP/2 is offered with them.
    ///
    /// A name that no distribution has, a disabled one's and none at all get the same answer, so
    /// that a handshake tells nobody which names exist.
    fn by_name(name: &str, snapshot: &Snapshot) -> (Self, bool) {
        match snapshot.distribution_by_host(name) {
            Some(found) if found.enabled => (Self::of(name, found), found.http2),
            _ => (Self::OF_NOBODY, true),
        }
    }

    /// Those of one of the distribution's names. The name that it was given stays the suffix's, as with
    /// CloudFront ("Use alternate domain names and HTTPS").
    fn of(name: &str, distribution: &LinkedDistribution) -> Self {
        let is_added = name != distribution.domain_name.as_str();
        let own = distribution.certificate.as_ref().filter(|_| is_added);
        Self {
            certificate: own.map(|own| Arc::clone(&own.id)),
            policy: distribution.minimum_protocol_version,
        }
    }
}

/// What a handshake settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFacts {
    /// The host that the viewer named, in lower case.
    pub(crate) sni: Option<Arc<str>>,
    /// What it was begun with.
    pub(crate) terms: Terms,
    /// The version.
    pub(crate) version: TlsVersion,
    /// The cipher suite.
    pub(crate) cipher: NegotiatedCipher,
    /// The protocol inside.
    pub(crate) alpn: Alpn,
    /// Whether it continued an earlier session.
    pub(crate) resumed: bool,
    /// What the ClientHello looked like, where any distribution wants to know.
    pub(crate) fingerprints: Option<Arc<Fingerprints>>,
}

impl TlsFacts {
    /// Whether a request for this host may be served over the connection: whether a handshake for the
    /// host itself would have ended as well. It is in lower case.
    ///
    /// Where the viewer named it in the ClientHello only the security policy is asked, which can have
    /// become stricter since; a certificate that was replaced meanwhile breaks no connection.
    pub(crate) fn are_good_for(&self, host: &str, distribution: &LinkedDistribution) -> bool {
        if self.alpn == Alpn::Http3 && !distribution.http3 {
            return false;
        }
        if self.sni.as_deref() == Some(host) {
            let policy = distribution.minimum_protocol_version;
            return security_policy::permits(policy, self.version, self.cipher);
        }
        let terms = Terms::of(host, distribution);
        self.terms.certificate == terms.certificate && self.terms.policy.is_within(terms.policy)
    }
}

/// What a handshake would offer, without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The name in the ClientHello.
    pub server_name: Option<String>,
    /// The id of the certificate that would be shown; none stands for the suffix's.
    pub certificate: Option<Arc<str>>,
    /// The security policy in force.
    pub policy: MinimumProtocolVersion,
    /// The versions of TLS.
    pub versions: Vec<&'static str>,
    /// The cipher suites, as CloudFront names them, by preference.
    pub cipher_suites: Vec<&'static str>,
    /// Whether HTTP/2 is offered besides HTTP/1.1.
    pub http2: bool,
}

impl Handshake {
    /// The one that a ClientHello with this name would begin, and its facts if it ended well.
    pub(crate) fn explain(
        server_name: Option<&str>,
        http_version: HttpVersion,
        snapshot: &Snapshot,
    ) -> (Self, TlsFacts) {
        let sni = server_name.map(|name| Arc::<str>::from(name.to_ascii_lowercase()));
        let (terms, http2) = Terms::by_name(sni.as_deref().unwrap_or_default(), snapshot);
        let policy = terms.policy;
        let offered = security_policy::offered(policy);
        let handshake = Self {
            server_name: server_name.map(str::to_owned),
            certificate: terms.certificate.clone(),
            policy,
            versions: security_policy::versions(policy).iter().map(|version| version.as_str()).collect(),
            cipher_suites: offered.iter().map(|cipher| cipher.name).collect(),
            http2,
        };
        // What every policy has: a version and a cipher suite that the viewer may have negotiated.
        let (version, cipher) = (TlsVersion::Tls13, NegotiatedCipher::OF_EVERY_POLICY);
        let alpn = match http_version {
            HttpVersion::Http3 => Alpn::Http3,
            HttpVersion::Http2 => Alpn::Http2,
            HttpVersion::Http10 | HttpVersion::Http11 => Alpn::Http1,
        };
        let facts = TlsFacts { sni, terms, version, cipher, alpn, resumed: false, fingerprints: None };
        (handshake, facts)
    }
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

    /// Performs a viewer's handshake, whose steps wait for their turns.
    pub(crate) async fn accept(
        &self,
        viewer: TcpStream,
        prepared: &Prepared,
        turns: Turns<'_>,
    ) -> Result<(TlsStream<TcpStream>, TlsFacts), TlsError> {
        tokio::time::timeout(HANDSHAKE_TIME_MAX, self.accept_without_limit(viewer, prepared, turns))
            .await
            .map_err(|_| TlsError::TimedOut)?
    }

    async fn accept_without_limit(
        &self,
        viewer: TcpStream,
        prepared: &Prepared,
        turns: Turns<'_>,
    ) -> Result<(TlsStream<TcpStream>, TlsFacts), TlsError> {
        let mut recorded = Vec::new();
        let recording = prepared.snapshot.wants_fingerprints().then_some(&mut recorded);
        let hello = read_client_hello(&viewer, recording).await?;
        let sni = hello.client_hello().server_name().map(|name| Arc::<str>::from(name.to_ascii_lowercase()));
        let fingerprints = Fingerprints::of_records(&recorded).map(Arc::new);
        drop(recorded);
        let (config, terms) = self.select(sni.as_deref().unwrap_or_default(), prepared);
        // Making the stream is the first step: mostly it exchanges the keys and makes the signature.
        let handshake = async { StartHandshake::from_parts(hello, viewer).into_stream(config).await };
        let stream = turns.step_by_step(handshake).await.map_err(misdeed)?;
        let facts = facts(stream.get_ref().1, sni, terms).ok_or_else(unknown_outcome)?;
        Ok((stream, TlsFacts { fingerprints, ..facts }))
    }

    fn select(&self, name: &str, prepared: &Prepared) -> (Arc<ServerConfig>, Terms) {
        let (terms, http2) = Terms::by_name(name, &prepared.snapshot);
        let own = terms.certificate.as_deref().and_then(|id| prepared.certificates.get(id));
        let configs = own.unwrap_or(&self.suffix).of(terms.policy);
        (Arc::clone(if http2 { &configs.http2 } else { &configs.http1 }), terms)
    }

    /// As [`select`](Self::select), for QUIC: none for every name whose distribution does not speak HTTP/3, so
    /// that they all get the same alert.
    fn select_http3(&self, name: &str, prepared: &Prepared) -> Option<(Arc<ServerConfig>, Terms)> {
        let found = prepared.snapshot.distribution_by_host(name)?;
        if !found.enabled || !found.http3 {
            return None;
        }
        let terms = Terms::of(name, found);
        let own = terms.certificate.as_deref().and_then(|id| prepared.certificates.get(id));
        Some((Arc::clone(&own.unwrap_or(&self.suffix).of(terms.policy).http3), terms))
    }
}

/// The configurations that one certificate can be served with, by security policy.
#[derive(Debug)]
struct CertificateConfigs {
    tls12: ProtocolConfigs,
    tls12_of_2025: ProtocolConfigs,
    tls13: ProtocolConfigs,
}

/// The configurations of one certificate and one security policy.
#[derive(Debug)]
struct ProtocolConfigs {
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
    http3: Arc<ServerConfig>,
}

impl CertificateConfigs {
    fn new(certificate: &ServedCertificate) -> Result<Self, TlsSetupError> {
        let configs = |policy| {
            Ok(ProtocolConfigs {
                http1: server_config(certificate, policy, &[b"http/1.1"])?,
                http2: server_config(certificate, policy, &[b"h2", b"http/1.1"])?,
                http3: server_config(certificate, policy, &[b"h3"])?,
            })
        };
        Ok(Self {
            tls12: configs(MinimumProtocolVersion::Tls12)?,
            tls12_of_2025: configs(MinimumProtocolVersion::Tls12Of2025)?,
            tls13: configs(MinimumProtocolVersion::Tls13)?,
        })
    }

    fn of(&self, policy: MinimumProtocolVersion) -> &ProtocolConfigs {
        match policy {
            MinimumProtocolVersion::Tls12 => &self.tls12,
            MinimumProtocolVersion::Tls12Of2025 => &self.tls12_of_2025,
            MinimumProtocolVersion::Tls13 => &self.tls13,
        }
    }
}

fn server_config(
    certificate: &ServedCertificate,
    policy: MinimumProtocolVersion,
    protocols: &[&[u8]],
) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let mut config = ServerConfig::builder_with_provider(security_policy::provider(policy))
        .with_protocol_versions(security_policy::protocol_versions(policy))
        .map_err(TlsSetupError::Configuration)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificate.clone()));
    // The policy's order decides, not the viewer's, whom somebody may have talked into less.
    config.ignore_client_order = true;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsSetupError::TicketKeys)?;
    // Tickets keep sessions with the viewers; nothing is kept here.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
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
    let provider = security_policy::provider(MinimumProtocolVersion::Tls12);
    CertifiedKey::from_der(chain, key, &provider).map(Arc::new).map_err(CertificateError::Unusable)
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

/// Reads up to the end of the ClientHello, within its limit, and records it where that is wanted.
/// (tokio-rustls's own acceptor knows neither.)
async fn read_client_hello(
    viewer: &TcpStream,
    mut recording: Option<&mut Vec<u8>>,
) -> Result<Accepted, TlsError> {
    let mut acceptor = Acceptor::default();
    let mut received = 0;
    loop {
        viewer.readable().await.map_err(TlsError::Broken)?;
        match acceptor.read_tls(&mut TryRead { viewer, recording: recording.as_deref_mut() }) {
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

struct TryRead<'a> {
    viewer: &'a TcpStream,
    recording: Option<&'a mut Vec<u8>>,
}

impl io::Read for TryRead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.viewer.try_read(buffer)?;
        if let Some(recording) = &mut self.recording {
            recording.extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
        Ok(read)
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

/// What a handshake settled; none before its end.
fn facts(connection: &CommonState, sni: Option<Arc<str>>, terms: Terms) -> Option<TlsFacts> {
    let version = connection.protocol_version().and_then(version)?;
    let cipher = NegotiatedCipher::new(connection.negotiated_cipher_suite()?.suite())?;
    let alpn = match connection.alpn_protocol() {
        Some(b"h2") => Alpn::Http2,
        Some(b"h3") => Alpn::Http3,
        _ => Alpn::Http1,
    };
    let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    Some(TlsFacts { sni, terms, version, cipher, alpn, resumed, fingerprints: None })
}

/// Nothing else is configured than what has a name, so nothing else can have been negotiated.
fn unknown_outcome() -> TlsError {
    TlsError::Refused(rustls::Error::HandshakeNotComplete)
}

fn version(negotiated: ProtocolVersion) -> Option<TlsVersion> {
    match negotiated {
        ProtocolVersion::TLSv1_2 => Some(TlsVersion::Tls12),
        ProtocolVersion::TLSv1_3 => Some(TlsVersion::Tls13),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
