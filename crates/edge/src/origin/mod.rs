//! Origins: connections to them, the pool of idle ones, and the exchange of one request for one
//! response.
//!
//! - `connection`: finding, connecting, TLS;
//! - `pool`: idle connections, never used again when there is a doubt;
//! - `tls`: whom HTTPS origins must prove to be;
//! - `exchange`: attempts and retries;
//! - `error_page`: a page of the distribution in the place of an error;
//! - `attempt`: one request and one response on one connection, both bodies streaming;
//! - `http2_pool`, `http2_connection`: connections that many exchanges share, for gRPC;
//! - `http2_exchange`: one of those, both directions independent;
//! - `request_head`: what the origin is asked, and where that goes;
//! - `websocket`: the handshake's end, and the relay after it;
//! - `failure`: what can go wrong, and what the viewer and the log are told;
//! - `fuzzing`: what `fuzz-targets` asks of what origins say over HTTP/2.

mod attempt;
mod connection;
mod error_page;
mod exchange;
mod failure;
pub(crate) mod fuzzing;
mod http2_connection;
mod http2_exchange;
pub(crate) mod http2_guard;
mod http2_pool;
mod pool;
mod request_head;
mod tls;
mod websocket;

pub(crate) use connection::Connector;
pub(crate) use error_page::{WantedPage, send_error_page};
pub(crate) use exchange::{OriginExchange, Purpose, send};
pub(crate) use failure::OriginFailure;
pub(crate) use pool::Origins;
pub(crate) use request_head::{OriginRequestHead, endpoint};
pub use tls::{OriginRoots, OriginRootsError};
