//! HTTP/2 towards viewers, at the socket.

use bytes::Bytes;
use http::Request;
use testkit::{FakeOrigin, FakeViewer, Http2Viewer, Message, TestEdge, distribution, http_origin, within};

async fn edge_and_origin() -> (TestEdge, FakeOrigin, Http2Viewer) {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let viewer = Http2Viewer::connect(edge.https, "api.test", &edge.certificates).await;
    (edge, origin, viewer)
}

fn post(path: &str) -> http::request::Builder {
    Request::post(format!("https://api.test{path}"))
}

#[tokio::test]
async fn a_request_reaches_the_origin_as_http_1_1() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    let request = Request::get("https://api.test/a?b=c")
        .header("cookie", "a=1")
        .header("x-one", "1")
        .header("cookie", "b=2")
        .body(())
        .unwrap();
    let responding = tokio::spawn(async move { viewer.exchange(request, Bytes::new()).await.unwrap() });
    let mut at_origin = origin.accept().await;
    let request = at_origin.request().await;
    assert_eq!(request.first_line, "GET /a?b=c HTTP/1.1");
    assert_eq!((request.value("host"), request.value("x-one")), (Some("api.test"), Some("1")));
    assert_eq!(request.value("cookie"), Some("a=1; b=2"));
    assert_eq!(request.value("via"), Some("2.0 0123456789abcdef.cloudfront.net (CloudFront)"));
    at_origin
        .send(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\nSet-Cookie: a=1\r\n\r\nhello",
        )
        .await;
    let response = responding.await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (200, b"hello".as_slice()));
    assert_eq!(response.fields["x-cache"], "Miss from cloudfront");
    assert_eq!(response.fields["set-cookie"], "a=1");
    assert!(!response.fields.contains_key("connection"));
}

#[tokio::test]
async fn streams_are_served_side_by_side() {
    let origin = FakeOrigin::bind().await;
    let (address, _) = origin.answering(|request: &Message| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}",
            request.first_line.len(),
            request.first_line
        )
        .into_bytes()
    });
    let edge = TestEdge::in_front_of(address).await;
    let mut viewer = Http2Viewer::connect(edge.https, "api.test", &edge.certificates).await;
    let mut pending = Vec::new();
    for number in 0..100 {
        let request = Request::get(format!("https://api.test/{number}")).body(()).unwrap();
        pending.push(viewer.begin(request, true).await.0);
    }
    for (number, response) in pending.into_iter().enumerate() {
        let response = within("a response", response).await.unwrap();
        let body = within("a body", response.into_body().data()).await.unwrap().unwrap();
        assert_eq!(body, format!("GET /{number} HTTP/1.1"));
    }
}

