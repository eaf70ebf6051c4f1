//! How viewers' connections are protected.

use aws_api::cloudfront::{MinimumProtocolVersion, ViewerProtocolPolicy};
use json_patch::Patch;

use crate::place::Place;
use crate::rule::{Finding, Rule, set};
use crate::subject::Subject;
use crate::warning::Severity;

pub(super) const ALLOW_ALL: Rule = Rule {
    code: "viewer-protocol-allow-all",
    severity: Severity::High,
    warns: "A behavior in front of an API answers over plain HTTP.",
    silent: "redirect-to-https and https-only; sites without credentials and writes.",
    patches: "redirect-to-https",
    find: find_allow_all,
};

pub(super) const OUTDATED: Rule = Rule {
    code: "viewer-tls-outdated",
    severity: Severity::Low,
    warns: "The distribution's own certificate is served with a security policy below TLS 1.2.",
    silent: "CloudFront's default certificate, whose policy is fixed.",
    patches: "TLSv1.2_2021",
    find: find_outdated,
};

fn find_allow_all(subject: &Subject<'_>) -> Vec<Finding> {
    let behaviors = subject.behaviors.iter().filter(|behavior| {
        behavior.is_api() && behavior.viewer_protocol_policy == ViewerProtocolPolicy::AllowAll
    });
    behaviors
        .map(|behavior| {
            let place = behavior.place.member("ViewerProtocolPolicy");
            Finding {
                what: format!(
                    "{} answers over plain HTTP: tokens, cookies and bodies cross the network in clear.",
                    behavior.label()
                ),
                whom: "Users in networks that others read or change: Wi-Fi, proxies, providers.".to_owned(),
                fix: "Set redirect-to-https. Where clients are programs, https-only is better still: it refuses \
                      them, so that a wrong URL is noticed before it has carried a token twice."
                    .to_owned(),
                patch: Some(Patch(vec![set(&place, ViewerProtocolPolicy::RedirectToHttps.as_str())])),
                place,
            }
        })
        .collect()
}

fn find_outdated(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(certificate) = &subject.config.viewer_certificate else { return Vec::new() };
    let is_own = [&certificate.acm_certificate_arn, &certificate.iam_certificate_id]
        .into_iter()
        .any(|id| id.as_ref().is_some_and(|id| !id.is_empty()));
    let version = certificate.minimum_protocol_version.filter(|version| is_own && is_outdated(*version));
    let place = Place::of("ViewerCertificate").member("MinimumProtocolVersion");
    let finding = version.map(|version| Finding {
        what: format!(
            "The security policy {version} lets viewers connect with TLS 1.0 or 1.1 where CloudFront serves the \
             distribution. Mantlet itself never goes below TLS 1.2."
        ),
        whom: "Nobody with a client of this decade; audits (PCI DSS among them) fail.".to_owned(),
        fix: "Set the security policy TLSv1.2_2021.".to_owned(),
        patch: Some(Patch(vec![set(&place, MinimumProtocolVersion::TLSv1_2_2021.as_str())])),
        place,
    });
    finding.into_iter().collect()
}

fn is_outdated(version: MinimumProtocolVersion) -> bool {
    use MinimumProtocolVersion::{SSLv3, TLSv1, TLSv1_1_2016, TLSv1_2016};
    matches!(version, SSLv3 | TLSv1 | TLSv1_2016 | TLSv1_1_2016)
}
