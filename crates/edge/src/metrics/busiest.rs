//! Which distributions have series of their own at a scrape, and what the others have together.
//!
//! Threads count every distribution; here is chosen who is shown. A series that is shown is a
//! distribution's own count since the process began, so it never goes back, whenever it appears. The sum
//! of the others is a count of its own: at each scrape it grows by what was counted since the one before
//! for distributions that are not shown, and for those that were not shown then. So a scraper that adds up
//! the increases of all series counts each request once; one that becomes busy is under `other` until the
//! scrape that shows it first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::exposition::Total;
use super::{NO_DISTRIBUTION, OTHER_DISTRIBUTIONS};

/// By how much of itself a distribution's activity fades from one scrape to the next: a sixteenth, so
/// that one quiet minute does not cost it its series.
const FADING: u64 = 16;

/// What was seen at the last scrape.
#[derive(Debug, Default)]
pub(super) struct Busiest {
    seen: HashMap<Arc<str>, Seen>,
    others: Total,
}

#[derive(Debug)]
struct Seen {
    total: Total,
    /// Requests, those of long ago less than those of now.
    activity: u64,
    is_shown: bool,
}

impl Busiest {
    /// What to show of these counts: at most `most` distributions, and the rest as one.
    pub(super) fn choose(
        &mut self,
        counted: BTreeMap<Arc<str>, Total>,
        most: usize,
    ) -> BTreeMap<Arc<str>, Total> {
        let mut shown = BTreeMap::new();
        let mut candidates = Vec::with_capacity(counted.len());
        for (distribution, total) in counted {
            if &*distribution == NO_DISTRIBUTION {
                shown.insert(distribution, total);
            } else {
                candidates.push((self.activity(&distribution, &total), distribution, total));
            }
        }
        // Between equals, whoever is shown stays; the rest is to have some order at all.
        candidates.sort_by_cached_key(|(activity, distribution, _)| {
            let is_shown = self.seen.get(distribution).is_some_and(|seen| seen.is_shown);
            (Reverse(*activity), !is_shown, Arc::clone(distribution))
        });
        for (rank, (activity, distribution, total)) in candidates.into_iter().enumerate() {
            let is_shown = rank < most && &*distribution != OTHER_DISTRIBUTIONS;
            let before = self.seen.insert(Arc::clone(&distribution), Seen { total, activity, is_shown });
            let was_hidden = before.as_ref().is_some_and(|before| !before.is_shown);
            if !is_shown || was_hidden {
                self.others.add(&total.since(before.as_ref().map(|before| &before.total)));
            }
            if is_shown {
                shown.insert(distribution, total);
            }
        }
        if !self.others.is_nothing() {
            shown.insert(OTHER_DISTRIBUTIONS.into(), self.others);
        }
        shown
    }

    fn activity(&self, distribution: &str, total: &Total) -> u64 {
        if distribution == OTHER_DISTRIBUTIONS {
            return 0;
        }
        let seen = self.seen.get(distribution);
        let faded = seen.map_or(0, |seen| seen.activity - seen.activity / FADING);
        faded + total.since(seen.map(|seen| &seen.total)).requests.iter().sum::<u64>() * FADING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests of distributions since the process began.
    fn counted(requests: &[(&str, u64)]) -> BTreeMap<Arc<str>, Total> {
        let total = |count| Total {
            requests: [0, 0, count, 0, 0, 0],
            bytes_to_viewers: count * 10,
            ..Total::default()
        };
        requests.iter().map(|(distribution, count)| (Arc::from(*distribution), total(*count))).collect()
    }

    fn check(busiest: &mut Busiest, requests: &[(&str, u64)], expect: &[(&str, u64)]) {
        let shown = busiest.choose(counted(requests), 2);
        let found: Vec<(&str, u64)> =
            shown.iter().map(|(distribution, total)| (&**distribution, total.requests[2])).collect();
        assert_eq!(found, expect);
        assert!(shown.values().all(|total| total.bytes_to_viewers == total.requests[2] * 10));
    }

    #[test]
    fn few_are_all_shown() {
        let mut busiest = Busiest::default();
        check(&mut busiest, &[("E1", 5)], &[("E1", 5)]);
        check(&mut busiest, &[("E1", 5), ("E2", 1), ("none", 3)], &[("E1", 5), ("E2", 1), ("none", 3)]);
    }

    #[test]
    fn the_busiest_are_shown_and_the_others_together() {
        let mut busiest = Busiest::default();
        check(
            &mut busiest,
            &[("E1", 5), ("E2", 1), ("E3", 9), ("E4", 2)],
            &[("E1", 5), ("E3", 9), ("other", 3)],
        );
        check(
            &mut busiest,
            &[("E1", 6), ("E2", 2), ("E3", 9), ("E4", 2)],
            &[("E1", 6), ("E3", 9), ("other", 4)],
        );
    }

    #[test]
    fn nothing_goes_back_and_every_increase_is_counted_once_when_another_one_becomes_busy() {
        let mut busiest = Busiest::default();
        check(&mut busiest, &[("E1", 5), ("E2", 1), ("E3", 9)], &[("E1", 5), ("E3", 9), ("other", 1)]);
        // E2 is shown with all that it has; its increase until now is the others', as E1's is from here on.
        check(
            &mut busiest,
            &[("E1", 6), ("E2", 101), ("E3", 10)],
            &[("E2", 101), ("E3", 10), ("other", 102)],
        );
        check(
            &mut busiest,
            &[("E1", 7), ("E2", 201), ("E3", 11)],
            &[("E2", 201), ("E3", 11), ("other", 103)],
        );
    }

    #[test]
    fn what_was_busy_fades_and_whoever_is_shown_stays_among_equals() {
        let mut busiest = Busiest::default();
        check(&mut busiest, &[("E1", 100), ("E2", 100)], &[("E1", 100), ("E2", 100)]);
        let mut requests = [("E1", 100), ("E2", 100), ("E3", 0)];
        for scrape in 1..=200 {
            requests[2].1 += 1;
            requests[1].1 += 1;
            let shown = busiest.choose(counted(&requests), 2);
            assert!(shown.contains_key("E2"), "{scrape}");
            if shown.contains_key("E3") {
                assert!(scrape > 5, "{scrape}");
                return;
            }
        }
        panic!("E1 has had no request for 200 scrapes and is still shown");
    }

    #[test]
    fn what_threads_no_longer_tell_apart_is_among_the_others() {
        let mut busiest = Busiest::default();
        check(&mut busiest, &[("E1", 5), ("other", 50)], &[("E1", 5), ("other", 50)]);
        check(&mut busiest, &[("E1", 5), ("other", 51)], &[("E1", 5), ("other", 51)]);
    }
}
