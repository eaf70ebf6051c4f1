//! Life of a request: every step, in its order.
//!
//! What a step decides is in `behavior`, how it is done in `viewer/` and `origin/`. There is no
//! middleware: the order is the code.

use std::net::IpAddr;
use std::ops::Deref;

use behavior::{Admission, EdgeError, admit_viewer, requested_path, select_cache_behavior, select_failover};
use edge_config::{GeoRestriction, LinkedDistribution};
use http1::BodyFraming;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::answer;
use crate::failure::Failure;
use crate::geo_database::GeoDatabase;
use crate::origin::{self, OriginExchange, Purpose};
use crate::thread::Thread;
use crate::transcript::{Traffic, Transcript};
use crate::viewer::{Peer, RequestBody, ResponseWriter, ViewerRequest};

/// What there is to read from a viewer and to write to it.
pub(crate) struct ViewerSide<'a, B, W> {
    pub(crate) body: &'a mut B,
    pub(crate) response: &'a mut W,
    pub(crate) alarm: &'a mut Alarm,
}

/// The response broke off, and the viewer must be able to see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BrokenOff;

/// Serves one request, from the head that has been read to the response's last byte.
///
/// Accepting, TLS and reading (steps 1 to 3) are behind us; a request that could not be read went to
/// [`refuse`].
pub(crate) async fn serve<B: RequestBody, W: ResponseWriter>(
    thread: &Thread,
    request: &ViewerRequest<'_>,
    traffic: &Traffic,
    viewer: &mut ViewerSide<'_, B, W>,
) -> Result<(), BrokenOff> {
    let mut transcript = Transcript::begin(thread, request.peer, traffic, Some(request), request.received_at);
    let served = forward(thread, request, viewer, &mut transcript).await;
    answer::conclude(thread, served, Some(request), viewer, &mut transcript).await
}

async fn forward<B: RequestBody, W: ResponseWriter>(
    thread: &Thread,
    request: &ViewerRequest<'_>,
    viewer: &mut ViewerSide<'_, B, W>,
    transcript: &mut Transcript<'_>,
) -> Result<(), Failure> {
    // 4: the distribution, pinned for as long as the request lasts.
    let distribution = select_distribution(request, |host| thread.distribution_by_host(host))?;
    transcript.distribution = Some(distribution.clone());
    admit_country(thread, &distribution, request)?;

    // 5: the cache behavior, and whether it serves such a request.
    let path = requested_path(&distribution, request.head.path());
    let cache_behavior =
        select_cache_behavior(&distribution, path).map_err(|_| Failure::Refused(EdgeError::BadRequest))?;
    let (scheme, method) = (request.peer.scheme, request.head.method_name());
    let method = match admit_viewer(cache_behavior, scheme, request.version, method, request.has_body()) {
        Admission::Admitted(method) => method,
        Admission::RedirectToHttps(status) => {
            return answer::redirect_to_https(thread, status, request, viewer, transcript).await;
        }
        Admission::Refused(error) => return Err(Failure::Refused(error)),
    };

    if is_too_long(&distribution, request) {
        return Err(Failure::Refused(EdgeError::BodyTooLarge));
    }
    if let Some(most) = distribution.max_body_bytes {
        viewer.body.limit(most);
    }

    // 6, 7, 8: what the origin gets, the exchange with it, and what the viewer gets of it, both
    // bodies streaming.
    let exchange = OriginExchange {
        thread,
        request,
        cache_behavior,
        origin: &cache_behavior.origin,
        failover: select_failover(cache_behavior, method, request.has_body()),
        method,
        path,
        names_viewer: distribution.sends_proxy_protocol,
        purpose: Purpose::Answer(&distribution),
    };
    origin::send(&exchange, viewer, transcript).await
}

/// Whether the body says that it is longer than the distribution takes. One that says nothing is cut off
/// on its way.
pub(crate) fn is_too_long(distribution: &LinkedDistribution, request: &ViewerRequest<'_>) -> bool {
    let BodyFraming::Length(length) = request.framing else { return false };
    distribution.max_body_bytes.is_some_and(|most| length > most)
}

/// The enabled distribution of the request's host, if the connection is as good as it asks for.
///
/// TLS was negotiated for the name in the ClientHello; a viewer may put another one into the request,
/// as browsers do for every name that a certificate has. One for which the viewer would have seen
/// another certificate, or could have negotiated less, is asked for on a connection of its own (RFC
/// 9110 section 15.5.20); a handshake would have told as much about it.
pub(crate) fn select_distribution<D: Deref<Target = LinkedDistribution>>(
    request: &ViewerRequest<'_>,
    by_host: impl FnOnce(&str) -> Option<D>,
) -> Result<D, Failure> {
    if request.contradicts_scheme() {
        return Err(Failure::Refused(EdgeError::BadRequest));
    }
    let mut lower_case = [0; http1::limits::HOST_NAME_BYTES_MAX];
    let host = lower_case_host(request.head.host().name, &mut lower_case);
    let found =
        by_host(host).filter(|found| found.enabled).ok_or(Failure::Refused(EdgeError::NoSuchDistribution))?;
    match &request.peer.tls {
        Some(tls) if !tls.are_good_for(host, &found) => Err(Failure::Refused(EdgeError::MisdirectedRequest)),
        _ => Ok(found),
    }
}

/// Geo restriction is the whole distribution's, and asked before all that its cache behaviors say.
///
/// Without a database there is nobody whom it could be right to admit, unless the operator has said so.
fn admit_country(
    thread: &Thread,
    distribution: &LinkedDistribution,
    request: &ViewerRequest<'_>,
) -> Result<(), Failure> {
    let Some(restriction) = &distribution.geo_restriction else { return Ok(()) };
    let is_admitted = admits(restriction, &thread.geo_database(), request.peer.address().ip());
    if is_admitted.unwrap_or(thread.common.accept_unenforced) {
        Ok(())
    } else {
        Err(Failure::Refused(EdgeError::CountryNotServed))
    }
}

/// Whether a restriction admits an address; none where no database tells countries.
pub(crate) fn admits(restriction: &GeoRestriction, database: &GeoDatabase, address: IpAddr) -> Option<bool> {
    database.tells_countries().then(|| restriction.admits(database.country(address)))
}

fn lower_case_host<'a>(host: &'a str, text: &'a mut [u8; http1::limits::HOST_NAME_BYTES_MAX]) -> &'a str {
    if !host.bytes().fold(false, |so_far, byte| so_far | byte.is_ascii_uppercase()) {
        return host;
    }
    // `http1` lets no longer host through.
    let Some(text) = text.get_mut(..host.len()) else { return "" };
    text.copy_from_slice(host.as_bytes());
    text.make_ascii_lowercase();
    str::from_utf8(text).unwrap_or_default()
}

/// Answers what could not be read as a request.
pub(crate) async fn refuse<B: RequestBody, W: ResponseWriter>(
    thread: &Thread,
    peer: &Peer,
    traffic: &Traffic,
    received_at: Instant,
    failure: Failure,
    viewer: &mut ViewerSide<'_, B, W>,
) -> Result<(), BrokenOff> {
    let mut transcript = Transcript::begin(thread, peer, traffic, None, received_at);
    answer::conclude(thread, Err(failure), None, viewer, &mut transcript).await
}
