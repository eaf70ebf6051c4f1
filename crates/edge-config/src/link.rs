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
mod tests {
    use super::*;
    use crate::{
        CachePolicy, Certificate, ErrorPage, ErrorPageAudience, ErrorPages, HostName, IpAddressType,
        MethodSet, MinimumProtocolVersion, OriginAddress, OriginProtocolPolicy, OriginRequestPolicy,
        ResponseHeadersPolicy, SealedPrivateKey, ViewerProtocolPolicy,
    };

    fn policy(id: &str, revision: u64, min_ttl_seconds: u64) -> Change {
        let bundle = Bundle::CachePolicy(CachePolicy { min_ttl_seconds, ..CachePolicy::default() });
        change(ResourceKind::CachePolicy, id, revision, Some(bundle))
    }

    fn distribution(id: &str, revision: u64, alias: &str) -> Change {
        change(ResourceKind::Distribution, id, revision, Some(Bundle::Distribution(described(id, alias))))
    }

    fn deleted(kind: ResourceKind, id: &str, revision: u64) -> Change {
        change(kind, id, revision, None)
    }

    fn change(kind: ResourceKind, id: &str, revision: u64, bundle: Option<Bundle>) -> Change {
        Change {
            resource: ResourceId::new(kind, id),
            revision: Revision(revision),
            bundle: bundle.map(Arc::new),
        }
    }

    fn described(id: &str, alias: &str) -> Distribution {
        Distribution {
            domain_name: HostName::parse(&format!("{id}.test")).unwrap(),
            aliases: vec![AliasName::parse(alias).unwrap()],
            enabled: true,
            http2: true,
            http3: false,
            minimum_protocol_version: MinimumProtocolVersion::Tls12,
            certificate: None,
            geo_restriction: None,
            origins: vec![Origin {
                id: "api".into(),
                address: OriginAddress::Name(HostName::parse("origin.test").unwrap()),
                ip_address_type: IpAddressType::Ipv4,
                http_port: 3500,
                https_port: 443,
                protocol_policy: OriginProtocolPolicy::HttpOnly,
                path: String::new(),
                custom_headers: Vec::new(),
                connection_attempts: 3,
                connection_timeout_seconds: 10,
                read_timeout_seconds: 30,
                keepalive_timeout_seconds: 5,
                response_completion_timeout_seconds: None,
            }],
            origin_groups: Vec::new(),
            cache_behaviors: vec![CacheBehavior {
                path_pattern: None,
                target_origin_id: "api".into(),
                viewer_protocol_policy: ViewerProtocolPolicy::AllowAll,
                allowed_methods: MethodSet::ALL,
                caches_options: false,
                cache_policy: CachePolicySource::Id("policy".into()),
                origin_request_policy: None,
                response_headers_policy: None,
                grpc: None,
            }],
            default_root_object: None,
            error_pages: ErrorPages::default(),
            max_body_bytes: None,
            sends_proxy_protocol: false,
        }
    }

    fn with_group(primary: &str, secondary: &str) -> Distribution {
        let mut described = described("e1", "a.test");
        described.origins.push(Origin { id: "second".into(), ..described.origins[0].clone() });
        described.origin_groups.push(OriginGroup {
            id: "group".into(),
            primary_origin_id: primary.into(),
            secondary_origin_id: secondary.into(),
            failover_status_codes: vec![500, 503],
        });
        described.cache_behaviors[0].target_origin_id = "group".into();
        described
    }

    fn linked_failover(described: Distribution) -> (Arc<Origin>, Arc<LinkedFailover>) {
        let change = change(ResourceKind::Distribution, "e1", 2, Some(Bundle::Distribution(described)));
        let snapshot = linked(&Snapshot::default(), &[policy("policy", 1, 0), change]);
        let behavior = &snapshot.distribution("e1").unwrap().default_cache_behavior;
        (Arc::clone(&behavior.origin), Arc::clone(behavior.failover.as_ref().unwrap()))
    }

