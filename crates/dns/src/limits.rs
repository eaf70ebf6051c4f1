//! Every bound of the DNS, with its reason.

use std::time::Duration;

/// A domain name on the wire (RFC 1035 section 2.3.4).
pub const NAME_BYTES_MAX: usize = 255;

/// One label of it (RFC 1035 section 2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;

/// How often a name may go on elsewhere in its message: once a label, of which there are 127.
pub const POINTERS_MAX: usize = 127;

/// An answer over UDP. We announce no more than the 512 bytes of RFC 1035 section 4.2.1, so that longer
/// ones come over TCP; who sends more all the same is read up to here.
pub const UDP_MESSAGE_BYTES_MAX: usize = 4096;

/// Records of an answer that are looked at. Real ones have some dozen.
pub const RECORDS_MAX: usize = 1024;

/// Aliases (CNAME) that are followed from a name to its addresses, in one answer and over several. Content
/// delivery networks use two to four; resolvers give up between 8 and 16.
pub const ALIASES_MAX: usize = 12;

/// Name servers that are asked. resolv.conf(5) knows three.
pub const NAME_SERVERS_MAX: usize = 8;

/// Domains in which a short name is searched. Kubernetes allows as many.
pub const SEARCH_DOMAINS_MAX: usize = 32;

/// The largest `ndots`, as in resolv.conf(5).
pub const NDOTS_MAX: usize = 15;

/// The largest `attempts`, as in resolv.conf(5).
pub const ATTEMPTS_MAX: usize = 5;

/// The largest `timeout`, as in resolv.conf(5).
pub const TIMEOUT_MAX: Duration = Duration::from_secs(30);
