//! The edge: it answers viewers.
//!
//! [`Edge::start`] runs one thread a core; each has its own listeners (or clones of those that the
//! process was given), connections, origin pools and buffers, so a request takes no lock and crosses no
//! core. A request's life is one page of code, `pipeline.rs`, in the order in which things happen; what
//! must happen is decided by `behavior`, and the wire's form by `http1`, `http2` and `http3`.
//!
//! - `edge`, `thread`, `listener`, `shared`: starting, following snapshots, draining;
//! - `preparation`, `tls/opened`: certificates opened before any thread serves from a snapshot;
//! - `geo_database/`: where viewers are;
//! - `quic/`: UDP sockets, and whose connection a datagram is of;
//! - `trusted_proxies`: whose connections through a proxy are;
//! - `viewer/`: HTTP/1.1, HTTP/2 and HTTP/3 towards viewers, up to one `ViewerRequest` whatever the version;
//! - `origin/`: connections to origins, their pool, and one exchange on one of them;
//! - `resolver`: origins' names, by their times to live;
//! - `transport`, `buffer`, `alarm`, `turn`, `waiting_task`: bytes, memory and time;
//! - `addresses`, `allowance`, `handshake_turns`, `load`: how much viewers may have of it;
//! - `explain`: the same decisions for whoever asks what would happen;
//! - `transcript`, `access_log/`, `metrics`: what is said afterwards;
//! - `fuzzing`: a door to what is parsed, for `fuzz-targets` alone.
//!
//! A thread that ends ends all: [`Edge::failure`] tells the process, which cannot go on serving by half.
//!
//! Does not know about: the AWS API, the store, the control plane. It starts and serves while the
//! control plane is down.

mod access_log;
mod addresses;
mod alarm;
mod allowance;
mod answer;
mod body;
mod buffer;
mod distributions;
mod edge;
mod egress;
mod explain;
mod failure;
#[doc(hidden)]
pub mod fuzzing;
mod geo_database;
mod handshake_turns;
pub mod limits;
mod listener;
mod load;
mod metrics;
mod origin;
mod pipeline;
mod preparation;
mod quic;
mod request_id;
mod resolver;
mod response_headers;
mod rest;
mod shared;
mod thread;
mod tls;
mod transcript;
mod transport;
mod trusted_proxies;
mod turn;
mod viewer;
mod waiting_task;

pub use access_log::{
    AccessLogError, AccessLogFormat, AccessLogSettings, AccessLogTarget, access_log_fields,
};
pub use edge::{Edge, EdgeSettings, StartError, ThreadFailure, ViewerLimits};
pub use egress::{EgressError, OriginAccess};
pub use explain::{
    DroppedField, Explanation, Forwarded, Outcome, Question, Refusal, SecondOrigin, SentField, ViewerHead,
    explain,
};
pub use geo_database::{GeoDatabase, GeoDatabaseError, MmdbError};
pub use listener::{ListenOn, ListeningSocket, ListeningSocketError};
pub use metrics::Metrics;
pub use origin::{OriginRoots, OriginRootsError};
pub use quic::QuicSetupError;
pub use resolver::NameServers;
pub use tls::{
    CertificateError, Handshake, OpenError, PrivateKeyOpener, ServedCertificate, TlsSetupError, ViewerTls,
    certified_key,
};
