//! What the edge reads of viewers before HTTP: their ClientHello, where they are, and HTTP/2's frames.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use edge::fuzzing::{Hello, Passage, geo_database, http2_passage, locate};
use edge::limits::{
    HTTP2_FRAMES_MAX, HTTP2_HEADER_BLOCK_BYTES_MAX, HTTP2_TRAILER_HELD_BYTES,
    HTTP2_TRAILERS_WAITING_BYTES_MAX,
};
use rustls::server::{Accepted, Acceptor};
use tokio::runtime::{Builder, Runtime};

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

thread_local! {
    /// Time stands still in it, so that no allowance comes back.
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
}

/// It does not matter to the guard of HTTP/2 how bytes arrive; it passes them as they are, a header block when it
/// has ended, and stops behind each of those.
pub fn http2_guard(data: &[u8]) {
    let Some((pieces, bytes)) = data.split_first_chunk::<4>() else { return };
    let pieces = pieces.map(|piece| usize::from(piece) + 1);
    in_still_time(|| {
        let passage = http2_passage(bytes, &[bytes.len()]);
        assert_eq!(http2_passage(bytes, &pieces), passage, "it matters how it arrives");
        check_passage(&passage, bytes);
    });
}

/// Does this where no time passes.
pub(crate) fn in_still_time(check: impl FnOnce()) {
    RUNTIME.with(|runtime| runtime.block_on(async { check() }));
}

fn check_passage(passage: &Passage, bytes: &[u8]) {
    assert!(bytes.starts_with(&passage.passed), "it changes what passes");
    let frames = frames(bytes);
    let blocks = frames.iter().filter(|frame| frame.is_whole && frame.ends_block()).map(|frame| frame.end);
    if let Some(misconduct) = passage.misconduct {
        let blocks: Vec<usize> = blocks.take(passage.stops.len()).collect();
        assert_eq!(passage.stops, blocks);
        // The last frame is charged for its head, be it not whole.
        let are_many = frames.len() >= HARMLESS_FRAMES;
        let is_long = misconduct == "slow-frame" && bytes.len() > HTTP2_HEADER_BLOCK_BYTES_MAX;
        assert!(are_many || is_long || are_too_many_trailers(&frames), "{} frames are a flood", frames.len());
    } else {
        assert_eq!(passage.stops, blocks.collect::<Vec<_>>());
        assert_eq!(
            passage.passed.len(),
            passes(&frames, bytes.len()),
            "what waits is a block that has not ended"
        );
        let is_whole =
            frames.last().is_some_and(|last| last.end == bytes.len() && last.is_whole && !last.begins_more());
        assert!(!(is_whole && passage.owes_the_rest), "nothing is left to come");
    }
}

/// So few that none of the allowances can be spent: SETTINGS count sixteenfold.
const HARMLESS_FRAMES: usize = (HTTP2_FRAMES_MAX / 16) as usize;

/// A frame behind the preface, as RFC 9113 section 4.1 has it, whose head is there.
struct Frame {
    begin: usize,
    end: usize,
    kind: u8,
    has_end_headers: bool,
    stream: u32,
    is_whole: bool,
}

impl Frame {
    const HEAD_BYTES: usize = 9;

    fn length(&self) -> usize {
        self.end - self.begin - Self::HEAD_BYTES
    }

    fn is_of_block(&self) -> bool {
        matches!(self.kind, 0x1 | 0x9)
    }

    fn begins_more(&self) -> bool {
        self.is_of_block() && !self.has_end_headers
    }

    fn ends_block(&self) -> bool {
        self.is_of_block() && self.has_end_headers
    }
}

/// The frames, read here anew.
fn frames(bytes: &[u8]) -> Vec<Frame> {
    const PREFACE_BYTES: usize = 24;
    let mut frames = Vec::new();
    let mut begin = PREFACE_BYTES;
    while let Some([high, middle, low, kind, flags, stream @ ..]) =
        bytes.get(begin..).and_then(<[u8]>::first_chunk::<{ Frame::HEAD_BYTES }>)
    {
        let end = begin + Frame::HEAD_BYTES + u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        let (kind, has_end_headers, is_whole) = (*kind, flags & 0x4 != 0, end <= bytes.len());
        let stream = u32::from_be_bytes(*stream) & 0x7fff_ffff;
        frames.push(Frame { begin, end, kind, has_end_headers, stream, is_whole });
        begin = end;
    }
    frames
}

/// How many of so many bytes pass: all but the rest of a header block that has not ended.
fn passes(frames: &[Frame], bytes: usize) -> usize {
    let (mut is_within_block, mut withheld_from) = (false, None);
    for frame in frames {
        let payload = frame.begin + Frame::HEAD_BYTES;
        let is_between = is_within_block && frame.length() > 0;
        let waits = if is_between { frame.kind == 0x9 } else { frame.begins_more() };
        let before = withheld_from.or(is_within_block.then_some(frame.begin));
        withheld_from = waits.then_some(before.unwrap_or(payload));
        if !frame.is_whole {
            return withheld_from.unwrap_or(bytes);
        }
        is_within_block = frame.begins_more();
        if !is_within_block {
            withheld_from = None;
        }
    }
    let behind = frames.last().map_or(bytes, |last| last.end);
    withheld_from.or(is_within_block.then_some(behind)).unwrap_or(bytes)
}

/// Whether there are more trailers than may wait; none of them are read here.
fn are_too_many_trailers(frames: &[Frame]) -> bool {
    let (mut newest, mut are_trailers, mut counted) = (0, false, 0);
    for frame in frames.iter().filter(|frame| frame.is_of_block()) {
        if frame.kind == 0x1 {
            are_trailers = frame.stream <= newest;
            newest = newest.max(frame.stream);
        }
        if are_trailers {
            counted += frame.length() + HTTP2_TRAILER_HELD_BYTES;
        }
    }
    counted > HTTP2_TRAILERS_WAITING_BYTES_MAX
}
