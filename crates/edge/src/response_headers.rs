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
    distribution.filter(|distribution| distribution.http3)?;
    let could_speak_it = request.peer.scheme == Scheme::Https && request.version != HttpVersion::Http3;
    thread.common.alternative_service.as_deref().filter(|_| could_speak_it)
}
