//! Egress: which addresses the edge may connect to for an origin.
//!
//! Whoever may create a distribution names an origin, and a name can resolve to anything, so the
//! check is made on the address that is about to be connected to, at every attempt: never on the
//! name, and never once for all. An address that carries an IPv4 address inside (IPv4-mapped,
//! NAT64, 6to4 …) is judged by what it carries, because that is where the packets end.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::IpNet;

/// Where connections to origins may go.
#[derive(Clone, Debug, Default)]
pub struct OriginAccess {
    /// Whether loopback and private addresses are origins like any other.
    pub allow_private: bool,
    /// The loopback and private addresses that are allowed all the same.
    pub allow: Vec<IpNet>,
    /// What Mantlet itself listens on: a distribution must not point at its own edge or API.
    pub own_listeners: Vec<SocketAddr>,
}

/// Why an address is no origin's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// 169.254.0.0/16 or fe80::/10, where clouds keep their credentials.
    #[error("the origin's address is link-local")]
    LinkLocal,
    /// An address at which a cloud gives credentials to its machines.
    #[error("the origin's address is that of a cloud's metadata service")]
    CloudMetadata,
    /// A group, not a host.
    #[error("the origin's address is a multicast address")]
    Multicast,
    /// Every host of a network.
    #[error("the origin's address is the broadcast address")]
    Broadcast,
    /// 0.0.0.0/8 or `::`, which connects to this machine.
    #[error("the origin's address is unspecified")]
    Unspecified,
    /// 64:ff9b:1::/48: what it translates to only its network's operator knows (RFC 8215).
    #[error("the origin's address is of a local translation prefix, which can hide any other address")]
    LocalTranslation,
    /// Mantlet itself.
    #[error("the origin's address is one that Mantlet listens on")]
    OwnListener,
    /// Loopback or private, and not allowed.
    #[error("the origin's address is private, and private origins are not allowed")]
    Private,
}

impl OriginAccess {
    /// Whether the edge may connect there.
    pub fn check(&self, address: SocketAddr) -> Result<(), EgressError> {
        let ip = destination(address.ip());
        refuse_never_an_origin(ip)?;
        if self.is_own_listener(SocketAddr::new(ip, address.port())) {
            return Err(EgressError::OwnListener);
        }
        let allowed = self.allow_private
            || !is_private(ip)
            || self.allow.iter().any(|net| net.contains(&ip) || net.contains(&address.ip()));
        if allowed { Ok(()) } else { Err(EgressError::Private) }
    }

    fn is_own_listener(&self, address: SocketAddr) -> bool {
        self.own_listeners.iter().any(|listener| {
            let bound = listener.ip().to_canonical();
            listener.port() == address.port()
                && (bound == address.ip() || (accepts_for(bound, address.ip()) && is_local(address.ip())))
        })
    }
}

/// Whether a listener bound to `bound` hears connections to every local address of that family;
/// `[::]` hears IPv4 too.
fn accepts_for(bound: IpAddr, address: IpAddr) -> bool {
    bound.is_unspecified() && (bound.is_ipv6() || address.is_ipv4())
}

/// Whether the address is one of this machine's: only those can be bound. The kernel is asked every
/// time, since addresses come and go, and any answer but "not available" counts as yes. It is rarely
/// asked: only when the port is that of a listener bound to a wildcard.
fn is_local(ip: IpAddr) -> bool {
    match UdpSocket::bind((ip, 0)) {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::AddrNotAvailable,
    }
}

/// The address at which packets end: the IPv4 address inside, if there is one.
fn destination(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => embedded_ipv4(v6).map_or(ip, IpAddr::V4),
    }
}

fn embedded_ipv4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    if ip.is_unspecified() || ip.is_loopback() {
        return None;
    }
    match ip.segments() {
        // IPv4-mapped and IPv4-compatible (RFC 4291 section 2.5.5), IPv4-translated (RFC 2765 section 2.1).
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        // The well-known NAT64 prefix (RFC 6052 section 2.1).
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // 6to4 (RFC 3056 section 2).
        | [0x2002, high, low, ..] => Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        _ => None,
    }
}

fn refuse_never_an_origin(ip: IpAddr) -> Result<(), EgressError> {
    match ip {
        IpAddr::V4(v4) => refuse_never_an_origin_v4(v4),
        IpAddr::V6(v6) => refuse_never_an_origin_v6(v6),
    }
}

fn refuse_never_an_origin_v4(ip: Ipv4Addr) -> Result<(), EgressError> {
    match ip.octets() {
        [0, ..] => Err(EgressError::Unspecified),
        [169, 254, ..] => Err(EgressError::LinkLocal),
        // Azure's, Alibaba Cloud's, and that of Oracle's older cloud.
        [168, 63, 129, 16] | [100, 100, 100, 200] | [192, 0, 0, 192] => Err(EgressError::CloudMetadata),
        [224..=239, ..] => Err(EgressError::Multicast),
        [255, 255, 255, 255] => Err(EgressError::Broadcast),
        _ => Ok(()),
    }
}

