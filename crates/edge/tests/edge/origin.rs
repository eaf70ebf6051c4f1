//! Connections to origins: reuse, retries, timeouts, failures.

use edge_config::{HostName, OriginAddress, OriginProtocolPolicy};
use testkit::{FakeOrigin, FakeViewer, TestCertificates, TestEdge, distribution, http_origin, within};

const GET: &str = "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 2\r\n\r\nhi";

async fn edge_and_origin() -> (TestEdge, FakeOrigin, FakeViewer) {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let viewer = FakeViewer::connect(edge.http).await;
    (edge, origin, viewer)
}

#[tokio::test]
async fn invariant_3_a_connection_is_used_again_when_both_directions_ended() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    viewer.send(POST).await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin.respond("one").await;
    assert_eq!(viewer.response().await.text(), "one");
    viewer.send(POST).await;
    assert_eq!(at_origin.request().await.body, b"hi");
    at_origin.respond("two").await;
    assert_eq!(viewer.response().await.text(), "two");
    assert!(!origin.has_pending_connection().await);
}

#[tokio::test]
async fn a_connection_that_the_origin_closed_is_not_used_again_whatever_the_method() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    for request in [GET, POST, POST, GET] {
        viewer.send(request).await;
        let mut at_origin = origin.accept().await;
        at_origin.request().await;
        at_origin.respond("done").await;
        assert_eq!(viewer.response().await.text(), "done");
        drop(at_origin);
    }
}

#[tokio::test]
async fn invariant_3_a_connection_that_says_something_unasked_is_not_used_again() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    viewer.send(GET).await;
    let mut first = origin.accept().await;
    first.request().await;
    first.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged").await;
    assert_eq!(viewer.response().await.text(), "one");
    viewer.send(POST).await;
    let mut second = origin.accept().await;
    second.request().await;
    second.respond("two").await;
    assert_eq!(viewer.response().await.text(), "two");
}

#[tokio::test]
async fn an_origin_that_answers_early_is_not_pooled() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    viewer.send("POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 10\r\n\r\nhal").await;
    let mut first = origin.accept().await;
    first.request_head().await;
    first.respond("early").await;
    assert_eq!(viewer.response().await.text(), "early");
    viewer.send("f a lot").await;
    viewer.send(GET).await;
    let mut second = origin.accept().await;
    second.request().await;
    second.respond("two").await;
    assert_eq!(viewer.response().await.text(), "two");
}

#[tokio::test]
async fn keep_alive_timeouts_of_the_origin_are_honoured() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    for _ in 0..2 {
        viewer.send(GET).await;
        let mut at_origin = origin.accept().await;
        at_origin.request().await;
        at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=1\r\n\r\nok").await;
        assert_eq!(viewer.response().await.text(), "ok");
    }
}

#[tokio::test]
async fn get_goes_out_again_when_a_reused_connection_ends_without_an_answer_and_post_does_not() {
    for (request, is_retried) in [(GET, true), (POST, false)] {
        let (_edge, origin, mut viewer) = edge_and_origin().await;
        viewer.send(GET).await;
        let mut first = origin.accept().await;
        first.request().await;
        first.respond("one").await;
        viewer.response().await;
        viewer.send(request).await;
        first.request().await;
        drop(first);
        if is_retried {
            let mut second = origin.accept().await;
            second.request().await;
            second.respond("two").await;
            assert_eq!(viewer.response().await.text(), "two");
        } else {
            assert_eq!(viewer.response().await.status(), 502);
            assert!(!origin.has_pending_connection().await);
        }
    }
}

#[tokio::test]
async fn a_fresh_connection_without_an_answer_is_502_at_once() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    viewer.send(GET).await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin.reset();
    let response = viewer.response().await;
    assert_eq!((response.status(), response.value("x-cache")), (502, Some("Error from cloudfront")));
    assert!(!response.text().contains("127.0.0.1"));
}

