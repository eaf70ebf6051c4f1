//! A request as its stream brings it: the head, then the body.
//!
//! Bytes are read when somebody wants them, and not before; what waits for that waits within the windows that QUIC has
//! given the viewer.

use std::future::poll_fn;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use field_compression::FieldSection;
use http1::BodyFraming;
use http3::limits::SECTION_BYTES_MAX;
use http3::{ErrorCode, FieldSectionError, RequestStream, Step, StreamFault, decode_field_section};
use quinn::{RecvStream, VarInt};
use tokio_util::io::poll_read_buf;

use super::http3_connection::Streams;
use super::http3_response::Sending;
use super::section_head::{HeadFault, SECTION_BOUNDS, are_trailers};
use super::{RequestBody, ViewerFault};
use crate::buffer::Buffer;
use crate::transcript::Traffic;

/// Why there is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHead {
    /// The viewer is gone, or was sent away.
    Left,
    /// The stream ended before the head did.
    Incomplete,
    /// It can be refused.
    Refused(HeadFault),
}

/// A viewer's end of a request's stream.
pub(super) struct RequestReader<'s> {
    stream: RecvStream,
    streams: &'s Streams,
    frames: RequestStream,
    /// What has been read; what has not been dealt with starts at `at`.
    input: Option<Buffer>,
    at: usize,
    /// Where in it the next bytes of the body are, if a step has found any.
    found: Range<usize>,
    fault: Option<ViewerFault>,
    has_ended: bool,
    was_reset: bool,
}

impl<'s> RequestReader<'s> {
    pub(super) fn new(stream: RecvStream, streams: &'s Streams) -> Self {
        Self {
            stream,
            streams,
            frames: RequestStream::default(),
            input: None,
            at: 0,
            found: 0..0,
            fault: None,
            has_ended: false,
            was_reset: false,
        }
    }

    /// Reads the head.
    pub(super) async fn head(&mut self) -> Result<FieldSection, NoHead> {
        loop {
            let input = self.input.as_deref().map_or(&[][..], Vec::as_slice);
            let input = input.get(self.at..).unwrap_or_default();
            match self.frames.step(input) {
                Ok(Step::Section(bytes)) => {
                    let section = input.get(..bytes).unwrap_or_default();
                    let decoded = decode_field_section(section, SECTION_BOUNDS);
                    self.at += bytes;
                    return decoded.map_err(|error| self.no_section(error));
                }
                Ok(Step::Passed { bytes, begins_idle_frame }) => {
                    self.at += bytes;
                    self.streams.count_frame(begins_idle_frame);
                }
                // There is no body before the head, so more is needed.
                Ok(Step::NeedsMore | Step::Data(_)) => {
                    if !self.fill(Buffer::small).await.map_err(|_| NoHead::Left)? {
                        return Err(self.end().err().unwrap_or(NoHead::Incomplete));
                    }
                }
                Err(fault) => return Err(self.no_head(fault)),
            }
        }
    }

    /// Whether the stream ends behind the head. Waits until that is known.
    pub(super) async fn ends_with_head(&mut self) -> bool {
        loop {
            match self.find() {
                // A fault shows again when the body is read.
                Ok(true) | Err(_) => return false,
                Ok(false) => {}
            }
            if !self.fill(Buffer::small).await.unwrap_or(false) {
                return self.has_ended && self.end().is_ok();
            }
        }
    }

    /// Whether the stream has ended behind the head, as far as has been read: the end usually comes with the last bytes.
    pub(super) async fn seems_to_end(&mut self) -> bool {
        let mut ending = pin!(self.ends_with_head());
        poll_fn(|context| Poll::Ready(matches!(ending.as_mut().poll(context), Poll::Ready(true)))).await
    }

    /// Whether the viewer took the request back.
    pub(super) fn was_reset(&self) -> bool {
        self.was_reset
    }

    fn no_section(&self, error: FieldSectionError) -> NoHead {
        match error {
            FieldSectionError::TooLarge(_) => NoHead::Refused(HeadFault::TooLarge),
            FieldSectionError::Unreadable(_) => {
                self.streams.fail(ErrorCode::DecompressionFailed);
                NoHead::Left
            }
        }
    }

    fn no_head(&self, fault: StreamFault) -> NoHead {
        match fault {
            StreamFault::Connection(code) => {
                self.streams.fail(code);
                NoHead::Left
            }
            StreamFault::Section(_) => NoHead::Refused(HeadFault::TooLarge),
            StreamFault::Incomplete => NoHead::Incomplete,
        }
    }

    /// Whether the stream may end where it has.
    fn end(&self) -> Result<(), NoHead> {
        let left = self.input.as_ref().map_or(0, |input| input.len() - self.at);
        self.frames.end(left).map_err(|fault| self.no_head(fault))
    }

    /// Reads on behind what has not been dealt with; tells whether there was anything but the end.
    async fn fill(&mut self, borrow: fn() -> Buffer) -> Result<bool, ViewerFault> {
        if self.has_ended {
            return Ok(false);
        }
        match &mut self.input {
            Some(input) if self.at >= input.len() => self.input = None,
            Some(input) => {
                input.consume(self.at);
                if input.is_full() {
                    input.reserve(SECTION_BYTES_MAX);
                }
            }
            None => {}
        }
        self.at = 0;
        let read = poll_fn(|context| self.poll_fill(context, borrow)).await;
        self.was_reset = read.is_err();
        self.has_ended = read? == 0;
        Ok(!self.has_ended)
    }

