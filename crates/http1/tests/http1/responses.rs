//! Responses: what is understood of an origin, and what is refused of it.

#![expect(clippy::panic, reason = "a test's own helpers fail as tests do")]

use http1::limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX};
use http1::{
    BodyFraming, FieldError, FramingError, KnownField, Method, Progress, ResponseError, ResponseHead, Version,
};

fn parse_as(method: Method, input: impl AsRef<[u8]>) -> Result<ResponseHead, ResponseError> {
    let input = input.as_ref();
    let mut head = ResponseHead::new();
    match head.parse(input, method)? {
        Progress::Complete { head_len } => assert_eq!(head_len, input.len()),
        Progress::Partial => panic!("partial: {:?}", String::from_utf8_lossy(input)),
    }
    Ok(head)
}

fn parse(input: impl AsRef<[u8]>) -> Result<ResponseHead, ResponseError> {
    parse_as(Method::Get, input)
}

fn refuse(input: impl AsRef<[u8]>, error: impl Into<ResponseError>) {
    let (input, error) = (input.as_ref(), error.into());
    let text = String::from_utf8_lossy(input);
    assert_eq!(ResponseHead::new().parse(input, Method::Get), Err(error), "{text:?}");
    let mut head = ResponseHead::new();
    let slowly = (1..=input.len()).find_map(|len| head.parse(&input[..len], Method::Get).err());
    assert_eq!(slowly, Some(error), "byte by byte: {text:?}");
    assert_eq!(head.parse(input, Method::Get), Err(error), "a refused head stays refused: {text:?}");
}

