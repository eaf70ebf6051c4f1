//! What a viewer sends: the head of a request.

use std::ops::{Deref, Range};

use crate::ascii;
use crate::connection::{self, ConnectionOptions};
use crate::field::{Field, FieldError, FieldTable, Fields, Span};
use crate::framing::{BodyFraming, FramingError, FramingFields};
use crate::host::{Host, HostError};
use crate::known_field::KnownField;
use crate::limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX, METHOD_BYTES_MAX, REQUEST_LINE_BYTES_MAX};
use crate::line::LineScanner;
use crate::method::Method;
use crate::target::{Layout, TargetError, TargetForm};

/// How far a head has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed: read on, and pass the longer buffer.
    Partial,
    /// The head is whole.
    Complete {
        /// Its length; the body, or the next message, starts there.
        head_len: usize,
    },
}

/// The version of a message. There are two; every other is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

/// Why a request is refused. The answer has [`RequestError::status`], and the connection closes after every one of
/// them: nobody can know where the next request would start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not `method SP target SP version`, with single spaces (RFC 9112 §3).
    #[error("the request line is malformed")]
    RequestLine,
    /// An empty line before the request line, after the one that is forgiven (RFC 9112 §2.2).
    #[error("several empty lines before the request line")]
    EmptyLines,
    /// A method that is no token (RFC 9110 §9.1).
    #[error("the method is not a token")]
    MethodNotToken,
    /// A method longer than any that exists (RFC 9112 §3: 501).
    #[error("the method is too long")]
    MethodTooLong,
    /// CONNECT would make a shield an open proxy.
    #[error("CONNECT is refused")]
    ConnectRefused,
    /// The request target is refused.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A version other than HTTP/1.0 and HTTP/1.1.
    #[error("the HTTP version is not supported")]
    VersionUnsupported,
    /// HTTP/2's preface (RFC 9113 §3.4) where HTTP/1.1 is spoken.
    #[error("an HTTP/2 preface on an HTTP/1.1 connection")]
    Http2Preface,
    /// The head is larger than 32,768 bytes: CloudFront answers 494.
    #[error("the head is larger than 32,768 bytes")]
    HeadTooLarge,
    /// A line of the head is refused.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The Host is refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The body's framing is refused.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// An `Expect` other than `100-continue` (RFC 9110 §10.1.1: 417).
    #[error("Expect is not 100-continue")]
    ExpectationUnknown,
}

impl RequestError {
    /// The status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Target(TargetError::TooLong) => 414,
            Self::HeadTooLarge | Self::Field(FieldError::TooMany) => 494,
            Self::ExpectationUnknown => 417,
            Self::MethodTooLong => 501,
            Self::VersionUnsupported | Self::Http2Preface => 505,
            _ => 400,
        }
    }
}

/// The head of a request: where its parts are in the caller's buffer, and what they mean together.
///
/// One per connection. Parsing allocates nothing once the table of fields has grown to what the connection's requests
/// need.
#[derive(Debug, Default, Clone)]
pub struct RequestHead {
    phase: Phase,
    scanner: LineScanner,
    fields: FieldTable,
    line: RequestLine,
    host: Option<HostPosition>,
    framing_fields: FramingFields,
    framing: BodyFraming,
    connection: ConnectionOptions,
    expect_continue: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum Phase {
    #[default]
    Start,
    RequestLine {
        starts_at: usize,
    },
    Fields {
        starts_at: usize,
    },
    Complete {
        head_len: usize,
    },
    Refused(RequestError),
}

#[derive(Debug, Default, Clone, Copy)]
struct RequestLine {
    version: Version,
    method: Method,
    method_name: Span,
    form: TargetForm,
    target: Span,
    authority: Span,
    path: Span,
    query: Option<Span>,
}

impl RequestLine {
    /// Method and target, and the space between them.
    fn words(&self) -> Span {
        self.method_name.to(self.target)
    }
}

#[derive(Debug, Clone, Copy)]
struct HostPosition {
    text: Span,
    name_len: usize,
    port: Option<u16>,
}

impl RequestHead {
    /// A head that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the request, and keeps the memory for the next one.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// Parses what has arrived.
    ///
    /// `buffer` starts at the request's first byte at each call and only ever grows; bytes behind the head are not
    /// looked at. A complete or refused head stays so until [`RequestHead::clear`].
    pub fn parse(&mut self, buffer: &[u8]) -> Result<Progress, RequestError> {
        self.advance(buffer).inspect_err(|&error| self.phase = Phase::Refused(error))
    }

