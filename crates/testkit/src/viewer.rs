//! A viewer that sends exactly what a test says.

use std::net::SocketAddr;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::message::Reader;
use crate::{Message, TestCertificates, within};

/// What viewers speak through.
trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

/// A viewer's connection.
pub struct FakeViewer {
    stream: Pin<Box<dyn Stream>>,
    reader: Reader,
    /// Where it connects from, as the edge sees it.
    pub address: SocketAddr,
}

impl FakeViewer {
    /// Connects in clear.
    pub async fn connect(edge: SocketAddr) -> Self {
        let stream = TcpStream::connect(edge).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let address = stream.local_addr().unwrap();
        Self { stream: Box::pin(stream), reader: Reader::default(), address }
    }

    /// Connects over TLS, for HTTP/1.1.
    pub async fn connect_tls(edge: SocketAddr, name: &str, certificates: &TestCertificates) -> Self {
        let stream = certificates.connect(edge, name, &[b"http/1.1"]).await;
        let address = stream.get_ref().0.local_addr().unwrap();
        Self { stream: Box::pin(stream), reader: Reader::default(), address }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("sending to the edge", self.stream.write_all(bytes.as_ref())).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends bytes that the edge may no longer want.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        within("sending to the edge", self.stream.write_all(bytes.as_ref())).await.is_ok()
    }

    /// Ends the sending side.
    pub async fn shut_down(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Sends a request without a body and reads the response.
    pub async fn get(&mut self, host: &str, path: &str) -> Message {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        self.response().await
    }

    /// The next response, to anything but HEAD.
    pub async fn response(&mut self) -> Message {
        let mut response = self.response_head().await;
        if !matches!(response.status(), 100..=199 | 204 | 304) {
            within("the response's body", self.reader.body(&mut response, &mut self.stream)).await;
        }
        response
    }

    /// The next response's head.
    pub async fn response_head(&mut self) -> Message {
        let head = within("a response", self.reader.head(&mut self.stream)).await;
        head.expect("the edge closed the connection instead of answering")
    }

    /// So many bytes.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        within("bytes from the edge", self.reader.exactly(count, &mut self.stream)).await
    }

    /// The next byte; none when the edge has closed.
    pub async fn byte(&mut self) -> Option<u8> {
        within("a byte from the edge", self.reader.byte(&mut self.stream)).await
    }

    /// One chunk of a body; the last one is empty.
    pub async fn chunk(&mut self) -> Vec<u8> {
        within("a chunk", self.reader.chunk(&mut self.stream)).await
    }

    /// Everything until the edge closes, and whether it did so cleanly.
    pub async fn rest(&mut self) -> (Vec<u8>, bool) {
        within("the end of the connection", self.reader.rest(&mut self.stream)).await
    }
}
