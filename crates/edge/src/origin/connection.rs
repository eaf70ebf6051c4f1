//! Connections to origins: finding, connecting, TLS.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use edge_config::{HostName, IpAddressType, Origin, OriginAddress};
use proxy_protocol::Ends;
use smallvec::SmallVec;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::OriginFailure;
use super::tls::{OriginRoots, TlsNames};
use crate::egress::OriginAccess;
use crate::limits::NEXT_ADDRESS_DELAY;
use crate::resolver::{Addresses, Resolver};
use crate::transport::Transport;

/// What a connection is to, and for whom; connections to equal endpoints are interchangeable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    pub(crate) address: OriginAddress,
    pub(crate) ip_address_type: IpAddressType,
    pub(crate) port: u16,
    pub(crate) tls: Option<TlsNames>,
    /// The viewer's connection that it names, in the PROXY protocol's header. So none is ever another's.
    pub(crate) named: Option<Ends>,
    /// Whether HTTP/2 is spoken, which is agreed on with TLS and known beforehand without.
    pub(crate) speaks_http2: bool,
}

/// A connection to an origin.
#[derive(Debug)]
pub(crate) struct OriginConnection {
    pub(super) transport: Transport,
    pub(super) endpoint: Rc<Endpoint>,
    pub(super) is_reused: bool,
    /// What it took to open; nothing where it was there already.
    pub(super) opening: Opening,
    /// Where it leads to; none where the endpoint is an address itself.
    pub(super) place: Option<NamedAddress>,
}

/// What opening a connection took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opening {
    /// Finding the origin's address.
    pub(super) dns: Duration,
    /// Connecting to it, all attempts and TLS included.
    pub(super) connect: Duration,
}

/// An address that an origin's name had.
#[derive(Clone, Debug)]
pub(super) struct NamedAddress {
    name: HostName,
    ip_address_type: IpAddressType,
    ip: IpAddr,
    /// Until when that need not be asked again.
    confirmed_until: Instant,
}

impl NamedAddress {
    fn of(endpoint: &Endpoint, ip: IpAddr) -> Option<Self> {
        let Endpoint { address: OriginAddress::Name(name), ip_address_type, .. } = endpoint else {
            return None;
        };
        // It is looked at when the connection is used again.
        let confirmed_until = Instant::now();
        Some(Self { name: name.clone(), ip_address_type: *ip_address_type, ip, confirmed_until })
    }
}

/// What opens connections.
#[derive(Clone)]
pub(crate) struct Connector {
    resolver: Resolver,
    access: Arc<OriginAccess>,
    roots: OriginRoots,
}

impl Connector {
    /// One that asks this resolver, connects to these addresses and believes these authorities.
    pub(crate) fn new(resolver: Resolver, access: Arc<OriginAccess>, roots: OriginRoots) -> Self {
        Self { resolver, access, roots }
    }

    /// Whether a connection leads to an address that its origin's name still has.
    pub(super) fn still_leads_to_origin(&self, place: &mut Option<NamedAddress>, now: Instant) -> bool {
        let Some(place) = place else { return true };
        if now < place.confirmed_until {
            return true;
        }
        let confirmed = self.resolver.still_finds(place.ip, &place.name, place.ip_address_type);
        confirmed.inspect(|until| place.confirmed_until = *until).is_some()
    }

