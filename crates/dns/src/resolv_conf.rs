//! resolv.conf(5): whom to ask, and for which names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use crate::limits::{ATTEMPTS_MAX, NAME_SERVERS_MAX, NDOTS_MAX, SEARCH_DOMAINS_MAX, TIMEOUT_MAX};
use crate::name::Name;

/// Where name servers listen.
pub const PORT: u16 = 53;

/// What the file says. Lines and options that it does not know are passed over, as the system's resolver
/// does; so is the domain of the machine's own name where no line names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvConf {
    /// Name servers, in their order; at least one.
    pub servers: Vec<SocketAddr>,
    /// The domains that short names may be in.
    pub search: Vec<Name>,
    /// How many dots a name has that is asked for as it is first.
    pub ndots: usize,
    /// How long one server is waited for.
    pub timeout: Duration,
    /// How often they are all asked.
    pub attempts: usize,
    /// Whether each question begins with another server.
    pub rotate: bool,
    /// Whether only TCP is spoken.
    pub use_tcp: bool,
}

impl Default for ResolvConf {
    fn default() -> Self {
        Self {
            // "If no nameserver entries are present, the default is to use the name server on the local
            // machine."
            servers: vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT)],
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            rotate: false,
            use_tcp: false,
        }
    }
}

impl ResolvConf {
    /// These servers and nothing else.
    pub fn of_servers(servers: &[SocketAddr]) -> Self {
        Self { servers: servers.to_vec(), ..Self::default() }
    }

    /// What the text of the file says.
    pub fn parse(text: &str) -> Self {
        let mut configuration = Self::default();
        let mut servers = Vec::new();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => servers.extend(words.next().and_then(server)),
                // The last one of both counts.
                Some("domain") => configuration.search = search(words.take(1)),
                Some("search") => configuration.search = search(words),
                Some("options") => words.for_each(|option| configuration.set(option)),
                _ => {}
            }
        }
        servers.truncate(NAME_SERVERS_MAX);
        if !servers.is_empty() {
            configuration.servers = servers;
        }
        configuration
    }

    fn set(&mut self, option: &str) {
        let (name, value) = option.split_once(':').unwrap_or((option, ""));
        let number: Option<usize> = value.parse().ok();
        match (name, number) {
            ("ndots", Some(number)) => self.ndots = number.min(NDOTS_MAX),
            ("attempts", Some(number)) => self.attempts = number.clamp(1, ATTEMPTS_MAX),
            ("timeout", Some(number)) => {
                let seconds = Duration::from_secs(u64::try_from(number).unwrap_or(u64::MAX));
                self.timeout = seconds.clamp(Duration::from_secs(1), TIMEOUT_MAX);
            }
            ("rotate", None) => self.rotate = true,
            ("use-vc", None) => self.use_tcp = true,
            _ => {}
        }
    }

    /// The names to ask for in the place of a name, in their order.
    pub fn candidates(&self, name: &Name) -> Vec<Name> {
        let in_domains = self.search.iter().filter_map(|domain| name.within(domain));
        let as_it_is = std::iter::once(name.clone());
        if name.dots() >= self.ndots {
            as_it_is.chain(in_domains).collect()
        } else {
            in_domains.chain(as_it_is).collect()
        }
    }
}

fn search<'a>(domains: impl Iterator<Item = &'a str>) -> Vec<Name> {
    // The root is one, too: it stands for the name as it is, which is asked for anyway.
    domains.filter_map(|domain| Name::parse(domain).ok()).take(SEARCH_DOMAINS_MAX).collect()
}

/// An address, of IPv6 with the number of its interface where it has one.
fn server(text: &str) -> Option<SocketAddr> {
    let (address, interface) = text.split_once('%').unwrap_or((text, "0"));
    match address.parse().ok()? {
        IpAddr::V4(address) => Some(SocketAddr::new(address.into(), PORT)),
        IpAddr::V6(address) => of_interface(address, interface),
    }
}

fn of_interface(address: Ipv6Addr, interface: &str) -> Option<SocketAddr> {
    Some(SocketAddrV6::new(address, PORT, 0, interface.parse().ok()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Vec<String> {
        ResolvConf::parse(text).servers.iter().map(ToString::to_string).collect()
    }

    fn candidates(text: &str, name: &str) -> Vec<String> {
        let candidates = ResolvConf::parse(text).candidates(&Name::parse(name).unwrap());
        candidates.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn servers_come_in_their_order_and_there_is_always_one() {
        let text = "# of the network\nnameserver 127.0.0.11\n nameserver  fd00::53 \nnameserver fe80::1%2\n";
        assert_eq!(servers(text), ["127.0.0.11:53", "[fd00::53]:53", "[fe80::1%2]:53"]);
        assert_eq!(servers("nameserver\nnameserver dns.test\n;nameserver 192.0.2.1\n"), ["127.0.0.1:53"]);
        assert_eq!(servers(&"nameserver 192.0.2.1\n".repeat(100)).len(), NAME_SERVERS_MAX);
    }

    #[test]
    fn short_names_are_searched_in_domains_as_kubernetes_writes_them() {
        let text = "search shop.svc.cluster.local svc.cluster.local cluster.local\n\
                    nameserver 10.96.0.10\noptions ndots:5\n";
        assert_eq!(
            candidates(text, "api"),
            ["api.shop.svc.cluster.local", "api.svc.cluster.local", "api.cluster.local", "api"]
        );
        assert_eq!(candidates(text, "a.b.c.d.e.f")[0], "a.b.c.d.e.f");
        assert_eq!(candidates("search lan\n", "api.example.org"), ["api.example.org", "api.example.org.lan"]);
        assert_eq!(candidates("search lan\ndomain home.test other\n", "api"), ["api.home.test", "api"]);
        assert_eq!(candidates("search .\n", "api"), ["api"]);
    }

    #[test]
    fn options_are_taken_within_their_bounds() {
        let text = "options timeout:1 attempts:9 rotate edns0\noptions use-vc ndots:99 timeout:x no-such:1 rotate:0\n";
        let parsed = ResolvConf::parse(text);
        assert_eq!((parsed.timeout.as_secs(), parsed.attempts, parsed.ndots), (1, ATTEMPTS_MAX, NDOTS_MAX));
        assert!(parsed.rotate && parsed.use_tcp);
        assert_eq!(ResolvConf::parse("options timeout:0 attempts:0").timeout.as_secs(), 1);
        assert_eq!(ResolvConf::parse("options timeout:99999999999 attempts:0").attempts, 1);
    }
}
