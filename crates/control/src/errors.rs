//! Errors that more than one operation answers with.

use std::error::Error;

use aws_api::ApiError;
use aws_api::cloudfront::ErrorCode;

/// Something broke that is not the caller's fault: the reason goes to the log, never to the caller.
pub(crate) fn internal(error: &(dyn Error + 'static)) -> ApiError {
    tracing::error!(error, "Could not complete a request");
    ApiError::internal()
}

/// The change cannot be checked now. Clients try again by themselves.
pub(crate) fn unavailable() -> ApiError {
    ApiError::new(
        "ServiceUnavailable",
        503,
        "The configuration is changing too fast, or its feed stands still. Try again.",
    )
}

/// The one failure of a store that whoever runs it can mend at once.
pub(crate) fn disk_full(error: &(dyn Error + 'static)) -> ApiError {
    tracing::error!(error, "Refused a change; make room on the disk of the data directory");
    ApiError::new(
        "ServiceUnavailable",
        503,
        "The disk is full, so nothing was changed. Make room on Mantlet's disk and try again.",
    )
}

/// A resource refers to more others than one transaction of the store can check.
pub(crate) fn too_many_references() -> ApiError {
    invalid_argument(format!(
        "It refers to too many policies, key groups, certificates and the like: about {} fit. Let cache behaviors \
         share some of them.",
        store::TRANSACTION_OPERATIONS_MAX
    ))
}

/// An argument is not right; the message says how it would be.
pub(crate) fn invalid_argument(message: impl Into<String>) -> ApiError {
    ErrorCode::InvalidArgument.with_message(message)
}

pub(crate) fn no_such_distribution() -> ApiError {
    ErrorCode::NoSuchDistribution.with_message("The specified distribution does not exist.")
}
