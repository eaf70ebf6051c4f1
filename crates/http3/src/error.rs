//! What a stream or a connection is ended with.

/// An error's code on the wire (RFC 9114 section 8.1, RFC 9204 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u16)]
pub enum ErrorCode {
    /// There is no error.
    #[error("no error")]
    NoError = 0x0100,
    /// The edge failed.
    #[error("an internal error")]
    InternalError = 0x0102,
    /// A stream that may not be there.
    #[error("a stream that may not be opened")]
    StreamCreationError = 0x0103,
    /// A stream was closed that must stay open.
    #[error("a critical stream was closed")]
    ClosedCriticalStream = 0x0104,
    /// A frame that may not stand there.
    #[error("a frame out of place")]
    FrameUnexpected = 0x0105,
    /// A frame whose length or layout is wrong.
    #[error("a malformed frame")]
    FrameError = 0x0106,
    /// More than anybody needs.
    #[error("excessive load")]
    ExcessiveLoad = 0x0107,
    /// An identifier that is out of bounds.
    #[error("an identifier out of bounds")]
    IdError = 0x0108,
    /// Settings that contradict themselves or the protocol.
    #[error("invalid settings")]
    SettingsError = 0x0109,
    /// No settings at the beginning of the control stream.
    #[error("no settings")]
    MissingSettings = 0x010a,
    /// Nothing was done with the request, and it may be made again.
    #[error("the request was rejected")]
    RequestRejected = 0x010b,
    /// The request's stream ended before there was a whole request.
    #[error("the request is incomplete")]
    RequestIncomplete = 0x010d,
    /// The request is malformed.
    #[error("the message is malformed")]
    MessageError = 0x010e,
    /// A field section that cannot be read.
    #[error("a field section that cannot be read")]
    DecompressionFailed = 0x0200,
    /// Instructions for a dynamic table that there is not.
    #[error("an invalid instruction on the encoder stream")]
    EncoderStreamError = 0x0201,
    /// Acknowledgments of what was never sent.
    #[error("an invalid instruction on the decoder stream")]
    DecoderStreamError = 0x0202,
}

impl ErrorCode {
    /// The number.
    pub fn value(self) -> u16 {
        self as u16
    }
}
