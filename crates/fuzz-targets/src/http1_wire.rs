//! The HTTP/1.1 wire: heads, chunks, hosts.

use std::num::NonZeroUsize;

use http1::limits::{
    HEAD_BYTES_MAX, HEAD_FIELDS_MAX, HOST_NAME_BYTES_MAX, TARGET_BYTES_MAX, TRAILER_BYTES_MAX,
};
use http1::{
    BodyDecoder, BodyFraming, CHUNK_END, HeadWriter, Host, KnownField, LAST_CHUNK, Method, Progress,
    RequestHead, ResponseHead, chunk_header, is_field_name, is_field_value,
};

use crate::choose;

/// A request's head means the same however it arrives, and what is written of it reads as the same.
pub fn request_head(data: &[u8]) {
    let (piece, input) = choose(data, 64);
    let mut whole = RequestHead::new();
    let outcome = whole.parse(input);
    let mut cut = RequestHead::new();
    assert_eq!(in_pieces(input, piece, |bytes| cut.parse(bytes)), outcome, "it matters how it arrives");
    let Ok(Progress::Complete { head_len }) = outcome else { return };

    assert!(head_len <= input.len() && head_len <= HEAD_BYTES_MAX + 2);
    assert!(whole.field_count() <= HEAD_FIELDS_MAX);
    let request = whole.view(input);
    assert!(request.target().len() <= TARGET_BYTES_MAX);
    assert!(request.target().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
    // In a path some origins read it as a slash; in a query it is what it is.
    assert!(!request.path().contains('\\'));
    assert!(request.path().starts_with('/') || request.path() == "*");
    request.fields().for_each(|field| check_field(field.name, field.value));
    assert_eq!(meaning(&whole, input), meaning(&cut, input));
    // What is behind a head belongs to the next message.
    let mut alone = RequestHead::new();
    assert_eq!(alone.parse(&input[..head_len]), outcome);
    assert_eq!(meaning(&whole, input), meaning(&alone, input));

    let mut out = Vec::new();
    let mut writer =
        HeadWriter::request(&mut out, request.method_name(), "", request.path(), request.query()).unwrap();
    for field in request.fields().filter(|field| !frames(field.known)) {
        writer.field(field.name, field.value).unwrap();
    }
    match request.framing() {
        BodyFraming::Length(length) => writer.content_length(length).unwrap(),
        BodyFraming::Chunked => writer.transfer_encoding_chunked().unwrap(),
        BodyFraming::None | BodyFraming::UntilClose => {}
    }
    writer.finish();
    check_one_head(&out);
    let mut again = RequestHead::new();
    match again.parse(&out) {
        Ok(progress) => {
            assert_eq!(progress, Progress::Complete { head_len: out.len() });
            if whole.version() == http1::Version::Http11 {
                assert_eq!(meaning(&whole, input), meaning(&again, &out));
            }
        }
        // Written out it may be larger: a space behind each colon, a longer name of the version.
        Err(error) => assert!(error.status() == 494 || out.len() > HEAD_BYTES_MAX, "{error}"),
    }
}

/// A response's head, in the same way.
pub fn response_head(data: &[u8]) {
    let (choice, input) = choose(data, 128);
    let method = if choice < 64 { Method::Get } else { Method::Head };
    let mut whole = ResponseHead::new();
    let outcome = whole.parse(input, method);
    let mut cut = ResponseHead::new();
    assert_eq!(
        in_pieces(input, choice % 64, |bytes| cut.parse(bytes, method)),
        outcome,
        "it matters how it arrives"
    );
    let Ok(Progress::Complete { head_len }) = outcome else { return };

    assert!(head_len <= input.len() && head_len <= HEAD_BYTES_MAX + 2);
    assert!(whole.field_count() <= HEAD_FIELDS_MAX);
    assert!((100..1000).contains(&whole.status()));
    assert!(method != Method::Head || whole.framing() == BodyFraming::None);
    let response = whole.view(input);
    response.fields().for_each(|field| check_field(field.name, field.value));
    let mut out = Vec::new();
    let mut writer = HeadWriter::response(&mut out, whole.status()).unwrap();
    for field in response.fields().filter(|field| !frames(field.known)) {
        writer.field(field.name, field.value).unwrap();
    }
    writer.finish();
    check_one_head(&out);
}

/// A chunked body is the same however it arrives, and so is what is written of it.
pub fn chunked_body(data: &[u8]) {
    let (piece, input) = choose(data, 32);
    let (whole, cut) = (decode(input, input.len().max(1)), decode(input, piece + 1));
    match (&whole, &cut) {
        (Ok(whole), Ok(cut)) => assert_eq!(whole, cut, "it matters how it arrives"),
        // How far a decoder came before the error is no matter, but both must see it.
        (Err(()), Err(())) => {}
        _ => panic!("it matters how it arrives: {whole:?} and {cut:?}"),
    }
    let Ok(decoded) = whole else { return };
    let Decoded { body, consumed, is_done, .. } = &decoded;
    assert!(*consumed <= input.len() && body.len() <= *consumed);
    if !is_done {
        return;
    }
    // What is behind it is not looked at.
    assert_eq!(decode(&input[..*consumed], *consumed).as_ref(), Ok(&decoded));
    let mut out = Vec::new();
    if let Some(len) = NonZeroUsize::new(body.len()) {
        out.extend_from_slice(chunk_header(len).as_ref());
        out.extend_from_slice(body);
        out.extend_from_slice(CHUNK_END);
    }
    check_last_chunk(&decoded, out);
}

/// Trailers that are written again are the same, but for those of framing, which are not written.
fn check_last_chunk(decoded: &Decoded, mut out: Vec<u8>) {
    let body_len = out.len();
    let mut trailers = decoded.trailers.clone();
    trailers.retain(|(name, _)| !frames(KnownField::from_name(name)));
    if trailers.is_empty() {
        out.extend_from_slice(LAST_CHUNK);
    } else {
        let mut writer = HeadWriter::last_chunk(&mut out);
        for (name, value) in &trailers {
            writer.field(name, value).unwrap();
        }
        writer.finish();
    }
    match decode(&out, out.len()) {
        Ok(again) => {
            let (body, consumed) = (decoded.body.clone(), out.len());
            assert_eq!(again, Decoded { body, consumed, is_done: true, trailers });
        }
        // A space behind each colon makes it larger.
        Err(()) => assert!(out.len() - body_len > TRAILER_BYTES_MAX),
    }
}

/// A body as far as it came.
#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    body: Vec<u8>,
    /// How much of the input it took.
    consumed: usize,
    /// Whether that was all of it.
    is_done: bool,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
}

