//! What a response headers policy needs to know of a request, beside what `behavior` decides.

use std::time::Duration;

use behavior::{AppliedHeaders, HeadersRequest, HttpVersion, Scheme, ServerTiming, UpstreamTiming};
use edge_config::{LinkedCacheBehavior, LinkedDistribution};

use crate::request_id::RequestId;
use crate::thread::Thread;
use crate::viewer::ViewerRequest;

/// How the beginning of a response came about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// The origin's part, where it answered.
    pub(crate) upstream: Option<UpstreamTiming>,
    /// From the request's end to now.
    pub(crate) downstream_first_byte: Duration,
}

/// The response headers policy of a cache behavior, if it has one, as it applies to the answer to this
/// request. `timing` is asked only then.
pub(crate) fn applied_headers<'a>(
    thread: &'a Thread,
    cache_behavior: &'a LinkedCacheBehavior,
    request: &ViewerRequest<'a>,
    id: &'a RequestId,
    timing: impl FnOnce() -> Timing,
) -> Option<AppliedHeaders<'a>> {
    let policy = cache_behavior.response_headers_policy.as_deref()?;
    let asked = HeadersRequest::read(request.peer.scheme, request.head.method_name(), request.fields());
    let Timing { upstream, downstream_first_byte } = timing();
    let pop = &thread.common.pop;
    let server_timing = ServerTiming { upstream, pop, request_id: id.as_str(), downstream_first_byte };
    Some(AppliedHeaders::new(policy, asked, id.sample(), server_timing))
}

/// What `Alt-Svc` says where the distribution speaks HTTP/3 and this viewer could, and does not.
pub(crate) fn alternative_service<'a>(
    thread: &'a Thread,
    distribution: Option<&LinkedDistribution>,
    request: &ViewerRequest<'_>,
) -> Option<&'a str> {
    let has_alternative = distribution.is_some_and(|distribution| has_alternative(distribution, request));
    thread.common.alternative_service.as_deref().filter(|_| has_alternative)
}

/// Whether the request could have come over HTTP/3, and did not.
pub(crate) fn has_alternative(distribution: &LinkedDistribution, request: &ViewerRequest<'_>) -> bool {
    distribution.http3 && request.peer.scheme == Scheme::Https && request.version != HttpVersion::Http3
}

/// HTTP/3 for the same host on that port (RFC 7838 section 3), remembered for a day, as CloudFront says it.
pub(crate) fn http3_on(port: u16) -> String {
    format!("h3=\":{port}\"; ma=86400")
}
