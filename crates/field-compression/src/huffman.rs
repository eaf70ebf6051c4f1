//! Strings in the Huffman code of RFC 7541 appendix B, which QPACK has taken over (RFC 9204 section 4.1.2).
//!
//! The code is canonical: codes of one length follow each other in the order of their symbols, and longer ones follow
//! shorter ones. So the lengths say everything.

use crate::reader::Unreadable;

const SYMBOLS: usize = 257;

/// The symbol that ends no string: strings end in its first bits.
const END_OF_STRING: u16 = 256;

/// The bits of each symbol's code.
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];

const LENGTH_MAX: usize = 30;

/// The codes of one length.
#[derive(Clone, Copy)]
struct Row {
    bits: u32,
    /// The first code, at the top of 32 bits.
    first: u64,
    /// What is beyond the last code, likewise.
    end: u64,
    /// Where the symbols begin in [`TABLE`].
    at: usize,
}

/// The longest codes that are found by the bits themselves: nearly all of what fields hold has shorter ones.
const SHORT_BITS: u32 = 8;

struct Table {
    rows: [Row; LENGTH_MAX],
    symbols: [u16; SYMBOLS],
    /// By the bits that a code begins with: its symbol, and its length, which is 0 where it is longer than they are.
    short: [(u16, u32); 1 << SHORT_BITS],
}

static TABLE: Table = table();

#[expect(clippy::cast_possible_truncation, reason = "nothing here is larger than 257")]
const fn table() -> Table {
    let mut rows = [Row { bits: 0, first: 0, end: 0, at: 0 }; LENGTH_MAX];
    let mut symbols = [0; SYMBOLS];
    let mut short = [(0, 0); 1 << SHORT_BITS];
    let (mut at, mut code, mut bits) = (0, 0_u64, 1);
    while bits <= LENGTH_MAX {
        let (first, begin) = (code, at);
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == bits {
                symbols[at] = symbol as u16;
                at += 1;
                let end = code + (1 << (32 - bits));
                while bits <= SHORT_BITS as usize && code < end {
                    short[(code >> (32 - SHORT_BITS)) as usize] = (symbol as u16, bits as u32);
                    code += 1 << (32 - SHORT_BITS);
                }
                code = end;
            }
            symbol += 1;
        }
        rows[bits - 1] = Row { bits: bits as u32, first, end: code, at: begin };
        bits += 1;
    }
    Table { rows, symbols, short }
}

/// How long what a string means may be: the shortest code has five bits.
pub(crate) fn decoded_length_max(encoded: &[u8]) -> usize {
    encoded.len().saturating_mul(8) / 5
}

/// Writes what a string means behind what `out` holds. One that does not end as it must, or holds what no string can,
/// cannot be read.
pub(crate) fn decode(encoded: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable> {
    // The bits that are not dealt with are the top ones.
    let (mut window, mut held) = (0_u64, 0_u32);
    for byte in encoded {
        window |= u64::from(*byte) << (56 - held);
        held += 8;
        while let Some((symbol, bits)) = first_symbol(window).filter(|(_, bits)| *bits <= held) {
            // RFC 7541 section 5.2: END_OF_STRING in full is an error.
            out.push(u8::try_from(symbol).map_err(|_| Unreadable)?);
            window <<= bits;
            held -= bits;
        }
    }
    // RFC 7541 section 5.2: less than a byte of padding, all ones.
    let padding = u64::MAX.checked_shl(64 - held).unwrap_or_default();
    if held < 8 && window == padding { Ok(()) } else { Err(Unreadable) }
}

/// The symbol whose code the bits begin with, and how many bits it has. Bits that are not there are zeros: then the
/// code may be longer than what is there, and the symbol another one.
fn first_symbol(window: u64) -> Option<(u16, u32)> {
    let index = usize::try_from(window >> (64 - SHORT_BITS)).ok()?;
    if let Some((symbol, bits @ 1..)) = TABLE.short.get(index) {
        return Some((*symbol, *bits));
    }
    let top = window >> 32;
    let row = TABLE.rows.iter().find(|row| top < row.end)?;
    let index = usize::try_from((top - row.first) >> (32 - row.bits)).ok()?;
    TABLE.symbols.get(row.at + index).map(|symbol| (*symbol, row.bits))
}

const _: () = assert!(LENGTHS[END_OF_STRING as usize] as usize == LENGTH_MAX);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(encoded: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let mut out = Vec::new();
        decode(encoded, &mut out).map(|()| out)
    }

    fn encode(bytes: &[u8]) -> Vec<u8> {
        let mut bits = Vec::new();
        for byte in bytes {
            let at = TABLE.symbols.iter().position(|symbol| *symbol == u16::from(*byte)).unwrap();
            let row = TABLE.rows.iter().rfind(|row| row.end > row.first && row.at <= at).unwrap();
            let code = (row.first >> (32 - row.bits)) + (at - row.at) as u64;
            bits.extend((0..row.bits).rev().map(|bit| code >> bit & 1 == 1));
        }
        bits.resize(bits.len().next_multiple_of(8), true);
        bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
    }

    /// RFC 7541 appendix C.4 and C.6.
    #[test]
    fn the_examples_are_read() {
        for (encoded, text) in [
            (
                &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff][..],
                "www.example.com",
            ),
            (&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], "no-cache"),
            (&[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf], "custom-value"),
            (&[0x64, 0x02], "302"),
            (&[0xae, 0xc3, 0x77, 0x1a, 0x4b], "private"),
            (&[], ""),
        ] {
            assert_eq!(decoded(encoded), Ok(text.as_bytes().to_vec()), "{text}");
            assert_eq!(encode(text.as_bytes()), encoded, "{text}");
        }
    }

    #[test]
    fn padding_is_less_than_a_byte_of_ones() {
        assert_eq!(decoded(&[0xff]), Err(Unreadable));
        assert_eq!(decoded(&[0x07]), Ok(b"0".to_vec()));
        assert_eq!(decoded(&[0x00]), Err(Unreadable));
        assert_eq!(decoded(&[0x07, 0xff]), Err(Unreadable));
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), Err(Unreadable));
    }

    proptest! {
        #[test]
        fn every_string_is_read(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(decoded(&encode(&bytes)), Ok(bytes));
        }

        #[test]
        fn what_is_read_has_one_form(encoded in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(bytes) = decoded(&encoded) {
                prop_assert_eq!(encode(&bytes), encoded);
            }
        }
    }
}
