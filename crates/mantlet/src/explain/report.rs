//! What is told, as data: `--json` prints it, `text` puts it into words.

use behavior::{DroppedBy, SentBy};
use edge::{Explanation, Forwarded, Outcome};
use edge_config::{
    CountryCode, GeoRestriction, LinkedCacheBehavior, LinkedDistribution, Method, MinimumProtocolVersion,
    Snapshot, ViewerProtocolPolicy,
};
use serde::Serialize;

use super::url::AskedUrl;
use crate::command_line::ExplainFlags;

/// Every decision, in their order.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) request: RequestReport,
    /// The revision of the configuration that this is about.
    pub(super) revision: u64,
    pub(super) distribution: Option<DistributionReport>,
    /// Whether the newest configuration of the distribution cannot be used, so that an older one counts.
    pub(super) is_quarantined: bool,
    pub(super) cache_behavior: Option<CacheBehaviorReport>,
    pub(super) policies: Vec<PolicyReport>,
    pub(super) outcome: OutcomeReport,
    /// Settings that are stored and that no edge acts on.
    pub(super) not_enforced: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct RequestReport {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) http_version: &'static str,
    pub(super) viewer: String,
    pub(super) body_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct DistributionReport {
    pub(super) id: String,
    pub(super) domain_name: String,
    /// The name by which it was found, perhaps a wildcard.
    pub(super) found_by: Option<String>,
    pub(super) is_enabled: bool,
    pub(super) security_policy: &'static str,
    pub(super) speaks_http2: bool,
    pub(super) speaks_http3: bool,
    /// From which countries it is served; from everywhere without. Where a viewer is only a process with a database
    /// can tell.
    pub(super) geo_restriction: Option<String>,
    /// The id of its certificate; that of the domain suffix without.
    pub(super) certificate: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct CacheBehaviorReport {
    /// None for the default one.
    pub(super) path_pattern: Option<String>,
    /// Which one it is, from 1.
    pub(super) position: usize,
    pub(super) of: usize,
    pub(super) viewer_protocol_policy: &'static str,
    pub(super) allowed_methods: Vec<&'static str>,
    /// Whether the cache policy lets anything be stored. No edge stores anything.
    pub(super) may_be_cached: bool,
    pub(super) origin: OriginReport,
}

#[derive(Debug, Serialize)]
pub(super) struct OriginReport {
    pub(super) id: String,
    pub(super) connection_attempts: u8,
    pub(super) connection_timeout_seconds: u32,
    pub(super) read_timeout_seconds: u32,
    pub(super) keepalive_timeout_seconds: u32,
    pub(super) response_completion_timeout_seconds: Option<u32>,
}

#[derive(Debug, Serialize)]
pub(super) struct PolicyReport {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) name: Option<String>,
}

