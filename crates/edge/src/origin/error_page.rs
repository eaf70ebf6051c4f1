//! A page of the distribution in the place of an error ("Generate custom error responses").
//!
//! The page is asked for as a viewer would: from the origin of the cache behavior that its path has. An
//! error page that cannot be had is replaced by no other: then the viewer gets the error as it was.

use std::pin::Pin;

use behavior::{EdgeError, select_cache_behavior, select_failover};
use edge_config::{ErrorPage, LinkedCacheBehavior, LinkedDistribution, Method};

use super::exchange::{OriginExchange, Purpose, send};
use crate::access_log::ErrorType;
use crate::alarm::Alarm;
use crate::failure::Failure;
use crate::pipeline::ViewerSide;
use crate::thread::Thread;
use crate::transcript::Transcript;
use crate::viewer::{ResponseWriter, ViewerRequest};

/// A page in the place of an error.
#[derive(Clone, Copy)]
pub(crate) struct WantedPage<'a> {
    pub(crate) page: &'a ErrorPage,
    /// Of what the viewer asked for: its response headers policy applies to the page, too.
    pub(crate) cache_behavior: &'a LinkedCacheBehavior,
    /// What the access log says of the error.
    pub(crate) error_type: ErrorType,
    /// Whether part of the request's body will be left unread.
    pub(crate) ignores_body: bool,
}

/// Asks for the page and sends it to the viewer. Whether anything of it has left tells, after a failure,
/// whether another answer is possible.
///
/// Boxed, since an exchange may need one for its error page: what those cost is paid by errors alone.
pub(crate) fn send_error_page<'f, W: ResponseWriter>(
    thread: &'f Thread,
    request: &'f ViewerRequest<'f>,
    distribution: &'f LinkedDistribution,
    wanted: WantedPage<'f>,
    response: &'f mut W,
    alarm: &'f mut Alarm,
    transcript: &'f mut Transcript<'_>,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + 'f>> {
    Box::pin(async move {
        let path = &wanted.page.path;
        let cache_behavior =
            select_cache_behavior(distribution, path).map_err(|_| Failure::Refused(EdgeError::BadRequest))?;
        let purpose = Purpose::ErrorPage(wanted);
        let method = Method::Get;
        let exchange = OriginExchange {
            thread,
            request,
            cache_behavior,
            origin: &cache_behavior.origin,
            failover: select_failover(cache_behavior, method, false),
            method,
            path,
            names_viewer: distribution.sends_proxy_protocol,
            purpose,
        };
        let sent = send(&exchange, &mut ViewerSide { body: &mut (), response, alarm }, transcript).await;
        if let Err(Failure::Origin(error)) = &sent {
            let (distribution, request_id) = (&*distribution.id, transcript.id.as_str());
            let status = wanted.page.error_status;
            tracing::warn!(distribution, request_id, status, %error, "An error page could not be had");
        }
        sent
    })
}
