//! Pooled connections in front of an origin that does everything wrong at random, and many viewers.
//!
//! Each request has a token of its own, and whatever belongs to it (path, header, both bodies, cookie) is
//! made of that token, so that every byte tells whose it is. Every viewer must get a whole right answer, a
//! documented error, or one that visibly breaks off; never a byte of somebody else's; and the origin must
//! never get a POST twice, nor a request that is not exactly what one viewer sent.
//!
//! `MANTLET_EXCHANGES` sets how many exchanges there are, `MANTLET_SEED` which ones.

#![expect(clippy::unwrap_used, reason = "in a test's helpers a panic is the message")]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use testkit::{Http2Viewer, TestCertificates, TestEdge, distribution, http_origin, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const EXCHANGES: usize = 20_000;
const VIEWER_THREADS: usize = 2;
const VIEWERS_PER_THREAD: usize = 24;
/// What answers that no request asked for carry.
const FORGED: &str = "HTTP/1.1 200 OK\r\nX-Token: tok-forged\r\nContent-Length: 10\r\n\r\ntok-forged";

fn number_from(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Sebastiano Vigna's splitmix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    /// Mostly small, sometimes more than a buffer holds.
    fn length(&mut self) -> usize {
        let bound = match self.below(20) {
            0 => 1,
            1 => 200_000,
            2..=4 => 10_000,
            _ => 600,
        };
        self.below(bound)
    }
}

/// So many bytes that belong to a token.
fn pattern(token: &str, length: usize) -> Vec<u8> {
    token.bytes().chain([b' ']).cycle().take(length).collect()
}

/// Bytes of a stream that were read and not used.
struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

struct Head {
    text: String,
}

impl Head {
    fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        let fields = self.text.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.filter(move |(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn value<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let mut values = self.values(name);
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice in {}", self.text);
        value
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.value(name).map(|value| value.parse().unwrap())
    }
}

/// A body, and whether it came whole.
struct Body {
    bytes: Vec<u8>,
    is_whole: bool,
}

impl Wire {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    async fn more(&mut self) -> bool {
        matches!(within("bytes", self.stream.read_buf(&mut self.unread)).await, Ok(count) if count > 0)
    }

    async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        let mut from = 0;
        loop {
            if let Some(at) = self.unread[from..].windows(end.len()).position(|window| window == end) {
                return Some(self.unread.drain(..from + at + end.len()).collect());
            }
            from = self.unread.len().saturating_sub(end.len() - 1);
            if !self.more().await {
                return None;
            }
        }
    }

    async fn head(&mut self) -> Option<Head> {
        let bytes = self.until(b"\r\n\r\n").await?;
        Some(Head { text: String::from_utf8(bytes).unwrap() })
    }

    /// Whatever is there of so many bytes.
    async fn exactly(&mut self, count: usize) -> Body {
        while self.unread.len() < count && self.more().await {}
        let is_whole = self.unread.len() >= count;
        Body { bytes: self.unread.drain(..count.min(self.unread.len())).collect(), is_whole }
    }

    async fn body(&mut self, head: &Head) -> Body {
        if let Some(length) = head.number("content-length") {
            return self.exactly(length).await;
        }
        let mut body = Body { bytes: Vec::new(), is_whole: true };
        if head.value("transfer-encoding").is_none() {
            return body;
        }
        loop {
            let Some(line) = self.until(b"\r\n").await else { break };
            let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            let chunk = self.exactly(size).await;
            body.bytes.extend_from_slice(&chunk.bytes);
            if !chunk.is_whole || self.until(b"\r\n").await.is_none() {
                break;
            }
            if size == 0 {
                return body;
            }
        }
        body.is_whole = false;
        body
    }
}

// The origin

#[derive(Default)]
struct Origin {
    changes: Mutex<HashSet<String>>,
    misdeeds: Mutex<Vec<String>>,
    connections: AtomicUsize,
    requests: AtomicUsize,
}

