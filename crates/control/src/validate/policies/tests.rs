use aws_api::cloudfront::{
    CachePolicyConfig, CachePolicyCookieBehavior, CachePolicyHeaderBehavior, CachePolicyQueryStringBehavior,
    CookieNames, Headers, OriginRequestPolicyConfig, OriginRequestPolicyCookieBehavior,
    OriginRequestPolicyHeaderBehavior, OriginRequestPolicyQueryStringBehavior,
    ParametersInCacheKeyAndForwardedToOrigin, QueryStringNames,
    ResponseHeadersPolicyAccessControlAllowHeaders, ResponseHeadersPolicyAccessControlAllowMethods,
    ResponseHeadersPolicyAccessControlAllowMethodsValues as AllowedMethod,
    ResponseHeadersPolicyAccessControlAllowOrigins, ResponseHeadersPolicyAccessControlExposeHeaders,
    ResponseHeadersPolicyConfig, ResponseHeadersPolicyContentSecurityPolicy, ResponseHeadersPolicyCorsConfig,
    ResponseHeadersPolicyCustomHeader, ResponseHeadersPolicyCustomHeadersConfig,
    ResponseHeadersPolicyRemoveHeader, ResponseHeadersPolicyRemoveHeadersConfig,
    ResponseHeadersPolicySecurityHeadersConfig, ResponseHeadersPolicyServerTimingHeadersConfig,
    ResponseHeadersPolicyStrictTransportSecurity, ResponseHeadersPolicyXSSProtection,
};

use super::*;
use crate::defaults::policies::{
    complete_cache_policy, complete_origin_request_policy, complete_response_headers_policy,
};
use crate::managed;
use crate::quotas::Quotas;

/// What is wrong with a change of a good policy: the code and a part of the message; or nothing.
#[derive(Clone, Copy, Debug)]
enum Expect<'a> {
    Fine,
    Refused(&'a str, &'a str),
}

const FINE: Expect<'static> = Expect::Fine;

fn invalid(message: &str) -> Expect<'_> {
    Expect::Refused("InvalidArgument", message)
}

fn expect(result: Result<(), ApiError>, expect: Expect<'_>) {
    match (result, expect) {
        (Ok(()), Expect::Fine) => {}
        (Err(error), Expect::Refused(code, message)) => {
            assert_eq!((error.code, error.status), (code, 400), "{}", error.message);
            assert!(error.message.contains(message), "{:?} has no {message:?}", error.message);
        }
        (result, expect) => panic!("{result:?} is not {expect:?}"),
    }
}

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|&item| item.to_owned()).collect()
}

mod cache {
    use super::*;

    fn check(change: impl FnOnce(&mut CachePolicyConfig), wanted: Expect<'_>) {
        let mut config =
            CachePolicyConfig { name: "policy".to_owned(), min_ttl: 1, ..CachePolicyConfig::default() };
        change(&mut config);
        complete_cache_policy(&mut config);
        expect(cache_policy::validate(&config, &Quotas::default()), wanted);
    }

    fn check_key(change: impl FnOnce(&mut ParametersInCacheKeyAndForwardedToOrigin), wanted: Expect<'_>) {
        let key = |config: &mut CachePolicyConfig| {
            change(config.parameters_in_cache_key_and_forwarded_to_origin.get_or_insert_default());
        };
        check(key, wanted);
    }

    fn check_headers(names: &[&str], wanted: Expect<'_>) {
        let list = |key: &mut ParametersInCacheKeyAndForwardedToOrigin| {
            key.headers_config.header_behavior = CachePolicyHeaderBehavior::Whitelist;
            key.headers_config.headers = Some(Headers::from_items(strings(names)));
        };
        check_key(list, wanted);
    }

