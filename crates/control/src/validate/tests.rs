use aws_api::cloudfront::{
    Aliases, AllowedMethods, CacheBehavior, CacheBehaviors, CachedMethods, CookieNames, CookiePreference,
    CustomErrorResponse, CustomErrorResponses, CustomHeaders, DefaultCacheBehavior, ForwardedValues, Headers,
    ItemSelection, Method, Origin, OriginCustomHeader, OriginGroupFailoverCriteria, OriginGroupMember,
    OriginGroupMembers, OriginSslProtocols, S3OriginConfig, StatusCodes, ViewerCertificate, VpcOriginConfig,
};
use edge_config::{Bundle, Change, ResourceId, ResourceKind, Revision, link};

use super::*;
use crate::defaults::complete;
use crate::managed;
use crate::test_support::{distribution_config, origin};

/// A snapshot with two policies, and a distribution that has `taken.example`.
fn snapshot() -> Snapshot {
    let cache_policy = managed::cache_policy(managed::CACHING_DISABLED_ID).unwrap();
    let origin_request_policy = managed::origin_request_policy(managed::ALL_VIEWER_ID).unwrap();
    let mut other = crate::compile::compile_distribution(
        &distribution_config("other"),
        &HostName::parse("d1.mantlet.localhost").unwrap(),
        &crate::extension_tags::Extensions::default(),
    )
    .unwrap();
    if let Bundle::Distribution(distribution) = &mut other {
        distribution.aliases = vec![edge_config::AliasName::parse("taken.example").unwrap()];
    }
    let bundles = [
        (
            ResourceKind::CachePolicy,
            managed::CACHING_DISABLED_ID,
            crate::compile::compile_cache_policy(cache_policy),
        ),
        (
            ResourceKind::OriginRequestPolicy,
            managed::ALL_VIEWER_ID,
            crate::compile::compile_origin_request_policy(origin_request_policy),
        ),
        (ResourceKind::Distribution, "E1", other),
    ];
    let changes = bundles.map(|(kind, id, bundle)| Change {
        resource: ResourceId::new(kind, id),
        revision: Revision(1),
        bundle: Some(bundle.into()),
    });
    let linked = link(&Snapshot::default(), Revision(1), &changes);
    assert!(linked.rejected.is_empty(), "{:?}", linked.rejected);
    linked.snapshot
}

fn validate(change: impl FnOnce(&mut DistributionConfig)) -> Result<(), ApiError> {
    let mut config = distribution_config("reference");
    change(&mut config);
    validate_quantities(&config)?;
    complete(&mut config);
    let snapshot = snapshot();
    let domain_suffix = HostName::parse("mantlet.localhost").unwrap();
    let quotas = Quotas::default();
    let surroundings = Surroundings {
        snapshot: &snapshot,
        account_id: "000000000000",
        quotas: &quotas,
        domain_suffix: &domain_suffix,
        own_id: None,
    };
    validate_distribution(&config, surroundings)
}

fn check_taken(change: impl FnOnce(&mut DistributionConfig)) {
    assert_eq!(validate(change), Ok(()));
}

fn check(code: &str, change: impl FnOnce(&mut DistributionConfig)) {
    let error = validate(change).expect_err(code);
    assert_eq!(error.code, code, "{}", error.message);
    assert!(error.message.ends_with('.'), "{}", error.message);
}

fn check_origin(code: &str, change: impl FnOnce(&mut Origin)) {
    check(code, |config| change(&mut config.origins.items[0]));
}

fn check_behavior(code: &str, change: impl FnOnce(&mut DefaultCacheBehavior)) {
    check(code, |config| change(&mut config.default_cache_behavior));
}

fn header(name: &str, value: &str) -> OriginCustomHeader {
    OriginCustomHeader { header_name: name.to_owned(), header_value: value.into() }
}

fn with_headers(headers: Vec<OriginCustomHeader>) -> impl FnOnce(&mut Origin) {
    |origin| origin.custom_headers = Some(CustomHeaders::from_items(headers))
}

#[test]
fn the_api_preset_is_taken() {
    check_taken(|_| {});
}

#[test]
fn quantities_are_counts() {
    check("InconsistentQuantities", |config| config.origins.quantity = 2);
    check("InconsistentQuantities", |config| {
        config.aliases = Some(Aliases { quantity: 1, items: None });
    });
}

