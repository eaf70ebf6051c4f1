//! One gRPC exchange with an origin: a stream of an HTTP/2 connection, whose two directions are independent.
//!
//! Messages pass as they come, in either direction and in any order; deadlines, statuses and compression are
//! between the two ends ("gRPC over HTTP2"). What the edge adds is what holds of every exchange: heads are
//! written anew, a body is as long as it says, and whoever stops is told to the other side.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use behavior::{FieldSink, UpstreamTiming, ViewerResponse, XCache, write_viewer_fields};
use bytes::Bytes;
use edge_config::GrpcTransport;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Request, header};
use http1::limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX, INTERIM_RESPONSES_MAX};
use tokio::time::Instant;

use super::OriginFailure;
use super::attempt::{both, viewer_trailers};
use super::connection::{Endpoint, Opening};
use super::exchange::{OriginExchange, seconds_of};
use super::http2_connection::Place;
use super::http2_guard::Conduct;
use super::request_head::endpoint;
use crate::failure::Failure;
use crate::limits::{GRPC_IDLE_MAX, GRPC_REPEATED_BYTES_MAX};
use crate::pipeline::ViewerSide;
use crate::response_headers::{Timing, alternative_service, applied_headers};
use crate::transcript::Transcript;
use crate::viewer::{RequestBody, ResponseFraming, ResponseStart, ResponseWriter, ViewerFault};

/// Sends a gRPC request to its origin and the response to the viewer.
///
/// It goes out again, on another connection, where the origin has certainly not looked at it (RFC 9113
/// section 8.7) and what has been taken of the body from the viewer is still there: once more for each
/// attempt at a connection that the origin's settings allow.
pub(super) async fn ask<B: RequestBody, W: ResponseWriter>(
    exchange: &OriginExchange<'_, '_>,
    transport: GrpcTransport,
    viewer: &mut ViewerSide<'_, B, W>,
    transcript: &mut Transcript<'_>,
) -> Result<(), Failure> {
    let origin = exchange.origin;
    let (head, host) = exchange.http2_head(transcript)?;
    let peer = exchange.request.peer;
    let endpoint = endpoint(origin, peer.scheme, &host)?;
    if endpoint.tls.is_none() && transport == GrpcTransport::Tls {
        return Err(OriginFailure::GrpcInClear.into());
    }
    let named = exchange.names_viewer.then_some(peer.ends);
    let endpoint = Rc::new(Endpoint { named, speaks_http2: true, ..endpoint });
    let completes_by =
        origin.response_completion_timeout_seconds.map(|seconds| Instant::now() + seconds_of(seconds));
    let sent = RefCell::new(Sent::default());
    let mut retries_left = origin.connection_attempts;
    loop {
        let place = exchange.http2_place(&endpoint, completes_by, transcript).await?;
        let attempt = Http2Attempt {
            exchange,
            place: &place,
            progress: Progress::new(),
            sent: &sent,
            completes_by,
            has_body: exchange.request.has_body(),
        };
        let outcome = attempt.run(head.clone(), viewer, transcript).await;
        if attempt.leaves_nothing(&outcome) {
            place.ended();
        }
        let Err(failure) = outcome else { return Ok(()) };
        let origin_failure = match failure {
            Failure::Origin(OriginFailure::Http2(_)) if place.shared.conduct.is_condemned() => {
                OriginFailure::Http2Flood
            }
            Failure::Origin(origin_failure) => origin_failure,
            other => return Err(other),
        };
        exchange.thread.metrics.origin_error(origin_failure.kind());
        let is_all_there = !sent.borrow().is_forgotten && !viewer.response.has_begun();
        let may_retry = is_all_there && origin_failure.is_unprocessed() && retries_left > 0;
        if origin_failure.is_of_connection() {
            place.shared.retire();
        }
        if !may_retry {
            return Err(origin_failure.into());
        }
        retries_left -= 1;
    }
}

