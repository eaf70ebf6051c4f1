//! Where a message's body ends (RFC 9112 §6), when there is exactly one way to say it.

use crate::ascii;
use crate::limits::CONTENT_LENGTH_DIGITS_MAX;

/// How a body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyFraming {
    /// There is no body.
    #[default]
    None,
    /// Exactly this many bytes. `Length(0)` means that the sender said `Content-Length: 0`.
    Length(u64),
    /// Chunks, up to the last one and its trailers.
    Chunked,
    /// Everything until the connection closes. Only a response can say so.
    UntilClose,
}

/// Why a message's framing is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// A `Content-Length` that is not a plain number of at most 19 digits (RFC 9110 §8.6).
    #[error("Content-Length is not a number")]
    LengthNotNumber,
    /// A second `Content-Length`, even if it agrees. RFC 9112 §6.3 lets a recipient accept equal ones; we do not.
    #[error("Content-Length is repeated")]
    LengthRepeated,
    /// A `Transfer-Encoding` other than `chunked` (RFC 9112 §6.1).
    #[error("Transfer-Encoding is not exactly chunked")]
    EncodingNotChunked,
    /// A second `Transfer-Encoding` field.
    #[error("Transfer-Encoding is repeated")]
    EncodingRepeated,
    /// `Transfer-Encoding` beside `Content-Length`: the classic of request smuggling (RFC 9112 §6.1).
    #[error("both Transfer-Encoding and Content-Length")]
    LengthAndEncoding,
    /// `Transfer-Encoding` in a message whose version does not know it (RFC 9112 §6.1).
    #[error("Transfer-Encoding in HTTP/1.0")]
    EncodingBelowHttp11,
}

/// What the framing fields of a head have said so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FramingFields {
    content_length: Option<u64>,
    chunked: bool,
}

impl FramingFields {
    pub(crate) fn content_length(self) -> Option<u64> {
        self.content_length
    }

    pub(crate) fn read_content_length(&mut self, value: &[u8]) -> Result<(), FramingError> {
        if self.content_length.is_some() {
            return Err(FramingError::LengthRepeated);
        }
        let length =
            ascii::parse_decimal(value, CONTENT_LENGTH_DIGITS_MAX).ok_or(FramingError::LengthNotNumber)?;
        self.content_length = Some(length);
        Ok(())
    }

    pub(crate) fn read_transfer_encoding(&mut self, value: &[u8]) -> Result<(), FramingError> {
        if self.chunked {
            return Err(FramingError::EncodingRepeated);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(FramingError::EncodingNotChunked);
        }
        self.chunked = true;
        Ok(())
    }

    /// The framing that the fields agree on; `BodyFraming::None` if there are none.
    pub(crate) fn framing(self, is_http11: bool) -> Result<BodyFraming, FramingError> {
        match (self.content_length, self.chunked) {
            (Some(_), true) => Err(FramingError::LengthAndEncoding),
            (None, true) if !is_http11 => Err(FramingError::EncodingBelowHttp11),
            (None, true) => Ok(BodyFraming::Chunked),
            (Some(length), false) => Ok(BodyFraming::Length(length)),
            (None, false) => Ok(BodyFraming::None),
        }
    }
}