    #[test]
    fn names_and_comments() {
        for name in ["a", "Managed-Like_1", &"n".repeat(128)] {
            check(|config| config.name = name.to_owned(), FINE);
        }
        for name in ["", "with space", "dotted.name", "ü", "a/b", &"n".repeat(129)] {
            check(|config| config.name = name.to_owned(), invalid("Name"));
        }
        check(|config| config.comment = Some("ü".repeat(128)), FINE);
        check(|config| config.comment = Some("c".repeat(129)), invalid("Comment"));
    }

    #[test]
    fn times_are_in_order() {
        let ttls = |min: i64, default: Option<i64>, max: Option<i64>| {
            move |config: &mut CachePolicyConfig| {
                (config.min_ttl, config.default_ttl, config.max_ttl) = (min, default, max);
            }
        };
        check(ttls(0, Some(0), Some(0)), FINE);
        check(ttls(0, Some(0), Some(1)), FINE);
        check(ttls(90_000, None, None), FINE);
        check(ttls(40_000_000, None, None), FINE);
        check(ttls(2, Some(1), Some(3)), invalid("none may be above the next"));
        check(ttls(1, Some(3), Some(2)), invalid("none may be above the next"));
        check(ttls(1, None, Some(10)), invalid("left out, DefaultTTL is a day"));
        check(ttls(-1, None, None), invalid("MinTTL must be from 0"));
        check(ttls(0, None, Some(3_153_600_001)), invalid("MaxTTL must be from 0"));
        check(ttls(i64::MIN, Some(i64::MAX), None), invalid("MinTTL must be from 0"));
    }

    #[test]
    fn defaults_follow_the_least_time() {
        let complete = |min_ttl| {
            let mut config = CachePolicyConfig { min_ttl, ..CachePolicyConfig::default() };
            complete_cache_policy(&mut config);
            let again = config.clone();
            complete_cache_policy(&mut config);
            assert_eq!(config, again);
            [config.default_ttl, config.max_ttl]
        };
        assert_eq!(complete(0), [Some(86_400), Some(31_536_000)]);
        assert_eq!(complete(90_000), [Some(90_000), Some(31_536_000)]);
        assert_eq!(complete(40_000_000), [Some(40_000_000), Some(40_000_000)]);
    }

    #[test]
    fn without_caching_nothing_is_in_the_key() {
        type Set = fn(&mut ParametersInCacheKeyAndForwardedToOrigin);
        let cases: [(&str, Set); 5] = [
            ("HeaderBehavior", |key| {
                key.headers_config.header_behavior = CachePolicyHeaderBehavior::Whitelist;
                key.headers_config.headers = Some(Headers::from_items(strings(&["Authorization"])));
            }),
            ("CookieBehavior", |key| key.cookies_config.cookie_behavior = CachePolicyCookieBehavior::All),
            ("QueryStringBehavior", |key| {
                key.query_strings_config.query_string_behavior = CachePolicyQueryStringBehavior::All;
            }),
            ("EnableAcceptEncodingGzip", |key| key.enable_accept_encoding_gzip = true),
            ("EnableAcceptEncodingBrotli", |key| key.enable_accept_encoding_brotli = Some(true)),
        ];
        for (parameter, set) in cases {
            let disabled = |config: &mut CachePolicyConfig| {
                (config.min_ttl, config.default_ttl, config.max_ttl) = (0, Some(0), Some(0));
                set(config.parameters_in_cache_key_and_forwarded_to_origin.get_or_insert_default());
            };
            let message = format!("The parameter {parameter} is invalid for policy with caching disabled.");
            check(disabled, invalid(&message));
            check_key(set, FINE);
        }
    }

