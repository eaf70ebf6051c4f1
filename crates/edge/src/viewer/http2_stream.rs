//! A request over HTTP/2 on its stream, and its response.
//!
//! Each stream is served by one task, which the connection's own task wakes when something has come for it; what it
//! sends it leaves with the connection, as far as there is room.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use behavior::HttpVersion;
use field_compression::FieldSection;
use http::HeaderMap;
use http1::{BodyFraming, Progress, WriteError};
use http2::{ErrorCode, HeaderWriter, StreamId};
use tokio::time::Instant;

use super::http2_conduct::Http2Misconduct;
use super::http2_connection::Connection;
use super::section_head::{HeadFault, SectionHead, Tunnels};
use super::{
    RequestBody, ResponseFraming, ResponseStart, ResponseWriter, ViewerFault, ViewerHead, ViewerRequest,
};
use crate::alarm::Alarm;
use crate::buffer::Buffer;
use crate::failure::Failure;
use crate::limits::HTTP2_RECEIVED_BYTES_KEPT_MAX;
use crate::pipeline::{self, BrokenOff, ViewerSide};
use crate::transcript::Traffic;
use crate::waiting_task::WaitingTask;

/// What a stream's task and the connection's share.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    /// What has arrived of the body and has not been looked at.
    arrived: RefCell<Vec<u8>>,
    /// Whether the body has ended behind that.
    has_ended: Cell<bool>,
    /// Whether nothing more will come of it or can be sent.
    is_broken: Cell<bool>,
    /// Whether the response has begun.
    has_responded: Cell<bool>,
    task: WaitingTask,
}

impl Stream {
    pub(super) fn new(id: StreamId, has_ended: bool) -> Self {
        Self {
            id,
            arrived: RefCell::default(),
            has_ended: Cell::new(has_ended),
            is_broken: Cell::new(false),
            has_responded: Cell::new(false),
            task: WaitingTask::default(),
        }
    }

    /// More of the body has arrived.
    pub(super) fn arrives(&self, bytes: &[u8]) {
        self.arrived.borrow_mut().extend_from_slice(bytes);
        self.wake();
    }

    /// The body has ended.
    pub(super) fn ends(&self) {
        self.has_ended.set(true);
        self.wake();
    }

    /// The viewer wants no more of it, or is gone.
    pub(super) fn breaks(&self) {
        self.is_broken.set(true);
        self.wake();
    }

    /// Has the stream's task look at it again.
    pub(super) fn wake(&self) {
        self.task.wake();
    }

    /// How much has arrived that nobody has looked at.
    pub(super) fn arrived_bytes(&self) -> usize {
        self.arrived.borrow().len()
    }

    /// Whether there is no body, as far as is known.
    pub(super) fn has_no_body(&self) -> bool {
        self.has_ended.get() && self.arrived_bytes() == 0
    }

    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.get()
    }

    /// Remembers the task that is polled, and that something may come for it.
    pub(super) fn waits(&self, context: &Context<'_>) {
        self.task.remember(context);
    }
}

/// A head in HTTP/1.1's form, and how the body is delimited; or why there is none.
pub(super) type WrittenHead = Result<(Buffer, BodyFraming), HeadFault>;

/// The head of a request that has begun.
pub(super) enum Head {
    Written(WrittenHead),
    /// As HPACK has it, which shares what it repeats; it is written when there is room for it.
    Large(Box<FieldSection>),
}

/// Serves a stream to its end.
pub(super) async fn serve(connection: &Connection, stream: &Stream, head: Head, received_at: Instant) {
    // Reset before anybody looked at it: the origin never hears of it (CVE-2023-44487).
    if stream.is_broken() {
        return;
    }
    let (mut turn, mut alarm) = (None, Alarm::new());
    let written = match head {
        Head::Written(written) => written,
        Head::Large(section) => {
            let _waits = connection.unread.wait();
            turn = connection.large_heads.acquire().await.ok();
            SectionHead::read(&section, Tunnels::WebSocket)
                .and_then(|head| connection.write_head(&head, stream))
        }
    };
    let traffic = Traffic::default();
    let mut response = Http2Response::new(connection, stream, &traffic);
    let served =
        serve_head(connection, stream, written, &mut response, &traffic, &mut alarm, received_at).await;
    drop(turn);
    if served == Err(BrokenOff) {
        // What the viewer got is not the whole (RFC 9113 section 5.4.2).
        connection.reset(stream, ErrorCode::InternalError);
    }
}

