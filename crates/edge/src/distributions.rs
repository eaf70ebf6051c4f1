//! A thread's references to distributions.
//!
//! A request holds its distribution for as long as it lasts, not the snapshot. Counted in the references that all
//! threads share, that would take the count from one core's cache to the other's with every request. So a thread
//! has one shared reference to each distribution in use, and its requests count references to that.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use edge_config::{AliasName, LinkedDistribution, Snapshot};
use foldhash::fast::RandomState;

use crate::limits::{REMEMBERED_NAMES_KEPT_FOR, REMEMBERED_NAMES_MAX};

/// A distribution, held by a thread.
#[derive(Clone, Debug)]
#[expect(clippy::redundant_allocation, reason = "it has the thread's own count of references")]
pub(crate) struct HeldDistribution(Rc<Arc<LinkedDistribution>>);

impl Deref for HeldDistribution {
    type Target = LinkedDistribution;

    fn deref(&self) -> &LinkedDistribution {
        &self.0
    }
}

/// Those of the hosts that were asked for last.
#[derive(Debug, Default)]
pub(crate) struct Distributions {
    /// By the names that distributions have, not by the hosts that viewers make up where one of them is a wildcard: so
    /// nobody can fill it, or choose hashes that collide.
    by_name: RefCell<HashMap<AliasName, HeldDistribution, RandomState>>,
    /// How many names were asked for that found no room there.
    found_no_room: Cell<usize>,
}

impl Distributions {
    /// The distribution of a host, which is in lower case; `snapshot` is the same until [`forget`](Self::forget).
    pub(crate) fn by_host(&self, snapshot: &Snapshot, host: &str) -> Option<HeldDistribution> {
        self.remembered(host).or_else(|| self.find(snapshot, host))
    }

    fn remembered(&self, name: &str) -> Option<HeldDistribution> {
        self.by_name.borrow().get(name).cloned()
    }

    fn find(&self, snapshot: &Snapshot, host: &str) -> Option<HeldDistribution> {
        let (name, found) = snapshot.name_by_host(host)?;
        let is_wildcard = name.as_str() != host;
        if is_wildcard && let Some(remembered) = self.remembered(name.as_str()) {
            return Some(remembered);
        }
        let held = HeldDistribution(Rc::new(Arc::clone(found)));
        self.remember(name, &held);
        Some(held)
    }

    /// Where there is no room, all that is remembered makes room for others, but only now and then.
    fn remember(&self, name: &AliasName, held: &HeldDistribution) {
        let mut by_name = self.by_name.borrow_mut();
        if by_name.len() >= REMEMBERED_NAMES_MAX {
            let found_no_room = self.found_no_room.get() + 1;
            self.found_no_room.set(found_no_room % REMEMBERED_NAMES_KEPT_FOR);
            if found_no_room < REMEMBERED_NAMES_KEPT_FOR {
                return;
            }
            by_name.clear();
        }
        by_name.insert(name.clone(), held.clone());
    }

    /// There is another snapshot.
    pub(crate) fn forget(&self) {
        self.by_name.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use edge_config::Distribution;
    use testkit::{distribution, http_origin, snapshot_of};

    use super::*;

    fn snapshot(names: impl IntoIterator<Item = impl AsRef<str>>) -> Arc<Snapshot> {
        let origin = http_origin("127.0.0.1:80".parse().unwrap());
        snapshot_of(names.into_iter().enumerate().map(|(number, name)| Distribution {
            aliases: vec![AliasName::parse(name.as_ref()).unwrap()],
            ..distribution(&format!("{number}.given.example"), origin.clone())
        }))
    }

    fn remembered(distributions: &Distributions) -> HashSet<String> {
        distributions.by_name.borrow().keys().map(ToString::to_string).collect()
    }

    #[test]
    fn requests_share_a_threads_one_reference() {
        let (distributions, snapshot) = (Distributions::default(), snapshot(["api.test"]));
        let held: Vec<_> = (0..10).map(|_| distributions.by_host(&snapshot, "api.test").unwrap()).collect();
        let shared = snapshot.distribution_by_host("api.test").unwrap();
        assert!(held.iter().all(|held| Arc::ptr_eq(&held.0, shared)));
        // The snapshot's, by id and by two names, and the thread's.
        assert_eq!(Arc::strong_count(shared), 4);
    }

    #[test]
    fn only_names_of_distributions_are_remembered() {
        let (distributions, snapshot) = (Distributions::default(), snapshot(["*.test", "api.example"]));
        for host in ["a.test", "b.test", "c.b.test", "api.example", "other.example", "test"] {
            distributions.by_host(&snapshot, host);
        }
        assert_eq!(remembered(&distributions), ["*.test", "api.example"].map(str::to_owned).into());
    }

    #[test]
    fn not_more_are_remembered_than_there_is_room_for() {
        let hosts: Vec<String> = (0..=REMEMBERED_NAMES_MAX).map(|number| format!("{number}.test")).collect();
        let (distributions, snapshot) = (Distributions::default(), snapshot(&hosts));
        let (last, others) = hosts.split_last().unwrap();
        for host in others {
            assert!(distributions.by_host(&snapshot, host).is_some());
        }
        for _ in 1..REMEMBERED_NAMES_KEPT_FOR {
            assert!(distributions.by_host(&snapshot, last).is_some());
            assert_eq!(remembered(&distributions).len(), REMEMBERED_NAMES_MAX);
        }
        for _ in 0..2 {
            assert!(distributions.by_host(&snapshot, last).is_some());
            assert_eq!(remembered(&distributions), [last.clone()].into());
        }
    }

    #[test]
    fn a_request_keeps_its_distribution_and_the_next_one_has_another() {
        let distributions = Distributions::default();
        let (before, after) = (snapshot(["api.test"]), snapshot(["api.test"]));
        let held = distributions.by_host(&before, "api.test").unwrap();
        distributions.forget();
        let next = distributions.by_host(&after, "api.test").unwrap();
        assert!(!Arc::ptr_eq(&held.0, &next.0));
        drop(before);
        assert_eq!(Arc::strong_count(&held.0), 1);
    }
}
