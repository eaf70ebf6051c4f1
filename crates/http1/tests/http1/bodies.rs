//! Bodies: where they end, byte by byte and all at once, and what is refused of them.

use std::num::NonZeroUsize;

use http1::limits::{TRAILER_BYTES_MAX, TRAILER_FIELDS_MAX};
use http1::{BodyDecoder, BodyError, BodyFraming, FieldError, chunk_header};

/// Decodes `input` in pieces of `piece` bytes: the body, whether it ended, and how many bytes are left.
fn decode(framing: BodyFraming, input: &[u8], piece: usize) -> Result<(Vec<u8>, bool, usize), BodyError> {
    let mut decoder = BodyDecoder::new(framing);
    let mut body = Vec::new();
    let mut at = 0;
    while at < input.len() && !decoder.is_done() {
        let end = input.len().min(at + piece);
        let step = decoder.decode(&input[at..end])?;
        assert!(step.consumed > 0, "no progress at {at}");
        assert!(step.body.end <= step.consumed);
        assert_eq!(step.done, decoder.is_done());
        body.extend_from_slice(&input[at..][step.body]);
        at += step.consumed;
    }
    Ok((body, decoder.is_done(), input.len() - at))
}

fn check(framing: BodyFraming, input: &[u8], body: &[u8], done: bool, left: usize) {
    for piece in 1..=input.len().max(1) {
        let expected = Ok((body.to_vec(), done, left));
        assert_eq!(
            decode(framing, input, piece),
            expected,
            "{:?} by {piece}",
            String::from_utf8_lossy(input)
        );
    }
}

fn refuse(input: impl AsRef<[u8]>, error: impl Into<BodyError>) {
    let (input, error) = (input.as_ref(), error.into());
    for piece in [1, 2, 3, 7, input.len()] {
        let step = decode(BodyFraming::Chunked, input, piece);
        assert_eq!(step, Err(error), "{:?} by {piece}", String::from_utf8_lossy(input));
    }
}