fn refuse_field(lines: &str, error: impl Into<ResponseError>) {
    refuse(format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n"), error);
}

#[test]
fn a_response_is_taken_apart() {
    let input = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nSet-Cookie: a\r\nset-cookie: b\r\n\
                  Content-Length: 9\r\nKeep-Alive: max=100, Timeout=5\r\n\r\n";
    let head = parse(input).unwrap();
    let response = head.view(input);
    assert_eq!(
        (response.version(), response.status(), response.reason()),
        (Version::Http11, 404, &b"Not Found"[..])
    );
    assert_eq!(response.values(KnownField::SetCookie).collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(response.value(KnownField::ContentType), Some(&b"text/html"[..]));
    assert_eq!((response.framing(), response.content_length()), (BodyFraming::Length(9), Some(9)));
    assert_eq!((response.keep_alive(), response.keep_alive_timeout()), (true, Some(5)));
    assert_eq!(response.field_count(), 5);
}

#[test]
fn a_status_line_is_version_status_and_an_optional_reason_rfc_9112_4() {
    let check = |line: &str, reason: &str| {
        let input = format!("{line}\r\nContent-Length: 0\r\n\r\n");
        let head = parse(&input).unwrap();
        assert_eq!(head.view(input.as_bytes()).reason(), reason.as_bytes(), "{line:?}");
    };
    check("HTTP/1.1 200 OK", "OK");
    check("HTTP/1.1 200 ", "");
    check("HTTP/1.1 200", "");
    check("HTTP/1.0 299 Tr\u{e8}s bien\t!", "Tr\u{e8}s bien\t!");
    for line in [
        "",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 2000",
        "HTTP/1.1 2x0",
        "HTTP/1.1 099 A",
        "HTTP/1.1 +20",
        "HTTP/1.1  200",
        "HTTP/1.1\t200",
        "HTTP/1.1x200",
        "http/1.1 200 OK",
        "ICY 200 OK",
        " HTTP/1.1 200 OK",
    ] {
        refuse(format!("{line}\r\n\r\n"), ResponseError::StatusLine);
    }
    for line in ["HTTP/2.0 200 OK", "HTTP/1.2 200 OK", "HTTP/0.9 200 OK", "HTTP/1,1 200 OK"] {
        refuse(format!("{line}\r\n\r\n"), ResponseError::VersionUnsupported);
    }
}

#[test]
fn the_body_ends_where_method_status_and_fields_say_rfc_9112_6_3() {
    let check = |method, status, lines: &str, framing, keep_alive| {
        let head = parse_as(method, format!("HTTP/1.1 {status} x\r\n{lines}\r\n")).unwrap();
        assert_eq!(
            (head.framing(), head.keep_alive()),
            (framing, keep_alive),
            "{method:?} {status} {lines:?}"
        );
    };
    let (length, chunked) = ("Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n");
    check(Method::Get, 200, length, BodyFraming::Length(5), true);
    check(Method::Get, 200, "Content-Length: 0\r\n", BodyFraming::Length(0), true);
    check(Method::Get, 200, chunked, BodyFraming::Chunked, true);
    check(Method::Post, 500, chunked, BodyFraming::Chunked, true);
    check(Method::Get, 200, "", BodyFraming::UntilClose, false);
    check(Method::Head, 200, length, BodyFraming::None, true);
    check(Method::Head, 200, chunked, BodyFraming::None, true);
    check(Method::Head, 200, "", BodyFraming::None, true);
    check(Method::Get, 304, length, BodyFraming::None, true);
    check(Method::Get, 204, "", BodyFraming::None, true);
    check(Method::Get, 204, "Content-Length: 0\r\n", BodyFraming::None, true);
    check(Method::Get, 204, length, BodyFraming::None, false);
    check(Method::Get, 204, chunked, BodyFraming::None, false);
    check(Method::Get, 100, "", BodyFraming::None, true);
    check(Method::Get, 101, "", BodyFraming::None, true);
    check(Method::Get, 200, "Connection: close\r\nContent-Length: 5\r\n", BodyFraming::Length(5), false);
}

#[test]
fn an_http_1_0_origin_keeps_its_connection_only_when_it_says_so_rfc_9112_9_3() {
    let check = |lines: &str, expected| {
        let head = parse(format!("HTTP/1.0 200 OK\r\n{lines}\r\n")).unwrap();
        assert_eq!(head.keep_alive(), expected, "{lines:?}");
    };
    check("Content-Length: 1\r\n", false);
    check("Content-Length: 1\r\nConnection: keep-alive\r\n", true);
    check("Connection: keep-alive\r\n", false);
}

#[test]
fn interim_responses_are_recognised_rfc_9110_15_2() {
    let check = |status, interim, switching| {
        let head = parse(format!("HTTP/1.1 {status} x\r\nLink: </a>\r\n\r\n")).unwrap();
        assert_eq!((head.is_interim(), head.is_switching_protocols()), (interim, switching), "{status}");
    };
    check(100, true, false);
    check(101, false, true);
    check(103, true, false);
    check(199, true, false);
    check(200, false, false);
    refuse("HTTP/1.1 103 x\r\nContent-Length: 5\r\n\r\n", ResponseError::InterimBody);
    refuse("HTTP/1.1 100 x\r\nTransfer-Encoding: chunked\r\n\r\n", ResponseError::InterimBody);
}

#[test]
fn a_final_response_behind_an_interim_one_is_parsed_on_its_own() {
    let input = b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
    let mut head = ResponseHead::new();
    let Ok(Progress::Complete { head_len }) = head.parse(input, Method::Put) else { panic!("not complete") };
    head.clear();
    let rest = &input[head_len..];
    assert_eq!(head.parse(rest, Method::Put), Ok(Progress::Complete { head_len: rest.len() }));
    assert_eq!((head.status(), head.field_count()), (201, 1));
}

#[test]
fn ambiguous_framing_is_refused_whatever_the_status_rfc_9112_6_3() {
    refuse_field("Content-Length: 5\r\nContent-Length: 5", FramingError::LengthRepeated);
    refuse_field("Content-Length: 5, 5", FramingError::LengthNotNumber);
    refuse_field("Content-Length: -1", FramingError::LengthNotNumber);
    refuse_field("Content-Length: 5\r\nTransfer-Encoding: chunked", FramingError::LengthAndEncoding);
    refuse_field("Transfer-Encoding: gzip, chunked", FramingError::EncodingNotChunked);
    refuse_field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", FramingError::EncodingRepeated);
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    refuse(format!("HTTP/1.1 304 Not Modified\r\n{both}\r\n"), FramingError::LengthAndEncoding);
    refuse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", FramingError::EncodingBelowHttp11);
}

#[test]
fn lines_are_held_to_the_rules_of_requests() {
    refuse("HTTP/1.1 200 OK\nContent-Length: 0\n\n", FieldError::BareLineFeed);
    refuse("HTTP/1.1 200 O\rK\r\n\r\n", FieldError::BareCarriageReturn);
    refuse("HTTP/1.1 200 O\0K\r\n\r\n", FieldError::ControlCharacter);
    refuse("\r\nHTTP/1.1 200 OK\r\n\r\n", ResponseError::StatusLine);
    refuse_field("X: a\nSet-Cookie: b", FieldError::BareLineFeed);
    refuse_field("X: a\rSet-Cookie: b", FieldError::BareCarriageReturn);
    refuse_field("X: a\r\n b", FieldError::LineFolding);
    refuse_field("X : a", FieldError::WhitespaceBeforeColon);
    refuse_field("X\0: a", FieldError::ControlCharacter);
    refuse_field("Content_Length: 5", FieldError::DisguisedFraming);
    refuse_field("Connection: a b", FieldError::ConnectionOptionNotToken);
}

#[test]
fn an_origin_that_nominates_framing_loses_nothing() {
    let head =
        parse("HTTP/1.1 200 OK\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
    assert_eq!(head.framing(), BodyFraming::Chunked);
}

#[test]
fn the_keep_alive_hint_is_a_hint() {
    let check = |value: &str, expected| {
        let head = parse(format!("HTTP/1.1 204 x\r\nKeep-Alive: {value}\r\n\r\n")).unwrap();
        assert_eq!(head.keep_alive_timeout(), expected, "{value:?}");
    };
    check("timeout=72", Some(72));
    check("max=3 ,TIMEOUT=4", Some(4));
    check("timeout=", None);
    check("timeout=-1", None);
    check("timeout=99999999999999999999", None);
    check("timeouts=5", None);
    check("5", None);
}

#[test]
fn a_head_of_32_768_bytes_passes_and_a_longer_one_is_too_big() {
    let rest = "HTTP/1.1 200 OK\r\nX: \r\n\r\n".len();
    let head = |len: usize| format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(len - rest));
    assert!(parse(head(HEAD_BYTES_MAX)).is_ok());
    refuse(head(HEAD_BYTES_MAX + 1), ResponseError::HeadTooLarge);
    refuse_field(&vec!["A: b"; HEAD_FIELDS_MAX + 1].join("\r\n"), FieldError::TooMany);
    assert!(ResponseError::HeadTooLarge.is_head_too_big());
    assert!(ResponseError::from(FieldError::TooMany).is_head_too_big());
    assert!(!ResponseError::StatusLine.is_head_too_big());
}
