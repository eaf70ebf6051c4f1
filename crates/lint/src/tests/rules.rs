//! Each rule both ways: a change of the preset, and the codes that it draws.

use aws_api::cloudfront::{
    Aliases, CookiePreference, CustomErrorResponse, CustomErrorResponses, CustomHeaders, CustomOriginConfig,
    DefaultCacheBehavior, DistributionConfig, ForwardedValues, Headers, ItemSelection, Method,
    MinimumProtocolVersion, OriginCustomHeader, OriginGroup, OriginGroupFailoverCriteria, OriginGroupMember,
    OriginGroupMembers, OriginGroups, OriginProtocolPolicy, Origins, S3OriginConfig, StatusCodes,
    ViewerCertificate, ViewerProtocolPolicy, VpcOriginConfig,
};

use super::fixtures::*;
use crate::{ALL_VIEWER_EXCEPT_HOST_HEADER_ID, CACHING_DISABLED_ID, lint};

/// The codes that a changed preset draws; and each patch takes exactly its own warning away.
fn check(change: impl FnOnce(&mut DistributionConfig), expect: &[&str]) {
    let mut config = preset();
    change(&mut config);
    let warnings = lint(&config, &policies());
    let codes: Vec<_> = warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, expect);
    for warning in &warnings {
        let Some(patch) = &warning.patch else { continue };
        let mut patched = super::properties::json(&config);
        json_patch::patch(&mut patched, patch).unwrap();
        let left = lint(&super::properties::config(&patched), &policies());
        let others: Vec<_> = warnings.iter().filter(|other| *other != warning).map(|one| one.code).collect();
        assert_eq!(left.iter().map(|one| one.code).collect::<Vec<_>>(), others, "{patch}");
    }
}

fn check_default(change: impl FnOnce(&mut DefaultCacheBehavior), expect: &[&str]) {
    check(|config| change(&mut config.default_cache_behavior), expect);
}

fn check_origin(change: impl FnOnce(&mut CustomOriginConfig), expect: &[&str]) {
    check(|config| change(config.origins.items[0].custom_origin_config.as_mut().unwrap()), expect);
}

fn check_address(domain_name: &str, expect: &[&str]) {
    check(|config| config.origins = Origins::from_items(vec![origin("api", domain_name)]), expect);
}

fn cache(id: &str) -> impl FnOnce(&mut DefaultCacheBehavior) {
    let id = id.to_owned();
    move |behavior| behavior.cache_policy_id = Some(id)
}

#[test]
fn the_preset_of_an_api_is_silent() {
    check(|_| {}, &[]);
}

#[test]
fn a_site_of_files_is_silent() {
    check(|config| config.default_cache_behavior = static_behavior(), &[]);
}

#[test]
fn caching_with_credentials() {
    check_default(cache(CACHING_OPTIMIZED), &["caching-with-credentials"]);
    check_default(cache(USE_ORIGIN_CACHE_CONTROL), &["caching-with-credentials"]);
    check_default(cache(KEYED_BY_LANGUAGE), &["caching-with-credentials"]);
    check_default(cache("unknown"), &[]);
    check_default(
        |behavior| {
            *behavior = static_behavior();
            behavior.origin_request_policy_id = Some(CORS_S3.to_owned());
        },
        &[],
    );
}

#[test]
fn min_ttl_over_private() {
    let keyed = |behavior: &mut DefaultCacheBehavior| {
        behavior.cache_policy_id = Some(KEYED_FOR_LONG.to_owned());
        behavior.origin_request_policy_id = None;
    };
    check_default(keyed, &["min-ttl-over-private"]);
    check_default(
        |behavior| {
            behavior.cache_policy_id = Some(CACHING_OPTIMIZED.to_owned());
            behavior.origin_request_policy_id = None;
        },
        &["min-ttl-over-private"],
    );
}

#[test]
fn caching_set_cookie() {
    let keyed = |behavior: &mut DefaultCacheBehavior| {
        behavior.cache_policy_id = Some(KEYED_BY_COOKIES.to_owned());
        behavior.origin_request_policy_id = None;
    };
    check_default(keyed, &["caching-set-cookie"]);
}

