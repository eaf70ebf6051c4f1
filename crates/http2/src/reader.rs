//! Bytes that arrive, taken apart into frames.

use crate::error::{ConnectionError, ErrorCode};
use crate::frame::{FrameHead, FrameKind};
use crate::limits::{FRAME_BYTES_MAX, HEADER_BLOCK_BYTES_MAX};
use crate::settings::PeerSettings;
use crate::stream::StreamId;

/// What every connection begins with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What has arrived: `'i` of the input, `'k` kept by the reader.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'k, 'i> {
    /// Any frame, before anything else of it.
    Begins(FrameHead),
    /// A stretch of a body.
    Data {
        stream: StreamId,
        bytes: &'i [u8],
    },
    /// The end of a frame of a body, of which so many bytes were padding, perhaps all of them.
    DataEnds {
        stream: StreamId,
        padding: usize,
        was_empty: bool,
        ends_stream: bool,
    },
    /// A whole header block.
    Headers {
        stream: StreamId,
        block: Block<'k, 'i>,
        ends_stream: bool,
    },
    ResetStream {
        stream: StreamId,
    },
    Settings(PeerSettings),
    Ping([u8; 8]),
    /// A PING of ours, acknowledged.
    Pong([u8; 8]),
    WindowUpdate {
        stream: StreamId,
        increment: u32,
    },
}

/// Where a header block is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Block<'k, 'i> {
    Direct(&'i [u8]),
    Kept(&'k [u8]),
}

impl Block<'_, '_> {
    #[expect(clippy::match_same_arms, reason = "they live differently long")]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Direct(bytes) => bytes,
            Self::Kept(bytes) => bytes,
        }
    }
}

/// Where in the stream of frames the connection is.
#[derive(Debug)]
pub(crate) struct FrameReader {
    awaited: Awaited,
    /// The frame that has begun last.
    head: FrameHead,
    /// What has come of a payload that means something as a whole.
    payload: Vec<u8>,
    /// What has come of a header block that has not ended.
    block: Vec<u8>,
    /// The stream of that block, and whether it is the last of the stream.
    block_of: Option<(StreamId, bool)>,
    /// Whether SETTINGS have come.
    has_begun: bool,
    /// How much padding a body's frame has.
    padding: usize,
}

#[derive(Debug)]
enum Awaited {
    /// The rest of the preface, after so many bytes.
    Preface(usize),
    /// The rest of a frame's head, after so many bytes.
    Head([u8; FrameHead::BYTES], usize),
    /// How much padding a body's frame has.
    PadLength,
    /// So much of a body.
    Data(usize),
    /// So much that means nothing, behind which a body's frame ends.
    Padding(usize),
    /// A payload that is kept until it is whole.
    Payload,
    /// So much that nobody looks at.
    Passed(usize),
}

impl Awaited {
    /// The next frame.
    const NEXT: Self = Self::Head([0; FrameHead::BYTES], 0);
}

/// As [`Frame`], where what is kept is not borrowed yet.
enum Whole<'i> {
    Frame(Frame<'static, 'i>),
    KeptBlock { stream: StreamId, ends_stream: bool },
}

impl FrameReader {
    pub(crate) fn new() -> Self {
        Self {
            awaited: Awaited::Preface(0),
            head: FrameHead { length: 0, kind: FrameKind::Settings, flags: 0, stream: 0 },
            payload: Vec::new(),
            block: Vec::new(),
            block_of: None,
            has_begun: false,
            padding: 0,
        }
    }

