//! What a distribution says must happen to a request and to a response.
//!
//! In the order of a request's life: [`select_cache_behavior`] by path, [`admit_viewer`] by method
//! and protocol, [`select_failover`] for whom else it may ask, [`origin_query`] and
//! [`write_origin_fields`] for what the origin gets, [`write_viewer_fields`] for what the viewer gets
//! back, with [`AppliedHeaders`] where a response headers policy has a say, [`EdgeError`] for what the
//! edge answers itself.
//!
//! Everything here is a function of its arguments. Header fields come in as an iterator and go out
//! through a [`FieldSink`], so that the wire decides on their form and nothing is copied twice. Those of
//! an origin request go out through an [`OriginFieldSink`] with what decided on each, so that who
//! explains a decision asks the code that makes it.
//!
//! Does not know about: async, clocks, randomness, sockets, body bytes, HTTP's framing (that is
//! re-made by the wire and never copied from a message), AWS's shapes, or logs.

mod admit;
mod cors;
mod decision;
mod device;
mod edge_error;
mod error_page;
mod failover;
mod field;
mod grpc;
mod origin_request;
mod path;
mod response_headers;
mod selection;
mod trailers;
mod viewer_facts;
mod viewer_response;
mod websocket;

pub use admit::{Admission, admit_viewer, host_without_port, redirect_location};
pub use decision::{DroppedBy, OriginFieldSink, SentBy};
pub use edge_error::{AnswerFormat, EdgeError};
pub use error_page::{is_about_what_was_asked_for, requested_path, select_error_page};
pub use failover::select_failover;
pub use field::{FieldSink, is_same_name};
pub use grpc::{GrpcStatus, is_grpc};
pub use origin_request::{OriginRequest, origin_query, who_selects_query, write_origin_fields};
pub use path::{AmbiguousPath, path_readings, select_cache_behavior};
pub use response_headers::{AppliedHeaders, HeadersRequest, ServerTiming, UpstreamTiming};
pub use trailers::write_viewer_trailers;
pub use viewer_facts::{TlsDescription, TlsHandshake, ViewerFacts, ViewerLocation};
pub use viewer_response::{
    ViewerResponse, XCache, write_edge_fields, write_interim_fields, write_viewer_fields,
};
pub use websocket::{names_websocket, websocket_key};

/// How the viewer reached the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The scheme as in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The HTTP version that the viewer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HttpVersion {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    Http2,
    /// HTTP/3
    Http3,
}

impl HttpVersion {
    /// As `Via` begins.
    pub(crate) fn received_protocol(self) -> &'static [u8] {
        match self {
            Self::Http10 => b"1.0 ",
            Self::Http11 => b"1.1 ",
            Self::Http2 => b"2.0 ",
            Self::Http3 => b"3.0 ",
        }
    }

    /// As in `Via` and `CloudFront-Viewer-Http-Version`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2.0",
            Self::Http3 => "3.0",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use edge_config::{
        Bundle, CacheBehavior, CachePolicy, CachePolicySource, Change, Distribution, ErrorPages,
        HeaderSelection, HostName, IpAddressType, LinkedDistribution, MethodSet, MinimumProtocolVersion,
        NameSelection, Origin, OriginAddress, OriginProtocolPolicy, OriginRequestPolicy,
        OriginRequestPolicySource, ResourceId, ResourceKind, Revision, Snapshot, ViewerProtocolPolicy, link,
    };

    use crate::{DroppedBy, FieldSink, OriginFieldSink, SentBy};

    /// Fields as text, one a line.
    #[derive(Default)]
    pub(crate) struct Fields(pub(crate) String);

    impl FieldSink for Fields {
        fn field(&mut self, name: &[u8], value: &[&[u8]]) {
            let [name, value] =
                [name, &value.concat()].map(|text| String::from_utf8_lossy(text).into_owned());
            self.0.extend([&name, ": ", &value, "\n"]);
        }
    }

    impl OriginFieldSink for Fields {
        fn sent(&mut self, name: &[u8], value: &[&[u8]], _: SentBy) {
            self.field(name, value);
        }

        fn dropped(&mut self, _: &[u8], _: &[u8], _: DroppedBy) {}
    }

    /// A distribution by the API preset: CachingDisabled, AllViewer, every method.
    pub(crate) fn distribution() -> LinkedDistribution {
        let cache_policy = Bundle::CachePolicy(CachePolicy::default());
        let origin_request_policy = Bundle::OriginRequestPolicy(OriginRequestPolicy {
            headers: HeaderSelection::AllViewer,
            cookies: NameSelection::All,
            query_strings: NameSelection::All,
        });
        let distribution = Bundle::Distribution(Distribution {
            domain_name: HostName::parse("d1.mantlet.localhost").unwrap(),
            aliases: Vec::new(),
            enabled: true,
            http2: true,
            http3: false,
            minimum_protocol_version: MinimumProtocolVersion::Tls12,
            certificate: None,
            geo_restriction: None,
            origins: vec![Origin {
                id: "api".into(),
                address: OriginAddress::Name(HostName::parse("origin.test").unwrap()),
                ip_address_type: IpAddressType::Ipv4,
                http_port: 3500,
                https_port: 443,
                protocol_policy: OriginProtocolPolicy::HttpOnly,
                path: String::new(),
                custom_headers: Vec::new(),
                connection_attempts: 3,
                connection_timeout_seconds: 10,
                read_timeout_seconds: 30,
                keepalive_timeout_seconds: 5,
                response_completion_timeout_seconds: None,
            }],
            origin_groups: Vec::new(),
            cache_behaviors: vec![CacheBehavior {
                path_pattern: None,
                target_origin_id: "api".into(),
                viewer_protocol_policy: ViewerProtocolPolicy::RedirectToHttps,
                allowed_methods: MethodSet::ALL,
                caches_options: false,
                cache_policy: CachePolicySource::Id("disabled".into()),
                origin_request_policy: Some(OriginRequestPolicySource::Id("all".into())),
                response_headers_policy: None,
                grpc: None,
            }],
            default_root_object: None,
            error_pages: ErrorPages::default(),
            max_body_bytes: None,
            sends_proxy_protocol: false,
        });
        let change = |kind, id, bundle| Change {
            resource: ResourceId::new(kind, id),
            revision: Revision(1),
            bundle: Some(Arc::new(bundle)),
        };
        let changes = [
            change(ResourceKind::CachePolicy, "disabled", cache_policy),
            change(ResourceKind::OriginRequestPolicy, "all", origin_request_policy),
            change(ResourceKind::Distribution, "E1", distribution),
        ];
        let linked = link(&Snapshot::default(), Revision(1), &changes);
        assert_eq!(linked.rejected, []);
        LinkedDistribution::clone(linked.snapshot.distribution("E1").unwrap())
    }
}
