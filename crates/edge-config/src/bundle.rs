//! Bundles: one compiled resource each, as they are stored and travel.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    AliasName, CachePolicy, Certificate, GeoRestriction, HostName, MethodSet, OriginRequestPolicy,
    PathPattern, ResourceId, ResourceKind, ResponseHeadersPolicy,
};

/// What this build of the edge can enforce. A bundle that needs more is rejected, alone.
pub const CAPABILITIES: &[&str] = &[
    "certificate/1",
    "distribution/1",
    "distribution-certificate/1",
    "distribution-error-pages/1",
    "distribution-max-body/1",
    "distribution-proxy-protocol/1",
    "geo-restriction/1",
    "grpc/1",
    "http3/1",
    "tls-1.2-2025/1",
    "distribution-response-headers/1",
    "distribution-root-object/1",
    "cache-policy/1",
    "origin-request-policy/1",
    "forwarded-values/1",
    "response-headers-policy/1",
    "origin-group/1",
    "origin-ip-address-type/1",
];

/// One resource, compiled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bundle {
    /// A distribution.
    Distribution(Distribution),
    /// A cache policy.
    CachePolicy(CachePolicy),
    /// An origin request policy.
    OriginRequestPolicy(OriginRequestPolicy),
    /// A response headers policy.
    ResponseHeadersPolicy(ResponseHeadersPolicy),
    /// A certificate.
    Certificate(Certificate),
}

/// Why bytes are not a bundle that this build can use.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It needs something that this build cannot enforce.
    #[error("the bundle needs {0:?}, which this edge cannot enforce; upgrade the edge")]
    MissingCapability(String),
    /// It is no bundle.
    #[error("the bundle cannot be decoded")]
    Malformed(#[source] serde_json::Error),
}

/// A bundle as stored: the capabilities come first and are read on their own, so that a bundle of a
/// newer Mantlet is refused by name and not by a syntax error.
#[derive(Serialize)]
struct Stored<'a> {
    capabilities: Vec<&'a str>,
    bundle: &'a Bundle,
}

#[derive(Deserialize)]
struct StoredCapabilities {
    capabilities: Vec<String>,
}

#[derive(Deserialize)]
struct StoredBundle {
    bundle: Bundle,
}

impl Bundle {
    /// What kind of resource this is.
    pub fn kind(&self) -> ResourceKind {
        match self {
            Self::Distribution(_) => ResourceKind::Distribution,
            Self::CachePolicy(_) => ResourceKind::CachePolicy,
            Self::OriginRequestPolicy(_) => ResourceKind::OriginRequestPolicy,
            Self::ResponseHeadersPolicy(_) => ResourceKind::ResponseHeadersPolicy,
            Self::Certificate(_) => ResourceKind::Certificate,
        }
    }

    /// What an edge must be able to enforce to run it.
    fn capabilities(&self) -> Vec<&'static str> {
        match self {
            Self::Distribution(distribution) => distribution.capabilities(),
            Self::CachePolicy(_) => vec!["cache-policy/1"],
            Self::OriginRequestPolicy(_) => vec!["origin-request-policy/1"],
            Self::ResponseHeadersPolicy(_) => vec!["response-headers-policy/1"],
            Self::Certificate(_) => vec!["certificate/1"],
        }
    }

    /// The resources that it refers to.
    pub fn references(&self) -> Vec<ResourceId> {
        match self {
            Self::Distribution(distribution) => distribution.references(),
            Self::CachePolicy(_)
            | Self::OriginRequestPolicy(_)
            | Self::ResponseHeadersPolicy(_)
            | Self::Certificate(_) => Vec::new(),
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let stored = Stored { capabilities: self.capabilities(), bundle: self };
        // Nothing in a bundle can fail to encode: no maps with odd keys, no foreign `Serialize`.
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// Reads bytes that [`encode`](Self::encode) made, perhaps in another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let needs: StoredCapabilities = serde_json::from_slice(bytes).map_err(BundleError::Malformed)?;
        if let Some(missing) = needs.capabilities.iter().find(|name| !CAPABILITIES.contains(&name.as_str())) {
            return Err(BundleError::MissingCapability(missing.clone()));
        }
        let stored: StoredBundle = serde_json::from_slice(bytes).map_err(BundleError::Malformed)?;
        Ok(stored.bundle)
    }
}

