//! Every bound of the wire, with its reason.

/// A field section as it is sent (RFC 9114 section 4.2.2 counts 32 bytes more a field). Above what a head may have in
/// HTTP/1.1's form, so that the answer is the same 494; a longer one is refused by its frame's length.
pub const SECTION_BYTES_MAX: usize = 48 * 1024;

/// The payload of SETTINGS. Each setting has at most 16 bytes, and clients send fewer than ten.
pub const SETTINGS_BYTES_MAX: usize = 1024;

/// The payload of the other frames of the control stream that mean something: one variable-length integer.
pub const CONTROL_FRAME_BYTES_MAX: usize = 8;