#[test]
fn caching_on_an_api() {
    let keyed = |behavior: &mut DefaultCacheBehavior| {
        behavior.cache_policy_id = Some(KEYED_BY_AUTHORIZATION.to_owned());
        behavior.origin_request_policy_id = None;
    };
    check_default(keyed, &["caching-on-api"]);
    let origin_decides = |behavior: &mut DefaultCacheBehavior| {
        behavior.cache_policy_id = Some(USE_ORIGIN_CACHE_CONTROL.to_owned());
        behavior.origin_request_policy_id = None;
    };
    check_default(origin_decides, &[]);
}

#[test]
fn caching_by_forwarded_values() {
    let forwarded = |headers: &[&str], forward| {
        let headers = strings(headers);
        move |behavior: &mut DefaultCacheBehavior| {
            behavior.cache_policy_id = None;
            behavior.origin_request_policy_id = None;
            behavior.min_ttl = Some(0);
            behavior.forwarded_values = Some(ForwardedValues {
                query_string: true,
                cookies: CookiePreference { forward, whitelisted_names: None },
                headers: Some(Headers::from_items(headers)),
                query_string_cache_keys: None,
            });
        }
    };
    check_default(forwarded(&["*"], ItemSelection::All), &[]);
    check_default(forwarded(&["Authorization"], ItemSelection::None), &["caching-on-api"]);
    check_default(forwarded(&["Host"], ItemSelection::All), &["caching-set-cookie"]);
}

#[test]
fn methods_without_post() {
    let read_only = || Some(methods(&[Method::Get, Method::Head]));
    check_default(|behavior| behavior.allowed_methods = read_only(), &["methods-without-post"]);
    check_default(|behavior| behavior.allowed_methods = None, &["methods-without-post"]);
    check(
        |config| {
            let api = DefaultCacheBehavior { allowed_methods: read_only(), ..behavior() };
            config.default_cache_behavior = static_behavior();
            config.cache_behaviors = Some(behaviors(vec![at("/api/*", api), at("/v1/*", static_behavior())]));
        },
        &["methods-without-post", "redundant-cache-behavior"],
    );
}

#[test]
fn an_api_without_an_origin_request_policy() {
    check_default(
        |behavior| behavior.origin_request_policy_id = None,
        &["api-without-origin-request-policy"],
    );
    check_default(|behavior| behavior.origin_request_policy_id = Some(CORS_S3.to_owned()), &[]);
}

fn pages(codes: &[i32]) -> CustomErrorResponses {
    let page = |code: &i32| CustomErrorResponse {
        error_code: *code,
        response_page_path: Some("/index.html".to_owned()),
        response_code: Some("200".to_owned()),
        error_caching_min_ttl: Some(0),
    };
    CustomErrorResponses::from_items(codes.iter().map(page).collect())
}

#[test]
fn error_pages_over_api_errors() {
    let code = "error-page-over-api-errors";
    check(|config| config.custom_error_responses = Some(pages(&[403, 404])), &[code]);
    check(|config| config.custom_error_responses = Some(pages(&[404, 503])), &[code]);
    check(|config| config.custom_error_responses = Some(pages(&[500, 503])), &[]);
    check(
        |config| {
            config.custom_error_responses = Some(pages(&[404]));
            config.default_cache_behavior = static_behavior();
        },
        &[],
    );
}

#[test]
fn a_site_beside_the_api_may_need_its_error_pages() {
    let mut config = preset();
    config.default_cache_behavior = static_behavior();
    config.cache_behaviors = Some(behaviors(vec![at("/api/*", behavior())]));
    config.custom_error_responses = Some(pages(&[404]));
    let warnings = lint(&config, &policies());
    assert_eq!(warnings.iter().map(|one| one.code).collect::<Vec<_>>(), ["error-page-over-api-errors"]);
    assert_eq!(warnings[0].patch, None);
}

