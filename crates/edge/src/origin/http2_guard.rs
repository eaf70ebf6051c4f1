//! What stands between the bytes of an HTTP/2 connection to an origin and the `h2` crate.
//!
//! `h2` bounds what an origin can make it remember. What is left to bound is what it can make the
//! edge *do*: answer PINGs and SETTINGS, walk over priorities and windows. The guard sees each frame's header as it
//! passes, charges what costs more than it is worth, and reports the origin that has spent its allowance. Resets are
//! free: an origin can only reset what we began.
//!
//! It also lets one header block through at a time. HPACK unfolds a byte into kilobytes
//! (CVE-2026-49975); so each head is taken before the next one is decoded. Nor is one decoded before it has
//! ended: what has come of it waits here, where it is as large as it was sent.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use http2::{FrameHead, FrameKind};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};

use crate::allowance::FrameAllowance;
use crate::limits::ORIGIN_HTTP2_HEADER_BLOCK_BYTES_MAX;
use crate::load::{Held, Load};
use crate::waiting_task::WaitingTask;

/// What ends a connection before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginMisconduct {
    /// Frames that carry nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, unknown ones; the pieces of
    /// a head that is in very many.
    Frames,
    /// A head that does not end.
    EndlessHead,
}

impl OriginMisconduct {
    /// A word for logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::EndlessHead => "endless-head",
        }
    }
}

/// How an origin behaves on one connection: written by the guard, read by the connection's task.
#[derive(Debug)]
pub(crate) struct Conduct {
    /// Whether a header block has passed that nobody has looked at yet.
    is_paused: Cell<bool>,
    misconduct: Cell<Option<OriginMisconduct>>,
    /// Whether nothing more is read.
    is_over: Cell<bool>,
    frames: FrameAllowance,
    /// Bytes of bodies that have arrived and were not dealt with.
    received: Held,
    /// What has come of a header block that has not ended.
    withheld: Held,
    task: WaitingTask,
}

impl Conduct {
    pub(crate) fn new(load: &Rc<Load>) -> Self {
        Self {
            is_paused: Cell::new(false),
            misconduct: Cell::new(None),
            is_over: Cell::new(false),
            frames: FrameAllowance::new(),
            received: Held::new(load),
            withheld: Held::new(load),
            task: WaitingTask::default(),
        }
    }

    /// A stream begins towards an origin, which will answer it.
    pub(crate) fn stream_begins(&self) {
        self.frames.exchange_begins();
    }

    /// Reads on; the task that calls this is woken by [`condemn`](Self::condemn).
    pub(crate) fn resume(&self, context: &Context<'_>) {
        self.is_paused.set(false);
        self.task.remember(context);
    }

    /// Whether reading was stopped by a header block.
    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused.get()
    }

    /// What the origin did, once.
    pub(crate) fn take_misconduct(&self) -> Option<OriginMisconduct> {
        self.misconduct.take()
    }

    /// Ends the connection; what was found first counts.
    pub(crate) fn condemn(&self, misconduct: OriginMisconduct) {
        if !self.is_over.replace(true) {
            self.misconduct.set(Some(misconduct));
            self.task.wake();
        }
    }

    /// Whether the connection has been ended.
    pub(crate) fn is_condemned(&self) -> bool {
        self.is_over.get()
    }

    /// A stretch of a response goes out, which the viewer may acknowledge for stream and connection.
    pub(crate) fn response_data(&self) {
        self.frames.data_goes_out();
    }

    /// Bytes of a body have been dealt with.
    pub(crate) fn body_taken(&self, bytes: usize) {
        self.received.give_back(bytes);
    }

    /// No exchange is left that could hold any.
    pub(crate) fn no_bodies(&self) {
        self.received.clear();
    }

    fn charge(&self, frame: FrameHead) {
        if frame.kind == FrameKind::Data {
            self.received.take(frame.length);
        }
        if !self.frames.charge(frame) {
            self.condemn(OriginMisconduct::Frames);
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
            if this.withheld.len() > ORIGIN_HTTP2_HEADER_BLOCK_BYTES_MAX {
                this.conduct.condemn(OriginMisconduct::EndlessHead);
            }
        }
    }
}

