//! Requests: what is understood, and the malformed ones, each under the rule that it breaks.

#![expect(clippy::panic, reason = "a test's own helpers fail as tests do")]

use http1::limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX, METHOD_BYTES_MAX, TARGET_BYTES_MAX};
use http1::{
    BodyFraming, FieldError, FramingError, Host, HostError, KnownField, Method, Progress, RequestError,
    RequestHead, TargetError, TargetForm, Version,
};

/// A head with these lines behind a good request line and Host.
fn with_fields(lines: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n\r\n")
}

fn parse(input: impl AsRef<[u8]>) -> Result<RequestHead, RequestError> {
    let input = input.as_ref();
    let mut head = RequestHead::new();
    match head.parse(input)? {
        Progress::Complete { head_len } => assert_eq!(head_len, input.len()),
        Progress::Partial => panic!("partial: {:?}", String::from_utf8_lossy(input)),
    }
    Ok(head)
}

/// That `input` is refused with `error` as a whole, and not later when it comes byte by byte.
fn refuse(input: impl AsRef<[u8]>, error: impl Into<RequestError>) {
    let (input, error) = (input.as_ref(), error.into());
    let text = String::from_utf8_lossy(input);
    assert_eq!(RequestHead::new().parse(input), Err(error), "{text:?}");
    let mut head = RequestHead::new();
    let slowly = (1..=input.len()).find_map(|len| head.parse(&input[..len]).err());
    assert_eq!(slowly, Some(error), "byte by byte: {text:?}");
    assert_eq!(head.parse(input), Err(error), "a refused head stays refused: {text:?}");
}

fn refuse_field(lines: &str, error: impl Into<RequestError>) {
    refuse(with_fields(lines), error);
}

fn refuse_line(line: &str, error: impl Into<RequestError>) {
    refuse(format!("{line}\r\nHost: a.example\r\n\r\n"), error);
}

// ── What is understood ──

#[test]
fn a_request_is_taken_apart() {
    let input = b"POST /api/chat?x=1&y HTTP/1.1\r\nHost: API.example:8443\r\ncontent-length: 17\r\nX-Note:  \xe9t\xe9 \t\r\n\
                  Cookie: a=b\r\nx_real_ip: 1\r\nCookie: c=d\r\n\r\n";
    let head = parse(input).unwrap();
    let request = head.view(input);
    assert_eq!(
        (request.method(), request.method_name(), request.version()),
        (Method::Post, "POST", Version::Http11)
    );
    assert_eq!((request.target_form(), request.target()), (TargetForm::Origin, "/api/chat?x=1&y"));
    assert_eq!((request.path(), request.query()), ("/api/chat", Some("x=1&y")));
    assert_eq!(request.host(), Host { text: "API.example:8443", name: "API.example", port: Some(8443) });
    assert_eq!((request.framing(), request.keep_alive()), (BodyFraming::Length(17), true));
    let names: Vec<_> = request.fields().map(|field| field.name).collect();
    assert_eq!(names, [&b"Host"[..], b"content-length", b"X-Note", b"Cookie", b"x_real_ip", b"Cookie"]);
    assert_eq!(request.fields().nth(2).unwrap().value, b"\xe9t\xe9");
    assert!(request.fields().nth(4).unwrap().has_underscore);
    assert_eq!(request.values(KnownField::Cookie).collect::<Vec<_>>(), [b"a=b", b"c=d"]);
    assert_eq!(request.field_count(), 6);
}

#[test]
fn bytes_behind_the_head_are_not_looked_at() {
    let input = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\n\0junk";
    assert_eq!(RequestHead::new().parse(input), Ok(Progress::Complete { head_len: input.len() - 6 }));
}

#[test]
fn a_cleared_head_remembers_nothing() {
    let first =
        b"POST http://a/b?c HTTP/1.0\r\nHost: a\r\nConnection: keep-alive, x\r\nContent-Length: 5\r\n\r\n";
    let second = b"GET / HTTP/1.1\r\nHost: b\r\n\r\n";
    let mut head = parse(first).unwrap();
    head.clear();
    assert_eq!(head.parse(second), Ok(Progress::Complete { head_len: second.len() }));
    assert_eq!(format!("{head:?}"), format!("{:?}", parse(second).unwrap()));
}

