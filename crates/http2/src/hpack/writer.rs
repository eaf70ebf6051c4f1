//! Header blocks that leave: by the static table and literals. A table of our own would save bytes, but a block would
//! have to leave as soon as it is written, and an attacker could tell from its length what others' fields hold (RFC 7541
//! section 7.1). Huffman's code would save a fifth of the bytes and cost more than they do.

use field_compression::{encode_integer, encode_string};

use super::static_table;

/// Writes one header block behind what `out` holds, field by field.
///
/// The caller sees to it that names are in lower case and that nothing holds CR, LF or NUL.
#[derive(Debug)]
pub struct HeaderWriter<'a> {
    out: &'a mut Vec<u8>,
}

/// RFC 7541 section 6: patterns of the first byte.
const INDEXED: u8 = 0b1000_0000;
const LITERAL: u8 = 0b0000_0000;

impl<'a> HeaderWriter<'a> {
    /// A block without fields.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// `:status`, which comes before all others.
    pub fn status(&mut self, status: u16) {
        if let Some(index) = static_table::of_status(status) {
            return encode_integer(index, INDEXED, 7, self.out);
        }
        encode_integer(static_table::STATUS, LITERAL, 4, self.out);
        encode_string(&[status.to_string().as_bytes()], 0, 7, self.out);
    }

    /// A field; its value may come in parts.
    pub fn field(&mut self, name: &[u8], value: &[&[u8]]) {
        if let Some(index) = static_table::of_name(name) {
            encode_integer(index, LITERAL, 4, self.out);
        } else {
            self.out.push(LITERAL);
            encode_string(&[name], 0, 7, self.out);
        }
        encode_string(value, 0, 7, self.out);
    }
}
