//! What may be used up, and comes back with time.

use std::cell::Cell;

use tokio::time::Instant;

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
