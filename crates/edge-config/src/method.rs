//! The seven methods that a distribution can forward.

use serde::{Deserialize, Serialize};

/// A method that can be forwarded ("Request and response behavior for custom origins").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `OPTIONS`
    Options,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `POST`
    Post,
    /// `DELETE`
    Delete,
}

impl Method {
    /// All seven.
    pub const ALL: [Self; 7] =
        [Self::Get, Self::Head, Self::Options, Self::Put, Self::Patch, Self::Post, Self::Delete];

    /// The method's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    /// The method of that name; methods are case-sensitive (RFC 9110 section 9.1).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    /// Whether a repeated request has no further effect that its sender asked for, and no body: the
    /// only ones that an edge may send to an origin twice.
    pub fn may_be_retried(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

/// A set of methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Method>", into = "Vec<Method>")]
pub struct MethodSet(u8);

impl MethodSet {
    /// `GET` and `HEAD`.
    pub const READ_ONLY: Self = Self(0b11);
    /// All seven.
    pub const ALL: Self = Self(0b0111_1111);

    /// Whether the method is in the set.
    pub fn contains(self, method: Method) -> bool {
        self.0 & method.bit() != 0
    }
}

impl FromIterator<Method> for MethodSet {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        Self(methods.into_iter().fold(0, |bits, method| bits | method.bit()))
    }
}

impl From<Vec<Method>> for MethodSet {
    fn from(methods: Vec<Method>) -> Self {
        methods.into_iter().collect()
    }
}

impl From<MethodSet> for Vec<Method> {
    fn from(set: MethodSet) -> Self {
        Method::ALL.into_iter().filter(|method| set.contains(*method)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_sets_hold_what_they_say() {
        assert_eq!(Method::ALL.into_iter().collect::<MethodSet>(), MethodSet::ALL);
        assert_eq!([Method::Get, Method::Head].into_iter().collect::<MethodSet>(), MethodSet::READ_ONLY);
    }

    #[test]
    fn methods_are_case_sensitive() {
        assert_eq!(Method::from_name("POST"), Some(Method::Post));
        assert_eq!(Method::from_name("post"), None);
    }
}
