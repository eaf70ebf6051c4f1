//! Streaming: nothing is held back, and nothing piles up.
//!
//! In a binary of its own: it measures the memory of the process that it runs in.

#![expect(clippy::unwrap_used, reason = "in a test's helpers a panic is the message")]

use std::time::{Duration, Instant};

use testkit::{FakeOrigin, FakeViewer, Http2Viewer, TestEdge};

const MEBIBYTE: usize = 1024 * 1024;
/// A test's debug build on a shared machine, not the product, needs this restraint; the figure of a
/// gibibyte is measured by `benches/`.
const BODY_BYTES: usize = 256 * MEBIBYTE;
const GROWTH_MAX: usize = 32 * MEBIBYTE;

async fn edge_and_origin() -> (TestEdge, FakeOrigin, FakeViewer) {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let viewer = FakeViewer::connect(edge.http).await;
    (edge, origin, viewer)
}

/// The most memory that this process has had resident, which an earlier peak must not hide.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test]
async fn events_leave_within_2_ms_of_arriving() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    viewer.send("GET /events HTTP/1.1\r\nHost: api.test\r\nAccept: text/event-stream\r\n\r\n").await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin
        .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    assert_eq!(viewer.response_head().await.status(), 200);
    let mut delays = Vec::new();
    for _ in 0..100 {
        let event = format!("data: {:?}\n\n", Instant::now());
        let sent_at = Instant::now();
        at_origin.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
        assert_eq!(viewer.chunk().await, event.as_bytes());
        delays.push(sent_at.elapsed());
    }
    delays.sort();
    // The median, since other tests share the machine.
    assert!(delays[50] < Duration::from_millis(2), "{:?}", delays[50]);
}

#[tokio::test]
async fn a_large_download_passes_through_little_memory() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    viewer.send("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n").await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n")).await;
    viewer.response_head().await;
    let before = resident_bytes();
    let sending = tokio::spawn(async move {
        let part = vec![7; MEBIBYTE];
        for _ in 0..BODY_BYTES / MEBIBYTE {
            at_origin.send(&part).await;
        }
    });
    let mut peak = 0;
    for _ in 0..BODY_BYTES / MEBIBYTE {
        assert!(viewer.bytes(MEBIBYTE).await.iter().all(|&byte| byte == 7));
        peak = peak.max(resident_bytes());
    }
    sending.await.unwrap();
    assert!(peak.saturating_sub(before) < GROWTH_MAX, "{} MiB more", (peak - before) / MEBIBYTE);
}

#[tokio::test]
async fn a_large_upload_passes_through_little_memory() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    viewer.send(format!("PUT / HTTP/1.1\r\nHost: api.test\r\nContent-Length: {BODY_BYTES}\r\n\r\n")).await;
    let mut at_origin = origin.accept().await;
    at_origin.request_head().await;
    let before = resident_bytes();
    let sending = tokio::spawn(async move {
        let part = vec![7; MEBIBYTE];
        for _ in 0..BODY_BYTES / MEBIBYTE {
            viewer.send(&part).await;
        }
        viewer
    });
    let mut peak = 0;
    for _ in 0..BODY_BYTES / MEBIBYTE {
        at_origin.body_bytes(MEBIBYTE).await;
        peak = peak.max(resident_bytes());
    }
    at_origin.respond("got it").await;
    assert_eq!(sending.await.unwrap().response().await.text(), "got it");
    assert!(peak.saturating_sub(before) < GROWTH_MAX, "{} MiB more", (peak - before) / MEBIBYTE);
}

#[tokio::test]
async fn an_origin_is_not_read_faster_than_the_viewer_reads() {
    let (_edge, origin, mut viewer) = edge_and_origin().await;
    viewer.send("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n").await;
    let mut at_origin = origin.accept().await;
    at_origin.request().await;
    at_origin.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n")).await;
    let part = vec![0; MEBIBYTE];
    let mut sent = 0;
    while tokio::time::timeout(Duration::from_millis(500), at_origin.send(&part)).await.is_ok() {
        sent += MEBIBYTE;
        assert!(sent < BODY_BYTES, "nothing holds the origin back");
    }
}

#[tokio::test]
async fn a_large_response_passes_through_http_2() {
    let origin = FakeOrigin::bind().await;
    let body: Vec<u8> = (0..8 * MEBIBYTE).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let response =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat();
    let (address, _) = origin.answering(move |_| response.clone());
    let edge = TestEdge::in_front_of(address).await;
    let mut viewer = Http2Viewer::connect(edge.https, "api.test", &edge.certificates).await;
    let response = viewer.get("api.test", "/").await;
    assert_eq!(response.error, None);
    assert!(response.body == body);
}
