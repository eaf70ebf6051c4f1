//! A Host that the origin has no certificate for.

use std::net::IpAddr;

use aws_api::cloudfront::Aliases;
use json_patch::Patch;

use crate::policies::{ALL_VIEWER_EXCEPT_HOST_HEADER_ID, ALL_VIEWER_ID};
use crate::rule::{Finding, Rule, set};
use crate::subject::{Behavior, Subject, TargetedOrigin};
use crate::warning::Severity;

pub(super) const RULE: Rule = Rule {
    code: "all-viewer-https-origin",
    severity: Severity::Medium,
    warns: "The viewer's Host goes to an HTTPS origin that cannot have a certificate for it: the distribution has \
            no alias, or the origin is a shared platform or an IP address.",
    silent: "HTTP origins; AllViewerExceptHostHeader; aliases in front of an origin that can have their \
             certificate.",
    patches: "AllViewerExceptHostHeader in place of AllViewer; for other policies the owner has to choose",
    find,
};

/// Platforms that tell tenants apart by Host and serve their own certificate.
const PLATFORMS: [&str; 13] = [
    ".a.run.app",
    ".appspot.com",
    ".awsapprunner.com",
    ".azurewebsites.net",
    ".cloudfunctions.net",
    ".fly.dev",
    ".herokuapp.com",
    ".netlify.app",
    ".on.aws",
    ".onrender.com",
    ".railway.app",
    ".vercel.app",
    ".workers.dev",
];

fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let has_alias =
        subject.config.aliases.as_ref().is_some_and(|aliases| !Aliases::items(aliases).is_empty());
    let mut findings = Vec::new();
    for behavior in subject.behaviors.iter().filter(|behavior| behavior.forwards_host()) {
        let mut origins = behavior.origins.iter().filter(|origin| origin.may_use_tls());
        if let Some((origin, why)) =
            origins.find_map(|origin| Some((origin, why_no_certificate(origin, has_alias)?)))
        {
            findings.push(finding(behavior, origin, why));
        }
    }
    findings
}

fn why_no_certificate(origin: &TargetedOrigin<'_>, has_alias: bool) -> Option<&'static str> {
    let name = origin.origin.domain_name.to_ascii_lowercase();
    let is_platform = PLATFORMS.iter().any(|suffix| name.ends_with(suffix))
        || name.ends_with(".amazonaws.com") && name.contains(".execute-api.");
    if is_platform {
        Some("it is a shared platform, which knows its tenants by their own names")
    } else if name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        Some("it is an IP address")
    } else if !has_alias {
        Some("that is the distribution's own domain name, since there is no alias")
    } else {
        None
    }
}

fn finding(behavior: &Behavior<'_>, origin: &TargetedOrigin<'_>, why: &str) -> Finding {
    // Whatever else the policy does, only the managed one has a counterpart.
    let is_all_viewer = behavior.origin_request_policy_id == Some(ALL_VIEWER_ID);
    let place = behavior.place.member("OriginRequestPolicyId");
    let operation = set(&place, ALL_VIEWER_EXCEPT_HOST_HEADER_ID);
    Finding {
        what: format!(
            "Through {} the origin {:?} is asked over TLS for the viewer's Host, and cannot have a certificate \
             for it: {why}. Unless it answers every name with one for its own domain, the handshake fails.",
            behavior.label(),
            origin.origin.id
        ),
        whom: "Every viewer: 502, or the 403 or 404 of an origin that does not know the Host.".to_owned(),
        fix: format!(
            "Give it the origin request policy AllViewerExceptHostHeader ({ALL_VIEWER_EXCEPT_HOST_HEADER_ID}), \
             with which the origin gets its own name; or add an alias, and its certificate to the origin."
        ),
        patch: (is_all_viewer && !behavior.is_host_in_key()).then(|| Patch(vec![operation])),
        place,
    }
}
