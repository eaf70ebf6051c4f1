//! A connection's streams and windows, from the server's side.

use field_compression::{Bounds, FieldSection};

use crate::error::{ConnectionError, ErrorCode};
use crate::frame::{FrameHead, FrameKind, write_frame, write_go_away, write_reset, write_window_update};
use crate::hpack::HeaderDecoder;
use crate::limits::{ERROR_RESETS_MAX, FRAME_BYTES_MAX, WINDOW_MAX};
use crate::reader::{Frame, FrameReader};
pub use crate::settings::ServerSettings;
use crate::settings::{PeerSettings, write_acknowledgment};
use crate::stream::{StreamId, Streams};

/// What both windows are until somebody says otherwise (RFC 9113 section 6.9.2).
const INITIAL_WINDOW: u32 = 65_535;

/// What the PING behind the announcement of the end says.
const FAREWELL: [u8; 8] = *b"farewell";

/// What has happened that the server should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'i> {
    /// A request has begun, with these [`fields`](ServerConnection::fields).
    Request {
        /// Its stream.
        stream: StreamId,
        /// Whether it has no body.
        has_ended: bool,
    },
    /// A stretch of a request's body, never empty.
    Data {
        /// Its stream.
        stream: StreamId,
        /// What has arrived.
        bytes: &'i [u8],
    },
    /// A request's body has ended.
    End {
        /// Its stream.
        stream: StreamId,
        /// Whether there were trailers: these [`fields`](ServerConnection::fields).
        has_trailers: bool,
    },
    /// A stream has ended before its time: the viewer has reset it, or broken its rules.
    Reset {
        /// Which.
        stream: StreamId,
    },
    /// There is more room for bodies: on this stream, or on any where it is 0.
    Room {
        /// Which.
        stream: StreamId,
    },
}

/// How far the end of a connection has come (RFC 9113 section 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    /// It has been announced, so that what is under way is not lost.
    Announced,
    /// No stream after this one is looked at.
    After(StreamId),
}

/// One connection to a viewer.
#[derive(Debug)]
pub struct ServerConnection {
    reader: FrameReader,
    decoder: HeaderDecoder,
    section: FieldSection,
    state: State,
}

impl ServerConnection {
    /// A connection of which nothing has arrived. Requests whose fields are out of `bounds` begin, too, without any.
    /// Writes what the server says first.
    pub fn begin(settings: ServerSettings, bounds: Bounds, out: &mut Vec<u8>) -> Self {
        settings.write(out);
        let more = settings.connection_window.saturating_sub(INITIAL_WINDOW);
        if more > 0 {
            write_window_update(0, more, out);
        }
        Self {
            reader: FrameReader::new(),
            decoder: HeaderDecoder::default(),
            section: FieldSection::new(bounds),
            state: State::new(settings),
        }
    }

