//! What would happen to a request, and why, without a connection: the same functions as in `pipeline`,
//! in the same order, up to the head that the origin would get, and what comes of what the origin may say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use behavior::{
    Admission, AppliedHeaders, DroppedBy, EdgeError, FieldSink, HeadersRequest, HttpVersion, OriginFieldSink,
    Scheme, SentBy, ServerTiming, UpstreamTiming, ViewerFacts, ViewerResponse, XCache, admit_viewer,
    path_readings, redirect_location, requested_path, select_cache_behavior, select_error_page,
    select_failover, write_viewer_fields,
};
use edge_config::{
    CountryCode, ErrorPage, LinkedCacheBehavior, LinkedDistribution, LinkedFailover, Method, Origin,
    OriginAddress, ServerTimingHeader, Snapshot,
};
use http1::{Progress, RequestHead};
use proxy_protocol::Ends;
use tokio::time::Instant;

use crate::addresses::AddressConnection;
use crate::failure::Failure;
use crate::geo_database::GeoDatabase;
use crate::origin::{OriginRequestHead, endpoint};
use crate::pipeline::{admits, is_too_long, select_distribution};
use crate::response_headers::{has_alternative, http3_on};
use crate::thread::NOWHERE;
use crate::tls::{Handshake, TlsFacts};
use crate::viewer::{Peer, ViewerRequest, refusal};

/// A request that somebody asks about.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Its head in HTTP/1.1's form, whatever version the viewer speaks.
    pub head: &'a [u8],
    /// How the viewer would reach the edge.
    pub scheme: Scheme,
    /// Which version it would speak.
    pub version: HttpVersion,
    /// From where.
    pub viewer: SocketAddr,
    /// The name in its ClientHello, where it speaks TLS.
    pub server_name: Option<&'a str>,
    /// What is known of where viewers are.
    pub geo_database: &'a GeoDatabase,
    /// The port that redirects lead to.
    pub https_port: u16,
    /// What stands for the id that the request would get.
    pub request_id: &'a str,
    /// What stands for the edge's name in `Via`.
    pub via_id: &'a str,
    /// What stands for its location.
    pub pop: &'a str,
    /// What stands for the time of a response.
    pub date: &'a str,
}

/// What would happen, as far as the request comes.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The TLS handshake before it.
    pub handshake: Option<Handshake>,
    /// Where the viewer is, as far as geo restrictions can tell.
    pub country: Option<CountryCode>,
    /// The distribution that its host names, be it disabled.
    pub distribution: Option<Arc<LinkedDistribution>>,
    /// The cache behavior that its path selects.
    pub cache_behavior: Option<LinkedCacheBehavior>,
    /// The pages that would take the place of errors that such a request gets.
    pub error_pages: Vec<ErrorPage>,
    /// How it ends, or goes on.
    pub outcome: Outcome,
}

/// How a request ends at the edge, or goes on to the origin.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The edge answers with an error.
    Refused(Refusal),
    /// The edge sends the viewer to HTTPS.
    Redirected {
        /// The answer's status.
        status: u16,
        /// Where to.
        location: String,
    },
    /// It goes to the origin.
    Forwarded(Box<Forwarded>),
}

/// Why the edge would refuse a request.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What the viewer is told.
    pub error: EdgeError,
    /// What the viewer is not told.
    pub why: String,
}

/// What an origin would get.
#[derive(Clone, Debug)]
pub struct Forwarded {
    /// Which one.
    pub origin: Arc<Origin>,
    /// The head, byte by byte.
    pub head: Vec<u8>,
    /// Its fields, in their order.
    pub sent: Vec<SentField>,
    /// The viewer's fields that are not in it.
    pub dropped: Vec<DroppedField>,
    /// The origin's name or address.
    pub address: String,
    /// The port there.
    pub port: u16,
    /// The name in the TLS handshake; none where the origin is spoken to in clear.
    pub server_name: Option<String>,
    /// Who is asked if that origin fails.
    pub second: Option<SecondOrigin>,
    /// What the viewer would get of an answer 200 that has no fields and no body.
    pub answer: ViewerHead,
}

