//! Lines that end in CRLF and in nothing else, found as bytes arrive.

use std::ops::Range;

use crate::ascii::first_control;
use crate::field::FieldError;

/// Where in the buffer the next line starts, and how far that line has been looked at.
///
/// The caller passes the same message from its first byte each time, with more bytes at its end; no byte is looked
/// at twice, however slowly they come.
#[derive(Debug, Default, Clone)]
pub(crate) struct LineScanner {
    line_start: usize,
    scanned: usize,
}

impl LineScanner {
    /// Where the next line starts.
    pub(crate) fn line_start(&self) -> usize {
        self.line_start
    }

    /// The next line without its CRLF, or `None` when its end has not arrived.
    ///
    /// RFC 9112 §2.2 lets a recipient accept a bare LF, and a bare CR as a space; both have split messages between
    /// two readers, so neither is a line's end here nor anything else.
    pub(crate) fn next_line(&mut self, buffer: &[u8]) -> Result<Option<Range<usize>>, FieldError> {
        let Some(at) = first_control(buffer, self.scanned) else {
            self.scanned = buffer.len();
            return Ok(None);
        };
        self.scanned = at;
        match (buffer.get(at), buffer.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => {
                let line = self.line_start..at;
                self.line_start = at + 2;
                self.scanned = at + 2;
                Ok(Some(line))
            }
            (Some(b'\r'), None) => Ok(None),
            (Some(b'\r'), Some(_)) => Err(FieldError::BareCarriageReturn),
            (Some(b'\n'), _) => Err(FieldError::BareLineFeed),
            _ => Err(FieldError::ControlCharacter),
        }
    }
}
