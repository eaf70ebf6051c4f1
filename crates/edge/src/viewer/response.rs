//! What a viewer gets back, whatever version it speaks.

use std::task::{Context, Poll};

use behavior::FieldSink;
use http::HeaderMap;
use http1::{HeadWriter, WriteError, decimal, is_field_name, is_field_value};
use http2::HeaderWriter;
use http3::FieldSectionWriter;
use smallvec::SmallVec;

use super::ViewerFault;
use crate::alarm::Alarm;

/// How a response's body is delimited, as far as is known when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseFraming {
    /// No body follows; the length that there would be, if known (HEAD, 304).
    NoBody(Option<u64>),
    /// This many bytes.
    Length(u64),
    /// The end shows when it is there.
    Unknown,
    /// Another protocol takes over, until the connection ends.
    Tunnel,
}

/// A response's first line, in any version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseStart {
    pub(crate) status: u16,
    pub(crate) framing: ResponseFraming,
    /// Whether part of the request's body will be left unread, as the edge answers by itself.
    pub(crate) ignores_body: bool,
}

/// Takes a response on its way to the viewer.
pub(crate) trait ResponseWriter {
    /// Prepares the head, which leaves with the first [`write`](Self::write); until then another one may
    /// take its place.
    fn begin(
        &mut self,
        start: ResponseStart,
        write_fields: impl FnOnce(&mut ViewerHead<'_>),
    ) -> Result<(), WriteError>;

    /// Sends the head, if it has not left, and a stretch of the body, possibly empty.
    async fn write(&mut self, part: &[u8], is_last: bool, alarm: &mut Alarm) -> Result<(), ViewerFault>;

    /// Sends the trailers, if the response has a place for them, and nothing more.
    async fn end(&mut self, trailers: HeaderMap, alarm: &mut Alarm) -> Result<(), ViewerFault>;

    /// Sends an interim response, where the viewer's version has them relayed; another response may follow.
    fn inform(
        &mut self,
        status: u16,
        write_fields: impl FnOnce(&mut ViewerHead<'_>),
    ) -> Result<(), WriteError>;

    /// Whether anything has left: then no other response is possible.
    fn has_begun(&self) -> bool;

    /// Whether the viewer has given up on this response, where its protocol can say so.
    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<()>;
}

/// A head's fields on their way out.
pub(crate) enum ViewerHead<'a> {
    Http1(HeadWriter<'a, Vec<u8>>, Result<(), WriteError>),
    Http2 {
        writer: HeaderWriter<'a>,
        /// Whether it is a WebSocket handshake's answer.
        is_tunnel: bool,
        outcome: Result<(), WriteError>,
    },
    Http3(FieldSectionWriter<'a>, Result<(), WriteError>),
}

impl ViewerHead<'_> {
    fn write(&mut self, name: &[u8], value: &[&[u8]]) -> Result<(), WriteError> {
        match self {
            Self::Http1(writer, _) => writer.field_of_parts(name, value),
            Self::Http2 { writer, is_tunnel, .. } => in_lower_case(name, value, |name| {
                // It is the answer to the edge's own key.
                if !(*is_tunnel && name == b"sec-websocket-accept") {
                    writer.field(name, value);
                }
            }),
            Self::Http3(section, _) => in_lower_case(name, value, |name| section.field(name, value)),
        }
    }

    /// What HTTP/2 and HTTP/3 say of how the body is delimited: its length, where it is known.
    pub(super) fn content_length(&mut self, framing: ResponseFraming) {
        if let ResponseFraming::NoBody(Some(length)) | ResponseFraming::Length(length) = framing {
            self.field(b"content-length", &[decimal(length).as_ref()]);
        }
    }

    /// The first thing that could not be written, if any.
    pub(crate) fn outcome(&self) -> Result<(), WriteError> {
        match self {
            Self::Http1(_, outcome) | Self::Http2 { outcome, .. } | Self::Http3(_, outcome) => *outcome,
        }
    }
}

/// Writes a field that may be one, with its name as HTTP/2 and HTTP/3 have names (RFC 9113 section 8.2).
fn in_lower_case(name: &[u8], value: &[&[u8]], write: impl FnOnce(&[u8])) -> Result<(), WriteError> {
    if !is_field_name(name) {
        return Err(WriteError::FieldName);
    }
    if !value.iter().all(|part| is_field_value(part)) {
        return Err(WriteError::FieldValue);
    }
    let mut name = SmallVec::<[u8; 64]>::from_slice(name);
    name.make_ascii_lowercase();
    write(&name);
    Ok(())
}

impl FieldSink for ViewerHead<'_> {
    fn field(&mut self, name: &[u8], value: &[&[u8]]) {
        let written = self.write(name, value);
        let (Self::Http1(_, outcome) | Self::Http2 { outcome, .. } | Self::Http3(_, outcome)) = self;
        *outcome = outcome.and(written);
    }
}
