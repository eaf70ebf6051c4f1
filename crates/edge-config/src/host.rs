//! Host names, normalised once so that they can be compared byte by byte ever after.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest host name, without a trailing dot (RFC 1035 section 2.3.4).
pub(crate) const HOST_NAME_BYTES_MAX: usize = 253;
/// The longest label (RFC 1035 section 2.3.4).
pub(crate) const LABEL_BYTES_MAX: usize = 63;

/// Why a text is not a host name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostNameError {
    /// Nothing there, or an empty label.
    #[error("a host name needs at least one character between its dots")]
    EmptyLabel,
    /// Longer than the DNS can carry.
    #[error("a host name has at most {HOST_NAME_BYTES_MAX} characters and {LABEL_BYTES_MAX} between dots")]
    TooLong,
    /// Something other than letters, digits, hyphens and underscores.
    #[error("a host name has only ASCII letters, digits, hyphens and dots (write other scripts as punycode)")]
    InvalidCharacter,
    /// `-a` or `a-`.
    #[error("no part of a host name begins or ends with a hyphen")]
    HyphenAtEdge,
}

/// A host name: lower case, no trailing dot, only characters that the DNS can carry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(Arc<str>);

impl HostName {
    /// Parses and normalises a host name. A single trailing dot is dropped.
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.len() > HOST_NAME_BYTES_MAX {
            return Err(HostNameError::TooLong);
        }
        name.split('.').try_for_each(check_label)?;
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_label(label: &str) -> Result<(), HostNameError> {
    if label.is_empty() {
        return Err(HostNameError::EmptyLabel);
    }
    if label.len() > LABEL_BYTES_MAX {
        return Err(HostNameError::TooLong);
    }
    // Underscores are no host names by RFC 952, but container networks are full of them.
    if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Err(HostNameError::InvalidCharacter);
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(HostNameError::HyphenAtEdge);
    }
    Ok(())
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HostName {
    type Error = HostNameError;

    fn try_from(text: String) -> Result<Self, HostNameError> {
        Self::parse(&text)
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0.to_string()
    }
}

/// An alternate domain name: a host name, or `*.` and a host name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AliasName(Arc<str>);

impl AliasName {
    /// Parses an alias; the wildcard may only be the whole first label.
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        match text.strip_prefix("*.") {
            Some(parent) => HostName::parse(parent).map(|parent| Self(format!("*.{parent}").into())),
            None => HostName::parse(text).map(|name| Self(name.0)),
        }
    }

    /// The alias as it is looked up.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<HostName> for AliasName {
    fn from(name: HostName) -> Self {
        Self(name.0)
    }
}

impl Borrow<str> for AliasName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for AliasName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl TryFrom<String> for AliasName {
    type Error = HostNameError;

    fn try_from(text: String) -> Result<Self, HostNameError> {
        Self::parse(&text)
    }
}

impl From<AliasName> for String {
    fn from(name: AliasName) -> Self {
        name.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &Result<&str, HostNameError>) {
        assert_eq!(
            HostName::parse(text).as_ref().map(HostName::as_str),
            expect.as_ref().copied(),
            "{text:?}"
        );
    }

    #[test]
    fn host_names_are_lower_case_without_a_trailing_dot() {
        check("API.Example.COM", &Ok("api.example.com"));
        check("example.com.", &Ok("example.com"));
        check("backend_1", &Ok("backend_1"));
    }

    #[test]
    fn what_the_dns_cannot_carry_is_refused() {
        check("", &Err(HostNameError::EmptyLabel));
        check("a..b", &Err(HostNameError::EmptyLabel));
        check("a b", &Err(HostNameError::InvalidCharacter));
        check("exämple.com", &Err(HostNameError::InvalidCharacter));
        check("-a.com", &Err(HostNameError::HyphenAtEdge));
        check(&"a".repeat(64), &Err(HostNameError::TooLong));
        check(&["a"; 128].join("."), &Err(HostNameError::TooLong));
    }

    #[test]
    fn a_wildcard_is_the_whole_first_label_of_an_alias() {
        assert_eq!(AliasName::parse("*.Example.com").as_ref().map(AliasName::as_str), Ok("*.example.com"));
        assert_eq!(AliasName::parse("a*.example.com"), Err(HostNameError::InvalidCharacter));
        assert_eq!(AliasName::parse("*"), Err(HostNameError::InvalidCharacter));
    }
}
