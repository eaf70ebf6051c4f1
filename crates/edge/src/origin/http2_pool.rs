//! Connections to origins that speak HTTP/2, one pool a thread. Unlike those of HTTP/1.1 they are shared, so
//! they stay here while they are in use.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use edge_config::Origin;
use tokio::sync::Semaphore;

use super::OriginFailure;
use super::connection::{Endpoint, Opening};
use super::http2_connection::{Http2Connection, Place};
use super::http2_guard::Conduct;
use super::pool::Origins;
use crate::limits::ORIGIN_HTTP2_CONNECTIONS_MAX;
use crate::load::Load;

/// The connections of a thread.
#[derive(Default)]
pub(super) struct Http2Pool {
    endpoints: RefCell<HashMap<Rc<Endpoint>, Rc<Connections>>>,
}

/// Those to one endpoint.
struct Connections {
    open: RefCell<Vec<Http2Connection>>,
    /// The turn to open another one: who comes meanwhile waits, and shares it.
    turn: Semaphore,
    /// How often that has failed.
    failures: Cell<u64>,
}

impl Http2Pool {
    /// A place for an exchange with the endpoint.
    pub(super) async fn place(
        &self,
        origins: &Origins,
        origin: &Origin,
        endpoint: &Rc<Endpoint>,
        load: &Rc<Load>,
    ) -> Result<Place, OriginFailure> {
        let connections = self.connections(endpoint);
        if let Some(place) = connections.place(origins) {
            return Ok(place);
        }
        let failures_before = connections.failures.get();
        // It fails only when the semaphore is closed, which nobody does.
        let _turn = connections.turn.acquire().await;
        if let Some(place) = connections.place(origins) {
            return Ok(place);
        }
        // Who has waited for an attempt in vain does not begin one more: a queue of them would take for ever.
        if connections.failures.get() != failures_before {
            return Err(OriginFailure::SharedConnection);
        }
        if connections.open.borrow().len() >= ORIGIN_HTTP2_CONNECTIONS_MAX {
            return Err(OriginFailure::TooManyStreams);
        }
        let opened = open(origins, origin, endpoint, load).await;
        let (connection, opening) =
            opened.inspect_err(|_| connections.failures.set(connections.failures.get().wrapping_add(1)))?;
        let place = connection.place(false).ok_or(OriginFailure::TooManyStreams);
        connections.open.borrow_mut().push(connection);
        place.map(|mut place| {
            place.opening = opening;
            place
        })
    }

    fn connections(&self, endpoint: &Rc<Endpoint>) -> Rc<Connections> {
        let mut endpoints = self.endpoints.borrow_mut();
        let new = || {
            let (open, failures) = (RefCell::default(), Cell::new(0));
            Rc::new(Connections { open, turn: Semaphore::new(1), failures })
        };
        Rc::clone(endpoints.entry(Rc::clone(endpoint)).or_insert_with(new))
    }

    /// Lets go of connections that are not worth keeping; they end when their last exchange has.
    pub(super) fn look_after(&self) {
        self.endpoints.borrow_mut().retain(|_, connections| {
            connections.open.borrow_mut().retain(Http2Connection::is_kept);
            // Somebody may be waiting for one to be opened.
            !connections.open.borrow().is_empty() || Rc::strong_count(connections) > 1
        });
    }
}

impl Connections {
    /// A place on one of them. Those whose address is no longer the origin's get no further exchange.
    fn place(&self, origins: &Origins) -> Option<Place> {
        let mut open = self.open.borrow_mut();
        open.retain(|connection| connection.is_kept() && connection.still_leads_to_origin(origins));
        open.iter().find_map(|connection| connection.place(true))
    }
}

async fn open(
    origins: &Origins,
    origin: &Origin,
    endpoint: &Rc<Endpoint>,
    load: &Rc<Load>,
) -> Result<(Http2Connection, Opening), OriginFailure> {
    let connection = origins.open(origin, endpoint).await?;
    let opening = connection.opening;
    let usable_for = Duration::from_secs(origin.keepalive_timeout_seconds.into());
    Ok((Http2Connection::begin(connection, Conduct::new(load), usable_for).await?, opening))
}
