//! What the two planes share: bundles, and the snapshot that they link into.
//!
//! The control plane compiles every resource that a user wrote into one [`Bundle`]. Bundles name
//! each other by id and inline nothing, so a policy used by a thousand distributions stays one
//! write. [`link`] resolves the ids: given the previous [`Snapshot`] and the changed bundles it
//! returns the next snapshot, and costs what changed, not what exists. The control plane runs the
//! same `link` before it commits, so what does not link is refused by the API and never at an edge.
//!
//! A snapshot is plain data, structurally shared with its predecessor and cheap to clone. Whatever
//! has to be compiled for speed (matchers, TLS configurations) an edge derives and memoises by
//! resource and revision.
//!
//! Does not know about: AWS's shapes, XML, sockets, clocks, the store, or how a bundle travels.

mod bundle;
mod certificate;
mod cloudfront_header;
mod geo_restriction;
mod host;
mod link;
mod method;
mod path_pattern;
mod policy;
mod resource;
mod response_headers_policy;
mod snapshot;
mod wildcard;

pub use bundle::{
    Bundle, BundleError, CAPABILITIES, CacheBehavior, CachePolicySource, Distribution, ErrorPage,
    ErrorPageAudience, ErrorPages, GrpcTransport, IpAddressType, MinimumProtocolVersion, Origin,
    OriginAddress, OriginGroup, OriginProtocolPolicy, OriginRequestPolicySource, ViewerProtocolPolicy,
};
pub use certificate::{Bytes, Certificate, LinkedCertificate, SealedPrivateKey};
pub use cloudfront_header::{CloudFrontHeader, CloudFrontHeaders};
pub use geo_restriction::{CountryCode, CountryCodeError, GeoRestriction};
pub use host::{AliasName, HostName, HostNameError};
pub use link::{Change, LinkError, Linked, Rejected, link};
pub use method::{Method, MethodSet};
pub use path_pattern::{PathPattern, PathPatternError};
pub use policy::{CachePolicy, HeaderSelection, NameSelection, OriginRequestPolicy};
pub use resource::{ResourceId, ResourceKind, Revision};
pub use response_headers_policy::{
    CorsHeaders, ResponseHeader, ResponseHeadersPolicy, ServerTimingHeader, is_protected_header,
};
pub use snapshot::{LinkedCacheBehavior, LinkedDistribution, LinkedFailover, Snapshot};
pub use wildcard::matches_wildcards;
