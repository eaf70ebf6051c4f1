//! HTTP/2 towards viewers.

use std::rc::Rc;

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Peer;
use crate::thread::Thread;

/// Serves a connection to its end.
pub(super) async fn serve(_thread: &Rc<Thread>, _stream: TlsStream<TcpStream>, _peer: Peer) {}
