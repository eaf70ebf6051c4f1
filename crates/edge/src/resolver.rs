//! Finding an origin's addresses, one resolver a thread.
//!
//! What a look-up found is used for as long as its records say (their time to live), within bounds; shortly
//! before that ends it is looked up again, while the answer is still used. Failures are kept for a second,
//! that there is nothing for some more, and whoever asks for a name that is being looked up waits for that
//! look-up.
//!
//! When nobody can be asked, the last answer is used on for a while (RFC 8767). That a name does not exist
//! is an answer, too, and holds at once.
//!
//! An idle connection leads to an address, not to a name. [`Resolver::still_finds`] tells whether the
//! address is still the name's, so that an origin that moves loses its requests at its old place within
//! the time to live, however busy the connections there are.
//!
//! - `lookup`: the hosts file, the search list, the name servers.

mod lookup;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use edge_config::{HostName, IpAddressType, OriginAddress};
use smallvec::SmallVec;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::limits::{
    DNS_ADDRESS_AGE_MAX, DNS_ADDRESS_AGE_MIN, DNS_ADDRESSES_MAX, DNS_FAILURE_AGE_MAX, DNS_LOOKUP_TIME_MAX,
    DNS_LOOKUPS_MAX, DNS_NAMES_MAX, DNS_NOTHING_AGE_MAX, DNS_STALE_ANSWER_AGE_MAX, DNS_STALE_ANSWER_DELAY,
};
pub use lookup::NameServers;
use lookup::{Found, LookupFailure, NameService, Unanswered, is_localhost};

/// Why an origin has no address.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    /// The name does not exist.
    #[error("the origin's name does not exist")]
    NoSuchName,
    /// Nobody could say.
    #[error("the origin's name cannot be resolved")]
    LookupFailed(#[source] Arc<Unanswered>),
    /// The name exists, without an address of the origin's type.
    #[error(
        "the origin's name has no address that its IpAddressType {0:?} allows; give the origin another type"
    )]
    NoAddress(IpAddressType),
    /// No answer in time.
    #[error("the origin's name was not resolved within {DNS_LOOKUP_TIME_MAX:?}")]
    TimedOut,
    /// The edge is stopping.
    #[error("the look-up of the origin's name was interrupted")]
    Interrupted,
}

/// An origin's addresses in the order in which to try them. At least one.
pub(crate) type Addresses = SmallVec<[SocketAddr; 4]>;

type Answer = Result<Arc<[IpAddr]>, ResolveError>;

/// What is looked up: one name may be asked for its addresses of either family, or of both.
type Key = (HostName, IpAddressType);

/// A look-up, running (nothing there yet) or done.
type Running = watch::Receiver<Option<Finding>>;

#[derive(Clone)]
struct Lookup {
    running: Running,
    /// What was known before.
    before: Option<Known>,
}

#[derive(Clone, Debug)]
struct Finding {
    answer: Answer,
    /// When to look it up again, though it may still be used.
    refreshed_at: Instant,
    usable_until: Instant,
    stale_until: Instant,
}

/// Addresses from an earlier look-up.
#[derive(Clone, Debug)]
struct Known {
    ips: Arc<[IpAddr]>,
    usable_until: Instant,
    stale_until: Instant,
}

type Looking = Pin<Box<dyn Future<Output = Result<Found, LookupFailure>> + Send>>;

type LookUp = dyn Fn(Key) -> Looking + Send + Sync;

/// The resolver of one thread; clones share what they know.
#[derive(Clone)]
pub(crate) struct Resolver {
    lookups: Rc<RefCell<HashMap<Key, Lookup>>>,
    permits: Arc<Semaphore>,
    look_up: Arc<LookUp>,
}

impl Resolver {
    /// A resolver that asks these.
    pub(crate) fn new(servers: NameServers) -> Self {
        let service = Arc::new(NameService::new(servers));
        Self::with_lookup(Arc::new(move |(name, ip_address_type)| {
            let service = Arc::clone(&service);
            Box::pin(async move { service.look_up(&name, ip_address_type).await })
        }))
    }

    fn with_lookup(look_up: Arc<LookUp>) -> Self {
        Self { lookups: Rc::default(), permits: Arc::new(Semaphore::new(DNS_LOOKUPS_MAX)), look_up }
    }

