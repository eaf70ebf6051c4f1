//! CORS headers of a response headers policy ("Understand response headers policies", CORS headers).

use edge_config::CorsHeaders;

use crate::field::FieldSink;
use crate::response_headers::HeadersRequest;

const ALLOW_ORIGIN: &[u8] = b"Access-Control-Allow-Origin";
const ALLOW_CREDENTIALS: &[u8] = b"Access-Control-Allow-Credentials";
const ALLOW_METHODS: &[u8] = b"Access-Control-Allow-Methods";
const ALLOW_HEADERS: &[u8] = b"Access-Control-Allow-Headers";
const EXPOSE_HEADERS: &[u8] = b"Access-Control-Expose-Headers";
const MAX_AGE: &[u8] = b"Access-Control-Max-Age";

/// Digits of a port: 65535 has five.
const PORT_DIGITS_MAX: usize = 5;

/// Whether the policy's CORS headers replace the origin's one of this name.
///
/// The origin's consent to credentials goes in any case: that the policy has none is a setting too.
pub(crate) fn replaces(cors: &CorsHeaders, name: &[u8]) -> bool {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    cors.overrides_origin
        && (is(ALLOW_ORIGIN)
            || is(ALLOW_CREDENTIALS)
            || (is(ALLOW_METHODS) && !cors.allow_methods.is_empty())
            || (is(ALLOW_HEADERS) && !cors.allow_headers.is_empty())
            || (is(EXPOSE_HEADERS) && !cors.expose_headers.is_empty())
            || (is(MAX_AGE) && cors.max_age_seconds.is_some()))
}

/// Whether responses differ by the request's `Origin`, so that caches must keep them apart (Fetch
/// standard, "CORS protocol and HTTP caches").
pub(crate) fn depends_on_origin(cors: &CorsHeaders) -> bool {
    !cors.allow_origins.iter().any(|allowed| allowed == "*")
}

/// Adds what the answer to a CORS request gets. `has` tells what the origin has said already, which
/// stays unless the policy overrides it.
pub(crate) fn write(
    cors: &CorsHeaders,
    request: &HeadersRequest<'_>,
    has: impl Fn(&[u8]) -> bool,
    sink: &mut impl FieldSink,
) {
    let Some(allowed) = allowed_origin(cors, request.origin) else { return };
    let mut add = |name: &[u8], value: &[&[u8]]| {
        if !value.is_empty() && (cors.overrides_origin || !has(name)) {
            sink.field(name, value);
        }
    };
    add(ALLOW_ORIGIN, &[allowed]);
    if cors.allow_credentials {
        add(ALLOW_CREDENTIALS, &[b"true"]);
    }
    if request.is_options {
        add(ALLOW_METHODS, &listed(cors.allow_methods.iter().map(String::as_bytes)));
        add(ALLOW_HEADERS, &listed(allowed_headers(cors, request.requested_headers)));
        if let Some(seconds) = cors.max_age_seconds {
            add(MAX_AGE, &[seconds.to_string().as_bytes()]);
        }
    }
    // "For simple CORS requests, CloudFront adds only the Access-Control-Allow-Origin header" ("Use
    // managed response headers policies"); one's own policy exposes headers "in responses to CORS
    // requests" ("Understand response headers policies").
    if request.is_options || !cors.exposes_to_preflight_alone {
        add(EXPOSE_HEADERS, &listed(cors.expose_headers.iter().map(String::as_bytes)));
    }
}

/// What `Access-Control-Allow-Origin` says to a request; nothing where its origin may not read, or where
/// it names none and so is no CORS request.
fn allowed_origin<'a>(cors: &CorsHeaders, origin: Option<&'a [u8]>) -> Option<&'a [u8]> {
    let origin = origin?;
    if !depends_on_origin(cors) {
        return Some(b"*");
    }
    let text = str::from_utf8(origin).ok()?;
    cors.allow_origins.iter().any(|allowed| is_allowed(allowed, text)).then_some(origin)
}

/// Whether an origin is one of a pattern's, `[scheme://]host[:port]`. Without a scheme both of the web
/// are meant; without a port, none.
fn is_allowed(pattern: &str, origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let (wanted_scheme, wanted_authority) =
        pattern.split_once("://").map_or((None, pattern), |(scheme, rest)| (Some(scheme), rest));
    let is_scheme = match wanted_scheme {
        Some(wanted) => wanted.eq_ignore_ascii_case(scheme),
        None => scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"),
    };
    let (host, port) = split_port(authority);
    let (wanted_host, wanted_port) = split_port(wanted_authority);
    is_scheme && is_host(wanted_host, host) && is_port(wanted_port, port)
}

