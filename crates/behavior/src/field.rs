//! What is special about which header field.

/// Takes header fields on their way out. A value comes in parts, which belong together without
/// anything between them.
pub trait FieldSink {
    /// One field.
    fn field(&mut self, name: &[u8], value: &[&[u8]]);
}

/// Whether two field names are the same to a careless reader: case never matters (RFC 9110 section
/// 5.1), and CGI, WSGI and their heirs turn `-` into `_` and cannot tell the two apart afterwards.
pub fn is_same_name(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let (Some(left_end), Some(right_end)) = (left.last_chunk::<8>(), right.last_chunk::<8>()) else {
        return left.iter().zip(right).all(|(left, right)| fold(*left) == fold(*right));
    };
    // Short and odd ends cost no loop of their own: the last bytes are looked at once more.
    let (left_words, right_words) = (left.as_chunks::<8>().0, right.as_chunks::<8>().0);
    is_same_word(*left_end, *right_end)
        && left_words.iter().zip(right_words).all(|(left, right)| is_same_word(*left, *right))
}

fn is_same_word(left: [u8; 8], right: [u8; 8]) -> bool {
    fold_word(u64::from_le_bytes(left)) == fold_word(u64::from_le_bytes(right))
}

/// As [`fold`], eight bytes at once. The top bit of each byte of a sum tells whether its lower seven bits are at least
/// so much; nothing is carried into the next byte.
fn fold_word(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let low = word & !TOPS;
    let at_least = |byte: u8| low + ONES * u64::from(0x80 - byte);
    let among = |first: u8, behind: u8| at_least(first) & !at_least(behind) & !word & TOPS;
    let (upper, underscore) = (among(b'A', b'Z' + 1), among(b'_', b'_' + 1));
    // Of `_` (0x5f) and `-` (0x2d) four bits differ.
    (word | upper >> 2) ^ ((underscore >> 7) * u64::from(b'_' ^ b'-'))
}

fn fold(byte: u8) -> u8 {
    match byte {
        b'_' => b'-',
        _ => byte.to_ascii_lowercase(),
    }
}

/// Whether a name begins like this, to the same reader.
pub(crate) fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
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

/// How it reads a name: as a careless reader does, so that what is special under one spelling does not pass
/// under another. `X_Forwarded_For` is not `X-Forwarded-For` to us, but it is to the origin's framework.
pub(crate) fn classify_request_field(name: &[u8]) -> RequestField {
    let class = classify_folded_request_field(FoldedName::of(name).as_bytes());
    if class != RequestField::Ordinary && name.contains(&b'_') { RequestField::Dropped } else { class }
}

/// "Request and response behavior for custom origins", the table of request headers. Dropped are fields of one
/// connection (RFC 9110 section 7.6.1), of framing, and those that CloudFront removes.
fn classify_folded_request_field(name: &[u8]) -> RequestField {
    match name {
        b"accept-encoding" => RequestField::AcceptEncoding,
        b"authorization" => RequestField::Authorization,
        b"cookie" => RequestField::Cookie,
        b"host" => RequestField::Host,
        b"user-agent" => RequestField::UserAgent,
        b"via" => RequestField::Via,
        b"x-forwarded-for" => RequestField::ForwardedFor,
        b"connection"
        | b"content-length"
        | b"expect"
        | b"keep-alive"
        | b"proxy-authenticate"
        | b"proxy-authorization"
        | b"proxy-connection"
        | b"te"
        | b"trailer"
        | b"transfer-encoding"
        | b"upgrade"
        | b"x-amz-cf-id"
        | b"x-forwarded-proto"
        | b"x-real-ip" => RequestField::Dropped,
        b"cache-control"
        | b"if-match"
        | b"if-modified-since"
        | b"if-none-match"
        | b"if-range"
        | b"if-unmodified-since"
        | b"max-forwards"
        | b"pragma"
        | b"range"
        | b"request-range" => RequestField::Always,
        _ if name.starts_with(b"content-") => RequestField::Always,
        _ if name.starts_with(b"cloudfront-") || name.starts_with(b"x-edge-") => RequestField::Dropped,
        _ => RequestField::Ordinary,
    }
}

