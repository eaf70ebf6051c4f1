//! A thread's UDP socket, and what comes to others and is for it.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

use super::connection_id::ConnectionIds;
use crate::limits::{QUIC_FORWARDED_MAX, QUIC_FORWARDING_ROUNDS_MAX};

/// What waits for each thread.
#[derive(Debug)]
pub(super) struct Mailboxes(Vec<Mutex<Mailbox>>);

#[derive(Debug, Default)]
struct Mailbox {
    waiting: VecDeque<Forwarded>,
    thread: Option<Waker>,
}

/// Datagrams of one sender, as they were read together.
#[derive(Debug)]
struct Forwarded {
    meta: RecvMeta,
    bytes: Box<[u8]>,
}

impl Mailboxes {
    /// Empty ones of so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| Mutex::default()).collect())
    }

    /// Nothing is done under these locks that takes time, and a thread that never gets a foreign datagram shares its
    /// own with nobody.
    fn lock(&self, thread: usize) -> Option<MutexGuard<'_, Mailbox>> {
        self.0.get(thread).map(|mailbox| mailbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Passes datagrams on. What does not fit is lost, as on any network.
    fn put(&self, thread: usize, meta: RecvMeta, bytes: &[u8]) {
        let Some(mut mailbox) = self.lock(thread) else { return };
        if mailbox.waiting.len() < QUIC_FORWARDED_MAX {
            mailbox.waiting.push_back(Forwarded { meta, bytes: bytes.into() });
        }
        if let Some(thread) = mailbox.thread.take() {
            thread.wake();
        }
    }

    /// Takes what waits, as far as there is room for it; the task is woken when more does.
    fn take(
        &self,
        thread: usize,
        context: &Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> usize {
        let Some(mut mailbox) = self.lock(thread) else { return 0 };
        let mut taken = 0;
        while let (Some(buffer), Some(meta)) = (buffers.get_mut(taken), metas.get_mut(taken)) {
            let Some(forwarded) = mailbox.waiting.pop_front() else { break };
            let Some(room) = buffer.get_mut(..forwarded.bytes.len()) else { continue };
            room.copy_from_slice(&forwarded.bytes);
            *meta = forwarded.meta;
            taken += 1;
        }
        if taken == 0 {
            mailbox.thread.get_or_insert_with(|| context.waker().clone()).clone_from(context.waker());
        }
        taken
    }
}

/// A thread's socket.
pub(super) struct ThreadSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    thread: usize,
    connection_ids: Arc<ConnectionIds>,
    mailboxes: Arc<Mailboxes>,
}

impl ThreadSocket {
    pub(super) fn new(
        socket: Arc<dyn AsyncUdpSocket>,
        thread: usize,
        connection_ids: Arc<ConnectionIds>,
        mailboxes: Arc<Mailboxes>,
    ) -> Self {
        Self { socket, thread, connection_ids, mailboxes }
    }

    /// Passes on what is others', and moves what is left to the front; tells how much that is.
    fn keep_own(&self, buffers: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta], count: usize) -> usize {
        let mut kept = 0;
        for index in 0..count.min(buffers.len()).min(metas.len()) {
            let meta = metas[index];
            let datagrams = buffers[index].get(..meta.len).unwrap_or_default();
            match self.connection_ids.thread_of(datagrams) {
                Some(thread) if thread != self.thread => self.mailboxes.put(thread, meta, datagrams),
                _ => {
                    buffers.swap(kept, index);
                    metas.swap(kept, index);
                    kept += 1;
                }
            }
        }
        kept
    }
}

impl fmt::Debug for ThreadSocket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ThreadSocket").field("thread", &self.thread).finish_non_exhaustive()
    }
}

impl AsyncUdpSocket for ThreadSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let forwarded = self.mailboxes.take(self.thread, context, buffers, metas);
        if forwarded > 0 {
            return Poll::Ready(Ok(forwarded));
        }
        for _ in 0..QUIC_FORWARDING_ROUNDS_MAX {
            let count = ready!(self.socket.poll_recv(context, buffers, metas))?;
            let kept = self.keep_own(buffers, metas, count);
            if kept > 0 {
                return Poll::Ready(Ok(kept));
            }
        }
        // Others' turn, before more is passed on.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

#[cfg(test)]
mod tests {
    use quinn::{ConnectionIdGenerator, Runtime, TokioRuntime};
    use std::net::UdpSocket;

    use super::*;

    /// Sends a packet of each of `threads` to the first of two threads; which ones the first and the second get.
    async fn received(threads: &[usize]) -> (Vec<u8>, Vec<u8>) {
        let ids = Arc::new(ConnectionIds::new().unwrap());
        let mailboxes = Arc::new(Mailboxes::new(2));
        let sockets: Vec<_> = (0..2)
            .map(|thread| {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.set_nonblocking(true).unwrap();
                let socket = TokioRuntime.wrap_udp_socket(socket).unwrap();
                ThreadSocket::new(socket, thread, Arc::clone(&ids), Arc::clone(&mailboxes))
            })
            .collect();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for thread in threads {
            let id = ids.of_thread(*thread).generate_cid();
            let number = u8::try_from(*thread).unwrap();
            sender
                .send_to(&[&[0x40], &id[..], &[number]].concat(), sockets[0].local_addr().unwrap())
                .unwrap();
        }
        // Both read on until all is there: what is for the second comes to it by the first.
        let (mut first, mut second) = (Vec::new(), Vec::new());
        std::future::poll_fn(|context| {
            while gather(&sockets[0], context, &mut first) | gather(&sockets[1], context, &mut second) {}
            if first.len() + second.len() < threads.len() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        (first, second)
    }

    /// Takes the last bytes of the packets that are there; tells whether there were any.
    fn gather(socket: &ThreadSocket, context: &mut Context<'_>, gathered: &mut Vec<u8>) -> bool {
        let mut bytes = [[0; 2048]; 4];
        let mut buffers = bytes.each_mut().map(|bytes| IoSliceMut::new(bytes));
        let mut metas = [RecvMeta::default(); 4];
        let Poll::Ready(got) = socket.poll_recv(context, &mut buffers, &mut metas) else { return false };
        for index in 0..got.unwrap() {
            gathered.push(buffers[index][metas[index].len - 1]);
        }
        true
    }

    #[tokio::test]
    async fn datagrams_come_to_the_thread_whose_connection_they_are_of() {
        assert_eq!(received(&[0, 1, 1, 0, 1]).await, (vec![0, 0], vec![1, 1, 1]));
        assert_eq!(received(&[1]).await, (vec![], vec![1]));
    }
}