impl Origin {
    /// Serves on a thread of its own for as long as the process lives.
    fn start(seed: u64) -> (SocketAddr, Arc<Self>) {
        let origin = Arc::new(Self::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&origin);
        std::thread::spawn(move || {
            runtime().block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let number = shared.connections.fetch_add(1, Ordering::Relaxed);
                    let random = Random(seed ^ (number as u64) << 32);
                    tokio::spawn(Arc::clone(&shared).serve(Wire::new(stream), random));
                }
            });
        });
        (address, origin)
    }

    async fn serve(self: Arc<Self>, mut wire: Wire, mut random: Random) {
        loop {
            // The edge may be idle here for as long as it likes.
            if wire.unread.is_empty() && !matches!(wire.stream.read_buf(&mut wire.unread).await, Ok(1..)) {
                return;
            }
            let Some(head) = wire.head().await else { return };
            let token = head.value("x-token").unwrap_or_default().to_owned();
            let method = head.first_line().split(' ').next().unwrap_or_default().to_owned();
            self.requests.fetch_add(1, Ordering::Relaxed);
            self.note(&head, &method, &token);
            let answers_early = random.one_in(40);
            if !answers_early && !self.read_body(&mut wire, &head, &token).await {
                return;
            }
            if !answer(&mut wire.stream, &method, &token, &mut random).await {
                return;
            }
            if answers_early && !self.read_body(&mut wire, &head, &token).await {
                return;
            }
        }
    }

    fn note(&self, head: &Head, method: &str, token: &str) {
        let expected = format!("{method} /{token} HTTP/1.1");
        if head.first_line() != expected {
            self.misdeed(format!("{:?} instead of {expected:?}", head.first_line()));
        }
        if !matches!(method, "GET" | "HEAD") && !self.changes.lock().unwrap().insert(token.to_owned()) {
            self.misdeed(format!("{method} {token} came twice"));
        }
    }

    async fn read_body(&self, wire: &mut Wire, head: &Head, token: &str) -> bool {
        let body = wire.body(head).await;
        if body.bytes != pattern(token, body.bytes.len()) {
            self.misdeed(format!("somebody else's bytes in the body of {token}"));
        }
        body.is_whole
    }

    fn misdeed(&self, text: String) {
        self.misdeeds.lock().unwrap().push(text);
    }
}

/// Answers in one of many ways; false when the connection has ended.
async fn answer(stream: &mut TcpStream, method: &str, token: &str, random: &mut Random) -> bool {
    let (length, is_head) = (random.length(), method == "HEAD");
    let body = if is_head { Vec::new() } else { pattern(token, length) };
    let head = |status: &str, framing: &str| {
        format!(
            "HTTP/1.1 {status}\r\nX-Token: {token}\r\nX-Length: {length}\r\nSet-Cookie: t={token}\r\n{framing}\r\n"
        )
    };
    let framed = format!("Content-Length: {length}\r\n");
    let mut whole = head("200 OK", &framed).into_bytes();
    whole.extend_from_slice(&body);
    let mut chunked = head("200 OK", "Transfer-Encoding: chunked\r\n").into_bytes();
    if !is_head {
        chunked.extend_from_slice(&in_chunks(&body, random));
    }
    match random.below(100) {
        0..=49 => send(stream, &whole).await,
        50..=61 => send(stream, &chunked).await,
        62..=67 => send_in_pieces(stream, if random.one_in(2) { &whole } else { &chunked }, random).await,
        // It says that it closes, or does so without a word, or the end of the body is that of the connection.
        68..=71 => {
            ended(stream, &with_body(head("200 OK", &format!("{framed}Connection: close\r\n")), &body)).await
        }
        72..=74 => ended(stream, &whole).await,
        75 => ended(stream, &with_body(head("200 OK", ""), &body)).await,
        // It breaks off anywhere.
        76..=80 => {
            let message = if random.one_in(2) { whole } else { chunked };
            let part = random.below(message.len());
            broken(stream, &message[..part], random).await
        }
        81..=82 => broken(stream, b"", random).await,
        // Bytes behind the end: a whole answer in the same segment, or later what is no answer. (A whole one
        // that comes later, when a request may be on its way, is that request's as far as anybody can tell.)
        83..=84 if whole.len() < 1000 => {
            whole.extend_from_slice(FORGED.as_bytes());
            send(stream, &whole).await
        }
        85..=86 => {
            let goes_on = send(stream, &whole).await;
            tokio::time::sleep(Duration::from_micros(random.below(3000) as u64)).await;
            goes_on && send(stream, &pattern(token, 200)).await
        }
        // A body where there must be none.
        87 => send(stream, &with_body(head("304 Not Modified", &framed), &pattern(token, length))).await,
        88 => send(stream, &with_body(head("200 OK", &framed), &pattern(token, length))).await,
        89 => send(stream, with_head_only("204 No Content", token).as_bytes()).await,
        90..=92 => {
            let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(random.below(12));
            send(stream, &with_body(interim, &whole)).await
        }
        // No HTTP.
        93 => ended(stream, b"this is no HTTP\r\n\r\n").await,
        94 => {
            ended(
                stream,
                &with_body(head("200 OK", &format!("{framed}Transfer-Encoding: chunked\r\n")), &body),
            )
            .await
        }
        95 => {
            ended(stream, &with_body(head("200 OK", "Transfer-Encoding: chunked\r\n"), b"5\r\nabcdefgh\r\n"))
                .await
        }
        96 => ended(stream, head("200 OK", &format!("X: {}\r\n", "x".repeat(40_000))).as_bytes()).await,
        97 => {
            ended(stream, head("101 Switching Protocols", "Upgrade: x\r\nConnection: upgrade\r\n").as_bytes())
                .await
        }
        98 => send(stream, &with_body(head("500 No", &framed), &body)).await,
        // Rarely, since each takes as long as the time-out: silence, before the head or within the body.
        _ if random.one_in(40) => {
            let part = if random.one_in(2) { 0 } else { random.below(whole.len()) };
            send(stream, &whole[..part]).await && {
                tokio::time::sleep(Duration::from_millis(1500)).await;
                false
            }
        }
        _ => send(stream, &whole).await,
    }
}

