//! Connections to origins: finding, connecting, TLS.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use edge_config::{Origin, OriginAddress};
use smallvec::SmallVec;
use tokio::net::TcpStream;

use super::OriginFailure;
use super::tls::{OriginRoots, TlsNames};
use crate::egress::OriginAccess;
use crate::resolver::{Addresses, Resolver};
use crate::transport::Transport;

/// What a connection is to; connections to equal endpoints are interchangeable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    pub(crate) address: OriginAddress,
    pub(crate) port: u16,
    pub(crate) tls: Option<TlsNames>,
}

/// A connection to an origin.
#[derive(Debug)]
pub(crate) struct OriginConnection {
    pub(super) transport: Transport,
    pub(super) endpoint: Rc<Endpoint>,
    pub(super) is_reused: bool,
}

/// What opens connections.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) resolver: Resolver,
    pub(super) access: Arc<OriginAccess>,
    pub(super) roots: OriginRoots,
}

impl Connector {
    /// Opens a connection, trying as often and as long as the origin's settings say ("Origin
    /// settings", Connection attempts and Connection timeout).
    pub(super) async fn open(
        &self,
        origin: &Origin,
        endpoint: &Rc<Endpoint>,
    ) -> Result<OriginConnection, OriginFailure> {
        let addresses = self.resolver.resolve(&endpoint.address, endpoint.port).await?;
        let timeout = Duration::from_secs(origin.connection_timeout_seconds.into());
        let mut last_failure = OriginFailure::ConnectTimedOut;
        for attempt in 0..usize::from(origin.connection_attempts.max(1)) {
            // Another address comes first each time: one that swallows packets costs one attempt only.
            let opened =
                tokio::time::timeout(timeout, self.try_addresses(&addresses, attempt, endpoint)).await;
            match opened {
                Ok(Ok(transport)) => {
                    let endpoint = Rc::clone(endpoint);
                    return Ok(OriginConnection { transport, endpoint, is_reused: false });
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
        addresses: &Addresses,
        first: usize,
        endpoint: &Endpoint,
    ) -> Result<Transport, OriginFailure> {
        let mut addresses: SmallVec<[SocketAddr; 8]> = addresses.iter().collect();
        let first = first % addresses.len().max(1);
        addresses.rotate_left(first);
        let mut last_failure = OriginFailure::ConnectTimedOut;
        for address in addresses {
            // On the very address that is connected to: a name may change between look-up and use.
            if let Err(refused) = self.access.check(address) {
                last_failure = refused.into();
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => return self.secure(stream, endpoint).await,
                Err(error) => last_failure = OriginFailure::from_connect_error(error),
            }
        }
        Err(last_failure)
    }

    async fn secure(&self, stream: TcpStream, endpoint: &Endpoint) -> Result<Transport, OriginFailure> {
        // Heads and bodies leave in as few writes as there can be; waiting for more gains nothing.
        stream.set_nodelay(true).map_err(OriginFailure::Connect)?;
        match &endpoint.tls {
            None => Ok(Transport::clear(stream)),
            Some(names) => Ok(Transport::to_origin(self.roots.connect(stream, names).await?)),
        }
    }
}
