//! HTTP/2 towards viewers: frames, streams and flow control are the `h2` crate's, meaning is ours.
//!
//! One task drives the connection and begins one for each stream. What bounds a connection: streams,
//! windows, broken streams and the header list, in `h2` with the numbers of `limits`; frames that carry
//! nothing and resets, in `http2_guard`; responses that are not read, in `http2_outgoing` and here.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use behavior::HttpVersion;
use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http1::{BodyFraming, Progress, WriteError, decimal};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use super::http2_coalescing::Coalescing;
use super::http2_head::{self, HeadFault};
use super::http2_outgoing::{Outgoing, OutgoingRoom};
use super::open_streams::OpenStreams;
use super::unread::UnreadStreams;
use super::{
    Peer, RequestBody, ResponseFraming, ResponseStart, ResponseWriter, ViewerFault, ViewerHead, ViewerRequest,
};
use crate::addresses::AddressStream;
use crate::alarm::Alarm;
use crate::buffer::Buffer;
use crate::failure::Failure;
use crate::http2_guard::{Conduct, Guard, Http2Misconduct};
use crate::limits::{
    HTTP2_CLOSING_TIME_MAX, HTTP2_CONNECTION_WINDOW_BYTES, HTTP2_ERROR_RESETS_MAX,
    HTTP2_HEADER_LIST_BYTES_MAX, HTTP2_LARGE_HEADS_MAX, HTTP2_PENDING_RESETS_MAX, HTTP2_RESET_STREAM_TIME,
    HTTP2_RESET_STREAMS_MAX, HTTP2_SEND_BUFFER_BYTES_MAX, HTTP2_STREAM_WINDOW_BYTES, HTTP2_STREAMS_MAX,
    SMALL_BUFFER_BYTES, VIEWER_HEAD_TIME_MAX, VIEWER_WRITE_TIME_MAX,
};
use crate::load::Held;
use crate::metrics::Shed;
use crate::pipeline::{self, BrokenOff, ViewerSide};
use crate::thread::Thread;
use crate::transcript::{Traffic, Transcript};

/// Serves a connection to its end.
pub(super) async fn serve(thread: &Rc<Thread>, stream: TlsStream<TcpStream>, peer: Peer) {
    let conduct = Rc::new(Conduct::new(&thread.load));
    let handshake = builder().handshake(Guard::new(Coalescing::new(stream), Rc::clone(&conduct)));
    let connection = match tokio::time::timeout(VIEWER_HEAD_TIME_MAX, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::debug!(%error, "A viewer does not speak HTTP/2"),
        Err(_) => return tracing::debug!("A viewer did not begin HTTP/2 in time"),
    };
    let ended = Http2Connection::new(thread, connection, conduct, peer).serve().await;
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
        .reset_stream_duration(HTTP2_RESET_STREAM_TIME)
        // WebSocket (RFC 8441).
        .enable_connect_protocol();
    builder
}

struct Http2Connection<'c> {
    thread: &'c Rc<Thread>,
    connection: ViewerConnection,
    streams: Rc<Streams>,
}

type ViewerConnection = Connection<Guard<Coalescing<TlsStream<TcpStream>>>, Outgoing>;

/// A stream that a viewer has begun.
type Accepted = (Request<RecvStream>, SendResponse<Outgoing>);

/// What the streams of a connection share with it and with each other.
struct Streams {
    peer: Peer,
    conduct: Rc<Conduct>,
    outgoing: OutgoingRoom,
    /// Turns to have a large head.
    large_heads: Semaphore,
    open: OpenStreams,
    /// How many wait for the viewer to read, or for others to end that have large heads.
    unread: UnreadStreams,
    /// When the connection ends, whatever is left.
    end_by: Cell<Option<Instant>>,
}

impl Streams {
    fn new(peer: Peer, conduct: Rc<Conduct>) -> Self {
        Self {
            peer,
            conduct,
            outgoing: OutgoingRoom::new(),
            large_heads: Semaphore::new(HTTP2_LARGE_HEADS_MAX),
            open: OpenStreams::new(),
            unread: UnreadStreams::default(),
            end_by: Cell::new(None),
        }
    }

    /// Until when the connection may go on as it is.
    fn go_on_until(&self) -> Instant {
        if let Some(end_by) = self.end_by.get() {
            return end_by;
        }
        let idle_until = self.open.go_on_until();
        self.conduct.complete_by().map_or(idle_until, |complete_by| complete_by.min(idle_until))
    }