    fn advance(&mut self, buffer: &[u8]) -> Result<Progress, RequestError> {
        loop {
            match self.phase {
                Phase::Start => {
                    let Some(starts_at) = self.skip_empty_line(buffer)? else { return Ok(Progress::Partial) };
                    self.phase = Phase::RequestLine { starts_at };
                }
                Phase::RequestLine { starts_at } => {
                    let line_end_max = starts_at + REQUEST_LINE_BYTES_MAX + 2;
                    let Some(line) = self.next_line(buffer, line_end_max)? else {
                        return partial_unless(buffer.len() >= line_end_max, || {
                            long_request_line(buffer, starts_at)
                        });
                    };
                    self.line = parse_request_line(buffer, line)?;
                    self.phase = Phase::Fields { starts_at };
                }
                Phase::Fields { starts_at } => {
                    let head_end_max = starts_at + HEAD_BYTES_MAX;
                    let Some(line) = self.next_line(buffer, head_end_max)? else {
                        return partial_unless(buffer.len() >= head_end_max, || RequestError::HeadTooLarge);
                    };
                    if line.is_empty() {
                        self.conclude(buffer)?;
                        self.phase = Phase::Complete { head_len: self.scanner.line_start() };
                    } else {
                        self.read_field(buffer, line)?;
                    }
                }
                Phase::Complete { head_len } => return Ok(Progress::Complete { head_len }),
                Phase::Refused(error) => return Err(error),
            }
        }
    }

    /// RFC 9112 §2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty
    /// line (CRLF) received prior to the request-line". One, and no more.
    fn skip_empty_line(&mut self, buffer: &[u8]) -> Result<Option<usize>, RequestError> {
        match buffer {
            [] | [b'\r'] => Ok(None),
            [b'\r', ..] => {
                self.scanner.next_line(buffer)?;
                Ok(Some(self.scanner.line_start()))
            }
            _ => Ok(Some(0)),
        }
    }

    fn next_line(&mut self, buffer: &[u8], end_max: usize) -> Result<Option<Range<usize>>, FieldError> {
        self.scanner.next_line(buffer.get(..end_max).unwrap_or(buffer))
    }

    fn read_field(&mut self, buffer: &[u8], line: Range<usize>) -> Result<(), RequestError> {
        let (known, position) = self.fields.push(buffer, line, HEAD_FIELDS_MAX)?;
        let Some(known) = known else { return Ok(()) };
        let value = position.of(buffer);
        match known {
            KnownField::Host => self.read_host(value, position)?,
            KnownField::ContentLength => self.framing_fields.read_content_length(value)?,
            KnownField::TransferEncoding => self.framing_fields.read_transfer_encoding(value)?,
            KnownField::Connection => self.connection.read(value)?,
            KnownField::Expect => self.read_expect(value)?,
            _ => {}
        }
        Ok(())
    }

    fn read_host(&mut self, value: &[u8], position: Span) -> Result<(), HostError> {
        if self.host.is_some() {
            return Err(HostError::Repeated);
        }
        let (name_len, port) = Host::measure(value)?;
        self.host = Some(HostPosition { text: position, name_len, port });
        Ok(())
    }