async fn serve_head(
    connection: &Connection,
    stream: &Stream,
    written: WrittenHead,
    response: &mut Http2Response<'_>,
    traffic: &Traffic,
    alarm: &mut Alarm,
    received_at: Instant,
) -> Result<(), BrokenOff> {
    let (thread, peer) = (&*connection.thread, &connection.peer);
    let mut head = thread.request_heads.take();
    let readable =
        written.and_then(|(input, framing)| match head.parse(&input).map_err(HeadFault::Refused)? {
            Progress::Complete { .. } => Ok((input, framing)),
            Progress::Partial => Err(HeadFault::Malformed),
        });
    match readable {
        Ok((input, framing)) => {
            traffic.count_from_viewer(input.len());
            let mut body = Http2Body::new(connection, stream, framing, traffic);
            body.awaits_continue = head.expect_continue();
            let head = head.view(&input);
            let (version, is_first) = (HttpVersion::Http2, peer.asks());
            let request = ViewerRequest { head, version, framing, peer, is_first, received_at };
            response.awaits_tunnel = request.needs_tunnel();
            let mut viewer = ViewerSide { body: &mut body, response, alarm };
            pipeline::serve(thread, &request, traffic, &mut viewer).await
        }
        Err(fault) => {
            tracing::debug!(error = %fault, "A viewer's request is refused");
            let failure = Failure::Refused(fault.answer());
            let mut body = Http2Body::new(connection, stream, BodyFraming::None, traffic);
            let mut viewer = ViewerSide { body: &mut body, response, alarm };
            pipeline::refuse(thread, peer, traffic, received_at, failure, &mut viewer).await
        }
    }
}

/// A request's body as its stream brings it.
struct Http2Body<'s> {
    connection: &'s Connection,
    stream: &'s Stream,
    traffic: &'s Traffic,
    /// What has been handed out and takes room in the viewer's window until it is dealt with.
    part: Vec<u8>,
    /// What the viewer said is still to come.
    remaining: Option<u64>,
    /// How many bytes are still taken.
    left: u64,
    is_done: bool,
    /// Whether the viewer waits for 100 (Continue).
    awaits_continue: bool,
}

impl<'s> Http2Body<'s> {
    fn new(
        connection: &'s Connection,
        stream: &'s Stream,
        framing: BodyFraming,
        traffic: &'s Traffic,
    ) -> Self {
        let remaining = if let BodyFraming::Length(length) = framing { Some(length) } else { None };
        Self {
            connection,
            stream,
            traffic,
            part: Vec::new(),
            remaining,
            left: u64::MAX,
            is_done: framing == BodyFraming::None
                || (stream.has_no_body() && remaining.is_none_or(|length| length == 0)),
            awaits_continue: false,
        }
    }

    /// 100 (Continue), once, when the origin is there to take the body (RFC 9110 section 10.1.1); a response that has
    /// begun tells more.
    fn ask_for_it(&mut self) {
        if std::mem::take(&mut self.awaits_continue) && !self.stream.has_responded.get() {
            let mut block = Buffer::small();
            HeaderWriter::new(&mut block).status(100);
            self.connection.send_interim(self.stream, &block);
        }
    }

    /// What was handed out has been dealt with, so that the viewer may send more.
    fn release(&mut self) {
        if !self.part.is_empty() {
            self.connection.release(self.stream, self.part.len());
            self.part.clear();
        }
    }

    /// Whether there is another part, or the end.
    fn poll_part(&mut self, context: &Context<'_>) -> Poll<Result<bool, ViewerFault>> {
        let mut arrived = self.stream.arrived.borrow_mut();
        if !arrived.is_empty() {
            std::mem::swap(&mut self.part, &mut arrived);
            if arrived.capacity() > HTTP2_RECEIVED_BYTES_KEPT_MAX {
                *arrived = Vec::new();
            }
            drop(arrived);
            return Poll::Ready(self.count_part().map(|()| true));
        }
        if self.stream.is_broken() {
            return Poll::Ready(Err(ViewerFault::Left));
        }
        if self.stream.has_ended.get() {
            let is_whole = self.remaining.is_none_or(|remaining| remaining == 0);
            return Poll::Ready(if is_whole { Ok(false) } else { Err(ViewerFault::BodyMalformed) });
        }
        self.stream.waits(context);
        Poll::Pending
    }

    fn count_part(&mut self) -> Result<(), ViewerFault> {
        let bytes = self.part.len();
        self.traffic.count_from_viewer(bytes);
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.checked_sub(bytes as u64).ok_or(ViewerFault::BodyMalformed)?;
        }
        self.left = self.left.checked_sub(bytes as u64).ok_or(ViewerFault::BodyTooLarge)?;
        Ok(())
    }
}

impl RequestBody for Http2Body<'_> {
    async fn next(&mut self) -> Result<Option<&[u8]>, ViewerFault> {
        if self.is_done {
            return Ok(None);
        }
        self.ask_for_it();
        self.release();
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
        self.release();
    }
}

/// The viewer wants no more of a response, or is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// A response on its way to its stream.
struct Http2Response<'s> {
    connection: &'s Connection,
    stream: &'s Stream,
    traffic: &'s Traffic,
    /// The head's block until it has left.
    head: Option<Buffer>,
    /// Whether the viewer takes a success for the beginning of a tunnel.
    awaits_tunnel: bool,
}

