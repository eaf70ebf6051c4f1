//! Counters that one thread writes and any thread reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number. It has one writer, which need not lock the bus to add to it.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, amount: u64) {
        self.set(self.get().wrapping_add(amount));
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A time in microseconds.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The upper ends of a histogram's buckets, as microseconds and as Prometheus shows them: from an
/// edge's own answers to the default origin timeouts and beyond.
pub(super) const BUCKETS: [(u64, &str); 14] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (30_000_000, "30"),
];

/// How long things took.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// One more than there are ends: the last has none.
    buckets: [Count; BUCKETS.len() + 1],
    sum_micros: Count,
}

impl Histogram {
    pub(super) fn observe(&self, time: Duration) {
        let micros = micros(time);
        let bucket = BUCKETS.iter().position(|(end, _)| micros <= *end).unwrap_or(BUCKETS.len());
        self.buckets[bucket].add(1);
        self.sum_micros.add(micros);
    }

    /// The buckets, each without those below it.
    pub(super) fn buckets(&self) -> impl Iterator<Item = u64> + '_ {
        self.buckets.iter().map(Count::get)
    }

    pub(super) fn sum_micros(&self) -> u64 {
        self.sum_micros.get()
    }
}