    #[test]
    fn a_group_begins_at_its_primary_and_fails_over_to_its_secondary() {
        let (first, failover) = linked_failover(with_group("second", "api"));
        assert_eq!((first.id.as_str(), failover.origin.id.as_str()), ("second", "api"));
        assert_eq!(failover.status_codes, [500, 503]);
        let single = linked(&Snapshot::default(), &[policy("policy", 1, 0), distribution("e1", 2, "a.test")]);
        assert_eq!(single.distribution("e1").unwrap().default_cache_behavior.failover, None);
    }

    #[test]
    fn options_fails_over_only_where_it_is_cached() {
        let mut caching = with_group("api", "second");
        caching.cache_behaviors[0].caches_options = true;
        for (described, expect) in [(with_group("api", "second"), false), (caching, true)] {
            let (_, failover) = linked_failover(described);
            assert!(failover.methods.contains(Method::Get) && failover.methods.contains(Method::Head));
            assert_eq!(failover.methods.contains(Method::Options), expect);
            assert!(!failover.methods.contains(Method::Post));
        }
    }

    #[test]
    fn a_group_of_an_origin_that_is_not_there_does_not_link() {
        let described = with_group("api", "gone");
        let change = change(ResourceKind::Distribution, "e1", 2, Some(Bundle::Distribution(described)));
        let changes = [policy("policy", 1, 0), change];
        check_rejected(&Snapshot::default(), &changes, &LinkError::UnknownOrigin("gone".into()));
    }

