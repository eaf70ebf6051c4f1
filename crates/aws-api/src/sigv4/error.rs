//! Why a request is not authenticated.

use crate::error::ApiError;
use crate::operation::Protocol;

/// Why a request is not authenticated. None of the texts holds anything secret, or anything that the request said
/// besides names of headers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is not signed at all.
    #[error("The request is not signed.")]
    Unsigned,
    /// It is signed in more than one way.
    #[error("The request is signed more than once.")]
    SignedTwice,
    /// It is signed with another algorithm.
    #[error("The signing algorithm is not AWS4-HMAC-SHA256.")]
    UnsupportedAlgorithm,
    /// A part of the signature is absent, given twice or not well formed.
    #[error("{0} is missing, repeated or malformed.")]
    Malformed(&'static str),
    /// A header that must be signed is not.
    #[error("The header {0} must be signed.")]
    HeaderNotSigned(String),
    /// A signed header is absent.
    #[error("The signed header {0} is absent.")]
    SignedHeaderAbsent(String),
    /// The credential is scoped to a service that this is not.
    #[error("The credential is scoped to another service.")]
    WrongService,
    /// The credential is scoped to another day than the request's.
    #[error("The date of the credential's scope is not the date of the request.")]
    WrongScopeDate,
    /// The signature is too old.
    #[error("Signature expired: it is too old, or the client's clock is late. Set the clock and sign again.")]
    Expired,
    /// The signature is from the future.
    #[error("Signature not yet current: the client's clock is early. Set the clock and sign again.")]
    NotYetValid,
    /// There is no such access key.
    #[error("The access key is not known.")]
    UnknownAccessKey,
    /// The session token is over.
    #[error("The session token has expired. Get new temporary credentials.")]
    ExpiredToken,
    /// The session token is not one of ours, not that of the access key, or missing.
    #[error("The security token included in the request is invalid.")]
    InvalidToken,
    /// The body is not signed, where it must be.
    #[error("The body must be signed.")]
    PayloadNotSigned,
    /// The body is not the one that was signed.
    #[error("The body is not the one that was signed.")]
    PayloadMismatch,
    /// The signature is not that of this request and this key.
    #[error("The signature does not match the request and the secret access key.")]
    Mismatch,
}

impl SignatureError {
    /// The error as a service of `protocol` tells it.
    ///
    /// Codes and statuses are those of "Common Errors" in the CloudFront API Reference; the JSON services have names of
    /// their own for the same, all with status 400.
    pub fn to_api_error(&self, protocol: Protocol) -> ApiError {
        let (code, status, json_code) = self.codes();
        match protocol {
            Protocol::RestXml | Protocol::Query => ApiError::new(code, status, self.to_string()),
            Protocol::Json => ApiError::new(json_code, 400, self.to_string()),
        }
    }

    fn codes(&self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Unsigned => ("MissingAuthenticationToken", 403, "MissingAuthenticationTokenException"),
            Self::SignedTwice | Self::UnsupportedAlgorithm | Self::Malformed(_) => {
                ("IncompleteSignature", 403, "IncompleteSignatureException")
            }
            Self::ExpiredToken => ("ExpiredToken", 403, "ExpiredTokenException"),
            Self::UnknownAccessKey | Self::InvalidToken => {
                ("InvalidClientTokenId", 403, "UnrecognizedClientException")
            }
            // "RequestExpired" is documented too, but this is what the services answer, and what the SDKs know as the
            // sign of a wrong clock.
            Self::Expired
            | Self::NotYetValid
            | Self::HeaderNotSigned(_)
            | Self::SignedHeaderAbsent(_)
            | Self::WrongService
            | Self::WrongScopeDate
            | Self::PayloadNotSigned
            | Self::PayloadMismatch
            | Self::Mismatch => ("SignatureDoesNotMatch", 403, "InvalidSignatureException"),
        }
    }
}
