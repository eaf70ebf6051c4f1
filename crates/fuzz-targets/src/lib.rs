//! What must hold of any input whatever, as functions that panic where it does not.
//!
//! The workspace in `fuzz/` calls them with inputs that libFuzzer makes up, and `tests/replay.rs` with
//! those that it found worth keeping. Each asserts more than "no panic": what is accepted says one thing only,
//! however it arrives and however it is written again.
//!
//! Does not know about: libFuzzer, files, sockets.

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "only fuzzers and tests use it, and there a panic is the finding"
)]

mod api;
mod dns;
mod http1_wire;
mod http2_wire;
mod http3_wire;
mod origins;
mod proxy_header;
mod routing;
mod viewers;

pub use api::{bundle_decode, json_decode, sigv4, xml_decode};
pub use dns::{dns_files, dns_reply};
pub use http1_wire::{chunked_body, host, request_head, response_head};
pub use http2_wire::{header_blocks, http2_connection};
pub use http3_wire::{field_section, http3_streams};
pub use origins::{http2_guard, http2_origin};
pub use proxy_header::proxy_header;
pub use routing::path;
pub use viewers::{client_hello, geo_file};

/// A target's name, and the function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, by the name of its corpus.
pub const TARGETS: [Target; 20] = [
    ("request_head", request_head),
    ("response_head", response_head),
    ("chunked_body", chunked_body),
    ("header_blocks", header_blocks),
    ("http2_connection", http2_connection),
    ("field_section", field_section),
    ("http3_streams", http3_streams),
    ("proxy_header", proxy_header),
    ("path", path),
    ("host", host),
    ("sigv4", sigv4),
    ("xml_decode", xml_decode),
    ("json_decode", json_decode),
    ("bundle_decode", bundle_decode),
    ("client_hello", client_hello),
    ("geo_file", geo_file),
    ("http2_guard", http2_guard),
    ("http2_origin", http2_origin),
    ("dns_reply", dns_reply),
    ("dns_files", dns_files),
];

/// A number that the input chooses, below `bound`, and the rest of the input.
fn choose(data: &[u8], bound: usize) -> (usize, &[u8]) {
    match data.split_first() {
        Some((&first, rest)) => (usize::from(first) % bound.max(1), rest),
        None => (0, data),
    }
}
