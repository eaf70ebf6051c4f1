//! Snapshots: every bundle at one revision, linked.

use std::sync::Arc;

use imbl::{HashMap, OrdSet};

use crate::{
    AliasName, Bundle, CachePolicy, CloudFrontHeaders, ErrorPages, GeoRestriction, GrpcTransport,
    LinkedCertificate, MethodSet, MinimumProtocolVersion, Origin, OriginRequestPolicy, PathPattern,
    ResourceId, ResourceKind, ResponseHeadersPolicy, Revision, ViewerProtocolPolicy,
};

/// A bundle and the revision that it is of.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) revision: Revision,
    pub(crate) bundle: Arc<Bundle>,
}

/// All that an edge needs to answer viewers, immutable and cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(crate) revision: Revision,
    pub(crate) resources: HashMap<ResourceId, Resource>,
    pub(crate) certificates: HashMap<Arc<str>, Arc<LinkedCertificate>>,
    /// One of each, whatever the number of distributions that refer to it.
    cache_policies: HashMap<Arc<str>, Arc<CachePolicy>>,
    origin_request_policies: HashMap<Arc<str>, Arc<OriginRequestPolicy>>,
    response_headers_policies: HashMap<Arc<str>, Arc<ResponseHeadersPolicy>>,
    distributions: HashMap<Arc<str>, Arc<LinkedDistribution>>,
    /// How many of them want fingerprints of viewers' TLS.
    fingerprinting: usize,
    /// Which distribution answers to a name.
    pub(crate) names: HashMap<AliasName, Arc<LinkedDistribution>>,
    /// Which distributions refer to a resource.
    pub(crate) referrers: HashMap<ResourceId, OrdSet<Arc<str>>>,
}

impl Snapshot {
    /// The revision up to which changes are in it.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The distribution that answers to a host name, which is lower case and without a port.
    ///
    /// An exact name wins over a wildcard, and a longer wildcard over a shorter one ("Use custom
    /// URLs by adding alternate domain names": the more specific name is served).
    pub fn distribution_by_host(&self, host: &str) -> Option<&Arc<LinkedDistribution>> {
        self.name_by_host(host).map(|(_, distribution)| distribution)
    }

    /// The name by which a host is found, perhaps a wildcard, and the distribution that has it.
    pub fn name_by_host(&self, host: &str) -> Option<(&AliasName, &Arc<LinkedDistribution>)> {
        self.names.get_key_value(host).or_else(|| self.wildcard(host))
    }

    fn wildcard(&self, host: &str) -> Option<(&AliasName, &Arc<LinkedDistribution>)> {
        let mut rest = host;
        let mut wildcard = String::with_capacity(host.len() + 1);
        while let Some((_, parent)) = rest.split_once('.') {
            wildcard.clear();
            wildcard.push_str("*.");
            wildcard.push_str(parent);
            if let Some(found) = self.names.get_key_value(wildcard.as_str()) {
                return Some(found);
            }
            rest = parent;
        }
        None
    }

    /// The distribution of that id.
    pub fn distribution(&self, id: &str) -> Option<&Arc<LinkedDistribution>> {
        self.distributions.get(id)
    }

    /// Every distribution, in no order.
    pub fn distributions(&self) -> impl Iterator<Item = &Arc<LinkedDistribution>> {
        self.distributions.values()
    }

    /// How many distributions there are.
    pub fn distribution_count(&self) -> usize {
        self.distributions.len()
    }

    /// Whether any distribution wants fingerprints of viewers' TLS.
    pub fn wants_fingerprints(&self) -> bool {
        self.fingerprinting > 0
    }

    /// The id of the distribution that holds an alias or a domain name, exactly as written there.
    pub fn owner_of_name(&self, name: &str) -> Option<&str> {
        self.names.get(name).map(|owner| &*owner.id)
    }

    /// A resource's bundle and its revision.
    pub fn resource(&self, resource: &ResourceId) -> Option<(Revision, &Arc<Bundle>)> {
        self.resources.get(resource).map(|found| (found.revision, &found.bundle))
    }

