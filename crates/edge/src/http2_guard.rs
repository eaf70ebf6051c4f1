//! What stands between an HTTP/2 connection's bytes and the `h2` crate.
//!
//! `h2` bounds what a viewer can make it remember. What is left to bound is what a viewer can make the
//! edge *do*: answer PINGs and SETTINGS, walk over priorities and windows, begin requests at origins only to
//! reset them. The guard sees each frame's header as it passes, charges what costs more than it is worth,
//! and reports the viewer that has spent its allowance.
//!
//! Origins that speak HTTP/2 are watched in the same way, but for resets: they can only reset what we began.
//!
//! It also lets one header block through at a time. HPACK unfolds a byte into kilobytes
//! (CVE-2026-49975); so each head is written in its final form, or refused, before the next one is
//! decoded, and however many arrive together, one of them at a time is large. Nor is one decoded before it has
//! ended: what has come of it waits here, where it is as large as it was sent. That leaves trailers, which `h2`
//! keeps decoded until a stream's body has been read to its end; so few of them may wait.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};
use tokio::time::Instant;

use crate::limits::{
    HTTP2_FRAMES_MAX, HTTP2_FRAMES_PER_SECOND, HTTP2_HEADER_BLOCK_BYTES_MAX, HTTP2_RESETS_MAX,
    HTTP2_RESETS_PER_SECOND, HTTP2_TRAILER_HELD_BYTES, HTTP2_TRAILERS_WAITING_BYTES_MAX,
    VIEWER_HEAD_TIME_MAX,
};
use crate::load::{Held, Load};

/// What ends a connection before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Http2Misconduct {
    /// Streams reset by the viewer, faster than anybody changes their mind (CVE-2023-44487).
    Resets,
    /// Frames that carry nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, unknown ones; the pieces of
    /// a head that is in very many; trailers that wait.
    Frames,
    /// A frame or a head that does not end, in time or at all.
    SlowFrame,
    /// Many responses that the viewer asked for and does not read.
    Unread,
}

impl Http2Misconduct {
    pub(crate) const ALL: [Self; 4] = [Self::Resets, Self::Frames, Self::SlowFrame, Self::Unread];

    /// A word for metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Resets => "resets",
            Self::Frames => "frames",
            Self::SlowFrame => "slow-frame",
            Self::Unread => "unread",
        }
    }
}

/// How the other end behaves on one connection: written by the guard, read by the connection's task.
#[derive(Debug)]
pub(crate) struct Conduct {
    /// Whether a header block has passed that nobody has looked at yet.
    is_paused: Cell<bool>,
    misconduct: Cell<Option<Http2Misconduct>>,
    /// Whether nothing more is read.
    is_over: Cell<bool>,
    /// Since when the viewer has owed the rest of a frame or of a head.
    incomplete_since: Cell<Option<Instant>>,
    frames: Allowance,
    resets: Allowance,
    /// Bytes of bodies that have arrived and were not dealt with.
    received: Held,
    /// What has come of a header block that has not ended.
    withheld: Held,
    trailers: Trailers,
    task: RefCell<Option<Waker>>,
}

impl Conduct {
    pub(crate) fn new(load: &Rc<Load>) -> Self {
        Self {
            is_paused: Cell::new(false),
            misconduct: Cell::new(None),
            is_over: Cell::new(false),
            incomplete_since: Cell::new(None),
            frames: Allowance::new(HTTP2_FRAMES_MAX, HTTP2_FRAMES_PER_SECOND),
            resets: Allowance::new(HTTP2_RESETS_MAX, HTTP2_RESETS_PER_SECOND),
            received: Held::new(load),
            withheld: Held::new(load),
            trailers: Trailers::default(),
            task: RefCell::new(None),
        }
    }

    /// An origin's. It has no streams to reset but those that we begin.
    pub(crate) fn of_origin(load: &Rc<Load>) -> Self {
        Self { resets: Allowance::new(u32::MAX, u32::MAX), ..Self::new(load) }
    }

    /// A stream begins towards an origin, which will answer it.
    pub(crate) fn stream_begins(&self) {
        self.frames.earn(4);
    }

    /// Reads on; the task that calls this is woken by [`condemn`](Self::condemn).
    pub(crate) fn resume(&self, context: &Context<'_>) {
        self.is_paused.set(false);
        self.task.borrow_mut().get_or_insert_with(|| context.waker().clone()).clone_from(context.waker());
    }

