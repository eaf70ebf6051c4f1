//! One edge thread: its listeners, its connections, its view of the configuration.

use std::cell::{Cell, Ref, RefCell};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use behavior::Scheme;
use foldhash::fast::RandomState;
use http1::{RequestHead, ResponseHead};
use proxy_protocol::Ends;
use quinn::{Endpoint, Incoming};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::{JoinSet, LocalSet, spawn_local};

use crate::access_log::ThreadLog;
use crate::addresses::{AddressConnection, ViewerAddresses};
use crate::distributions::{Distributions, HeldDistribution};
use crate::geo_database::GeoDatabase;
use crate::handshake_turns::HandshakeTurns;
use crate::limits::{ACCEPT_PAUSE, CONNECTIONS_MAX, HEADS_KEPT_MAX, QUIC_HANDSHAKES_UNPROVEN_MAX};
use crate::load::Load;
use crate::metrics::{Shed, ThreadMetrics};
use crate::origin::Origins;
use crate::preparation::Prepared;
use crate::quic::{Quic, QuicListener};
use crate::request_id::RequestIds;
use crate::rest::Ticks;
use crate::shared::{AppliedRevisions, Phase};
use crate::tls::ViewerTls;
use crate::trusted_proxies::{TrustedProxies, read_ends};
use crate::viewer::{self, Accepted};

/// What all threads have in common and never changes.
pub(crate) struct Common {
    /// The edge's name in `Via`.
    pub(crate) via_id: String,
    /// The edge's location.
    pub(crate) pop: String,
    /// The port that redirects lead to.
    pub(crate) https_port: Option<u16>,
    /// What `Alt-Svc` says of HTTP/3, where that is spoken.
    pub(crate) alternative_service: Option<String>,
    /// QUIC towards viewers, where HTTP/3 is spoken.
    pub(crate) quic: Option<Quic>,
    /// TLS towards viewers, where there is any.
    pub(crate) tls: Option<ViewerTls>,
    /// Whether settings that restrict access are ignored where this edge cannot enforce them.
    pub(crate) accept_unenforced: bool,
    /// Who has applied what.
    pub(crate) applied: AppliedRevisions,
    /// How much each viewer address has.
    pub(crate) addresses: Arc<ViewerAddresses>,
    /// Who says for whom it connects.
    pub(crate) trusted_proxies: TrustedProxies,
}

/// Where a thread's connections come from.
#[derive(Debug, Default)]
pub(crate) struct ThreadListeners {
    pub(crate) tcp: Vec<Listener>,
    pub(crate) quic: Vec<QuicListener>,
    /// The port of the first of the latter.
    pub(crate) http3_port: Option<u16>,
}

/// A listening socket and what is spoken on it.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) scheme: Scheme,
    /// Whether it goes on listening when this process is gone.
    pub(crate) outlives_us: bool,
}

/// A thread's state, which its connections share.
pub(crate) struct Thread {
    pub(crate) common: Arc<Common>,
    pub(crate) origins: Origins,
    pub(crate) log: ThreadLog,
    pub(crate) metrics: ThreadMetrics,
    pub(crate) ids: RequestIds,
    pub(crate) load: Rc<Load>,
    pub(crate) handshakes: HandshakeTurns,
    pub(crate) request_heads: Kept<RequestHead>,
    pub(crate) response_heads: Kept<ResponseHead>,
    pub(crate) ticks: Ticks,
    prepared: RefCell<Prepared>,
    distributions: Distributions,
    date: Cell<(u64, [u8; 29])>,
    draining: Cell<bool>,
    connections: RefCell<HashMap<u64, Waker, RandomState>>,
    connections_begun: Cell<u64>,
    connection_ended: Notify,
}

impl Thread {
    pub(crate) fn new(
        common: Arc<Common>,
        origins: Origins,
        log: ThreadLog,
        metrics: ThreadMetrics,
        load: Load,
    ) -> Self {
        Self {
            common,
            origins,
            log,
            metrics,
            ids: RequestIds::new(),
            load: Rc::new(load),
            handshakes: HandshakeTurns::default(),
            request_heads: Kept::new(RequestHead::clear),
            response_heads: Kept::new(ResponseHead::clear),
            ticks: Ticks::default(),
            prepared: RefCell::default(),
            distributions: Distributions::default(),
            date: Cell::new((u64::MAX, [0; 29])),
            draining: Cell::new(false),
            connections: RefCell::default(),
            connections_begun: Cell::new(0),
            connection_ended: Notify::new(),
        }
    }

