use aws_api::cloudfront::{
    CachedMethods, CookieNames, CookiePreference, ForwardedValues, Headers, ItemSelection,
    OriginGroupFailoverCriteria, OriginGroupMember, OriginGroupMembers, OriginGroups, StatusCodes,
    ViewerCertificate,
};
use edge_config::{
    CachePolicy, ErrorPage, HeaderSelection, NameSelection, OriginAddress, OriginRequestPolicy,
};

use super::*;
use crate::defaults::complete;
use crate::test_support::{distribution_config, origin};

fn compile(change: impl FnOnce(&mut DistributionConfig)) -> Distribution {
    let mut config = distribution_config("reference");
    change(&mut config);
    complete(&mut config);
    let domain_name = HostName::parse("d1.mantlet.localhost").unwrap();
    match compile_distribution(&config, &domain_name, &Extensions::default()).unwrap() {
        Bundle::Distribution(distribution) => distribution,
        other => panic!("{other:?}"),
    }
}

fn inline(change: impl FnOnce(&mut ForwardedValues)) -> CachePolicy {
    let mut forwarded_values = ForwardedValues::default();
    change(&mut forwarded_values);
    let settings = DefaultCacheBehavior { max_ttl: Some(7), ..DefaultCacheBehavior::default() };
    compile_forwarded_values(&forwarded_values, &settings)
}

#[test]
fn the_api_preset_compiles() {
    let distribution = compile(|_| {});
    assert!(distribution.enabled && distribution.http2);
    assert_eq!(
        distribution.origins,
        [edge_config::Origin {
            id: "api".to_owned(),
            address: OriginAddress::Ip("127.0.0.1".parse().unwrap()),
            ip_address_type: edge_config::IpAddressType::Ipv4,
            http_port: 3500,
            https_port: 443,
            protocol_policy: edge_config::OriginProtocolPolicy::HttpOnly,
            path: String::new(),
            custom_headers: Vec::new(),
            connection_attempts: 3,
            connection_timeout_seconds: 10,
            read_timeout_seconds: 30,
            keepalive_timeout_seconds: 5,
            response_completion_timeout_seconds: None,
        }]
    );
    let [behavior] = &distribution.cache_behaviors[..] else { panic!("{:?}", distribution.cache_behaviors) };
    assert_eq!(behavior.path_pattern, None);
    assert_eq!(behavior.allowed_methods, MethodSet::ALL);
    assert_eq!(behavior.viewer_protocol_policy, edge_config::ViewerProtocolPolicy::RedirectToHttps);
    assert_eq!(behavior.cache_policy, CachePolicySource::Id(managed::CACHING_DISABLED_ID.to_owned()));
    let all_viewer = OriginRequestPolicySource::Id(managed::ALL_VIEWER_ID.to_owned());
    assert_eq!(behavior.origin_request_policy, Some(all_viewer));
}

#[test]
fn error_pages_and_the_root_object_become_paths() {
    use aws_api::cloudfront::{CustomErrorResponse, CustomErrorResponses};
    let distribution = compile(|config| {
        let replaced = |error_code, path: &str, code: &str| CustomErrorResponse {
            error_code,
            response_page_path: Some(path.to_owned()),
            response_code: Some(code.to_owned()),
            error_caching_min_ttl: Some(10),
        };
        config.custom_error_responses = Some(CustomErrorResponses::from_items(vec![
            replaced(404, "/errors/not found?.html", "200"),
            // A caching time alone.
            replaced(500, "", ""),
            replaced(502, "/502.html", "503"),
        ]));
        config.default_root_object = Some("start/index\".html".to_owned());
    });
    let page = |error_status, path: &str, response_status| ErrorPage {
        error_status,
        path: path.to_owned(),
        response_status,
    };
    let pages = [page(404, "/errors/not%20found%3F.html", 200), page(502, "/502.html", 503)];
    assert_eq!(distribution.error_pages.pages, pages);
    assert_eq!(distribution.default_root_object.as_deref(), Some("/start/index%22.html"));
    assert_eq!(compile(|config| config.default_root_object = Some(String::new())).default_root_object, None);
}

