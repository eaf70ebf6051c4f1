//! Variable-length integers (RFC 9000 section 16).

/// Reads one from the front of `bytes`: it, and how many bytes it has. None when more bytes are needed.
pub fn decode_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = 1 << (first >> 6);
    let rest = bytes.get(1..length)?;
    let value = rest.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte));
    Some((value, length))
}

/// Writes one in its shortest form. What does not fit 62 bits is cut off at the top.
pub fn encode_varint(value: u64, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let (from, length_bits) = match value {
        0..0x40 => (7, 0x00),
        0x40..0x4000 => (6, 0x40),
        0x4000..0x4000_0000 => (4, 0x80),
        _ => (0, 0xc0),
    };
    let at = out.len();
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
    if let Some(first) = out.get_mut(at) {
        *first = (*first & 0x3f) | length_bits;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 9000 appendix A.1.
    #[test]
    fn the_examples_are_read() {
        for (bytes, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ] {
            assert_eq!(decode_varint(bytes), Some((value, bytes.len())));
            assert_eq!(decode_varint(&bytes[..bytes.len() - 1]), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in 0..1_u64 << 62, behind: u8) {
            let mut out = Vec::new();
            encode_varint(value, &mut out);
            let length = out.len();
            out.push(behind);
            prop_assert_eq!(decode_varint(&out), Some((value, length)));
        }
    }
}
