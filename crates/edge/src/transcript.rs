//! What is known of a request so far, and its one access-log record when it is over.

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use behavior::{HttpVersion, Scheme};
use http1::{KnownField, ResponseView};
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::access_log::{CsProtocol, CsProtocolVersion, ErrorType, Phases, Record, ResultType};
use crate::distributions::HeldDistribution;
use crate::metrics::RequestCounts;
use crate::request_id::RequestId;
use crate::thread::Thread;
use crate::viewer::{Peer, ViewerRequest};

/// The bytes of one request and its response, counted where they pass.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) from_viewer: Cell<u64>,
    pub(crate) to_viewer: Cell<u64>,
}

impl Traffic {
    pub(crate) fn count_from_viewer(&self, bytes: usize) {
        self.from_viewer.set(self.from_viewer.get() + bytes as u64);
    }

    pub(crate) fn count_to_viewer(&self, bytes: usize) {
        self.to_viewer.set(self.to_viewer.get() + bytes as u64);
    }
}

/// A request's story. It is logged when it is dropped: exactly once, however the request ends.
pub(crate) struct Transcript<'a> {
    pub(crate) id: RequestId,
    pub(crate) distribution: Option<HeldDistribution>,
    /// The id of the origin that failed last.
    pub(crate) failing_origin: Option<String>,
    thread: &'a Thread,
    peer: &'a Peer,
    traffic: &'a Traffic,
    request: Option<&'a ViewerRequest<'a>>,
    received_at: Instant,
    status: Option<u16>,
    first_byte_at: Option<Instant>,
    phases: Phases,
    /// The id of the origin that answered, for a log that tells.
    origin_id: SmallVec<[u8; 32]>,
    response_result: ResultType,
    error: ErrorType,
    is_complete: bool,
    is_websocket: bool,
    is_call: bool,
    content_type: SmallVec<[u8; 64]>,
    content_length: Option<u64>,
    range: Option<(u64, u64)>,
}

impl<'a> Transcript<'a> {
    /// Begins with the request; without one for what could not be read as such.
    pub(crate) fn begin(
        thread: &'a Thread,
        peer: &'a Peer,
        traffic: &'a Traffic,
        request: Option<&'a ViewerRequest<'a>>,
        received_at: Instant,
    ) -> Self {
        let phases = Phases {
            tls_handshake: peer.tls_handshake.take(),
            head_read: thread.log.tells_phases().then(|| received_at.elapsed()),
            ..Phases::default()
        };
        Self {
            id: thread.ids.next(),
            distribution: None,
            failing_origin: None,
            thread,
            peer,
            traffic,
            request,
            received_at,
            status: None,
            first_byte_at: None,
            phases,
            origin_id: SmallVec::new(),
            response_result: ResultType::Error,
            error: ErrorType::ClientHungUpRequest,
            is_complete: false,
            is_websocket: false,
            is_call: false,
            content_type: SmallVec::new(),
            content_length: None,
            range: None,
        }
    }

    /// A connection to the origin was opened, or not, in this time.
    pub(crate) fn connected(&mut self, time: Duration) {
        *self.phases.origin_connect.get_or_insert_default() += time;
    }

    /// The response begins.
    pub(crate) fn responds(&mut self, status: u16, result: ResultType, error: ErrorType) {
        self.status = Some(status);
        self.first_byte_at = Some(Instant::now());
        self.response_result = result;
        self.error = error;
    }

    /// What the origin's response says of itself.
    pub(crate) fn origin_responds(
        &mut self,
        response: &ResponseView<'_>,
        asked_at: Instant,
        origin_id: &str,
    ) {
        if self.thread.log.tells_phases() {
            self.origin_id = SmallVec::from_slice(origin_id.as_bytes());
        }
        let is_websocket = response.status() == 101;
        let over_http2 = self.request.is_some_and(|request| request.version == HttpVersion::Http2);
        // What the viewer gets (RFC 8441 section 5).
        let status = if is_websocket && over_http2 { 200 } else { response.status() };
        let result = if status >= 400 { ResultType::Error } else { ResultType::Miss };
        self.responds(status, result, ErrorType::Error);
        self.phases.origin_first_byte = self.first_byte_at.map(|first_byte_at| first_byte_at - asked_at);
        self.is_websocket = is_websocket;
        self.content_length = response.content_length();
        for field in response.fields() {
            match field.known {
                Some(KnownField::ContentType) => self.content_type = SmallVec::from_slice(field.value),
                Some(KnownField::ContentRange) => self.range = parse_content_range(field.value),
                _ => {}
            }
        }
    }

    /// What the origin's response to a call of gRPC says of itself.
    pub(crate) fn grpc_responds(
        &mut self,
        status: u16,
        content_type: Option<&[u8]>,
        content_length: Option<u64>,
        asked_at: Instant,
        origin_id: &str,
    ) {
        if self.thread.log.tells_phases() {
            self.origin_id = SmallVec::from_slice(origin_id.as_bytes());
        }
        let result = if status >= 400 { ResultType::Error } else { ResultType::Miss };
        self.responds(status, result, ErrorType::Error);
        self.phases.origin_first_byte = self.first_byte_at.map(|first_byte_at| first_byte_at - asked_at);
        self.is_call = true;
        self.content_type = SmallVec::from_slice(content_type.unwrap_or_default());
        self.content_length = content_length;
    }