    /// Writes a stream's head, of that size, in HTTP/1.1's form.
    fn write_head(&self, parts: &Parts, size: usize, body: &RecvStream) -> WrittenHead {
        let mut input = http2_head::room_for(size);
        http2_head::rewrite(parts, self.peer.scheme, &mut input)?;
        // What a tunnel brings is nobody's body.
        let framing = if http2_head::is_websocket(parts) {
            BodyFraming::None
        } else {
            http2_head::framing(&parts.headers, body.is_end_stream())?
        };
        Ok((input, framing))
    }

    /// How long a stream may wait for the viewer to read.
    fn write_patience(&self) -> Duration {
        self.unread.patience(self.peer.patience(VIEWER_WRITE_TIME_MAX))
    }
}

/// A stream that is being served.
struct OpenStream {
    streams: Rc<Streams>,
    id: u32,
}

impl OpenStream {
    fn new(streams: &Rc<Streams>, id: u32) -> Self {
        streams.open.begin();
        Self { streams: Rc::clone(streams), id }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let streams = &self.streams;
        streams.conduct.trailers_taken(self.id);
        if streams.open.end() {
            streams.conduct.no_bodies();
        }
    }
}

impl<'c> Http2Connection<'c> {
    fn new(thread: &'c Rc<Thread>, connection: ViewerConnection, conduct: Rc<Conduct>, peer: Peer) -> Self {
        Self { thread, connection, streams: Rc::new(Streams::new(peer, conduct)) }
    }

