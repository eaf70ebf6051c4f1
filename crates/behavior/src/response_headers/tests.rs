use edge_config::CorsHeaders;

use super::*;
use crate::tests::Fields;

const ORIGIN: (&str, &str) = ("Origin", "https://app.test");
const TIMING: ServerTiming<'static> = ServerTiming {
    upstream: Some(UpstreamTiming {
        dns: Duration::from_millis(3),
        connect: Duration::from_micros(20_900),
        first_byte: Duration::from_millis(177),
    }),
    pop: "LOC1-P1",
    request_id: "id",
    downstream_first_byte: Duration::from_millis(436),
};

/// What becomes of a response's fields in the answer to a request.
fn written(
    policy: &ResponseHeadersPolicy,
    method: &str,
    request: &[(&str, &str)],
    response: &[(&str, &str)],
) -> String {
    fn bytes<'a>(fields: &'a [(&str, &str)]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
        fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    }
    let request = HeadersRequest::read(Scheme::Https, method, bytes(request));
    let mut sink = Fields::default();
    AppliedHeaders::new(policy, request, 250_000, TIMING).write(bytes(response), &mut sink);
    sink.0
}

fn header(name: &str, value: &str, overrides_origin: bool) -> ResponseHeader {
    ResponseHeader { name: name.to_owned(), value: value.to_owned(), overrides_origin }
}

fn cors(change: impl FnOnce(&mut CorsHeaders)) -> ResponseHeadersPolicy {
    let mut cors = CorsHeaders {
        allow_origins: vec!["https://app.test".to_owned()],
        allow_methods: vec!["GET".to_owned(), "PUT".to_owned()],
        allow_headers: vec!["Authorization".to_owned()],
        expose_headers: vec!["ETag".to_owned()],
        max_age_seconds: Some(600),
        ..CorsHeaders::default()
    };
    change(&mut cors);
    ResponseHeadersPolicy { cors: Some(cors), ..ResponseHeadersPolicy::default() }
}

#[test]
fn d10_a_header_is_added_and_replaces_the_origins_only_if_it_says_so() {
    let policy = ResponseHeadersPolicy {
        headers: vec![header("X-Kept", "ours", false), header("X-Replaced", "ours", true)],
        ..ResponseHeadersPolicy::default()
    };
    assert_eq!(written(&policy, "GET", &[], &[]), "X-Kept: ours\nX-Replaced: ours\n");
    assert_eq!(
        written(&policy, "GET", &[], &[("x-kept", "theirs"), ("x-replaced", "theirs"), ("Other", "1")]),
        "x-kept: theirs\nOther: 1\nX-Replaced: ours\n"
    );
}

#[test]
fn removing_comes_first_and_adding_after_it() {
    let policy = ResponseHeadersPolicy {
        headers: vec![header("X-Powered-By", "a mantlet", false)],
        removed_headers: vec!["x-powered-by".to_owned(), "Vary".to_owned()],
        ..ResponseHeadersPolicy::default()
    };
    let response = [("X-Powered-By", "theirs"), ("Vary", "Cookie"), ("ETag", "1")];
    assert_eq!(written(&policy, "GET", &[], &response), "ETag: 1\nX-Powered-By: a mantlet\n");
}

#[test]
fn what_may_not_be_touched_is_neither_removed_nor_set() {
    let policy = ResponseHeadersPolicy {
        headers: vec![header("Content-Length", "5", true), header("X-Amz-Cf-Id", "forged", true)],
        removed_headers: vec!["Content-Encoding".to_owned(), "X-Edge-Location".to_owned()],
        ..ResponseHeadersPolicy::default()
    };
    let response = [("Content-Encoding", "gzip"), ("X-Edge-Location", "1")];
    assert_eq!(written(&policy, "GET", &[], &response), "Content-Encoding: gzip\nX-Edge-Location: 1\n");
}

#[test]
fn a_server_and_a_date_that_are_removed_are_replaced() {
    let removed_headers = vec!["Server".to_owned(), "Date".to_owned()];
    let mut policy = ResponseHeadersPolicy { removed_headers, ..ResponseHeadersPolicy::default() };
    let response = [("Server", "demo"), ("Date", "today")];
    assert_eq!(written(&policy, "GET", &[], &response), "Server: CloudFront\n");
    let needs_date = |policy: &ResponseHeadersPolicy, origin_has_one| {
        let request = HeadersRequest::read(Scheme::Https, "GET", std::iter::empty());
        AppliedHeaders::new(policy, request, 0, TIMING).needs_date(origin_has_one)
    };
    assert!(needs_date(&policy, true));
    policy.headers = vec![header("Date", "never", false), header("Server", "none", false)];
    assert!(!needs_date(&policy, true) && !needs_date(&policy, false));
    assert_eq!(written(&policy, "GET", &[], &response), "Date: never\nServer: none\n");
}