    /// Holds no buffer where there is nothing to read.
    fn poll_fill(
        &mut self,
        context: &mut Context<'_>,
        borrow: fn() -> Buffer,
    ) -> Poll<Result<usize, ViewerFault>> {
        let mut input = self.input.take();
        let buffer = input.get_or_insert_with(borrow);
        let polled = poll_read_buf(Pin::new(&mut self.stream), context, &mut **buffer);
        if !buffer.is_empty() {
            self.input = input;
        }
        Poll::Ready(ready!(polled).map_err(|_| ViewerFault::Left))
    }

    /// Whether there are more bytes of the body in what has been read; they are in `found` then. A fault stays.
    fn find(&mut self) -> Result<bool, ViewerFault> {
        if self.fault.is_none() {
            self.fault = self.look().err();
        }
        self.fault.map_or(Ok(!self.found.is_empty()), Err)
    }

    /// Finds the body's next bytes in what has been read, and moves the payloads of frames together, so that they can
    /// leave in one write, however small the viewer made them.
    fn look(&mut self) -> Result<(), ViewerFault> {
        let Some(input) = &mut self.input else { return Ok(()) };
        while let Some(rest) = input.get(self.at..).filter(|rest| !rest.is_empty()) {
            match self.frames.step(rest) {
                Ok(Step::NeedsMore) => break,
                Ok(Step::Passed { bytes, begins_idle_frame }) => {
                    self.at += bytes;
                    self.streams.count_frame(begins_idle_frame);
                }
                Ok(Step::Data(bytes)) => {
                    let data = self.at..self.at + bytes;
                    self.at = data.end;
                    if self.found.is_empty() {
                        self.found = data;
                    } else {
                        input.copy_within(data, self.found.end);
                        self.found.end += bytes;
                    }
                }
                Ok(Step::Section(bytes)) => {
                    let section = rest.get(..bytes).unwrap_or_default();
                    let trailers = decode_field_section(section, SECTION_BOUNDS);
                    self.at += bytes;
                    match trailers {
                        Ok(trailers) if are_trailers(&trailers) => {}
                        Ok(_) | Err(FieldSectionError::TooLarge(_)) => {
                            return Err(ViewerFault::BodyMalformed);
                        }
                        Err(FieldSectionError::Unreadable(_)) => {
                            self.streams.fail(ErrorCode::DecompressionFailed);
                            return Err(ViewerFault::Left);
                        }
                    }
                }
                Err(fault) => {
                    return Err(match self.no_head(fault) {
                        NoHead::Left => ViewerFault::Left,
                        NoHead::Incomplete | NoHead::Refused(_) => ViewerFault::BodyMalformed,
                    });
                }
            }
        }
        Ok(())
    }
}

impl Drop for RequestReader<'_> {
    fn drop(&mut self) {
        // RFC 9114 section 4.1: the rest of a request that has its answer is not wanted. Where it is all there, or the
        // connection is gone, there is nothing to say.
        let _ = self.stream.stop(VarInt::from_u32(ErrorCode::NoError.value().into()));
    }
}

/// A request's body.
pub(super) struct Http3Body<'r, 's> {
    reader: &'r mut RequestReader<'s>,
    sending: &'r Sending,
    traffic: &'r Traffic,
    /// Whether the viewer waits for 100 (Continue).
    is_awaited: bool,
    /// What the viewer said is still to come.
    remaining: Option<u64>,
    /// How many bytes are still taken.
    left: u64,
    is_done: bool,
}

impl<'r, 's> Http3Body<'r, 's> {
    pub(super) fn new(
        reader: &'r mut RequestReader<'s>,
        framing: BodyFraming,
        sending: &'r Sending,
        traffic: &'r Traffic,
    ) -> Self {
        let remaining = if let BodyFraming::Length(length) = framing { Some(length) } else { None };
        let is_done = framing == BodyFraming::None;
        Self { reader, sending, traffic, is_awaited: false, remaining, left: u64::MAX, is_done }
    }

    /// The viewer sends the body only when it is told to.
    pub(super) fn await_continue(&mut self) {
        self.is_awaited = true;
    }

    /// RFC 9114 section 4.1.2: a body that is not as long as it said is malformed.
    fn take(&mut self, bytes: usize) -> Result<(), ViewerFault> {
        self.traffic.count_from_viewer(bytes);
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.checked_sub(bytes as u64).ok_or(ViewerFault::BodyMalformed)?;
        }
        self.left = self.left.checked_sub(bytes as u64).ok_or(ViewerFault::BodyTooLarge)?;
        Ok(())
    }
}

impl RequestBody for Http3Body<'_, '_> {
    async fn next(&mut self) -> Result<Option<&[u8]>, ViewerFault> {
        if std::mem::take(&mut self.is_awaited) && !self.is_done {
            self.sending.ask_for_body(self.traffic);
        }
        while !self.is_done {
            if self.reader.find()? {
                let part = std::mem::take(&mut self.reader.found);
                self.take(part.len())?;
                return Ok(self.reader.input.as_ref().and_then(|input| input.get(part)));
            }
            if !self.reader.fill(Buffer::large).await? {
                self.reader.end().map_err(|_| ViewerFault::Left)?;
                if self.remaining.is_some_and(|remaining| remaining > 0) {
                    return Err(ViewerFault::BodyMalformed);
                }
                self.is_done = true;
            }
        }
        Ok(None)
    }

    fn limit(&mut self, bytes: u64) {
        self.left = bytes;
    }

    fn can_be_passed_over(&self) -> bool {
        true
    }

    /// No protocol is switched within HTTP/3 (RFC 9114 section 4.5).
    fn begin_tunnel(&mut self) {}
}
