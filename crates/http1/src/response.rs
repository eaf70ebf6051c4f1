//! What an origin answers: the head of a response, held to the same rules as a viewer's request.

use std::ops::{Deref, Range};

use crate::ascii;
use crate::connection::{self, ConnectionOptions};
use crate::field::{Field, FieldError, FieldTable, Fields, Span};
use crate::framing::{BodyFraming, FramingError, FramingFields};
use crate::known_field::KnownField;
use crate::limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX};
use crate::line::LineScanner;
use crate::method::Method;
use crate::request::{Progress, Version};

/// Why a response is refused. The viewer gets 502, and the origin connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// Not `version SP status SP [reason]` (RFC 9112 §4).
    #[error("the status line is malformed")]
    StatusLine,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    #[error("the HTTP version is not supported")]
    VersionUnsupported,
    /// The head is larger than 32,768 bytes: CloudFront logs OriginHeaderTooBigError.
    #[error("the head is larger than 32,768 bytes")]
    HeadTooLarge,
    /// A line of the head is refused.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The body's framing is refused.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// A 1xx response that announces a body (RFC 9112 §6.1, RFC 9110 §8.6).
    #[error("an interim response announces a body")]
    InterimBody,
}

impl ResponseError {
    /// Whether the head was too big rather than malformed, which the access log tells apart.
    pub const fn is_head_too_big(self) -> bool {
        matches!(self, Self::HeadTooLarge | Self::Field(FieldError::TooMany))
    }
}

/// The head of a response: where its parts are in the caller's buffer, and what they mean together.
///
/// One per origin connection, or per exchange; parsing allocates nothing once the table of fields has grown.
#[derive(Debug, Default, Clone)]
pub struct ResponseHead {
    phase: Phase,
    scanner: LineScanner,
    fields: FieldTable,
    version: Version,
    status: u16,
    reason: Span,
    framing_fields: FramingFields,
    framing: BodyFraming,
    connection: ConnectionOptions,
    keep_alive: bool,
    keep_alive_timeout: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy)]
enum Phase {
    #[default]
    StatusLine,
    Fields,
    Complete {
        head_len: usize,
    },
    Refused(ResponseError),
}

impl ResponseHead {
    /// A head that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the response, and keeps the memory for the next one.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// Parses what has arrived of the response to a request with method `request_method`.
    ///
    /// `buffer` starts at the response's first byte at each call and only ever grows; bytes behind the head are not
    /// looked at. After an interim response ([`ResponseHead::is_interim`]) the caller clears the head and goes on
    /// behind it, at most [`crate::limits::INTERIM_RESPONSES_MAX`] times.
    pub fn parse(&mut self, buffer: &[u8], request_method: Method) -> Result<Progress, ResponseError> {
        self.advance(buffer, request_method).inspect_err(|&error| self.phase = Phase::Refused(error))
    }

    fn advance(&mut self, buffer: &[u8], request_method: Method) -> Result<Progress, ResponseError> {
        loop {
            match self.phase {
                Phase::Complete { head_len } => return Ok(Progress::Complete { head_len }),
                Phase::Refused(error) => return Err(error),
                Phase::StatusLine | Phase::Fields => {}
            }
            let visible = buffer.get(..HEAD_BYTES_MAX).unwrap_or(buffer);
            let Some(line) = self.scanner.next_line(visible)? else {
                let is_full = visible.len() >= HEAD_BYTES_MAX;
                return if is_full { Err(ResponseError::HeadTooLarge) } else { Ok(Progress::Partial) };
            };
            if matches!(self.phase, Phase::StatusLine) {
                self.read_status_line(buffer, line)?;
                self.phase = Phase::Fields;
            } else if line.is_empty() {
                self.conclude(request_method)?;
                self.phase = Phase::Complete { head_len: self.scanner.line_start() };
            } else {
                self.read_field(buffer, line)?;
            }
        }
    }

