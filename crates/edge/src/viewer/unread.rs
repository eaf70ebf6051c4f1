//! Streams of one connection whose responses wait for the viewer to read, in HTTP/2 and HTTP/3 alike.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use super::ViewerFault;
use crate::alarm::Alarm;
use crate::limits::{HTTP2_UNREAD_STREAMS_PATIENT, HURRIED_TIME_MAX};

/// How many wait.
#[derive(Debug, Default)]
pub(super) struct UnreadStreams(Cell<usize>);

/// One that waits, for as long as this is kept.
pub(super) struct UnreadStream<'s>(&'s UnreadStreams);

impl UnreadStreams {
    /// One more waits.
    pub(super) fn wait(&self) -> UnreadStream<'_> {
        self.0.set(self.0.get() + 1);
        UnreadStream(self)
    }

    fn are_many(&self) -> bool {
        self.0.get() > HTTP2_UNREAD_STREAMS_PATIENT
    }

    /// How long a stream may wait that may usually wait this long.
    pub(super) fn patience(&self, usual: Duration) -> Duration {
        if self.are_many() { usual.min(HURRIED_TIME_MAX) } else { usual }
    }

    /// Waits for what is sent as long as `patience` says; where that is too long and many wait, the connection is
    /// condemned: so many at once are no accident, and each would be followed by another.
    pub(super) async fn send<E>(
        &self,
        alarm: &mut Alarm,
        patience: impl Fn() -> Duration,
        mut sending: Pin<&mut impl Future<Output = Result<(), E>>>,
        condemn: impl FnOnce(),
    ) -> Result<(), ViewerFault> {
        let mut unread = None;
        let sending = poll_fn(|context| {
            let polled = sending.as_mut().poll(context);
            if polled.is_pending() {
                unread.get_or_insert_with(|| self.wait());
            }
            polled
        });
        match alarm.as_patient_as(patience, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(ViewerFault::Left),
            Err(_) => {
                if self.are_many() {
                    condemn();
                }
                Err(ViewerFault::ReadsTooSlowly)
            }
        }
    }
}

impl Drop for UnreadStream<'_> {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get() - 1);
    }
}
