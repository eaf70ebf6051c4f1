//! What a response headers policy adds to responses and takes from them.

use serde::{Deserialize, Serialize};

/// What happens to the header fields of a response before the viewer gets it.
///
/// The security headers and the custom ones of the API are one list here: to an edge they are alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseHeadersPolicy {
    /// What answers to CORS requests get.
    pub cors: Option<CorsHeaders>,
    /// Headers that every response gets.
    pub headers: Vec<ResponseHeader>,
    /// Headers that the origin's response loses, before anything is added.
    pub removed_headers: Vec<String>,
    /// Whether, and how often, responses tell how they came about.
    pub server_timing: Option<ServerTimingHeader>,
}

/// A header that responses get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseHeader {
    /// Its name.
    pub name: String,
    /// Its value, which may be empty.
    pub value: String,
    /// Whether it replaces the origin's; otherwise the origin's stays where there is one.
    pub overrides_origin: bool,
}

/// What answers to CORS requests get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsHeaders {
    /// Which origins may read: `*`, or `[scheme://]host[:port]` with wildcards.
    pub allow_origins: Vec<String>,
    /// Whether they may send credentials.
    pub allow_credentials: bool,
    /// Which methods they may use; told to preflight requests.
    pub allow_methods: Vec<String>,
    /// Which headers they may send; told to preflight requests. A name may have one wildcard.
    pub allow_headers: Vec<String>,
    /// Which headers they may read.
    pub expose_headers: Vec<String>,
    /// Whether even [`expose_headers`](Self::expose_headers) is told to preflight requests alone, as with
    /// the managed policies.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exposes_to_preflight_alone: bool,
    /// How long an answer to a preflight request holds.
    pub max_age_seconds: Option<u32>,
    /// Whether all this replaces what the origin says.
    pub overrides_origin: bool,
}

/// Which responses have a `Server-Timing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerTimingHeader {
    /// How many of [`SAMPLES`](Self::SAMPLES) responses, beside those that are asked for it.
    pub sampled: u32,
}

impl ServerTimingHeader {
    /// A sampling rate is a percentage with four decimal places.
    pub const SAMPLES: u32 = 1_000_000;
}

/// "Headers that you can't remove" ("Understand response headers policies"), but those that begin with
/// [`PROTECTED_PREFIXES`].
const PROTECTED_HEADERS: [&str; 31] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "warning",
    "x-accel-buffering",
    "x-accel-charset",
    "x-accel-limit-rate",
    "x-accel-redirect",
    "x-amzn-auth",
    "x-amzn-cf-billing",
    "x-amzn-cf-id",
    "x-amzn-cf-xff",
    "x-amzn-errortype",
    "x-amzn-fle-profile",
    "x-amzn-header-count",
    "x-amzn-header-order",
    "x-amzn-lambda-integration-tag",
    "x-amzn-requestid",
    "x-cache",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Beginnings of names that no policy may touch.
const PROTECTED_PREFIXES: [&str; 2] = ["x-amz-cf-", "x-edge-"];

/// Whether a response headers policy may neither remove nor set a header.
pub fn is_protected_header(name: &[u8]) -> bool {
    let begins_with = |prefix: &&str| {
        name.get(..prefix.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    PROTECTED_HEADERS.iter().any(|protected| protected.as_bytes().eq_ignore_ascii_case(name))
        || PROTECTED_PREFIXES.iter().any(begins_with)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frames_a_message_or_names_the_edge_is_protected() {
        for name in ["Content-Length", "TRANSFER-ENCODING", "X-Amz-Cf-Id", "x-edge-anything", "Via"] {
            assert!(is_protected_header(name.as_bytes()), "{name}");
        }
        for name in ["Server", "Date", "Vary", "Set-Cookie", "X-Amz-Meta", "X-Edg", ""] {
            assert!(!is_protected_header(name.as_bytes()), "{name}");
        }
    }
}
