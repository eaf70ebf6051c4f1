//! HTTP/3 towards viewers: packets, streams and flow control are the `quinn` crate's, frames and QPACK are
//! `http3`'s, meaning is ours.
//!
//! One task drives the connection and begins one for each stream. What bounds a connection: streams and windows, in
//! QUIC with the numbers of `limits`; frames that carry nothing, resets and responses that are not read, here, as in
//! HTTP/2; one head is bounded by its frame's length, and read into a buffer of its own.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use behavior::{EdgeError, HttpVersion};
use http1::{BodyFraming, Progress};
use http3::{
    ControlStream, DecoderStream, EncoderStream, ErrorCode, FrameKind, StreamKind, encode_varint,
    opening_of_control_stream, write_frame_head,
};
use quinn::{Connection, ConnectionError, RecvStream, SendStream, VarInt};
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::http3_body::{Http3Body, NoHead, RequestReader};
use super::http3_response::{Http3Response, Sending};
use super::open_streams::OpenStreams;
use super::section_head::{HeadFault, SectionHead, Tunnels};
use super::unread::UnreadStreams;
use super::{Peer, ViewerRequest};
use crate::addresses::AddressStream;
use crate::alarm::Alarm;
use crate::allowance::Allowance;
use crate::buffer::Buffer;
use crate::failure::Failure;
use crate::limits::{
    HTTP2_CLOSING_TIME_MAX, HTTP2_CONNECTION_WINDOW_BYTES, HTTP2_FRAMES_MAX, HTTP2_FRAMES_PER_SECOND,
    HTTP2_RESETS_MAX, HTTP2_RESETS_PER_SECOND, HTTP2_STREAM_WINDOW_BYTES, HTTP3_OUTGOING_BYTES_MAX,
    SMALL_BUFFER_BYTES, VIEWER_HEAD_TIME_MAX, VIEWER_WRITE_TIME_MAX,
};
use crate::load::Held;
use crate::metrics::Shed;
use crate::pipeline::{self, BrokenOff, ViewerSide};
use crate::thread::Thread;
use crate::transcript::Traffic;
use crate::turn;

/// What ends a connection before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Http3Misconduct {
    /// The protocol was broken in a way that is an error of the connection.
    Protocol,
    /// Streams that the viewer gave up, faster than anybody changes their mind.
    Resets,
    /// Frames and streams that carry nothing.
    Frames,
    /// Many responses that the viewer asked for and does not read.
    Unread,
}

impl Http3Misconduct {
    pub(crate) const ALL: [Self; 4] = [Self::Protocol, Self::Resets, Self::Frames, Self::Unread];

    /// A word for metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Resets => "resets",
            Self::Frames => "frames",
            Self::Unread => "unread",
        }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(thread: &Rc<Thread>, connection: Connection, peer: Peer) {
    let streams = Rc::new(Streams::new(thread, connection.clone(), peer));
    let Ok(control) = begin_control_stream(&connection).await else { return };
    Http3Connection { thread, connection, control, streams, requests: 0 }.serve().await;
}

/// RFC 9114 section 6.2.1: it begins with the settings, and stays open.
async fn begin_control_stream(connection: &Connection) -> Result<SendStream, ConnectionError> {
    let opening = tokio::time::timeout(VIEWER_HEAD_TIME_MAX, connection.open_uni());
    let mut control = opening.await.map_err(|_| ConnectionError::TimedOut)??;
    // It fails only when the connection does, which shows next.
    let _ = control.write_all(&opening_of_control_stream()).await;
    Ok(control)
}

struct Http3Connection<'c> {
    thread: &'c Rc<Thread>,
    connection: Connection,
    control: SendStream,
    streams: Rc<Streams>,
    /// How many requests have begun.
    requests: u64,
}

/// What happens on a connection.
enum Event {
    Request(SendStream, RecvStream),
    /// A stream in one direction.
    Stream(RecvStream),
    /// It should end.
    Drain,
    /// It has ended.
    Ended,
}

