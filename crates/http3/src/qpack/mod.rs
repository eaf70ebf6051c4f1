//! QPACK without a dynamic table (RFC 9204).

mod field_section;
mod huffman;
mod instructions;
mod integer;
mod static_table;
mod writer;

pub use field_section::{FieldSection, FieldSectionError};
pub use instructions::{DecoderStream, EncoderStream};
pub use writer::FieldSectionWriter;
