//! Every bound of the wire, with its reason.

/// Request line, fields and query together. CloudFront Developer Guide, "Quotas": "Maximum length of a request,
/// including headers and query strings, but not including the body content: 32,768 bytes". The same holds for an
/// origin's status line and fields.
pub const HEAD_BYTES_MAX: usize = 32_768;

/// The request target as it was sent. CloudFront Developer Guide, "Quotas": "Maximum length of a URL: 8,192 bytes";
/// longer ones are answered with 414.
pub const TARGET_BYTES_MAX: usize = 8_192;

/// The longest registered method, UPDATEREDIRECTREF, has 17 bytes; a longer word than this is noise.
pub const METHOD_BYTES_MAX: usize = 32;

/// `METHOD SP TARGET SP HTTP/1.1`: a first line that goes on after this many bytes can only be refused, so it is
/// refused before the rest of it is read.
pub const REQUEST_LINE_BYTES_MAX: usize = METHOD_BYTES_MAX + 1 + TARGET_BYTES_MAX + 1 + 8;

/// Fields of one head. Browsers send about 20, chatty API clients 40; the WAF inspects the first 200.
pub const HEAD_FIELDS_MAX: usize = 200;

/// A body of up to 10^19 - 1 bytes: every 19-digit number fits 64 bits, not every 20-digit one does.
pub const CONTENT_LENGTH_DIGITS_MAX: usize = 19;

/// Hexadecimal digits of a chunk's size: 16 fill 64 bits. Leading zeros count, so that they cannot go on for ever.
pub const CHUNK_SIZE_DIGITS_MAX: usize = 16;

/// The trailer section, its last empty line included. Trailers carry checksums and grpc-status, some hundred bytes.
pub const TRAILER_BYTES_MAX: usize = 8_192;

/// Fields of one trailer section.
pub const TRAILER_FIELDS_MAX: usize = 64;

/// A host's name: DNS allows 253 bytes in its written form (RFC 1035 §2.3.4).
pub const HOST_NAME_BYTES_MAX: usize = 253;

/// One label of a host's name (RFC 1035 §2.3.4).
pub const HOST_LABEL_BYTES_MAX: usize = 63;

/// Interim (1xx) responses that a reader should accept before the final one. Real origins send one 100 and perhaps
/// a few 103; without a bound an origin could hold a viewer for ever.
pub const INTERIM_RESPONSES_MAX: usize = 8;

// Offsets into a head are kept in 16 bits; two bytes of slack for the one empty line that may precede a request.
const _: () = assert!(HEAD_BYTES_MAX + 2 <= u16::MAX as usize);
