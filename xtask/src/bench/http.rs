//! HTTP/1.1 as far as the benchmark speaks it itself: one request after the other on a connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, bail, ensure};

/// The longest line of a response head that is read.
const LINE_BYTES_MAX: u64 = 16 * 1024;
/// The longest response body that is read.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A connection that stays open.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(1024, stream) })
    }

    /// Sends a request as it stands there, and returns the response's body, which must be a success.
    pub(super) fn ask(&mut self, request: &[u8]) -> Result<String> {
        self.send(request)?;
        self.receive()
    }

    pub(super) fn send(&mut self, request: &[u8]) -> Result<()> {
        Ok(self.stream.get_mut().write_all(request)?)
    }

    /// The answer to what was sent.
    pub(super) fn receive(&mut self) -> Result<String> {
        let status = self.line()?;
        let mut length = None;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse::<u64>()?);
            }
        }
        let length = length.context("a response without a length")?;
        ensure!(length <= BODY_BYTES_MAX, "a response of {length} bytes");
        let mut body = String::new();
        (&mut self.stream).take(length).read_to_string(&mut body)?;
        if !status.starts_with("HTTP/1.1 2") {
            bail!("{status}: {body}");
        }
        Ok(body)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = (&mut self.stream).take(LINE_BYTES_MAX).read_line(&mut line)?;
        ensure!(read > 0, "the connection ended");
        Ok(line.trim_end().to_owned())
    }
}

/// A request of the form that all viewers here have.
pub(super) fn get(host: &str) -> String {
    format!("GET /small HTTP/1.1\r\nHost: {host}\r\n\r\n")
}
