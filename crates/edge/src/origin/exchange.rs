//! A request's exchange with its origin: attempts and retries.

use std::rc::Rc;
use std::time::Duration;

use behavior::{FieldSink, OriginRequest, Scheme, origin_query, write_origin_fields};
use edge_config::{LinkedCacheBehavior, Method, OriginAddress, OriginProtocolPolicy};
use http1::{BodyFraming, HeadWriter, WriteError};
use smallvec::SmallVec;
use tokio::time::Instant;

use super::OriginFailure;
use super::attempt::{Attempt, Ended};
use super::connection::{Endpoint, OriginConnection};
use super::tls::TlsNames;
use crate::buffer::Buffer;
use crate::failure::Failure;
use crate::limits::ORIGIN_KEEP_ALIVE_MARGIN;
use crate::pipeline::ViewerSide;
use crate::thread::Thread;
use crate::transcript::Transcript;
use crate::viewer::{RequestBody, ResponseWriter, ViewerRequest};

/// What is asked of an origin.
pub(crate) struct OriginExchange<'a, 'r> {
    pub(crate) thread: &'a Thread,
    pub(crate) request: &'a ViewerRequest<'r>,
    pub(crate) cache_behavior: &'a LinkedCacheBehavior,
    pub(crate) method: Method,
}