/// One attempt, on a stream of its own.
struct Http2Attempt<'a, 'e, 'r> {
    exchange: &'a OriginExchange<'e, 'r>,
    place: &'a Place,
    progress: Progress,
    sent: &'a RefCell<Sent>,
    completes_by: Option<Instant>,
    has_body: bool,
}

/// What has been taken of the body from the viewer, until the origin has begun to answer or it is too much:
/// what another attempt begins with.
#[derive(Default)]
struct Sent {
    parts: Vec<Bytes>,
    bytes: usize,
    has_ended: bool,
    is_forgotten: bool,
}

impl Sent {
    fn remember(&mut self, part: &Bytes) {
        self.bytes = self.bytes.saturating_add(part.len());
        if self.bytes > GRPC_REPEATED_BYTES_MAX {
            self.forget();
        } else if !self.is_forgotten {
            self.parts.push(part.clone());
        }
    }

    fn forget(&mut self) {
        (self.parts, self.is_forgotten) = (Vec::new(), true);
    }
}

/// How far both directions are.
struct Progress {
    last: Cell<Instant>,
    /// Whom the request waits for.
    awaits: Cell<Awaits>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    /// The viewer, which may be silent for long: its stream is one of messages, not of bytes.
    Viewer,
    /// The origin: to take what is there, or to answer what is complete.
    Origin,
}

impl Progress {
    fn new() -> Self {
        Self { last: Cell::new(Instant::now()), awaits: Cell::new(Awaits::Viewer) }
    }

    fn awaits(&self, whom: Awaits) {
        self.awaits.set(whom);
        self.last.set(Instant::now());
    }
}

