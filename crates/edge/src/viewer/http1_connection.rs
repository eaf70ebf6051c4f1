//! HTTP/1.1 and HTTP/1.0 towards viewers.
//!
//! One request after the other; what a viewer sends before it has its answer waits in the socket, or
//! in the buffer of the read that brought it. A connection that waits holds no buffer, and when it has waited for a
//! while, no room for serving a request either.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use behavior::{EdgeError, HttpVersion};
use http::HeaderMap;
use http1::{
    BodyDecoder, BodyFraming, CHUNK_END, HeadWriter, LAST_CHUNK, Progress, RequestHead, Version, WriteError,
    chunk_header,
};
use tokio::time::Instant;

use super::{
    Peer, RequestBody, ResponseFraming, ResponseStart, ResponseWriter, ViewerFault, ViewerHead,
    ViewerRequest, refusal,
};
use crate::alarm::{Alarm, TimedOut};
use crate::body;
use crate::buffer::Buffer;
use crate::failure::Failure;
use crate::limits::{
    BODY_DRAIN_BYTES_MAX, BODY_DRAIN_TIME_MAX, COALESCED_BODY_BYTES_MAX, LINGER_BYTES_MAX, LINGER_TIME_MAX,
    VIEWER_BUSY_WAIT, VIEWER_HEAD_TIME_MAX, VIEWER_IDLE_MAX, VIEWER_WRITE_TIME_MAX,
};
use crate::pipeline::{self, BrokenOff, ViewerSide};
use crate::rest::Rest;
use crate::thread::Thread;
use crate::transcript::Traffic;
use crate::transport::Transport;
use crate::turn;

/// Serves a connection to its end.
pub(super) async fn serve(thread: &Thread, transport: &Transport, peer: &Peer) {
    let mut connection =
        Connection { thread, transport, peer, alarm: Alarm::new(), rest: Rest::default(), unread: None };
    let mut patience = VIEWER_IDLE_MAX;
    loop {
        let Waited::Bytes(input) = connection.first_bytes(patience, false).await else {
            return transport.say_farewell();
        };
        // Boxed, here and below, so that connections that wait do not hold room for it.
        match Box::pin(connection.serve_while_busy(input)).await {
            Next::Request => patience = VIEWER_IDLE_MAX.saturating_sub(2 * VIEWER_BUSY_WAIT),
            Next::Close => return transport.say_farewell(),
            Next::Abandon => return,
            Next::Reset => return transport.reset_on_close(),
            Next::Linger => return Box::pin(connection.linger()).await,
        }
    }
}

/// What becomes of a connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another request may follow.
    Request,
    /// Nothing more will come, in either direction.
    Close,
    /// The viewer is gone, or has to be.
    Abandon,
    /// Closing must not look like the end of a message.
    Reset,
    /// The viewer may still be sending.
    Linger,
}

struct Connection<'c> {
    thread: &'c Thread,
    transport: &'c Transport,
    peer: &'c Peer,
    alarm: Alarm,
    rest: Rest,
    /// What arrived behind the last request.
    unread: Option<Buffer>,
}

/// What came of waiting for a request.
enum Waited {
    /// Its first bytes.
    Bytes(Buffer),
    /// The connection has ended, or should.
    Ended,
    /// Nothing, for so long that the connection is at rest.
    AtRest,
}

/// Why there is no request.
enum NoRequest {
    /// The connection ended between requests, or was idle for too long.
    Ended,
    /// A head began and cannot be served.
    Refused(Failure),
}

