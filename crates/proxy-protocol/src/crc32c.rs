//! CRC-32C (RFC 3720 appendix B.4), which a header of version 2 may carry.

/// Castagnoli's polynomial, bits reversed.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// The checksum. Bit by bit: it is made once a connection at most, over some hundred bytes.
pub(crate) fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    let divided = bytes.fold(u32::MAX, |rest, byte| {
        (0..8).fold(rest ^ u32::from(byte), |rest, _| {
            let carries = rest & 1 == 1;
            rest >> 1 ^ if carries { POLYNOMIAL } else { 0 }
        })
    });
    !divided
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_3720() {
        assert_eq!(crc32c(std::iter::repeat_n(0, 32)), 0x8A91_36AA);
        assert_eq!(crc32c(std::iter::repeat_n(0xFF, 32)), 0x62A8_AB43);
        assert_eq!(crc32c(0..32), 0x46DD_794E);
        assert_eq!(crc32c(b"123456789".iter().copied()), 0xE306_9283);
    }
}