#[test]
fn the_http_versions_decide_on_http2_and_http3() {
    for (version, http2, http3) in [
        (HttpVersion::Http1_1, false, false),
        (HttpVersion::Http2, true, false),
        (HttpVersion::Http3, false, true),
        (HttpVersion::Http2and3, true, true),
    ] {
        let compiled = compile(|config| config.http_version = Some(version));
        assert_eq!((compiled.http2, compiled.http3), (http2, http3), "{version}");
    }
}

#[test]
fn f3_policies_that_differ_in_what_can_be_served_are_told_apart() {
    use edge_config::MinimumProtocolVersion::{Tls12, Tls12Of2025, Tls13};
    let minimum = |minimum| {
        let certificate = ViewerCertificate {
            acm_certificate_arn: Some("arn".to_owned()),
            minimum_protocol_version: Some(minimum),
            ..ViewerCertificate::default()
        };
        compile(|config| config.viewer_certificate = Some(certificate)).minimum_protocol_version
    };
    assert_eq!(minimum(MinimumProtocolVersion::TLSv1_3_2025), Tls13);
    assert_eq!(minimum(MinimumProtocolVersion::TLSv1_2_2025), Tls12Of2025);
    for older in [
        MinimumProtocolVersion::SSLv3,
        MinimumProtocolVersion::TLSv1,
        MinimumProtocolVersion::TLSv1_2016,
        MinimumProtocolVersion::TLSv1_1_2016,
        MinimumProtocolVersion::TLSv1_2_2018,
        MinimumProtocolVersion::TLSv1_2_2019,
        MinimumProtocolVersion::TLSv1_2_2021,
    ] {
        assert_eq!(minimum(older), Tls12, "{older}");
    }
}

#[test]
fn origin_groups_and_whether_options_is_cached_compile() {
    let cached = ["GET", "HEAD", "OPTIONS"].map(|method| method.parse().unwrap()).to_vec();
    let distribution = compile(|config| {
        config.origins = aws_api::cloudfront::Origins::from_items(vec![
            origin("a", "a.example"),
            origin("b", "b.example"),
        ]);
        let members = ["b", "a"].map(|id| OriginGroupMember { origin_id: id.to_owned() });
        config.origin_groups = Some(OriginGroups::from_items(vec![OriginGroup {
            id: "group".to_owned(),
            members: OriginGroupMembers::from_items(members.to_vec()),
            failover_criteria: OriginGroupFailoverCriteria {
                status_codes: StatusCodes::from_items(vec![500, 503]),
            },
            ..OriginGroup::default()
        }]));
        config.default_cache_behavior.target_origin_id = "group".to_owned();
        let allowed = config.default_cache_behavior.allowed_methods.as_mut().unwrap();
        allowed.cached_methods = Some(CachedMethods::from_items(cached));
    });
    assert_eq!(
        distribution.origin_groups,
        [edge_config::OriginGroup {
            id: "group".to_owned(),
            primary_origin_id: "b".to_owned(),
            secondary_origin_id: "a".to_owned(),
            failover_status_codes: vec![500, 503],
        }]
    );
    let [behavior] = &distribution.cache_behaviors[..] else { panic!("{:?}", distribution.cache_behaviors) };
    assert_eq!((behavior.target_origin_id.as_str(), behavior.caches_options), ("group", true));
    assert!(!compile(|_| {}).cache_behaviors[0].caches_options);
}

#[test]
fn the_family_of_an_origins_addresses_compiles() {
    for (given, expect) in [
        (None, edge_config::IpAddressType::Ipv4),
        (Some("ipv4"), edge_config::IpAddressType::Ipv4),
        (Some("ipv6"), edge_config::IpAddressType::Ipv6),
        (Some("dualstack"), edge_config::IpAddressType::Dualstack),
    ] {
        let distribution = compile(|config| {
            let custom = config.origins.items[0].custom_origin_config.as_mut().unwrap();
            custom.ip_address_type = given.map(|family| family.parse().unwrap());
        });
        assert_eq!(distribution.origins[0].ip_address_type, expect, "{given:?}");
    }
}