#[test]
fn all_viewer_in_front_of_an_https_origin() {
    let https = |config: &mut DistributionConfig| {
        let custom = config.origins.items[0].custom_origin_config.as_mut().unwrap();
        custom.origin_protocol_policy = OriginProtocolPolicy::HttpsOnly;
    };
    let with_alias = |name: &str| {
        let name = name.to_owned();
        move |config: &mut DistributionConfig| {
            https(config);
            config.aliases = Some(Aliases::from_items(strings(&["api.example.com"])));
            config.origins.items[0].domain_name = name;
        }
    };
    check(https, &["all-viewer-https-origin"]);
    check(with_alias("api.internal"), &[]);
    check(with_alias("10.0.0.5"), &["all-viewer-https-origin"]);
    check(
        with_alias("x.execute-api.us-east-1.amazonaws.com"),
        &["public-origin-unprotected", "all-viewer-https-origin"],
    );
    check(
        |config| {
            https(config);
            let except_host = Some(ALL_VIEWER_EXCEPT_HOST_HEADER_ID.to_owned());
            config.default_cache_behavior.origin_request_policy_id = except_host;
        },
        &[],
    );
}

#[test]
fn origin_read_timeout() {
    let code = "origin-read-timeout-under-stream";
    check_origin(|custom| custom.origin_read_timeout = Some(10), &[code]);
    check_origin(|custom| custom.origin_read_timeout = Some(30), &[]);
    let streaming = |seconds, completion| {
        move |config: &mut DistributionConfig| {
            let settings = DefaultCacheBehavior { smooth_streaming: Some(false), ..behavior() };
            config.cache_behaviors = Some(behaviors(vec![at("/v1/chat/*", settings)]));
            config.default_cache_behavior.compress = Some(false);
            config.origins.items[0].response_completion_timeout = completion;
            config.origins.items[0].custom_origin_config.as_mut().unwrap().origin_read_timeout = seconds;
        }
    };
    check(streaming(None, None), &[code]);
    check(streaming(Some(60), None), &[]);
    check(streaming(Some(60), Some(300)), &["response-completion-timeout-under-stream"]);
    check(streaming(Some(30), Some(40)), &[code, "response-completion-timeout-under-stream"]);
}

#[test]
fn a_vpc_origin_has_a_read_timeout_too() {
    check(
        |config| {
            config.origins.items[0].custom_origin_config = None;
            config.origins.items[0].vpc_origin_config =
                Some(VpcOriginConfig { origin_read_timeout: Some(5), ..VpcOriginConfig::default() });
        },
        &["origin-read-timeout-under-stream"],
    );
}

#[test]
fn public_origins() {
    let both = ["public-origin-unprotected", "public-origin-in-clear"];
    for public in ["api.example.com", "203.0.113.7", "2001:db8::1", "internal.example.com.", "localhost.org"]
    {
        check_address(public, &both);
    }
    for private in [
        "127.0.0.1",
        "::1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.7.7",
        "fd00::1",
        "::ffff:10.0.0.1",
        "api",
        "api.internal",
        "API.INTERNAL.",
        "host.docker.internal",
        "printer.local",
        "api.localhost",
        "nas.home.arpa",
    ] {
        check_address(private, &[]);
    }
}

#[test]
fn a_public_origin_that_asks_for_a_secret() {
    let with_header = |value: &str| {
        let header =
            OriginCustomHeader { header_name: "X-Origin-Verify".to_owned(), header_value: value.into() };
        move |config: &mut DistributionConfig| {
            config.origins = Origins::from_items(vec![origin("api", "api.example.com")]);
            config.origins.items[0].custom_headers = Some(CustomHeaders::from_items(vec![header]));
        }
    };
    check(with_header("0123456789abcdef"), &["public-origin-in-clear"]);
    check(with_header("v2"), &["public-origin-unprotected", "public-origin-in-clear"]);
}

#[test]
fn a_secret_never_stands_in_a_warning() {
    let mut config = preset();
    config.origins = Origins::from_items(vec![origin("api", "api.example.com")]);
    let header =
        OriginCustomHeader { header_name: "Authorization".to_owned(), header_value: "hunter2".into() };
    config.origins.items[0].custom_headers = Some(CustomHeaders::from_items(vec![header]));
    assert!(!format!("{:?}", lint(&config, &policies())).contains("hunter2"));
}

#[test]
fn an_origin_that_nobody_targets_is_silent() {
    check(|config| config.origins.items.push(origin("unused", "api.example.com")), &[]);
}