    /// A resolver that finds the same for every name.
    #[cfg(test)]
    pub(crate) fn finding(ips: Vec<IpAddr>) -> Self {
        Self::with_lookup(Arc::new(move |_| {
            let found = Found { ips: ips.clone(), ttl: DNS_ADDRESS_AGE_MAX };
            Box::pin(std::future::ready(Ok(found)))
        }))
    }

    /// The addresses of an origin.
    pub(crate) async fn resolve(
        &self,
        origin: &OriginAddress,
        ip_address_type: IpAddressType,
        port: u16,
    ) -> Result<Addresses, ResolveError> {
        let name = match origin {
            OriginAddress::Ip(ip) => return Ok(Addresses::from_iter([SocketAddr::new(*ip, port)])),
            OriginAddress::Name(name) => name,
        };
        let found = self.resolve_name(&(name.clone(), ip_address_type)).await?;
        let addresses: Addresses =
            in_order(&found, name, ip_address_type).map(|ip| SocketAddr::new(ip, port)).collect();
        if addresses.is_empty() { Err(ResolveError::NoAddress(ip_address_type)) } else { Ok(addresses) }
    }

    async fn resolve_name(&self, key: &Key) -> Answer {
        let mut lookup = self.lookup(key);
        let before = lookup.before.take();
        if lookup.running.borrow().is_none()
            && let Some(usable) = before.as_ref().filter(|known| Instant::now() < known.usable_until)
        {
            return Ok(Arc::clone(&usable.ips));
        }
        let found = lookup.running.wait_for(Option::is_some);
        let finding = match before.filter(|known| Instant::now() < known.stale_until) {
            None => found.await,
            Some(stale) => match tokio::time::timeout(DNS_STALE_ANSWER_DELAY, found).await {
                Ok(finding) => finding,
                Err(_) => return Ok(stale.ips),
            },
        };
        let finding = finding.map_err(|_| ResolveError::Interrupted)?;
        finding.as_ref().map_or(Err(ResolveError::Interrupted), |finding| finding.answer.clone())
    }

    /// Whether an address is still one of a name's, and until when that need not be asked again. It does not
    /// wait: what is due is looked up meanwhile, and the last answer counts until that is done.
    pub(crate) fn still_finds(
        &self,
        ip: IpAddr,
        name: &HostName,
        ip_address_type: IpAddressType,
    ) -> Option<Instant> {
        let lookup = self.lookup(&(name.clone(), ip_address_type));
        // Whoever finds none would otherwise begin one with each request.
        let soon = Instant::now() + DNS_FAILURE_AGE_MAX;
        let (answer, until) = match &*lookup.running.borrow() {
            Some(finding) => (finding.answer.clone().ok(), finding.refreshed_at.max(soon)),
            None => (lookup.before.map_or(Some(Arc::from([ip])), |before| Some(before.ips)), soon),
        };
        answer.is_some_and(|ips| ips.contains(&ip)).then_some(until)
    }

    /// The look-up of a name that is running or can be used, a new one where there is none or it is due.
    fn lookup(&self, key: &Key) -> Lookup {
        let known = self.lookups.borrow().get(key).filter(|lookup| lookup.is_current()).cloned();
        known.unwrap_or_else(|| self.start_lookup(key))
    }

    /// Starts a look-up that goes on when whoever asked has left, since others may wait for it.
    fn start_lookup(&self, key: &Key) -> Lookup {
        let (sender, running) = watch::channel(None);
        let before = self.lookups.borrow().get(key).and_then(Lookup::known);
        let started = Lookup { running, before: before.clone() };
        self.remember(key, &started);
        let (permits, looking) = (Arc::clone(&self.permits), (self.look_up)(key.clone()));
        let ip_address_type = key.1;
        tokio::spawn(async move {
            let found = tokio::time::timeout(DNS_LOOKUP_TIME_MAX, with_permit(permits, looking)).await;
            let found = found.unwrap_or(Err(ResolveError::TimedOut));
            sender.send_replace(Some(Finding::of(found, ip_address_type, before)));
        });
        started
    }

