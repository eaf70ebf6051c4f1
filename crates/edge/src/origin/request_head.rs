//! The head of an origin request: written by the edge for the origin, and by [`explain`](crate::explain)
//! for whoever asks what it would be.

use behavior::{
    DroppedBy, OriginFieldSink, OriginRequest, Scheme, SentBy, ViewerFacts, is_about_what_was_asked_for,
    origin_query, websocket_key, write_origin_fields,
};
use edge_config::{LinkedCacheBehavior, Method, Origin, OriginAddress, OriginProtocolPolicy};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use http1::{BodyFraming, HeadWriter, WriteError, decimal};
use smallvec::SmallVec;

use super::OriginFailure;
use super::connection::Endpoint;
use super::tls::TlsNames;
use crate::viewer::ViewerRequest;

/// A host that goes to an origin; most fit without the heap.
pub(crate) type HostText = SmallVec<[u8; 64]>;

/// What becomes an origin request.
#[derive(Clone, Copy)]
pub(crate) struct OriginRequestHead<'a, 'r> {
    pub(crate) request: &'a ViewerRequest<'r>,
    pub(crate) cache_behavior: &'a LinkedCacheBehavior,
    pub(crate) origin: &'a Origin,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    /// Whether that is an error page's, with which nothing goes that is about what was asked for.
    pub(crate) is_error_page: bool,
    pub(crate) facts: &'a ViewerFacts<'a>,
    pub(crate) request_id: &'a [u8],
    pub(crate) via_id: &'a str,
}

impl<'r> OriginRequestHead<'_, 'r> {
    /// Writes the head, tells `notes` of each field, and returns the Host in it.
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        notes: &mut impl OriginFieldSink,
    ) -> Result<HostText, WriteError> {
        let request = self.request;
        let query = origin_query(self.cache_behavior, request.head.query().filter(|_| !self.is_error_page));
        let (method, prefix, path) = (self.method.as_str(), &self.origin.path, self.path);
        let writer = HeadWriter::request(out, method, prefix, path, query.as_deref())?;
        let mut sink = OriginHead { writer, outcome: Ok(()), host: HostText::new(), notes };
        let fields =
            request.fields().filter(|(name, _)| !self.is_error_page || !is_about_what_was_asked_for(name));
        write_origin_fields(&self.origin_request(), fields, &mut sink);
        sink.outcome?;
        if self.websocket_key().is_some() {
            sink.sent(b"Connection", &[b"Upgrade"], SentBy::Edge);
            sink.sent(b"Upgrade", &[b"websocket"], SentBy::Edge);
        } else {
            sink.sent(b"Connection", &[b"Keep-Alive"], SentBy::Edge);
        }
        let framing = if self.is_error_page { BodyFraming::None } else { request.framing };
        sink.write_framing(framing, self.method)?;
        sink.outcome?;
        sink.writer.finish();
        Ok(sink.host)
    }

    /// The head in HTTP/2's form, for gRPC, and the host in it.
    pub(super) fn in_http2(&self) -> Result<(Request<()>, HostText), WriteError> {
        let mut sink = Http2Head { fields: HeaderMap::new(), outcome: Ok(()), host: HostText::new() };
        write_origin_fields(&self.origin_request(), self.request.fields(), &mut sink);
        let Http2Head { mut fields, outcome, host } = sink;
        outcome?;
        // "gRPC over HTTP2": it tells servers that nobody on the way drops trailers.
        fields.insert(header::TE, HeaderValue::from_static("trailers"));
        if let BodyFraming::Length(length) = self.request.framing {
            let length =
                HeaderValue::from_bytes(decimal(length).as_ref()).map_err(|_| WriteError::FieldValue)?;
            fields.insert(header::CONTENT_LENGTH, length);
        }
        let mut request = Request::new(());
        *request.method_mut() =
            http::Method::from_bytes(self.method.as_str().as_bytes()).map_err(|_| WriteError::Method)?;
        *request.uri_mut() = self.uri(&host)?;
        *request.headers_mut() = fields;
        Ok((request, host))
    }

    fn uri(&self, host: &[u8]) -> Result<Uri, WriteError> {
        let query = origin_query(self.cache_behavior, self.request.head.query());
        let mut target = [&self.origin.path, self.path].concat();
        if let Some(query) = query {
            target.extend(["?", &query]);
        }
        let scheme = match self.origin.protocol_policy {
            OriginProtocolPolicy::HttpOnly => Scheme::Http,
            OriginProtocolPolicy::HttpsOnly => Scheme::Https,
            OriginProtocolPolicy::MatchViewer => self.request.peer.scheme,
        };
        Uri::builder()
            .scheme(scheme.as_str())
            .authority(host)
            .path_and_query(target)
            .build()
            .map_err(|_| WriteError::Target)
    }

    fn origin_request(&self) -> OriginRequest<'_> {
        OriginRequest {
            cache_behavior: self.cache_behavior,
            origin: self.origin,
            method: self.method,
            host: self.request.head.host().text,
            scheme: self.request.peer.scheme,
            version: self.request.version,
            viewer: self.request.peer.address(),
            facts: self.facts,
            request_id: self.request_id,
            via_id: self.via_id,
        }
    }

    /// The key of the WebSocket handshake that the request is, if it is one.
    pub(crate) fn websocket_key(&self) -> Option<&'r [u8]> {
        if self.is_error_page || !self.request.asks_to_upgrade() {
            return None;
        }
        websocket_key(&self.origin_request(), self.request.fields())
    }
}

