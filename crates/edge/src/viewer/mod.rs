//! Viewers: whatever version they speak, a request is one `ViewerRequest`, its body a `RequestBody`,
//! and the response goes to a `ResponseWriter`.

mod http1_connection;
mod http2_connection;
pub(crate) mod http2_guard;
mod http2_head;
mod http2_outgoing;
mod request;
mod response;

use std::cell::Cell;
use std::net::SocketAddr;

use behavior::Scheme;
use tokio::net::TcpStream;
use tokio::time::Instant;

pub(crate) use http2_guard::Http2Misconduct;
pub(crate) use request::{Peer, RequestBody, ViewerFault, ViewerRequest, refusal};
pub(crate) use response::{ResponseFraming, ResponseStart, ResponseWriter, ViewerHead};

use crate::addresses::AddressConnection;
use crate::thread::Thread;
use crate::tls::{Alpn, TlsFacts};
use crate::transport::Transport;

/// Serves a viewer's connection to its end.
pub(crate) async fn serve(
    thread: &std::rc::Rc<Thread>,
    stream: TcpStream,
    address: SocketAddr,
    of_address: AddressConnection,
    scheme: Scheme,
) {
    match scheme {
        Scheme::Http => {
            let (tls_handshake, has_asked) = (Cell::default(), Cell::default());
            let peer = Peer { address, of_address, scheme, tls: None, tls_handshake, has_asked };
            http1_connection::serve(thread, Transport::clear(stream), &peer).await;
        }
        // Boxed, here and below, so that connections in clear do not hold room for what TLS needs.
        Scheme::Https => Box::pin(serve_tls(thread, stream, address, of_address)).await,
    }
}

async fn serve_tls(
    thread: &std::rc::Rc<Thread>,
    stream: TcpStream,
    address: SocketAddr,
    of_address: AddressConnection,
) {
    let Some(tls) = &thread.common.tls else { return };
    let begun_at = Instant::now();
    let prepared = thread.prepared();
    let handshake = of_address.begin_handshake();
    let turn = thread.handshakes.take(handshake.has_many());
    let (stream, facts) = match tls.accept(stream, &prepared, turn).await {
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
    let (tls_handshake, has_asked) = (Cell::new(Some(begun_at.elapsed())), Cell::default());
    let peer =
        Peer { address, of_address, scheme: Scheme::Https, tls: Some(facts), tls_handshake, has_asked };
    match alpn {
        Alpn::Http1 => http1_connection::serve(thread, Transport::to_viewer(stream), &peer).await,
        Alpn::Http2 => Box::pin(http2_connection::serve(thread, stream, peer)).await,
    }
}
