//! What can go wrong at an origin.

use std::io;

use behavior::{EdgeError, GrpcStatus};
use edge_config::LinkedFailover;
use http1::{BodyError, ResponseError, WriteError};

use crate::access_log::ErrorType;
use crate::egress::EgressError;
use crate::metrics::OriginErrorKind;
use crate::resolver::ResolveError;

/// What went wrong at an origin. The viewer is told 502 or 504 and nothing else.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OriginFailure {
    /// It has no address.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Its address may not be connected to.
    #[error(transparent)]
    Refused(#[from] EgressError),
    /// It does not accept connections.
    #[error("the origin does not accept connections")]
    Connect(#[source] io::Error),
    /// It cannot be reached.
    #[error("the origin cannot be reached")]
    Unreachable(#[source] io::Error),
    /// It did not accept a connection in time.
    #[error("the origin did not accept a connection in time")]
    ConnectTimedOut,
    /// TLS failed, its certificate included.
    #[error("the TLS handshake with the origin failed")]
    Tls(#[source] io::Error),
    /// HTTPS to a name that cannot be in a certificate.
    #[error("the origin's name cannot be verified by a certificate")]
    UnverifiableName,
    /// The configuration or the request makes no valid request for it.
    #[error("no valid request can be written for the origin")]
    Unwritable(#[source] WriteError),
    /// The request could not be sent.
    #[error("the request could not be sent to the origin")]
    Write(#[source] io::Error),
    /// It does not take the request's body.
    #[error("the origin did not take the request in time")]
    WriteTimedOut,
    /// It closed the connection instead of answering.
    #[error("the origin closed the connection without a response")]
    NoResponse(#[source] Option<io::Error>),
    /// It closed the connection within its response's head.
    #[error("the origin closed the connection within its response's head")]
    HeadTruncated,
    /// It did not answer in time.
    #[error("the origin did not answer in time")]
    ResponseTimedOut,
    /// It was silent for too long within its response.
    #[error("the origin was silent for too long within its response")]
    GapTimedOut,
    /// Everything together took too long.
    #[error("the origin's response was not complete in time")]
    CompletionTimedOut,
    /// Its response's head is no HTTP.
    #[error("the origin's response is invalid")]
    InvalidHead(#[source] ResponseError),
    /// It switches protocols, which nobody asked for.
    #[error("the origin switches protocols without being asked")]
    SwitchesProtocols,
    /// One interim response after the other.
    #[error("the origin sends interim responses without end")]
    TooManyInterimResponses,
    /// Its response's body breaks its framing, or broke off.
    #[error("the origin's response body is invalid")]
    InvalidBody(#[source] BodyError),
    /// It has no page where an error page should be.
    #[error("the origin answered {0} to the request for an error page")]
    NoErrorPage(u16),
    /// The connection broke within the body.
    #[error("the connection to the origin broke within the response")]
    BodyBroken(#[source] io::Error),
    /// It speaks HTTP/1.1 alone.
    #[error("the origin does not speak HTTP/2")]
    NoHttp2,
    /// gRPC would go to it over HTTP.
    #[error(
        "gRPC goes to origins over HTTPS alone; change the origin's protocol policy, or give the distribution the \
         tag mantlet:grpc-h2c"
    )]
    GrpcInClear,
    /// Another request wanted the same connection, and did not get it.
    #[error("no connection for HTTP/2 could be opened")]
    SharedConnection,
    /// All of its connections have as many streams as they may.
    #[error("the origin's HTTP/2 connections have no room for another stream")]
    TooManyStreams,
    /// The connection had ended before the request was sent.
    #[error("the origin has ended its HTTP/2 connection")]
    Http2Ended(#[source] h2::Error),
    /// It floods its connection with frames.
    #[error("the origin floods its HTTP/2 connection")]
    Http2Flood,
    /// The stream, or its connection, failed.
    #[error("the exchange with the origin over HTTP/2 failed")]
    Http2(#[source] h2::Error),
}

impl OriginFailure {
    /// From what the system says of an attempt to connect.
    pub(crate) fn from_connect_error(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => Self::Unreachable(error),
            _ => Self::Connect(error),
        }
    }

    /// What the viewer is told ("HTTP 502 status code", "HTTP 504 status code").
    pub(crate) fn edge_error(&self) -> EdgeError {
        match self {
            Self::Unreachable(_)
            | Self::ConnectTimedOut
            | Self::WriteTimedOut
            | Self::ResponseTimedOut
            | Self::GapTimedOut
            | Self::CompletionTimedOut => EdgeError::OriginTimeout,
            Self::TooManyStreams => EdgeError::Overloaded,
            _ => EdgeError::OriginFailed,
        }
    }

    /// Whether it is the failure of an origin group's primary origin.
    ///
    /// "Optimize high availability with CloudFront origin failover": where 503 is a failover code, that no
    /// connection comes about; where 504 is one, that something takes too long. A connection that times out
    /// is both. The page is silent about all else; there it is what the viewer would be told, 502, and for
    /// a connection that fails before or after TCP's part 503 as well.
    pub(crate) fn fails_over(&self, failover: &LinkedFailover) -> bool {
        let counts_as: &[u16] = match self {
            Self::Connect(_) => &[503],
            Self::Unreachable(_) | Self::ConnectTimedOut => &[503, 504],
            Self::Resolve(_) | Self::Refused(_) | Self::Tls(_) | Self::UnverifiableName => &[502, 503],
            Self::WriteTimedOut | Self::ResponseTimedOut | Self::GapTimedOut | Self::CompletionTimedOut => {
                &[504]
            }
            // The next origin would get the same request; a status was looked at when it came. Over HTTP/2
            // goes gRPC alone, which does not fail over.
            Self::Unwritable(_)
            | Self::NoErrorPage(_)
            | Self::NoHttp2
            | Self::GrpcInClear
            | Self::SharedConnection
            | Self::TooManyStreams
            | Self::Http2Ended(_)
            | Self::Http2Flood
            | Self::Http2(_) => &[],
            Self::Write(_)
            | Self::NoResponse(_)
            | Self::HeadTruncated
            | Self::InvalidHead(_)
            | Self::SwitchesProtocols
            | Self::TooManyInterimResponses
            | Self::InvalidBody(_)
            | Self::BodyBroken(_) => &[502],
        };
        counts_as.iter().any(|status| failover.status_codes.contains(status))
    }

    /// What the access log says, when no response had begun ("Standard logging reference",
    /// x-edge-detailed-result-type).
    pub(crate) fn error_type(&self) -> ErrorType {
        match self {
            Self::Resolve(_) => ErrorType::OriginDnsError,
            Self::Refused(_)
            | Self::Connect(_)
            | Self::Unreachable(_)
            | Self::Tls(_)
            | Self::UnverifiableName
            | Self::NoHttp2
            | Self::GrpcInClear
            | Self::SharedConnection => ErrorType::OriginConnectError,
            // "The request timed out while connecting to the origin, or reading data from the origin."
            Self::ConnectTimedOut
            | Self::WriteTimedOut
            | Self::ResponseTimedOut
            | Self::GapTimedOut
            | Self::CompletionTimedOut
            | Self::TooManyStreams => ErrorType::OriginCommError,
            // Found by us; the rest is the origin's own word, or the connection's end.
            Self::Http2(error) if error.is_library() => ErrorType::OriginInvalidResponseError,
            Self::Unwritable(_) => ErrorType::InternalError,
            Self::NoErrorPage(_) => ErrorType::OriginError,
            Self::Write(_) => ErrorType::OriginWriteError,
            Self::NoResponse(None) => ErrorType::OriginZeroSizeObjectError,
            Self::NoResponse(Some(_))
            | Self::HeadTruncated
            | Self::BodyBroken(_)
            | Self::Http2Ended(_)
            | Self::Http2(_) => ErrorType::OriginReadError,
            Self::InvalidHead(error) if error.is_head_too_big() => ErrorType::OriginHeaderTooBigError,
            Self::InvalidHead(_)
            | Self::SwitchesProtocols
            | Self::TooManyInterimResponses
            | Self::Http2Flood
            | Self::InvalidBody(_) => ErrorType::OriginInvalidResponseError,
        }
    }

    /// Whether the origin has certainly not begun to work on the request (RFC 9113 section 8.7).
    pub(crate) fn is_unprocessed(&self) -> bool {
        match self {
            Self::Http2Ended(_) => true,
            Self::Http2(error) => {
                let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
                error.is_remote() && (error.is_go_away() || is_refused)
            }
            _ => false,
        }
    }

    /// Whether it casts a doubt on the whole HTTP/2 connection, and not on one stream alone.
    pub(crate) fn is_of_connection(&self) -> bool {
        match self {
            Self::Http2(error) => !(error.is_reset() && error.is_remote()),
            Self::Http2Ended(_)
            | Self::Http2Flood
            | Self::ResponseTimedOut
            | Self::GapTimedOut
            | Self::CompletionTimedOut
            | Self::TooManyInterimResponses => true,
            _ => false,
        }
    }

    /// How a call of gRPC ends with it that has begun to be answered.
    pub(crate) fn grpc_status(&self) -> GrpcStatus {
        match self {
            Self::Http2(error) if error.is_reset() && error.is_remote() => {
                error.reason().map_or(GrpcStatus::Internal, |reason| GrpcStatus::of_reset(reason.into()))
            }
            other => other.edge_error().grpc_status(),
        }
    }

    /// How it is counted.
    pub(crate) fn kind(&self) -> OriginErrorKind {
        match self {
            Self::Resolve(_) => OriginErrorKind::Dns,
            Self::Refused(_) => OriginErrorKind::Refused,
            Self::Connect(_)
            | Self::Unreachable(_)
            | Self::GrpcInClear
            | Self::SharedConnection
            | Self::TooManyStreams => OriginErrorKind::Connect,
            Self::ConnectTimedOut => OriginErrorKind::ConnectTimeout,
            Self::Tls(_) | Self::UnverifiableName | Self::NoHttp2 => OriginErrorKind::Tls,
            Self::Http2(error) if error.is_library() => OriginErrorKind::InvalidResponse,
            Self::Unwritable(_) | Self::Write(_) | Self::WriteTimedOut => OriginErrorKind::Write,
            Self::NoResponse(_)
            | Self::HeadTruncated
            | Self::BodyBroken(_)
            | Self::Http2Ended(_)
            | Self::Http2(_) => OriginErrorKind::Read,
            Self::ResponseTimedOut | Self::GapTimedOut => OriginErrorKind::ReadTimeout,
            Self::CompletionTimedOut => OriginErrorKind::CompletionTimeout,
            Self::InvalidHead(error) if error.is_head_too_big() => OriginErrorKind::HeaderTooBig,
            Self::InvalidHead(_)
            | Self::SwitchesProtocols
            | Self::TooManyInterimResponses
            | Self::NoErrorPage(_)
            | Self::Http2Flood
            | Self::InvalidBody(_) => OriginErrorKind::InvalidResponse,
        }
    }
}
