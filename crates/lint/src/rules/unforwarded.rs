//! An API that does not get what it needs to answer.

use json_patch::Patch;

use crate::policies::{ALL_VIEWER_EXCEPT_HOST_HEADER_ID, ALL_VIEWER_ID};
use crate::rule::{Finding, Rule, set};
use crate::subject::Subject;
use crate::warning::Severity;

pub(super) const RULE: Rule = Rule {
    code: "api-without-origin-request-policy",
    severity: Severity::Medium,
    warns: "A behavior in front of an API keeps nothing and has no origin request policy: query strings, cookies \
            and, on GET and HEAD, Authorization are dropped.",
    silent: "Any origin request policy; behaviors that keep answers; ForwardedValues, which forwards by itself.",
    patches: "AllViewerExceptHostHeader: the origin gets the same Host as before",
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let behaviors = subject.behaviors.iter().filter(|behavior| {
        let keeps_nothing = behavior.cache.is_known && !behavior.cache.is_legacy() && !behavior.caches();
        behavior.is_api() && keeps_nothing && behavior.origin_request_policy_id.is_none()
    });
    behaviors
        .map(|behavior| {
            let place = behavior.place.member("OriginRequestPolicyId");
            Finding {
                what: format!(
                    "Through {} the origin gets neither query strings nor cookies, and no Authorization on GET \
                     and HEAD; User-Agent is \"Amazon CloudFront\".",
                    behavior.label()
                ),
                whom: "Users who are logged in and get 401, and every search, filter and page of a list.".to_owned(),
                fix: format!(
                    "Give it the origin request policy AllViewer ({ALL_VIEWER_ID}), or \
                     AllViewerExceptHostHeader ({ALL_VIEWER_EXCEPT_HOST_HEADER_ID}) where the origin expects its \
                     own name as Host."
                ),
                patch: Some(Patch(vec![set(&place, ALL_VIEWER_EXCEPT_HOST_HEADER_ID)])),
                place,
            }
        })
        .collect()
}