    async fn serve(mut self) -> Result<(), h2::Error> {
        let mut alarm = Alarm::new();
        let streams = Rc::clone(&self.streams);
        loop {
            let accepted = alarm
                .until_moving(|| streams.go_on_until(), poll_fn(|context| self.poll_accept(context)))
                .await;
            match accepted {
                Ok(None) => return Ok(()),
                Ok(Some(stream)) => {
                    let (request, respond) = stream?;
                    self.begin_stream(request, respond);
                }
                Err(_) if streams.open.are_closing() => return Ok(()),
                Err(_) if streams.conduct.complete_by().is_some_and(|by| by <= Instant::now()) => {
                    self.end(Http2Misconduct::SlowFrame);
                }
                Err(_) => self.close(),
            }
        }
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Accepted, h2::Error>>> {
        if self.thread.is_draining() && !self.streams.open.are_closing() {
            self.close();
        }
        let streams = Rc::clone(&self.streams);
        loop {
            streams.conduct.resume(context);
            let polled = self.connection.poll_accept(context);
            if let Some(misconduct) = streams.conduct.take_misconduct() {
                self.end(misconduct);
            } else if polled.is_ready() || !streams.conduct.is_paused() {
                return polled;
            }
            // A header block that began no stream, such as trailers, has stopped the reading.
        }
    }

    /// GOAWAY, and no stream is served any further.
    fn end(&mut self, misconduct: Http2Misconduct) {
        tracing::debug!(what = misconduct.as_str(), "An HTTP/2 connection is ended");
        self.thread.metrics.http2_misconduct(misconduct);
        self.streams.open.close();
        self.streams.end_by.set(Some(Instant::now() + HTTP2_CLOSING_TIME_MAX));
        self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
    }

    /// GOAWAY: streams that have begun end as usual, no others begin.
    fn close(&mut self) {
        self.streams.open.close();
        self.connection.graceful_shutdown();
    }

    fn begin_stream(&self, request: Request<RecvStream>, respond: SendResponse<Outgoing>) {
        let (parts, body) = request.into_parts();
        let id = body.stream_id().as_u32();
        let (admitted, shares) = match self.admit_stream() {
            Ok(shares) => (http2_head::check_size(&parts), Some(shares)),
            Err(fault) => (Err(fault), None),
        };
        let head = match admitted {
            // Here and now, so that what HPACK has unfolded is gone before the next head is.
            Ok(size) if size <= SMALL_BUFFER_BYTES => {
                Head::Written(self.streams.write_head(&parts, size, &body))
            }
            Ok(size) => Head::Large(Box::new(parts), size),
            Err(fault) => Head::Written(Err(fault)),
        };
        let begun = BegunStream { head, body, respond, received_at: Instant::now() };
        let (thread, streams) = (Rc::clone(self.thread), Rc::clone(&self.streams));
        let open = OpenStream::new(&self.streams, id);
        // Boxed, since a task is moved several times before it begins.
        spawn_local(Box::pin(async move {
            serve_stream(&thread, &streams, begun).await;
            drop((open, shares));
        }));
    }

    /// Takes a stream on, as long as there is room for it.
    fn admit_stream(&self) -> Result<(AddressStream, Held), HeadFault> {
        let thread = self.thread;
        let shed = if thread.load.is_full() {
            Shed::Memory
        } else if let Some(of_address) = self.streams.peer.of_address.begin_stream() {
            return Ok((of_address, thread.load.stream()));
        } else {
            Shed::Address
        };
        thread.metrics.stream_shed(shed);
        Err(HeadFault::TooMuchAtOnce(shed.as_str()))
    }
}

/// A stream as it begins.
struct BegunStream {
    head: Head,
    body: RecvStream,
    respond: SendResponse<Outgoing>,
    received_at: Instant,
}

/// A head in HTTP/1.1's form, and how the body is delimited; or why there is none.
type WrittenHead = Result<(Buffer, BodyFraming), HeadFault>;

enum Head {
    Written(WrittenHead),
    /// As HPACK has it, which shares what it repeats, and its size; it is written when there is room for it.
    Large(Box<Parts>, usize),
}

async fn serve_stream(thread: &Thread, streams: &Streams, begun: BegunStream) {
    let BegunStream { head, body: stream, mut respond, received_at } = begun;
    // Reset before anybody looked at it: the origin never hears of it (CVE-2023-44487).
    if poll_fn(|context| Poll::Ready(respond.poll_reset(context).is_ready())).await {
        return;
    }
    let respond = RefCell::new(Some(respond));
    let mut turn = None;
    let written = match head {
        Head::Written(written) => written,
        Head::Large(parts, size) => {
            let _waits = streams.unread.wait();
            turn = streams.large_heads.acquire().await.ok();
            streams.write_head(&parts, size, &stream)
        }
    };
    let (peer, traffic) = (&streams.peer, Traffic::default());
    let mut alarm = Alarm::new();
    let mut response = Http2Response {
        traffic: &traffic,
        streams,
        head: None,
        has_begun: false,
        awaits_tunnel: false,
        respond: &respond,
        sending: None,
    };
    let mut head = thread.request_heads.take();
    let readable =
        written.and_then(|(input, framing)| match head.parse(&input).map_err(HeadFault::Refused)? {
            Progress::Complete { .. } => Ok((input, framing)),
            Progress::Partial => Err(HeadFault::Malformed),
        });
    let served = match readable {
        Ok((input, framing)) => {
            traffic.count_from_viewer(input.len());
            let mut body = Http2Body::new(stream, framing, streams, &traffic);
            body.awaits_continue = head.expect_continue().then_some(&respond);
            let head = head.view(&input);
            let (version, is_first) = (HttpVersion::Http2, peer.asks());
            let request = ViewerRequest { head, version, framing, peer, is_first, received_at };
            response.awaits_tunnel = request.needs_tunnel();
            let mut viewer = ViewerSide { body: &mut body, response: &mut response, alarm: &mut alarm };
            pipeline::serve(thread, &request, &traffic, &mut viewer).await
        }
        Err(fault) => {
            tracing::debug!(error = %fault, "A viewer's request is refused");
            let failure = Failure::Refused(fault.answer());
            let mut transcript = Transcript::begin(thread, peer, &traffic, None, received_at);
            let mut body = Http2Body::new(stream, BodyFraming::None, streams, &traffic);
            let mut viewer = ViewerSide { body: &mut body, response: &mut response, alarm: &mut alarm };
            pipeline::refuse(thread, failure, &mut viewer, &mut transcript).await
        }
    };
    drop(turn);
    if served == Err(BrokenOff) {
        // A reset discards what waits to be sent; the connection's own task sends it first.
        tokio::task::yield_now().await;
        response.reset();
    }
}

/// A request's body as its stream brings it.
struct Http2Body<'s> {
    stream: RecvStream,
    streams: &'s Streams,
    traffic: &'s Traffic,
    /// What has been handed out and takes room in the viewer's window until it is dealt with.
    part: Bytes,
    /// What the viewer said is still to come.
    remaining: Option<u64>,
    /// How many bytes are still taken.
    left: u64,
    is_done: bool,
    /// Where the viewer is told to go on, if it waits for that.
    awaits_continue: Option<&'s Respond>,
}

