//! The head of an HTTP/2 or an HTTP/3 request, rewritten as an HTTP/1.1 head.
//!
//! So there is one parser, one set of rules and one form for everything behind it: what `http1`
//! refuses of an HTTP/1.1 viewer it refuses of the others too. Before, everything that only they can get
//! wrong is checked here, above all that no part can end a line (RFC 9113 section 8.2.1, and RFC 9114
//! section 4.2, which has the same rules).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use behavior::{EdgeError, Scheme};
use h2::ext::Protocol;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use http1::limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX, TARGET_BYTES_MAX};
use http1::{BodyFraming, RequestError, TargetError, is_field_name, is_field_value};

use super::refusal;
use crate::buffer::Buffer;
use crate::limits::SMALL_BUFFER_BYTES;

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadFault {
    /// RFC 9113 section 8.1.1.
    #[error("the request is malformed")]
    Malformed,
    /// Too many fields, of which cookie crumbs count one by one, since each costs its sender a byte or two;
    /// or too many bytes of them.
    #[error("the header is too large")]
    TooLarge,
    /// An extended CONNECT for something else than WebSocket.
    #[error("the tunnel is not for WebSocket")]
    OtherTunnel,
    /// The edge is at a limit of its own.
    #[error("there is too much at once: {0}")]
    TooMuchAtOnce(&'static str),
    /// The rules of both versions.
    #[error(transparent)]
    Refused(#[from] RequestError),
}

impl HeadFault {
    /// What the viewer is told.
    pub(super) fn answer(self) -> EdgeError {
        match self {
            Self::Malformed => EdgeError::BadRequest,
            Self::TooLarge => EdgeError::HeaderTooLarge,
            Self::OtherTunnel => EdgeError::TunnelNotSupported,
            Self::TooMuchAtOnce(_) => EdgeError::Overloaded,
            Self::Refused(error) => refusal(error),
        }
    }
}

/// Fields of one connection, which HTTP/2 does not have (RFC 9113 section 8.2.2).
const CONNECTION_SPECIFIC: [&str; 5] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// Fields of a WebSocket handshake that HTTP/2 does not have, since `:protocol` says as much (RFC 8441 section 5); and a
/// length, where there is no body but a tunnel.
const NOT_OF_TUNNELS: [&str; 3] = ["sec-websocket-key", "sec-websocket-accept", "content-length"];

/// How large the head will be, about. Refuses what has more fields than a head may have, or certainly more bytes,
/// before anything is done with it.
pub(super) fn check_size(parts: &Parts) -> Result<usize, HeadFault> {
    // Crumbs of Cookie become one field, so that each may be so much shorter than it is counted.
    const CRUMB_BYTES: usize = "cookie: \r\n".len() - "; ".len();
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET_BYTES_MAX {
        return Err(RequestError::from(TargetError::TooLong).into());
    }
    // `:authority` will be a field, too.
    let host = usize::from(!parts.headers.contains_key(header::HOST));
    let are_too_many = parts.headers.len() + host > HEAD_FIELDS_MAX;
    let fields = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let size = target + fields.sum::<usize>();
    let is_too_large = size > HEAD_BYTES_MAX + CRUMB_BYTES * HEAD_FIELDS_MAX;
    if are_too_many || is_too_large { Err(HeadFault::TooLarge) } else { Ok(size) }
}

/// Room for a head of this size.
pub(super) fn room_for(size: usize) -> Buffer {
    let mut room = Buffer::small();
    if size > SMALL_BUFFER_BYTES {
        room.grow_for_head();
    }
    room
}

/// How the body goes on to the origin. A length is what the viewer said it is; whether that is true
/// shows with the body, and the origin sees no end before it does.
pub(super) fn framing(fields: &HeaderMap, has_ended: bool) -> Result<BodyFraming, HeadFault> {
    match fields.get(header::CONTENT_LENGTH) {
        None if has_ended => Ok(BodyFraming::None),
        None => Ok(BodyFraming::Chunked),
        Some(length) => {
            let length = str::from_utf8(length.as_bytes()).ok().and_then(|text| text.parse().ok());
            match length.ok_or(HeadFault::Malformed)? {
                // RFC 9113 section 8.1.1 and RFC 9114 section 4.1.2: malformed.
                1.. if has_ended => Err(HeadFault::Malformed),
                length => Ok(BodyFraming::Length(length)),
            }
        }
    }
}

/// Whether that is a WebSocket handshake: an extended CONNECT (RFC 8441 section 4). `h2` has made sure that it is one
/// where `:protocol` is there.
pub(super) fn is_websocket(parts: &Parts) -> bool {
    parts.extensions.get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket")
}

/// Writes a head whose size has been checked in HTTP/1.1's form, in the viewer's order, with `:authority` as Host and the crumbs of
/// Cookie joined where the first of them was. An extended CONNECT becomes the handshake of HTTP/1.1 that it is for the
/// origin.
pub(super) fn rewrite(parts: &Parts, scheme: Scheme, out: &mut Buffer) -> Result<(), HeadFault> {
    let method = match (is_websocket(parts), parts.extensions.get::<Protocol>()) {
        (true, _) => "GET",
        (false, Some(_)) => return Err(HeadFault::OtherTunnel),
        (false, None) if parts.method == http::Method::CONNECT => {
            return Err(RequestError::ConnectRefused.into());
        }
        (false, None) => parts.method.as_str(),
    };
    if parts.uri.scheme_str() != Some(scheme.as_str()) {
        return Err(HeadFault::Malformed);
    }
    let target = parts.uri.path_and_query().ok_or(HeadFault::Malformed)?.as_str().as_bytes();
    // A word of the request line; whether it is a valid one is for the parser to say.
    if target.is_empty() || target.iter().any(|&byte| byte <= b' ' || byte == 0x7f) {
        return Err(HeadFault::Malformed);
    }
    write(out, &[method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"]);
    write_field(out, &header::HOST, &[host(parts)?])?;
    if is_websocket(parts) {
        write_handshake(&parts.headers, out)?;
    }
    let mut has_cookies = false;
    for (name, value) in &parts.headers {
        if CONNECTION_SPECIFIC.contains(&name.as_str()) || (name == header::TE && value != "trailers") {
            return Err(HeadFault::Malformed);
        }
        if name == header::COOKIE {
            if !std::mem::replace(&mut has_cookies, true) {
                write_cookies(out, &parts.headers)?;
            }
        } else if name != header::HOST {
            write_field(out, name, &[value.as_bytes()])?;
        }
    }
    write(out, &[b"\r\n"]);
    Ok(())
}

/// What HTTP/1.1 has besides: a key for the origin to answer, random as RFC 6455 section 4.1 wants it.
fn write_handshake(fields: &HeaderMap, out: &mut Buffer) -> Result<(), HeadFault> {
    if NOT_OF_TUNNELS.iter().any(|name| fields.contains_key(*name)) {
        return Err(HeadFault::Malformed);
    }
    let mut nonce = [0; 16];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| HeadFault::TooMuchAtOnce("no random numbers"))?;
    let key = BASE64_STANDARD.encode(nonce);
    write(
        out,
        &[b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ", key.as_bytes(), b"\r\n"],
    );
    Ok(())
}

/// `:authority`, or Host where there is none; both must agree (RFC 9113 section 8.3.1).
fn host(parts: &Parts) -> Result<&[u8], HeadFault> {
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    match (authority, hosts.next(), hosts.next()) {
        (Some(authority), None, _) => Ok(authority),
        (Some(authority), Some(host), None) if host.as_bytes().eq_ignore_ascii_case(authority) => {
            Ok(authority)
        }
        (None, Some(host), None) => Ok(host.as_bytes()),
        _ => Err(HeadFault::Malformed),
    }
}

/// RFC 9113 section 8.2.3: crumbs are joined before they leave HTTP/2.
fn write_cookies(out: &mut Buffer, fields: &HeaderMap) -> Result<(), HeadFault> {
    let mut crumbs = fields.get_all(header::COOKIE).iter();
    let Some(first) = crumbs.next() else { return Ok(()) };
    let mut parts = vec![first.as_bytes()];
    for crumb in crumbs {
        parts.extend([b"; ", crumb.as_bytes()]);
    }
    write_field(out, &header::COOKIE, &parts)
}

fn write_field(out: &mut Buffer, name: &HeaderName, value: &[&[u8]]) -> Result<(), HeadFault> {
    let is_sound = |part: &&[u8]| is_field_value(part) && part.trim_ascii().len() == part.len();
    let name = name.as_str().as_bytes();
    // "; " between crumbs is the one part that may end in a space.
    let is_valid = is_field_name(name) && value.iter().all(|part| *part == b"; " || is_sound(part));
    if !is_valid {
        return Err(HeadFault::Malformed);
    }
    if out.len() > HEAD_BYTES_MAX {
        return Err(HeadFault::TooLarge);
    }
    write(out, &[name, b": "]);
    write(out, value);
    write(out, &[b"\r\n"]);
    Ok(())
}

fn write(out: &mut Buffer, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(request: http::request::Builder, expect: Result<&str, HeadFault>) {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut out = Buffer::small();
        let rewritten = check_size(&parts)
            .and_then(|_| rewrite(&parts, Scheme::Https, &mut out))
            .map(|()| String::from_utf8_lossy(&out).into_owned());
        assert_eq!(rewritten.as_deref().map_err(|fault| *fault), expect);
    }

    #[test]
    fn a_head_has_the_same_meaning_in_both_versions() {
        check(
            Request::post("https://a.test/x?y=1")
                .header("cookie", "a=1")
                .header("x-b", "2")
                .header("cookie", "c=3"),
            Ok("POST /x?y=1 HTTP/1.1\r\nhost: a.test\r\ncookie: a=1; c=3\r\nx-b: 2\r\n\r\n"),
        );
    }

    #[test]
    fn host_and_authority_must_agree() {
        check(
            Request::get("https://a.test/").header("host", "A.test"),
            Ok("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        );
        check(Request::get("https://a.test/").header("host", "b.test"), Err(HeadFault::Malformed));
        check(
            Request::get("https://a.test/").header("host", "a.test").header("host", "a.test"),
            Err(HeadFault::Malformed),
        );
    }

    #[test]
    fn what_http2_does_not_have_is_malformed() {
        for (name, value) in [
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("x-a", " b"),
        ] {
            check(Request::get("https://a.test/").header(name, value), Err(HeadFault::Malformed));
        }
        check(Request::get("http://a.test/"), Err(HeadFault::Malformed));
        check(
            Request::get("https://a.test/").header("te", "trailers"),
            Ok("GET / HTTP/1.1\r\nhost: a.test\r\nte: trailers\r\n\r\n"),
        );
    }

    fn tunnel(protocol: &'static str) -> http::request::Builder {
        Request::connect("https://a.test/chat?room=1").extension(Protocol::from_static(protocol))
    }

    #[test]
    fn an_extended_connect_becomes_a_handshake() {
        let (parts, ()) = tunnel("websocket")
            .header("sec-websocket-version", "13")
            .header("cookie", "a=1")
            .body(())
            .unwrap()
            .into_parts();
        let heads = [(), ()].map(|()| {
            let mut out = Buffer::small();
            rewrite(&parts, Scheme::Https, &mut out).unwrap();
            String::from_utf8_lossy(&out).into_owned()
        });
        let (before, rest) = heads[0].split_once("sec-websocket-key: ").unwrap();
        let (key, after) = rest.split_once("\r\n").unwrap();
        let expect =
            "GET /chat?room=1 HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
        assert_eq!(before, expect);
        assert_eq!(after, "sec-websocket-version: 13\r\ncookie: a=1\r\n\r\n");
        assert_eq!(BASE64_STANDARD.decode(key).unwrap().len(), 16);
        assert_ne!(heads[0], heads[1], "each has a key of its own");
    }

    #[test]
    fn other_tunnels_are_refused() {
        check(tunnel("connect-udp"), Err(HeadFault::OtherTunnel));
        check(tunnel("WebSocket"), Err(HeadFault::OtherTunnel));
        check(Request::connect("a.test:443"), Err(RequestError::ConnectRefused.into()));
        for name in NOT_OF_TUNNELS {
            check(tunnel("websocket").header(name, "1"), Err(HeadFault::Malformed));
        }
    }

    #[test]
    fn crumbs_count_one_by_one() {
        let crumbs = |count| {
            (0..count).fold(Request::get("https://a.test/"), |request, _| request.header("cookie", "a"))
        };
        let joined = ["a"; HEAD_FIELDS_MAX - 1].join("; ");
        let head = format!("GET / HTTP/1.1\r\nhost: a.test\r\ncookie: {joined}\r\n\r\n");
        check(crumbs(HEAD_FIELDS_MAX - 1), Ok(&head));
        check(crumbs(HEAD_FIELDS_MAX), Err(HeadFault::TooLarge));
    }
}
