//! Whose TLS handshake comes next on a thread, over TCP or within QUIC.
//!
//! Nothing that a stranger can ask for costs as much as a handshake, some hundred microseconds for a few hundred
//! bytes. So one at a time has its turn, and between two the thread looks at all of its sockets: however many
//! wait, requests on other connections wait for one of them. Among those that wait, viewers whose address has few
//! go first.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::limits::HANDSHAKES_WAITING_MAX;

/// A thread's handshakes.
#[derive(Clone, Debug, Default)]
pub(crate) struct HandshakeTurns(Rc<State>);

#[derive(Debug, Default)]
struct State {
    is_taken: Cell<bool>,
    of_few: RefCell<VecDeque<oneshot::Sender<HandshakeTurn>>>,
    of_many: RefCell<VecDeque<oneshot::Sender<HandshakeTurn>>>,
}

impl HandshakeTurns {
    /// Whether so many wait that another one would wait in vain.
    pub(crate) fn are_full(&self) -> bool {
        self.0.of_few.borrow().len() + self.0.of_many.borrow().len() >= HANDSHAKES_WAITING_MAX
    }

    /// The turns of one handshake, by whether its address has many.
    pub(crate) fn of(&self, has_many: bool) -> Turns<'_> {
        Turns { turns: self, has_many }
    }

    /// Waits for a turn, which lasts as long as the value; none is there when the thread ends.
    async fn take(&self, has_many: bool) -> Option<HandshakeTurn> {
        if !self.0.is_taken.replace(true) {
            return Some(HandshakeTurn(Rc::clone(&self.0)));
        }
        let (sender, receiver) = oneshot::channel();
        let queue = if has_many { &self.0.of_many } else { &self.0.of_few };
        queue.borrow_mut().push_back(sender);
        receiver.await.ok()
    }
}

/// The turns of one handshake.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turns<'a> {
    turns: &'a HandshakeTurns,
    has_many: bool,
}

impl Turns<'_> {
    /// Goes on with a handshake in its turns alone: a viewer may ask for what is expensive in a later step, after
    /// a HelloRetryRequest (RFC 8446 section 4.1.4).
    pub(crate) async fn step_by_step<F: Future>(self, handshake: F) -> F::Output {
        let mut handshake = pin!(handshake);
        loop {
            let turn = self.turns.take(self.has_many).await;
            if let Poll::Ready(output) = step(handshake.as_mut()).await {
                return output;
            }
            // The turn goes on until the thread has looked at its sockets; meanwhile it serves what it finds there.
            yield_now().await;
            // That may have been this handshake's own.
            if let Poll::Ready(output) = step(handshake.as_mut()).await {
                return output;
            }
            drop(turn);
            until_woken().await;
        }
    }

    /// Does what costs as much as a handshake, in one turn.
    pub(crate) async fn once<T>(self, work: impl FnOnce() -> T) -> T {
        let turn = self.turns.take(self.has_many).await;
        let output = work();
        // As between two steps.
        yield_now().await;
        drop(turn);
        output
    }
}

/// Goes on with it as far as it comes at once.
async fn step<F: Future>(mut handshake: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(handshake.as_mut().poll(context))).await
}

