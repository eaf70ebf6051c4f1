//! From bundles to a snapshot, at the cost of what changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::snapshot::Resource;
use crate::{
    AliasName, Bundle, CacheBehavior, CachePolicy, CachePolicySource, CloudFrontHeaders, Distribution,
    HeaderSelection, LinkedCacheBehavior, LinkedCertificate, LinkedDistribution, LinkedFailover, Method,
    Origin, OriginGroup, OriginRequestPolicy, OriginRequestPolicySource, ResourceId, ResourceKind, Revision,
    Snapshot,
};

/// One resource that is now different.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which.
    pub resource: ResourceId,
    /// Since when.
    pub revision: Revision,
    /// What it is now; nothing when it was deleted.
    pub bundle: Option<Arc<Bundle>>,
}

/// The next snapshot, and what could not be taken into it.
#[derive(Debug)]
pub struct Linked {
    /// The next snapshot. Whatever was rejected is in it as it was before.
    pub snapshot: Snapshot,
    /// Each rejected change, with the reason.
    pub rejected: Vec<Rejected>,
}

/// A change that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Whose.
    pub resource: ResourceId,
    /// Of which revision.
    pub revision: Revision,
    /// Why.
    pub reason: LinkError,
}

/// Why a bundle does not link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The bundle is of another kind than its key says.
    #[error("a {found} was stored where a {expected} belongs")]
    WrongKind {
        /// What the key says.
        expected: &'static str,
        /// What was there.
        found: &'static str,
    },
    /// It refers to something that is not there.
    #[error("it refers to {0}, which does not exist")]
    UnknownReference(ResourceId),
    /// It names an origin that it does not have.
    #[error("a cache behavior targets the origin {0:?}, which the distribution does not have")]
    UnknownOrigin(String),
    /// It has no default cache behavior, or one before the end.
    #[error("only the last cache behavior, the default one, is without a path pattern")]
    MisplacedDefaultCacheBehavior,
    /// Another distribution has the name.
    #[error("the name {name} belongs to the distribution {owner}")]
    NameTaken {
        /// The name.
        name: AliasName,
        /// Whose it is.
        owner: Arc<str>,
    },
    /// It was deleted while others refer to it.
    #[error("the distribution {0} still refers to it")]
    StillReferredTo(Arc<str>),
}

/// Takes changes into a snapshot, which becomes the one of `revision`.
///
/// Changes may come in any order and twice; an older revision never replaces a newer one. A change
/// that does not link is rejected alone and leaves that resource as it was.
pub fn link(previous: &Snapshot, revision: Revision, changes: &[Change]) -> Linked {
    let mut linking = Linking { next: previous.clone(), rejected: Vec::new(), relink: BTreeSet::new() };
    linking.next.revision = revision.max(previous.revision);

    let newer: Vec<&Change> = newest_of_each(changes).filter(|change| linking.is_newer(change)).collect();
    let (distributions, others): (Vec<&Change>, Vec<&Change>) =
        newer.into_iter().partition(|change| change.resource.kind == ResourceKind::Distribution);
    let (deletions, writes): (Vec<&Change>, Vec<&Change>) =
        others.into_iter().partition(|change| change.bundle.is_none());

    for change in writes {
        linking.write_referred(change);
    }
    linking.change_distributions(&distributions);
    for change in deletions {
        linking.delete_referred(change);
    }
    linking.relink_referrers();
    Linked { snapshot: linking.next, rejected: linking.rejected }
}

/// The newest change of every resource, in the order of the resources.
fn newest_of_each(changes: &[Change]) -> impl Iterator<Item = &Change> {
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by(|left, right| (&left.resource, right.revision).cmp(&(&right.resource, left.revision)));
    sorted.dedup_by(|later, earlier| later.resource == earlier.resource);
    sorted.into_iter()
}

struct Linking {
    next: Snapshot,
    rejected: Vec<Rejected>,
    /// Distributions that refer to something that changed.
    relink: BTreeSet<Arc<str>>,
}

impl Linking {
    fn is_newer(&self, change: &Change) -> bool {
        self.next.resources.get(&change.resource).is_none_or(|known| known.revision < change.revision)
    }

    fn reject(&mut self, change: &Change, reason: LinkError) {
        self.rejected.push(Rejected { resource: change.resource.clone(), revision: change.revision, reason });
    }

    /// Writes what distributions refer to.
    fn write_referred(&mut self, change: &Change) {
        let Some(bundle) = &change.bundle else { return };
        if let Err(reason) = check_kind(&change.resource, bundle) {
            return self.reject(change, reason);
        }
        self.next.insert_referred(&change.resource.id, change.revision, bundle);
        let resource = Resource { revision: change.revision, bundle: Arc::clone(bundle) };
        self.next.resources.insert(change.resource.clone(), resource);
        self.relink.extend(self.next.referrers.get(&change.resource).into_iter().flatten().cloned());
    }

