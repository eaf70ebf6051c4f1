//! An origin custom header in the place of the viewer's credentials.

use aws_api::cloudfront::CustomHeaders;

use crate::rule::{Finding, Rule};
use crate::subject::Subject;
use crate::warning::Severity;

pub(super) const RULE: Rule = Rule {
    code: "origin-header-replaces-authorization",
    severity: Severity::Medium,
    warns: "An origin custom header is named Authorization, under an API.",
    silent: "Every other name; origins without an API.",
    patches: "",
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for origin in subject.origins.iter().filter(|origin| subject.serves_an_api(origin)) {
        let headers = origin.origin.custom_headers.as_ref().map(CustomHeaders::items).unwrap_or_default();
        let index =
            headers.iter().position(|header| header.header_name.eq_ignore_ascii_case("authorization"));
        findings.extend(index.map(|index| Finding {
            place: origin.place.member("CustomHeaders").item(index).member("HeaderName"),
            what: format!(
                "The origin {:?} gets the same Authorization with every request: an origin custom header replaces \
                 the viewer's header of its name.",
                origin.origin.id
            ),
            whom: "Every user of the API: their own Authorization never arrives, so all are one and the same to it."
                .to_owned(),
            fix: "Give the header a name of its own, such as X-Origin-Verify, and let the origin check that one."
                .to_owned(),
            patch: None,
        }));
    }
    findings
}
