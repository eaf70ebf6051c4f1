//! A behavior and the names beside it: which headers, cookies or query strings.

use std::collections::BTreeSet;

use aws_api::ApiError;
use aws_api::cloudfront::ErrorCode;

use crate::errors::invalid_argument;
use crate::quotas::POLICY_NAMES_BYTES_MAX;
use crate::validate::header_names::is_token;

/// What the names name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Headers,
    Cookies,
    QueryStrings,
}

/// One of a policy's three selections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selection<'a> {
    pub(super) named: Named,
    /// The behavior as the API writes it.
    pub(super) behavior: &'a str,
    pub(super) names: &'a [String],
    /// The quota of names, and the error beyond.
    pub(super) quota: (usize, ErrorCode),
}

impl Named {
    fn list(self) -> &'static str {
        match self {
            Self::Headers => "Headers",
            Self::Cookies => "Cookies",
            Self::QueryStrings => "QueryStrings",
        }
    }

    pub(super) fn behavior(self) -> &'static str {
        match self {
            Self::Headers => "HeaderBehavior",
            Self::Cookies => "CookieBehavior",
            Self::QueryStrings => "QueryStringBehavior",
        }
    }

    /// `*` is a name like others: it stands for itself ("Understand cache policies").
    fn is_name(self, name: &str) -> bool {
        let is_without = |separators: &[u8]| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_graphic() && !separators.contains(&byte))
        };
        match self {
            Self::Headers => is_token(name),
            // Applications send more than the tokens of RFC 6265; these end a name for certain.
            Self::Cookies => is_without(b"=;,\""),
            Self::QueryStrings => is_without(b"=&?#"),
        }
    }

    /// Header names are one whatever their case (RFC 9110 section 5.1); others are not.
    fn folded(self, name: &str) -> String {
        if self == Self::Headers { name.to_ascii_lowercase() } else { name.to_owned() }
    }
}

impl Selection<'_> {
    /// Whether a list belongs to the behavior.
    fn needs_names(&self) -> bool {
        !matches!(self.behavior, "none" | "all" | "allViewer")
    }

    fn validate(&self) -> Result<(), ApiError> {
        let (behavior, list) = (self.named.behavior(), self.named.list());
        if self.names.is_empty() == self.needs_names() {
            let remedy = if self.needs_names() { "List at least one" } else { "Leave the list out" };
            return Err(invalid_argument(format!(
                "The parameter {list} does not go with {behavior} {}. {remedy}, or change the {behavior}.",
                self.behavior
            )));
        }
        let (most, code) = self.quota;
        if self.names.len() > most {
            return Err(code.with_message(format!(
                "The parameter {list} has more than {most} names. Remove some, or choose another {behavior}."
            )));
        }
        let mut seen = BTreeSet::new();
        for name in self.names {
            if !self.named.is_name(name) {
                return Err(invalid_argument(format!(
                    "The parameter {list} contains {name:?}, which is no name of one. Give names alone, without \
                     values, separators or spaces."
                )));
            }
            if !seen.insert(self.named.folded(name)) {
                return Err(invalid_argument(format!(
                    "The parameter {list} contains {name} twice. Remove one."
                )));
            }
        }
        Ok(())
    }
}

/// Checks each selection, and the length of all names ("Quotas").
pub(super) fn validate_selections(selections: &[Selection<'_>]) -> Result<(), ApiError> {
    selections.iter().try_for_each(Selection::validate)?;
    let bytes: usize = selections.iter().flat_map(|selection| selection.names).map(String::len).sum();
    if bytes <= POLICY_NAMES_BYTES_MAX {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "The names of Headers, Cookies and QueryStrings have more than {POLICY_NAMES_BYTES_MAX} characters in \
         all. Name fewer."
    )))
}

/// The error for a header that a policy may not list, with what to do about it.
pub(super) fn header_not_allowed(name: &str, remedy: &str) -> ApiError {
    invalid_argument(format!("The parameter Headers contains {name} that is not allowed. {remedy}"))
}
