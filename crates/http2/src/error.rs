//! Errors of streams and connections.

/// RFC 9113 section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ErrorCode {
    /// Nothing is wrong.
    NoError = 0x0,
    /// A rule is broken that no other code names.
    ProtocolError = 0x1,
    /// This side cannot go on.
    InternalError = 0x2,
    /// More was sent than a window allows.
    FlowControlError = 0x3,
    /// A frame on a stream that has ended.
    StreamClosed = 0x5,
    /// A frame has not the size that it must have.
    FrameSizeError = 0x6,
    /// Nobody has looked at the stream.
    RefusedStream = 0x7,
    /// A header block cannot be read.
    CompressionError = 0x9,
    /// The other side does too much that costs more than it is worth.
    EnhanceYourCalm = 0xb,
}

impl ErrorCode {
    /// As frames have it.
    pub fn value(self) -> u32 {
        self as u32
    }
}

/// What ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct ConnectionError {
    /// What the other side is told.
    pub code: ErrorCode,
    /// What was wrong.
    pub what: &'static str,
}

impl ConnectionError {
    pub(crate) fn protocol(what: &'static str) -> Self {
        Self { code: ErrorCode::ProtocolError, what }
    }

    pub(crate) fn frame_size(what: &'static str) -> Self {
        Self { code: ErrorCode::FrameSizeError, what }
    }
}
