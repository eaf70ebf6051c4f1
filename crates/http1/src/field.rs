//! Field lines: how one is parsed, how a head remembers where its fields are, and how they are read again.

use std::ops::Range;
use std::slice;

use crate::ascii::{self, UNDERSCORE};
use crate::known_field::KnownField;

/// Why a line of a head, or of a trailer section, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// A line ended in LF alone (RFC 9112 §2.2).
    #[error("a line ends in a bare LF")]
    BareLineFeed,
    /// A CR that no LF follows (RFC 9112 §2.2).
    #[error("a bare CR")]
    BareCarriageReturn,
    /// NUL or another control character (RFC 9110 §5.5).
    #[error("a control character")]
    ControlCharacter,
    /// A line that starts with whitespace: a folded value (RFC 9112 §5.2) or whitespace before the first field
    /// (RFC 9112 §2.2).
    #[error("a line starts with whitespace")]
    LineFolding,
    /// Whitespace between a field's name and its colon (RFC 9112 §5.1).
    #[error("whitespace before a field's colon")]
    WhitespaceBeforeColon,
    /// A field line without a colon (RFC 9112 §5).
    #[error("a field line without a colon")]
    MissingColon,
    /// A field name that is empty or no token (RFC 9110 §5.1).
    #[error("a field name is not a token")]
    NameNotToken,
    /// `Content_Length`, `Transfer_Encoding`, `Host` with an underscore for a hyphen and the like: an origin behind
    /// CGI or WSGI would take it for the real one.
    #[error("a framing field is spelled with an underscore")]
    DisguisedFraming,
    /// A `Connection` option that is no token (RFC 9110 §7.6.1).
    #[error("a Connection option is not a token")]
    ConnectionOptionNotToken,
    /// `Connection` nominates Host, Content-Length or Transfer-Encoding: an obedient recipient would lose the
    /// message's framing.
    #[error("Connection nominates a framing field")]
    ConnectionNominatesFraming,
    /// More fields than the limit.
    #[error("too many fields")]
    TooMany,
}

/// One field of a head, borrowed from the buffer it was parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as it was sent: a token, so ASCII.
    pub name: &'a [u8],
    /// The value without the whitespace around it: HTAB, SP, VCHAR and obs-text, nothing else.
    pub value: &'a [u8],
    /// The field, if it is one that this crate knows.
    pub known: Option<KnownField>,
    /// Whether the name holds an underscore, which some origins read as a hyphen.
    pub has_underscore: bool,
}

impl Field<'_> {
    /// The field that an origin takes this one for when it reads `_` as `-`.
    pub fn known_folding_underscore(&self) -> Option<KnownField> {
        if self.has_underscore { KnownField::from_name_folding_underscore(self.name) } else { self.known }
    }
}

/// Whether two field names are the same to an origin that ignores case and reads `_` as `-`.
pub fn names_equal_folding_underscore(left: &[u8], right: &[u8]) -> bool {
    fn fold(byte: u8) -> u8 {
        if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
    }
    left.len() == right.len() && left.iter().zip(right).all(|(&l, &r)| fold(l) == fold(r))
}

/// Whether `name` may be a field's name (RFC 9110 §5.1).
pub fn is_field_name(name: &[u8]) -> bool {
    ascii::is_token(name)
}

/// Whether `value` may be a field's value: no control character but HTAB (RFC 9110 §5.5).
pub fn is_field_value(value: &[u8]) -> bool {
    ascii::is_free_of_controls(value)
}

/// Where a field is, in 16-bit offsets: ten bytes a field, so that the fields of a whole head fit a few cache lines.
#[derive(Debug, Clone, Copy)]
struct FieldPosition {
    name: Span,
    value: Span,
    known: Option<KnownField>,
    has_underscore: bool,
}

/// A range of a head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    /// Heads are shorter than 65,536 bytes: `limits` proves it.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "offsets into a head fit 16 bits, which limits.rs asserts"
    )]
    pub(crate) fn new(range: &Range<usize>) -> Self {
        Self { start: range.start as u16, end: range.end as u16 }
    }

    pub(crate) fn of(self, buffer: &[u8]) -> &[u8] {
        buffer.get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }

    /// The span's text, where `text` is that of `whole`.
    pub(crate) fn within(self, whole: Self, text: &str) -> &str {
        let at = |offset: u16| usize::from(offset.saturating_sub(whole.start));
        text.get(at(self.start)..at(self.end)).unwrap_or_default()
    }

    /// From the start of this one to the end of the other.
    pub(crate) fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// The fields of one head, in the order they came.
#[derive(Debug, Default, Clone)]
pub(crate) struct FieldTable {
    positions: Vec<FieldPosition>,
}

impl FieldTable {
    pub(crate) fn clear(&mut self) {
        self.positions.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    /// Parses the field line at `line` of `buffer` and remembers it; tells which field it is and where its value is.
    pub(crate) fn push(
        &mut self,
        buffer: &[u8],
        line: Range<usize>,
        fields_max: usize,
    ) -> Result<(Option<KnownField>, Span), FieldError> {
        if self.positions.len() >= fields_max {
            return Err(FieldError::TooMany);
        }
        let position = parse_field_line(buffer, line)?;
        self.positions.push(position);
        Ok((position.known, position.value))
    }

    pub(crate) fn iter<'a>(&'a self, buffer: &'a [u8]) -> Fields<'a> {
        Fields { positions: self.positions.iter(), buffer }
    }
}

/// The fields of a head, in the order they came.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    positions: slice::Iter<'a, FieldPosition>,
    buffer: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The values of every field that is `known`.
    pub fn values_of(self, known: KnownField) -> impl Iterator<Item = &'a [u8]> {
        let Fields { positions, buffer } = self;
        positions
            .filter(move |position| position.known == Some(known))
            .map(move |position| position.value.of(buffer))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        self.positions.next().map(|position| position.of(self.buffer))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.positions.size_hint()
    }
}

