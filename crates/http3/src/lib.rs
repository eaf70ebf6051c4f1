//! The HTTP/3 wire, as a server that never pushes and never uses QPACK's dynamic table needs it.
//!
//! - **Frames** ([`RequestStream`], [`ControlStream`]): which bytes of a stream are which frame, and whether it may
//!   stand there (RFC 9114). A frame is never kept until it is complete unless that is bounded.
//! - **QPACK** ([`decode_field_section`], [`FieldSectionWriter`]): field sections by the static table and literals (RFC
//!   9204). The dynamic table's capacity is 0, so what a viewer sends on the streams for it
//!   ([`EncoderStream`], [`DecoderStream`]) can only be empty words, or an error.
//!
//! Everything is a function of the bytes: what is told of a stream does not depend on how it was cut into packets.
//!
//! This crate does not know about QUIC, sockets, async, clocks, what a field means, or which request is well-formed.

mod control_stream;
mod error;
mod frame;
pub mod limits;
mod qpack;
mod request_stream;
mod varint;

pub use control_stream::{ControlStream, StreamKind, opening_of_control_stream};
pub use error::ErrorCode;
pub use frame::{FrameKind, write_frame_head};
pub use qpack::{DecoderStream, EncoderStream, FieldSectionError, FieldSectionWriter, decode_field_section};
pub use request_stream::{RequestStream, SectionTooLarge, Step, StreamFault};
pub use varint::{decode_varint, encode_varint};