    fn remember(&self, key: &Key, lookup: &Lookup) {
        let mut lookups = self.lookups.borrow_mut();
        if lookups.len() >= DNS_NAMES_MAX {
            lookups.retain(|_, lookup| lookup.is_current());
        }
        if lookups.len() < DNS_NAMES_MAX || lookups.contains_key(key) {
            lookups.insert(key.clone(), lookup.clone());
        }
    }
}

impl Lookup {
    /// Whether nobody needs to begin another one yet. Running look-ups are worth waiting for unless whoever
    /// ran them is gone.
    fn is_current(&self) -> bool {
        match &*self.running.borrow() {
            Some(finding) => Instant::now() < finding.refreshed_at,
            None => self.running.has_changed().is_ok(),
        }
    }

    /// What is known of the name while it is looked up again.
    fn known(&self) -> Option<Known> {
        match &*self.running.borrow() {
            None => self.before.clone(),
            Some(finding) => {
                let ips = Arc::clone(finding.answer.as_ref().ok()?);
                Some(Known { ips, usable_until: finding.usable_until, stale_until: finding.stale_until })
            }
        }
    }
}

/// What a look-up that was made says.
type Made = Result<Result<Found, LookupFailure>, ResolveError>;

async fn with_permit(permits: Arc<Semaphore>, looking: Looking) -> Made {
    let _permit = permits.acquire().await.map_err(|_| ResolveError::Interrupted)?;
    Ok(looking.await)
}

impl Finding {
    fn of(made: Made, ip_address_type: IpAddressType, before: Option<Known>) -> Self {
        let now = Instant::now();
        let error = match made {
            Ok(Ok(found)) => return Self::of_addresses(&found, now),
            Ok(Err(LookupFailure::Nothing { name_exists, ttl })) => {
                let error = if name_exists {
                    ResolveError::NoAddress(ip_address_type)
                } else {
                    ResolveError::NoSuchName
                };
                let age = ttl.unwrap_or_default().clamp(DNS_FAILURE_AGE_MAX, DNS_NOTHING_AGE_MAX);
                return Self::of_failure(error, now + age, now);
            }
            Ok(Err(LookupFailure::Unanswered(unanswered))) => {
                ResolveError::LookupFailed(Arc::new(unanswered))
            }
            Err(error) => error,
        };
        let again_at = now + DNS_FAILURE_AGE_MAX;
        match before.filter(|before| now < before.stale_until) {
            None => Self::of_failure(error, again_at, now),
            Some(before) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "A name of an origin cannot be looked up; its last addresses are used on"
                );
                Self {
                    answer: Ok(before.ips),
                    refreshed_at: again_at,
                    usable_until: before.usable_until.max(again_at),
                    stale_until: before.stale_until,
                }
            }
        }
    }

    fn of_addresses(found: &Found, now: Instant) -> Self {
        let ttl = found.ttl.clamp(DNS_ADDRESS_AGE_MIN, DNS_ADDRESS_AGE_MAX);
        Self {
            answer: Ok(each_once(&found.ips)),
            // Early enough that nobody waits for it where the name is asked for all the time.
            refreshed_at: now + ttl - ttl / 10,
            usable_until: now + ttl,
            stale_until: now + ttl + DNS_STALE_ANSWER_AGE_MAX,
        }
    }

    fn of_failure(error: ResolveError, usable_until: Instant, now: Instant) -> Self {
        Self { answer: Err(error), refreshed_at: usable_until, usable_until, stale_until: now }
    }
}

/// Each address once, in the order in which they came.
fn each_once(found: &[IpAddr]) -> Arc<[IpAddr]> {
    let mut ips: Vec<IpAddr> = Vec::new();
    for ip in found {
        let of_family = ips.iter().filter(|other| other.is_ipv4() == ip.is_ipv4()).count();
        if of_family < DNS_ADDRESSES_MAX && !ips.contains(ip) {
            ips.push(*ip);
        }
    }
    ips.into()
}