/// An origin request's fields in HTTP/2's form.
struct Http2Head {
    fields: HeaderMap,
    outcome: Result<(), WriteError>,
    host: HostText,
}

impl Http2Head {
    fn append(&mut self, name: &[u8], value: &[&[u8]]) -> Result<(), WriteError> {
        let name = HeaderName::from_bytes(name).map_err(|_| WriteError::FieldName)?;
        let value = HeaderValue::from_bytes(&value.concat()).map_err(|_| WriteError::FieldValue)?;
        if name == header::HOST {
            // `:authority` says it (RFC 9113 section 8.3.1).
            self.host = HostText::from_slice(value.as_bytes());
        } else {
            self.fields.append(name, value);
        }
        Ok(())
    }
}

impl OriginFieldSink for Http2Head {
    fn sent(&mut self, name: &[u8], value: &[&[u8]], _by: SentBy) {
        let appended = self.append(name, value);
        self.outcome = self.outcome.and(appended);
    }

    fn dropped(&mut self, _name: &[u8], _value: &[u8], _by: DroppedBy) {}
}

/// The origin request's head on its way out.
struct OriginHead<'a, N> {
    writer: HeadWriter<'a, Vec<u8>>,
    outcome: Result<(), WriteError>,
    host: HostText,
    notes: &'a mut N,
}

impl<N: OriginFieldSink> OriginHead<'_, N> {
    fn write_framing(&mut self, framing: BodyFraming, method: Method) -> Result<(), WriteError> {
        let length = match framing {
            BodyFraming::Length(length) => length,
            BodyFraming::Chunked => {
                self.notes.sent(b"Transfer-Encoding", &[b"chunked"], SentBy::Edge);
                return self.writer.transfer_encoding_chunked();
            }
            // RFC 9110 section 8.6: a method that expects a body should say that there is none; some
            // origins answer 411 otherwise.
            BodyFraming::None if matches!(method, Method::Post | Method::Put | Method::Patch) => 0,
            BodyFraming::None | BodyFraming::UntilClose => return Ok(()),
        };
        self.notes.sent(b"Content-Length", &[decimal(length).as_ref()], SentBy::Edge);
        self.writer.content_length(length)
    }
}

impl<N: OriginFieldSink> OriginFieldSink for OriginHead<'_, N> {
    fn sent(&mut self, name: &[u8], value: &[&[u8]], by: SentBy) {
        if name.eq_ignore_ascii_case(b"host") {
            self.host.clear();
            for part in value {
                self.host.extend_from_slice(part);
            }
        }
        let written = self.writer.field_of_parts(name, value);
        self.outcome = self.outcome.and(written);
        self.notes.sent(name, value, by);
    }

    fn dropped(&mut self, name: &[u8], value: &[u8], by: DroppedBy) {
        self.notes.dropped(name, value, by);
    }
}

/// Where a request with this Host goes.
pub(crate) fn endpoint(origin: &Origin, scheme: Scheme, host: &[u8]) -> Result<Endpoint, OriginFailure> {
    let is_https = match origin.protocol_policy {
        OriginProtocolPolicy::HttpOnly => false,
        OriginProtocolPolicy::HttpsOnly => true,
        OriginProtocolPolicy::MatchViewer => scheme == Scheme::Https,
    };
    let (address, ip_address_type) = (origin.address.clone(), origin.ip_address_type);
    if !is_https {
        let port = origin.http_port;
        return Ok(Endpoint { address, ip_address_type, port, tls: None, named: None, speaks_http2: false });
    }
    let own_name = match &address {
        OriginAddress::Name(name) => name.as_str().to_owned(),
        OriginAddress::Ip(ip) => ip.to_string(),
    };
    let names = TlsNames::new(str::from_utf8(host).unwrap_or_default(), &own_name)?;
    let (port, tls) = (origin.https_port, Some(names));
    Ok(Endpoint { address, ip_address_type, port, tls, named: None, speaks_http2: false })
}
