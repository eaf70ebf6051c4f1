//! A request's exchange with its origin: attempts and retries.

use std::rc::Rc;
use std::time::Duration;

use behavior::{EdgeError, ViewerFacts, ViewerLocation};
use edge_config::{
    CloudFrontHeaders, GrpcTransport, LinkedCacheBehavior, LinkedDistribution, LinkedFailover, Method, Origin,
};
use http::Request;
use http1::BodyFraming;
use tokio::time::Instant;

use super::OriginFailure;
use super::attempt::{Attempt, Ended, Outcome};
use super::connection::{Endpoint, OriginConnection};
use super::error_page::WantedPage;
use super::http2_connection::Place;
use super::http2_exchange;
use super::request_head::{HostText, OriginRequestHead, endpoint};
use crate::buffer::Buffer;
use crate::failure::Failure;
use crate::geo_database::GeoDatabase;
use crate::limits::ORIGIN_KEEP_ALIVE_MARGIN;
use crate::pipeline::ViewerSide;
use crate::thread::Thread;
use crate::transcript::Transcript;
use crate::turn;
use crate::viewer::{RequestBody, ResponseWriter, ViewerRequest};

/// What is asked of an origin.
#[derive(Clone, Copy)]
pub(crate) struct OriginExchange<'a, 'r> {
    pub(crate) thread: &'a Thread,
    pub(crate) request: &'a ViewerRequest<'r>,
    pub(crate) cache_behavior: &'a LinkedCacheBehavior,
    pub(crate) origin: &'a Origin,
    /// Who is asked if that one fails.
    pub(crate) failover: Option<&'a LinkedFailover>,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    /// Whether connections to the origin begin with the PROXY protocol's header.
    pub(crate) names_viewer: bool,
    pub(crate) purpose: Purpose<'a>,
}

