//! Integers that share their first byte with flags (RFC 9204 section 4.1.1, RFC 7541 section 5.1).

/// More than 62 bits need not be understood (RFC 9204 section 4.1.1).
const BITS_MAX: u32 = 62;

/// What is at the front of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integer {
    /// This number, in so many bytes.
    Whole(u64, usize),
    /// More bytes are needed.
    Partial,
    /// More than fits.
    TooLarge,
}

/// Reads one whose first byte has `prefix_bits` bits for it.
pub fn decode_integer(bytes: &[u8], prefix_bits: u32) -> Integer {
    let Some((&first, rest)) = bytes.split_first() else { return Integer::Partial };
    let most = (1_u64 << prefix_bits) - 1;
    let prefix = u64::from(first) & most;
    if prefix < most {
        return Integer::Whole(prefix, 1);
    }
    let (mut value, mut shift) = (prefix, 0);
    for (index, byte) in rest.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        if shift >= BITS_MAX || bits > (1 << BITS_MAX) >> shift {
            return Integer::TooLarge;
        }
        value += bits << shift;
        if byte & 0x80 == 0 {
            return Integer::Whole(value, index + 2);
        }
        shift += 7;
    }
    Integer::Partial
}

/// Writes one behind `flags`, which leave `prefix_bits` bits of the first byte for it.
pub fn encode_integer(mut value: usize, flags: u8, prefix_bits: u32, out: &mut Vec<u8>) {
    let most = (1 << prefix_bits) - 1;
    if value < most {
        return out.push(flags | low_byte(value));
    }
    out.push(flags | low_byte(most));
    value -= most;
    while value >= 0x80 {
        out.push(0x80 | low_byte(value & 0x7f));
        value >>= 7;
    }
    out.push(low_byte(value));
}

/// Writes a string without Huffman's code, which may come in parts: its length, behind `flags`, and its bytes.
pub fn encode_string(parts: &[&[u8]], flags: u8, prefix_bits: u32, out: &mut Vec<u8>) {
    encode_integer(parts.iter().map(|part| part.len()).sum(), flags, prefix_bits, out);
    for part in parts {
        out.extend_from_slice(part);
    }
}

fn low_byte(value: usize) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 7541 appendix C.1.
    #[test]
    fn the_examples_are_read() {
        assert_eq!(decode_integer(&[0b1010], 5), Integer::Whole(10, 1));
        assert_eq!(decode_integer(&[0b11111, 0b1001_1010, 0b1010], 5), Integer::Whole(1337, 3));
        assert_eq!(decode_integer(&[42], 8), Integer::Whole(42, 1));
    }

    #[test]
    fn what_goes_on_for_ever_is_refused() {
        assert_eq!(decode_integer(&[0x7f, 0x80, 0x80], 7), Integer::Partial);
        assert_eq!(decode_integer(&[[0x7f].as_slice(), &[0x80; 20]].concat(), 7), Integer::TooLarge);
        assert_eq!(decode_integer(&[[0x7f].as_slice(), &[0xff; 9]].concat(), 7), Integer::TooLarge);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value: u32, prefix_bits in 3..8_u32) {
            let mut out = Vec::new();
            encode_integer(value as usize, 0, prefix_bits, &mut out);
            prop_assert_eq!(decode_integer(&out, prefix_bits), Integer::Whole(value.into(), out.len()));
            prop_assert_eq!(decode_integer(&out[..out.len() - 1], prefix_bits), Integer::Partial);
        }

        #[test]
        fn any_bytes_are_read_somehow(bytes in prop::collection::vec(any::<u8>(), 0..20), bits in 1..9_u32) {
            let _ = decode_integer(&bytes, bits);
        }
    }
}
