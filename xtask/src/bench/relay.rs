//! What reading and writing cost a process that does nothing else with what it relays.
//!
//! Each viewer's connection has one to the origin, which closes with it. One thread, edge-triggered `epoll`, one
//! buffer of 128 KiB: whatever a proxy of HTTP costs more for small requests is the price of HTTP.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::Result;
use clap::Args;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;

/// What is read at once.
const READ_BYTES: usize = 128 * 1024;
/// How many events are taken at once.
const EVENTS_MAX: usize = 256;
/// The listener's place among the events; connections have the others.
const LISTENER: u64 = u64::MAX;

/// From where to where.
#[derive(Args)]
pub(crate) struct RelayFlags {
    /// Where viewers connect.
    #[arg(long)]
    listen: SocketAddr,
    /// Whom they reach.
    #[arg(long)]
    origin: SocketAddr,
}

/// Relays until it is killed.
pub(crate) fn run(flags: &RelayFlags) -> Result<()> {
    serve(&TcpListener::bind(flags.listen)?, flags.origin)
}

fn serve(listener: &TcpListener, origin: SocketAddr) -> Result<()> {
    listener.set_nonblocking(true)?;
    let mut relay = Relay {
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        origin,
        pairs: Vec::new(),
        free: Vec::new(),
        buffer: vec![0; READ_BYTES],
    };
    epoll::add(&relay.epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut events = Vec::with_capacity(EVENTS_MAX);
    loop {
        epoll::wait(&relay.epoll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            relay.handle(listener, event);
        }
    }
}

struct Relay {
    epoll: OwnedFd,
    origin: SocketAddr,
    pairs: Vec<Option<[Side; 2]>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
}

/// One connection of two, and what could not be written to it yet.
struct Side {
    stream: TcpStream,
    unwritten: Vec<u8>,
    /// Whether nothing follows what has arrived: no event will tell of it again.
    has_ended: bool,
}

impl Relay {
    fn handle(&mut self, listener: &TcpListener, event: Event) {
        let (data, flags) = (event.data.u64(), event.flags);
        if data == LISTENER {
            while let Ok((viewer, _)) = listener.accept() {
                // A viewer that has gone already needs nothing.
                drop(self.begin(viewer));
            }
            return;
        }
        let Ok(index) = usize::try_from(data / 2) else { return };
        let Some(Some([viewer, origin])) = self.pairs.get_mut(index) else { return };
        let (this, other) = if data % 2 == 0 { (viewer, origin) } else { (origin, viewer) };
        let mut outcome = Ok(());
        this.has_ended |= flags.contains(EventFlags::RDHUP);
        if flags.contains(EventFlags::OUT) && !this.unwritten.is_empty() {
            outcome = this.flush().and_then(|()| other.relay_to(this, &mut self.buffer));
        }
        if flags.contains(EventFlags::IN) {
            outcome = outcome.and_then(|()| this.relay_to(other, &mut self.buffer));
        }
        if outcome.is_err() {
            self.pairs[index] = None;
            self.free.push(index);
        }
    }

    fn begin(&mut self, viewer: TcpStream) -> io::Result<()> {
        let origin = TcpStream::connect(self.origin)?;
        let index = self.free.pop().unwrap_or(self.pairs.len());
        for (side, stream) in [(0, &viewer), (1, &origin)] {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let data = EventData::new_u64(index as u64 * 2 + side);
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.epoll, stream, data, flags)?;
        }
        let pair = [viewer, origin].map(|stream| Side { stream, unwritten: Vec::new(), has_ended: false });
        match self.pairs.get_mut(index) {
            Some(slot) => *slot = Some(pair),
            None => self.pairs.push(Some(pair)),
        }
        Ok(())
    }
}

impl Side {
    /// Passes on what is there, until there is no more or the other one takes no more. The end of either is an error,
    /// since both end then.
    fn relay_to(&mut self, other: &mut Self, buffer: &mut [u8]) -> io::Result<()> {
        while other.unwritten.is_empty() {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            other.write(buffer.get(..read).unwrap_or_default())?;
            if read < buffer.len() && !self.has_ended {
                // Where there is more, another event says so.
                return Ok(());
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = match self.stream.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            outcome => outcome?,
        };
        self.unwritten.extend_from_slice(bytes.get(written..).unwrap_or_default());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let unwritten = std::mem::take(&mut self.unwritten);
        self.write(&unwritten)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn an_end_that_came_with_the_last_bytes_is_passed_on() {
        let origin = TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut viewer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let target = origin.local_addr().unwrap();
        // All of it has arrived before the relay looks.
        let answering = thread::spawn(move || origin.accept().unwrap().0.write_all(b"answer").unwrap());
        let connected = TcpStream::connect(target).unwrap();
        answering.join().unwrap();
        let mut buffer = vec![0; READ_BYTES];
        let mut from = Side { stream: connected, unwritten: Vec::new(), has_ended: true };
        let (to, _) = listener.accept().unwrap();
        let mut to = Side { stream: to, unwritten: Vec::new(), has_ended: false };
        assert!(from.relay_to(&mut to, &mut buffer).is_err());
        drop(to);
        let mut received = Vec::new();
        viewer.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"answer");
    }

    #[test]
    fn what_is_sent_arrives_on_the_other_side() {
        let origin = TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, target) = (listener.local_addr().unwrap(), origin.local_addr().unwrap());
        thread::spawn(move || serve(&listener, target).unwrap());
        let mut viewer = TcpStream::connect(address).unwrap();
        let (mut served, _) = origin.accept().unwrap();
        // More than the buffers of both connections hold, so that the relay has to wait.
        let sent: Vec<u8> = (0..16 << 20).map(|at: u32| at.to_le_bytes()[0]).collect();
        let expected = sent.clone();
        thread::spawn(move || served.write_all(&sent).unwrap());
        let mut received = Vec::new();
        viewer.read_to_end(&mut received).unwrap();
        assert!(received == expected);
    }
}
