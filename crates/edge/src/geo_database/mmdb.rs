//! One database in MaxMind's format ("MaxMind DB File Format Specification", version 2.0): a binary tree
//! over the bits of addresses, and behind it the records that its leaves point to.
//!
//! Nothing in the file is believed: every position is looked up and not computed with, and what is
//! damaged is as if it were not there.

use std::fmt;
use std::net::IpAddr;

use crate::limits::{GEO_METADATA_BYTES_MAX, GEO_VALUES_MAX};

/// What stands before the metadata, at the end of the file.
const METADATA_MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// Between the tree and the records.
const SEPARATOR_BYTES: usize = 16;

/// Why bytes are no such database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MmdbError {
    /// The end of the file has no metadata: it is another file, or was cut off.
    #[error("it has no metadata at its end")]
    NoMetadata,
    /// The metadata lacks something, or has nonsense.
    #[error("its metadata has no valid {0}")]
    WrongMetadata(&'static str),
    /// The metadata says that there is more than there is.
    #[error("its tree is longer than the file")]
    TreeTooLong,
}

/// A database.
pub(super) struct Mmdb {
    bytes: Vec<u8>,
    node_count: usize,
    /// How many bytes a node's two halves take together: 6, 7 or 8.
    node_bytes: usize,
    has_ipv6: bool,
    /// The node below which the IPv4 addresses are.
    ipv4_root: usize,
}

impl fmt::Debug for Mmdb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Mmdb({} bytes)", self.bytes.len())
    }
}

impl Mmdb {
    pub(super) fn new(bytes: Vec<u8>) -> Result<Self, MmdbError> {
        let metadata_at = metadata_at(&bytes).ok_or(MmdbError::NoMetadata)?;
        let metadata = Value { section: bytes.get(metadata_at..).unwrap_or_default(), at: 0 };
        let number = |name| {
            let value = metadata.member(name).and_then(Value::number);
            value.ok_or(MmdbError::WrongMetadata(name))
        };
        if number("binary_format_major_version")? != 2 {
            return Err(MmdbError::WrongMetadata("binary_format_major_version"));
        }
        let node_bytes = match number("record_size")? {
            24 => 6,
            28 => 7,
            32 => 8,
            _ => return Err(MmdbError::WrongMetadata("record_size")),
        };
        let has_ipv6 = match number("ip_version")? {
            4 => false,
            6 => true,
            _ => return Err(MmdbError::WrongMetadata("ip_version")),
        };
        let node_count =
            usize::try_from(number("node_count")?).map_err(|_| MmdbError::WrongMetadata("node_count"))?;
        let mut database = Self { bytes, node_count, node_bytes, has_ipv6, ipv4_root: 0 };
        if database.records_at().is_none_or(|records_at| records_at > metadata_at) {
            return Err(MmdbError::TreeTooLong);
        }
        if has_ipv6 {
            // IPv4 addresses are those of ::/96.
            database.ipv4_root = database.descend(0, [false; 96].into_iter()).unwrap_or(node_count);
        }
        Ok(database)
    }

    /// What is known of an address.
    pub(super) fn find(&self, address: IpAddr) -> Option<Value<'_>> {
        let leaf = match address {
            IpAddr::V4(address) => self.descend(self.ipv4_root, bits(&address.octets()))?,
            IpAddr::V6(address) if self.has_ipv6 => self.descend(0, bits(&address.octets()))?,
            IpAddr::V6(_) => return None,
        };
        self.record(leaf)
    }

    /// The records that the tree points to, in its order and as often as it does.
    pub(super) fn records(&self) -> impl Iterator<Item = Value<'_>> {
        let halves = (0..self.node_count).flat_map(|node| [(node, false), (node, true)]);
        halves.filter_map(|(node, bit)| self.record(self.child(node, bit)?))
    }

    /// Follows bits from a node to the end of its branch.
    fn descend(&self, root: usize, bits: impl Iterator<Item = bool>) -> Option<usize> {
        let mut node = root;
        for bit in bits {
            if node >= self.node_count {
                break;
            }
            node = self.child(node, bit)?;
        }
        Some(node)
    }

    /// "Search Tree Section": what a node's left or right half points to.
    fn child(&self, node: usize, bit: bool) -> Option<usize> {
        let at = node.checked_mul(self.node_bytes)?;
        let node = self.bytes.get(at..)?.get(..self.node_bytes)?;
        let both = node.iter().fold(0_u64, |both, byte| both << 8 | u64::from(*byte));
        let half = match (self.node_bytes, bit) {
            (6, false) => both >> 24,
            (6, true) => both & 0x00ff_ffff,
            // The byte in the middle has the highest four bits of either half.
            (7, false) => both >> 32 | (both >> 28 & 0x0f) << 24,
            (7, true) => both & 0x0fff_ffff,
            (_, false) => both >> 32,
            (_, true) => both & 0xffff_ffff,
        };
        usize::try_from(half).ok()
    }

    fn records_at(&self) -> Option<usize> {
        self.node_count.checked_mul(self.node_bytes)?.checked_add(SEPARATOR_BYTES)
    }

    /// The record of a leaf; none where nothing is known.
    fn record(&self, leaf: usize) -> Option<Value<'_>> {
        let at = leaf.checked_sub(self.node_count)?.checked_sub(SEPARATOR_BYTES)?;
        let section = self.bytes.get(self.records_at()?..)?;
        (at < section.len()).then_some(Value { section, at })
    }
}

/// Where the metadata begins; the marker may stand in the records, too, so the last one counts.
fn metadata_at(bytes: &[u8]) -> Option<usize> {
    let from = bytes.len().saturating_sub(GEO_METADATA_BYTES_MAX);
    let found = memchr::memmem::rfind(bytes.get(from..)?, METADATA_MARKER)?;
    Some(from + found + METADATA_MARKER.len())
}

