//! Bodies: which bytes of the input are the body's, and where the message ends.

use std::num::NonZeroUsize;
use std::ops::Range;

use crate::field::{FieldError, FieldTable, Fields};
use crate::framing::BodyFraming;
use crate::limits::{CHUNK_SIZE_DIGITS_MAX, TRAILER_BYTES_MAX, TRAILER_FIELDS_MAX};
use crate::line::LineScanner;

/// Why a body is refused. From a viewer: 400 and close; from an origin: the response is cut off and the connection
/// closed. What has been forwarded of it must not look complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A chunk size that is empty, not hexadecimal, longer than 16 digits, or surrounded by whitespace
    /// (RFC 9112 §7.1).
    #[error("a chunk's size is malformed")]
    ChunkSize,
    /// A chunk extension. RFC 9112 §7.1.1 has recipients ignore them, and they disagree about where one ends
    /// (CVE-2025-55315). Nobody uses them but smugglers, so a shield is stricter.
    #[error("a chunk extension")]
    ChunkExtension,
    /// A chunk's size or data that CRLF does not end.
    #[error("a chunk does not end in CRLF")]
    ChunkEnd,
    /// The trailer section is larger than 8,192 bytes.
    #[error("the trailer section is too large")]
    TrailersTooLarge,
    /// A line of the trailer section is refused.
    #[error(transparent)]
    Trailer(#[from] FieldError),
    /// The input ended before the body did.
    #[error("the body is truncated")]
    Truncated,
}

impl BodyError {
    /// The status of the answer to a viewer.
    pub const fn status(self) -> u16 {
        400
    }
}

/// What one call of [`BodyDecoder::decode`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The bytes of the input that are dealt with; pass the rest, if any, to the next call.
    pub consumed: usize,
    /// The bytes of the input that are body; they lie within `..consumed`.
    pub body: Range<usize>,
    /// Whether the message has ended; what is left of the input belongs to the next one.
    pub done: bool,
}

/// Finds the body in a stream of bytes, without copying it and without reading past its end.
///
/// ```
/// # use http1::{BodyDecoder, BodyFraming};
/// let mut decoder = BodyDecoder::new(BodyFraming::Chunked);
/// let mut input = &b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET /next"[..];
/// let mut body = Vec::new();
/// while !input.is_empty() && !decoder.is_done() {
///     let decoded = decoder.decode(input)?;
///     body.extend_from_slice(&input[decoded.body]);
///     input = &input[decoded.consumed..];
/// }
/// assert_eq!((body.as_slice(), input), (&b"abcde"[..], &b"GET /next"[..]));
/// # Ok::<(), http1::BodyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BodyDecoder {
    state: State,
    trailers: Trailers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Done,
    UntilClose,
    Length { remaining: u64 },
    ChunkSize { size: u64, digits: usize },
    ChunkSizeLineFeed { size: u64 },
    ChunkData { remaining: u64 },
    ChunkDataCarriageReturn,
    ChunkDataLineFeed,
    Trailers,
    Refused(BodyError),
}

impl BodyDecoder {
    /// A decoder at the first byte of a body.
    pub fn new(framing: BodyFraming) -> Self {
        let state = match framing {
            BodyFraming::None | BodyFraming::Length(0) => State::Done,
            BodyFraming::Length(remaining) => State::Length { remaining },
            BodyFraming::Chunked => State::CHUNK_START,
            BodyFraming::UntilClose => State::UntilClose,
        };
        Self { state, trailers: Trailers::default() }
    }

    /// Whether the whole message has been seen.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// How many bytes of body must still come, where the framing tells.
    pub fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Done => Some(0),
            State::Length { remaining } => Some(remaining),
            _ => None,
        }
    }

    /// Decodes what has arrived since the last call.
    ///
    /// All of `input` is consumed unless the message ends in it, or more than one stretch of body is in it: then call
    /// again with the rest. A refused body stays refused.
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, BodyError> {
        self.advance(input).inspect_err(|&error| self.state = State::Refused(error))
    }

    fn advance(&mut self, input: &[u8]) -> Result<Decoded, BodyError> {
        if let State::Refused(error) = self.state {
            return Err(error);
        }
        let mut consumed = self.advance_framing(input, 0)?;
        let body_start = consumed;
        consumed += self.take_data(input.len() - consumed);
        let body = body_start..consumed;
        if !body.is_empty() {
            // Finish the chunk, and the message if it ends here, so that one call tells the caller both.
            consumed = self.advance_framing(input, consumed)?;
        }
        Ok(Decoded { consumed, body, done: self.is_done() })
    }

    /// Consumes what lies between stretches of body, and returns the position where it stopped: at a body's byte, at
    /// the message's end or at the input's.
    fn advance_framing(&mut self, input: &[u8], mut at: usize) -> Result<usize, BodyError> {
        while let Some(&byte) = input.get(at) {
            self.state = match self.state {
                State::Done
                | State::Refused(_)
                | State::UntilClose
                | State::Length { .. }
                | State::ChunkData { .. } => return Ok(at),
                State::Trailers => {
                    let (consumed, ended) = self.trailers.read(input.get(at..).unwrap_or_default())?;
                    at += consumed;
                    if ended {
                        self.state = State::Done;
                    }
                    continue;
                }
                State::ChunkSize { size, digits } => after_chunk_size_byte(size, digits, byte)?,
                State::ChunkSizeLineFeed { size } => match (byte, size) {
                    (b'\n', 0) => State::Trailers,
                    (b'\n', remaining) => State::ChunkData { remaining },
                    _ => return Err(BodyError::ChunkEnd),
                },
                State::ChunkDataCarriageReturn if byte == b'\r' => State::ChunkDataLineFeed,
                State::ChunkDataLineFeed if byte == b'\n' => State::CHUNK_START,
                State::ChunkDataCarriageReturn | State::ChunkDataLineFeed => return Err(BodyError::ChunkEnd),
            };
            at += 1;
        }
        Ok(at)
    }

    /// Takes up to `available` bytes of body, and returns how many.
    fn take_data(&mut self, available: usize) -> usize {
        match &mut self.state {
            State::UntilClose => available,
            State::Length { remaining } => {
                let taken = take(remaining, available);
                if *remaining == 0 {
                    self.state = State::Done;
                }
                taken
            }
            State::ChunkData { remaining } => {
                let taken = take(remaining, available);
                if *remaining == 0 {
                    self.state = State::ChunkDataCarriageReturn;
                }
                taken
            }
            _ => 0,
        }
    }

    /// Says that no more input will come: the end of a body until close, and of no other.
    pub fn end_of_input(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Done | State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            State::Refused(error) => Err(error),
            _ => {
                self.state = State::Refused(BodyError::Truncated);
                Err(BodyError::Truncated)
            }
        }
    }

    /// The trailer fields that came behind the last chunk. Whoever forwards them must drop those that RFC 9110 §6.5.1
    /// forbids, framing, routing and authentication above all; to ignore them is always right.
    pub fn trailers(&self) -> Fields<'_> {
        self.trailers.fields.iter(&self.trailers.bytes)
    }
}

