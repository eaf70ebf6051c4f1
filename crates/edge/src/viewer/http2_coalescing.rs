//! What an HTTP/2 connection writes at once, in one piece.
//!
//! `h2` hands over each frame for itself and flushes when it has no more to say. Without this every
//! response would be a TLS record, and a system call, of its own; most are much smaller than either costs.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::buffer::Buffer;

/// A stream whose writes wait for the flush, as far as they fit one small buffer. It holds the buffer only
/// while something waits in it.
#[derive(Debug)]
pub(super) struct Coalescing<T> {
    inner: T,
    waiting: Option<Buffer>,
}

impl<T> Coalescing<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, waiting: None }
    }
}

impl<T: AsyncWrite + Unpin> Coalescing<T> {
    /// Writes what waits.
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(waiting) = self.waiting.as_mut().filter(|waiting| !waiting.is_empty()) {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            waiting.consume(written);
        }
        self.waiting = None;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Coalescing<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Coalescing<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let this = &mut *self;
            let waiting = this.waiting.get_or_insert_with(Buffer::small);
            if waiting.capacity() - waiting.len() >= bytes.len() {
                waiting.extend_from_slice(bytes);
                return Poll::Ready(Ok(bytes.len()));
            }
            let parts = [IoSlice::new(waiting), IoSlice::new(bytes)];
            let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(context, &parts))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_these = written.saturating_sub(waiting.len());
            waiting.consume(written);
            if of_these > 0 {
                this.waiting = None;
                return Poll::Ready(Ok(of_these));
            }
        }
    }

    /// Vectored writes would be small as well: `h2` copies less together where they are possible.
    fn is_write_vectored(&self) -> bool {
        false
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::limits::SMALL_BUFFER_BYTES;

    /// Remembers each write; takes at most so much at once.
    #[derive(Debug)]
    struct Writes(Vec<Vec<u8>>, usize);

    impl AsyncWrite for Writes {
        fn poll_write(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(context, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            parts: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let taken: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).take(self.1).collect();
            let count = taken.len();
            self.0.push(taken);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn small_writes_leave_together_and_no_buffer_stays() {
        let mut stream = Coalescing::new(Writes(Vec::new(), usize::MAX));
        for part in [b"ab", b"cd", b"ef"] {
            stream.write_all(part).await.unwrap();
        }
        assert!(stream.inner.0.is_empty());
        stream.flush().await.unwrap();
        assert_eq!(stream.inner.0, [b"abcdef"]);
        assert!(stream.waiting.is_none());
    }

    #[tokio::test]
    async fn what_does_not_fit_leaves_with_what_waits() {
        let mut stream = Coalescing::new(Writes(Vec::new(), usize::MAX));
        stream.write_all(b"head").await.unwrap();
        stream.write_all(&[b'x'; SMALL_BUFFER_BYTES]).await.unwrap();
        assert_eq!(stream.inner.0.len(), 1);
        assert_eq!(stream.inner.0[0].len(), 4 + SMALL_BUFFER_BYTES);
        assert!(stream.waiting.is_none());
    }

    #[tokio::test]
    async fn nothing_is_lost_or_changes_places_however_little_is_taken() {
        let mut stream = Coalescing::new(Writes(Vec::new(), 7));
        let mut expect = Vec::new();
        for (length, byte) in
            [(5, b'a'), (SMALL_BUFFER_BYTES, b'b'), (3, b'c'), (2 * SMALL_BUFFER_BYTES, b'd')]
        {
            let part = vec![byte; length];
            stream.write_all(&part).await.unwrap();
            expect.extend(part);
        }
        stream.shutdown().await.unwrap();
        assert!(stream.inner.0.concat() == expect);
    }
}