    fn delete_referred(&mut self, change: &Change) {
        let referrer =
            self.next.referrers.get(&change.resource).and_then(|referrers| referrers.get_min()).cloned();
        if let Some(referrer) = referrer {
            return self.reject(change, LinkError::StillReferredTo(referrer));
        }
        self.next.resources.remove(&change.resource);
        self.next.remove_referred(&change.resource);
    }

    /// Names are given up before they are taken, so that an alias can move between two
    /// distributions in one set of changes; who is rejected afterwards takes its own back.
    fn change_distributions(&mut self, changes: &[&Change]) {
        let before = self.next.clone();
        for change in changes {
            self.remove_distribution(&change.resource);
        }
        let mut refused = Vec::new();
        for change in changes {
            let Some(bundle) = &change.bundle else { continue };
            if let Err(reason) = self.add_distribution(&change.resource, change.revision, bundle) {
                refused.push((*change, reason));
            }
        }
        for (change, reason) in refused {
            self.restore_distribution(&before, &change.resource);
            self.reject(change, reason);
        }
    }

    fn restore_distribution(&mut self, before: &Snapshot, resource: &ResourceId) {
        let Some(known) = before.resources.get(resource) else { return };
        // Fails only if another one took its name meanwhile: then it is gone until its owner
        // changes it, and the rejection says so.
        let _restored = self.add_distribution(resource, known.revision, &known.bundle);
    }

    fn remove_distribution(&mut self, resource: &ResourceId) {
        let Some(known) = self.next.resources.remove(resource) else { return };
        self.next.remove_distribution(&resource.id);
        let Bundle::Distribution(distribution) = &*known.bundle else { return };
        for name in distribution.names() {
            self.next.names.remove(&name);
        }
        for reference in known.bundle.references() {
            self.forget_referrer(&reference, &resource.id);
        }
    }

    fn forget_referrer(&mut self, reference: &ResourceId, id: &Arc<str>) {
        let Some(referrers) = self.next.referrers.get_mut(reference) else { return };
        referrers.remove(id);
        if referrers.is_empty() {
            self.next.referrers.remove(reference);
        }
    }

    fn add_distribution(
        &mut self,
        resource: &ResourceId,
        revision: Revision,
        bundle: &Arc<Bundle>,
    ) -> Result<(), LinkError> {
        check_kind(resource, bundle)?;
        let Bundle::Distribution(distribution) = &**bundle else { return Ok(()) };
        let linked = link_distribution(&self.next, &resource.id, revision, distribution)?;
        for name in distribution.names() {
            if let Some(owner) = self.next.names.get(&name) {
                return Err(LinkError::NameTaken { name, owner: Arc::clone(&owner.id) });
            }
        }
        for reference in bundle.references() {
            self.next.referrers.entry(reference).or_default().insert(Arc::clone(&resource.id));
        }
        self.next.resources.insert(resource.clone(), Resource { revision, bundle: Arc::clone(bundle) });
        self.next.insert_distribution(distribution.names(), linked);
        Ok(())
    }

    fn relink_referrers(&mut self) {
        for id in std::mem::take(&mut self.relink) {
            let resource = ResourceId { kind: ResourceKind::Distribution, id: Arc::clone(&id) };
            let Some(known) = self.next.resources.get(&resource).cloned() else { continue };
            let Bundle::Distribution(distribution) = &*known.bundle else { continue };
            if let Ok(linked) = link_distribution(&self.next, &id, known.revision, distribution) {
                self.next.insert_distribution(distribution.names(), linked);
            }
        }
    }
}

fn check_kind(resource: &ResourceId, bundle: &Bundle) -> Result<(), LinkError> {
    let (expected, found) = (resource.kind, bundle.kind());
    if expected == found {
        return Ok(());
    }
    Err(LinkError::WrongKind { expected: expected.as_str(), found: found.as_str() })
}

fn link_distribution(
    snapshot: &Snapshot,
    id: &Arc<str>,
    revision: Revision,
    distribution: &Distribution,
) -> Result<LinkedDistribution, LinkError> {
    let mut newest = revision;
    let certificate =
        distribution.certificate.as_ref().map(|id| link_certificate(snapshot, id)).transpose()?;
    if let Some(certificate) = &certificate {
        newest = newest.max(certificate.revision);
    }
    let targets = Targets {
        origins: distribution.origins.iter().cloned().map(Arc::new).collect(),
        groups: &distribution.origin_groups,
    };
    let mut cache_behaviors = distribution
        .cache_behaviors
        .iter()
        .map(|cache_behavior| link_cache_behavior(snapshot, &targets, cache_behavior, &mut newest))
        .collect::<Result<Vec<_>, _>>()?;
    let default_cache_behavior = cache_behaviors
        .pop()
        .filter(|last| {
            last.path_pattern.is_none() && cache_behaviors.iter().all(|other| other.path_pattern.is_some())
        })
        .ok_or(LinkError::MisplacedDefaultCacheBehavior)?;
    Ok(LinkedDistribution {
        id: Arc::clone(id),
        revision: newest,
        domain_name: distribution.domain_name.clone(),
        enabled: distribution.enabled,
        http2: distribution.http2,
        http3: distribution.http3,
        minimum_protocol_version: distribution.minimum_protocol_version,
        certificate,
        geo_restriction: distribution.geo_restriction.clone().map(Arc::new),
        cache_behaviors,
        default_cache_behavior,
        default_root_object: distribution.default_root_object.clone(),
        error_pages: distribution.error_pages.clone(),
        max_body_bytes: distribution.max_body_bytes,
        sends_proxy_protocol: distribution.sends_proxy_protocol,
    })
}

