//! What holds for every configuration.

use std::collections::BTreeSet;

use aws_api::cloudfront::{
    CookiePreference, CustomErrorResponse, CustomErrorResponses, CustomHeaders, DefaultCacheBehavior,
    DistributionConfig, ForwardedValues, Headers, ItemSelection, Method, MinimumProtocolVersion,
    OriginCustomHeader, OriginGroup, OriginGroupFailoverCriteria, OriginGroupMember, OriginGroupMembers,
    OriginGroups, OriginProtocolPolicy, Origins, StatusCodes, ViewerCertificate, ViewerProtocolPolicy,
};
use aws_api::{from_json, inconsistent_quantity, to_json};
use serde_json::Value;

use super::fixtures::*;
use super::random::Random;
use crate::{ALL_VIEWER_EXCEPT_HOST_HEADER_ID, ALL_VIEWER_ID, CACHING_DISABLED_ID, Place, RULES, fix, lint};

pub(super) fn json(config: &DistributionConfig) -> Value {
    serde_json::from_slice(&to_json(config)).unwrap()
}

pub(super) fn config(json: &Value) -> DistributionConfig {
    from_json(json.to_string().as_bytes()).unwrap()
}

fn warned(config: &DistributionConfig) -> BTreeSet<(&'static str, Place)> {
    let warnings = lint(config, &policies()).into_iter();
    warnings.map(|warning| (warning.code, warning.place)).collect()
}

/// Every patch applies, leaves quantities right, takes its own warning away, and draws no other but that two
/// behaviors have become equal.
fn check_patches(before: &DistributionConfig) {
    let all = warned(before);
    for warning in lint(before, &policies()) {
        let Some(patch) = &warning.patch else { continue };
        let mut patched = json(before);
        json_patch::patch(&mut patched, patch).unwrap_or_else(|error| panic!("{error}: {patch}"));
        let after = config(&patched);
        let mut expect = all.clone();
        expect.remove(&(warning.code, warning.place.clone()));
        let left = warned(&after);
        assert!(!left.contains(&(warning.code, warning.place)), "{patch} is no cure for {}", warning.code);
        let new = left.difference(&expect).find(|(code, _)| *code != "redundant-cache-behavior");
        assert_eq!(new, None, "{patch} for {}: {patched:#}", warning.code);
        if inconsistent_quantity(before).is_none() {
            assert_eq!(inconsistent_quantity(&after), None, "{patch}");
        }
    }
}

/// Whatever the model allows, sense or nonsense.
#[test]
fn no_configuration_of_the_model_panics() {
    for seed in 0..300 {
        let mut any = DistributionConfig::default();
        Random::new(seed).fill(&mut any);
        check_patches(&any);
        fix(&json(&any), &policies(), |_| false).unwrap();
    }
}

