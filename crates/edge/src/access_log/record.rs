//! A record: what is known of a request when its last byte has left.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// `cs-protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CsProtocol {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
    /// WebSocket without TLS.
    Ws,
    /// WebSocket with TLS.
    Wss,
}

impl CsProtocol {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }
}

/// `cs-protocol-version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CsProtocolVersion {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
    /// HTTP/3.
    Http3,
}

impl CsProtocolVersion {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2.0",
            Self::Http3 => "HTTP/3.0",
        }
    }
}

/// `x-edge-result-type` and `x-edge-response-result-type`: how the response came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    dead_code,
    reason = "the list is CloudFront's; shedding load, which makes one of them, does not exist yet"
)]
pub(crate) enum ResultType {
    /// Forwarded to the origin.
    Miss,
    /// A client's or a server's error, or a viewer that left early.
    Error,
    /// From HTTP to HTTPS.
    Redirect,
    /// Over one of the edge's limits.
    LimitExceeded,
    /// The edge had not enough capacity.
    CapacityExceeded,
}

impl ResultType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Miss => "Miss",
            Self::Error => "Error",
            Self::Redirect => "Redirect",
            Self::LimitExceeded => "LimitExceeded",
            Self::CapacityExceeded => "CapacityExceeded",
        }
    }
}

/// What `x-edge-detailed-result-type` says of an `Error`; for all else it repeats the result type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(dead_code, reason = "the list is CloudFront's; what makes some of them does not exist yet")]
pub(crate) enum ErrorType {
    /// The origin broke off.
    AbortedOrigin,
    /// The connection to the viewer broke during the response.
    ClientCommError,
    /// The viewer's country is not served.
    ClientGeoBlocked,
    /// The viewer left while it sent its request.
    ClientHungUpRequest,
    /// None of the others; an error that the origin answered with, too.
    Error,
    /// The edge's own fault.
    InternalError,
    /// Not a request that can be served.
    InvalidRequest,
    /// Access refused.
    InvalidRequestBlocked,
    /// The host is not one of the connection's certificate.
    InvalidRequestCertificate,
    /// An invalid header.
    InvalidRequestHeader,
    /// A method that the distribution does not serve.
    InvalidRequestMethod,
    /// The origin took too long: to accept a connection, or to say something.
    OriginCommError,
    /// No connection to the origin.
    OriginConnectError,
    /// The origin's Content-Length contradicts its Content-Range.
    OriginContentRangeLengthError,
    /// The origin's name did not resolve.
    OriginDnsError,
    /// The origin answered wrongly.
    OriginError,
    /// The origin's header is too large.
    OriginHeaderTooBigError,
    /// The origin's response is no HTTP.
    OriginInvalidResponseError,
    /// The origin could not be read.
    OriginReadError,
    /// The origin could not be written to.
    OriginWriteError,
    /// The origin sent nothing.
    OriginZeroSizeObjectError,
    /// A viewer that reads too slowly.
    SlowReaderOriginError,
}

impl ErrorType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AbortedOrigin => "AbortedOrigin",
            Self::ClientCommError => "ClientCommError",
            Self::ClientGeoBlocked => "ClientGeoBlocked",
            Self::ClientHungUpRequest => "ClientHungUpRequest",
            Self::Error => "Error",
            Self::InternalError => "InternalError",
            Self::InvalidRequest => "InvalidRequest",
            Self::InvalidRequestBlocked => "InvalidRequestBlocked",
            Self::InvalidRequestCertificate => "InvalidRequestCertificate",
            Self::InvalidRequestHeader => "InvalidRequestHeader",
            Self::InvalidRequestMethod => "InvalidRequestMethod",
            Self::OriginCommError => "OriginCommError",
            Self::OriginConnectError => "OriginConnectError",
            Self::OriginContentRangeLengthError => "OriginContentRangeLengthError",
            Self::OriginDnsError => "OriginDnsError",
            Self::OriginError => "OriginError",
            Self::OriginHeaderTooBigError => "OriginHeaderTooBigError",
            Self::OriginInvalidResponseError => "OriginInvalidResponseError",
            Self::OriginReadError => "OriginReadError",
            Self::OriginWriteError => "OriginWriteError",
            Self::OriginZeroSizeObjectError => "OriginZeroSizeObjectError",
            Self::SlowReaderOriginError => "SlowReaderOriginError",
        }
    }
}

