//! An API's errors that become pages.

use aws_api::cloudfront::{CustomErrorResponse, CustomErrorResponses};
use json_patch::Patch;

use crate::place::Place;
use crate::rule::{Finding, Rule, json, listing, set};
use crate::subject::{Behavior, Subject};
use crate::warning::Severity;

pub(super) const RULE: Rule = Rule {
    code: "error-page-over-api-errors",
    severity: Severity::Medium,
    warns: "A custom error response replaces a 4xx of the origin by a page, in a distribution that has an API.",
    silent: "Error responses without a page; those for 5xx; distributions without an API.",
    patches: "Takes these responses away, if every behavior is an API's; a site beside it may need them",
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let all = subject.config.custom_error_responses.as_ref();
    let all = all.map(CustomErrorResponses::items).unwrap_or_default();
    let codes: Vec<String> =
        all.iter().filter(|response| replaces(response)).map(|one| one.error_code.to_string()).collect();
    let Some(api) = subject.behaviors.iter().find(|behavior| behavior.is_api()).filter(|_| !codes.is_empty())
    else {
        return Vec::new();
    };
    let place = Place::of("CustomErrorResponses");
    let kept = all.iter().filter(|response| !replaces(response)).map(|response| json(response)).collect();
    let is_all_api = subject.behaviors.iter().all(Behavior::is_api);
    vec![Finding {
        what: format!(
            "Custom error responses hold for every cache behavior: answers of the API with {} become a page, with \
             another status if ResponseCode says so. {} is concerned, for one.",
            codes.join(", "),
            capitalised(&api.label())
        ),
        whom: "Clients of the API: they get HTML, often as 200, where they expect JSON and an error.".to_owned(),
        fix: "Take the responses for 4xx away. Where a site in the same distribution needs them (a single-page \
              application), give the API a distribution of its own, or rewrite the site's paths in a function. With Mantlet, the tag \
              mantlet:error-pages=navigations of the distribution limits them to browsers that load a page."
            .to_owned(),
        patch: is_all_api.then(|| Patch(vec![set(&place, listing(kept))])),
        place,
    }]
}

fn replaces(response: &CustomErrorResponse) -> bool {
    let has_page = response.response_page_path.as_ref().is_some_and(|path| !path.is_empty());
    (400..500).contains(&response.error_code) && has_page
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}