    /// Opens a connection, trying as often and as long as the origin's settings say ("Origin
    /// settings", Connection attempts and Connection timeout).
    pub(super) async fn open(
        &self,
        origin: &Origin,
        endpoint: &Rc<Endpoint>,
    ) -> Result<OriginConnection, OriginFailure> {
        let Endpoint { address, ip_address_type, port, .. } = &**endpoint;
        let begun_at = Instant::now();
        let addresses = self.resolver.resolve(address, *ip_address_type, *port).await?;
        let resolved_at = Instant::now();
        let timeout = Duration::from_secs(origin.connection_timeout_seconds.into());
        let mut last_failure = OriginFailure::ConnectTimedOut;
        for attempt in 0..usize::from(origin.connection_attempts.max(1)) {
            // Another address comes first each time: one that answers and then swallows the handshake costs
            // one attempt only.
            let mut addresses = addresses.clone();
            let first = attempt % addresses.len().max(1);
            addresses.rotate_left(first);
            let opened = tokio::time::timeout(timeout, self.try_addresses(addresses, endpoint)).await;
            match opened {
                Ok(Ok((transport, connected_to))) => {
                    let place = NamedAddress::of(endpoint, connected_to);
                    let endpoint = Rc::clone(endpoint);
                    let opening = Opening { dns: resolved_at - begun_at, connect: resolved_at.elapsed() };
                    return Ok(OriginConnection { transport, endpoint, is_reused: false, opening, place });
                }
                Ok(Err(refused @ OriginFailure::Refused(_))) => return Err(refused),
                Ok(Err(failure)) => last_failure = failure,
                Err(_) => last_failure = OriginFailure::ConnectTimedOut,
            }
        }
        Err(last_failure)
    }

    async fn try_addresses(
        &self,
        addresses: Addresses,
        endpoint: &Endpoint,
    ) -> Result<(Transport, IpAddr), OriginFailure> {
        let stream = self.connect_to_any(addresses).await?;
        let connected_to = stream.peer_addr().map_err(OriginFailure::Connect)?.ip();
        Ok((self.secure(stream, endpoint).await?, connected_to))
    }

    /// Connects to the first address that accepts. The next one's turn comes when one fails, or beside it
    /// when it has not answered for a while (RFC 8305 section 5).
    async fn connect_to_any(&self, addresses: Addresses) -> Result<TcpStream, OriginFailure> {
        let mut addresses = addresses.into_iter();
        let mut connecting = Connecting::new();
        let mut last_failure = OriginFailure::ConnectTimedOut;
        loop {
            if let Some(address) = addresses.next() {
                // On the very address that is connected to: a name may change between look-up and use.
                if let Err(refused) = self.access.check(address) {
                    last_failure = refused.into();
                    continue;
                }
                connecting.push(Box::pin(TcpStream::connect(address)));
            } else if connecting.is_empty() {
                return Err(last_failure);
            }
            let connected = if addresses.len() == 0 {
                Ok(first_of(&mut connecting).await)
            } else {
                tokio::time::timeout(NEXT_ADDRESS_DELAY, first_of(&mut connecting)).await
            };
            match connected {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last_failure = OriginFailure::from_connect_error(error),
                // The next one may begin.
                Err(_) => {}
            }
        }
    }

    async fn secure(&self, mut stream: TcpStream, endpoint: &Endpoint) -> Result<Transport, OriginFailure> {
        // Heads and bodies leave in as few writes as there can be; waiting for more gains nothing.
        stream.set_nodelay(true).map_err(OriginFailure::Connect)?;
        if let Some(ends) = &endpoint.named {
            stream.write_all(ends.header().as_ref()).await.map_err(OriginFailure::Write)?;
        }
        match &endpoint.tls {
            None => Ok(Transport::clear(stream)),
            Some(names) => {
                let stream = self.roots.connect(stream, names, endpoint.speaks_http2).await?;
                Ok(Transport::to_origin(stream))
            }
        }
    }
}

/// Connections that are being made; most origins need one.
type Connecting = SmallVec<[Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>; 2]>;

