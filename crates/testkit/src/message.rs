//! HTTP/1.1 messages as tests look at them, read without the code that is tested.

use std::fmt::Write as _;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A message: its first line, its fields and its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Request line or status line.
    pub first_line: String,
    /// Fields in their order.
    pub fields: Vec<(String, String)>,
    /// The body, without framing.
    pub body: Vec<u8>,
}

impl Message {
    /// The values of a field, in order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let of_name = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a field that is there exactly once.
    pub fn value(&self, name: &str) -> Option<&str> {
        match self.values(name).as_slice() {
            [value] => Some(value),
            [] => None,
            several => panic!("{name} is there {} times", several.len()),
        }
    }

    /// The status of a response.
    pub fn status(&self) -> u16 {
        self.first_line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// A chunked body.
pub fn chunked_body(parts: &[&str]) -> String {
    let mut body = String::new();
    for part in parts {
        // Writing into memory cannot fail.
        let _ = write!(body, "{:x}\r\n{part}\r\n", part.len());
    }
    body + "0\r\n\r\n"
}

/// Reads messages; what is read too much waits for the next call.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    unread: Vec<u8>,
}

impl Reader {
    /// The next head; none at the end of the stream.
    pub(crate) async fn head(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<Message> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return Some(parse_head(&head[..end]));
            }
            if !self.more(stream).await {
                assert!(
                    self.unread.is_empty(),
                    "a head broke off: {:?}",
                    String::from_utf8_lossy(&self.unread)
                );
                return None;
            }
        }
    }

    /// Reads the body that a head announces.
    pub(crate) async fn body(&mut self, message: &mut Message, stream: &mut (impl AsyncRead + Unpin)) {
        if let Some(length) = message.value("content-length") {
            message.body = self.exactly(length.parse().expect("a length"), stream).await;
        } else if message.value("transfer-encoding").is_some() {
            message.body = self.chunks(stream).await;
        }
    }

    async fn chunks(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk(stream).await;
            if chunk.is_empty() {
                return body;
            }
            body.extend_from_slice(&chunk);
        }
    }

    /// One chunk; the last one is empty.
    pub(crate) async fn chunk(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
        let size = loop {
            if let Some(end) = find(&self.unread, b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..end + 2).collect();
                let digits = std::str::from_utf8(&line[..end]).expect("a chunk's size");
                break usize::from_str_radix(digits, 16).expect("a chunk's size");
            }
            assert!(self.more(stream).await, "a chunk's size broke off");
        };
        let mut chunk = self.exactly(size + 2, stream).await;
        assert_eq!(chunk.split_off(size), b"\r\n");
        chunk
    }

    /// So many bytes.
    pub(crate) async fn exactly(&mut self, count: usize, stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.more(stream).await, "{count} bytes were to come, {} did", self.unread.len());
        }
        self.unread.drain(..count).collect()
    }

    /// One byte, or the end.
    pub(crate) async fn byte(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<u8> {
        if self.unread.is_empty() && !self.more(stream).await {
            return None;
        }
        Some(self.unread.remove(0))
    }

    /// Everything up to the end of the stream, and whether that was a clean one.
    pub(crate) async fn rest(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> (Vec<u8>, bool) {
        let mut rest = std::mem::take(&mut self.unread);
        let is_clean = stream.read_to_end(&mut rest).await.is_ok();
        (rest, is_clean)
    }

    async fn more(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> bool {
        stream.read_buf(&mut self.unread).await.is_ok_and(|count| count > 0)
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn parse_head(head: &[u8]) -> Message {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let first_line = lines.next().unwrap_or_default().to_owned();
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("not a field: {line:?}"));
        (name.to_owned(), value.to_owned())
    });
    Message { first_line, fields: fields.collect(), body: Vec::new() }
}
