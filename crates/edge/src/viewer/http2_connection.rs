//! HTTP/2 towards viewers: the wire is `http2`'s, time and meaning are ours.
//!
//! One task drives the connection and begins one for each stream. What bounds a connection: streams,
//! windows, broken streams and the header block, in `http2` with the numbers of `limits`; frames that carry
//! nothing and resets, in `http2_conduct`; responses that are not read, in `http2_outgoing` and here.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http2::{ConnectionError, ErrorCode, Event, ServerConnection, ServerSettings, StreamId};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use super::Peer;
use super::http2_conduct::{Conduct, Http2Misconduct};
use super::http2_outgoing::Outgoing;
use super::http2_stream::{self, Gone, Head, Served, Stream, WrittenHead};
use super::open_streams::OpenStreams;
use super::section_head::{HeadFault, SECTION_BOUNDS, SectionHead, Tunnels, are_trailers};
use super::unread::UnreadStreams;
use crate::addresses::AddressStream;
use crate::alarm::Alarm;
use crate::buffer::Buffer;
use crate::limits::{
    HTTP2_CLOSING_TIME_MAX, HTTP2_CONNECTION_WINDOW_BYTES, HTTP2_HEADER_LIST_BYTES_MAX,
    HTTP2_LARGE_HEADS_MAX, HTTP2_STREAM_WINDOW_BYTES, HTTP2_STREAMS_MAX, VIEWER_WRITE_TIME_MAX,
};
use crate::load::Held;
use crate::metrics::Shed;
use crate::thread::Thread;
use crate::transport::Transport;
use crate::turn;
use crate::waiting_task::WaitingTask;

/// Serves a connection to its end.
pub(super) async fn serve(thread: &Rc<Thread>, stream: TlsStream<TcpStream>, peer: Peer) {
    let (connection, transport) = (Rc::new(Connection::new(thread, peer)), Transport::to_viewer(stream));
    connection.serve(&transport).await;
    transport.say_farewell();
    connection.break_streams();
}

const SETTINGS: ServerSettings = ServerSettings {
    streams_max: HTTP2_STREAMS_MAX,
    stream_window: HTTP2_STREAM_WINDOW_BYTES,
    connection_window: HTTP2_CONNECTION_WINDOW_BYTES,
    header_list_bytes_max: HTTP2_HEADER_LIST_BYTES_MAX,
};

/// The heads of the frames that one stretch of a response goes out in; more go out in the next.
const FRAME_HEADS_BYTES: usize = 128;

/// What the connection's task and its streams' share.
pub(super) struct Connection {
    pub(super) thread: Rc<Thread>,
    pub(super) peer: Peer,
    pub(super) conduct: Conduct,
    /// Turns to have a large head.
    pub(super) large_heads: Semaphore,
    open: OpenStreams,
    /// How many wait for the viewer to read, or for others to end that have large heads.
    pub(super) unread: UnreadStreams,
    wire: RefCell<Wire>,
    /// When the connection ends, whatever is left.
    end_by: Cell<Option<Instant>>,
    task: WaitingTask,
}

/// The wire, and who is served over it.
struct Wire {
    protocol: ServerConnection,
    outgoing: Outgoing,
    /// By number.
    streams: Vec<Rc<Stream>>,
    /// Whether streams wait for room: in the windows, or in what waits to be written.
    has_waiting: bool,
}

impl Wire {
    /// There is room: each may look whether it is enough.
    fn wake_waiting(&mut self) {
        if std::mem::take(&mut self.has_waiting) {
            self.streams.iter().for_each(|stream| stream.wake());
        }
    }
}

/// The stream of a number, of those that are served.
fn of_number(streams: &[Rc<Stream>], id: StreamId) -> Option<&Rc<Stream>> {
    let at = streams.binary_search_by_key(&id, |stream| stream.id).ok()?;
    streams.get(at)
}

impl Connection {
    fn new(thread: &Rc<Thread>, peer: Peer) -> Self {
        let mut outgoing = Outgoing::default();
        let protocol = ServerConnection::begin(SETTINGS, SECTION_BOUNDS, outgoing.bytes());
        Self {
            thread: Rc::clone(thread),
            peer,
            conduct: Conduct::new(&thread.load),
            large_heads: Semaphore::new(HTTP2_LARGE_HEADS_MAX),
            open: OpenStreams::new(),
            unread: UnreadStreams::default(),
            wire: RefCell::new(Wire { protocol, outgoing, streams: Vec::new(), has_waiting: false }),
            end_by: Cell::new(None),
            task: WaitingTask::default(),
        }
    }

