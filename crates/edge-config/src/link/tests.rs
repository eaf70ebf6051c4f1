use super::*;
use crate::{
    CachePolicy, Certificate, ErrorPage, ErrorPageAudience, ErrorPages, HostName, IpAddressType, MethodSet,
    MinimumProtocolVersion, OriginAddress, OriginProtocolPolicy, OriginRequestPolicy, ResponseHeadersPolicy,
    SealedPrivateKey, ViewerProtocolPolicy,
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
    Change { resource: ResourceId::new(kind, id), revision: Revision(revision), bundle: bundle.map(Arc::new) }
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
    let changes = [distribution("e1", 2, "a.test"), policy("policy", 1, 0), distribution("e1", 2, "a.test")];
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
    assert_eq!(of(&before, "e1").default_cache_behavior.cache_policy.min_ttl_seconds, 0, "the past stays");
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
        let policy = ResponseHeadersPolicy { removed_headers: vec![removed.into()], ..Default::default() };
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
    let kept = check_rejected(&before, std::slice::from_ref(&gone), &LinkError::StillReferredTo("e1".into()));
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
