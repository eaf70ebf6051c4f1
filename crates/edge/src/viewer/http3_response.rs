//! A response on its way to its stream.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use http::HeaderMap;
use http1::WriteError;
use http3::{ErrorCode, FieldSectionWriter, FrameKind, write_frame_head};
use quinn::{SendStream, StoppedError, VarInt, WriteError as StreamError};

use super::http3_connection::{Http3Misconduct, Reserve, Streams};
use super::{ResponseStart, ResponseWriter, ViewerFault, ViewerHead};
use crate::alarm::Alarm;
use crate::buffer::Buffer;
use crate::limits::COALESCED_BODY_BYTES_MAX;
use crate::transcript::Traffic;

type Stopped = Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>>>>;

/// What became of a response on its way.
enum Arrival {
    Awaited(Stopped),
    /// The viewer has all of it.
    Whole,
    /// The viewer wants no more of it, or is gone.
    Refused,
}

impl Arrival {
    /// Whether the response has arrived whole, when it is known.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if let Self::Awaited(stopped) = self {
            *self = match ready!(stopped.as_mut().poll(context)) {
                Ok(None) => Self::Whole,
                Ok(Some(_)) | Err(_) => Self::Refused,
            };
        }
        Poll::Ready(matches!(self, Self::Whole))
    }
}

/// The way to a viewer, which interim responses take before the response does.
pub(super) struct Sending {
    stream: RefCell<SendStream>,
    /// Interim responses that there was no room for yet.
    waiting: RefCell<Vec<u8>>,
    has_begun: Cell<bool>,
}

impl Sending {
    pub(super) fn new(stream: SendStream) -> Self {
        Self { stream: RefCell::new(stream), waiting: RefCell::default(), has_begun: Cell::new(false) }
    }

    /// Sends an interim response, or says that it will be sent before anything else.
    fn inform(&self, frame: &[u8]) {
        let mut waiting = self.waiting.borrow_mut();
        waiting.extend_from_slice(frame);
        let mut context = Context::from_waker(Waker::noop());
        while !waiting.is_empty()
            && let Poll::Ready(Ok(written)) = self.poll_write(&mut context, &waiting)
        {
            waiting.drain(..written);
        }
    }

    /// 100 (Continue), where the response has not begun, which would tell more (RFC 9110 section 10.1.1).
    pub(super) fn ask_for_body(&self, traffic: &Traffic) {
        if !self.has_begun.get() {
            let frame = headers_frame(traffic, |mut section| {
                section.status(100);
                Ok(())
            });
            if let Ok(frame) = frame {
                self.inform(&frame);
            }
        }
    }

    fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, StreamError>> {
        Pin::new(&mut *self.stream.borrow_mut()).poll_write(context, bytes)
    }

    async fn write_all(&self, mut bytes: &[u8], outgoing: &Reserve) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            let written = poll_fn(|context| self.poll_write(context, bytes)).await?;
            outgoing.take(written);
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }
}

/// A response.
pub(super) struct Http3Response<'s> {
    sending: &'s Sending,
    streams: &'s Streams,
    traffic: &'s Traffic,
    /// The head's frame until it has left.
    head: Option<Buffer>,
    arrival: Arrival,
}

impl<'s> Http3Response<'s> {
    pub(super) fn new(sending: &'s Sending, streams: &'s Streams, traffic: &'s Traffic) -> Self {
        let arrival = Arrival::Awaited(Box::pin(sending.stream.borrow().stopped()));
        Self { sending, streams, traffic, head: None, arrival }
    }

    /// Tells the viewer that what it got is not the whole (RFC 9114 section 4.1.1).
    pub(super) fn reset(&mut self, code: ErrorCode) {
        // It fails where the stream has ended already.
        let _ = self.sending.stream.borrow_mut().reset(VarInt::from_u32(code.value().into()));
    }

