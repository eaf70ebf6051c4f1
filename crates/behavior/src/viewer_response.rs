//! What the viewer gets back.

use edge_config::{LinkedCacheBehavior, NameSelection};

use crate::field::{FieldSink, ResponseField, classify_response_field, has_nominations, is_nominated};
use crate::response_headers::removes;
use crate::{AppliedHeaders, HttpVersion};

/// What `X-Cache` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XCache {
    /// The origin answered.
    Miss,
    /// The origin or the edge answered with an error.
    Error,
    /// The edge redirected.
    Redirect,
    /// The edge is at one of its limits.
    LimitExceeded,
}

impl XCache {
    /// What a response of the origin counts as.
    pub fn of_origin_status(status: u16) -> Self {
        if status >= 400 { Self::Error } else { Self::Miss }
    }

    /// The header's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Miss => "Miss from cloudfront",
            Self::Error => "Error from cloudfront",
            Self::Redirect => "Redirect from cloudfront",
            Self::LimitExceeded => "LimitExceeded from cloudfront",
        }
    }
}

/// What the edge says of itself on every response.
#[derive(Debug)]
pub struct ViewerResponse<'a> {
    /// What `X-Cache` says.
    pub x_cache: XCache,
    /// The request's id.
    pub request_id: &'a [u8],
    /// The edge's name in `Via`, an opaque id.
    pub via_id: &'a str,
    /// The edge's location.
    pub pop: &'a str,
    /// Where the distribution speaks HTTP/3, as in `Alt-Svc`, for viewers that could speak it and do not.
    pub alternative_service: Option<&'a str>,
    /// The cache behavior's response headers policy, where it has one.
    pub headers: Option<AppliedHeaders<'a>>,
}

impl ViewerResponse<'_> {
    /// Writes what the response says, as far as the response headers policy lets it.
    fn write_fields<'f>(
        &self,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
        sink: &mut impl FieldSink,
    ) {
        match &self.headers {
            None => fields.for_each(|(name, value)| sink.field(name, &[value])),
            Some(headers) => headers.write(fields, sink),
        }
    }

    /// Whether the edge has to write a `Date`, too: there is none, or the policy takes it.
    pub fn needs_date(&self, has_one: bool) -> bool {
        self.headers.as_ref().map_or(!has_one, |headers| headers.needs_date(has_one))
    }

    /// The headers that every response has, edge-made ones included.
    fn write_own_fields(&self, sink: &mut impl FieldSink) {
        sink.field(b"X-Cache", &[self.x_cache.as_str().as_bytes()]);
        // RFC 9110 section 7.6.3: the version in which the message was received, from the origin here.
        let version = HttpVersion::Http11.received_protocol();
        sink.field(b"Via", &[version, self.via_id.as_bytes(), b".cloudfront.net (CloudFront)"]);
        sink.field(b"X-Amz-Cf-Pop", &[self.pop.as_bytes()]);
        sink.field(b"X-Amz-Cf-Id", &[self.request_id]);
        if let Some(service) = self.alternative_service {
            sink.field(b"Alt-Svc", &[service.as_bytes()]);
        }
    }
}

/// Writes the header fields of the origin's response, all but those of framing.
pub fn write_viewer_fields<'a>(
    cache_behavior: &LinkedCacheBehavior,
    response: &ViewerResponse<'_>,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    sink: &mut impl FieldSink,
) {
    let nominations = has_nominations(fields.clone());
    let cookies = forwards_cookies(cache_behavior);
    let connection_fields = fields.clone();
    let passing = fields.filter(|(name, _)| {
        let passes = match classify_response_field(name) {
            ResponseField::Ordinary => true,
            ResponseField::SetCookie => cookies,
            ResponseField::Dropped => false,
        };
        passes && !(nominations && is_nominated(name, connection_fields.clone()))
    });
    response.write_fields(passing, sink);
    response.write_own_fields(sink);
}