    #[test]
    fn a_list_goes_with_its_behavior() {
        check_headers(&[], invalid("Headers does not go with HeaderBehavior whitelist. List at least one"));
        let unused = |key: &mut ParametersInCacheKeyAndForwardedToOrigin| {
            key.headers_config.headers = Some(Headers::from_items(strings(&["A"])));
        };
        check_key(unused, invalid("Headers does not go with HeaderBehavior none. Leave the list out"));
        for (behavior, names, wanted) in [
            (CachePolicyCookieBehavior::All, &["a"][..], invalid("CookieBehavior all")),
            (CachePolicyCookieBehavior::AllExcept, &[], invalid("CookieBehavior allExcept")),
            (CachePolicyCookieBehavior::AllExcept, &["a"], FINE),
            (CachePolicyCookieBehavior::None, &[], FINE),
        ] {
            let set = |key: &mut ParametersInCacheKeyAndForwardedToOrigin| {
                key.cookies_config.cookie_behavior = behavior;
                key.cookies_config.cookies = Some(CookieNames::from_items(strings(names)));
            };
            check_key(set, wanted);
        }
    }

    #[test]
    fn headers_are_names_that_can_be_cached_by() {
        check_headers(&["Host", "Origin", "authorization", "X-My", "*", "CloudFront-Viewer-Country"], FINE);
        check_headers(&["Accept-Encoding"], FINE);
        for name in ["", "a b", "a:b", "ü", "a\r\nb"] {
            check_headers(&[name], invalid("no name"));
        }
        check_headers(&["Origin", "ORIGIN"], invalid("contains ORIGIN twice"));
        for name in [
            "Cookie",
            "Connection",
            "te",
            "Pragma",
            "Cache-Control",
            "X-Forwarded-Proto",
            "X-Edge-Any",
            "X-Amz-Cf-Id",
            "CloudFront-Viewer-TLS",
            "CloudFront-Viewer-Address",
            "CloudFront-Viewer-ASN",
            "cloudfront-viewer-ja3-fingerprint",
            "CloudFront-Viewer-JA4-Fingerprint",
            "CloudFront-Other",
        ] {
            check_headers(
                &[name],
                invalid(&format!("The parameter Headers contains {name} that is not allowed.")),
            );
        }
    }

    #[test]
    fn accept_encoding_is_not_named_twice() {
        let both = |key: &mut ParametersInCacheKeyAndForwardedToOrigin| {
            key.enable_accept_encoding_brotli = Some(true);
            key.headers_config.header_behavior = CachePolicyHeaderBehavior::Whitelist;
            key.headers_config.headers = Some(Headers::from_items(strings(&["accept-encoding"])));
        };
        check_key(both, invalid("contains accept-encoding that is not allowed"));
    }

    #[test]
    fn names_have_quotas_and_a_length_in_all() {
        let numbered = |count: usize, length: usize| -> Vec<String> {
            (0..count).map(|number| format!("{number:0length$}")).collect()
        };
        let names = numbered(11, 2);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        check_headers(&names[..10], FINE);
        check_headers(&names, Expect::Refused("TooManyHeadersInCachePolicy", "more than 10"));
        let cookies = |key: &mut ParametersInCacheKeyAndForwardedToOrigin| {
            key.cookies_config.cookie_behavior = CachePolicyCookieBehavior::Whitelist;
            key.cookies_config.cookies = Some(CookieNames::from_items(numbered(11, 2)));
        };
        check_key(cookies, Expect::Refused("TooManyCookiesInCachePolicy", "more than 10"));
        let queries = |count, length| {
            move |key: &mut ParametersInCacheKeyAndForwardedToOrigin| {
                key.query_strings_config.query_string_behavior = CachePolicyQueryStringBehavior::Whitelist;
                key.query_strings_config.query_strings =
                    Some(QueryStringNames::from_items(numbered(count, length)));
            }
        };
        check_key(queries(11, 2), Expect::Refused("TooManyQueryStringsInCachePolicy", "more than 10"));
        check_key(queries(8, 128), FINE);
        check_key(queries(8, 129), invalid("more than 1024 characters"));
    }

