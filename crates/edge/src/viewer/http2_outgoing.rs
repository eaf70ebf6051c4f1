//! What an HTTP/2 connection has to write: the frames of all its streams, in one piece.
//!
//! Most responses are much smaller than a TLS record or a system call is dear, so those that are ready together leave
//! together. It is also what bounds them: a stream that finds no room waits, and whoever does not read has no more than
//! one large buffer filled, whatever windows it grants.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use crate::buffer::Buffer;
use crate::limits::{HTTP2_CONTROL_BYTES_RESERVED, LARGE_BUFFER_BYTES, SMALL_BUFFER_BYTES};
use crate::transport::Transport;

/// Bytes that wait to be written. It holds a buffer only while something waits in it.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    buffer: Option<Buffer>,
    /// Whether something may be left in TLS's own buffers.
    is_unflushed: bool,
}

impl Outgoing {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_none()
    }

    /// Whether so much waits that nothing more should be read that might have to be answered.
    pub(super) fn is_full(&self) -> bool {
        self.buffer.as_ref().is_some_and(|buffer| buffer.len() >= LARGE_BUFFER_BYTES)
    }

    /// Whether something that waits for room may find it.
    pub(super) fn has_room(&self) -> bool {
        self.buffer.as_ref().is_none_or(|buffer| buffer.len() < buffer.capacity() / 2)
    }

    /// Where to write what must be sent, however much waits: it is short, and what makes it necessary is bounded.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        self.buffer.get_or_insert_with(Buffer::small)
    }

    /// How much room there is for what can wait, after there has been made as much as there can be of what is wanted.
    pub(super) fn room_for(&mut self, wanted: usize) -> usize {
        let room = |buffer: &Buffer| {
            buffer
                .capacity()
                .min(LARGE_BUFFER_BYTES)
                .saturating_sub(buffer.len() + HTTP2_CONTROL_BYTES_RESERVED)
        };
        let is_small = wanted <= SMALL_BUFFER_BYTES - HTTP2_CONTROL_BYTES_RESERVED;
        let borrow = if is_small { Buffer::small } else { Buffer::large };
        let buffer = self.buffer.get_or_insert_with(borrow);
        if room(buffer) < wanted && buffer.capacity() <= SMALL_BUFFER_BYTES {
            let mut larger = Buffer::large();
            if larger.capacity() > buffer.len() {
                larger.extend_from_slice(buffer);
                *buffer = larger;
            }
        }
        room(buffer)
    }

    /// Drops a buffer into which nothing was written.
    pub(super) fn tidy(&mut self) {
        if self.buffer.as_ref().is_some_and(|buffer| buffer.is_empty()) {
            self.buffer = None;
        }
    }

    /// Writes all of it.
    pub(super) fn poll_write(
        &mut self,
        transport: &Transport,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut written = 0;
        while let Some(buffer) = &mut self.buffer {
            let rest = buffer.get(written..).unwrap_or_default();
            if rest.is_empty() {
                self.buffer = None;
                break;
            }
            self.is_unflushed = true;
            match transport.poll_write(context, &[IoSlice::new(rest)]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(more) => written += more?,
                Poll::Pending => {
                    // What has been written is room for more.
                    buffer.consume(written);
                    return Poll::Pending;
                }
            }
        }
        if self.is_unflushed {
            ready!(transport.poll_flush(context))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LARGE_BUFFER_BYTES;

    #[test]
    fn room_grows_with_what_is_wanted() {
        let mut outgoing = Outgoing::default();
        assert!(outgoing.is_empty());
        assert_eq!(outgoing.room_for(100), SMALL_BUFFER_BYTES - HTTP2_CONTROL_BYTES_RESERVED);
        outgoing.tidy();
        assert!(outgoing.is_empty());
        outgoing.bytes().extend_from_slice(b"abc");
        outgoing.tidy();
        assert_eq!(outgoing.room_for(100_000), LARGE_BUFFER_BYTES - 3 - HTTP2_CONTROL_BYTES_RESERVED);
        assert_eq!(outgoing.bytes(), b"abc");
        let length = LARGE_BUFFER_BYTES - HTTP2_CONTROL_BYTES_RESERVED;
        outgoing.bytes().resize(length, b'x');
        assert_eq!((outgoing.room_for(100), outgoing.is_full()), (0, false));
        // What must be sent is sent.
        outgoing.bytes().extend_from_slice(&[b'y'; HTTP2_CONTROL_BYTES_RESERVED]);
        assert_eq!((outgoing.room_for(100), outgoing.is_full()), (0, true));
    }
}
