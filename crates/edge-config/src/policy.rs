//! What policies say about headers, cookies and query strings.

use serde::{Deserialize, Serialize};

/// Which cookies or query strings are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NameSelection {
    /// None of them.
    #[default]
    None,
    /// All of them.
    All,
    /// Only those named.
    Only(Vec<String>),
    /// All but those named.
    AllExcept(Vec<String>),
    /// Those that match one of these patterns, in which `*` is any text and `?` any one character.
    Matching(Vec<String>),
}

/// Which viewer headers go to the origin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeaderSelection {
    /// None beyond those that always go.
    #[default]
    None,
    /// Those named.
    Only(Vec<String>),
    /// All that the viewer sent, `Host` included.
    AllViewer,
    /// All that the viewer sent, and the named headers that the edge makes (`CloudFront-…`).
    AllViewerAndCloudFront(Vec<String>),
    /// All that the viewer sent but those named.
    AllExcept(Vec<String>),
}

/// What decides on storing responses, and on the part of the request that a stored one depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachePolicy {
    /// The least time that a response is kept, whatever the origin says.
    pub min_ttl_seconds: u64,
    /// How long when the origin says nothing.
    pub default_ttl_seconds: u64,
    /// The most time.
    pub max_ttl_seconds: u64,
    /// Whether gzip takes part in the cache key.
    pub accept_encoding_gzip: bool,
    /// Whether Brotli takes part in the cache key.
    pub accept_encoding_brotli: bool,
    /// The headers of the cache key, which always go to the origin.
    pub headers: Vec<String>,
    /// The cookies of the cache key, which always go to the origin.
    pub cookies: NameSelection,
    /// The query strings of the cache key, which always go to the origin.
    pub query_strings: NameSelection,
}

impl CachePolicy {
    /// All three times are 0: nothing is stored and no two requests share an answer ("Understand
    /// cache policies").
    pub fn disables_caching(&self) -> bool {
        self.min_ttl_seconds == 0 && self.default_ttl_seconds == 0 && self.max_ttl_seconds == 0
    }

    /// `Accept-Encoding` is normalised rather than forwarded as sent.
    pub fn normalises_accept_encoding(&self) -> bool {
        self.accept_encoding_gzip || self.accept_encoding_brotli
    }
}

/// What else of the viewer's request the origin gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginRequestPolicy {
    /// Headers.
    pub headers: HeaderSelection,
    /// Cookies.
    pub cookies: NameSelection,
    /// Query strings.
    pub query_strings: NameSelection,
}
