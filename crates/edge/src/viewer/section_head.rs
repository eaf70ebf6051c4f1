//! The head of an HTTP/2 or an HTTP/3 request, which comes as a field section, rewritten as an HTTP/1.1 head.
//!
//! So there is one parser, one set of rules and one form for everything behind it: what `http1`
//! refuses of an HTTP/1.1 viewer it refuses of the others too. Before, everything that only they can get
//! wrong is checked here: pseudo-header fields that are missing, repeated, late or made up (RFC 9113 section 8.3, RFC
//! 9114 section 4.3), names in upper case, fields of a connection, and above all that no part can end a line (RFC
//! 9113 section 8.2, RFC 9114 section 4.2, which has the same rules).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use behavior::{EdgeError, Scheme};
use field_compression::{Bounds, FieldSection, TooLarge};
use http1::limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX, TARGET_BYTES_MAX};
use http1::{BodyFraming, RequestError, TargetError, is_field_name, is_field_value};

use super::refusal;
use crate::buffer::Buffer;
use crate::limits::SMALL_BUFFER_BYTES;

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadFault {
    /// RFC 9113 section 8.1.1, RFC 9114 section 4.1.2.
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
    /// The rules of all versions.
    #[error(transparent)]
    Refused(#[from] RequestError),
}

impl From<TooLarge> for HeadFault {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
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

/// What a crumb of Cookie may be shorter than it is counted, since all become one field.
const CRUMB_BYTES: usize = "cookie: \r\n".len() - "; ".len();

/// What a section may hold: the fields of a head with `:method`, `:scheme`, `:authority`, `:path` and `:protocol`,
/// and as many bytes as a head in HTTP/1.1's form certainly has no room for.
pub(super) const SECTION_BOUNDS: Bounds =
    Bounds { fields: HEAD_FIELDS_MAX + 5, bytes: HEAD_BYTES_MAX + CRUMB_BYTES * HEAD_FIELDS_MAX };

/// Whether requests may ask for a tunnel (RFC 8441).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tunnels {
    WebSocket,
    Unknown,
}

/// A field section as a request's head.
pub(super) struct SectionHead<'a> {
    section: &'a FieldSection,
    method: Option<&'a [u8]>,
    scheme: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    protocol: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
    content_length: Option<&'a [u8]>,
    /// How large the head will be, about.
    size: usize,
}

impl<'a> SectionHead<'a> {
    /// Looks at what the section says of the request as a whole. Refuses what has more fields than a head may have, or
    /// certainly more bytes, before anything is done with it.
    pub(super) fn read(section: &'a FieldSection, tunnels: Tunnels) -> Result<Self, HeadFault> {
        if section.left_out() == Some(b":path") {
            return Err(RequestError::from(TargetError::TooLong).into());
        }
        section.check()?;
        let mut head = Self {
            section,
            method: None,
            scheme: None,
            authority: None,
            path: None,
            protocol: None,
            host: None,
            content_length: None,
            size: section.size(),
        };
        let mut count = 0;
        for (name, value) in section.fields() {
            if name.first() == Some(&b':') {
                // Before all others.
                if count > 0 {
                    return Err(HeadFault::Malformed);
                }
                head.take_pseudo(name, value, tunnels)?;
            } else {
                count += 1;
                head.take_field(name, value)?;
            }
        }
        head.size += 4 * count;
        // `:authority` will be a field, too.
        if count + usize::from(head.host.is_none()) > HEAD_FIELDS_MAX {
            return Err(HeadFault::TooLarge);
        }
        if head.path.is_some_and(|path| path.len() > TARGET_BYTES_MAX) {
            return Err(RequestError::from(TargetError::TooLong).into());
        }
        head.check_pseudo().map(|()| head)
    }

    fn take_pseudo(&mut self, name: &[u8], value: &'a [u8], tunnels: Tunnels) -> Result<(), HeadFault> {
        let place = match name {
            b":method" => &mut self.method,
            b":scheme" => &mut self.scheme,
            b":authority" => &mut self.authority,
            b":path" => &mut self.path,
            b":protocol" if tunnels == Tunnels::WebSocket => &mut self.protocol,
            _ => return Err(HeadFault::Malformed),
        };
        if place.replace(value).is_some() { Err(HeadFault::Malformed) } else { Ok(()) }
    }

