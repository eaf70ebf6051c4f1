//! What may be used up, and comes back with time.

use std::cell::Cell;

use http2::{FrameHead, FrameKind};
use tokio::time::Instant;

use crate::limits::{HTTP2_FRAMES_MAX, HTTP2_FRAMES_PER_SECOND};

/// Something that may be used up, and comes back with time.
#[derive(Debug)]
pub(crate) struct Allowance {
    most: u32,
    per_second: u32,
    left: Cell<u32>,
    filled_at: Cell<Instant>,
}

impl Allowance {
    pub(crate) fn new(most: u32, per_second: u32) -> Self {
        Self { most, per_second, left: Cell::new(most), filled_at: Cell::new(Instant::now()) }
    }

    pub(crate) fn earn(&self, amount: u32) {
        self.left.set(self.left.get().saturating_add(amount).min(self.most));
    }

    /// Whether there was enough. Looks at the clock only when there is not.
    pub(crate) fn spend(&self, amount: u32) -> bool {
        if self.left.get() < amount {
            self.fill();
        }
        let Some(left) = self.left.get().checked_sub(amount) else { return false };
        self.left.set(left);
        true
    }

    fn fill(&self) {
        let now = Instant::now();
        let passed = now.duration_since(self.filled_at.get());
        let earned = passed.as_millis().saturating_mul(self.per_second.into()) / 1000;
        if earned > 0 {
            self.filled_at.set(now);
            self.earn(u32::try_from(earned).unwrap_or(u32::MAX));
        }
    }
}

/// HTTP/2 frames that carry nothing, whoever sends them: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, unknown
/// ones, the pieces of a head. Each costs more than it is worth to anybody.
#[derive(Debug)]
pub(crate) struct FrameAllowance(Allowance);

impl FrameAllowance {
    pub(crate) fn new() -> Self {
        Self(Allowance::new(HTTP2_FRAMES_MAX, HTTP2_FRAMES_PER_SECOND))
    }

    /// An exchange begins, to which frames belong.
    pub(crate) fn exchange_begins(&self) {
        self.0.earn(4);
    }

    /// A stretch of a body goes out, which the other end may acknowledge for stream and connection.
    pub(crate) fn data_goes_out(&self) {
        self.0.earn(2);
    }

    /// Whether the allowance is enough for this frame as well. Resets have one of their own.
    pub(crate) fn charge(&self, frame: FrameHead) -> bool {
        match frame.kind {
            // RFC 9113 section 6.1; 6.3 and 5.3.2, where priorities are deprecated; 6.5; 6.7; 6.9.
            FrameKind::Data => frame.length > 0 || frame.ends_stream() || self.0.spend(1),
            FrameKind::Headers => {
                self.exchange_begins();
                true
            }
            FrameKind::ResetStream => true,
            // It is acknowledged, and may change the windows of all streams.
            FrameKind::Settings if !frame.is_acknowledgment() => self.0.spend(16),
            _ => self.0.spend(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_allowance_comes_back_with_time() {
        let allowance = Allowance::new(10, 5);
        assert!((0..10).all(|_| allowance.spend(1)));
        assert!(!allowance.spend(1));
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert!((0..5).all(|_| allowance.spend(1)));
        assert!(!allowance.spend(1));
        allowance.earn(100);
        assert!(!allowance.spend(11) && allowance.spend(10));
    }
}