#[test]
fn texts_have_limits() {
    check("InvalidArgument", |config| config.caller_reference = String::new());
    check("InvalidArgument", |config| config.caller_reference = "x".repeat(513));
    check("InvalidArgument", |config| config.caller_reference = "a\nb".to_owned());
    check_taken(|config| config.comment = "ü".repeat(128).into());
    check("InvalidArgument", |config| config.comment = "x".repeat(129).into());
    check_taken(|config| config.default_root_object = Some("index.html".to_owned()));
    check("InvalidDefaultRootObject", |config| config.default_root_object = Some("/index.html".to_owned()));
    check("InvalidDefaultRootObject", |config| config.default_root_object = Some("x".repeat(256)));
}

#[test]
fn origins_are_counted_and_told_apart() {
    check("InvalidArgument", |config| config.origins = aws_api::cloudfront::Origins::from_items(vec![]));
    check("InvalidArgument", |config| {
        let twice = vec![origin("api", "a.example"), origin("api", "b.example")];
        config.origins = aws_api::cloudfront::Origins::from_items(twice);
    });
    check("TooManyOrigins", |config| {
        let many = (0..101).map(|number| origin(&format!("api{number}"), "a.example")).collect();
        config.origins = aws_api::cloudfront::Origins::from_items(many);
    });
    check_origin("InvalidArgument", |origin| origin.id = String::new());
}

#[test]
fn an_origin_is_of_one_kind() {
    check_origin("InvalidArgument", |origin| origin.domain_name = "http://api.example".to_owned());
    check_origin("InvalidOrigin", |origin| origin.s3_origin_config = Some(S3OriginConfig::default()));
    check_origin("EntityNotFound", |origin| {
        origin.custom_origin_config = None;
        origin.vpc_origin_config = Some(VpcOriginConfig::default());
    });
    check_taken(|config| config.origins.items[0].custom_origin_config = None);
}

#[test]
fn an_origin_path_begins_with_a_slash_and_does_not_end_with_one() {
    check_taken(|config| config.origins.items[0].origin_path = Some("/v1/api".to_owned()));
    for path in ["v1", "/", "/v1/", "/v 1", "/v1?x", "/v1#x", "/ü"] {
        check_origin("InvalidArgument", |origin| origin.origin_path = Some(path.to_owned()));
    }
}

#[test]
fn custom_headers_are_names_and_values_that_cloudfront_leaves_alone() {
    check_taken(|config| with_headers(vec![header("X-Secret", "a b")])(&mut config.origins.items[0]));
    for name in
        ["", "a b", "a:b", "Host", "If-Match", "X-Amz-Foo", "X-Edge-Foo", "TE", "transfer-encoding", "Via"]
    {
        check_origin("InvalidArgument", with_headers(vec![header(name, "x")]));
    }
    for value in ["a\r\nb: c", "a\0", " a", "ü", &"x".repeat(1784)] {
        check_origin("InvalidArgument", with_headers(vec![header("X-Secret", value)]));
    }
    check_origin("InvalidArgument", with_headers(vec![header("X-A", "1"), header("x-a", "2")]));
    let numbered = |count, value: &str| (0..count).map(|n| header(&format!("X-{n}"), value)).collect();
    check_origin("TooManyOriginCustomHeaders", with_headers(numbered(31, "x")));
    check_origin("InvalidArgument", with_headers(numbered(6, &"x".repeat(1783))));
}

#[test]
fn c9_an_origin_has_a_port_of_these_and_may_be_an_address() {
    for port in [80, 443, 1024, 3500, 65_535] {
        check_taken(|config| config.origins.items[0].custom_origin_config.as_mut().unwrap().http_port = port);
    }
    for port in [0, -1, 22, 1023, 65_536] {
        check_origin("InvalidArgument", |origin| {
            origin.custom_origin_config.as_mut().unwrap().https_port = port;
        });
    }
    // CloudFront takes names alone; a shield stands in private networks, too.
    check_taken(|config| config.origins.items[0].domain_name = "192.0.2.1".into());
}

