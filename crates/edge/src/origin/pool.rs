//! Idle connections to origins, one pool a thread.
//!
//! A connection comes here only when both directions of its last exchange ended exactly, and leaves
//! only if it is as it was left: an origin that has closed, or said something unasked, is not spoken
//! to again (a request would be lost, or get the answer to another).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use edge_config::Origin;
use tokio::time::Instant;

use super::OriginFailure;
use super::connection::{Connector, Endpoint, OriginConnection};
use super::tls::OriginRoots;
use crate::egress::OriginAccess;
use crate::limits::{ORIGIN_IDLE_CHECK, ORIGIN_IDLE_MAX, ORIGINS_IDLE_MAX};
use crate::metrics::ThreadMetrics;
use crate::resolver::Resolver;

/// A thread's way to origins; clones are the same.
#[derive(Clone)]
pub(crate) struct Origins {
    inner: Rc<Inner>,
}

struct Inner {
    connector: Connector,
    metrics: ThreadMetrics,
    idle: RefCell<HashMap<Rc<Endpoint>, Vec<Idle>>>,
    idle_count: Cell<usize>,
}

struct Idle {
    connection: OriginConnection,
    usable_until: Instant,
}

impl Origins {
    pub(crate) fn new(access: Arc<OriginAccess>, roots: OriginRoots, metrics: ThreadMetrics) -> Self {
        let connector = Connector { resolver: Resolver::new(), access, roots };
        let inner = Inner { connector, metrics, idle: RefCell::default(), idle_count: Cell::new(0) };
        Self { inner: Rc::new(inner) }
    }

    /// An idle connection that can still be used.
    pub(super) fn take_idle(&self, endpoint: &Endpoint) -> Option<OriginConnection> {
        let mut pools = self.inner.idle.borrow_mut();
        let pool = pools.get_mut(endpoint)?;
        let now = Instant::now();
        // The one used last is the one most likely to be alive.
        while let Some(idle) = pool.pop() {
            self.inner.idle_count.set(self.inner.idle_count.get() - 1);
            let transport = &idle.connection.transport;
            if idle.usable_until > now && transport.seems_quiet() && transport.is_quiet() {
                self.inner.metrics.origin_connection_reused();
                return Some(OriginConnection { is_reused: true, ..idle.connection });
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

    /// Keeps a connection whose exchange has ended exactly.
    pub(super) fn keep(&self, connection: OriginConnection, usable_until: Instant) {
        let mut pools = self.inner.idle.borrow_mut();
        let pool = match pools.get_mut(&connection.endpoint) {
            Some(pool) => pool,
            None => pools.entry(Rc::clone(&connection.endpoint)).or_default(),
        };
        if pool.len() < ORIGIN_IDLE_MAX && self.inner.idle_count.get() < ORIGINS_IDLE_MAX {
            self.inner.idle_count.set(self.inner.idle_count.get() + 1);
            pool.push(Idle { connection, usable_until });
        }
    }

    /// Closes idle connections that are too old or that their origins have closed.
    pub(crate) async fn look_after_idle_connections(self) {
        loop {
            tokio::time::sleep(ORIGIN_IDLE_CHECK).await;
            let now = Instant::now();
            let mut pools = self.inner.idle.borrow_mut();
            pools.retain(|_, pool| {
                pool.retain(|idle| idle.usable_until > now && idle.connection.transport.seems_quiet());
                !pool.is_empty()
            });
            self.inner.idle_count.set(pools.values().map(Vec::len).sum());
        }
    }
}
