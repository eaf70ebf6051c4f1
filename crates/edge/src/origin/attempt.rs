//! One request and one response on one connection, both bodies streaming.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::num::NonZeroUsize;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use behavior::{
    FieldSink, UpstreamTiming, ViewerResponse, XCache, select_error_page, write_interim_fields,
    write_viewer_fields, write_viewer_trailers,
};
use edge_config::{LinkedCacheBehavior, LinkedDistribution};
use http::{HeaderMap, HeaderName, HeaderValue};
use http1::limits::INTERIM_RESPONSES_MAX;
use http1::{
    BodyDecoder, BodyError, BodyFraming, CHUNK_END, KnownField, LAST_CHUNK, Method, Progress, ResponseHead,
    ResponseView, chunk_header,
};
use tokio::time::Instant;

use super::OriginFailure;
use super::connection::{Opening, OriginConnection};
use super::error_page::{WantedPage, send_error_page};
use super::exchange::{OriginExchange, Purpose};
use super::websocket;
use crate::access_log::ErrorType;
use crate::alarm::Alarm;
use crate::body;
use crate::buffer::Buffer;
use crate::failure::Failure;
use crate::limits::VIEWER_BODY_GAP_MAX;
use crate::pipeline::ViewerSide;
use crate::response_headers::{Timing, alternative_service, applied_headers};
use crate::transcript::Transcript;
use crate::transport::Transport;
use crate::turn;
use crate::viewer::{RequestBody, ResponseFraming, ResponseStart, ResponseWriter, ViewerFault};

/// One attempt at an exchange.
pub(super) struct Attempt<'a, 'e, 'r> {
    pub(super) exchange: &'a OriginExchange<'e, 'r>,
    pub(super) head: &'a Buffer,
    pub(super) connection: &'a OriginConnection,
    /// The key of the WebSocket handshake that the request is, if it is one.
    pub(super) websocket_key: Option<&'a [u8]>,
    /// How long the origin may be silent.
    pub(super) read_timeout: Duration,
    pub(super) completes_by: Option<Instant>,
}

/// How an exchange that succeeded left its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// Both directions ended exactly, and the origin expects another request.
    pub(super) is_reusable: bool,
    /// The origin's own `Keep-Alive: timeout`.
    pub(super) origin_keeps_it_for: Option<u64>,
    pub(super) outcome: Outcome,
}

/// What became of the response.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// The viewer has it.
    Served,
    /// Nobody has it: its status is one that has the next origin asked.
    Dropped { status: u16 },
    /// The viewer has its head, and from here on both speak WebSocket.
    SwitchedProtocols,
}

/// How far the request has gone out, for the side that waits for the response.
struct Sending {
    state: Cell<SendingState>,
    last_progress: Cell<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SendingState {
    /// An origin that is still being told has no reason to answer yet.
    UnderWay,
    /// The origin has it all.
    Complete,
    /// The origin took no more of it; it may still answer.
    Abandoned,
}

impl Sending {
    /// Nothing yet of a request that was there at `received_at`.
    fn new(received_at: Instant) -> Self {
        Self { state: Cell::new(SendingState::UnderWay), last_progress: Cell::new(received_at) }
    }

    fn progress(&self) {
        self.last_progress.set(Instant::now());
    }

    fn complete(&self) {
        self.state.set(SendingState::Complete);
        self.progress();
    }

    fn abandon(&self) {
        self.state.set(SendingState::Abandoned);
    }

    fn is_complete(&self) -> bool {
        self.state.get() == SendingState::Complete
    }