    /// Every bundle, in no order: what a copy on disk needs.
    pub fn resources(&self) -> impl Iterator<Item = (&ResourceId, Revision, &Arc<Bundle>)> {
        self.resources.iter().map(|(id, resource)| (id, resource.revision, &resource.bundle))
    }

    /// Every certificate, in no order.
    pub fn certificates(&self) -> impl Iterator<Item = &Arc<LinkedCertificate>> {
        self.certificates.values()
    }

    /// Whether it is known, without a look at any, that the certificates are those of another snapshot.
    pub fn shares_certificates_with(&self, other: &Self) -> bool {
        self.certificates.ptr_eq(&other.certificates)
    }

    /// The certificate of that id.
    pub fn certificate(&self, id: &str) -> Option<&Arc<LinkedCertificate>> {
        self.certificates.get(id)
    }

    /// The ids of the distributions that refer to a resource, in their order.
    pub fn referrers(&self, resource: &ResourceId) -> impl Iterator<Item = &str> {
        self.referrers.get(resource).into_iter().flatten().map(AsRef::as_ref)
    }

    /// Puts a distribution in the place of the one of its id, under all of its names.
    pub(crate) fn insert_distribution(
        &mut self,
        names: impl Iterator<Item = AliasName>,
        distribution: LinkedDistribution,
    ) {
        self.fingerprinting += usize::from(distribution.wants_fingerprints());
        let (id, distribution) = (Arc::clone(&distribution.id), Arc::new(distribution));
        self.names.extend(names.map(|name| (name, Arc::clone(&distribution))));
        if let Some(replaced) = self.distributions.insert(id, distribution) {
            self.fingerprinting -= usize::from(replaced.wants_fingerprints());
        }
    }

    pub(crate) fn remove_distribution(&mut self, id: &str) {
        if let Some(removed) = self.distributions.remove(id) {
            self.fingerprinting -= usize::from(removed.wants_fingerprints());
        }
    }

    /// Takes in what distributions refer to.
    pub(crate) fn insert_referred(&mut self, id: &Arc<str>, revision: Revision, bundle: &Bundle) {
        let id = Arc::clone(id);
        match bundle {
            Bundle::Certificate(certificate) => {
                let certificate =
                    LinkedCertificate { id: Arc::clone(&id), revision, certificate: certificate.clone() };
                self.certificates.insert(id, Arc::new(certificate));
            }
            Bundle::CachePolicy(policy) => drop(self.cache_policies.insert(id, Arc::new(policy.clone()))),
            Bundle::OriginRequestPolicy(policy) => {
                self.origin_request_policies.insert(id, Arc::new(policy.clone()));
            }
            Bundle::ResponseHeadersPolicy(policy) => {
                self.response_headers_policies.insert(id, Arc::new(policy.clone()));
            }
            Bundle::Distribution(_) => {}
        }
    }

    pub(crate) fn remove_referred(&mut self, resource: &ResourceId) {
        match resource.kind {
            ResourceKind::Certificate => drop(self.certificates.remove(&resource.id)),
            ResourceKind::CachePolicy => drop(self.cache_policies.remove(&resource.id)),
            ResourceKind::OriginRequestPolicy => drop(self.origin_request_policies.remove(&resource.id)),
            ResourceKind::ResponseHeadersPolicy => drop(self.response_headers_policies.remove(&resource.id)),
            ResourceKind::Distribution => {}
        }
    }

    pub(crate) fn cache_policy(&self, id: &str) -> Option<(Revision, Arc<CachePolicy>)> {
        let revision = self.revision_of(ResourceKind::CachePolicy, id)?;
        self.cache_policies.get(id).map(|policy| (revision, Arc::clone(policy)))
    }

    pub(crate) fn origin_request_policy(&self, id: &str) -> Option<(Revision, Arc<OriginRequestPolicy>)> {
        let revision = self.revision_of(ResourceKind::OriginRequestPolicy, id)?;
        self.origin_request_policies.get(id).map(|policy| (revision, Arc::clone(policy)))
    }

