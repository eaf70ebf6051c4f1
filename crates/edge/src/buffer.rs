//! Buffers, borrowed from the thread's pool for as long as there is something in them.
//!
//! A connection that waits holds none: reads borrow a buffer within one poll and give it back when
//! there is nothing to read (`Transport::read_pooled`).

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};

use crate::limits::{
    LARGE_BUFFER_BYTES, LARGE_BUFFERS_IN_USE_MAX, LARGE_BUFFERS_KEPT_MAX, SMALL_BUFFER_BYTES,
    SMALL_BUFFERS_KEPT_MAX,
};

thread_local! {
    static POOL: Pool = const {
        Pool {
            small: RefCell::new(Vec::new()),
            large: RefCell::new(Vec::new()),
            large_in_use: Cell::new(0),
            bytes_in_use: Cell::new(0),
        }
    };
}

struct Pool {
    small: RefCell<Vec<Vec<u8>>>,
    large: RefCell<Vec<Vec<u8>>>,
    large_in_use: Cell<usize>,
    bytes_in_use: Cell<usize>,
}

impl Pool {
    fn lend_small(&self) -> Buffer {
        let kept = self.small.borrow_mut().pop();
        self.lend(kept.unwrap_or_else(|| Vec::with_capacity(SMALL_BUFFER_BYTES)), false)
    }

    fn lend_large(&self) -> Buffer {
        let in_use = self.large_in_use.get();
        if in_use >= LARGE_BUFFERS_IN_USE_MAX {
            return self.lend_small();
        }
        self.large_in_use.set(in_use + 1);
        let kept = self.large.borrow_mut().pop();
        self.lend(kept.unwrap_or_else(|| Vec::with_capacity(LARGE_BUFFER_BYTES)), true)
    }

    fn lend(&self, bytes: Vec<u8>, is_large: bool) -> Buffer {
        let counted = bytes.capacity();
        self.bytes_in_use.set(self.bytes_in_use.get() + counted);
        Buffer { bytes, is_large, counted }
    }
}

/// What the buffers that this thread has lent hold.
pub(crate) fn bytes_in_use() -> usize {
    POOL.with(|pool| pool.bytes_in_use.get())
}

/// A growable buffer whose memory goes back to its thread's pool.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    is_large: bool,
    /// What it counts for in the pool.
    counted: usize,
}

impl Buffer {
    /// For heads.
    pub(crate) fn small() -> Self {
        POOL.with(Pool::lend_small)
    }

    /// For bodies; a small one while too many large ones are in use.
    pub(crate) fn large() -> Self {
        POOL.with(Pool::lend_large)
    }

    /// Whether a read would have to grow it.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() == self.bytes.capacity()
    }

    /// Makes room for the largest head; a head that outgrows a small buffer is rare.
    pub(crate) fn grow_for_head(&mut self) {
        self.bytes.reserve_exact(http1::limits::HEAD_BYTES_MAX + 2);
        let more = self.bytes.capacity().saturating_sub(self.counted);
        self.counted += more;
        POOL.with(|pool| pool.bytes_in_use.set(pool.bytes_in_use.get() + more));
    }

    /// Drops what is before `at`.
    pub(crate) fn consume(&mut self, at: usize) {
        self.bytes.drain(..at.min(self.bytes.len()));
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        // The pool is gone when a thread that ends drops its last connections.
        let _ = POOL.try_with(|pool| {
            pool.bytes_in_use.set(pool.bytes_in_use.get().saturating_sub(self.counted));
            let (kept, capacity, kept_max) = if self.is_large {
                pool.large_in_use.set(pool.large_in_use.get().saturating_sub(1));
                (&pool.large, LARGE_BUFFER_BYTES, LARGE_BUFFERS_KEPT_MAX)
            } else {
                (&pool.small, SMALL_BUFFER_BYTES, SMALL_BUFFERS_KEPT_MAX)
            };
            let mut kept = kept.borrow_mut();
            if bytes.capacity() == capacity && kept.len() < kept_max {
                kept.push(bytes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_comes_back_empty() {
        let mut buffer = Buffer::large();
        buffer.extend_from_slice(b"secret");
        let memory = buffer.as_ptr();
        drop(buffer);
        let again = Buffer::large();
        assert_eq!((again.as_ptr(), again.len()), (memory, 0));
    }

    #[test]
    fn beyond_the_limit_bodies_make_do_with_small_buffers() {
        let held: Vec<Buffer> = (0..LARGE_BUFFERS_IN_USE_MAX).map(|_| Buffer::large()).collect();
        assert_eq!(Buffer::large().capacity(), SMALL_BUFFER_BYTES);
        drop(held);
        assert_eq!(Buffer::large().capacity(), LARGE_BUFFER_BYTES);
    }

    #[test]
    fn a_buffer_that_grew_does_not_go_back() {
        let mut buffer = Buffer::small();
        buffer.grow_for_head();
        assert!(!buffer.is_full());
        drop(buffer);
        assert_eq!(Buffer::small().capacity(), SMALL_BUFFER_BYTES);
    }
}