    /// Since when the origin has had nothing to wait for; `begun_at` is when we began to wait for it.
    fn silent_since(&self, begun_at: Instant) -> Instant {
        match self.state.get() {
            SendingState::UnderWay => Instant::now(),
            SendingState::Complete | SendingState::Abandoned => self.last_progress.get().max(begun_at),
        }
    }
}

impl Attempt<'_, '_, '_> {
    pub(super) async fn run<B: RequestBody, W: ResponseWriter>(
        &self,
        viewer: &mut ViewerSide<'_, B, W>,
        transcript: &mut Transcript<'_>,
    ) -> Result<Ended, Failure> {
        let sending = Sending::new(self.exchange.request.received_at);
        let ViewerSide { body, response, alarm } = viewer;
        let mut response_side = ViewerSide { body: &mut (), response: &mut **response, alarm };
        if self.exchange.has_body() {
            let upload = self.upload(&mut **body, &sending);
            let download = self.download(&mut response_side, transcript, &sending);
            // Boxed, so that requests without a body carry no room for it.
            Box::pin(both(upload, download)).await
        } else {
            self.write(&mut [IoSlice::new(self.head)]).await?;
            sending.complete();
            let ended = self.download(&mut response_side, transcript, &sending).await?;
            if let Outcome::SwitchedProtocols = ended.outcome {
                // Boxed, so that all other requests carry no room for it.
                Box::pin(websocket::relay(self.connection, viewer)).await?;
            }
            Ok(ended)
        }
    }

    /// Sends the head and the body. An origin that no longer listens may have answered already, so
    /// that is not an error here.
    async fn upload<B: RequestBody>(&self, body: &mut B, sending: &Sending) -> Result<(), ViewerFault> {
        let mut head: &[u8] = self.head;
        let (mut alarm, peer) = (Alarm::new(), self.exchange.request.peer);
        loop {
            let mut next = pin!(alarm.as_patient_as(|| peer.patience(VIEWER_BODY_GAP_MAX), body.next()));
            // What is there already leaves with the head; what is not must not delay it.
            let ready = poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await;
            let part = match ready {
                Poll::Ready(part) => part,
                Poll::Pending => {
                    if !head.is_empty() && self.write(&mut [IoSlice::new(head)]).await.is_err() {
                        sending.abandon();
                        return Ok(());
                    }
                    head = b"";
                    sending.progress();
                    next.await
                }
            };
            let part = part.map_err(|_| ViewerFault::BodyTooSlow)??;
            if self.write_part(std::mem::take(&mut head), part).await.is_err() {
                sending.abandon();
                return Ok(());
            }
            if part.is_none() {
                sending.complete();
                return Ok(());
            }
            sending.progress();
        }
    }

    /// Sends a stretch of the body in its framing; none is the end.
    async fn write_part(&self, head: &[u8], part: Option<&[u8]>) -> Result<(), OriginFailure> {
        let is_chunked = self.exchange.framing() == BodyFraming::Chunked;
        match (part, NonZeroUsize::new(part.map_or(0, <[u8]>::len))) {
            (Some(part), Some(len)) if is_chunked => {
                let size = chunk_header(len);
                let slices = [head, size.as_ref(), part, CHUNK_END];
                self.write(&mut slices.map(IoSlice::new)).await
            }
            (Some(part), _) => self.write(&mut [IoSlice::new(head), IoSlice::new(part)]).await,
            (None, _) if is_chunked => self.write(&mut [IoSlice::new(head), IoSlice::new(LAST_CHUNK)]).await,
            (None, _) => self.write(&mut [IoSlice::new(head)]).await,
        }
    }

