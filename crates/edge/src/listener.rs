//! Listening sockets: one per thread and address, all on the same port.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::limits::LISTEN_BACKLOG;

/// Binds `address` once per thread. With port 0 the first bind picks the port and the others follow;
/// the kernel spreads new connections over them.
pub(crate) fn bind(address: SocketAddr, threads: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
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
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Accepted connections inherit it. Heads and small bodies leave in one write, so nothing is
    // gained by waiting for more, and server-sent events must not wait.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_listens_on_the_port_that_the_first_one_got() {
        let (bound, listeners) = bind(([127, 0, 0, 1], 0).into(), 3).unwrap();
        assert_ne!(bound.port(), 0);
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == bound));
    }
}