#[tokio::test]
async fn c2_c3_a_silent_origin_is_504_and_get_is_tried_again() {
    for (request, attempts) in [(GET, 2), (POST, 1)] {
        let origin = FakeOrigin::bind().await;
        let mut settings = http_origin(origin.address());
        settings.read_timeout_seconds = 1;
        let edge = TestEdge::with([distribution("api.test", settings)]).await;
        let mut viewer = FakeViewer::connect(edge.http).await;
        viewer.send(request).await;
        let mut held = Vec::new();
        for _ in 0..attempts {
            let mut at_origin = origin.accept().await;
            at_origin.request().await;
            held.push(at_origin);
        }
        assert_eq!(viewer.response().await.status(), 504);
        assert!(!origin.has_pending_connection().await);
    }
}

#[tokio::test]
async fn c4_completion_timeout_cuts_off_what_is_already_streaming() {
    let origin = FakeOrigin::bind().await;
    let mut settings = http_origin(origin.address());
    settings.response_completion_timeout_seconds = Some(1);
    let edge = TestEdge::with([distribution("api.test", settings)]).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.send(GET).await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n").await;
    viewer.response_head().await;
    assert_eq!(viewer.chunk().await, b"hi");
    let (rest, _) = viewer.rest().await;
    assert_eq!(rest, b"", "no last chunk");
}

#[tokio::test]
async fn c8_a_closed_port_and_an_unknown_name_are_502() {
    let closed = FakeOrigin::bind().await.address();
    let mut unknown = http_origin(closed);
    unknown.address = OriginAddress::Name(HostName::parse("no-such-name.invalid").unwrap());
    for settings in [http_origin(closed), unknown] {
        let edge = TestEdge::with([distribution("api.test", settings)]).await;
        let mut viewer = FakeViewer::connect(edge.http).await;
        viewer.send(GET).await;
        let response = viewer.response().await;
        assert_eq!(response.status(), 502);
        assert!(!response.text().contains("invalid"));
    }
}

#[tokio::test]
async fn the_edge_is_no_origin_of_itself_and_metadata_is_none_at_all() {
    let edge = TestEdge::with([]).await;
    let mut metadata = http_origin(edge.http);
    metadata.address = OriginAddress::Ip([169, 254, 169, 254].into());
    metadata.http_port = 80;
    edge.apply([distribution("loop.test", http_origin(edge.http)), distribution("meta.test", metadata)])
        .await;
    for host in ["loop.test", "meta.test"] {
        let mut viewer = FakeViewer::connect(edge.http).await;
        assert_eq!(viewer.get(host, "/").await.status(), 502);
    }
}

#[tokio::test]
async fn what_is_no_http_or_switches_protocols_is_502() {
    for response in [
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        &"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(9),
        &format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(33_000)),
        "HTTP/1.1 200 OK\r\nX: ",
    ] {
        let (_edge, origin, mut viewer) = edge_and_origin().await;
        viewer.send(POST).await;
        let mut at_origin = origin.accept().await;
        at_origin.request().await;
        at_origin.send(response).await;
        drop(at_origin);
        assert_eq!(viewer.response().await.status(), 502, "{:?}", &response[..response.len().min(60)]);
    }
}

#[tokio::test]
async fn interim_responses_are_passed_over() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    viewer.send(GET).await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n").await;
    at_origin.respond("final").await;
    assert_eq!(viewer.response().await.text(), "final");
}

#[tokio::test]
async fn c13_redirects_pass_and_d6_a_close_delimited_body_becomes_chunks() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    viewer.send(GET).await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin.send("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nServer: demo\r\n\r\nmoved").await;
    drop(at_origin);
    let response = viewer.response().await;
    assert_eq!(
        (response.status(), response.value("location"), response.text()),
        (302, Some("/elsewhere"), "moved")
    );
    assert_eq!(
        (response.value("transfer-encoding"), response.value("server")),
        (Some("chunked"), Some("demo"))
    );
}

#[tokio::test]
async fn d6_a_truncated_response_is_truncated_for_the_viewer_too() {
    for rest in ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        let (_edge, origin, mut viewer) = edge_and_origin().await;
        viewer.send(GET).await;
        let mut at_origin = origin.accept().await;
        at_origin.request().await;
        at_origin.send(format!("HTTP/1.1 200 OK\r\n{rest}")).await;
        drop(at_origin);
        let head = viewer.response_head().await;
        assert_eq!(head.status(), 200);
        let (rest, _) = viewer.rest().await;
        let rest = String::from_utf8_lossy(&rest);
        assert!(rest.contains("abc") && rest.len() < 10 && !rest.contains("0\r\n"), "{rest:?}");
    }
}

