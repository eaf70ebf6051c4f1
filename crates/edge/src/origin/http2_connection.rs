//! A connection that speaks HTTP/2 to an origin, and the exchanges that share it.
//!
//! Frames, streams and flow control are the `h2` crate's. One task drives the connection: it watches what
//! the origin sends as closely as what viewers send (`http2_guard`), asks it now and then whether it is
//! still there, and ends the connection when it is not.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::OriginFailure;
use super::connection::{NamedAddress, Opening, OriginConnection};
use super::http2_guard::{Conduct, Guard};
use super::pool::Origins;
use crate::alarm::{Alarm, TimedOut};
use crate::limits::{
    ORIGIN_HTTP2_CONNECTION_WINDOW_BYTES, ORIGIN_HTTP2_ERROR_RESETS_MAX, ORIGIN_HTTP2_HEADER_LIST_BYTES_MAX,
    ORIGIN_HTTP2_PING_INTERVAL, ORIGIN_HTTP2_PONG_TIME_MAX, ORIGIN_HTTP2_RESET_STREAM_TIME,
    ORIGIN_HTTP2_RESET_STREAMS_MAX, ORIGIN_HTTP2_RESETS_MAX, ORIGIN_HTTP2_SEND_BUFFER_BYTES_MAX,
    ORIGIN_HTTP2_STREAM_WINDOW_BYTES, ORIGIN_HTTP2_STREAMS_MAX,
};
use crate::transport::Stream;

/// A connection with room for exchanges.
pub(super) struct Http2Connection {
    sender: SendRequest<Bytes>,
    shared: Rc<Shared>,
    leads_to: RefCell<Option<NamedAddress>>,
}

/// What a connection's task and its exchanges share.
#[derive(Debug)]
pub(super) struct Shared {
    /// What the origin does on it.
    pub(super) conduct: Rc<Conduct>,
    streams: Cell<usize>,
    /// How many exchanges were broken off by us.
    resets: Cell<usize>,
    idle_since: Cell<Instant>,
    /// Whether it is to get no further exchange: it has ended, the origin has said so, or there is a doubt.
    is_retired: Cell<bool>,
    /// How long it is kept without an exchange.
    usable_for: Duration,
}

/// A connection's place for one exchange, for as long as that lasts.
pub(super) struct Place {
    pub(super) sender: SendRequest<Bytes>,
    pub(super) shared: Rc<Shared>,
    /// Whether the connection was there already.
    pub(super) is_reused: bool,
    /// What opening it took, if it was not.
    pub(super) opening: Opening,
    /// Whether the exchange ended by itself, or the origin ended it. Else it is reset.
    has_ended: Cell<bool>,
}

impl Http2Connection {
    /// Begins HTTP/2 on a connection that has been opened for it. Nobody waits for the origin's part
    /// (RFC 9113 section 3.4): what is wrong with it shows with the first response.
    pub(super) async fn begin(
        connection: OriginConnection,
        conduct: Conduct,
        usable_for: Duration,
    ) -> Result<Self, OriginFailure> {
        let OriginConnection { transport, place, .. } = connection;
        let conduct = Rc::new(conduct);
        let guard = Guard::new(transport.into_stream(), Rc::clone(&conduct));
        let (sender, connection) = builder().handshake(guard).await.map_err(OriginFailure::Http2)?;
        let shared = Rc::new(Shared {
            conduct,
            streams: Cell::new(0),
            resets: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            is_retired: Cell::new(false),
            usable_for,
        });
        let of_task = Rc::clone(&shared);
        spawn_local(async move {
            drive(connection, &of_task).await;
            of_task.retire();
        });
        Ok(Self { sender, shared, leads_to: RefCell::new(place) })
    }

    /// A place for another exchange, if the origin and we let it have one more.
    pub(super) fn place(&self, is_reused: bool) -> Option<Place> {
        let most = ORIGIN_HTTP2_STREAMS_MAX.min(self.sender.current_max_send_streams());
        let shared = &self.shared;
        if shared.is_retired.get() || shared.streams.get() >= most {
            return None;
        }
        shared.streams.set(shared.streams.get() + 1);
        shared.conduct.stream_begins();
        let (sender, shared) = (self.sender.clone(), Rc::clone(shared));
        let (opening, has_ended) = (Opening::default(), Cell::new(false));
        Some(Place { sender, shared, is_reused, opening, has_ended })
    }

    /// Whether it is worth keeping; exchanges that it has go on in any case.
    pub(super) fn is_kept(&self) -> bool {
        let shared = &self.shared;
        let is_idle = shared.streams.get() == 0;
        let is_idle_for_too_long = is_idle && shared.idle_since.get().elapsed() >= shared.usable_for;
        !shared.is_retired.get() && !is_idle_for_too_long
    }