fn refuse_never_an_origin_v6(ip: Ipv6Addr) -> Result<(), EgressError> {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Err(EgressError::Unspecified),
        [0xfe80..=0xfebf, ..] => Err(EgressError::LinkLocal),
        // All of the prefix that Amazon's instances see (::254 is metadata, ::23 gives pods their
        // credentials), and Google Cloud's one address.
        [0xfd00, 0x0ec2, ..] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254] => Err(EgressError::CloudMetadata),
        [0xff00..=0xffff, ..] => Err(EgressError::Multicast),
        [0x64, 0xff9b, 1, ..] => Err(EgressError::LocalTranslation),
        _ => Ok(()),
    }
}

/// Whether an address is not globally reachable (the IANA special-purpose address registries).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => matches!(
            v4.octets(),
            [10 | 127 | 240..=255, ..]
                | [100, 64..=127, ..]
                | [172, 16..=31, ..]
                | [192, 168, ..]
                | [192, 0, 0, _]
                | [198, 18..=19, ..]
        ),
        IpAddr::V6(v6) => {
            v6.is_loopback() || matches!(v6.segments(), [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..])
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    fn check(access: &OriginAccess, ip: &str) -> Result<(), EgressError> {
        access.check(SocketAddr::new(ip.parse().unwrap(), 3500))
    }

    fn permissive() -> OriginAccess {
        OriginAccess {
            allow_private: true,
            allow: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
            own_listeners: Vec::new(),
        }
    }

    #[test]
    fn no_permission_reaches_what_is_never_an_origin() {
        for (ip, misdeed) in [
            ("169.254.169.254", EgressError::LinkLocal),
            ("169.254.0.0", EgressError::LinkLocal),
            ("169.254.255.255", EgressError::LinkLocal),
            ("fe80::1", EgressError::LinkLocal),
            ("febf:ffff::1", EgressError::LinkLocal),
            ("168.63.129.16", EgressError::CloudMetadata),
            ("100.100.100.200", EgressError::CloudMetadata),
            ("fd00:ec2::254", EgressError::CloudMetadata),
            ("fd00:ec2::23", EgressError::CloudMetadata),
            ("fd20:ce::254", EgressError::CloudMetadata),
            ("192.0.0.192", EgressError::CloudMetadata),
            ("224.0.0.1", EgressError::Multicast),
            ("239.255.255.255", EgressError::Multicast),
            ("ff02::1", EgressError::Multicast),
            ("255.255.255.255", EgressError::Broadcast),
            ("0.0.0.0", EgressError::Unspecified),
            ("0.1.2.3", EgressError::Unspecified),
            ("::", EgressError::Unspecified),
            ("::ffff:169.254.169.254", EgressError::LinkLocal),
            ("::ffff:0:169.254.169.254", EgressError::LinkLocal),
            ("::169.254.169.254", EgressError::LinkLocal),
            ("64:ff9b::169.254.169.254", EgressError::LinkLocal),
            ("64:ff9b::a83f:8110", EgressError::CloudMetadata),
            ("2002:a9fe:a9fe::1", EgressError::LinkLocal),
            ("64:ff9b:1::169.254.169.254", EgressError::LocalTranslation),
            ("64:ff9b:1:a9fe:a9:fe00::", EgressError::LocalTranslation),
        ] {
            assert_eq!(check(&permissive(), ip), Err(misdeed), "{ip}");
        }
    }

    const PRIVATE: [&str; 18] = [
        "127.0.0.1",
        "127.255.255.254",
        "::1",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.8",
        "198.18.0.1",
        "240.0.0.1",
        "fc00::1",
        "fdff::1",
        "fec0::1",
        "::ffff:10.0.0.1",
        "64:ff9b::127.0.0.1",
        "2002:a00:1::",
    ];

    #[test]
    fn private_addresses_need_permission() {
        for ip in PRIVATE {
            assert_eq!(check(&OriginAccess::default(), ip), Err(EgressError::Private), "{ip}");
            assert_eq!(check(&permissive(), ip), Ok(()), "{ip}");
        }
    }

    #[test]
    fn permission_can_be_given_address_by_address() {
        let access = OriginAccess {
            allow: vec!["10.1.0.0/16".parse().unwrap(), "fd12::/16".parse().unwrap()],
            ..OriginAccess::default()
        };
        for ip in ["10.1.2.3", "::ffff:10.1.2.3", "fd12::5"] {
            assert_eq!(check(&access, ip), Ok(()), "{ip}");
        }
        for ip in ["10.2.0.1", "127.0.0.1", "fd13::5"] {
            assert_eq!(check(&access, ip), Err(EgressError::Private), "{ip}");
        }
    }

    #[test]
    fn public_addresses_need_none() {
        for ip in [
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "169.253.255.255",
            "192.0.1.1",
            "198.20.0.0",
            "223.255.255.255",
            "8.8.8.8",
            "2606:4700::1111",
            "64:ff9b::8.8.8.8",
            "2002:808:808::",
        ] {
            assert_eq!(check(&OriginAccess::default(), ip), Ok(()), "{ip}");
        }
    }

    fn check_own(listener: &str, address: &str) -> Result<(), EgressError> {
        OriginAccess { own_listeners: vec![listener.parse().unwrap()], ..permissive() }
            .check(address.parse().unwrap())
    }

    #[test]
    fn own_listeners_are_refused() {
        for (listener, address) in [
            ("127.0.0.1:8443", "127.0.0.1:8443"),
            ("127.0.0.1:8443", "[::ffff:127.0.0.1]:8443"),
            ("[::1]:8443", "[::1]:8443"),
            ("203.0.113.7:443", "203.0.113.7:443"),
            ("0.0.0.0:8443", "127.0.0.1:8443"),
            ("0.0.0.0:8443", "127.9.9.9:8443"),
            ("0.0.0.0:8443", "[64:ff9b::127.0.0.1]:8443"),
            ("[::]:8443", "127.0.0.1:8443"),
            ("[::]:8443", "[::1]:8443"),
        ] {
            assert_eq!(check_own(listener, address), Err(EgressError::OwnListener), "{listener} {address}");
        }
    }

    #[test]
    fn neighbours_of_own_listeners_are_not() {
        for (listener, address) in [
            ("127.0.0.1:8443", "127.0.0.1:3500"),
            ("127.0.0.1:8443", "127.0.0.2:8443"),
            ("0.0.0.0:8443", "203.0.113.7:8443"),
            ("0.0.0.0:8443", "[::1]:8443"),
            ("[::]:8443", "203.0.113.7:8443"),
        ] {
            assert_eq!(check_own(listener, address), Ok(()), "{listener} {address}");
        }
    }

    #[test]
    fn a_wildcard_listener_covers_the_address_that_its_connections_arrive_at() {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let _viewer = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let arrived_at = listener.accept().unwrap().0.local_addr().unwrap();
        let access = OriginAccess { own_listeners: vec![listener.local_addr().unwrap()], ..permissive() };
        assert_eq!(access.check(arrived_at), Err(EgressError::OwnListener));
    }

    fn embeddings(ip: Ipv4Addr) -> Vec<Ipv6Addr> {
        let [a, b, c, d] = ip.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let bits = u128::from(ip.to_bits());
        let local = 0x0064_ff9b_0001_u128 << 80;
        vec![
            ip.to_ipv6_mapped(),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            // The four places at which RFC 6052 section 2.2 puts it behind a /48 or longer prefix.
            Ipv6Addr::from_bits(local | (bits >> 16) << 64 | (bits & 0xffff) << 40),
            Ipv6Addr::from_bits(local | (bits >> 24) << 64 | (bits & 0x00ff_ffff) << 32),
            Ipv6Addr::from_bits(local | bits << 24),
            Ipv6Addr::from_bits(local | bits),
        ]
    }

    fn refused_ipv4() -> impl Strategy<Value = Ipv4Addr> {
        prop_oneof![
            any::<[u8; 2]>().prop_map(|[c, d]| Ipv4Addr::new(169, 254, c, d)),
            any::<[u8; 3]>().prop_map(|[b, c, d]| Ipv4Addr::new(0, b, c, d)),
            (224..=239_u8, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| Ipv4Addr::new(a, b, c, d)),
            Just(Ipv4Addr::new(168, 63, 129, 16)),
            Just(Ipv4Addr::new(100, 100, 100, 200)),
            Just(Ipv4Addr::BROADCAST),
        ]
    }

    proptest! {
        #[test]
        fn every_embedding_of_a_refused_ipv4_address_is_refused(ip in refused_ipv4(), port: u16) {
            for embedding in embeddings(ip) {
                // ::0.0.0.1 is the loopback address, which permission can reach.
                if embedding != Ipv6Addr::LOCALHOST {
                    prop_assert!(permissive().check((embedding, port).into()).is_err(), "{}", embedding);
                }
            }
        }

        #[test]
        fn no_address_panics(ip: [u16; 8], port: u16) {
            let _ = OriginAccess::default().check((Ipv6Addr::from(ip), port).into());
        }
    }
}
