//! One timer a connection, for all of its time limits.
//!
//! Registering a timer for each wait would cost more than parsing a request. So the timer is left
//! where it is while deadlines move on, and set anew only when it goes off too early or must go off
//! sooner.

use std::cell::OnceCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::limits::PATIENCE_CHECK;
use crate::turn;

/// The time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimedOut;

/// A connection's timer.
#[derive(Debug)]
pub(crate) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// Whom it wakes when it goes off, where that has been settled.
    wakes: Option<Waker>,
}

impl Alarm {
    /// A timer that has nothing to do yet.
    pub(crate) fn new() -> Self {
        const FAR: Duration = Duration::from_hours(1);
        Self { sleep: Box::pin(tokio::time::sleep(FAR)), wakes: None }
    }

    /// Waits for `future`, but not longer than `limit`. What is ready at once costs no look at the clock.
    pub(crate) async fn within<F: Future>(
        &mut self,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, TimedOut> {
        let deadline = OnceCell::new();
        self.until_moving(|| *deadline.get_or_init(|| turn::now() + limit), future).await
    }

    /// Waits for `future` as long as `patience` says, which may change its mind meanwhile.
    pub(crate) async fn as_patient_as<F: Future>(
        &mut self,
        patience: impl Fn() -> Duration,
        future: F,
    ) -> Result<F::Output, TimedOut> {
        let begun_at = OnceCell::new();
        let deadline = || {
            let now = Instant::now();
            (*begun_at.get_or_init(|| now) + patience()).min(now + PATIENCE_CHECK)
        };
        self.until_moving(deadline, future).await
    }

    /// As [`as_patient_as`](Self::as_patient_as), for what has begun already.
    pub(crate) async fn as_patient_since<F: Future>(
        &mut self,
        begun_at: Instant,
        patience: impl Fn() -> Duration,
        future: F,
    ) -> Result<F::Output, TimedOut> {
        let deadline = || (begun_at + patience()).min(Instant::now() + PATIENCE_CHECK);
        self.until_moving(deadline, future).await
    }

    /// Waits for `future` until a deadline that may have moved by the time it is reached.
    pub(crate) async fn until_moving<F: Future>(
        &mut self,
        deadline: impl Fn() -> Instant,
        future: F,
    ) -> Result<F::Output, TimedOut> {
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(output));
            }
            self.poll(&deadline, context).map(Err)
        })
        .await
    }

    /// Ready when a deadline has passed, which may move as well.
    pub(crate) fn poll(
        &mut self,
        mut deadline: impl FnMut() -> Instant,
        context: &mut Context<'_>,
    ) -> Poll<TimedOut> {
        let until = deadline();
        if self.sleep.deadline() > until {
            self.sleep.as_mut().reset(until);
        }
        while self.poll_sleep(context).is_ready() {
            let until = deadline();
            if Instant::now() >= until {
                return Poll::Ready(TimedOut);
            }
            self.sleep.as_mut().reset(until);
        }
        Poll::Pending
    }

    /// As the timer's own `poll`, which costs more than it tells where the timer knows already whom to wake.
    fn poll_sleep(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let is_settled = self.wakes.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
        if is_settled && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        let polled = self.sleep.as_mut().poll(context);
        self.wakes = polled.is_pending().then(|| context.waker().clone());
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn paused() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
    }

    #[test]
    fn a_deadline_may_be_sooner_or_later_than_the_one_before() {
        paused().block_on(async {
            let mut alarm = Alarm::new();
            for seconds in [60, 5, 30] {
                let begin = Instant::now();
                let deadline = begin + Duration::from_secs(seconds);
                assert_eq!(
                    alarm.until_moving(|| deadline, std::future::pending::<()>()).await,
                    Err(TimedOut)
                );
                assert_eq!(begin.elapsed().as_secs(), seconds);
            }
        });
    }

    #[test]
    fn patience_may_end_sooner_than_it_began() {
        paused().block_on(async {
            let begin = Instant::now();
            let patience = || Duration::from_secs(if begin.elapsed().as_secs() < 3 { 60 } else { 5 });
            let outcome = Alarm::new().as_patient_as(patience, std::future::pending::<()>()).await;
            assert_eq!((outcome, begin.elapsed().as_secs()), (Err(TimedOut), 5));
        });
    }

    #[test]
    fn a_deadline_that_moves_is_looked_at_again() {
        paused().block_on(async {
            let begin = Instant::now();
            let looks = Cell::new(0);
            let deadline = || {
                looks.set(looks.get() + 1);
                begin + Duration::from_secs(if begin.elapsed().as_secs() < 5 { 5 } else { 7 })
            };
            let outcome = Alarm::new().until_moving(deadline, std::future::pending::<()>()).await;
            assert_eq!((outcome, begin.elapsed().as_secs()), (Err(TimedOut), 7));
        });
    }
}