impl<'s> Http2Body<'s> {
    fn new(stream: RecvStream, framing: BodyFraming, streams: &'s Streams, traffic: &'s Traffic) -> Self {
        let remaining = if let BodyFraming::Length(length) = framing { Some(length) } else { None };
        let is_done = framing == BodyFraming::None || stream.is_end_stream();
        Self {
            stream,
            streams,
            traffic,
            part: Bytes::new(),
            remaining,
            left: u64::MAX,
            is_done,
            awaits_continue: None,
        }
    }

    /// 100 (Continue), once, when the origin is there to take the body (RFC 9110 section 10.1.1).
    fn ask_for_it(&mut self) -> Result<(), ViewerFault> {
        let Some(respond) = self.awaits_continue.take() else { return Ok(()) };
        match respond.borrow_mut().as_mut() {
            Some(respond) => inform(respond, Response::new(()), StatusCode::CONTINUE),
            // The response has begun, which tells more.
            None => Ok(()),
        }
    }

    /// Whether there is another part, or the end.
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, ViewerFault>> {
        loop {
            let Some(part) = ready!(self.stream.poll_data(context)) else {
                // Nothing has checked trailers, so they stay behind; but `h2` is to hold them no longer.
                ready!(self.stream.poll_trailers(context)).map_err(|_| ViewerFault::Left)?;
                self.streams.conduct.trailers_taken(self.stream.stream_id().as_u32());
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
            self.left = self.left.checked_sub(part.len() as u64).ok_or(ViewerFault::BodyTooLarge)?;
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
        self.ask_for_it()?;
        // The viewer may send more only now that the origin has taken this much.
        let dealt_with = std::mem::take(&mut self.part);
        self.stream.flow_control().release_capacity(dealt_with.len()).map_err(|_| ViewerFault::Left)?;
        self.streams.conduct.body_taken(dealt_with.len());
        drop(dealt_with);
        let has_part = poll_fn(|context| self.poll_part(context)).await?;
        self.is_done = !has_part;
        Ok(has_part.then_some(&self.part))
    }

    fn limit(&mut self, bytes: u64) {
        self.left = bytes;
    }

    fn can_be_passed_over(&self) -> bool {
        true
    }

    /// RFC 8441 section 5: from here on the stream's DATA is WebSocket's bytes.
    fn begin_tunnel(&mut self) {
        (self.is_done, self.remaining, self.left) = (false, None, u64::MAX);
    }
}

impl Drop for Http2Body<'_> {
    fn drop(&mut self) {
        // What nobody has taken goes with it.
        self.streams.conduct.body_taken(self.stream.flow_control().used_capacity());
    }
}

/// Fields for which a response has room from the beginning: what origins send, and the edge's own.
const RESPONSE_FIELDS: usize = 16;

/// A response on its way to its stream.
struct Http2Response<'s> {
    traffic: &'s Traffic,
    streams: &'s Streams,
    head: Option<Response<()>>,
    has_begun: bool,
    /// Whether the viewer takes a success for the beginning of a tunnel.
    awaits_tunnel: bool,
    respond: &'s Respond,
    /// The response's stream, once it has begun.
    sending: Option<SendStream<Outgoing>>,
}

/// Where a response begins, and before it interim ones; nothing is left of it when it has begun.
type Respond = RefCell<Option<SendResponse<Outgoing>>>;

fn inform(
    respond: &mut SendResponse<Outgoing>,
    mut response: Response<()>,
    status: StatusCode,
) -> Result<(), ViewerFault> {
    *response.status_mut() = status;
    respond.send_informational(response).map_err(|_| ViewerFault::Left)
}

