//! Heads that leave: written anew, from parts that are checked one by one.

use bytes::BufMut;

use crate::ascii::{self, PATH, QUERY};
use crate::decimal::decimal;
use crate::field::{is_field_name, is_field_value};
use crate::known_field::KnownField;
use crate::status::reason_phrase;

/// Why a part of a head cannot be written. Nothing of the refused part has been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The method is no token.
    #[error("the method is not a token")]
    Method,
    /// Path or query would not be one word of the request line, or the path does not start with `/`.
    #[error("the target is not a path and a query")]
    Target,
    /// The status is not three digits.
    #[error("the status is not three digits")]
    Status,
    /// The field's name is no token.
    #[error("the field's name is not a token")]
    FieldName,
    /// The field's value holds CR, LF, NUL or another control character.
    #[error("the field's value holds a control character")]
    FieldValue,
    /// A framing field, which only [`HeadWriter::content_length`] and [`HeadWriter::transfer_encoding_chunked`] write.
    #[error("a framing field is not written as a plain field")]
    FramingField,
    /// The head has its framing already.
    #[error("the head is framed twice")]
    FramedTwice,
}

/// Writes one head behind what `out` holds: the first line, fields in the order of the calls, the empty line.
///
/// Whatever it is given, what it writes is one head: no part can hold a line's end, and there is at most one framing
/// field. A head that is dropped without [`HeadWriter::finish`] is incomplete; truncate `out` then.
///
/// ```
/// # use http1::HeadWriter;
/// let mut out = Vec::new();
/// let mut head = HeadWriter::request(&mut out, "GET", "/v1", "/api", Some("a=b"))?;
/// head.field(b"Host", b"api.example")?;
/// assert!(head.field(b"X-Split", b"a\r\nb: c").is_err());
/// head.finish();
/// assert_eq!(out, b"GET /v1/api?a=b HTTP/1.1\r\nHost: api.example\r\n\r\n");
/// # Ok::<(), http1::WriteError>(())
/// ```
#[derive(Debug)]
#[must_use = "a head ends with `finish`"]
pub struct HeadWriter<'a, B: BufMut> {
    out: &'a mut B,
    is_framed: bool,
}

impl<'a, B: BufMut> HeadWriter<'a, B> {
    /// Writes the request line. `path_prefix` is an origin's path, or empty; `*` is a path for OPTIONS.
    pub fn request(
        out: &'a mut B,
        method: &str,
        path_prefix: &str,
        path: &str,
        query: Option<&str>,
    ) -> Result<Self, WriteError> {
        if !ascii::is_token(method.as_bytes()) {
            return Err(WriteError::Method);
        }
        let is_asterisk = method == "OPTIONS" && path == "*" && path_prefix.is_empty() && query.is_none();
        let starts_with_slash = path_prefix.bytes().chain(path.bytes()).next() == Some(b'/');
        if !(is_asterisk || starts_with_slash)
            || !ascii::all(PATH, path_prefix.as_bytes())
            || !ascii::all(PATH, path.as_bytes())
            || !ascii::all(QUERY, query.unwrap_or_default().as_bytes())
        {
            return Err(WriteError::Target);
        }
        out.put_slice(method.as_bytes());
        out.put_slice(b" ");
        out.put_slice(path_prefix.as_bytes());
        out.put_slice(path.as_bytes());
        if let Some(query) = query {
            out.put_slice(b"?");
            out.put_slice(query.as_bytes());
        }
        out.put_slice(b" HTTP/1.1\r\n");
        Ok(Self { out, is_framed: false })
    }

    /// Writes the status line, with the status's registered phrase.
    pub fn response(out: &'a mut B, status: u16) -> Result<Self, WriteError> {
        if !(100..=999).contains(&status) {
            return Err(WriteError::Status);
        }
        let mut line_start = *b"HTTP/1.1 000 ";
        line_start[9..12].copy_from_slice(&three_digits(status));
        out.put_slice(&line_start);
        out.put_slice(reason_phrase(status).as_bytes());
        out.put_slice(b"\r\n");
        Ok(Self { out, is_framed: false })
    }

    /// Writes the last chunk of a body whose trailer section holds the fields that follow (RFC 9112 §7.1.2).
    ///
    /// Which fields may stand there is for the caller to know; those of framing are refused as in any head.
    pub fn last_chunk(out: &'a mut B) -> Self {
        out.put_slice(b"0\r\n");
        Self { out, is_framed: true }
    }

    /// Writes a field.
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), WriteError> {
        self.field_of_parts(name, &[value])
    }

    /// Writes a field whose value is made of parts, such as `X-Forwarded-For` with one more address, without putting
    /// them together first.
    pub fn field_of_parts(&mut self, name: &[u8], parts: &[&[u8]]) -> Result<(), WriteError> {
        if !is_field_name(name) {
            return Err(WriteError::FieldName);
        }
        if is_length_or_encoding(name) {
            return Err(WriteError::FramingField);
        }
        if !parts.iter().all(|part| is_field_value(part)) {
            return Err(WriteError::FieldValue);
        }
        self.out.put_slice(name);
        self.out.put_slice(b": ");
        for part in parts {
            self.out.put_slice(part);
        }
        self.out.put_slice(b"\r\n");
        Ok(())
    }

    /// Writes `Content-Length`.
    pub fn content_length(&mut self, length: u64) -> Result<(), WriteError> {
        self.claim_framing()?;
        self.out.put_slice(b"Content-Length: ");
        self.out.put_slice(decimal(length).as_ref());
        self.out.put_slice(b"\r\n");
        Ok(())
    }

    /// Writes `Transfer-Encoding: chunked`.
    pub fn transfer_encoding_chunked(&mut self) -> Result<(), WriteError> {
        self.claim_framing()?;
        self.out.put_slice(b"Transfer-Encoding: chunked\r\n");
        Ok(())
    }

    fn claim_framing(&mut self) -> Result<(), WriteError> {
        if self.is_framed {
            return Err(WriteError::FramedTwice);
        }
        self.is_framed = true;
        Ok(())
    }

    /// Ends the head.
    pub fn finish(self) {
        self.out.put_slice(b"\r\n");
    }
}

