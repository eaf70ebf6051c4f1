//! Listening sockets: one per thread and address, all on the same port; or clones of one that the
//! process was given. Where HTTP/3 is spoken each of the former has a UDP socket beside it, on the same port.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::limits::{LISTEN_BACKLOG, PORTS_TRIED_MAX, QUIC_SOCKET_BYTES, VIEWER_UNSENT_BYTES_MAX};

/// Where viewers connect.
#[derive(Clone, Debug)]
pub enum ListenOn {
    /// An address, which every thread binds for itself; port 0 picks a free port.
    Address(SocketAddr),
    /// A socket that listens already, as a service manager passes it. All threads accept from it.
    Socket(Arc<ListeningSocket>),
}

impl ListenOn {
    /// The address; its port is 0 where it is not picked yet.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Address(address) => *address,
            Self::Socket(socket) => socket.address,
        }
    }

    /// One listener for each thread, and the address that they listen on.
    pub(crate) fn bind(&self, threads: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
        match self {
            Self::Address(address) => bind(*address, threads),
            Self::Socket(socket) => {
                let clones = (0..threads).map(|_| socket.try_clone()).collect::<io::Result<_>>()?;
                Ok((socket.address, clones))
            }
        }
    }

    /// As [`bind`](Self::bind), with a UDP socket for each thread on the same port. There are none beside a socket
    /// that was passed: who passes it has the right to the port, and perhaps we have not.
    pub(crate) fn bind_with_udp(&self, threads: usize) -> Result<Bound, BindError> {
        let Self::Address(address) = self else {
            let (address, tcp) = self.bind(threads).map_err(BindError::Tcp)?;
            return Ok(Bound { address, tcp, udp: Vec::new() });
        };
        let mut tried = 0;
        loop {
            tried += 1;
            let (bound, tcp) = bind(*address, threads).map_err(BindError::Tcp)?;
            match (0..threads).map(|_| bind_udp(bound)).collect() {
                Ok(udp) => return Ok(Bound { address: bound, tcp, udp }),
                // The port was picked for TCP, and somebody has it for UDP.
                Err(_) if address.port() == 0 && tried < PORTS_TRIED_MAX => {}
                Err(error) => return Err(BindError::Udp(error)),
            }
        }
    }

    /// Whether the socket goes on listening when this process is gone, so that connections that wait in
    /// it are the successor's.
    pub(crate) fn outlives_us(&self) -> bool {
        matches!(self, Self::Socket(_))
    }
}

/// The sockets of an address, one of each for each thread.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) address: SocketAddr,
    pub(crate) tcp: Vec<TcpListener>,
    pub(crate) udp: Vec<UdpSocket>,
}

/// Which port is not to be had.
#[derive(Debug)]
pub(crate) enum BindError {
    Tcp(io::Error),
    Udp(io::Error),
}

impl From<SocketAddr> for ListenOn {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

/// A TCP socket that listens.
#[derive(Debug)]
pub struct ListeningSocket {
    socket: TcpListener,
    address: SocketAddr,
}

/// Why a socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListeningSocketError {
    /// Bound or connected, but not listening.
    #[error("it does not listen")]
    NotListening,
    /// The system says no.
    #[error("it cannot be used")]
    Unusable(#[from] io::Error),
}

impl ListeningSocket {
    /// Takes a socket that somebody else has bound.
    pub fn new(socket: TcpListener) -> Result<Self, ListeningSocketError> {
        let options = SockRef::from(&socket);
        if !options.is_listener()? {
            return Err(ListeningSocketError::NotListening);
        }
        prepare(&options)?;
        Ok(Self { address: socket.local_addr()?, socket })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Another handle to the same socket.
    pub fn try_clone(&self) -> io::Result<TcpListener> {
        self.socket.try_clone()
    }
}

/// Binds `address` once per thread. With port 0 the first bind picks the port and the others follow;
/// the kernel spreads new connections over them.
fn bind(address: SocketAddr, threads: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let first = bind_one(address)?;
    let bound = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..threads {
        listeners.push(bind_one(bound)?);
    }
    Ok((bound, listeners))
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    prepare(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // The kernel gives what `net.core.rmem_max` and `wmem_max` let it; less loses packets under load, not viewers.
    let _ = socket.set_recv_buffer_size(QUIC_SOCKET_BYTES);
    let _ = socket.set_send_buffer_size(QUIC_SOCKET_BYTES);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn prepare(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    // Accepted connections inherit what follows. A viewer that does not read is noticed, and holds little,
    // before megabytes wait in the kernel.
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(VIEWER_UNSENT_BYTES_MAX)?;
    // Heads and small bodies leave in one write, so nothing is gained by waiting for more, and server-sent
    // events must not wait.
    socket.set_tcp_nodelay(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

    #[test]
    fn every_thread_listens_on_the_port_that_the_first_one_got() {
        let (bound, listeners) = ListenOn::Address(ANY.into()).bind(3).unwrap();
        assert_ne!(bound.port(), 0);
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == bound));
    }

    #[test]
    fn every_thread_listens_on_the_socket_that_was_passed() {
        let socket = TcpListener::bind(SocketAddr::from(ANY)).unwrap();
        let address = socket.local_addr().unwrap();
        let passed = ListenOn::Socket(Arc::new(ListeningSocket::new(socket).unwrap()));
        let (bound, listeners) = passed.bind(3).unwrap();
        assert_eq!((bound, listeners.len()), (address, 3));
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == address));
    }

    #[test]
    fn every_thread_has_a_udp_socket_on_the_port_too() {
        let bound = ListenOn::Address(ANY.into()).bind_with_udp(2).unwrap();
        assert_eq!((bound.tcp.len(), bound.udp.len()), (2, 2));
        assert!(bound.udp.iter().all(|socket| socket.local_addr().unwrap() == bound.address));
    }

    #[test]
    fn a_udp_port_that_is_taken_is_told_apart() {
        let refused = || {
            let taken = UdpSocket::bind(SocketAddr::from(ANY)).unwrap();
            ListenOn::Address(taken.local_addr().unwrap()).bind_with_udp(1).unwrap_err()
        };
        // The port may be somebody else's over TCP.
        let refused = std::iter::repeat_with(refused).take(PORTS_TRIED_MAX);
        assert!(refused.into_iter().any(|error| matches!(error, BindError::Udp(_))));
    }

    #[test]
    fn a_socket_that_does_not_listen_is_refused() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.bind(&SocketAddr::from(ANY).into()).unwrap();
        let refused = ListeningSocket::new(socket.into()).unwrap_err();
        assert!(matches!(refused, ListeningSocketError::NotListening), "{refused}");
    }
}
