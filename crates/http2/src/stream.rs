//! The streams of a connection that have not ended, and those whose frames may still come.

use std::collections::VecDeque;

use crate::limits::RESET_STREAMS_MAX;

/// The number of a stream.
pub type StreamId = u32;

/// A stream that has not ended in both directions.
#[derive(Debug)]
pub(crate) struct Stream {
    id: StreamId,
    /// Whether the other side may send more.
    pub(crate) is_receiving: bool,
    /// Whether this side may send more.
    pub(crate) is_sending: bool,
    /// How much of a body this side may send; below 0 where the other side has changed its mind (RFC 9113 section
    /// 6.9.2).
    pub(crate) send_window: i64,
    /// How much of a body the other side may send.
    pub(crate) receive_window: i64,
    /// How much of it has been dealt with and not been told to the other side.
    pub(crate) released: u32,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// By number.
    open: Vec<Stream>,
    /// Which were reset by this side, the oldest first.
    reset: VecDeque<StreamId>,
}

impl Streams {
    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    /// Begins one whose number is higher than all before.
    pub(crate) fn begin(&mut self, id: StreamId, is_receiving: bool, send_window: i64, receive_window: i64) {
        self.open.push(Stream {
            id,
            is_receiving,
            is_sending: true,
            send_window,
            receive_window,
            released: 0,
        });
    }

    pub(crate) fn get(&mut self, id: StreamId) -> Option<&mut Stream> {
        let at = self.place(id)?;
        self.open.get_mut(at)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.open.iter_mut()
    }

    /// Notes that one direction has ended; the stream is gone when both have.
    pub(crate) fn end(&mut self, id: StreamId, direction: impl FnOnce(&mut Stream) -> &mut bool) {
        if let Some(stream) = self.get(id) {
            *direction(stream) = false;
            if !stream.is_receiving && !stream.is_sending {
                self.remove(id);
            }
        }
    }

    /// Removes one that is there; tells whether it was.
    pub(crate) fn remove(&mut self, id: StreamId) -> bool {
        self.place(id).map(|at| self.open.remove(at)).is_some()
    }

    /// Removes one that this side resets, whose frames are tolerated from here on.
    pub(crate) fn reset(&mut self, id: StreamId) {
        self.remove(id);
        if self.reset.len() >= RESET_STREAMS_MAX {
            self.reset.pop_front();
        }
        self.reset.push_back(id);
    }

    /// Whether it was reset by this side not long ago.
    pub(crate) fn was_reset(&self, id: StreamId) -> bool {
        self.reset.contains(&id)
    }

    fn place(&self, id: StreamId) -> Option<usize> {
        self.open.binary_search_by_key(&id, |stream| stream.id).ok()
    }
}