    #[test]
    fn cookies_and_query_strings_are_names_without_values() {
        let cookie = |name: &str, wanted: Expect<'_>| {
            let set = |key: &mut ParametersInCacheKeyAndForwardedToOrigin| {
                key.cookies_config.cookie_behavior = CachePolicyCookieBehavior::Whitelist;
                key.cookies_config.cookies = Some(CookieNames::from_items(strings(&[name])));
            };
            check_key(set, wanted);
        };
        for name in ["session_ID", "__Host-id", "a[b]", "*"] {
            cookie(name, FINE);
        }
        for name in ["", "a=b", "a;b", "a b"] {
            cookie(name, invalid("The parameter Cookies contains"));
        }
        let queries = |names: &[&str], wanted: Expect<'_>| {
            let set = |key: &mut ParametersInCacheKeyAndForwardedToOrigin| {
                key.query_strings_config.query_string_behavior = CachePolicyQueryStringBehavior::AllExcept;
                key.query_strings_config.query_strings = Some(QueryStringNames::from_items(strings(names)));
            };
            check_key(set, wanted);
        };
        queries(&["split-pages", "filter[name]", "a.b", "Case", "case"], FINE);
        queries(&["a", "a"], invalid("twice"));
        for name in ["", "a=b", "a&b", "?a"] {
            queries(&[name], invalid("The parameter QueryStrings contains"));
        }
    }

    #[test]
    fn what_aws_made_is_valid_and_complete() {
        for policy in managed::cache_policies() {
            let mut config = policy.config.clone();
            config.name = config.name.replace("Managed-", "My-");
            let before = config.clone();
            complete_cache_policy(&mut config);
            assert_eq!(config, before);
            expect(cache_policy::validate(&config, &Quotas::default()), FINE);
        }
    }
}

mod origin_request {
    use super::*;

    fn check(change: impl FnOnce(&mut OriginRequestPolicyConfig), wanted: Expect<'_>) {
        let mut config =
            OriginRequestPolicyConfig { name: "policy".to_owned(), ..OriginRequestPolicyConfig::default() };
        change(&mut config);
        complete_origin_request_policy(&mut config);
        expect(origin_request_policy::validate(&config, &Quotas::default()), wanted);
    }

    fn check_headers(behavior: OriginRequestPolicyHeaderBehavior, names: &[&str], wanted: Expect<'_>) {
        let set = |config: &mut OriginRequestPolicyConfig| {
            config.headers_config.header_behavior = behavior;
            config.headers_config.headers = Some(Headers::from_items(strings(names)));
        };
        check(set, wanted);
    }

    #[test]
    fn headers_are_names_that_can_be_forwarded() {
        use OriginRequestPolicyHeaderBehavior::{AllExcept, AllViewer, Whitelist};
        check_headers(
            Whitelist,
            &["Authorization", "Accept-Encoding", "Pragma", "X-Forwarded-For", "CloudFront-Viewer-TLS", "*"],
            FINE,
        );
        for name in ["Cookie", "Connection", "X-Forwarded-Proto", "x-amz-content-sha256", "CloudFront-New"] {
            check_headers(Whitelist, &[name], invalid(&format!("contains {name} that is not allowed.")));
        }
        check_headers(AllExcept, &["Host", "Connection"], FINE);
        check_headers(AllExcept, &[], invalid("HeaderBehavior allExcept"));
        check_headers(AllExcept, &["host", "Host"], invalid("twice"));
        check_headers(AllViewer, &["Host"], invalid("HeaderBehavior allViewer"));
        check_headers(AllViewer, &[], FINE);
    }

    #[test]
    fn beside_all_viewer_headers_stand_those_of_cloudfront_alone() {
        use OriginRequestPolicyHeaderBehavior::AllViewerAndWhitelistCloudFront as Both;
        check_headers(Both, &["CloudFront-Viewer-Address", "cloudfront-forwarded-proto"], FINE);
        check_headers(Both, &[], invalid("List at least one"));
        for name in ["Host", "CloudFront-Other", "X-CloudFront-Viewer-TLS"] {
            check_headers(Both, &[name], invalid(&format!("contains {name} that is not allowed.")));
        }
    }