/// The second origin of an origin group.
#[derive(Clone, Debug)]
pub struct SecondOrigin {
    /// Which one, and with which answers the first one fails.
    pub failover: LinkedFailover,
    /// What it would get.
    pub outcome: Result<Box<Forwarded>, Refusal>,
}

/// The fields of a head that a viewer would get, in their order; those of framing are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewerHead(pub Vec<(String, Vec<u8>)>);

impl FieldSink for ViewerHead {
    fn field(&mut self, name: &[u8], value: &[&[u8]]) {
        self.0.push((text(name), value.concat()));
    }
}

/// A field that the origin would get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentField {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Vec<u8>,
    /// What decides that it goes.
    pub by: SentBy,
}

/// A field of the viewer that the origin would not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedField {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Vec<u8>,
    /// What keeps it back.
    pub by: DroppedBy,
}

/// What happens to each field.
#[derive(Default)]
struct Fields {
    sent: Vec<SentField>,
    dropped: Vec<DroppedField>,
}

impl OriginFieldSink for Fields {
    fn sent(&mut self, name: &[u8], value: &[&[u8]], by: SentBy) {
        self.sent.push(SentField { name: text(name), value: value.concat(), by });
    }

    fn dropped(&mut self, name: &[u8], value: &[u8], by: DroppedBy) {
        self.dropped.push(DroppedField { name: text(name), value: value.to_owned(), by });
    }
}

/// A name is a token, so nothing is lost.
fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// Says what an edge that serves this snapshot would do with a request.
pub fn explain(snapshot: &Snapshot, question: &Question<'_>) -> Explanation {
    let handshake = (question.scheme == Scheme::Https)
        .then(|| Handshake::explain(question.server_name, question.version, snapshot));
    let (handshake, tls) = handshake.unzip();
    let mut so_far = SoFar::default();
    let outcome = outcome(snapshot, question, tls, &mut so_far);
    let SoFar { distribution, cache_behavior, error_pages } = so_far;
    Explanation {
        handshake,
        country: question.geo_database.country(question.viewer.ip()),
        distribution,
        cache_behavior,
        error_pages,
        outcome: outcome.unwrap_or_else(Outcome::Refused),
    }
}

/// What was decided before the request came to its end.
#[derive(Default)]
struct SoFar {
    distribution: Option<Arc<LinkedDistribution>>,
    cache_behavior: Option<LinkedCacheBehavior>,
    error_pages: Vec<ErrorPage>,
}

fn outcome(
    snapshot: &Snapshot,
    question: &Question<'_>,
    tls: Option<TlsFacts>,
    so_far: &mut SoFar,
) -> Result<Outcome, Refusal> {
    let mut head = RequestHead::new();
    match head.parse(question.head) {
        Ok(Progress::Complete { .. }) => {}
        Ok(Progress::Partial) => return Err(refused(EdgeError::BadRequest, "the head has no end")),
        Err(error) => return Err(refused(refusal(error), error.to_string())),
    }
    // Nobody has connected.
    let ends = Ends { source: question.viewer, destination: NOWHERE };
    let of_address = AddressConnection::alone(question.viewer.ip());
    let peer = Peer { tls: tls.map(Box::new), ..Peer::new(ends, of_address, question.scheme) };
    let request = ViewerRequest {
        head: head.view(question.head),
        version: question.version,
        framing: head.framing(),
        peer: &peer,
        is_first: true,
        received_at: Instant::now(),
    };
    let selected = select_distribution(&request, |host| {
        so_far.distribution = snapshot.distribution_by_host(host).cloned();
        so_far.distribution.clone()
    });
    let distribution = selected.map_err(|failure| no_distribution(&failure, &request, question, so_far))?;
    so_far.error_pages = error_pages(&distribution, &request);
    admit_country(&distribution, question)?;
    let path = requested_path(&distribution, request.head.path());
    let cache_behavior =
        select_cache_behavior(&distribution, path).map_err(|_| ambiguous_path(&distribution, path))?;
    so_far.cache_behavior = Some(cache_behavior.clone());
    let method = request.head.method_name();
    match admit_viewer(cache_behavior, question.scheme, question.version, method, request.has_body()) {
        Admission::Admitted(_) if is_too_long(&distribution, &request) => {
            let why = "the body is longer than the tag mantlet:max-body lets it be";
            Err(refused(EdgeError::BodyTooLarge, why))
        }
        Admission::Admitted(method) => {
            let distribution = &*distribution;
            let asked = Asked { question, distribution, request: &request, path, cache_behavior, method };
            asked.forwarded().map(|forwarded| Outcome::Forwarded(Box::new(forwarded)))
        }
        Admission::RedirectToHttps(status) => {
            let (host, query) = (request.head.host().text, request.head.query());
            let location = redirect_location(host, question.https_port, request.head.path(), query);
            Ok(Outcome::Redirected { status, location })
        }
        Admission::Refused(error) => Err(refused(error, why_not_admitted(error))),
    }
}

