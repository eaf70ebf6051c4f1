use aws_api::cloudfront::{
    CacheBehavior, CacheBehaviors, CacheTagConfig, ConnectionFunctionAssociation, CustomErrorResponse,
    CustomErrorResponses, EventType, FunctionAssociation, GrpcConfig, HttpVersion, LambdaFunctionAssociation,
    LoggingConfig, OriginGroup, OriginGroups, OriginMtlsConfig, OriginShield, S3OriginConfig, TenantConfig,
    TrustedKeyGroups, TrustedSigners, ViewerCertificate, ViewerMtlsConfig,
};

use super::*;
use crate::defaults::complete;
use crate::test_support::distribution_config;

/// What edges without a database of addresses send.
const UNLOCATED: CloudFrontHeaders = CloudFrontHeaders::ALL.without(CloudFrontHeaders::OF_LOCATIONS);

/// What is named when one thing is changed in a configuration that is enforced whole.
fn check(change: impl FnOnce(&mut DistributionConfig), expect: &[&str]) {
    let mut config = distribution_config("reference");
    complete(&mut config);
    change(&mut config);
    assert_eq!(unenforced_settings(&config, &Snapshot::default(), UNLOCATED), expect);
}

/// As [`check`], and it is refused by that name.
fn check_refused(change: impl FnOnce(&mut DistributionConfig), expect: &str) {
    let mut config = distribution_config("reference");
    complete(&mut config);
    change(&mut config);
    assert_eq!(unenforced_settings(&config, &Snapshot::default(), UNLOCATED), [expect]);
    let error = refuse_unenforced_restrictions(&config, UNLOCATED).unwrap_err();
    assert_eq!((error.code, error.status), ("UnsupportedOperation", 400));
    assert!(error.message.contains(expect), "{}", error.message);
}

fn behavior(config: &mut DistributionConfig) -> &mut DefaultCacheBehavior {
    &mut config.default_cache_behavior
}

#[test]
fn the_api_preset_is_enforced_whole() {
    check(|_| {}, &[]);
}

#[test]
fn what_restricts_access_is_refused() {
    check_refused(|config| config.web_acl_id = Some("arn:aws:wafv2:acl".to_owned()), "WebACLId");
    check_refused(|config| restrict(config, GeoRestrictionType::Whitelist), "GeoRestriction");
    check_refused(|config| restrict(config, GeoRestrictionType::Blacklist), "GeoRestriction");
    check_refused(|config| config.viewer_mtls_config = Some(ViewerMtlsConfig::default()), "ViewerMtlsConfig");
    check_refused(
        |config| config.connection_function_association = Some(ConnectionFunctionAssociation::default()),
        "ConnectionFunctionAssociation",
    );
    check_refused(
        |config| config.connection_mode = Some(ConnectionMode::TenantOnly),
        "ConnectionMode tenant-only",
    );
    check_refused(
        |config| {
            behavior(config).trusted_signers =
                Some(TrustedSigners { enabled: true, ..TrustedSigners::default() });
        },
        "TrustedSigners",
    );
    check_refused(
        |config| {
            behavior(config).trusted_key_groups =
                Some(TrustedKeyGroups { enabled: true, ..TrustedKeyGroups::default() });
        },
        "TrustedKeyGroups",
    );
    check_refused(
        |config| {
            let function =
                FunctionAssociation { function_arn: "arn".to_owned(), event_type: EventType::ViewerRequest };
            behavior(config).function_associations = Some(FunctionAssociations::from_items(vec![function]));
        },
        "FunctionAssociations",
    );
    check_refused(
        |config| {
            let function = LambdaFunctionAssociation::default();
            behavior(config).lambda_function_associations =
                Some(LambdaFunctionAssociations::from_items(vec![function]));
        },
        "LambdaFunctionAssociations",
    );
}

#[test]
fn other_cache_behaviors_count_like_the_default_one() {
    let other = CacheBehavior {
        path_pattern: "gated/*".to_owned(),
        cache_policy_id: Some(crate::managed::CACHING_DISABLED_ID.to_owned()),
        trusted_signers: Some(TrustedSigners { enabled: true, ..TrustedSigners::default() }),
        ..CacheBehavior::default()
    };
    check_refused(
        |config| config.cache_behaviors = Some(CacheBehaviors::from_items(vec![other])),
        "TrustedSigners",
    );
}

#[test]
fn what_is_only_stored_is_named() {
    check(|config| config.origin_groups = Some(group_by(None)), &[]);
    check(
        |config| config.origin_groups = Some(group_by(Some(OriginGroupSelectionCriteria::MediaQualityBased))),
        &["SelectionCriteria media-quality-based"],
    );
    check(
        |config| {
            let page = CustomErrorResponse { error_code: 404, ..CustomErrorResponse::default() };
            config.custom_error_responses = Some(CustomErrorResponses::from_items(vec![page]));
        },
        &[],
    );
    check(|config| config.default_root_object = Some("index.html".to_owned()), &[]);
    check(
        |config| config.logging = Some(LoggingConfig { enabled: Some(true), ..LoggingConfig::default() }),
        &["Logging"],
    );
    check(|config| config.price_class = Some(PriceClass::PriceClass100), &["PriceClass"]);
    check(|config| config.http_version = Some(HttpVersion::Http2and3), &[]);
    let own = |method| {
        Some(ViewerCertificate {
            acm_certificate_arn: Some("arn".to_owned()),
            ssl_support_method: Some(method),
            ..ViewerCertificate::default()
        })
    };
    check(|config| config.viewer_certificate = own(SSLSupportMethod::Vip), &["SSLSupportMethod"]);
    check(|config| config.viewer_certificate = own(SSLSupportMethod::SniOnly), &[]);
    let of_policy = |policy| {
        let own = own(SSLSupportMethod::SniOnly).unwrap();
        Some(ViewerCertificate { minimum_protocol_version: Some(policy), ..own })
    };
    for (policy, expect) in [
        (MinimumProtocolVersion::TLSv1_2_2019, &["MinimumProtocolVersion older"][..]),
        (MinimumProtocolVersion::TLSv1_2_2021, &[]),
        (MinimumProtocolVersion::TLSv1_2_2025, &[]),
        (MinimumProtocolVersion::TLSv1_3_2025, &[]),
    ] {
        check(|config| config.viewer_certificate = of_policy(policy), expect);
    }
    check(|config| config.anycast_ip_list_id = Some("a".to_owned()), &["AnycastIpListId"]);
    check(|config| config.tenant_config = Some(TenantConfig::default()), &["TenantConfig"]);
    check(|config| config.cache_tag_config = Some(CacheTagConfig::default()), &["CacheTagConfig"]);
}