    /// Whether reading was stopped by a header block.
    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused.get()
    }

    /// What the viewer did, once.
    pub(crate) fn take_misconduct(&self) -> Option<Http2Misconduct> {
        self.misconduct.take()
    }

    /// Ends the connection; what was found first counts.
    pub(crate) fn condemn(&self, misconduct: Http2Misconduct) {
        if !self.is_over.replace(true) {
            self.misconduct.set(Some(misconduct));
            if let Some(task) = self.task.take() {
                task.wake();
            }
        }
    }

    /// Whether the connection has been ended.
    pub(crate) fn is_condemned(&self) -> bool {
        self.is_over.get()
    }

    /// Until when what has begun to arrive must be complete.
    pub(crate) fn complete_by(&self) -> Option<Instant> {
        self.incomplete_since.get().map(|since| since + VIEWER_HEAD_TIME_MAX)
    }

    /// A stretch of a response goes out, which the viewer may acknowledge for stream and connection.
    pub(crate) fn response_data(&self) {
        self.frames.earn(2);
    }

    /// Bytes of a body have been dealt with.
    pub(crate) fn body_taken(&self, bytes: usize) {
        self.received.give_back(bytes);
    }

    /// The trailers of a stream, if it had any, are held no longer.
    pub(crate) fn trailers_taken(&self, stream: u32) {
        self.trailers.taken(stream);
    }

    /// No stream is left that could hold any.
    pub(crate) fn no_bodies(&self) {
        self.received.clear();
        self.trailers.clear();
    }

    fn charge(&self, frame: FrameHead) {
        let is_within_allowance = match frame.kind {
            // RFC 9113 section 6.1; 6.3 and 5.3.2, where priorities are deprecated; 6.5; 6.7; 6.9.
            FrameHead::DATA => {
                self.received.take(frame.length);
                frame.length > 0 || frame.has(FrameHead::END_STREAM) || self.frames.spend(1)
            }
            FrameHead::HEADERS => {
                self.frames.earn(4);
                true
            }
            FrameHead::RST_STREAM => {
                if !self.resets.spend(1) {
                    return self.condemn(Http2Misconduct::Resets);
                }
                true
            }
            // It is acknowledged, and may change the windows of all streams.
            FrameHead::SETTINGS if !frame.has(FrameHead::ACK) => self.frames.spend(16),
            _ => self.frames.spend(1),
        };
        if !is_within_allowance {
            self.condemn(Http2Misconduct::Frames);
        }
    }
}

/// The trailers of a connection that nobody has read yet, each with what it counts.
#[derive(Debug, Default)]
struct Trailers {
    waiting: RefCell<Vec<(u32, usize)>>,
    bytes: Cell<usize>,
}

impl Trailers {
    /// More of a stream's trailers has come; tells whether they may all wait.
    fn wait(&self, stream: u32, bytes: usize) -> bool {
        let counted = bytes.saturating_add(HTTP2_TRAILER_HELD_BYTES);
        self.bytes.set(self.bytes.get().saturating_add(counted));
        let may_wait = self.bytes.get() <= HTTP2_TRAILERS_WAITING_BYTES_MAX;
        if may_wait {
            self.waiting.borrow_mut().push((stream, counted));
        }
        may_wait
    }

    fn taken(&self, stream: u32) {
        if self.bytes.get() > 0 {
            self.waiting.borrow_mut().retain(|(of, counted)| {
                let stays = *of != stream;
                if !stays {
                    self.bytes.set(self.bytes.get().saturating_sub(*counted));
                }
                stays
            });
        }
    }

    fn clear(&self) {
        self.waiting.borrow_mut().clear();
        self.bytes.set(0);
    }
}

/// Something that may be used up, and comes back with time.
#[derive(Debug)]
pub(crate) struct Allowance {
    most: u32,
    per_second: u32,
    left: Cell<u32>,
    filled_at: Cell<Instant>,
}

impl Allowance {
    pub(crate) fn new(most: u32, per_second: u32) -> Self {
        Self { most, per_second, left: Cell::new(most), filled_at: Cell::new(Instant::now()) }
    }

    pub(crate) fn earn(&self, amount: u32) {
        self.left.set(self.left.get().saturating_add(amount).min(self.most));
    }

    /// Whether there was enough. Looks at the clock only when there is not.
    pub(crate) fn spend(&self, amount: u32) -> bool {
        if self.left.get() < amount {
            self.fill();
        }
        let Some(left) = self.left.get().checked_sub(amount) else { return false };
        self.left.set(left);
        true
    }

