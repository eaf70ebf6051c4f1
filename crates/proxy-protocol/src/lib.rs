//! The PROXY protocol: the few bytes before a connection's own, in which a proxy says for whom it connects.
//!
//! "The PROXY protocol, Versions 1 & 2" (haproxy.org, proxy-protocol.txt) is the specification; sections below
//! are its own. Both versions are read ([`parse`]), the binary one is written ([`Ends::header`]).
//!
//! Reading is strict: a header says one thing or is refused. Whoever reads a connection must know exactly where the
//! header ends, since what follows is the viewer's; so [`parse`] tells that, and as long as it is partial, all
//! bytes are the header's.
//!
//! This crate does not know about sockets, async, clocks, whom to believe, or what is spoken behind the header.

mod crc32c;
pub mod limits;
mod version1;
mod version2;

use std::net::SocketAddr;

use limits::{VERSION1_BYTES_MAX, VERSION2_BYTES_MAX};

pub use version2::HeaderBytes;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The connection is somebody else's.
    Relayed(Ends),
    /// The connection is the proxy's own (a health check), or of somebody whom it cannot name: its real ends count.
    Own,
}

/// The two ends of a connection that a proxy passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// Who connected.
    pub source: SocketAddr,
    /// What to.
    pub destination: SocketAddr,
}

/// How much of a header there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of it.
    Complete {
        /// What it says.
        header: Header,
        /// How many bytes it has; the next one is the viewer's.
        length: usize,
    },
    /// Its beginning and nothing else.
    Partial,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Something else: the connection's own bytes, perhaps.
    #[error("there is no PROXY protocol header; have the proxy send one, or do not trust its address")]
    Missing,
    /// Version 1: not the line of section 2.1.
    #[error("the PROXY protocol line is malformed")]
    MalformedLine,
    /// Version 2: a version or a command that does not exist.
    #[error("the PROXY protocol header is of version and command {0:#04x}")]
    UnknownCommand(u8),
    /// Version 2: an address family that does not exist, or no connection: this is TCP.
    #[error("the PROXY protocol header is of family and transport {0:#04x}, which is no TCP connection")]
    UnknownFamily(u8),
    /// Version 2: less room than its addresses take.
    #[error("the PROXY protocol header has no room for its addresses")]
    AddressesTruncated,
    /// Version 2: a TLV that reaches beyond the header, or has another length than its kind.
    #[error("a TLV of the PROXY protocol header is malformed")]
    MalformedTlv,
    /// Version 2: other bytes than were sent.
    #[error("the PROXY protocol header does not have the checksum that it says")]
    WrongChecksum,
    /// Longer than anybody needs.
    #[error(
        "the PROXY protocol header is longer than {VERSION1_BYTES_MAX} bytes in version 1, or {VERSION2_BYTES_MAX} in \
         version 2"
    )]
    TooLong,
}

/// Reads the header that `bytes` begin with.
pub fn parse(bytes: &[u8]) -> Result<Progress, HeaderError> {
    if let Some(rest) = bytes.strip_prefix(version1::PREFIX) {
        return version1::parse(rest);
    }
    if bytes.starts_with(version2::SIGNATURE) {
        return version2::parse(bytes);
    }
    let begins = |what: &[u8]| what.starts_with(bytes);
    if begins(version1::PREFIX) || begins(version2::SIGNATURE) {
        Ok(Progress::Partial)
    } else {
        Err(HeaderError::Missing)
    }
}

#[cfg(test)]
mod tests;
