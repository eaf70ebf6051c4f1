//! An origin that does exactly what a test says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::message::Reader;
use crate::{Message, within};

/// An origin's listener. Connections wait until the test accepts them.
#[derive(Debug)]
pub struct FakeOrigin {
    listener: TcpListener,
    address: SocketAddr,
}

impl FakeOrigin {
    /// Listens on a free port.
    pub async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// Where.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The edge's next connection.
    pub async fn accept(&self) -> OriginSide {
        let (stream, _) =
            within("the edge's connection to the origin", self.listener.accept()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        OriginSide { stream, reader: Reader::default() }
    }

    /// Whether the edge has connected once more than was accepted.
    pub async fn has_pending_connection(&self) -> bool {
        let accepting = self.listener.accept();
        tokio::time::timeout(std::time::Duration::from_millis(50), accepting).await.is_ok()
    }

    /// Answers every request by itself from now on, and records what came.
    pub fn answering(
        self,
        answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static,
    ) -> (SocketAddr, Arc<Mutex<Vec<Message>>>) {
        let (address, received) = (self.address, Arc::new(Mutex::new(Vec::new())));
        let (answer, record) = (Arc::new(answer), Arc::clone(&received));
        tokio::spawn(async move {
            while let Ok((stream, _)) = self.listener.accept().await {
                let (answer, record) = (Arc::clone(&answer), Arc::clone(&record));
                tokio::spawn(async move {
                    stream.set_nodelay(true).unwrap();
                    let mut side = OriginSide { stream, reader: Reader::default() };
                    while let Some(mut request) = side.reader.head(&mut side.stream).await {
                        side.reader.body(&mut request, &mut side.stream).await;
                        let response = answer(&request);
                        record.lock().unwrap().push(request);
                        if side.stream.write_all(&response).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        (address, received)
    }
}

/// The origin's side of one connection.
#[derive(Debug)]
pub struct OriginSide {
    stream: TcpStream,
    reader: Reader,
}

impl OriginSide {
    /// The next request, body included.
    pub async fn request(&mut self) -> Message {
        let mut request = self.request_head().await;
        within("the request's body", self.reader.body(&mut request, &mut self.stream)).await;
        request
    }

    /// The next request's head.
    pub async fn request_head(&mut self) -> Message {
        let head = within("a request at the origin", self.reader.head(&mut self.stream)).await;
        head.expect("the edge closed the connection instead of sending a request")
    }

    /// So many bytes of a body.
    pub async fn body_bytes(&mut self, count: usize) -> Vec<u8> {
        within("bytes of a request's body", self.reader.exactly(count, &mut self.stream)).await
    }

    /// Everything until the edge closes its side, and whether it did so cleanly.
    pub async fn rest(&mut self) -> (Vec<u8>, bool) {
        within("the end of the edge's connection", self.reader.rest(&mut self.stream)).await
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("sending to the edge", self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Sends a small response with a length.
    pub async fn respond(&mut self, body: &str) {
        self.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    }

    /// Closes the connection with a reset.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}
