//! Whose TLS handshake comes next on a thread.
//!
//! Nothing that a stranger can ask for costs as much as a handshake, some hundred microseconds for a few hundred
//! bytes. So one at a time has its turn, and whoever comes next is woken behind everything else that the thread
//! has to do: however many wait, requests on other connections wait for one of them. Among those that wait, viewers
//! whose address has few go first.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use tokio::sync::oneshot;

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

    /// Waits for a turn, which lasts as long as the value; none is there when the thread ends.
    pub(crate) async fn take(&self, has_many: bool) -> Option<HandshakeTurn> {
        if !self.0.is_taken.replace(true) {
            return Some(HandshakeTurn(Rc::clone(&self.0)));
        }
        let (sender, receiver) = oneshot::channel();
        let queue = if has_many { &self.0.of_many } else { &self.0.of_few };
        queue.borrow_mut().push_back(sender);
        receiver.await.ok()
    }
}

impl State {
    fn next(&self) -> Option<oneshot::Sender<HandshakeTurn>> {
        let first = self.of_few.borrow_mut().pop_front();
        first.or_else(|| self.of_many.borrow_mut().pop_front())
    }
}

/// The right to do what a handshake costs.
#[derive(Debug)]
pub(crate) struct HandshakeTurn(Rc<State>);

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

    #[test]
    fn others_run_between_two_turns() {
        on_one_thread(async {
            let turns = HandshakeTurns::default();
            let held = turns.take(false).await;
            let done = Rc::new(Cell::new(0));
            for _ in 0..100 {
                let (turns, done) = (turns.clone(), Rc::clone(&done));
                tokio::task::spawn_local(async move {
                    let _turn = turns.take(true).await;
                    done.set(done.get() + 1);
                });
            }
            tokio::task::yield_now().await;
            let other = tokio::task::spawn_local(async move {
                drop(held);
                for round in 1..=50 {
                    give_way().await;
                    assert!(done.get() <= round, "{} in {round} rounds", done.get());
                }
            });
            other.await.unwrap();
        });
    }

    /// Goes behind all that is ready.
    async fn give_way() {
        let mut has_given = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut has_given, true) {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
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
