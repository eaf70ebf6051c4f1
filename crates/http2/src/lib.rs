//! The HTTP/2 wire, as a server that never pushes needs it (RFC 9113).
//!
//! - **Frames** ([`FrameHead`]): which bytes are which frame, and whether it may stand there. A frame is kept until it
//!   is complete only where it means something as a whole; a body's bytes pass as they come.
//! - **HPACK** ([`HeaderDecoder`], [`HeaderWriter`]): header blocks (RFC 7541). What is written needs no table that
//!   both ends must keep equal, so it may be thrown away until it has left.
//! - **Streams** ([`ServerConnection`]): which streams there are, what may still come and go on each, and the windows.
//!
//! Everything is a function of the bytes: what is told of a connection does not depend on how it was cut into reads.
//! What is to be sent is written behind what a caller's buffer holds.
//!
//! This crate does not know about sockets, async, clocks, what a field means, or which request is well-formed.

mod connection;
mod error;
mod frame;
mod hpack;
pub mod limits;
mod reader;
mod settings;
mod stream;

pub use connection::{Event, ServerConnection, ServerSettings};
pub use error::{ConnectionError, ErrorCode};
pub use frame::{FrameHead, FrameKind};
pub use hpack::{HeaderDecoder, HeaderWriter};
pub use stream::StreamId;
