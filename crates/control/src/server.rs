//! The API's listener: bounded connections, heads, bodies and times, over plain TCP or TLS.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use aws_api::ApiError;
use aws_api::limits::REQUEST_BODY_BYTES_MAX;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::audit::Source;
use crate::control::{Control, Transport};
use crate::limits::{
    ACCEPT_RETRY_DURATION, BODIES_KIBIBYTES_MAX, BODY_DURATION, CONNECTIONS_MAX, DRAIN_DURATION,
    HANDSHAKE_DURATION, HEAD_BYTES_MAX, HEAD_DURATION, HEADER_FIELDS_MAX,
};

mod local;

pub use local::serve_local;

/// Renders the metrics that `/metrics` answers, in Prometheus's text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Serves the API until `shutdown`, then lets open requests end.
///
/// `GET /healthz` and `GET /metrics` need no signature. With `tls`, every connection speaks it.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    control: Control,
    metrics: RenderMetrics,
    shutdown: impl Future<Output = ()>,
) {
    let body_budget = Arc::new(Semaphore::new(BODIES_KIBIBYTES_MAX));
    let server = Server { tls: tls.map(TlsAcceptor::from), control, metrics, body_budget };
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let slot = tokio::select! {
            () = &mut shutdown => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                let (server, stopping) = (server.clone(), stopping.clone());
                connections.spawn(async move {
                    server.serve_connection(socket, peer, stopping).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "Could not accept a connection to the API");
                sleep(ACCEPT_RETRY_DURATION).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    stop.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN_DURATION, all_ended).await.is_err() {
        tracing::warn!("Closing connections to the API that did not end");
    }
}

#[derive(Clone)]
struct Server {
    tls: Option<TlsAcceptor>,
    control: Control,
    metrics: RenderMetrics,
    /// Kibibytes that bodies may still take, all connections together.
    body_budget: Arc<Semaphore>,
}

impl Server {
    async fn serve_connection(self, socket: TcpStream, peer: SocketAddr, stopping: watch::Receiver<bool>) {
        let address = peer.ip().to_canonical();
        let transport = Transport {
            is_tls: self.tls.is_some(),
            is_loopback: address.is_loopback(),
            source: Source::Address(address),
        };
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, %peer, "A connection to the API ended early");
            return;
        }
        match self.tls.clone() {
            None => self.serve_http(socket, transport, stopping).await,
            Some(tls) => match timeout(HANDSHAKE_DURATION, tls.accept(socket)).await {
                Ok(Ok(stream)) => self.serve_http(stream, transport, stopping).await,
                Ok(Err(error)) => tracing::debug!(%error, %peer, "A TLS handshake with the API failed"),
                Err(_) => tracing::debug!(%peer, "A TLS handshake with the API took too long"),
            },
        }
    }

    async fn serve_http(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        transport: Transport,
        mut stopping: watch::Receiver<bool>,
    ) {
        let server = Arc::new(self);
        let service = service_fn(move |request| {
            let server = Arc::clone(&server);
            async move { Ok::<_, Infallible>(server.answer(request, transport).await.map(Full::new)) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_DURATION)
            .max_headers(HEADER_FIELDS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = until_true(&mut stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "A connection to the API ended early");
        }
    }

    async fn answer(&self, request: Request<Incoming>, transport: Transport) -> Response<Bytes> {
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/healthz") => text("ok\n".to_owned()),
            (&Method::GET | &Method::HEAD, "/metrics") => text((self.metrics)()),
            _ => self.answer_api(request, transport).await,
        }
    }

    async fn answer_api(&self, request: Request<Incoming>, transport: Transport) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let received = timeout(BODY_DURATION, async {
            let reserved = reserve(&self.body_budget, body.size_hint().upper()).await?;
            Ok((read_body(body).await?, reserved))
        });
        let too_slow = || ApiError::new("RequestTimeout", 408, "The request body took too long to arrive.");
        match received.await.unwrap_or_else(|_| Err(too_slow())) {
            Ok((body, _reserved)) => self.control.answer(Request::from_parts(head, body), transport).await,
            Err(error) => closing(Control::refuse(&head, &error)),
        }
    }
}

/// Takes what a body needs from the budget, for as long as the answer takes. One of unknown length
/// needs as much as the longest.
async fn reserve(
    budget: &Arc<Semaphore>,
    body_bytes: Option<u64>,
) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
    let bytes = body_bytes.map_or(Ok(REQUEST_BODY_BYTES_MAX), usize::try_from);
    let bytes = bytes.ok().filter(|bytes| *bytes <= REQUEST_BODY_BYTES_MAX);
    let bytes = bytes.ok_or_else(ApiError::request_too_large)?;
    if bytes == 0 {
        return Ok(None);
    }
    let kibibytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
    Ok(Arc::clone(budget).acquire_many_owned(kibibytes).await.ok())
}

/// Ends when the value is true, or can no longer become so.
async fn until_true(value: &mut watch::Receiver<bool>) {
    let _gone = value.wait_for(|value| *value).await.is_err();
}

async fn read_body(body: Incoming) -> Result<Bytes, ApiError> {
    match Limited::new(body, REQUEST_BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::request_too_large()),
        Err(_) => Err(ApiError::malformed_input("The request body ended early or is malformed.")),
    }
}

/// What is left of the request's body is never read: the connection cannot be used again.
fn closing(mut answer: Response<Bytes>) -> Response<Bytes> {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn text(body: String) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(body));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    answer
}

#[cfg(test)]
mod tests;