    /// Whether the viewer has given up on the response.
    pub(super) fn is_left(&mut self) -> bool {
        self.poll_left(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Waits until the viewer has all of it, so that the connection does not end before.
    pub(super) async fn arrive(&mut self, alarm: &mut Alarm) {
        let streams = self.streams;
        let arriving = poll_fn(|context| self.arrival.poll(context));
        // A viewer that does not say so in time has it, or is gone.
        let _ = alarm.as_patient_as(|| streams.write_patience(), arriving).await;
    }

    async fn send(&self, head: Option<Buffer>, part: &[u8], is_last: bool) -> Result<(), StreamError> {
        let (sending, outgoing) = (self.sending, &self.streams.outgoing);
        sending.has_begun.set(true);
        let waiting = sending.waiting.take();
        sending.write_all(&waiting, outgoing).await?;
        let mut frames = head.unwrap_or_else(Buffer::small);
        let is_small = part.len() <= COALESCED_BODY_BYTES_MAX;
        if !part.is_empty() {
            write_frame_head(FrameKind::Data, part.len(), &mut frames);
            self.traffic.count_to_viewer(part.len());
        }
        if is_small {
            frames.extend_from_slice(part);
        }
        sending.write_all(&frames, outgoing).await?;
        drop(frames);
        if !is_small {
            sending.write_all(part, outgoing).await?;
        }
        if is_last {
            self.finish();
        }
        Ok(())
    }

    fn finish(&self) {
        // It fails only where the viewer has stopped the stream, which is as good.
        let _ = self.sending.stream.borrow_mut().finish();
    }

    /// Sends within the time that the viewer has to read.
    async fn within_patience(
        &self,
        alarm: &mut Alarm,
        sending: impl Future<Output = Result<(), StreamError>>,
    ) -> Result<(), ViewerFault> {
        let streams = self.streams;
        let condemn = || streams.end(Http3Misconduct::Unread, ErrorCode::ExcessiveLoad);
        streams.unread.send(alarm, || streams.write_patience(), pin!(sending), condemn).await
    }
}

/// Bytes that are kept free before a field section for the head of its frame, which is written when its length is known.
const FRAME_HEAD_BYTES_MAX: usize = 5;

/// A HEADERS frame (RFC 9114 section 7.2.2).
fn headers_frame(
    traffic: &Traffic,
    write: impl FnOnce(FieldSectionWriter<'_>) -> Result<(), WriteError>,
) -> Result<Buffer, WriteError> {
    let mut frame = Buffer::small();
    frame.extend_from_slice(&[0; FRAME_HEAD_BYTES_MAX]);
    write(FieldSectionWriter::begin(&mut frame))?;
    let section_bytes = frame.len() - FRAME_HEAD_BYTES_MAX;
    traffic.count_to_viewer(section_bytes);
    let mut frame_head = Vec::with_capacity(FRAME_HEAD_BYTES_MAX);
    write_frame_head(FrameKind::Headers, section_bytes, &mut frame_head);
    let begin = FRAME_HEAD_BYTES_MAX.saturating_sub(frame_head.len());
    if let Some(place) = frame.get_mut(begin..FRAME_HEAD_BYTES_MAX) {
        place.copy_from_slice(&frame_head);
    }
    frame.consume(begin);
    Ok(frame)
}

fn write_head(
    mut section: FieldSectionWriter<'_>,
    status: u16,
    write_fields: impl FnOnce(&mut ViewerHead<'_>),
) -> Result<(), WriteError> {
    section.status(status);
    let mut head = ViewerHead::Http3(section, Ok(()));
    write_fields(&mut head);
    head.outcome()
}

impl ResponseWriter for Http3Response<'_> {
    fn begin(
        &mut self,
        start: ResponseStart,
        write_fields: impl FnOnce(&mut ViewerHead<'_>),
    ) -> Result<(), WriteError> {
        let head = headers_frame(self.traffic, |section| {
            write_head(section, start.status, |head| {
                write_fields(head);
                head.content_length(start.framing);
            })
        })?;
        self.head = Some(head);
        Ok(())
    }

    async fn write(&mut self, part: &[u8], is_last: bool, alarm: &mut Alarm) -> Result<(), ViewerFault> {
        self.streams.response_data();
        let head = self.head.take();
        self.within_patience(alarm, self.send(head, part, is_last)).await
    }

    async fn end(&mut self, trailers: HeaderMap, alarm: &mut Alarm) -> Result<(), ViewerFault> {
        let frame = headers_frame(self.traffic, |mut section| {
            for (name, value) in &trailers {
                section.field(name.as_str().as_bytes(), &[value.as_bytes()]);
            }
            Ok(())
        });
        let frame = frame.map_err(|_| ViewerFault::Left)?;
        let head = self.head.take();
        let sending = async {
            self.send(head, b"", false).await?;
            self.sending.write_all(&frame, &self.streams.outgoing).await?;
            self.finish();
            Ok(())
        };
        self.within_patience(alarm, sending).await
    }

    fn inform(
        &mut self,
        status: u16,
        write_fields: impl FnOnce(&mut ViewerHead<'_>),
    ) -> Result<(), WriteError> {
        let frame = headers_frame(self.traffic, |section| write_head(section, status, write_fields))?;
        self.sending.inform(&frame);
        Ok(())
    }

    fn has_begun(&self) -> bool {
        self.sending.has_begun.get()
    }

    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if ready!(self.arrival.poll(context)) { Poll::Pending } else { Poll::Ready(()) }
    }
}
