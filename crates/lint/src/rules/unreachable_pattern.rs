//! Cache behaviors that no request selects.

use crate::patterns::PathPattern;
use crate::rule::{Finding, Rule};
use crate::subject::Subject;
use crate::warning::Severity;

pub(super) const RULE: Rule = Rule {
    code: "path-pattern-unreachable",
    severity: Severity::Medium,
    warns: "An earlier path pattern matches everything that this cache behavior would.",
    silent: "Patterns that overlap without one covering the other.",
    patches: "",
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Finding> {
    // The default one matches everything that is left.
    let texts: Vec<_> = subject.behaviors.iter().map(|one| one.path_pattern.unwrap_or("*")).collect();
    let patterns: Vec<_> = texts.iter().map(|text| PathPattern::new(text)).collect();
    let mut findings = Vec::new();
    for (index, behavior) in subject.behaviors.iter().enumerate() {
        let earlier = patterns[..index].iter().position(|outer| outer.covers(&patterns[index]));
        let Some(outer) = earlier.map(|earlier| texts[earlier]) else { continue };
        findings.push(Finding {
            place: match behavior.path_pattern {
                Some(_) => behavior.place.member("PathPattern"),
                None => behavior.place.clone(),
            },
            what: format!(
                "No request ever selects {}: {outer:?} stands before it and matches all that it would.",
                behavior.label()
            ),
            whom: "Its owner: the origin, methods, policies and restrictions that it sets never hold."
                .to_owned(),
            fix: format!("Move it before {outer:?}, narrow that one, or take this one away."),
            patch: None,
        });
    }
    findings
}