/// A request and its response, borrowed from whoever served it. Empty texts are logged as `-`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// When the last byte left.
    pub(crate) finished_at: SystemTime,
    /// The edge's location, as in `x-amz-cf-pop`.
    pub(crate) edge_location: &'a str,
    /// Bytes to the viewer, header included.
    pub(crate) sc_bytes: u64,
    /// Who connected.
    pub(crate) viewer: SocketAddr,
    /// The method as sent.
    pub(crate) method: &'a [u8],
    /// The distribution's id; empty when none was found.
    pub(crate) distribution_id: &'a str,
    /// The distribution's domain name; empty when none was found.
    pub(crate) distribution_domain_name: &'a str,
    /// The path as sent, without the query.
    pub(crate) path: &'a [u8],
    /// The response's status; none when the viewer left before there was one.
    pub(crate) status: Option<u16>,
    /// `Referer`.
    pub(crate) referer: &'a [u8],
    /// `User-Agent`.
    pub(crate) user_agent: &'a [u8],
    /// The query as sent, without the question mark.
    pub(crate) query: &'a [u8],
    /// `Cookie`; logged only where that is switched on.
    pub(crate) cookie: &'a [u8],
    /// How it ended.
    pub(crate) result_type: ResultType,
    /// The request's id, as in `x-amz-cf-id`.
    pub(crate) request_id: &'a str,
    /// `Host` or `:authority` as sent.
    pub(crate) host_header: &'a [u8],
    /// HTTP or HTTPS.
    pub(crate) protocol: CsProtocol,
    /// Bytes from the viewer, header included.
    pub(crate) cs_bytes: u64,
    /// From the request's first byte to the response's last.
    pub(crate) time_taken: Duration,
    /// The viewer's own `X-Forwarded-For`.
    pub(crate) forwarded_for: &'a [u8],
    /// The TLS version as it is logged; empty without TLS.
    pub(crate) ssl_protocol: &'static str,
    /// The cipher suite as it is logged; empty without TLS.
    pub(crate) ssl_cipher: &'static str,
    /// How it looked just before the response began.
    pub(crate) response_result_type: ResultType,
    /// The HTTP version.
    pub(crate) protocol_version: CsProtocolVersion,
    /// From the request's first byte to the response's first; none without a response.
    pub(crate) time_to_first_byte: Option<Duration>,
    /// What went wrong, when `result_type` is an error.
    pub(crate) error_type: ErrorType,
    /// The response's `Content-Type`.
    pub(crate) content_type: &'a [u8],
    /// The response's `Content-Length`.
    pub(crate) content_length: Option<u64>,
    /// Where the response's `Content-Range` starts.
    pub(crate) range_start: Option<u64>,
    /// Where it ends.
    pub(crate) range_end: Option<u64>,
    /// How long its parts took.
    pub(crate) phases: Phases,
    /// The id of the origin that answered, or failed last; empty where none was asked.
    pub(crate) origin_id: &'a [u8],
}

/// How long the parts of a request took, as far as there were such parts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Phases {
    /// The TLS handshake, which the first request on a connection waited for.
    pub(crate) tls_handshake: Option<Duration>,
    /// From the first byte of the head until it was read; measured only for a log that tells.
    pub(crate) head_read: Option<Duration>,
    /// Opening connections to the origin.
    pub(crate) origin_connect: Option<Duration>,
    /// From the request's end towards the origin to the first byte of its response.
    pub(crate) origin_first_byte: Option<Duration>,
}

impl Record<'_> {
    /// `x-edge-detailed-result-type`.
    pub(crate) fn detailed_result_type(&self) -> &'static str {
        match self.result_type {
            ResultType::Error => self.error_type.as_str(),
            other => other.as_str(),
        }
    }
}
