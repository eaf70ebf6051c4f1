//! An edge with a configuration of its own.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use edge::{
    AccessLogFormat, AccessLogSettings, AccessLogTarget, Edge, EdgeSettings, GeoDatabase, NameServers,
    OriginAccess, OriginRoots, ViewerLimits, ViewerTls, certified_key,
};
use edge_config::{
    Bundle, CacheBehavior, CachePolicy, CachePolicySource, Change, Distribution, ErrorPages, HeaderSelection,
    HostName, IpAddressType, MethodSet, MinimumProtocolVersion, NameSelection, Origin, OriginAddress,
    OriginProtocolPolicy, OriginRequestPolicy, OriginRequestPolicySource, ResourceId, ResourceKind, Revision,
    Snapshot, ViewerProtocolPolicy, link,
};
use tokio::sync::watch;

use crate::{TestCertificates, until};

const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const ALL_VIEWER: &str = "216adef6-5c7f-47e4-b989-5492eafa07d3";

/// A running edge, HTTP and HTTPS, with a certificate for `api.test` and `two.test`.
pub struct TestEdge {
    edge: Option<Edge>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    /// Where HTTP is spoken.
    pub http: SocketAddr,
    /// Where HTTPS is spoken.
    pub https: SocketAddr,
    /// Its certificate, and the authority behind it.
    pub certificates: TestCertificates,
}

impl TestEdge {
    /// An edge with one distribution, `api.test`, whose default cache behavior forwards everything to
    /// the origin.
    pub async fn in_front_of(origin: SocketAddr) -> Self {
        Self::with([distribution("api.test", http_origin(origin))]).await
    }

    /// An edge with these distributions.
    pub async fn with(distributions: impl IntoIterator<Item = Distribution>) -> Self {
        Self::start(distributions, |_| {}).await
    }

    /// An edge that writes its access log as JSON.
    pub async fn logging_to(file: &Path, distribution: Distribution) -> Self {
        Self::start([distribution], |settings| {
            settings.access_log.target = AccessLogTarget::File(file.to_owned());
            settings.access_log.format = AccessLogFormat::Json;
        })
        .await
    }

    /// An edge with these distributions and settings of its own.
    pub async fn start(
        distributions: impl IntoIterator<Item = Distribution>,
        change: impl FnOnce(&mut EdgeSettings),
    ) -> Self {
        let certificates = TestCertificates::for_names(&["api.test", "two.test"]);
        let key =
            certified_key(certificates.certificate_pem.as_bytes(), certificates.key_pem.as_bytes()).unwrap();
        let snapshots = watch::Sender::new(Arc::new(Snapshot::default()));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut settings = EdgeSettings {
            http: vec![any.into()],
            https: vec![any.into()],
            http3: false,
            tls: Some(ViewerTls::new(key).unwrap()),
            threads: NonZeroUsize::MIN,
            origin_access: OriginAccess { allow_private: true, ..OriginAccess::default() },
            name_servers: NameServers::default(),
            origin_roots: OriginRoots::only(certificates.authority_pem.as_bytes()).unwrap(),
            access_log: AccessLogSettings {
                target: AccessLogTarget::None,
                format: AccessLogFormat::W3c,
                include_cookies: false,
            },
            geo_database: GeoDatabase::default(),
            accept_unenforced: false,
            via_id: "0123456789abcdef".to_owned(),
            pop: "TST50-P1".to_owned(),
            viewer_limits: ViewerLimits::default(),
            trusted_proxies: Vec::new(),
        };
        change(&mut settings);
        let edge = Edge::start(settings, snapshots.subscribe()).unwrap();
        let (http, https) = (edge.http_addresses()[0], edge.https_addresses()[0]);
        let test_edge = Self { edge: Some(edge), snapshots, http, https, certificates };
        test_edge.apply(distributions).await;
        test_edge
    }

    /// The edge itself.
    pub fn edge(&self) -> &Edge {
        self.edge.as_ref().expect("the edge runs until it is taken")
    }

    /// Takes the edge out, to drain it.
    pub fn take(&mut self) -> Edge {
        self.edge.take().expect("the edge is taken once")
    }

    /// Changes distributions, and returns when every thread has applied it. A distribution's id is its
    /// domain name's first label.
    pub async fn apply(&self, distributions: impl IntoIterator<Item = Distribution>) {
        self.apply_bundles(bundles(distributions)).await;
    }

