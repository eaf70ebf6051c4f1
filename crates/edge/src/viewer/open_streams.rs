//! How many streams of a connection are being served, and how long it goes on without any: over HTTP/2 and HTTP/3.

use std::cell::Cell;

use tokio::time::Instant;

use crate::limits::{HTTP2_CLOSING_TIME_MAX, VIEWER_IDLE_MAX};

/// The streams of a connection that are being served.
pub(super) struct OpenStreams {
    count: Cell<usize>,
    /// Since when there are none, or no others may begin.
    idle_since: Cell<Instant>,
    /// Whether no others may begin.
    are_closing: Cell<bool>,
}

impl OpenStreams {
    pub(super) fn new() -> Self {
        Self { count: Cell::new(0), idle_since: Cell::new(Instant::now()), are_closing: Cell::new(false) }
    }

    /// One more begins.
    pub(super) fn begin(&self) {
        self.count.set(self.count.get() + 1);
    }

    /// One ends; tells whether it was the last.
    pub(super) fn end(&self) -> bool {
        let left = self.count.get() - 1;
        self.count.set(left);
        self.idle_since.set(Instant::now());
        left == 0
    }

    /// From now on no others may begin.
    pub(super) fn close(&self) {
        self.are_closing.set(true);
        self.idle_since.set(Instant::now());
    }

    pub(super) fn are_closing(&self) -> bool {
        self.are_closing.get()
    }

    /// Until when the connection may go on as it is.
    pub(super) fn go_on_until(&self) -> Instant {
        let idle_since = if self.count.get() > 0 { Instant::now() } else { self.idle_since.get() };
        idle_since + if self.are_closing() { HTTP2_CLOSING_TIME_MAX } else { VIEWER_IDLE_MAX }
    }
}