/// Waits for whom the step before has told that it waits.
async fn until_woken() {
    let mut has_waited = false;
    poll_fn(|_| if std::mem::replace(&mut has_waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

impl State {
    fn next(&self) -> Option<oneshot::Sender<HandshakeTurn>> {
        let first = self.of_few.borrow_mut().pop_front();
        first.or_else(|| self.of_many.borrow_mut().pop_front())
    }
}

/// The right to do what a handshake costs.
#[derive(Debug)]
struct HandshakeTurn(Rc<State>);

impl Drop for HandshakeTurn {
    fn drop(&mut self) {
        while let Some(next) = self.0.next() {
            // Who has left meanwhile is passed over.
            if !next.is_closed() {
                // Should the turn come back all the same, its own end passes it on.
                drop(next.send(Self(Rc::clone(&self.0))));
                return;
            }
        }
        self.0.is_taken.set(false);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn on_one_thread(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, test);
    }

    /// Has these wait for turns, each with whether its address has many, and tells in which order they got them.
    async fn order(turns: &HandshakeTurns, waiting: &[bool]) -> Vec<usize> {
        let held = turns.take(false).await;
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = waiting
            .iter()
            .enumerate()
            .map(|(number, has_many)| {
                let (turns, order, has_many) = (turns.clone(), Rc::clone(&order), *has_many);
                tokio::task::spawn_local(async move {
                    let turn = turns.take(has_many).await;
                    order.borrow_mut().push(number);
                    drop(turn);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(order.borrow().is_empty(), "the turn is taken");
        drop(held);
        for task in tasks {
            task.await.unwrap();
        }
        order.take()
    }

    #[test]
    fn addresses_with_few_go_first_and_each_in_the_order_of_arrival() {
        on_one_thread(async {
            let turns = HandshakeTurns::default();
            assert_eq!(order(&turns, &[true, true, false, true, false]).await, [2, 4, 0, 1, 3]);
            assert_eq!(order(&turns, &[]).await, [0; 0]);
            assert!(!turns.0.is_taken.get(), "nobody has a turn when all are done");
        });
    }

    /// An echo over TCP, which goes on while a thousand handshakes wait: what it waits for shows at its sockets.
    #[test]
    fn sockets_are_looked_at_between_two_turns() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let viewer = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (edge, _) = listener.accept().await.unwrap();
            let (turns, done) = (HandshakeTurns::default(), Rc::new(Cell::new(0)));
            for _ in 0..1000 {
                let (turns, done) = (turns.clone(), Rc::clone(&done));
                tokio::task::spawn_local(async move {
                    let handshake = async {
                        done.set(done.get() + 1);
                        std::future::pending::<()>().await;
                    };
                    turns.of(true).step_by_step(handshake).await;
                });
            }
            tokio::task::spawn_local(echo(edge));
            let asking = tokio::task::spawn_local(ask(viewer, 20));
            asking.await.unwrap();
            assert!(done.get() < 500, "20 requests waited for {} handshakes", done.get());
        });
    }

    async fn echo(mut stream: tokio::net::TcpStream) {
        let mut byte = [0];
        while stream.read_exact(&mut byte).await.is_ok() {
            stream.write_all(&byte).await.unwrap();
        }
    }

    async fn ask(mut stream: tokio::net::TcpStream, times: usize) {
        let mut byte = [0];
        for _ in 0..times {
            stream.write_all(b"x").await.unwrap();
            stream.read_exact(&mut byte).await.unwrap();
        }
    }

    #[test]
    fn each_step_has_a_turn_and_none_is_held_between_them() {
        on_one_thread(async {
            let turns = HandshakeTurns::default();
            let steps = Cell::new(0);
            let (viewer, edge) = (tokio::sync::Notify::new(), &steps);
            let handshake = turns.of(false).step_by_step(async {
                for _ in 0..3 {
                    assert!(turns.0.is_taken.get(), "a step without a turn");
                    edge.set(edge.get() + 1);
                    viewer.notified().await;
                }
                "done"
            });
            let beside = async {
                for step in 1..=3 {
                    tokio::task::yield_now().await;
                    assert_eq!(steps.get(), step);
                    let other = turns.take(false).await;
                    assert!(other.is_some());
                    viewer.notify_one();
                    tokio::task::yield_now().await;
                    assert_eq!(steps.get(), step, "it waits for its turn");
                }
            };
            assert_eq!(tokio::join!(biased; handshake, beside).0, "done");
            assert!(!turns.0.is_taken.get());
        });
    }

    #[test]
    fn work_has_a_turn_too() {
        on_one_thread(async {
            let turns = HandshakeTurns::default();
            let held = turns.take(false).await;
            let is_done = Cell::new(false);
            let work = async {
                turns.of(true).once(|| is_done.set(turns.0.is_taken.get())).await;
            };
            let beside = async {
                tokio::task::yield_now().await;
                assert!(!is_done.get(), "it waits for its turn");
                drop(held);
            };
            tokio::join!(biased; work, beside);
            assert!(is_done.get() && !turns.0.is_taken.get());
        });
    }

    #[test]
    fn who_leaves_is_passed_over() {
        on_one_thread(async {
            let turns = HandshakeTurns::default();
            let held = turns.take(false).await;
            let left = tokio::task::spawn_local({
                let turns = turns.clone();
                async move { turns.take(false).await.is_some() }
            });
            tokio::task::yield_now().await;
            left.abort();
            assert!(left.await.is_err());
            drop(held);
            assert!(turns.take(false).await.is_some());
        });
    }

    #[test]
    fn beyond_the_limit_there_is_no_room() {
        on_one_thread(async {
            let turns = HandshakeTurns::default();
            let _held = turns.take(false).await;
            for _ in 0..HANDSHAKES_WAITING_MAX {
                assert!(!turns.are_full());
                let turns = turns.clone();
                tokio::task::spawn_local(async move { drop(turns.take(true).await) });
                tokio::task::yield_now().await;
            }
            assert!(turns.are_full());
        });
    }
}
