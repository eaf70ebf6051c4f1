//! Finding an origin's addresses, one resolver a thread.
//!
//! Names go to the system's resolver (`getaddrinfo` on the blocking pool), so `/etc/hosts`, `localhost`
//! and whatever else the machine is configured with hold. Answers are kept for a few seconds, failures
//! for one, and whoever asks for a name that is being looked up waits for that look-up.
//!
//! `getaddrinfo` does not tell the records' time to live; whoever answers it (systemd-resolved, the
//! network's resolver) obeys that. So an address is in use for at most a few seconds longer than its time
//! to live, which a resolver of our own would not make better at the price of what it cannot see: hosts
//! files, name services, split DNS.
//!
//! When nobody can be asked, the last answer is used on for a while (RFC 8767). That a name does not exist
//! is an answer, too, and holds at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use edge_config::{HostName, IpAddressType, OriginAddress};
use smallvec::SmallVec;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// How long an answer is used. Short, since an origin that moves must be found again soon, and long
/// enough that a burst of new connections is one look-up. Times to live are rarely shorter.
const ANSWER_AGE_MAX: Duration = Duration::from_secs(5);

/// How long a failure is used: a mistyped name must not become a stream of look-ups, and a repaired
/// one must work at once.
const FAILURE_AGE_MAX: Duration = Duration::from_secs(1);

/// How long an answer is used while nobody can be asked for a newer one. RFC 8767 section 5 has one to
/// three days in mind; addresses in clouds are somebody else's sooner.
const STALE_ANSWER_AGE_MAX: Duration = Duration::from_hours(1);

/// How long a new answer is waited for where there is a stale one (RFC 8767 section 5: the client response
/// timer).
const STALE_ANSWER_DELAY: Duration = Duration::from_millis(1800);

/// How long a look-up may take: resolv.conf's default of two tries of 5 s each.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(10);

/// Look-ups at once; each occupies a thread of the blocking pool until the system's resolver gives up.
const LOOKUPS_MAX: usize = 32;

/// Names that are remembered; beyond it names are looked up each time. 4,096 take about 1 MiB.
const NAMES_MAX: usize = 4096;

/// Addresses of one family that are kept of a name: more than an origin is ever tried at.
const ADDRESSES_MAX: usize = 16;

/// Why an origin has no address.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    /// The name does not exist.
    #[error("the origin's name does not exist")]
    NoSuchName(#[source] Arc<io::Error>),
    /// Nobody could be asked.
    #[error("the origin's name cannot be resolved")]
    LookupFailed(#[source] Arc<io::Error>),
    /// The name exists, without an address.
    #[error("the origin's name has no address")]
    NoAddress,
    /// The name has addresses of the other family alone.
    #[error(
        "the origin's name has no address that its IpAddressType {0:?} allows; use dualstack, or the other one"
    )]
    OtherFamily(IpAddressType),
    /// No answer in time.
    #[error("the origin's name was not resolved within {LOOKUP_TIME_MAX:?}")]
    TimedOut,
    /// The edge is stopping.
    #[error("the look-up of the origin's name was interrupted")]
    Interrupted,
}

/// An origin's addresses in the order in which to try them. At least one.
pub(crate) type Addresses = SmallVec<[SocketAddr; 4]>;

type Answer = Result<Arc<[IpAddr]>, ResolveError>;

/// A look-up, running (nothing there yet) or done.
type Running = watch::Receiver<Option<Finding>>;

#[derive(Clone)]
struct Lookup {
    running: Running,
    /// What was known before.
    stale: Option<Stale>,
}

#[derive(Clone, Debug)]
struct Finding {
    answer: Answer,
    usable_until: Instant,
    stale_until: Instant,
}

#[derive(Clone, Debug)]
struct Stale {
    ips: Arc<[IpAddr]>,
    until: Instant,
}

/// Why the system's resolver found nothing.
#[derive(Debug)]
enum LookupFailure {
    NoSuchName(io::Error),
    Unavailable(io::Error),
}

type SystemLookup = dyn Fn(&str) -> Result<Vec<IpAddr>, LookupFailure> + Send + Sync;