#[test]
fn accessors_of_an_unfinished_head_or_a_wrong_buffer_are_empty_not_panics() {
    let head = RequestHead::new();
    let request = head.view(b"");
    assert_eq!((request.method_name(), request.query(), request.host().name), ("", None, ""));
    let head = parse("GET /long/path?and=query HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    let request = head.view(b"GE");
    assert_eq!((request.path(), request.host().text, request.fields().count()), ("", "", 1));
}

#[test]
fn one_empty_line_before_the_request_line_is_forgiven_rfc_9112_2_2() {
    let input = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = parse(input).unwrap();
    assert_eq!((head.view(input).method_name(), head.view(input).host().name), ("GET", "a"));
    refuse("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", RequestError::EmptyLines);
    refuse("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", FieldError::BareLineFeed);
    refuse("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", FieldError::BareCarriageReturn);
}

#[test]
fn absolute_form_agrees_with_host_rfc_9112_3_2_2() {
    let input = b"GET HTTP://A.example:80?q HTTP/1.1\r\nHost: a.example:80\r\n\r\n";
    let head = parse(input).unwrap();
    let request = head.view(input);
    assert_eq!((request.path(), request.query(), request.host().name), ("/", Some("q"), "a.example"));
    assert_eq!(request.target_form(), TargetForm::Absolute { https: false });
    refuse_line("GET http://b.example/ HTTP/1.1", HostError::Mismatch);
    refuse_line("GET http://a.example:80/ HTTP/1.1", HostError::Mismatch);
    refuse_line("GET http://u@a.example/ HTTP/1.1", TargetError::AuthorityInvalid);
    refuse_line("GET http://u:p@a.example/ HTTP/1.1", TargetError::AuthorityInvalid);
    refuse_line("GET http:///a HTTP/1.1", TargetError::AuthorityInvalid);
    refuse("GET http://a.example/ HTTP/1.1\r\n\r\n", HostError::Missing);
}

#[test]
fn persistence_follows_version_and_connection_rfc_9112_9_3() {
    let check = |version, connection: &str, expected| {
        let head = parse(format!("GET / {version}\r\nHost: a\r\nConnection: {connection}\r\n\r\n")).unwrap();
        assert_eq!(head.keep_alive(), expected, "{version} {connection}");
    };
    check("HTTP/1.1", "", true);
    check("HTTP/1.1", "Close", false);
    check("HTTP/1.1", "keep-alive, close", false);
    check("HTTP/1.1", "x\r\nConnection: close", false);
    check("HTTP/1.0", "", false);
    check("HTTP/1.0", "Keep-Alive", true);
    check("HTTP/1.0", "keep-alive, close", false);
}

#[test]
fn expect_continue_needs_http_1_1_and_a_body_rfc_9110_10_1_1() {
    let check = |version, lines: &str, expected| {
        let head =
            parse(format!("PUT / {version}\r\nHost: a\r\nExpect: 100-Continue\r\n{lines}\r\n")).unwrap();
        assert_eq!(head.expect_continue(), expected, "{version} {lines:?}");
    };
    check("HTTP/1.1", "Content-Length: 1\r\n", true);
    check("HTTP/1.1", "Transfer-Encoding: chunked\r\n", true);
    check("HTTP/1.1", "Content-Length: 0\r\n", false);
    check("HTTP/1.1", "", false);
    check("HTTP/1.0", "Content-Length: 1\r\n", false);
    refuse_field("Expect: 200-ok", RequestError::ExpectationUnknown);
    refuse_field("Expect: 100-continue, x", RequestError::ExpectationUnknown);
}

#[test]
fn framing_is_what_the_only_framing_field_says() {
    let check =
        |lines: &str, expected| assert_eq!(parse(with_fields(lines)).unwrap().framing(), expected, "{lines}");
    check("X: y", BodyFraming::None);
    check("Content-Length: 0", BodyFraming::Length(0));
    check("Content-Length:\t 0042 ", BodyFraming::Length(42));
    check("Content-Length: 9999999999999999999", BodyFraming::Length(9_999_999_999_999_999_999));
    check("transfer-encoding: Chunked", BodyFraming::Chunked);
}

#[test]
fn fields_that_end_at_this_hop_are_told_apart_rfc_9110_7_6_1() {
    let lines = "Connection: close, X-Secret , x_forwarded_for\r\nX_SECRET: 1\r\nTE: trailers\r\nKeep_Alive: 5\r\n\
                 X-Forwarded-For: 192.0.2.1\r\nAccept: */*\r\nUpgrade: websocket";
    let input = with_fields(lines);
    let head = parse(&input).unwrap();
    let request = head.view(input.as_bytes());
    let kept: Vec<_> =
        request.fields().filter(|field| !request.is_hop_by_hop(field)).map(|field| field.name).collect();
    assert_eq!(kept, [&b"Host"[..], b"Accept"]);
    assert_eq!(
        request.connection_options().collect::<Vec<_>>(),
        [&b"close"[..], b"X-Secret", b"x_forwarded_for"]
    );
}

#[test]
fn unknown_methods_are_the_edges_to_answer() {
    let input = b"BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = parse(input).unwrap();
    assert_eq!((head.method(), head.view(input).method_name()), (Method::Other, "BREW"));
    assert_eq!(parse("get / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().method(), Method::Other);
}

// ── Line ends, RFC 9112 §2.2 ──

#[test]
fn only_crlf_ends_a_line_rfc_9112_2_2() {
    refuse("GET / HTTP/1.1\nHost: a\n\n", FieldError::BareLineFeed);
    refuse("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", FieldError::BareLineFeed);
    refuse("GET / HTTP/1.1\r\nHost: a\r\n\n", FieldError::BareLineFeed);
    refuse_field("X: a\n\nGET /admin HTTP/1.1", FieldError::BareLineFeed);
    refuse_field("X: a\rY: b", FieldError::BareCarriageReturn);
    refuse_field("X: a\r\r\nY: b", FieldError::BareCarriageReturn);
    refuse_field("X: a\r", FieldError::BareCarriageReturn);
    refuse("GET /\rHTTP/1.1\r\nHost: a\r\n\r\n", FieldError::BareCarriageReturn);
}

#[test]
fn control_characters_are_nowhere_rfc_9110_5_5() {
    for control in (0..0x20_u8).chain([0x7f]).filter(|byte| !b"\t\n\r".contains(byte)) {
        let control = char::from(control);
        refuse_field(&format!("X: a{control}b"), FieldError::ControlCharacter);
        refuse_field(&format!("X{control}: a"), FieldError::ControlCharacter);
        refuse_field(&format!("Transfer-Encoding: {control}chunked"), FieldError::ControlCharacter);
        refuse_line(&format!("GET /{control} HTTP/1.1"), FieldError::ControlCharacter);
    }
}

#[test]
fn a_tls_hello_on_a_plain_port_is_refused_at_its_first_byte() {
    refuse(b"\x16\x03\x01", FieldError::ControlCharacter);
}

// ── Request line, RFC 9112 §3 ──

#[test]
fn a_request_line_is_three_words_rfc_9112_3() {
    for line in ["GET", "GET /", "GET / HTTP/1.1 ", "GET / http/1.1", "GET / HTTP/1.1x", "GET / HTTP/1"] {
        refuse_line(line, RequestError::RequestLine);
    }
    refuse_line("GET / HTTP/11.1", RequestError::RequestLine);
    refuse_line("GET / HTTPS/1.1", RequestError::RequestLine);
    refuse_line("GET / HTTP /1.1", RequestError::RequestLine);
    refuse_line("GET\t/\tHTTP/1.1", RequestError::RequestLine);
    refuse_line("GET /\tHTTP/1.1", RequestError::RequestLine);
    refuse_line(" GET / HTTP/1.1", RequestError::MethodNotToken);
    refuse_line("GET  HTTP/1.1", TargetError::FormUnknown);
    refuse_line("GET  / HTTP/1.1", TargetError::CharacterInvalid);
    refuse_line("GET /  HTTP/1.1", TargetError::CharacterInvalid);
    refuse_line("GET / HTTP/1.1 HTTP/1.1", TargetError::CharacterInvalid);
}

#[test]
fn a_method_is_a_short_token_rfc_9110_9_1() {
    refuse_line("G(T / HTTP/1.1", RequestError::MethodNotToken);
    refuse_line("G\u{e9}T / HTTP/1.1", RequestError::MethodNotToken);
    refuse_line("\"GET\" / HTTP/1.1", RequestError::MethodNotToken);
    refuse_line("GET: / HTTP/1.1", RequestError::MethodNotToken);
    refuse_line(&format!("{} / HTTP/1.1", "A".repeat(METHOD_BYTES_MAX + 1)), RequestError::MethodTooLong);
    refuse("A".repeat(HEAD_BYTES_MAX), RequestError::MethodTooLong);
}

#[test]
fn connect_and_authority_form_are_refused_rfc_9112_3_2_3() {
    refuse_line("CONNECT a.example:443 HTTP/1.1", RequestError::ConnectRefused);
    refuse_line("CONNECT / HTTP/1.1", RequestError::ConnectRefused);
    refuse_line("GET a.example:443 HTTP/1.1", TargetError::FormUnknown);
}

#[test]
fn only_options_has_the_asterisk_rfc_9112_3_2_4() {
    let input = b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(parse(input).unwrap().view(input).path(), "*");
    refuse_line("GET * HTTP/1.1", TargetError::FormUnknown);
}

#[test]
fn a_target_holds_no_character_that_two_readers_could_take_apart_differently_rfc_3986() {
    refuse_line("GET /a#b HTTP/1.1", TargetError::CharacterInvalid);
    refuse_line("GET /a b HTTP/1.1", TargetError::CharacterInvalid);
    refuse_line("GET /a\tb HTTP/1.1", TargetError::CharacterInvalid);
    refuse_line("GET /caf\u{e9} HTTP/1.1", TargetError::CharacterInvalid);
    refuse_line("GET /..\\admin HTTP/1.1", TargetError::CharacterInvalid);
    refuse_line("GET /%zz HTTP/1.1", TargetError::EncodingInvalid);
    refuse_line("GET /a%00.png HTTP/1.1", TargetError::EncodingInvalid);
    refuse_line("GET admin HTTP/1.1", TargetError::FormUnknown);
    refuse_line("GET ?a HTTP/1.1", TargetError::FormUnknown);
    refuse_line("GET file:///etc/passwd HTTP/1.1", TargetError::FormUnknown);
}

#[test]
fn there_are_two_versions_rfc_9112_2_3() {
    for version in ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9"] {
        refuse_line(&format!("GET / {version}"), RequestError::VersionUnsupported);
    }
    refuse("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", RequestError::Http2Preface);
}

// ── Fields, RFC 9112 §5 ──

#[test]
fn no_whitespace_before_a_colon_rfc_9112_5_1() {
    refuse_field("Content-Length : 5", FieldError::WhitespaceBeforeColon);
    refuse_field("Transfer-Encoding\t: chunked", FieldError::WhitespaceBeforeColon);
}

#[test]
fn no_folded_lines_rfc_9112_5_2() {
    refuse_field("X: a\r\n b", FieldError::LineFolding);
    refuse_field("X:\r\n\ta", FieldError::LineFolding);
    refuse_field("Transfer-Encoding:\r\n\tchunked", FramingError::EncodingNotChunked);
    refuse("GET / HTTP/1.1\r\n Host: a\r\n\r\n", FieldError::LineFolding);
    refuse_field("X: a\r\n ", FieldError::LineFolding);
}

#[test]
fn a_field_name_is_a_token_rfc_9110_5_1() {
    refuse_field(": a", FieldError::NameNotToken);
    refuse_field("X Y: a", FieldError::NameNotToken);
    refuse_field("X(Y): a", FieldError::NameNotToken);
    refuse_field("X/Y: a", FieldError::NameNotToken);
    refuse_field("\u{fb01}eld: a", FieldError::NameNotToken);
    refuse_field("Content-Length\u{a0}: 5", FieldError::NameNotToken);
    refuse_field("X", FieldError::MissingColon);
    refuse_field("GET /admin HTTP/1.1", FieldError::NameNotToken);
}

#[test]
fn a_framing_field_cannot_hide_behind_an_underscore() {
    refuse_field("Content_Length: 5", FieldError::DisguisedFraming);
    refuse_field("TRANSFER_ENCODING: chunked", FieldError::DisguisedFraming);
}

// ── Host, RFC 9112 §3.2 ──

#[test]
fn there_is_exactly_one_host_rfc_9112_3_2() {
    refuse("GET / HTTP/1.1\r\n\r\n", HostError::Missing);
    refuse("GET / HTTP/1.0\r\n\r\n", HostError::Missing);
    refuse_field("Host: b.example", HostError::Repeated);
    refuse_field("hOST: a.example", HostError::Repeated);
}

#[test]
fn host_is_one_name_with_an_optional_port_rfc_9110_7_2() {
    for host in
        ["", "a, b", "a b", "u@a", "a/b", "http//a", "a\\b", "[::1", "a..b", "\u{e9}.example", "a%2eb"]
    {
        refuse(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), HostError::NameInvalid);
    }
    for host in ["a:", "a:80:80", "a:http", "a:99999", "a:80, b:80"] {
        refuse(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), HostError::PortInvalid);
    }
}

