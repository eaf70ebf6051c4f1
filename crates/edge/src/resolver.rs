//! Finding an origin's addresses, one resolver a thread.
//!
//! Names go to the system's resolver (`getaddrinfo` on the blocking pool), so `/etc/hosts`, `localhost`
//! and whatever else the machine is configured with hold. Answers are kept for a few seconds, failures
//! for one, and whoever asks for a name that is being looked up waits for that look-up. The records' own
//! time to live is not known here: `getaddrinfo` does not tell it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use edge_config::{HostName, OriginAddress};
use smallvec::SmallVec;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// How long an answer is used. Short, since an origin that moves must be found again soon, and long
/// enough that a burst of new connections is one look-up.
const ANSWER_AGE_MAX: Duration = Duration::from_secs(5);

/// How long a failure is used: a mistyped name must not become a stream of look-ups, and a repaired
/// one must work at once.
const FAILURE_AGE_MAX: Duration = Duration::from_secs(1);

/// How long a look-up may take: resolv.conf's default of two tries of 5 s each.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(10);

/// Look-ups at once; each occupies a thread of the blocking pool until the system's resolver gives up.
const LOOKUPS_MAX: usize = 32;

/// Names that are remembered; beyond it names are looked up each time. 4,096 take about 1 MiB.
const NAMES_MAX: usize = 4096;

/// Addresses of a name that are kept: more than an origin is ever tried at.
const ADDRESSES_MAX: usize = 16;

/// Why an origin has no address.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    /// The system's resolver said no.
    #[error("the origin's name cannot be resolved")]
    LookupFailed(#[source] Arc<io::Error>),
    /// The name exists, without an address.
    #[error("the origin's name has no address")]
    NoAddress,
    /// No answer in time.
    #[error("the origin's name was not resolved within {LOOKUP_TIME_MAX:?}")]
    TimedOut,
    /// The edge is stopping.
    #[error("the look-up of the origin's name was interrupted")]
    Interrupted,
}

/// An origin's addresses in the order in which to try them: IPv4 first, as CloudFront's default for
/// origins is IPv4. At least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    ips: Arc<[IpAddr]>,
    port: u16,
}

impl Addresses {
    pub(crate) fn iter(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.ips.iter().map(|ip| SocketAddr::new(*ip, self.port))
    }
}

type Answer = Result<Arc<[IpAddr]>, ResolveError>;

/// A look-up, running (nothing there yet) or done.
type Lookup = watch::Receiver<Option<Finding>>;

#[derive(Clone, Debug)]
struct Finding {
    answer: Answer,
    usable_until: Instant,
}

type SystemLookup = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

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

    /// The addresses of an origin.
    pub(crate) async fn resolve(&self, origin: &OriginAddress, port: u16) -> Result<Addresses, ResolveError> {
        let ips = match origin {
            OriginAddress::Ip(ip) => Arc::from([*ip]),
            OriginAddress::Name(name) => self.resolve_name(name).await?,
        };
        Ok(Addresses { ips, port })
    }

    async fn resolve_name(&self, name: &HostName) -> Answer {
        let mut lookup = self.usable_lookup(name).unwrap_or_else(|| self.start_lookup(name));
        let finding = lookup.wait_for(Option::is_some).await.map_err(|_| ResolveError::Interrupted)?;
        finding.as_ref().map_or(Err(ResolveError::Interrupted), |finding| finding.answer.clone())
    }

    fn usable_lookup(&self, name: &HostName) -> Option<Lookup> {
        self.lookups.borrow().get(name).filter(|lookup| is_usable(lookup)).cloned()
    }

    /// Starts a look-up that goes on when whoever asked has left, since others may wait for it.
    fn start_lookup(&self, name: &HostName) -> Lookup {
        let (sender, running) = watch::channel(None);
        self.remember(name, &running);
        let (permits, look_up, name) = (Arc::clone(&self.permits), Arc::clone(&self.look_up), name.clone());
        tokio::spawn(async move {
            let answer = tokio::time::timeout(LOOKUP_TIME_MAX, ask_system(permits, look_up, name)).await;
            let answer = answer.unwrap_or(Err(ResolveError::TimedOut));
            let age_max = if answer.is_ok() { ANSWER_AGE_MAX } else { FAILURE_AGE_MAX };
            sender.send_replace(Some(Finding { answer, usable_until: Instant::now() + age_max }));
        });
        running
    }

    fn remember(&self, name: &HostName, lookup: &Lookup) {
        let mut lookups = self.lookups.borrow_mut();
        if lookups.len() >= NAMES_MAX {
            lookups.retain(|_, lookup| is_usable(lookup));
        }
        if lookups.len() < NAMES_MAX || lookups.contains_key(name) {
            lookups.insert(name.clone(), lookup.clone());
        }
    }
}

