//! How much of the edge each viewer address has.
//!
//! It crosses threads, since the kernel spreads the connections of one address over all of them. It is
//! asked when a connection begins and ends; requests see one counter that only their own address shares.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::{
    ADDRESS_CONNECTIONS_CALM, ADDRESS_CONNECTIONS_PATIENT, ADDRESS_HANDSHAKES_PATIENT, ADDRESS_STREAMS_MIN,
};

/// Parts of the table with a lock each, so that threads that accept seldom meet.
const SHARDS: usize = 16;

/// Who shares a limit: an IPv4 address, or the /64 that one subscriber of IPv6 is given (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [first, second, third, fourth, ..] = address.segments();
                Self::V6([first, second, third, fourth])
            }
        }
    }
}

#[derive(Debug, Default)]
struct Share {
    connections: AtomicUsize,
    /// Whether there are, or just were, so many that each has to be quick.
    is_crowded: AtomicBool,
    streams: AtomicUsize,
    handshakes: AtomicUsize,
}

/// The table. It has an entry for each address that has a connection, so it is as bounded as they are.
#[derive(Debug)]
pub(crate) struct ViewerAddresses {
    /// None where there is no limit.
    connections_max: Option<usize>,
    shards: [Mutex<HashMap<Network, Arc<Share>>>; SHARDS],
    hasher: RandomState,
}

impl ViewerAddresses {
    /// Nobody yet; `connections_max` for each address, 0 for no limit.
    pub(crate) fn new(connections_max: usize) -> Self {
        let connections_max = Some(connections_max).filter(|&most| most > 0);
        Self { connections_max, shards: Default::default(), hasher: RandomState::new() }
    }

    /// Counts a connection, for as long as the value lives; none beyond the limit.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<AddressConnection> {
        let network = Network::of(address);
        let mut shares = self.shard(network);
        let share = shares.entry(network).or_default();
        let connections = share.connections.load(Ordering::Relaxed);
        if self.connections_max.is_some_and(|most| connections >= most) {
            return None;
        }
        share.connections.store(connections + 1, Ordering::Relaxed);
        if self.connections_max.is_some() && connections >= ADDRESS_CONNECTIONS_PATIENT {
            share.is_crowded.store(true, Ordering::Relaxed);
        }
        Some(AddressConnection { addresses: Arc::clone(self), network, share: Arc::clone(share) })
    }

    fn shard(&self, network: Network) -> MutexGuard<'_, HashMap<Network, Arc<Share>>> {
        let index = usize::try_from(self.hasher.hash_one(network) % SHARDS as u64).unwrap_or_default();
        // Nothing panics while it holds one of these locks.
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection of an address.
#[derive(Debug)]
pub(crate) struct AddressConnection {
    addresses: Arc<ViewerAddresses>,
    network: Network,
    share: Arc<Share>,
}

impl AddressConnection {
    /// One without neighbours and without a limit, for requests that nobody sends.
    pub(crate) fn alone(address: IpAddr) -> Self {
        let share = Share { connections: AtomicUsize::new(1), ..Share::default() };
        let addresses = Arc::new(ViewerAddresses::new(0));
        Self { addresses, network: Network::of(address), share: Arc::new(share) }
    }

    /// Whether the address has so many connections that each has to be quick.
    pub(crate) fn is_crowded(&self) -> bool {
        self.share.is_crowded.load(Ordering::Relaxed)
    }

    /// Counts an HTTP/2 stream, for as long as the value lives; none beyond the limit.
    pub(crate) fn begin_stream(&self) -> Option<AddressStream> {
        let before = self.share.streams.fetch_add(1, Ordering::Relaxed);
        let stream = AddressStream(Arc::clone(&self.share));
        let most = self.addresses.connections_max.map(|most| most.max(ADDRESS_STREAMS_MIN));
        most.is_none_or(|most| before < most).then_some(stream)
    }
}

impl AddressConnection {
    /// Counts a TLS handshake, for as long as the value lives.
    pub(crate) fn begin_handshake(&self) -> AddressHandshake {
        let before = self.share.handshakes.fetch_add(1, Ordering::Relaxed);
        let has_many = self.addresses.connections_max.is_some() && before >= ADDRESS_HANDSHAKES_PATIENT;
        AddressHandshake { share: Arc::clone(&self.share), has_many }
    }
}

