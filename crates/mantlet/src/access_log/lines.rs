//! Lines of a file that grows, read by position and never longer than they may be.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use crate::limits::LOG_LINE_BYTES_MAX;

/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// One line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// As it is.
    Whole(Vec<u8>),
    /// Longer than any record.
    TooLong,
}

/// The lines from some place on. A line that is not finished yet is not handed out yet.
pub(super) struct Lines {
    file: Arc<File>,
    /// Of what has not been read.
    read_at: u64,
    buffer: Vec<u8>,
    /// What of the buffer has been handed out.
    used: usize,
    line: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    /// From a line's first byte on.
    pub(super) fn starting_at(file: Arc<File>, offset: u64) -> Self {
        Self { file, read_at: offset, buffer: Vec::new(), used: 0, line: Vec::new(), is_too_long: false }
    }

    /// From the first line on that begins at `offset` or behind it.
    pub(super) fn behind(file: Arc<File>, offset: u64) -> io::Result<Self> {
        let Some(before) = offset.checked_sub(1) else { return Ok(Self::starting_at(file, 0)) };
        let mut lines = Self::starting_at(file, before);
        // The end of the line before, or all but its beginning.
        lines.next()?;
        Ok(lines)
    }

    /// The file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// How far the lines that were handed out reach.
    pub(super) fn offset(&self) -> u64 {
        self.read_at - (self.buffer.len() - self.used) as u64
    }

    /// The next line; none while there is no whole one.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let unused = &self.buffer[self.used..];
            if let Some(length) = unused.iter().position(|&byte| byte == b'\n') {
                let part = &self.buffer[self.used..self.used + length];
                append(&mut self.line, &mut self.is_too_long, part);
                self.used += length + 1;
                let line = std::mem::take(&mut self.line);
                let is_too_long = std::mem::take(&mut self.is_too_long);
                return Ok(Some(if is_too_long { Line::TooLong } else { Line::Whole(line) }));
            }
            append(&mut self.line, &mut self.is_too_long, unused);
            self.used = 0;
            self.buffer.resize(READ_BYTES, 0);
            let count = self.file.read_at(&mut self.buffer, self.read_at);
            self.buffer.truncate(*count.as_ref().unwrap_or(&0));
            self.read_at += count? as u64;
            if self.buffer.is_empty() {
                return Ok(None);
            }
        }
    }
}

fn append(line: &mut Vec<u8>, is_too_long: &mut bool, part: &[u8]) {
    *is_too_long |= line.len() + part.len() > LOG_LINE_BYTES_MAX;
    if *is_too_long {
        line.clear();
    } else {
        line.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(text: &[u8]) -> (tempfile::NamedTempFile, Arc<File>) {
        let mut written = tempfile::NamedTempFile::new().unwrap();
        written.write_all(text).unwrap();
        let file = Arc::new(written.reopen().unwrap());
        (written, file)
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[test]
    fn a_line_comes_when_it_is_whole() {
        let (mut written, file) = file(b"one\ntw");
        let mut lines = Lines::starting_at(file, 0);
        assert_eq!(lines.next().unwrap(), Some(whole("one")));
        assert_eq!(lines.next().unwrap(), None);
        written.write_all(b"o\n\n").unwrap();
        assert_eq!(lines.next().unwrap(), Some(whole("two")));
        assert_eq!(lines.next().unwrap(), Some(whole("")));
        assert_eq!((lines.next().unwrap(), lines.offset()), (None, 9));
    }

    #[test]
    fn the_first_line_behind_a_place_is_a_whole_one() {
        let (_written, file) = file(b"one\ntwo\nthree\n");
        for (offset, expect) in
            [(0, Some("one")), (1, Some("two")), (4, Some("two")), (5, Some("three")), (9, None)]
        {
            let mut lines = Lines::behind(Arc::clone(&file), offset).unwrap();
            assert_eq!(lines.next().unwrap(), expect.map(whole), "{offset}");
        }
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut text = vec![b'a'; LOG_LINE_BYTES_MAX + 1];
        text.extend_from_slice(b"\nnext\n");
        let (_written, file) = file(&text);
        let mut lines = Lines::starting_at(file, 0);
        assert_eq!(lines.next().unwrap(), Some(Line::TooLong));
        assert!(lines.line.capacity() <= LOG_LINE_BYTES_MAX + READ_BYTES);
        assert_eq!(lines.next().unwrap(), Some(whole("next")));
    }
}