    /// Reads until something has happened; none when the input has been read. What has to be answered is written
    /// behind what `out` holds. `watch` is told of every frame, as soon as it begins, and of one that turns out to be all
    /// padding as of one without payload.
    ///
    /// After an error nothing more can be read: the connection is to be [ended](Self::end).
    pub fn receive<'i>(
        &mut self,
        input: &mut &'i [u8],
        out: &mut Vec<u8>,
        mut watch: impl FnMut(FrameHead),
    ) -> Result<Option<Event<'i>>, ConnectionError> {
        let Self { reader, decoder, section, state } = self;
        while let Some(frame) = reader.next(input)? {
            let event = match frame {
                Frame::Begins(head) => {
                    watch(head);
                    state.frame_begins(head, out)?
                }
                Frame::Data { stream, bytes } if state.takes_data => Some(Event::Data { stream, bytes }),
                Frame::Data { .. } => None,
                Frame::DataEnds { stream, padding, was_empty, ends_stream } => {
                    if was_empty && padding > 0 {
                        let flags = if ends_stream { FrameHead::END_STREAM } else { 0 };
                        watch(FrameHead { length: 0, kind: FrameKind::Data, flags, stream });
                    }
                    state.data_ends(stream, padding, ends_stream, out)
                }
                Frame::Headers { stream, block, ends_stream } => {
                    section.clear();
                    let unreadable = |_| ConnectionError {
                        code: ErrorCode::CompressionError,
                        what: "a header block cannot be read",
                    };
                    decoder.decode(block.bytes(), section).map_err(unreadable)?;
                    state.headers(stream, ends_stream, out)?
                }
                Frame::ResetStream { stream } => state.reset_by_peer(stream)?,
                Frame::Settings(settings) => state.settings(settings, out)?,
                Frame::Ping(payload) => {
                    write_frame(FrameKind::Ping, FrameHead::ACK, 0, &payload, out);
                    None
                }
                Frame::Pong(payload) => {
                    state.pong(payload, out);
                    None
                }
                Frame::WindowUpdate { stream: 0, increment } => Some(state.connection_has_room(increment)?),
                Frame::WindowUpdate { stream, increment } => state.stream_has_room(stream, increment, out)?,
            };
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    /// The fields that the last request or the last trailers came with.
    pub fn fields(&self) -> &FieldSection {
        &self.section
    }

    /// As [`fields`](Self::fields), for longer.
    pub fn take_fields(&mut self, bounds: Bounds) -> FieldSection {
        std::mem::replace(&mut self.section, FieldSection::new(bounds))
    }

    /// How much has arrived of something that means nothing before it is whole.
    pub fn kept_bytes(&self) -> usize {
        self.reader.kept_bytes()
    }

    /// Whether the viewer is in the middle of what it should send in one go.
    pub fn owes_the_rest(&self) -> bool {
        self.reader.owes_the_rest()
    }

    /// Sends a header block: a response's, an interim one's or trailers. Tells whether the stream takes it.
    pub fn send_headers(&mut self, stream: StreamId, block: &[u8], is_last: bool, out: &mut Vec<u8>) -> bool {
        let is_sending = self.state.streams.get(stream).is_some_and(|stream| stream.is_sending);
        if is_sending {
            write_headers(stream, block, is_last, out);
            if is_last {
                self.state.streams.end(stream, |stream| &mut stream.is_sending);
            }
        }
        is_sending
    }

    /// Sends as much of a body as the windows let through, and no more than what takes `room` bytes with the heads of
    /// its frames. With all of a last stretch the stream ends; an empty one always goes. Tells how much that was; none
    /// where the stream takes nothing more.
    pub fn send_data(
        &mut self,
        stream: StreamId,
        bytes: &[u8],
        is_last: bool,
        room: usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        self.state.send_data(stream, bytes, is_last, room, out)
    }

    /// Lets the viewer send more: so much of a body has been dealt with.
    pub fn release(&mut self, stream: StreamId, bytes: usize, out: &mut Vec<u8>) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.state.release_of_stream(stream, bytes, out);
        self.state.release(bytes, out);
    }

    /// Ends a stream as an error, if it has not ended.
    pub fn reset(&mut self, stream: StreamId, code: ErrorCode, out: &mut Vec<u8>) {
        if self.state.streams.get(stream).is_some() {
            self.state.reset(stream, code, out);
        }
    }

    /// As [`reset`](Self::reset), for what the viewer has done, of which there may not be too much.
    pub fn refuse(
        &mut self,
        stream: StreamId,
        code: ErrorCode,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectionError> {
        self.state.refuse(stream, code, out).map(drop)
    }

    /// Is done with a stream. A request whose response has been sent may stop (RFC 9113 section 8.1); a response that
    /// has not is none.
    pub fn finish(&mut self, stream: StreamId, out: &mut Vec<u8>) {
        if let Some(open) = self.state.streams.get(stream) {
            let code = if open.is_sending { ErrorCode::InternalError } else { ErrorCode::NoError };
            self.state.reset(stream, code, out);
        }
    }

    /// Whether streams are left that have not ended.
    pub fn has_streams(&self) -> bool {
        self.state.streams.count() > 0
    }

    /// Announces the end: what is under way is served, and when the viewer has heard of it, no other streams begin.
    pub fn announce_end(&mut self, out: &mut Vec<u8>) {
        if self.state.ending == Ending::No {
            self.state.ending = Ending::Announced;
            write_go_away(WINDOW_MAX.try_into().unwrap_or_default(), ErrorCode::NoError, out);
            write_frame(FrameKind::Ping, 0, 0, &FAREWELL, out);
        }
    }

    /// Ends the connection: nothing that comes is looked at.
    pub fn end(&mut self, code: ErrorCode, out: &mut Vec<u8>) {
        write_go_away(self.state.newest, code, out);
        self.state.ending = Ending::After(self.state.newest);
    }

    /// Whether no other stream will begin.
    pub fn begins_no_streams(&self) -> bool {
        matches!(self.state.ending, Ending::After(_))
    }
}