    /// Serves until it is told to stop; `drained` is told when no connection is left.
    ///
    /// An error, and a panic in anything that all connections depend on, end the thread: one that
    /// accepts nothing or follows nothing must not go on as if it served.
    pub(crate) async fn run(
        self: Rc<Self>,
        number: usize,
        listeners: ThreadListeners,
        snapshots: watch::Receiver<Prepared>,
        mut phases: watch::Receiver<Phase>,
        drained: oneshot::Sender<()>,
    ) -> io::Result<()> {
        let mut tasks = JoinSet::new();
        for listener in listeners.tcp {
            let socket = tokio::net::TcpListener::from_std(listener.socket)?;
            tasks.spawn_local(Rc::clone(&self).accept(socket, listener.scheme, listener.outlives_us));
        }
        for listener in listeners.quic {
            if let Some(quic) = &self.common.quic {
                let endpoint = quic.endpoint(number, listener)?;
                tasks.spawn_local(Rc::clone(&self).accept_quic(endpoint));
            }
        }
        tasks.spawn_local(Rc::clone(&self).follow(number, snapshots));
        tasks.spawn_local(self.origins.clone().look_after_idle_connections());
        let thread = Rc::clone(&self);
        tasks.spawn_local(async move { thread.ticks.run().await });
        let stopping = async {
            // Whoever held the sender is gone: there is nobody left to serve for.
            let _ = phases.wait_for(|phase| *phase != Phase::Serving).await;
            let draining = async {
                self.drain().await;
                let _ = drained.send(());
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = draining => {}
                _ = phases.wait_for(|phase| *phase == Phase::Stopping) => {}
            }
        };
        tokio::select! {
            () = stopping => {}
            never = panic_with(&mut tasks) => match never {},
        }
        Ok(())
    }

    /// Applies each snapshot. Requests keep the distribution that they began with.
    async fn follow(self: Rc<Self>, number: usize, mut snapshots: watch::Receiver<Prepared>) {
        loop {
            let prepared = snapshots.borrow_and_update().clone();
            let revision = prepared.snapshot.revision();
            self.prepared.replace(prepared);
            self.distributions.forget();
            self.metrics.applied(revision);
            self.common.applied.report(number, revision);
            if snapshots.changed().await.is_err() {
                return;
            }
        }
    }

    /// The snapshot of this moment, with what was prepared for it.
    pub(crate) fn prepared(&self) -> Prepared {
        self.prepared.borrow().clone()
    }