impl ExactSizeIterator for Fields<'_> {}

impl FieldPosition {
    fn of(self, buffer: &[u8]) -> Field<'_> {
        Field {
            name: self.name.of(buffer),
            value: self.value.of(buffer),
            known: self.known,
            has_underscore: self.has_underscore,
        }
    }
}

/// RFC 9112 §5: `field-line = field-name ":" OWS field-value OWS`. The line scanner has refused control characters.
fn parse_field_line(buffer: &[u8], line: Range<usize>) -> Result<FieldPosition, FieldError> {
    // What ends the line ends a token, too, so that looking further changes nothing.
    let (name_len, classes) = ascii::token_prefix(buffer.get(line.start..).unwrap_or_default());
    let has_underscore = classes & UNDERSCORE != 0;
    let bytes = buffer.get(line.clone()).unwrap_or_default();
    let (name, rest) = bytes.split_at_checked(name_len).unwrap_or((bytes, b""));
    let Some((b':', value)) = rest.split_first() else { return Err(misspelled_name(name, rest)) };
    if name.is_empty() {
        return Err(FieldError::NameNotToken);
    }
    if has_underscore && is_framing(KnownField::from_name_folding_underscore(name)) {
        return Err(FieldError::DisguisedFraming);
    }

    let name_end = line.start + name_len;
    let (after_colon, trimmed) = (line.end - value.len(), ascii::trimmed(value));
    Ok(FieldPosition {
        name: Span::new(&(line.start..name_end)),
        value: Span::new(&(after_colon + trimmed.start..after_colon + trimmed.end)),
        known: KnownField::from_name(name),
        has_underscore,
    })
}

/// Whether the field decides where a message ends or whom it is for.
pub(crate) fn is_framing(known: Option<KnownField>) -> bool {
    matches!(known, Some(KnownField::ContentLength | KnownField::TransferEncoding | KnownField::Host))
}

fn misspelled_name(name: &[u8], rest: &[u8]) -> FieldError {
    match (name, rest.first()) {
        ([], Some(b' ' | b'\t')) => FieldError::LineFolding,
        (_, None) => FieldError::MissingColon,
        _ if ascii::trim_whitespace(rest).first() == Some(&b':') => FieldError::WhitespaceBeforeColon,
        _ => FieldError::NameNotToken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<(String, String), FieldError> {
        let buffer = format!("..{line}");
        let mut table = FieldTable::default();
        table.push(buffer.as_bytes(), 2..buffer.len(), 1)?;
        let field = table.iter(buffer.as_bytes()).next().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((text(field.name), text(field.value)))
    }

    #[test]
    fn whitespace_around_a_value_is_no_part_of_it() {
        let check =
            |line, value: &str| assert_eq!(parse(line), Ok(("a".to_owned(), value.to_owned())), "{line:?}");
        check("a:b", "b");
        check("a: b", "b");
        check("a: \t b c\t ", "b c");
        check("a:", "");
        check("a: \t ", "");
        check("a: b:c", "b:c");
    }

    #[test]
    fn names_are_tokens_that_touch_their_colon() {
        let check = |line, error| assert_eq!(parse(line), Err(error), "{line:?}");
        check("", FieldError::MissingColon);
        check("a", FieldError::MissingColon);
        check(": b", FieldError::NameNotToken);
        check("a b: c", FieldError::NameNotToken);
        check("a(b): c", FieldError::NameNotToken);
        check("a\u{e9}: c", FieldError::NameNotToken);
        check("a : c", FieldError::WhitespaceBeforeColon);
        check("a\t: c", FieldError::WhitespaceBeforeColon);
        check(" a: c", FieldError::LineFolding);
        check("\ta: c", FieldError::LineFolding);
    }

    #[test]
    fn framing_fields_cannot_be_disguised() {
        let check = |line| assert_eq!(parse(line), Err(FieldError::DisguisedFraming), "{line:?}");
        check("Content_Length: 5");
        check("transfer_encoding: chunked");
        assert!(parse("X_Real_IP: 5").is_ok());
    }

    #[test]
    fn a_name_with_underscores_reveals_what_it_is_taken_for() {
        let mut table = FieldTable::default();
        table.push(b"X_Real_Ip: 1", 0..12, 1).unwrap();
        let field = table.iter(b"X_Real_Ip: 1").next().unwrap();
        assert_eq!((field.known, field.has_underscore), (None, true));
        assert_eq!(field.known_folding_underscore(), Some(KnownField::XRealIp));
    }

    #[test]
    fn names_are_compared_as_cgi_does() {
        assert!(names_equal_folding_underscore(b"X-Forwarded_For", b"x_forwarded-for"));
        assert!(!names_equal_folding_underscore(b"X-Forwarded-For", b"X-Forwarded-Fo"));
        assert!(!names_equal_folding_underscore(b"Via", b"Vib"));
    }

    #[test]
    fn a_position_stays_small() {
        assert_eq!(size_of::<FieldPosition>(), 10);
    }
}
