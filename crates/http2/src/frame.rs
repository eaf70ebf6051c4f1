//! Frames' heads, and the frames that are short.

use crate::error::ErrorCode;
use crate::stream::StreamId;

/// RFC 9113 section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A stretch of a body.
    Data,
    /// The beginning of a header block.
    Headers,
    /// Deprecated, and passed over.
    Priority,
    /// The end of a stream, as an error.
    ResetStream,
    /// What the other side wants and takes.
    Settings,
    /// A promise, which only servers make.
    PushPromise,
    /// A question whether the other side is there.
    Ping,
    /// The end of a connection, announced.
    GoAway,
    /// More room.
    WindowUpdate,
    /// More of a header block.
    Continuation,
    /// What nobody knows, and is passed over (section 5.5).
    Unknown(u8),
}

impl FrameKind {
    fn of(byte: u8) -> Self {
        match byte {
            0x0 => Self::Data,
            0x1 => Self::Headers,
            0x2 => Self::Priority,
            0x3 => Self::ResetStream,
            0x4 => Self::Settings,
            0x5 => Self::PushPromise,
            0x6 => Self::Ping,
            0x7 => Self::GoAway,
            0x8 => Self::WindowUpdate,
            0x9 => Self::Continuation,
            byte => Self::Unknown(byte),
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Data => 0x0,
            Self::Headers => 0x1,
            Self::Priority => 0x2,
            Self::ResetStream => 0x3,
            Self::Settings => 0x4,
            Self::PushPromise => 0x5,
            Self::Ping => 0x6,
            Self::GoAway => 0x7,
            Self::WindowUpdate => 0x8,
            Self::Continuation => 0x9,
            Self::Unknown(byte) => byte,
        }
    }
}

/// The bytes before a frame's payload (RFC 9113 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// The payload's bytes.
    pub length: usize,
    /// What it is.
    pub kind: FrameKind,
    /// What is said of it.
    pub flags: u8,
    /// Which stream it is of; 0 is the connection.
    pub stream: StreamId,
}

impl FrameHead {
    /// How many they are.
    pub const BYTES: usize = 9;

    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;

    /// Reads them.
    pub fn parse(bytes: [u8; Self::BYTES]) -> Self {
        let [high, middle, low, kind, flags, stream @ ..] = bytes;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        // The first bit is reserved.
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        Self { length, kind: FrameKind::of(kind), flags, stream }
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether the frame acknowledges one of ours.
    pub fn is_acknowledgment(&self) -> bool {
        matches!(self.kind, FrameKind::Settings | FrameKind::Ping) && self.has(Self::ACK)
    }

    /// Whether the frame is the last of its stream.
    pub fn ends_stream(&self) -> bool {
        matches!(self.kind, FrameKind::Data | FrameKind::Headers) && self.has(Self::END_STREAM)
    }

    /// Whether the frame is the last of a header block.
    pub fn ends_headers(&self) -> bool {
        matches!(self.kind, FrameKind::Headers | FrameKind::Continuation) && self.has(Self::END_HEADERS)
    }

    pub(crate) fn bytes(&self) -> [u8; Self::BYTES] {
        let [_, high, middle, low] = u32::try_from(self.length).unwrap_or(u32::MAX).to_be_bytes();
        let [first, second, third, fourth] = self.stream.to_be_bytes();
        [high, middle, low, self.kind.byte(), self.flags, first, second, third, fourth]
    }
}

/// Writes a frame whose payload is short.
pub(crate) fn write_frame(kind: FrameKind, flags: u8, stream: StreamId, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&FrameHead { length: payload.len(), kind, flags, stream }.bytes());
    out.extend_from_slice(payload);
}

/// RFC 9113 section 6.4.
pub(crate) fn write_reset(stream: StreamId, code: ErrorCode, out: &mut Vec<u8>) {
    write_frame(FrameKind::ResetStream, 0, stream, &code.value().to_be_bytes(), out);
}

/// RFC 9113 section 6.9; for the connection where the stream is 0.
pub(crate) fn write_window_update(stream: StreamId, increment: u32, out: &mut Vec<u8>) {
    write_frame(FrameKind::WindowUpdate, 0, stream, &increment.to_be_bytes(), out);
}

/// RFC 9113 section 6.8.
pub(crate) fn write_go_away(last: StreamId, code: ErrorCode, out: &mut Vec<u8>) {
    let mut payload = [0; 8];
    let (of_last, of_code) = payload.split_at_mut(4);
    of_last.copy_from_slice(&last.to_be_bytes());
    of_code.copy_from_slice(&code.value().to_be_bytes());
    write_frame(FrameKind::GoAway, 0, 0, &payload, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        for byte in 0..=255 {
            let stream = u32::from(byte) << 20 | 1;
            let head = FrameHead { length: 70_000, kind: FrameKind::of(byte), flags: byte, stream };
            assert_eq!(FrameHead::parse(head.bytes()), head);
            assert_eq!(head.bytes()[3], byte);
        }
    }

    #[test]
    fn frames_are_as_the_rfc_draws_them() {
        let mut out = Vec::new();
        write_reset(3, ErrorCode::FrameSizeError, &mut out);
        assert_eq!(out, [0, 0, 4, 3, 0, 0, 0, 0, 3, 0, 0, 0, 6]);
        out.clear();
        write_window_update(0, 256, &mut out);
        assert_eq!(out, [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        out.clear();
        write_go_away(5, ErrorCode::EnhanceYourCalm, &mut out);
        assert_eq!(out, [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 11]);
    }
}
