//! HTTP/2 towards viewers: frames, streams and flow control are the `h2` crate's, meaning is ours.
//!
//! One task drives the connection and begins one for each stream. What bounds a connection: streams,
//! windows, resets and the header list, in `limits`; the rest (CONTINUATION, SETTINGS, PING floods)
//! in `h2` itself.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use behavior::{EdgeError, HttpVersion};
use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http1::{BodyFraming, Progress, WriteError, decimal};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use super::http2_head::{self, HeadFault};
use super::{
    Peer, RequestBody, ResponseFraming, ResponseStart, ResponseWriter, ViewerFault, ViewerHead,
    ViewerRequest, refusal,
};
use crate::alarm::Alarm;
use crate::buffer::Buffer;
use crate::failure::Failure;
use crate::limits::{
    HTTP2_CLOSING_TIME_MAX, HTTP2_CONNECTION_WINDOW_BYTES, HTTP2_ERROR_RESETS_MAX,
    HTTP2_HEADER_LIST_BYTES_MAX, HTTP2_PENDING_RESETS_MAX, HTTP2_RESET_STREAM_TIME, HTTP2_RESET_STREAMS_MAX,
    HTTP2_SEND_BUFFER_BYTES_MAX, HTTP2_STREAM_WINDOW_BYTES, HTTP2_STREAMS_MAX, VIEWER_HEAD_TIME_MAX,
    VIEWER_IDLE_MAX, VIEWER_WRITE_TIME_MAX,
};
use crate::pipeline::{self, BrokenOff, ViewerSide};
use crate::thread::Thread;
use crate::transcript::{Traffic, Transcript};

/// Serves a connection to its end.
pub(super) async fn serve(thread: &Rc<Thread>, stream: TlsStream<TcpStream>, peer: Peer) {
    let handshake = builder().handshake(stream);
    let connection = match tokio::time::timeout(VIEWER_HEAD_TIME_MAX, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::debug!(%error, "A viewer does not speak HTTP/2"),
        Err(_) => return tracing::debug!("A viewer did not begin HTTP/2 in time"),
    };
    let ended = Http2Connection::new(thread, connection, peer).serve().await;
    if let Err(error) = ended {
        tracing::debug!(%error, "An HTTP/2 connection ended");
    }
}

fn builder() -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(HTTP2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .max_header_list_size(HTTP2_HEADER_LIST_BYTES_MAX)
        .max_send_buffer_size(HTTP2_SEND_BUFFER_BYTES_MAX)
        .max_concurrent_reset_streams(HTTP2_RESET_STREAMS_MAX)
        .max_pending_accept_reset_streams(HTTP2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(Some(HTTP2_ERROR_RESETS_MAX))
        .reset_stream_duration(HTTP2_RESET_STREAM_TIME);
    builder
}

struct Http2Connection<'c> {
    thread: &'c Rc<Thread>,
    connection: Connection<TlsStream<TcpStream>, Bytes>,
    peer: Rc<Peer>,
    streams: Rc<Streams>,
}

/// A stream that a viewer has begun.
type Accepted = (Request<RecvStream>, SendResponse<Bytes>);

/// How many streams are being served, and since when there are none.
struct Streams {
    open: Cell<usize>,
    idle_since: Cell<Instant>,
    /// Whether no others may begin.
    are_closing: Cell<bool>,
}

impl Streams {
    /// Until when the connection may go on as it is, without a stream.
    fn idle_until(&self) -> Instant {
        let idle_since = if self.open.get() > 0 { Instant::now() } else { self.idle_since.get() };
        idle_since + if self.are_closing.get() { HTTP2_CLOSING_TIME_MAX } else { VIEWER_IDLE_MAX }
    }
}

/// A stream that is being served.
struct OpenStream(Rc<Streams>);

impl OpenStream {
    fn new(streams: &Rc<Streams>) -> Self {
        streams.open.set(streams.open.get() + 1);
        Self(Rc::clone(streams))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.idle_since.set(Instant::now());
    }
}

impl<'c> Http2Connection<'c> {
    fn new(thread: &'c Rc<Thread>, connection: Connection<TlsStream<TcpStream>, Bytes>, peer: Peer) -> Self {
        let streams = Streams {
            open: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            are_closing: Cell::new(false),
        };
        Self { thread, connection, peer: Rc::new(peer), streams: Rc::new(streams) }
    }

