//! A control plane over a store in memory, with one edge that applies what it is told to.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use aws_api::ApiError;
use aws_api::cloudfront::{
    AllowedMethods, CreateDistributionRequest, CustomOriginConfig, DefaultCacheBehavior, Distribution,
    DistributionConfig, GetDistributionRequest, GetDistributionResult, Method, Origin, OriginProtocolPolicy,
    Origins, PublicKeyConfig, UpdateDistributionRequest, ViewerProtocolPolicy,
};
use bytes::Bytes;
use edge_config::{CloudFrontHeaders, HostName, Revision};
use feed::{Fleet, Following, follow};
use http::{Request, Response};
use store::{MemoryStore, Range, Store};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::authentication::Who;
use crate::control::Caller;
use crate::managed::{ALL_VIEWER_ID, CACHING_DISABLED_ID};
use crate::operations::distributions;
use crate::records::integrity_key;
use crate::{
    AuditTrail, Authentication, Control, ControlSettings, PrivateKeySealer, Quotas, Source, Transport,
    seed_managed_policies,
};

pub(crate) const ACCOUNT: &str = "000000000000";
pub(crate) const LOOPBACK: Transport =
    Transport { is_tls: false, is_loopback: true, source: Source::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)) };

/// Public keys, as openssl writes them.
pub(crate) const RSA_2048_KEY: &str = include_str!("../tests/keys/rsa-2048.pem");
pub(crate) const RSA_1024_KEY: &str = include_str!("../tests/keys/rsa-1024.pem");
pub(crate) const P256_KEY: &str = include_str!("../tests/keys/p256.pem");
pub(crate) const P384_KEY: &str = include_str!("../tests/keys/p384.pem");

pub(crate) struct TestControl {
    pub(crate) control: Control,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) caller: Caller,
    following: Following,
    applied: watch::Sender<Revision>,
}

impl TestControl {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut ControlSettings)) -> Self {
        Self::over(Arc::new(MemoryStore::new()), change).await
    }

    pub(crate) async fn over(store: Arc<dyn Store>, change: impl FnOnce(&mut ControlSettings)) -> Self {
        seed_managed_policies(&*store, ACCOUNT).await.unwrap();
        let following = follow(store.clone()).await.unwrap();
        let (applied, edge) = watch::channel(Revision(0));
        let fleet = Fleet::new();
        fleet.join("edge", edge, following.quarantine());
        let mut settings = settings();
        change(&mut settings);
        let control = Control::new(settings, store.clone(), following.snapshots(), fleet);
        let caller = Caller::new("http://api".to_owned(), Who::Anybody);
        Self { control, store, caller, following, applied }
    }

    /// The edge has every bundle that is committed by now.
    pub(crate) async fn apply(&self) {
        let bundles = self.store.range(Range::of_kind_prefix("bundle/")).await.unwrap().records;
        let integrity = self.store.get(&integrity_key(ACCOUNT)).await.unwrap();
        let newest = bundles.iter().chain(&integrity).map(|record| record.revision.0).max();
        let revision = Revision(newest.unwrap_or_default());
        let mut snapshots = self.following.snapshots();
        let shown = snapshots.wait_for(|snapshot| snapshot.revision() >= revision);
        timeout(Duration::from_secs(5), shown).await.unwrap().unwrap();
        self.applied.send_replace(revision);
    }

    /// The id of a new distribution.
    pub(crate) async fn create_distribution(&self, config: DistributionConfig) -> String {
        let input = CreateDistributionRequest { distribution_config: config };
        let created = distributions::create(&self.control, &self.caller, input).await.unwrap();
        created.distribution.unwrap().id
    }

    /// Replaces the configuration of a distribution, whatever its version is.
    pub(crate) async fn update_distribution(&self, id: &str, distribution_config: DistributionConfig) {
        let if_match = self.get_distribution(id).await.etag;
        let input = UpdateDistributionRequest { distribution_config, id: id.to_owned(), if_match };
        distributions::update(&self.control, &self.caller, input).await.unwrap();
    }

    pub(crate) async fn distribution_status(&self, id: &str) -> String {
        self.get_distribution(id).await.distribution.unwrap().status
    }

    pub(crate) async fn etag(&self, id: &str) -> String {
        self.get_distribution(id).await.etag.unwrap()
    }

    pub(crate) async fn web_acl(&self, id: &str) -> String {
        let distribution = self.get_distribution(id).await.distribution.unwrap();
        distribution.distribution_config.web_acl_id.unwrap()
    }

    /// The operator starts it again without the flag.
    pub(crate) fn no_longer_accept_unenforced(&mut self) {
        let fleet = self.control.fleet().clone();
        self.control = Control::new(settings(), self.store.clone(), self.following.snapshots(), fleet);
    }

    /// The domain name of a new distribution.
    pub(crate) async fn create_distribution_named(&self, config: DistributionConfig) -> String {
        let id = self.create_distribution(config).await;
        self.distribution(&id).await.domain_name
    }

    pub(crate) async fn distribution(&self, id: &str) -> Distribution {
        self.get_distribution(id).await.distribution.unwrap()
    }

    pub(crate) async fn distribution_etag(&self, id: &str) -> Option<String> {
        self.get_distribution(id).await.etag
    }

    pub(crate) async fn refused_distribution(&self, config: DistributionConfig) -> Result<(), ApiError> {
        let input = CreateDistributionRequest { distribution_config: config };
        distributions::create(&self.control, &self.caller, input).await.map(drop)
    }

    pub(crate) async fn try_update_distribution(
        &self,
        id: &str,
        distribution_config: DistributionConfig,
    ) -> Result<(), ApiError> {
        let if_match = self.distribution_etag(id).await;
        let input = UpdateDistributionRequest { distribution_config, id: id.to_owned(), if_match };
        distributions::update(&self.control, &self.caller, input).await.map(drop)
    }

    /// Whether the snapshot has the distribution and lets it serve.
    pub(crate) fn is_serving(&self, id: &str) -> bool {
        self.following.snapshots().borrow().distribution(id).is_some_and(|linked| linked.enabled)
    }

    async fn get_distribution(&self, id: &str) -> GetDistributionResult {
        let input = GetDistributionRequest { id: id.to_owned() };
        distributions::get(&self.control, &self.caller, input).await.unwrap()
    }

    /// Whether the snapshot has the distribution.
    pub(crate) fn is_linked(&self, id: &str) -> bool {
        self.following.snapshots().borrow().distribution(id).is_some()
    }

    pub(crate) async fn answer(&self, request: Request<&'static str>) -> Response<Bytes> {
        self.control.answer(request.map(|body| Bytes::from_static(body.as_bytes())), LOOPBACK).await
    }
}