#[test]
fn match_viewer_is_in_clear_where_viewers_may_be() {
    let match_viewer = |policy| {
        move |config: &mut DistributionConfig| {
            config.origins = Origins::from_items(vec![origin("api", "api.example.com")]);
            config.origins.items[0].custom_origin_config.as_mut().unwrap().origin_protocol_policy =
                OriginProtocolPolicy::MatchViewer;
            config.aliases = Some(Aliases::from_items(strings(&["example.com"])));
            config.default_cache_behavior = static_behavior();
            config.default_cache_behavior.viewer_protocol_policy = policy;
        }
    };
    check(
        match_viewer(ViewerProtocolPolicy::AllowAll),
        &["public-origin-unprotected", "public-origin-in-clear"],
    );
    check(match_viewer(ViewerProtocolPolicy::HttpsOnly), &["public-origin-unprotected"]);
}

#[test]
fn viewers_over_plain_http() {
    let allow_all = ViewerProtocolPolicy::AllowAll;
    check_default(|behavior| behavior.viewer_protocol_policy = allow_all, &["viewer-protocol-allow-all"]);
    check_default(
        |behavior| {
            *behavior = DefaultCacheBehavior { viewer_protocol_policy: allow_all, ..static_behavior() }
        },
        &[],
    );
}

#[test]
fn outdated_viewer_tls() {
    let certificate = |arn: Option<&str>, version| {
        let arn = arn.map(str::to_owned);
        move |config: &mut DistributionConfig| {
            config.viewer_certificate = Some(ViewerCertificate {
                acm_certificate_arn: arn,
                minimum_protocol_version: Some(version),
                ..ViewerCertificate::default()
            });
        }
    };
    check(certificate(Some("arn"), MinimumProtocolVersion::TLSv1_2016), &["viewer-tls-outdated"]);
    check(certificate(Some("arn"), MinimumProtocolVersion::TLSv1_2_2019), &[]);
    check(certificate(None, MinimumProtocolVersion::TLSv1), &[]);
}

#[test]
fn unreachable_patterns() {
    let read =
        || DefaultCacheBehavior { viewer_protocol_policy: ViewerProtocolPolicy::HttpsOnly, ..behavior() };
    let code = "path-pattern-unreachable";
    check(
        |config| {
            config.cache_behaviors = Some(behaviors(vec![at("/api/*", read()), at("/api/v1/*", read())]));
        },
        &[code],
    );
    check(
        |config| {
            config.cache_behaviors = Some(behaviors(vec![at("/api/v1/*", read()), at("/api/*", read())]));
        },
        &[],
    );
    check(|config| config.cache_behaviors = Some(behaviors(vec![at("/*", read())])), &[code]);
}

#[test]
fn redundant_behaviors() {
    let other =
        || DefaultCacheBehavior { viewer_protocol_policy: ViewerProtocolPolicy::HttpsOnly, ..behavior() };
    let code = "redundant-cache-behavior";
    check(
        |config| {
            config.cache_behaviors =
                Some(behaviors(vec![at("/a/*", other()), at("/b/*", behavior()), at("/c/*", behavior())]));
        },
        &[code],
    );
    check(
        |config| {
            config.cache_behaviors = Some(behaviors(vec![at("/a/b/*", behavior()), at("/a/*", other())]));
        },
        &[],
    );
}

#[test]
fn default_root_object() {
    let object = |object: &str| {
        let object = Some(object.to_owned());
        move |config: &mut DistributionConfig| config.default_root_object = object
    };
    check(object("index.html"), &["default-root-object-on-api"]);
    check(object("index.php"), &[]);
    check(object(""), &[]);
    check(
        |config| {
            config.default_root_object = Some("index.html".to_owned());
            config.default_cache_behavior = static_behavior();
        },
        &[],
    );
}

#[test]
fn cors_with_credentials_for_any_origin() {
    let with = |id: &str| {
        let id = Some(id.to_owned());
        move |behavior: &mut DefaultCacheBehavior| behavior.response_headers_policy_id = id
    };
    check_default(with(ANY_ORIGIN_WITH_CREDENTIALS), &["cors-credentials-any-origin"]);
    check_default(with(WITH_PREFLIGHT), &[]);
    check_default(with(SIMPLE_CORS), &[]);
}