impl Connection<'_> {
    /// Serves requests as long as one soon follows the other.
    async fn serve_while_busy(&mut self, mut input: Buffer) -> Next {
        let thread = self.thread;
        let mut head = thread.request_heads.take();
        loop {
            let next = self.serve_one(&mut head, input).await;
            if next != Next::Request {
                return next;
            }
            input = match self.first_bytes(VIEWER_IDLE_MAX, true).await {
                Waited::Bytes(more) => more,
                Waited::Ended => return Next::Close,
                Waited::AtRest => return Next::Request,
            };
            head.clear();
        }
    }

    async fn serve_one(&mut self, head: &mut RequestHead, mut input: Buffer) -> Next {
        let received_at = turn::now();
        match self.read_head(head, &mut input, received_at).await {
            Ok(head_len) => self.serve_request(head, input, head_len, received_at).await,
            Err(NoRequest::Ended) => Next::Close,
            Err(NoRequest::Refused(failure)) => {
                Box::pin(self.refuse(failure, input.len(), received_at)).await
            }
        }
    }

    /// Waits for a request's first bytes. Only one that is busy comes to rest.
    ///
    /// Every connection that waits holds this future, so it is made by hand: those of `async` have room for their
    /// arguments twice.
    fn first_bytes(&mut self, patience: Duration, is_busy: bool) -> impl Future<Output = Waited> {
        let (begun_at, mut deadline) = (self.thread.ticks.count(), None);
        poll_fn(move |context| {
            if let Some(unread) = self.unread.take() {
                return Poll::Ready(Waited::Bytes(unread));
            }
            if let Poll::Ready(read) = self.transport.poll_read_pooled(context, Buffer::small) {
                let read = read.ok().filter(|bytes| !bytes.is_empty());
                return Poll::Ready(read.map_or(Waited::Ended, Waited::Bytes));
            }
            if self.thread.is_draining() {
                return Poll::Ready(Waited::Ended);
            }
            if is_busy && self.rest.poll(&self.thread.ticks, begun_at, context).is_ready() {
                return Poll::Ready(Waited::AtRest);
            }
            let deadline = || *deadline.get_or_insert_with(|| turn::now() + patience);
            self.alarm.poll(deadline, context).map(|TimedOut| Waited::Ended)
        })
    }

    async fn read_head(
        &mut self,
        head: &mut RequestHead,
        input: &mut Buffer,
        received_at: Instant,
    ) -> Result<usize, NoRequest> {
        loop {
            match head.parse(input) {
                Ok(Progress::Complete { head_len }) => return Ok(head_len),
                Ok(Progress::Partial) => {}
                Err(error) => {
                    tracing::debug!(%error, "A viewer's request is refused");
                    return Err(NoRequest::Refused(Failure::Refused(refusal(error))));
                }
            }
            if input.is_full() {
                input.grow_for_head();
            }
            let reading = self.transport.read(input);
            let peer = self.peer;
            let patience = || peer.patience(VIEWER_HEAD_TIME_MAX);
            match self.alarm.as_patient_since(received_at, patience, reading).await {
                Ok(Ok(0) | Err(_)) => return Err(NoRequest::Ended),
                Ok(Ok(_)) => {}
                Err(_) => return Err(NoRequest::Refused(Failure::Refused(EdgeError::RequestTimeout))),
            }
        }
    }

    async fn serve_request(
        &mut self,
        head: &RequestHead,
        mut input: Buffer,
        head_len: usize,
        received_at: Instant,
    ) -> Next {
        let traffic = Traffic::default();
        traffic.count_from_viewer(head_len);
        let behind = input.get(head_len..).unwrap_or_default();
        let framing = head.framing();
        let has_body = !matches!(framing, BodyFraming::None | BodyFraming::Length(0));
        let mut body = Http1Body::new(self.transport, framing, head.expect_continue(), behind, &traffic);
        let version = match head.version() {
            Version::Http10 => HttpVersion::Http10,
            Version::Http11 => HttpVersion::Http11,
        };
        let mut response = Http1Response {
            transport: self.transport,
            thread: self.thread,
            peer: self.peer,
            traffic: &traffic,
            version,
            keep_alive: head.keep_alive(),
            head: None,
            has_begun: false,
            body_framing: ResponseFraming::NoBody(None),
        };
        let request = ViewerRequest {
            head: head.view(&input),
            version,
            framing,
            peer: self.peer,
            is_first: self.peer.asks(),
            received_at,
        };
        let mut viewer = ViewerSide { body: &mut body, response: &mut response, alarm: &mut self.alarm };
        let served = pipeline::serve(self.thread, &request, &traffic, &mut viewer).await;

        let ends_by_closing = response.ends_by_closing();
        if served == Err(BrokenOff) {
            return if ends_by_closing { Next::Reset } else { Next::Abandon };
        }
        if response.is_tunnel() {
            return Next::Linger;
        }
        let keep_alive = response.keep_alive;
        let is_read = body.decoder.is_done() || (keep_alive && body.drain(&mut self.alarm).await);
        if !is_read {
            return Next::Linger;
        }
        // What is behind the head went to the body, if there is one.
        let unread =
            if has_body { body.into_unread() } else { remainder(&mut input, head_len).then_some(input) };
        if !keep_alive {
            return if unread.is_some() { Next::Linger } else { Next::Close };
        }
        self.unread = unread;
        Next::Request
    }

    /// Answers what is no request, and closes: nobody can know where the next one would begin.
    async fn refuse(&mut self, failure: Failure, read: usize, received_at: Instant) -> Next {
        let traffic = Traffic::default();
        traffic.count_from_viewer(read);
        let mut response = Http1Response {
            transport: self.transport,
            thread: self.thread,
            peer: self.peer,
            traffic: &traffic,
            version: HttpVersion::Http11,
            keep_alive: false,
            head: None,
            has_begun: false,
            body_framing: ResponseFraming::NoBody(None),
        };
        let mut viewer = ViewerSide { body: &mut (), response: &mut response, alarm: &mut self.alarm };
        match pipeline::refuse(self.thread, self.peer, &traffic, received_at, failure, &mut viewer).await {
            Ok(()) => Next::Linger,
            Err(BrokenOff) => Next::Abandon,
        }
    }

    /// Closes in a way that lets the answer arrive: says that it is over, then reads on until the
    /// viewer has seen it. Closing at once would reset the connection under the answer.
    async fn linger(&mut self) {
        let transport = self.transport;
        let lingering = async {
            transport.shut_down().await?;
            let mut dropped = 0;
            while dropped < LINGER_BYTES_MAX {
                let read = poll_fn(|context| transport.poll_read_pooled(context, Buffer::large)).await?;
                if read.is_empty() {
                    break;
                }
                dropped += read.len();
            }
            io::Result::Ok(())
        };
        // However it ends, the connection is closed next.
        let _ = self.alarm.within(LINGER_TIME_MAX, lingering).await;
    }
}