impl State {
    const CHUNK_START: Self = Self::ChunkSize { size: 0, digits: 0 };
}

fn after_chunk_size_byte(size: u64, digits: usize, byte: u8) -> Result<State, BodyError> {
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        b'\r' if digits > 0 => return Ok(State::ChunkSizeLineFeed { size }),
        b';' if digits > 0 => return Err(BodyError::ChunkExtension),
        b'\n' if digits > 0 => return Err(BodyError::ChunkEnd),
        _ => return Err(BodyError::ChunkSize),
    };
    if digits == CHUNK_SIZE_DIGITS_MAX {
        return Err(BodyError::ChunkSize);
    }
    // Sixteen digits of four bits each fill 64 bits exactly.
    Ok(State::ChunkSize { size: size << 4 | u64::from(digit), digits: digits + 1 })
}

fn take(remaining: &mut u64, available: usize) -> usize {
    let taken = usize::try_from(*remaining).unwrap_or(usize::MAX).min(available);
    *remaining -= taken as u64;
    taken
}

/// The trailer section as it comes in. Trailers are rare and small, so they are collected, and then held to the very
/// rules of a head.
#[derive(Debug, Default, Clone)]
struct Trailers {
    bytes: Vec<u8>,
    scanner: LineScanner,
    fields: FieldTable,
}

impl Trailers {
    /// Reads up to the next line's end, and tells how many bytes that took and whether the section has ended.
    fn read(&mut self, input: &[u8]) -> Result<(usize, bool), BodyError> {
        if self.bytes.is_empty() && input.starts_with(b"\r\n") {
            return Ok((2, true)); // No trailers: nearly every chunked body ends here, without an allocation.
        }
        let line_len = memchr::memchr(b'\n', input).map_or(input.len(), |at| at + 1);
        if self.bytes.len() + line_len > TRAILER_BYTES_MAX {
            return Err(BodyError::TrailersTooLarge);
        }
        self.bytes.extend_from_slice(input.get(..line_len).unwrap_or_default());
        let Some(line) = self.scanner.next_line(&self.bytes)? else { return Ok((line_len, false)) };
        let ended = line.is_empty();
        if !ended {
            self.fields.push(&self.bytes, line, TRAILER_FIELDS_MAX)?;
        }
        Ok((line_len, ended))
    }
}

/// What ends a chunk's data.
pub const CHUNK_END: &[u8] = b"\r\n";

/// The last chunk, with no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

const CHUNK_HEADER_BYTES: usize = CHUNK_SIZE_DIGITS_MAX + CHUNK_END.len();

/// A chunk's size line, on the stack.
#[derive(Debug, Clone, Copy)]
pub struct ChunkHeader {
    bytes: [u8; CHUNK_HEADER_BYTES],
    start: usize,
}

/// The size line of a chunk of `len` bytes; the data and [`CHUNK_END`] follow it. A chunk of no bytes would end the
/// body, so there is none.
pub fn chunk_header(len: NonZeroUsize) -> ChunkHeader {
    let mut bytes = [b'\n'; CHUNK_HEADER_BYTES];
    let mut start = CHUNK_SIZE_DIGITS_MAX;
    bytes[start] = b'\r';
    let mut rest = len.get();
    for digit in bytes[..CHUNK_SIZE_DIGITS_MAX].iter_mut().rev() {
        *digit = b"0123456789abcdef"[rest & 0xf];
        start -= 1;
        rest >>= 4;
        if rest == 0 {
            break;
        }
    }
    ChunkHeader { bytes, start }
}

impl AsRef<[u8]> for ChunkHeader {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}