impl Drop for AddressConnection {
    fn drop(&mut self) {
        let mut shares = self.addresses.shard(self.network);
        let before = self.share.connections.fetch_sub(1, Ordering::Relaxed);
        if before <= ADDRESS_CONNECTIONS_CALM + 1 {
            self.share.is_crowded.store(false, Ordering::Relaxed);
        }
        if before == 1
            && let Entry::Occupied(entry) = shares.entry(self.network)
        {
            entry.remove();
        }
    }
}

/// One HTTP/2 stream of an address.
#[derive(Debug)]
pub(crate) struct AddressStream(Arc<Share>);

impl Drop for AddressStream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One TLS handshake of an address.
#[derive(Debug)]
pub(crate) struct AddressHandshake {
    share: Arc<Share>,
    has_many: bool,
}

impl AddressHandshake {
    /// Whether the address had many others when it began.
    pub(crate) fn has_many(&self) -> bool {
        self.has_many
    }
}

impl Drop for AddressHandshake {
    fn drop(&mut self) {
        self.share.handshakes.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(addresses: &ViewerAddresses) -> usize {
        addresses.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }

    fn admit(addresses: &Arc<ViewerAddresses>, address: &str) -> Option<AddressConnection> {
        addresses.admit(address.parse().unwrap())
    }

    #[test]
    fn each_address_has_its_own_limit_and_leaves_nothing_behind() {
        let addresses = Arc::new(ViewerAddresses::new(2));
        let held = [admit(&addresses, "192.0.2.1").unwrap(), admit(&addresses, "::ffff:192.0.2.1").unwrap()];
        assert!(admit(&addresses, "192.0.2.1").is_none());
        let other = admit(&addresses, "192.0.2.2").unwrap();
        drop(held);
        assert_eq!(entries(&addresses), 1);
        assert!(admit(&addresses, "192.0.2.1").is_some());
        drop(other);
        assert_eq!(entries(&addresses), 0);
    }

    #[test]
    fn a_subscriber_of_ipv6_has_one_limit() {
        let addresses = Arc::new(ViewerAddresses::new(1));
        let _held = admit(&addresses, "2001:db8:0:1::1").unwrap();
        assert!(admit(&addresses, "2001:db8:0:1:ffff::2").is_none());
        assert!(admit(&addresses, "2001:db8:0:2::1").is_some());
    }

    #[test]
    fn streams_have_a_limit_across_connections() {
        let addresses = Arc::new(ViewerAddresses::new(1));
        let connection = admit(&addresses, "192.0.2.1").unwrap();
        let streams: Vec<_> = (0..ADDRESS_STREAMS_MIN).map(|_| connection.begin_stream().unwrap()).collect();
        assert!(connection.begin_stream().is_none());
        drop(streams);
        assert!(connection.begin_stream().is_some());
    }

    #[test]
    fn an_address_has_many_handshakes_where_there_are_limits() {
        for (connections_max, expect) in [(100, true), (0, false)] {
            let connection = admit(&Arc::new(ViewerAddresses::new(connections_max)), "192.0.2.1").unwrap();
            let held: Vec<_> =
                (0..ADDRESS_HANDSHAKES_PATIENT).map(|_| connection.begin_handshake()).collect();
            assert!(!held.iter().any(AddressHandshake::has_many));
            assert_eq!(connection.begin_handshake().has_many(), expect);
            drop(held);
            assert!(!connection.begin_handshake().has_many());
        }
    }

    #[test]
    fn a_crowd_is_hurried_until_it_is_gone_unless_there_is_no_limit() {
        let addresses = Arc::new(ViewerAddresses::new(0));
        let held: Vec<_> =
            (0..=ADDRESS_CONNECTIONS_PATIENT).map(|_| admit(&addresses, "192.0.2.1").unwrap()).collect();
        assert!(!held[0].is_crowded());
        let addresses = Arc::new(ViewerAddresses::new(100_000));
        let mut held: Vec<_> =
            (0..=ADDRESS_CONNECTIONS_PATIENT).map(|_| admit(&addresses, "192.0.2.1").unwrap()).collect();
        assert!(held[0].is_crowded());
        held.truncate(ADDRESS_CONNECTIONS_CALM + 1);
        assert!(held[0].is_crowded());
        held.pop();
        assert!(!held[0].is_crowded());
    }
}