/// Moves what is behind `at` to the front; tells whether there is anything.
fn remainder(input: &mut Buffer, at: usize) -> bool {
    if input.len() <= at {
        return false;
    }
    input.consume(at);
    true
}

/// A request's body as it arrives.
struct Http1Body<'c> {
    transport: &'c Transport,
    traffic: &'c Traffic,
    decoder: BodyDecoder,
    /// What arrived with the head, behind it.
    behind_head: &'c [u8],
    /// What has been read and not been dealt with starts at `at`.
    input: Option<Buffer>,
    at: usize,
    /// Whether the viewer waits for 100 (Continue).
    is_awaited: Cell<bool>,
    /// How many bytes are still taken.
    left: u64,
    /// Malformed or too large: nothing more of it is read.
    is_refused: bool,
}

impl<'c> Http1Body<'c> {
    fn new(
        transport: &'c Transport,
        framing: BodyFraming,
        expects_continue: bool,
        behind_head: &'c [u8],
        traffic: &'c Traffic,
    ) -> Self {
        let decoder = BodyDecoder::new(framing);
        let input = (!decoder.is_done()).then(|| {
            let mut input = Buffer::small();
            input.extend_from_slice(behind_head);
            input
        });
        Self {
            transport,
            traffic,
            decoder,
            behind_head,
            input,
            at: 0,
            is_awaited: Cell::new(expects_continue),
            left: u64::MAX,
            is_refused: false,
        }
    }

    /// Reads and drops the rest, if it is little and comes soon; a viewer that was never told to send
    /// it may not do so.
    async fn drain(&mut self, alarm: &mut Alarm) -> bool {
        if !self.can_be_passed_over() {
            return false;
        }
        let draining = async {
            let mut drained = 0;
            while let Ok(Some(part)) = self.next().await {
                drained += part.len() as u64;
                if drained > BODY_DRAIN_BYTES_MAX {
                    return;
                }
            }
        };
        let in_time = alarm.within(BODY_DRAIN_TIME_MAX, draining).await.is_ok();
        in_time && self.decoder.is_done()
    }

    /// What arrived behind the body.
    fn into_unread(self) -> Option<Buffer> {
        let mut input = self.input?;
        remainder(&mut input, self.at).then_some(input)
    }

