//! TLS to the API of a process on this machine, which has recorded its certificate in the data directory.
//!
//! Only that very certificate is believed. Who wrote the record is who may read the access key, so it says more than any
//! authority could: nothing has to be installed, and nobody else's certificate will do.

use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::running::Running;

/// How the API is recognised.
#[derive(Clone, Debug)]
pub(crate) struct ApiTls {
    config: Arc<ClientConfig>,
    host: ServerName<'static>,
}

impl ApiTls {
    /// How to recognise the API of a running process; nothing where it speaks no TLS.
    pub(crate) fn of(running: &Running) -> Result<Option<Self>> {
        if running.endpoints.api_url.is_none() {
            return Ok(None);
        }
        let certificate = running.api_certificate.as_ref().and_then(|chain| chain.first());
        let certificate =
            certificate.context("the process has not recorded its API's certificate; restart it")?;
        let host = running.endpoints.api_host().context("the API's certificate is for no usable name")?;
        Self::new(certificate.clone(), host).map(Some)
    }

    /// The API at `host` must show `certificate`, and prove that it has its key.
    fn new(certificate: CertificateDer<'static>, host: ServerName<'static>) -> Result<Self> {
        let provider = aws_lc_rs::default_provider();
        let algorithms = provider.signature_verification_algorithms;
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .context("TLS cannot be configured")?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(OnlyThis { certificate, algorithms }))
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), host })
    }

    /// Performs the handshake.
    pub(crate) async fn connect(&self, socket: TcpStream) -> Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(self.host.clone(), socket).await.context(
            "it does not prove to be the process that recorded its certificate in the data directory",
        )
    }
}

/// Believes one certificate. A name, an issuer and a time say less than its every byte does.
#[derive(Debug)]
struct OnlyThis {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for OnlyThis {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::certificate;

    struct Identity {
        certificate: rcgen::Certificate,
        key: String,
    }

    impl Identity {
        fn new() -> Self {
            let made = rcgen::generate_simple_self_signed(["api.example".to_owned()]).unwrap();
            Self { key: made.signing_key.serialize_pem(), certificate: made.cert }
        }
    }

    /// The outcome of a handshake with a server of this identity by a client that believes `certificate`.
    async fn connect(server: &Identity, certificate: &rcgen::Certificate) -> Result<()> {
        let key = edge::certified_key(server.certificate.pem().as_bytes(), server.key.as_bytes()).unwrap();
        let acceptor = TlsAcceptor::from(certificate::api_tls(key.into()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.ok()?;
            stream.write_all(b"!").await.ok()
        });
        let host = ServerName::try_from("api.example").unwrap();
        let tls = ApiTls::new(certificate.der().clone(), host).unwrap();
        let mut stream = tls.connect(TcpStream::connect(address).await.unwrap()).await?;
        assert_eq!(stream.read_u8().await.unwrap(), b'!');
        serving.await.unwrap();
        Ok(())
    }

    #[tokio::test]
    async fn the_recorded_certificate_is_believed_and_no_other() {
        let (one, other) = (Identity::new(), Identity::new());
        connect(&one, &one.certificate).await.unwrap();
        let refused = format!("{:#}", connect(&other, &one.certificate).await.unwrap_err());
        assert!(refused.contains("does not prove"), "{refused}");
    }
}
