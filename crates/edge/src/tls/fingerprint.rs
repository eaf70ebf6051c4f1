//! Fingerprints of viewers' TLS: JA3 (Salesforce) and JA4 (FoxIO), by which origins tell one program from
//! another.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};

use super::client_hello::ClientHello;

/// What is printed where a list is empty.
const JA4_NOTHING: &str = "000000000000";
const JA4_HASH_CHARACTERS: usize = 12;
/// "If there's > 99, which there should never be, then output 99."
const JA4_COUNT_MAX: usize = 99;

/// What TLS came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Tcp,
    Quic,
}

/// A viewer's fingerprints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprints {
    /// JA3: the MD5 of numbers in the viewer's order.
    pub(crate) ja3: String,
    /// JA4: some facts in clear, and two hashes of sorted numbers.
    pub(crate) ja4: String,
}

impl Fingerprints {
    /// Those of a TCP connection's first bytes; none if they are no whole ClientHello.
    pub(crate) fn of_records(records: &[u8]) -> Option<Self> {
        Some(Self::of(&ClientHello::parse(records)?, Carrier::Tcp))
    }

    /// Those of what a viewer began with.
    pub(super) fn of(hello: &ClientHello, carrier: Carrier) -> Self {
        Self { ja3: hexadecimal(&md5::compute(ja3_text(hello)).0), ja4: ja4(hello, carrier) }
    }
}

/// `SSLVersion,Cipher,SSLExtension,EllipticCurve,EllipticCurvePointFormat`, each a list of decimal numbers
/// with `-` between them (github.com/salesforce/ja3, "How it works").
fn ja3_text(hello: &ClientHello) -> String {
    [
        hello.legacy_version.to_string(),
        joined(&hello.cipher_suites, "-", ToString::to_string),
        joined(&hello.extensions, "-", ToString::to_string),
        joined(&hello.groups, "-", ToString::to_string),
        joined(&hello.point_formats, "-", ToString::to_string),
    ]
    .join(",")
}

/// github.com/FoxIO-LLC/ja4, technical_details/JA4.md.
fn ja4(hello: &ClientHello, carrier: Carrier) -> String {
    let mut cipher_suites = hello.cipher_suites.clone();
    cipher_suites.sort_unstable();
    let mut extensions: Vec<u16> = hello.own_extensions().collect();
    extensions.sort_unstable();
    let mut of_extensions = joined(&extensions, ",", |number| format!("{number:04x}"));
    if !hello.signature_algorithms.is_empty() && !extensions.is_empty() {
        of_extensions.push('_');
        of_extensions.push_str(&joined(&hello.signature_algorithms, ",", |number| format!("{number:04x}")));
    }
    format!(
        "{carrier}{version}{host}{cipher_suites:02}{extensions:02}{protocol}_{hash_of_cipher_suites}_{hash_of_extensions}",
        carrier = match carrier {
            Carrier::Tcp => 't',
            Carrier::Quic => 'q',
        },
        version = ja4_version(hello),
        host = if hello.names_host() { 'd' } else { 'i' },
        cipher_suites = cipher_suites.len().min(JA4_COUNT_MAX),
        extensions = hello.extensions.len().min(JA4_COUNT_MAX),
        protocol = ja4_protocol(&hello.first_protocol),
        hash_of_cipher_suites = ja4_hash(&joined(&cipher_suites, ",", |number| format!("{number:04x}"))),
        hash_of_extensions = ja4_hash(&of_extensions),
    )
}

/// The newest version that the viewer offers.
fn ja4_version(hello: &ClientHello) -> &'static str {
    match hello.supported_versions.iter().max().unwrap_or(&hello.legacy_version) {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        _ => "00",
    }
}

/// The first and the last character of the protocol, or of its hexadecimal form.
fn ja4_protocol(protocol: &[u8]) -> String {
    let (Some(first), Some(last)) = (protocol.first(), protocol.last()) else { return "00".to_owned() };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [*first, *last].map(char::from).iter().collect();
    }
    format!("{:x}{:x}", first >> 4, last & 0x0f)
}

fn ja4_hash(text: &str) -> String {
    if text.is_empty() {
        return JA4_NOTHING.to_owned();
    }
    let mut hash = hexadecimal(digest(&SHA256, text.as_bytes()).as_ref());
    hash.truncate(JA4_HASH_CHARACTERS);
    hash
}

