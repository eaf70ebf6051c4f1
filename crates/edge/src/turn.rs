//! The turns of a thread's event loop.
//!
//! At the beginning of each the system has told the thread what has happened on its sockets. So whoever
//! knows that a turn has begun since need not ask again.

use std::cell::Cell;

use tokio::time::Instant;

thread_local! {
    static TURN: Cell<u64> = const { Cell::new(0) };
    /// When the clock was last looked at, and in which turn.
    static LOOKED_AT_CLOCK: Cell<Option<(u64, Instant)>> = const { Cell::new(None) };
}

/// Another one begins on this thread: for the runtime to call when it has waited for events.
pub(crate) fn begin() {
    TURN.with(|turn| turn.set(turn.get() + 1));
}

/// A moment of this turn: for time limits that a turn's length does not matter to. Looking at the clock is dear, and
/// turns are short where there is much to do.
pub(crate) fn now() -> Instant {
    let turn = current();
    match LOOKED_AT_CLOCK.get() {
        Some((looked_in, now)) if looked_in == turn => now,
        _ => {
            let now = Instant::now();
            // Where nobody counts turns there is but the first one, which never ends.
            LOOKED_AT_CLOCK.set((turn > 0).then_some((turn, now)));
            now
        }
    }
}

/// The one of this moment.
pub(crate) fn current() -> u64 {
    TURN.with(Cell::get)
}