impl Http2Attempt<'_, '_, '_> {
    /// Whether the stream is over on both sides with this outcome, so that it is not reset. Where the origin
    /// failed, a reset is its own doing.
    fn leaves_nothing(&self, outcome: &Result<(), Failure>) -> bool {
        match outcome {
            Ok(()) => !self.has_body || self.sent.borrow().has_ended,
            Err(failure) => matches!(failure, Failure::Origin(_)),
        }
    }

    async fn run<B: RequestBody, W: ResponseWriter>(
        &self,
        head: Request<()>,
        viewer: &mut ViewerSide<'_, B, W>,
        transcript: &mut Transcript<'_>,
    ) -> Result<(), Failure> {
        let mut sender = self.place.sender.clone();
        poll_fn(|context| sender.poll_ready(context)).await.map_err(OriginFailure::Http2Ended)?;
        let (response, sending) =
            sender.send_request(head, !self.has_body).map_err(OriginFailure::Http2Ended)?;
        drop(sender);
        let ViewerSide { body, response: to_viewer, alarm } = viewer;
        let mut response_side = ViewerSide { body: &mut (), response: &mut **to_viewer, alarm };
        let upload = self.upload(&mut **body, sending);
        let download = self.download(response, &mut response_side, transcript);
        both(upload, download).await
    }

    /// Sends the body. An origin that takes no more of it has its response say why.
    async fn upload<B: RequestBody>(
        &self,
        body: &mut B,
        mut sending: SendStream<Bytes>,
    ) -> Result<(), ViewerFault> {
        self.progress.awaits(Awaits::Origin);
        if !self.has_body {
            return Ok(());
        }
        let again = self.sent.borrow().parts.clone();
        for part in again {
            if self.send(&mut sending, part).await.is_err() {
                return Ok(());
            }
        }
        while !self.sent.borrow().has_ended {
            self.progress.awaits(Awaits::Viewer);
            let part = body.next().await?.map(Bytes::copy_from_slice);
            self.progress.awaits(Awaits::Origin);
            match part {
                None => self.sent.borrow_mut().has_ended = true,
                Some(part) => {
                    self.sent.borrow_mut().remember(&part);
                    if self.send(&mut sending, part).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
        // It fails where the origin takes no more.
        let _ = sending.send_data(Bytes::new(), true);
        Ok(())
    }

    /// Sends a stretch of the body as the origin's windows open.
    async fn send(&self, sending: &mut SendStream<Bytes>, mut part: Bytes) -> Result<(), h2::Error> {
        while !part.is_empty() {
            sending.reserve_capacity(part.len());
            while sending.capacity() == 0 {
                match poll_fn(|context| sending.poll_capacity(context)).await {
                    Some(granted) => granted?,
                    None => return Err(Reason::STREAM_CLOSED.into()),
                };
            }
            let now = part.split_to(sending.capacity().min(part.len()));
            self.place.shared.conduct.response_data();
            sending.send_data(now, false)?;
            self.progress.last.set(Instant::now());
        }
        Ok(())
    }

    /// Receives the response and passes it on.
    async fn download<W: ResponseWriter>(
        &self,
        mut response: ResponseFuture,
        viewer: &mut ViewerSide<'_, (), W>,
        transcript: &mut Transcript<'_>,
    ) -> Result<(), Failure> {
        self.pass_over_interim(&mut response, viewer).await?;
        let head = self.until_silent(viewer, OriginFailure::ResponseTimedOut, |context| {
            Pin::new(&mut response).poll(context)
        });
        let (head, stream) = head.await?.map_err(OriginFailure::Http2)?.into_parts();
        let mut body = Received { stream, conduct: &self.place.shared.conduct };
        self.sent.borrow_mut().forget();
        self.begin_response(&head, &body.stream, viewer, transcript)?;
        drop(head);
        if !body.stream.is_end_stream() {
            // A viewer may wait for the head before it sends its first message.
            viewer.response.write(b"", false, viewer.alarm).await?;
        }
        loop {
            let part = self
                .until_silent(viewer, OriginFailure::GapTimedOut, |context| body.stream.poll_data(context))
                .await?;
            self.progress.last.set(Instant::now());
            match part {
                Some(part) => {
                    let part = part.map_err(OriginFailure::Http2)?;
                    if !part.is_empty() {
                        viewer.response.write(&part, false, viewer.alarm).await?;
                    }
                    body.taken(part.len())?;
                }
                None => return self.end(&mut body.stream, viewer).await,
            }
        }
    }

    async fn end<W: ResponseWriter>(
        &self,
        body: &mut RecvStream,
        viewer: &mut ViewerSide<'_, (), W>,
    ) -> Result<(), Failure> {
        let trailers =
            self.until_silent(viewer, OriginFailure::GapTimedOut, |context| body.poll_trailers(context));
        let trailers = trailers.await?.map_err(OriginFailure::Http2)?.unwrap_or_default();
        check_size(&trailers)?;
        let trailers = viewer_trailers(self.exchange.cache_behavior, fields(&trailers).into_iter());
        if trailers.is_empty() {
            Ok(viewer.response.write(b"", true, viewer.alarm).await?)
        } else {
            Ok(viewer.response.end(trailers, viewer.alarm).await?)
        }
    }

    /// Waits past interim responses: gRPC knows none.
    async fn pass_over_interim<W: ResponseWriter>(
        &self,
        response: &mut ResponseFuture,
        viewer: &mut ViewerSide<'_, (), W>,
    ) -> Result<(), Failure> {
        for _ in 0..=INTERIM_RESPONSES_MAX {
            let interim = self.until_silent(viewer, OriginFailure::ResponseTimedOut, |context| {
                response.poll_informational(context)
            });
            match interim.await? {
                Some(interim) => drop(interim.map_err(OriginFailure::Http2)?),
                None => return Ok(()),
            }
        }
        Err(OriginFailure::TooManyInterimResponses.into())
    }

    /// Waits for the origin as long as it may be silent, and for the viewer to leave.
    async fn until_silent<W: ResponseWriter, T>(
        &self,
        viewer: &mut ViewerSide<'_, (), W>,
        timed_out: OriginFailure,
        mut poll: impl FnMut(&mut std::task::Context<'_>) -> Poll<T>,
    ) -> Result<T, Failure> {
        let read_timeout = seconds_of(self.exchange.origin.read_timeout_seconds);
        let deadline = || {
            let patience = match self.progress.awaits.get() {
                Awaits::Viewer => GRPC_IDLE_MAX,
                Awaits::Origin => read_timeout,
            };
            let by = self.progress.last.get() + patience;
            self.completes_by.map_or(by, |completes_by| completes_by.min(by))
        };
        let ViewerSide { response, alarm, .. } = viewer;
        let waiting = poll_fn(|context| {
            if let Poll::Ready(ready) = poll(context) {
                return Poll::Ready(Ok(ready));
            }
            response.poll_left(context).map(|()| Err(ViewerFault::Left.into()))
        });
        match alarm.until_moving(deadline, waiting).await {
            Ok(outcome) => outcome,
            Err(_) if self.completes_by.is_some_and(|by| Instant::now() >= by) => {
                Err(OriginFailure::CompletionTimedOut.into())
            }
            Err(_) => Err(timed_out.into()),
        }
    }

    /// Prepares the viewer's response from the origin's.
    fn begin_response<W: ResponseWriter>(
        &self,
        head: &Parts,
        body: &RecvStream,
        viewer: &mut ViewerSide<'_, (), W>,
        transcript: &mut Transcript<'_>,
    ) -> Result<(), OriginFailure> {
        check_size(&head.headers)?;
        let OriginExchange { thread, request, cache_behavior, .. } = self.exchange;
        let (thread, id, status) = (*thread, transcript.id, head.status.as_u16());
        let asked_at = self.progress.last.get();
        let Opening { dns, connect } = self.place.opening;
        let timing = || Timing {
            upstream: Some(UpstreamTiming { dns, connect, first_byte: asked_at.elapsed() }),
            downstream_first_byte: asked_at.elapsed(),
        };
        let own = ViewerResponse {
            x_cache: XCache::of_origin_status(status),
            request_id: id.as_bytes(),
            via_id: &thread.common.via_id,
            pop: &thread.common.pop,
            alternative_service: alternative_service(thread, transcript.distribution.as_deref(), request),
            headers: applied_headers(thread, cache_behavior, request, &id, timing),
        };
        let length = content_length(&head.headers);
        let framing = match length {
            _ if body.is_end_stream() => ResponseFraming::NoBody(length),
            Some(length) => ResponseFraming::Length(length),
            None => ResponseFraming::Unknown,
        };
        let start = ResponseStart { status, framing, ignores_body: false };
        viewer
            .response
            .begin(start, |sink| {
                write_viewer_fields(cache_behavior, &own, fields(&head.headers).into_iter(), sink);
                if own.needs_date(head.headers.contains_key(header::DATE)) {
                    sink.field(b"Date", &[&thread.date()]);
                }
            })
            .map_err(OriginFailure::Unwritable)?;
        let content_type = head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        transcript.grpc_responds(status, content_type, length, asked_at, &self.exchange.origin.id);
        Ok(())
    }
}

/// A response's body as its stream brings it.
struct Received<'c> {
    stream: RecvStream,
    conduct: &'c Conduct,
}

impl Received<'_> {
    /// The origin may send this much more only now that the viewer has it.
    fn taken(&mut self, bytes: usize) -> Result<(), OriginFailure> {
        self.conduct.body_taken(bytes);
        self.stream.flow_control().release_capacity(bytes).map_err(OriginFailure::Http2)
    }
}

impl Drop for Received<'_> {
    fn drop(&mut self) {
        // What nobody has taken goes with it.
        self.conduct.body_taken(self.stream.flow_control().used_capacity());
    }
}

/// Fields, as `behavior` reads them.
fn fields(fields: &HeaderMap) -> Vec<(&[u8], &[u8])> {
    fields.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())).collect()
}

/// Holds a head, or trailers, to the limits of HTTP/1.1's.
pub(super) fn check_size(fields: &HeaderMap) -> Result<(), OriginFailure> {
    let bytes: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if fields.len() > HEAD_FIELDS_MAX || bytes > HEAD_BYTES_MAX {
        return Err(OriginFailure::InvalidHead(http1::ResponseError::HeadTooLarge));
    }
    Ok(())
}

/// `h2` has held the field to its grammar and the body to it.
pub(super) fn content_length(fields: &HeaderMap) -> Option<u64> {
    fields.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