/// Configurations as people write them, with the faults that they have: the rules all have something to say.
#[test]
fn patches_of_plausible_configurations_cure_and_draw_nothing_new() {
    let mut spoken = BTreeSet::new();
    for seed in 0..1_000 {
        let plausible = Plausible(Random::new(seed)).config();
        check_patches(&plausible);
        spoken.extend(lint(&plausible, &policies()).into_iter().map(|warning| warning.code));
    }
    let silent: Vec<_> = RULES.iter().map(|rule| rule.code).filter(|code| !spoken.contains(code)).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn a_fixed_configuration_has_no_warning_with_a_patch() {
    for seed in 0..300 {
        let before = json(&Plausible(Random::new(seed)).config());
        let fixed = fix(&before, &policies(), |_| false).unwrap();
        let left = lint(&config(&fixed.config), &policies());
        assert!(left.iter().all(|warning| warning.patch.is_none()), "{left:#?}");
        let mut patched = before;
        json_patch::patch(&mut patched, &fixed.patch).unwrap();
        assert_eq!(patched, fixed.config);
    }
}

#[test]
fn what_is_ignored_is_not_fixed() {
    let mut config = preset();
    config.default_root_object = Some("index.html".to_owned());
    let fixed = fix(&json(&config), &policies(), |code| code == "default-root-object-on-api").unwrap();
    assert!(fixed.patch.is_empty());
}

#[test]
fn members_that_are_unknown_stay() {
    let mut document = json(&preset());
    document["DefaultRootObject"] = "index.html".into();
    document["NewMember"] = "kept".into();
    let fixed = fix(&document, &policies(), |_| false).unwrap();
    assert_eq!(
        (&fixed.config["DefaultRootObject"], &fixed.config["NewMember"]),
        (&"".into(), &"kept".into())
    );
    assert!(fix(&Value::Null, &policies(), |_| false).is_err());
}

struct Plausible(Random);

impl Plausible {
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.0.below(of.len() as u64)).unwrap()]
    }

    fn id(&mut self, of: &[&str]) -> Option<String> {
        let id = self.one(of);
        (!id.is_empty()).then(|| id.to_owned())
    }

    fn config(&mut self) -> DistributionConfig {
        let patterns = ["/api/*", "/v1/chat/*", "/img/*.png", "*", "/api/v2/*", "/events"];
        let count = self.0.below(4);
        let others = (0..count).map(|_| {
            let pattern = self.one(&patterns);
            at(pattern, self.behavior())
        });
        let others = others.collect();
        let origins = vec![self.origin("api"), self.origin("second")];
        DistributionConfig {
            origins: Origins::from_items(origins),
            default_cache_behavior: self.behavior(),
            cache_behaviors: Some(behaviors(others)),
            custom_error_responses: Some(self.error_responses()),
            origin_groups: Some(self.origin_groups()),
            default_root_object: self.id(&["", "", "index.html"]),
            aliases: None,
            viewer_certificate: Some(ViewerCertificate {
                acm_certificate_arn: self.id(&["", "arn"]),
                minimum_protocol_version: Some(self.one(MinimumProtocolVersion::ALL)),
                ..ViewerCertificate::default()
            }),
            ..preset()
        }
    }

    fn behavior(&mut self) -> DefaultCacheBehavior {
        if self.0.below(4) == 0 {
            return behavior();
        }
        let cache_policies = [
            CACHING_DISABLED_ID,
            CACHING_DISABLED_ID,
            CACHING_OPTIMIZED,
            USE_ORIGIN_CACHE_CONTROL,
            KEYED_BY_AUTHORIZATION,
            KEYED_BY_COOKIES,
            KEYED_BY_LANGUAGE,
            KEYED_FOR_LONG,
            "unknown",
        ];
        let origin_request_policies =
            ["", ALL_VIEWER_ID, ALL_VIEWER_EXCEPT_HOST_HEADER_ID, CORS_S3, "unknown"];
        let reading = [Method::Get, Method::Head, Method::Options];
        let allowed = self.one(&[&reading[..2], &reading, Method::ALL]);
        let forwarded_values = (self.0.below(5) == 0).then(|| ForwardedValues {
            query_string: true,
            cookies: CookiePreference { forward: self.one(ItemSelection::ALL), whitelisted_names: None },
            headers: Some(Headers::from_items(strings(self.one(&[
                &["Authorization"][..],
                &["Host"],
                &["*"],
            ])))),
            query_string_cache_keys: None,
        });
        let is_legacy = forwarded_values.is_some();
        DefaultCacheBehavior {
            forwarded_values,
            min_ttl: is_legacy.then(|| self.one(&[0, 5])),
            target_origin_id: self.one(&["api", "second", "both", "none"]).to_owned(),
            viewer_protocol_policy: self.one(ViewerProtocolPolicy::ALL),
            allowed_methods: Some(methods(allowed)),
            cache_policy_id: self.id(&cache_policies).filter(|_| !is_legacy),
            origin_request_policy_id: self.id(&origin_request_policies),
            response_headers_policy_id: self.id(&[
                "",
                WITH_PREFLIGHT,
                SIMPLE_CORS,
                ANY_ORIGIN_WITH_CREDENTIALS,
            ]),
            ..DefaultCacheBehavior::default()
        }
    }

    fn origin(&mut self, id: &str) -> aws_api::cloudfront::Origin {
        let names = ["10.0.0.5", "api.example.com", "x.a.run.app", "files.s3.amazonaws.com", "api"];
        let mut origin = origin(id, self.one(&names));
        let header = OriginCustomHeader {
            header_name: self.one(&["Authorization", "X-Version"]).to_owned(),
            header_value: self.one(&["2", "0123456789abcdef"]).into(),
        };
        origin.custom_headers = Some(CustomHeaders::from_items(vec![header]));
        origin.response_completion_timeout = self.one(&[None, Some(40), Some(90)]);
        if let Some(custom) = &mut origin.custom_origin_config {
            custom.origin_protocol_policy = self.one(OriginProtocolPolicy::ALL);
            custom.origin_read_timeout = self.one(&[None, Some(10), Some(30), Some(60)]);
            custom.origin_keepalive_timeout = self.one(&[None, Some(5), Some(60)]);
        }
        origin
    }

    fn origin_groups(&mut self) -> OriginGroups {
        let member = |id: &str| OriginGroupMember { origin_id: id.to_owned() };
        let codes = self.one(&[&[500, 503][..], &[404, 503], &[403]]).to_vec();
        OriginGroups::from_items(vec![OriginGroup {
            id: "both".to_owned(),
            failover_criteria: OriginGroupFailoverCriteria { status_codes: StatusCodes::from_items(codes) },
            members: OriginGroupMembers::from_items(vec![member("api"), member("second")]),
            selection_criteria: None,
        }])
    }

    fn error_responses(&mut self) -> CustomErrorResponses {
        let codes = self.one(&[&[][..], &[404], &[403, 503]]);
        let page = |code: &i32| CustomErrorResponse {
            error_code: *code,
            response_page_path: Some("/index.html".to_owned()),
            ..CustomErrorResponse::default()
        };
        CustomErrorResponses::from_items(codes.iter().map(page).collect())
    }
}
