//! What is special about which header field.

/// Takes header fields on their way out. A value comes in parts, which belong together without
/// anything between them.
pub trait FieldSink {
    /// One field.
    fn field(&mut self, name: &str, value: &[&[u8]]);
}

/// Whether two field names are the same to a careless reader: case never matters (RFC 9110 section
/// 5.1), and CGI, WSGI and their heirs turn `-` into `_` and cannot tell the two apart afterwards.
pub fn is_same_name(left: &str, right: &str) -> bool {
    left.len() == right.len()
        && left.bytes().zip(right.bytes()).all(|(left, right)| fold(left) == fold(right))
}

fn fold(byte: u8) -> u8 {
    match byte {
        b'_' => b'-',
        _ => byte.to_ascii_lowercase(),
    }
}

/// Whether a name begins like this, to the same reader.
pub(crate) fn starts_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| is_same_name(start, prefix))
}

/// What the edge does with a field of the viewer's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestField {
    /// Forwarded if a policy says so.
    Ordinary,
    /// Describes the message or its body, or a condition on it: forwarded whatever the policies say.
    Always,
    /// Forwarded under a policy, else replaced by the edge's own.
    UserAgent,
    /// Forwarded with methods that change something, else by policy.
    Authorization,
    /// Forwarded as sent, or normalised when a cache policy compresses.
    AcceptEncoding,
    /// Its own policy decides.
    Cookie,
    /// Re-made from the validated host.
    Host,
    /// The viewer's values stay in front of ours.
    ForwardedFor,
    /// The viewer's values stay in front of ours.
    Via,
    /// Never forwarded: it is about the connection, or ours to say.
    Dropped,
}

/// Fields of one connection (RFC 9110 section 7.6.1), of framing, and those that CloudFront removes
/// ("Request and response behavior for custom origins", the table of request headers).
const DROPPED_FROM_REQUESTS: [&str; 14] = [
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "x-real-ip",
    "x-forwarded-proto",
    "x-amz-cf-id",
];

/// Forwarded without being asked for (same table).
const ALWAYS_FORWARDED: [&str; 9] = [
    "cache-control",
    "pragma",
    "max-forwards",
    "range",
    "request-range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
];

pub(crate) fn classify_request_field(name: &str) -> RequestField {
    let class = classify_by_name(name);
    // `X_Forwarded_For` is not `X-Forwarded-For` to us, but it is to the origin's framework: what is
    // special under one spelling must not pass under another.
    if class != RequestField::Ordinary && name.as_bytes().contains(&b'_') {
        RequestField::Dropped
    } else {
        class
    }
}

fn classify_by_name(name: &str) -> RequestField {
    match name.as_bytes().first().copied().map(fold) {
        Some(b'a') if is_same_name(name, "accept-encoding") => RequestField::AcceptEncoding,
        Some(b'a') if is_same_name(name, "authorization") => RequestField::Authorization,
        Some(b'c') if is_same_name(name, "cookie") => RequestField::Cookie,
        Some(b'c') if starts_with(name, "cloudfront-") => RequestField::Dropped,
        Some(b'c') if is_same_name(name, "content-length") || is_same_name(name, "connection") => {
            RequestField::Dropped
        }
        Some(b'c') if starts_with(name, "content-") => RequestField::Always,
        Some(b'h') if is_same_name(name, "host") => RequestField::Host,
        Some(b'i') if is_same_name(name, "if-range") => RequestField::Always,
        Some(b'u') if is_same_name(name, "user-agent") => RequestField::UserAgent,
        Some(b'v') if is_same_name(name, "via") => RequestField::Via,
        Some(b'x') if is_same_name(name, "x-forwarded-for") => RequestField::ForwardedFor,
        Some(b'x') if starts_with(name, "x-edge-") => RequestField::Dropped,
        Some(b'k' | b't' | b'u' | b'e' | b'p' | b'x') if is_any(name, &DROPPED_FROM_REQUESTS) => {
            RequestField::Dropped
        }
        Some(b'c' | b'p' | b'm' | b'r' | b'i') if is_any(name, &ALWAYS_FORWARDED) => RequestField::Always,
        _ => RequestField::Ordinary,
    }
}