#[tokio::test]
async fn invariant_4_the_origin_sees_no_end_of_a_body_that_is_not_as_long_as_declared() {
    for body in ["abc", "abcdefgh"] {
        let (_edge, origin, mut viewer) = edge_and_origin().await;
        let request = post("/").header("content-length", "5").body(()).unwrap();
        let (response, mut sending) = viewer.begin(request, false).await;
        // What is wrong from the beginning does not even reach the origin.
        let mut at_origin = origin.accept().await;
        sending.send_data(Bytes::from_static(body.as_bytes()), true).unwrap();
        let outcome = within("a refusal", response).await;
        if let Ok(response) = outcome {
            assert_eq!(response.status(), 400);
        }
        let (received, _) = at_origin.rest().await;
        let received = String::from_utf8_lossy(&received);
        let body = received.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        assert!(body.len() < 5, "{received:?}");
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_chunked_to_the_origin() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    let (response, mut sending) = viewer.begin(post("/up").body(()).unwrap(), false).await;
    sending.send_data(Bytes::from_static(b"abc"), false).unwrap();
    let mut at_origin = origin.accept().await;
    let head = at_origin.request_head().await;
    assert_eq!((head.value("transfer-encoding"), head.value("content-length")), (Some("chunked"), None));
    assert_eq!(at_origin.body_bytes(8).await, b"3\r\nabc\r\n");
    sending.send_data(Bytes::new(), true).unwrap();
    assert_eq!(at_origin.body_bytes(5).await, b"0\r\n\r\n");
    at_origin.respond("ok").await;
    assert_eq!(within("a response", response).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_viewer_that_sends_more_than_the_origin_takes_has_to_wait() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    let (_response, mut sending) = viewer.begin(post("/up").body(()).unwrap(), false).await;
    // The origin reads nothing: what fits is the edge's window, its buffers and the sockets', not more.
    let _at_origin = origin.accept().await;
    let mut sent = 0;
    sending.reserve_capacity(64 * 1024);
    while let Ok(Some(Ok(capacity))) = tokio::time::timeout(
        std::time::Duration::from_millis(500),
        std::future::poll_fn(|context| sending.poll_capacity(context)),
    )
    .await
    {
        sending.send_data(Bytes::from(vec![0; capacity]), false).unwrap();
        sent += capacity;
        assert!(sent < 64 * 1024 * 1024, "nothing holds the viewer back");
        sending.reserve_capacity(64 * 1024);
    }
    assert!(sent > 64 * 1024);
}

#[tokio::test]
async fn a_truncated_response_is_a_reset_stream() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    let responding = tokio::spawn(async move { viewer.get("api.test", "/").await });
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    drop(at_origin);
    let response = responding.await.unwrap();
    assert_eq!((response.status, response.error), (200, Some(h2::Reason::INTERNAL_ERROR)));
}

#[tokio::test]
async fn a_stream_that_the_viewer_resets_ends_at_the_origin_too() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    let (response, mut sending) = viewer.begin(post("/").body(()).unwrap(), false).await;
    let mut at_origin = origin.accept().await;
    at_origin.request_head().await;
    sending.send_reset(h2::Reason::CANCEL);
    drop(response);
    assert_eq!(at_origin.rest().await.0, b"", "closed, without a last chunk");

    let request = Request::get("https://api.test/events").body(()).unwrap();
    let (response, mut sending) = viewer.begin(request, true).await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let response = within("a response", response).await.unwrap();
    sending.send_reset(h2::Reason::CANCEL);
    drop(response);
    at_origin.rest().await;
}

#[tokio::test]
async fn malformed_requests_never_reach_the_origin() {
    let origin = FakeOrigin::bind().await;
    let (address, received) = origin.answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
    let edge = TestEdge::in_front_of(address).await;
    let get = || Request::get("https://api.test/");
    for request in [
        get().header("host", "other.test"),
        get().header("content-length", "5"),
        get().header("content_length", "5"),
        Request::get("http://api.test/"),
    ] {
        let mut viewer = Http2Viewer::connect(edge.https, "api.test", &edge.certificates).await;
        if let Ok(response) = viewer.exchange(request.body(()).unwrap(), Bytes::new()).await {
            assert_eq!(response.status, 400);
        }
    }
    let mut viewer = Http2Viewer::connect(edge.https, "api.test", &edge.certificates).await;
    let large = get().header("x-large", "a".repeat(33_000)).body(()).unwrap();
    assert_eq!(viewer.exchange(large, Bytes::new()).await.unwrap().status, 494);
    assert_eq!(viewer.get("nobody.test", "/").await.status, 403);
    assert_eq!(received.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_distribution_without_http_2_is_served_over_http_1_1() {
    let origin = FakeOrigin::bind().await;
    let (address, _) = origin.answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec());
    let mut old = distribution("api.test", http_origin(address));
    old.http2 = false;
    let edge = TestEdge::with([old]).await;
    let stream = edge.certificates.connect(edge.https, "api.test", &[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    let mut viewer = FakeViewer::connect_tls(edge.https, "api.test", &edge.certificates).await;
    assert_eq!(viewer.get("api.test", "/").await.text(), "ok");
}

#[tokio::test]
async fn draining_ends_streams_that_began_and_lets_no_others_begin() {
    let (mut edge, origin, mut viewer) = edge_and_origin().await;
    let request = Request::get("https://api.test/").body(()).unwrap();
    let (response, _) = viewer.begin(request, true).await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    let draining = tokio::spawn(edge.take().drain(testkit::PATIENCE));
    at_origin.respond("last").await;
    let mut response = within("a response", response).await.unwrap();
    assert_eq!(within("a body", response.body_mut().data()).await.unwrap().unwrap(), "last");
    drop(response);
    assert!(within("draining", draining).await.unwrap());
}