#[test]
fn timeouts_have_ranges() {
    for attempts in [0, 4] {
        check_origin("InvalidArgument", |origin| origin.connection_attempts = Some(attempts));
    }
    for seconds in [0, 11] {
        check_origin("InvalidArgument", |origin| origin.connection_timeout = Some(seconds));
    }
    for seconds in [0, 121] {
        check_origin("InvalidOriginReadTimeout", |origin| {
            origin.custom_origin_config.as_mut().unwrap().origin_read_timeout = Some(seconds);
        });
    }
    for seconds in [0, 301] {
        check_origin("InvalidOriginKeepaliveTimeout", |origin| {
            origin.custom_origin_config.as_mut().unwrap().origin_keepalive_timeout = Some(seconds);
        });
    }
    check_taken(|config| config.origins.items[0].response_completion_timeout = Some(30));
    check_origin("InvalidArgument", |origin| origin.response_completion_timeout = Some(29));
    check_origin("InvalidArgument", |origin| {
        origin.custom_origin_config.as_mut().unwrap().origin_ssl_protocols =
            Some(OriginSslProtocols::from_items(Vec::new()));
    });
}

fn group(members: &[&str], codes: &[i32]) -> OriginGroup {
    let members = members.iter().map(|&id| OriginGroupMember { origin_id: id.to_owned() }).collect();
    OriginGroup {
        id: "group".to_owned(),
        failover_criteria: OriginGroupFailoverCriteria {
            status_codes: StatusCodes::from_items(codes.to_vec()),
        },
        members: OriginGroupMembers::from_items(members),
        selection_criteria: None,
    }
}

fn with_group(group: OriginGroup) -> impl FnOnce(&mut DistributionConfig) {
    |config| {
        let origins = vec![origin("api", "a.example"), origin("spare", "b.example")];
        config.origins = aws_api::cloudfront::Origins::from_items(origins);
        config.default_cache_behavior.target_origin_id = group.id.clone();
        config.origin_groups = Some(OriginGroups::from_items(vec![group]));
    }
}

#[test]
fn an_origin_group_has_two_origins_and_codes() {
    check_taken(with_group(group(&["api", "spare"], &[500, 503])));
    check("InvalidArgument", with_group(group(&["api"], &[500])));
    check("InvalidArgument", with_group(group(&["api", "api"], &[500])));
    check("NoSuchOrigin", with_group(group(&["api", "other"], &[500])));
    check("InvalidArgument", with_group(group(&["api", "spare"], &[])));
    check("InvalidArgument", with_group(group(&["api", "spare"], &[200])));
    check(
        "InvalidArgument",
        with_group(OriginGroup { id: "api".to_owned(), ..group(&["api", "spare"], &[500]) }),
    );
}

#[test]
fn a_cache_behavior_targets_what_exists() {
    check_behavior("NoSuchOrigin", |behavior| behavior.target_origin_id = "other".to_owned());
    check_behavior("NoSuchFieldLevelEncryptionConfig", |behavior| {
        behavior.field_level_encryption_id = Some("other".to_owned());
    });
    check_taken(|config| {
        let simple_cors = "60669652-455b-4ae9-85a4-c4c02393f86c".to_owned();
        config.default_cache_behavior.response_headers_policy_id = Some(simple_cors);
        config.default_cache_behavior.origin_request_policy_id = Some(String::new());
    });
}

#[test]
fn methods_come_in_three_sets() {
    use Method::{Get, Head, Options, Post};
    let allow = |methods: Vec<Method>| {
        |behavior: &mut DefaultCacheBehavior| {
            behavior.allowed_methods = Some(AllowedMethods::from_items(methods));
        }
    };
    for methods in [vec![Head, Get], vec![Get, Head, Options]] {
        check_taken(|config| allow(methods)(&mut config.default_cache_behavior));
    }
    for methods in [vec![], vec![Get], vec![Get, Get], vec![Get, Head, Post], vec![Get, Options]] {
        check_behavior("InvalidArgument", allow(methods));
    }
    for cached in [vec![Get], vec![Get, Head, Post], vec![Get, Head, Options]] {
        check_behavior("InvalidArgument", |behavior| {
            let mut allowed = AllowedMethods::from_items(vec![Get, Head]);
            allowed.cached_methods = Some(CachedMethods::from_items(cached));
            behavior.allowed_methods = Some(allowed);
        });
    }
}

fn with_patterns(patterns: Vec<&'static str>) -> impl FnOnce(&mut DistributionConfig) {
    |config| {
        let others = patterns.into_iter().map(|pattern| CacheBehavior {
            path_pattern: pattern.to_owned(),
            target_origin_id: "api".to_owned(),
            cache_policy_id: Some(managed::CACHING_DISABLED_ID.to_owned()),
            ..CacheBehavior::default()
        });
        config.cache_behaviors = Some(CacheBehaviors::from_items(others.collect()));
    }
}