    #[test]
    fn lists_go_with_behaviors_and_have_quotas() {
        let many: Vec<String> = (0..11).map(|number| format!("n{number}")).collect();
        let names: Vec<&str> = many.iter().map(String::as_str).collect();
        let too_many = Expect::Refused("TooManyHeadersInOriginRequestPolicy", "more than 10");
        check_headers(OriginRequestPolicyHeaderBehavior::Whitelist, &names, too_many);
        let cookies = |config: &mut OriginRequestPolicyConfig| {
            config.cookies_config.cookie_behavior = OriginRequestPolicyCookieBehavior::Whitelist;
            config.cookies_config.cookies = Some(CookieNames::from_items(many.clone()));
        };
        check(cookies, Expect::Refused("TooManyCookiesInOriginRequestPolicy", "more than 10"));
        let queries = |config: &mut OriginRequestPolicyConfig| {
            config.query_strings_config.query_string_behavior =
                OriginRequestPolicyQueryStringBehavior::Whitelist;
            config.query_strings_config.query_strings = Some(QueryStringNames::from_items(many.clone()));
        };
        check(queries, Expect::Refused("TooManyQueryStringsInOriginRequestPolicy", "more than 10"));
        let unused = |config: &mut OriginRequestPolicyConfig| {
            config.query_strings_config.query_string_behavior = OriginRequestPolicyQueryStringBehavior::All;
            config.query_strings_config.query_strings = Some(QueryStringNames::from_items(strings(&["a"])));
        };
        check(unused, invalid("QueryStringBehavior all"));
    }

    #[test]
    fn what_aws_made_is_valid_and_complete() {
        // AWS's own policy lists more headers than a policy may.
        let quotas = Quotas { headers_per_policy: 21, ..Quotas::default() };
        for policy in managed::origin_request_policies() {
            let mut config = policy.config.clone();
            let before = config.clone();
            complete_origin_request_policy(&mut config);
            assert_eq!(config, before);
            expect(origin_request_policy::validate(&config, &quotas), FINE);
        }
    }
}

mod response_headers {
    use super::*;

    fn check(change: impl FnOnce(&mut ResponseHeadersPolicyConfig), wanted: Expect<'_>) {
        let mut config = ResponseHeadersPolicyConfig {
            name: "policy".to_owned(),
            remove_headers_config: Some(ResponseHeadersPolicyRemoveHeadersConfig::default()),
            ..ResponseHeadersPolicyConfig::default()
        };
        change(&mut config);
        complete_response_headers_policy(&mut config);
        let again = config.clone();
        complete_response_headers_policy(&mut config);
        // As text, for a sampling rate that is no number is not even itself.
        assert_eq!(format!("{config:?}"), format!("{again:?}"));
        expect(response_headers_policy::validate(&config, &Quotas::default()), wanted);
    }

    fn check_cors(change: impl FnOnce(&mut ResponseHeadersPolicyCorsConfig), wanted: Expect<'_>) {
        let mut cors = ResponseHeadersPolicyCorsConfig {
            access_control_allow_origins: ResponseHeadersPolicyAccessControlAllowOrigins::from_items(
                strings(&["https://example.com"]),
            ),
            access_control_allow_methods: ResponseHeadersPolicyAccessControlAllowMethods::from_items(vec![
                AllowedMethod::Get,
            ]),
            ..ResponseHeadersPolicyCorsConfig::default()
        };
        change(&mut cors);
        check(|config| config.cors_config = Some(cors), wanted);
    }

    fn check_origins(origins: &[&str], wanted: Expect<'_>) {
        let set = |cors: &mut ResponseHeadersPolicyCorsConfig| {
            cors.access_control_allow_origins =
                ResponseHeadersPolicyAccessControlAllowOrigins::from_items(strings(origins));
        };
        check_cors(set, wanted);
    }