    /// 100 (Continue), once, when the origin is there to take the body (RFC 9110 section 10.1.1).
    fn ask_for_it(&self) -> Result<(), ViewerFault> {
        const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
        if self.is_awaited.replace(false) {
            self.traffic.count_to_viewer(CONTINUE.len());
            if !self.transport.write_now(CONTINUE) {
                return Err(ViewerFault::Left);
            }
        }
        Ok(())
    }
}

impl RequestBody for Http1Body<'_> {
    async fn next(&mut self) -> Result<Option<&[u8]>, ViewerFault> {
        let found = loop {
            if self.decoder.is_done() {
                return Ok(None);
            }
            if self.input.as_ref().is_none_or(|input| self.at >= input.len()) {
                self.ask_for_it()?;
                self.input = None;
                self.at = 0;
                let transport = self.transport;
                let read = poll_fn(|context| transport.poll_read_pooled(context, Buffer::large)).await;
                let read = read.map_err(|_| ViewerFault::Left)?;
                if read.is_empty() {
                    return self.decoder.end_of_input().map(|()| None).map_err(|_| ViewerFault::Left);
                }
                self.input = Some(read);
            }
            let Some(input) = &mut self.input else { return Err(ViewerFault::Left) };
            let stretch = body::compact(&mut self.decoder, input, self.at).map_err(|error| {
                tracing::debug!(%error, "A viewer's request body is refused");
                self.is_refused = true;
                ViewerFault::BodyMalformed
            })?;
            self.traffic.count_from_viewer(stretch.end - self.at);
            self.at = stretch.end;
            let Some(left) = self.left.checked_sub(stretch.body.len() as u64) else {
                self.is_refused = true;
                return Err(ViewerFault::BodyTooLarge);
            };
            self.left = left;
            if !stretch.body.is_empty() {
                break stretch.body;
            }
        };
        Ok(self.input.as_ref().and_then(|input| input.get(found)))
    }

    fn limit(&mut self, bytes: u64) {
        self.left = bytes;
    }

    fn can_be_passed_over(&self) -> bool {
        if self.is_refused {
            return false;
        }
        let is_small = self.decoder.remaining().is_none_or(|bytes| bytes <= BODY_DRAIN_BYTES_MAX);
        self.decoder.is_done() || (is_small && !self.is_awaited.get())
    }

    fn begin_tunnel(&mut self) {
        let mut input = Buffer::small();
        input.extend_from_slice(self.behind_head);
        (self.decoder, self.input, self.at) = (BodyDecoder::new(BodyFraming::UntilClose), Some(input), 0);
        // The limit is one of bodies.
        self.left = u64::MAX;
    }
}

/// A response on its way to a viewer.
struct Http1Response<'c> {
    transport: &'c Transport,
    thread: &'c Thread,
    peer: &'c Peer,
    traffic: &'c Traffic,
    version: HttpVersion,
    /// Whether another request may follow; settled when the head is written.
    keep_alive: bool,
    /// The head until it has left.
    head: Option<Buffer>,
    has_begun: bool,
    body_framing: ResponseFraming,
}

