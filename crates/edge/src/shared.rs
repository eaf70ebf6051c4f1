//! The state that crosses threads; there is no other.

use std::sync::{Mutex, PoisonError};

use edge_config::Revision;
use tokio::sync::watch;

/// What the edge as a whole is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Connections are accepted and served.
    Serving,
    /// No new connections; those that are there end after what they are doing.
    Draining,
    /// Threads end, whatever is left.
    Stopping,
}

/// How far each thread is. What is reported is the revision that all of them have applied.
#[derive(Debug)]
pub(crate) struct AppliedRevisions {
    by_thread: Mutex<Vec<Revision>>,
    all: watch::Sender<Revision>,
}

impl AppliedRevisions {
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            by_thread: Mutex::new(vec![Revision::default(); threads]),
            all: watch::Sender::new(Revision::default()),
        }
    }

    /// The revision that every thread has applied.
    pub(crate) fn all(&self) -> watch::Receiver<Revision> {
        self.all.subscribe()
    }

    /// A thread has applied a revision.
    pub(crate) fn report(&self, thread: usize, revision: Revision) {
        let mut by_thread = self.by_thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(applied) = by_thread.get_mut(thread) {
            *applied = revision;
        }
        let minimum = by_thread.iter().min().copied().unwrap_or_default();
        // Within the lock, so that reports are sent in the order in which they became true.
        self.all.send_if_modified(|all| std::mem::replace(all, minimum) != minimum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_applied_when_the_last_thread_has_it() {
        let applied = AppliedRevisions::new(2);
        let all = applied.all();
        applied.report(0, Revision(7));
        assert_eq!(*all.borrow(), Revision(0));
        applied.report(1, Revision(5));
        assert_eq!(*all.borrow(), Revision(5));
        applied.report(1, Revision(7));
        assert_eq!(*all.borrow(), Revision(7));
    }
}