    fn fill(&self) {
        let now = Instant::now();
        let passed = now.duration_since(self.filled_at.get());
        let earned = passed.as_millis().saturating_mul(self.per_second.into()) / 1000;
        if earned > 0 {
            self.filled_at.set(now);
            self.earn(u32::try_from(earned).unwrap_or(u32::MAX));
        }
    }
}

/// The connection's bytes, watched.
#[derive(Debug)]
pub(crate) struct Guard<T> {
    inner: Take<T>,
    frames: FrameReader,
    /// What has come of a header block that has not ended.
    withheld: BytesMut,
    conduct: Rc<Conduct>,
}

impl<T: AsyncRead> Guard<T> {
    pub(crate) fn new(inner: T, conduct: Rc<Conduct>) -> Self {
        Self { inner: inner.take(0), frames: FrameReader::new(), withheld: BytesMut::new(), conduct }
    }

    /// Of a connection to an origin, which begins with a frame and not with the preface.
    pub(crate) fn towards_origin(inner: T, conduct: Rc<Conduct>) -> Self {
        Self { frames: FrameReader::of_origin(), ..Self::new(inner, conduct) }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guard<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            // The connection's own task decides what follows; it is the one that polls.
            if this.conduct.is_over.get() {
                return Poll::Pending;
            }
            let withholds = this.frames.withholds();
            if !withholds && !this.withheld.is_empty() {
                this.hand_out(buffer);
                return Poll::Ready(Ok(()));
            }
            if this.conduct.is_paused.get() {
                return Poll::Pending;
            }
            let before = buffer.filled().len();
            ready!(this.poll_read_on(context, buffer))?;
            let read = buffer.filled().get(before..).unwrap_or_default();
            this.frames.pass(read, &this.conduct);
            if !withholds || read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.withheld.extend_from_slice(read);
            this.conduct.withheld.take(read.len());
            buffer.set_filled(before);
            if this.withheld.len() > HTTP2_HEADER_BLOCK_BYTES_MAX {
                this.conduct.condemn(Http2Misconduct::SlowFrame);
            }
        }
    }
}

impl<T: AsyncRead + Unpin> Guard<T> {
    /// Reads, but never beyond the frame, so that what comes behind a header block stays where it is. It is no
    /// system call: TLS has decrypted a whole record.
    fn poll_read_on(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.inner.set_limit(self.frames.wanted() as u64);
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        if polled.is_pending() {
            let since = self.conduct.incomplete_since.get().unwrap_or_else(Instant::now);
            self.conduct.incomplete_since.set(self.frames.owes_the_rest().then_some(since));
        }
        polled
    }

    /// Lets what has been withheld through, as much as there is room for.
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) {
        let now = self.withheld.len().min(buffer.remaining());
        buffer.put_slice(self.withheld.get(..now).unwrap_or_default());
        self.withheld.advance(now);
        if self.withheld.is_empty() {
            // An idle connection holds none of it.
            self.withheld = BytesMut::new();
            self.conduct.withheld.clear();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.inner.get_mut()).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.inner.get_mut()).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.inner.get_mut()).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.inner.get_mut()).poll_shutdown(context)
    }
}

/// The bytes before a frame's payload (RFC 9113 section 4.1).
#[derive(Clone, Copy, Debug)]
struct FrameHead {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl FrameHead {
    const BYTES: usize = 9;

    const DATA: u8 = 0x0;
    const HEADERS: u8 = 0x1;
    const RST_STREAM: u8 = 0x3;
    const SETTINGS: u8 = 0x4;
    const CONTINUATION: u8 = 0x9;

    const END_STREAM: u8 = 0x1;
    const ACK: u8 = 0x1;
    const END_HEADERS: u8 = 0x4;

    fn parse(bytes: [u8; Self::BYTES]) -> Self {
        let [high, middle, low, kind, flags, stream @ ..] = bytes;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        // The first bit is reserved.
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        Self { length, kind, flags, stream }
    }

    fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn is_of_block(self) -> bool {
        matches!(self.kind, Self::HEADERS | Self::CONTINUATION)
    }
}

/// Where in the stream of frames the connection is.
#[derive(Debug)]
struct FrameReader {
    awaited: Awaited,
    /// Whether a header block has begun and not ended.
    is_within_block: bool,
    /// The newest stream that a viewer has begun; origins begin none.
    newest_stream: Option<u32>,
    /// Whether the header block is one of trailers.
    is_of_trailers: bool,
}

#[derive(Debug)]
enum Awaited {
    /// This much of what every connection begins with (RFC 9113 section 3.4).
    Preface(usize),
    /// The rest of a frame's head, after so many bytes.
    Head([u8; FrameHead::BYTES], usize),
    /// This much of a payload.
    Payload(FrameHead, usize),
}

impl FrameReader {
    const PREFACE_BYTES: usize = 24;