    /// Where viewers are; not to be held across a wait.
    pub(crate) fn geo_database(&self) -> Ref<'_, GeoDatabase> {
        Ref::map(self.prepared.borrow(), |prepared| &*prepared.geo_database)
    }

    /// The distribution of a host, which is in lower case.
    pub(crate) fn distribution_by_host(&self, host: &str) -> Option<HeldDistribution> {
        self.distributions.by_host(&self.prepared.borrow().snapshot, host)
    }

    async fn accept(self: Rc<Self>, socket: tokio::net::TcpListener, scheme: Scheme, outlives_us: bool) {
        let registration = self.register().await;
        let listening_on = socket.local_addr().unwrap_or(NOWHERE);
        while let Some(accepted) = self.next_connection(&socket, outlives_us).await {
            match accepted {
                Ok((stream, source)) => {
                    let destination = destination(&stream, listening_on);
                    self.begin_connection(stream, Ends { source, destination }, scheme);
                }
                // Out of descriptors or memory: others may free some.
                Err(error) => {
                    tracing::warn!(%error, "A connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((socket, registration));
    }

    /// The next connection; none when draining has begun and all that had arrived are taken. Those that
    /// wait in a socket that outlives this process are its successor's.
    async fn next_connection(
        &self,
        socket: &tokio::net::TcpListener,
        outlives_us: bool,
    ) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        poll_fn(|context| {
            if outlives_us && self.is_draining() {
                return Poll::Ready(None);
            }
            match socket.poll_accept(context) {
                Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
                Poll::Pending if self.is_draining() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Takes QUIC connections on, until draining has begun and those that are there have ended.
    async fn accept_quic(self: Rc<Self>, endpoint: Endpoint) {
        let registration = self.register().await;
        let handshakes = Rc::new(Cell::new(0));
        let listening_on = endpoint.local_addr().unwrap_or(NOWHERE);
        loop {
            let mut accepting = pin!(endpoint.accept());
            let next = poll_fn(|context| match accepting.as_mut().poll(context) {
                Poll::Pending if self.is_draining() => Poll::Ready(None),
                polled => polled,
            });
            match next.await {
                Some(incoming) if !self.is_draining() => {
                    self.begin_quic(incoming, listening_on, &handshakes);
                }
                Some(incoming) => incoming.refuse(),
                None => break,
            }
        }
        endpoint.set_server_config(None);
        endpoint.wait_idle().await;
        drop(registration);
    }

    fn begin_quic(
        self: &Rc<Self>,
        incoming: Incoming,
        listening_on: SocketAddr,
        handshakes: &Rc<Cell<usize>>,
    ) {
        if handshakes.get() >= QUIC_HANDSHAKES_UNPROVEN_MAX && !incoming.remote_address_validated() {
            // It fails only for addresses that are proven.
            let _ = incoming.retry();
            return;
        }
        let source = incoming.remote_address();
        let Some(of_address) = self.admit_or_count(source, Scheme::Https) else { return incoming.refuse() };
        let ip = incoming.local_ip().unwrap_or(listening_on.ip());
        let ends = Ends { source, destination: SocketAddr::new(ip, listening_on.port()) };
        let counted = QuicHandshake::new(handshakes);
        self.spawn_connection(async move |thread| {
            viewer::serve_quic(&thread, incoming, counted, ends, of_address).await;
        });
    }

    fn begin_connection(self: &Rc<Self>, stream: TcpStream, ends: Ends, scheme: Scheme) {
        if self.common.trusted_proxies.contains(ends.source.ip()) {
            return self.begin_behind_proxy(stream, ends, scheme);
        }
        let Some(of_address) = self.admit_or_count(ends.source, scheme) else { return };
        let accepted = Box::new(Accepted { stream, ends, of_address, scheme });
        self.spawn_connection(async move |thread| viewer::serve(&thread, accepted).await);
    }

    /// Begins a connection of which a proxy says whose it is; until then it counts for no address.
    fn begin_behind_proxy(self: &Rc<Self>, mut stream: TcpStream, real: Ends, scheme: Scheme) {
        if let Err(shed) = self.has_room(scheme) {
            return self.count_shed(shed);
        }
        self.spawn_connection(async move |thread| match read_ends(&mut stream, real).await {
            Ok(ends) => {
                let Some(of_address) = thread.admit_or_count(ends.source, scheme) else { return };
                viewer::serve(&thread, Box::new(Accepted { stream, ends, of_address, scheme })).await;
            }
            Err(error) => {
                thread.metrics.proxy_header_refused();
                tracing::debug!(proxy = %real.source, %error, "A connection of a trusted proxy was closed");
            }
        });
    }

    /// Serves a connection in a task of its own, counted in every way.
    fn spawn_connection(self: &Rc<Self>, serve: impl AsyncFnOnce(Rc<Self>) + 'static) {
        let thread = Rc::clone(self);
        let held = self.load.connection();
        self.metrics.memory(&self.load);
        // Boxed, since a task moves what it is made of many times.
        spawn_local(Box::pin(async move {
            let _registration = thread.register().await;
            let _counted = thread.metrics.viewer_connection();
            serve(Rc::clone(&thread)).await;
            drop(held);
            thread.metrics.memory(&thread.load);
        }));
    }

    fn admit_or_count(&self, address: SocketAddr, scheme: Scheme) -> Option<AddressConnection> {
        match self.admit(address.ip(), scheme) {
            Ok(admitted) => Some(admitted),
            Err(shed) => {
                self.count_shed(shed);
                None
            }
        }
    }

    fn count_shed(&self, why: Shed) {
        self.metrics.connection_shed(why);
        tracing::debug!(reason = why.as_str(), "A connection was closed at once");
    }

    /// Takes a connection on, as long as there is room for it.
    fn admit(&self, address: IpAddr, scheme: Scheme) -> Result<AddressConnection, Shed> {
        self.has_room(scheme)?;
        self.common.addresses.admit(address).ok_or(Shed::Address)
    }

    /// Whether this thread can take on another connection, whoever it is from.
    fn has_room(&self, scheme: Scheme) -> Result<(), Shed> {
        if self.connections.borrow().len() >= CONNECTIONS_MAX {
            return Err(Shed::Thread);
        }
        if self.load.is_full() {
            return Err(Shed::Memory);
        }
        if scheme == Scheme::Https && self.handshakes.are_full() {
            return Err(Shed::Handshakes);
        }
        Ok(())
    }

    /// Lets draining wake the task that calls this, and wait for its end.
    async fn register(self: &Rc<Self>) -> Registration {
        let number = self.connections_begun.get();
        self.connections_begun.set(number + 1);
        poll_fn(|context| {
            self.connections.borrow_mut().insert(number, context.waker().clone());
            Poll::Ready(())
        })
        .await;
        Registration { thread: Rc::clone(self), number }
    }

    /// Whether connections should end after what they are doing.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    async fn drain(&self) {
        self.draining.set(true);
        self.connections.borrow().values().for_each(Waker::wake_by_ref);
        while !self.connections.borrow().is_empty() {
            self.connection_ended.notified().await;
        }
    }

    /// The `Date` of this moment.
    pub(crate) fn date(&self) -> [u8; 29] {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (second, date) = self.date.get();
        if second == now {
            return date;
        }
        let date = http1::http_date(now);
        self.date.set((now, date));
        date
    }
}

/// An address where none is known.
pub(crate) const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// What a viewer connected to. The system is asked only where the listener takes connections to any address.
fn destination(stream: &TcpStream, listening_on: SocketAddr) -> SocketAddr {
    if listening_on.ip().is_unspecified() {
        stream.local_addr().unwrap_or(listening_on)
    } else {
        listening_on
    }
}

/// Runs a thread to its end.
pub(crate) fn block_on<T>(runtime: tokio::runtime::Runtime, thread: impl Future<Output = T>) -> T {
    let tasks = LocalSet::new();
    let outcome = runtime.block_on(tasks.run_until(thread));
    // Dropping the tasks closes what connections are left.
    drop(tasks);
    runtime.shutdown_background();
    outcome
}

/// Panics as soon as one of the tasks does; they may end otherwise.
async fn panic_with(tasks: &mut JoinSet<()>) -> Infallible {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
    std::future::pending().await
}

/// A QUIC handshake, counted for as long as it takes.
pub(crate) struct QuicHandshake(Rc<Cell<usize>>);

impl QuicHandshake {
    fn new(all: &Rc<Cell<usize>>) -> Self {
        all.set(all.get() + 1);
        Self(Rc::clone(all))
    }
}

impl Drop for QuicHandshake {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A task that draining waits for.
struct Registration {
    thread: Rc<Thread>,
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.thread.connections.borrow_mut().remove(&self.number);
        self.thread.connection_ended.notify_one();
    }
}

/// Heads, kept with their tables of fields for the next request that needs one.
pub(crate) struct Kept<T> {
    unused: RefCell<Vec<T>>,
    clear: fn(&mut T),
}

impl<T: Default> Kept<T> {
    fn new(clear: fn(&mut T)) -> Self {
        Self { unused: RefCell::default(), clear }
    }

    /// Borrows one, cleared.
    pub(crate) fn take(&self) -> Lent<'_, T> {
        let lent = self.unused.borrow_mut().pop().unwrap_or_default();
        Lent { lent, owner: self }
    }
}

/// A borrowed thing, given back when dropped.
pub(crate) struct Lent<'a, T: Default> {
    lent: T,
    owner: &'a Kept<T>,
}

impl<T: Default> Deref for Lent<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.lent
    }
}

impl<T: Default> DerefMut for Lent<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.lent
    }
}

impl<T: Default> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        let mut lent = std::mem::take(&mut self.lent);
        (self.owner.clear)(&mut lent);
        let mut unused = self.owner.unused.borrow_mut();
        if unused.len() < HEADS_KEPT_MAX {
            unused.push(lent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervise(tasks: impl FnOnce(&mut JoinSet<()>) + Send + 'static) -> std::thread::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        std::thread::spawn(move || {
            let mut set = JoinSet::new();
            LocalSet::new().block_on(&runtime, async {
                tasks(&mut set);
                tokio::select! {
                    biased;
                    never = panic_with(&mut set) => match never {},
                    () = the_tasks_turn() => {}
                }
            });
        })
        .join()
    }

    /// Several turns, since nobody promises who comes first.
    async fn the_tasks_turn() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn a_thread_dies_with_a_task_that_panics_and_outlives_one_that_ends() {
        supervise(|tasks| drop(tasks.spawn_local(async {}))).unwrap();
        let panic = supervise(|tasks| drop(tasks.spawn_local(async { panic!("as the test wants") })));
        assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"as the test wants"));
    }
}