    async fn serve(mut self) -> Result<(), h2::Error> {
        let mut alarm = Alarm::new();
        let streams = Rc::clone(&self.streams);
        loop {
            let accepted = alarm
                .until_moving(|| streams.idle_until(), poll_fn(|context| self.poll_accept(context)))
                .await;
            match accepted {
                Ok(None) => return Ok(()),
                Ok(Some(stream)) => {
                    let (request, respond) = stream?;
                    self.begin_stream(request, respond);
                }
                Err(_) if streams.are_closing.get() => return Ok(()),
                Err(_) => self.close(),
            }
        }
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Accepted, h2::Error>>> {
        if self.thread.is_draining() && !self.streams.are_closing.get() {
            self.close();
        }
        self.connection.poll_accept(context)
    }

    /// GOAWAY: streams that have begun end as usual, no others begin.
    fn close(&mut self) {
        self.streams.are_closing.set(true);
        self.streams.idle_since.set(Instant::now());
        self.connection.graceful_shutdown();
    }

    fn begin_stream(&self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        let (thread, peer) = (Rc::clone(self.thread), Rc::clone(&self.peer));
        let open = OpenStream::new(&self.streams);
        spawn_local(async move {
            serve_stream(&thread, &peer, request, respond).await;
            drop(open);
        });
    }
}

async fn serve_stream(
    thread: &Thread,
    peer: &Peer,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let received_at = Instant::now();
    let traffic = Traffic::default();
    let (parts, stream) = request.into_parts();
    let mut alarm = Alarm::new();
    let mut response =
        Http2Response { traffic: &traffic, head: None, has_begun: false, side: Side::NotBegun(respond) };

    let mut input = Buffer::small();
    let mut head = thread.request_heads.take();
    let rewritten = http2_head::rewrite(&parts, peer.scheme, &mut input).and_then(|()| {
        match head.parse(&input).map_err(HeadFault::Refused)? {
            Progress::Complete { .. } => framing(&parts.headers, stream.is_end_stream()),
            Progress::Partial => Err(HeadFault::Malformed),
        }
    });
    drop(parts);
    traffic.count_from_viewer(input.len());
    let served = match rewritten {
        Ok(framing) => {
            let remaining = if let BodyFraming::Length(length) = framing { Some(length) } else { None };
            let is_done = stream.is_end_stream();
            let mut body = Http2Body { stream, traffic: &traffic, part: Bytes::new(), remaining, is_done };
            let head = head.view(&input);
            let request = ViewerRequest { head, version: HttpVersion::Http2, framing, peer, received_at };
            let mut viewer = ViewerSide { body: &mut body, response: &mut response, alarm: &mut alarm };
            pipeline::serve(thread, &request, &traffic, &mut viewer).await
        }
        Err(fault) => {
            tracing::debug!(error = %fault, "A viewer's request is refused");
            let failure = Failure::Refused(edge_error(fault));
            let mut transcript = Transcript::begin(thread, peer, &traffic, None, received_at);
            let mut body =
                Http2Body { stream, traffic: &traffic, part: Bytes::new(), remaining: None, is_done: true };
            let mut viewer = ViewerSide { body: &mut body, response: &mut response, alarm: &mut alarm };
            pipeline::refuse(thread, failure, &mut viewer, &mut transcript).await
        }
    };
    if served == Err(BrokenOff) {
        // A reset discards what waits to be sent; the connection's own task sends it first.
        tokio::task::yield_now().await;
        response.reset();
    }
}

/// How the body goes on to the origin. A length is what the viewer said it is; whether that is true
/// shows with the body, and the origin sees no end before it does.
fn framing(fields: &HeaderMap, has_ended: bool) -> Result<BodyFraming, HeadFault> {
    match fields.get(header::CONTENT_LENGTH) {
        None if has_ended => Ok(BodyFraming::None),
        None => Ok(BodyFraming::Chunked),
        Some(length) => {
            let length = str::from_utf8(length.as_bytes()).ok().and_then(|text| text.parse().ok());
            match length.ok_or(HeadFault::Malformed)? {
                // RFC 9113 section 8.1.1: malformed.
                1.. if has_ended => Err(HeadFault::Malformed),
                length => Ok(BodyFraming::Length(length)),
            }
        }
    }
}

fn edge_error(fault: HeadFault) -> EdgeError {
    match fault {
        HeadFault::Malformed => EdgeError::BadRequest,
        HeadFault::TooManyFields => EdgeError::HeaderTooLarge,
        HeadFault::Refused(error) => refusal(error),
    }
}

/// A request's body as its stream brings it.
struct Http2Body<'s> {
    stream: RecvStream,
    traffic: &'s Traffic,
    /// What has been handed out and takes room in the viewer's window until it is dealt with.
    part: Bytes,
    /// What the viewer said is still to come.
    remaining: Option<u64>,
    is_done: bool,
}