#[test]
fn refused_preflights() {
    let with = |id: &str| {
        let response_headers_policy_id = Some(id.to_owned());
        move |behavior: &mut DefaultCacheBehavior| {
            *behavior = DefaultCacheBehavior { response_headers_policy_id, ..static_behavior() };
        }
    };
    check_default(with(WITH_PREFLIGHT), &["cors-preflight-refused"]);
    check_default(with(SIMPLE_CORS), &[]);
}

#[test]
fn failover_on_api_errors() {
    let group = |codes: &[i32]| {
        let codes = codes.to_vec();
        move |config: &mut DistributionConfig| {
            let member = |id: &str| OriginGroupMember { origin_id: id.to_owned() };
            config.origins.items.push(origin("second", "10.0.0.6"));
            config.origin_groups = Some(OriginGroups::from_items(vec![OriginGroup {
                id: "both".to_owned(),
                failover_criteria: OriginGroupFailoverCriteria {
                    status_codes: StatusCodes::from_items(codes),
                },
                members: OriginGroupMembers::from_items(vec![member("api"), member("second")]),
                selection_criteria: None,
            }]));
            config.default_cache_behavior.target_origin_id = "both".to_owned();
        }
    };
    check(group(&[404, 429, 503]), &["failover-on-api-errors"]);
    check(group(&[403]), &["failover-on-api-errors"]);
    check(group(&[500, 503]), &[]);
}

#[test]
fn an_origin_header_in_the_place_of_authorization() {
    check(
        |config| {
            let header =
                OriginCustomHeader { header_name: "authorization".to_owned(), header_value: "Basic".into() };
            config.origins.items[0].custom_headers = Some(CustomHeaders::from_items(vec![header]));
        },
        &["origin-header-replaces-authorization"],
    );
}

#[test]
fn origin_keepalive() {
    let code = "origin-keepalive-over-server";
    check_origin(|custom| custom.origin_keepalive_timeout = Some(60), &[code]);
    check_origin(|custom| custom.origin_keepalive_timeout = Some(5), &[]);
    let at_load_balancer = |seconds| {
        move |config: &mut DistributionConfig| {
            let origin = &mut config.origins.items[0];
            origin.domain_name = "internal-x.elb.amazonaws.com".to_owned();
            origin.origin_access_control_id = Some("E1".to_owned());
            let custom = origin.custom_origin_config.as_mut().unwrap();
            custom.origin_keepalive_timeout = Some(seconds);
            custom.origin_protocol_policy = OriginProtocolPolicy::HttpsOnly;
            config.aliases = Some(Aliases::from_items(strings(&["api.example.com"])));
        }
    };
    check(at_load_balancer(60), &[]);
    check(at_load_balancer(120), &[code]);
}

#[test]
fn a_bucket_is_no_api() {
    check(
        |config| {
            config.origins.items[0].domain_name = "files.s3.us-east-1.amazonaws.com".to_owned();
            config.origins.items[0].custom_origin_config = None;
            config.origins.items[0].s3_origin_config = Some(S3OriginConfig::default());
            config.default_cache_behavior = static_behavior();
            config.default_cache_behavior.cache_policy_id = Some(KEYED_FOR_LONG.to_owned());
            config.custom_error_responses = Some(pages(&[403]));
        },
        &[],
    );
}

#[test]
fn a_patch_stands_in_the_behavior_that_it_is_about() {
    let mut config = preset();
    let mut api = behavior();
    api.cache_policy_id = Some(CACHING_OPTIMIZED.to_owned());
    config.cache_behaviors = Some(behaviors(vec![at("/static/*", static_behavior()), at("/x/*", api)]));
    let warnings = lint(&config, &policies());
    assert_eq!(
        warnings[0].to_json()["patch"],
        serde_json::json!([{
            "op": "add", "path": "/CacheBehaviors/Items/1/CachePolicyId", "value": CACHING_DISABLED_ID,
        }])
    );
    assert_eq!(warnings[0].place.to_string(), "CacheBehaviors.Items[1].CachePolicyId");
}
