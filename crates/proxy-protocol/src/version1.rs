//! Version 1: one line (section 2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::limits::VERSION1_BYTES_MAX;
use crate::{Ends, Header, HeaderError, Progress};

/// What it begins with.
pub(crate) const PREFIX: &[u8] = b"PROXY ";

/// Reads the line behind the prefix.
pub(crate) fn parse(rest: &[u8]) -> Result<Progress, HeaderError> {
    let most = VERSION1_BYTES_MAX - PREFIX.len();
    let Some(end) = rest.iter().take(most).position(|&byte| byte == b'\n') else {
        return if rest.len() < most { Ok(Progress::Partial) } else { Err(HeaderError::TooLong) };
    };
    let line = rest.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(HeaderError::MalformedLine)?;
    let header = read(line).ok_or(HeaderError::MalformedLine)?;
    Ok(Progress::Complete { header, length: PREFIX.len() + end + 1 })
}

fn read(line: &[u8]) -> Option<Header> {
    // A bare CR would end the line for some.
    let line = str::from_utf8(line).ok().filter(|line| !line.contains(['\r', '\0']))?;
    let mut words = line.split(' ');
    let relayed = match words.next()? {
        "TCP4" => ends::<Ipv4Addr>(&mut words)?,
        "TCP6" => ends::<Ipv6Addr>(&mut words)?,
        // "the receiver must ignore anything presented before the CRLF is found"
        "UNKNOWN" => return Some(Header::Own),
        _ => return None,
    };
    words.next().is_none().then_some(Header::Relayed(relayed))
}

fn ends<'a, A: FromStr + Into<IpAddr>>(words: &mut impl Iterator<Item = &'a str>) -> Option<Ends> {
    let mut address = || words.next()?.parse::<A>().ok().map(Into::into);
    let (source, destination) = (address()?, address()?);
    let mut port = || words.next().and_then(port);
    let (source_port, destination_port) = (port()?, port()?);
    Some(Ends {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
    })
}

/// "a decimal integer in the range [0..65535] inclusive. Heading zeroes are not permitted"
fn port(text: &str) -> Option<u16> {
    let is_canonical = text == "0" || (!text.starts_with(['0', '+']));
    text.parse().ok().filter(|_| is_canonical)
}
