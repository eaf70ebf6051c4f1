//! When a connection that waits is at rest: then it gives back what serving a request needs.
//!
//! A timer for each would cost more than it saves, since most go on before it goes off. So a thread has one tick for
//! all of its connections: one that waits through a whole turn of it is at rest.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use crate::limits::VIEWER_BUSY_WAIT;

/// A thread's ticks, and who waits for the next one.
#[derive(Debug, Default)]
pub(crate) struct Ticks {
    count: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
    /// Told when one waits and none did.
    first_waits: Notify,
}

impl Ticks {
    /// Ticks for ever, as long as anybody waits for it.
    pub(crate) async fn run(&self) {
        loop {
            self.first_waits.notified().await;
            tokio::time::sleep(VIEWER_BUSY_WAIT).await;
            self.tick();
        }
    }

    fn tick(&self) {
        self.count.set(self.count.get() + 1);
        // Waking runs nothing yet.
        self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.get()
    }

    fn wait(&self, waker: Waker) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            self.first_waits.notify_one();
        }
        waiting.push(waker);
    }
}

/// A connection's part in it.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// The tick before which it was last put among those that wait.
    waits_since: Option<u64>,
}

impl Rest {
    /// Ready when the connection, which has waited since there were `begun_at` ticks, is at rest. However often it
    /// waits between two ticks, it is woken by the next one once.
    pub(crate) fn poll(&mut self, ticks: &Ticks, begun_at: u64, context: &Context<'_>) -> Poll<()> {
        let count = ticks.count();
        if count >= begun_at + 2 {
            return Poll::Ready(());
        }
        if self.waits_since.replace(count) != Some(count) {
            ticks.wait(context.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_rests_when_it_has_waited_from_one_tick_to_the_next() {
        let (ticks, mut rest, context) =
            (Ticks::default(), Rest::default(), Context::from_waker(Waker::noop()));
        let begun_at = ticks.count();
        for _ in 0..2 {
            assert!(rest.poll(&ticks, begun_at, &context).is_pending());
            ticks.tick();
        }
        assert!(rest.poll(&ticks, begun_at, &context).is_ready());
    }

    #[test]
    fn one_that_is_busy_is_woken_once_a_tick() {
        let (ticks, mut rest, context) =
            (Ticks::default(), Rest::default(), Context::from_waker(Waker::noop()));
        for _ in 0..3 {
            for _ in 0..10 {
                assert!(rest.poll(&ticks, ticks.count(), &context).is_pending());
            }
            assert_eq!(ticks.waiting.borrow().len(), 1);
            ticks.tick();
            assert_eq!(ticks.waiting.borrow().len(), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_ticks_only_while_somebody_waits() {
        let (ticks, mut rest, context) =
            (Ticks::default(), Rest::default(), Context::from_waker(Waker::noop()));
        let run_for_long =
            async || tokio::time::timeout(10 * VIEWER_BUSY_WAIT, ticks.run()).await.unwrap_err();
        run_for_long().await;
        assert_eq!(ticks.count(), 0);
        assert!(rest.poll(&ticks, ticks.count(), &context).is_pending());
        run_for_long().await;
        assert_eq!(ticks.count(), 1);
    }
}