    /// RFC 9112 §4: `status-line = HTTP-version SP status-code SP [ reason-phrase ]`. A missing second space is
    /// forgiven: small servers leave it out, and there is only one way to read `HTTP/1.1 200`.
    fn read_status_line(&mut self, buffer: &[u8], line: Range<usize>) -> Result<(), ResponseError> {
        let bytes = buffer.get(line.clone()).unwrap_or_default();
        let Some((version, rest)) = bytes.split_first_chunk::<8>() else {
            return Err(ResponseError::StatusLine);
        };
        self.version = match version {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            [b'H', b'T', b'T', b'P', b'/', ..] => return Err(ResponseError::VersionUnsupported),
            _ => return Err(ResponseError::StatusLine),
        };
        let (b' ', [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', reason @ ..]) =
            rest.split_first().map_or((0, rest), |(&space, rest)| (space, rest))
        else {
            return Err(ResponseError::StatusLine);
        };
        if !matches!(reason, [] | [b' ', ..]) {
            return Err(ResponseError::StatusLine);
        }
        self.status = [a, b, c].iter().fold(0, |status, &&digit| status * 10 + u16::from(digit - b'0'));
        let reason_len = reason.len().saturating_sub(1);
        self.reason = Span::new(&(line.end - reason_len..line.end));
        Ok(())
    }

    fn read_field(&mut self, buffer: &[u8], line: Range<usize>) -> Result<(), ResponseError> {
        let (known, value) = self.fields.push(buffer, line, HEAD_FIELDS_MAX)?;
        let value = value.of(buffer);
        match known {
            Some(KnownField::ContentLength) => self.framing_fields.read_content_length(value)?,
            Some(KnownField::TransferEncoding) => self.framing_fields.read_transfer_encoding(value)?,
            Some(KnownField::Connection) => self.connection.read(value)?,
            Some(KnownField::KeepAlive) => self.keep_alive_timeout = parse_keep_alive_timeout(value),
            _ => {}
        }
        Ok(())
    }

    /// RFC 9112 §6.3: the body's length follows from the request's method, the status and the framing fields, in this
    /// order. Fields that contradict each other are refused even where the body's length does not depend on them.
    fn conclude(&mut self, request_method: Method) -> Result<(), ResponseError> {
        let is_http11 = self.version == Version::Http11;
        let announced = self.framing_fields.framing(is_http11)?;
        let announces_body = !matches!(announced, BodyFraming::None | BodyFraming::Length(0));
        if self.is_interim() && announces_body {
            return Err(ResponseError::InterimBody);
        }
        let is_bodiless = request_method == Method::Head || matches!(self.status, 100..=199 | 204 | 304);
        self.framing = match announced {
            _ if is_bodiless => BodyFraming::None,
            BodyFraming::None => BodyFraming::UntilClose,
            announced => announced,
        };
        // A 204 with a body announced may be followed by that body: any doubt, and the connection is not used again.
        let is_doubtful = self.status == 204 && announces_body;
        self.keep_alive =
            self.connection.persists(is_http11) && self.framing != BodyFraming::UntilClose && !is_doubtful;
        Ok(())
    }

    /// The status code, 100 to 999.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether this is a 1xx response, after which the final one is still to come; 101 is none of them.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && !self.is_switching_protocols()
    }

    /// Whether the connection speaks another protocol from here on (101).
    pub fn is_switching_protocols(&self) -> bool {
        self.status == 101
    }

    /// The version of the status line.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How the body is delimited.
    pub fn framing(&self) -> BodyFraming {
        self.framing
    }

    /// What `Content-Length` says, even where no body follows: of HEAD and 304 it is the length of the other answer.
    pub fn content_length(&self) -> Option<u64> {
        self.framing_fields.content_length()
    }

    /// Whether the connection may be used again once the body has ended exactly.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// The seconds that the origin says it keeps an idle connection: `Keep-Alive: timeout=5`.
    pub fn keep_alive_timeout(&self) -> Option<u64> {
        self.keep_alive_timeout
    }

    /// What the `Connection` fields say.
    pub fn connection(&self) -> ConnectionOptions {
        self.connection
    }

    /// The number of fields.
    pub fn field_count(&self) -> usize {
        self.fields.len()
    }

    /// The head together with the bytes that it was parsed from: `buffer` starts where it did for
    /// [`ResponseHead::parse`], and may end at the head's end.
    pub fn view<'a>(&'a self, buffer: &'a [u8]) -> ResponseView<'a> {
        ResponseView { head: self, buffer }
    }
}

/// A [`ResponseHead`] with its bytes; derefs to the head for what needs none.
#[derive(Debug, Clone, Copy)]
pub struct ResponseView<'a> {
    head: &'a ResponseHead,
    buffer: &'a [u8],
}

impl Deref for ResponseView<'_> {
    type Target = ResponseHead;

    fn deref(&self) -> &ResponseHead {
        self.head
    }
}

impl<'a> ResponseView<'a> {
    /// The reason phrase as it was sent; it may be empty or hold obs-text.
    pub fn reason(&self) -> &'a [u8] {
        self.head.reason.of(self.buffer)
    }

    /// All fields, in the order they came.
    pub fn fields(&self) -> Fields<'a> {
        self.head.fields.iter(self.buffer)
    }

    /// The values of every field that is `known`, in the order they came.
    pub fn values(&self, known: KnownField) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.fields().values_of(known)
    }

    /// The value of the first field that is `known`.
    pub fn value(&self, known: KnownField) -> Option<&'a [u8]> {
        self.values(known).next()
    }

    /// Whether `field` ends at this hop (RFC 9110 §7.6.1): by its own nature, or because `Connection` nominates it,
    /// whichever way either of them is spelled.
    pub fn is_hop_by_hop(&self, field: &Field<'_>) -> bool {
        field.known_folding_underscore().is_some_and(KnownField::is_hop_by_hop)
            || (self.head.connection.nominates && connection::is_nominated(self.fields(), field.name))
    }
}

/// `timeout` of a `Keep-Alive` field: a hint, so what cannot be read is as good as absent.
fn parse_keep_alive_timeout(value: &[u8]) -> Option<u64> {
    const DIGITS_MAX: usize = 9;
    value.split(|&byte| byte == b',').map(ascii::trim_whitespace).find_map(|parameter| {
        let (name, seconds) = parameter.split_at_checked("timeout=".len())?;
        if name.eq_ignore_ascii_case(b"timeout=") { ascii::parse_decimal(seconds, DIGITS_MAX) } else { None }
    })
}