#[test]
fn path_patterns_are_patterns_and_differ() {
    check_taken(with_patterns(vec!["/api/*", "api/v?", "*.jpg"]));
    check("InvalidArgument", with_patterns(vec![""]));
    check("InvalidArgument", with_patterns(vec!["/a b"]));
    check("InvalidArgument", with_patterns(vec!["/api/*", "api/*"]));
    check("TooManyCacheBehaviors", with_patterns(vec!["/x"; 76]));
}

fn forwarding(change: impl FnOnce(&mut ForwardedValues)) -> impl FnOnce(&mut DefaultCacheBehavior) {
    |behavior| {
        let mut forwarded_values = ForwardedValues::default();
        change(&mut forwarded_values);
        behavior.cache_policy_id = None;
        behavior.origin_request_policy_id = None;
        behavior.forwarded_values = Some(forwarded_values);
    }
}

#[test]
fn caching_is_decided_by_a_policy_or_by_forwarded_values() {
    check_taken(|config| forwarding(|_| {})(&mut config.default_cache_behavior));
    check_behavior("InvalidArgument", |behavior| behavior.cache_policy_id = None);
    check_behavior("InvalidArgument", |behavior| {
        behavior.forwarded_values = Some(ForwardedValues::default());
    });
    check_behavior("InvalidArgument", |behavior| behavior.min_ttl = Some(0));
    check_behavior("InvalidArgument", |behavior| {
        forwarding(|_| {})(behavior);
        behavior.origin_request_policy_id = Some(managed::ALL_VIEWER_ID.to_owned());
    });
}

#[test]
fn times_to_live_are_in_order() {
    let with_ttls = |ttls: [i64; 3]| {
        move |behavior: &mut DefaultCacheBehavior| {
            forwarding(|_| {})(behavior);
            [behavior.min_ttl, behavior.default_ttl, behavior.max_ttl] = ttls.map(Some);
        }
    };
    check_taken(|config| with_ttls([0, 0, 0])(&mut config.default_cache_behavior));
    check_behavior("InvalidTTLOrder", with_ttls([2, 1, 3]));
    check_behavior("InvalidTTLOrder", with_ttls([1, 3, 2]));
    check_behavior("InvalidArgument", with_ttls([-1, 1, 2]));
    check_behavior("InvalidArgument", with_ttls([0, 1, i64::MAX]));
    check_taken(|config| {
        forwarding(|_| {})(&mut config.default_cache_behavior);
        config.default_cache_behavior.min_ttl = Some(100_000_000);
    });
}

#[test]
fn forwarded_values_name_what_they_forward() {
    let names = |count| (0..count).map(|number| format!("name{number}")).collect::<Vec<String>>();
    check_behavior(
        "TooManyHeadersInForwardedValues",
        forwarding(|values| values.headers = Some(Headers::from_items(names(11)))),
    );
    let header = |name: &str| {
        let headers = Headers::from_items(vec![name.to_owned()]);
        forwarding(move |values| values.headers = Some(headers))
    };
    check_taken(|config| header("Referer")(&mut config.default_cache_behavior));
    check_taken(|config| header("*")(&mut config.default_cache_behavior));
    check_behavior("InvalidArgument", header("Upgrade"));
    check_behavior("InvalidArgument", header("CloudFront-Viewer-Address"));
    let cookies = |forward, count| {
        let whitelisted_names = Some(CookieNames::from_items(names(count)));
        forwarding(move |values| values.cookies = CookiePreference { forward, whitelisted_names })
    };
    check_taken(|config| cookies(ItemSelection::Whitelist, 1)(&mut config.default_cache_behavior));
    check_behavior("InvalidForwardCookies", cookies(ItemSelection::Whitelist, 0));
    check_behavior("InvalidForwardCookies", cookies(ItemSelection::All, 1));
    check_behavior("TooManyCookieNamesInWhiteList", cookies(ItemSelection::Whitelist, 11));
    let keys = || Some(aws_api::cloudfront::QueryStringCacheKeys::from_items(names(1)));
    check_behavior(
        "InvalidQueryStringParameters",
        forwarding(|values| values.query_string_cache_keys = keys()),
    );
}