/// A distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own, not a state")]
pub struct Distribution {
    /// The name that it was given.
    pub domain_name: HostName,
    /// The names that its owner added.
    pub aliases: Vec<AliasName>,
    /// Whether it serves at all.
    pub enabled: bool,
    /// Whether viewers may speak HTTP/2.
    pub http2: bool,
    /// Whether viewers may speak HTTP/3.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub http3: bool,
    /// The oldest TLS that viewers may speak.
    pub minimum_protocol_version: MinimumProtocolVersion,
    /// The id of the certificate for the names that its owner added, if it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// From which countries it is served, if not from everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geo_restriction: Option<GeoRestriction>,
    /// Where requests can go.
    pub origins: Vec<Origin>,
    /// Pairs of origins, of which the second one is asked when the first one fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origin_groups: Vec<OriginGroup>,
    /// In order of precedence; the last one is the default cache behavior and has no path pattern.
    pub cache_behaviors: Vec<CacheBehavior>,
    /// The path that a request for `/` is for, if not for `/` itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_root_object: Option<String>,
    /// The pages that take the place of errors.
    #[serde(default, skip_serializing_if = "ErrorPages::is_empty")]
    pub error_pages: ErrorPages,
    /// How many bytes the body of a request may have, if not as many as it likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body_bytes: Option<u64>,
    /// Whether connections to origins begin with the PROXY protocol's header, which names the viewer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sends_proxy_protocol: bool,
}

/// The pages that take the place of errors, and whose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorPages {
    /// The pages, one a status at most.
    pub pages: Vec<ErrorPage>,
    /// Who gets them.
    pub audience: ErrorPageAudience,
}

impl ErrorPages {
    /// Whether every error stays as it is.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }
}

/// A page that takes the place of an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorPage {
    /// The error's status.
    pub error_status: u16,
    /// The page's path in the distribution.
    pub path: String,
    /// The status that the viewer gets.
    pub response_status: u16,
}

/// Who gets a page in the place of an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorPageAudience {
    /// Whoever gets the error.
    #[default]
    Everybody,
    /// Browsers that load a page; programs get the error.
    Navigations,
}

impl Distribution {
    fn capabilities(&self) -> Vec<&'static str> {
        let forwards_values =
            |behavior: &CacheBehavior| matches!(behavior.cache_policy, CachePolicySource::Inline(_));
        let sets_headers = |behavior: &CacheBehavior| behavior.response_headers_policy.is_some();
        let chooses_addresses = |origin: &Origin| !origin.ip_address_type.is_default();
        let optional = [
            ("distribution-certificate/1", self.certificate.is_some()),
            ("distribution-error-pages/1", !self.error_pages.is_empty()),
            ("distribution-max-body/1", self.max_body_bytes.is_some()),
            ("distribution-proxy-protocol/1", self.sends_proxy_protocol),
            ("distribution-response-headers/1", self.cache_behaviors.iter().any(sets_headers)),
            ("distribution-root-object/1", self.default_root_object.is_some()),
            ("forwarded-values/1", self.cache_behaviors.iter().any(forwards_values)),
            ("geo-restriction/1", self.geo_restriction.is_some()),
            ("grpc/1", self.cache_behaviors.iter().any(|behavior| behavior.grpc.is_some())),
            ("http3/1", self.http3),
            ("origin-group/1", !self.origin_groups.is_empty()),
            ("origin-ip-address-type/1", self.origins.iter().any(chooses_addresses)),
            ("tls-1.2-2025/1", self.minimum_protocol_version == MinimumProtocolVersion::Tls12Of2025),
        ];
        let needed =
            optional.into_iter().filter_map(|(capability, is_needed)| is_needed.then_some(capability));
        std::iter::once("distribution/1").chain(needed).collect()
    }

    fn references(&self) -> Vec<ResourceId> {
        let mut references: Vec<ResourceId> =
            self.cache_behaviors.iter().flat_map(CacheBehavior::references).collect();
        references.extend(self.certificate.as_ref().map(|id| ResourceId::new(ResourceKind::Certificate, id)));
        references.sort_unstable();
        references.dedup();
        references
    }

    /// Every name that viewers may call it by.
    pub fn names(&self) -> impl Iterator<Item = AliasName> + '_ {
        std::iter::once(self.domain_name.clone().into()).chain(self.aliases.iter().cloned())
    }
}

/// The security policy: what a viewer may negotiate ("Supported protocols and ciphers between viewers
/// and CloudFront").
///
/// Older policies than TLSv1.2_2021 differ from it by what nobody should speak any more (protocols
/// before TLS 1.2, CBC, RSA key exchange), so they are served as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MinimumProtocolVersion {
    /// `TLSv1.2_2021`, and all that are older.
    Tls12,
    /// `TLSv1.2_2025`: without ChaCha20.
    Tls12Of2025,
    /// `TLSv1.3_2025`.
    Tls13,
}

impl MinimumProtocolVersion {
    /// All that edges tell apart.
    pub const ALL: [Self; 3] = [Self::Tls12, Self::Tls12Of2025, Self::Tls13];

    /// Whether all that may be negotiated under this policy may be negotiated under the other one, too.
    /// (TLSv1.3_2025 has ChaCha20 and TLSv1.2_2025 has not, so neither of these stands in for the other.)
    pub fn is_within(self, other: Self) -> bool {
        self == other || other == Self::Tls12
    }
}

/// Where an origin is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OriginAddress {
    /// Found by the DNS.
    Name(HostName),
    /// An address as given.
    Ip(IpAddr),
}

