//! An API that cannot be written to.

use aws_api::cloudfront::Method;
use json_patch::Patch;
use serde_json::Value;

use crate::rule::{Finding, Rule, listing, set};
use crate::subject::{Behavior, Subject};
use crate::warning::Severity;

pub(super) const RULE: Rule = Rule {
    code: "methods-without-post",
    severity: Severity::Medium,
    warns: "A behavior in front of an API (it lets credentials through, or its path says so) does not allow POST.",
    silent: "Behaviors that forward no credentials and keep answers by default; buckets.",
    patches: "All seven methods",
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Finding> {
    subject.behaviors.iter().filter(|behavior| speaks(behavior)).map(finding).collect()
}

pub(super) fn speaks(behavior: &Behavior<'_>) -> bool {
    behavior.is_api() && !behavior.allows(Method::Post)
}

fn finding(behavior: &Behavior<'_>) -> Finding {
    let place = behavior.place.member("AllowedMethods");
    Finding {
        what: format!(
            "POST, PUT, PATCH and DELETE through {} are answered with 403, \"not configured to allow the HTTP \
             request method\"; the request never reaches the API.",
            behavior.label()
        ),
        whom: "Every client that logs in, writes or uploads; in a browser, preflights fail as well unless \
               OPTIONS is allowed."
            .to_owned(),
        fix:
            "Allow all seven methods. CloudFront knows only three sets: GET and HEAD; these and OPTIONS; all."
                .to_owned(),
        patch: Some(Patch(vec![set(&place, methods(behavior, Method::ALL))])),
        place,
    }
}

/// AllowedMethods with these methods, and the cached ones as they were.
pub(super) fn methods(behavior: &Behavior<'_>, methods: &[Method]) -> Value {
    let texts = methods.iter().map(|method| method.as_str().into()).collect();
    let mut allowed = listing(texts);
    if let Some(cached) = behavior.allowed_methods.and_then(|allowed| allowed.cached_methods.as_ref()) {
        allowed["CachedMethods"] = crate::rule::json(cached);
    }
    allowed
}