fn is_any(name: &str, names: &[&str]) -> bool {
    names.iter().any(|other| is_same_name(name, other))
}

/// What the edge does with a field of the origin's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseField {
    /// Passed on.
    Ordinary,
    /// Passed on when the origin got cookies in the first place.
    SetCookie,
    /// Not passed on.
    Dropped,
}

/// Fields of one connection, of framing, ours to say, or (`Alt-Svc`) a way around the edge.
const DROPPED_FROM_RESPONSES: [&str; 13] = [
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
    "te",
    "trailer",
    "upgrade",
    "proxy-connection",
    "via",
    "x-cache",
    "x-amz-cf-id",
    "x-amz-cf-pop",
    "alt-svc",
];

pub(crate) fn classify_response_field(name: &str) -> ResponseField {
    match name.as_bytes().first().copied().map(fold) {
        Some(b's') if is_same_name(name, "set-cookie") => ResponseField::SetCookie,
        Some(b'a' | b'c' | b'k' | b'p' | b't' | b'u' | b'v' | b'x')
            if is_any(name, &DROPPED_FROM_RESPONSES) =>
        {
            ResponseField::Dropped
        }
        _ => ResponseField::Ordinary,
    }
}

/// Whether a `Connection` field nominates a name for removal (RFC 9110 section 7.6.1).
pub(crate) fn is_nominated<'a>(name: &str, fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> bool {
    fields
        .filter(|(field, _)| is_same_name(field, "connection"))
        .flat_map(|(_, value)| value.split(|&byte| byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether any `Connection` field nominates more than the usual `close` and `keep-alive`: asked once
/// a message, so that the common case need not look at every field twice.
pub(crate) fn has_nominations<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> bool {
    fields
        .filter(|(field, _)| is_same_name(field, "connection"))
        .flat_map(|(_, value)| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|option| !option.eq_ignore_ascii_case(b"close") && !option.eq_ignore_ascii_case(b"keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expect: RequestField) {
        assert_eq!(classify_request_field(name), expect, "{name}");
    }

    #[test]
    fn fields_are_known_in_any_case() {
        check("HOST", RequestField::Host);
        check("accept-Encoding", RequestField::AcceptEncoding);
        check("Content-Type", RequestField::Always);
        check("X-Request-Id", RequestField::Ordinary);
        check("", RequestField::Ordinary);
    }

    #[test]
    fn every_dropped_and_always_name_is_found() {
        for name in DROPPED_FROM_REQUESTS {
            check(name, RequestField::Dropped);
        }
        for name in ALWAYS_FORWARDED {
            check(name, RequestField::Always);
        }
        for name in DROPPED_FROM_RESPONSES {
            assert_eq!(classify_response_field(name), ResponseField::Dropped, "{name}");
        }
        check("X-Edge-Anything", RequestField::Dropped);
        check("CloudFront-Viewer-Country", RequestField::Dropped);
    }

    #[test]
    fn an_underscore_does_not_smuggle_a_special_field() {
        check("X_Forwarded_For", RequestField::Dropped);
        check("X-Forwarded_Proto", RequestField::Dropped);
        check("Content_Length", RequestField::Dropped);
        check("CloudFront_Viewer_Address", RequestField::Dropped);
        check("my_header", RequestField::Ordinary);
    }

    #[test]
    fn a_connection_field_nominates_by_whole_names() {
        let fields: [(&str, &[u8]); 2] = [("Connection", b"close, X-Secret"), ("Connection", b"foo")];
        assert!(is_nominated("x-secret", fields.into_iter()));
        assert!(is_nominated("Foo", fields.into_iter()));
        assert!(!is_nominated("secret", fields.into_iter()));
        assert!(has_nominations(fields.into_iter()));
        assert!(!has_nominations([("connection", b"Keep-Alive, close".as_slice())].into_iter()));
    }
}
