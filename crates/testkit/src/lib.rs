//! What tests of the edge are made with: an origin and viewers at the level of the socket, and an edge
//! with a configuration of its own.
//!
//! Fakes are strict: they do what the test says and nothing else, and whatever they wait for has a
//! deadline, so that a test ends in a message and never in silence.
//!
//! Does not know about: the control plane, the store, how bundles travel.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "only tests use it, and there a panic is the message"
)]

mod certificates;
mod edge;
mod http2_viewer;
mod message;
mod origin;
mod viewer;

use std::future::Future;
use std::time::Duration;

pub use certificates::TestCertificates;
pub use edge::{TestEdge, all_viewer_cache_behavior, distribution, http_origin, snapshot_of};
pub use http2_viewer::{Http2Response, Http2Viewer};
pub use message::{Message, chunked_body};
pub use origin::{FakeOrigin, OriginSide};
pub use viewer::FakeViewer;

/// How long anything in a test may take that should happen at once.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits, but not for ever.
#[track_caller]
pub fn within<F: Future>(what: &str, future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        let finished = tokio::time::timeout(PATIENCE, future).await;
        finished.unwrap_or_else(|_| panic!("{what} took longer than {PATIENCE:?}, at {caller}"))
    }
}

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    within(what, async move {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
}