impl Http2Body<'_> {
    /// Whether there is another part, or the end.
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, ViewerFault>> {
        loop {
            let Some(part) = ready!(self.stream.poll_data(context)) else {
                return Poll::Ready(match self.remaining {
                    Some(1..) => Err(ViewerFault::BodyMalformed),
                    _ => Ok(false),
                });
            };
            let part = part.map_err(|_| ViewerFault::Left)?;
            if let Some(remaining) = &mut self.remaining {
                *remaining = remaining.checked_sub(part.len() as u64).ok_or(ViewerFault::BodyMalformed)?;
            }
            self.traffic.count_from_viewer(part.len());
            // Empty frames are no part, and none is the end.
            if !part.is_empty() {
                self.part = part;
                return Poll::Ready(Ok(true));
            }
        }
    }
}

impl RequestBody for Http2Body<'_> {
    async fn next(&mut self) -> Result<Option<&[u8]>, ViewerFault> {
        if self.is_done {
            return Ok(None);
        }
        // The viewer may send more only now that the origin has taken this much.
        let dealt_with = std::mem::take(&mut self.part);
        self.stream.flow_control().release_capacity(dealt_with.len()).map_err(|_| ViewerFault::Left)?;
        drop(dealt_with);
        let has_part = poll_fn(|context| self.poll_part(context)).await?;
        self.is_done = !has_part;
        Ok(has_part.then_some(&self.part))
    }

    fn can_be_passed_over(&self) -> bool {
        true
    }
}

/// A response on its way to its stream.
struct Http2Response<'s> {
    traffic: &'s Traffic,
    head: Option<Response<()>>,
    has_begun: bool,
    side: Side,
}

enum Side {
    NotBegun(SendResponse<Bytes>),
    Begun(SendStream<Bytes>),
}

impl Http2Response<'_> {
    /// Tells the viewer that what it got is not the whole (RFC 9113 section 5.4.2).
    fn reset(&mut self) {
        match &mut self.side {
            Side::NotBegun(respond) => respond.send_reset(Reason::INTERNAL_ERROR),
            Side::Begun(stream) => stream.send_reset(Reason::INTERNAL_ERROR),
        }
    }

    async fn send(&mut self, mut part: &[u8], is_last: bool) -> Result<(), h2::Error> {
        self.has_begun = true;
        if let (Some(head), Side::NotBegun(respond)) = (self.head.take(), &mut self.side) {
            let ends_with_head = is_last && part.is_empty();
            self.side = Side::Begun(respond.send_response(head, ends_with_head)?);
            if ends_with_head {
                return Ok(());
            }
        }
        let Side::Begun(stream) = &mut self.side else { return Ok(()) };
        if part.is_empty() && is_last {
            return stream.send_data(Bytes::new(), true);
        }
        while !part.is_empty() {
            let capacity = capacity(stream, part.len()).await?;
            let (now, later) = part.split_at(capacity.min(part.len()));
            part = later;
            self.traffic.count_to_viewer(now.len());
            stream.send_data(Bytes::copy_from_slice(now), is_last && part.is_empty())?;
        }
        Ok(())
    }
}

/// How much the viewer takes at this moment; waits until it is something.
async fn capacity(stream: &mut SendStream<Bytes>, wanted: usize) -> Result<usize, h2::Error> {
    stream.reserve_capacity(wanted);
    loop {
        let capacity = stream.capacity();
        if capacity > 0 {
            return Ok(capacity);
        }
        match poll_fn(|context| stream.poll_capacity(context)).await {
            Some(granted) => granted?,
            None => return Err(Reason::STREAM_CLOSED.into()),
        };
    }
}

impl ResponseWriter for Http2Response<'_> {
    fn begin(
        &mut self,
        start: ResponseStart,
        write_fields: impl FnOnce(&mut ViewerHead<'_>),
    ) -> Result<(), WriteError> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(start.status).map_err(|_| WriteError::Status)?;
        let mut head = ViewerHead::Http2(response.headers_mut(), Ok(()));
        write_fields(&mut head);
        head.outcome()?;
        if let ResponseFraming::NoBody(Some(length)) | ResponseFraming::Length(length) = start.framing {
            let length =
                HeaderValue::from_bytes(decimal(length).as_ref()).map_err(|_| WriteError::FieldValue)?;
            response.headers_mut().insert(header::CONTENT_LENGTH, length);
        }
        let head_bytes =
            response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        self.traffic.count_to_viewer(head_bytes);
        self.head = Some(response);
        Ok(())
    }

    async fn write(&mut self, part: &[u8], is_last: bool, alarm: &mut Alarm) -> Result<(), ViewerFault> {
        let sending = self.send(part, is_last);
        match alarm.within(VIEWER_WRITE_TIME_MAX, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(ViewerFault::Left),
            Err(_) => Err(ViewerFault::ReadsTooSlowly),
        }
    }

    fn has_begun(&self) -> bool {
        self.has_begun
    }

    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.side {
            Side::NotBegun(respond) => respond.poll_reset(context).map(drop),
            Side::Begun(stream) => stream.poll_reset(context).map(drop),
        }
    }
}
