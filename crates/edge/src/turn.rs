//! The turns of a thread's event loop.
//!
//! At the beginning of each the system has told the thread what has happened on its sockets. So whoever
//! knows that a turn has begun since need not ask again.

use std::cell::Cell;

thread_local! {
    static TURN: Cell<u64> = const { Cell::new(0) };
}

/// Another one begins on this thread: for the runtime to call when it has waited for events.
pub(crate) fn begin() {
    TURN.with(|turn| turn.set(turn.get() + 1));
}

/// The one of this moment.
pub(crate) fn current() -> u64 {
    TURN.with(Cell::get)
}