/// The addresses to try, in their order: those of one family, or both families in turn, beginning with IPv6
/// (RFC 8305 section 4). Where the machine has no IPv6, that fails at once.
///
/// Every origin is of some type, IPv4 where nobody chose one. `localhost` is this machine in both families
/// (RFC 6761 section 6.3) and servers listen in either, so it is tried in both; IPv4 first.
fn in_order<'a>(
    ips: &'a [IpAddr],
    name: &HostName,
    ip_address_type: IpAddressType,
) -> impl Iterator<Item = IpAddr> + 'a {
    let v4_is_first = ip_address_type == IpAddressType::Ipv4;
    let one_family = ip_address_type != IpAddressType::Dualstack && !is_localhost(name);
    let first = ips.iter().filter(move |ip| ip.is_ipv4() == v4_is_first);
    let mut second = ips.iter().filter(move |ip| !one_family && ip.is_ipv4() != v4_is_first);
    let mut first = first.fuse();
    let mut take_first = false;
    std::iter::from_fn(move || {
        take_first = !take_first;
        if take_first {
            first.next().or_else(|| second.next())
        } else {
            second.next().or_else(|| first.next())
        }
    })
    .copied()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// The time to live of what is found here.
    const TTL: Duration = Duration::from_secs(100);

    const NOTHING: Result<Found, LookupFailure> =
        Err(LookupFailure::Nothing { name_exists: false, ttl: None });

    fn v4(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands where failures stand, too")]
    fn found(last: u8) -> Result<Found, LookupFailure> {
        Ok(Found { ips: vec![v4(last)], ttl: TTL })
    }

    fn unanswered() -> Result<Found, LookupFailure> {
        Err(LookupFailure::Unanswered(Unanswered::NoServer))
    }

    /// A resolver whose look-ups take a time, are counted, and answered by `answer`, which gets their number.
    fn taking(
        time: Duration,
        answer: impl Fn(usize) -> Result<Found, LookupFailure> + Send + Sync + 'static,
    ) -> (Resolver, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let resolver = Resolver::with_lookup(Arc::new(move |_| {
            let answer = answer(counted.fetch_add(1, Ordering::Relaxed));
            Box::pin(async move {
                tokio::time::sleep(time).await;
                answer
            })
        }));
        (resolver, count)
    }

    fn counting(
        answer: impl Fn(usize) -> Result<Found, LookupFailure> + Send + Sync + 'static,
    ) -> (Resolver, Arc<AtomicUsize>) {
        taking(Duration::ZERO, answer)
    }

    async fn ips_of(
        resolver: &Resolver,
        name: &str,
        ip_address_type: IpAddressType,
    ) -> Result<Vec<IpAddr>, ResolveError> {
        let address = OriginAddress::Name(HostName::parse(name).unwrap());
        let found = resolver.resolve(&address, ip_address_type, 80).await?;
        Ok(found.iter().map(SocketAddr::ip).collect())
    }

    async fn ips(resolver: &Resolver) -> Result<Vec<IpAddr>, ResolveError> {
        ips_of(resolver, "a.test", IpAddressType::Ipv4).await
    }

    async fn check(resolver: &Resolver, expect: u8) {
        assert_eq!(ips(resolver).await.unwrap(), [v4(expect)]);
    }

    fn is_still(resolver: &Resolver, ip: IpAddr) -> bool {
        let name = HostName::parse("a.test").unwrap();
        resolver.still_finds(ip, &name, IpAddressType::Ipv4).is_some()
    }

    /// Lets what was begun meanwhile go on.
    async fn pass(time: Duration) {
        tokio::time::sleep(time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_needs_no_look_up() {
        let (resolver, count) = counting(|_| NOTHING);
        let address = OriginAddress::Ip(Ipv6Addr::LOCALHOST.into());
        let found = resolver.resolve(&address, IpAddressType::Ipv4, 3500).await.unwrap();
        assert_eq!(found.as_slice(), ["[::1]:3500".parse::<SocketAddr>().unwrap()]);
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn c15_addresses_are_of_the_origins_type() {
        let (v6, other_v6) = (IpAddr::from(Ipv6Addr::LOCALHOST), "2001:db8::1".parse().unwrap());
        let resolver = Resolver::finding(vec![v4(2), v6, other_v6, v4(1), v4(2)]);
        for (name, ip_address_type, expect) in [
            ("a.test", IpAddressType::Ipv4, vec![v4(2), v4(1)]),
            ("a.test", IpAddressType::Ipv6, vec![v6, other_v6]),
            ("a.test", IpAddressType::Dualstack, vec![v6, v4(2), other_v6, v4(1)]),
            ("api.localhost", IpAddressType::Ipv4, vec![v4(2), v6, v4(1), other_v6]),
        ] {
            let ips = ips_of(&resolver, name, ip_address_type).await.unwrap();
            assert_eq!(ips, expect, "{name} {ip_address_type:?}");
        }
        let failure =
            ips_of(&Resolver::finding(vec![v4(1)]), "a.test", IpAddressType::Ipv6).await.unwrap_err();
        assert!(matches!(failure, ResolveError::NoAddress(IpAddressType::Ipv6)), "{failure:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_are_limited_in_each_family() {
        let many = (0..=255).map(v4).chain([IpAddr::from(Ipv6Addr::LOCALHOST)]);
        let resolver = Resolver::finding(many.collect());
        assert_eq!(ips(&resolver).await.unwrap().len(), DNS_ADDRESSES_MAX);
        assert_eq!(ips_of(&resolver, "a.test", IpAddressType::Ipv6).await.unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_used_for_its_time_to_live_and_no_longer() {
        let (resolver, count) = counting(|number| found(u8::try_from(number).unwrap()));
        for (pause, expect) in [(Duration::ZERO, 0), (TTL / 2, 0), (TTL, 1), (TTL / 2, 1)] {
            pass(pause).await;
            check(&resolver, expect).await;
        }
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn times_to_live_have_bounds() {
        for (ttl, bound) in
            [(Duration::ZERO, DNS_ADDRESS_AGE_MIN), (Duration::from_hours(1000), DNS_ADDRESS_AGE_MAX)]
        {
            let (resolver, count) = counting(move |_| Ok(Found { ips: vec![v4(1)], ttl }));
            for (pause, lookups) in [(Duration::ZERO, 1), (bound / 2, 1), (bound, 2)] {
                pass(pause).await;
                check(&resolver, 1).await;
                assert_eq!(count.load(Ordering::Relaxed), lookups, "{ttl:?} {pause:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_refreshed_before_its_end_and_nobody_waits_for_it() {
        let slow = Duration::from_secs(2);
        let (resolver, _) = taking(slow, |number| found(u8::try_from(number).unwrap()));
        check(&resolver, 0).await;
        pass(TTL * 19 / 20).await;
        let begun_at = Instant::now();
        check(&resolver, 0).await;
        assert_eq!(begun_at.elapsed(), Duration::ZERO);
        pass(slow * 2).await;
        check(&resolver, 1).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_refresh_that_fails_takes_nothing_away() {
        let (resolver, _) = counting(|number| if number == 0 { found(0) } else { unanswered() });
        check(&resolver, 0).await;
        pass(TTL * 19 / 20).await;
        check(&resolver, 0).await;
        pass(Duration::from_secs(1)).await;
        check(&resolver, 0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_answer_is_used_while_nobody_can_be_asked_and_not_for_ever() {
        let (resolver, count) = counting(|number| if number == 0 { found(0) } else { unanswered() });
        check(&resolver, 0).await;
        for lookups in 2..4 {
            pass(TTL).await;
            check(&resolver, 0).await;
            assert_eq!(count.load(Ordering::Relaxed), lookups, "it is asked again all the same");
        }
        pass(DNS_STALE_ANSWER_AGE_MAX).await;
        let failure = ips(&resolver).await.unwrap_err();
        assert!(matches!(failure, ResolveError::LookupFailed(_)), "{failure:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_answer_has_a_slow_server_waited_for_a_moment_only() {
        let (resolver, _) = taking(Duration::from_secs(5), |number| found(u8::try_from(number).unwrap()));
        check(&resolver, 0).await;
        pass(TTL * 2).await;
        let begun_at = Instant::now();
        check(&resolver, 0).await;
        assert_eq!(begun_at.elapsed(), DNS_STALE_ANSWER_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_gone_is_gone_at_once_and_for_a_short_time() {
        let (resolver, count) = counting(|number| if number == 1 { NOTHING } else { found(0) });
        check(&resolver, 0).await;
        pass(TTL).await;
        let failure = ips(&resolver).await.unwrap_err();
        assert!(matches!(failure, ResolveError::NoSuchName), "{failure:?}");
        ips(&resolver).await.unwrap_err();
        assert_eq!(count.load(Ordering::Relaxed), 2);
        pass(DNS_FAILURE_AGE_MAX).await;
        check(&resolver, 0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_remembered_for_as_long_as_the_zone_says_within_bounds() {
        for (ttl, age) in [(0, 1), (5, 5), (3600, 10)] {
            let ttl = Some(Duration::from_secs(ttl));
            let (resolver, count) = counting(move |_| Err(LookupFailure::Nothing { name_exists: true, ttl }));
            for pause in [0, age * 500, age * 500] {
                pass(Duration::from_millis(pause)).await;
                let failure = ips(&resolver).await.unwrap_err();
                assert!(matches!(failure, ResolveError::NoAddress(_)), "{failure:?}");
            }
            assert_eq!(count.load(Ordering::Relaxed), 2, "{ttl:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_at_the_same_time_shares_one_look_up() {
        let (resolver, count) = taking(Duration::from_secs(1), |_| found(0));
        {
            // Somebody asks and leaves; the look-up goes on for the others.
            let leaving = tokio::time::timeout(Duration::from_millis(10), ips(&resolver));
            leaving.await.unwrap_err();
        }
        let both = tokio::join!(ips(&resolver), ips(&resolver));
        assert_eq!((both.0.unwrap().len(), both.1.unwrap().len()), (1, 1));
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_that_hangs_times_out() {
        let (resolver, _) = taking(Duration::from_hours(1), |_| found(0));
        let begun_at = Instant::now();
        let failure = ips(&resolver).await.unwrap_err();
        assert!(matches!(failure, ResolveError::TimedOut), "{failure:?}");
        assert_eq!(begun_at.elapsed(), DNS_LOOKUP_TIME_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_look_ups_run_at_once_than_the_limit() {
        let running = Arc::new(Mutex::new((0, 0)));
        let counted = Arc::clone(&running);
        let resolver = Resolver::with_lookup(Arc::new(move |_| {
            let counted = Arc::clone(&counted);
            Box::pin(async move {
                let begun = {
                    let mut counts = counted.lock().unwrap();
                    counts.0 += 1;
                    counts.0
                };
                tokio::time::sleep(Duration::from_millis(1)).await;
                let mut counts = counted.lock().unwrap();
                counts.0 -= 1;
                counts.1 = counts.1.max(begun);
                found(0)
            })
        }));
        for index in 0..DNS_LOOKUPS_MAX * 3 {
            resolver.still_finds(
                v4(0),
                &HostName::parse(&format!("n{index}.test")).unwrap(),
                IpAddressType::Ipv4,
            );
        }
        pass(Duration::from_secs(1)).await;
        assert_eq!(running.lock().unwrap().1, DNS_LOOKUPS_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_names_are_remembered_than_the_limit() {
        let resolver = Resolver::finding(vec![v4(1)]);
        for index in 0..DNS_NAMES_MAX + 100 {
            ips_of(&resolver, &format!("n{index}.test"), IpAddressType::Ipv4).await.unwrap();
        }
        assert!(resolver.lookups.borrow().len() <= DNS_NAMES_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_in_use_is_the_names_until_a_look_up_says_otherwise() {
        let (resolver, count) = counting(|number| found(u8::from(number > 1)));
        assert!(is_still(&resolver, v4(9)), "nothing is known yet");
        pass(Duration::from_secs(1)).await;
        assert!(is_still(&resolver, v4(0)) && !is_still(&resolver, v4(9)));
        for lookups in [2, 3] {
            // Due: looked up meanwhile, and the answer before counts until that is done.
            pass(TTL).await;
            assert!(is_still(&resolver, v4(0)));
            pass(Duration::from_secs(1)).await;
            assert_eq!(count.load(Ordering::Relaxed), lookups);
            assert_eq!(is_still(&resolver, v4(0)), lookups == 2);
        }
        assert!(is_still(&resolver, v4(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_in_use_stays_the_names_while_nobody_can_be_asked() {
        let (resolver, _) = counting(|number| if number == 0 { found(0) } else { unanswered() });
        check(&resolver, 0).await;
        pass(TTL * 2).await;
        assert!(is_still(&resolver, v4(0)));
        pass(Duration::from_secs(1)).await;
        assert!(is_still(&resolver, v4(0)));
    }
}
