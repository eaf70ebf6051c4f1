//! QPACK without a dynamic table (RFC 9204).

mod field_section;
mod instructions;
mod static_table;
mod writer;

pub use field_section::{FieldSectionError, decode_field_section};
pub use instructions::{DecoderStream, EncoderStream};
pub use writer::FieldSectionWriter;