#[derive(Debug)]
struct State {
    settings: ServerSettings,
    streams: Streams,
    /// The last stream that the viewer has begun.
    newest: StreamId,
    /// Whether the bytes of the frame that has begun are of a body that somebody reads.
    takes_data: bool,
    /// How much of bodies this side may send, and how much on a stream that begins.
    send_window: i64,
    initial_send_window: i64,
    /// How much of bodies the viewer may send.
    receive_window: i64,
    /// How much of it has been dealt with and not been told to the viewer.
    released: u32,
    error_resets: usize,
    ending: Ending,
}

impl State {
    fn new(settings: ServerSettings) -> Self {
        Self {
            settings,
            streams: Streams::default(),
            newest: 0,
            takes_data: false,
            send_window: INITIAL_WINDOW.into(),
            initial_send_window: INITIAL_WINDOW.into(),
            receive_window: settings.connection_window.max(INITIAL_WINDOW).into(),
            released: 0,
            error_resets: 0,
            ending: Ending::No,
        }
    }

    fn frame_begins(
        &mut self,
        head: FrameHead,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        if head.kind != FrameKind::Data {
            return Ok(None);
        }
        let length = u32::try_from(head.length).unwrap_or(u32::MAX);
        // The whole frame counts, padding included (RFC 9113 section 6.1).
        self.receive_window -= i64::from(length);
        if self.receive_window < 0 {
            let what = "more was sent than the connection's window allows";
            return Err(ConnectionError { code: ErrorCode::FlowControlError, what });
        }
        self.takes_data = false;
        let refused = match self.streams.get(head.stream) {
            Some(stream) if stream.is_receiving => {
                stream.receive_window -= i64::from(length);
                self.takes_data = stream.receive_window >= 0;
                (!self.takes_data).then_some(ErrorCode::FlowControlError)
            }
            Some(_) => Some(ErrorCode::StreamClosed),
            None => {
                self.check_late(head.stream)?;
                None
            }
        };
        if !self.takes_data {
            self.release(length, out);
        }
        refused.map(|code| self.refuse(head.stream, code, out)).transpose()
    }

