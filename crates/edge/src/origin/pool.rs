//! Idle connections to origins, one pool a thread.
//!
//! A connection comes here only when both directions of its last exchange ended exactly, and leaves
//! only if it is as it was left: an origin that has closed, or said something unasked, is not spoken
//! to again (a request would be lost, or get the answer to another). Nor is one whose address is no
//! longer the origin's.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use edge_config::Origin;
use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::OriginFailure;
use super::connection::{Connector, Endpoint, NamedAddress, Opening, OriginConnection};
use super::http2_connection::Place;
use super::http2_pool::Http2Pool;
use crate::limits::{ORIGIN_IDLE_CHECK, ORIGIN_IDLE_MAX, ORIGINS_IDLE_MAX, ORIGINS_NAMED_IDLE_MAX};
use crate::load::Load;
use crate::metrics::ThreadMetrics;
use crate::turn;

/// A thread's way to origins; clones are the same.
#[derive(Clone)]
pub(crate) struct Origins {
    inner: Rc<Inner>,
}

struct Inner {
    connector: Connector,
    metrics: ThreadMetrics,
    /// Looked into twice a request; how many there are is bounded, so a hash that somebody could foresee would gain
    /// them little.
    idle: RefCell<HashMap<Rc<Endpoint>, Vec<Idle>, RandomState>>,
    idle_count: Cell<usize>,
    /// Those of them that name a viewer's connection.
    named_idle_count: Cell<usize>,
    http2: Http2Pool,
}

struct Idle {
    /// Boxed, since it moves from hand to hand with each request.
    connection: Box<OriginConnection>,
    usable_until: Instant,
    /// In which turn of the thread it came here; those of a pool are in this order.
    kept_in: u64,
}

impl Idle {
    /// Whether it is as it was left. The kernel need not be asked about one that was here when this turn began:
    /// it has told what had arrived.
    fn is_as_it_was_left(&self, turn: u64) -> bool {
        let transport = &self.connection.transport;
        transport.seems_quiet() && (self.kept_in < turn || transport.is_quiet())
    }
}

/// The one used last is the one most likely to be alive; one that was here when this turn began is cheaper.
fn take_best(pool: &mut Vec<Idle>, turn: u64) -> Option<Idle> {
    let were_here = pool.partition_point(|idle| idle.kept_in < turn);
    if were_here > 0 { Some(pool.remove(were_here - 1)) } else { pool.pop() }
}

impl Origins {
    pub(crate) fn new(connector: Connector, metrics: ThreadMetrics) -> Self {
        let inner = Inner {
            connector,
            metrics,
            idle: RefCell::default(),
            idle_count: Cell::new(0),
            named_idle_count: Cell::new(0),
            http2: Http2Pool::default(),
        };
        Self { inner: Rc::new(inner) }
    }

    /// An idle connection that can still be used.
    pub(super) fn take_idle(&self, endpoint: &Endpoint) -> Option<Box<OriginConnection>> {
        let mut pools = self.inner.idle.borrow_mut();
        let pool = pools.get_mut(endpoint)?;
        let (turn, now) = (turn::current(), turn::now());
        while let Some(mut idle) = take_best(pool, turn) {
            self.inner.leaves(endpoint);
            let is_at_origin = self.inner.connector.still_leads_to_origin(&mut idle.connection.place, now);
            if is_at_origin && idle.usable_until > now && idle.is_as_it_was_left(turn) {
                self.inner.metrics.origin_connection_reused();
                idle.connection.is_reused = true;
                idle.connection.opening = Opening::default();
                return Some(idle.connection);
            }
        }
        None
    }

    /// Opens a connection.
    pub(super) async fn open(
        &self,
        origin: &Origin,
        endpoint: &Rc<Endpoint>,
    ) -> Result<OriginConnection, OriginFailure> {
        let connection = self.inner.connector.open(origin, endpoint).await?;
        self.inner.metrics.origin_connection_opened();
        Ok(connection)
    }

    /// A place on a connection that speaks HTTP/2.
    pub(super) async fn http2_place(
        &self,
        origin: &Origin,
        endpoint: &Rc<Endpoint>,
        load: &Rc<Load>,
    ) -> Result<Place, OriginFailure> {
        let place = self.inner.http2.place(self, origin, endpoint, load).await?;
        if place.is_reused {
            self.inner.metrics.origin_connection_reused();
        }
        Ok(place)
    }

    /// Whether a connection leads to an address that its origin's name still has.
    pub(super) fn still_leads_there(&self, place: &mut Option<NamedAddress>) -> bool {
        self.inner.connector.still_leads_to_origin(place, Instant::now())
    }

    /// Keeps a connection whose exchange has ended exactly.
    pub(super) fn keep(&self, connection: Box<OriginConnection>, usable_until: Instant) {
        let mut pools = self.inner.idle.borrow_mut();
        let pool = match pools.get_mut(&connection.endpoint) {
            Some(pool) => pool,
            None => pools.entry(Rc::clone(&connection.endpoint)).or_default(),
        };
        if pool.len() < ORIGIN_IDLE_MAX && self.inner.has_room(&connection.endpoint) {
            self.inner.comes(&connection.endpoint);
            pool.push(Idle { connection, usable_until, kept_in: turn::current() });
        }
    }