    async fn serve(self: &Rc<Self>, transport: &Transport) {
        let mut alarm = Alarm::new();
        loop {
            let working = poll_fn(|context| self.poll_work(context, transport));
            match alarm.until_moving(|| self.go_on_until(), working).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => return tracing::debug!(%error, "An HTTP/2 connection ended"),
                Err(_) if self.open.are_closing() => return,
                Err(_) if self.conduct.complete_by().is_some_and(|by| by <= Instant::now()) => {
                    self.conduct.condemn(Http2Misconduct::SlowFrame);
                }
                Err(_) => self.close(),
            }
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

    /// Reads and writes as far as that goes now; ready when the connection has ended.
    fn poll_work(self: &Rc<Self>, context: &mut Context<'_>, transport: &Transport) -> Poll<io::Result<()>> {
        self.task.remember(context);
        if self.thread.is_draining() && !self.open.are_closing() {
            self.close();
        }
        loop {
            let read = self.poll_read(context, transport)?;
            if let Some(misconduct) = self.conduct.take_misconduct() {
                tracing::debug!(what = misconduct.as_str(), "An HTTP/2 connection is ended");
                self.thread.metrics.http2_misconduct(misconduct);
                self.end(ErrorCode::EnhanceYourCalm);
            }
            let written = self.poll_write(context, transport)?;
            if written.is_ready() && self.has_ended() {
                return Poll::Ready(Ok(()));
            }
            match read {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Whether nothing is left to be done: after an error, or when the last stream has ended behind the farewell.
    fn has_ended(&self) -> bool {
        let wire = self.wire.borrow();
        let is_last = wire.protocol.begins_no_streams() && wire.streams.is_empty();
        self.end_by.get().is_some() || is_last
    }

    /// Reads once; tells whether there was anything but the end.
    fn poll_read(
        self: &Rc<Self>,
        context: &mut Context<'_>,
        transport: &Transport,
    ) -> Poll<io::Result<bool>> {
        if self.conduct.is_condemned() || self.wire.borrow().outgoing.is_full() {
            return Poll::Pending;
        }
        let input = ready!(transport.poll_read_pooled(context, Buffer::small))?;
        self.take_in(&input);
        Poll::Ready(Ok(!input.is_empty()))
    }

    /// Deals with what has arrived.
    fn take_in(self: &Rc<Self>, mut input: &[u8]) {
        while !self.conduct.is_condemned() {
            match self.receive(&mut input) {
                Ok(Some(event)) => self.happens(event),
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(%error, "An HTTP/2 connection is ended");
                    return self.end(error.code);
                }
            }
        }
        let Wire { protocol, outgoing, .. } = &mut *self.wire.borrow_mut();
        outgoing.tidy();
        self.conduct.has_read(protocol.owes_the_rest(), protocol.kept_bytes());
    }

    /// What happens next in what has arrived.
    fn receive<'i>(&self, input: &mut &'i [u8]) -> Result<Option<Event<'i>>, ConnectionError> {
        let Wire { protocol, outgoing, .. } = &mut *self.wire.borrow_mut();
        protocol.receive(input, outgoing.bytes(), |frame| self.conduct.charge(frame))
    }

    fn happens(self: &Rc<Self>, event: Event<'_>) {
        match event {
            Event::Request { stream, has_ended } => self.begin_stream(stream, has_ended),
            Event::Data { stream, bytes } => {
                let Wire { protocol, outgoing, streams, .. } = &mut *self.wire.borrow_mut();
                match of_number(streams, stream) {
                    Some(stream) => {
                        self.conduct.received.take(bytes.len());
                        stream.arrives(bytes);
                    }
                    None => protocol.release(stream, bytes.len(), outgoing.bytes()),
                }
            }
            Event::End { stream, has_trailers } => self.request_ends(stream, has_trailers),
            Event::Reset { stream } => {
                if let Some(stream) = of_number(&self.wire.borrow().streams, stream) {
                    stream.breaks();
                }
            }
            Event::Room { stream: 0 } => self.wire.borrow_mut().wake_waiting(),
            Event::Room { stream } => {
                if let Some(stream) = of_number(&self.wire.borrow().streams, stream) {
                    stream.wake();
                }
            }
        }
    }

    /// Trailers stay behind, since nothing but their form has been checked.
    fn request_ends(&self, id: StreamId, has_trailers: bool) {
        let Wire { protocol, outgoing, streams, .. } = &mut *self.wire.borrow_mut();
        let Some(stream) = of_number(streams, id) else { return };
        if !has_trailers || are_trailers(protocol.fields()) {
            return stream.ends();
        }
        stream.breaks();
        let refused = protocol.refuse(id, ErrorCode::ProtocolError, outgoing.bytes());
        // Trailers larger than any head are nobody's mistake.
        if refused.is_err() || protocol.fields().check().is_err() {
            self.conduct.condemn(Http2Misconduct::Frames);
        }
    }

    fn begin_stream(self: &Rc<Self>, id: StreamId, has_ended: bool) {
        let stream = Rc::new(Stream::new(id, has_ended));
        let (admitted, shares) = match self.admit_stream() {
            Ok(shares) => (Ok(()), Some(shares)),
            Err(fault) => (Err(fault), None),
        };
        let head = admitted.map_or_else(|fault| Head::Written(Err(fault)), |()| self.read_head(&stream));
        self.wire.borrow_mut().streams.push(Rc::clone(&stream));
        self.open.begin();
        let (connection, received_at) = (Rc::clone(self), turn::now());
        // Boxed, since a task is moved several times before it begins.
        spawn_local(Box::pin(async move {
            let served = Served(&connection, &stream);
            http2_stream::serve(&connection, &stream, head, received_at).await;
            drop((served, shares));
        }));
    }

    /// Takes a stream on, as long as there is room for it.
    fn admit_stream(&self) -> Result<(AddressStream, Held), HeadFault> {
        let thread = &self.thread;
        let shed = if thread.load.is_full() {
            Shed::Memory
        } else if let Some(of_address) = self.peer.of_address.begin_stream() {
            return Ok((of_address, thread.load.stream()));
        } else {
            Shed::Address
        };
        thread.metrics.stream_shed(shed);
        Err(HeadFault::TooMuchAtOnce(shed.as_str()))
    }

    /// Reads the head that has just come: here and now, so that what HPACK has unfolded is gone before the next one is.
    fn read_head(&self, stream: &Stream) -> Head {
        let protocol = &mut self.wire.borrow_mut().protocol;
        match SectionHead::read(protocol.fields(), Tunnels::WebSocket) {
            Ok(head) if head.is_small() => Head::Written(self.write_head(&head, stream)),
            Ok(_) => Head::Large(Box::new(protocol.take_fields(SECTION_BOUNDS))),
            Err(fault) => Head::Written(Err(fault)),
        }
    }

    /// Writes a stream's head in HTTP/1.1's form.
    pub(super) fn write_head(&self, head: &SectionHead<'_>, stream: &Stream) -> WrittenHead {
        Ok((head.write(self.peer.scheme)?, head.framing(stream.has_no_body())?))
    }

    fn poll_write(&self, context: &mut Context<'_>, transport: &Transport) -> Poll<io::Result<()>> {
        let wire = &mut *self.wire.borrow_mut();
        let written = wire.outgoing.poll_write(transport, context);
        if wire.outgoing.has_room() {
            wire.wake_waiting();
        }
        written
    }

    /// How long a stream may wait for the viewer to read.
    pub(super) fn write_patience(&self) -> Duration {
        self.unread.patience(self.peer.patience(VIEWER_WRITE_TIME_MAX))
    }

    /// Ends the connection because of what the viewer does.
    pub(super) fn condemn(&self, misconduct: Http2Misconduct) {
        self.conduct.condemn(misconduct);
        self.wake();
    }

    /// Has the connection's task work.
    fn wake(&self) {
        self.task.wake();
    }

    /// GOAWAY, and no stream is served any further.
    fn end(&self, code: ErrorCode) {
        // Nothing is read any more.
        self.conduct.conclude();
        self.open.close();
        self.end_by.set(Some(Instant::now() + HTTP2_CLOSING_TIME_MAX));
        let Wire { protocol, outgoing, .. } = &mut *self.wire.borrow_mut();
        protocol.end(code, outgoing.bytes());
    }

    /// GOAWAY: streams that have begun end as usual, no others begin.
    fn close(&self) {
        self.open.close();
        let Wire { protocol, outgoing, .. } = &mut *self.wire.borrow_mut();
        protocol.announce_end(outgoing.bytes());
    }

    fn break_streams(&self) {
        self.wire.borrow().streams.iter().for_each(|stream| stream.breaks());
    }

    /// Sends a header block, when there is room for it.
    pub(super) fn poll_send_headers(
        &self,
        context: &Context<'_>,
        stream: &Stream,
        block: &[u8],
        is_last: bool,
    ) -> Poll<Result<(), Gone>> {
        self.poll_send(context, stream, |protocol, outgoing| {
            // With the heads of its frames; what is larger than a buffer goes when it has one for itself.
            let wanted = block.len() + FRAME_HEADS_BYTES;
            if outgoing.room_for(wanted) < wanted && !outgoing.is_empty() {
                return Poll::Pending;
            }
            let is_sent = protocol.send_headers(stream.id, block, is_last, outgoing.bytes());
            Poll::Ready(is_sent.then_some(()))
        })
    }

    /// Sends as much of a stretch of a body as there is room for; tells how much that was.
    pub(super) fn poll_send_data(
        &self,
        context: &Context<'_>,
        stream: &Stream,
        part: &[u8],
        is_last: bool,
    ) -> Poll<Result<usize, Gone>> {
        self.poll_send(context, stream, |protocol, outgoing| {
            let room = outgoing.room_for(part.len() + FRAME_HEADS_BYTES);
            match protocol.send_data(stream.id, part, is_last, room, outgoing.bytes()) {
                Some(0) if !part.is_empty() => Poll::Pending,
                sent => Poll::Ready(sent),
            }
        })
    }

    fn poll_send<T>(
        &self,
        context: &Context<'_>,
        stream: &Stream,
        send: impl FnOnce(&mut ServerConnection, &mut Outgoing) -> Poll<Option<T>>,
    ) -> Poll<Result<T, Gone>> {
        let Wire { protocol, outgoing, has_waiting, .. } = &mut *self.wire.borrow_mut();
        if stream.is_broken() {
            return Poll::Ready(Err(Gone));
        }
        let outcome = send(protocol, outgoing);
        outgoing.tidy();
        if outcome.is_pending() {
            *has_waiting = true;
            stream.waits(context);
            return Poll::Pending;
        }
        self.wake();
        outcome.map(|sent| sent.ok_or(Gone))
    }

    /// Whether so much waits to be read by the viewer that what nobody needs should not wait, too.
    pub(super) fn is_crowded(&self) -> bool {
        self.wire.borrow().outgoing.is_full()
    }

    /// Sends an interim response at once.
    pub(super) fn send_interim(&self, stream: &Stream, block: &[u8]) {
        let Wire { protocol, outgoing, .. } = &mut *self.wire.borrow_mut();
        // A viewer that is not there any more shows with the response itself.
        protocol.send_headers(stream.id, block, false, outgoing.bytes());
        outgoing.tidy();
        self.wake();
    }

    /// Lets the viewer send more: so much of a stream's body has been dealt with.
    pub(super) fn release(&self, stream: &Stream, bytes: usize) {
        self.conduct.received.give_back(bytes);
        let Wire { protocol, outgoing, .. } = &mut *self.wire.borrow_mut();
        protocol.release(stream.id, bytes, outgoing.bytes());
        self.wake_if_needed(outgoing);
    }

    /// Ends a stream as an error.
    pub(super) fn reset(&self, stream: &Stream, code: ErrorCode) {
        let Wire { protocol, outgoing, .. } = &mut *self.wire.borrow_mut();
        protocol.reset(stream.id, code, outgoing.bytes());
        self.wake_if_needed(outgoing);
    }

    /// A stream's task has ended.
    pub(super) fn finish(&self, stream: &Stream) {
        let Wire { protocol, outgoing, streams, .. } = &mut *self.wire.borrow_mut();
        // What nobody has taken goes with it.
        let unread = stream.arrived_bytes();
        self.conduct.received.give_back(unread);
        protocol.release(stream.id, unread, outgoing.bytes());
        protocol.finish(stream.id, outgoing.bytes());
        streams.retain(|open| open.id != stream.id);
        if self.open.end() && self.open.are_closing() {
            self.wake();
        }
        self.wake_if_needed(outgoing);
    }

    fn wake_if_needed(&self, outgoing: &mut Outgoing) {
        outgoing.tidy();
        if !outgoing.is_empty() {
            self.wake();
        }
    }
}