/// The pages for this request's errors, whatever they will be.
fn error_pages(distribution: &LinkedDistribution, request: &ViewerRequest<'_>) -> Vec<ErrorPage> {
    let pages = distribution.error_pages.pages.iter();
    pages
        .filter_map(|page| select_error_page(distribution, page.error_status, request.fields()))
        .cloned()
        .collect()
}

fn admit_country(distribution: &LinkedDistribution, question: &Question<'_>) -> Result<(), Refusal> {
    let Some(restriction) = &distribution.geo_restriction else { return Ok(()) };
    let address = question.viewer.ip();
    match admits(restriction, question.geo_database, address) {
        Some(false) => {
            let country = question.geo_database.country(address);
            let country =
                country.map_or("an unknown country".to_owned(), |country| country.as_str().to_owned());
            let why = format!("the geo restriction does not admit {country}, where {address} is");
            Err(refused(EdgeError::CountryNotServed, why))
        }
        // Without a database nobody is decided on.
        Some(true) | None => Ok(()),
    }
}

/// A request that goes to the origin.
struct Asked<'a, 'r> {
    question: &'a Question<'a>,
    distribution: &'a LinkedDistribution,
    request: &'a ViewerRequest<'r>,
    path: &'a str,
    cache_behavior: &'a LinkedCacheBehavior,
    method: Method,
}

impl Asked<'_, '_> {
    fn forwarded(&self) -> Result<Forwarded, Refusal> {
        let mut first = self.to(&self.cache_behavior.origin)?;
        let failover = select_failover(self.cache_behavior, self.method, self.request.has_body());
        first.second = failover.map(|failover| SecondOrigin {
            failover: failover.clone(),
            outcome: self.to(&failover.origin).map(Box::new),
        });
        Ok(first)
    }

    /// What one origin would get.
    fn to(&self, origin: &Arc<Origin>) -> Result<Forwarded, Refusal> {
        let Question { request_id, via_id, .. } = *self.question;
        let (mut fields, mut head) = (Fields::default(), Vec::new());
        let origin_request = OriginRequestHead {
            request: self.request,
            cache_behavior: self.cache_behavior,
            origin,
            method: self.method,
            path: self.path,
            is_error_page: false,
            facts: &self.viewer_facts(),
            request_id: request_id.as_bytes(),
            via_id,
        };
        let host = origin_request.write(&mut head, &mut fields).map_err(|error| {
            refused(EdgeError::OriginFailed, format!("no origin request can be made: {error}"))
        })?;
        let endpoint = endpoint(origin, self.question.scheme, &host)
            .map_err(|failure| refused(failure.edge_error(), failure.to_string()))?;
        Ok(Forwarded {
            origin: Arc::clone(origin),
            head,
            sent: fields.sent,
            dropped: fields.dropped,
            address: match endpoint.address {
                OriginAddress::Name(name) => name.as_str().to_owned(),
                OriginAddress::Ip(address) => address.to_string(),
            },
            port: endpoint.port,
            server_name: endpoint.tls.map(|names| names.sni.to_str().into_owned()),
            second: None,
            answer: self.answer(),
        })
    }

