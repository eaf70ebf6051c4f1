//! What the edge reads of viewers before HTTP: their ClientHello, and where they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use edge::fuzzing::{Hello, geo_database, locate};
use rustls::server::{Accepted, Acceptor};

use crate::choose;

const HANDSHAKE_RECORD: u8 = 22;

/// A ClientHello has the same fingerprint however it arrives, and is what rustls takes it for.
pub fn client_hello(data: &[u8]) {
    let (bytes_each, records) = choose(data, 64);
    let found = edge::fuzzing::client_hello(records);
    let again = edge::fuzzing::client_hello(&in_records(&message(records), bytes_each + 1));
    assert_eq!(found, again, "the records that it came in matter");
    if let Some(hello) = &found {
        check_fingerprints(hello);
        let longer = edge::fuzzing::client_hello(&[records, &[HANDSHAKE_RECORD, 3, 3, 0, 1, 0]].concat());
        assert_eq!(found, longer, "what comes behind it matters");
    }
    if let Some(accepted) = accepted(records) {
        check_agreement(&found.expect("rustls takes it"), &accepted);
    }
}

fn check_fingerprints(hello: &Hello) {
    let is_hexadecimal = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    assert!(hello.ja3.len() == 32 && is_hexadecimal(&hello.ja3), "{:?}", hello.ja3);
    let parts: Vec<&str> = hello.ja4.split('_').collect();
    let [facts, cipher_suites, extensions] = parts[..] else { panic!("{:?}", hello.ja4) };
    assert!(facts.len() == 10 && facts.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{facts:?}");
    for hash in [cipher_suites, extensions] {
        assert!(hash.len() == 12 && is_hexadecimal(hash), "{hash:?}");
    }
}

fn check_agreement(hello: &Hello, accepted: &Accepted) {
    let theirs = accepted.client_hello();
    let numbers = |list: Vec<u16>| list.into_iter().filter(|number| !is_grease(*number)).collect::<Vec<_>>();
    let cipher_suites = theirs.cipher_suites().iter().map(|suite| u16::from(*suite)).collect();
    assert_eq!(hello.cipher_suites, numbers(cipher_suites));
    let groups = theirs.named_groups().unwrap_or_default();
    assert_eq!(hello.groups, numbers(groups.iter().map(|group| u16::from(*group)).collect()));
    let schemes = theirs.signature_schemes().iter().map(|scheme| u16::from(*scheme)).collect();
    assert_eq!(hello.signature_algorithms, numbers(schemes));
}

fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

/// What rustls makes of a connection that begins so.
fn accepted(mut records: &[u8]) -> Option<Accepted> {
    let mut acceptor = Acceptor::default();
    while acceptor.read_tls(&mut records).ok()? > 0 {
        if let Some(accepted) = acceptor.accept().ok()? {
            return Some(accepted);
        }
    }
    None
}

/// What the handshake records at the beginning carry.
fn message(records: &[u8]) -> Vec<u8> {
    let (mut message, mut rest) = (Vec::new(), records);
    while let [HANDSHAKE_RECORD, _, _, high, low, behind @ ..] = rest {
        let Some((fragment, next)) = behind.split_at_checked(u16::from_be_bytes([*high, *low]).into()) else {
            break;
        };
        message.extend_from_slice(fragment);
        rest = next;
    }
    message
}

fn in_records(message: &[u8], bytes_each: usize) -> Vec<u8> {
    let fragments = message.chunks(bytes_each);
    fragments
        .flat_map(|fragment| {
            let length = u16::try_from(fragment.len()).unwrap().to_be_bytes();
            [&[HANDSHAKE_RECORD, 3, 1][..], &length, fragment].concat()
        })
        .collect()
}

/// A database says the same of an address in each of its forms, and to whoever asks.
pub fn geo_file(data: &[u8]) {
    let Some((octets, contents)) = data.split_first_chunk::<4>() else { return };
    let Some(database) = geo_database(contents) else { return };
    let ipv4 = Ipv4Addr::from(*octets);
    let addresses = [IpAddr::V4(ipv4), IpAddr::V6(ipv4.to_ipv6_mapped())];
    let found = addresses.map(|address| locate(&database, address));
    assert_eq!(found[0], found[1], "one address in two forms");
    let elsewhere = Ipv6Addr::from([*octets; 4].concat().first_chunk::<16>().copied().unwrap());
    for (location, country) in found.into_iter().chain([locate(&database, IpAddr::V6(elsewhere))]) {
        if let Some(country) = country {
            assert_eq!(location.country, Some(country.as_str()), "two countries");
        }
        let degrees = [location.latitude, location.longitude];
        assert!(degrees.into_iter().flatten().all(f64::is_finite));
    }
}
