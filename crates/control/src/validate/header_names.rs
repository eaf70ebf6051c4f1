//! Names and values of header fields, and which names policies may list.

/// A token (RFC 9110 section 5.6.2), which is what a field name is.
pub(crate) fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}

/// Visible characters, with spaces and tabs between them (RFC 9110 section 5.5).
pub(crate) fn is_field_value(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte == b'\t' || byte.is_ascii_graphic())
        && text.trim().len() == text.len()
}

/// What the names of headers begin with that edges make.
pub(crate) const CLOUDFRONT_PREFIX: &str = "cloudfront-";

/// What edges can add, after the prefix ("Add CloudFront request headers", "Viewer mTLS headers").
const CLOUDFRONT_HEADERS: [&str; 34] = [
    "error-args",
    "error-uri",
    "forwarded-proto",
    "is-android-viewer",
    "is-desktop-viewer",
    "is-ios-viewer",
    "is-mobile-viewer",
    "is-smarttv-viewer",
    "is-tablet-viewer",
    "viewer-address",
    "viewer-asn",
    "viewer-cert-issuer",
    "viewer-cert-pem",
    "viewer-cert-present",
    "viewer-cert-serial-number",
    "viewer-cert-sha256",
    "viewer-cert-subject",
    "viewer-cert-validity",
    "viewer-city",
    "viewer-country",
    "viewer-country-name",
    "viewer-country-region",
    "viewer-country-region-name",
    "viewer-header-count",
    "viewer-header-order",
    "viewer-http-version",
    "viewer-ja3-fingerprint",
    "viewer-ja4-fingerprint",
    "viewer-latitude",
    "viewer-longitude",
    "viewer-metro-code",
    "viewer-postal-code",
    "viewer-time-zone",
    "viewer-tls",
];

/// Those of them that the same pages keep out of cache policies.
const UNCACHEABLE_CLOUDFRONT_HEADERS: [&str; 7] = [
    "viewer-address",
    "viewer-asn",
    "viewer-cert-pem",
    "viewer-cert-validity",
    "viewer-ja3-fingerprint",
    "viewer-ja4-fingerprint",
    "viewer-tls",
];

/// "Caching based on header values is supported: No" ("Request and response behavior for custom
/// origins"), but those that begin with [`EDGE_PREFIXES`].
const UNCACHEABLE_HEADERS: [&str; 16] = [
    "cache-control",
    "connection",
    "content-length",
    "cookie",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "request-range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-proto",
    "x-real-ip",
];

/// What edges remove or write anew whatever a policy says (same page), and what they sign with.
const UNFORWARDABLE_HEADERS: [&str; 13] = [
    "connection",
    "content-length",
    "cookie",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-amz-content-sha256",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Beginnings of names that edges keep to themselves.
const EDGE_PREFIXES: [&str; 2] = ["x-amz-cf-", "x-edge-"];

/// Why a header cannot be part of a cache key, and what to do instead.
pub(super) fn why_uncacheable(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix(CLOUDFRONT_PREFIX) {
        Some(rest) if UNCACHEABLE_CLOUDFRONT_HEADERS.contains(&rest) => {
            Some("It differs with every viewer: list it in an origin request policy instead.")
        }
        Some(rest) => why_unknown(rest),
        None if name == "cookie" => Some("Name cookies in CookiesConfig instead."),
        None if is_listed(&name, &UNCACHEABLE_HEADERS) => {
            Some("Responses cannot be cached by its value: leave it out.")
        }
        None => None,
    }
}

/// Why an origin request policy cannot bring a header to the origin, and what to do instead.
pub(super) fn why_unforwardable(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix(CLOUDFRONT_PREFIX) {
        Some(rest) => why_unknown(rest),
        None if name == "cookie" => Some("Name cookies in CookiesConfig instead."),
        None if name == "x-forwarded-proto" => Some("List CloudFront-Forwarded-Proto instead."),
        None if is_listed(&name, &UNFORWARDABLE_HEADERS) => {
            Some("Edges remove it or write their own, whatever a policy says: leave it out.")
        }
        None => None,
    }
}

/// Whether it is a header that edges add.
pub(super) fn is_cloudfront_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.strip_prefix(CLOUDFRONT_PREFIX).is_some_and(|rest| CLOUDFRONT_HEADERS.contains(&rest))
}

fn why_unknown(rest: &str) -> Option<&'static str> {
    (!CLOUDFRONT_HEADERS.contains(&rest))
        .then_some("No edge adds it: the names are those of \"Add CloudFront request headers\".")
}

fn is_listed(name: &str, names: &[&str]) -> bool {
    names.contains(&name) || EDGE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
