//! How resources are named and ordered.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A point in the store's one history. Every committed change has its own, and they only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The kinds of resources that reach an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ResourceKind {
    /// A certificate for viewers' TLS.
    Certificate,
    /// A cache policy, managed or custom.
    CachePolicy,
    /// An origin request policy, managed or custom.
    OriginRequestPolicy,
    /// A response headers policy, managed or custom.
    ResponseHeadersPolicy,
    /// A distribution.
    Distribution,
}

impl ResourceKind {
    /// Every kind, in the order in which they are linked: what is referred to comes first.
    pub const ALL: [Self; 5] = [
        Self::Certificate,
        Self::CachePolicy,
        Self::OriginRequestPolicy,
        Self::ResponseHeadersPolicy,
        Self::Distribution,
    ];

    /// The kind's name in keys and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::CachePolicy => "cache-policy",
            Self::OriginRequestPolicy => "origin-request-policy",
            Self::ResponseHeadersPolicy => "response-headers-policy",
            Self::Distribution => "distribution",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// The name of one resource among all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceId {
    /// What it is.
    pub kind: ResourceKind,
    /// Its id within the kind, as the API shows it.
    pub id: Arc<str>,
}

impl ResourceId {
    /// Names a resource.
    pub fn new(kind: ResourceKind, id: &str) -> Self {
        Self { kind, id: id.into() }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind.as_str(), self.id)
    }
}
