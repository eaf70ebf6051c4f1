//! What keys, roles and sessions promise, asked of the control plane as a client asks.

mod administration;
mod matrix;
mod sessions;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_api::sigv4::{Secret, SigningCredentials, sign};
use aws_api::{AnyOperation, Protocol};
use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response};
use store::MemoryStore;
use zeroize::Zeroizing;

use super::*;
use crate::audit::tests::MemorySink;
use crate::test_support::{LOOPBACK, TestControl};
use crate::{AuditTrail, Authentication, Transport};

/// Hides secrets from nobody, and binds them to their names.
pub(crate) struct TestSealing;

impl Sealing for TestSealing {
    fn seal(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, SealingError> {
        Ok([name.as_bytes(), b"\0", secret].concat())
    }

    fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let secret = sealed.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"\0"));
        secret.map(|secret| secret.to_vec().into()).ok_or_else(|| SealingError("another name".to_owned()))
    }
}

/// What signs a request.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl From<&IssuedKey> for Credentials {
    fn from(key: &IssuedKey) -> Self {
        Self { id: key.access_key_id.clone(), secret: key.secret_access_key.to_string(), token: None }
    }
}

/// A control plane with a key `default`, and what it audits.
pub(crate) struct Installation {
    pub(crate) test: TestControl,
    pub(crate) keys: AccessKeys,
    pub(crate) audit: MemorySink,
    pub(crate) default: Credentials,
}

impl Installation {
    pub(crate) async fn new() -> Self {
        let keys = AccessKeys::open(Arc::new(MemoryStore::new()), Arc::new(TestSealing)).await.unwrap();
        let new = NewAccessKey::generate().unwrap();
        keys.admit_default(&new.id, &new.secret).await.unwrap();
        let audit = MemorySink::default();
        let (held, sink) = (keys.clone(), audit.clone());
        let test = TestControl::with(|settings| {
            settings.authentication = Authentication::SignatureV4(held);
            settings.audit = AuditTrail::new(sink);
        })
        .await;
        let default = Credentials { id: new.id, secret: new.secret.to_string(), token: None };
        Self { test, keys, audit, default }
    }

    pub(crate) async fn create(&self, name: &str, role: Role) -> Credentials {
        let wanted = KeyToCreate { name: name.to_owned(), role };
        (&self.keys.create(&wanted).await.unwrap()).into()
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Answered {
        self.send_from(request, LOOPBACK).await
    }

    pub(crate) async fn send_from(&self, request: Request<Bytes>, transport: Transport) -> Answered {
        Answered::from(&self.test.control.answer(request, transport).await)
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) body: String,
}

impl From<&Response<Bytes>> for Answered {
    fn from(answer: &Response<Bytes>) -> Self {
        let body = String::from_utf8(answer.body().to_vec()).unwrap();
        let code = text_between(&body, "<Code>", "</Code>")
            .or_else(|| text_between(&body, "\"__type\":\"", "\""))
            .unwrap_or_default();
        Self { status: answer.status().as_u16(), code, body }
    }
}

pub(crate) fn text_between(text: &str, start: &str, end: &str) -> Option<String> {
    Some(text.split_once(start)?.1.split_once(end)?.0.to_owned())
}

/// A request for an operation, well-formed as far as routing looks, with `E1` for every label.
pub(crate) fn request_for(operation: AnyOperation) -> Request<Bytes> {
    let schema = operation.schema();
    let uri: String = schema
        .uri
        .split('/')
        .map(|segment| match segment.split_once('}') {
            Some((_, flags)) if segment.starts_with('{') => format!("E1{flags}"),
            _ => segment.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("/");
    let request = Request::builder().method(schema.method).uri(uri).header(HOST, "127.0.0.1:9000");
    match schema.service.protocol {
        Protocol::RestXml => request.body(Bytes::new()),
        Protocol::Json => request
            .header("x-amz-target", format!("{}.{}", schema.service.target_prefix, schema.name))
            .body(Bytes::from_static(b"{}")),
        Protocol::Query => request.body(format!("Action={}&Version=2011-06-15", schema.name).into()),
    }
    .unwrap()
}

/// Adds the headers of a signature.
pub(crate) fn signed(
    request: Request<Bytes>,
    credentials: &Credentials,
    service: &str,
    now: SystemTime,
) -> Request<Bytes> {
    let (mut head, body) = request.into_parts();
    let secret = Secret::new(credentials.secret.as_str());
    let signing = SigningCredentials {
        access_key_id: &credentials.id,
        secret: &secret,
        session_token: credentials.token.as_deref(),
    };
    let headers = sign(&aws_api::Request::new(&head, &body), signing, "us-east-1", service, now).unwrap();
    head.headers.extend(headers);
    Request::from_parts(head, body)
}

/// A request for an operation, signed for its service, now.
pub(crate) fn signed_for(operation: AnyOperation, credentials: &Credentials) -> Request<Bytes> {
    let service = operation.schema().service.signing_name;
    signed(request_for(operation), credentials, service, SystemTime::now())
}

pub(crate) fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}
