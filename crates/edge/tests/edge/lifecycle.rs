//! Starting, following snapshots, draining, and what is said of requests.

use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use edge::{ListenOn, ListeningSocket};
use edge_config::Revision;
use testkit::{FakeOrigin, FakeViewer, TestEdge, distribution, http_origin, until, within};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n";

#[tokio::test]
async fn invariant_10_a_change_reaches_every_thread_and_running_requests_keep_what_they_began_with() {
    let (first, second) = (FakeOrigin::bind().await, FakeOrigin::bind().await);
    let threads = NonZeroUsize::new(3).unwrap();
    let edge = TestEdge::start([distribution("api.test", http_origin(first.address()))], |settings| {
        settings.threads = threads;
    })
    .await;
    let mut running = FakeViewer::connect(edge.http).await;
    running.send(GET).await;
    let mut at_first = first.accept().await;
    at_first.request().await;

    edge.apply([distribution("api.test", http_origin(second.address()))]).await;
    assert_eq!(*edge.edge().applied().borrow(), Revision(2));
    let (_, received) = second.answering(|_| OK.to_vec());
    for _ in 0..20 {
        let mut viewer = FakeViewer::connect(edge.http).await;
        assert_eq!(viewer.get("api.test", "/").await.text(), "ok");
    }
    assert_eq!(received.lock().unwrap().len(), 20);
    at_first.respond("first").await;
    assert_eq!(running.response().await.text(), "first");
}

#[tokio::test]
async fn a_stream_holds_its_distribution_and_not_the_snapshot() {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let (snapshot, its_origin) = {
        let snapshot = edge.snapshot();
        let its_origin = &snapshot.distribution("API").unwrap().default_cache_behavior.origin;
        (Arc::downgrade(&snapshot), Arc::downgrade(its_origin))
    };
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.send(GET).await;
    let mut stream = origin.accept().await;
    stream.request().await;
    stream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    viewer.response_head().await;
    assert_eq!(viewer.chunk().await, b"one");

    for _ in 0..3 {
        edge.apply([distribution("api.test", http_origin(origin.address()))]).await;
    }
    until("the snapshot of before being let go", || snapshot.strong_count() == 0).await;
    assert_eq!(its_origin.strong_count(), 1, "the stream's, and nobody else's");
    stream.send("3\r\ntwo\r\n0\r\n\r\n").await;
    assert_eq!((viewer.chunk().await, viewer.chunk().await), (b"two".to_vec(), Vec::new()));
    until("the distribution of before being let go", || its_origin.strong_count() == 0).await;
}

#[tokio::test]
async fn draining_closes_idle_connections_at_once_and_others_after_their_response() {
    let origin = FakeOrigin::bind().await;
    let mut edge = TestEdge::in_front_of(origin.address()).await;
    let mut idle = FakeViewer::connect(edge.http).await;
    idle.send(GET).await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin.respond("one").await;
    idle.response().await;
    let mut busy = FakeViewer::connect(edge.http).await;
    busy.send(GET).await;
    at_origin.request().await;

    let draining = tokio::spawn(edge.take().drain(testkit::PATIENCE));
    assert_eq!(idle.rest().await, (Vec::new(), true));
    at_origin.respond("two").await;
    let response = busy.response().await;
    assert_eq!((response.text(), response.value("connection")), ("two", Some("close")));
    assert!(within("draining", draining).await.unwrap());
}

#[tokio::test]
async fn a_passed_socket_is_every_threads_and_its_waiting_connections_are_the_successors() {
    let passed = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, successor) = (passed.local_addr().unwrap(), passed.try_clone().unwrap());
    let (origin, _) = FakeOrigin::bind().await.answering(|_| OK.to_vec());
    let mut edge = TestEdge::start([distribution("api.test", http_origin(origin))], |settings| {
        settings.http = vec![ListenOn::Socket(Arc::new(ListeningSocket::new(passed).unwrap()))];
        settings.threads = NonZeroUsize::new(2).unwrap();
    })
    .await;
    assert_eq!(edge.http, address);
    for _ in 0..20 {
        assert_eq!(FakeViewer::connect(address).await.get("api.test", "/").await.text(), "ok");
    }
    assert!(within("draining", edge.take().drain(testkit::PATIENCE)).await);

    let mut waiting = FakeViewer::connect(address).await;
    waiting.send(GET).await;
    let successor = tokio::net::TcpListener::from_std(successor).unwrap();
    let (accepted, _) = within("the successor", successor.accept()).await.unwrap();
    within("the request", accepted.readable()).await.unwrap();
}

#[tokio::test]
async fn what_does_not_end_is_cut_off_at_the_limit() {
    let origin = FakeOrigin::bind().await;
    let mut edge = TestEdge::in_front_of(origin.address()).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.send(GET).await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    assert!(!within("draining", edge.take().drain(Duration::from_millis(100))).await);
    assert_eq!(viewer.rest().await.0, b"");
}

#[tokio::test]
async fn each_request_is_logged_once_with_the_id_that_origin_and_viewer_saw() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let (address, received) = FakeOrigin::bind().await.answering(|_| OK.to_vec());
    let mut edge = TestEdge::logging_to(&file, distribution("api.test", http_origin(address))).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    let ok = viewer.get("api.test", "/a?b=c").await;
    let unknown = viewer.get("nobody.test", "/").await;
    viewer.send("GARBAGE\r\n\r\n").await;
    let garbage = viewer.response().await;
    viewer.rest().await;
    drop(viewer);
    assert!(edge.take().drain(testkit::PATIENCE).await);

    let log = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 3, "{log}");
    for (line, response, parts) in [
        (
            lines[0],
            &ok,
            vec![
                "\"sc-status\":\"200\"",
                "\"cs-uri-stem\":\"/a\"",
                "\"cs-uri-query\":\"b=c\"",
                "\"x-edge-result-type\":\"Miss\"",
            ],
        ),
        (
            lines[1],
            &unknown,
            vec![
                "\"sc-status\":\"403\"",
                "\"x-host-header\":\"nobody.test\"",
                "\"x-edge-result-type\":\"Error\"",
            ],
        ),
        (
            lines[2],
            &garbage,
            vec!["\"sc-status\":\"400\"", "\"x-edge-detailed-result-type\":\"InvalidRequest\""],
        ),
    ] {
        let id = format!(
            "\"x-edge-request-id\":\"{}",
            response.value("x-amz-cf-id").unwrap().trim_end_matches('=')
        );
        assert!(line.contains(&id), "{line}");
        for part in parts {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
    let at_origin = received.lock().unwrap();
    assert_eq!(at_origin[0].value("x-amz-cf-id"), ok.value("x-amz-cf-id"));
}

#[tokio::test]
async fn metrics_count_requests_and_connections() {
    let (address, _) = FakeOrigin::bind().await.answering(|_| OK.to_vec());
    let edge = TestEdge::in_front_of(address).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.get("api.test", "/").await;
    viewer.get("api.test", "/").await;
    let metrics = edge.edge().metrics();
    until("the second request's count", || {
        metrics
            .render()
            .lines()
            .any(|line| line.contains("API") && line.contains("2xx") && line.ends_with(" 2"))
    })
    .await;
}
