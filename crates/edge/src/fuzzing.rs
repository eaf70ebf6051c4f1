//! What `fuzz-targets` asks of modules that are nobody else's business.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use behavior::ViewerLocation;
use edge_config::CountryCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::geo_database::GeoDatabase;
use crate::load::Load;
use crate::origin;
pub use crate::origin::fuzzing::OriginResponse;
use crate::origin::http2_guard::{Conduct, Guard, OriginMisconduct};
use crate::tls::Fingerprints;
use crate::tls::client_hello::ClientHello;

/// What was read of a ClientHello, and what was made of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Hello {
    /// Without GREASE, as the other lists.
    pub cipher_suites: Vec<u16>,
    /// The named groups.
    pub groups: Vec<u16>,
    /// The signature algorithms.
    pub signature_algorithms: Vec<u16>,
    /// The JA3 fingerprint.
    pub ja3: String,
    /// The JA4 fingerprint.
    pub ja4: String,
}

/// Reads the records that a connection began with.
pub fn client_hello(records: &[u8]) -> Option<Hello> {
    let ClientHello { cipher_suites, groups, signature_algorithms, .. } = ClientHello::parse(records)?;
    let Fingerprints { ja3, ja4 } = Fingerprints::of_records(records)?;
    Some(Hello { cipher_suites, groups, signature_algorithms, ja3, ja4 })
}

/// A geo database with these contents, if they are one.
pub fn geo_database(contents: &[u8]) -> Option<GeoDatabase> {
    GeoDatabase::of(contents.to_vec()).ok()
}

/// All that is known of an address, and its country as geo restrictions ask for it.
pub fn locate(database: &GeoDatabase, address: IpAddr) -> (ViewerLocation<'_>, Option<CountryCode>) {
    (database.location(address), database.country(address))
}

/// How the bytes of an origin's HTTP/2 connection fared with the guard.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// What it let through.
    pub passed: Vec<u8>,
    /// After how many of them it stopped because a header block had ended.
    pub stops: Vec<usize>,
    /// What it found to be wrong.
    pub misconduct: Option<&'static str>,
}

/// Has a connection's bytes, which arrive in these pieces over and over, pass the guard.
pub fn http2_passage(bytes: &[u8], pieces: &[usize]) -> Passage {
    let conduct = Rc::new(Conduct::new(&Rc::new(Load::new(usize::MAX))));
    let arriving = Arriving { bytes, pieces: pieces.iter().copied().collect(), keeps_waiting: false };
    let mut guard = Guard::new(arriving, Rc::clone(&conduct));
    let mut context = Context::from_waker(Waker::noop());
    let mut passage = Passage::default();
    let mut room = [0; 4096];
    loop {
        let mut buffer = ReadBuf::new(&mut room);
        if Pin::new(&mut guard).poll_read(&mut context, &mut buffer).is_ready() {
            passage.passed.extend_from_slice(buffer.filled());
        } else if conduct.is_paused() {
            passage.stops.push(passage.passed.len());
            conduct.resume(&context);
        } else {
            break;
        }
    }
    passage.misconduct = conduct.take_misconduct().map(OriginMisconduct::as_str);
    passage
}

/// What the edge takes an origin's bytes for, which arrive in these pieces over and over: the response to one
/// request over HTTP/2.
pub fn http2_response(bytes: &[u8], pieces: &[usize]) -> Option<OriginResponse> {
    let pieces = pieces.iter().copied().collect();
    origin::fuzzing::http2_response(Arriving { bytes, pieces, keeps_waiting: true })
}

/// Bytes that arrive in pieces, behind which nothing comes.
struct Arriving<'a> {
    bytes: &'a [u8],
    pieces: VecDeque<usize>,
    /// Whether the first look finds nothing: an origin is asked before it answers.
    keeps_waiting: bool,
}

impl AsyncRead for Arriving<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.keeps_waiting) {
            return Poll::Pending;
        }
        let piece = self.pieces.pop_front().unwrap_or(usize::MAX).max(1);
        self.pieces.push_back(piece);
        let (now, later) = self.bytes.split_at(piece.min(self.bytes.len()).min(buffer.remaining()));
        if now.is_empty() {
            return Poll::Pending;
        }
        buffer.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

/// Nobody looks at what is sent.
impl AsyncWrite for Arriving<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