/// How the edge speaks to an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OriginProtocolPolicy {
    /// Always HTTP.
    HttpOnly,
    /// Always HTTPS.
    HttpsOnly,
    /// As the viewer spoke to the edge.
    MatchViewer,
}

/// Which addresses of an origin's name are connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IpAddressType {
    /// IPv4 alone.
    #[default]
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// Both.
    Dualstack,
}

impl IpAddressType {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Two origins that stand in for each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginGroup {
    /// Its id within the distribution, among those of origins.
    pub id: String,
    /// The id of the origin at which every request begins.
    pub primary_origin_id: String,
    /// The id of the origin that is asked when the primary one fails.
    pub secondary_origin_id: String,
    /// The status codes that are failures.
    pub failover_status_codes: Vec<u16>,
}

/// An origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its id within the distribution.
    pub id: String,
    /// Where it is.
    pub address: OriginAddress,
    /// Which addresses are used, where it is found by the DNS.
    #[serde(default, skip_serializing_if = "IpAddressType::is_default")]
    pub ip_address_type: IpAddressType,
    /// Its port for HTTP.
    pub http_port: u16,
    /// Its port for HTTPS.
    pub https_port: u16,
    /// Which of the two.
    pub protocol_policy: OriginProtocolPolicy,
    /// Put before every path; empty, or `/…` without a slash at its end.
    pub path: String,
    /// Headers that every request gets, over those of the viewer.
    pub custom_headers: Vec<(String, String)>,
    /// How often a connection is tried, 1 to 3.
    pub connection_attempts: u8,
    /// How long one attempt may take, 1 to 10 seconds.
    pub connection_timeout_seconds: u32,
    /// How long the origin may be silent: before the first byte, and between any two reads.
    pub read_timeout_seconds: u32,
    /// How long an idle connection is kept.
    pub keepalive_timeout_seconds: u32,
    /// How long everything may take, retries included; unlimited when absent.
    pub response_completion_timeout_seconds: Option<u32>,
}

/// What a cache behavior does with requests over plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ViewerProtocolPolicy {
    /// HTTP and HTTPS are served alike.
    AllowAll,
    /// HTTP is redirected.
    RedirectToHttps,
    /// HTTP is refused.
    HttpsOnly,
}

/// Where a cache behavior has its cache policy from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CachePolicySource {
    /// A cache policy, by id.
    Id(String),
    /// Settings of its own, from before there were cache policies (`ForwardedValues`).
    Inline(CachePolicy),
}

/// Where a cache behavior has its origin request policy from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OriginRequestPolicySource {
    /// An origin request policy, by id.
    Id(String),
    /// Settings of its own, from before there were origin request policies (`ForwardedValues`).
    Inline(OriginRequestPolicy),
}

/// What happens to the requests of one path pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheBehavior {
    /// Which paths; none on the default cache behavior alone.
    pub path_pattern: Option<PathPattern>,
    /// The id of the origin, or of the origin group.
    pub target_origin_id: String,
    /// What happens to HTTP.
    pub viewer_protocol_policy: ViewerProtocolPolicy,
    /// Which methods are served.
    pub allowed_methods: MethodSet,
    /// Whether OPTIONS is among the cached methods: only then it fails over, and only otherwise `Authorization`
    /// goes along unasked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub caches_options: bool,
    /// What decides on caching.
    pub cache_policy: CachePolicySource,
    /// What else the origin gets, if anything.
    pub origin_request_policy: Option<OriginRequestPolicySource>,
    /// The id of the response headers policy, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_headers_policy: Option<String>,
    /// How gRPC goes to the origin, if as such at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcTransport>,
}

/// How gRPC goes to an origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum GrpcTransport {
    #[default]
    /// Over TLS alone: CloudFront "only supports secure (HTTPS-based) gRPC connections".
    Tls,
    /// As the origin's protocol policy says, and over HTTP with HTTP/2 that begins at once (RFC 9113 section
    /// 3.3).
    AsOriginSpeaks,
}

impl CacheBehavior {
    fn references(&self) -> impl Iterator<Item = ResourceId> + '_ {
        let cache_policy = match &self.cache_policy {
            CachePolicySource::Id(id) => Some(ResourceId::new(ResourceKind::CachePolicy, id)),
            CachePolicySource::Inline(_) => None,
        };
        let origin_request_policy = match &self.origin_request_policy {
            Some(OriginRequestPolicySource::Id(id)) => {
                Some(ResourceId::new(ResourceKind::OriginRequestPolicy, id))
            }
            Some(OriginRequestPolicySource::Inline(_)) | None => None,
        };
        let response_headers_policy = self.response_headers_policy.as_ref();
        let response_headers_policy =
            response_headers_policy.map(|id| ResourceId::new(ResourceKind::ResponseHeadersPolicy, id));
        cache_policy.into_iter().chain(origin_request_policy).chain(response_headers_policy)
    }
}