/// What the streams of a connection share with it and with each other.
pub(super) struct Streams {
    thread: Rc<Thread>,
    connection: Connection,
    /// Who is at the other end, by the address that the handshake has proven. A viewer that moves is still served,
    /// and still counts as the one of that address: anybody can write another one on a packet, and QUIC's library does
    /// not tell when the new path has been validated (RFC 9000 section 9.3).
    peer: Peer,
    frames: Allowance,
    resets: Allowance,
    /// Which streams there are that may be there once.
    critical: RefCell<Vec<StreamKind>>,
    /// What waits to be read by the origin.
    incoming: Reserve,
    /// What waits to be read by the viewer.
    pub(super) outgoing: Reserve,
    open: OpenStreams,
    /// How many wait for the viewer to read.
    pub(super) unread: UnreadStreams,
}

impl Streams {
    fn new(thread: &Rc<Thread>, connection: Connection, peer: Peer) -> Self {
        Self {
            thread: Rc::clone(thread),
            connection,
            peer,
            frames: Allowance::new(HTTP2_FRAMES_MAX, HTTP2_FRAMES_PER_SECOND),
            resets: Allowance::new(HTTP2_RESETS_MAX, HTTP2_RESETS_PER_SECOND),
            critical: RefCell::default(),
            incoming: Reserve::new(Held::new(&thread.load), HTTP2_CONNECTION_WINDOW_BYTES as usize),
            outgoing: Reserve::new(Held::new(&thread.load), HTTP3_OUTGOING_BYTES_MAX),
            open: OpenStreams::new(),
            unread: UnreadStreams::default(),
        }
    }

    /// Ends the connection for an error in the protocol.
    pub(super) fn fail(&self, code: ErrorCode) {
        self.end(Http3Misconduct::Protocol, code);
    }

    /// Ends the connection, and with it all of its streams.
    pub(super) fn end(&self, misconduct: Http3Misconduct, code: ErrorCode) {
        // What was found first counts.
        if self.connection.close_reason().is_none() {
            tracing::debug!(what = misconduct.as_str(), %code, "An HTTP/3 connection is ended");
            self.thread.metrics.http3_misconduct(misconduct);
            close(&self.connection, code);
        }
    }

    /// Counts a frame that carries nothing.
    pub(super) fn count_frame(&self, carries_nothing: bool) {
        if carries_nothing {
            self.count_frames(1);
        }
    }

    fn count_frames(&self, frames: u32) {
        if frames > 0 && !self.frames.spend(frames) {
            self.end(Http3Misconduct::Frames, ErrorCode::ExcessiveLoad);
        }
    }

    /// A stretch of a response goes out.
    pub(super) fn response_data(&self) {
        self.frames.earn(2);
    }

    fn count_reset(&self) {
        if !self.resets.spend(1) {
            self.end(Http3Misconduct::Resets, ErrorCode::ExcessiveLoad);
        }
    }

    /// RFC 9114 section 6.2.1, RFC 9204 section 4.2: there is one of each.
    fn begin_critical(&self, kind: StreamKind) -> Result<(), ErrorCode> {
        let mut critical = self.critical.borrow_mut();
        if critical.contains(&kind) {
            return Err(ErrorCode::StreamCreationError);
        }
        critical.push(kind);
        Ok(())
    }

    /// How long a stream may wait for the viewer to read.
    pub(super) fn write_patience(&self) -> Duration {
        self.unread.patience(self.peer.patience(VIEWER_WRITE_TIME_MAX))
    }
}

fn close(connection: &Connection, code: ErrorCode) {
    connection.close(VarInt::from_u32(code.value().into()), b"");
}

/// Memory that QUIC holds for a connection: as much as its streams may make it hold, and no more than its window.
#[derive(Debug)]
pub(super) struct Reserve {
    held: Held,
    taken: Cell<usize>,
    most: usize,
}

