//! Classes of bytes, and the one scan that both finds the end of a line and refuses control characters.
#![expect(
    clippy::needless_bitwise_bool,
    reason = "without branches the compiler looks at sixteen bytes at once"
)]

use std::ops::Range;

/// RFC 9110 §5.6.2: `tchar`, what methods, field names and connection options consist of.
pub(crate) const TOKEN: u8 = 1;
/// What a path may consist of; see [`crate::Target`] for the choice.
pub(crate) const PATH: u8 = 1 << 1;
/// What a query may consist of: any visible ASCII but `#`.
pub(crate) const QUERY: u8 = 1 << 2;
/// `_` alone, which some origins read as a hyphen.
pub(crate) const UNDERSCORE: u8 = 1 << 3;
/// What the names of hosts consist of: letters, digits, `-`, `_` and `.`.
pub(crate) const HOST_NAME: u8 = 1 << 4;

/// A one in each byte.
const ONES: u64 = u64::from_le_bytes([1; 8]);

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        classes[byte as usize] = classes_of(byte);
        byte += 1;
    }
    classes
};

const fn classes_of(byte: u8) -> u8 {
    let alphanumeric = byte.is_ascii_alphanumeric();
    let mut classes = 0;
    if alphanumeric
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
    {
        classes |= TOKEN;
    }
    if !matches!(byte, b'#' | b'?' | b'\\' | b'"' | b'<' | b'>') {
        classes |= PATH;
    }
    if byte != b'#' {
        classes |= QUERY;
    }
    if byte == b'_' {
        classes |= UNDERSCORE;
    }
    if alphanumeric || matches!(byte, b'-' | b'_' | b'.') {
        classes |= HOST_NAME;
    }
    classes
}

/// Whether every byte is of `class`. True of the empty slice.
pub(crate) fn all(class: u8, bytes: &[u8]) -> bool {
    let common = |common, byte: &u8| common & CLASSES[usize::from(*byte)];
    let (words, tail) = bytes.as_chunks::<8>();
    let in_words = words.iter().fold(class, |so_far, word| word.iter().fold(so_far, common));
    tail.iter().fold(in_words, common) == class
}

/// Whether `bytes` is a token (RFC 9110 §5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(TOKEN, bytes)
}

/// Whether `byte` stands beside itself anywhere.
pub(crate) fn has_twice_in_a_row(byte: u8, bytes: &[u8]) -> bool {
    let next = bytes.get(1..).unwrap_or_default();
    bytes.iter().zip(next).fold(false, |so_far, (&one, &other)| so_far | ((one == byte) & (other == byte)))
}

/// The length of the token that `bytes` begin with, and the classes that any of its bytes is of, as far as those are
/// not usual in names.
pub(crate) fn token_prefix(bytes: &[u8]) -> (usize, u8) {
    let mut seen = 0;
    let usual = usual_prefix(bytes);
    for (len, &byte) in bytes.iter().enumerate().skip(usual) {
        let classes = CLASSES[usize::from(byte)];
        if classes & TOKEN == 0 {
            return (len, seen);
        }
        seen |= classes;
    }
    (bytes.len(), seen)
}

/// How many bytes at the front are usual in names, counted in whole blocks.
fn usual_prefix(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(block) = block_at(bytes, at) {
        let usual = first_in_block(|byte| !is_usual_in_names(byte), block);
        at += usual;
        if usual < BLOCK_BYTES {
            break;
        }
    }
    at
}

/// What nearly all names of fields consist of: letters, digits and hyphens.
fn is_usual_in_names(byte: u8) -> bool {
    ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10) | (byte == b'-')
}

/// As many bytes as common processors look at in one instruction. What is asked of them is asked of all and without
/// branches: then the compiler makes vector instructions of it.
const BLOCK_BYTES: usize = 16;

#[inline]
fn block_at(bytes: &[u8], at: usize) -> Option<&[u8; BLOCK_BYTES]> {
    bytes.get(at..).and_then(<[u8]>::first_chunk)
}

/// Where in a block the first byte is of which `is` holds; its length if there is none.
#[inline]
fn first_in_block(is: impl Fn(u8) -> bool, block: &[u8; BLOCK_BYTES]) -> usize {
    let mut marks = [0; BLOCK_BYTES];
    // Of two iterators the compiler makes no vector instructions.
    for at in 0..BLOCK_BYTES {
        marks[at] = if is(block[at]) { u8::MAX } else { 0 };
    }
    u128::from_le_bytes(marks).trailing_zeros() as usize / 8
}

