//! The workloads, and what Mantlet has to reach in each.

use std::time::Duration;

use anyhow::Result;
use serde::{Serialize, Serializer};

use super::proxy::Proxy;
use super::viewers::{h2load, wrk};

/// What is asked of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Workload {
    SmallGet,
    LargeGet,
    NewConnections,
    Http2,
    SmallGetOverTls,
    Handshakes,
    Upload,
}

/// Connections where the number does not matter.
const CONNECTIONS: u32 = 64;
/// Connections where each request is heavy.
const FEW_CONNECTIONS: u32 = 16;
/// HTTP/2 connections, and streams on each.
pub(super) const HTTP2_CONNECTIONS: u32 = 8;
pub(super) const HTTP2_STREAMS: u32 = 10;

impl Workload {
    /// Its short name, as the issue tracker and the command line have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SmallGet => "W1",
            Self::LargeGet => "W2",
            Self::NewConnections => "W3",
            Self::Http2 => "W4",
            Self::SmallGetOverTls => "W4h1",
            Self::Handshakes => "W5",
            Self::Upload => "W6",
        }
    }

    pub(super) fn description(self) -> &'static str {
        match self {
            Self::SmallGet => "GET 300 B, keep-alive",
            Self::LargeGet => "GET 64 KiB, keep-alive",
            Self::NewConnections => "GET 300 B, a new connection each",
            Self::Http2 => "GET 300 B, HTTP/2 over TLS 1.3, 10 streams",
            Self::SmallGetOverTls => "GET 300 B, TLS 1.3, keep-alive",
            Self::Handshakes => "GET 300 B, a full TLS 1.3 handshake each",
            Self::Upload => "POST 1 MiB, keep-alive",
        }
    }

    /// The ratio to the better peer that Mantlet may have at most.
    pub(super) fn bar(self) -> f64 {
        match self {
            Self::SmallGet => 0.85,
            Self::LargeGet => 0.72,
            Self::NewConnections => 1.05,
            Self::Http2 => 1.0,
            Self::SmallGetOverTls => 0.82,
            Self::Handshakes => 0.55,
            Self::Upload => 0.75,
        }
    }

    pub(super) fn is_over_tls(self) -> bool {
        matches!(self, Self::Http2 | Self::SmallGetOverTls | Self::Handshakes)
    }

    /// Puts it on a proxy for a while, and returns how many requests were answered.
    pub(super) fn load(self, proxy: &Proxy, time: Duration) -> Result<u64> {
        let http = |path| format!("http://{}{path}", proxy.http);
        let https = |path| format!("https://{}{path}", proxy.https);
        let closing = "wrk.headers['Connection'] = 'close'";
        let upload = "wrk.method = 'POST'; wrk.body = string.rep('x', 1048576)";
        match self {
            Self::SmallGet => wrk(&http("/small"), &proxy.host, CONNECTIONS, time, ""),
            Self::LargeGet => wrk(&http("/large"), &proxy.host, CONNECTIONS, time, ""),
            Self::NewConnections => wrk(&http("/small"), &proxy.host, CONNECTIONS, time, closing),
            Self::Http2 => h2load(proxy.https, &proxy.host, HTTP2_CONNECTIONS, HTTP2_STREAMS, time),
            Self::SmallGetOverTls => wrk(&https("/small"), &proxy.host, CONNECTIONS, time, ""),
            Self::Handshakes => wrk(&https("/small"), &proxy.host, FEW_CONNECTIONS, time, closing),
            Self::Upload => wrk(&http("/small"), &proxy.host, FEW_CONNECTIONS, time, upload),
        }
    }
}

impl Serialize for Workload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
