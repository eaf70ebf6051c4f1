//! What HPACK (RFC 7541) and QPACK (RFC 9204) have in common: integers that share a byte with flags, strings in
//! Huffman's code, and the list of fields that comes out ([`FieldSection`]).
//!
//! A byte can stand for kilobytes, so it is what comes out that is bounded ([`Bounds`]), before it is written; and what
//! several sections share is kept once ([`Text`]).
//!
//! This crate does not know about tables of entries, frames, connections, or what a field means.

mod huffman;
mod integer;
mod reader;
mod section;

pub use integer::{Integer, decode_integer, encode_integer, encode_string};
pub use reader::{Reader, Unreadable};
pub use section::{Bounds, FieldSection, Text, TooLarge};
