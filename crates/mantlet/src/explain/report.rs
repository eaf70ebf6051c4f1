//! What is told, as data: `--json` prints it, `text` puts it into words.

use behavior::{DroppedBy, SentBy};
use edge::{Explanation, Forwarded, Handshake, Outcome, Refusal, SecondOrigin};
use edge_config::{
    CountryCode, ErrorPage, GeoRestriction, LinkedCacheBehavior, LinkedDistribution, Method,
    MinimumProtocolVersion, Origin, Snapshot, ViewerProtocolPolicy,
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
    /// The handshake before the request, where it comes over TLS.
    pub(super) tls: Option<TlsReport>,
    /// Where the viewer is, as far as geo databases were given and know.
    pub(super) viewer_country: Option<String>,
    /// Whether any was given that knows countries.
    pub(super) knows_countries: bool,
    pub(super) distribution: Option<DistributionReport>,
    /// Whether the newest configuration of the distribution cannot be used, so that an older one counts.
    pub(super) is_quarantined: bool,
    pub(super) cache_behavior: Option<CacheBehaviorReport>,
    pub(super) policies: Vec<PolicyReport>,
    /// What would take the place of which errors, for such a request.
    pub(super) error_pages: Vec<ErrorPageReport>,
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

/// What a handshake would offer.
#[derive(Debug, Serialize)]
pub(super) struct TlsReport {
    /// The name in the ClientHello.
    pub(super) server_name: Option<String>,
    /// The id of the certificate that is shown; that of the domain suffix without.
    pub(super) certificate: Option<String>,
    pub(super) security_policy: &'static str,
    pub(super) versions: Vec<&'static str>,
    pub(super) cipher_suites: Vec<&'static str>,
    /// What ALPN may choose.
    pub(super) protocols: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct ErrorPageReport {
    pub(super) error_status: u16,
    pub(super) path: String,
    pub(super) response_status: u16,
}

impl From<&ErrorPage> for ErrorPageReport {
    fn from(page: &ErrorPage) -> Self {
        let ErrorPage { error_status, path, response_status } = page;
        Self { error_status: *error_status, path: path.clone(), response_status: *response_status }
    }
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
    /// From which countries it is served; from everywhere without.
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
    Refused(RefusedReport),
    Redirected { status: u16, location: String },
    Forwarded(Box<ForwardedReport>),
}

#[derive(Debug, Serialize)]
pub(super) struct RefusedReport {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: &'static str,
    pub(super) why: String,
    /// Whether a custom error page may take its place.
    pub(super) may_have_page: bool,
}

impl From<&Refusal> for RefusedReport {
    fn from(Refusal { error, why }: &Refusal) -> Self {
        Self {
            status: error.status(),
            code: error.code(),
            message: error.message(),
            why: why.clone(),
            may_have_page: error.may_have_page(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ForwardedReport {
    #[serde(flatten)]
    pub(super) to: OriginRequestReport,
    pub(super) failover: Option<FailoverReport>,
    /// Whether the cache behavior has an origin group, be it that such a request does not fail over.
    pub(super) has_origin_group: bool,
    /// What the viewer would get of an answer 200 without fields and body; those of framing are left out.
    pub(super) answer: Vec<AnswerFieldReport>,
}

/// What one origin would get.
#[derive(Debug, Serialize)]
pub(super) struct OriginRequestReport {
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    pub(super) address: String,
    pub(super) port: u16,
    /// The name in the TLS handshake.
    pub(super) server_name: Option<String>,
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
    /// With which answers of the first one. That it cannot be connected to counts as 503, that it takes too
    /// long as 504.
    pub(super) status_codes: Vec<u16>,
    pub(super) origin: OriginReport,
    /// What it would get.
    pub(super) to: Option<OriginRequestReport>,
    /// Why it cannot be asked.
    pub(super) refused: Option<RefusedReport>,
}

#[derive(Debug, Serialize)]
pub(super) struct AnswerFieldReport {
    pub(super) name: String,
    pub(super) value: String,
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
            tls: explanation.handshake.as_ref().map(of_handshake),
            viewer_country: explanation.country.as_ref().map(|country| country.as_str().to_owned()),
            knows_countries: false,
            distribution: distribution.map(|found| of_distribution(found, &url.authority, snapshot)),
            is_quarantined: false,
            cache_behavior: cache_behavior.zip(distribution).map(|(found, of)| of_cache_behavior(found, of)),
            policies: Vec::new(),
            error_pages: explanation.error_pages.iter().map(Into::into).collect(),
            outcome: of_outcome(&explanation.outcome, cache_behavior, flags, url),
            not_enforced: Vec::new(),
        }
    }
}

fn of_handshake(handshake: &Handshake) -> TlsReport {
    TlsReport {
        server_name: handshake.server_name.clone(),
        certificate: handshake.certificate.as_ref().map(ToString::to_string),
        security_policy: security_policy(handshake.policy),
        versions: handshake.versions.clone(),
        cipher_suites: handshake.cipher_suites.clone(),
        protocols: if handshake.http2 { vec!["h2", "http/1.1"] } else { vec!["http/1.1"] },
    }
}

/// As it is enforced: older ones than TLSv1.2_2021 are served as that one.
fn security_policy(policy: MinimumProtocolVersion) -> &'static str {
    match policy {
        MinimumProtocolVersion::Tls12 => "TLSv1.2_2021",
        MinimumProtocolVersion::Tls12Of2025 => "TLSv1.2_2025",
        MinimumProtocolVersion::Tls13 => "TLSv1.3_2025",
    }
}

fn of_distribution(found: &LinkedDistribution, authority: &str, snapshot: &Snapshot) -> DistributionReport {
    let host = behavior::host_without_port(authority).to_ascii_lowercase();
    DistributionReport {
        id: found.id.to_string(),
        domain_name: found.domain_name.as_str().to_owned(),
        found_by: snapshot.name_by_host(&host).map(|(name, _)| name.as_str().to_owned()),
        is_enabled: found.enabled,
        security_policy: security_policy(found.minimum_protocol_version),
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
        origin: of_origin(&found.origin),
    }
}

fn of_origin(origin: &Origin) -> OriginReport {
    OriginReport {
        id: origin.id.clone(),
        connection_attempts: origin.connection_attempts,
        connection_timeout_seconds: origin.connection_timeout_seconds,
        read_timeout_seconds: origin.read_timeout_seconds,
        keepalive_timeout_seconds: origin.keepalive_timeout_seconds,
        response_completion_timeout_seconds: origin.response_completion_timeout_seconds,
    }
}

fn of_outcome(
    outcome: &Outcome,
    cache_behavior: Option<&LinkedCacheBehavior>,
    flags: &ExplainFlags,
    url: &AskedUrl,
) -> OutcomeReport {
    match outcome {
        Outcome::Refused(refusal) => OutcomeReport::Refused(refusal.into()),
        Outcome::Redirected { status, location } => {
            OutcomeReport::Redirected { status: *status, location: location.clone() }
        }
        Outcome::Forwarded(forwarded) => {
            let to = |forwarded: &Forwarded| of_origin_request(forwarded, cache_behavior, flags, url);
            let answer = forwarded.answer.0.iter();
            OutcomeReport::Forwarded(Box::new(ForwardedReport {
                to: to(forwarded),
                failover: forwarded.second.as_ref().map(|second| of_second(second, to)),
                has_origin_group: cache_behavior.is_some_and(|found| found.failover.is_some()),
                answer: answer
                    .map(|(name, value)| AnswerFieldReport { name: name.clone(), value: text(value) })
                    .collect(),
            }))
        }
    }
}

fn of_second(second: &SecondOrigin, to: impl Fn(&Forwarded) -> OriginRequestReport) -> FailoverReport {
    FailoverReport {
        origin_id: second.failover.origin.id.clone(),
        status_codes: second.failover.status_codes.clone(),
        origin: of_origin(&second.failover.origin),
        to: second.outcome.as_ref().ok().map(|forwarded| to(forwarded)),
        refused: second.outcome.as_ref().err().map(Into::into),
    }
}

fn of_origin_request(
    forwarded: &Forwarded,
    cache_behavior: Option<&LinkedCacheBehavior>,
    flags: &ExplainFlags,
    url: &AskedUrl,
) -> OriginRequestReport {
    let request_line = text(&forwarded.head).lines().next().unwrap_or_default().to_owned();
    let sent = forwarded.sent.iter();
    let dropped = forwarded.dropped.iter();
    let mut report = OriginRequestReport {
        scheme: if forwarded.server_name.is_some() { "https" } else { "http" },
        address: forwarded.address.clone(),
        port: forwarded.port,
        server_name: forwarded.server_name.clone(),
        query_left_out: left_out(query(&url.target), query(&request_line), '&'),
        request_line,
        query_by: match cache_behavior.map(behavior::who_selects_query) {
            Some(Ok(by)) => who_sends(by),
            Some(Err(by)) => who_drops(by),
            None => "",
        },
        sent: sent.map(|field| FieldReport::new(&field.name, &field.value, who_sends(field.by))).collect(),
        dropped: dropped
            .map(|field| FieldReport::new(&field.name, &field.value, who_drops(field.by)))
            .collect(),
    };
    report.add_left_out_cookies(flags);
    report
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl FieldReport {
    fn new(name: &str, value: &[u8], by: &'static str) -> Self {
        Self { name: name.to_owned(), value: text(value), by }
    }
}

impl OriginRequestReport {
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
        SentBy::Method => "the method, whose answers are not cached",
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