/// The outcome of the first one that has any, which is then no longer among them.
async fn first_of(connecting: &mut Connecting) -> io::Result<TcpStream> {
    poll_fn(|context| {
        let ended = connecting.iter_mut().enumerate().find_map(|(index, connecting)| {
            match connecting.as_mut().poll(context) {
                Poll::Ready(outcome) => Some((index, outcome)),
                Poll::Pending => None,
            }
        });
        let Some((index, outcome)) = ended else { return Poll::Pending };
        drop(connecting.remove(index));
        Poll::Ready(outcome)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rcgen::{CertificateParams, KeyPair};
    use socket2::{Domain, Socket, Type};

    use super::*;

    /// A connector that finds these addresses for every name.
    fn connector(ips: &[&str]) -> Connector {
        let ips: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        let key = KeyPair::generate().unwrap();
        let authority = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
        let access = OriginAccess { allow_private: true, ..OriginAccess::default() };
        let roots = OriginRoots::only(authority.as_bytes()).unwrap();
        Connector::new(Resolver::finding(ips), Arc::new(access), roots)
    }

    fn endpoint(port: u16) -> Rc<Endpoint> {
        let address = OriginAddress::Name(HostName::parse("origin.test").unwrap());
        Rc::new(Endpoint {
            address,
            ip_address_type: IpAddressType::Ipv4,
            port,
            tls: None,
            named: None,
            speaks_http2: false,
        })
    }

    fn origin(connection_attempts: u8) -> Origin {
        Origin {
            id: "api".into(),
            address: OriginAddress::Name(HostName::parse("origin.test").unwrap()),
            ip_address_type: IpAddressType::Ipv4,
            http_port: 80,
            https_port: 443,
            protocol_policy: edge_config::OriginProtocolPolicy::HttpOnly,
            path: String::new(),
            custom_headers: Vec::new(),
            connection_attempts,
            connection_timeout_seconds: 2,
            read_timeout_seconds: 30,
            keepalive_timeout_seconds: 5,
            response_completion_timeout_seconds: None,
        }
    }

    /// A listener that takes no connection: its queue is full.
    async fn deaf(ip: &str) -> (Socket, u16, Vec<TcpStream>) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(ip.parse().unwrap(), 0).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let mut waiting = Vec::new();
        let patience = Duration::from_millis(200);
        while let Ok(stream) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
            waiting.push(stream.unwrap());
        }
        (socket, address.port(), waiting)
    }

    #[tokio::test]
    async fn c1_an_address_that_swallows_packets_costs_no_more_than_the_delay() {
        let (_socket, port, _waiting) = deaf("127.0.0.2").await;
        let listener = std::net::TcpListener::bind(("127.0.0.3", port)).unwrap();
        let begun = Instant::now();
        let connector = connector(&["127.0.0.2", "127.0.0.3"]);
        connector.open(&origin(1), &endpoint(port)).await.unwrap();
        assert!(begun.elapsed() >= NEXT_ADDRESS_DELAY && begun.elapsed() < Duration::from_secs(2));
        drop(listener);
    }

    #[tokio::test]
    async fn c1_an_address_that_refuses_costs_nothing() {
        let listener = std::net::TcpListener::bind("127.0.0.3:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connector = connector(&["127.0.0.2", "127.0.0.4", "127.0.0.3"]);
        let begun = Instant::now();
        connector.open(&origin(1), &endpoint(port)).await.unwrap();
        assert!(begun.elapsed() < NEXT_ADDRESS_DELAY);
    }

    #[tokio::test]
    async fn c1_attempts_and_their_time_are_limited_whatever_the_number_of_addresses() {
        let (_socket, port, _waiting) = deaf("127.0.0.2").await;
        let begun = Instant::now();
        let connector = connector(&["127.0.0.2", "127.0.0.4"]);
        let failure = connector.open(&origin(2), &endpoint(port)).await.unwrap_err();
        assert!(matches!(failure, OriginFailure::ConnectTimedOut), "{failure:?}");
        assert!((4..6).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn addresses_that_are_no_origins_are_passed_over() {
        let listener = std::net::TcpListener::bind("127.0.0.3:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connector_of_both = connector(&["169.254.169.254", "127.0.0.3"]);
        connector_of_both.open(&origin(1), &endpoint(port)).await.unwrap();
        let failure = connector(&["169.254.169.254"]).open(&origin(3), &endpoint(port)).await.unwrap_err();
        assert!(matches!(failure, OriginFailure::Refused(_)), "{failure:?}");
    }
}