impl Reserve {
    fn new(held: Held, most: usize) -> Self {
        Self { held, taken: Cell::new(0), most }
    }

    /// Bytes that are waited for, or under way.
    pub(super) fn take(&self, bytes: usize) {
        let more = bytes.min(self.most - self.taken.get());
        self.taken.set(self.taken.get() + more);
        self.held.take(more);
    }

    /// No stream is left that could have any.
    fn clear(&self) {
        self.taken.set(0);
        self.held.clear();
    }
}

/// A stream that is being served.
struct OpenStream(Rc<Streams>);

impl OpenStream {
    fn new(streams: &Rc<Streams>) -> Self {
        streams.open.begin();
        Self(Rc::clone(streams))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        if self.0.open.end() {
            self.0.incoming.clear();
            self.0.outgoing.clear();
        }
    }
}

impl Http3Connection<'_> {
    async fn serve(mut self) {
        let mut alarm = Alarm::new();
        let streams = Rc::clone(&self.streams);
        loop {
            match alarm.until_moving(|| streams.open.go_on_until(), self.next()).await {
                Ok(Event::Request(response, request)) => self.begin_stream(response, request),
                Ok(Event::Stream(stream)) => {
                    let streams = Rc::clone(&self.streams);
                    spawn_local(async move { read_stream(&streams, stream).await });
                }
                Ok(Event::Ended) => return,
                Err(_) if streams.open.are_closing() => return close(&self.connection, ErrorCode::NoError),
                Ok(Event::Drain) | Err(_) => self.close().await,
            }
        }
    }

    async fn next(&self) -> Event {
        let mut requests = pin!(self.connection.accept_bi());
        let mut others = pin!(self.connection.accept_uni());
        poll_fn(|context| {
            if self.thread.is_draining() && !self.streams.open.are_closing() {
                return Poll::Ready(Event::Drain);
            }
            if let Poll::Ready(accepted) = requests.as_mut().poll(context) {
                let request = accepted.map(|(response, request)| Event::Request(response, request));
                return Poll::Ready(request.unwrap_or(Event::Ended));
            }
            let stream = others.as_mut().poll(context);
            stream.map(|accepted| accepted.map_or(Event::Ended, Event::Stream))
        })
        .await
    }

    /// GOAWAY: streams that have begun end as usual, no others begin (RFC 9114 section 5.2).
    async fn close(&mut self) {
        self.streams.open.close();
        let (mut id, mut frame) = (Vec::new(), Vec::new());
        // The first request that is not served: requests have every fourth id (RFC 9000 section 2.1).
        encode_varint(self.requests * 4, &mut id);
        write_frame_head(FrameKind::GoAway, id.len(), &mut frame);
        frame.extend_from_slice(&id);
        // A few bytes, for which there is room, or a viewer that gives none.
        let _ = tokio::time::timeout(HTTP2_CLOSING_TIME_MAX, self.control.write_all(&frame)).await;
    }

    fn begin_stream(&mut self, mut response: SendStream, mut request: RecvStream) {
        if self.streams.open.are_closing() {
            // Nothing was done with it, so it can be made again elsewhere.
            let rejected = VarInt::from_u32(ErrorCode::RequestRejected.value().into());
            let _ = (response.reset(rejected), request.stop(rejected));
            return;
        }
        self.requests += 1;
        self.streams.frames.earn(4);
        let admitted = self.admit_stream();
        let (thread, streams) = (Rc::clone(self.thread), Rc::clone(&self.streams));
        let open = OpenStream::new(&self.streams);
        spawn_local(async move {
            let stream = Stream { thread: &thread, streams: &streams };
            let shares = stream.serve(response, request, admitted).await;
            drop((open, shares));
        });
    }

    /// Takes a stream on, as long as there is room for it.
    fn admit_stream(&self) -> Admitted {
        let thread = self.thread;
        let shed = if thread.load.is_full() {
            Shed::Memory
        } else if let Some(of_address) = self.streams.peer.of_address.begin_stream() {
            return Ok((of_address, thread.load.stream()));
        } else {
            Shed::Address
        };
        thread.metrics.http3_stream_shed(shed);
        Err(HeadFault::TooMuchAtOnce(shed.as_str()))
    }
}

