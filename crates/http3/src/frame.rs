//! Frames (RFC 9114 section 7).

use crate::varint::{decode_varint, encode_varint};

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A stretch of a body.
    Data,
    /// A field section.
    Headers,
    /// A push is not wanted.
    CancelPush,
    /// The first frame of a control stream.
    Settings,
    /// The head of a push; only servers send it.
    PushPromise,
    /// No more after this.
    GoAway,
    /// How many pushes may be made.
    MaxPushId,
    /// A type of HTTP/2 that HTTP/3 has not (RFC 9114 section 11.2.1).
    OfHttp2,
    /// Any other, which means nothing (RFC 9114 section 9).
    Unknown,
}

impl FrameKind {
    fn of(number: u64) -> Self {
        match number {
            0x00 => Self::Data,
            0x01 => Self::Headers,
            0x03 => Self::CancelPush,
            0x04 => Self::Settings,
            0x05 => Self::PushPromise,
            0x07 => Self::GoAway,
            0x0d => Self::MaxPushId,
            0x02 | 0x06 | 0x08 | 0x09 => Self::OfHttp2,
            _ => Self::Unknown,
        }
    }

    fn number(self) -> Option<u64> {
        Some(match self {
            Self::Data => 0x00,
            Self::Headers => 0x01,
            Self::CancelPush => 0x03,
            Self::Settings => 0x04,
            Self::PushPromise => 0x05,
            Self::GoAway => 0x07,
            Self::MaxPushId => 0x0d,
            Self::OfHttp2 | Self::Unknown => return None,
        })
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) kind: FrameKind,
    pub(crate) length: u64,
}

impl FrameHead {
    /// Reads one from the front of `bytes`: it, and how many bytes it has. None when more bytes are needed.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let (number, first) = decode_varint(bytes)?;
        let (length, second) = decode_varint(bytes.get(first..)?)?;
        Some((Self { kind: FrameKind::of(number), length }, first + second))
    }
}

/// Writes what stands before a payload of `length` bytes. Of types without a number nothing is written.
pub fn write_frame_head(kind: FrameKind, length: usize, out: &mut Vec<u8>) {
    if let Some(number) = kind.number() {
        encode_varint(number, out);
        encode_varint(length as u64, out);
    }
}