impl<'s> Http2Response<'s> {
    fn new(connection: &'s Connection, stream: &'s Stream, traffic: &'s Traffic) -> Self {
        Self { connection, stream, traffic, head: None, awaits_tunnel: false }
    }

    /// The status as HTTP/2 says it. There a success opens the tunnel that was asked for (RFC 8441 section 5), so that an
    /// answer without one must not look like it, be it the origin's or an error page.
    fn status(&self, start: ResponseStart) -> Result<u16, WriteError> {
        match (start.framing, start.status) {
            (ResponseFraming::Tunnel, _) => Ok(200),
            (_, 200..300) if self.awaits_tunnel => Err(WriteError::Status),
            (_, status) => Ok(status),
        }
    }

    async fn send(&mut self, mut part: &[u8], is_last: bool) -> Result<(), Gone> {
        let (connection, stream) = (self.connection, self.stream);
        stream.has_responded.set(true);
        if let Some(head) = self.head.take() {
            let ends_with_head = is_last && part.is_empty();
            poll_fn(|context| connection.poll_send_headers(context, stream, &head, ends_with_head)).await?;
            if ends_with_head {
                return Ok(());
            }
        }
        while !part.is_empty() || is_last {
            let sent = poll_fn(|context| connection.poll_send_data(context, stream, part, is_last)).await?;
            self.traffic.count_to_viewer(sent);
            part = part.get(sent..).unwrap_or_default();
            if part.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Sends within the time that the viewer has to read.
    async fn within_patience(
        connection: &Connection,
        alarm: &mut Alarm,
        sending: impl Future<Output = Result<(), Gone>>,
    ) -> Result<(), ViewerFault> {
        let condemn = || connection.condemn(Http2Misconduct::Unread);
        connection.unread.send(alarm, || connection.write_patience(), pin!(sending), condemn).await
    }
}

/// A header block with a status.
fn write_block(
    traffic: &Traffic,
    status: u16,
    framing: ResponseFraming,
    write_fields: impl FnOnce(&mut ViewerHead<'_>),
) -> Result<Buffer, WriteError> {
    let mut block = Buffer::small();
    let mut writer = HeaderWriter::new(&mut block);
    writer.status(status);
    let is_tunnel = framing == ResponseFraming::Tunnel;
    let mut head = ViewerHead::Http2 { writer, is_tunnel, outcome: Ok(()) };
    write_fields(&mut head);
    head.content_length(framing);
    head.outcome()?;
    traffic.count_to_viewer(block.len());
    Ok(block)
}

impl ResponseWriter for Http2Response<'_> {
    fn begin(
        &mut self,
        start: ResponseStart,
        write_fields: impl FnOnce(&mut ViewerHead<'_>),
    ) -> Result<(), WriteError> {
        let status = self.status(start)?;
        self.head = Some(write_block(self.traffic, status, start.framing, write_fields)?);
        Ok(())
    }

    async fn write(&mut self, part: &[u8], is_last: bool, alarm: &mut Alarm) -> Result<(), ViewerFault> {
        let connection = self.connection;
        connection.conduct.response_data();
        Self::within_patience(connection, alarm, self.send(part, is_last)).await
    }

    async fn end(&mut self, trailers: HeaderMap, alarm: &mut Alarm) -> Result<(), ViewerFault> {
        let mut block = Buffer::small();
        let mut writer = HeaderWriter::new(&mut block);
        for (name, value) in &trailers {
            writer.field(name.as_str().as_bytes(), &[value.as_bytes()]);
        }
        self.traffic.count_to_viewer(block.len());
        let (connection, stream) = (self.connection, self.stream);
        let sending = async {
            self.send(b"", false).await?;
            poll_fn(|context| connection.poll_send_headers(context, stream, &block, true)).await
        };
        Self::within_patience(connection, alarm, sending).await
    }

    fn inform(
        &mut self,
        status: u16,
        write_fields: impl FnOnce(&mut ViewerHead<'_>),
    ) -> Result<(), WriteError> {
        let block = write_block(self.traffic, status, ResponseFraming::Unknown, write_fields)?;
        if !self.connection.is_crowded() {
            self.connection.send_interim(self.stream, &block);
        }
        Ok(())
    }

    fn has_begun(&self) -> bool {
        self.stream.has_responded.get()
    }

    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.stream.is_broken() {
            return Poll::Ready(());
        }
        self.stream.waits(context);
        Poll::Pending
    }
}

/// Ends a stream's part in its connection, however its task ends.
pub(super) struct Served<'c>(pub(super) &'c Rc<Connection>, pub(super) &'c Stream);

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.0.finish(self.1);
    }
}
