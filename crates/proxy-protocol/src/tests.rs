//! What is accepted, what is refused, and that both say where the header ends.

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::*;

fn relayed(source: &str, destination: &str) -> Header {
    Header::Relayed(Ends { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
}

fn check(bytes: &[u8], expect: Result<Header, HeaderError>) {
    let complete = |header| Progress::Complete { header, length: bytes.len() };
    assert_eq!(parse(bytes), expect.map(complete), "{}", bytes.escape_ascii());
}

fn check_line(line: &str, expect: Result<Header, HeaderError>) {
    check(format!("PROXY {line}\r\n").as_bytes(), expect);
}

/// A header of version 2 with this body.
fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [version2::SIGNATURE, &[command, family], &length, body].concat()
}

const IPV4_ENDS: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0x01, 0xBB];

fn of_ipv4() -> Header {
    relayed("192.0.2.1:12345", "198.51.100.2:443")
}

/// A TCP4 header with these TLVs.
fn with_tlvs(tlvs: &[u8]) -> Vec<u8> {
    binary(0x21, 0x11, &[IPV4_ENDS, tlvs].concat())
}

/// The same with its checksum in place of four zeros that end it.
fn with_checksum(tlvs: &[u8]) -> Vec<u8> {
    let mut header = with_tlvs(&[tlvs, &[3, 0, 4, 0, 0, 0, 0]].concat());
    let checksum = crc32c::crc32c(header.iter().copied());
    let at = header.len() - 4;
    header.splice(at.., checksum.to_be_bytes());
    header
}

#[test]
fn lines_of_version_1() {
    check_line("TCP4 192.0.2.1 198.51.100.2 12345 443", Ok(of_ipv4()));
    check_line("TCP4 255.255.255.255 0.0.0.0 0 65535", Ok(relayed("255.255.255.255:0", "0.0.0.0:65535")));
    check_line("TCP6 2001:db8::1 ::1 1 2", Ok(relayed("[2001:db8::1]:1", "[::1]:2")));
    check_line("UNKNOWN", Ok(Header::Own));
    let longest = "f".repeat(4) + &":ffff".repeat(7);
    check_line(&format!("UNKNOWN {longest} {longest} 65535 65535"), Ok(Header::Own));
}

#[test]
fn lines_that_are_none() {
    for line in [
        "",
        "TCP4",
        "TCP4 192.0.2.1 198.51.100.2 12345",
        "TCP4 192.0.2.1 198.51.100.2 12345 443 ",
        "TCP4 192.0.2.1  198.51.100.2 12345 443",
        "TCP4 192.0.2.1 198.51.100.2 012345 443",
        "TCP4 192.0.2.1 198.51.100.2 +1 443",
        "TCP4 192.0.2.1 198.51.100.2 65536 443",
        "TCP4 192.0.2.01 198.51.100.2 1 443",
        "TCP4 192.0.2 198.51.100.2 1 443",
        "TCP4 ::1 ::1 1 2",
        "TCP6 192.0.2.1 198.51.100.2 1 2",
        "TCP6 fe80::1%eth0 ::1 1 2",
        "TCP6 2001:db8::1\r ::1 1 2",
        "tcp4 192.0.2.1 198.51.100.2 1 443",
        "UDP4 192.0.2.1 198.51.100.2 1 443",
        "UNKNOWN\r",
        "UNKNOWNS",
    ] {
        check_line(line, Err(HeaderError::MalformedLine));
    }
    check(b"PROXY UNKNOWN\n", Err(HeaderError::MalformedLine));
    check(&[b"PROXY UNKNOWN ", "x".repeat(200).as_bytes()].concat(), Err(HeaderError::TooLong));
}

#[test]
fn headers_of_version_2() {
    check(&binary(0x21, 0x11, IPV4_ENDS), Ok(of_ipv4()));
    let ends = [&[0x20; 16][..], &[0x21; 16], &[0, 1, 0, 2]].concat();
    let [from, to] = [[0x20; 16], [0x21; 16]].map(IpAddr::from);
    let expect = Ends { source: SocketAddr::new(from, 1), destination: SocketAddr::new(to, 2) };
    check(&binary(0x21, 0x21, &ends), Ok(Header::Relayed(expect)));
    // Whom they cannot name.
    check(&binary(0x21, 0x00, b""), Ok(Header::Own));
    check(&binary(0x21, 0x00, b"anything"), Ok(Header::Own));
    check(&binary(0x21, 0x31, &[0; 216]), Ok(Header::Own));
    // A health check, whatever it says.
    check(&binary(0x20, 0x00, b""), Ok(Header::Own));
    check(&binary(0x20, 0xFF, b"anything"), Ok(Header::Own));
}

