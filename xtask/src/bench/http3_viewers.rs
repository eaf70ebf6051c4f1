//! A load generator for HTTP/3, which wrk and h2load of Debian do not speak: many requests under way at once, and
//! no more done with each answer than to see that it is one.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use http3::{
    FieldSectionWriter, FrameKind, RequestStream, Step, opening_of_control_stream, write_frame_head,
};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::task::JoinSet;

use super::certificate::Certificate;
use super::proxy::Proxy;
use super::workload::{HTTP2_CONNECTIONS, HTTP2_STREAMS};

/// What an answer has at most.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// How the field section of an answer with status 200 begins: nothing of the dynamic table, then a whole field of the
/// static one (`0b11`), its entry 25 (RFC 9204 section 4.5 and appendix A).
const STATUS_OK: [u8; 3] = [0, 0, 0b1101_1001];

/// Loads the proxy for a while, with as many requests under way as W4 has; returns how many were answered. All must have been, and with success.
pub(super) fn load(proxy: &Proxy, certificate: &Certificate, time: Duration) -> Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut viewers = JoinSet::new();
        for _ in 0..HTTP2_CONNECTIONS {
            // A socket of its own for each, as viewers have.
            let mut endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
            endpoint.set_default_client_config(trusting(certificate)?);
            let connecting = endpoint.connect(proxy.https, &proxy.host)?;
            viewers.spawn(view(endpoint, connecting.await?, get(&proxy.host), Instant::now() + time));
        }
        let mut answered = 0;
        while let Some(ended) = viewers.join_next().await {
            answered += ended??;
        }
        Ok(answered)
    })
}

fn trusting(certificate: &Certificate) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&certificate.chain)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    Ok(ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?)))
}

/// What W4 asks for, in the form of HTTP/3.
fn get(host: &str) -> Arc<[u8]> {
    let mut section = Vec::new();
    let mut fields = FieldSectionWriter::begin(&mut section);
    let of_request: [(&[u8], &[u8]); 4] = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", host.as_bytes()),
        (b":path", b"/small"),
    ];
    for (name, value) in of_request {
        fields.field(name, &[value]);
    }
    let mut request = Vec::new();
    write_frame_head(FrameKind::Headers, section.len(), &mut request);
    request.extend_from_slice(&section);
    request.into()
}

/// Asks on one connection until the time is up.
async fn view(endpoint: Endpoint, connection: Connection, request: Arc<[u8]>, until: Instant) -> Result<u64> {
    let mut control = connection.open_uni().await?;
    control.write_all(&opening_of_control_stream()).await?;
    let mut streams = JoinSet::new();
    for _ in 0..HTTP2_STREAMS {
        let (connection, request) = (connection.clone(), Arc::clone(&request));
        streams.spawn(async move {
            let mut answered = 0;
            while Instant::now() < until {
                ask(&connection, &request).await?;
                answered += 1;
            }
            anyhow::Ok(answered)
        });
    }
    let mut answered = 0;
    while let Some(ended) = streams.join_next().await {
        answered += ended??;
    }
    // H3_NO_ERROR.
    connection.close(0x100_u32.into(), b"");
    endpoint.wait_idle().await;
    Ok(answered)
}

async fn ask(connection: &Connection, request: &[u8]) -> Result<()> {
    let (mut to_edge, mut from_edge) = connection.open_bi().await?;
    to_edge.write_all(request).await?;
    to_edge.finish()?;
    let answer = from_edge.read_to_end(ANSWER_BYTES_MAX).await.context("an answer broke off")?;
    ensure!(is_whole(&answer)?, "an answer over HTTP/3 is not one, or no success: {answer:?}");
    Ok(())
}

/// Whether that is an answer with status 200 and a body, from its first byte to its last.
fn is_whole(mut answer: &[u8]) -> Result<bool> {
    let (mut stream, mut is_success, mut body) = (RequestStream::default(), false, 0);
    while !answer.is_empty() {
        let dealt_with = match stream.step(answer)? {
            Step::NeedsMore => bail!("an answer over HTTP/3 is cut off"),
            Step::Passed { bytes, .. } => bytes,
            Step::Section(bytes) => {
                is_success |= answer.starts_with(&STATUS_OK);
                bytes
            }
            Step::Data(bytes) => {
                body += bytes;
                bytes
            }
        };
        answer = answer.get(dealt_with..).unwrap_or_default();
    }
    stream.end(0)?;
    Ok(is_success && body > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &[u8]) -> Vec<u8> {
        let (mut section, mut answer) = (Vec::new(), Vec::new());
        FieldSectionWriter::begin(&mut section).status(status);
        write_frame_head(FrameKind::Headers, section.len(), &mut answer);
        answer.extend_from_slice(&section);
        write_frame_head(FrameKind::Data, body.len(), &mut answer);
        answer.extend_from_slice(body);
        answer
    }

    #[test]
    fn only_success_counts() {
        assert!(is_whole(&answer(200, b"body")).unwrap());
        assert!(!is_whole(&answer(200, b"")).unwrap());
        assert!(!is_whole(&answer(503, b"body")).unwrap());
        assert!(!is_whole(b"").is_ok_and(|is_whole| is_whole));
        assert!(is_whole(&answer(200, b"body")[..8]).is_err());
    }
}