// ── Framing, RFC 9112 §6 ──

#[test]
fn content_length_is_one_plain_number_rfc_9110_8_6() {
    for value in ["", "+5", "-5", "0x5", "5, 5", "5,5", "5 5", "5;", "5.0", "1e3", "\u{665}", "five", ",5"] {
        refuse_field(&format!("Content-Length: {value}"), FramingError::LengthNotNumber);
    }
    refuse_field("Content-Length: 18446744073709551616", FramingError::LengthNotNumber);
    refuse_field("Content-Length: 00000000000000000005", FramingError::LengthNotNumber);
    refuse_field("Content-Length: 5\r\nContent-Length: 6", FramingError::LengthRepeated);
    refuse_field("Content-Length: 5\r\ncontent-length: 5", FramingError::LengthRepeated);
}

#[test]
fn transfer_encoding_is_chunked_and_nothing_else_rfc_9112_6_1() {
    for value in [
        "",
        "xchunked",
        "chunkedx",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, identity",
        "chunked;q=1",
        "\"chunked\"",
        "'chunked'",
        "chun ked",
        "cow",
        "\u{212a}chunked",
    ] {
        refuse_field(&format!("Transfer-Encoding: {value}"), FramingError::EncodingNotChunked);
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked";
    refuse_field(twice, FramingError::EncodingRepeated);
    refuse_field("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", FramingError::EncodingRepeated);
    refuse_field("Transfer-Encoding: x\r\nTransfer-Encoding: chunked", FramingError::EncodingNotChunked);
}

#[test]
fn length_and_encoding_exclude_each_other_rfc_9112_6_1() {
    refuse_field("Content-Length: 5\r\nTransfer-Encoding: chunked", FramingError::LengthAndEncoding);
    refuse_field("Transfer-Encoding: chunked\r\nContent-Length: 5", FramingError::LengthAndEncoding);
    refuse_field("Transfer-Encoding: chunked\r\nContent-Length: 0", FramingError::LengthAndEncoding);
}

#[test]
fn http_1_0_knows_no_transfer_encoding_rfc_9112_6_1() {
    let input = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    refuse(input, FramingError::EncodingBelowHttp11);
}

#[test]
fn connection_nominates_no_framing_rfc_9110_7_6_1() {
    for option in ["Host", "content-length", "Transfer-Encoding", "transfer_encoding"] {
        refuse_field(&format!("Connection: close, {option}"), FieldError::ConnectionNominatesFraming);
    }
    refuse_field("Connection: a b", FieldError::ConnectionOptionNotToken);
    refuse_field("Connection: \"close\"", FieldError::ConnectionOptionNotToken);
}

// ── Limits ──

#[test]
fn a_target_of_8_192_bytes_passes_and_a_longer_one_is_414() {
    let line = |len: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(len - 1));
    assert!(parse(line(TARGET_BYTES_MAX)).is_ok());
    refuse(line(TARGET_BYTES_MAX + 1), TargetError::TooLong);
    refuse(format!("GET /{}", "a".repeat(TARGET_BYTES_MAX * 2)), TargetError::TooLong);
}

