//! Why a request does not end with the origin's response.

use behavior::EdgeError;

use crate::access_log::ErrorType;
use crate::origin::OriginFailure;
use crate::viewer::ViewerFault;

/// Why a request does not end with the origin's response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The edge refuses it.
    #[error("the edge refuses the request")]
    Refused(EdgeError),
    /// The viewer's doing.
    #[error(transparent)]
    Viewer(#[from] ViewerFault),
    /// The origin's doing.
    #[error(transparent)]
    Origin(#[from] OriginFailure),
}

impl Failure {
    /// What the viewer is told, as long as it can be; nothing when nobody listens.
    pub(crate) fn edge_error(&self) -> Option<EdgeError> {
        match self {
            Self::Refused(error) => Some(*error),
            Self::Viewer(ViewerFault::Left | ViewerFault::ReadsTooSlowly) => None,
            Self::Viewer(ViewerFault::BodyMalformed) => Some(EdgeError::BadRequest),
            Self::Viewer(ViewerFault::BodyTooLarge) => Some(EdgeError::BodyTooLarge),
            Self::Viewer(ViewerFault::BodyTooSlow) => Some(EdgeError::RequestTimeout),
            Self::Origin(failure) => Some(failure.edge_error()),
        }
    }

    /// What the access log says when no response had begun.
    pub(crate) fn error_type(&self) -> ErrorType {
        match self {
            Self::Refused(EdgeError::MethodNotAllowed) => ErrorType::InvalidRequestMethod,
            Self::Refused(EdgeError::NoSuchDistribution | EdgeError::HttpsRequired) => {
                ErrorType::InvalidRequestBlocked
            }
            Self::Refused(EdgeError::MisdirectedRequest) => ErrorType::InvalidRequestCertificate,
            Self::Refused(EdgeError::CountryNotServed) => ErrorType::ClientGeoBlocked,
            Self::Refused(EdgeError::HeaderTooLarge) => ErrorType::InvalidRequestHeader,
            Self::Refused(EdgeError::Overloaded) => ErrorType::InternalError,
            Self::Refused(_) | Self::Viewer(ViewerFault::BodyMalformed | ViewerFault::BodyTooLarge) => {
                ErrorType::InvalidRequest
            }
            Self::Viewer(ViewerFault::Left | ViewerFault::BodyTooSlow) => ErrorType::ClientHungUpRequest,
            Self::Viewer(ViewerFault::ReadsTooSlowly) => ErrorType::SlowReaderOriginError,
            Self::Origin(failure) => failure.error_type(),
        }
    }

    /// What the access log says when the response had begun.
    pub(crate) fn error_type_after_beginning(&self) -> ErrorType {
        match self {
            Self::Origin(_) => ErrorType::AbortedOrigin,
            Self::Viewer(ViewerFault::ReadsTooSlowly) => ErrorType::SlowReaderOriginError,
            Self::Viewer(_) | Self::Refused(_) => ErrorType::ClientCommError,
        }
    }
}
