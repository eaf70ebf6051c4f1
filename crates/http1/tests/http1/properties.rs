//! What holds of every input: no panic, no dependence on how bytes arrive, and nothing leaves that does not parse
//! back to the same message.

#![expect(clippy::unwrap_used, reason = "a test's own helpers fail as tests do")]

use std::num::NonZeroUsize;

use http1::{
    BodyDecoder, BodyFraming, CHUNK_END, HeadWriter, KnownField, LAST_CHUNK, Method, Progress, RequestError,
    RequestHead, ResponseError, ResponseHead, chunk_header, http_date, is_field_name, is_field_value,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Bytes that look like HTTP often enough to get deep into the parsers.
fn httpish() -> impl Strategy<Value = Vec<u8>> {
    let words = select(vec![
        "GET ",
        "POST ",
        "OPTIONS ",
        "/",
        "*",
        "?a=b",
        "%2f",
        "%",
        "http://a",
        " HTTP/1.1\r\n",
        " HTTP/1.0\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 304 \r\n",
        "HTTP/1.1 100\r\n",
        "Host: a\r\n",
        "Host: b:80\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: ",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close, x\r\n",
        "Expect: 100-continue\r\n",
        "X_y: z\r\n",
        "X: y",
        ":",
        " ",
        "\t",
        "\r\n",
        "\r",
        "\n",
        "\0",
        "5",
        "0\r\n\r\n",
        "a",
        ",",
        ";",
        "\u{e9}",
    ]);
    let piece = prop_oneof![
        8 => words.prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A request that is mostly right: a good line, a Host, and fields that may be anything.
fn requestish() -> impl Strategy<Value = Vec<u8>> {
    let line = select(vec![
        "GET / HTTP/1.1",
        "POST /a%20b?c=d HTTP/1.1",
        "PUT http://a.example/x HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "HEAD http://a.example?q HTTP/1.0",
        "X-Y /? HTTP/1.1",
    ]);
    let name = "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}".prop_map(String::into_bytes);
    let value = vec(prop_oneof![0x20..0x7f_u8, 0x80..=0xff_u8, Just(b'\t')], 0..40);
    let field = (name, value).prop_map(|(name, value)| [&name[..], b":", &value[..]].concat());
    let known = select(vec![
        "Content-Length: 7",
        "Transfer-Encoding: chunked",
        "Connection: close, x-a",
        "Connection: keep-alive",
        "Cookie: a=b",
        "Expect: 100-continue",
        "X-Forwarded_For: 192.0.2.1",
    ]);
    let field = prop_oneof![3 => field, 1 => known.prop_map(|known| known.as_bytes().to_vec())];
    (line, vec(field, 0..8)).prop_map(|(line, fields)| {
        let mut input = [line.as_bytes(), b"\r\nHost: a.example\r\n"].concat();
        for field in fields {
            input.extend_from_slice(&field);
            input.extend_from_slice(b"\r\n");
        }
        input.extend_from_slice(b"\r\n");
        input
    })
}

fn any_request() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![httpish(), requestish(), vec(any::<u8>(), 0..200)]
}

/// Increasing lengths of `input` that end with the whole of it.
fn cuts(len: usize, cuts: &[Index]) -> Vec<usize> {
    let mut lengths: Vec<usize> = cuts.iter().map(|cut| cut.index(len + 1)).collect();
    lengths.push(len);
    lengths.sort_unstable();
    lengths
}

fn parse_request_in_pieces(input: &[u8], lengths: &[usize]) -> (Result<Progress, RequestError>, RequestHead) {
    let mut head = RequestHead::new();
    let mut progress = Ok(Progress::Partial);
    for &len in lengths {
        progress = head.parse(&input[..len]);
    }
    (progress, head)
}

fn parse_response_in_pieces(
    input: &[u8],
    lengths: &[usize],
) -> (Result<Progress, ResponseError>, ResponseHead) {
    let mut head = ResponseHead::new();
    let mut progress = Ok(Progress::Partial);
    for &len in lengths {
        progress = head.parse(&input[..len], Method::Get);
    }
    (progress, head)
}

/// Everything that an accepted request means.
fn meaning_of_request(head: &RequestHead, buffer: &[u8]) -> impl PartialEq + std::fmt::Debug + use<> {
    let request = head.view(buffer);
    let fields: Vec<_> = request
        .fields()
        .filter(|field| !is_length_or_encoding(field.known))
        .map(|field| (field.name.to_vec(), field.value.to_vec(), field.known, field.has_underscore))
        .collect();
    let framing = (request.framing(), request.keep_alive(), request.expect_continue(), request.connection());
    let target = (request.path().to_owned(), request.query().map(str::to_owned));
    (request.method_name().to_owned(), target, request.host().text.to_owned(), framing, fields)
}

fn is_length_or_encoding(known: Option<KnownField>) -> bool {
    matches!(known, Some(KnownField::ContentLength | KnownField::TransferEncoding))
}

fn write_framing(head: &mut HeadWriter<'_, Vec<u8>>, framing: BodyFraming) {
    match framing {
        BodyFraming::Length(length) => head.content_length(length).unwrap(),
        BodyFraming::Chunked => head.transfer_encoding_chunked().unwrap(),
        BodyFraming::None | BodyFraming::UntilClose => {}
    }
}

fn decode_in_pieces(input: &[u8], lengths: &[usize]) -> (Vec<u8>, usize, bool) {
    let mut decoder = BodyDecoder::new(BodyFraming::Chunked);
    let mut body = Vec::new();
    let mut at = 0;
    for &len in lengths {
        while at < len && !decoder.is_done() {
            let step = decoder.decode(&input[at..len]).unwrap();
            body.extend_from_slice(&input[at..][step.body]);
            at += step.consumed;
        }
    }
    (body, at, decoder.is_done())
}

proptest! {
    #[test]
    fn a_request_means_the_same_however_it_arrives(input in any_request(), at in vec(any::<Index>(), 0..6)) {
        let (whole, whole_head) = parse_request_in_pieces(&input, &[input.len()]);
        let (in_pieces, cut_head) = parse_request_in_pieces(&input, &cuts(input.len(), &at));
        prop_assert_eq!(whole, in_pieces);
        if let Ok(Progress::Complete { head_len }) = whole {
            prop_assert!(head_len <= input.len());
            prop_assert_eq!(meaning_of_request(&whole_head, &input), meaning_of_request(&cut_head, &input));
        }
    }

    #[test]
    fn a_response_means_the_same_however_it_arrives(
        input in prop_oneof![
            httpish(),
            httpish().prop_map(|rest| [&b"HTTP/1.1 200 OK\r\n"[..], &rest].concat()),
        ],
        at in vec(any::<Index>(), 0..6),
    ) {
        let (whole, whole_head) = parse_response_in_pieces(&input, &[input.len()]);
        let (in_pieces, cut_head) = parse_response_in_pieces(&input, &cuts(input.len(), &at));
        prop_assert_eq!(whole, in_pieces);
        if let Ok(Progress::Complete { .. }) = whole {
            prop_assert_eq!(format!("{whole_head:?}"), format!("{cut_head:?}"));
        }
    }

    #[test]
    fn nothing_accepted_holds_a_line_end_or_nul(input in any_request()) {
        let (progress, head) = parse_request_in_pieces(&input, &[input.len()]);
        if matches!(progress, Ok(Progress::Complete { .. })) {
            let request = head.view(&input);
            for field in request.fields() {
                prop_assert!(is_field_name(field.name) && is_field_value(field.value));
                prop_assert!(!field.value.iter().any(|byte| b"\r\n\0".contains(byte)));
                prop_assert!(field.name.is_ascii());
            }
            prop_assert!(request.target().bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(request.path().starts_with('/') || request.path() == "*");
            prop_assert!(!request.host().name.is_empty());
        }
    }

    #[test]
    fn what_is_accepted_and_written_again_is_the_same_request(input in requestish()) {
        let (progress, head) = parse_request_in_pieces(&input, &[input.len()]);
        if matches!(progress, Ok(Progress::Complete { .. })) && head.version() == http1::Version::Http11 {
            let request = head.view(&input);
            let mut out = Vec::new();
            let mut writer =
                HeadWriter::request(&mut out, request.method_name(), "", request.path(), request.query()).unwrap();
            for field in request.fields().filter(|field| !is_length_or_encoding(field.known)) {
                writer.field(field.name, field.value).unwrap();
            }
            write_framing(&mut writer, request.framing());
            writer.finish();

            let (progress, again) = parse_request_in_pieces(&out, &[out.len()]);
            prop_assert_eq!(progress, Ok(Progress::Complete { head_len: out.len() }));
            prop_assert_eq!(meaning_of_request(&head, &input), meaning_of_request(&again, &out));
        }
    }

    #[test]
    fn what_is_written_is_one_head(
        status in 100..1000_u16,
        fields in vec((vec(any::<u8>(), 0..6), vec(any::<u8>(), 0..12)), 0..6),
        length in any::<u32>(),
    ) {
        let mut out = Vec::new();
        let mut writer = HeadWriter::response(&mut out, status).unwrap();
        let written = fields.iter().filter(|(name, value)| writer.field(name, value).is_ok()).count();
        writer.finish();
        let mut head = ResponseHead::new();
        // A written `Connection` or `Content_Length` may be refused by a parser, but nothing can end the head early.
        if let Ok(progress) = head.parse(&out, Method::Get) {
            prop_assert_eq!(progress, Progress::Complete { head_len: out.len() });
            prop_assert_eq!((head.status(), head.field_count()), (status, written));
        }
        prop_assert_eq!(memchr::memmem::find_iter(&out, b"\r\n\r\n").collect::<Vec<_>>(), [out.len() - 4]);
        prop_assert_eq!(http_date(u64::from(length)).len(), 29);
    }

    #[test]
    fn chunks_of_any_size_in_pieces_of_any_size_are_the_body(
        chunks in vec(vec(any::<u8>(), 1..50), 0..8),
        at in vec(any::<Index>(), 0..10),
        behind in vec(any::<u8>(), 0..5),
    ) {
        let mut input = Vec::new();
        for chunk in &chunks {
            input.extend_from_slice(chunk_header(NonZeroUsize::new(chunk.len()).unwrap()).as_ref());
            input.extend_from_slice(chunk);
            input.extend_from_slice(CHUNK_END);
        }
        input.extend_from_slice(LAST_CHUNK);
        let encoded_len = input.len();
        input.extend_from_slice(&behind);
        let decoded = decode_in_pieces(&input, &cuts(input.len(), &at));
        prop_assert_eq!(decoded, (chunks.concat(), encoded_len, true));
    }

    #[test]
    fn a_decoder_survives_anything_and_never_stalls(
        input in prop_oneof![vec(any::<u8>(), 0..60), vec(select(b"019af\r\n:; x".to_vec()), 0..60)],
        piece in 1..9_usize,
    ) {
        let mut decoder = BodyDecoder::new(BodyFraming::Chunked);
        let mut at = 0;
        while at < input.len() && !decoder.is_done() {
            let end = input.len().min(at + piece);
            let Ok(decoded) = decoder.decode(&input[at..end]) else { return Ok(()) };
            prop_assert!(decoded.consumed > 0 && at + decoded.consumed <= end);
            prop_assert!(decoded.body.start <= decoded.body.end && decoded.body.end <= decoded.consumed);
            at += decoded.consumed;
        }
        prop_assert_eq!(decoder.end_of_input().is_ok(), decoder.is_done());
    }
}
