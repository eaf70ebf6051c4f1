//! An API's errors that ask a second origin.

use json_patch::Patch;

use aws_api::cloudfront::OriginGroups;

use crate::place::Place;
use crate::rule::{Finding, Rule, listing, set};
use crate::subject::Subject;
use crate::warning::Severity;

pub(super) const RULE: Rule = Rule {
    code: "failover-on-api-errors",
    severity: Severity::Medium,
    warns: "An origin group of an API fails over on 4xx.",
    silent: "Groups that fail over on 5xx alone; groups without an API, where 403 and 404 may mean a bucket that \
             lacks an object.",
    patches: "Takes the 4xx away, if a 5xx remains",
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let groups = subject.config.origin_groups.as_ref().map(OriginGroups::items).unwrap_or_default();
    let mut findings = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let is_member = |id: &str| group.members.items().iter().any(|member| member.origin_id == id);
        let mut members = subject.origins.iter().filter(|origin| is_member(&origin.origin.id));
        let codes = group.failover_criteria.status_codes.items();
        let (wrong, kept): (Vec<i32>, Vec<i32>) = codes.iter().partition(|code| (400..500).contains(*code));
        if wrong.is_empty() || !members.any(|origin| subject.serves_an_api(origin)) {
            continue;
        }
        let place = Place::of("OriginGroups").item(index).member("FailoverCriteria").member("StatusCodes");
        let texts: Vec<_> = wrong.iter().map(ToString::to_string).collect();
        findings.push(Finding {
            what: format!(
                "When the first origin of the group {:?} answers a GET with {}, the second is asked, and its answer \
                 counts.",
                group.id,
                texts.join(", ")
            ),
            whom: "Clients that get the second origin's answer where the first had a right one; and both origins: \
                   refused and throttled requests come twice."
                .to_owned(),
            fix: "Fail over on 500, 502, 503 and 504 alone.".to_owned(),
            patch: (!kept.is_empty()).then(|| {
                Patch(vec![set(&place, listing(kept.into_iter().map(Into::into).collect()))])
            }),
            place,
        });
    }
    findings
}