    async fn write(&self, mut parts: &mut [IoSlice<'_>]) -> Result<(), OriginFailure> {
        let transport = &self.connection.transport;
        // Most writes do not wait, and then no timer is needed.
        match poll_fn(|context| Poll::Ready(transport.poll_write_parts(context, &mut parts))).await {
            Poll::Ready(written) => written.map_err(OriginFailure::Write),
            Poll::Pending => {
                match tokio::time::timeout(self.read_timeout, transport.write_parts(parts)).await {
                    Ok(written) => written.map_err(OriginFailure::Write),
                    Err(_) => Err(OriginFailure::WriteTimedOut),
                }
            }
        }
    }

    /// Receives the response and passes it on.
    async fn download<W: ResponseWriter>(
        &self,
        viewer: &mut ViewerSide<'_, (), W>,
        transcript: &mut Transcript<'_>,
        sending: &Sending,
    ) -> Result<Ended, Failure> {
        let mut head = self.exchange.thread.response_heads.take();
        let mut input = self.read(viewer, sending, OriginFailure::ResponseTimedOut).await?;
        let head_len = self.receive_head(&mut head, &mut input, viewer, sending).await?;
        let status = head.view(&input).status();
        let pass_over = |head: &ResponseHead, input: &Buffer, outcome| {
            let response = head.view(input);
            let (persists, origin_keeps_it_for) = (response.keep_alive(), response.keep_alive_timeout());
            let is_all_there = is_whole_body(response.framing(), input.get(head_len..).unwrap_or_default());
            let is_reusable = is_all_there && persists && sending.is_complete();
            Ended { is_reusable, origin_keeps_it_for, outcome }
        };
        if self.exchange.failover.is_some_and(|failover| failover.status_codes.contains(&status)) {
            return Ok(pass_over(&head, &input, Outcome::Dropped { status }));
        }
        if let Some((distribution, wanted)) = self.wanted_page(status)?
            // Boxed, so that responses without such a page carry no room for it.
            && Box::pin(self.replace_error(distribution, wanted, viewer, transcript)).await?
        {
            return Ok(pass_over(&head, &input, Outcome::Served));
        }
        let response = head.view(&input);
        self.begin_response(&response, viewer, transcript, sending)?;
        if head.is_switching_protocols() {
            let behind_head = input.get(head_len..).unwrap_or_default();
            viewer.response.write(behind_head, false, viewer.alarm).await?;
            let outcome = Outcome::SwitchedProtocols;
            return Ok(Ended { is_reusable: false, origin_keeps_it_for: None, outcome });
        }
        let mut decoder = BodyDecoder::new(response.framing());
        let (persists, origin_keeps_it_for) = (response.keep_alive(), response.keep_alive_timeout());
        drop(head);
        if matches!(self.exchange.purpose, Purpose::ErrorPage(_)) && self.exchange.answers_head() {
            viewer.response.write(b"", true, viewer.alarm).await?;
            return Ok(Ended { is_reusable: false, origin_keeps_it_for, outcome: Outcome::Served });
        }

        let mut from = head_len;
        loop {
            let stretch =
                body::compact(&mut decoder, &mut input, from).map_err(OriginFailure::InvalidBody)?;
            let is_last = decoder.is_done();
            let part = input.get(stretch.body).unwrap_or_default();
            if is_last && let Some(trailers) = self.trailers(&decoder) {
                // Boxed, so that responses without trailers carry no room for them.
                Box::pin(end_with_trailers(part, trailers, viewer)).await?;
            } else {
                viewer.response.write(part, is_last, viewer.alarm).await?;
            }
            if is_last {
                // Bytes behind the end are an answer to nothing we asked.
                let is_exact = stretch.end == input.len() && sending.is_complete();
                let (is_reusable, outcome) = (is_exact && persists, Outcome::Served);
                return Ok(Ended { is_reusable, origin_keeps_it_for, outcome });
            }
            drop(input);
            input = self.read(viewer, sending, OriginFailure::GapTimedOut).await.map_err(broken_body)?;
            from = 0;
            if input.is_empty() {
                decoder.end_of_input().map_err(OriginFailure::InvalidBody)?;
                viewer.response.write(b"", true, viewer.alarm).await?;
                return Ok(Ended { is_reusable: false, origin_keeps_it_for, outcome: Outcome::Served });
            }
        }
    }

    /// The trailers that the viewer gets, where the response has any and the viewer takes them.
    fn trailers(&self, decoder: &BodyDecoder) -> Option<HeaderMap> {
        let OriginExchange { request, cache_behavior, purpose, .. } = self.exchange;
        let trailers = decoder.trailers();
        if trailers.len() == 0 || !request.takes_trailers() || matches!(purpose, Purpose::ErrorPage(_)) {
            return None;
        }
        let trailers = trailers.map(|field| (field.name, field.value));
        Some(viewer_trailers(cache_behavior, trailers))
    }

    /// The distribution's page for a response of this status, if it is an error that has one. A page that
    /// is an error itself is none, and has none.
    fn wanted_page(
        &self,
        status: u16,
    ) -> Result<Option<(&LinkedDistribution, WantedPage<'_>)>, OriginFailure> {
        let OriginExchange { request, cache_behavior, purpose, .. } = self.exchange;
        let distribution = match purpose {
            Purpose::Answer(distribution) if distribution.error_pages.is_empty() => return Ok(None),
            Purpose::Answer(distribution) => *distribution,
            Purpose::ErrorPage(_) if status == 200 => return Ok(None),
            Purpose::ErrorPage(_) => return Err(OriginFailure::NoErrorPage(status)),
        };
        let page = select_error_page(distribution, status, request.fields());
        let wanted =
            |page| WantedPage { page, cache_behavior, error_type: ErrorType::Error, ignores_body: false };
        Ok(page.map(|page| (distribution, wanted(page))))
    }

    /// Sends a page in the place of the origin's error; tells whether it did. Where the page cannot be
    /// had, the error goes on as it is.
    async fn replace_error<W: ResponseWriter>(
        &self,
        distribution: &LinkedDistribution,
        wanted: WantedPage<'_>,
        viewer: &mut ViewerSide<'_, (), W>,
        transcript: &mut Transcript<'_>,
    ) -> Result<bool, Failure> {
        let OriginExchange { thread, request, .. } = self.exchange;
        let ViewerSide { response, alarm, .. } = viewer;
        let sent =
            send_error_page(thread, request, distribution, wanted, &mut **response, alarm, transcript).await;
        match sent {
            Ok(()) => Ok(true),
            Err(Failure::Viewer(fault)) => Err(fault.into()),
            Err(failure) if response.has_begun() => Err(failure),
            Err(_) => Ok(false),
        }
    }

    /// Completes the final response's head, whose first bytes are in `input`, and returns its length.
    async fn receive_head<W: ResponseWriter>(
        &self,
        head: &mut ResponseHead,
        input: &mut Buffer,
        viewer: &mut ViewerSide<'_, (), W>,
        sending: &Sending,
    ) -> Result<usize, Failure> {
        if input.is_empty() {
            return Err(OriginFailure::NoResponse(None).into());
        }
        let method = wire_method(self.exchange.method);
        let mut interim_responses = 0;
        loop {
            match head.parse(input, method).map_err(OriginFailure::InvalidHead)? {
                Progress::Complete { head_len } if head.is_switching_protocols() => {
                    let is_accepted = |key| websocket::is_accepted(head, input, key);
                    if self.websocket_key.is_some_and(is_accepted) {
                        return Ok(head_len);
                    }
                    return Err(OriginFailure::SwitchesProtocols.into());
                }
                Progress::Complete { head_len } if head.is_interim() => {
                    interim_responses += 1;
                    if interim_responses > INTERIM_RESPONSES_MAX {
                        return Err(OriginFailure::TooManyInterimResponses.into());
                    }
                    self.relay_interim(&head.view(input), viewer)?;
                    input.consume(head_len);
                    head.clear();
                }
                Progress::Complete { head_len } => return Ok(head_len),
                Progress::Partial => {
                    if input.is_full() {
                        input.grow_for_head();
                    }
                    let more = self.read(viewer, sending, OriginFailure::ResponseTimedOut).await?;
                    if more.is_empty() {
                        return Err(OriginFailure::HeadTruncated.into());
                    }
                    input.extend_from_slice(&more);
                }
            }
        }
    }

    /// Passes an interim response on. 100 (Continue) is an answer to the edge, which forwards no `Expect` and
    /// answers the viewer's itself.
    fn relay_interim<W: ResponseWriter>(
        &self,
        response: &ResponseView<'_>,
        viewer: &mut ViewerSide<'_, (), W>,
    ) -> Result<(), OriginFailure> {
        let OriginExchange { request, cache_behavior, purpose, .. } = self.exchange;
        if response.status() == 100
            || !request.takes_interim_responses()
            || matches!(purpose, Purpose::ErrorPage(_))
        {
            return Ok(());
        }
        let fields = response.fields().map(|field| (field.name, field.value));
        viewer
            .response
            .inform(response.status(), |sink| write_interim_fields(cache_behavior, fields, sink))
            .map_err(OriginFailure::Unwritable)
    }

    /// The next bytes from the origin; none when it has closed its side.
    async fn read<W: ResponseWriter>(
        &self,
        viewer: &mut ViewerSide<'_, (), W>,
        sending: &Sending,
        timed_out: OriginFailure,
    ) -> Result<Buffer, Failure> {
        let begun_at = turn::now();
        let completes_by = self.completes_by;
        let deadline = || {
            let by = sending.silent_since(begun_at) + self.read_timeout;
            completes_by.map_or(by, |completes_by| completes_by.min(by))
        };
        let transport: &Transport = &self.connection.transport;
        let response = &mut *viewer.response;
        let reading = poll_fn(|context| {
            if let Poll::Ready(read) = transport.poll_read_pooled(context, Buffer::large) {
                return Poll::Ready(
                    read.map_err(|error| Failure::from(OriginFailure::NoResponse(Some(error)))),
                );
            }
            // While there is a body to read, whoever reads it learns first.
            if sending.state.get() == SendingState::UnderWay {
                return Poll::Pending;
            }
            response.poll_left(context).map(|()| Err(ViewerFault::Left.into()))
        });
        match viewer.alarm.until_moving(deadline, reading).await {
            Ok(read) => read,
            Err(_) if completes_by.is_some_and(|by| Instant::now() >= by) => {
                Err(OriginFailure::CompletionTimedOut.into())
            }
            Err(_) => Err(timed_out.into()),
        }
    }

    /// Prepares the viewer's response from the origin's.
    fn begin_response<W: ResponseWriter>(
        &self,
        response: &ResponseView<'_>,
        viewer: &mut ViewerSide<'_, (), W>,
        transcript: &mut Transcript<'_>,
        sending: &Sending,
    ) -> Result<(), OriginFailure> {
        let OriginExchange { thread, request, cache_behavior, purpose, .. } = self.exchange;
        let (thread, id) = (*thread, transcript.id);
        let asked = self.exchange.asked_cache_behavior();
        let headers = applied_headers(thread, asked, request, &id, || self.timing(sending));
        let (status, x_cache, ignores_body) = match purpose {
            Purpose::Answer(_) => (response.status(), XCache::of_origin_status(response.status()), false),
            Purpose::ErrorPage(wanted) => (wanted.page.response_status, XCache::Error, wanted.ignores_body),
        };
        let own = ViewerResponse {
            x_cache,
            request_id: id.as_bytes(),
            via_id: &thread.common.via_id,
            pop: &thread.common.pop,
            alternative_service: alternative_service(thread, transcript.distribution.as_deref(), request),
            headers,
        };
        let start = ResponseStart {
            status,
            framing: viewer_framing(response, self.exchange.answers_head()),
            ignores_body,
        };
        let fields = response.fields().map(|field| (field.name, field.value));
        viewer
            .response
            .begin(start, |sink| {
                write_viewer_fields(cache_behavior, &own, fields, sink);
                if own.needs_date(response.value(KnownField::Date).is_some()) {
                    sink.field(b"Date", &[&thread.date()]);
                }
            })
            .map_err(OriginFailure::Unwritable)?;
        transcript.origin_responds(response, sending.last_progress.get(), &self.exchange.origin.id);
        if let Purpose::ErrorPage(wanted) = purpose {
            transcript.responds_with_page(status, wanted.error_type);
        }
        Ok(())
    }
}

impl Attempt<'_, '_, '_> {
    /// How long what is there now has taken.
    fn timing(&self, sending: &Sending) -> Timing {
        let asked_at = sending.last_progress.get();
        let request = self.exchange.request;
        let asked_by_viewer_at = if self.exchange.has_body() { asked_at } else { request.received_at };
        let Opening { dns, connect } = self.connection.opening;
        Timing {
            upstream: Some(UpstreamTiming { dns, connect, first_byte: asked_at.elapsed() }),
            downstream_first_byte: asked_by_viewer_at.elapsed(),
        }
    }
}

