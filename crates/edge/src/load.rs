//! How much memory the connections of one thread hold, by the parts that viewers can make large.
//!
//! It is a reckoning, not a measurement: what allocators keep and the kernel holds is not in it. Its use
//! is that it moves with what viewers do, at once, so that a thread can stop taking on more before the
//! machine is out of memory.

use std::cell::Cell;
use std::rc::Rc;

use crate::buffer;
use crate::limits::{CONNECTION_HELD_BYTES, STREAM_HELD_BYTES};

/// What a thread holds, and may.
#[derive(Debug)]
pub(crate) struct Load {
    bytes_max: usize,
    bytes: Cell<usize>,
}

impl Load {
    /// Nothing yet, of at most `bytes_max`.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: Cell::new(0) }
    }

    /// What is held, buffers included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get().saturating_add(buffer::bytes_in_use())
    }

    /// What may be held.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Whether nothing more should be taken on.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes() >= self.bytes_max
    }

    /// What a connection holds, for as long as the value lives.
    pub(crate) fn connection(self: &Rc<Self>) -> Held {
        Held::of(self, CONNECTION_HELD_BYTES)
    }

    /// What a stream of HTTP/2 holds besides, without its buffers.
    pub(crate) fn stream(self: &Rc<Self>) -> Held {
        Held::of(self, STREAM_HELD_BYTES)
    }
}

/// A share of what a thread holds, given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    load: Rc<Load>,
    bytes: Cell<usize>,
}

impl Held {
    /// Nothing yet.
    pub(crate) fn new(load: &Rc<Load>) -> Self {
        Self { load: Rc::clone(load), bytes: Cell::new(0) }
    }

    fn of(load: &Rc<Load>, bytes: usize) -> Self {
        let held = Self::new(load);
        held.take(bytes);
        held
    }

    /// Holds more.
    pub(crate) fn take(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        self.load.bytes.set(self.load.bytes.get().saturating_add(bytes));
    }

    /// Holds this much.
    pub(crate) fn hold(&self, bytes: usize) {
        if bytes != self.bytes.get() {
            self.clear();
            self.take(bytes);
        }
    }

    /// Holds less, but never less than nothing.
    pub(crate) fn give_back(&self, bytes: usize) {
        let bytes = bytes.min(self.bytes.get());
        self.bytes.set(self.bytes.get() - bytes);
        self.load.bytes.set(self.load.bytes.get().saturating_sub(bytes));
    }

    /// Holds nothing.
    pub(crate) fn clear(&self) {
        self.give_back(usize::MAX);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back() {
        let load = Rc::new(Load::new(CONNECTION_HELD_BYTES + 100));
        let before = load.bytes();
        let connection = load.connection();
        let body = Held::new(&load);
        assert!(!load.is_full());
        body.take(100);
        assert_eq!(load.bytes(), before + CONNECTION_HELD_BYTES + 100);
        assert!(load.is_full());
        body.hold(50);
        assert_eq!(load.bytes(), before + CONNECTION_HELD_BYTES + 50);
        body.give_back(1000);
        assert_eq!(load.bytes(), before + CONNECTION_HELD_BYTES);
        drop(connection);
        assert_eq!(load.bytes(), before);
    }

    #[test]
    fn buffers_count_while_they_are_in_use() {
        let load = Load::new(usize::MAX);
        let before = load.bytes();
        let (small, mut large) = (buffer::Buffer::small(), buffer::Buffer::large());
        large.grow_for_head();
        assert!(load.bytes() > before + crate::limits::LARGE_BUFFER_BYTES);
        drop((small, large));
        assert_eq!(load.bytes(), before);
    }
}