/// Running look-ups are worth waiting for unless whoever ran them is gone.
fn is_usable(lookup: &Lookup) -> bool {
    match &*lookup.borrow() {
        Some(finding) => Instant::now() < finding.usable_until,
        None => lookup.has_changed().is_ok(),
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
    in_order(&found.map_err(|error| ResolveError::LookupFailed(Arc::new(error)))?)
}

fn system_lookup(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

/// Each address once, IPv4 before IPv6, otherwise as the system's resolver ordered them.
fn in_order(found: &[IpAddr]) -> Answer {
    let mut ips: SmallVec<[IpAddr; ADDRESSES_MAX]> = SmallVec::new();
    let (v4, v6) = (found.iter().filter(|ip| ip.is_ipv4()), found.iter().filter(|ip| ip.is_ipv6()));
    for ip in v4.chain(v6) {
        if ips.len() < ADDRESSES_MAX && !ips.contains(ip) {
            ips.push(*ip);
        }
    }
    if ips.is_empty() { Err(ResolveError::NoAddress) } else { Ok(Arc::from(ips.as_slice())) }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::sync::Mutex;
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
        answer: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
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

    /// Lets time pass; a real look-up on the blocking pool does not advance tokio's clock.
    async fn pass(time: Duration) {
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    #[tokio::test]
    async fn an_address_needs_no_look_up() {
        let (resolver, count) = counting(|_| Ok(Vec::new()));
        let found = resolver.resolve(&OriginAddress::Ip(Ipv6Addr::LOCALHOST.into()), 3500).await.unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), ["[::1]:3500".parse::<SocketAddr>().unwrap()]);
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn localhost_is_found_and_comes_with_ipv4_first() {
        let found = Resolver::new().resolve(&name("localhost"), 3500).await.unwrap();
        assert_eq!(found.iter().next(), Some("127.0.0.1:3500".parse().unwrap()));
    }

    #[tokio::test]
    async fn addresses_come_once_ipv4_first_and_are_limited() {
        let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
        let (resolver, _) = counting(move |_| Ok([v6, v4(2), v4(1), v4(2)].to_vec()));
        let found = resolver.resolve(&name("a.test"), 80).await.unwrap();
        assert_eq!(found.iter().map(|address| address.ip()).collect::<Vec<_>>(), [v4(2), v4(1), v6]);

        let (resolver, _) = counting(|_| Ok((0..=255).map(v4).collect()));
        assert_eq!(resolver.resolve(&name("a.test"), 80).await.unwrap().iter().count(), ADDRESSES_MAX);
    }

    #[tokio::test]
    async fn who_asks_at_the_same_time_shares_one_look_up() {
        let (resolver, count, gate) = gated();
        let name = name("a.test");
        {
            // Somebody asks and leaves; the look-up goes on for the others.
            let leaving = resolver.resolve(&name, 80);
            tokio::select! {
                biased;
                _ = leaving => panic!("the gate is closed"),
                () = tokio::task::yield_now() => {}
            }
        }
        drop(gate);
        let both = tokio::join!(resolver.resolve(&name, 80), resolver.resolve(&name, 443));
        assert_eq!((both.0.unwrap().iter().count(), both.1.unwrap().iter().count()), (1, 1));
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_answer_is_used_for_its_time_and_no_longer() {
        let (resolver, count) = counting(|_| Ok(vec![v4(1)]));
        for (pause, lookups) in [(Duration::ZERO, 1), (ANSWER_AGE_MAX / 2, 1), (ANSWER_AGE_MAX, 2)] {
            pass(pause).await;
            resolver.resolve(&name("a.test"), 80).await.unwrap();
            assert_eq!(count.load(Ordering::Relaxed), lookups, "{pause:?}");
        }
    }

    #[tokio::test]
    async fn a_failure_is_used_for_a_shorter_time() {
        let (resolver, count) = counting(|_| Err(io::Error::other("no such host")));
        for (pause, lookups) in [(Duration::ZERO, 1), (FAILURE_AGE_MAX / 2, 1), (FAILURE_AGE_MAX, 2)] {
            pass(pause).await;
            let failure = resolver.resolve(&name("a.test"), 80).await.unwrap_err();
            assert!(matches!(failure, ResolveError::LookupFailed(_)), "{failure:?}");
            assert_eq!(count.load(Ordering::Relaxed), lookups, "{pause:?}");
        }
    }

    #[tokio::test]
    async fn a_name_without_addresses_is_an_error() {
        let (resolver, _) = counting(|_| Ok(Vec::new()));
        let failure = resolver.resolve(&name("a.test"), 80).await.unwrap_err();
        assert!(matches!(failure, ResolveError::NoAddress), "{failure:?}");
    }

    #[tokio::test]
    async fn a_look_up_that_hangs_times_out() {
        let (resolver, _, gate) = gated();
        let name = name("a.test");
        let resolving = resolver.resolve(&name, 80);
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
            resolver.resolve(&name(&format!("n{index}.test")), 80).await.unwrap();
        }
        assert!(resolver.lookups.borrow().len() <= NAMES_MAX);
    }
}
