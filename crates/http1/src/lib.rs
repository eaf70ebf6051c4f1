//! The HTTP/1.1 wire, for both of the edge's sides: what viewers send us and what origins answer.
//!
//! Three things happen here, and nothing else:
//!
//! - **Parsing** ([`RequestHead`], [`ResponseHead`]): strict where general parsers are lenient. A message whose
//!   end, target or host two readers could understand differently is refused, never repaired. A head is parsed
//!   line by line as it arrives, without rescanning, into offsets that the next message reuses; names and values
//!   stay where they are, in the caller's buffer.
//! - **Delimiting bodies** ([`BodyDecoder`], [`chunk_header`]): which bytes of the input are body, where the
//!   message ends, and not one byte further.
//! - **Serialising** ([`HeadWriter`]): every head that leaves is written anew from parsed parts; no byte of a
//!   viewer's or an origin's framing is copied, and no CR, LF or NUL can get out.
//!
//! ```
//! use http1::{BodyFraming, Progress, RequestHead};
//!
//! let buffer = b"POST /api/orders?page=2 HTTP/1.1\r\nHost: api.example\r\nContent-Length: 2\r\n\r\n{}";
//! let mut head = RequestHead::new(); // one per connection: `clear` it before the next request
//! let Ok(Progress::Complete { head_len }) = head.parse(buffer) else { unreachable!() };
//! let request = head.view(buffer);
//! assert_eq!((request.path(), request.query()), ("/api/orders", Some("page=2")));
//! assert_eq!(request.host().name, "api.example");
//! assert_eq!(head.framing(), BodyFraming::Length(2));
//! assert_eq!(&buffer[head_len..], b"{}");
//! ```
//!
//! This crate does not know about sockets, async, clocks, distributions, policies, or which fields the edge adds,
//! keeps or strips.

mod ascii;
mod body;
mod connection;
mod date;
mod decimal;
mod field;
mod framing;
mod head_writer;
mod host;
mod known_field;
pub mod limits;
mod line;
mod method;
mod request;
mod response;
mod status;
mod target;

pub use body::{BodyDecoder, BodyError, CHUNK_END, ChunkHeader, Decoded, LAST_CHUNK, chunk_header};
pub use connection::ConnectionOptions;
pub use date::http_date;
pub use decimal::{Decimal, decimal};
pub use field::{Field, FieldError, Fields, is_field_name, is_field_value, names_equal_folding_underscore};
pub use framing::{BodyFraming, FramingError};
pub use head_writer::{HeadWriter, WriteError};
pub use host::{Host, HostError};
pub use known_field::KnownField;
pub use method::Method;
pub use request::{Progress, RequestError, RequestHead, RequestView, Version};
pub use response::{ResponseError, ResponseHead, ResponseView};
pub use status::reason_phrase;
pub use target::{Target, TargetError, TargetForm};