#[tokio::test]
async fn c6_https_origins_are_spoken_to_in_tls_only_and_must_prove_their_name() {
    // Nothing speaks TLS there: the viewer's request must not arrive in clear.
    let origin = FakeOrigin::bind().await;
    let mut settings = http_origin(origin.address());
    settings.protocol_policy = OriginProtocolPolicy::HttpsOnly;
    let edge = TestEdge::with([distribution("api.test", settings)]).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.send(GET).await;
    let mut at_origin = origin.accept().await;
    assert_eq!(at_origin.body_bytes(1).await, [22], "a TLS record");
    drop(at_origin);
    drop(origin);
    assert_eq!(viewer.response().await.status(), 502);
}

#[tokio::test]
async fn c6_the_certificate_may_be_for_the_forwarded_host_or_for_the_origins_own_name() {
    // An edge is a TLS server too: let one be the origin of another, with a certificate for api.test.
    let (inner_origin, _) =
        FakeOrigin::bind().await.answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec());
    let inner = TestEdge::with([
        distribution("api.test", http_origin(inner_origin)),
        distribution("strange.example", http_origin(inner_origin)),
    ])
    .await;
    let mut settings = http_origin(inner.https);
    settings.protocol_policy = OriginProtocolPolicy::HttpsOnly;
    let authority = inner.certificates.authority_pem.clone();
    let distributions =
        [distribution("api.test", settings.clone()), distribution("strange.example", settings)];
    let outer = TestEdge::start(distributions, |outer| {
        outer.origin_roots = edge::OriginRoots::only(authority.as_bytes()).unwrap();
    })
    .await;
    let mut viewer = FakeViewer::connect(outer.http).await;
    assert_eq!(viewer.get("api.test", "/").await.text(), "ok", "the forwarded Host is in the certificate");
    assert_eq!(viewer.get("strange.example", "/").await.status(), 502, "neither name is in the certificate");

    let unbelieved = TestCertificates::for_names(&["api.test"]).authority_pem;
    let mut settings = http_origin(inner.https);
    settings.protocol_policy = OriginProtocolPolicy::HttpsOnly;
    let outer = TestEdge::start([distribution("api.test", settings)], |outer| {
        outer.origin_roots = edge::OriginRoots::only(unbelieved.as_bytes()).unwrap();
    })
    .await;
    let mut viewer = FakeViewer::connect(outer.http).await;
    assert_eq!(viewer.get("api.test", "/").await.status(), 502, "nobody vouches for it");
}

#[tokio::test]
async fn an_upload_goes_on_while_the_response_streams() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    viewer.send("POST / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut at_origin = origin.accept().await;
    at_origin.request_head().await;
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    viewer.response_head().await;
    for part in ["one", "two", "six"] {
        viewer.send(format!("3\r\n{part}\r\n")).await;
        assert_eq!(at_origin.body_bytes(8).await, format!("3\r\n{part}\r\n").into_bytes());
        at_origin.send(format!("3\r\n{part}\r\n")).await;
        assert_eq!(viewer.chunk().await, part.as_bytes());
    }
    viewer.send("0\r\n\r\n").await;
    assert_eq!(at_origin.body_bytes(5).await, b"0\r\n\r\n");
    at_origin.send("0\r\n\r\n").await;
    assert_eq!(within("the end", viewer.chunk()).await, b"");
}

#[tokio::test]
async fn an_origin_that_neither_reads_nor_answers_is_504() {
    let origin = FakeOrigin::bind().await;
    let mut settings = http_origin(origin.address());
    settings.read_timeout_seconds = 1;
    let edge = TestEdge::with([distribution("api.test", settings)]).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.send("POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 100000000\r\n\r\n").await;
    let _at_origin = origin.accept().await;
    let part = vec![0; 1024 * 1024];
    // More than sockets hold.
    for _ in 0..50 {
        if tokio::time::timeout(std::time::Duration::from_millis(200), viewer.try_send(&part)).await.is_err()
        {
            break;
        }
    }
    assert_eq!(viewer.response().await.status(), 504);
}