    /// Whether the address that it leads to is still the origin's.
    pub(super) fn still_leads_to_origin(&self, origins: &Origins) -> bool {
        origins.still_leads_there(&mut self.leads_to.borrow_mut())
    }
}

impl Shared {
    /// Lets no further exchange begin.
    pub(super) fn retire(&self) {
        self.is_retired.set(true);
    }

    /// Counts an exchange that is broken off: the origin, which does not know of viewers, counts all of them as
    /// one client's.
    fn count_reset(&self) {
        self.resets.set(self.resets.get() + 1);
        if self.resets.get() >= ORIGIN_HTTP2_RESETS_MAX {
            self.retire();
        }
    }
}

impl Place {
    /// Notes that nothing is left that would have to be reset.
    pub(super) fn ended(&self) {
        self.has_ended.set(true);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.has_ended.get() {
            self.shared.count_reset();
        }
        let left = self.shared.streams.get() - 1;
        self.shared.streams.set(left);
        self.shared.idle_since.set(Instant::now());
        if left == 0 {
            self.shared.conduct.no_bodies();
        }
    }
}

/// The edge's side of such a connection.
pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(ORIGIN_HTTP2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(ORIGIN_HTTP2_CONNECTION_WINDOW_BYTES)
        .initial_max_send_streams(ORIGIN_HTTP2_STREAMS_MAX)
        .max_header_list_size(ORIGIN_HTTP2_HEADER_LIST_BYTES_MAX)
        .max_send_buffer_size(ORIGIN_HTTP2_SEND_BUFFER_BYTES_MAX)
        .max_concurrent_reset_streams(ORIGIN_HTTP2_RESET_STREAMS_MAX)
        .max_local_error_reset_streams(Some(ORIGIN_HTTP2_ERROR_RESETS_MAX))
        .reset_stream_duration(ORIGIN_HTTP2_RESET_STREAM_TIME);
    builder
}

/// Works for the connection until it ends.
async fn drive(mut connection: Connection<Guard<Stream>, Bytes>, shared: &Shared) {
    // None only when somebody has taken it before.
    let Some(mut ping_pong) = connection.ping_pong() else { return };
    let mut alarm = Alarm::new();
    let (next_ping, pong_by) = (Cell::new(Instant::now() + ORIGIN_HTTP2_PING_INTERVAL), Cell::new(None));
    loop {
        let working = poll_fn(|context| {
            if pong_by.get().is_some() && has_pong(&mut ping_pong, context) {
                pong_by.set(None);
                next_ping.set(Instant::now() + ORIGIN_HTTP2_PING_INTERVAL);
            }
            poll_connection(&mut connection, &shared.conduct, context)
        });
        let deadline = || pong_by.get().unwrap_or_else(|| next_ping.get());
        match alarm.until_moving(deadline, working).await {
            Ok(Ok(())) => return,
            Ok(Err(Ending::Error(error))) => {
                return tracing::debug!(%error, "An HTTP/2 connection to an origin ended");
            }
            Ok(Err(Ending::Misconduct(what))) => {
                return tracing::warn!(what, "An HTTP/2 connection to an origin is ended");
            }
            Err(TimedOut) if pong_by.get().is_some() => {
                return tracing::warn!("An origin does not answer on its HTTP/2 connection any more");
            }
            Err(TimedOut) => {
                // It fails only while another one is under way, of which there is none.
                let _ = ping_pong.send_ping(Ping::opaque());
                pong_by.set(Some(Instant::now() + ORIGIN_HTTP2_PONG_TIME_MAX));
            }
        }
    }
}

/// Why a connection ended before its time.
pub(super) enum Ending {
    Error(h2::Error),
    Misconduct(&'static str),
}

fn has_pong(ping_pong: &mut PingPong, context: &mut Context<'_>) -> bool {
    ping_pong.poll_pong(context).is_ready()
}

/// Works for the connection as far as that goes now: to the end of a head that nobody has taken yet, at most.
pub(super) fn poll_connection<T: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<Guard<T>, Bytes>,
    conduct: &Conduct,
    context: &mut Context<'_>,
) -> Poll<Result<(), Ending>> {
    conduct.resume(context);
    let polled = Pin::new(connection).poll(context).map_err(Ending::Error);
    if let Some(misconduct) = conduct.take_misconduct() {
        return Poll::Ready(Err(Ending::Misconduct(misconduct.as_str())));
    }
    if polled.is_pending() && conduct.is_paused() {
        // A head has arrived. Whoever waits for it takes it before the next one is unfolded.
        context.waker().wake_by_ref();
    }
    polled
}
