//! What the edge answers itself: the one place where failures become responses.

use behavior::{
    AnswerFormat, AppliedHeaders, EdgeError, FieldSink, GrpcStatus, ViewerResponse, XCache,
    redirect_location, requested_path, select_cache_behavior, select_error_page, write_edge_fields,
};
use edge_config::LinkedDistribution;
use http::{HeaderMap, HeaderValue};
use http1::{Method, WriteError};

use crate::access_log::{ErrorType, ResultType};
use crate::failure::Failure;
use crate::origin::{WantedPage, send_error_page};
use crate::pipeline::{BrokenOff, ViewerSide};
use crate::request_id::RequestId;
use crate::response_headers::{Timing, alternative_service, applied_headers};
use crate::thread::Thread;
use crate::transcript::Transcript;
use crate::viewer::{
    RequestBody, ResponseFraming, ResponseStart, ResponseWriter, ViewerFault, ViewerRequest,
};

/// Ends a request: with nothing more to say when it was served, with an answer when it failed and
/// that is still possible, and otherwise broken off.
pub(crate) async fn conclude<B: RequestBody, W: ResponseWriter>(
    thread: &Thread,
    served: Result<(), Failure>,
    request: Option<&ViewerRequest<'_>>,
    viewer: &mut ViewerSide<'_, B, W>,
    transcript: &mut Transcript<'_>,
) -> Result<(), BrokenOff> {
    let Err(failure) = served else {
        transcript.complete();
        return Ok(());
    };
    if let Failure::Origin(origin_failure) = &failure {
        let distribution = transcript.distribution.as_ref().map(|found| &*found.id);
        let request_id = transcript.id.as_str();
        let origin = transcript.failing_origin.as_deref();
        tracing::warn!(distribution, request_id, origin, error = %origin_failure, "An origin failed");
        tracing::debug!(error = ?origin_failure, "An origin failed, in detail");
    }
    if viewer.response.has_begun() {
        transcript.broke_off(failure.error_type_after_beginning());
        // Boxed, as below.
        return Box::pin(end_call(&failure, viewer, transcript)).await;
    }
    let Some(error) = failure.edge_error() else {
        transcript.broke_off(failure.error_type());
        return Err(BrokenOff);
    };
    // Boxed, so that requests that are served carry no room for it.
    match Box::pin(send_page(thread, error, failure.error_type(), request, viewer, transcript)).await {
        Ok(true) => {
            transcript.complete();
            return Ok(());
        }
        Ok(false) => {}
        Err(failure) => {
            transcript.broke_off(failure.error_type_after_beginning());
            return Err(BrokenOff);
        }
    }
    let answer = EdgeAnswer::error(error, failure.error_type(), request, transcript);
    answer.send(thread, request, viewer, transcript).await.map_err(|fault| {
        transcript.broke_off(Failure::from(fault).error_type_after_beginning());
        BrokenOff
    })?;
    transcript.complete();
    Ok(())
}

/// Ends the response to a call of gRPC that failed in its middle with a status, as its server would: a client
/// makes more of that than of a stream that breaks off. No other response can end so.
async fn end_call<B: RequestBody, W: ResponseWriter>(
    failure: &Failure,
    viewer: &mut ViewerSide<'_, B, W>,
    transcript: &Transcript<'_>,
) -> Result<(), BrokenOff> {
    match failure {
        Failure::Origin(origin_failure) if transcript.is_call() => {
            let message = origin_failure.edge_error().grpc_message(transcript.id.as_str());
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static(origin_failure.grpc_status().as_str()));
            trailers.insert("grpc-message", HeaderValue::from_str(&message).map_err(|_| BrokenOff)?);
            viewer.response.end(trailers, viewer.alarm).await.map_err(|_| BrokenOff)
        }
        _ => Err(BrokenOff),
    }
}

/// Sends the distribution's page in the place of the edge's own error; tells whether it did. A failure
/// is one that leaves no other answer.
async fn send_page<B: RequestBody, W: ResponseWriter>(
    thread: &Thread,
    error: EdgeError,
    error_type: ErrorType,
    request: Option<&ViewerRequest<'_>>,
    viewer: &mut ViewerSide<'_, B, W>,
    transcript: &mut Transcript<'_>,
) -> Result<bool, Failure> {
    let (Some(request), Some(distribution)) = (request, transcript.distribution.clone()) else {
        return Ok(false);
    };
    if distribution.error_pages.is_empty() || !error.may_have_page() {
        return Ok(false);
    }
    let page = select_error_page(&distribution, error.status(), request.fields());
    let path = requested_path(&distribution, request.head.path());
    let (Some(page), Ok(cache_behavior)) = (page, select_cache_behavior(&distribution, path)) else {
        return Ok(false);
    };
    let ignores_body = !viewer.body.can_be_passed_over();
    let wanted = WantedPage { page, cache_behavior, error_type, ignores_body };
    let ViewerSide { response, alarm, .. } = viewer;
    let sent =
        send_error_page(thread, request, &distribution, wanted, &mut **response, alarm, transcript).await;
    match sent {
        Ok(()) => Ok(true),
        Err(failure @ Failure::Viewer(_)) => Err(failure),
        Err(failure) if response.has_begun() => Err(failure),
        Err(_) => Ok(false),
    }
}