fn with_head_only(status: &str, token: &str) -> String {
    format!("HTTP/1.1 {status}\r\nX-Token: {token}\r\nSet-Cookie: t={token}\r\n\r\n")
}

fn with_body(head: String, body: &[u8]) -> Vec<u8> {
    let mut message = head.into_bytes();
    message.extend_from_slice(body);
    message
}

fn in_chunks(mut body: &[u8], random: &mut Random) -> Vec<u8> {
    let mut chunks = Vec::new();
    while !body.is_empty() {
        let bound = if random.one_in(2) { 30 } else { 30_000 };
        let (chunk, rest) = body.split_at((1 + random.below(bound)).min(body.len()));
        chunks.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunks.extend_from_slice(chunk);
        chunks.extend_from_slice(b"\r\n");
        body = rest;
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    chunks
}

async fn send(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).await.is_ok()
}

async fn send_in_pieces(stream: &mut TcpStream, mut bytes: &[u8], random: &mut Random) -> bool {
    while !bytes.is_empty() {
        let most = bytes.len().div_ceil(4).max(1);
        let (piece, rest) = bytes.split_at(1 + random.below(most).min(bytes.len() - 1));
        if !send(stream, piece).await {
            return false;
        }
        tokio::task::yield_now().await;
        bytes = rest;
    }
    true
}

async fn ended(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    let _ = send(stream, bytes).await;
    false
}

async fn broken(stream: &mut TcpStream, bytes: &[u8], random: &mut Random) -> bool {
    let _ = send(stream, bytes).await;
    if random.one_in(2) {
        stream.set_zero_linger().unwrap();
    }
    false
}

// The viewers

#[derive(Debug, Default)]
struct Tally {
    whole: AtomicUsize,
    errors: AtomicUsize,
    broken: AtomicUsize,
    /// The viewer left, or its connection had ended after the answer before.
    unanswered: AtomicUsize,
}

struct Edge {
    http: SocketAddr,
    https: SocketAddr,
    certificates: TestCertificates,
    tally: Tally,
    left: AtomicUsize,
}

