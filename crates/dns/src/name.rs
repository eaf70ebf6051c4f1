//! Domain names as they are on the wire.

use std::fmt;

use crate::limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX};

/// Why a text is no domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Two dots in a row, or nothing at all.
    #[error("a domain name needs at least one character between its dots")]
    EmptyLabel,
    /// Longer than the DNS can carry.
    #[error(
        "a domain name has at most {NAME_BYTES_MAX} bytes on the wire, and {LABEL_BYTES_MAX} between dots"
    )]
    TooLong,
}

/// A domain name: labels, each behind its length, without the root's at the end; in lower case, so that
/// equal names have equal bytes (RFC 4343).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Name {
    wire: Vec<u8>,
}

impl Name {
    /// Parses a name; a trailing dot is dropped.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut name = Self::default();
        for label in text.strip_suffix('.').unwrap_or(text).split('.') {
            name.push(label.as_bytes())?;
        }
        Ok(name)
    }

    /// Adds a label at the end.
    pub(crate) fn push(&mut self, label: &[u8]) -> Result<(), NameError> {
        let length = u8::try_from(label.len()).map_err(|_| NameError::TooLong)?;
        if label.is_empty() {
            return Err(NameError::EmptyLabel);
        }
        // The root's length comes last.
        if label.len() > LABEL_BYTES_MAX || self.wire.len() + label.len() + 2 > NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        self.wire.push(length);
        self.wire.extend(label.iter().map(u8::to_ascii_lowercase));
        Ok(())
    }

    /// This name in a domain; none where that is too long.
    pub fn within(&self, domain: &Self) -> Option<Self> {
        let wire = [&self.wire[..], &domain.wire[..]].concat();
        (wire.len() < NAME_BYTES_MAX).then_some(Self { wire })
    }

    /// The dots in it.
    pub fn dots(&self) -> usize {
        self.labels().count().saturating_sub(1)
    }

    pub(crate) fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.wire[..];
        std::iter::from_fn(move || {
            let (length, behind) = rest.split_first()?;
            let (label, behind) = behind.split_at_checked(usize::from(*length))?;
            rest = behind;
            Some(label)
        })
    }

    /// Appends it to a message.
    pub(crate) fn write(&self, message: &mut Vec<u8>) {
        message.extend_from_slice(&self.wire);
        message.push(0);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, label) in self.labels().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(formatter, "{dot}{}", label.escape_ascii())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_and_trailing_dot() {
        let name = Name::parse("API.Example.org.").unwrap();
        assert_eq!(name, Name::parse("api.example.org").unwrap());
        assert_eq!(name.to_string(), "api.example.org");
        assert_eq!(name.dots(), 2);
    }

    #[test]
    fn a_name_is_as_long_as_the_wire_allows() {
        let label = "a".repeat(LABEL_BYTES_MAX);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        Name::parse(&longest).unwrap();
        assert_eq!(Name::parse(&format!("{longest}a")), Err(NameError::TooLong));
        assert_eq!(Name::parse(&"a".repeat(64)), Err(NameError::TooLong));
        assert_eq!(Name::parse("a..b"), Err(NameError::EmptyLabel));
        assert_eq!(Name::parse(""), Err(NameError::EmptyLabel));
    }

    #[test]
    fn a_name_in_a_domain() {
        let (name, domain) = (Name::parse("api").unwrap(), Name::parse("svc.cluster.local").unwrap());
        assert_eq!(name.within(&domain), Some(Name::parse("api.svc.cluster.local").unwrap()));
        let long = Name::parse(&vec!["a".repeat(60); 4].join(".")).unwrap();
        assert_eq!(long.within(&domain), None);
    }
}