/// Sends a viewer of HTTP to HTTPS.
pub(crate) async fn redirect_to_https<B: RequestBody, W: ResponseWriter>(
    thread: &Thread,
    status: u16,
    request: &ViewerRequest<'_>,
    viewer: &mut ViewerSide<'_, B, W>,
    transcript: &mut Transcript<'_>,
) -> Result<(), Failure> {
    // Without an HTTPS listener there is nowhere to send anybody.
    let https_port = thread.common.https_port.ok_or(Failure::Refused(EdgeError::HttpsRequired))?;
    let head = &request.head;
    let location = redirect_location(head.host().text, https_port, head.path(), head.query());
    let answer = EdgeAnswer {
        status,
        x_cache: XCache::Redirect,
        result: ResultType::Redirect,
        error_type: ErrorType::Error,
        content_type: "text/html",
        location: Some(location),
        grpc: None,
        body: format!(
            "<html>\n<head><title>{status} HTTPS</title></head>\n<body>This is served over HTTPS.</body>\n</html>\n"
        ),
        body_is_sent: head.method() != Method::Head,
    };
    Ok(answer.send(thread, Some(request), viewer, transcript).await?)
}

/// A response that the edge makes.
struct EdgeAnswer {
    status: u16,
    x_cache: XCache,
    result: ResultType,
    error_type: ErrorType,
    content_type: &'static str,
    location: Option<String>,
    /// The status of the call, and what it says, where it is one of gRPC.
    grpc: Option<(GrpcStatus, String)>,
    body: String,
    body_is_sent: bool,
}

impl EdgeAnswer {
    fn error(
        error: EdgeError,
        error_type: ErrorType,
        request: Option<&ViewerRequest<'_>>,
        transcript: &Transcript<'_>,
    ) -> Self {
        let format = AnswerFormat::from_accept(request.and_then(ViewerRequest::accept));
        let result = match error {
            EdgeError::Overloaded => ResultType::LimitExceeded,
            _ => ResultType::Error,
        };
        if request.is_some_and(ViewerRequest::speaks_grpc) {
            return Self::grpc_error(error, error_type, result, transcript);
        }
        Self {
            status: error.status(),
            x_cache: error.x_cache(),
            result,
            error_type,
            content_type: format.content_type(),
            location: None,
            grpc: None,
            body: error.body(format, transcript.id.as_str()),
            body_is_sent: request.is_none_or(|request| request.head.method() != Method::Head),
        }
    }

    /// What clients of gRPC understand: 200, and the call's status in the head, as there is no message before it
    /// ("gRPC over HTTP2", Trailers-Only).
    fn grpc_error(
        error: EdgeError,
        error_type: ErrorType,
        result: ResultType,
        transcript: &Transcript<'_>,
    ) -> Self {
        Self {
            status: 200,
            x_cache: error.x_cache(),
            result,
            error_type,
            content_type: "application/grpc",
            location: None,
            grpc: Some((error.grpc_status(), error.grpc_message(transcript.id.as_str()))),
            body: String::new(),
            body_is_sent: false,
        }
    }

    async fn send<B: RequestBody, W: ResponseWriter>(
        &self,
        thread: &Thread,
        request: Option<&ViewerRequest<'_>>,
        viewer: &mut ViewerSide<'_, B, W>,
        transcript: &mut Transcript<'_>,
    ) -> Result<(), ViewerFault> {
        let length = self.body.len() as u64;
        let framing = if self.body_is_sent {
            ResponseFraming::Length(length)
        } else if self.grpc.is_some() {
            ResponseFraming::NoBody(None)
        } else {
            ResponseFraming::NoBody(Some(length))
        };
        let ignores_body = !viewer.body.can_be_passed_over();
        let start = ResponseStart { status: self.status, framing, ignores_body };
        let (id, date) = (transcript.id, thread.date());
        let distribution = transcript.distribution.as_deref();
        let own = ViewerResponse {
            x_cache: self.x_cache,
            request_id: id.as_bytes(),
            via_id: &thread.common.via_id,
            pop: &thread.common.pop,
            alternative_service: request
                .and_then(|request| alternative_service(thread, distribution, request)),
            headers: headers_of_answer(thread, distribution, request, &id),
        };
        let fields: [(&[u8], &[u8]); 3] =
            [(b"Server", b"CloudFront"), (b"Date", &date), (b"Content-Type", self.content_type.as_bytes())];
        let location = self.location.as_ref().map(|location| (b"Location".as_slice(), location.as_bytes()));
        let begun = viewer.response.begin(start, |sink| {
            write_edge_fields(&own, fields.into_iter().chain(location), sink);
            if let Some((status, message)) = &self.grpc {
                sink.field(b"grpc-status", &[status.as_str().as_bytes()]);
                sink.field(b"grpc-message", &[message.as_bytes()]);
            }
            if own.needs_date(true) {
                sink.field(b"Date", &[&date]);
            }
        });
        if let Err(error) = begun {
            return Err(unwritable(error));
        }
        transcript.responds(self.status, self.result, self.error_type);
        transcript.own_content(self.content_type, length);
        let body = if self.body_is_sent { self.body.as_bytes() } else { b"" };
        viewer.response.write(body, true, viewer.alarm).await
    }
}

/// What the response headers policy of the request's cache behavior makes of the edge's own answer, so
/// that a page of another origin can read it.
fn headers_of_answer<'a>(
    thread: &'a Thread,
    distribution: Option<&'a LinkedDistribution>,
    request: Option<&ViewerRequest<'a>>,
    id: &'a RequestId,
) -> Option<AppliedHeaders<'a>> {
    let request = request?;
    let distribution = distribution?;
    let path = requested_path(distribution, request.head.path());
    let cache_behavior = select_cache_behavior(distribution, path).ok()?;
    let timing = || Timing { upstream: None, downstream_first_byte: request.received_at.elapsed() };
    applied_headers(thread, cache_behavior, request, id, timing).map(AppliedHeaders::for_edge_answer)
}

/// Everything above is the edge's own or was validated; where it still cannot be written, nothing can.
fn unwritable(error: WriteError) -> ViewerFault {
    tracing::error!(%error, "The edge's own answer cannot be written");
    ViewerFault::Left
}