/// The resolver of one thread; clones share what they know.
#[derive(Clone)]
pub(crate) struct Resolver {
    lookups: Rc<RefCell<HashMap<HostName, Lookup>>>,
    permits: Arc<Semaphore>,
    look_up: Arc<SystemLookup>,
}

impl Resolver {
    /// A resolver that asks the system's.
    pub(crate) fn new() -> Self {
        Self::with_lookup(Arc::new(system_lookup))
    }

    fn with_lookup(look_up: Arc<SystemLookup>) -> Self {
        Self { lookups: Rc::default(), permits: Arc::new(Semaphore::new(LOOKUPS_MAX)), look_up }
    }

    /// A resolver that finds the same for every name.
    #[cfg(test)]
    pub(crate) fn finding(ips: Vec<IpAddr>) -> Self {
        Self::with_lookup(Arc::new(move |_| Ok(ips.clone())))
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
        let found = self.resolve_name(name).await?;
        let addresses: Addresses =
            in_order(&found, name, ip_address_type).map(|ip| SocketAddr::new(ip, port)).collect();
        if addresses.is_empty() { Err(ResolveError::OtherFamily(ip_address_type)) } else { Ok(addresses) }
    }

    async fn resolve_name(&self, name: &HostName) -> Answer {
        let mut lookup = self.usable_lookup(name).unwrap_or_else(|| self.start_lookup(name));
        let found = lookup.running.wait_for(Option::is_some);
        let finding = match lookup.stale.filter(|stale| Instant::now() < stale.until) {
            None => found.await,
            Some(stale) => match tokio::time::timeout(STALE_ANSWER_DELAY, found).await {
                Ok(finding) => finding,
                Err(_) => return Ok(stale.ips),
            },
        };
        let finding = finding.map_err(|_| ResolveError::Interrupted)?;
        finding.as_ref().map_or(Err(ResolveError::Interrupted), |finding| finding.answer.clone())
    }

    fn usable_lookup(&self, name: &HostName) -> Option<Lookup> {
        self.lookups.borrow().get(name).filter(|lookup| lookup.is_usable()).cloned()
    }

    /// Starts a look-up that goes on when whoever asked has left, since others may wait for it.
    fn start_lookup(&self, name: &HostName) -> Lookup {
        let (sender, running) = watch::channel(None);
        let stale = self.lookups.borrow().get(name).and_then(Lookup::known);
        let started = Lookup { running, stale: stale.clone() };
        self.remember(name, &started);
        let (permits, look_up, name) = (Arc::clone(&self.permits), Arc::clone(&self.look_up), name.clone());
        tokio::spawn(async move {
            let answer = tokio::time::timeout(LOOKUP_TIME_MAX, ask_system(permits, look_up, name)).await;
            sender.send_replace(Some(Finding::of(answer.unwrap_or(Err(ResolveError::TimedOut)), stale)));
        });
        started
    }

    fn remember(&self, name: &HostName, lookup: &Lookup) {
        let mut lookups = self.lookups.borrow_mut();
        if lookups.len() >= NAMES_MAX {
            lookups.retain(|_, lookup| lookup.is_usable());
        }
        if lookups.len() < NAMES_MAX || lookups.contains_key(name) {
            lookups.insert(name.clone(), lookup.clone());
        }
    }
}

impl Lookup {
    /// Running look-ups are worth waiting for unless whoever ran them is gone.
    fn is_usable(&self) -> bool {
        match &*self.running.borrow() {
            Some(finding) => Instant::now() < finding.usable_until,
            None => self.running.has_changed().is_ok(),
        }
    }

    /// What is known of the name while it is looked up again.
    fn known(&self) -> Option<Stale> {
        match &*self.running.borrow() {
            None => self.stale.clone(),
            Some(finding) => {
                let ips = finding.answer.as_ref().ok()?;
                Some(Stale { ips: Arc::clone(ips), until: finding.stale_until })
            }
        }
    }
}

