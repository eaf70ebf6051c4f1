//! Any valid distribution goes in and comes back equal over the wire, with our own codecs on both sides.

use aws_api::Operation;
use aws_api::client::{decode_output, encode_input};
use aws_api::cloudfront::{
    AllowedMethods, CacheBehavior, CacheBehaviors, CachedMethods, CookieNames, CookiePreference,
    CreateDistributionRequest, CustomErrorResponse, CustomErrorResponses, CustomHeaders,
    DefaultCacheBehavior, DistributionConfig, ForwardedValues, GetDistributionConfigRequest, Headers,
    HttpVersion, ItemSelection, Method, Origin, OriginCustomHeader, Origins, PriceClass,
    UpdateDistributionRequest, ViewerProtocolPolicy, operation,
};
use aws_api::shape::Sensitive;
use bytes::Bytes;
use proptest::prelude::*;

use crate::defaults::complete;
use crate::managed::{ALL_VIEWER_ID, CACHING_DISABLED_ID};
use crate::test_support::{LOOPBACK, TestControl, distribution_config, origin};

impl TestControl {
    /// Performs an operation as a client does that has nothing but the wire.
    async fn call<O: Operation>(&self, input: &O::Input) -> O::Output
    where
        O::Output: Default,
    {
        let (mut head, body) = encode_input::<O>(input).unwrap().into_parts();
        head.headers.insert("host", "localhost".parse().unwrap());
        let request = http::Request::from_parts(head, Bytes::from(body));
        let answer = self.control.answer(request, LOOPBACK).await.map(|body| body.to_vec());
        decode_output::<O>(&answer).unwrap()
    }
}

/// What XML can carry, and careless writers break.
fn text(most: usize) -> impl Strategy<Value = String> {
    prop::string::string_regex(&format!("[ -~äß€😀]{{0,{most}}}")).unwrap()
}

fn origins() -> impl Strategy<Value = Vec<Origin>> {
    let headers = prop::collection::btree_map("x-own-[a-z]{1,8}", "[!-~]{1,20}", 0..3);
    let settings = (
        1_i32..=3,
        1_i32..=10,
        1_i32..=120,
        prop::option::of(120_i32..3600),
        "(/[a-z0-9]{1,9}){0,2}",
        headers,
    );
    prop::collection::vec(settings, 1..4).prop_map(|settings| {
        let numbered = settings.into_iter().enumerate();
        numbered
            .map(|(number, (attempts, connect, read, completion, path, headers))| {
                let mut origin = origin(&format!("origin {number} <&>"), "10.0.0.1");
                origin.connection_attempts = Some(attempts);
                origin.connection_timeout = Some(connect);
                origin.response_completion_timeout = completion;
                origin.origin_path = Some(path);
                origin.custom_headers = Some(CustomHeaders::from_items(
                    headers
                        .into_iter()
                        .map(|(header_name, value)| OriginCustomHeader {
                            header_name,
                            header_value: Sensitive(value),
                        })
                        .collect(),
                ));
                if let Some(custom) = &mut origin.custom_origin_config {
                    custom.origin_read_timeout = Some(read);
                }
                origin
            })
            .collect()
    })
}

fn settings() -> impl Strategy<Value = DefaultCacheBehavior> {
    let protocols = prop::sample::select(ViewerProtocolPolicy::ALL);
    let methods = prop::option::of(prop_oneof![
        Just(vec![Method::Get, Method::Head]),
        Just(vec![Method::Options, Method::Head, Method::Get]),
        Just(Method::ALL.to_vec()),
    ]);
    let names = || prop::collection::btree_set("[a-z]{1,8}", 1..4).prop_map(|set| set.into_iter().collect());
    let forwarded = prop::option::of((any::<bool>(), prop::option::of(names()), names(), 0_i64..100));
    (protocols, methods, forwarded, any::<bool>()).prop_map(|(protocol, methods, forwarded, compress)| {
        let mut settings = DefaultCacheBehavior {
            target_origin_id: "origin 0 <&>".to_owned(),
            viewer_protocol_policy: protocol,
            compress: Some(compress),
            ..DefaultCacheBehavior::default()
        };
        settings.allowed_methods = methods.map(|methods| AllowedMethods {
            cached_methods: Some(CachedMethods::from_items(vec![Method::Get, Method::Head])),
            ..AllowedMethods::from_items(methods)
        });
        match forwarded {
            None => {
                settings.cache_policy_id = Some(CACHING_DISABLED_ID.to_owned());
                settings.origin_request_policy_id = Some(ALL_VIEWER_ID.to_owned());
            }
            Some((query_string, cookies, headers, ttl)) => {
                settings.forwarded_values = Some(forwarded_values(query_string, cookies, headers));
                settings.min_ttl = Some(0);
                settings.default_ttl = Some(ttl);
                settings.max_ttl = Some(2 * ttl);
            }
        }
        settings
    })
}

