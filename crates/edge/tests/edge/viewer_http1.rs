//! HTTP/1.1 and HTTP/1.0 towards viewers, at the socket.

use edge_config::{MethodSet, ViewerProtocolPolicy};
use testkit::{FakeOrigin, FakeViewer, Message, TestEdge, chunked_body, distribution, http_origin};

/// An edge whose origin answers everything with its request line.
async fn echoing() -> (TestEdge, FakeViewer) {
    let (address, _) = FakeOrigin::bind().await.answering(echo);
    let edge = TestEdge::in_front_of(address).await;
    let viewer = FakeViewer::connect(edge.http).await;
    (edge, viewer)
}

fn echo(request: &Message) -> Vec<u8> {
    let body = format!("{}|{}", request.first_line, String::from_utf8_lossy(&request.body));
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn a_request_reaches_the_origin_and_its_response_the_viewer() {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.send("GET /a?b=c HTTP/1.1\r\nHost: api.test\r\nX-One: 1\r\n\r\n").await;

    let mut at_origin = origin.accept().await;
    let request = at_origin.request().await;
    assert_eq!(request.first_line, "GET /a?b=c HTTP/1.1");
    assert_eq!(request.value("host"), Some("api.test"));
    assert_eq!(request.value("x-one"), Some("1"));
    assert_eq!(request.value("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.value("connection"), Some("Keep-Alive"));
    at_origin.respond("hello").await;

    let response = viewer.response().await;
    assert_eq!((response.status(), response.text()), (200, "hello"));
    assert_eq!(response.value("x-cache"), Some("Miss from cloudfront"));
    assert_eq!(response.value("via"), Some("1.1 0123456789abcdef.cloudfront.net (CloudFront)"));
    assert_eq!(response.value("x-amz-cf-id"), request.value("x-amz-cf-id"));
    assert!(response.value("date").is_some());
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection_and_in_one_packet() {
    let (_edge, mut viewer) = echoing().await;
    for path in ["/1", "/2", "/3"] {
        assert_eq!(viewer.get("api.test", path).await.text(), format!("GET {path} HTTP/1.1|"));
    }
    let chunked = chunked_body(&["ab", "c"]);
    viewer
        .send(format!(
            "GET /4 HTTP/1.1\r\nHost: api.test\r\n\r\n\
             POST /5 HTTP/1.1\r\nHost: api.test\r\nContent-Length: 3\r\n\r\nxyz\
             POST /6 HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}\
             GET /7 HTTP/1.1\r\nHost: api.test\r\n\r\n"
        ))
        .await;
    for expect in ["GET /4 HTTP/1.1|", "POST /5 HTTP/1.1|xyz", "POST /6 HTTP/1.1|abc", "GET /7 HTTP/1.1|"] {
        assert_eq!(viewer.response().await.text(), expect);
    }
}

#[tokio::test]
async fn a_viewer_that_takes_its_time_is_served_on_the_same_connection() {
    let (_edge, mut viewer) = echoing().await;
    for path in ["/1", "/2", "/3"] {
        assert_eq!(viewer.get("api.test", path).await.text(), format!("GET {path} HTTP/1.1|"));
        tokio::time::sleep(3 * edge::limits::VIEWER_BUSY_WAIT).await;
    }
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_whole_at_the_origin() {
    let (_edge, mut viewer) = echoing().await;
    let request = format!(
        "POST / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        chunked_body(&["abc", "de"])
    );
    for byte in request.bytes() {
        viewer.send([byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(viewer.response().await.text(), "POST / HTTP/1.1|abcde");
}

#[tokio::test]
async fn a_viewer_that_wants_to_close_gets_its_answer_first() {
    let (_edge, mut viewer) = echoing().await;
    viewer.send("GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n").await;
    let response = viewer.response().await;
    assert_eq!((response.status(), response.value("connection")), (200, Some("close")));
    assert_eq!(viewer.rest().await, (Vec::new(), true));
}

#[tokio::test]
async fn http_1_0_has_no_chunks_and_keeps_alive_only_when_asked() {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.send("GET /1 HTTP/1.0\r\nHost: api.test\r\nConnection: keep-alive\r\n\r\n").await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin.respond("one").await;
    let response = viewer.response().await;
    assert_eq!((response.text(), response.value("connection")), ("one", Some("keep-alive")));

    viewer.send("GET /2 HTTP/1.0\r\nHost: api.test\r\nConnection: keep-alive\r\n\r\n").await;
    at_origin.request().await;
    at_origin
        .send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunked_body(&["tw", "o"])))
        .await;
    let head = viewer.response_head().await;
    assert_eq!((head.value("transfer-encoding"), head.value("connection")), (None, Some("close")));
    assert_eq!(viewer.rest().await, (b"two".to_vec(), true));
}

#[tokio::test]
async fn a_truncated_response_never_looks_complete_even_where_closing_is_the_end() {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.send("GET / HTTP/1.0\r\nHost: api.test\r\n\r\n").await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    viewer.response_head().await;
    assert_eq!(viewer.bytes(3).await, b"abc");
    drop(at_origin);
    assert!(!viewer.rest().await.1, "the end must be a reset");
}

#[tokio::test]
async fn head_no_content_and_not_modified_have_no_body() {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.send("HEAD / HTTP/1.1\r\nHost: api.test\r\n\r\n").await;
    let mut at_origin = origin.accept().await;
    assert_eq!(at_origin.request().await.first_line, "HEAD / HTTP/1.1");
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
    let head = viewer.response_head().await;
    assert_eq!((head.status(), head.value("content-length")), (200, Some("1000")));

    viewer.send("DELETE / HTTP/1.1\r\nHost: api.test\r\n\r\n").await;
    at_origin.request().await;
    at_origin.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    let head = viewer.response_head().await;
    assert_eq!(
        (head.status(), head.value("content-length"), head.value("transfer-encoding")),
        (204, None, None)
    );

    viewer.send("GET / HTTP/1.1\r\nHost: api.test\r\nIf-None-Match: \"a\"\r\n\r\n").await;
    at_origin.request().await;
    at_origin.send("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n").await;
    assert_eq!(viewer.response_head().await.status(), 304);
}

#[tokio::test]
async fn b4_b14_continue_comes_from_the_edge_once_the_origin_is_there() {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer
        .send("POST / HTTP/1.1\r\nHost: api.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .await;
    assert_eq!(viewer.response_head().await.status(), 100);
    let mut at_origin = origin.accept().await;
    let head = at_origin.request_head().await;
    assert_eq!(head.value("expect"), None);
    viewer.send("abc").await;
    assert_eq!(at_origin.body_bytes(3).await, b"abc");
    at_origin.respond("done").await;
    assert_eq!(viewer.response().await.text(), "done");
}

#[tokio::test]
async fn a_viewer_that_waits_for_continue_gets_an_error_instead_when_the_edge_refuses() {
    let (_edge, mut viewer) = echoing().await;
    viewer
        .send("POST / HTTP/1.1\r\nHost: other.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .await;
    let response = viewer.response().await;
    assert_eq!((response.status(), response.value("connection")), (403, Some("close")));
}

#[tokio::test]
async fn a7_a15_unknown_and_disabled_look_the_same() {
    let (address, received) = FakeOrigin::bind().await.answering(echo);
    let mut disabled = distribution("off.test", http_origin(address));
    disabled.enabled = false;
    let edge = TestEdge::with([distribution("api.test", http_origin(address)), disabled]).await;
    let mut answers = Vec::new();
    for host in ["off.test", "nobody.test", "127.0.0.1"] {
        let mut viewer = FakeViewer::connect(edge.http).await;
        let mut answer = viewer.get(host, "/").await;
        let id = answer.value("x-amz-cf-id").unwrap().to_owned();
        answer.body = answer.text().replace(&id, "ID").into_bytes();
        answer.fields.retain(|(name, _)| name != "X-Amz-Cf-Id" && name != "Date");
        answers.push(answer);
    }
    assert_eq!(answers[0].status(), 403);
    assert_eq!((&answers[0], &answers[0]), (&answers[1], &answers[2]));
    assert_eq!(*received.lock().unwrap(), []);
}

#[tokio::test]
async fn hosts_are_found_in_any_case_and_with_any_port() {
    let (_edge, mut viewer) = echoing().await;
    assert_eq!(viewer.get("API.Test:8080", "/").await.status(), 200);
}

#[tokio::test]
async fn a4_a5_refused_methods_get_403_and_an_unread_body_is_no_next_request() {
    let (address, received) = FakeOrigin::bind().await.answering(echo);
    let mut read_only = distribution("api.test", http_origin(address));
    read_only.cache_behaviors[0].allowed_methods = MethodSet::READ_ONLY;
    let edge = TestEdge::with([read_only]).await;
    let mut viewer = FakeViewer::connect(edge.http).await;

    // CVE-2025-4366: the body looks like a request.
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n";
    viewer
        .send(format!(
            "POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: {}\r\n\r\n{smuggled}",
            smuggled.len()
        ))
        .await;
    let response = viewer.response().await;
    assert_eq!((response.status(), response.value("x-cache")), (403, Some("Error from cloudfront")));
    viewer.send("GET /next HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n").await;
    assert_eq!(
        viewer.response().await.text(),
        "GET /next HTTP/1.1|",
        "the body is dropped, or the connection closed"
    );
    assert_eq!(viewer.rest().await.0, b"");

    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.send("GET / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 1\r\n\r\nx").await;
    assert_eq!(viewer.response().await.status(), 403);
    assert_eq!(received.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a10_http_is_redirected_to_the_port_of_https() {
    let (address, _) = FakeOrigin::bind().await.answering(echo);
    let mut redirecting = distribution("api.test", http_origin(address));
    redirecting.cache_behaviors[0].viewer_protocol_policy = ViewerProtocolPolicy::RedirectToHttps;
    let edge = TestEdge::with([redirecting]).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    let response = viewer.get("api.test", "/a?b=1").await;
    assert_eq!((response.status(), response.value("x-cache")), (301, Some("Redirect from cloudfront")));
    let expect = format!("https://api.test:{}/a?b=1", edge.https.port());
    assert_eq!(response.value("location"), Some(expect.as_str()));
    viewer.send("POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(viewer.response().await.status(), 307);

    let mut viewer = FakeViewer::connect_tls(edge.https, "api.test", &edge.certificates).await;
    assert_eq!(viewer.get("api.test", "/a").await.text(), "GET /a HTTP/1.1|");
}

#[tokio::test]
async fn errors_are_pages_for_browsers_and_json_for_programs() {
    let (_edge, mut viewer) = echoing().await;
    let response = viewer.get("nobody.test", "/").await;
    assert_eq!(response.value("content-type"), Some("application/json"));
    assert!(response.text().starts_with("{\"code\":\"NoSuchDistribution\""));
    assert_eq!(response.value("server"), Some("CloudFront"));
    viewer.send("GET / HTTP/1.1\r\nHost: nobody.test\r\nAccept: text/html\r\n\r\n").await;
    let response = viewer.response().await;
    assert_eq!(response.value("content-type"), Some("text/html"));
    assert!(response.text().contains("<H1>403 ERROR</H1>"));
}

#[tokio::test]
async fn what_is_no_request_gets_its_status_and_a_closed_connection() {
    let (edge, _) = echoing().await;
    let long_url = format!("GET /{} HTTP/1.1\r\nHost: api.test\r\n\r\n", "a".repeat(8192));
    let large = format!("GET / HTTP/1.1\r\nHost: api.test\r\nX: {}\r\n\r\n", "a".repeat(33_000));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: api.test\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: api.test\r\nHost: api.test\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("CONNECT api.test:443 HTTP/1.1\r\nHost: api.test\r\n\r\n", 400),
        ("GET https://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: api.test\r\n\r\n", 505),
        (&long_url, 414),
        (&large, 494),
    ] {
        let mut viewer = FakeViewer::connect(edge.http).await;
        viewer.try_send(request).await;
        let response = viewer.response().await;
        assert_eq!(response.status(), status, "{:?}", &request[..request.len().min(80)]);
        if status != 400 || !request.starts_with("GET https") {
            assert_eq!(response.value("connection"), Some("close"));
            assert_eq!(viewer.rest().await, (Vec::new(), true));
        }
    }
}

#[tokio::test]
async fn a_malformed_body_is_answered_with_400_and_the_origin_sees_no_end() {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.send("POST / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    let mut at_origin = origin.accept().await;
    at_origin.request_head().await;
    assert_eq!(at_origin.body_bytes(8).await, b"3\r\nabc\r\n");
    viewer.send("zz\r\n").await;
    let response = viewer.response().await;
    assert_eq!((response.status(), response.value("connection")), (400, Some("close")));
    assert_eq!(at_origin.rest().await.0, b"", "no last chunk");
}

#[tokio::test]
async fn a_viewer_that_ends_its_own_side_gets_its_answers_to_the_end() {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    check_answered_after_half_a_close(FakeViewer::connect(edge.http).await, &origin).await;

    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let secure = FakeViewer::connect_tls(edge.https, "api.test", &edge.certificates).await;
    check_answered_after_half_a_close(secure, &origin).await;
}

async fn check_answered_after_half_a_close(mut viewer: FakeViewer, origin: &FakeOrigin) {
    // The second request will have arrived when the viewer says that there is no third.
    let request = |path| format!("GET {path} HTTP/1.1\r\nHost: api.test\r\n\r\n");
    viewer.send(request("/1") + &request("/2")).await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    assert_eq!(viewer.response_head().await.status(), 200);
    assert_eq!(viewer.chunk().await, b"first");
    viewer.shut_down().await;
    for _ in 0..3 {
        at_origin.send("5\r\nlater\r\n").await;
        assert_eq!(viewer.chunk().await, b"later");
    }
    at_origin.send("0\r\n\r\n").await;
    assert_eq!(viewer.chunk().await, b"");
    at_origin.request().await;
    at_origin.respond("second").await;
    assert_eq!(viewer.response().await.text(), "second");
    assert_eq!(viewer.rest().await, (Vec::new(), true), "then the edge ends its side, too");
}

#[tokio::test]
async fn a_viewer_that_is_gone_ends_the_origins_work_with_the_next_part_of_its_answer() {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.send("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n").await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    viewer.response_head().await;
    assert_eq!(viewer.chunk().await, b"first");
    // Everything is read, so this is an orderly close: its FIN looks like half a one.
    drop(viewer);
    at_origin.send("5\r\nlater\r\n").await;
    assert_eq!(at_origin.rest().await.0, b"");
}

#[tokio::test]
async fn a_viewer_that_resets_its_connection_ends_the_origins_work_and_half_a_close_does_not() {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.send("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n").await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    viewer.shut_down().await;
    at_origin.respond("still wanted").await;
    assert_eq!(viewer.response().await.text(), "still wanted");

    let viewer = tokio::net::TcpStream::connect(edge.http).await.unwrap();
    viewer.writable().await.unwrap();
    viewer.try_write(b"GET /slow HTTP/1.1\r\nHost: api.test\r\n\r\n").unwrap();
    at_origin.request().await;
    viewer.set_zero_linger().unwrap();
    drop(viewer);
    assert_eq!(at_origin.rest().await.0, b"");
}