type Admitted = Result<(AddressStream, Held), HeadFault>;

/// Reads a stream in one direction to its end, or the connection's.
async fn read_stream(streams: &Streams, mut stream: RecvStream) {
    if let Err(code) = follow_stream(streams, &mut stream).await {
        streams.fail(code);
    }
}

async fn follow_stream(streams: &Streams, stream: &mut RecvStream) -> Result<(), ErrorCode> {
    let mut begun = Vec::new();
    let (kind, length) = loop {
        if let Some(found) = StreamKind::decode(&begun) {
            break found;
        }
        // RFC 9114 section 6.2: one that ends before it has said what it is for means nothing.
        let Ok(Some(chunk)) = stream.read_chunk(SMALL_BUFFER_BYTES, true).await else { return Ok(()) };
        begun.extend_from_slice(&chunk.bytes);
    };
    let first = begun.get(length..).unwrap_or_default();
    match kind {
        StreamKind::Unknown => {
            streams.count_frames(1);
            // RFC 9114 section 6.2: it is not wanted. It fails where it has ended already.
            let _ = stream.stop(VarInt::from_u32(ErrorCode::StreamCreationError.value().into()));
            return Ok(());
        }
        // RFC 9114 section 6.2.2: only servers push.
        StreamKind::Push => return Err(ErrorCode::StreamCreationError),
        StreamKind::Control | StreamKind::Encoder | StreamKind::Decoder => {}
    }
    streams.begin_critical(kind)?;
    let (mut control, mut encoder, mut decoder) =
        (ControlStream::default(), EncoderStream::default(), DecoderStream::default());
    let mut read = |bytes: &[u8]| match kind {
        StreamKind::Control => control.read(bytes),
        StreamKind::Encoder => encoder.read(bytes),
        _ => decoder.read(bytes),
    };
    streams.count_frames(read(first)?);
    // RFC 9114 section 6.2.1, RFC 9204 section 4.2: none of them may end.
    loop {
        match stream.read_chunk(SMALL_BUFFER_BYTES, true).await {
            Ok(Some(chunk)) => streams.count_frames(read(&chunk.bytes)?),
            Ok(None) | Err(quinn::ReadError::Reset(_)) => return Err(ErrorCode::ClosedCriticalStream),
            Err(_) => return Ok(()),
        }
    }
}

/// What a request's stream is served with.
struct Stream<'s> {
    thread: &'s Thread,
    streams: &'s Streams,
}

/// A head in HTTP/1.1's form, and how the body is delimited.
type WrittenHead = (Buffer, BodyFraming);