    /// RFC 9110 §10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that
    /// expectation".
    fn read_expect(&mut self, value: &[u8]) -> Result<(), RequestError> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(RequestError::ExpectationUnknown);
        }
        self.expect_continue = self.is_http11();
        Ok(())
    }

    /// What only the whole head can tell.
    fn conclude(&mut self, buffer: &[u8]) -> Result<(), RequestError> {
        let host = self.host.ok_or(HostError::Missing)?;
        let is_absolute = matches!(self.line.form, TargetForm::Absolute { .. });
        if is_absolute && !self.line.authority.of(buffer).eq_ignore_ascii_case(host.text.of(buffer)) {
            // RFC 9112 §3.2.2 lets the target win. An origin may let the field win, so they must agree.
            return Err(HostError::Mismatch.into());
        }
        if self.connection.nominates && connection::nominates_framing(self.fields.iter(buffer)) {
            return Err(FieldError::ConnectionNominatesFraming.into());
        }
        self.framing = self.framing_fields.framing(self.is_http11())?;
        Ok(())
    }

    fn is_http11(&self) -> bool {
        self.line.version == Version::Http11
    }

    /// The version of the request line.
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.line.method
    }

    /// How the target was written.
    pub fn target_form(&self) -> TargetForm {
        self.line.form
    }

    /// How the body is delimited; never [`BodyFraming::UntilClose`].
    pub fn framing(&self) -> BodyFraming {
        self.framing
    }

    /// Whether the viewer is ready to send another request on the connection (RFC 9112 §9.3).
    pub fn keep_alive(&self) -> bool {
        self.connection.persists(self.is_http11())
    }

    /// Whether the viewer waits for a 100 (Continue) before it sends the body. Never true without a body.
    pub fn expect_continue(&self) -> bool {
        self.expect_continue && !matches!(self.framing, BodyFraming::None | BodyFraming::Length(0))
    }

    /// What the `Connection` fields say.
    pub fn connection(&self) -> ConnectionOptions {
        self.connection
    }

    /// The number of fields.
    pub fn field_count(&self) -> usize {
        self.fields.len()
    }

    /// The length of the head, once it is complete.
    pub fn head_len(&self) -> Option<usize> {
        match self.phase {
            Phase::Complete { head_len } => Some(head_len),
            _ => None,
        }
    }

    /// The head together with the bytes that it was parsed from: `buffer` starts where it did for
    /// [`RequestHead::parse`], and may end at the head's end.
    pub fn view<'a>(&'a self, buffer: &'a [u8]) -> RequestView<'a> {
        // Both have been proven to be ASCII, a request line's version aside.
        let text = |span: Span| str::from_utf8(span.of(buffer)).unwrap_or_default();
        let words = text(self.line.words());
        RequestView { head: self, buffer, words, host: self.host.map_or("", |host| text(host.text)) }
    }
}

/// A [`RequestHead`] with its bytes; derefs to the head for what needs none.
#[derive(Debug, Clone, Copy)]
pub struct RequestView<'a> {
    head: &'a RequestHead,
    buffer: &'a [u8],
    /// Method and target, which are asked for many times, as text.
    words: &'a str,
    /// The Host's value.
    host: &'a str,
}

impl Deref for RequestView<'_> {
    type Target = RequestHead;

    fn deref(&self) -> &RequestHead {
        self.head
    }
}

impl<'a> RequestView<'a> {
    /// The method as it was sent.
    pub fn method_name(&self) -> &'a str {
        self.text(self.head.line.method_name)
    }

    /// The whole request target as it was sent.
    pub fn target(&self) -> &'a str {
        self.text(self.head.line.target)
    }

    /// The path as it was sent: it starts with `/`, or is the `*` of OPTIONS.
    pub fn path(&self) -> &'a str {
        let path = self.head.line.path;
        // RFC 9112 §3.2.1: the path of `http://host?query` is "/".
        if path.is_empty() { "/" } else { self.text(path) }
    }

    /// What follows the target's first `?`; `Some("")` if nothing does.
    pub fn query(&self) -> Option<&'a str> {
        self.head.line.query.map(|query| self.text(query))
    }

    fn text(&self, span: Span) -> &'a str {
        span.within(self.head.line.words(), self.words)
    }

    /// Whom the request is for: the one Host, which an absolute-form target agrees with.
    pub fn host(&self) -> Host<'a> {
        match self.head.host {
            Some(host) => Host::from_parsed(self.host, host.name_len, host.port),
            None => Host::from_parsed("", 0, None),
        }
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

    /// The options of every `Connection` field.
    pub fn connection_options(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        connection::connection_options(self.fields())
    }

    /// Whether `field` ends at this hop (RFC 9110 §7.6.1): by its own nature, or because `Connection` nominates it,
    /// whichever way either of them is spelled.
    pub fn is_hop_by_hop(&self, field: &Field<'_>) -> bool {
        field.known_folding_underscore().is_some_and(KnownField::is_hop_by_hop)
            || (self.head.connection.nominates && connection::is_nominated(self.fields(), field.name))
    }
}