/// What the viewer gets of an origin's trailers.
pub(super) fn viewer_trailers<'f>(
    cache_behavior: &LinkedCacheBehavior,
    trailers: impl Iterator<Item = (&'f [u8], &'f [u8])>,
) -> HeaderMap {
    let mut fields = Trailers::default();
    write_viewer_trailers(cache_behavior, trailers, &mut fields);
    fields.0
}

/// Trailers on their way out, of which most responses have none.
#[derive(Default)]
struct Trailers(HeaderMap);

impl FieldSink for Trailers {
    fn field(&mut self, name: &[u8], value: &[&[u8]]) {
        // What can be no field is none.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(&value.concat()))
        {
            self.0.append(name, value);
        }
    }
}

async fn end_with_trailers<W: ResponseWriter>(
    part: &[u8],
    trailers: HeaderMap,
    viewer: &mut ViewerSide<'_, (), W>,
) -> Result<(), ViewerFault> {
    viewer.response.write(part, trailers.is_empty(), viewer.alarm).await?;
    if trailers.is_empty() { Ok(()) } else { viewer.response.end(trailers, viewer.alarm).await }
}

/// Whether that is a body from its first byte to its last and nothing else. Nobody waits for the rest of
/// one that is dropped.
fn is_whole_body(framing: BodyFraming, bytes: &[u8]) -> bool {
    let mut decoder = BodyDecoder::new(framing);
    let mut at = 0;
    while !decoder.is_done() {
        let rest = bytes.get(at..).unwrap_or_default();
        match decoder.decode(rest) {
            Ok(progress) if progress.consumed > 0 => at += progress.consumed,
            _ => return false,
        }
    }
    at == bytes.len()
}

