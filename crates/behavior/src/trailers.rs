//! The trailer section of a response: what of it the viewer gets.

use edge_config::LinkedCacheBehavior;

use crate::field::{FieldSink, ResponseField, classify_response_field, is_same_name, starts_with};
use crate::response_headers::removes;

/// Fields that mean something before the body is read, and nothing or something else behind it. RFC 9110
/// section 6.5.1 forbids those of framing, routing, authentication, request modifiers, response control
/// data and the content's format; who merges trailers into the head all the same must not be led astray.
const FORBIDDEN: [&[u8]; 31] = [
    b"age",
    b"allow",
    b"authorization",
    b"cache-control",
    b"content-disposition",
    b"content-encoding",
    b"content-language",
    b"content-location",
    b"content-range",
    b"content-type",
    b"cookie",
    b"date",
    b"expect",
    b"expires",
    b"forwarded",
    b"host",
    b"keep-alive",
    b"location",
    b"max-forwards",
    b"pragma",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"range",
    b"refresh",
    b"retry-after",
    b"server",
    b"strict-transport-security",
    b"timing-allow-origin",
    b"vary",
    b"warning",
    b"www-authenticate",
];

/// Families of such fields: those of CORS and of content security are the response headers policy's to
/// say, `If-…` are conditions.
const FORBIDDEN_PREFIXES: [&[u8]; 3] = [b"access-control-", b"content-security-policy", b"if-"];

/// Writes the trailer fields of the origin's response that the viewer gets: never one that may not be a
/// trailer, nor one that would not pass in the head.
pub fn write_viewer_trailers<'a>(
    cache_behavior: &LinkedCacheBehavior,
    trailers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    sink: &mut impl FieldSink,
) {
    let policy = cache_behavior.response_headers_policy.as_deref();
    for (name, value) in trailers.filter(|(name, _)| may_be_trailer(name)) {
        let is_the_policys = policy.is_some_and(|policy| {
            removes(policy, name)
                || policy.headers.iter().any(|header| is_same_name(header.name.as_bytes(), name))
        });
        if !is_the_policys {
            sink.field(name, &[value]);
        }
    }
}

fn may_be_trailer(name: &[u8]) -> bool {
    classify_response_field(name) == ResponseField::Ordinary
        && !FORBIDDEN.iter().any(|forbidden| is_same_name(name, forbidden))
        && !FORBIDDEN_PREFIXES.iter().any(|prefix| starts_with(name, prefix))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use edge_config::{ResponseHeader, ResponseHeadersPolicy};

    use super::*;
    use crate::tests::{Fields, distribution};

    fn check(cache_behavior: &LinkedCacheBehavior, trailers: &[(&str, &str)], expect: &str) {
        let mut sink = Fields::default();
        let trailers = trailers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        write_viewer_trailers(cache_behavior, trailers, &mut sink);
        assert_eq!(sink.0, expect);
    }

    #[test]
    fn what_must_be_known_before_the_body_is_no_trailer() {
        let cache_behavior = distribution().default_cache_behavior;
        let names =
            ["Content-Length", "Transfer-Encoding", "Trailer", "Set-Cookie", "Via", "X-Cache", "Alt-Svc"];
        let forbidden = FORBIDDEN.map(|name| str::from_utf8(name).unwrap());
        for name in names.into_iter().chain(forbidden) {
            check(&cache_behavior, &[(name, "x"), (&name.replace('-', "_"), "x")], "");
        }
        check(&cache_behavior, &[("If-Match", "x"), ("Access-Control-Allow-Origin", "*")], "");
        check(
            &cache_behavior,
            &[("Digest", "sha-256=x"), ("grpc-status", "0"), ("grpc-message", "")],
            "Digest: sha-256=x\ngrpc-status: 0\ngrpc-message: \n",
        );
    }

    #[test]
    fn what_a_policy_removes_or_sets_in_the_head_is_no_trailer() {
        let mut cache_behavior = distribution().default_cache_behavior;
        let headers =
            vec![ResponseHeader { name: "X-Set".into(), value: "ours".into(), overrides_origin: false }];
        cache_behavior.response_headers_policy = Some(Arc::new(ResponseHeadersPolicy {
            headers,
            removed_headers: vec!["X-Powered-By".into()],
            ..ResponseHeadersPolicy::default()
        }));
        let trailers = [("x-powered-by", "demo"), ("x-set", "theirs"), ("x-checksum", "1")];
        check(&cache_behavior, &trailers, "x-checksum: 1\n");
    }
}
