//! What a response headers policy makes of a response ("Understand response headers policies").

use std::time::Duration;

use edge_config::{ResponseHeader, ResponseHeadersPolicy, ServerTimingHeader, is_protected_header};

use crate::field::FieldSink;
use crate::{Scheme, cors};

/// What a response headers policy looks at in a viewer's request.
#[derive(Clone, Copy, Debug)]
pub struct HeadersRequest<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) origin: Option<&'a [u8]>,
    pub(crate) is_options: bool,
    pub(crate) requested_headers: Option<&'a [u8]>,
    asks_for_server_timing: bool,
}

impl<'a> HeadersRequest<'a> {
    /// Finds it among the request's fields.
    pub fn read(scheme: Scheme, method: &str, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut read = Self {
            scheme,
            origin: None,
            is_options: method == "OPTIONS",
            requested_headers: None,
            asks_for_server_timing: false,
        };
        for (name, value) in fields {
            if name.eq_ignore_ascii_case(b"origin") {
                read.origin = Some(value);
            } else if name.eq_ignore_ascii_case(b"access-control-request-headers") {
                read.requested_headers = Some(value);
            } else if name.eq_ignore_ascii_case(b"pragma") {
                read.asks_for_server_timing |= value.eq_ignore_ascii_case(b"server-timing");
            }
        }
        read
    }
}

/// How a response came about, for `Server-Timing`.
#[derive(Clone, Copy, Debug)]
pub struct ServerTiming<'a> {
    /// What the origin had to do with it.
    pub upstream: Option<UpstreamTiming>,
    /// The edge's location.
    pub pop: &'a str,
    /// The request's id.
    pub request_id: &'a str,
    /// From the request's end to the response's beginning.
    pub downstream_first_byte: Duration,
}

/// What an origin took.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamTiming {
    /// Finding its address; nothing where the connection was there already.
    pub dns: Duration,
    /// Connecting to it, TLS included; nothing where the connection was there already.
    pub connect: Duration,
    /// From the request's end to the response's beginning.
    pub first_byte: Duration,
}

/// A response headers policy, as it applies to the answer to one request.
#[derive(Clone, Copy, Debug)]
pub struct AppliedHeaders<'a> {
    policy: &'a ResponseHeadersPolicy,
    request: HeadersRequest<'a>,
    server_timing: Option<ServerTiming<'a>>,
    is_edge_made: bool,
}

impl<'a> AppliedHeaders<'a> {
    /// `sample` is any number, the same for no two requests in a row: it decides whether this is one of
    /// the responses that tell their timing.
    pub fn new(
        policy: &'a ResponseHeadersPolicy,
        request: HeadersRequest<'a>,
        sample: u32,
        server_timing: ServerTiming<'a>,
    ) -> Self {
        let is_told = policy.server_timing.is_some_and(|header| {
            request.asks_for_server_timing || sample % ServerTimingHeader::SAMPLES < header.sampled
        });
        let server_timing = is_told.then_some(server_timing);
        Self { policy, request, server_timing, is_edge_made: false }
    }

    /// For a response that the edge makes. How long the origin's responses are to be kept says nothing
    /// of it: a browser would hold on to an error for as long as to a page.
    #[must_use]
    pub fn for_edge_answer(self) -> Self {
        Self { is_edge_made: true, ..self }
    }

    /// Whether the edge has to write a `Date`: the policy took the origin's, or there was none.
    pub(crate) fn needs_date(&self, origin_has_one: bool) -> bool {
        !self.sets(b"Date") && (!origin_has_one || self.removes(b"Date"))
    }

