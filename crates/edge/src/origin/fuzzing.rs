//! What `fuzz-targets` asks of what origins say over HTTP/2.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use h2::client::ResponseFuture;
use http::{HeaderMap, Request};
use http1::limits::INTERIM_RESPONSES_MAX;
use tokio::io::{AsyncRead, AsyncWrite};

use super::OriginFailure;
use super::http2_connection::{builder, poll_connection};
use super::http2_exchange::{check_size, content_length};
use super::http2_guard::{Conduct, Guard};
use crate::load::Load;

/// What an origin's response was taken for.
#[derive(Debug, PartialEq, Eq)]
pub struct OriginResponse {
    /// The status of its head.
    pub status: u16,
    /// The fields of its head.
    pub fields: HeaderMap,
    /// How long its body says to be.
    pub content_length: Option<u64>,
    /// Its body.
    pub body: Vec<u8>,
    /// The fields behind that.
    pub trailers: HeaderMap,
}

/// Sends a request without a body, and reads the response to it; none where there is no whole one that an edge
/// would take.
pub(crate) fn http2_response(transport: impl AsyncRead + AsyncWrite + Unpin) -> Option<OriginResponse> {
    let conduct = Rc::new(Conduct::new(&Rc::new(Load::new(usize::MAX))));
    let guard = Guard::new(transport, Rc::clone(&conduct));
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok((mut sender, mut connection))) = pin!(builder().handshake(guard)).poll(&mut context)
    else {
        return None;
    };
    conduct.stream_begins();
    let request = Request::get("https://origin.test/").body(()).ok()?;
    let (response, _) = sender.send_request(request, true).ok()?;
    // The request goes out.
    if poll_connection(&mut connection, &conduct, &mut context).is_ready() {
        return None;
    }
    let mut receiving = pin!(receive(response, &conduct));
    loop {
        let has_ended = poll_connection(&mut connection, &conduct, &mut context).is_ready();
        if let Poll::Ready(response) = receiving.as_mut().poll(&mut context) {
            return response.ok();
        }
        // What stops at a header block goes on; where nothing else comes, nothing will.
        if has_ended || !conduct.is_paused() {
            return None;
        }
    }
}

async fn receive(mut response: ResponseFuture, conduct: &Conduct) -> Result<OriginResponse, OriginFailure> {
    for _ in 0..=INTERIM_RESPONSES_MAX {
        let interim = poll_fn(|context| response.poll_informational(context)).await;
        if interim.transpose().map_err(OriginFailure::Http2)?.is_none() {
            break;
        }
    }
    let (head, mut stream) = response.await.map_err(OriginFailure::Http2)?.into_parts();
    check_size(&head.headers)?;
    let mut body = Vec::new();
    while let Some(part) = poll_fn(|context| stream.poll_data(context)).await {
        let part = part.map_err(OriginFailure::Http2)?;
        body.extend_from_slice(&part);
        conduct.body_taken(part.len());
        stream.flow_control().release_capacity(part.len()).map_err(OriginFailure::Http2)?;
    }
    let trailers = poll_fn(|context| Pin::new(&mut stream).poll_trailers(context)).await;
    let trailers = trailers.map_err(OriginFailure::Http2)?.unwrap_or_default();
    check_size(&trailers)?;
    Ok(OriginResponse {
        status: head.status.as_u16(),
        content_length: content_length(&head.headers),
        fields: head.headers,
        body,
        trailers,
    })
}
