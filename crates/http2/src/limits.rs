//! Every bound of the wire, with its reason.

/// A frame's payload: what everybody must take (RFC 9113 section 4.2), as much as a TLS record.
pub const FRAME_BYTES_MAX: usize = 16_384;

/// The dynamic table of a viewer's fields, as RFC 7541 section 4.2 counts: the initial size, which nobody changes.
pub const HEADER_TABLE_BYTES_MAX: usize = 4096;

/// A header block as it is sent, in several frames, which waits until it has ended. As many bytes as the largest list
/// that is told to viewers may have, if nothing in it makes it shorter.
pub const HEADER_BLOCK_BYTES_MAX: usize = 256 * 1024;

/// Streams that this side has reset and whose late frames are still tolerated (RFC 9113 section 5.1, "closed"). The
/// oldest is forgotten for a newer one.
pub const RESET_STREAMS_MAX: usize = 64;

/// Streams that were reset because of the viewer's errors, in a connection's life (CVE-2025-8671).
pub const ERROR_RESETS_MAX: usize = 256;

/// The largest window (RFC 9113 section 6.9.1).
pub const WINDOW_MAX: i64 = 2_147_483_647;