fn link_certificate(snapshot: &Snapshot, id: &str) -> Result<Arc<LinkedCertificate>, LinkError> {
    snapshot.certificate(id).cloned().ok_or_else(|| unknown(ResourceKind::Certificate, id))
}

/// What cache behaviors of a distribution can target.
struct Targets<'a> {
    origins: Vec<Arc<Origin>>,
    groups: &'a [OriginGroup],
}

impl Targets<'_> {
    /// The origin at which requests begin, and what is asked after it.
    fn of(
        &self,
        cache_behavior: &CacheBehavior,
    ) -> Result<(Arc<Origin>, Option<Arc<LinkedFailover>>), LinkError> {
        let id = &cache_behavior.target_origin_id;
        let Some(group) = self.groups.iter().find(|group| group.id == *id) else {
            return Ok((self.origin(id)?, None));
        };
        // "CloudFront will not failover if OPTIONS are not set as a Cached HTTP methods" ("Optimize
        // high availability with CloudFront origin failover").
        let options = cache_behavior.caches_options.then_some(Method::Options);
        let failover = LinkedFailover {
            origin: self.origin(&group.secondary_origin_id)?,
            status_codes: group.failover_status_codes.clone(),
            methods: [Method::Get, Method::Head].into_iter().chain(options).collect(),
        };
        Ok((self.origin(&group.primary_origin_id)?, Some(Arc::new(failover))))
    }

    fn origin(&self, id: &str) -> Result<Arc<Origin>, LinkError> {
        let origin = self.origins.iter().find(|origin| origin.id == id);
        origin.cloned().ok_or_else(|| LinkError::UnknownOrigin(id.to_owned()))
    }
}

fn link_cache_behavior(
    snapshot: &Snapshot,
    targets: &Targets<'_>,
    cache_behavior: &CacheBehavior,
    newest: &mut Revision,
) -> Result<LinkedCacheBehavior, LinkError> {
    let (origin, failover) = targets.of(cache_behavior)?;
    let mut newer = |revision: Revision| *newest = revision.max(*newest);
    let cache_policy = match &cache_behavior.cache_policy {
        CachePolicySource::Inline(policy) => Arc::new(policy.clone()),
        CachePolicySource::Id(id) => {
            let (revision, policy) =
                snapshot.cache_policy(id).ok_or_else(|| unknown(ResourceKind::CachePolicy, id))?;
            newer(revision);
            policy
        }
    };
    let origin_request_policy = match &cache_behavior.origin_request_policy {
        None => None,
        Some(OriginRequestPolicySource::Inline(policy)) => Some(Arc::new(policy.clone())),
        Some(OriginRequestPolicySource::Id(id)) => {
            let (revision, policy) = snapshot
                .origin_request_policy(id)
                .ok_or_else(|| unknown(ResourceKind::OriginRequestPolicy, id))?;
            newer(revision);
            Some(policy)
        }
    };
    let response_headers_policy = match &cache_behavior.response_headers_policy {
        None => None,
        Some(id) => {
            let (revision, policy) = snapshot
                .response_headers_policy(id)
                .ok_or_else(|| unknown(ResourceKind::ResponseHeadersPolicy, id))?;
            newer(revision);
            Some(policy)
        }
    };
    Ok(LinkedCacheBehavior {
        path_pattern: cache_behavior.path_pattern.clone(),
        origin,
        failover,
        viewer_protocol_policy: cache_behavior.viewer_protocol_policy,
        allowed_methods: cache_behavior.allowed_methods,
        caches_options: cache_behavior.caches_options,
        cloudfront_headers: cloudfront_headers(&cache_policy, origin_request_policy.as_deref()),
        cache_policy,
        origin_request_policy,
        response_headers_policy,
        grpc: cache_behavior.grpc,
    })
}

/// The headers for edges to make that either policy names.
fn cloudfront_headers(
    cache_policy: &CachePolicy,
    origin_request_policy: Option<&OriginRequestPolicy>,
) -> CloudFrontHeaders {
    let by_origin_request_policy = match origin_request_policy.map(|policy| &policy.headers) {
        Some(HeaderSelection::Only(names) | HeaderSelection::AllViewerAndCloudFront(names)) => {
            names.as_slice()
        }
        _ => &[],
    };
    CloudFrontHeaders::named(cache_policy.headers.iter().chain(by_origin_request_policy).map(String::as_str))
}

fn unknown(kind: ResourceKind, id: &str) -> LinkError {
    LinkError::UnknownReference(ResourceId::new(kind, id))
}

#[cfg(test)]
mod tests;
