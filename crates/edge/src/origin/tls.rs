//! TLS towards origins: whose certificates are believed, and for which names.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use behavior::host_without_port;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::OriginFailure;

/// The authorities that may vouch for HTTPS origins. They can be replaced while they are in use: new
/// connections are judged by the new ones. Clones are the same authorities.
#[derive(Clone, Debug)]
pub struct OriginRoots {
    verifier: Arc<RwLock<Arc<WebPkiServerVerifier>>>,
}

/// Why there are no authorities for origins.
#[derive(Debug, thiserror::Error)]
pub enum OriginRootsError {
    /// Nothing in it.
    #[error("there is no PEM certificate in it")]
    NoCertificate,
    /// Not a PEM certificate.
    #[error("the origins' authorities are no PEM certificates")]
    Malformed(#[source] pem::Error),
    /// A certificate that is no authority's.
    #[error("a certificate cannot be an authority")]
    NotAuthority(#[source] rustls::Error),
    /// None at all.
    #[error("no authority for origins' certificates was found on this machine")]
    Unusable(#[source] rustls::client::VerifierBuilderError),
}

impl OriginRoots {
    /// The machine's authorities.
    pub fn of_machine() -> Result<Self, OriginRootsError> {
        Self::of(machine_roots())
    }

    /// The machine's authorities, and those of a PEM text.
    pub fn of_machine_and(pem: &[u8]) -> Result<Self, OriginRootsError> {
        Self::of(with_pem(machine_roots(), pem)?)
    }

    /// The authorities of a PEM text, and no others.
    pub fn only(pem: &[u8]) -> Result<Self, OriginRootsError> {
        Self::of(with_pem(RootCertStore::empty(), pem)?)
    }

    /// Believes whom `others` believe, from here on.
    pub fn replace(&self, others: &Self) {
        let verifier = others.verifier();
        *self.verifier.write().unwrap_or_else(PoisonError::into_inner) = verifier;
    }

    fn verifier(&self) -> Arc<WebPkiServerVerifier> {
        Arc::clone(&self.verifier.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn of(roots: RootCertStore) -> Result<Self, OriginRootsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(OriginRootsError::Unusable)?;
        Ok(Self { verifier: Arc::new(RwLock::new(verifier)) })
    }

    /// Performs the handshake with an origin that is asked for as `names.sni`, and that is to speak HTTP/1.1 or,
    /// if so wanted, HTTP/2.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        names: &TlsNames,
        is_http2: bool,
    ) -> Result<TlsStream<TcpStream>, OriginFailure> {
        let verifier = EitherName { verifier: self.verifier(), other: names.other.clone() };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| OriginFailure::Tls(io::Error::other(error)))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let protocol: &[u8] = if is_http2 { b"h2" } else { b"http/1.1" };
        config.alpn_protocols = vec![protocol.to_vec()];
        // Each connection has a configuration of its own, so there is nobody to resume with.
        config.resumption = rustls::client::Resumption::disabled();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(names.sni.clone(), stream)
            .await
            .map_err(OriginFailure::Tls)?;
        // Origins of HTTP/1.1 alone often have no word for it; HTTP/2 must be agreed on (RFC 9113 section 3.2).
        if is_http2 && stream.get_ref().1.alpn_protocol() != Some(protocol) {
            return Err(OriginFailure::NoHttp2);
        }
        Ok(stream)
    }
}

fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // What cannot be read on this machine is not believed; that is all.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn with_pem(mut roots: RootCertStore, pem: &[u8]) -> Result<RootCertStore, OriginRootsError> {
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(OriginRootsError::Malformed)?;
        roots.add(certificate).map_err(OriginRootsError::NotAuthority)?;
    }
    if roots.len() == before { Err(OriginRootsError::NoCertificate) } else { Ok(roots) }
}

/// The names that an origin's certificate may be for: the origin's domain, or the Host that is
/// forwarded ("HTTP 502 status code", SSL/TLS negotiation failure). The forwarded one is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TlsNames {
    pub(crate) sni: ServerName<'static>,
    pub(super) other: Option<ServerName<'static>>,
}

impl TlsNames {
    /// `host` is the Host that the origin gets, `origin` its own name or address.
    pub(super) fn new(host: &str, origin: &str) -> Result<Self, OriginFailure> {
        let name = |text: &str| {
            let text = text.trim_start_matches('[').trim_end_matches(']');
            ServerName::try_from(text.to_ascii_lowercase()).ok()
        };
        match (name(host_without_port(host)), name(origin)) {
            (Some(sni), other) => Ok(Self { other: other.filter(|other| *other != sni), sni }),
            (None, Some(sni)) => Ok(Self { sni, other: None }),
            (None, None) => Err(OriginFailure::UnverifiableName),
        }
    }
}

/// Verifies as usual, for one of two names.
#[derive(Debug)]
struct EitherName {
    verifier: Arc<WebPkiServerVerifier>,
    other: Option<ServerName<'static>>,
}

impl ServerCertVerifier for EitherName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verify = |name: &ServerName<'_>| {
            self.verifier.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
        };
        match (verify(server_name), &self.other) {
            (Err(rustls::Error::InvalidCertificate(error)), Some(other)) if is_about_name(&error) => {
                verify(other)
            }
            (verdict, _) => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn is_about_name(error: &CertificateError) -> bool {
    matches!(error, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
}
