//! Tests of signatures: AWS's vectors, requests signed by AWS's own crate, and what must be refused.

mod botocore;
mod refusals;
mod tampering;
mod vectors;

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Authenticated, Expectations, PayloadRule, Secret, SignatureError, verify};
use crate::request::Request;

const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// When AWS's vectors were signed.
fn vector_time() -> SystemTime {
    time::macros::datetime!(2015-08-30 12:36:00 UTC).into()
}

/// A request that owns its parts, to be changed.
#[derive(Clone, Debug)]
struct OwnedRequest {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl OwnedRequest {
    fn get(path: &str, query: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("127.0.0.1:4510"));
        Self { method: "GET".into(), path: path.into(), query: query.into(), headers, body: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    fn lend(&self) -> Request<'_> {
        Request {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            body: &self.body,
        }
    }

    fn verify_at(&self, now: SystemTime, rule: PayloadRule) -> Result<Authenticated, SignatureError> {
        let secret_of = |id: &str, _token: Option<&str>| match id {
            ACCESS_KEY_ID => Ok(Secret::new(SECRET)),
            _ => Err(SignatureError::UnknownAccessKey),
        };
        let services = &["cloudfront", "service"];
        verify(&self.lend(), now, &Expectations { services, secret_of: &secret_of, payload: rule })
    }

    fn verify(&self) -> Result<Authenticated, SignatureError> {
        self.verify_at(vector_time(), PayloadRule::RequireSigned)
    }
}
