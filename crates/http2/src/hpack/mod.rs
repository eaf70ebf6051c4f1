//! HPACK (RFC 7541).

mod decoder;
mod static_table;
mod table;
mod writer;

pub use decoder::HeaderDecoder;
pub use writer::HeaderWriter;