#[test]
fn a_head_of_32_768_bytes_passes_and_a_longer_one_is_494() {
    let head = |len: usize| {
        let rest = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n";
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(len - rest.len()))
    };
    assert!(parse(head(HEAD_BYTES_MAX)).is_ok());
    assert!(parse(format!("\r\n{}", head(HEAD_BYTES_MAX))).is_ok());
    refuse(head(HEAD_BYTES_MAX + 1), RequestError::HeadTooLarge);
    refuse(format!("\r\n{}", head(HEAD_BYTES_MAX + 1)), RequestError::HeadTooLarge);
}

#[test]
fn fields_are_counted_one_by_one() {
    let fields = |count: usize| vec!["Cookie: a"; count].join("\r\n");
    assert!(parse(with_fields(&fields(HEAD_FIELDS_MAX - 1))).is_ok());
    refuse(with_fields(&fields(HEAD_FIELDS_MAX)), FieldError::TooMany);
}

#[test]
fn every_refusal_has_its_status() {
    let check = |error: RequestError, status| assert_eq!(error.status(), status, "{error}");
    check(TargetError::TooLong.into(), 414);
    check(TargetError::FormUnknown.into(), 400);
    check(RequestError::HeadTooLarge, 494);
    check(FieldError::TooMany.into(), 494);
    check(FieldError::BareLineFeed.into(), 400);
    check(FramingError::LengthAndEncoding.into(), 400);
    check(FramingError::EncodingNotChunked.into(), 400);
    check(HostError::Missing.into(), 400);
    check(RequestError::VersionUnsupported, 505);
    check(RequestError::Http2Preface, 505);
    check(RequestError::MethodTooLong, 501);
    check(RequestError::ExpectationUnknown, 417);
    check(RequestError::ConnectRefused, 400);
}
