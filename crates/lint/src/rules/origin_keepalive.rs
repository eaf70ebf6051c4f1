//! Connections that the origin closes while the edge uses them again.

use json_patch::Patch;

use crate::limits::{LOAD_BALANCER_IDLE_SECONDS, SERVER_KEEPALIVE_SECONDS};
use crate::rule::{Finding, Rule, set};
use crate::subject::{Subject, TargetedOrigin};
use crate::warning::Severity;

pub(super) const RULE: Rule = Rule {
    code: "origin-keepalive-over-server",
    severity: Severity::Low,
    warns: "OriginKeepaliveTimeout is above 5 s, which is as long as Node and others keep an idle connection.",
    silent: "Up to 60 s in front of an AWS load balancer, which keeps it as long; origins without an API.",
    patches: "5 s",
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let origins = subject.origins.iter().filter(|origin| subject.serves_an_api(origin));
    origins.filter_map(finding).collect()
}

fn finding(origin: &TargetedOrigin<'_>) -> Option<Finding> {
    let seconds = origin.custom()?.origin_keepalive_timeout?;
    let is_load_balancer = origin.origin.domain_name.to_ascii_lowercase().ends_with(".elb.amazonaws.com");
    let kept = if is_load_balancer { LOAD_BALANCER_IDLE_SECONDS } else { SERVER_KEEPALIVE_SECONDS };
    let place = origin.place.member("CustomOriginConfig").member("OriginKeepaliveTimeout");
    (seconds > kept).then(|| Finding {
        what: format!(
            "Idle connections to the origin {:?} are used again for up to {seconds} s; a server that closes them \
             after {kept} s may do so just as a request is sent. A POST is not sent twice, so it fails with 502.",
            origin.origin.id
        ),
        whom: "Now and then a client that writes, more often where there is little traffic.".to_owned(),
        fix: "Lower OriginKeepaliveTimeout to what the server keeps, or raise the server's above it (Node: \
              `server.keepAliveTimeout`) and ignore this warning."
            .to_owned(),
        patch: Some(Patch(vec![set(&place, kept)])),
        place,
    })
}