/// A read that fails within the body is another failure than one before the head.
fn broken_body(failure: Failure) -> Failure {
    match failure {
        Failure::Origin(OriginFailure::NoResponse(Some(error)))
            if error.kind() == io::ErrorKind::UnexpectedEof =>
        {
            OriginFailure::InvalidBody(BodyError::Truncated).into()
        }
        Failure::Origin(OriginFailure::NoResponse(Some(error))) => OriginFailure::BodyBroken(error).into(),
        other => other,
    }
}

/// RFC 9112 section 6.3, seen from the viewer.
fn viewer_framing(response: &ResponseView<'_>, answers_head: bool) -> ResponseFraming {
    match response.framing() {
        _ if answers_head => ResponseFraming::NoBody(response.content_length()),
        BodyFraming::None if response.status() == 101 => ResponseFraming::Tunnel,
        BodyFraming::None if response.status() == 304 => ResponseFraming::NoBody(response.content_length()),
        BodyFraming::None => ResponseFraming::NoBody(None),
        BodyFraming::Length(length) => ResponseFraming::Length(length),
        BodyFraming::Chunked | BodyFraming::UntilClose => ResponseFraming::Unknown,
    }
}

fn wire_method(method: edge_config::Method) -> Method {
    Method::from_name(method.as_str().as_bytes())
}

/// Runs both directions until the response has ended or the viewer's part has failed. A response that
/// ends before the request has ends the exchange (RFC 9112 section 9.5).
pub(super) async fn both<T>(
    upload: impl Future<Output = Result<(), ViewerFault>>,
    download: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let (mut upload, mut download) = (pin!(upload), pin!(download));
    let mut uploading = true;
    poll_fn(|context| {
        if uploading && let Poll::Ready(uploaded) = upload.as_mut().poll(context) {
            uploading = false;
            if let Err(fault) = uploaded {
                return Poll::Ready(Err(fault.into()));
            }
        }
        download.as_mut().poll(context)
    })
    .await
}
