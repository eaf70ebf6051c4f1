//! A connection's bytes, in clear or in TLS, towards viewers and origins alike.
//!
//! Everything works through `&self`, since a request's body and a response travel at the same time;
//! one task owns the connection, so nothing is borrowed across a wait.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

use crate::buffer::Buffer;

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Transport {
    stream: RefCell<Stream>,
}

/// The system's part of it.
#[derive(Debug)]
pub(crate) enum Stream {
    Clear(TcpStream),
    ToViewer(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    ToOrigin(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl Transport {
    /// In clear.
    pub(crate) fn clear(stream: TcpStream) -> Self {
        Self { stream: RefCell::new(Stream::Clear(stream)) }
    }

    /// TLS towards a viewer.
    pub(crate) fn to_viewer(stream: tokio_rustls::server::TlsStream<TcpStream>) -> Self {
        Self { stream: RefCell::new(Stream::ToViewer(Box::new(stream))) }
    }

    /// TLS towards an origin.
    pub(crate) fn to_origin(stream: tokio_rustls::client::TlsStream<TcpStream>) -> Self {
        Self { stream: RefCell::new(Stream::ToOrigin(Box::new(stream))) }
    }

    /// What is below, for who does the reading and writing.
    pub(crate) fn into_stream(self) -> Stream {
        self.stream.into_inner()
    }

    /// Reads behind what `buffer` holds; 0 is the end of the stream.
    pub(crate) fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut Buffer,
    ) -> Poll<io::Result<usize>> {
        match &mut *self.stream.borrow_mut() {
            Stream::Clear(stream) => poll_read_buf(Pin::new(stream), context, &mut **buffer),
            Stream::ToViewer(stream) => poll_read_buf(Pin::new(&mut **stream), context, &mut **buffer),
            Stream::ToOrigin(stream) => poll_read_buf(Pin::new(&mut **stream), context, &mut **buffer),
        }
    }

    /// As [`poll_read`](Self::poll_read).
    pub(crate) async fn read(&self, buffer: &mut Buffer) -> io::Result<usize> {
        poll_fn(|context| self.poll_read(context, buffer)).await
    }

    /// Reads into a buffer that is borrowed only once there is something to read. An empty one is the
    /// end of the stream.
    pub(crate) fn poll_read_pooled(
        &self,
        context: &mut Context<'_>,
        borrow: fn() -> Buffer,
    ) -> Poll<io::Result<Buffer>> {
        ready!(self.poll_may_be_readable(context))?;
        let mut buffer = borrow();
        ready!(self.poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(buffer))
    }

    /// Pending where it is sure that there is nothing to read, so that no buffer is borrowed for nothing.
    fn poll_may_be_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &*self.stream.borrow() {
            // The look at what the system has said is cheaper than being told of what it will say.
            Stream::Clear(stream) if stream.try_io(Interest::READABLE, || Ok(())).is_err() => {
                stream.poll_read_ready(context)
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Writes everything, and leaves nothing in TLS's own buffers.
    pub(crate) async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_parts(&mut [IoSlice::new(bytes)]).await
    }

    /// As [`write`](Self::write), in one go where the system can.
    pub(crate) async fn write_parts(&self, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        poll_fn(|context| self.poll_write_parts(context, &mut parts)).await
    }

    /// As [`write_parts`](Self::write_parts); what has been written is gone from `parts`.
    #[expect(clippy::mut_mut, reason = "the caller's list is what gets shorter")]
    pub(crate) fn poll_write_parts(
        &self,
        context: &mut Context<'_>,
        parts: &mut &mut [IoSlice<'_>],
    ) -> Poll<io::Result<()>> {
        // Drops leading empty parts, so that the loop ends.
        IoSlice::advance_slices(parts, 0);
        while !parts.is_empty() {
            let written = ready!(self.poll_write(context, parts))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            IoSlice::advance_slices(parts, written);
        }
        self.poll_flush(context)
    }

    /// Writes as much as fits.
    pub(crate) fn poll_write(
        &self,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self.stream.borrow_mut() {
            Stream::Clear(stream) => match parts {
                [part] => Pin::new(stream).poll_write(context, part),
                _ => Pin::new(stream).poll_write_vectored(context, parts),
            },
            Stream::ToViewer(stream) => Pin::new(&mut **stream).poll_write_vectored(context, parts),
            Stream::ToOrigin(stream) => Pin::new(&mut **stream).poll_write_vectored(context, parts),
        }
    }

    /// Leaves nothing in TLS's own buffers.
    pub(crate) fn poll_flush(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.stream.borrow_mut() {
            Stream::Clear(_) => Poll::Ready(Ok(())),
            Stream::ToViewer(stream) => Pin::new(&mut **stream).poll_flush(context),
            Stream::ToOrigin(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    /// Writes what fits without waiting: for a few bytes that nobody may have to wait for.
    pub(crate) fn write_now(&self, bytes: &[u8]) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let written = self.poll_write(&mut context, &[IoSlice::new(bytes)]);
        matches!(written, Poll::Ready(Ok(written)) if written == bytes.len())
            && self.poll_flush(&mut context).is_ready()
    }

    /// Says that nothing more will be written.
    pub(crate) async fn shut_down(&self) -> io::Result<()> {
        poll_fn(|context| match &mut *self.stream.borrow_mut() {
            Stream::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::ToViewer(stream) => Pin::new(&mut **stream).poll_shutdown(context),
            Stream::ToOrigin(stream) => Pin::new(&mut **stream).poll_shutdown(context),
        })
        .await
    }

    /// Tells a viewer behind TLS that nothing more comes, which each side must do before it closes (RFC 8446
    /// section 6.1). Nobody waits for it: where it does not fit, the viewer does not read.
    pub(crate) fn say_farewell(&self) {
        if let Stream::ToViewer(stream) = &mut *self.stream.borrow_mut() {
            let mut context = Context::from_waker(Waker::noop());
            let _: Poll<io::Result<()>> = Pin::new(&mut **stream).poll_shutdown(&mut context);
        }
    }

    /// Makes the coming close a reset, so that nobody takes it for the end of a message.
    pub(crate) fn reset_on_close(&self) {
        let stream = self.stream.borrow();
        // Where it fails, the connection is gone already.
        let _ = SockRef::from(stream.tcp()).set_linger(Some(Duration::ZERO));
    }

    /// Ready when the other side has reset the connection; what it has sent is left where it is.
    ///
    /// A viewer that only ends its sending side (FIN, or TLS's close_notify) says that no request
    /// follows, not that it does not want the answer: RFC 9112 has no such rule, its section 9.6 tells
    /// servers themselves to close in halves, and TLS 1.3 made closing each direction on its own the norm
    /// (RFC 8446 section 6.1). So the answer is served to its end, and requests that had arrived are
    /// too, as HAProxy does without `option abortonclose`; nginx gives up with 499 unless
    /// `proxy_ignore_client_abort` is on, and CloudFront documents nothing. A viewer that is wholly gone
    /// looks the same until something is written to it: its system answers with a reset, which ends the
    /// exchange. Until then the origin works for nobody, at most for its own time limits.
    pub(crate) fn poll_reset_by_peer(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut byte = [0];
        let stream = self.stream.borrow();
        match stream.tcp().poll_peek(context, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }

    /// Whether an idle connection is as it was left, as far as this thread has been told: asks nobody.
    pub(crate) fn seems_quiet(&self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let polled = match &mut *self.stream.borrow_mut() {
            Stream::Clear(stream) => {
                let read = stream.try_read(buffer.initialize_unfilled());
                return matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
            }
            Stream::ToViewer(stream) => Pin::new(&mut **stream).poll_read(&mut context, &mut buffer),
            Stream::ToOrigin(stream) => Pin::new(&mut **stream).poll_read(&mut context, &mut buffer),
        };
        polled.is_pending()
    }

    /// Whether an idle connection is as it was left at this very moment: asks the kernel. Bytes that
    /// nobody asked for, the end of the stream and an error all are reasons not to use it again. It is
    /// a system call, and worth it where the thread has not been told since: what an origin said unasked
    /// would be the answer to somebody else's request.
    pub(crate) fn is_quiet(&self) -> bool {
        let stream = self.stream.borrow();
        let mut byte = [MaybeUninit::uninit()];
        let peeked = SockRef::from(stream.tcp()).peek(&mut byte);
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::ToViewer(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::ToOrigin(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Self::ToViewer(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Self::ToOrigin(stream) => Pin::new(stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(context),
            Self::ToViewer(stream) => Pin::new(stream).poll_flush(context),
            Self::ToOrigin(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Self::ToViewer(stream) => Pin::new(stream).poll_shutdown(context),
            Self::ToOrigin(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Clear(stream) => stream,
            Self::ToViewer(stream) => stream.get_ref().0,
            Self::ToOrigin(stream) => stream.get_ref().0,
        }
    }
}