impl Http1Response<'_> {
    /// Whether the body's end shows by nothing but the connection's.
    fn ends_by_closing(&self) -> bool {
        let is_of_unknown_length = self.body_framing == ResponseFraming::Unknown;
        self.is_tunnel() || (is_of_unknown_length && self.version == HttpVersion::Http10)
    }

    fn is_tunnel(&self) -> bool {
        self.body_framing == ResponseFraming::Tunnel
    }

    fn is_chunked(&self) -> bool {
        self.body_framing == ResponseFraming::Unknown && self.version != HttpVersion::Http10
    }

    fn write_head(
        &self,
        start: ResponseStart,
        write_fields: impl FnOnce(&mut ViewerHead<'_>),
        out: &mut Buffer,
    ) -> Result<(), WriteError> {
        let mut head = ViewerHead::Http1(HeadWriter::response(&mut **out, start.status)?, Ok(()));
        write_fields(&mut head);
        head.outcome()?;
        let ViewerHead::Http1(mut head, _) = head else { return Ok(()) };
        match self.body_framing {
            ResponseFraming::NoBody(Some(length)) | ResponseFraming::Length(length) => {
                head.content_length(length)?;
            }
            ResponseFraming::Unknown if self.is_chunked() => head.transfer_encoding_chunked()?,
            ResponseFraming::NoBody(None) | ResponseFraming::Unknown | ResponseFraming::Tunnel => {}
        }
        if self.is_tunnel() {
            head.field(b"Connection", b"Upgrade")?;
            head.field(b"Upgrade", b"websocket")?;
        } else if !self.keep_alive {
            head.field(b"Connection", b"close")?;
        } else if self.version == HttpVersion::Http10 {
            head.field(b"Connection", b"keep-alive")?;
        }
        head.finish();
        Ok(())
    }

    /// Sends head and part, in as few and as large pieces as it takes.
    async fn send(&mut self, part: &[u8], is_last: bool) -> io::Result<()> {
        self.has_begun = true;
        let head = self.head.take();
        let chunk_size = NonZeroUsize::new(part.len()).filter(|_| self.is_chunked()).map(chunk_header);
        let before = chunk_size.as_ref().map_or::<&[u8], _>(b"", AsRef::as_ref);
        let after_part: &[u8] = if chunk_size.is_some() { CHUNK_END } else { b"" };
        let end: &[u8] = if is_last && self.is_chunked() { LAST_CHUNK } else { b"" };
        let mut written = before.len() + part.len() + after_part.len() + end.len();
        let result = match head {
            Some(mut head) if part.len() <= COALESCED_BODY_BYTES_MAX => {
                written += head.len();
                for piece in [before, part, after_part, end].into_iter().filter(|piece| !piece.is_empty()) {
                    head.extend_from_slice(piece);
                }
                self.transport.write(&head).await
            }
            head => {
                let head = head.as_deref().map_or::<&[u8], _>(b"", Vec::as_slice);
                written += head.len();
                self.transport.write_parts(&mut [head, before, part, after_part, end].map(IoSlice::new)).await
            }
        };
        self.traffic.count_to_viewer(written);
        result
    }
}

/// Waits until the viewer has taken something, as long as it may need for that. It is lent what it waits for, which
/// is large and would be moved from future to future otherwise.
async fn patiently(
    peer: &Peer,
    alarm: &mut Alarm,
    sending: Pin<&mut impl Future<Output = io::Result<()>>>,
) -> Result<(), ViewerFault> {
    match alarm.as_patient_as(|| peer.patience(VIEWER_WRITE_TIME_MAX), sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(ViewerFault::Left),
        Err(_) => Err(ViewerFault::ReadsTooSlowly),
    }
}

impl ResponseWriter for Http1Response<'_> {
    fn begin(
        &mut self,
        start: ResponseStart,
        write_fields: impl FnOnce(&mut ViewerHead<'_>),
    ) -> Result<(), WriteError> {
        self.body_framing = start.framing;
        self.keep_alive &= !self.thread.is_draining() && !self.ends_by_closing() && !start.ignores_body;
        let mut head = Buffer::small();
        self.write_head(start, write_fields, &mut head)?;
        self.head = Some(head);
        Ok(())
    }

    async fn write(&mut self, part: &[u8], is_last: bool, alarm: &mut Alarm) -> Result<(), ViewerFault> {
        let peer = self.peer;
        patiently(peer, alarm, pin!(self.send(part, is_last))).await
    }

    async fn end(&mut self, trailers: HeaderMap, alarm: &mut Alarm) -> Result<(), ViewerFault> {
        if !self.is_chunked() {
            return self.write(b"", true, alarm).await;
        }
        let mut end = Buffer::small();
        let mut writer = HeadWriter::last_chunk(&mut *end);
        for (name, value) in &trailers {
            // What can be no field is none.
            let _ = writer.field(name.as_str().as_bytes(), value.as_bytes());
        }
        writer.finish();
        self.traffic.count_to_viewer(end.len());
        patiently(self.peer, alarm, pin!(self.transport.write(&end))).await
    }

    /// `ViewerRequest::takes_interim_responses` says why.
    fn inform(
        &mut self,
        _status: u16,
        _write_fields: impl FnOnce(&mut ViewerHead<'_>),
    ) -> Result<(), WriteError> {
        Ok(())
    }

    fn has_begun(&self) -> bool {
        self.has_begun
    }

    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.transport.poll_reset_by_peer(context)
    }
}