impl Http2Response<'_> {
    /// The status as HTTP/2 says it. There a success opens the tunnel that was asked for (RFC 8441 section 5), so that an
    /// answer without one must not look like it, be it the origin's or an error page.
    fn status(&self, start: ResponseStart) -> Result<u16, WriteError> {
        match (start.framing, start.status) {
            (ResponseFraming::Tunnel, _) => Ok(StatusCode::OK.as_u16()),
            (_, 200..300) if self.awaits_tunnel => Err(WriteError::Status),
            (_, status) => Ok(status),
        }
    }

    /// Tells the viewer that what it got is not the whole (RFC 9113 section 5.4.2).
    fn reset(&mut self) {
        if let Some(stream) = &mut self.sending {
            stream.send_reset(Reason::INTERNAL_ERROR);
        } else if let Some(respond) = self.respond.borrow_mut().as_mut() {
            respond.send_reset(Reason::INTERNAL_ERROR);
        }
    }

    async fn send(&mut self, mut part: &[u8], is_last: bool) -> Result<(), h2::Error> {
        self.has_begun = true;
        if let Some(head) = self.head.take()
            && let Some(mut respond) = self.respond.take()
        {
            let ends_with_head = is_last && part.is_empty();
            self.sending = Some(respond.send_response(head, ends_with_head)?);
            if ends_with_head {
                return Ok(());
            }
        }
        let Some(stream) = &mut self.sending else { return Ok(()) };
        if part.is_empty() && is_last {
            return stream.send_data(Outgoing::nothing(), true);
        }
        while !part.is_empty() {
            let capacity = capacity(stream, part.len()).await?;
            let granted = part.get(..capacity).unwrap_or(part);
            // Only what the viewer's windows let through takes room that others wait for.
            let outgoing = self.streams.outgoing.take(granted).await;
            part = part.get(outgoing.len()..).unwrap_or_default();
            self.traffic.count_to_viewer(outgoing.len());
            self.streams.conduct.response_data();
            stream.send_data(outgoing, is_last && part.is_empty())?;
        }
        Ok(())
    }
}

fn size_of_fields(fields: &HeaderMap) -> usize {
    fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// How much the viewer takes at this moment; waits until it is something.
async fn capacity(stream: &mut SendStream<Outgoing>, wanted: usize) -> Result<usize, h2::Error> {
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
        *response.headers_mut() = HeaderMap::with_capacity(RESPONSE_FIELDS);
        let status = self.status(start)?;
        *response.status_mut() = StatusCode::from_u16(status).map_err(|_| WriteError::Status)?;
        let mut head = ViewerHead::Http2(response.headers_mut(), Ok(()));
        write_fields(&mut head);
        head.outcome()?;
        if start.framing == ResponseFraming::Tunnel {
            // The answer to the edge's own key.
            response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
        }
        if let ResponseFraming::NoBody(Some(length)) | ResponseFraming::Length(length) = start.framing {
            let length =
                HeaderValue::from_bytes(decimal(length).as_ref()).map_err(|_| WriteError::FieldValue)?;
            response.headers_mut().insert(header::CONTENT_LENGTH, length);
        }
        self.traffic.count_to_viewer(size_of_fields(response.headers()));
        self.head = Some(response);
        Ok(())
    }

    async fn write(&mut self, part: &[u8], is_last: bool, alarm: &mut Alarm) -> Result<(), ViewerFault> {
        let streams = self.streams;
        let sending = pin!(self.send(part, is_last));
        let condemn = || streams.conduct.condemn(Http2Misconduct::Unread);
        streams.unread.send(alarm, || streams.write_patience(), sending, condemn).await
    }

    async fn end(&mut self, trailers: HeaderMap, alarm: &mut Alarm) -> Result<(), ViewerFault> {
        let Some(stream) = &mut self.sending else { return self.write(b"", true, alarm).await };
        self.traffic.count_to_viewer(size_of_fields(&trailers));
        stream.send_trailers(trailers).map_err(|_| ViewerFault::Left)
    }

    fn inform(
        &mut self,
        status: u16,
        write_fields: impl FnOnce(&mut ViewerHead<'_>),
    ) -> Result<(), WriteError> {
        let status = StatusCode::from_u16(status).map_err(|_| WriteError::Status)?;
        let mut response = Response::new(());
        let mut head = ViewerHead::Http2(response.headers_mut(), Ok(()));
        write_fields(&mut head);
        head.outcome()?;
        self.traffic.count_to_viewer(size_of_fields(response.headers()));
        if let Some(respond) = self.respond.borrow_mut().as_mut() {
            // A viewer that is not there any more shows with the response itself.
            let _ = inform(respond, response, status);
        }
        Ok(())
    }

    fn has_begun(&self) -> bool {
        self.has_begun
    }

    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match (&mut self.sending, self.respond.borrow_mut().as_mut()) {
            (Some(stream), _) => stream.poll_reset(context).map(drop),
            (None, Some(respond)) => respond.poll_reset(context).map(drop),
            (None, None) => Poll::Pending,
        }
    }
}
