//! Response bytes that wait in an HTTP/2 connection for the viewer to read them.

use std::sync::Arc;

use bytes::Buf;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::HTTP2_OUTGOING_BYTES_MAX;

/// Room for the response bytes of one connection, whatever stream they are of. Without it a viewer
/// that grants large windows and reads nothing would have every stream's buffer filled.
#[derive(Clone, Debug)]
pub(super) struct OutgoingRoom(Arc<Semaphore>);

impl OutgoingRoom {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(HTTP2_OUTGOING_BYTES_MAX)))
    }

    /// Takes as many of `bytes` as may go out at once, when there is room for them.
    pub(super) async fn take(&self, bytes: &[u8]) -> Outgoing {
        let now = bytes.get(..bytes.len().min(HTTP2_OUTGOING_BYTES_MAX)).unwrap_or_default();
        let permits = u32::try_from(now.len()).unwrap_or(u32::MAX);
        // It fails only when the semaphore is closed, which nobody does.
        let room = Arc::clone(&self.0).acquire_many_owned(permits).await.ok();
        Outgoing { bytes: now.into(), at: 0, _room: room }
    }
}

/// A stretch of a response. However it ends, sent or reset, its room is free again.
#[derive(Debug)]
pub(super) struct Outgoing {
    bytes: Box<[u8]>,
    at: usize,
    _room: Option<OwnedSemaphorePermit>,
}

impl Outgoing {
    /// What ends a response that has ended already.
    pub(super) fn nothing() -> Self {
        Self { bytes: Box::default(), at: 0, _room: None }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, count: usize) {
        self.at = self.bytes.len().min(self.at + count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_is_there_again_when_bytes_have_left() {
        let room = OutgoingRoom::new();
        let much = vec![1; HTTP2_OUTGOING_BYTES_MAX + 5];
        let mut first = room.take(&much).await;
        assert_eq!((first.len(), first.remaining()), (HTTP2_OUTGOING_BYTES_MAX, HTTP2_OUTGOING_BYTES_MAX));
        let mut second = Box::pin(room.take(b"abc"));
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(
                second.as_mut().poll(context).is_pending()
            ))
            .await
        );
        first.advance(10);
        assert_eq!(first.remaining(), HTTP2_OUTGOING_BYTES_MAX - 10);
        drop(first);
        let mut second = second.await;
        second.advance(1);
        assert_eq!(second.chunk(), b"bc");
    }
}
