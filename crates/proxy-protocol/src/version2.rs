//! Version 2: binary (section 2.2).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::crc32c::crc32c;
use crate::limits::VERSION2_BYTES_MAX;
use crate::{Ends, Header, HeaderError, Progress};

/// What it begins with.
pub(crate) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The signature, version and command, family and transport, the length of the rest.
const FIXED_BYTES: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

const UNSPECIFIED: u8 = 0x00;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;

const IPV4_BYTES: usize = 12;
const IPV6_BYTES: usize = 36;
const UNIX_BYTES: usize = 216;

/// The type of the TLV with the checksum (section 2.2.4, `PP2_TYPE_CRC32C`).
const CRC32C: u8 = 0x03;

/// Reads a header whose signature is there.
pub(crate) fn parse(bytes: &[u8]) -> Result<Progress, HeaderError> {
    // As early as can be: nobody should wait for the rest of what is refused.
    let mut words = bytes.iter().skip(SIGNATURE.len()).copied();
    let command = words.next();
    match command {
        None | Some(LOCAL | PROXY) => {}
        Some(other) => return Err(HeaderError::UnknownCommand(other)),
    }
    let (Some(family), Some(high), Some(low)) = (words.next(), words.next(), words.next()) else {
        return Ok(Progress::Partial);
    };
    let length = FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if length > VERSION2_BYTES_MAX {
        return Err(HeaderError::TooLong);
    }
    let Some(whole) = bytes.get(..length) else { return Ok(Progress::Partial) };
    // "discard the protocol block including the family which is ignored"
    let header = if command == Some(LOCAL) { Header::Own } else { read(whole, family)? };
    Ok(Progress::Complete { header, length })
}

fn read(whole: &[u8], family: u8) -> Result<Header, HeaderError> {
    let (header, addresses) = match family {
        UNSPECIFIED => return Ok(Header::Own),
        TCP_OVER_IPV4 => (Header::Relayed(ends::<4>(whole)?), IPV4_BYTES),
        TCP_OVER_IPV6 => (Header::Relayed(ends::<16>(whole)?), IPV6_BYTES),
        UNIX_STREAM => (Header::Own, UNIX_BYTES),
        other => return Err(HeaderError::UnknownFamily(other)),
    };
    check_tlvs(whole, FIXED_BYTES + addresses)?;
    Ok(header)
}

/// Both addresses, and then both ports.
fn ends<const N: usize>(whole: &[u8]) -> Result<Ends, HeaderError>
where
    IpAddr: From<[u8; N]>,
{
    let mut rest = whole.get(FIXED_BYTES..).unwrap_or_default();
    let (Some(source), Some(destination), Some(source_port), Some(destination_port)) =
        (take::<N>(&mut rest), take::<N>(&mut rest), take::<2>(&mut rest), take::<2>(&mut rest))
    else {
        return Err(HeaderError::AddressesTruncated);
    };
    Ok(Ends {
        source: SocketAddr::new(source.into(), u16::from_be_bytes(source_port)),
        destination: SocketAddr::new(destination.into(), u16::from_be_bytes(destination_port)),
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

/// Walks over the TLVs, which begin at `at`; only the checksum says something to us.
fn check_tlvs(whole: &[u8], at: usize) -> Result<(), HeaderError> {
    let mut rest = whole.get(at..).ok_or(HeaderError::AddressesTruncated)?;
    let mut has_checksum = false;
    while !rest.is_empty() {
        let [kind, high, low] = take(&mut rest).ok_or(HeaderError::MalformedTlv)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value_at = whole.len() - rest.len();
        let (value, left) = rest.split_at_checked(length).ok_or(HeaderError::MalformedTlv)?;
        rest = left;
        if kind == CRC32C {
            let checksum = value.try_into().map_err(|_| HeaderError::MalformedTlv)?;
            if std::mem::replace(&mut has_checksum, true) {
                return Err(HeaderError::MalformedTlv);
            }
            check_sum(whole, value_at, u32::from_be_bytes(checksum))?;
        }
    }
    Ok(())
}

/// Section 2.2.4.4: over the whole header, with zeros where the checksum is.
fn check_sum(whole: &[u8], at: usize, expect: u32) -> Result<(), HeaderError> {
    let is_checksum = at..at + size_of::<u32>();
    let zeroed =
        whole.iter().enumerate().map(|(index, byte)| if is_checksum.contains(&index) { 0 } else { *byte });
    if crc32c(zeroed) == expect { Ok(()) } else { Err(HeaderError::WrongChecksum) }
}

/// A header as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderBytes {
    bytes: [u8; FIXED_BYTES + IPV6_BYTES],
    length: usize,
}

impl AsRef<[u8]> for HeaderBytes {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl HeaderBytes {
    fn push(&mut self, bytes: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(self.length).zip(bytes) {
            *place = *byte;
        }
        self.length += bytes.len();
    }
}

impl Ends {
    /// The header of version 2 that says so, without TLVs. Ends of different families are both written as IPv6.
    pub fn header(&self) -> HeaderBytes {
        let Self { source, destination } = self;
        let mut header = HeaderBytes { bytes: [0; FIXED_BYTES + IPV6_BYTES], length: 0 };
        header.push(SIGNATURE);
        match (source.ip().to_canonical(), destination.ip().to_canonical()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                header.push(&[PROXY, TCP_OVER_IPV4, 0, 12]);
                header.push(&from.octets());
                header.push(&to.octets());
            }
            (from, to) => {
                header.push(&[PROXY, TCP_OVER_IPV6, 0, 36]);
                header.push(&ipv6(from).octets());
                header.push(&ipv6(to).octets());
            }
        }
        header.push(&source.port().to_be_bytes());
        header.push(&destination.port().to_be_bytes());
        header
    }
}

fn ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
