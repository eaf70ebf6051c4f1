//! What a request costs an edge thread in memory: nothing, once its connection has had a few.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

use testkit::{TestCertificates, distribution, http_origin, snapshot_of};
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_blocking};

use super::*;

const WARM_UP_REQUESTS: usize = 100;
const REQUESTS: usize = 1000;
/// A machine that is busy otherwise may keep the viewer waiting, and a connection that waits gives its memory back: then
/// the next request takes some anew. What requests themselves took would show in every round.
const ROUNDS_MAX: usize = 20;

const REQUEST: &[u8] = b"GET /api/profile?fields=name HTTP/1.1\r\nHost: api.test\r\nUser-Agent: demo/1.0\r\n\
    Accept: application/json\r\nAccept-Encoding: gzip, br\r\nCookie: session=0123456789abcdef; theme=dark\r\n\r\n";
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"a\": 1}";

#[test]
fn a_get_on_a_warm_connection_allocates_nothing() {
    let (origin, answering) = origin();
    let (parts, edge) = parts(origin);
    let (warm, is_warm) = oneshot::channel();
    let (done, mut is_done) = mpsc::channel(1);
    let viewer = std::thread::spawn(move || {
        let mut connection = TcpStream::connect(edge).unwrap();
        ask(&mut connection, WARM_UP_REQUESTS);
        warm.send(()).unwrap();
        let mut requests = WARM_UP_REQUESTS;
        // Until nobody waits for another round.
        while !done.is_closed() {
            ask(&mut connection, REQUESTS);
            requests += REQUESTS;
            let _ = done.blocking_send(());
        }
        requests
    });
    let (phase, (drained, _)) = (watch::Sender::new(Phase::Serving), oneshot::channel());
    let (runtime, tasks) = (runtime().unwrap(), LocalSet::new());
    let serving = parts.serve(Metrics::default(), AccessLog::none(), phase.subscribe(), drained);
    tasks.spawn_local(serving);
    let first_cost = allocation_counter::measure(|| runtime.block_on(tasks.run_until(is_warm)).unwrap());
    let mut round = || {
        allocation_counter::measure(|| runtime.block_on(tasks.run_until(is_done.recv())).unwrap()).count_total
    };
    let cost = (0..ROUNDS_MAX).map(|_| round()).find(|cost| *cost == 0);
    drop(is_done);
    let requests =
        runtime.block_on(tasks.run_until(async { spawn_blocking(|| viewer.join().unwrap()).await })).unwrap();
    drop((tasks, runtime));
    assert_eq!(answering.join().unwrap(), requests);
    assert!(first_cost.count_total > 0, "it is counted elsewhere");
    assert_eq!(cost, Some(0));
}

/// Sends requests one after the other, each when the one before it is answered.
fn ask(connection: &mut TcpStream, requests: usize) {
    for _ in 0..requests {
        connection.write_all(REQUEST).unwrap();
        receive(connection, b"{\"a\": 1}").unwrap();
    }
}

/// An origin that answers on one connection until that is closed; then it says how often.
fn origin() -> (SocketAddr, JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut answers = 0;
        while receive(&mut connection, b"\r\n\r\n").is_some() {
            connection.write_all(RESPONSE).unwrap();
            answers += 1;
        }
        answers
    });
    (address, answering)
}

/// Receives a message that ends so; none when there is no other.
fn receive(connection: &mut TcpStream, end: &[u8]) -> Option<()> {
    let (mut message, mut piece) = (Vec::new(), [0; 4096]);
    while !message.ends_with(end) {
        match connection.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(read) => message.extend_from_slice(&piece[..read]),
        }
    }
    Some(())
}

/// The only thread of an edge with one distribution, `AllViewer` and `CachingDisabled`, and where it listens.
fn parts(origin: SocketAddr) -> (ThreadParts, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    let mut listeners = ThreadListeners::default();
    listeners.tcp.push(Listener { socket, scheme: Scheme::Http, outlives_us: false });
    let snapshot = snapshot_of([distribution("api.test", http_origin(origin))]);
    let certificates = TestCertificates::for_names(&["api.test"]);
    let common = Common {
        via_id: "0123456789abcdef".to_owned(),
        pop: "TST50-P1".to_owned(),
        https_port: None,
        alternative_service: None,
        quic: None,
        tls: None,
        accept_unenforced: false,
        applied: AppliedRevisions::new(1),
        addresses: Arc::new(ViewerAddresses::new(ADDRESS_CONNECTIONS_MAX)),
        trusted_proxies: TrustedProxies::new(Vec::new()),
    };
    let parts = ThreadParts {
        number: 0,
        listeners,
        common: Arc::new(common),
        origin_access: Arc::new(OriginAccess { allow_private: true, ..OriginAccess::default() }),
        name_servers: NameServers::default(),
        origin_roots: OriginRoots::only(certificates.authority_pem.as_bytes()).unwrap(),
        snapshots: watch::channel(Prepared { snapshot, ..Prepared::default() }).1,
        memory_bytes_max: MEMORY_BYTES_DEFAULT,
    };
    (parts, address)
}