impl Stream<'_> {
    /// Serves a stream; hands back what it was admitted with.
    async fn serve(
        &self,
        response: SendStream,
        request: RecvStream,
        admitted: Admitted,
    ) -> Option<(AddressStream, Held)> {
        let received_at = turn::now();
        let (traffic, mut alarm) = (Traffic::default(), Alarm::new());
        let (mut reader, sending) = (RequestReader::new(request, self.streams), Sending::new(response));
        let mut response = Http3Response::new(&sending, self.streams, &traffic);
        let (admitted, shares) = match admitted {
            Ok(shares) => (Ok(()), Some(shares)),
            Err(fault) => (Err(fault.answer()), None),
        };
        let patience = || self.streams.peer.patience(VIEWER_HEAD_TIME_MAX);
        let reading = async {
            match admitted {
                Ok(()) => self.read_head(&mut reader).await,
                Err(error) => Err(NotServed::Refused(error)),
            }
        };
        let head = alarm.as_patient_since(received_at, patience, reading).await;
        let served = match head.unwrap_or(Err(NotServed::Refused(EdgeError::RequestTimeout))) {
            Ok(written) => {
                let body = Http3Body::new(&mut reader, written.1, &sending, &traffic);
                self.serve_request(written, body, &mut response, &traffic, &mut alarm, received_at).await
            }
            Err(NotServed::Refused(error)) => {
                tracing::debug!(status = error.status(), "A viewer's request is refused");
                let mut viewer = ViewerSide { body: &mut (), response: &mut response, alarm: &mut alarm };
                let failure = Failure::Refused(error);
                let peer = &self.streams.peer;
                pipeline::refuse(self.thread, peer, &traffic, received_at, failure, &mut viewer).await
            }
            Err(NotServed::Incomplete) => {
                response.reset(ErrorCode::RequestIncomplete);
                Ok(())
            }
            Err(NotServed::Left) => Err(BrokenOff),
        };
        if reader.was_reset() || response.is_left() {
            self.streams.count_reset();
        }
        // Says that the rest of the request is not wanted, before the response's end is waited for.
        drop(reader);
        match served {
            Ok(()) => response.arrive(&mut alarm).await,
            Err(BrokenOff) => response.reset(ErrorCode::InternalError),
        }
        shares
    }

    /// Reads the head, and writes it in HTTP/1.1's form.
    async fn read_head(&self, reader: &mut RequestReader<'_>) -> Result<WrittenHead, NotServed> {
        let section = reader.head().await?;
        let head = SectionHead::read(&section, Tunnels::Unknown)?;
        let input = head.write(self.streams.peer.scheme)?;
        // The end may come in a packet of its own. Who sends a body without saying how long it is may wait for the
        // answer to its beginning; who only asks for something has no body.
        let has_ended =
            if head.announces_body() { reader.seems_to_end().await } else { reader.ends_with_head().await };
        Ok((input, head.framing(has_ended)?))
    }

    async fn serve_request(
        &self,
        (input, framing): WrittenHead,
        mut body: Http3Body<'_, '_>,
        response: &mut Http3Response<'_>,
        traffic: &Traffic,
        alarm: &mut Alarm,
        received_at: Instant,
    ) -> Result<(), BrokenOff> {
        let mut head = self.thread.request_heads.take();
        let readable = match head.parse(&input).map_err(HeadFault::Refused) {
            Ok(Progress::Complete { .. }) => Ok(()),
            Ok(Progress::Partial) => Err(HeadFault::Malformed),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = readable {
            tracing::debug!(error = %fault, "A viewer's request is refused");
            let mut viewer = ViewerSide { body: &mut (), response, alarm };
            let failure = Failure::Refused(fault.answer());
            let peer = &self.streams.peer;
            return pipeline::refuse(self.thread, peer, traffic, received_at, failure, &mut viewer).await;
        }
        traffic.count_from_viewer(input.len());
        let waiting = match framing {
            BodyFraming::None => 0,
            BodyFraming::Length(length) => usize::try_from(length).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        self.streams.incoming.take(waiting.min(HTTP2_STREAM_WINDOW_BYTES as usize));
        if head.expect_continue() {
            body.await_continue();
        }
        let request = ViewerRequest {
            head: head.view(&input),
            version: HttpVersion::Http3,
            framing,
            peer: &self.streams.peer,
            is_first: self.streams.peer.asks(),
            received_at,
        };
        let mut viewer = ViewerSide { body: &mut body, response, alarm };
        pipeline::serve(self.thread, &request, traffic, &mut viewer).await
    }
}

/// Why a request is not served.
enum NotServed {
    Left,
    Incomplete,
    Refused(EdgeError),
}

impl From<HeadFault> for NotServed {
    fn from(fault: HeadFault) -> Self {
        Self::Refused(fault.answer())
    }
}

impl From<NoHead> for NotServed {
    fn from(reason: NoHead) -> Self {
        match reason {
            NoHead::Left => Self::Left,
            NoHead::Incomplete => Self::Incomplete,
            NoHead::Refused(fault) => fault.into(),
        }
    }
}
