//! Answers that browsers do not hand over.

use aws_api::cloudfront::{
    Method, ResponseHeadersPolicyAccessControlAllowMethodsValues as CorsMethod, ResponseHeadersPolicyConfig,
    ResponseHeadersPolicyCorsConfig,
};
use json_patch::Patch;

use super::methods_without_post;
use crate::rule::{Finding, Rule, set};
use crate::subject::{Behavior, Subject};
use crate::warning::Severity;

pub(super) const CREDENTIALS: Rule = Rule {
    code: "cors-credentials-any-origin",
    severity: Severity::Medium,
    warns: "A response headers policy allows credentials together with `*` as origin, header or method.",
    silent: "Policies without credentials, or with names in the place of `*`.",
    patches: "",
    find: find_credentials,
};

pub(super) const PREFLIGHT: Rule = Rule {
    code: "cors-preflight-refused",
    severity: Severity::Medium,
    warns: "A response headers policy describes what preflights may ask for, and the behavior does not allow OPTIONS.",
    silent: "Policies for simple requests alone; where methods-without-post speaks, whose patch allows OPTIONS too.",
    patches: "Allows OPTIONS",
    find: find_preflight,
};

fn find_credentials(subject: &Subject<'_>) -> Vec<Finding> {
    let behaviors =
        subject.behaviors.iter().filter_map(|behavior| Some((behavior, wildcards(cors(behavior)?))));
    behaviors
        .filter(|(_, wildcards)| !wildcards.is_empty())
        .map(|(behavior, wildcards)| Finding {
            place: behavior.place.member("ResponseHeadersPolicyId"),
            what: format!(
                "The response headers policy of {} allows credentials and any {}. For requests with credentials \
                 browsers take `*` for a plain name (Fetch, CORS protocol and credentials), so they refuse the answer.",
                behavior.label(),
                wildcards.join(" and ")
            ),
            whom: "Users of web pages that call the API with cookies: every call fails in the browser.".to_owned(),
            fix: "Name the origins, headers and methods in the policy's CorsConfig, or set \
                  AccessControlAllowCredentials to false."
                .to_owned(),
            patch: None,
        })
        .collect()
}

fn cors<'a>(behavior: &Behavior<'a>) -> Option<&'a ResponseHeadersPolicyCorsConfig> {
    let policy: &'a ResponseHeadersPolicyConfig = behavior.response_headers_policy?;
    policy.cors_config.as_ref()
}

fn wildcards(cors: &ResponseHeadersPolicyCorsConfig) -> Vec<&'static str> {
    let is_any = |names: &[String]| names.iter().any(|name| name == "*");
    let wildcards = [
        ("origin", is_any(cors.access_control_allow_origins.items())),
        ("header", is_any(cors.access_control_allow_headers.items())),
        ("method", cors.access_control_allow_methods.items().contains(&CorsMethod::All)),
    ];
    let wildcards =
        wildcards.into_iter().filter(|(_, is_any)| *is_any && cors.access_control_allow_credentials);
    wildcards.map(|(name, _)| name).collect()
}

fn find_preflight(subject: &Subject<'_>) -> Vec<Finding> {
    let behaviors = subject.behaviors.iter().filter(|behavior| {
        let is_wanted = cors(behavior).is_some_and(is_for_preflights);
        is_wanted && !behavior.allows(Method::Options) && !methods_without_post::speaks(behavior)
    });
    behaviors.map(preflight_finding).collect()
}

/// Whether it speaks of what only preflights ask for (Fetch, CORS-safelisted method).
fn is_for_preflights(cors: &ResponseHeadersPolicyCorsConfig) -> bool {
    let methods = cors.access_control_allow_methods.items();
    let is_simple =
        |method: &CorsMethod| matches!(method, CorsMethod::Get | CorsMethod::Head | CorsMethod::Post);
    !methods.iter().all(is_simple) || !cors.access_control_allow_headers.items().is_empty()
}

fn preflight_finding(behavior: &Behavior<'_>) -> Finding {
    let place = behavior.place.member("AllowedMethods");
    let reading = [Method::Get, Method::Head, Method::Options];
    let methods = if behavior.allows(Method::Post) { Method::ALL } else { &reading };
    Finding {
        what: format!(
            "Preflights through {} are answered with 403, because OPTIONS is not allowed there.",
            behavior.label()
        ),
        whom: "Web pages of other origins that send more than simple requests: the browser stops them."
            .to_owned(),
        fix: "Allow GET, HEAD and OPTIONS, or all seven methods.".to_owned(),
        patch: Some(Patch(vec![set(&place, methods_without_post::methods(behavior, methods))])),
        place,
    }
}