    /// Whether a call of gRPC is being answered.
    pub(crate) fn is_call(&self) -> bool {
        self.is_call
    }

    /// A page is the response, in the place of an error.
    pub(crate) fn responds_with_page(&mut self, status: u16, error: ErrorType) {
        self.status = Some(status);
        self.response_result = ResultType::Error;
        self.error = error;
    }

    /// The edge's own response says of itself.
    pub(crate) fn own_content(&mut self, content_type: &str, length: u64) {
        self.content_type = SmallVec::from_slice(content_type.as_bytes());
        self.content_length = Some(length);
    }

    /// The last byte has left.
    pub(crate) fn complete(&mut self) {
        self.is_complete = true;
    }

    /// The response broke off.
    pub(crate) fn broke_off(&mut self, error: ErrorType) {
        self.error = error;
    }

    fn result(&self) -> ResultType {
        if self.is_complete { self.response_result } else { ResultType::Error }
    }
}

impl Drop for Transcript<'_> {
    fn drop(&mut self) {
        let time_taken = self.received_at.elapsed();
        let counts = RequestCounts {
            status: self.status,
            bytes_from_viewer: self.traffic.from_viewer.get(),
            bytes_to_viewer: self.traffic.to_viewer.get(),
            duration: time_taken,
            origin_first_byte: self.phases.origin_first_byte,
        };
        self.thread.metrics.request(self.distribution.as_ref().map(|found| &found.id), &counts);
        if self.thread.log.is_open() {
            self.thread.log.log(&self.record(time_taken));
        }
    }
}

impl Transcript<'_> {
    fn record(&self, time_taken: Duration) -> Record<'_> {
        let request = self.request;
        let field = |known| request.and_then(|request| request.head.value(known)).unwrap_or_default();
        let tls = self.peer.tls.as_ref();
        Record {
            finished_at: SystemTime::now(),
            edge_location: &self.thread.common.pop,
            sc_bytes: self.traffic.to_viewer.get(),
            viewer: self.peer.address(),
            method: request.map_or(b"", |request| request.head.method_name().as_bytes()),
            distribution_id: self.distribution.as_ref().map_or("", |found| &*found.id),
            distribution_domain_name: self
                .distribution
                .as_ref()
                .map_or("", |found| found.domain_name.as_str()),
            path: request.map_or(b"", |request| request.head.path().as_bytes()),
            status: self.status,
            referer: field(KnownField::Referer),
            user_agent: field(KnownField::UserAgent),
            query: request.and_then(|request| request.head.query()).unwrap_or_default().as_bytes(),
            cookie: field(KnownField::Cookie),
            result_type: self.result(),
            request_id: self.id.as_str(),
            host_header: field(KnownField::Host),
            protocol: match (self.peer.scheme, self.is_websocket) {
                (Scheme::Http, false) => CsProtocol::Http,
                (Scheme::Https, false) => CsProtocol::Https,
                (Scheme::Http, true) => CsProtocol::Ws,
                (Scheme::Https, true) => CsProtocol::Wss,
            },
            cs_bytes: self.traffic.from_viewer.get(),
            time_taken,
            forwarded_for: field(KnownField::XForwardedFor),
            ssl_protocol: tls.map_or("", |tls| tls.version.as_str()),
            ssl_cipher: tls.map_or("", |tls| tls.cipher.name),
            response_result_type: self.response_result,
            protocol_version: match request.map(|request| request.version) {
                Some(HttpVersion::Http10) => CsProtocolVersion::Http10,
                Some(HttpVersion::Http2) => CsProtocolVersion::Http2,
                Some(HttpVersion::Http3) => CsProtocolVersion::Http3,
                Some(HttpVersion::Http11) | None => CsProtocolVersion::Http11,
            },
            time_to_first_byte: self.first_byte_at.map(|at| at - self.received_at),
            error_type: self.error,
            content_type: &self.content_type,
            content_length: self.content_length,
            range_start: self.range.map(|(start, _)| start),
            range_end: self.range.map(|(_, end)| end),
            phases: self.phases,
            origin_id: self.answering_or_failing_origin(),
        }
    }
}

impl Transcript<'_> {
    fn answering_or_failing_origin(&self) -> &[u8] {
        match &self.failing_origin {
            Some(id) if self.origin_id.is_empty() => id.as_bytes(),
            _ => &self.origin_id,
        }
    }
}

/// `bytes 0-499/1234` (RFC 9110 section 14.4).
fn parse_content_range(value: &[u8]) -> Option<(u64, u64)> {
    let range = str::from_utf8(value).ok()?.strip_prefix("bytes ")?;
    let (range, _) = range.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    Some((start.parse().ok()?, end.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_when_they_are_plain() {
        assert_eq!(parse_content_range(b"bytes 0-499/1234"), Some((0, 499)));
        assert_eq!(parse_content_range(b"bytes */1234"), None);
        assert_eq!(parse_content_range(b"items 0-1/2"), None);
    }
}