impl Finding {
    fn of(answer: Answer, stale: Option<Stale>) -> Self {
        let now = Instant::now();
        match (answer, stale.filter(|stale| now < stale.until)) {
            (Ok(ips), _) => Self {
                answer: Ok(ips),
                usable_until: now + ANSWER_AGE_MAX,
                stale_until: now + STALE_ANSWER_AGE_MAX,
            },
            (Err(ResolveError::LookupFailed(_) | ResolveError::TimedOut), Some(stale)) => {
                tracing::warn!("A name of an origin cannot be looked up; its last addresses are used on");
                Self { answer: Ok(stale.ips), usable_until: now + FAILURE_AGE_MAX, stale_until: stale.until }
            }
            (Err(error), _) => {
                Self { answer: Err(error), usable_until: now + FAILURE_AGE_MAX, stale_until: now }
            }
        }
    }
}

async fn ask_system(permits: Arc<Semaphore>, look_up: Arc<SystemLookup>, name: HostName) -> Answer {
    let permit = permits.acquire_owned().await.map_err(|_| ResolveError::Interrupted)?;
    let found = tokio::task::spawn_blocking(move || {
        // Held until the system's resolver returns, which may be long after the time-out.
        let _permit = permit;
        look_up(name.as_str())
    })
    .await
    .map_err(|_| ResolveError::Interrupted)?;
    match found {
        Ok(ips) => each_once(&ips),
        Err(LookupFailure::NoSuchName(error)) => Err(ResolveError::NoSuchName(Arc::new(error))),
        Err(LookupFailure::Unavailable(error)) => Err(ResolveError::LookupFailed(Arc::new(error))),
    }
}

fn system_lookup(name: &str) -> Result<Vec<IpAddr>, LookupFailure> {
    // Without a type of socket each address comes once for every type.
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let found = getaddrinfo(Some(name), None, Some(hints)).map_err(|error| match error.kind() {
        LookupErrorKind::NoName | LookupErrorKind::NoData => LookupFailure::NoSuchName(error.into()),
        _ => LookupFailure::Unavailable(error.into()),
    })?;
    // What is of neither family is no address.
    Ok(found.filter_map(Result::ok).map(|info| info.sockaddr.ip()).collect())
}

/// Each address once, as the system's resolver ordered them.
fn each_once(found: &[IpAddr]) -> Answer {
    let mut ips: Vec<IpAddr> = Vec::new();
    for ip in found {
        let of_family = ips.iter().filter(|other| other.is_ipv4() == ip.is_ipv4()).count();
        if of_family < ADDRESSES_MAX && !ips.contains(ip) {
            ips.push(*ip);
        }
    }
    if ips.is_empty() { Err(ResolveError::NoAddress) } else { Ok(ips.into()) }
}

/// The addresses to try, in their order: those of one family, or both families in turn (RFC 8305 section
/// 4), beginning with the one that the system's resolver put first.
///
/// Every origin is of some type, IPv4 where nobody chose one. `localhost` is this machine in both families
/// (RFC 6761 section 6.3) and servers listen in either, so it is tried in both; IPv4 first.
fn in_order<'a>(
    ips: &'a [IpAddr],
    name: &HostName,
    ip_address_type: IpAddressType,
) -> impl Iterator<Item = IpAddr> + 'a {
    let v4_is_first = match ip_address_type {
        IpAddressType::Ipv4 => true,
        IpAddressType::Ipv6 => false,
        IpAddressType::Dualstack => ips.first().is_some_and(IpAddr::is_ipv4),
    };
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