    fn new() -> Self {
        let awaited = Awaited::Preface(Self::PREFACE_BYTES);
        Self { awaited, is_within_block: false, newest_stream: Some(0), is_of_trailers: false }
    }

    fn of_origin() -> Self {
        let awaited = Awaited::Head([0; FrameHead::BYTES], 0);
        Self { awaited, newest_stream: None, ..Self::new() }
    }

    /// Whether what comes next waits until the header block has ended that it is part of. Anything else within a
    /// block is an error of the connection, which `h2` finds (RFC 9113 section 6.10).
    fn withholds(&self) -> bool {
        match self.awaited {
            Awaited::Preface(_) => false,
            Awaited::Head(..) => self.is_within_block,
            Awaited::Payload(frame, _) if self.is_within_block => frame.kind == FrameHead::CONTINUATION,
            Awaited::Payload(frame, _) => frame.is_of_block() && !frame.has(FrameHead::END_HEADERS),
        }
    }

    /// How many bytes end what is awaited; never 0.
    fn wanted(&self) -> usize {
        match self.awaited {
            Awaited::Preface(left) | Awaited::Payload(_, left) => left,
            Awaited::Head(_, have) => FrameHead::BYTES - have,
        }
    }

    /// Whether the viewer is in the middle of what it should send in one go. Bodies have limits of their own.
    fn owes_the_rest(&self) -> bool {
        self.is_within_block
            || match self.awaited {
                Awaited::Preface(_) => false,
                Awaited::Head(_, have) => have > 0,
                Awaited::Payload(frame, _) => frame.kind != FrameHead::DATA,
            }
    }