#[test]
fn headers_of_version_2_that_are_none() {
    for command in [0x00, 0x01, 0x11, 0x22, 0x2F, 0x31] {
        check(&binary(command, 0x11, IPV4_ENDS), Err(HeaderError::UnknownCommand(command)));
    }
    // Datagrams, and what does not exist.
    for family in [0x01, 0x10, 0x12, 0x22, 0x32, 0x41, 0xFF] {
        check(&binary(0x21, family, &[0; 216]), Err(HeaderError::UnknownFamily(family)));
    }
    for (family, bytes) in [(0x11, 11), (0x21, 35), (0x31, 215)] {
        check(&binary(0x21, family, &vec![0; bytes]), Err(HeaderError::AddressesTruncated));
    }
    // Refused as soon as its length is there.
    check(&binary(0x21, 0x11, &[0; 5000])[..16], Err(HeaderError::TooLong));
}

#[test]
fn tlvs_are_passed_over_within_their_bounds() {
    check(&with_tlvs(&[0xEA, 0, 3, 1, 2, 3, 0x04, 0, 0]), Ok(of_ipv4()));
    for tlvs in [&[0xEA][..], &[0xEA, 0], &[0xEA, 0, 4, 1, 2, 3], &[0xEA, 0xFF, 0xFF]] {
        check(&with_tlvs(tlvs), Err(HeaderError::MalformedTlv));
    }
}

#[test]
fn a_checksum_that_is_there_must_be_right() {
    check(&with_checksum(b""), Ok(of_ipv4()));
    check(&with_checksum(&[0xEA, 0, 1, 7]), Ok(of_ipv4()));
    let mut changed = with_checksum(&[0xEA, 0, 1, 7]);
    changed[16] ^= 1;
    check(&changed, Err(HeaderError::WrongChecksum));
    check(&with_tlvs(&[3, 0, 3, 1, 2, 3]), Err(HeaderError::MalformedTlv));
    let twice = [&with_checksum(b"")[16 + 12..], &[3, 0, 4, 0, 0, 0, 0]].concat();
    assert!(parse(&with_tlvs(&twice)).is_err());
}

#[test]
fn what_is_no_header_is_told_at_once() {
    for bytes in
        [&b"GET / HTTP/1.1\r\n"[..], b"PROXX", b"\x16\x03\x01", b"\r\n\r\n\0\r\nQUIX", b"PROXY\t", b"P\0"]
    {
        assert_eq!(parse(bytes), Err(HeaderError::Missing), "{}", bytes.escape_ascii());
    }
    assert_eq!(parse(b""), Ok(Progress::Partial));
}

fn any_end() -> impl Strategy<Value = SocketAddr> {
    let ipv4 = any::<[u8; 4]>().prop_map(IpAddr::from);
    let ipv6 = any::<[u8; 16]>().prop_map(IpAddr::from);
    (prop_oneof![ipv4, ipv6], any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(source in any_end(), destination in any_end(), behind in any::<[u8; 3]>()) {
        let header = Ends { source, destination }.header();
        let bytes = [header.as_ref(), &behind].concat();
        let Ok(Progress::Complete { header: Header::Relayed(read), length }) = parse(&bytes) else {
            panic!("{}", bytes.escape_ascii());
        };
        prop_assert_eq!(length, header.as_ref().len());
        for (read, written) in [(read.source, source), (read.destination, destination)] {
            prop_assert_eq!(read.ip().to_canonical(), written.ip().to_canonical());
            prop_assert_eq!(read.port(), written.port());
        }
    }

    #[test]
    fn a_part_of_a_header_is_partial(source in any_end(), destination in any_end(), at in any::<prop::sample::Index>()) {
        let binary = Ends { source, destination }.header();
        let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let (ip, port) = (source.ip(), source.port());
        let line = format!("PROXY {family} {ip} {ip} {port} {port}\r\n");
        for whole in [binary.as_ref(), line.as_bytes()] {
            let part = &whole[..at.index(whole.len())];
            prop_assert_eq!(parse(part), Ok(Progress::Partial));
        }
    }

    #[test]
    fn any_bytes_are_judged_alike_whatever_follows(
        start in prop::sample::select(vec![&b""[..], version1::PREFIX, version2::SIGNATURE, b"PROXY TCP4 "]),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [start, &rest].concat();
        match parse(&bytes) {
            Ok(Progress::Complete { length, .. }) => {
                prop_assert!(length <= bytes.len());
                prop_assert_eq!(parse(&bytes[..length]), parse(&bytes));
                prop_assert_eq!(parse(&bytes[..length - 1]), Ok(Progress::Partial));
            }
            Ok(Progress::Partial) => prop_assert!(bytes.len() < limits::VERSION2_BYTES_MAX),
            Err(error) => prop_assert_eq!(parse(&[&bytes, &b"more"[..]].concat()), Err(error)),
        }
    }
}