    /// Changes any resources, and returns when every thread has applied it.
    pub async fn apply_bundles(&self, bundles: impl IntoIterator<Item = (ResourceId, Bundle)>) {
        let next = next_snapshot(&self.snapshot(), bundles);
        let revision = next.revision();
        self.snapshots.send_replace(next);
        let applied = self.edge().applied();
        until("the edge applying a revision", move || *applied.borrow() >= revision).await;
    }

    /// What it serves from.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }
}

/// What an edge with these distributions serves from.
pub fn snapshot_of(distributions: impl IntoIterator<Item = Distribution>) -> Arc<Snapshot> {
    next_snapshot(&Snapshot::default(), bundles(distributions))
}

fn next_snapshot(
    previous: &Snapshot,
    bundles: impl IntoIterator<Item = (ResourceId, Bundle)>,
) -> Arc<Snapshot> {
    let revision = Revision(previous.revision().0 + 1);
    let change = |(resource, bundle)| Change { resource, revision, bundle: Some(Arc::new(bundle)) };
    let changes: Vec<Change> = bundles.into_iter().map(change).collect();
    let linked = link(previous, revision, &changes);
    assert_eq!(linked.rejected, [], "a bundle does not link");
    Arc::new(linked.snapshot)
}

/// These distributions, and the policies that they use.
fn bundles(distributions: impl IntoIterator<Item = Distribution>) -> Vec<(ResourceId, Bundle)> {
    let mut bundles = policies();
    bundles.extend(distributions.into_iter().map(|distribution| {
        let id = distribution.domain_name.as_str().split('.').next().unwrap_or_default().to_uppercase();
        (ResourceId::new(ResourceKind::Distribution, &id), Bundle::Distribution(distribution))
    }));
    bundles
}

fn policies() -> Vec<(ResourceId, Bundle)> {
    let all_viewer = OriginRequestPolicy {
        headers: HeaderSelection::AllViewer,
        cookies: NameSelection::All,
        query_strings: NameSelection::All,
    };
    vec![
        (
            ResourceId::new(ResourceKind::CachePolicy, CACHING_DISABLED),
            Bundle::CachePolicy(CachePolicy::default()),
        ),
        (
            ResourceId::new(ResourceKind::OriginRequestPolicy, ALL_VIEWER),
            Bundle::OriginRequestPolicy(all_viewer),
        ),
    ]
}

/// A distribution with one origin and one cache behavior, the default one: everything is forwarded.
pub fn distribution(domain_name: &str, origin: Origin) -> Distribution {
    Distribution {
        domain_name: HostName::parse(domain_name).unwrap(),
        aliases: Vec::new(),
        enabled: true,
        http2: true,
        http3: false,
        minimum_protocol_version: MinimumProtocolVersion::Tls12,
        certificate: None,
        geo_restriction: None,
        origin_groups: Vec::new(),
        cache_behaviors: vec![all_viewer_cache_behavior(&origin)],
        origins: vec![origin],
        default_root_object: None,
        error_pages: ErrorPages::default(),
        max_body_bytes: None,
        sends_proxy_protocol: false,
    }
}

/// A default cache behavior with CachingDisabled and AllViewer.
pub fn all_viewer_cache_behavior(origin: &Origin) -> CacheBehavior {
    CacheBehavior {
        path_pattern: None,
        target_origin_id: origin.id.clone(),
        viewer_protocol_policy: ViewerProtocolPolicy::AllowAll,
        allowed_methods: MethodSet::ALL,
        caches_options: false,
        cache_policy: CachePolicySource::Id(CACHING_DISABLED.to_owned()),
        origin_request_policy: Some(OriginRequestPolicySource::Id(ALL_VIEWER.to_owned())),
        response_headers_policy: None,
        grpc: None,
    }
}

/// An origin over HTTP with short patience.
pub fn http_origin(address: SocketAddr) -> Origin {
    Origin {
        id: "origin".to_owned(),
        address: OriginAddress::Ip(address.ip()),
        ip_address_type: IpAddressType::Ipv4,
        http_port: address.port(),
        https_port: address.port(),
        protocol_policy: OriginProtocolPolicy::HttpOnly,
        path: String::new(),
        custom_headers: Vec::new(),
        connection_attempts: 2,
        connection_timeout_seconds: 2,
        read_timeout_seconds: 10,
        keepalive_timeout_seconds: 5,
        response_completion_timeout_seconds: None,
    }
}