fn page(change: impl FnOnce(&mut CustomErrorResponse)) -> impl FnOnce(&mut DistributionConfig) {
    |config| {
        let mut response = CustomErrorResponse {
            error_code: 404,
            response_page_path: Some("/404.html".to_owned()),
            response_code: Some("404".to_owned()),
            error_caching_min_ttl: Some(0),
        };
        change(&mut response);
        config.custom_error_responses = Some(CustomErrorResponses::from_items(vec![response]));
    }
}

#[test]
fn error_pages_have_codes_and_paths() {
    check_taken(page(|_| {}));
    check_taken(page(|page| (page.response_page_path, page.response_code) = (None, None)));
    check("InvalidErrorCode", page(|page| page.error_code = 402));
    check("InvalidResponseCode", page(|page| page.response_code = Some("204".to_owned())));
    check("InvalidArgument", page(|page| page.response_code = None));
    check("InvalidArgument", page(|page| page.response_page_path = Some("404.html".to_owned())));
    check("InvalidArgument", page(|page| page.error_caching_min_ttl = Some(-1)));
}

#[test]
fn a_geo_restriction_has_countries_or_is_none() {
    let restrict = |restriction_type, countries: &[&str]| {
        let items = countries.iter().map(|&code| code.to_owned()).collect();
        move |config: &mut DistributionConfig| {
            let geo_restriction = GeoRestriction { restriction_type, ..GeoRestriction::from_items(items) };
            config.restrictions = Some(aws_api::cloudfront::Restrictions { geo_restriction });
        }
    };
    check_taken(restrict(GeoRestrictionType::None, &[]));
    check_taken(restrict(GeoRestrictionType::Whitelist, &["DE", "FR"]));
    check("InvalidGeoRestrictionParameter", restrict(GeoRestrictionType::None, &["DE"]));
    check("InvalidGeoRestrictionParameter", restrict(GeoRestrictionType::Blacklist, &[]));
    check("InvalidLocationCode", restrict(GeoRestrictionType::Blacklist, &["Germany"]));
}

fn with_aliases(aliases: &[&str]) -> impl FnOnce(&mut DistributionConfig) {
    let aliases = aliases.iter().map(|&alias| alias.to_owned()).collect();
    |config| config.aliases = Some(Aliases::from_items(aliases))
}

#[test]
fn aliases_are_names_that_nobody_has_and_need_a_certificate() {
    check("InvalidArgument", with_aliases(&["a b"]));
    check("InvalidArgument", with_aliases(&["a.example", "A.example"]));
    check("InvalidArgument", with_aliases(&["d2.mantlet.localhost"]));
    check("InvalidArgument", with_aliases(&["*.mantlet.localhost"]));
    check("InvalidArgument", with_aliases(&["mantlet.localhost"]));
    check("CNAMEAlreadyExists", with_aliases(&["Taken.example"]));
    check("InvalidViewerCertificate", with_aliases(&["notmantlet.localhost"]));
    check("InvalidViewerCertificate", |config| {
        let acm_certificate_arn = Some("arn:aws:acm:us-east-1:000000000000:certificate/x".to_owned());
        config.viewer_certificate =
            Some(ViewerCertificate { acm_certificate_arn, ..ViewerCertificate::default() });
    });
}

#[test]
fn f2_grpc_needs_post_and_http2() {
    use aws_api::cloudfront::{GrpcConfig, HttpVersion};
    let with_grpc = |http_version, methods: Vec<Method>| {
        validate(|config| {
            config.http_version = Some(http_version);
            config.default_cache_behavior.grpc_config = Some(GrpcConfig { enabled: true });
            config.default_cache_behavior.allowed_methods = Some(AllowedMethods::from_items(methods));
        })
        .map_err(|error| (error.code, error.message.rsplit(' ').next().unwrap_or_default().to_owned()))
    };
    let all = || Method::ALL.to_vec();
    assert_eq!(with_grpc(HttpVersion::Http2, all()), Ok(()));
    assert_eq!(with_grpc(HttpVersion::Http2and3, all()), Ok(()));
    let refused = |end: &str| Err(("InvalidArgument", end.to_owned()));
    assert_eq!(with_grpc(HttpVersion::Http1_1, all()), refused("http2and3."));
    assert_eq!(with_grpc(HttpVersion::Http3, all()), refused("http2and3."));
    assert_eq!(with_grpc(HttpVersion::Http2, vec![Method::Get, Method::Head]), refused("POST."));
}
