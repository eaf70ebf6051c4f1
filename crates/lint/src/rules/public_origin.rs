//! Origins that everybody can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_api::cloudfront::{CustomHeaders, Origin, OriginProtocolPolicy, ViewerProtocolPolicy};

use crate::limits::SECRET_CHARACTERS_MIN;
use crate::rule::{Finding, Rule};
use crate::subject::{Behavior, Subject, TargetedOrigin};
use crate::warning::Severity;

pub(super) const UNPROTECTED: Rule = Rule {
    code: "public-origin-unprotected",
    severity: Severity::High,
    warns: "An origin has a public name or address, and nothing in the request proves that it came through the \
            distribution.",
    silent: "Private and loopback addresses, single-label names, names under .internal, .local, .localhost and \
             .home.arpa; VPC origins; buckets; a custom header with a secret (16 characters or more), origin \
             access control, a client certificate.",
    patches: "",
    find: find_unprotected,
};

pub(super) const IN_CLEAR: Rule = Rule {
    code: "public-origin-in-clear",
    severity: Severity::High,
    warns: "An origin with a public name or address is asked over plain HTTP.",
    silent: "Private ones, as above; buckets' websites, which speak nothing else; match-viewer behind behaviors \
             that all demand HTTPS.",
    patches: "",
    find: find_in_clear,
};

/// Names that no public DNS resolves (RFC 6761, RFC 6762, RFC 8375, and ICANN's reservation of .internal).
const PRIVATE_SUFFIXES: [&str; 6] = [".internal", ".local", ".localhost", ".home.arpa", ".test", ".invalid"];

fn find_unprotected(subject: &Subject<'_>) -> Vec<Finding> {
    let origins = subject.origins.iter().filter(|origin| is_public(origin) && !is_protected(origin.origin));
    origins
        .map(|origin| Finding {
            place: origin.place.member("DomainName"),
            what: format!(
                "{:?} can be asked by everybody who learns its name, past the distribution: past its web ACL, its \
                 limits and its log. Names of origins are found in certificate logs and old DNS records.",
                origin.origin.domain_name
            ),
            whom: "The API, and all who rely on what the distribution refuses.".to_owned(),
            fix: "Best, give the origin a private address that only the edge reaches. Otherwise add an origin custom \
                  header with a long random value (`openssl rand -hex 32`) and let the origin refuse requests \
                  without it. Allowing the edge's addresses alone is no proof: others are behind them, too."
                .to_owned(),
            patch: None,
        })
        .collect()
}

fn find_in_clear(subject: &Subject<'_>) -> Vec<Finding> {
    let origins =
        subject.origins.iter().filter(|origin| is_public(origin) && is_asked_in_clear(subject, origin));
    origins
        .map(|origin| Finding {
            place: origin.place.member("CustomOriginConfig").member("OriginProtocolPolicy"),
            what: format!(
                "Requests to {:?} leave the edge without TLS and cross public networks: whatever viewers encrypted \
                 is in clear from there.",
                origin.origin.domain_name
            ),
            whom: "Every user, credentials and all, without a sign of it in the browser.".to_owned(),
            fix: "Set OriginProtocolPolicy to https-only, with a certificate on the origin for its own name or for \
                  the viewers' Host; or reach the origin by a private address."
                .to_owned(),
            patch: None,
        })
        .collect()
}

fn is_asked_in_clear(subject: &Subject<'_>, origin: &TargetedOrigin<'_>) -> bool {
    let takes_http =
        |behavior: &Behavior<'_>| behavior.viewer_protocol_policy == ViewerProtocolPolicy::AllowAll;
    match origin.custom().map(|custom| custom.origin_protocol_policy) {
        Some(OriginProtocolPolicy::HttpOnly) => true,
        Some(OriginProtocolPolicy::MatchViewer) => subject.behaviors_of(origin).any(takes_http),
        Some(OriginProtocolPolicy::HttpsOnly) | None => false,
    }
}

fn is_public(origin: &TargetedOrigin<'_>) -> bool {
    let name = origin.origin.domain_name.to_ascii_lowercase();
    let name = name.trim_end_matches('.').trim_matches(['[', ']']);
    if origin.is_bucket() || origin.origin.vpc_origin_config.is_some() {
        return false;
    }
    match name.parse() {
        Ok(IpAddr::V4(address)) => !is_private_v4(address),
        Ok(IpAddr::V6(address)) => !is_private_v6(address),
        Err(_) => name.contains('.') && !PRIVATE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    // RFC 6598: shared by a provider and its customers, and by overlay networks.
    let is_shared = address.octets()[0] == 100 && (64..128).contains(&address.octets()[1]);
    address.is_private() || address.is_loopback() || address.is_link_local() || is_shared
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    match address.to_ipv4_mapped() {
        Some(address) => is_private_v4(address),
        None => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

fn is_protected(origin: &Origin) -> bool {
    let headers = origin.custom_headers.as_ref().map(CustomHeaders::items).unwrap_or_default();
    let has_secret =
        headers.iter().any(|header| header.header_value.trim().chars().count() >= SECRET_CHARACTERS_MIN);
    let has_access_control = origin.origin_access_control_id.as_ref().is_some_and(|id| !id.is_empty());
    let has_certificate =
        origin.custom_origin_config.as_ref().is_some_and(|custom| custom.origin_mtls_config.is_some());
    has_secret || has_access_control || has_certificate
}