/// A host and its port; the address of a host has colons of its own.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn is_host(wanted: &str, host: &str) -> bool {
    let Some(parent) = wanted.strip_prefix('*') else { return wanted.eq_ignore_ascii_case(host) };
    // What stands for the wildcard goes into the response: nothing but labels may.
    let is_name =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let Some(start) = host.len().checked_sub(parent.len()).filter(|start| *start > 0) else { return false };
    match (host.get(..start), host.get(start..)) {
        (Some(label), Some(end)) => end.eq_ignore_ascii_case(parent) && is_name(label),
        _ => false,
    }
}

fn is_port(wanted: Option<&str>, port: Option<&str>) -> bool {
    match (wanted, port) {
        (None, port) => port.is_none(),
        (Some(wanted), None) => wanted == "*",
        (Some(wanted), Some(port)) => {
            let is_number = port.len() <= PORT_DIGITS_MAX && port.bytes().all(|byte| byte.is_ascii_digit());
            is_number && matches(wanted, port.as_bytes())
        }
    }
}

/// The names for `Access-Control-Allow-Headers`. Browsers know `*` alone for a wildcard: one within a
/// name stands for those of the requested headers that it matches.
fn allowed_headers<'a>(
    cors: &'a CorsHeaders,
    requested: Option<&'a [u8]>,
) -> impl Iterator<Item = &'a [u8]> + 'a {
    let is_pattern = |name: &&String| name.len() > 1 && name.contains('*');
    let named = cors.allow_headers.iter().filter(move |name| !is_pattern(name)).map(String::as_bytes);
    let requested = requested.unwrap_or_default().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let matched = requested.filter(move |name| {
        !name.is_empty()
            && cors.allow_headers.iter().filter(is_pattern).any(|pattern| matches(pattern, name))
            && !cors.allow_headers.iter().any(|other| other.as_bytes().eq_ignore_ascii_case(name))
    });
    named.chain(matched)
}

/// Whether `*` in a pattern can stand for what is left of a text, whatever the case.
fn matches(pattern: &str, text: &[u8]) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern.as_bytes().eq_ignore_ascii_case(text);
    };
    let begins = text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes()));
    begins && (start.len()..=text.len()).any(|from| matches(rest, text.get(from..).unwrap_or_default()))
}

/// A list as one value, in the parts that a sink takes.
fn listed<'a>(items: impl Iterator<Item = &'a [u8]>) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    for item in items {
        if !parts.is_empty() {
            parts.push(b", ".as_slice());
        }
        parts.push(item);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, allowed: &[&str], refused: &[&str]) {
        for origin in allowed {
            assert!(is_allowed(pattern, origin), "{pattern} should allow {origin}");
        }
        for origin in refused {
            assert!(!is_allowed(pattern, origin), "{pattern} should not allow {origin}");
        }
    }

    #[test]
    fn an_origin_is_compared_whole() {
        let others = ["https://example.org", "http://www.example.org", "http://example.org:80", "null", ""];
        check("http://example.org", &["http://example.org", "HTTP://EXAMPLE.org"], &others);
        check("http://example.org", &[], &["http://example.org.evil.test", "http://evil.test/example.org"]);
        check("example.org", &["http://example.org", "https://example.org"], &["app://example.org"]);
        check("app://localhost", &["app://localhost"], &["https://localhost"]);
    }

    #[test]
    fn a_wildcard_stands_for_labels_on_the_left() {
        check(
            "https://*.example.org",
            &["https://www.example.org", "https://a.b.example.org"],
            &[
                "https://example.org",
                "https://.example.org",
                "https://wwwexample.org",
                "http://www.example.org",
                "https://www.example.org:8443",
                "https://evil.test/.example.org",
                "https://evil.test#.example.org",
                "https://user@www.example.org",
            ],
        );
    }

    #[test]
    fn ports_are_given_or_left_open() {
        check("http://example.org:*", &["http://example.org", "http://example.org:81"], &[]);
        check(
            "http://example.org:1*3",
            &["http://example.org:13", "http://example.org:1893"],
            &[
                "http://example.org:12",
                "http://example.org",
                "http://example.org:1x3",
                "http://example.org:100003",
            ],
        );
        check("http://[::1]:3000", &["http://[::1]:3000"], &["http://[::1]"]);
        check("http://[::1]", &["http://[::1]"], &["http://[::1]:3000"]);
    }

    #[test]
    fn wildcards_within_header_names_stand_for_what_was_asked() {
        let cors = CorsHeaders {
            allow_headers: ["Authorization", "x-*-amz"].map(str::to_owned).to_vec(),
            ..CorsHeaders::default()
        };
        let allowed = |requested: &str| {
            let names = listed(allowed_headers(&cors, Some(requested.as_bytes())));
            String::from_utf8(names.concat()).unwrap()
        };
        assert_eq!(allowed("x-test-amz, x-other,X-2-Amz"), "Authorization, x-test-amz, X-2-Amz");
        assert_eq!(allowed("authorization"), "Authorization");
    }
}