    #[test]
    fn an_edge_that_cannot_fail_over_or_choose_addresses_is_not_given_the_task() {
        let encoded =
            |described: Distribution| String::from_utf8(Bundle::Distribution(described).encode()).unwrap();
        let plain = encoded(described("e1", "a.test"));
        assert!(!plain.contains("origin-group") && !plain.contains("ip_address_type"), "{plain}");
        assert!(encoded(with_group("api", "second")).contains(r#""origin-group/1""#));
        let mut dualstack = described("e1", "a.test");
        dualstack.origins[0].ip_address_type = IpAddressType::Dualstack;
        assert!(encoded(dualstack).contains(r#""origin-ip-address-type/1""#));
    }

    fn linked(previous: &Snapshot, changes: &[Change]) -> Snapshot {
        let revision = changes.iter().map(|change| change.revision).max().unwrap();
        let linked = link(previous, revision, changes);
        assert_eq!(linked.rejected, []);
        linked.snapshot
    }

    fn check_rejected(previous: &Snapshot, changes: &[Change], expect: &LinkError) -> Snapshot {
        let revision = changes.iter().map(|change| change.revision).max().unwrap();
        let linked = link(previous, revision, changes);
        assert_eq!(linked.rejected.iter().map(|rejected| &rejected.reason).collect::<Vec<_>>(), [expect]);
        linked.snapshot
    }

    fn owner<'s>(snapshot: &'s Snapshot, host: &str) -> Option<&'s str> {
        snapshot.distribution_by_host(host).map(|distribution| &*distribution.id)
    }

    #[test]
    fn a_distribution_answers_to_all_its_names_and_the_more_specific_one_wins() {
        let changes = [
            policy("policy", 1, 0),
            distribution("e1", 2, "*.example.test"),
            distribution("e2", 3, "a.example.test"),
        ];
        let snapshot = linked(&Snapshot::default(), &changes);
        assert_eq!(owner(&snapshot, "e1.test"), Some("e1"));
        assert_eq!(owner(&snapshot, "a.example.test"), Some("e2"));
        assert_eq!(owner(&snapshot, "b.example.test"), Some("e1"));
        assert_eq!(owner(&snapshot, "example.test"), None);
        assert_eq!(snapshot.revision(), Revision(3));
    }

    #[test]
    fn fingerprints_are_wanted_as_long_as_a_distribution_wants_them() {
        let asking = |revision, headers: &[&str]| {
            let headers = headers.iter().copied().map(String::from).collect();
            let policy = CachePolicy { headers, ..CachePolicy::default() };
            change(ResourceKind::CachePolicy, "policy", revision, Some(Bundle::CachePolicy(policy)))
        };
        let wanting = asking(1, &["CloudFront-Viewer-JA4-Fingerprint"]);
        let policy_alone = linked(&Snapshot::default(), std::slice::from_ref(&wanting));
        assert!(!policy_alone.wants_fingerprints());
        let both = linked(&policy_alone, &[distribution("e1", 2, "a.test"), distribution("e2", 3, "b.test")]);
        assert!(both.wants_fingerprints());
        let changed = linked(&both, &[distribution("e1", 4, "c.test")]);
        let deleted = |id, revision| change(ResourceKind::Distribution, id, revision, None);
        let one_left = linked(&changed, &[deleted("e1", 5)]);
        assert!(one_left.wants_fingerprints());
        assert!(!linked(&one_left, &[deleted("e2", 6)]).wants_fingerprints());
        assert!(!linked(&one_left, &[asking(7, &["CloudFront-Viewer-Country"])]).wants_fingerprints());
    }

    #[test]
    fn certificates_that_nothing_has_changed_are_known_to_be_the_same() {
        let before = linked(&Snapshot::default(), &[policy("policy", 1, 0), certificate(2, b"der")]);
        let after = linked(&before, &[distribution("e1", 3, "a.test")]);
        assert!(after.shares_certificates_with(&before));
        assert!(!linked(&before, &[certificate(4, b"other")]).shares_certificates_with(&before));
    }

    #[test]
    fn changes_link_in_any_order_and_twice() {
        let changes =
            [distribution("e1", 2, "a.test"), policy("policy", 1, 0), distribution("e1", 2, "a.test")];
        let snapshot = linked(&Snapshot::default(), &changes);
        assert_eq!(owner(&linked(&snapshot, &changes), "a.test"), Some("e1"));
    }

    #[test]
    fn an_older_revision_never_replaces_a_newer_one() {
        let snapshot = linked(&Snapshot::default(), &[policy("policy", 5, 5)]);
        let snapshot = linked(&snapshot, &[policy("policy", 4, 4)]);
        assert_eq!(snapshot.cache_policy("policy").unwrap().1.min_ttl_seconds, 5);
        assert_eq!(snapshot.revision(), Revision(5));
    }

    #[test]
    fn a_policy_reaches_the_distributions_that_refer_to_it_and_no_others() {
        let mut other = described("e2", "b.test");
        other.cache_behaviors[0].cache_policy = CachePolicySource::Id("other".into());
        let other = change(ResourceKind::Distribution, "e2", 2, Some(Bundle::Distribution(other)));
        let before = linked(
            &Snapshot::default(),
            &[policy("policy", 1, 0), policy("other", 1, 0), distribution("e1", 2, "a.test"), other],
        );
        let after = linked(&before, &[policy("policy", 3, 7)]);
        let of = |snapshot: &Snapshot, id| Arc::clone(snapshot.distribution(id).unwrap());
        assert_eq!(of(&after, "e1").default_cache_behavior.cache_policy.min_ttl_seconds, 7);
        assert_eq!(of(&after, "e1").revision, Revision(3));
        assert!(Arc::ptr_eq(&of(&before, "e2"), &of(&after, "e2")));
        assert_eq!(
            of(&before, "e1").default_cache_behavior.cache_policy.min_ttl_seconds,
            0,
            "the past stays"
        );
    }

    #[test]
    fn what_does_not_link_is_rejected_alone_and_stays_as_it_was() {
        let before = linked(&Snapshot::default(), &[policy("policy", 1, 0), distribution("e1", 2, "a.test")]);
        let mut broken = described("e1", "new.test");
        broken.cache_behaviors[0].target_origin_id = "gone".into();
        let broken = change(ResourceKind::Distribution, "e1", 3, Some(Bundle::Distribution(broken)));
        let error = LinkError::UnknownOrigin("gone".into());
        let after = check_rejected(&before, &[broken, distribution("e2", 3, "b.test")], &error);
        assert_eq!(owner(&after, "a.test"), Some("e1"));
        assert_eq!(owner(&after, "new.test"), None);
        assert_eq!(owner(&after, "b.test"), Some("e2"));
    }

    #[test]
    fn a_name_has_one_owner_and_can_move_in_one_step() {
        let before = linked(&Snapshot::default(), &[policy("policy", 1, 0), distribution("e1", 2, "a.test")]);
        let taken = LinkError::NameTaken { name: AliasName::parse("a.test").unwrap(), owner: "e1".into() };
        check_rejected(&before, &[distribution("e2", 3, "a.test")], &taken);
        let after = linked(&before, &[distribution("e1", 3, "b.test"), distribution("e2", 3, "a.test")]);
        assert_eq!((owner(&after, "a.test"), owner(&after, "b.test")), (Some("e2"), Some("e1")));
    }

    #[test]
    fn what_is_referred_to_cannot_go_but_may_go_with_who_refers_to_it() {
        let before = linked(&Snapshot::default(), &[policy("policy", 1, 0), distribution("e1", 2, "a.test")]);
        let gone = deleted(ResourceKind::CachePolicy, "policy", 3);
        check_rejected(&before, std::slice::from_ref(&gone), &LinkError::StillReferredTo("e1".into()));
        let after = linked(&before, &[gone, deleted(ResourceKind::Distribution, "e1", 3)]);
        assert_eq!(owner(&after, "a.test"), None);
        assert_eq!(after.resources().count(), 0);
        assert!(after.referrers.is_empty() && after.names.is_empty());
    }

    #[test]
    fn a_reference_must_exist_and_be_of_its_kind() {
        let unknown = LinkError::UnknownReference(ResourceId::new(ResourceKind::CachePolicy, "policy"));
        check_rejected(&Snapshot::default(), &[distribution("e1", 2, "a.test")], &unknown);
        let wrong = Bundle::OriginRequestPolicy(OriginRequestPolicy::default());
        let wrong = change(ResourceKind::CachePolicy, "policy", 1, Some(wrong));
        let error = LinkError::WrongKind { expected: "cache-policy", found: "origin-request-policy" };
        check_rejected(&Snapshot::default(), &[wrong], &error);
    }

    fn certificate(revision: u64, der: &[u8]) -> Change {
        let bundle = Bundle::Certificate(Certificate {
            chain: vec![der.into()],
            sealed_private_key: SealedPrivateKey::new(b"sealed"),
        });
        change(ResourceKind::Certificate, "certificate", revision, Some(bundle))
    }

    fn with_certificate(id: &str, revision: u64, alias: &str) -> Change {
        let described = Distribution { certificate: Some("certificate".into()), ..described(id, alias) };
        change(ResourceKind::Distribution, id, revision, Some(Bundle::Distribution(described)))
    }

    #[test]
    fn a_renewed_certificate_reaches_the_distributions_that_refer_to_it() {
        let before = linked(
            &Snapshot::default(),
            &[policy("policy", 1, 0), certificate(1, b"old"), with_certificate("e1", 2, "a.test")],
        );
        let after = linked(&before, &[certificate(3, b"new")]);
        let of = |snapshot: &Snapshot| Arc::clone(snapshot.distribution("e1").unwrap());
        assert_eq!(of(&after).certificate.as_ref().unwrap().certificate.chain[0].as_slice(), b"new");
        assert_eq!(of(&after).revision, Revision(3), "counts for Deployed");
        assert_eq!(of(&before).certificate.as_ref().unwrap().certificate.chain[0].as_slice(), b"old");
        assert_eq!(after.certificates().count(), 1);
    }

    #[test]
    fn a_response_headers_policy_reaches_its_users_and_needs_an_edge_that_enforces_it() {
        let with = |removed: &str, revision| {
            let policy =
                ResponseHeadersPolicy { removed_headers: vec![removed.into()], ..Default::default() };
            let bundle = Bundle::ResponseHeadersPolicy(policy);
            change(ResourceKind::ResponseHeadersPolicy, "headers", revision, Some(bundle))
        };
        let mut described = described("e1", "a.test");
        described.cache_behaviors[0].response_headers_policy = Some("headers".into());
        let bundle = Bundle::Distribution(described);
        let bytes = String::from_utf8(bundle.encode()).unwrap();
        assert!(bytes.contains("distribution-response-headers/1"), "{bytes}");
        let user = change(ResourceKind::Distribution, "e1", 2, Some(bundle));

        let alone = [policy("policy", 1, 0), user.clone()];
        let missing = ResourceId::new(ResourceKind::ResponseHeadersPolicy, "headers");
        check_rejected(&Snapshot::default(), &alone, &LinkError::UnknownReference(missing));

        let before = linked(&Snapshot::default(), &[policy("policy", 1, 0), with("Server", 1), user]);
        let after = linked(&before, &[with("Vary", 3)]);
        let found = after.distribution("e1").unwrap();
        let headers = found.default_cache_behavior.response_headers_policy.as_ref().unwrap();
        assert_eq!(
            (headers.removed_headers.as_slice(), found.revision),
            (["Vary".to_owned()].as_slice(), Revision(3))
        );
    }

    #[test]
    fn a_certificate_that_is_referred_to_stays() {
        let before = linked(
            &Snapshot::default(),
            &[policy("policy", 1, 0), certificate(1, b"der"), with_certificate("e1", 2, "a.test")],
        );
        let resource = ResourceId::new(ResourceKind::Certificate, "certificate");
        assert_eq!(before.referrers(&resource).collect::<Vec<_>>(), ["e1"]);
        let gone = deleted(ResourceKind::Certificate, "certificate", 3);
        let kept =
            check_rejected(&before, std::slice::from_ref(&gone), &LinkError::StillReferredTo("e1".into()));
        assert!(kept.certificate("certificate").is_some());
        let after = linked(&before, &[gone, deleted(ResourceKind::Distribution, "e1", 3)]);
        assert!(after.certificate("certificate").is_none());
    }

    #[test]
    fn a_certificate_survives_its_encoding_and_shows_no_key() {
        let bundle = certificate(1, b"\x30\x00").bundle.unwrap();
        assert_eq!(Bundle::decode(&bundle.encode()).unwrap(), *bundle);
        assert!(!format!("{bundle:?}").contains("115"), "the bytes of the sealed key");
        assert!(Bundle::decode(&with_certificate("e1", 2, "a.test").bundle.unwrap().encode()).is_ok());
    }

    #[test]
    fn bundles_survive_their_encoding() {
        let mut distribution = described("e1", "*.a.test");
        let policies = [
            None,
            Some(OriginRequestPolicySource::Id("policy".into())),
            Some(OriginRequestPolicySource::Inline(OriginRequestPolicy::default())),
        ];
        for policy in policies {
            distribution.cache_behaviors[0].origin_request_policy = policy;
            let bundle = Bundle::Distribution(distribution.clone());
            assert_eq!(Bundle::decode(&bundle.encode()).unwrap(), bundle);
        }
    }

    #[test]
    fn a_bundle_of_before_has_no_extensions_and_one_with_them_asks_for_edges_that_know_them() {
        let plain = Bundle::Distribution(described("e1", "a.test"));
        let bytes = String::from_utf8(plain.encode()).unwrap();
        assert!(
            !["error_pages", "max_body", "proxy_protocol"].iter().any(|name| bytes.contains(name)),
            "{bytes}"
        );
        assert_eq!(Bundle::decode(bytes.as_bytes()).unwrap(), plain);
        let page = ErrorPage { error_status: 404, path: "/404.html".into(), response_status: 200 };
        let extended = Bundle::Distribution(Distribution {
            default_root_object: Some("/index.html".into()),
            error_pages: ErrorPages { pages: vec![page], audience: ErrorPageAudience::Navigations },
            max_body_bytes: Some(5),
            sends_proxy_protocol: true,
            ..described("e1", "a.test")
        });
        let bytes = String::from_utf8(extended.encode()).unwrap();
        for capability in ["error-pages", "max-body", "proxy-protocol", "root-object"] {
            assert!(bytes.contains(&format!("distribution-{capability}/1")), "{bytes}");
        }
        assert_eq!(Bundle::decode(bytes.as_bytes()).unwrap(), extended);
    }

    #[test]
    fn a_bundle_that_needs_more_than_we_can_do_says_what() {
        let bytes = br#"{"capabilities":["cache-policy/1","teleport/1"],"bundle":{"Teleport":{}}}"#;
        let error = Bundle::decode(bytes).unwrap_err();
        assert!(matches!(error, crate::BundleError::MissingCapability(name) if name == "teleport/1"));
    }
}
