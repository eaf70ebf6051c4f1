//! CachingDisabled: no path through the edge gives one user what is another's, whatever happens on
//! the way: aborted uploads, truncated responses, retries, reused connections.

#![expect(clippy::unwrap_used, reason = "in a test's helpers a panic is the message")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::{FakeOrigin, FakeViewer, Http2Viewer, Message, TestEdge};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const USERS: usize = 24;
const REQUESTS_PER_USER: usize = 40;

/// An origin that answers with the user's token in body, header and cookie, and that misbehaves in a
/// different way each time: whole, truncated, closed after the answer, closed without one.
async fn moody_origin() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut unread = Vec::new();
                while let Some(head) = next_head(&mut stream, &mut unread).await {
                    let token = field(&head, "x-token").unwrap_or_default();
                    let number = count.fetch_add(1, Ordering::Relaxed);
                    let body = if head.starts_with("HEAD") { String::new() } else { token.clone() };
                    let response = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Token: {token}\r\nSet-Cookie: t={token}\r\n\r\n{body}",
                        token.len()
                    );
                    let sent = match number % 11 {
                        7 => &response.as_bytes()[..response.len() - 3],
                        9 => b"",
                        _ => response.as_bytes(),
                    };
                    if stream.write_all(sent).await.is_err() || matches!(number % 11, 5 | 7 | 9) {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// The next request's head; bodies are read and dropped.
async fn next_head(stream: &mut tokio::net::TcpStream, unread: &mut Vec<u8>) -> Option<String> {
    let head = read_until(stream, unread, b"\r\n\r\n").await?;
    if field(&head, "transfer-encoding").is_some() {
        read_until(stream, unread, b"0\r\n\r\n").await?;
    }
    let length: usize = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    while unread.len() < length {
        more(stream, unread).await?;
    }
    unread.drain(..length);
    Some(head)
}

async fn read_until(stream: &mut tokio::net::TcpStream, unread: &mut Vec<u8>, end: &[u8]) -> Option<String> {
    loop {
        if let Some(at) = unread.windows(end.len()).position(|window| window == end) {
            return Some(String::from_utf8(unread.drain(..at + end.len()).collect()).unwrap());
        }
        more(stream, unread).await?;
    }
}

async fn more(stream: &mut tokio::net::TcpStream, unread: &mut Vec<u8>) -> Option<()> {
    (stream.read_buf(unread).await.ok()? > 0).then_some(())
}

fn field(head: &str, name: &str) -> Option<String> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

#[tokio::test]
async fn nobody_ever_sees_anybody_elses_token() {
    let origin = moody_origin().await;
    let edge = Arc::new(TestEdge::in_front_of(origin).await);
    let mut users = Vec::new();
    for user in 0..USERS {
        let edge = Arc::clone(&edge);
        users.push(tokio::spawn(async move {
            if user % 3 == 0 { http2_user(&edge, user).await } else { http1_user(&edge, user).await }
        }));
    }
    let mut answered = 0;
    for user in users {
        answered += user.await.unwrap();
    }
    assert!(answered > USERS * REQUESTS_PER_USER / 2, "only {answered} answers");
}

fn token(user: usize, request: usize) -> String {
    format!("user-{user}-request-{request}")
}

/// Each request has its own path, token and manner; the last one of five is abandoned half-way.
fn request_text(token: &str, request: usize) -> (String, bool) {
    let fields = format!("Host: api.test\r\nX-Token: {token}\r\nCookie: session={token}\r\n");
    match request % 5 {
        0 => (format!("GET /profile HTTP/1.1\r\n{fields}\r\n"), false),
        1 => (format!("HEAD /profile HTTP/1.1\r\n{fields}\r\n"), false),
        2 => (
            format!("GET /profile HTTP/1.1\r\n{fields}Range: bytes=0-1\r\nIf-None-Match: \"x\"\r\n\r\n"),
            false,
        ),
        3 => {
            (format!("POST /login HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n{token}", token.len()), false)
        }
        _ => (format!("POST /upload HTTP/1.1\r\n{fields}Content-Length: 100000\r\n\r\n{token}"), true),
    }
}

async fn http1_user(edge: &TestEdge, user: usize) -> usize {
    let mut answered = 0;
    let mut viewer = FakeViewer::connect(edge.http).await;
    for request in 0..REQUESTS_PER_USER {
        let token = token(user, request);
        let (text, is_abandoned) = request_text(&token, request);
        viewer.send(&text).await;
        if is_abandoned {
            viewer = FakeViewer::connect(edge.http).await;
            continue;
        }
        let response = viewer.response_head().await;
        if response.status() == 200 {
            assert_eq!(response.value("x-token"), Some(token.as_str()));
            assert_eq!(response.value("set-cookie"), Some(format!("t={token}").as_str()));
            answered += 1;
        }
        if !is_body_clean(&mut viewer, &response, &token, text.starts_with("HEAD")).await {
            viewer = FakeViewer::connect(edge.http).await;
        }
    }
    answered
}

/// Reads a body and compares it; false if the connection cannot be used any more.
async fn is_body_clean(viewer: &mut FakeViewer, response: &Message, token: &str, is_head: bool) -> bool {
    if response.status() != 200 {
        let length: usize = response.value("content-length").unwrap().parse().unwrap();
        if !is_head {
            viewer.bytes(length).await;
        }
        return response.value("connection") != Some("close");
    }
    if is_head {
        return true;
    }
    // Truncated ones end early; what is there must be this user's.
    let mut received = Vec::new();
    while received.len() < token.len() {
        match viewer.byte().await {
            Some(byte) => received.push(byte),
            None => break,
        }
    }
    assert!(token.as_bytes().starts_with(&received), "{}", String::from_utf8_lossy(&received));
    received.len() == token.len()
}

async fn http2_user(edge: &TestEdge, user: usize) -> usize {
    let mut answered = 0;
    let mut viewer = Http2Viewer::connect(edge.https, "api.test", &edge.certificates).await;
    for request in 0..REQUESTS_PER_USER {
        let token = token(user, request);
        let (method, body) = if request % 2 == 0 { ("GET", "") } else { ("POST", token.as_str()) };
        let message = http::Request::builder()
            .method(method)
            .uri("https://api.test/profile")
            .header("x-token", &token)
            .body(())
            .unwrap();
        if request % 5 == 4 {
            let (_response, mut sending) = viewer.begin(message, false).await;
            sending.send_reset(h2::Reason::CANCEL);
            continue;
        }
        // A stream may be reset before its head has left, when the origin breaks off at once.
        let Ok(response) = viewer.exchange(message, body.to_owned()).await else { continue };
        if response.status == 200 {
            assert_eq!(response.fields["x-token"], token);
            assert!(token.as_bytes().starts_with(&response.body));
            assert_eq!(response.error.is_none(), response.body.len() == token.len());
            answered += 1;
        }
    }
    answered
}

#[tokio::test]
async fn equal_requests_at_the_same_time_all_reach_the_origin() {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let mut viewers = Vec::new();
    let mut at_origin = Vec::new();
    for _ in 0..5 {
        let mut viewer = FakeViewer::connect(edge.http).await;
        viewer.send("GET /same HTTP/1.1\r\nHost: api.test\r\n\r\n").await;
        viewers.push(viewer);
        at_origin.push(origin.accept().await);
    }
    let mut bodies = Vec::new();
    for (number, mut side) in at_origin.into_iter().enumerate() {
        side.request().await;
        side.respond(&number.to_string()).await;
    }
    for mut viewer in viewers {
        bodies.push(viewer.response().await.text().to_owned());
    }
    bodies.sort();
    assert_eq!(bodies, ["0", "1", "2", "3", "4"]);
}
