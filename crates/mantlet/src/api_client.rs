//! A client of the API: signs requests, sends them, reads answers.

use std::net::SocketAddr;
use std::time::SystemTime;

use anyhow::{Context, Result};
use aws_api::client::{AnswerError, ClientRequest, decode_answer, encode_request};
use aws_api::cloudfront::OperationId;
use aws_api::operation::OperationSchema;
use aws_api::shape::Structure;
use aws_api::sigv4::{Secret, SigningCredentials, sign};
use aws_api::{Answer, AnyOperation, Operation, Request, fill_from_json, to_json};
use bytes::Bytes;
use http::HeaderValue;
use http::header::HOST;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::api_tls::ApiTls;
use crate::endpoints::reachable;
use crate::limits::{API_ANSWER_BYTES_MAX, API_EXCHANGE_MAX};
use crate::running::Running;

/// Clients sign for a region. Mantlet takes any; CloudFront's own is this one.
const REGION: &str = "us-east-1";

/// Talks to the API at one address, with one access key.
pub(crate) struct ApiClient {
    address: SocketAddr,
    /// Where the API speaks TLS.
    tls: Option<ApiTls>,
    access_key_id: String,
    secret: Secret,
}

impl ApiClient {
    /// A client of the API of a process on this machine.
    pub(crate) fn of(running: &Running) -> Result<Self> {
        Ok(Self {
            address: reachable(running.endpoints.api),
            tls: ApiTls::of(running)?,
            access_key_id: running.access_key.id.clone(),
            secret: Secret::new(running.access_key.secret.as_str()),
        })
    }

    /// Performs an operation. What the API refuses is an [`AnswerError`] inside.
    pub(crate) async fn call<O: Operation>(&self, input: &O::Input) -> Result<O::Output>
    where
        O::Output: Default,
    {
        let mut output = O::Output::default();
        self.perform(O::SCHEMA, input, &mut output).await?;
        Ok(output)
    }

    /// Performs an operation that is chosen at run time; input and output are as aws-cli writes them.
    pub(crate) async fn call_json(&self, operation: OperationId, input: &Value) -> Result<Value> {
        let operation = AnyOperation::CloudFront(operation);
        let (mut blank_input, mut output) = operation.blanks();
        fill_from_json(input.to_string().as_bytes(), &mut *blank_input)
            .with_context(|| format!("cannot ask for {}", operation.name()))?;
        self.perform(operation.schema(), &*blank_input, &mut *output).await?;
        Ok(serde_json::from_slice(&to_json(&*output))?)
    }

    async fn perform(
        &self,
        schema: &'static OperationSchema,
        input: &dyn Structure,
        output: &mut dyn Structure,
    ) -> Result<()> {
        let request =
            encode_request(schema, input).with_context(|| format!("cannot ask for {}", schema.name))?;
        let request = self.signed(request, schema.service.signing_name)?;
        let answer = timeout(API_EXCHANGE_MAX, self.send(request))
            .await
            .map_err(anyhow::Error::from)
            .flatten()
            .with_context(|| format!("the API at {} does not answer", self.address))?;
        decode_answer(schema, &answer, output).with_context(|| format!("the API answered {}", schema.name))
    }

    fn signed(&self, request: ClientRequest, service: &str) -> Result<http::Request<Full<Bytes>>> {
        let (mut head, body) = request.into_parts();
        head.headers.insert(HOST, HeaderValue::try_from(self.address.to_string())?);
        let credentials = SigningCredentials {
            access_key_id: &self.access_key_id,
            secret: &self.secret,
            session_token: None,
        };
        let signature = sign(&Request::new(&head, &body), credentials, REGION, service, SystemTime::now())
            .context("cannot sign a request to the API")?;
        head.headers.extend(signature);
        Ok(http::Request::from_parts(head, Full::new(body.into())))
    }

    async fn send(&self, request: http::Request<Full<Bytes>>) -> Result<Answer> {
        let socket = TcpStream::connect(self.address).await?;
        match &self.tls {
            None => exchange(socket, request).await,
            Some(tls) => exchange(tls.connect(socket).await?, request).await,
        }
    }
}

/// One request and its answer on a stream of its own.
pub(crate) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: http::Request<Full<Bytes>>,
) -> Result<Answer> {
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

async fn read_answer(answer: http::Response<hyper::body::Incoming>) -> Result<Answer> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, API_ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("its answer cannot be read: {error}"))?.to_bytes();
    Ok(Answer::from_parts(head, body.into()))
}

/// The code with which the API refused, if that is why something failed.
pub(crate) fn refusal(error: &anyhow::Error) -> Option<&str> {
    error.downcast_ref::<AnswerError>().and_then(AnswerError::code)
}
