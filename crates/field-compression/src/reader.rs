//! What both compressions are read with.

use crate::huffman;
use crate::integer::{Integer, decode_integer};
use crate::section::{FieldSection, Text};

/// What cannot be read: an error of the whole connection (RFC 7541 section 5, RFC 9204 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the field section cannot be read")]
pub struct Unreadable;

/// A field section that is being read.
#[derive(Debug)]
pub struct Reader<'a> {
    encoded: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the beginning.
    pub fn new(encoded: &'a [u8]) -> Self {
        Self { encoded }
    }

    /// The byte that is read next; none at the end.
    pub fn peek(&self) -> Option<u8> {
        self.encoded.first().copied()
    }

    /// An integer whose first byte has `prefix_bits` bits for it.
    pub fn integer(&mut self, prefix_bits: u32) -> Result<u64, Unreadable> {
        let Integer::Whole(value, length) = decode_integer(self.encoded, prefix_bits) else {
            return Err(Unreadable);
        };
        self.encoded = self.encoded.get(length..).unwrap_or_default();
        Ok(value)
    }

    /// A string whose length has `prefix_bits` bits in the first byte, behind the one that says whether it is in
    /// Huffman's code (RFC 7541 section 5.2). None where the section has no room for it.
    pub fn string(
        &mut self,
        prefix_bits: u32,
        section: &mut FieldSection,
    ) -> Result<Option<Text>, Unreadable> {
        let (is_huffman, text) = self.encoded_string(prefix_bits)?;
        if !is_huffman {
            return Ok(section.write(text));
        }
        section.write_with(huffman::decoded_length_max(text), |out| huffman::decode(text, out))
    }

    /// As [`string`](Self::string), behind what `out` holds, whatever room there is.
    pub fn string_into(&mut self, prefix_bits: u32, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        let (is_huffman, text) = self.encoded_string(prefix_bits)?;
        if is_huffman {
            return huffman::decode(text, out);
        }
        out.extend_from_slice(text);
        Ok(())
    }

    /// A string as it is sent, and whether it is in Huffman's code.
    fn encoded_string(&mut self, prefix_bits: u32) -> Result<(bool, &'a [u8]), Unreadable> {
        let is_huffman = self.peek().is_some_and(|first| first >> prefix_bits & 1 == 1);
        let length = usize::try_from(self.integer(prefix_bits)?).map_err(|_| Unreadable)?;
        let (text, rest) = self.encoded.split_at_checked(length).ok_or(Unreadable)?;
        self.encoded = rest;
        Ok((is_huffman, text))
    }
}