/// The error is of that status and code.
pub(crate) fn check<T: std::fmt::Debug>(result: Result<T, ApiError>, expect: (u16, &str)) {
    let error = result.unwrap_err();
    assert_eq!((error.status, error.code), expect, "{}", error.message);
}

/// A public key under a name that is its caller reference, too.
pub(crate) fn public_key(name: &str) -> PublicKeyConfig {
    PublicKeyConfig {
        caller_reference: name.to_owned(),
        name: name.to_owned(),
        encoded_key: RSA_2048_KEY.to_owned(),
        comment: None,
    }
}

pub(crate) fn settings() -> ControlSettings {
    ControlSettings {
        account_id: ACCOUNT.to_owned(),
        domain_suffix: HostName::parse("mantlet.localhost").unwrap(),
        accept_unenforced: false,
        cloudfront_headers: CloudFrontHeaders::ALL.without(CloudFrontHeaders::OF_LOCATIONS),
        authentication: Authentication::Nobody,
        quotas: Quotas::default(),
        private_keys: PrivateKeySealer::new(|id, key| {
            Ok([id.as_bytes(), &key.iter().map(|byte| byte ^ 0x5a).collect::<Vec<_>>()].concat())
        }),
        audit: AuditTrail::none(),
    }
}

/// An API behind CachingDisabled and AllViewer.
pub(crate) fn distribution_config(caller_reference: &str) -> DistributionConfig {
    DistributionConfig {
        caller_reference: caller_reference.to_owned(),
        origins: Origins::from_items(vec![origin("api", "127.0.0.1")]),
        default_cache_behavior: DefaultCacheBehavior {
            target_origin_id: "api".to_owned(),
            viewer_protocol_policy: ViewerProtocolPolicy::RedirectToHttps,
            allowed_methods: Some(AllowedMethods::from_items(Method::ALL.to_vec())),
            cache_policy_id: Some(CACHING_DISABLED_ID.to_owned()),
            origin_request_policy_id: Some(ALL_VIEWER_ID.to_owned()),
            ..DefaultCacheBehavior::default()
        },
        enabled: true,
        ..DistributionConfig::default()
    }
}

pub(crate) fn origin(id: &str, domain_name: &str) -> Origin {
    Origin {
        id: id.to_owned(),
        domain_name: domain_name.to_owned(),
        custom_origin_config: Some(CustomOriginConfig {
            http_port: 3500,
            https_port: 443,
            origin_protocol_policy: OriginProtocolPolicy::HttpOnly,
            ..CustomOriginConfig::default()
        }),
        ..Origin::default()
    }
}
