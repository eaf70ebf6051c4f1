//! Requests as a client would write them, from the same schemas.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::operation::{OperationSchema, Protocol};
use crate::request::Request;
use crate::shape::{Location, Ref, Structure};
use crate::{json, scalar, xml};

/// A request that owns its parts.
#[derive(Default)]
pub(super) struct OwnedRequest {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl OwnedRequest {
    pub(super) fn new(method: &str, path: &str, query: &str) -> Self {
        Self { method: method.into(), path: path.into(), query: query.into(), ..Self::default() }
    }

    pub(super) fn lend(&self) -> Request<'_> {
        Request {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            body: &self.body,
        }
    }
}

/// Encodes an input the way the SDKs do.
pub(super) fn encode_input(schema: &OperationSchema, input: &dyn Structure) -> OwnedRequest {
    let (path, flags) = schema.uri.split_once('?').unwrap_or((schema.uri, ""));
    let mut request = OwnedRequest::new(schema.method, path, flags);
    if schema.service.protocol == Protocol::Json {
        let target = format!("{}.{}", schema.service.target_prefix, schema.name);
        request.headers.insert("x-amz-target", HeaderValue::from_str(&target).unwrap());
        request.body = json::encode(input).into_bytes();
        return request;
    }
    for (member, value) in input.schema().members.iter().zip(input.members()) {
        let value = value.get();
        match (member.location, scalar::write(&value)) {
            (Location::Label, Some(text)) => {
                request.path = request.path.replace(&format!("{{{}}}", member.wire_name), &escape(&text));
            }
            (Location::Query, Some(text)) => {
                let separator = if request.query.is_empty() { "" } else { "&" };
                request.query = format!("{}{separator}{}={}", request.query, member.wire_name, escape(&text));
            }
            (Location::Header, Some(text)) => {
                let name = HeaderName::from_bytes(member.wire_name.as_bytes()).unwrap();
                request.headers.insert(name, HeaderValue::from_bytes(text.as_bytes()).unwrap());
            }
            _ => {}
        }
        if let (Location::Payload, Ref::Structure(payload)) = (member.location, value) {
            request.body = xml::encode(schema.input_root, schema.service.namespace, payload).into_bytes();
        }
    }
    if input.schema().has_body() {
        request.body = xml::encode(schema.input_root, schema.service.namespace, input).into_bytes();
    }
    request
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