fn group_by(selection_criteria: Option<OriginGroupSelectionCriteria>) -> OriginGroups {
    OriginGroups::from_items(vec![OriginGroup { selection_criteria, ..OriginGroup::default() }])
}

#[test]
fn what_is_only_stored_of_origins_is_named() {
    let first =
        |config: &mut DistributionConfig, change: fn(&mut Origin)| change(&mut config.origins.items[0]);
    check(
        |config| {
            first(config, |origin| {
                origin.origin_shield = Some(OriginShield { enabled: true, origin_shield_region: None });
            });
        },
        &["OriginShield"],
    );
    check(
        |config| first(config, |origin| origin.origin_access_control_id = Some("E1".to_owned())),
        &["OriginAccessControlId"],
    );
    check(
        |config| {
            first(config, |origin| {
                let origin_access_identity = "origin-access-identity/cloudfront/E1".to_owned();
                origin.s3_origin_config =
                    Some(S3OriginConfig { origin_access_identity, origin_read_timeout: None });
            });
        },
        &["OriginAccessIdentity"],
    );
    check(
        |config| {
            first(config, |origin| {
                let custom = origin.custom_origin_config.as_mut().unwrap();
                custom.origin_mtls_config = Some(OriginMtlsConfig::default());
            });
        },
        &["OriginMtlsConfig"],
    );
}

#[test]
fn what_is_only_stored_of_cache_behaviors_is_named() {
    check(
        |config| behavior(config).cache_policy_id = Some("658327ea-f89d-4fab-a63d-7e88639e58f6".to_owned()),
        &["caching"],
    );
    check(|config| behavior(config).compress = Some(true), &["Compress"]);
    check(|config| behavior(config).smooth_streaming = Some(true), &["SmoothStreaming"]);
    check(|config| behavior(config).response_headers_policy_id = Some("id".to_owned()), &[]);
    check(
        |config| behavior(config).realtime_log_config_arn = Some("arn".to_owned()),
        &["RealtimeLogConfigArn"],
    );
    check(|config| behavior(config).grpc_config = Some(GrpcConfig { enabled: true }), &[]);
}

fn restrict(config: &mut DistributionConfig, restriction_type: GeoRestrictionType) {
    config.restrictions.as_mut().unwrap().geo_restriction.restriction_type = restriction_type;
}

#[test]
fn a_policy_of_ones_own_caches_unless_all_its_times_are_0() {
    use edge_config::{Bundle, CachePolicy, Change, ResourceId, ResourceKind, Revision, link};
    let mut config = distribution_config("reference");
    complete(&mut config);
    config.default_cache_behavior.cache_policy_id = Some("own".to_owned());
    let named = |max_ttl_seconds| {
        let policy = CachePolicy { max_ttl_seconds, ..CachePolicy::default() };
        let resource = ResourceId::new(ResourceKind::CachePolicy, "own");
        let bundle = Some(std::sync::Arc::new(Bundle::CachePolicy(policy)));
        let change = Change { resource, revision: Revision(1), bundle };
        unenforced_settings(&config, &link(&Snapshot::default(), Revision(1), &[change]).snapshot, UNLOCATED)
    };
    assert_eq!(named(0), [""; 0]);
    assert_eq!(named(1), ["caching"]);
}

#[test]
fn a14_geo_restrictions_are_enforced_where_countries_are_known() {
    let mut config = distribution_config("reference");
    complete(&mut config);
    restrict(&mut config, GeoRestrictionType::Whitelist);
    let located = UNLOCATED.union(CloudFrontHeaders::OF_COUNTRIES);
    refuse_unenforced_restrictions(&config, located).unwrap();
    let cities_alone = UNLOCATED.union(CloudFrontHeaders::OF_CITIES);
    assert!(refuse_unenforced_restrictions(&config, cities_alone).is_err());
}

#[test]
fn b11_headers_that_no_edge_sends_are_named() {
    let mut config = distribution_config("reference");
    complete(&mut config);
    let settings = behavior(&mut config);
    settings.cache_policy_id = None;
    let headers = ["Host", "CloudFront-Viewer-Country", "cloudfront-viewer-tls", "CloudFront-Error-Uri"]
        .map(str::to_owned);
    settings.forwarded_values = Some(aws_api::cloudfront::ForwardedValues {
        headers: Some(Headers::from_items(headers.to_vec())),
        ..Default::default()
    });
    let unsent = |sent| unsent_headers(&config, &Snapshot::default(), sent);
    assert_eq!(unsent(UNLOCATED), ["CloudFront-Error-Uri", "CloudFront-Viewer-Country"]);
    assert_eq!(unsent(CloudFrontHeaders::ALL), ["CloudFront-Error-Uri"]);
}