    fn allow_headers(headers: &[&str]) -> ResponseHeadersPolicyAccessControlAllowHeaders {
        ResponseHeadersPolicyAccessControlAllowHeaders::from_items(strings(headers))
    }

    fn check_security(
        change: impl FnOnce(&mut ResponseHeadersPolicySecurityHeadersConfig),
        wanted: Expect<'_>,
    ) {
        let mut security = ResponseHeadersPolicySecurityHeadersConfig::default();
        change(&mut security);
        check(|config| config.security_headers_config = Some(security), wanted);
    }

    fn custom(header: &str, value: &str) -> ResponseHeadersPolicyCustomHeader {
        ResponseHeadersPolicyCustomHeader {
            header: header.to_owned(),
            value: value.to_owned(),
            r#override: true,
        }
    }

    fn check_custom(headers: Vec<ResponseHeadersPolicyCustomHeader>, wanted: Expect<'_>) {
        let headers = ResponseHeadersPolicyCustomHeadersConfig::from_items(headers);
        check(|config| config.custom_headers_config = Some(headers), wanted);
    }

    fn check_removed(names: &[&str], wanted: Expect<'_>) {
        let headers = names.iter().map(|&name| ResponseHeadersPolicyRemoveHeader { header: name.to_owned() });
        let headers = ResponseHeadersPolicyRemoveHeadersConfig::from_items(headers.collect());
        check(|config| config.remove_headers_config = Some(headers), wanted);
    }

    #[test]
    fn a_policy_says_something() {
        check(|config| config.remove_headers_config = None, invalid("neither adds nor removes"));
    }

    #[test]
    fn origins_have_wildcards_where_the_developer_guide_allows_them() {
        for origin in [
            "*",
            "http://www.example.com",
            "http://*.example.org",
            "*.example.org",
            "example.org",
            "http://example.org:*",
            "http://example.org:1*3",
            "*.example.org:1*",
            "http://localhost:3000",
            "http://[::1]:8080",
            "capacitor://localhost",
            "test.example.comtest",
        ] {
            check_origins(&[origin], FINE);
        }
        for origin in [
            "",
            "example.*",
            "test.*.example.org",
            "*test.example.org",
            "exa*mple.org",
            "http://*",
            "http://example.org/",
            "http://example.org:",
            "http://example.org:port",
            "http://example.org:123456",
            "://example.org",
            "*://example.org",
            "http://user@example.org",
            "exa mple.org",
            "http://[zz]",
            "a..b",
        ] {
            check_origins(&[origin], invalid("which is no origin"));
        }
        check_origins(&[], invalid("lists no origin"));
        check_origins(&["example.org", "EXAMPLE.org"], invalid("twice"));
    }

