//! Who is to be woken: the one task that works for something.

use std::cell::RefCell;
use std::task::{Context, Waker};

/// The task that was polled last, as long as it lives.
#[derive(Debug, Default)]
pub(crate) struct WaitingTask(RefCell<Option<Waker>>);

impl WaitingTask {
    /// Remembers the task that is being polled.
    pub(crate) fn remember(&self, context: &Context<'_>) {
        self.0.borrow_mut().get_or_insert_with(|| context.waker().clone()).clone_from(context.waker());
    }

    /// Has it polled again; it runs later.
    pub(crate) fn wake(&self) {
        if let Some(task) = self.0.borrow().as_ref() {
            task.wake_by_ref();
        }
    }
}
