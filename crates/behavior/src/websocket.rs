//! WebSocket handshakes, as a viewer begins them (RFC 6455 section 4.1).

use edge_config::Method;

use crate::HttpVersion;
use crate::field::is_same_name;
use crate::origin_request::{OriginRequest, by_policies};

/// The key of a WebSocket handshake; nothing if the request is none, or if its policies keep the key or the
/// version from the origin, which could then not answer ("Use WebSockets").
///
/// That `Connection` nominates `Upgrade` is for the caller to know: it is a matter of the connection.
pub fn websocket_key<'a>(
    request: &OriginRequest<'_>,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Option<&'a [u8]> {
    if request.method != Method::Get || !has_handshakes(request.version) {
        return None;
    }
    let (mut is_asked_for, mut key, mut version) = (false, None, None);
    for (name, value) in fields {
        if is_same_name(name, b"upgrade") {
            is_asked_for |= names_websocket(value);
        }
        let single = if is_same_name(name, b"sec-websocket-key") {
            &mut key
        } else if is_same_name(name, b"sec-websocket-version") {
            &mut version
        } else {
            continue;
        };
        if single.replace(value).is_some() || by_policies(request, name).is_err() {
            return None;
        }
    }
    key.filter(|_| is_asked_for && version.is_some())
}

/// RFC 6455 section 4.1 has none before HTTP/1.1; those of HTTP/2 (RFC 8441) are written as in HTTP/1.1 here.
fn has_handshakes(version: HttpVersion) -> bool {
    matches!(version, HttpVersion::Http11 | HttpVersion::Http2)
}

/// Whether a list of protocols has WebSocket in it; every other one is not for this connection.
pub fn names_websocket(protocols: &[u8]) -> bool {
    protocols
        .split(|&byte| byte == b',')
        .any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::distribution;
    use crate::{Scheme, ViewerFacts};

    const HANDSHAKE: [(&str, &str); 4] = [
        ("Host", "viewer.test"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];

    fn check(method: Method, version: HttpVersion, fields: &[(&str, &str)], expect: Option<&str>) {
        let cache_behavior = distribution().default_cache_behavior;
        let request = OriginRequest {
            cache_behavior: &cache_behavior,
            origin: &cache_behavior.origin,
            method,
            host: "viewer.test",
            scheme: Scheme::Https,
            version,
            viewer: "192.0.2.7:4711".parse().unwrap(),
            facts: &ViewerFacts::default(),
            request_id: b"id",
            via_id: "abc",
        };
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        assert_eq!(websocket_key(&request, fields), expect.map(str::as_bytes));
    }

    #[test]
    fn f1_a_handshake_has_a_key() {
        let key = Some("dGhlIHNhbXBsZSBub25jZQ==");
        check(Method::Get, HttpVersion::Http11, &HANDSHAKE, key);
        check(Method::Get, HttpVersion::Http2, &HANDSHAKE, key);
        let mut among_others = HANDSHAKE;
        among_others[1] = ("upgrade", "h2c, WebSocket");
        check(Method::Get, HttpVersion::Http11, &among_others, key);
    }

    #[test]
    fn f1_what_is_not_quite_a_handshake_has_none() {
        check(Method::Post, HttpVersion::Http11, &HANDSHAKE, None);
        check(Method::Get, HttpVersion::Http10, &HANDSHAKE, None);
        for left_out in 1..HANDSHAKE.len() {
            let mut fields = HANDSHAKE.to_vec();
            fields.remove(left_out);
            check(Method::Get, HttpVersion::Http11, &fields, None);
            let twice: Vec<_> = HANDSHAKE.iter().chain(&HANDSHAKE[2..3]).copied().collect();
            check(Method::Get, HttpVersion::Http11, &twice, None);
        }
    }
}