/// Writes the header fields of an interim response of the origin: a hint of what the final one will say, so
/// nothing that would not pass there, and nothing of the edge's own.
pub fn write_interim_fields<'a>(
    cache_behavior: &LinkedCacheBehavior,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    sink: &mut impl FieldSink,
) {
    let nominations = has_nominations(fields.clone());
    let policy = cache_behavior.response_headers_policy.as_deref();
    let connection_fields = fields.clone();
    for (name, value) in fields {
        let passes = classify_response_field(name) == ResponseField::Ordinary
            && !policy.is_some_and(|policy| removes(policy, name))
            && !(nominations && is_nominated(name, connection_fields.clone()));
        if passes {
            sink.field(name, &[value]);
        }
    }
}

/// Writes the header fields of a response that the edge makes, all but those of framing.
pub fn write_edge_fields<'a>(
    response: &ViewerResponse<'_>,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    sink: &mut impl FieldSink,
) {
    response.write_fields(fields, sink);
    response.write_own_fields(sink);
}

/// An origin that got no cookies has no business setting any ("Cache content based on cookies").
fn forwards_cookies(cache_behavior: &LinkedCacheBehavior) -> bool {
    let policy = cache_behavior.origin_request_policy.as_ref();
    cache_behavior.cache_policy.cookies != NameSelection::None
        || policy.is_some_and(|policy| policy.cookies != NameSelection::None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Fields, distribution};

    const RESPONSE: ViewerResponse<'static> = ViewerResponse {
        x_cache: XCache::Miss,
        request_id: b"id",
        via_id: "abc",
        pop: "LOC1-P1",
        alternative_service: None,
        headers: None,
    };
    const OWN: &str = "X-Cache: Miss from cloudfront\nVia: 1.1 abc.cloudfront.net (CloudFront)\n\
                       X-Amz-Cf-Pop: LOC1-P1\nX-Amz-Cf-Id: id\n";

    fn check(fields: &[(&str, &str)], expect: &str) {
        let mut sink = Fields::default();
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        write_viewer_fields(&distribution().default_cache_behavior, &RESPONSE, fields, &mut sink);
        assert_eq!(sink.0, format!("{expect}{OWN}"));
    }

    #[test]
    fn d3_d5_end_to_end_fields_pass_and_those_of_the_connection_do_not() {
        check(
            &[
                ("Server", "demo"),
                ("Date", "today"),
                ("Set-Cookie", "a=1"),
                ("Set-Cookie", "b=2"),
                ("Connection", "keep-alive, X-Hop"),
                ("X-Hop", "1"),
                ("Keep-Alive", "timeout=5"),
                ("Transfer-Encoding", "chunked"),
                ("Content-Length", "3"),
                ("Trailer", "X"),
                ("Upgrade", "h2c"),
                ("Alt-Svc", "h3=\":443\""),
            ],
            "Server: demo\nDate: today\nSet-Cookie: a=1\nSet-Cookie: b=2\n",
        );
    }

    #[test]
    fn d1_an_origin_cannot_speak_for_the_edge() {
        check(&[("via", "1.1 origin"), ("X-Cache", "Hit from cloudfront"), ("x-amz-cf-id", "forged")], "");
    }

    #[test]
    fn an_interim_response_says_nothing_that_the_final_one_could_not() {
        let fields = [("Link", "</a.css>"), ("Set-Cookie", "a=1"), ("Connection", "X-Hop"), ("X-Hop", "1")];
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let mut sink = Fields::default();
        write_interim_fields(&distribution().default_cache_behavior, fields, &mut sink);
        assert_eq!(sink.0, "Link: </a.css>\n");
    }

    #[test]
    fn d3_set_cookie_passes_only_where_cookies_are_forwarded() {
        let mut cache_behavior = distribution().default_cache_behavior;
        cache_behavior.origin_request_policy = None;
        let mut sink = Fields::default();
        let fields = [(b"Set-Cookie".as_slice(), b"a=1".as_slice())].into_iter();
        write_viewer_fields(&cache_behavior, &RESPONSE, fields, &mut sink);
        assert_eq!(sink.0, OWN);
    }
}
