//! What would happen to a request, and why, without a connection: the same functions as in `pipeline`,
//! in the same order, up to the head that the origin would get.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

use behavior::{
    Admission, DroppedBy, EdgeError, HttpVersion, OriginFieldSink, Scheme, SentBy, ViewerFacts, admit_viewer,
    path_readings, redirect_location, requested_path, select_cache_behavior, select_failover,
};
use edge_config::{LinkedCacheBehavior, LinkedDistribution, LinkedFailover, Method, OriginAddress, Snapshot};
use http1::{Progress, RequestHead};
use tokio::time::Instant;

use crate::addresses::AddressConnection;
use crate::failure::Failure;
use crate::origin::{OriginRequestHead, endpoint};
use crate::pipeline::{is_too_long, select_distribution};
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
    /// The port that redirects lead to.
    pub https_port: u16,
    /// What stands for the id that the request would get.
    pub request_id: &'a str,
    /// What stands for the edge's name in `Via`.
    pub via_id: &'a str,
}

/// What would happen, as far as the request comes.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The distribution that its host names, be it disabled.
    pub distribution: Option<Arc<LinkedDistribution>>,
    /// The cache behavior that its path selects.
    pub cache_behavior: Option<LinkedCacheBehavior>,
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

/// What the origin would get.
#[derive(Clone, Debug, Default)]
pub struct Forwarded {
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
    /// Who is asked if that origin fails, and with which answers it does.
    pub failover: Option<LinkedFailover>,
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

impl OriginFieldSink for Forwarded {
    fn sent(&mut self, name: &str, value: &[&[u8]], by: SentBy) {
        self.sent.push(SentField { name: name.to_owned(), value: value.concat(), by });
    }

    fn dropped(&mut self, name: &str, value: &[u8], by: DroppedBy) {
        self.dropped.push(DroppedField { name: name.to_owned(), value: value.to_owned(), by });
    }
}

/// Says what an edge that serves this snapshot would do with a request.
pub fn explain(snapshot: &Snapshot, question: &Question<'_>) -> Explanation {
    let mut explanation =
        Explanation { distribution: None, cache_behavior: None, outcome: Outcome::Forwarded(Box::default()) };
    explanation.outcome = match outcome(snapshot, question, &mut explanation) {
        Ok(outcome) => outcome,
        Err(refusal) => Outcome::Refused(refusal),
    };
    explanation
}

fn outcome(
    snapshot: &Snapshot,
    question: &Question<'_>,
    so_far: &mut Explanation,
) -> Result<Outcome, Refusal> {
    let mut head = RequestHead::new();
    match head.parse(question.head) {
        Ok(Progress::Complete { .. }) => {}
        Ok(Progress::Partial) => return Err(refused(EdgeError::BadRequest, "the head has no end")),
        Err(error) => return Err(refused(refusal(error), error.to_string())),
    }
    let peer = Peer {
        address: question.viewer,
        of_address: AddressConnection::alone(question.viewer.ip()),
        scheme: question.scheme,
        tls: None,
        tls_handshake: Cell::default(),
        has_asked: Cell::default(),
    };
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
    let distribution = selected.map_err(|failure| no_distribution(&failure, &request, so_far))?;
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
        Admission::Admitted(method) => forwarded(question, &request, path, cache_behavior, method),
        Admission::RedirectToHttps(status) => {
            let (host, query) = (request.head.host().text, request.head.query());
            let location = redirect_location(host, question.https_port, request.head.path(), query);
            Ok(Outcome::Redirected { status, location })
        }
        Admission::Refused(error) => Err(refused(error, why_not_admitted(error))),
    }
}

fn forwarded(
    question: &Question<'_>,
    request: &ViewerRequest<'_>,
    path: &str,
    cache_behavior: &LinkedCacheBehavior,
    method: Method,
) -> Result<Outcome, Refusal> {
    let Question { request_id, via_id, .. } = *question;
    // Where the viewer is and how it speaks TLS only a connection can tell.
    let facts = &ViewerFacts::default();
    let origin_request = OriginRequestHead {
        request,
        cache_behavior,
        origin: &cache_behavior.origin,
        method,
        path,
        is_error_page: false,
        facts,
        request_id,
        via_id,
    };
    let (mut forwarded, mut head) = (Forwarded::default(), Vec::new());
    let host = origin_request.write(&mut head, &mut forwarded).map_err(|error| {
        refused(EdgeError::OriginFailed, format!("no origin request can be made: {error}"))
    })?;
    forwarded.head = head;
    let endpoint = endpoint(&cache_behavior.origin, question.scheme, &host)
        .map_err(|failure| refused(failure.edge_error(), failure.to_string()))?;
    forwarded.address = match endpoint.address {
        OriginAddress::Name(name) => name.as_str().to_owned(),
        OriginAddress::Ip(address) => address.to_string(),
    };
    forwarded.port = endpoint.port;
    forwarded.server_name = endpoint.tls.map(|names| names.sni.to_str().into_owned());
    forwarded.failover = select_failover(cache_behavior, method, request.has_body()).cloned();
    Ok(Outcome::Forwarded(Box::new(forwarded)))
}

fn refused(error: EdgeError, why: impl Into<String>) -> Refusal {
    Refusal { error, why: why.into() }
}

fn no_distribution(failure: &Failure, request: &ViewerRequest<'_>, so_far: &Explanation) -> Refusal {
    let error = failure.edge_error().unwrap_or(EdgeError::BadRequest);
    let host = request.head.host().name;
    let why = match &so_far.distribution {
        _ if request.contradicts_scheme() => {
            "the target names another scheme than the connection has".to_owned()
        }
        None => format!("no distribution has the name {host}"),
        Some(found) if !found.enabled => format!("the distribution {} is disabled", found.id),
        Some(found) => format!("the connection is not what the distribution {} asks for", found.id),
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
