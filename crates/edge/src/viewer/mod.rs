//! Viewers: whatever version they speak, a request is one `ViewerRequest`, its body a `RequestBody`,
//! and the response goes to a `ResponseWriter`.

mod http1_connection;
mod http2_conduct;
mod http2_connection;
mod http2_outgoing;
mod http2_stream;
mod http3_body;
mod http3_connection;
mod http3_response;
mod open_streams;
mod request;
mod response;
mod section_head;
mod unread;

use std::rc::Rc;
use std::sync::Arc;

use behavior::Scheme;
use proxy_protocol::Ends;
use quinn::{Connection, ConnectionError, Incoming};
use tokio::net::TcpStream;
use tokio::time::Instant;

pub(crate) use http2_conduct::Http2Misconduct;
pub(crate) use http3_connection::Http3Misconduct;
pub(crate) use request::{Peer, RequestBody, ViewerFault, ViewerRequest, refusal};
pub(crate) use response::{ResponseFraming, ResponseStart, ResponseWriter, ViewerHead};

use crate::addresses::AddressConnection;
use crate::thread::{QuicHandshake, Thread};
use crate::tls::{Alpn, HANDSHAKE_TIME_MAX, TlsFacts};
use crate::transport::Transport;

/// A connection that has been let in.
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) ends: Ends,
    pub(crate) of_address: AddressConnection,
    pub(crate) scheme: Scheme,
}

impl Accepted {
    /// The connection, and its peer before any TLS. The box is given back: who only moves out of it keeps it.
    #[expect(clippy::boxed_local, reason = "it is the box that has to go")]
    fn into_parts(self: Box<Self>) -> (TcpStream, Peer) {
        let Self { stream, ends, of_address, scheme } = *self;
        (stream, Peer::new(ends, of_address, scheme))
    }
}

/// Serves a viewer's connection to its end. It comes boxed, since every future on its way keeps room for it.
pub(crate) async fn serve(thread: &Rc<Thread>, accepted: Box<Accepted>) {
    match accepted.scheme {
        Scheme::Http => {
            let (stream, peer) = accepted.into_parts();
            http1_connection::serve(thread, &Transport::clear(stream), &peer).await;
        }
        // Boxed, here and below, so that connections in clear do not hold room for what TLS needs.
        Scheme::Https => Box::pin(serve_tls(thread, accepted)).await,
    }
}

async fn serve_tls(thread: &Rc<Thread>, accepted: Box<Accepted>) {
    let Some(tls) = &thread.common.tls else { return };
    let (stream, mut peer) = accepted.into_parts();
    let begun_at = Instant::now();
    let prepared = thread.prepared();
    let handshake = peer.of_address.begin_handshake();
    let turns = thread.handshakes.of(handshake.has_many());
    let (stream, facts) = match Box::pin(tls.accept(stream, &prepared, turns)).await {
        Ok(accepted) => accepted,
        Err(error) => {
            thread.metrics.tls_handshake_failed();
            return tracing::debug!(%error, "A viewer's TLS handshake failed");
        }
    };
    // Connections live long; snapshots should not, and it is no handshake any more.
    drop((prepared, handshake));
    thread.metrics.tls_handshake(facts.version, facts.resumed);
    let TlsFacts { alpn, .. } = facts;
    peer.shook_hands(facts, begun_at);
    match alpn {
        // `h3` is offered within QUIC alone.
        Alpn::Http1 | Alpn::Http3 => {
            http1_connection::serve(thread, &Transport::to_viewer(stream), &peer).await;
        }
        Alpn::Http2 => Box::pin(http2_connection::serve(thread, stream, peer)).await,
    }
}

/// Serves a viewer's QUIC connection to its end.
pub(crate) async fn serve_quic(
    thread: &Rc<Thread>,
    incoming: Incoming,
    handshake: QuicHandshake,
    ends: Ends,
    of_address: AddressConnection,
) {
    let begun_at = Instant::now();
    let shaking_hands = shake_hands(thread, incoming, &of_address);
    let connection = match tokio::time::timeout(HANDSHAKE_TIME_MAX, shaking_hands).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            thread.metrics.tls_handshake_failed();
            return tracing::debug!(%error, "A viewer's QUIC handshake failed");
        }
        Err(_) => {
            thread.metrics.tls_handshake_failed();
            return tracing::debug!("A viewer's QUIC handshake took too long");
        }
    };
    drop(handshake);
    let facts = connection.handshake_data().and_then(|data| data.downcast::<TlsFacts>().ok());
    // There is one kind of session, and its handshake has ended.
    let Some(facts) = facts else { return };
    thread.metrics.tls_handshake(facts.version, facts.resumed);
    let mut peer = Peer::new(ends, of_address, Scheme::Https);
    peer.shook_hands(*facts, begun_at);
    Box::pin(http3_connection::serve(thread, connection, peer)).await;
}

/// A QUIC handshake. What it costs is in its beginning, where the ClientHello is answered, so that this has a turn.
/// (Where the rest of a ClientHello comes only later, `quinn` answers it when it does.)
async fn shake_hands(
    thread: &Thread,
    incoming: Incoming,
    of_address: &AddressConnection,
) -> Result<Connection, ConnectionError> {
    let Some(quic) = &thread.common.quic else { return Err(ConnectionError::LocallyClosed) };
    let handshake = of_address.begin_handshake();
    let begin = || incoming.accept_with(Arc::new(quic.server_config(thread.prepared())));
    thread.handshakes.of(handshake.has_many()).once(begin).await?.await
}