/// The digits of a number that has no more.
fn three_digits(number: u16) -> [u8; 3] {
    [number / 100, number / 10, number].map(|digits| b'0' + (digits % 10) as u8)
}

fn is_length_or_encoding(name: &[u8]) -> bool {
    // Both names are longer than most, so most names are not looked at.
    matches!(name.len(), 14 | 17)
        && matches!(
            KnownField::from_name_folding_underscore(name),
            Some(KnownField::ContentLength | KnownField::TransferEncoding)
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>) -> Result<(), WriteError>) -> Result<String, WriteError> {
        let mut out = Vec::new();
        let result = write(&mut out);
        assert!(result.is_ok() || out.is_empty(), "a refused part left bytes behind");
        result.map(|()| String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn request_lines_are_one_line_of_three_words() {
        let check = |(method, prefix, path, query), expected: Result<&str, WriteError>| {
            let line = written(|out| HeadWriter::request(out, method, prefix, path, query).map(|_| ()));
            assert_eq!(line, expected.map(str::to_owned), "{method:?} {prefix:?} {path:?} {query:?}");
        };
        check(("GET", "", "/", None), Ok("GET / HTTP/1.1\r\n"));
        check(("PUT", "/a", "/b", Some("")), Ok("PUT /a/b? HTTP/1.1\r\n"));
        check(("OPTIONS", "", "*", None), Ok("OPTIONS * HTTP/1.1\r\n"));
        check(("GET", "", "*", None), Err(WriteError::Target));
        check(("G T", "", "/", None), Err(WriteError::Method));
        check(("", "", "/", None), Err(WriteError::Method));
        for (path, query) in [
            ("", None),
            ("a", None),
            ("/ ", None),
            ("/?", None),
            ("/\r\n", None),
            ("/", Some(" ")),
            ("/", Some("#")),
        ] {
            check(("GET", "", path, query), Err(WriteError::Target));
        }
    }

    #[test]
    fn status_lines_carry_the_registered_phrase() {
        let check = |status, expected: Result<&str, WriteError>| {
            let line = written(|out| HeadWriter::response(out, status).map(|_| ()));
            assert_eq!(line, expected.map(str::to_owned));
        };
        check(200, Ok("HTTP/1.1 200 OK\r\n"));
        check(494, Ok("HTTP/1.1 494 Request Header Too Large\r\n"));
        check(599, Ok("HTTP/1.1 599 \r\n"));
        check(99, Err(WriteError::Status));
        check(1000, Err(WriteError::Status));
    }

    #[test]
    fn fields_cannot_split_a_head() {
        let check = |name: &str, value: &str, error| {
            let mut out = Vec::new();
            let mut head = HeadWriter { out: &mut out, is_framed: false };
            assert_eq!(head.field(name.as_bytes(), value.as_bytes()), Err(error), "{name:?}: {value:?}");
            assert_eq!(out, b"");
        };
        check("a", "b\r\nc: d", WriteError::FieldValue);
        check("a", "b\nc", WriteError::FieldValue);
        check("a", "b\rc", WriteError::FieldValue);
        check("a", "b\0", WriteError::FieldValue);
        check("a\r\nb", "c", WriteError::FieldName);
        check("a:", "c", WriteError::FieldName);
        check("", "c", WriteError::FieldName);
        check("Content-Length", "5", WriteError::FramingField);
        check("TRANSFER_ENCODING", "chunked", WriteError::FramingField);
    }

    #[test]
    fn a_trailer_section_frames_nothing() {
        let mut out = Vec::new();
        let mut trailers = HeadWriter::last_chunk(&mut out);
        assert_eq!(trailers.field(b"grpc-status", b"0"), Ok(()));
        assert_eq!(trailers.field(b"content-length", b"5"), Err(WriteError::FramingField));
        assert_eq!(trailers.content_length(5), Err(WriteError::FramedTwice));
        assert_eq!(trailers.field(b"a", b"b\r\n\r\nHTTP/1.1 200 OK"), Err(WriteError::FieldValue));
        trailers.finish();
        assert_eq!(String::from_utf8_lossy(&out), "0\r\ngrpc-status: 0\r\n\r\n");
    }

    #[test]
    fn a_head_is_framed_once() {
        let mut out = Vec::new();
        let mut head = HeadWriter { out: &mut out, is_framed: false };
        assert_eq!(head.content_length(u64::MAX), Ok(()));
        assert_eq!(head.transfer_encoding_chunked(), Err(WriteError::FramedTwice));
        assert_eq!(head.content_length(1), Err(WriteError::FramedTwice));
        assert_eq!(head.field_of_parts(b"X-Forwarded-For", &[b"192.0.2.1", b", ", b"192.0.2.2"]), Ok(()));
        head.finish();
        let expected =
            "Content-Length: 18446744073709551615\r\nX-Forwarded-For: 192.0.2.1, 192.0.2.2\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