fn decode(input: &[u8], piece: usize) -> Result<Decoded, ()> {
    let mut decoder = BodyDecoder::new(BodyFraming::Chunked);
    let (mut body, mut at) = (Vec::new(), 0);
    while at < input.len() && !decoder.is_done() {
        let end = input.len().min(at + piece);
        let step = decoder.decode(&input[at..end]).map_err(drop)?;
        assert!(step.consumed > 0 && at + step.consumed <= end, "it stalls, or takes what is not there");
        assert!(step.body.start <= step.body.end && step.body.end <= step.consumed);
        body.extend_from_slice(&input[at..][step.body]);
        at += step.consumed;
    }
    assert_eq!(decoder.end_of_input().is_ok(), decoder.is_done());
    let trailers = decoder.trailers().map(|field| (field.name.to_vec(), field.value.to_vec())).collect();
    Ok(Decoded { body, consumed: at, is_done: decoder.is_done(), trailers })
}

/// A host has one reading: a name or an address, and perhaps a port.
pub fn host(data: &[u8]) {
    let Ok(host) = Host::parse(data) else { return };
    assert_eq!(host.text.as_bytes(), data);
    let again = host.port.map_or_else(|| host.name.to_owned(), |port| format!("{}:{port}", host.name));
    assert!(again.len() <= data.len());
    let again = Host::parse(again.as_bytes()).expect("what is written again is a host");
    assert_eq!((again.name, again.port), (host.name, host.port));
    assert!(host.name.is_ascii() && host.port != Some(0));
    if let Some(address) = host.name.strip_prefix('[') {
        let address = address.strip_suffix(']').expect("brackets come in pairs");
        assert!(address.parse::<std::net::Ipv6Addr>().is_ok());
        return;
    }
    assert!(!host.name.is_empty() && host.name.len() <= HOST_NAME_BYTES_MAX);
    assert!(host.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
    assert!(!host.name.starts_with('.') && !host.name.ends_with('.') && !host.name.contains(".."));
    // Case makes no difference to what it is.
    assert!(Host::parse(host.name.to_ascii_lowercase().as_bytes()).is_ok());
    // The target's authority is held to the same rules.
    let request = format!("GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n", host.text);
    let mut head = RequestHead::new();
    assert!(matches!(head.parse(request.as_bytes()), Ok(Progress::Complete { .. })), "{request:?}");
    assert_eq!(head.view(request.as_bytes()).host(), host);
}

fn in_pieces<E>(
    input: &[u8],
    piece: usize,
    mut parse: impl FnMut(&[u8]) -> Result<Progress, E>,
) -> Result<Progress, E> {
    let step = piece + 1;
    let mut len = step.min(input.len());
    loop {
        match parse(&input[..len]) {
            Ok(Progress::Partial) if len < input.len() => len = (len + step).min(input.len()),
            outcome => return outcome,
        }
    }
}

/// Everything that an accepted request means.
fn meaning(head: &RequestHead, buffer: &[u8]) -> impl PartialEq + std::fmt::Debug + use<> {
    let request = head.view(buffer);
    let fields: Vec<_> = request
        .fields()
        .filter(|field| !frames(field.known))
        .map(|field| (field.name.to_vec(), field.value.to_vec(), field.known, field.has_underscore))
        .collect();
    let framing = (request.framing(), request.keep_alive(), request.expect_continue(), request.connection());
    let target = (request.path().to_owned(), request.query().map(str::to_owned));
    (request.method_name().to_owned(), target, request.host().text.to_owned(), framing, fields)
}

fn frames(known: Option<KnownField>) -> bool {
    matches!(known, Some(KnownField::ContentLength | KnownField::TransferEncoding))
}

fn check_field(name: &[u8], value: &[u8]) {
    assert!(is_field_name(name) && is_field_value(value));
    assert!(name.is_ascii() && !value.iter().any(|byte| b"\r\n\0".contains(byte)));
}

/// Nothing in a head ends it early.
fn check_one_head(out: &[u8]) {
    let end = out.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    assert_eq!(end, Some(out.len() - 4));
    assert!(!out.contains(&0));
}