    /// How much is kept until it is whole.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.payload.len() + self.block.len()
    }

    /// Whether the other side is in the middle of what it should send in one go. Bodies have limits of their own.
    pub(crate) fn owes_the_rest(&self) -> bool {
        !self.has_begun
            || self.block_of.is_some()
            || match self.awaited {
                Awaited::Head(_, have) => have > 0,
                Awaited::Preface(_) | Awaited::Payload | Awaited::Passed(_) => true,
                Awaited::PadLength | Awaited::Data(_) | Awaited::Padding(_) => false,
            }
    }

    /// What comes next; none where more input is needed.
    pub(crate) fn next<'k, 'i>(
        &'k mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Frame<'k, 'i>>, ConnectionError> {
        if self.block_of.is_none() && !self.block.is_empty() {
            // It has been handed out; a connection that waits holds none of it.
            self.block = Vec::new();
        }
        loop {
            match self.step(input)? {
                Some(Whole::Frame(frame)) => return Ok(Some(frame)),
                Some(Whole::KeptBlock { stream, ends_stream }) => {
                    let block = Block::Kept(&self.block);
                    return Ok(Some(Frame::Headers { stream, block, ends_stream }));
                }
                None if input.is_empty() && !self.is_due() => return Ok(None),
                None => {}
            }
        }
    }

    /// Whether what is awaited needs no more input.
    fn is_due(&self) -> bool {
        match self.awaited {
            Awaited::Data(left) | Awaited::Padding(left) | Awaited::Passed(left) => left == 0,
            Awaited::Payload => self.payload.len() == self.head.length,
            Awaited::Preface(_) | Awaited::Head(..) | Awaited::PadLength => false,
        }
    }

    fn step<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Whole<'i>>, ConnectionError> {
        match &mut self.awaited {
            Awaited::Preface(have) => {
                let expect = PREFACE.get(*have..).unwrap_or_default();
                let now = take(input, expect.len());
                if !expect.starts_with(now) {
                    return Err(ConnectionError::protocol("the connection does not begin as HTTP/2"));
                }
                *have += now.len();
                if now.len() == expect.len() {
                    self.awaited = Awaited::NEXT;
                }
                Ok(None)
            }
            Awaited::Head(bytes, have) => {
                let now = take(input, FrameHead::BYTES - *have);
                for (place, byte) in bytes.iter_mut().skip(*have).zip(now) {
                    *place = *byte;
                }
                *have += now.len();
                if *have < FrameHead::BYTES {
                    return Ok(None);
                }
                let head = FrameHead::parse(*bytes);
                self.begin(head)?;
                Ok(Some(Whole::Frame(Frame::Begins(head))))
            }
            Awaited::PadLength => {
                if let [padding] = take(input, 1) {
                    self.begin_padded(usize::from(*padding))?;
                }
                Ok(None)
            }
            Awaited::Data(left) => {
                let bytes = take(input, *left);
                *left -= bytes.len();
                if *left == 0 {
                    self.awaited = Awaited::Padding(self.padding.saturating_sub(1));
                }
                let stream = self.head.stream;
                Ok((!bytes.is_empty()).then_some(Whole::Frame(Frame::Data { stream, bytes })))
            }
            Awaited::Padding(left) => {
                *left -= take(input, *left).len();
                if *left > 0 {
                    return Ok(None);
                }
                self.awaited = Awaited::NEXT;
                let (stream, ends_stream) = (self.head.stream, self.head.has(FrameHead::END_STREAM));
                let (padding, was_empty) = (self.padding, self.padding == self.head.length);
                Ok(Some(Whole::Frame(Frame::DataEnds { stream, padding, was_empty, ends_stream })))
            }
            Awaited::Payload => self.payload(input),
            Awaited::Passed(left) => {
                *left -= take(input, *left).len();
                if *left == 0 {
                    self.awaited = Awaited::NEXT;
                }
                Ok(None)
            }
        }
    }

    /// Whether a frame may stand here, and what is to become of its payload.
    fn begin(&mut self, head: FrameHead) -> Result<(), ConnectionError> {
        self.head = head;
        if head.length > FRAME_BYTES_MAX {
            return Err(ConnectionError::frame_size("a frame is larger than it may be"));
        }
        if !self.has_begun && (head.kind != FrameKind::Settings || head.is_acknowledgment()) {
            return Err(ConnectionError::protocol("SETTINGS do not come first"));
        }
        let continues = (head.kind == FrameKind::Continuation).then_some(head.stream);
        if continues != self.block_of.map(|(stream, _)| stream) {
            return Err(ConnectionError::protocol(
                "a header block is interrupted, or goes on without a beginning",
            ));
        }
        check_stream(head)?;
        check_length(head)?;
        self.padding = 0;
        self.awaited = match head.kind {
            FrameKind::Data if head.has(FrameHead::PADDED) => Awaited::PadLength,
            FrameKind::Data => Awaited::Data(head.length),
            FrameKind::PushPromise => {
                return Err(ConnectionError::protocol("only servers push"));
            }
            FrameKind::Priority | FrameKind::GoAway | FrameKind::Unknown(_) => Awaited::Passed(head.length),
            _ => Awaited::Payload,
        };
        Ok(())
    }

    /// RFC 9113 section 6.1: the padding, and the byte that tells its length.
    fn begin_padded(&mut self, padding: usize) -> Result<(), ConnectionError> {
        self.padding = padding + 1;
        let data = self.head.length.checked_sub(self.padding).ok_or_else(too_much_padding)?;
        self.awaited = Awaited::Data(data);
        Ok(())
    }

    fn payload<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Whole<'i>>, ConnectionError> {
        let now = take(input, self.head.length - self.payload.len());
        if self.payload.is_empty() && now.len() == self.head.length {
            self.awaited = Awaited::NEXT;
            return self.direct(now);
        }
        self.payload.extend_from_slice(now);
        if self.payload.len() < self.head.length {
            return Ok(None);
        }
        self.awaited = Awaited::NEXT;
        let payload = std::mem::take(&mut self.payload);
        match self.whole(&payload)? {
            Some(fragment) => self.block_goes_on(fragment),
            None => Ok(Some(Whole::Frame(self.short(&payload)?))),
        }
    }

    /// A frame that came in one piece.
    fn direct<'i>(&mut self, payload: &'i [u8]) -> Result<Option<Whole<'i>>, ConnectionError> {
        let head = self.head;
        match self.whole(payload)? {
            Some(block) if head.kind == FrameKind::Headers && head.has(FrameHead::END_HEADERS) => {
                self.block_of = None;
                let (stream, ends_stream) = (head.stream, head.has(FrameHead::END_STREAM));
                let block = Block::Direct(block);
                Ok(Some(Whole::Frame(Frame::Headers { stream, block, ends_stream })))
            }
            Some(fragment) => self.block_goes_on(fragment),
            None => Ok(Some(Whole::Frame(self.short(payload)?))),
        }
    }

    /// The piece of a header block that a payload holds, if it is one.
    fn whole<'p>(&mut self, payload: &'p [u8]) -> Result<Option<&'p [u8]>, ConnectionError> {
        match self.head.kind {
            FrameKind::Headers => {
                self.block_of = Some((self.head.stream, self.head.has(FrameHead::END_STREAM)));
                fragment(self.head, payload).map(Some)
            }
            FrameKind::Continuation => Ok(Some(payload)),
            _ => Ok(None),
        }
    }

    fn block_goes_on<'i>(&mut self, fragment: &[u8]) -> Result<Option<Whole<'i>>, ConnectionError> {
        if self.block.len() + fragment.len() > HEADER_BLOCK_BYTES_MAX {
            let what = "a header block does not end";
            return Err(ConnectionError { code: ErrorCode::EnhanceYourCalm, what });
        }
        self.block.extend_from_slice(fragment);
        if !self.head.has(FrameHead::END_HEADERS) {
            return Ok(None);
        }
        let of = self.block_of.take();
        Ok(of.map(|(stream, ends_stream)| Whole::KeptBlock { stream, ends_stream }))
    }

    /// A frame that is no header block.
    fn short(&mut self, payload: &[u8]) -> Result<Frame<'static, 'static>, ConnectionError> {
        let stream = self.head.stream;
        let number = || payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        Ok(match self.head.kind {
            FrameKind::ResetStream => Frame::ResetStream { stream },
            FrameKind::WindowUpdate => Frame::WindowUpdate { stream, increment: number() & (u32::MAX >> 1) },
            FrameKind::Ping => {
                let payload = payload.first_chunk().copied().unwrap_or_default();
                if self.head.has(FrameHead::ACK) { Frame::Pong(payload) } else { Frame::Ping(payload) }
            }
            _ => {
                self.has_begun = true;
                let is_acknowledgment = self.head.has(FrameHead::ACK);
                Frame::Settings(PeerSettings { is_acknowledgment, ..PeerSettings::parse(payload)? })
            }
        })
    }
}