impl<T: AsyncRead + Unpin> Guard<T> {
    /// Reads, but never beyond the frame, so that what comes behind a header block stays where it is. It is no
    /// system call: TLS has decrypted a whole record.
    fn poll_read_on(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.inner.set_limit(self.frames.wanted() as u64);
        Pin::new(&mut self.inner).poll_read(context, buffer)
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

/// Where in the stream of frames the connection is.
#[derive(Debug)]
struct FrameReader {
    awaited: Awaited,
    /// Whether a header block has begun and not ended.
    is_within_block: bool,
}

#[derive(Debug)]
enum Awaited {
    /// The rest of a frame's head, after so many bytes.
    Head([u8; FrameHead::BYTES], usize),
    /// This much of a payload.
    Payload(FrameHead, usize),
}

/// Whether a frame is a piece of a header block.
fn is_of_block(frame: FrameHead) -> bool {
    matches!(frame.kind, FrameKind::Headers | FrameKind::Continuation)
}

impl FrameReader {
    fn new() -> Self {
        Self { awaited: Awaited::Head([0; FrameHead::BYTES], 0), is_within_block: false }
    }

    /// Whether what comes next waits until the header block has ended that it is part of. Anything else within a
    /// block is an error of the connection, which `h2` finds (RFC 9113 section 6.10).
    fn withholds(&self) -> bool {
        match self.awaited {
            Awaited::Head(..) => self.is_within_block,
            Awaited::Payload(frame, _) if self.is_within_block => frame.kind == FrameKind::Continuation,
            Awaited::Payload(frame, _) => is_of_block(frame) && !frame.ends_headers(),
        }
    }

    /// How many bytes end what is awaited; never 0.
    fn wanted(&self) -> usize {
        match self.awaited {
            Awaited::Payload(_, left) => left,
            Awaited::Head(_, have) => FrameHead::BYTES - have,
        }
    }

    /// Follows the bytes that were read.
    fn pass(&mut self, mut bytes: &[u8], conduct: &Conduct) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(self.wanted().min(bytes.len()));
            bytes = later;
            match &mut self.awaited {
                Awaited::Payload(_, left) => *left -= now.len(),
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

    fn advance(&mut self, conduct: &Conduct) {
        if let Awaited::Head(bytes, FrameHead::BYTES) = self.awaited {
            let frame = FrameHead::parse(bytes);
            conduct.charge(frame);
            self.awaited = Awaited::Payload(frame, frame.length);
        }
        match self.awaited {
            Awaited::Payload(frame, 0) => {
                self.awaited = Awaited::Head([0; FrameHead::BYTES], 0);
                self.is_within_block = is_of_block(frame) && !frame.ends_headers();
                if !self.is_within_block {
                    conduct.is_paused.set(is_of_block(frame));
                }
            }
            Awaited::Head(..) | Awaited::Payload(..) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::limits::HTTP2_FRAMES_MAX;

    const DATA: u8 = 0x0;
    const HEADERS: u8 = 0x1;
    const RST_STREAM: u8 = 0x3;
    const SETTINGS: u8 = 0x4;
    const PING: u8 = 0x6;
    const WINDOW_UPDATE: u8 = 0x8;
    const CONTINUATION: u8 = 0x9;
    const END_HEADERS: u8 = 0x4;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn conduct() -> Conduct {
        Conduct::new(&Rc::new(Load::new(usize::MAX)))
    }

    /// Reads frames, as far as the guard lets them through at once.
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

    #[tokio::test]
    async fn one_header_block_at_a_time_passes() {
        let first = [frame(HEADERS, 0, b"abc"), frame(CONTINUATION, END_HEADERS, b"d")].concat();
        let second = [frame(PING, 0, &[0; 8]), frame(HEADERS, END_HEADERS, b"")].concat();
        let third = frame(DATA, 1, b"body");
        let input = [first.clone(), second.clone(), third.clone()].concat();
        let conduct = Rc::new(conduct());
        let mut guard = Guard::new(input.as_slice(), Rc::clone(&conduct));
        assert_eq!(read(&mut guard).await, first);
        for expect in [second, third] {
            conduct.resume(&Context::from_waker(Waker::noop()));
            assert_eq!(read(&mut guard).await, expect);
        }
        assert!(!conduct.is_paused());
        assert_eq!(conduct.take_misconduct(), None);
    }

    #[tokio::test]
    async fn a_header_block_waits_until_it_has_ended() {
        let begun = [frame(HEADERS, 0, b"abc"), frame(CONTINUATION, 0, b"d")].concat();
        let load = Rc::new(Load::new(usize::MAX));
        let held_before = load.bytes();
        let mut guard = Guard::new(begun.as_slice(), Rc::new(Conduct::new(&load)));
        assert_eq!(read(&mut guard).await, begun[..FrameHead::BYTES]);
        assert_eq!(load.bytes() - held_before, begun.len() - FrameHead::BYTES);

        let input = [begun.clone(), frame(CONTINUATION, END_HEADERS, b"")].concat();
        let mut guard = Guard::new(input.as_slice(), Rc::new(Conduct::new(&load)));
        assert_eq!(read(&mut guard).await, input);

        // RFC 9113 section 6.10 forbids it, and `h2` is to see it.
        let input = [begun, frame(PING, 0, &[0; 8])].concat();
        let mut guard = Guard::new(input.as_slice(), Rc::new(Conduct::new(&load)));
        assert_eq!(read(&mut guard).await, input);
    }

    #[tokio::test]
    async fn a_header_block_that_does_not_end_is_given_up() {
        let mut frames = vec![frame(HEADERS, 0, b"abc")];
        let piece = frame(CONTINUATION, 0, &[0; 16_384]);
        let most = ORIGIN_HTTP2_HEADER_BLOCK_BYTES_MAX / piece.len();
        frames.extend(std::iter::repeat_n(piece.clone(), most));
        check(&frames, None).await;
        frames.push(piece);
        check(&frames, Some(OriginMisconduct::EndlessHead)).await;
    }

    async fn check(frames: &[Vec<u8>], expect: Option<OriginMisconduct>) {
        let input = frames.concat();
        let conduct = Rc::new(conduct());
        let mut guard = Guard::new(input.as_slice(), Rc::clone(&conduct));
        loop {
            read(&mut guard).await;
            if !conduct.is_paused() {
                break;
            }
            conduct.resume(&Context::from_waker(Waker::noop()));
        }
        assert_eq!(conduct.is_condemned(), expect.is_some());
        assert_eq!(conduct.take_misconduct(), expect);
    }

    #[tokio::test]
    async fn each_flood_spends_its_allowance_and_resets_are_free() {
        let most = usize::try_from(HTTP2_FRAMES_MAX).unwrap();
        for (kind, payload) in [
            (PING, &[0; 8][..]),
            (WINDOW_UPDATE, &[0; 4]),
            (0x2, &[0; 5]),
            (0x77, &[]),
            (DATA, &[]),
            (CONTINUATION, &[]),
        ] {
            check(&vec![frame(kind, 0, payload); most], None).await;
            check(&vec![frame(kind, 0, payload); most + 200], Some(OriginMisconduct::Frames)).await;
        }
        check(&vec![frame(SETTINGS, 0, b""); most / 16], None).await;
        check(&vec![frame(SETTINGS, 0, b""); most / 8], Some(OriginMisconduct::Frames)).await;
        check(&vec![frame(RST_STREAM, 0, &[0; 4]); 10 * most], None).await;
    }

    #[tokio::test]
    async fn work_earns_what_belongs_to_it() {
        let response = [
            frame(HEADERS, END_HEADERS, b"abc"),
            frame(WINDOW_UPDATE, 0, &[0; 4]),
            frame(0x2, 0, &[0; 5]),
            frame(DATA, 1, b""),
        ]
        .concat();
        check(&vec![response; 10_000], None).await;
        check(&vec![frame(DATA, 0, b"x"); 10_000], None).await;
    }

    #[test]
    fn what_was_found_first_counts_and_is_told_once() {
        let conduct = conduct();
        conduct.condemn(OriginMisconduct::EndlessHead);
        conduct.condemn(OriginMisconduct::Frames);
        assert_eq!(conduct.take_misconduct(), Some(OriginMisconduct::EndlessHead));
        assert_eq!(conduct.take_misconduct(), None);
    }
}