#[test]
fn forwarded_values_become_a_cache_policy() {
    let policy = inline(|values| {
        values.query_string = true;
        values.headers = Some(Headers::from_items(vec!["Authorization".to_owned()]));
        values.cookies = CookiePreference {
            forward: ItemSelection::Whitelist,
            whitelisted_names: Some(CookieNames::from_items(vec!["session".to_owned()])),
        };
    });
    let expected = CachePolicy {
        max_ttl_seconds: 7,
        accept_encoding_gzip: true,
        headers: vec!["Authorization".to_owned()],
        cookies: NameSelection::Only(vec!["session".to_owned()]),
        query_strings: NameSelection::All,
        ..CachePolicy::default()
    };
    assert_eq!(policy, expected);
}

#[test]
fn all_headers_mean_no_caching_whatever_else_goes() {
    let all = |values: &mut ForwardedValues| values.headers = Some(Headers::from_items(vec!["*".to_owned()]));
    assert_eq!(inline(all), CachePolicy::default());
    let distribution = compile(|config| {
        let behavior = &mut config.default_cache_behavior;
        (behavior.cache_policy_id, behavior.origin_request_policy_id) = (None, None);
        all(behavior.forwarded_values.get_or_insert_default());
        assert!(disables_caching(behavior, &Snapshot::default()));
    });
    let all_headers =
        OriginRequestPolicy { headers: HeaderSelection::AllViewer, ..OriginRequestPolicy::default() };
    assert_eq!(
        distribution.cache_behaviors[0].origin_request_policy,
        Some(OriginRequestPolicySource::Inline(all_headers))
    );
}

#[test]
fn cookies_of_forwarded_values_are_named_with_wildcards() {
    let policy = inline(|values| {
        values.cookies = CookiePreference {
            forward: ItemSelection::Whitelist,
            whitelisted_names: Some(CookieNames::from_items(vec!["session*".to_owned()])),
        };
    });
    assert_eq!(policy.cookies, NameSelection::Matching(vec!["session*".to_owned()]));
}

#[test]
fn every_managed_policy_compiles_to_what_its_table_says() {
    let Bundle::CachePolicy(disabled) =
        compile_cache_policy(managed::cache_policy(managed::CACHING_DISABLED_ID).unwrap())
    else {
        panic!("no cache policy")
    };
    assert!(disabled.disables_caching() && !disabled.normalises_accept_encoding());
    for policy in managed::cache_policies().iter().filter(|policy| policy.id != managed::CACHING_DISABLED_ID)
    {
        let Bundle::CachePolicy(compiled) = compile_cache_policy(&policy.config) else {
            panic!("{}", policy.id)
        };
        assert!(!compiled.disables_caching(), "{}", policy.config.name);
    }
    let Bundle::OriginRequestPolicy(all_viewer) =
        compile_origin_request_policy(managed::origin_request_policy(managed::ALL_VIEWER_ID).unwrap())
    else {
        panic!("no origin request policy")
    };
    assert_eq!(all_viewer.headers, edge_config::HeaderSelection::AllViewer);
    assert_eq!((all_viewer.cookies, all_viewer.query_strings), (NameSelection::All, NameSelection::All));
}