#[test]
fn a_body_ends_where_its_framing_says() {
    check(BodyFraming::None, b"GET", b"", true, 3);
    check(BodyFraming::Length(0), b"GET", b"", true, 3);
    check(BodyFraming::Length(3), b"abcGET", b"abc", true, 3);
    check(BodyFraming::Length(4), b"abc", b"abc", false, 0);
    check(BodyFraming::Length(u64::MAX), b"abc", b"abc", false, 0);
    check(BodyFraming::UntilClose, b"abc", b"abc", false, 0);
    check(BodyFraming::Chunked, b"0\r\n\r\nGET", b"", true, 3);
    check(BodyFraming::Chunked, b"3\r\nabc\r\n0\r\n\r\nGET", b"abc", true, 3);
    check(BodyFraming::Chunked, b"1\r\na\r\n00A\r\n0123456789\r\n000\r\n\r\n", b"a0123456789", true, 0);
    check(BodyFraming::Chunked, b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n", true, 0);
    check(BodyFraming::Chunked, b"0\r\nA: b\r\nC: d\r\n\r\nGET", b"", true, 3);
    check(BodyFraming::Chunked, b"ffffffffffffffff\r\nabc", b"abc", false, 0);
    check(BodyFraming::Chunked, b"3\r\nabc\r\n", b"abc", false, 0);
}

#[test]
fn one_call_tells_a_body_and_its_end() {
    let step = BodyDecoder::new(BodyFraming::Chunked).decode(b"3\r\nabc\r\n0\r\n\r\nGET").unwrap();
    assert_eq!((step.consumed, step.body, step.done), (13, 3..6, true));
    let step = BodyDecoder::new(BodyFraming::Length(3)).decode(b"abcGET").unwrap();
    assert_eq!((step.consumed, step.body, step.done), (3, 0..3, true));
}

#[test]
fn a_chunk_size_is_hexadecimal_and_short_rfc_9112_7_1() {
    let sizes = "; -1 +1 0x1 g 1_0 \u{661} ,1 \"1\" #".split(' ');
    for size in sizes.chain(["", " 1", "1 ", "\t1", "1\t", "1 ; a"]) {
        refuse(format!("{size}\r\na\r\n0\r\n\r\n"), BodyError::ChunkSize);
    }
    refuse("00000000000000001\r\na\r\n0\r\n\r\n", BodyError::ChunkSize);
    refuse("10000000000000000\r\na\r\n0\r\n\r\n", BodyError::ChunkSize);
    refuse("\n0\r\n\r\n", BodyError::ChunkSize);
}

#[test]
fn chunk_extensions_are_refused_cve_2025_55315() {
    refuse("1;\r\na\r\n0\r\n\r\n", BodyError::ChunkExtension);
    refuse("1;a=b\r\na\r\n0\r\n\r\n", BodyError::ChunkExtension);
    refuse("1;\na\r\n0\r\n\r\n", BodyError::ChunkExtension);
    refuse("0;\r\n\r\n", BodyError::ChunkExtension);
}

#[test]
fn only_crlf_ends_a_chunk_rfc_9112_7_1() {
    refuse("1\na\r\n0\r\n\r\n", BodyError::ChunkEnd);
    refuse("1\ra\r\n0\r\n\r\n", BodyError::ChunkEnd);
    refuse("1\r\r\na\r\n0\r\n\r\n", BodyError::ChunkEnd);
    refuse("1\r\nab\r\n0\r\n\r\n", BodyError::ChunkEnd);
    refuse("1\r\na\n0\r\n\r\n", BodyError::ChunkEnd);
    refuse("1\r\na\rx0\r\n\r\n", BodyError::ChunkEnd);
    refuse("1\r\na0\r\n\r\n", BodyError::ChunkEnd);
    refuse("0\n\r\n", BodyError::ChunkEnd);
}

#[test]
fn trailers_are_held_to_the_rules_of_fields_rfc_9112_7_1_2() {
    refuse("0\r\nA: b\n\r\n", FieldError::BareLineFeed);
    refuse("0\r\n\n", FieldError::BareLineFeed);
    refuse("0\r\nA: b\rC: d\r\n\r\n", FieldError::BareCarriageReturn);
    refuse("0\r\nA: \0\r\n\r\n", FieldError::ControlCharacter);
    refuse("0\r\n A: b\r\n\r\n", FieldError::LineFolding);
    refuse("0\r\nA : b\r\n\r\n", FieldError::WhitespaceBeforeColon);
    refuse("0\r\nGET / HTTP/1.1\r\n\r\n", FieldError::NameNotToken);
    refuse("0\r\nA\r\n\r\n", FieldError::MissingColon);
}

#[test]
fn trailers_are_bounded() {
    let section = |value_len: usize| format!("0\r\nA: {}\r\n\r\n", "a".repeat(value_len));
    let value_len_max = TRAILER_BYTES_MAX - "A: \r\n\r\n".len();
    assert!(decode(BodyFraming::Chunked, section(value_len_max).as_bytes(), 100).unwrap().1);
    refuse(section(value_len_max + 1), BodyError::TrailersTooLarge);
    refuse(format!("0\r\n{}", "a".repeat(TRAILER_BYTES_MAX * 2)), BodyError::TrailersTooLarge);
    refuse(format!("0\r\n{}\r\n", "A: b\r\n".repeat(TRAILER_FIELDS_MAX + 1)), FieldError::TooMany);
}

#[test]
fn trailers_can_be_read_after_the_end() {
    let mut decoder = BodyDecoder::new(BodyFraming::Chunked);
    decoder.decode(b"0\r\nGrpc-Sta").unwrap();
    let step = decoder.decode(b"tus: 0\r\nX:  y \r\n\r\nGET").unwrap();
    assert_eq!((step.consumed, step.done), (18, true));
    let trailers: Vec<_> = decoder.trailers().map(|field| (field.name, field.value)).collect();
    assert_eq!(trailers, [(&b"Grpc-Status"[..], &b"0"[..]), (b"X", b"y")]);
}

#[test]
fn a_refused_body_stays_refused() {
    let mut decoder = BodyDecoder::new(BodyFraming::Chunked);
    assert_eq!(decoder.decode(b"x"), Err(BodyError::ChunkSize));
    assert_eq!(decoder.decode(b"0\r\n\r\n"), Err(BodyError::ChunkSize));
    assert_eq!(decoder.decode(b""), Err(BodyError::ChunkSize));
    assert_eq!(decoder.end_of_input(), Err(BodyError::ChunkSize));
    assert!(!decoder.is_done());
    assert_eq!(BodyError::ChunkSize.status(), 400);
}

#[test]
fn the_input_may_end_only_where_the_body_does_rfc_9112_8() {
    let check = |framing, input: &[u8], expected| {
        let mut decoder = BodyDecoder::new(framing);
        decoder.decode(input).unwrap();
        assert_eq!(decoder.end_of_input(), expected, "{framing:?} {:?}", String::from_utf8_lossy(input));
    };
    check(BodyFraming::None, b"", Ok(()));
    check(BodyFraming::UntilClose, b"", Ok(()));
    check(BodyFraming::UntilClose, b"abc", Ok(()));
    check(BodyFraming::Length(3), b"abc", Ok(()));
    check(BodyFraming::Length(3), b"ab", Err(BodyError::Truncated));
    check(BodyFraming::Chunked, b"0\r\n\r\n", Ok(()));
    check(BodyFraming::Chunked, b"", Err(BodyError::Truncated));
    check(BodyFraming::Chunked, b"3\r\nabc\r\n", Err(BodyError::Truncated));
    check(BodyFraming::Chunked, b"0\r\n", Err(BodyError::Truncated));
    check(BodyFraming::Chunked, b"0\r\nA: b\r\n", Err(BodyError::Truncated));
}

#[test]
fn what_remains_is_known_where_it_was_announced() {
    let mut decoder = BodyDecoder::new(BodyFraming::Length(5));
    assert_eq!(decoder.remaining(), Some(5));
    decoder.decode(b"abc").unwrap();
    assert_eq!(decoder.remaining(), Some(2));
    decoder.decode(b"de").unwrap();
    assert_eq!(decoder.remaining(), Some(0));
    assert_eq!(BodyDecoder::new(BodyFraming::Chunked).remaining(), None);
}

#[test]
fn chunk_headers_are_hexadecimal_lines() {
    for len in [1, 9, 10, 15, 16, 255, 256, 65_536, usize::MAX] {
        let header = chunk_header(NonZeroUsize::new(len).unwrap());
        assert_eq!(String::from_utf8_lossy(header.as_ref()), format!("{len:x}\r\n"));
    }
}
