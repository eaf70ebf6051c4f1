//! The streams that keep two dynamic tables equal (RFC 9204 section 4.2), where there are none.

use field_compression::{Integer, decode_integer};

use crate::error::ErrorCode;

/// A viewer's encoder stream. The one instruction that can be obeyed sets the capacity to what it is.
#[derive(Debug, Default)]
pub struct EncoderStream(Instructions);

/// A viewer's decoder stream. Nothing that the edge sends needs to be acknowledged; that a viewer gives up a stream
/// it may say of any.
#[derive(Debug, Default)]
pub struct DecoderStream(Instructions);

impl EncoderStream {
    /// Reads on, and tells how many instructions there were.
    pub fn read(&mut self, bytes: &[u8]) -> Result<u32, ErrorCode> {
        // RFC 9204 section 4.3.1; no other instruction begins like it.
        let is_valid =
            |first: u8, number: Option<u64>| first >> 5 == 0b001 && number.unwrap_or_default() == 0;
        self.0.read(bytes, 5, is_valid).ok_or(ErrorCode::EncoderStreamError)
    }
}

impl DecoderStream {
    /// Reads on, and tells how many instructions there were.
    pub fn read(&mut self, bytes: &[u8]) -> Result<u32, ErrorCode> {
        // RFC 9204 section 4.4.2.
        self.0.read(bytes, 6, |first, _| first >> 6 == 0b01).ok_or(ErrorCode::DecoderStreamError)
    }
}

/// Instructions of one number each.
#[derive(Debug, Default)]
struct Instructions {
    /// The beginning of one that is not whole, at most as long as a number can be.
    held: Vec<u8>,
}

impl Instructions {
    /// None as soon as one is not valid: its first byte, and its number as soon as that is known.
    fn read(
        &mut self,
        bytes: &[u8],
        prefix_bits: u32,
        is_valid: impl Fn(u8, Option<u64>) -> bool,
    ) -> Option<u32> {
        let mut whole = 0;
        for byte in bytes {
            self.held.push(*byte);
            let first = *self.held.first()?;
            match decode_integer(&self.held, prefix_bits) {
                Integer::Whole(number, _) if is_valid(first, Some(number)) => {
                    self.held.clear();
                    whole += 1;
                }
                Integer::Partial if is_valid(first, None) => {}
                _ => return None,
            }
        }
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_can_only_say_that_there_is_no_table() {
        let read = |bytes: &[u8]| EncoderStream::default().read(bytes);
        assert_eq!(read(&[0x20, 0x20]), Ok(2));
        for bytes in [&[0x21][..], &[0x3f, 0x01], &[0x80], &[0xc0], &[0x40], &[0x00]] {
            assert_eq!(read(bytes), Err(ErrorCode::EncoderStreamError), "{bytes:x?}");
        }
    }

    #[test]
    fn a_decoder_can_only_give_up_streams() {
        let read = |bytes: &[u8]| DecoderStream::default().read(bytes);
        assert_eq!(read(&[0x44, 0x7f, 0x81, 0x01]), Ok(2));
        for bytes in [&[0x80][..], &[0x00], &[0x01], &[[0x7f].as_slice(), &[0xff; 12]].concat()] {
            assert_eq!(read(bytes), Err(ErrorCode::DecoderStreamError), "{bytes:x?}");
        }
    }
}
