//! A request as it was received, lent for decoding.

use http::HeaderMap;
use http::request::Parts;

/// A request: its head and its whole body. Checking its signature comes first, and is not done here.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as received, percent-encoded.
    pub path: &'a str,
    /// The query string as received, without the question mark.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// The request with this head and body.
    pub fn new(head: &'a Parts, body: &'a [u8]) -> Self {
        Self {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: &head.headers,
            body,
        }
    }

    /// The value of a header that stands at most once and is visible ASCII or UTF-8.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => str::from_utf8(value.as_bytes()).ok(),
            _ => None,
        }
    }
}