fn bits(octets: &[u8]) -> impl Iterator<Item = bool> {
    octets.iter().flat_map(|octet| (0..8).rev().map(move |shift| octet >> shift & 1 == 1))
}

/// A value in a section: "Data Section" or "Metadata Section".
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    section: &'a [u8],
    at: usize,
}

/// What a value's control bytes say: its kind, its size, and where its contents begin.
struct Head {
    kind: u8,
    size: usize,
    contents_at: usize,
}

const POINTER: u8 = 1;
const TEXT: u8 = 2;
const DOUBLE: u8 = 3;
const UNSIGNED_16: u8 = 5;
const UNSIGNED_32: u8 = 6;
const MAP: u8 = 7;
const SIGNED_32: u8 = 8;
const UNSIGNED_64: u8 = 9;
const ARRAY: u8 = 11;
const BOOLEAN: u8 = 14;
const FLOAT: u8 = 15;

impl<'a> Value<'a> {
    /// The value of a map's member.
    pub(super) fn member(self, name: &str) -> Option<Self> {
        let head = self.resolved()?;
        if head.kind != MAP {
            return None;
        }
        // One allowance for all of them: a walk for each member would be the square of it.
        let mut allowance = GEO_VALUES_MAX;
        let mut at = head.contents_at;
        for _ in 0..head.size {
            let key = Self { at, ..self };
            let value = Self { at: key.end(&mut allowance)?, ..self };
            if key.text() == Some(name) {
                return Some(value);
            }
            at = value.end(&mut allowance)?;
        }
        None
    }

    /// An array's first element.
    pub(super) fn first(self) -> Option<Self> {
        let head = self.resolved()?;
        (head.kind == ARRAY && head.size > 0).then_some(Self { at: head.contents_at, ..self })
    }

    pub(super) fn text(self) -> Option<&'a str> {
        str::from_utf8(self.contents(&[TEXT])?).ok()
    }

    pub(super) fn double(self) -> Option<f64> {
        let double = match self.contents(&[DOUBLE, FLOAT])? {
            bytes if bytes.len() == 4 => f32::from_be_bytes(bytes.try_into().ok()?).into(),
            bytes => f64::from_be_bytes(bytes.try_into().ok()?),
        };
        double.is_finite().then_some(double)
    }

    /// A number that is not negative: a negative one would be larger than any that fits.
    pub(super) fn number(self) -> Option<u32> {
        let bytes = self.contents(&[UNSIGNED_16, UNSIGNED_32, SIGNED_32, UNSIGNED_64])?;
        if bytes.len() > 8 {
            return None;
        }
        u32::try_from(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))).ok()
    }

    fn contents(self, kinds: &[u8]) -> Option<&'a [u8]> {
        let head = self.resolved()?;
        let contents = self.section.get(head.contents_at..)?.get(..head.size)?;
        kinds.contains(&head.kind).then_some(contents)
    }

    /// The head of the value, or of the one that it points to. A pointer never points to another.
    fn resolved(self) -> Option<Head> {
        let head = self.head()?;
        if head.kind != POINTER {
            return Some(head);
        }
        let target = Self { at: head.size, ..self }.head()?;
        (target.kind != POINTER).then_some(target)
    }

    /// "Data Field Format". A pointer's size is where it points to.
    fn head(self) -> Option<Head> {
        let rest = self.section.get(self.at..)?;
        let (&control, mut rest) = rest.split_first()?;
        let mut kind = control >> 5;
        if kind == POINTER {
            return pointer(control, rest, self.at);
        }
        let mut contents_at = self.at + 1;
        if kind == 0 {
            let (&extended, behind) = rest.split_first()?;
            kind = extended.checked_add(7)?;
            (rest, contents_at) = (behind, contents_at + 1);
        }
        let (size, bytes) = match control & 0x1f {
            29 => (29 + big_endian(rest, 1)?, 1),
            30 => (285 + big_endian(rest, 2)?, 2),
            31 => (65_821 + big_endian(rest, 3)?, 3),
            size => (size.into(), 0),
        };
        Some(Head { kind, size, contents_at: contents_at + bytes })
    }

    /// Where the value ends, with everything in it; none where that is more values than are allowed.
    fn end(self, allowance: &mut usize) -> Option<usize> {
        let (mut at, mut left) = (self.at, 1_usize);
        while left > 0 {
            *allowance = allowance.checked_sub(1)?;
            let head = Self { at, ..self }.head()?;
            left -= 1;
            at = head.contents_at;
            match head.kind {
                POINTER | BOOLEAN => {}
                MAP => left = left.checked_add(head.size.checked_mul(2)?)?,
                ARRAY => left = left.checked_add(head.size)?,
                _ => at = at.checked_add(head.size)?,
            }
        }
        Some(at)
    }
}

/// "1 - pointer": one to four bytes, of which the first three sizes begin where the shorter ones end.
fn pointer(control: u8, rest: &[u8], at: usize) -> Option<Head> {
    let high = usize::from(control & 0x07);
    let (target, bytes) = match control >> 3 & 0x03 {
        0 => (high << 8 | big_endian(rest, 1)?, 1),
        1 => ((high << 16 | big_endian(rest, 2)?) + 2048, 2),
        2 => ((high << 24 | big_endian(rest, 3)?) + 526_336, 3),
        _ => (big_endian(rest, 4)?, 4),
    };
    Some(Head { kind: POINTER, size: target, contents_at: at + 1 + bytes })
}

fn big_endian(bytes: &[u8], count: usize) -> Option<usize> {
    Some(bytes.get(..count)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}
