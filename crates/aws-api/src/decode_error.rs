//! Why a document could not be decoded, and where in it.

use std::fmt;

use crate::ApiError;
use crate::operation::Protocol;

/// A document, or a part of a request, that is not what the model says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    fault: Fault,
    /// The names of the members around the fault, innermost first.
    path: Vec<String>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes are not a document of the format.
    #[error("{0}")]
    Syntax(&'static str),
    /// A limit is exceeded.
    #[error("{0}")]
    Limit(&'static str),
    /// A required member is absent.
    #[error("the member is required")]
    Missing,
    /// A member stands twice in one structure.
    #[error("the member is given twice")]
    Repeated,
    /// A value of another type.
    #[error("the value is not {0}")]
    WrongType(&'static str),
    /// A string that is none of an enumeration's values.
    #[error("the value is not one of those that are permitted")]
    UnknownValue,
}

impl DecodeError {
    /// What is wrong.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// The same error inside a member.
    pub(crate) fn inside(mut self, member: impl Into<String>) -> Self {
        self.path.push(member.into());
        self
    }

    /// The path of the member, such as `DistributionConfig.Origins.Items[0].Id`; empty for the whole document.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for name in self.path.iter().rev() {
            if !path.is_empty() && !name.starts_with('[') {
                path.push('.');
            }
            path.push_str(name);
        }
        path
    }

    /// The error as each kind of service names it.
    pub(crate) fn into_api_error(self, protocol: Protocol) -> ApiError {
        let message = self.to_string();
        match (protocol, self.fault) {
            (Protocol::Json, Fault::Missing | Fault::UnknownValue) => {
                ApiError::new("ValidationException", 400, format!("1 validation error detected: {message}"))
            }
            (Protocol::Json, _) => ApiError::new("SerializationException", 400, message),
            (Protocol::RestXml | Protocol::Query, _) => ApiError::malformed_input(message),
        }
    }
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        Self { fault, path: Vec::new() }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(formatter, "{}.", self.fault)
        } else {
            write!(formatter, "{}: {}.", self.path(), self.fault)
        }
    }
}

impl std::error::Error for DecodeError {}
