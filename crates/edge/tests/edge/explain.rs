//! What `explain` says is what the edge does: byte by byte what the origin gets, and how everything else
//! ends, for requests and policies made at random.

#![expect(clippy::unwrap_used, reason = "tests; their steps are functions of their own")]

use std::sync::Mutex;

use behavior::{HttpVersion, Scheme};
use edge::{Forwarded, GeoDatabase, Outcome, Question, explain};
use edge_config::{
    Bundle, CacheBehavior, CachePolicy, CachePolicySource, Distribution, HeaderSelection, MethodSet,
    NameSelection, OriginRequestPolicy, OriginRequestPolicySource, PathPattern, ResourceId, ResourceKind,
    ViewerProtocolPolicy,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use testkit::{FakeOrigin, FakeViewer, Message, TestEdge, distribution, http_origin};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// The edge's name in `Via`, as testkit gives it.
const VIA_ID: &str = "0123456789abcdef";
const CASES: usize = 400;

/// Names that mean something to somebody, under several spellings.
const HEADERS: &[&str] = &[
    "Accept",
    "accept-encoding",
    "Authorization",
    "CACHE-CONTROL",
    "CloudFront-Forwarded-Proto",
    "CloudFront-Viewer-Address",
    "CloudFront-Viewer-Http-Version",
    "Content-Type",
    "If-None-Match",
    "Origin",
    "Range",
    "Referer",
    "TE",
    "User-Agent",
    "Via",
    "X-Amz-Cf-Id",
    "X-Edge-Location",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Hop",
    "X-One",
    "x-two",
    "X_Two",
    "X-Real-IP",
];
const NAMES: &[&str] = &["a", "b", "c", "A"];
const PATHS: &[&str] =
    &["/", "/api/x", "/api", "/x/../api/y", "/%61pi/x", "/files//a", "/files/a.js", "/api;v=1/x"];
const PATTERNS: &[&str] = &["/api/*", "*.js", "/files/?", "/x*"];

#[derive(Clone, Debug)]
struct Case {
    cache_policy: CachePolicy,
    origin_request_policy: Option<OriginRequestPolicy>,
    custom_headers: Vec<(String, String)>,
    origin_path: String,
    patterns: Vec<&'static str>,
    viewer_protocol_policy: ViewerProtocolPolicy,
    methods: MethodSet,
    enabled: bool,
    request: Request,
}

#[derive(Clone, Debug)]
struct Request {
    method: &'static str,
    host: &'static str,
    path: &'static str,
    query: Option<String>,
    version: &'static str,
    fields: Vec<(&'static str, String)>,
    body: Option<usize>,
}

fn header_names() -> impl Strategy<Value = Vec<String>> {
    vec(prop::sample::select(HEADERS).prop_map(str::to_owned), 0..5)
}

fn names() -> impl Strategy<Value = Vec<String>> {
    vec(prop::sample::select(NAMES).prop_map(str::to_owned), 0..3)
}

fn name_selection() -> impl Strategy<Value = NameSelection> {
    prop_oneof![
        Just(NameSelection::None),
        Just(NameSelection::All),
        names().prop_map(NameSelection::Only),
        names().prop_map(NameSelection::AllExcept),
        vec(prop::sample::select(&["a*", "?"][..]).prop_map(str::to_owned), 1..3)
            .prop_map(NameSelection::Matching),
    ]
}

fn header_selection() -> impl Strategy<Value = HeaderSelection> {
    prop_oneof![
        Just(HeaderSelection::None),
        Just(HeaderSelection::AllViewer),
        header_names().prop_map(HeaderSelection::Only),
        header_names().prop_map(HeaderSelection::AllViewerAndCloudFront),
        header_names().prop_map(HeaderSelection::AllExcept),
    ]
}

prop_compose! {
    fn cache_policy()(
        accept_encoding_gzip in any::<bool>(),
        accept_encoding_brotli in any::<bool>(),
        headers in header_names(),
        cookies in name_selection(),
        query_strings in name_selection(),
    ) -> CachePolicy {
        CachePolicy {
            accept_encoding_gzip, accept_encoding_brotli, headers, cookies, query_strings, ..CachePolicy::default()
        }
    }
}

prop_compose! {
    fn origin_request_policy()(
        headers in header_selection(),
        cookies in name_selection(),
        query_strings in name_selection(),
    ) -> OriginRequestPolicy {
        OriginRequestPolicy { headers, cookies, query_strings }
    }
}

/// `a=1; b=2` or `a=1&b=2`, with empty parts among them.
fn pairs(joiner: &'static str) -> impl Strategy<Value = String> {
    let part = prop::sample::select(&["a=1", "b=2", "c", "A=x%20y", ""][..]);
    vec(part, 1..5).prop_map(move |parts| parts.join(joiner))
}

fn field() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![
        8 => (prop::sample::select(HEADERS), "[a-z0-9;=./ ,-]{1,12}")
            .prop_map(|(name, value)| (name, value.trim().to_owned())),
        2 => pairs("; ").prop_map(|value| ("Cookie", value.trim().to_owned())),
        1 => Just(("Accept-Encoding", "gzip, br;q=0.5, zstd".to_owned())),
        1 => Just(("Connection", "X-Hop, x-one".to_owned())),
    ]
}

prop_compose! {
    fn request()(
        method in prop::sample::select(&["GET", "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "TRACE"][..]),
        host in prop::sample::select(&["api.test", "api.test", "API.test:8080", "other.test"][..]),
        path in prop::sample::select(PATHS),
        query in prop::option::of(pairs("&")),
        version in prop::sample::select(&["1.1", "1.1", "1.1", "1.0"][..]),
        fields in vec(field(), 0..8),
        body in prop::option::of(0_usize..20),
    ) -> Request {
        Request { method, host, path, query, version, fields, body }
    }
}

prop_compose! {
    fn case()(
        cache_policy in cache_policy(),
        origin_request_policy in prop::option::weighted(0.8, origin_request_policy()),
        custom_headers in vec((prop::sample::select(&["X-One", "X-Own", "User-Agent"][..]), "[a-z]{1,5}"), 0..3),
        origin_path in prop::sample::select(&["", "", "/v1"][..]),
        patterns in vec(prop::sample::select(PATTERNS), 0..3),
        viewer_protocol_policy in prop::sample::select(&[
            ViewerProtocolPolicy::AllowAll, ViewerProtocolPolicy::AllowAll,
            ViewerProtocolPolicy::RedirectToHttps, ViewerProtocolPolicy::HttpsOnly,
        ][..]),
        methods in prop::sample::select(&[MethodSet::ALL, MethodSet::ALL, MethodSet::READ_ONLY][..]),
        enabled in prop::bool::weighted(0.95),
        request in request(),
    ) -> Case {
        let custom_headers = custom_headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Case {
            cache_policy, origin_request_policy, custom_headers, origin_path: origin_path.to_owned(), patterns,
            viewer_protocol_policy, methods, enabled, request,
        }
    }
}

impl Case {
    fn bundles(&self, origin: std::net::SocketAddr) -> Vec<(ResourceId, Bundle)> {
        let mut origin = http_origin(origin);
        origin.path.clone_from(&self.origin_path);
        origin.custom_headers.clone_from(&self.custom_headers);
        let mut distribution = distribution("api.test", origin);
        distribution.enabled = self.enabled;
        let default = CacheBehavior {
            path_pattern: None,
            target_origin_id: distribution.origins[0].id.clone(),
            viewer_protocol_policy: self.viewer_protocol_policy,
            allowed_methods: self.methods,
            caches_options: false,
            cache_policy: CachePolicySource::Inline(self.cache_policy.clone()),
            origin_request_policy: self
                .origin_request_policy
                .as_ref()
                .map(|_| OriginRequestPolicySource::Id("P1".to_owned())),
            response_headers_policy: None,
            grpc: None,
        };
        distribution.cache_behaviors = self.with_patterns(&default);
        let policy = self.origin_request_policy.clone().unwrap_or_default();
        vec![
            (ResourceId::new(ResourceKind::OriginRequestPolicy, "P1"), Bundle::OriginRequestPolicy(policy)),
            (ResourceId::new(ResourceKind::Distribution, "API"), Bundle::Distribution(distribution)),
        ]
    }

    /// Those with patterns forward nothing, so that it shows which one was taken.
    fn with_patterns(&self, default: &CacheBehavior) -> Vec<CacheBehavior> {
        let with_pattern = |pattern: &&str| CacheBehavior {
            path_pattern: Some(PathPattern::parse(pattern).unwrap()),
            cache_policy: CachePolicySource::Inline(CachePolicy::default()),
            origin_request_policy: None,
            ..default.clone()
        };
        self.patterns.iter().map(with_pattern).chain([default.clone()]).collect()
    }
}

impl Request {
    fn head(&self) -> String {
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let mut head =
            format!("{} {}{query} HTTP/{}\r\nHost: {}\r\n", self.method, self.path, self.version, self.host);
        for (name, value) in &self.fields {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if let Some(length) = self.body {
            head.extend(["Content-Length: ", &length.to_string(), "\r\n"]);
        }
        head + "\r\n"
    }
}

/// What came of a request.
struct Served {
    answer: Message,
    at_origin: Option<Message>,
}

async fn serve(viewer: &mut FakeViewer, request: &Request, received: &Mutex<Vec<Message>>) -> Served {
    viewer.send(request.head() + &"b".repeat(request.body.unwrap_or_default())).await;
    let answer =
        if request.method == "HEAD" { viewer.response_head().await } else { viewer.response().await };
    Served { answer, at_origin: received.lock().unwrap().pop() }
}

fn check_forwarded(case: &Case, forwarded: &Forwarded, at_origin: &Message) {
    let head = String::from_utf8(forwarded.head.clone()).unwrap();
    let mut lines = head.trim_end_matches("\r\n").split("\r\n");
    assert_eq!(lines.next(), Some(at_origin.first_line.as_str()), "{case:?}");
    // The id is another one each time.
    let id = |(name, value): &(String, String)| match name.as_str() {
        "X-Amz-Cf-Id" => format!("{name}: id"),
        _ => format!("{name}: {value}"),
    };
    let got: Vec<String> = at_origin.fields.iter().map(id).collect();
    assert_eq!(lines.collect::<Vec<_>>(), got, "{case:?}");
    let told = forwarded
        .sent
        .iter()
        .map(|field| format!("{}: {}", field.name, String::from_utf8_lossy(&field.value)));
    assert_eq!(told.collect::<Vec<_>>(), got, "{case:?}");
    for (name, _) in &case.request.fields {
        let is_told = forwarded.sent.iter().any(|field| field.name == *name)
            || forwarded.dropped.iter().any(|field| field.name == *name);
        assert!(is_told, "nothing is said of {name}: {case:?}");
    }
}

#[tokio::test]
async fn the_origin_gets_exactly_what_is_explained_and_everything_else_ends_as_explained() {
    let (origin, received) = FakeOrigin::bind().await.answering(|_| OK.to_vec());
    let edge = TestEdge::with([distribution("api.test", http_origin(origin))]).await;
    let mut runner = TestRunner::deterministic();
    let mut ends = [0; 3];
    for _ in 0..CASES {
        let case = case().new_tree(&mut runner).unwrap().current();
        edge.apply_bundles(case.bundles(origin)).await;
        let mut viewer = FakeViewer::connect(edge.http).await;
        let head = case.request.head();
        let question = Question {
            head: head.as_bytes(),
            scheme: Scheme::Http,
            version: if case.request.version == "1.0" { HttpVersion::Http10 } else { HttpVersion::Http11 },
            viewer: viewer.address,
            server_name: None,
            geo_database: &GeoDatabase::default(),
            https_port: edge.https.port(),
            request_id: "id",
            via_id: VIA_ID,
            pop: "pop",
            date: "now",
        };
        let explanation = explain(&edge.snapshot(), &question);
        let Served { answer, at_origin } = serve(&mut viewer, &case.request, &received).await;
        match (&explanation.outcome, at_origin) {
            (Outcome::Forwarded(forwarded), Some(at_origin)) => {
                ends[0] += 1;
                check_forwarded(&case, forwarded, &at_origin);
            }
            (Outcome::Redirected { status, location }, None) => {
                ends[1] += 1;
                assert_eq!(
                    (answer.status(), answer.value("location")),
                    (*status, Some(location.as_str())),
                    "{case:?}"
                );
            }
            (Outcome::Refused(refusal), None) => {
                ends[2] += 1;
                assert_eq!(answer.status(), refusal.error.status(), "{refusal:?}: {case:?}");
            }
            (outcome, at_origin) => panic!("{outcome:?}, but the origin got {at_origin:?}: {case:?}"),
        }
    }
    assert!(ends.iter().all(|&count| count > 10), "{ends:?}");
}

#[tokio::test]
async fn a_refusal_says_more_than_the_viewer_is_told() {
    let (origin, _) = FakeOrigin::bind().await.answering(|_| OK.to_vec());
    let mut disabled: Distribution = distribution("two.test", http_origin(origin));
    disabled.enabled = false;
    let edge = TestEdge::with([distribution("api.test", http_origin(origin)), disabled]).await;
    let why = |head: &str| {
        let question = Question {
            head: head.as_bytes(),
            scheme: Scheme::Https,
            version: HttpVersion::Http11,
            viewer: "192.0.2.1:5000".parse().unwrap(),
            server_name: Some("api.test"),
            geo_database: &GeoDatabase::default(),
            https_port: 443,
            request_id: "id",
            via_id: VIA_ID,
            pop: "pop",
            date: "now",
        };
        match explain(&edge.snapshot(), &question).outcome {
            Outcome::Refused(refusal) => (refusal.error.status(), refusal.why),
            other => panic!("{other:?}"),
        }
    };
    for (head, status, expect) in [
        ("GET / HTTP/1.1\r\nHost: none.test\r\n\r\n", 403, "no distribution has the name none.test"),
        ("GET / HTTP/1.1\r\nHost: two.test\r\n\r\n", 403, "TWO is disabled"),
        ("GET / HTTP/1.1\r\nHost: api.test\r\nHost: api.test\r\n\r\n", 400, "Host"),
        ("GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n", 400, "another scheme"),
        ("TRACE / HTTP/1.1\r\nHost: api.test\r\n\r\n", 403, "does not allow the method"),
        ("GET / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 1\r\n\r\n", 403, "no body"),
    ] {
        let (found, why) = why(head);
        assert_eq!(found, status, "{head}");
        assert!(why.contains(expect), "{head}: {why}");
    }
}
