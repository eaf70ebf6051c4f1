//! What is special about gRPC: which requests are of it, and how it says that something went wrong.

use crate::EdgeError;

/// Whether a request of this content type is one of gRPC ("Using gRPC with CloudFront distributions";
/// "gRPC over HTTP2", Content-Type: `application/grpc`, perhaps with the message's form behind it).
///
/// `application/grpc-web` is another protocol, which has no need of HTTP/2.
pub fn is_grpc(content_type: &[u8]) -> bool {
    const NAME: &[u8] = b"application/grpc";
    let Some((name, rest)) = content_type.split_at_checked(NAME.len()) else { return false };
    name.eq_ignore_ascii_case(NAME) && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
}

/// How a call ended ("gRPC status codes"); those that an edge has a use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrpcStatus {
    /// `CANCELLED`
    Cancelled = 1,
    /// `UNKNOWN`
    Unknown = 2,
    /// `DEADLINE_EXCEEDED`
    DeadlineExceeded = 4,
    /// `PERMISSION_DENIED`
    PermissionDenied = 7,
    /// `RESOURCE_EXHAUSTED`
    ResourceExhausted = 8,
    /// `INTERNAL`
    Internal = 13,
    /// `UNAVAILABLE`
    Unavailable = 14,
}

impl GrpcStatus {
    /// As in `grpc-status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "1",
            Self::Unknown => "2",
            Self::DeadlineExceeded => "4",
            Self::PermissionDenied => "7",
            Self::ResourceExhausted => "8",
            Self::Internal => "13",
            Self::Unavailable => "14",
        }
    }

    /// What a stream that was reset with this HTTP/2 error code says ("gRPC over HTTP2", Errors).
    pub fn of_reset(code: u32) -> Self {
        match code {
            // REFUSED_STREAM: it was not looked at.
            0x7 => Self::Unavailable,
            // CANCEL
            0x8 => Self::Cancelled,
            // ENHANCE_YOUR_CALM
            0xb => Self::ResourceExhausted,
            // INADEQUATE_SECURITY
            0xc => Self::PermissionDenied,
            _ => Self::Internal,
        }
    }
}

impl EdgeError {
    /// The status of a call that ends with it: what a client makes of the HTTP status by itself ("HTTP to gRPC
    /// Status Code Mapping"), and something nearer where that is `UNKNOWN`.
    pub fn grpc_status(self) -> GrpcStatus {
        match self {
            Self::BadRequest => GrpcStatus::Internal,
            Self::NoSuchDistribution
            | Self::CountryNotServed
            | Self::MethodNotAllowed
            | Self::BodyNotAllowed
            | Self::HttpsRequired => GrpcStatus::PermissionDenied,
            Self::BodyTooLarge | Self::UriTooLong | Self::HeaderTooLarge => GrpcStatus::ResourceExhausted,
            Self::RequestTimeout => GrpcStatus::DeadlineExceeded,
            // Of a misdirected request, another connection may do better.
            Self::OriginFailed | Self::OriginTimeout | Self::Overloaded | Self::MisdirectedRequest => {
                GrpcStatus::Unavailable
            }
            Self::VersionNotSupported | Self::TunnelNotSupported => GrpcStatus::Unknown,
        }
    }

    /// What `grpc-message` says: printable ASCII without `%`, which is how it would be encoded.
    pub fn grpc_message(self, request_id: &str) -> String {
        format!("{} (request {request_id})", self.message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f2_grpc_is_told_by_its_content_type() {
        for yes in
            ["application/grpc", "application/grpc+proto", "Application/gRPC;charset=x", "application/grpc "]
        {
            assert!(is_grpc(yes.as_bytes()), "{yes}");
        }
        for no in
            ["", "application/grp", "application/grpc-web", "application/grpc-web+proto", "application/json"]
        {
            assert!(!is_grpc(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn a_status_is_its_number() {
        for status in
            [GrpcStatus::Cancelled, GrpcStatus::Unknown, GrpcStatus::Internal, GrpcStatus::Unavailable]
        {
            assert_eq!(status.as_str(), (status as u8).to_string());
        }
        assert_eq!(GrpcStatus::of_reset(8), GrpcStatus::Cancelled);
        assert_eq!(GrpcStatus::of_reset(99), GrpcStatus::Internal);
    }

    #[test]
    fn what_a_client_may_try_again_is_unavailable() {
        assert_eq!(EdgeError::OriginFailed.grpc_status(), GrpcStatus::Unavailable);
        assert_eq!(EdgeError::MethodNotAllowed.grpc_status(), GrpcStatus::PermissionDenied);
        let message = EdgeError::OriginFailed.grpc_message("abc");
        assert!(message.ends_with("(request abc)"), "{message}");
        assert!(message.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'%'), "{message}");
    }
}