    fn data_ends(
        &mut self,
        stream: StreamId,
        padding: usize,
        ends_stream: bool,
        out: &mut Vec<u8>,
    ) -> Option<Event<'static>> {
        if !self.takes_data {
            return None;
        }
        if padding > 0 {
            let padding = u32::try_from(padding).unwrap_or(u32::MAX);
            self.release_of_stream(stream, padding, out);
            self.release(padding, out);
        }
        if !ends_stream {
            return None;
        }
        self.streams.end(stream, |stream| &mut stream.is_receiving);
        Some(Event::End { stream, has_trailers: false })
    }

    fn headers(
        &mut self,
        id: StreamId,
        ends_stream: bool,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        if id.is_multiple_of(2) {
            return Err(ConnectionError::protocol("a viewer's streams have odd numbers"));
        }
        if id > self.newest {
            return self.request(id, ends_stream, out);
        }
        let refused = match self.streams.get(id) {
            Some(stream) if stream.is_receiving && ends_stream => {
                self.streams.end(id, |stream| &mut stream.is_receiving);
                return Ok(Some(Event::End { stream: id, has_trailers: true }));
            }
            // RFC 9113 section 8.1: nothing follows trailers.
            Some(stream) if stream.is_receiving => ErrorCode::ProtocolError,
            Some(_) => ErrorCode::StreamClosed,
            None => {
                self.check_late(id)?;
                return Ok(None);
            }
        };
        self.refuse(id, refused, out).map(Some)
    }

    fn request(
        &mut self,
        id: StreamId,
        ends_stream: bool,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        if let Ending::After(_) = self.ending {
            return Ok(None);
        }
        self.newest = id;
        if self.streams.count() >= self.settings.streams_max as usize {
            // RFC 9113 section 5.1.2; the viewer may try again. Nobody has heard of the stream.
            self.refuse(id, ErrorCode::RefusedStream, out)?;
            return Ok(None);
        }
        let receive_window = self.settings.stream_window.into();
        self.streams.begin(id, !ends_stream, self.initial_send_window, receive_window);
        Ok(Some(Event::Request { stream: id, has_ended: ends_stream }))
    }

    /// Whether a frame may be late: of a stream that this side has reset. On others nothing may come any more, or yet
    /// (RFC 9113 section 5.1).
    fn check_late(&self, id: StreamId) -> Result<(), ConnectionError> {
        self.check_not_idle(id)?;
        if let Ending::After(last) = self.ending
            && id > last
        {
            return Ok(());
        }
        if self.streams.was_reset(id) {
            return Ok(());
        }
        let what = "a frame came on a stream that has ended";
        Err(ConnectionError { code: ErrorCode::StreamClosed, what })
    }

    fn check_not_idle(&self, id: StreamId) -> Result<(), ConnectionError> {
        let has_begun =
            !id.is_multiple_of(2) && (id <= self.newest || matches!(self.ending, Ending::After(_)));
        if has_begun {
            Ok(())
        } else {
            Err(ConnectionError::protocol("a frame came on a stream that has not begun"))
        }
    }

    fn reset_by_peer(&mut self, id: StreamId) -> Result<Option<Event<'static>>, ConnectionError> {
        self.check_not_idle(id)?;
        Ok(self.streams.remove(id).then_some(Event::Reset { stream: id }))
    }

    fn settings(
        &mut self,
        settings: PeerSettings,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        if settings.is_acknowledgment {
            return Ok(None);
        }
        write_acknowledgment(out);
        let Some(initial) = settings.initial_window else { return Ok(None) };
        // RFC 9113 section 6.9.2: it holds for the streams that are there, too.
        let change = initial - std::mem::replace(&mut self.initial_send_window, initial);
        for stream in self.streams.iter_mut() {
            stream.send_window += change;
            if stream.send_window > WINDOW_MAX {
                return Err(window_too_large());
            }
        }
        Ok((change > 0).then_some(Event::Room { stream: 0 }))
    }

    /// The viewer has heard of the end: everything that it began before that has arrived.
    fn pong(&mut self, payload: [u8; 8], out: &mut Vec<u8>) {
        if self.ending == Ending::Announced && payload == FAREWELL {
            self.ending = Ending::After(self.newest);
            write_go_away(self.newest, ErrorCode::NoError, out);
        }
    }

    fn connection_has_room(&mut self, increment: u32) -> Result<Event<'static>, ConnectionError> {
        if increment == 0 {
            return Err(ConnectionError::protocol("a window grows by nothing"));
        }
        self.send_window += i64::from(increment);
        if self.send_window > WINDOW_MAX {
            return Err(window_too_large());
        }
        Ok(Event::Room { stream: 0 })
    }

    fn stream_has_room(
        &mut self,
        id: StreamId,
        increment: u32,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'static>>, ConnectionError> {
        self.check_not_idle(id)?;
        let Some(stream) = self.streams.get(id) else { return Ok(None) };
        stream.send_window += i64::from(increment);
        let refused = if increment == 0 {
            ErrorCode::ProtocolError
        } else if stream.send_window > WINDOW_MAX {
            ErrorCode::FlowControlError
        } else {
            return Ok(Some(Event::Room { stream: id }));
        };
        self.refuse(id, refused, out).map(Some)
    }

    fn send_data(
        &mut self,
        id: StreamId,
        bytes: &[u8],
        is_last: bool,
        room: usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let stream = self.streams.get(id).filter(|stream| stream.is_sending)?;
        let most = usize::try_from(stream.send_window.min(self.send_window)).unwrap_or_default();
        let end = out.len() + room;
        let mut sent = 0;
        loop {
            let now = (bytes.len() - sent)
                .min(FRAME_BYTES_MAX)
                .min(most - sent)
                .min(end.saturating_sub(out.len() + FrameHead::BYTES));
            let ends_stream = is_last && sent + now == bytes.len();
            if now == 0 && !ends_stream {
                break;
            }
            let part = bytes.get(sent..sent + now).unwrap_or_default();
            let flags = if ends_stream { FrameHead::END_STREAM } else { 0 };
            write_frame(FrameKind::Data, flags, id, part, out);
            sent += now;
            if sent == bytes.len() {
                break;
            }
        }
        // It is no more than either window.
        let counted = i64::try_from(sent).unwrap_or(i64::MAX);
        stream.send_window -= counted;
        self.send_window -= counted;
        if is_last && sent == bytes.len() {
            self.streams.end(id, |stream| &mut stream.is_sending);
        }
        Some(sent)
    }

    /// Half a window is told at once, so that it is not told byte by byte.
    fn release(&mut self, bytes: u32, out: &mut Vec<u8>) {
        self.released = self.released.saturating_add(bytes);
        if self.released >= self.settings.connection_window / 2 {
            let released = std::mem::take(&mut self.released);
            self.receive_window += i64::from(released);
            write_window_update(0, released, out);
        }
    }

    fn release_of_stream(&mut self, id: StreamId, bytes: u32, out: &mut Vec<u8>) {
        let enough = self.settings.stream_window / 2;
        let Some(stream) = self.streams.get(id).filter(|stream| stream.is_receiving) else { return };
        stream.released = stream.released.saturating_add(bytes);
        if stream.released >= enough {
            let released = std::mem::take(&mut stream.released);
            stream.receive_window += i64::from(released);
            write_window_update(id, released, out);
        }
    }

    fn reset(&mut self, id: StreamId, code: ErrorCode, out: &mut Vec<u8>) {
        self.streams.reset(id);
        write_reset(id, code, out);
    }

    fn refuse(
        &mut self,
        id: StreamId,
        code: ErrorCode,
        out: &mut Vec<u8>,
    ) -> Result<Event<'static>, ConnectionError> {
        self.takes_data = false;
        self.reset(id, code, out);
        self.error_resets += 1;
        if self.error_resets > ERROR_RESETS_MAX {
            let what = "too many streams had to be reset";
            return Err(ConnectionError { code: ErrorCode::EnhanceYourCalm, what });
        }
        Ok(Event::Reset { stream: id })
    }
}

fn window_too_large() -> ConnectionError {
    ConnectionError { code: ErrorCode::FlowControlError, what: "a window is larger than one can be" }
}

/// HEADERS, and CONTINUATION where the block is larger than a frame (RFC 9113 section 6.10).
fn write_headers(stream: StreamId, block: &[u8], is_last: bool, out: &mut Vec<u8>) {
    let mut kind = FrameKind::Headers;
    let mut rest = block;
    loop {
        let (now, later) = rest.split_at(rest.len().min(FRAME_BYTES_MAX));
        rest = later;
        let mut flags = 0;
        if is_last && kind == FrameKind::Headers {
            flags |= FrameHead::END_STREAM;
        }
        if rest.is_empty() {
            flags |= FrameHead::END_HEADERS;
        }
        write_frame(kind, flags, stream, now, out);
        if rest.is_empty() {
            return;
        }
        kind = FrameKind::Continuation;
    }
}

#[cfg(test)]
mod tests;