impl From<control::NamedPolicy> for PolicyReport {
    fn from(policy: control::NamedPolicy) -> Self {
        Self { kind: policy.kind, id: policy.id, name: policy.name }
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub(super) enum OutcomeReport {
    Refused { status: u16, code: &'static str, message: &'static str, why: String },
    Redirected { status: u16, location: String },
    Forwarded(Box<ForwardedReport>),
}

#[derive(Debug, Serialize)]
pub(super) struct ForwardedReport {
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    pub(super) address: String,
    pub(super) port: u16,
    /// The name in the TLS handshake.
    pub(super) server_name: Option<String>,
    pub(super) failover: Option<FailoverReport>,
    pub(super) request_line: String,
    pub(super) query_by: &'static str,
    /// The parts of the viewer's query that do not go.
    pub(super) query_left_out: Vec<String>,
    pub(super) sent: Vec<FieldReport>,
    pub(super) dropped: Vec<FieldReport>,
}

/// The second origin of an origin group.
#[derive(Debug, Serialize)]
pub(super) struct FailoverReport {
    pub(super) origin_id: String,
    pub(super) status_codes: Vec<u16>,
}

#[derive(Debug, Serialize)]
pub(super) struct FieldReport {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) by: &'static str,
}

impl Report {
    pub(super) fn new(
        flags: &ExplainFlags,
        url: &AskedUrl,
        body_bytes: Option<u64>,
        snapshot: &Snapshot,
        explanation: &Explanation,
    ) -> Self {
        let version: behavior::HttpVersion = flags.http_version.into();
        let distribution = explanation.distribution.as_deref();
        let cache_behavior = explanation.cache_behavior.as_ref();
        Self {
            request: RequestReport {
                method: flags.method().to_owned(),
                url: format!("{}://{}{}", url.scheme.as_str(), url.authority, url.target),
                http_version: version.as_str(),
                viewer: flags.from.to_string(),
                body_bytes,
            },
            revision: snapshot.revision().0,
            distribution: distribution.map(|found| of_distribution(found, &url.authority, snapshot)),
            is_quarantined: false,
            cache_behavior: cache_behavior.zip(distribution).map(|(found, of)| of_cache_behavior(found, of)),
            policies: Vec::new(),
            outcome: of_outcome(&explanation.outcome, cache_behavior, flags, url),
            not_enforced: Vec::new(),
        }
    }
}

fn of_distribution(found: &LinkedDistribution, authority: &str, snapshot: &Snapshot) -> DistributionReport {
    let host = behavior::host_without_port(authority).to_ascii_lowercase();
    DistributionReport {
        id: found.id.to_string(),
        domain_name: found.domain_name.as_str().to_owned(),
        found_by: snapshot.name_by_host(&host).map(|(name, _)| name.as_str().to_owned()),
        is_enabled: found.enabled,
        security_policy: match found.minimum_protocol_version {
            MinimumProtocolVersion::Tls12 => "TLSv1.2_2021",
            MinimumProtocolVersion::Tls12Of2025 => "TLSv1.2_2025",
            MinimumProtocolVersion::Tls13 => "TLSv1.3_2025",
        },
        speaks_http2: found.http2,
        speaks_http3: found.http3,
        geo_restriction: found.geo_restriction.as_deref().map(of_geo_restriction),
        certificate: found.certificate.as_ref().map(|certificate| certificate.id.to_string()),
    }
}

fn of_geo_restriction(restriction: &GeoRestriction) -> String {
    let (words, countries) = match restriction {
        GeoRestriction::Only(countries) => ("only", countries),
        GeoRestriction::AllExcept(countries) => ("all except", countries),
    };
    let countries: Vec<_> = countries.iter().map(CountryCode::as_str).collect();
    format!("{words} {}", countries.join(", "))
}

fn of_cache_behavior(found: &LinkedCacheBehavior, of: &LinkedDistribution) -> CacheBehaviorReport {
    let others = &of.cache_behaviors;
    let position = others.iter().position(|other| other.path_pattern == found.path_pattern);
    let origin = &found.origin;
    CacheBehaviorReport {
        path_pattern: found.path_pattern.as_ref().map(|pattern| pattern.as_str().to_owned()),
        position: position.unwrap_or(others.len()) + 1,
        of: others.len() + 1,
        viewer_protocol_policy: match found.viewer_protocol_policy {
            ViewerProtocolPolicy::AllowAll => "allow-all",
            ViewerProtocolPolicy::RedirectToHttps => "redirect-to-https",
            ViewerProtocolPolicy::HttpsOnly => "https-only",
        },
        allowed_methods: Method::ALL
            .into_iter()
            .filter(|method| found.allowed_methods.contains(*method))
            .map(Method::as_str)
            .collect(),
        may_be_cached: !found.cache_policy.disables_caching(),
        origin: OriginReport {
            id: origin.id.clone(),
            connection_attempts: origin.connection_attempts,
            connection_timeout_seconds: origin.connection_timeout_seconds,
            read_timeout_seconds: origin.read_timeout_seconds,
            keepalive_timeout_seconds: origin.keepalive_timeout_seconds,
            response_completion_timeout_seconds: origin.response_completion_timeout_seconds,
        },
    }
}

fn of_outcome(
    outcome: &Outcome,
    cache_behavior: Option<&LinkedCacheBehavior>,
    flags: &ExplainFlags,
    url: &AskedUrl,
) -> OutcomeReport {
    match outcome {
        Outcome::Refused(refusal) => OutcomeReport::Refused {
            status: refusal.error.status(),
            code: refusal.error.code(),
            message: refusal.error.message(),
            why: refusal.why.clone(),
        },
        Outcome::Redirected { status, location } => {
            OutcomeReport::Redirected { status: *status, location: location.clone() }
        }
        Outcome::Forwarded(forwarded) => {
            let mut report = of_forwarded(forwarded, cache_behavior);
            report.add_left_out_cookies(flags);
            report.query_left_out = left_out(query(&url.target), query(&report.request_line), '&');
            OutcomeReport::Forwarded(Box::new(report))
        }
    }
}

fn of_forwarded(forwarded: &Forwarded, cache_behavior: Option<&LinkedCacheBehavior>) -> ForwardedReport {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let request_line = text(&forwarded.head).lines().next().unwrap_or_default().to_owned();
    let query_by = cache_behavior.map(behavior::who_selects_query);
    ForwardedReport {
        scheme: if forwarded.server_name.is_some() { "https" } else { "http" },
        address: forwarded.address.clone(),
        port: forwarded.port,
        server_name: forwarded.server_name.clone(),
        failover: forwarded.failover.as_ref().map(|failover| FailoverReport {
            origin_id: failover.origin.id.clone(),
            status_codes: failover.status_codes.clone(),
        }),
        request_line,
        query_by: match query_by {
            Some(Ok(by)) => who_sends(by),
            Some(Err(by)) => who_drops(by),
            None => "",
        },
        query_left_out: Vec::new(),
        sent: forwarded
            .sent
            .iter()
            .map(|field| FieldReport {
                name: field.name.clone(),
                value: text(&field.value),
                by: who_sends(field.by),
            })
            .collect(),
        dropped: forwarded
            .dropped
            .iter()
            .map(|field| FieldReport {
                name: field.name.clone(),
                value: text(&field.value),
                by: who_drops(field.by),
            })
            .collect(),
    }
}

impl ForwardedReport {
    /// A field that goes in part is sent as far as the sink is concerned; what is missing shows here.
    fn add_left_out_cookies(&mut self, flags: &ExplainFlags) {
        let is_cookie = |name: &str| name.eq_ignore_ascii_case("cookie");
        let given = flags.headers.iter().filter(|(name, _)| is_cookie(name)).map(|(_, value)| value.as_str());
        let sent = self.sent.iter().filter(|field| is_cookie(&field.name)).map(|field| field.value.as_str());
        let (given, sent) = (given.collect::<Vec<_>>().join(";"), sent.collect::<Vec<_>>().join(";"));
        if sent.is_empty() {
            return;
        }
        let by = who_drops(DroppedBy::Policies);
        let missing = left_out(&given, &sent, ';').into_iter();
        self.dropped.extend(missing.map(|value| FieldReport { name: "Cookie".to_owned(), value, by }));
    }
}

/// The query in a target or in a request line.
fn query(text: &str) -> &str {
    let word = text.split(' ').find(|word| word.contains('?')).unwrap_or_default();
    word.split_once('?').map_or("", |(_, query)| query)
}

/// The parts of a list that are not in another one.
fn left_out(given: &str, sent: &str, separator: char) -> Vec<String> {
    let parts = |text| str::split(text, separator).map(str::trim).filter(|part| !part.is_empty());
    parts(given).filter(|part| !parts(sent).any(|sent| sent == *part)).map(str::to_owned).collect()
}

fn who_sends(by: SentBy) -> &'static str {
    match by {
        SentBy::CachePolicy => "cache policy",
        SentBy::OriginRequestPolicy => "origin request policy",
        SentBy::BothPolicies => "cache policy and origin request policy",
        SentBy::Method => "the method, which changes something",
        SentBy::Always => "forwarded always",
        SentBy::Edge => "the edge",
        SentBy::OriginDomainName => "the origin's domain name, since no policy forwards the viewer's Host",
        SentBy::OriginCustomHeader => "origin custom header",
    }
}

fn who_drops(by: DroppedBy) -> &'static str {
    match by {
        DroppedBy::Policies => "no policy forwards it",
        DroppedBy::Nomination => "the viewer's Connection names it",
        DroppedBy::Nature => "never forwarded: about the connection, or for the edge alone to say",
        DroppedBy::Edge => "the edge writes its own",
        DroppedBy::OriginCustomHeader => "an origin custom header has its name",
    }
}