    /// How the viewer speaks TLS only a connection can tell.
    fn viewer_facts(&self) -> ViewerFacts<'_> {
        let location = self.question.geo_database.location(self.question.viewer.ip());
        ViewerFacts { location, ..ViewerFacts::default() }
    }

    fn answer(&self) -> ViewerHead {
        let Question { scheme, request_id, via_id, pop, date, .. } = *self.question;
        let headers = self.cache_behavior.response_headers_policy.as_deref().map(|policy| {
            let asked = HeadersRequest::read(scheme, self.request.head.method_name(), self.request.fields());
            let [dns, connect, first_byte, downstream_first_byte] = [Duration::ZERO; 4];
            let upstream = UpstreamTiming { dns, connect, first_byte };
            let timing = ServerTiming { upstream: Some(upstream), pop, request_id, downstream_first_byte };
            // The last of all samples: none but all of them are told.
            AppliedHeaders::new(policy, asked, ServerTimingHeader::SAMPLES - 1, timing)
        });
        let alternative =
            has_alternative(self.distribution, self.request).then(|| http3_on(self.question.https_port));
        let response = ViewerResponse {
            x_cache: XCache::Miss,
            request_id: request_id.as_bytes(),
            via_id,
            pop,
            alternative_service: alternative.as_deref(),
            headers,
        };
        let mut head = ViewerHead::default();
        write_viewer_fields(self.cache_behavior, &response, std::iter::empty(), &mut head);
        if response.needs_date(false) {
            head.field(b"Date", &[date.as_bytes()]);
        }
        head
    }
}

fn refused(error: EdgeError, why: impl Into<String>) -> Refusal {
    Refusal { error, why: why.into() }
}

fn no_distribution(
    failure: &Failure,
    request: &ViewerRequest<'_>,
    question: &Question<'_>,
    so_far: &SoFar,
) -> Refusal {
    let error = failure.edge_error().unwrap_or(EdgeError::BadRequest);
    let host = request.head.host().name;
    let why = match &so_far.distribution {
        _ if request.contradicts_scheme() => {
            "the target names another scheme than the connection has".to_owned()
        }
        None => format!("no distribution has the name {host}"),
        Some(found) if !found.enabled => format!("the distribution {} is disabled", found.id),
        Some(found) => format!(
            "the connection was made for {}, and {host} of the distribution {} has another certificate or a \
             stricter security policy",
            question.server_name.unwrap_or("no name"),
            found.id
        ),
    };
    refused(error, why)
}

fn ambiguous_path(distribution: &LinkedDistribution, path: &str) -> Refusal {
    let pattern = |path: &str| match select_cache_behavior(distribution, path) {
        Ok(selected) => selected.path_pattern.as_ref().map_or("*", |pattern| pattern.as_str()).to_owned(),
        Err(_) => "several".to_owned(),
    };
    let readings = path_readings(path).map(|reading| format!("{reading} ({})", pattern(&reading)));
    let why = format!(
        "the path selects one cache behavior as it was sent and another as an origin may read it: {}",
        readings.join(" or ")
    );
    refused(EdgeError::BadRequest, why)
}

fn why_not_admitted(error: EdgeError) -> &'static str {
    match error {
        EdgeError::MethodNotAllowed => "the cache behavior does not allow the method",
        EdgeError::BodyNotAllowed => "GET and HEAD have no body",
        EdgeError::HttpsRequired => "the viewer protocol policy asks for HTTPS",
        _ => "the cache behavior does not admit the request",
    }
}