fn forwarded_values(
    query_string: bool,
    cookies: Option<Vec<String>>,
    headers: Vec<String>,
) -> ForwardedValues {
    ForwardedValues {
        query_string,
        cookies: match cookies {
            None => CookiePreference { forward: ItemSelection::All, whitelisted_names: None },
            Some(names) => CookiePreference {
                forward: ItemSelection::Whitelist,
                whitelisted_names: Some(CookieNames::from_items(names)),
            },
        },
        headers: Some(Headers::from_items(headers.into_iter().map(|name| format!("x-own-{name}")).collect())),
        ..ForwardedValues::default()
    }
}

fn distributions() -> impl Strategy<Value = DistributionConfig> {
    let patterns = prop::collection::btree_map("/[a-z]{1,6}(/\\*)?", settings(), 0..3);
    let errors = prop::sample::subsequence(vec![403, 404, 500, 503], 0..=4);
    let versions = prop::option::of(prop::sample::select(HttpVersion::ALL));
    let classes =
        prop::option::of(prop::sample::select(vec![PriceClass::PriceClass100, PriceClass::PriceClassAll]));
    let whole = (text(128), any::<bool>(), versions, classes, prop::option::of(any::<bool>()));
    (origins(), settings(), patterns, errors, whole).prop_map(
        |(origins, default, patterns, errors, (comment, enabled, version, class, ipv6))| {
            let others = patterns.into_iter().map(|(pattern, settings)| behind(pattern, settings));
            let pages = errors
                .into_iter()
                .map(|error_code| CustomErrorResponse { error_code, ..CustomErrorResponse::default() });
            DistributionConfig {
                comment: Sensitive(comment),
                enabled,
                http_version: version,
                price_class: class,
                is_ipv6_enabled: ipv6,
                origins: Origins::from_items(origins),
                default_cache_behavior: default,
                cache_behaviors: Some(CacheBehaviors::from_items(others.collect())),
                custom_error_responses: Some(CustomErrorResponses::from_items(pages.collect())),
                ..distribution_config("reference")
            }
        },
    )
}

/// A cache behavior of a path pattern, with the settings of a default one.
fn behind(path_pattern: String, settings: DefaultCacheBehavior) -> CacheBehavior {
    CacheBehavior {
        path_pattern,
        target_origin_id: settings.target_origin_id,
        viewer_protocol_policy: settings.viewer_protocol_policy,
        allowed_methods: settings.allowed_methods,
        compress: settings.compress,
        cache_policy_id: settings.cache_policy_id,
        origin_request_policy_id: settings.origin_request_policy_id,
        forwarded_values: settings.forwarded_values,
        min_ttl: settings.min_ttl,
        default_ttl: settings.default_ttl,
        max_ttl: settings.max_ttl,
        ..CacheBehavior::default()
    }
}

async fn walk_through(config: DistributionConfig) {
    let test = TestControl::new().await;
    let mut expected = config.clone();
    complete(&mut expected);
    let create = CreateDistributionRequest { distribution_config: config };
    let created = test.call::<operation::CreateDistribution>(&create).await;
    let made = created.distribution.unwrap();
    assert_eq!(made.distribution_config, expected);

    let get = GetDistributionConfigRequest { id: made.id.clone() };
    let got = test.call::<operation::GetDistributionConfig>(&get).await;
    assert_eq!((got.distribution_config.as_ref(), &got.etag), (Some(&expected), &created.etag));

    let update = UpdateDistributionRequest {
        distribution_config: got.distribution_config.unwrap(),
        id: made.id,
        if_match: got.etag,
    };
    let updated = test.call::<operation::UpdateDistribution>(&update).await;
    assert_eq!(updated.distribution.unwrap().distribution_config, expected);
    assert_ne!(updated.etag, created.etag);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_distribution_comes_back_as_it_was_sent(config in distributions()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(walk_through(config));
    }
}
