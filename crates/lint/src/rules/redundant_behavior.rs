//! Cache behaviors that change nothing.

use aws_api::cloudfront::{CacheBehavior, CacheBehaviors};
use json_patch::Patch;
use serde_json::Value;

use crate::place::Place;
use crate::rule::{Finding, Rule, json, listing, set};
use crate::subject::Subject;
use crate::warning::Severity;

pub(super) const RULE: Rule = Rule {
    code: "redundant-cache-behavior",
    severity: Severity::Low,
    warns: "The last cache behaviors are equal to the default one in all but their path patterns.",
    silent: "Equal ones before a different one, which may shield their paths from it.",
    patches: "Takes them away",
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let others = subject.config.cache_behaviors.as_ref().map(CacheBehaviors::items).unwrap_or_default();
    let default = json(&subject.config.default_cache_behavior);
    let redundant = others.iter().rev().take_while(|other| settings(other) == default).count();
    let (kept, redundant) = others.split_at(others.len() - redundant);
    if redundant.is_empty() {
        return Vec::new();
    }
    let place = Place::of("CacheBehaviors");
    let patterns: Vec<_> = redundant.iter().map(|other| format!("{:?}", other.path_pattern)).collect();
    let kept = kept.iter().map(|other| json(other)).collect();
    vec![Finding {
        what: format!(
            "{} are treated exactly as the default cache behavior would treat them.",
            patterns.join(", ")
        ),
        whom: "Whoever changes the default one and forgets these.".to_owned(),
        fix: "Take them away, or give them what makes them different.".to_owned(),
        patch: Some(Patch(vec![set(&place, listing(kept))])),
        place,
    }]
}

fn settings(behavior: &CacheBehavior) -> Value {
    let mut settings = json(behavior);
    if let Some(members) = settings.as_object_mut() {
        members.remove("PathPattern");
    }
    settings
}