impl Edge {
    /// Whether there is another exchange to make.
    fn takes_one(&self) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn count(counter: &AtomicUsize) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Judges an answer by the one rule that there is: all of it is the token's, or the edge's own error.
    fn judge(&self, token: &str, answer: &Answer<'_>) {
        let Some(found) = answer.token else {
            assert!(matches!(answer.status, 502 | 504), "{} for {token}", answer.status);
            assert_eq!(answer.x_cache, Some("Error from cloudfront"), "{token}");
            assert!(!String::from_utf8_lossy(answer.body).contains("tok-"), "{token}");
            return Self::count(if answer.is_whole { &self.tally.errors } else { &self.tally.broken });
        };
        assert_eq!((found, answer.cookie), (token, Some(format!("t={token}").as_str())));
        assert!(pattern(token, answer.body.len()) == answer.body, "somebody else's bytes for {token}");
        if answer.is_whole
            && let Some(length) = answer.length
        {
            assert_eq!(answer.body.len(), length, "{token}");
        }
        Self::count(if answer.is_whole { &self.tally.whole } else { &self.tally.broken });
    }
}

struct Answer<'a> {
    status: u16,
    token: Option<&'a str>,
    cookie: Option<&'a str>,
    x_cache: Option<&'a str>,
    /// How long the origin meant the body to be, where there may be one.
    length: Option<usize>,
    body: &'a [u8],
    is_whole: bool,
}

async fn http1_viewer(edge: Arc<Edge>, viewer: usize, mut random: Random) {
    let mut idle = None;
    for request in 0.. {
        if !edge.takes_one() {
            return;
        }
        let token = format!("tok-{viewer:03}-{request:06}-{:08x}", random.next() >> 32);
        let (is_fresh, mut wire) = match idle.take() {
            Some(wire) => (false, wire),
            None => (true, Wire::new(TcpStream::connect(edge.http).await.unwrap())),
        };
        if http1_exchange(&edge, &mut wire, &token, is_fresh, &mut random).await {
            idle = Some(wire);
        }
    }
}

/// One exchange; whether the connection can be used again.
async fn http1_exchange(
    edge: &Edge,
    wire: &mut Wire,
    token: &str,
    is_fresh: bool,
    random: &mut Random,
) -> bool {
    let method = ["GET", "GET", "GET", "HEAD", "OPTIONS", "POST", "POST", "PUT"][random.below(8)];
    let has_body = matches!(method, "POST" | "PUT");
    let body = pattern(token, if has_body { random.length() } else { 0 });
    let is_chunked = random.one_in(3);
    let framing = match (has_body, is_chunked) {
        (false, _) => String::new(),
        (true, true) => "Transfer-Encoding: chunked\r\n".to_owned(),
        (true, false) => format!("Content-Length: {}\r\n", body.len()),
    };
    let mut request =
        format!("{method} /{token} HTTP/1.1\r\nHost: api.test\r\nX-Token: {token}\r\n{framing}\r\n")
            .into_bytes();
    request.extend(if has_body && is_chunked { in_chunks(&body, random) } else { body });
    if random.one_in(50) {
        // Leaves in the middle of its request, or before it has an answer.
        let part = random.below(request.len() + 1);
        let _ = wire.stream.write_all(&request[..part]).await;
        Edge::count(&edge.tally.unanswered);
        return false;
    }
    let is_sent = within("sending a request", wire.stream.write_all(&request)).await.is_ok();
    let Some(head) = wire.head().await else {
        assert!(wire.unread.is_empty(), "half a head for {token}");
        // An error before, or an early answer now, may have ended a connection whose body was not read.
        assert!(!is_fresh || has_body || !is_sent, "no answer to {method} {token}");
        Edge::count(&edge.tally.unanswered);
        return false;
    };
    if random.one_in(50) {
        Edge::count(&edge.tally.unanswered);
        return false;
    }
    let status: u16 = head.first_line().split(' ').nth(1).unwrap().parse().unwrap();
    let has_answer_body = method != "HEAD" && !matches!(status, 204 | 304);
    let received =
        if has_answer_body { wire.body(&head).await } else { Body { bytes: Vec::new(), is_whole: true } };
    edge.judge(
        token,
        &Answer {
            status,
            token: head.value("x-token"),
            cookie: head.value("set-cookie"),
            x_cache: head.value("x-cache"),
            length: head.number("x-length").filter(|_| has_answer_body),
            body: &received.bytes,
            is_whole: received.is_whole,
        },
    );
    received.is_whole && is_sent && head.value("connection") != Some("close")
}

