//! Field sections that leave: by the static table and literals, without Huffman's code, which would save a fifth of
//! their bytes and cost more than the bytes do.

use field_compression::{encode_integer, encode_string};

use super::static_table;

/// Writes one field section behind what `out` holds, field by field.
///
/// The caller sees to it that names are in lower case and that nothing holds CR, LF or NUL.
#[derive(Debug)]
pub struct FieldSectionWriter<'a> {
    out: &'a mut Vec<u8>,
}

/// RFC 9204 section 4.5: patterns of the first byte, with what the static table is named by.
const INDEXED: u8 = 0b1100_0000;
const NAME_INDEXED: u8 = 0b0101_0000;
const NAME_LITERAL: u8 = 0b0010_0000;

impl<'a> FieldSectionWriter<'a> {
    /// A section that needs nothing of the dynamic table (RFC 9204 section 4.5.1).
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        out.extend_from_slice(&[0, 0]);
        Self { out }
    }

    /// `:status`, which comes before all others.
    pub fn status(&mut self, status: u16) {
        if let Some(index) = static_table::of_status(status) {
            return encode_integer(index, INDEXED, 6, self.out);
        }
        encode_integer(static_table::STATUS, NAME_INDEXED, 4, self.out);
        encode_string(&[status.to_string().as_bytes()], 0, 7, self.out);
    }

    /// A field; its value may come in parts.
    pub fn field(&mut self, name: &[u8], value: &[&[u8]]) {
        if let Some(index) = static_table::of_name(name) {
            encode_integer(index, NAME_INDEXED, 4, self.out);
        } else {
            encode_string(&[name], NAME_LITERAL, 3, self.out);
        }
        encode_string(value, 0, 7, self.out);
    }
}