fn joined<T>(numbers: &[T], separator: &str, write: impl Fn(&T) -> String) -> String {
    numbers.iter().map(write).collect::<Vec<_>>().join(separator)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A ClientHello with these lists, in one record.
    struct Hello<'a> {
        cipher_suites: &'a [u16],
        extensions: &'a [u16],
        groups: &'a [u16],
        signature_algorithms: &'a [u16],
        versions: &'a [u16],
        protocol: &'a [u8],
    }

    fn list16(numbers: &[u16]) -> Vec<u8> {
        prefixed16(&numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<_>>())
    }

    fn prefixed16(contents: &[u8]) -> Vec<u8> {
        [&u16::try_from(contents.len()).unwrap().to_be_bytes(), contents].concat()
    }

    fn prefixed8(contents: &[u8]) -> Vec<u8> {
        [&[u8::try_from(contents.len()).unwrap()], contents].concat()
    }

    impl Hello<'_> {
        fn message(&self) -> Vec<u8> {
            let extensions = self.extensions.iter().flat_map(|kind| {
                let contents = match kind {
                    10 => list16(self.groups),
                    11 => prefixed8(&[0]),
                    13 => list16(self.signature_algorithms),
                    16 => prefixed16(&prefixed8(self.protocol)),
                    43 => prefixed8(
                        &self.versions.iter().flat_map(|version| version.to_be_bytes()).collect::<Vec<_>>(),
                    ),
                    _ => Vec::new(),
                };
                [&kind.to_be_bytes()[..], &prefixed16(&contents)].concat()
            });
            let extensions: Vec<u8> = extensions.collect();
            let body = [
                &[3, 3][..],
                &[7; 32],
                &prefixed8(&[1; 32]),
                &list16(self.cipher_suites),
                &prefixed8(&[0]),
                &prefixed16(&extensions),
            ]
            .concat();
            let length = u32::try_from(body.len()).unwrap().to_be_bytes();
            [&[1][..], &length[1..], &body].concat()
        }

        fn records(&self, bytes_each: usize) -> Vec<u8> {
            let message = self.message();
            let parts = message.chunks(bytes_each);
            parts.flat_map(|part| [&[22, 3, 1][..], &prefixed16(part)].concat()).collect()
        }
    }

    /// What Chrome 143 sends, GREASE included, in the order of a published recording.
    const CHROME: Hello<'_> = Hello {
        cipher_suites: &[
            0x3a3a, 4865, 4866, 4867, 49195, 49199, 49196, 49200, 52393, 52392, 49171, 49172, 156, 157, 47,
            53,
        ],
        extensions: &[0x1a1a, 45, 51, 16, 65037, 23, 17613, 0, 11, 10, 43, 65281, 35, 18, 5, 13, 27, 0xcaca],
        groups: &[0x2a2a, 4588, 29, 23, 24],
        signature_algorithms: &[0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
        versions: &[0x6a6a, 0x0304, 0x0303],
        protocol: b"h2",
    };

    fn fingerprints(hello: &Hello<'_>) -> Fingerprints {
        Fingerprints::of_records(&hello.records(10_000)).unwrap()
    }

    #[test]
    fn b11_chrome_has_its_published_fingerprints() {
        let found = fingerprints(&CHROME);
        assert_eq!(found.ja3, "98487aa16281980e7d1120d399efb6a4");
        assert_eq!(found.ja4, "t13d1516h2_8daaf6152771_d8a2da3f94cd");
    }

    /// The example of the specification.
    #[test]
    fn b11_ja4_is_as_specified() {
        let extensions = [
            0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b,
            0xff01, 0x000b, 0x000a, 0x0015,
        ];
        let hello = Hello { extensions: &extensions, ..CHROME };
        assert_eq!(fingerprints(&hello).ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
        let unsigned = Hello { signature_algorithms: &[], ..hello };
        assert_eq!(fingerprints(&unsigned).ja4, "t13d1516h2_8daaf6152771_6d807ffa2a79");
    }

    #[test]
    fn b11_ja4_of_little_is_as_specified() {
        let nothing = Hello {
            cipher_suites: &[],
            extensions: &[],
            groups: &[],
            signature_algorithms: &[],
            versions: &[],
            protocol: b"",
        };
        assert_eq!(fingerprints(&nothing).ja4, "t12i000000_000000000000_000000000000");
        let numbers: Vec<u16> = (0..300).collect();
        let much = Hello { cipher_suites: &numbers, ..nothing };
        assert!(fingerprints(&much).ja4.starts_with("t12i990000_"));
    }

    #[test]
    fn b11_ja4_has_the_protocols_first_and_last_character() {
        for (protocol, expect) in [
            (b"h2".as_slice(), "h2"),
            (b"http/1.1", "h1"),
            (b"x", "xx"),
            (b"", "00"),
            (b"\xab", "ab"),
            (b"\xab\xcd", "ad"),
            (b"\x30\xab", "3b"),
            (b"\x30\x31\xab\xcd", "3d"),
            (b"\x30\xab\xcd\x31", "01"),
        ] {
            assert_eq!(ja4_protocol(protocol), expect, "{protocol:?}");
        }
    }

    #[test]
    fn the_records_that_a_message_came_in_do_not_matter() {
        for bytes_each in [1, 2, 7, 100] {
            assert_eq!(Fingerprints::of_records(&CHROME.records(bytes_each)), Some(fingerprints(&CHROME)));
        }
    }

    /// As the specification has it: only the first letter tells the two apart.
    #[test]
    fn b11_ja4_tells_quic_from_tcp() {
        let hello = ClientHello::parse_message(&CHROME.message()).unwrap();
        let (over_quic, over_tcp) = (Fingerprints::of(&hello, Carrier::Quic), fingerprints(&CHROME));
        assert_eq!(over_quic.ja4[1..], over_tcp.ja4[1..]);
        assert_eq!((&over_quic.ja4[..1], over_quic.ja3), ("q", over_tcp.ja3));
    }

    #[test]
    fn what_is_not_whole_has_no_fingerprint() {
        let records = CHROME.records(10_000);
        for end in 0..records.len() {
            assert_eq!(Fingerprints::of_records(&records[..end]), None, "{end}");
        }
        assert_eq!(Fingerprints::of_records(b"GET / HTTP/1.1\r\n\r\n"), None);
    }

    proptest! {
        #[test]
        fn nothing_that_arrives_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Fingerprints::of_records(&bytes);
            let _ = Fingerprints::of_records(&[&[22, 3, 1][..], &prefixed16(&bytes)].concat());
        }

        #[test]
        fn no_damage_is_too_odd(at in 0..500_usize, byte: u8) {
            let mut records = CHROME.records(100);
            if let Some(hit) = records.get_mut(at) {
                *hit = byte;
            }
            if let Some(found) = Fingerprints::of_records(&records) {
                prop_assert_eq!(found.ja3.len(), 32);
                prop_assert_eq!(found.ja4.len(), 36);
            }
        }
    }
}