/// Whether `name` is `lower` in any case; `lower` holds lower-case letters, digits and hyphens alone.
///
/// Eight bytes at a time: every field of every message is looked up by its name.
pub(crate) fn is_in_any_case(name: &[u8], lower: &[u8]) -> bool {
    if name.len() != lower.len() {
        return false;
    }
    let (Some(name_end), Some(lower_end)) = (name.last_chunk(), lower.last_chunk()) else {
        return match (short_word(name), short_word(lower)) {
            (Some(name), Some(lower)) => is_word_in_any_case(name, lower),
            _ => name.eq_ignore_ascii_case(lower),
        };
    };
    let (name_words, _) = name.as_chunks();
    let (lower_words, _) = lower.as_chunks();
    is_word_in_any_case(*name_end, *lower_end)
        && name_words.iter().zip(lower_words).all(|(name, lower)| is_word_in_any_case(*name, *lower))
}

/// Four to eight bytes in the place of eight: the first four and the last four.
fn short_word(bytes: &[u8]) -> Option<[u8; 8]> {
    let (first, last) = (u32::from_le_bytes(*bytes.first_chunk()?), u32::from_le_bytes(*bytes.last_chunk()?));
    Some((u64::from(last) << 32 | u64::from(first)).to_le_bytes())
}

/// The bit of a letter's case turns control characters into digits and hyphens, too: they are told by having neither
/// of the two bits above the five lowest.
fn is_word_in_any_case(name: [u8; 8], lower: [u8; 8]) -> bool {
    const CASES: u64 = ONES << 5;
    const SIXTHS: u64 = ONES << 6;
    let (name, lower) = (u64::from_le_bytes(name), u64::from_le_bytes(lower));
    ((name | CASES) ^ lower) | (!(name | name << 1) & SIXTHS) == 0
}

/// The position, at or after `from`, of the first control character other than HTAB.
///
/// In a well-formed head that is always the CR of a line's end, so one pass finds line ends and proves that values
/// hold nothing but HTAB, SP, VCHAR and obs-text (RFC 9110 §5.5).
pub(crate) fn first_control(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += first_control_or_tab(bytes.get(at..)?);
        if *bytes.get(at)? != b'\t' {
            return Some(at);
        }
        at += 1;
    }
}

/// The position of the first control character; the length if there is none.
fn first_control_or_tab(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let marks = control_marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return index * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let in_tail = tail.iter().position(|&byte| is_control(byte) | (byte == b'\t'));
    bytes.len() - tail.len() + in_tail.unwrap_or(tail.len())
}

/// Whether there is no control character other than HTAB.
pub(crate) fn is_free_of_controls(bytes: &[u8]) -> bool {
    let is_free = |bytes: &[u8]| !bytes.iter().any(|&byte| is_control(byte));
    let Some(last) = bytes.last_chunk::<8>() else { return is_free(bytes) };
    let (words, _) = bytes.as_chunks::<8>();
    // Short and odd ends cost no loop of their own: the last bytes are looked at once more.
    let last = control_marks(u64::from_le_bytes(*last));
    let marks = words.iter().fold(last, |marks, word| marks | control_marks(u64::from_le_bytes(*word)));
    // HTAB is marked too.
    marks == 0 || is_free(bytes)
}

/// The top bits of those of eight bytes that are below 0x20 or equal to 0x7f. HTAB is marked too: the caller looks
/// closer. The lowest mark is right; a borrow may set others above it.
fn control_marks(word: u64) -> u64 {
    const TOPS: u64 = ONES << 7;
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let from_delete = word ^ (ONES * 0x7f);
    let delete = from_delete.wrapping_sub(ONES) & !from_delete;
    (below_space | delete) & TOPS
}

fn is_control(byte: u8) -> bool {
    ((byte < 0x20) & (byte != b'\t')) | (byte == 0x7f)
}

/// `bytes` without the optional whitespace (RFC 9110 §5.6.3) around it.
pub(crate) fn trim_whitespace(bytes: &[u8]) -> &[u8] {
    trim_whitespace_end(trim_whitespace_start(bytes))
}

/// Where [`trim_whitespace`] leaves anything.
pub(crate) fn trimmed(bytes: &[u8]) -> Range<usize> {
    // Values nearly always have one space before them and nothing behind.
    if let [b' ', b'!'..=u8::MAX, ..] = bytes
        && let [.., b'!'..=u8::MAX] = bytes
    {
        return 1..bytes.len();
    }
    let start = bytes.len() - trim_whitespace_start(bytes).len();
    start..start + trim_whitespace(bytes).len()
}

