//! A viewer that speaks HTTP/2.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};

use crate::{TestCertificates, within};

/// A viewer's connection.
pub struct Http2Viewer {
    sender: SendRequest<Bytes>,
}

/// A response, read to its end.
#[derive(Clone, Debug)]
pub struct Http2Response {
    /// The status.
    pub status: u16,
    /// The fields.
    pub fields: HeaderMap,
    /// The body, as far as it came.
    pub body: Vec<u8>,
    /// What ended it, if it was not its end.
    pub error: Option<h2::Reason>,
}

impl Http2Viewer {
    /// Connects over TLS.
    pub async fn connect(edge: SocketAddr, name: &str, certificates: &TestCertificates) -> Self {
        let stream = certificates.connect(edge, name, &[b"h2"]).await;
        assert_eq!(
            stream.get_ref().1.alpn_protocol(),
            Some(b"h2".as_slice()),
            "the edge does not offer HTTP/2"
        );
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    /// Begins a request; without a body it ends at once.
    pub async fn begin(&mut self, request: Request<()>, ends: bool) -> (ResponseFuture, SendStream<Bytes>) {
        let mut sender = within("room for another stream", self.sender.clone().ready()).await.unwrap();
        sender.send_request(request, ends).unwrap()
    }

    /// Sends a request with a body, possibly empty, and reads the response.
    pub async fn exchange(
        &mut self,
        request: Request<()>,
        body: impl Into<Bytes>,
    ) -> Result<Http2Response, h2::Error> {
        let body = body.into();
        let (response, mut sending) = self.begin(request, body.is_empty()).await;
        if !body.is_empty() {
            sending.send_data(body, true)?;
        }
        read(response).await
    }

    /// GET.
    pub async fn get(&mut self, host: &str, path: &str) -> Http2Response {
        let request = Request::get(format!("https://{host}{path}")).body(()).unwrap();
        self.exchange(request, Bytes::new()).await.unwrap()
    }
}

/// Reads a response to its end.
pub(crate) async fn read(response: ResponseFuture) -> Result<Http2Response, h2::Error> {
    let (head, mut stream) = within("an HTTP/2 response", response).await?.into_parts();
    let mut response =
        Http2Response { status: head.status.as_u16(), fields: head.headers, body: Vec::new(), error: None };
    response.error = read_body(&mut stream, &mut response.body).await.err().and_then(|error| error.reason());
    Ok(response)
}

async fn read_body(stream: &mut RecvStream, body: &mut Vec<u8>) -> Result<(), h2::Error> {
    while let Some(part) = within("an HTTP/2 body", stream.data()).await {
        let part = part?;
        stream.flow_control().release_capacity(part.len())?;
        body.extend_from_slice(&part);
    }
    Ok(())
}