async fn http2_viewer(edge: Arc<Edge>, viewer: usize, mut random: Random) {
    let mut connection = Http2Viewer::connect(edge.https, "api.test", &edge.certificates).await;
    for request in 0.. {
        if !edge.takes_one() {
            return;
        }
        let token = format!("tok-{viewer:03}-{request:06}-{:08x}", random.next() >> 32);
        let method = ["GET", "GET", "HEAD", "POST"][random.below(4)];
        // What fits into the stream's first window.
        let body = pattern(&token, if method == "POST" { random.below(40_000) } else { 0 });
        let message = http::Request::builder()
            .method(method)
            .uri(format!("https://api.test/{token}"))
            .header("x-token", &token)
            .body(())
            .unwrap();
        if random.one_in(50) {
            let (_response, mut sending) = connection.begin(message, false).await;
            sending.send_reset(h2::Reason::CANCEL);
            Edge::count(&edge.tally.unanswered);
            continue;
        }
        // A stream may be reset before its head has left, when the origin breaks off at once.
        let Ok(response) = connection.exchange(message, body).await else {
            Edge::count(&edge.tally.broken);
            continue;
        };
        let value = |name: &str| response.fields.get(name).map(|value| value.to_str().unwrap());
        let has_body = method != "HEAD" && !matches!(response.status, 204 | 304);
        edge.judge(
            &token,
            &Answer {
                status: response.status,
                token: value("x-token"),
                cookie: value("set-cookie"),
                x_cache: value("x-cache"),
                length: value("x-length").map(|length| length.parse().unwrap()).filter(|_| has_body),
                body: &response.body,
                is_whole: response.error.is_none(),
            },
        );
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[tokio::test]
async fn no_viewer_gets_a_byte_of_anothers_answer_whatever_the_origin_does() {
    let exchanges = number_from("MANTLET_EXCHANGES", EXCHANGES);
    let seed = number_from("MANTLET_SEED", 1) as u64;
    let (address, origin) = Origin::start(seed);
    let mut settings = http_origin(address);
    settings.read_timeout_seconds = 1;
    let test_edge = TestEdge::start([distribution("api.test", settings)], |edge| {
        edge.threads = NonZeroUsize::new(2).unwrap();
    })
    .await;
    let edge = Arc::new(Edge {
        http: test_edge.http,
        https: test_edge.https,
        certificates: test_edge.certificates.clone(),
        tally: Tally::default(),
        left: AtomicUsize::new(exchanges),
    });
    let begun = Instant::now();
    let threads = (0..VIEWER_THREADS).map(|thread| {
        let edge = Arc::clone(&edge);
        std::thread::spawn(move || {
            runtime().block_on(async move {
                let viewers = (0..VIEWERS_PER_THREAD).map(|viewer| {
                    let number = thread * VIEWERS_PER_THREAD + viewer;
                    let (edge, random) = (Arc::clone(&edge), Random(seed << 16 ^ number as u64));
                    tokio::spawn(async move {
                        if number.is_multiple_of(4) {
                            http2_viewer(edge, number, random).await;
                        } else {
                            http1_viewer(edge, number, random).await;
                        }
                    })
                });
                for viewer in viewers.collect::<Vec<_>>() {
                    viewer.await.unwrap();
                }
            });
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().unwrap();
    }
    let (tally, connections) = (&edge.tally, origin.connections.load(Ordering::Relaxed));
    println!(
        "{exchanges} exchanges in {:?}, {tally:?}, {connections} connections to the origin for {:?} requests",
        begun.elapsed(),
        origin.requests,
    );
    assert_eq!(*origin.misdeeds.lock().unwrap(), [""; 0]);
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let all = [&tally.whole, &tally.errors, &tally.broken, &tally.unanswered].map(count);
    assert_eq!(all.iter().sum::<usize>(), exchanges, "each is accounted for");
    assert!(all[0] > exchanges * 6 / 10 && all[1] > exchanges / 50 && all[2] > exchanges / 100, "{all:?}");
    assert!(connections < exchanges * 6 / 10, "connections are used again");
}
