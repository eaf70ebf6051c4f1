//! Proxies that say for whom they connect, in the PROXY protocol's header.
//!
//! Whoever is trusted has to send one, and nobody else may: from any other address the header is read as a
//! request, and refused as none. A listener that guessed would let everybody choose an address
//! (proxy-protocol.txt section 2: "The receiver MUST NOT try to guess whether the protocol header is present or not").

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use proxy_protocol::limits::VERSION2_BYTES_MAX;
use proxy_protocol::{Ends, Header, HeaderError, Progress, parse};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::limits::PROXY_HEADER_TIME_MAX;

/// The proxies that are trusted.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

/// Why a proxy's connection is closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyFault {
    /// Nothing, or not all of it.
    #[error("the PROXY protocol header took longer than {PROXY_HEADER_TIME_MAX:?}")]
    TimedOut,
    /// No header, or a wrong one.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The connection ended first, or broke: a health check, or a port scan.
    #[error("the connection ended before its PROXY protocol header did")]
    Ended(#[from] io::Error),
}

impl TrustedProxies {
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether connections from there begin with a header.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        // A listener for both families shows IPv4 addresses inside IPv6 ones.
        !self.0.is_empty() && self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

/// Reads the header of a connection with these ends, and not one byte further; tells whose connection it is.
pub(crate) async fn read_ends(stream: &mut TcpStream, real: Ends) -> Result<Ends, ProxyFault> {
    let reading = tokio::time::timeout(PROXY_HEADER_TIME_MAX, read_header(stream));
    match reading.await.map_err(|_| ProxyFault::TimedOut)?? {
        Header::Relayed(ends) => Ok(ends),
        Header::Own => Ok(real),
    }
}

async fn read_header(stream: &mut TcpStream) -> Result<Header, ProxyFault> {
    let mut bytes = vec![0; VERSION2_BYTES_MAX];
    let mut taken = 0;
    loop {
        // A header that is longer is no header, so there always is room for more.
        let arrived = stream.peek(bytes.get_mut(taken..).unwrap_or_default()).await?;
        if arrived == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let progress = parse(bytes.get(..taken + arrived).unwrap_or_default())?;
        let end = match progress {
            Progress::Complete { length, .. } => length,
            // Nothing in there is the viewer's.
            Progress::Partial => taken + arrived,
        };
        stream.read_exact(bytes.get_mut(taken..end).unwrap_or_default()).await?;
        taken = end;
        if let Progress::Complete { header, .. } = progress {
            return Ok(header);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n";

    async fn connection() -> (TcpStream, TcpStream, Ends) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let destination = listener.local_addr().unwrap();
        let (proxy, accepted) = tokio::join!(TcpStream::connect(destination), listener.accept());
        let (stream, source) = accepted.unwrap();
        (proxy.unwrap(), stream, Ends { source, destination })
    }

    fn named() -> Ends {
        Ends { source: "192.0.2.1:12345".parse().unwrap(), destination: "198.51.100.2:443".parse().unwrap() }
    }

    /// What is read of a header that arrives in these parts, and what is left behind it.
    async fn read(parts: &[&[u8]]) -> (Result<Ends, String>, Vec<u8>) {
        let (mut proxy, mut stream, real) = connection().await;
        let sending = async {
            for part in parts {
                proxy.write_all(part).await.unwrap();
                // So that each part is read by itself.
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
            }
            proxy.shutdown().await.unwrap();
        };
        let (ends, ()) = tokio::join!(read_ends(&mut stream, real), sending);
        let mut rest = Vec::new();
        let _reset = stream.read_to_end(&mut rest).await;
        (ends.map_err(|fault| fault.to_string()), rest)
    }

    #[tokio::test]
    async fn what_is_behind_a_header_is_left_where_it_is() {
        assert_eq!(read(&[LINE, b"GET / "]).await, (Ok(named()), b"GET / ".to_vec()));
        assert_eq!(read(&[&[LINE, b"GET / "].concat()]).await, (Ok(named()), b"GET / ".to_vec()));
        let binary = named().header();
        let whole = [binary.as_ref(), b"\x16\x03"].concat();
        assert_eq!(read(&[&whole]).await, (Ok(named()), b"\x16\x03".to_vec()));
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(read(&bytes).await, (Ok(named()), b"\x16\x03".to_vec()));
    }

    #[tokio::test]
    async fn a_proxy_that_names_nobody_is_itself_the_viewer() {
        let (mut proxy, mut stream, real) = connection().await;
        proxy.write_all(b"PROXY UNKNOWN\r\n").await.unwrap();
        assert_eq!(read_ends(&mut stream, real).await.unwrap(), real);
    }

    #[tokio::test]
    async fn what_is_no_header_or_does_not_end_is_a_fault() {
        assert!(read(&[b"GET / HTTP/1.1\r\n"]).await.0.unwrap_err().contains("have the proxy send one"));
        assert!(read(&[b"PROXY TCP4 192.0.2.1"]).await.0.unwrap_err().contains("ended before"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_has_its_time() {
        let (mut proxy, mut stream, real) = connection().await;
        proxy.write_all(b"PROXY ").await.unwrap();
        let begun = tokio::time::Instant::now();
        assert!(matches!(read_ends(&mut stream, real).await, Err(ProxyFault::TimedOut)));
        assert!(begun.elapsed() < PROXY_HEADER_TIME_MAX + Duration::from_secs(1));
    }

    #[test]
    fn ipv4_is_found_inside_ipv6() {
        let proxies = TrustedProxies::new(vec!["192.0.2.0/24".parse().unwrap()]);
        assert!(proxies.contains("192.0.2.9".parse().unwrap()));
        assert!(proxies.contains("::ffff:192.0.2.9".parse().unwrap()));
        assert!(!proxies.contains("192.0.3.9".parse().unwrap()));
        assert!(!TrustedProxies::default().contains("192.0.2.9".parse().unwrap()));
    }
}