#[test]
fn d10_cors_headers_answer_cors_requests_from_allowed_origins_alone() {
    let policy = cors(|_| {});
    assert_eq!(written(&policy, "GET", &[], &[]), "Vary: Origin\n");
    assert_eq!(written(&policy, "GET", &[("Origin", "https://evil.test")], &[]), "Vary: Origin\n");
    assert_eq!(
        written(&policy, "GET", &[ORIGIN], &[]),
        "Vary: Origin\nAccess-Control-Allow-Origin: https://app.test\nAccess-Control-Expose-Headers: ETag\n"
    );
    assert_eq!(
        written(&policy, "OPTIONS", &[ORIGIN], &[("Vary", "Accept, Origin")]),
        "Vary: Accept, Origin\n\
         Access-Control-Allow-Origin: https://app.test\n\
         Access-Control-Allow-Methods: GET, PUT\n\
         Access-Control-Allow-Headers: Authorization\n\
         Access-Control-Max-Age: 600\n\
         Access-Control-Expose-Headers: ETag\n"
    );
}

#[test]
fn d10_any_origin_is_a_star_and_varies_nothing() {
    let policy = cors(|cors| {
        cors.allow_origins = vec!["*".to_owned()];
        cors.exposes_to_preflight_alone = true;
    });
    assert_eq!(written(&policy, "GET", &[("Origin", "null")], &[]), "Access-Control-Allow-Origin: *\n");
}

#[test]
fn d10_origin_override_decides_whose_cors_headers_stay() {
    let theirs = [
        ("Access-Control-Allow-Origin", "https://other.test"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "X-Theirs"),
        ("Vary", "Origin"),
    ];
    let kept = "Access-Control-Allow-Origin: https://other.test\nAccess-Control-Allow-Credentials: true\n\
                Access-Control-Expose-Headers: X-Theirs\nVary: Origin\n";
    assert_eq!(written(&cors(|_| {}), "GET", &[ORIGIN], &theirs), kept);
    let overriding = cors(|cors| cors.overrides_origin = true);
    assert_eq!(
        written(&overriding, "GET", &[ORIGIN], &theirs),
        "Vary: Origin\nAccess-Control-Allow-Origin: https://app.test\nAccess-Control-Expose-Headers: ETag\n"
    );
    assert_eq!(written(&overriding, "GET", &[("Origin", "https://evil.test")], &theirs), "Vary: Origin\n");
    let silent = cors(|cors| {
        cors.overrides_origin = true;
        cors.expose_headers = Vec::new();
    });
    assert!(
        written(&silent, "GET", &[ORIGIN], &theirs).contains("Access-Control-Expose-Headers: X-Theirs"),
        "what is not in the policy is the origin's to say"
    );
}

#[test]
fn credentials_are_allowed_in_so_many_words() {
    let policy = cors(|cors| cors.allow_credentials = true);
    assert!(written(&policy, "GET", &[ORIGIN], &[]).contains("Access-Control-Allow-Credentials: true\n"));
}

#[test]
fn strict_transport_security_is_for_https_alone() {
    let policy = ResponseHeadersPolicy {
        headers: vec![header("Strict-Transport-Security", "max-age=1", true), header("X-A", "1", true)],
        ..ResponseHeadersPolicy::default()
    };
    let mut sink = Fields::default();
    let request = HeadersRequest::read(Scheme::Http, "GET", std::iter::empty());
    AppliedHeaders::new(&policy, request, 0, TIMING).write(std::iter::empty(), &mut sink);
    assert_eq!(sink.0, "X-A: 1\n");
}

#[test]
fn an_answer_of_the_edge_is_not_kept_as_long_as_the_origins() {
    let policy = ResponseHeadersPolicy {
        headers: vec![header("Cache-Control", "max-age=1", true), header("X-A", "1", true)],
        ..ResponseHeadersPolicy::default()
    };
    let mut sink = Fields::default();
    let request = HeadersRequest::read(Scheme::Https, "GET", std::iter::empty());
    let headers = AppliedHeaders::new(&policy, request, 0, TIMING).for_edge_answer();
    headers.write(std::iter::empty(), &mut sink);
    assert_eq!(sink.0, "X-A: 1\n");
}

#[test]
fn d11_server_timing_is_one_header_for_the_sampled_and_for_who_asks() {
    let of_rate = |sampled| ResponseHeadersPolicy {
        server_timing: Some(ServerTimingHeader { sampled }),
        ..ResponseHeadersPolicy::default()
    };
    let ours = "cdn-upstream-layer;desc=\"EDGE\",cdn-upstream-dns;dur=3,cdn-upstream-connect;dur=20,\
                cdn-upstream-fbl;dur=177,cdn-cache-miss,cdn-pop;desc=\"LOC1-P1\",cdn-rid;desc=\"id\",\
                cdn-downstream-fbl;dur=436";
    assert_eq!(written(&of_rate(250_001), "GET", &[], &[]), format!("Server-Timing: {ours}\n"));
    assert_eq!(written(&of_rate(250_000), "GET", &[], &[("Server-Timing", "db")]), "Server-Timing: db\n");
    assert_eq!(
        written(&of_rate(0), "GET", &[("Pragma", "server-timing")], &[("server-timing", "db;dur=3")]),
        format!("Server-Timing: {ours},db;dur=3\n")
    );
}