    pub(crate) fn response_headers_policy(&self, id: &str) -> Option<(Revision, Arc<ResponseHeadersPolicy>)> {
        let revision = self.revision_of(ResourceKind::ResponseHeadersPolicy, id)?;
        self.response_headers_policies.get(id).map(|policy| (revision, Arc::clone(policy)))
    }

    fn revision_of(&self, kind: ResourceKind, id: &str) -> Option<Revision> {
        self.resource(&ResourceId::new(kind, id)).map(|(revision, _)| revision)
    }
}

/// A distribution with everything that it refers to in place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own, not a state")]
pub struct LinkedDistribution {
    /// Its id, as the API shows it.
    pub id: Arc<str>,
    /// The newest revision among it and everything that it refers to.
    pub revision: Revision,
    /// The name that it was given.
    pub domain_name: crate::HostName,
    /// Whether it serves at all.
    pub enabled: bool,
    /// Whether viewers may speak HTTP/2.
    pub http2: bool,
    /// Whether viewers may speak HTTP/3.
    pub http3: bool,
    /// The oldest TLS that viewers may speak.
    pub minimum_protocol_version: MinimumProtocolVersion,
    /// The certificate of the names that its owner added; none where it has only the name it was given.
    pub certificate: Option<Arc<LinkedCertificate>>,
    /// From which countries it is served, if not from everywhere.
    pub geo_restriction: Option<Arc<GeoRestriction>>,
    /// In order of precedence.
    pub cache_behaviors: Vec<LinkedCacheBehavior>,
    /// What happens to every path that no pattern took.
    pub default_cache_behavior: LinkedCacheBehavior,
    /// The path that a request for `/` is for, if not for `/` itself.
    pub default_root_object: Option<String>,
    /// The pages that take the place of errors.
    pub error_pages: ErrorPages,
    /// How many bytes the body of a request may have, if not as many as it likes.
    pub max_body_bytes: Option<u64>,
    /// Whether connections to origins begin with the PROXY protocol's header, which names the viewer.
    pub sends_proxy_protocol: bool,
}

impl LinkedDistribution {
    /// Every cache behavior, the default one at the end.
    pub fn all_cache_behaviors(&self) -> impl Iterator<Item = &LinkedCacheBehavior> {
        self.cache_behaviors.iter().chain(std::iter::once(&self.default_cache_behavior))
    }

    /// Whether any of its cache behaviors wants fingerprints of viewers' TLS.
    fn wants_fingerprints(&self) -> bool {
        self.all_cache_behaviors()
            .any(|behavior| behavior.cloudfront_headers.intersects(CloudFrontHeaders::OF_FINGERPRINTS))
    }
}

/// A cache behavior with everything that it refers to in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedCacheBehavior {
    /// Which paths; none on the default cache behavior alone.
    pub path_pattern: Option<PathPattern>,
    /// Where its requests go; all of them begin here.
    pub origin: Arc<Origin>,
    /// Where they go after it has failed, if it is of an origin group.
    pub failover: Option<Arc<LinkedFailover>>,
    /// What happens to HTTP.
    pub viewer_protocol_policy: ViewerProtocolPolicy,
    /// Which methods are served.
    pub allowed_methods: MethodSet,
    /// Whether OPTIONS is among the cached methods.
    pub caches_options: bool,
    /// What decides on caching.
    pub cache_policy: Arc<CachePolicy>,
    /// What else the origin gets.
    pub origin_request_policy: Option<Arc<OriginRequestPolicy>>,
    /// Which headers that the edge makes either policy asks for.
    pub cloudfront_headers: CloudFrontHeaders,
    /// What the viewer gets beside what the origin answers.
    pub response_headers_policy: Option<Arc<ResponseHeadersPolicy>>,
    /// How gRPC goes to the origin, if as such at all.
    pub grpc: Option<GrpcTransport>,
}

/// What an origin group adds to its primary origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedFailover {
    /// The secondary origin.
    pub origin: Arc<Origin>,
    /// The status codes with which the primary one fails.
    pub status_codes: Vec<u16>,
    /// The methods with which it may be asked after the primary one.
    pub methods: MethodSet,
}
