//! A page in the place of an API's root.

use json_patch::Patch;

use crate::place::Place;
use crate::rule::{Finding, Rule, set};
use crate::subject::{Behavior, Subject};
use crate::warning::Severity;

pub(super) const RULE: Rule = Rule {
    code: "default-root-object-on-api",
    severity: Severity::Low,
    warns: "DefaultRootObject is an HTML page and the default cache behavior is an API's.",
    silent: "Default cache behaviors of sites and buckets; root objects that are no page (`index.php`).",
    patches: "No default root object",
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let object = subject.config.default_root_object.as_deref().unwrap_or_default();
    let is_page = [".html", ".htm"].iter().any(|suffix| object.to_ascii_lowercase().ends_with(suffix));
    let is_api = subject.behaviors.last().is_some_and(Behavior::is_api);
    if !is_page || !is_api {
        return Vec::new();
    }
    let place = Place::of("DefaultRootObject");
    vec![Finding {
        what: format!("A request for `/` reaches the API as one for `/{object}`."),
        whom: "Clients of the API's root: health checks, and discovery documents that live there.".to_owned(),
        fix:
            "Empty DefaultRootObject; give a site that has one a cache behavior or a distribution of its own."
                .to_owned(),
        patch: Some(Patch(vec![set(&place, "")])),
        place,
    }]
}