    /// Closes idle connections that are too old or that their origins have closed.
    pub(crate) async fn look_after_idle_connections(self) {
        loop {
            tokio::time::sleep(ORIGIN_IDLE_CHECK).await;
            self.inner.http2.look_after();
            let now = Instant::now();
            let mut pools = self.inner.idle.borrow_mut();
            pools.retain(|_, pool| {
                pool.retain(|idle| idle.usable_until > now && idle.connection.transport.seems_quiet());
                !pool.is_empty()
            });
            self.inner.idle_count.set(pools.values().map(Vec::len).sum());
            let named = pools.iter().filter(|(endpoint, _)| endpoint.named.is_some());
            self.inner.named_idle_count.set(named.map(|(_, pool)| pool.len()).sum());
        }
    }
}

impl Inner {
    fn has_room(&self, endpoint: &Endpoint) -> bool {
        let is_within = endpoint.named.is_none() || self.named_idle_count.get() < ORIGINS_NAMED_IDLE_MAX;
        is_within && self.idle_count.get() < ORIGINS_IDLE_MAX
    }

    fn comes(&self, endpoint: &Endpoint) {
        self.idle_count.set(self.idle_count.get() + 1);
        if endpoint.named.is_some() {
            self.named_idle_count.set(self.named_idle_count.get() + 1);
        }
    }

    fn leaves(&self, endpoint: &Endpoint) {
        self.idle_count.set(self.idle_count.get() - 1);
        if endpoint.named.is_some() {
            self.named_idle_count.set(self.named_idle_count.get() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::time::Duration;

    use edge_config::{IpAddressType, OriginAddress};
    use rcgen::{CertificateParams, KeyPair};
    use tokio::net::TcpStream;

    use super::*;
    use crate::metrics::Metrics;
    use crate::origin::OriginRoots;
    use crate::resolver::Resolver;
    use crate::transport::Transport;

    fn origins() -> Origins {
        let key = KeyPair::generate().unwrap();
        let authority = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
        let roots = OriginRoots::only(authority.as_bytes()).unwrap();
        let connector = Connector::new(Resolver::finding(Vec::new()), Arc::default(), roots);
        Origins::new(connector, Metrics::default().thread())
    }

    /// A connection and its other end.
    async fn connection() -> (Box<OriginConnection>, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let transport = Transport::clear(TcpStream::connect(address).await.unwrap());
        // As after an exchange: what there was has been read.
        assert!(transport.seems_quiet());
        let endpoint = Rc::new(Endpoint {
            address: OriginAddress::Ip(address.ip()),
            ip_address_type: IpAddressType::Ipv4,
            port: address.port(),
            tls: None,
            named: None,
            speaks_http2: false,
        });
        let opening = Opening::default();
        let connection = OriginConnection { transport, endpoint, is_reused: false, opening, place: None };
        (Box::new(connection), listener.accept().unwrap().0)
    }

    /// A pool with a connection in it, the connection's other end, and its endpoint.
    async fn with_an_idle_one() -> (Origins, std::net::TcpStream, Rc<Endpoint>) {
        let (connection, origin) = connection().await;
        let (origins, endpoint) = (origins(), Rc::clone(&connection.endpoint));
        origins.keep(connection, Instant::now() + Duration::from_secs(5));
        (origins, origin, endpoint)
    }

    #[tokio::test]
    async fn a_connection_that_is_as_it_was_left_is_used_again() {
        let (origins, _origin, endpoint) = with_an_idle_one().await;
        assert!(origins.take_idle(&endpoint).is_some_and(|connection| connection.is_reused));
        assert!(origins.take_idle(&endpoint).is_none());
    }

    #[tokio::test]
    async fn what_was_said_unasked_in_this_very_turn_is_noticed() {
        let (origins, mut origin, endpoint) = with_an_idle_one().await;
        origin.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        assert!(origins.take_idle(&endpoint).is_none());
    }

    #[tokio::test]
    async fn what_was_said_unasked_before_this_turn_is_noticed_without_asking() {
        let (origins, mut origin, endpoint) = with_an_idle_one().await;
        origin.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        turn::begin();
        assert!(origins.take_idle(&endpoint).is_none());
    }

    #[tokio::test]
    async fn the_last_one_that_was_here_when_the_turn_began_comes_first() {
        let mut pool = Vec::new();
        for kept_in in [1, 2, 3] {
            let (connection, _origin) = connection().await;
            pool.push(Idle { connection, usable_until: Instant::now(), kept_in });
        }
        let order = [3, 3, 3].map(|turn| take_best(&mut pool, turn).map(|idle| idle.kept_in));
        assert_eq!(order, [Some(2), Some(1), Some(3)]);
        assert!(take_best(&mut pool, 3).is_none());
    }
}
