//! The origin: as cheap as it can be, since it shares a CPU with the viewers.
//!
//! `/small` is 300 bytes, `/large` 64 KiB; whatever is sent with a request is read and dropped. `Connection: close`,
//! which only the relay passes on, ends the connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// What `/small` answers.
const SMALL_BYTES: usize = 300;
/// What `/large` answers.
const LARGE_BYTES: usize = 64 * 1024;
/// What is read at once.
const READ_BYTES: usize = 256 * 1024;

/// Starts it in threads of this process, which end with it.
pub(super) fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // A proxy that is stopped breaks its connections off.
            thread::spawn(move || drop(serve(connection)));
        }
    });
    Ok(address)
}

fn serve(mut connection: TcpStream) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let (small, large) = (answer(SMALL_BYTES, ""), answer(LARGE_BYTES, ""));
    let mut buffer = vec![0; READ_BYTES];
    let mut held = 0;
    loop {
        let Some(request) = buffer.get(..held).and_then(Request::read) else {
            let read = connection.read(buffer.get_mut(held..).unwrap_or_default())?;
            if read == 0 {
                return Ok(());
            }
            held += read;
            continue;
        };
        let here = request.body_bytes.min(held - request.head_bytes);
        let mut missing = request.body_bytes - here;
        let Request { is_large, is_last, .. } = request;
        buffer.copy_within(request.head_bytes + here..held, 0);
        held -= request.head_bytes + here;
        while missing > 0 {
            let most = missing.min(READ_BYTES);
            let read = connection.read(buffer.get_mut(..most).unwrap_or_default())?;
            if read == 0 {
                return Ok(());
            }
            missing -= read;
        }
        if is_last {
            return connection.write_all(&answer(SMALL_BYTES, "Connection: close\r\n"));
        }
        connection.write_all(if is_large { &large } else { &small })?;
    }
}

/// What the origin needs to know of a request.
struct Request {
    head_bytes: usize,
    body_bytes: usize,
    is_large: bool,
    is_last: bool,
}

impl Request {
    /// Reads its head, if it is all there.
    fn read(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes.get(..bytes.windows(4).position(|end| end == b"\r\n\r\n")?)?).ok()?;
        let length = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        };
        let body_bytes = text.lines().find_map(length).unwrap_or(0);
        let is_large = text.starts_with("GET /large ");
        let is_last = text.lines().any(|line| line.eq_ignore_ascii_case("connection: close"));
        Some(Self { head_bytes: text.len() + 4, body_bytes, is_large, is_last })
    }
}

fn answer(bytes: usize, connection: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: application/json\r\n\
         Content-Length: {bytes}\r\n{connection}\r\n"
    );
    [head.into_bytes(), vec![b'x'; bytes]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_once_its_head_is_there() {
        assert!(Request::read(b"POST /small HTTP/1.1\r\nContent-Le").is_none());
        let request = Request::read(b"POST /small HTTP/1.1\r\ncontent-length: 12\r\n\r\nabc").unwrap();
        assert_eq!((request.head_bytes, request.body_bytes, request.is_large), (44, 12, false));
        assert!(!request.is_last);
        let request = Request::read(b"GET /large HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        assert!(request.is_large && request.is_last);
    }
}