fn is_localhost(name: &HostName) -> bool {
    let name = name.as_str();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{SyncSender, sync_channel};

    use super::*;

    fn name(text: &str) -> OriginAddress {
        OriginAddress::Name(HostName::parse(text).unwrap())
    }

    fn v4(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    /// A resolver whose look-ups are counted and answered by `answer`.
    fn counting(
        answer: impl Fn(&str) -> Result<Vec<IpAddr>, LookupFailure> + Send + Sync + 'static,
    ) -> (Resolver, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let resolver = Resolver::with_lookup(Arc::new(move |name| {
            counted.fetch_add(1, Ordering::Relaxed);
            answer(name)
        }));
        (resolver, count)
    }

    /// A resolver whose look-ups hang until the gate is dropped.
    fn gated() -> (Resolver, Arc<AtomicUsize>, SyncSender<()>) {
        let (gate, opened) = sync_channel(0);
        let opened = Mutex::new(opened);
        let (resolver, count) = counting(move |_| {
            let _: Result<(), _> = opened.lock().unwrap().recv();
            Ok(vec![v4(1)])
        });
        (resolver, count, gate)
    }

    async fn resolve(resolver: &Resolver) -> Result<Addresses, ResolveError> {
        resolver.resolve(&name("a.test"), IpAddressType::Ipv4, 80).await
    }

    /// Lets time pass; a real look-up on the blocking pool does not advance tokio's clock.
    async fn pass(time: Duration) {
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    #[tokio::test]
    async fn an_address_needs_no_look_up() {
        let (resolver, count) = counting(|_| Ok(Vec::new()));
        let found = resolver
            .resolve(&OriginAddress::Ip(Ipv6Addr::LOCALHOST.into()), IpAddressType::Ipv4, 3500)
            .await
            .unwrap();
        assert_eq!(found.as_slice(), ["[::1]:3500".parse::<SocketAddr>().unwrap()]);
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn localhost_is_found_and_comes_with_ipv4_first() {
        let found = Resolver::new().resolve(&name("localhost"), IpAddressType::Ipv4, 3500).await.unwrap();
        assert_eq!(found.first(), Some(&"127.0.0.1:3500".parse().unwrap()));
    }

    async fn ips(resolver: &Resolver, of: &str, ip_address_type: IpAddressType) -> Vec<IpAddr> {
        let found = resolver.resolve(&name(of), ip_address_type, 80).await.unwrap();
        found.iter().map(SocketAddr::ip).collect()
    }

    #[tokio::test]
    async fn c15_addresses_are_of_the_origins_type() {
        let (v6, other_v6) = (IpAddr::from(Ipv6Addr::LOCALHOST), "2001:db8::1".parse().unwrap());
        let (resolver, _) = counting(move |_| Ok([v6, other_v6, v4(2), v4(1), v4(2)].to_vec()));
        for (of, ip_address_type, expect) in [
            ("a.test", IpAddressType::Ipv4, vec![v4(2), v4(1)]),
            ("a.test", IpAddressType::Ipv6, vec![v6, other_v6]),
            ("a.test", IpAddressType::Dualstack, vec![v6, v4(2), other_v6, v4(1)]),
            ("api.localhost", IpAddressType::Ipv4, vec![v4(2), v6, v4(1), other_v6]),
        ] {
            assert_eq!(ips(&resolver, of, ip_address_type).await, expect, "{of} {ip_address_type:?}");
        }
    }

    #[tokio::test]
    async fn c15_a_name_of_the_other_family_alone_has_no_address() {
        let (resolver, _) = counting(|_| Ok(vec![v4(1)]));
        let failure = resolver.resolve(&name("a.test"), IpAddressType::Ipv6, 80).await.unwrap_err();
        assert!(matches!(failure, ResolveError::OtherFamily(IpAddressType::Ipv6)), "{failure:?}");
    }

    #[tokio::test]
    async fn addresses_are_limited_in_each_family() {
        let (resolver, _) = counting(|_| {
            let many = (0..=255).map(v4);
            Ok(many.chain([IpAddr::from(Ipv6Addr::LOCALHOST)]).collect())
        });
        assert_eq!(ips(&resolver, "a.test", IpAddressType::Ipv4).await.len(), ADDRESSES_MAX);
        assert_eq!(ips(&resolver, "a.test", IpAddressType::Ipv6).await.len(), 1);
    }

    #[tokio::test]
    async fn a_stale_answer_is_used_while_nobody_can_be_asked_and_not_for_ever() {
        let is_down = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&is_down);
        let (resolver, count) = counting(move |_| {
            if switch.load(Ordering::Relaxed) {
                return Err(LookupFailure::Unavailable(io::Error::other("no server answers")));
            }
            Ok(vec![v4(1)])
        });
        assert_eq!(ips(&resolver, "a.test", IpAddressType::Ipv4).await, [v4(1)]);
        is_down.store(true, Ordering::Relaxed);
        for lookups in 2..4 {
            pass(ANSWER_AGE_MAX).await;
            assert_eq!(ips(&resolver, "a.test", IpAddressType::Ipv4).await, [v4(1)]);
            assert_eq!(count.load(Ordering::Relaxed), lookups, "it is asked again all the same");
        }
        pass(STALE_ANSWER_AGE_MAX).await;
        let failure = resolve(&resolver).await.unwrap_err();
        assert!(matches!(failure, ResolveError::LookupFailed(_)), "{failure:?}");
    }

    #[tokio::test]
    async fn a_name_that_is_gone_is_gone_at_once() {
        let asked = AtomicBool::new(false);
        let (resolver, _) = counting(move |_| {
            if asked.swap(true, Ordering::Relaxed) {
                return Err(LookupFailure::NoSuchName(io::Error::other("no such host")));
            }
            Ok(vec![v4(1)])
        });
        resolve(&resolver).await.unwrap();
        pass(ANSWER_AGE_MAX).await;
        let failure = resolve(&resolver).await.unwrap_err();
        assert!(matches!(failure, ResolveError::NoSuchName(_)), "{failure:?}");
    }

    #[tokio::test]
    async fn who_asks_at_the_same_time_shares_one_look_up() {
        let (resolver, count, gate) = gated();
        {
            // Somebody asks and leaves; the look-up goes on for the others.
            let leaving = resolve(&resolver);
            tokio::select! {
                biased;
                _ = leaving => panic!("the gate is closed"),
                () = tokio::task::yield_now() => {}
            }
        }
        drop(gate);
        let both = tokio::join!(resolve(&resolver), resolve(&resolver));
        assert_eq!((both.0.unwrap().len(), both.1.unwrap().len()), (1, 1));
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_answer_is_used_for_its_time_and_no_longer() {
        let (resolver, count) = counting(|_| Ok(vec![v4(1)]));
        for (pause, lookups) in [(Duration::ZERO, 1), (ANSWER_AGE_MAX / 2, 1), (ANSWER_AGE_MAX, 2)] {
            pass(pause).await;
            resolve(&resolver).await.unwrap();
            assert_eq!(count.load(Ordering::Relaxed), lookups, "{pause:?}");
        }
    }

    #[tokio::test]
    async fn a_failure_is_used_for_a_shorter_time() {
        let (resolver, count) =
            counting(|_| Err(LookupFailure::Unavailable(io::Error::other("no server answers"))));
        for (pause, lookups) in [(Duration::ZERO, 1), (FAILURE_AGE_MAX / 2, 1), (FAILURE_AGE_MAX, 2)] {
            pass(pause).await;
            let failure = resolve(&resolver).await.unwrap_err();
            assert!(matches!(failure, ResolveError::LookupFailed(_)), "{failure:?}");
            assert_eq!(count.load(Ordering::Relaxed), lookups, "{pause:?}");
        }
    }

    #[tokio::test]
    async fn a_name_without_addresses_is_an_error() {
        let (resolver, _) = counting(|_| Ok(Vec::new()));
        let failure = resolve(&resolver).await.unwrap_err();
        assert!(matches!(failure, ResolveError::NoAddress), "{failure:?}");
    }

    #[tokio::test]
    async fn a_look_up_that_hangs_times_out() {
        let (resolver, _, gate) = gated();
        let resolving = resolve(&resolver);
        let passing = async {
            // First the look-up has to begin.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            pass(LOOKUP_TIME_MAX + Duration::from_secs(1)).await;
        };
        let (failure, ()) = tokio::join!(resolving, passing);
        drop(gate);
        assert!(matches!(failure, Err(ResolveError::TimedOut)), "{failure:?}");
    }

    #[tokio::test]
    async fn no_more_names_are_remembered_than_the_limit() {
        let (resolver, _) = counting(|_| Ok(vec![v4(1)]));
        for index in 0..NAMES_MAX + 100 {
            ips(&resolver, &format!("n{index}.test"), IpAddressType::Ipv4).await;
        }
        assert!(resolver.lookups.borrow().len() <= NAMES_MAX);
    }
}
