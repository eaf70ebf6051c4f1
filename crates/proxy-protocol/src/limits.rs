//! The bounds of a header, with their reasons.

/// A line of version 1, its CRLF included. Section 2.1: the longest possible one, `UNKNOWN` with two IPv6 addresses.
pub const VERSION1_BYTES_MAX: usize = 107;

/// A header of version 2 as a whole. Addresses take at most 216 bytes; the largest TLV that proxies send is a viewer's
/// certificate, below 2 KiB. The format would allow 64 KiB.
pub const VERSION2_BYTES_MAX: usize = 4096;