#[test]
fn a_response_headers_policy_becomes_what_edges_add_and_remove() {
    use aws_api::cloudfront::{
        FrameOptionsList, ResponseHeadersPolicyAccessControlAllowMethods,
        ResponseHeadersPolicyAccessControlAllowMethodsValues as AllowedMethod, ResponseHeadersPolicyConfig,
        ResponseHeadersPolicyContentSecurityPolicy, ResponseHeadersPolicyCorsConfig,
        ResponseHeadersPolicyCustomHeader, ResponseHeadersPolicyCustomHeadersConfig,
        ResponseHeadersPolicyFrameOptions, ResponseHeadersPolicyRemoveHeader,
        ResponseHeadersPolicyRemoveHeadersConfig, ResponseHeadersPolicySecurityHeadersConfig,
        ResponseHeadersPolicyServerTimingHeadersConfig, ResponseHeadersPolicyStrictTransportSecurity,
        ResponseHeadersPolicyXSSProtection,
    };
    let security = ResponseHeadersPolicySecurityHeadersConfig {
        strict_transport_security: Some(ResponseHeadersPolicyStrictTransportSecurity {
            r#override: true,
            include_subdomains: Some(true),
            preload: Some(true),
            access_control_max_age_sec: 60,
        }),
        xss_protection: Some(ResponseHeadersPolicyXSSProtection {
            protection: true,
            report_uri: Some("/report".to_owned()),
            ..ResponseHeadersPolicyXSSProtection::default()
        }),
        frame_options: Some(ResponseHeadersPolicyFrameOptions {
            r#override: false,
            frame_option: FrameOptionsList::Deny,
        }),
        content_security_policy: Some(ResponseHeadersPolicyContentSecurityPolicy {
            r#override: false,
            content_security_policy: "default-src 'self'".to_owned(),
        }),
        ..ResponseHeadersPolicySecurityHeadersConfig::default()
    };
    let config = ResponseHeadersPolicyConfig {
        cors_config: Some(ResponseHeadersPolicyCorsConfig {
            access_control_allow_methods: ResponseHeadersPolicyAccessControlAllowMethods::from_items(vec![
                AllowedMethod::All,
            ]),
            access_control_max_age_sec: Some(600),
            ..ResponseHeadersPolicyCorsConfig::default()
        }),
        security_headers_config: Some(security),
        server_timing_headers_config: Some(ResponseHeadersPolicyServerTimingHeadersConfig {
            enabled: true,
            sampling_rate: Some(12.3456),
        }),
        custom_headers_config: Some(ResponseHeadersPolicyCustomHeadersConfig::from_items(vec![
            ResponseHeadersPolicyCustomHeader {
                header: "X-Custom".to_owned(),
                value: String::new(),
                r#override: true,
            },
        ])),
        remove_headers_config: Some(ResponseHeadersPolicyRemoveHeadersConfig::from_items(vec![
            ResponseHeadersPolicyRemoveHeader { header: "Vary".to_owned() },
        ])),
        ..ResponseHeadersPolicyConfig::default()
    };
    let Bundle::ResponseHeadersPolicy(policy) = compile_response_headers_policy(&config) else {
        panic!("no response headers policy")
    };
    let headers: Vec<(&str, &str, bool)> = policy
        .headers
        .iter()
        .map(|header| (header.name.as_str(), header.value.as_str(), header.overrides_origin))
        .collect();
    assert_eq!(
        headers,
        [
            ("Strict-Transport-Security", "max-age=60; includeSubDomains; preload", true),
            ("X-Frame-Options", "DENY", false),
            ("X-XSS-Protection", "1; report=/report", false),
            ("Content-Security-Policy", "default-src 'self'", false),
            ("X-Custom", "", true),
        ]
    );
    let cors = policy.cors.unwrap();
    assert_eq!(cors.allow_methods.join(" "), "DELETE GET HEAD OPTIONS PATCH POST PUT");
    assert_eq!((cors.max_age_seconds, cors.exposes_to_preflight_alone), (Some(600), false));
    assert_eq!(policy.removed_headers, ["Vary"]);
    assert_eq!(policy.server_timing.unwrap().sampled, 123_456);
}

#[test]
fn f2_grpc_goes_in_clear_by_the_tag_alone() {
    use aws_api::cloudfront::GrpcConfig;
    use edge_config::GrpcTransport;
    let grpc = |enabled, extensions: &Extensions| {
        let mut config = distribution_config("reference");
        config.default_cache_behavior.grpc_config = Some(GrpcConfig { enabled });
        complete(&mut config);
        let domain_name = HostName::parse("d1.mantlet.localhost").unwrap();
        match compile_distribution(&config, &domain_name, extensions).unwrap() {
            Bundle::Distribution(distribution) => distribution.cache_behaviors[0].grpc,
            other => panic!("{other:?}"),
        }
    };
    let by_tag = Extensions { grpc_transport: GrpcTransport::AsOriginSpeaks, ..Extensions::default() };
    assert_eq!(grpc(false, &by_tag), None);
    assert_eq!(grpc(true, &Extensions::default()), Some(GrpcTransport::Tls));
    assert_eq!(grpc(true, &by_tag), Some(GrpcTransport::AsOriginSpeaks));
}