/// Sends the request to the origin and the response to the viewer.
///
/// GET and HEAD go out again on a fresh connection when the origin closed the reused one, and again
/// when it did not answer in time, as often as connections are attempted ("Origin settings", Response
/// timeout). Nothing else is ever sent twice.
pub(crate) async fn send<B: RequestBody, W: ResponseWriter>(
    exchange: &OriginExchange<'_, '_>,
    viewer: &mut ViewerSide<'_, B, W>,
    transcript: &mut Transcript<'_>,
) -> Result<(), Failure> {
    let origin = &exchange.cache_behavior.origin;
    let mut head = Buffer::small();
    let host = exchange.write_head(transcript, &mut head)?;
    let endpoint = exchange.endpoint(&host)?;
    let completes_by =
        origin.response_completion_timeout_seconds.map(|seconds| Instant::now() + seconds_of(seconds));

    let mut may_be_idle_one = true;
    let mut retries_left = origin.connection_attempts.saturating_sub(1);
    loop {
        let connection = exchange.connect(&endpoint, may_be_idle_one, completes_by).await?;
        let is_reused = connection.is_reused;
        let attempt = Attempt {
            exchange,
            head: &head,
            connection: &connection,
            read_timeout: seconds_of(origin.read_timeout_seconds),
            completes_by,
        };
        let failure = match attempt.run(viewer, transcript).await {
            Ok(ended) => {
                exchange.keep(connection, ended);
                return Ok(());
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

fn seconds_of(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// A host that goes to an origin; most fit without the heap.
type HostText = SmallVec<[u8; 64]>;

impl OriginExchange<'_, '_> {
    /// Writes the request's head, and returns the Host in it.
    fn write_head(&self, transcript: &Transcript<'_>, out: &mut Buffer) -> Result<HostText, Failure> {
        self.try_write_head(transcript, out).map_err(|error| OriginFailure::Unwritable(error).into())
    }

    fn try_write_head(&self, transcript: &Transcript<'_>, out: &mut Buffer) -> Result<HostText, WriteError> {
        let (request, cache_behavior) = (self.request, self.cache_behavior);
        let query = origin_query(cache_behavior, request.head.query());
        let (method, prefix, path) = (self.method.as_str(), &cache_behavior.origin.path, request.head.path());
        let writer = HeadWriter::request(&mut **out, method, prefix, path, query.as_deref())?;
        let mut sink = OriginHead { writer, outcome: Ok(()), host: HostText::new() };
        let origin_request = OriginRequest {
            cache_behavior,
            method: self.method,
            host: request.head.host().text,
            scheme: request.peer.scheme,
            version: request.version,
            viewer: request.peer.address,
            request_id: transcript.id.as_str(),
            via_id: &self.thread.common.via_id,
        };
        write_origin_fields(&origin_request, request.fields(), &mut sink);
        sink.outcome?;
        sink.writer.field(b"Connection", b"Keep-Alive")?;
        match request.framing {
            BodyFraming::Length(length) => sink.writer.content_length(length)?,
            BodyFraming::Chunked => sink.writer.transfer_encoding_chunked()?,
            // RFC 9110 section 8.6: a method that expects a body should say that there is none; some
            // origins answer 411 otherwise.
            BodyFraming::None if matches!(self.method, Method::Post | Method::Put | Method::Patch) => {
                sink.writer.content_length(0)?;
            }
            BodyFraming::None | BodyFraming::UntilClose => {}
        }
        sink.writer.finish();
        Ok(sink.host)
    }

    fn endpoint(&self, host: &[u8]) -> Result<Endpoint, OriginFailure> {
        let origin = &self.cache_behavior.origin;
        let is_https = match origin.protocol_policy {
            OriginProtocolPolicy::HttpOnly => false,
            OriginProtocolPolicy::HttpsOnly => true,
            OriginProtocolPolicy::MatchViewer => self.request.peer.scheme == Scheme::Https,
        };
        let address = origin.address.clone();
        if !is_https {
            return Ok(Endpoint { address, port: origin.http_port, tls: None });
        }
        let own_name = match &address {
            OriginAddress::Name(name) => name.as_str().to_owned(),
            OriginAddress::Ip(ip) => ip.to_string(),
        };
        let names = TlsNames::new(str::from_utf8(host).unwrap_or_default(), &own_name)?;
        Ok(Endpoint { address, port: origin.https_port, tls: Some(names) })
    }

    async fn connect(
        &self,
        endpoint: &Endpoint,
        may_be_idle_one: bool,
        completes_by: Option<Instant>,
    ) -> Result<OriginConnection, Failure> {
        let origins = &self.thread.origins;
        if may_be_idle_one && let Some(idle) = origins.take_idle(endpoint) {
            return Ok(idle);
        }
        let endpoint = Rc::new(endpoint.clone());
        // Boxed, so that requests that find an idle connection carry no room for it.
        let opening = Box::pin(origins.open(&self.cache_behavior.origin, &endpoint));
        let opened = match completes_by {
            None => opening.await,
            Some(deadline) => match tokio::time::timeout_at(deadline, opening).await {
                Ok(opened) => opened,
                Err(_) => Err(OriginFailure::CompletionTimedOut),
            },
        };
        opened.map_err(|failure| {
            self.thread.metrics.origin_error(failure.kind());
            failure.into()
        })
    }

    /// Keeps a connection that can be used again, as long as both sides want it.
    fn keep(&self, connection: OriginConnection, ended: Ended) {
        if !ended.is_reusable {
            return;
        }
        let ours = seconds_of(self.cache_behavior.origin.keepalive_timeout_seconds);
        let theirs = ended
            .origin_keeps_it_for
            .map_or(ours, |seconds| Duration::from_secs(seconds).saturating_sub(ORIGIN_KEEP_ALIVE_MARGIN));
        let usable_for = ours.min(theirs);
        if !usable_for.is_zero() {
            self.thread.origins.keep(connection, Instant::now() + usable_for);
        }
    }
}

/// The origin request's head on its way out.
struct OriginHead<'a> {
    writer: HeadWriter<'a, Vec<u8>>,
    outcome: Result<(), WriteError>,
    host: HostText,
}

impl FieldSink for OriginHead<'_> {
    fn field(&mut self, name: &str, value: &[&[u8]]) {
        if name.eq_ignore_ascii_case("host") {
            self.host.clear();
            for part in value {
                self.host.extend_from_slice(part);
            }
        }
        let written = self.writer.field_of_parts(name.as_bytes(), value);
        self.outcome = self.outcome.and(written);
    }
}