/// Which frames are of a stream, and which of the connection (RFC 9113 sections 6.1 to 6.10).
fn check_stream(head: FrameHead) -> Result<(), ConnectionError> {
    let is_of_connection = head.stream == 0;
    let is_valid = match head.kind {
        FrameKind::Data
        | FrameKind::Headers
        | FrameKind::Priority
        | FrameKind::ResetStream
        | FrameKind::Continuation => !is_of_connection,
        FrameKind::Settings | FrameKind::Ping | FrameKind::GoAway => is_of_connection,
        FrameKind::PushPromise | FrameKind::WindowUpdate | FrameKind::Unknown(_) => true,
    };
    if is_valid {
        Ok(())
    } else {
        Err(ConnectionError::protocol("a frame is on a stream where it cannot be"))
    }
}

/// How long a payload must be. Where only the stream is in error, the connection may be ended as well (section 5.4.2).
fn check_length(head: FrameHead) -> Result<(), ConnectionError> {
    let is_valid = match head.kind {
        FrameKind::Priority => head.length == 5,
        FrameKind::ResetStream | FrameKind::WindowUpdate => head.length == 4,
        FrameKind::Ping => head.length == 8,
        FrameKind::GoAway => head.length >= 8,
        FrameKind::Settings if head.has(FrameHead::ACK) => head.length == 0,
        FrameKind::Settings => head.length.is_multiple_of(PeerSettings::ENTRY_BYTES),
        FrameKind::Data if head.has(FrameHead::PADDED) => head.length > 0,
        _ => true,
    };
    if is_valid { Ok(()) } else { Err(ConnectionError::frame_size("a frame has not the size of its kind")) }
}

/// RFC 9113 section 6.2: what is left of HEADERS without padding and priority.
fn fragment(head: FrameHead, payload: &[u8]) -> Result<&[u8], ConnectionError> {
    const PRIORITY_BYTES: usize = 5;
    let (padding, payload) = match payload.split_first() {
        Some((padding, rest)) if head.has(FrameHead::PADDED) => (usize::from(*padding), rest),
        None if head.has(FrameHead::PADDED) => return Err(too_short()),
        _ => (0, payload),
    };
    let skipped = if head.has(FrameHead::PRIORITY) { PRIORITY_BYTES } else { 0 };
    let payload = payload.get(skipped..).ok_or_else(too_short)?;
    let end = payload.len().checked_sub(padding).ok_or_else(too_much_padding)?;
    Ok(payload.get(..end).unwrap_or_default())
}

fn too_short() -> ConnectionError {
    ConnectionError::frame_size("a frame ends before what its flags announce")
}

fn too_much_padding() -> ConnectionError {
    ConnectionError::protocol("a frame has more padding than payload")
}

fn take<'i>(input: &mut &'i [u8], most: usize) -> &'i [u8] {
    let (now, later) = input.split_at(most.min(input.len()));
    *input = later;
    now
}