    #[test]
    fn cors_headers_have_one_wildcard_at_most() {
        let set = |headers: &'static [&'static str]| {
            move |cors: &mut ResponseHeadersPolicyCorsConfig| {
                cors.access_control_allow_headers = allow_headers(headers);
                cors.access_control_expose_headers =
                    Some(ResponseHeadersPolicyAccessControlExposeHeaders::from_items(strings(headers)));
            }
        };
        check_cors(set(&["*", "Authorization", "x-amz-*", "x-*-amz"]), FINE);
        check_cors(set(&["x-*-*"]), invalid("Access-Control-Allow-Headers contains"));
        check_cors(set(&["a b"]), invalid("no name of a header"));
        check_cors(set(&["A", "a"]), invalid("twice"));
        let long: &'static str = Box::leak("h".repeat(10_240).into_boxed_str());
        check_cors(set(Box::leak(Box::new([long]))), invalid("more than 10240"));
    }

    #[test]
    fn all_methods_stand_alone() {
        let set = |methods: &[AllowedMethod]| {
            let methods = ResponseHeadersPolicyAccessControlAllowMethods::from_items(methods.to_vec());
            move |cors: &mut ResponseHeadersPolicyCorsConfig| cors.access_control_allow_methods = methods
        };
        check_cors(set(&[AllowedMethod::All]), FINE);
        check_cors(set(&[AllowedMethod::Get, AllowedMethod::Post]), FINE);
        check_cors(set(&[AllowedMethod::All, AllowedMethod::Get]), invalid("ALL beside others"));
        check_cors(set(&[AllowedMethod::Get, AllowedMethod::Get]), invalid("twice"));
    }

    #[test]
    fn credentials_go_with_names_alone() {
        let with = |headers: &'static [&'static str]| {
            move |cors: &mut ResponseHeadersPolicyCorsConfig| {
                cors.access_control_allow_credentials = true;
                cors.access_control_allow_headers = allow_headers(headers);
            }
        };
        check_cors(with(&["Authorization"]), FINE);
        for headers in [&["*"][..], &["x-*"]] {
            let sentence =
                "The parameter Access-Control-Allow-Headers cannot contain * when allowCredentials is true.";
            check_cors(with(Box::leak(headers.to_vec().into_boxed_slice())), invalid(sentence));
        }
        let any_origin = |cors: &mut ResponseHeadersPolicyCorsConfig| {
            cors.access_control_allow_credentials = true;
            cors.access_control_allow_origins =
                ResponseHeadersPolicyAccessControlAllowOrigins::from_items(strings(&["*"]));
        };
        check_cors(any_origin, invalid("Access-Control-Allow-Origin cannot contain *"));
    }

    #[test]
    fn times_are_not_negative() {
        check_cors(|cors| cors.access_control_max_age_sec = Some(0), FINE);
        check_cors(|cors| cors.access_control_max_age_sec = Some(-1), invalid("Access-Control-Max-Age"));
        let strict = |seconds| {
            move |security: &mut ResponseHeadersPolicySecurityHeadersConfig| {
                security.strict_transport_security = Some(ResponseHeadersPolicyStrictTransportSecurity {
                    access_control_max_age_sec: seconds,
                    ..ResponseHeadersPolicyStrictTransportSecurity::default()
                });
            }
        };
        check_security(strict(63_072_000), FINE);
        check_security(strict(-1), invalid("AccessControlMaxAgeSec of StrictTransportSecurity"));
    }

    #[test]
    fn xss_protection_blocks_or_reports() {
        let set = |mode_block, report_uri: &'static str| {
            move |security: &mut ResponseHeadersPolicySecurityHeadersConfig| {
                security.xss_protection = Some(ResponseHeadersPolicyXSSProtection {
                    protection: true,
                    mode_block,
                    report_uri: Some(report_uri.to_owned()),
                    ..ResponseHeadersPolicyXSSProtection::default()
                });
            }
        };
        check_security(set(Some(true), ""), FINE);
        check_security(set(Some(false), "https://example.com/report"), FINE);
        check_security(set(Some(true), "https://example.com/report"), invalid("when ModeBlock is true"));
        check_security(set(None, "https://example.com/; mode=block"), invalid("ReportUri must be a URI"));
        check_security(set(None, "a\r\nb"), invalid("ReportUri must be a URI"));
    }

    #[test]
    fn a_content_security_policy_is_one_line_of_limited_length() {
        let set = |value: String| {
            move |security: &mut ResponseHeadersPolicySecurityHeadersConfig| {
                security.content_security_policy = Some(ResponseHeadersPolicyContentSecurityPolicy {
                    content_security_policy: value,
                    ..ResponseHeadersPolicyContentSecurityPolicy::default()
                });
            }
        };
        check_security(set("default-src 'self'; img-src *".to_owned()), FINE);
        check_security(set("a".repeat(1783)), FINE);
        check_security(set("a".repeat(1784)), Expect::Refused("TooLongCSPInResponseHeadersPolicy", "1783"));
        for value in ["", "a\nb", " a", "ü"] {
            check_security(set(value.to_owned()), invalid("ContentSecurityPolicy must be one line"));
        }
    }

    #[test]
    fn a_sampling_rate_is_a_percentage_with_four_places() {
        let set = |rate| {
            move |config: &mut ResponseHeadersPolicyConfig| {
                config.server_timing_headers_config = Some(ResponseHeadersPolicyServerTimingHeadersConfig {
                    enabled: true,
                    sampling_rate: rate,
                });
            }
        };
        for rate in [None, Some(0.0), Some(100.0), Some(33.3333), Some(0.0001), Some(99.9999), Some(0.07)] {
            check(set(rate), FINE);
        }
        for rate in [-0.1, 100.0001, 0.00001, 33.33333, f64::NAN, f64::INFINITY] {
            check(set(Some(rate)), invalid("SamplingRate must be"));
        }
    }

    #[test]
    fn custom_headers_are_headers_that_nobody_else_sets() {
        check_custom(
            vec![custom("Cache-Control", "no-store"), custom("X-Empty", ""), custom("Server", "x")],
            FINE,
        );
        for name in ["Content-Security-Policy", "x-frame-options", "Strict-Transport-Security"] {
            let sentence = format!(
                "The parameter CustomHeaders contains {name} that is a security header and cannot be set as custom \
                 header."
            );
            check_custom(vec![custom(name, "x")], invalid(&sentence));
        }
        check_custom(vec![custom("access-control-allow-origin", "*")], invalid("that is a CORS header"));
        for name in ["Connection", "Via", "X-Cache", "X-Edge-Location", "X-Amz-Cf-Pop", "Content-Length"] {
            check_custom(vec![custom(name, "x")], invalid(&format!("contains {name} that is not allowed.")));
        }
        check_custom(vec![custom("A", "1"), custom("a", "2")], invalid("contains a twice"));
        check_custom(vec![custom("no name", "x")], invalid("no name of a header"));
        check_custom(vec![custom(&"n".repeat(257), "x")], invalid("no name of a header"));
        for value in ["a\r\nb", " a", "ü", &"v".repeat(1784)] {
            check_custom(vec![custom("A", value)], invalid("has a value of A"));
        }
    }

    #[test]
    fn custom_headers_have_a_quota_and_a_length_in_all() {
        let many = |count: usize, value: usize| {
            (0..count).map(|number| custom(&format!("H{number}"), &"v".repeat(value))).collect()
        };
        check_custom(many(10, 1), FINE);
        check_custom(
            many(11, 1),
            Expect::Refused("TooManyCustomHeadersInResponseHeadersPolicy", "more than 10"),
        );
        check_custom(many(6, 1704), FINE);
        check_custom(many(6, 1705), invalid("more than 10240 characters"));
    }

    #[test]
    fn removed_headers_are_removable() {
        check_removed(&["X-Powered-By", "Server", "Vary", "Access-Control-Allow-Origin"], FINE);
        for name in ["Via", "content-length", "X-Amz-Cf-Id", "X-Edge-Any", "X-Cache", "X-Accel-Buffering"] {
            check_removed(&[name], invalid(&format!("RemoveHeaders contains {name} that is not allowed.")));
        }
        check_removed(&["a b"], invalid("no name of a header"));
        check_removed(&["Vary", "vary"], invalid("twice"));
        let many: Vec<String> = (0..11).map(|number| format!("H{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        check_removed(&many, Expect::Refused("TooManyRemoveHeadersInResponseHeadersPolicy", "more than 10"));
    }

    #[test]
    fn what_aws_made_is_valid() {
        for policy in managed::response_headers_policies() {
            check(
                |config| {
                    *config = policy.config.clone();
                },
                FINE,
            );
        }
    }
}