/// `bytes` without the optional whitespace before it.
pub(crate) fn trim_whitespace_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// `bytes` without the optional whitespace behind it.
pub(crate) fn trim_whitespace_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// A number of at most `digits_max` digits and nothing but digits.
pub(crate) fn parse_decimal(bytes: &[u8], digits_max: usize) -> Option<u64> {
    if bytes.is_empty() || bytes.len() > digits_max {
        return None;
    }
    bytes.iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_scan_agrees_with_the_plain_one() {
        for control in 0..=255_u8 {
            for length in 0..40 {
                for at in 0..length {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = control;
                    for from in 0..=length {
                        let plain = (from..length).find(|&i| is_control(bytes[i]));
                        assert_eq!(first_control(&bytes, from), plain, "{bytes:?} from {from}");
                    }
                    assert_eq!(is_free_of_controls(&bytes), !is_control(control), "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn tokens_are_told_in_any_place() {
        for byte in 0..=255_u8 {
            for length in 1..40 {
                for at in 0..length {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    assert_eq!(is_token(&bytes), bytes.iter().all(|&byte| is_token(&[byte])), "{bytes:?}");
                    let is_of_host_name = byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
                    assert_eq!(all(HOST_NAME, &bytes), is_of_host_name, "{bytes:?}");
                    let len = bytes.iter().position(|&byte| CLASSES[usize::from(byte)] & TOKEN == 0);
                    let (prefix_len, classes) = token_prefix(&bytes);
                    assert_eq!(prefix_len, len.unwrap_or(length), "{bytes:?}");
                    assert_eq!(classes & UNDERSCORE != 0, byte == b'_', "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn names_are_compared_in_any_case_and_in_nothing_else() {
        let lower = b"x-http2-method-override";
        assert!(is_in_any_case(b"X-Http2-METHOD-override", lower));
        assert!(!is_in_any_case(&lower[1..], lower));
        for at in 0..lower.len() {
            for byte in 0..=255_u8 {
                let mut name = *lower;
                name[at] = byte;
                let expected = name.eq_ignore_ascii_case(lower);
                assert_eq!(is_in_any_case(&name, lower), expected, "{byte:#x} at {at}");
                for from in 0..lower.len() {
                    let (name, lower) = (&name[from..], &lower[from..]);
                    assert_eq!(is_in_any_case(name, lower), name.eq_ignore_ascii_case(lower), "{name:?}");
                }
            }
        }
    }

    #[test]
    fn tabs_hide_nothing_behind_them() {
        let bytes = b"\ta\t\tb\t\t\t\t\t\t\t\t\t\t\x7f";
        assert_eq!(first_control(&[b'\t'; 10_000], 3), None);
        assert_eq!(first_control(bytes, 0), Some(bytes.len() - 1));
        assert!(!is_free_of_controls(bytes));
        assert!(is_free_of_controls(&bytes[..bytes.len() - 1]));
    }

    #[test]
    fn whitespace_is_trimmed_at_both_ends_alone() {
        for text in ["", " ", "  ", "a", " a", " a ", "\t a b \t", " \u{e9}", " a\t", "a "] {
            let bytes = text.as_bytes();
            assert_eq!(&bytes[trimmed(bytes)], trim_whitespace(bytes), "{text:?}");
            assert_eq!(trim_whitespace(bytes), text.trim_matches([' ', '\t']).as_bytes());
        }
    }

    #[test]
    fn a_scan_that_starts_behind_the_end_finds_nothing() {
        assert_eq!(first_control(b"\r\n", 3), None);
    }

    #[test]
    fn tokens_are_those_of_rfc_9110() {
        let separators = b"\"(),/:;<=>?@[\\]{}";
        for byte in 0..=255_u8 {
            let expected = (0x21..0x7f).contains(&byte) && !separators.contains(&byte);
            assert_eq!(is_token(&[byte]), expected, "{byte:#x}");
        }
    }

    #[test]
    fn numbers_neither_overflow_nor_carry_signs() {
        let check =
            |text: &str, expected| assert_eq!(parse_decimal(text.as_bytes(), 20), expected, "{text:?}");
        check("0", Some(0));
        check("18446744073709551615", Some(u64::MAX));
        check("18446744073709551616", None);
        check("", None);
        check("+1", None);
        check("-1", None);
        check("1 ", None);
        check("0x1", None);
        check("000000000000000000001", None);
    }
}
