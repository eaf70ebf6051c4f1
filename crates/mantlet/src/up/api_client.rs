//! A client of the API: what `mantlet up` and `mantlet lint` need of an AWS client.

use std::net::SocketAddr;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use aws_api::Request;
use aws_api::sigv4::{Secret, SigningCredentials, sign};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::api_tls::ApiTls;
use super::xml_path::text_at;
use crate::access_key::AccessKey;
use crate::limits::{API_ANSWER_BYTES_MAX, API_EXCHANGE_MAX};

/// Where CloudFront's operations begin: the version of its API.
const VERSION_PATH: &str = "/2020-05-31";

/// Talks to the API at one address, with one access key.
pub(crate) struct ApiClient {
    address: SocketAddr,
    /// Where the API speaks TLS.
    tls: Option<ApiTls>,
    access_key_id: String,
    secret: Secret,
}

/// An answer with its whole body.
pub(crate) struct ApiAnswer {
    status: StatusCode,
    headers: HeaderMap,
    /// XML.
    pub(crate) body: String,
}

impl ApiAnswer {
    /// The answer if it is a success; the API's own words if it is not.
    pub(crate) fn success(self) -> Result<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        let code = self.error_code().unwrap_or_else(|| self.status.to_string());
        let message = text_at(&self.body, "ErrorResponse/Error/Message").unwrap_or_default();
        bail!("the API answered {code}: {message}")
    }

    /// The code of an error; none on success.
    pub(crate) fn error_code(&self) -> Option<String> {
        text_at(&self.body, "ErrorResponse/Error/Code").ok()
    }

    /// The ETag, to send back with a change.
    pub(crate) fn etag(&self) -> Result<HeaderValue> {
        self.headers.get("etag").cloned().context("the API's answer lacks an ETag")
    }
}

impl ApiClient {
    pub(crate) fn new(address: SocketAddr, tls: Option<ApiTls>, access_key: &AccessKey) -> Self {
        let secret = Secret::new(access_key.secret.as_str());
        Self { address, tls, access_key_id: access_key.id.clone(), secret }
    }

    /// `GET` of a path, which may have a query, below the API's version.
    pub(crate) async fn get(&self, path: &str) -> Result<ApiAnswer> {
        self.send("GET", path, None, String::new()).await
    }

    /// `POST` of a document.
    pub(crate) async fn post(&self, path: &str, document: String) -> Result<ApiAnswer> {
        self.send("POST", path, None, document).await
    }

    /// `PUT` of a document over the one that has this ETag.
    pub(crate) async fn put(&self, path: &str, etag: HeaderValue, document: String) -> Result<ApiAnswer> {
        self.send("PUT", path, Some(etag), document).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        if_match: Option<HeaderValue>,
        body: String,
    ) -> Result<ApiAnswer> {
        let request = self.signed_request(method, path, if_match, body)?;
        timeout(API_EXCHANGE_MAX, self.exchange(request))
            .await
            .map_err(anyhow::Error::from)
            .flatten()
            .with_context(|| format!("the API at {} does not answer", self.address))
    }

    fn signed_request(
        &self,
        method: &str,
        path: &str,
        if_match: Option<HeaderValue>,
        body: String,
    ) -> Result<http::Request<Full<Bytes>>> {
        let target = format!("{VERSION_PATH}{path}");
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::try_from(self.address.to_string())?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        headers.extend(if_match.map(|etag| (http::header::IF_MATCH, etag)));
        let unsigned = Request { method, path, query, headers: &headers, body: body.as_bytes() };
        let credentials = SigningCredentials {
            access_key_id: &self.access_key_id,
            secret: &self.secret,
            session_token: None,
        };
        let signature = sign(&unsigned, credentials, "us-east-1", "cloudfront", SystemTime::now())
            .context("cannot sign a request to the API")?;
        headers.extend(signature);
        let mut request =
            http::Request::builder().method(method).uri(&target).body(Full::new(body.into()))?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    async fn exchange(&self, request: http::Request<Full<Bytes>>) -> Result<ApiAnswer> {
        let socket = TcpStream::connect(self.address).await?;
        match &self.tls {
            None => exchange(socket, request).await,
            Some(tls) => exchange(tls.connect(socket).await?, request).await,
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: http::Request<Full<Bytes>>,
) -> Result<ApiAnswer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        read_answer(answer).await
    };
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = connection => match ended {
            // The answer may lie there already.
            Ok(()) => exchange.await,
            Err(error) => Err(error.into()),
        },
    }
}

async fn read_answer(answer: Response<hyper::body::Incoming>) -> Result<ApiAnswer> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, API_ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("its answer cannot be read: {error}"))?.to_bytes();
    let body = String::from_utf8(body.into()).context("its answer is not text")?;
    Ok(ApiAnswer { status: head.status, headers: head.headers, body })
}