    /// Writes fields with what the policy adds and without what it removes. "CloudFront removes the
    /// headers first and then adds any headers".
    pub(crate) fn write<'f>(
        &self,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
        sink: &mut impl FieldSink,
    ) {
        let kept = fields.filter(|(name, _)| !self.removes(name));
        let has = |name: &[u8]| kept.clone().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let vary_names_origin = kept.clone().any(|(name, value)| is_vary_by_origin(name, value));
        for (name, value) in kept.clone() {
            if !self.replaces(name) {
                sink.field(name, &[value]);
            }
        }
        // "For the Server header that CloudFront adds, the header's value is CloudFront".
        if self.removes(b"Server") && !self.sets(b"Server") {
            sink.field(b"Server", &[b"CloudFront"]);
        }
        if let Some(cors) = &self.policy.cors {
            if cors::depends_on_origin(cors) && !vary_names_origin {
                sink.field(b"Vary", &[b"Origin"]);
            }
            cors::write(cors, &self.request, has, sink);
        }
        for header in self.headers().filter(|header| header.overrides_origin || !has(header.name.as_bytes()))
        {
            sink.field(header.name.as_bytes(), &[header.value.as_bytes()]);
        }
        if let Some(timing) = &self.server_timing {
            timing.write(kept, sink);
        }
    }

    /// The headers that the policy sets for every response.
    fn headers(&self) -> impl Iterator<Item = &'a ResponseHeader> {
        let (is_clear, is_edge_made) = (self.request.scheme == Scheme::Http, self.is_edge_made);
        self.policy.headers.iter().filter(move |header| {
            let is = |name: &[u8]| is(header, name);
            // RFC 6797 section 7.2: never over plain HTTP.
            let is_misplaced = is_clear && is(b"strict-transport-security");
            let is_about_caching = is_edge_made && (is(b"cache-control") || is(b"expires"));
            !is_misplaced && !is_about_caching && !is_protected_header(header.name.as_bytes())
        })
    }

    fn sets(&self, name: &[u8]) -> bool {
        self.headers().any(|header| is(header, name))
    }

    fn removes(&self, name: &[u8]) -> bool {
        removes(self.policy, name)
    }

    /// Whether something of ours stands in the place of the origin's field.
    fn replaces(&self, name: &[u8]) -> bool {
        self.policy.cors.as_ref().is_some_and(|cors| cors::replaces(cors, name))
            || self.headers().any(|header| header.overrides_origin && is(header, name))
            || (self.server_timing.is_some() && name.eq_ignore_ascii_case(b"server-timing"))
    }
}

fn is(header: &ResponseHeader, name: &[u8]) -> bool {
    header.name.as_bytes().eq_ignore_ascii_case(name)
}

/// Whether the policy takes a field of this name from the origin's response.
pub(crate) fn removes(policy: &ResponseHeadersPolicy, name: &[u8]) -> bool {
    policy.removed_headers.iter().any(|other| other.as_bytes().eq_ignore_ascii_case(name))
        && !is_protected_header(name)
}

impl UpstreamTiming {
    fn metrics(self) -> String {
        let [dns, connect, first_byte] =
            [self.dns, self.connect, self.first_byte].map(|time| time.as_millis());
        format!(
            "cdn-upstream-layer;desc=\"EDGE\",cdn-upstream-dns;dur={dns},cdn-upstream-connect;dur={connect},\
             cdn-upstream-fbl;dur={first_byte},cdn-cache-miss,"
        )
    }
}

fn is_vary_by_origin(name: &[u8], value: &[u8]) -> bool {
    let names_origin = |part: &[u8]| {
        let part = part.trim_ascii();
        part.eq_ignore_ascii_case(b"origin") || part == b"*"
    };
    name.eq_ignore_ascii_case(b"vary") && value.split(|&byte| byte == b',').any(names_origin)
}

impl ServerTiming<'_> {
    /// "A single Server-Timing header that includes the value that came from the origin and the metrics
    /// that CloudFront added". What we do not know is not told.
    fn write<'f>(&self, fields: impl Iterator<Item = (&'f [u8], &'f [u8])>, sink: &mut impl FieldSink) {
        let Self { upstream, pop, request_id, downstream_first_byte } = self;
        let metrics = format!(
            "{}cdn-pop;desc=\"{pop}\",cdn-rid;desc=\"{request_id}\",cdn-downstream-fbl;dur={}",
            upstream.map(UpstreamTiming::metrics).unwrap_or_default(),
            downstream_first_byte.as_millis()
        );
        let mut parts = vec![metrics.as_bytes()];
        for (_, value) in fields.filter(|(name, _)| name.eq_ignore_ascii_case(b"server-timing")) {
            parts.extend([b",", value]);
        }
        sink.field(b"Server-Timing", &parts);
    }
}

#[cfg(test)]
mod tests;