fn partial_unless(refused: bool, error: impl FnOnce() -> RequestError) -> Result<Progress, RequestError> {
    if refused { Err(error()) } else { Ok(Progress::Partial) }
}

/// Which part of a request line is too long.
fn long_request_line(buffer: &[u8], starts_at: usize) -> RequestError {
    let line = buffer.get(starts_at..).unwrap_or_default();
    let method_fits = line.iter().take(METHOD_BYTES_MAX + 1).any(|&byte| byte == b' ');
    if method_fits { TargetError::TooLong.into() } else { RequestError::MethodTooLong }
}

/// RFC 9112 §3: `request-line = method SP request-target SP HTTP-version`.
fn parse_request_line(buffer: &[u8], line: Range<usize>) -> Result<RequestLine, RequestError> {
    let bytes = buffer.get(line.clone()).unwrap_or_default();
    if bytes.is_empty() {
        return Err(RequestError::EmptyLines);
    }
    if bytes == b"PRI * HTTP/2.0" {
        return Err(RequestError::Http2Preface);
    }
    let method_len = memchr::memchr(b' ', bytes).ok_or(RequestError::RequestLine)?;
    let (method, rest) = bytes.split_at(method_len);
    let target_len = rest.len().checked_sub(" HTTP/1.1".len() + 1).ok_or(RequestError::RequestLine)?;
    let (target, version) = rest.get(1..).unwrap_or_default().split_at(target_len);
    let method = parse_method(method)?;
    let version = parse_version(version)?;
    // A second space on either side would be part of the target, which holds none.
    let layout = Layout::of(target)?;
    if layout.form == TargetForm::Asterisk && method != Method::Options {
        return Err(TargetError::FormUnknown.into());
    }
    if let Some(authority) = layout.authority.clone() {
        Host::measure(target.get(authority).unwrap_or_default())
            .map_err(|_| TargetError::AuthorityInvalid)?;
    }
    Ok(place_request_line(&line, method_len, target_len, method, version, &layout))
}

fn parse_method(name: &[u8]) -> Result<Method, RequestError> {
    if name.len() > METHOD_BYTES_MAX {
        return Err(RequestError::MethodTooLong);
    }
    if !ascii::is_token(name) {
        return Err(RequestError::MethodNotToken);
    }
    if name == b"CONNECT" { Err(RequestError::ConnectRefused) } else { Ok(Method::from_name(name)) }
}

/// RFC 9112 §2.3: `HTTP-version = "HTTP" "/" DIGIT "." DIGIT`, case-sensitive. The space before it comes with it.
fn parse_version(bytes: &[u8]) -> Result<Version, RequestError> {
    match bytes {
        b" HTTP/1.1" => Ok(Version::Http11),
        b" HTTP/1.0" => Ok(Version::Http10),
        [b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(RequestError::VersionUnsupported)
        }
        _ => Err(RequestError::RequestLine),
    }
}

/// From where a target's parts are in it to where they are in the buffer.
fn place_request_line(
    line: &Range<usize>,
    method_len: usize,
    target_len: usize,
    method: Method,
    version: Version,
    layout: &Layout,
) -> RequestLine {
    let target_start = line.start + method_len + 1;
    let span = |range: &Range<usize>| Span::new(&(target_start + range.start..target_start + range.end));
    RequestLine {
        version,
        method,
        method_name: Span::new(&(line.start..line.start + method_len)),
        form: layout.form,
        target: span(&(0..target_len)),
        authority: layout.authority.as_ref().map(span).unwrap_or_default(),
        path: span(&layout.path),
        query: layout.query.as_ref().map(span),
    }
}