/// What the origin's response is for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// The answer to the viewer's request; the distribution may have a page in the place of an error.
    Answer(&'a LinkedDistribution),
    /// Such a page.
    ErrorPage(WantedPage<'a>),
}

/// Sends the request to the origin, and to the second one where there is one and the first fails, and the
/// response to the viewer.
pub(crate) async fn send<B: RequestBody, W: ResponseWriter>(
    exchange: &OriginExchange<'_, '_>,
    viewer: &mut ViewerSide<'_, B, W>,
    transcript: &mut Transcript<'_>,
) -> Result<(), Failure> {
    if let Some(transport) = exchange.grpc() {
        // Boxed, so that all other requests carry no room for it. "gRPC never fails over": it is POST.
        let asked = Box::pin(http2_exchange::ask(exchange, transport, viewer, transcript)).await;
        if asked.is_err() {
            transcript.failing_origin = Some(exchange.origin.id.clone());
        }
        return asked;
    }
    let outcome = ask(exchange, viewer, transcript).await;
    let Some(failover) = exchange.failover else { return outcome.map(drop) };
    let (request_id, origin) = (transcript.id, &exchange.origin.id);
    match outcome {
        Ok(Outcome::Served | Outcome::SwitchedProtocols) => return Ok(()),
        Ok(Outcome::Dropped { status }) => {
            tracing::warn!(request_id = request_id.as_str(), origin, status, "An origin fails over");
        }
        Err(Failure::Origin(error)) if !viewer.response.has_begun() && error.fails_over(failover) => {
            tracing::warn!(request_id = request_id.as_str(), origin, %error, "An origin fails over");
        }
        Err(failure) => return Err(failure),
    }
    let second = OriginExchange { origin: &failover.origin, failover: None, ..*exchange };
    // Boxed, so that requests that the first origin answers carry no room for it.
    Box::pin(ask(&second, viewer, transcript)).await.map(drop)
}

/// Sends the request to one origin and the response to the viewer.
///
/// GET and HEAD go out again on a fresh connection when the origin closed the reused one, and again
/// when it did not answer in time, as often as connections are attempted ("Origin settings", Response
/// timeout). Nothing else is ever sent twice.
async fn ask<B: RequestBody, W: ResponseWriter>(
    exchange: &OriginExchange<'_, '_>,
    viewer: &mut ViewerSide<'_, B, W>,
    transcript: &mut Transcript<'_>,
) -> Result<Outcome, Failure> {
    let outcome = try_to_ask(exchange, viewer, transcript).await;
    if outcome.is_err() {
        transcript.failing_origin = Some(exchange.origin.id.clone());
    }
    outcome
}

async fn try_to_ask<B: RequestBody, W: ResponseWriter>(
    exchange: &OriginExchange<'_, '_>,
    viewer: &mut ViewerSide<'_, B, W>,
    transcript: &mut Transcript<'_>,
) -> Result<Outcome, Failure> {
    let origin = exchange.origin;
    let mut head = Buffer::small();
    let (host, websocket_key) = exchange.write_head(transcript, &mut head)?;
    if websocket_key.is_none() && !exchange.is_error_page() && exchange.request.needs_tunnel() {
        return Err(Failure::Refused(EdgeError::TunnelNotSupported));
    }
    let peer = exchange.request.peer;
    let named = exchange.names_viewer.then_some(peer.ends);
    let endpoint = Endpoint { named, ..endpoint(origin, peer.scheme, &host)? };
    let completes_by =
        origin.response_completion_timeout_seconds.map(|seconds| Instant::now() + seconds_of(seconds));

    let mut may_be_idle_one = true;
    let mut retries_left = origin.connection_attempts.saturating_sub(1);
    loop {
        let connection = exchange.connect(&endpoint, may_be_idle_one, completes_by, transcript).await?;
        let is_reused = connection.is_reused;
        let attempt = Attempt {
            exchange,
            head: &head,
            connection: &connection,
            websocket_key,
            read_timeout: seconds_of(origin.read_timeout_seconds),
            completes_by,
        };
        let failure = match attempt.run(viewer, transcript).await {
            Ok(ended) => {
                exchange.keep(connection, ended);
                return Ok(ended.outcome);
            }
            Err(failure) => failure,
        };
        let Failure::Origin(origin_failure) = &failure else { return Err(failure) };
        exchange.thread.metrics.origin_error(origin_failure.kind());
        if !exchange.method.may_be_retried() || viewer.response.has_begun() {
            return Err(failure);
        }
        match origin_failure {
            OriginFailure::NoResponse(_) | OriginFailure::Write(_) if is_reused => {}
            OriginFailure::ResponseTimedOut if retries_left > 0 => retries_left -= 1,
            _ => return Err(failure),
        }
        may_be_idle_one = false;
    }
}

pub(super) fn seconds_of(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

impl<'r> OriginExchange<'_, 'r> {
    /// How the request goes to the origin, if it is one of gRPC on a cache behavior that serves it. Others go the
    /// ordinary way, gRPC's over HTTP/1.1 included: there is no such thing.
    fn grpc(&self) -> Option<GrpcTransport> {
        let transport = self.cache_behavior.grpc?;
        let is_call = self.method == Method::Post && !self.is_error_page() && self.request.speaks_grpc();
        is_call.then_some(transport)
    }

    /// Writes the request's head; returns the Host in it, and the key where it is a WebSocket handshake.
    fn write_head(
        &self,
        transcript: &Transcript<'_>,
        out: &mut Buffer,
    ) -> Result<(HostText, Option<&'r [u8]>), Failure> {
        self.with_head(transcript, |head| {
            let host = head.write(out, &mut ()).map_err(OriginFailure::Unwritable)?;
            Ok((host, head.websocket_key()))
        })
    }

    /// The request's head in HTTP/2's form, and the host in it.
    pub(super) fn http2_head(
        &self,
        transcript: &Transcript<'_>,
    ) -> Result<(Request<()>, HostText), OriginFailure> {
        self.with_head(transcript, |head| head.in_http2().map_err(OriginFailure::Unwritable))
    }

    fn with_head<T>(
        &self,
        transcript: &Transcript<'_>,
        write: impl FnOnce(&OriginRequestHead<'_, 'r>) -> T,
    ) -> T {
        let geo_database = self.thread.geo_database();
        write(&OriginRequestHead {
            request: self.request,
            cache_behavior: self.cache_behavior,
            origin: self.origin,
            method: self.method,
            path: self.path,
            is_error_page: self.is_error_page(),
            facts: &self.viewer_facts(&geo_database),
            request_id: transcript.id.as_bytes(),
            via_id: &self.thread.common.via_id,
        })
    }

    /// Whether the response takes the place of an error.
    fn is_error_page(&self) -> bool {
        matches!(self.purpose, Purpose::ErrorPage(_))
    }

    /// How the body goes to the origin.
    pub(super) fn framing(&self) -> BodyFraming {
        if self.is_error_page() { BodyFraming::None } else { self.request.framing }
    }

    /// Whether there is a body to send.
    pub(super) fn has_body(&self) -> bool {
        !self.is_error_page() && self.request.has_body()
    }

    /// Whether the viewer gets no body, whatever it is told.
    pub(super) fn answers_head(&self) -> bool {
        self.request.head.method() == http1::Method::Head
    }

    /// That of what the viewer asked for.
    pub(super) fn asked_cache_behavior(&self) -> &LinkedCacheBehavior {
        match &self.purpose {
            Purpose::Answer(_) => self.cache_behavior,
            Purpose::ErrorPage(wanted) => wanted.cache_behavior,
        }
    }

    /// What is known of the viewer, as far as the cache behavior asks for it.
    fn viewer_facts<'f>(&'f self, geo_database: &'f GeoDatabase) -> ViewerFacts<'f> {
        let asked_for = self.cache_behavior.cloudfront_headers;
        if asked_for.is_empty() {
            return ViewerFacts::default();
        }
        let location = if asked_for.intersects(CloudFrontHeaders::OF_LOCATIONS) {
            geo_database.location(self.request.peer.address().ip())
        } else {
            ViewerLocation::default()
        };
        ViewerFacts { tls: self.request.tls_description(), location }
    }

    async fn connect(
        &self,
        endpoint: &Endpoint,
        may_be_idle_one: bool,
        completes_by: Option<Instant>,
        transcript: &mut Transcript<'_>,
    ) -> Result<Box<OriginConnection>, Failure> {
        let origins = &self.thread.origins;
        if may_be_idle_one && let Some(idle) = origins.take_idle(endpoint) {
            return Ok(idle);
        }
        let (endpoint, begun_at) = (Rc::new(endpoint.clone()), Instant::now());
        // Boxed, so that requests that find an idle connection carry no room for it.
        let opening = Box::pin(origins.open(self.origin, &endpoint));
        let opened = match completes_by {
            None => opening.await,
            Some(deadline) => match tokio::time::timeout_at(deadline, opening).await {
                Ok(opened) => opened,
                Err(_) => Err(OriginFailure::CompletionTimedOut),
            },
        };
        transcript.connected(begun_at.elapsed());
        opened.map(Box::new).map_err(|failure| {
            self.thread.metrics.origin_error(failure.kind());
            failure.into()
        })
    }

    /// A place on a connection that speaks HTTP/2.
    pub(super) async fn http2_place(
        &self,
        endpoint: &Rc<Endpoint>,
        completes_by: Option<Instant>,
        transcript: &mut Transcript<'_>,
    ) -> Result<Place, Failure> {
        let begun_at = Instant::now();
        let placing = self.thread.origins.http2_place(self.origin, endpoint, &self.thread.load);
        let placed = match completes_by {
            None => placing.await,
            Some(deadline) => match tokio::time::timeout_at(deadline, placing).await {
                Ok(placed) => placed,
                Err(_) => Err(OriginFailure::CompletionTimedOut),
            },
        };
        if !placed.as_ref().is_ok_and(|place| place.is_reused) {
            transcript.connected(begun_at.elapsed());
        }
        placed.map_err(|failure| {
            self.thread.metrics.origin_error(failure.kind());
            failure.into()
        })
    }

    /// Keeps a connection that can be used again, as long as both sides want it.
    fn keep(&self, connection: Box<OriginConnection>, ended: Ended) {
        if !ended.is_reusable {
            return;
        }
        let ours = seconds_of(self.origin.keepalive_timeout_seconds);
        let theirs = ended
            .origin_keeps_it_for
            .map_or(ours, |seconds| Duration::from_secs(seconds).saturating_sub(ORIGIN_KEEP_ALIVE_MARGIN));
        let usable_for = ours.min(theirs);
        if !usable_for.is_zero() {
            self.thread.origins.keep(connection, turn::now() + usable_for);
        }
    }
}
