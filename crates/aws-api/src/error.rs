//! Errors as the API tells them: a code, a status and a message, in the envelope of each protocol.

mod envelope;

/// An error that an operation answers with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The code that clients switch on.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// One line for a human, without secrets.
    pub message: String,
}

impl ApiError {
    /// An error with a code that no model lists. Where one does, use `ErrorCode::….with_message(…)`.
    pub fn new(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into() }
    }

    /// The request's document cannot be understood.
    pub fn malformed_input(message: impl Into<String>) -> Self {
        Self::new("MalformedInput", 400, message)
    }

    /// The request's body is larger than any honest one.
    pub fn request_too_large() -> Self {
        Self::new("RequestTooLarge", 413, "The request body is too large.")
    }

    /// Nothing answers to this method and path, target or action.
    pub fn unknown_operation(status: u16) -> Self {
        Self::new("UnknownOperationException", status, "The request matches no operation.")
    }

    /// The operation exists in the API and is not implemented here.
    pub fn not_implemented(operation: &str) -> Self {
        Self::new("NotImplemented", 501, format!("The operation {operation} is not implemented."))
    }

    /// Something broke that is not the caller's fault. The reason belongs in the log, not in the answer.
    pub fn internal() -> Self {
        Self::new("InternalFailure", 500, "The request could not be completed because of an internal error.")
    }
}

/// Writes a service's modelled error codes with their statuses.
macro_rules! error_codes {
    ($($name:ident = $status:literal,)*) => {
        /// The errors that the service's model names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $($name,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the names.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code on the wire.
            pub const fn as_str(self) -> &'static str {
                const NAMES: &[&str] = &[$(stringify!($name),)*];
                NAMES[self as usize]
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                const STATUSES: &[u16] = &[$($status,)*];
                STATUSES[self as usize]
            }

            /// The error with a line for a human.
            pub fn with_message(self, message: impl Into<String>) -> $crate::ApiError {
                $crate::ApiError::new(self.as_str(), self.status(), message)
            }
        }
    };
}
pub(crate) use error_codes;