    fn take_field(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), HeadFault> {
        match name {
            b"host" if self.host.replace(value).is_some() => Err(HeadFault::Malformed),
            // Where there are several, the parser says no.
            b"content-length" => {
                self.content_length.get_or_insert(value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// RFC 9113 sections 8.3.1 and 8.5, RFC 8441 section 4.
    fn check_pseudo(&self) -> Result<(), HeadFault> {
        let is_connect = self.method == Some(b"CONNECT");
        match self.protocol {
            Some(b"websocket") if is_connect => self.check_target(),
            Some(_) if is_connect => self.check_target().and(Err(HeadFault::OtherTunnel)),
            Some(_) => Err(HeadFault::Malformed),
            None if is_connect && (self.scheme.is_some() || self.path.is_some()) => Err(HeadFault::Malformed),
            None if is_connect => Err(RequestError::ConnectRefused.into()),
            None => self.check_target(),
        }
    }

    fn check_target(&self) -> Result<(), HeadFault> {
        // What is no path the origin might read as another target, and no path has a fragment.
        let is_path = |path: &[u8]| {
            let is_sound = |byte: &u8| *byte > b' ' && *byte != 0x7f && *byte != b'#';
            (path.first() == Some(&b'/') || path == b"*") && path.iter().all(is_sound)
        };
        let is_whole =
            self.scheme.is_some() && self.path.is_some_and(is_path) && self.method.is_some_and(is_field_name);
        if is_whole { Ok(()) } else { Err(HeadFault::Malformed) }
    }

    /// Whether it is a WebSocket handshake: an extended CONNECT (RFC 8441 section 4).
    pub(super) fn is_websocket(&self) -> bool {
        self.protocol.is_some()
    }

    /// Whether the head fits a small buffer.
    pub(super) fn is_small(&self) -> bool {
        self.size <= SMALL_BUFFER_BYTES
    }

    /// Whether a body is to be expected: its length is told, or the method is one that has a body.
    pub(super) fn announces_body(&self) -> bool {
        self.content_length.is_some() || matches!(self.method, Some(b"POST" | b"PUT" | b"PATCH"))
    }

    /// How the body goes on to the origin. A length is what the viewer said it is; whether that is true
    /// shows with the body, and the origin sees no end before it does.
    pub(super) fn framing(&self, has_ended: bool) -> Result<BodyFraming, HeadFault> {
        // What a tunnel brings is nobody's body.
        if self.is_websocket() {
            return Ok(BodyFraming::None);
        }
        let Some(length) = self.content_length else {
            return Ok(if has_ended { BodyFraming::None } else { BodyFraming::Chunked });
        };
        let length = str::from_utf8(length).ok().and_then(|text| text.parse().ok());
        match length.ok_or(HeadFault::Malformed)? {
            // RFC 9113 section 8.1.1 and RFC 9114 section 4.1.2: malformed.
            1.. if has_ended => Err(HeadFault::Malformed),
            length => Ok(BodyFraming::Length(length)),
        }
    }

    /// Writes the head in HTTP/1.1's form, in the viewer's order, with `:authority` as Host and the crumbs of
    /// Cookie joined where the first of them was. An extended CONNECT becomes the handshake of HTTP/1.1 that it is for
    /// the origin.
    pub(super) fn write(&self, scheme: Scheme) -> Result<Buffer, HeadFault> {
        if self.scheme != Some(scheme.as_str().as_bytes()) {
            return Err(HeadFault::Malformed);
        }
        let mut out = Buffer::small();
        if !self.is_small() {
            out.grow_for_head();
        }
        let method = if self.is_websocket() { b"GET" } else { self.method.unwrap_or_default() };
        write(&mut out, &[method, b" ", self.path.unwrap_or_default(), b" HTTP/1.1\r\n"]);
        write_field(&mut out, b"host", self.host()?)?;
        if self.is_websocket() {
            self.write_handshake(&mut out)?;
        }
        let mut has_cookies = false;
        for (name, value) in self.section.fields() {
            match name {
                b"cookie" if has_cookies => {}
                b"cookie" => {
                    has_cookies = true;
                    self.write_cookies(&mut out)?;
                }
                b"host" | [b':', ..] => {}
                name => write_field(&mut out, name, value)?,
            }
        }
        write(&mut out, &[b"\r\n"]);
        Ok(out)
    }

    /// `:authority`, or Host where there is none; both must agree (RFC 9113 section 8.3.1).
    fn host(&self) -> Result<&'a [u8], HeadFault> {
        match (self.authority, self.host) {
            (Some(authority), Some(host)) if !host.eq_ignore_ascii_case(authority) => {
                Err(HeadFault::Malformed)
            }
            (Some(host), _) | (None, Some(host)) => Ok(host),
            (None, None) => Err(HeadFault::Malformed),
        }
    }

    /// What HTTP/1.1 has besides: a key for the origin to answer, random as RFC 6455 section 4.1 wants it.
    fn write_handshake(&self, out: &mut Buffer) -> Result<(), HeadFault> {
        if self.section.fields().any(|(name, _)| has_no_place_in_tunnels(name)) {
            return Err(HeadFault::Malformed);
        }
        let mut nonce = [0; 16];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| HeadFault::TooMuchAtOnce("no random numbers"))?;
        let key = BASE64_STANDARD.encode(nonce);
        let upgrade = b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ";
        write(out, &[upgrade, key.as_bytes(), b"\r\n"]);
        Ok(())
    }

    /// RFC 9113 section 8.2.3: crumbs are joined before they leave HTTP/2.
    fn write_cookies(&self, out: &mut Buffer) -> Result<(), HeadFault> {
        let crumbs = self.section.fields().filter(|(name, _)| *name == b"cookie");
        for (number, (_, crumb)) in crumbs.enumerate() {
            check_field(b"cookie", crumb)?;
            check_room(out)?;
            write(out, &[if number == 0 { b"cookie: " } else { b"; " }, crumb]);
        }
        write(out, &[b"\r\n"]);
        Ok(())
    }
}

/// Whether a section of trailers is one: pseudo-header fields have no place in it (RFC 9113 section 8.1, RFC 9114
/// section 4.3), nor have fields of a connection.
pub(super) fn are_trailers(section: &FieldSection) -> bool {
    section.check().is_ok() && section.fields().all(|(name, value)| check_field(name, value).is_ok())
}

/// Fields of one connection, which HTTP/2 does not have (RFC 9113 section 8.2.2).
fn is_of_connection(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => true,
        b"te" => value != b"trailers",
        _ => false,
    }
}

/// Fields of a WebSocket handshake that HTTP/2 does not have, since `:protocol` says as much (RFC 8441 section 5); and a
/// length, where there is no body but a tunnel.
fn has_no_place_in_tunnels(name: &[u8]) -> bool {
    matches!(name, b"sec-websocket-key" | b"sec-websocket-accept" | b"content-length")
}

/// What a field may be (RFC 9113 section 8.2.1).
fn check_field(name: &[u8], value: &[u8]) -> Result<(), HeadFault> {
    let is_valid = is_field_name(name)
        && !name.iter().any(u8::is_ascii_uppercase)
        && is_field_value(value)
        && value.trim_ascii().len() == value.len()
        && !is_of_connection(name, value);
    if is_valid { Ok(()) } else { Err(HeadFault::Malformed) }
}

fn check_room(out: &Buffer) -> Result<(), HeadFault> {
    if out.len() > HEAD_BYTES_MAX { Err(HeadFault::TooLarge) } else { Ok(()) }
}

fn write_field(out: &mut Buffer, name: &[u8], value: &[u8]) -> Result<(), HeadFault> {
    check_field(name, value)?;
    check_room(out)?;
    write(out, &[name, b": ", value, b"\r\n"]);
    Ok(())
}

fn write(out: &mut Buffer, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use http3::{FieldSectionWriter, decode_field_section};

    use super::*;

    type Field = (&'static str, &'static str);

    const GET: [Field; 4] =
        [(":method", "GET"), (":scheme", "https"), (":authority", "a.test"), (":path", "/x?y=1")];
    const TUNNEL: [Field; 5] =
        [(":method", "CONNECT"), GET[1], GET[2], (":path", "/chat?room=1"), (":protocol", "websocket")];

    fn rewritten_with(fields: &[(&str, &str)], tunnels: Tunnels) -> Result<String, HeadFault> {
        let mut section = Vec::new();
        let mut writer = FieldSectionWriter::begin(&mut section);
        for (name, value) in fields {
            writer.field(name.as_bytes(), &[value.as_bytes()]);
        }
        let section = decode_field_section(&section, SECTION_BOUNDS).map_err(|_| HeadFault::TooLarge)?;
        let out = SectionHead::read(&section, tunnels)?.write(Scheme::Https)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    fn rewritten(fields: &[(&str, &str)]) -> Result<String, HeadFault> {
        rewritten_with(fields, Tunnels::WebSocket)
    }

    fn check(fields: &[(&str, &str)], expect: Result<&str, HeadFault>) {
        assert_eq!(rewritten(fields).as_deref().map_err(|fault| *fault), expect, "{fields:?}");
    }

    fn check_malformed(fields: &[(&str, &str)]) {
        check(fields, Err(HeadFault::Malformed));
    }

    #[test]
    fn a_head_has_the_same_meaning_in_all_versions() {
        let fields = [&GET[..], &[("cookie", "a=1"), ("x-b", "2"), ("cookie", "c=3")]].concat();
        check(&fields, Ok("GET /x?y=1 HTTP/1.1\r\nhost: a.test\r\ncookie: a=1; c=3\r\nx-b: 2\r\n\r\n"));
        let by_host = [GET[0], GET[1], GET[3], ("host", "a.test")];
        check(&by_host, Ok("GET /x?y=1 HTTP/1.1\r\nhost: a.test\r\n\r\n"));
        let options = [(":method", "OPTIONS"), GET[1], GET[2], (":path", "*")];
        check(&options, Ok("OPTIONS * HTTP/1.1\r\nhost: a.test\r\n\r\n"));
        let trailers = [&GET[..], &[("te", "trailers")]].concat();
        check(&trailers, Ok("GET /x?y=1 HTTP/1.1\r\nhost: a.test\r\nte: trailers\r\n\r\n"));
    }

    #[test]
    fn host_and_authority_must_agree() {
        let with = |fields: &[Field]| [&GET[..], fields].concat();
        check(&with(&[("host", "A.test")]), Ok("GET /x?y=1 HTTP/1.1\r\nhost: a.test\r\n\r\n"));
        check_malformed(&with(&[("host", "b.test")]));
        check_malformed(&with(&[("host", "a.test"), ("host", "a.test")]));
    }

    #[test]
    fn pseudo_header_fields_come_first_and_once_and_all() {
        for left_out in GET {
            check_malformed(&GET.into_iter().filter(|field| *field != left_out).collect::<Vec<_>>());
            check_malformed(&[&GET[..], &[left_out]].concat());
        }
        check_malformed(&[&GET[..3], &[("x-a", "1")], &GET[3..]].concat());
        check_malformed(&[&GET[..], &[(":protocol", "websocket")]].concat());
        check_malformed(&[&GET[..], &[(":status", "200")]].concat());
        check_malformed(&[(":method", ""), GET[1], GET[2], GET[3]]);
    }

    #[test]
    fn what_cannot_be_a_head_is_malformed() {
        for field in [
            ("X-A", "1"),
            ("x a", "1"),
            ("", "1"),
            ("x-a", "1\r\nb: 2"),
            ("x-a", "\0"),
            ("x-a", " b"),
            ("cookie", "a\r\nb"),
            ("te", "gzip"),
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
        ] {
            check_malformed(&[&GET[..], &[field]].concat());
        }
        for path in ["", "x", "http://b.test/", "/a b", "/a\r\n", "/a#b", "*x y"] {
            check_malformed(&[GET[0], GET[1], GET[2], (":path", path)]);
        }
        for method in ["GET /x HTTP/1.1\r\na: b\r\n\r\nGET", "G T", "GE\0T"] {
            check_malformed(&[(":method", method), GET[1], GET[2], GET[3]]);
        }
        check_malformed(&[GET[0], (":scheme", "http"), GET[2], GET[3]]);
        check_malformed(&[GET[0], GET[1], (":authority", "a.test\r\nx: y"), GET[3]]);
    }

    #[test]
    fn an_extended_connect_becomes_a_handshake() {
        let fields = [&TUNNEL[..], &[("sec-websocket-version", "13"), ("cookie", "a=1")]].concat();
        let heads = [(), ()].map(|()| rewritten(&fields).unwrap());
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
        for protocol in ["connect-udp", "WebSocket", ""] {
            check(&[&TUNNEL[..4], &[(":protocol", protocol)]].concat(), Err(HeadFault::OtherTunnel));
        }
        for name in ["sec-websocket-key", "sec-websocket-accept", "content-length"] {
            check_malformed(&[&TUNNEL[..], &[(name, "1")]].concat());
        }
        for left_out in &TUNNEL[1..4] {
            check_malformed(&TUNNEL.into_iter().filter(|field| field != left_out).collect::<Vec<_>>());
        }
        check_malformed(&[&TUNNEL[..], &TUNNEL[4..]].concat());
        let unknown = rewritten_with(&TUNNEL, Tunnels::Unknown);
        assert_eq!(unknown, Err(HeadFault::Malformed));
    }

    #[test]
    fn connect_is_refused_as_in_every_version() {
        let connect = [(":method", "CONNECT"), (":authority", "a.test:443")];
        check(&connect, Err(RequestError::ConnectRefused.into()));
        check_malformed(&[&connect[..], &GET[1..2]].concat());
        check_malformed(&[&connect[..], &GET[3..]].concat());
    }

    #[test]
    fn crumbs_count_one_by_one() {
        let crumbs = |count| [&GET[..], &vec![("cookie", "a"); count]].concat();
        let joined = ["a"; HEAD_FIELDS_MAX - 1].join("; ");
        let head = format!("GET /x?y=1 HTTP/1.1\r\nhost: a.test\r\ncookie: {joined}\r\n\r\n");
        check(&crumbs(HEAD_FIELDS_MAX - 1), Ok(&head));
        check(&crumbs(HEAD_FIELDS_MAX), Err(HeadFault::TooLarge));
    }

    #[test]
    fn what_is_too_large_is_told_by_its_kind() {
        let path = format!("/{}", "a".repeat(TARGET_BYTES_MAX));
        let long_path = [GET[0], GET[1], GET[2], (":path", path.as_str())];
        check(&long_path, Err(RequestError::from(TargetError::TooLong).into()));
        let large = "a".repeat(2 * HEAD_BYTES_MAX);
        check(&[&GET[..], &[("x-large", large.as_str())]].concat(), Err(HeadFault::TooLarge));
    }

    #[test]
    fn trailers_are_fields_of_no_connection() {
        let check = |name: &str, value: &str, expect| {
            let mut out = Vec::new();
            FieldSectionWriter::begin(&mut out).field(name.as_bytes(), &[value.as_bytes()]);
            assert_eq!(are_trailers(&decode_field_section(&out, SECTION_BOUNDS).unwrap()), expect, "{name}");
        };
        check("x-checksum", "1", true);
        for (name, value) in [(":path", "/"), ("connection", "close"), ("x-a", "a\r\nb: c"), ("X-A", "1")] {
            check(name, value, false);
        }
    }

    #[test]
    fn a_length_is_one_and_true() {
        let check = |length: &'static str, has_ended, expect| {
            let mut out = Vec::new();
            let mut writer = FieldSectionWriter::begin(&mut out);
            for (name, value) in GET.into_iter().chain([("content-length", length)]) {
                writer.field(name.as_bytes(), &[value.as_bytes()]);
            }
            let section = decode_field_section(&out, SECTION_BOUNDS).unwrap();
            assert_eq!(SectionHead::read(&section, Tunnels::Unknown).unwrap().framing(has_ended), expect);
        };
        check("5", false, Ok(BodyFraming::Length(5)));
        check("0", true, Ok(BodyFraming::Length(0)));
        check("5", true, Err(HeadFault::Malformed));
        check("five", false, Err(HeadFault::Malformed));
    }
}