/// A name as a careless reader has it, as far as it matters: none that is compared whole is as long.
struct FoldedName {
    bytes: [u8; 20],
    len: usize,
}

impl FoldedName {
    fn of(name: &[u8]) -> Self {
        let mut folded = Self { bytes: [0; 20], len: name.len().min(20) };
        for (to, from) in folded.bytes.iter_mut().zip(name) {
            *to = fold(*from);
        }
        folded
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
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

/// Those that are not ordinary. Dropped are fields of one connection, of framing, ours to say, or (`Alt-Svc`) a way
/// around the edge.
const RESPONSE_FIELDS: [(&[u8], ResponseField); 14] = [
    (b"alt-svc", ResponseField::Dropped),
    (b"connection", ResponseField::Dropped),
    (b"content-length", ResponseField::Dropped),
    (b"keep-alive", ResponseField::Dropped),
    (b"proxy-connection", ResponseField::Dropped),
    (b"set-cookie", ResponseField::SetCookie),
    (b"te", ResponseField::Dropped),
    (b"trailer", ResponseField::Dropped),
    (b"transfer-encoding", ResponseField::Dropped),
    (b"upgrade", ResponseField::Dropped),
    (b"via", ResponseField::Dropped),
    (b"x-amz-cf-id", ResponseField::Dropped),
    (b"x-amz-cf-pop", ResponseField::Dropped),
    (b"x-cache", ResponseField::Dropped),
];

pub(crate) fn classify_response_field(name: &[u8]) -> ResponseField {
    if !RESPONSE_FIELD_SHAPES.have(name) {
        return ResponseField::Ordinary;
    }
    let found = RESPONSE_FIELDS.iter().find(|(other, _)| is_same_name(name, other));
    found.map_or(ResponseField::Ordinary, |(_, field)| *field)
}

const RESPONSE_FIELD_SHAPES: Shapes = {
    let mut shapes = Shapes([0; Shapes::LENGTHS]);
    let mut at = 0;
    while at < RESPONSE_FIELDS.len() {
        shapes = shapes.with(RESPONSE_FIELDS[at].0);
        at += 1;
    }
    shapes
};

/// Lengths and first letters of names: a name that shares both with none of them need not be read further, and most
/// do not.
struct Shapes([u32; Shapes::LENGTHS]);

impl Shapes {
    const LENGTHS: usize = 20;

    const fn with(mut self, name: &[u8]) -> Self {
        self.0[name.len()] |= Self::bit(name[0]);
        self
    }

    /// The same for a letter in both cases; others that share it are told apart later.
    const fn bit(first: u8) -> u32 {
        1 << (first & 0x1f)
    }

    fn have(&self, name: &[u8]) -> bool {
        let (Some(first), Some(firsts)) = (name.first(), self.0.get(name.len())) else { return false };
        firsts & Self::bit(*first) != 0
    }
}

/// Whether a `Connection` field nominates a name for removal (RFC 9110 section 7.6.1).
pub(crate) fn is_nominated<'a>(name: &[u8], fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> bool {
    fields
        .filter(|(field, _)| is_same_name(field, b"connection"))
        .flat_map(|(_, value)| value.split(|&byte| byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(name))
}

/// Whether any `Connection` field nominates more than the usual `close` and `keep-alive`: asked once
/// a message, so that the common case need not look at every field twice.
pub(crate) fn has_nominations<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> bool {
    let is_usual =
        |option: &[u8]| option.eq_ignore_ascii_case(b"keep-alive") || option.eq_ignore_ascii_case(b"close");
    let nominates = |value: &[u8]| {
        // Nearly always there is one option, and it is usual.
        !is_usual(value) && !value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).all(is_usual)
    };
    let mut connection_fields = fields.filter(|(field, _)| is_same_name(field, b"connection"));
    connection_fields.any(|(_, value)| nominates(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expect: RequestField) {
        assert_eq!(classify_request_field(name.as_bytes()), expect, "{name}");
    }

    #[test]
    fn fields_are_known_in_any_case() {
        check("HOST", RequestField::Host);
        check("accept-Encoding", RequestField::AcceptEncoding);
        check("AUTHORIZATION", RequestField::Authorization);
        check("Cookie", RequestField::Cookie);
        check("User-Agent", RequestField::UserAgent);
        check("VIA", RequestField::Via);
        check("X-Forwarded-For", RequestField::ForwardedFor);
        check("If-Unmodified-Since", RequestField::Always);
        check("Content-Type", RequestField::Always);
        check("Content-Security-Policy-Report-Only", RequestField::Always);
        check("Proxy-Authorization", RequestField::Dropped);
        check("X-Edge-Anything", RequestField::Dropped);
        check("CloudFront-Viewer-Country", RequestField::Dropped);
        check("X-Request-Id", RequestField::Ordinary);
        check("If-Unmodified-Since-X", RequestField::Ordinary);
        check("", RequestField::Ordinary);
        assert_eq!(classify_response_field(b"SET-COOKIE"), ResponseField::SetCookie);
        assert_eq!(classify_response_field(b"Proxy_Connection"), ResponseField::Dropped);
        assert_eq!(classify_response_field(b"Transfer-Encoding-And-More"), ResponseField::Ordinary);
    }

    #[test]
    fn names_are_the_same_whatever_their_case_and_hyphens() {
        let name = b"x-http_method-override-1";
        for len in 0..name.len() {
            for at in 0..len {
                for byte in 0..=255 {
                    let mut other = *name;
                    other[at] = byte;
                    let is_same = is_same_name(&other[..len], &name[..len]);
                    assert_eq!(is_same, fold(byte) == fold(name[at]), "{byte:#x} at {at} of {len}");
                }
            }
        }
        assert!(!is_same_name(&name[1..], name));
    }

    #[test]
    fn every_dropped_and_always_name_is_found() {
        let of_both = [
            "connection",
            "keep-alive",
            "transfer-encoding",
            "content-length",
            "te",
            "trailer",
            "upgrade",
            "proxy-connection",
            "x-amz-cf-id",
        ];
        let of_requests =
            ["expect", "proxy-authenticate", "proxy-authorization", "x-real-ip", "x-forwarded-proto"];
        let of_responses = ["via", "x-cache", "x-amz-cf-pop", "alt-svc"];
        let always = [
            "cache-control",
            "pragma",
            "max-forwards",
            "range",
            "request-range",
            "if-match",
            "if-none-match",
            "if-modified-since",
            "if-range",
            "if-unmodified-since",
        ];
        for name in of_both.into_iter().chain(of_requests) {
            check(name, RequestField::Dropped);
        }
        for name in always {
            check(name, RequestField::Always);
        }
        for name in of_both.into_iter().chain(of_responses) {
            assert_eq!(classify_response_field(name.as_bytes()), ResponseField::Dropped, "{name}");
        }
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
        let fields: [(&[u8], &[u8]); 2] = [(b"Connection", b"close, X-Secret"), (b"Connection", b"foo")];
        assert!(is_nominated(b"x-secret", fields.into_iter()));
        assert!(is_nominated(b"Foo", fields.into_iter()));
        assert!(!is_nominated(b"secret", fields.into_iter()));
        assert!(has_nominations(fields.into_iter()));
        let usual: [(&[u8], &[u8]); 1] = [(b"connection", b"Keep-Alive, close")];
        assert!(!has_nominations(usual.into_iter()));
    }
}