    /// Follows the bytes that were read.
    fn pass(&mut self, mut bytes: &[u8], conduct: &Conduct) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(self.wanted().min(bytes.len()));
            bytes = later;
            match &mut self.awaited {
                Awaited::Preface(left) | Awaited::Payload(_, left) => *left -= now.len(),
                Awaited::Head(head, have) => {
                    for (place, byte) in head.iter_mut().skip(*have).zip(now) {
                        *place = *byte;
                    }
                    *have += now.len();
                }
            }
            self.advance(conduct);
        }
    }

    /// A viewer's header block on a stream that has begun is one of trailers.
    fn charge_trailers(&mut self, frame: FrameHead, conduct: &Conduct) {
        if frame.kind == FrameHead::HEADERS
            && let Some(newest) = &mut self.newest_stream
        {
            self.is_of_trailers = frame.stream <= *newest;
            *newest = frame.stream.max(*newest);
        }
        if self.is_of_trailers && frame.is_of_block() && !conduct.trailers.wait(frame.stream, frame.length) {
            conduct.condemn(Http2Misconduct::Frames);
        }
    }

    fn advance(&mut self, conduct: &Conduct) {
        if let Awaited::Head(bytes, FrameHead::BYTES) = self.awaited {
            let frame = FrameHead::parse(bytes);
            conduct.charge(frame);
            self.charge_trailers(frame, conduct);
            self.awaited = Awaited::Payload(frame, frame.length);
        }
        match self.awaited {
            Awaited::Payload(frame, 0) => {
                self.awaited = Awaited::Head([0; FrameHead::BYTES], 0);
                self.is_within_block = frame.is_of_block() && !frame.has(FrameHead::END_HEADERS);
                if !self.is_within_block {
                    conduct.incomplete_since.set(None);
                    conduct.is_paused.set(frame.is_of_block());
                }
            }
            Awaited::Preface(0) => self.awaited = Awaited::Head([0; FrameHead::BYTES], 0),
            Awaited::Preface(_) | Awaited::Head(..) | Awaited::Payload(..) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 0x6;
    const WINDOW_UPDATE: u8 = 0x8;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        frame_of(1, kind, flags, payload)
    }

    fn frame_of(stream: u32, kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn conduct() -> Conduct {
        Conduct::new(&Rc::new(Load::new(usize::MAX)))
    }

    /// Reads frames behind a preface, as far as the guard lets them through at once.
    async fn read(guard: &mut Guard<&[u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        std::future::poll_fn(|context| {
            loop {
                let mut buffer = [0; 5];
                let mut buffer = ReadBuf::new(&mut buffer);
                match Pin::new(&mut *guard).poll_read(context, &mut buffer) {
                    Poll::Ready(read) => read.unwrap(),
                    Poll::Pending => return Poll::Ready(()),
                }
                if buffer.filled().is_empty() {
                    return Poll::Ready(());
                }
                out.extend_from_slice(buffer.filled());
            }
        })
        .await;
        out
    }

    fn with_preface(frames: &[Vec<u8>]) -> Vec<u8> {
        [vec![b'P'; FrameReader::PREFACE_BYTES], frames.concat()].concat()
    }

    #[tokio::test]
    async fn one_header_block_at_a_time_passes() {
        let first = [frame(FrameHead::HEADERS, 0, b"abc"), frame(FrameHead::CONTINUATION, 4, b"d")].concat();
        let second = [frame(PING, 0, &[0; 8]), frame(FrameHead::HEADERS, 4, b"")].concat();
        let third = frame(FrameHead::DATA, 1, b"body");
        let input = with_preface(&[first.clone(), second.clone(), third.clone()]);
        let conduct = Rc::new(conduct());
        let mut guard = Guard::new(input.as_slice(), Rc::clone(&conduct));
        assert_eq!(read(&mut guard).await, with_preface(&[first]));
        for expect in [second, third] {
            conduct.resume(&Context::from_waker(Waker::noop()));
            assert_eq!(read(&mut guard).await, expect);
        }
        assert!(!conduct.is_paused());
        assert_eq!(conduct.take_misconduct(), None);
    }

    #[tokio::test]
    async fn a_header_block_waits_until_it_has_ended() {
        let begun = [frame(FrameHead::HEADERS, 0, b"abc"), frame(FrameHead::CONTINUATION, 0, b"d")].concat();
        let load = Rc::new(Load::new(usize::MAX));
        let held_before = load.bytes();
        let conduct = Rc::new(Conduct::new(&load));
        let input = with_preface(std::slice::from_ref(&begun));
        let mut guard = Guard::new(input.as_slice(), Rc::clone(&conduct));
        assert_eq!(read(&mut guard).await, with_preface(&[begun[..FrameHead::BYTES].to_vec()]));
        assert_eq!(load.bytes() - held_before, begun.len() - FrameHead::BYTES);

        let ended = frame(FrameHead::CONTINUATION, FrameHead::END_HEADERS, b"");
        let input = with_preface(&[begun.clone(), ended.clone()]);
        let mut guard = Guard::new(input.as_slice(), Rc::clone(&conduct));
        assert_eq!(read(&mut guard).await, with_preface(&[begun.clone(), ended]));
        assert_eq!(load.bytes(), held_before);

        // RFC 9113 section 6.10 forbids it, and `h2` is to see it.
        let input = with_preface(&[begun, frame(PING, 0, &[0; 8])]);
        let mut guard = Guard::new(input.as_slice(), Rc::new(Conduct::new(&load)));
        assert_eq!(read(&mut guard).await, input);
    }

    #[tokio::test]
    async fn a_header_block_that_does_not_end_is_given_up() {
        let mut frames = vec![frame(FrameHead::HEADERS, 0, b"abc")];
        let piece = frame(FrameHead::CONTINUATION, 0, &[0; 16_384]);
        frames.extend(std::iter::repeat_n(piece.clone(), HTTP2_HEADER_BLOCK_BYTES_MAX / piece.len()));
        check(&frames, None).await;
        frames.push(piece);
        check(&frames, Some(Http2Misconduct::SlowFrame)).await;
    }

    #[tokio::test]
    async fn trailers_that_wait_are_few() {
        let request = |stream| frame_of(stream, FrameHead::HEADERS, FrameHead::END_HEADERS, b"abc");
        let trailers = |stream| frame_of(stream, FrameHead::HEADERS, 5, &[0xbe; 1000]);
        let streams = [1, 3, 5, 7, 9, 11, 13, 15];
        let waiting: Vec<_> = streams.map(|stream| [request(stream), trailers(stream)].concat()).into();
        check(&waiting[..7], None).await;
        check(&waiting, Some(Http2Misconduct::Frames)).await;

        let conduct = conduct();
        for stream in streams {
            assert!(conduct.trailers.wait(stream, 1000));
            conduct.trailers_taken(stream);
        }
        assert_eq!(conduct.trailers.bytes.get(), 0);
    }

    #[tokio::test]
    async fn an_origins_connection_begins_with_a_frame_and_may_reset_what_we_began() {
        let (head, body) = (frame(FrameHead::HEADERS, 4, b"abc"), frame(FrameHead::DATA, 1, b"x"));
        let resets = frame(FrameHead::RST_STREAM, 0, &[0; 4]).repeat(HTTP2_RESETS_MAX as usize + 1);
        let input = [head.clone(), body.clone(), resets.clone()].concat();
        let conduct = Rc::new(Conduct::of_origin(&Rc::new(Load::new(usize::MAX))));
        let mut guard = Guard::towards_origin(input.as_slice(), Rc::clone(&conduct));
        assert_eq!(read(&mut guard).await, head);
        conduct.resume(&Context::from_waker(Waker::noop()));
        assert_eq!(read(&mut guard).await, [body, resets].concat());
        assert_eq!((conduct.is_condemned(), conduct.take_misconduct()), (false, None));
        let pings = frame(PING, 0, &[0; 8]).repeat((HTTP2_FRAMES_MAX + HTTP2_FRAMES_PER_SECOND) as usize);
        let mut guard = Guard::towards_origin(pings.as_slice(), Rc::clone(&conduct));
        read(&mut guard).await;
        assert_eq!(
            (conduct.is_condemned(), conduct.take_misconduct()),
            (true, Some(Http2Misconduct::Frames))
        );
    }

    async fn check(frames: &[Vec<u8>], expect: Option<Http2Misconduct>) {
        let input = with_preface(frames);
        let conduct = Rc::new(conduct());
        let mut guard = Guard::new(input.as_slice(), Rc::clone(&conduct));
        loop {
            read(&mut guard).await;
            if !conduct.is_paused() {
                break;
            }
            conduct.resume(&Context::from_waker(Waker::noop()));
        }
        assert_eq!(conduct.take_misconduct(), expect);
    }

    #[tokio::test]
    async fn each_flood_spends_its_allowance() {
        let most = usize::try_from(HTTP2_FRAMES_MAX).unwrap();
        for (kind, payload) in [
            (PING, &[0; 8][..]),
            (WINDOW_UPDATE, &[0; 4]),
            (0x2, &[0; 5]),
            (0x77, &[]),
            (FrameHead::DATA, &[]),
            (FrameHead::CONTINUATION, &[]),
        ] {
            check(&vec![frame(kind, 0, payload); most], None).await;
            check(&vec![frame(kind, 0, payload); most + 200], Some(Http2Misconduct::Frames)).await;
        }
        check(&vec![frame(FrameHead::SETTINGS, 0, b""); most / 16], None).await;
        check(&vec![frame(FrameHead::SETTINGS, 0, b""); most / 8], Some(Http2Misconduct::Frames)).await;
        let resets = usize::try_from(HTTP2_RESETS_MAX).unwrap();
        check(&vec![frame(FrameHead::RST_STREAM, 0, &[0; 4]); resets], None).await;
        check(&vec![frame(FrameHead::RST_STREAM, 0, &[0; 4]); 2 * resets], Some(Http2Misconduct::Resets))
            .await;
    }

    #[tokio::test]
    async fn work_earns_what_belongs_to_it() {
        let request = |number: u32| {
            [
                frame_of(2 * number + 1, FrameHead::HEADERS, 4, b"abc"),
                frame(WINDOW_UPDATE, 0, &[0; 4]),
                frame(0x2, 0, &[0; 5]),
                frame(FrameHead::DATA, 1, b""),
            ]
            .concat()
        };
        check(&(0..10_000).map(request).collect::<Vec<_>>(), None).await;
        check(&vec![frame(FrameHead::DATA, 0, b"x"); 10_000], None).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_allowance_comes_back_with_time() {
        let allowance = Allowance::new(10, 5);
        assert!((0..10).all(|_| allowance.spend(1)));
        assert!(!allowance.spend(1));
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert!((0..5).all(|_| allowance.spend(1)));
        assert!(!allowance.spend(1));
        allowance.earn(100);
        assert!(!allowance.spend(11) && allowance.spend(10));
    }

    #[test]
    fn what_was_found_first_counts_and_is_told_once() {
        let conduct = conduct();
        conduct.condemn(Http2Misconduct::Unread);
        conduct.condemn(Http2Misconduct::Frames);
        assert_eq!(conduct.take_misconduct(), Some(Http2Misconduct::Unread));
        assert_eq!(conduct.take_misconduct(), None);
    }
}
