//! Path patterns: which cache behavior a path belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::matches_wildcards;

/// The longest pattern ("Cache behavior settings": 255 characters).
pub(crate) const PATH_PATTERN_BYTES_MAX: usize = 255;

/// Why a text is not a path pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathPatternError {
    /// Nothing there.
    #[error("a path pattern has at least one character")]
    Empty,
    /// Longer than CloudFront allows.
    #[error("a path pattern has at most {PATH_PATTERN_BYTES_MAX} characters")]
    TooLong,
    /// A character outside of those CloudFront allows.
    #[error("a path pattern has only letters, digits, and _ - . * $ / ~ \" ' @ : + & ?, but not {0:?}")]
    InvalidCharacter(char),
}

/// A pattern over the path: `*` is any text, slashes included, `?` is any one character; matching
/// is case-sensitive and ignores the query ("Cache behavior settings", Path pattern).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern {
    /// Without the optional leading slash.
    pattern: String,
}

impl PathPattern {
    /// Parses a pattern; the leading slash is optional.
    pub fn parse(text: &str) -> Result<Self, PathPatternError> {
        if text.is_empty() {
            return Err(PathPatternError::Empty);
        }
        if text.len() > PATH_PATTERN_BYTES_MAX {
            return Err(PathPatternError::TooLong);
        }
        match text.chars().find(|&character| !is_allowed(character)) {
            Some(character) => Err(PathPatternError::InvalidCharacter(character)),
            None => Ok(Self { pattern: text.strip_prefix('/').unwrap_or(text).to_owned() }),
        }
    }

    /// Whether a normalised path, with its leading slash, matches.
    pub fn matches(&self, path: &str) -> bool {
        matches_wildcards(&self.pattern, path.strip_prefix('/').unwrap_or(path))
    }

    /// The pattern without its optional leading slash.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }
}

/// The characters of "Cache behavior settings", Path pattern.
fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_-.*$/~\"'@:+&?".contains(character)
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.pattern, formatter)
    }
}

impl TryFrom<String> for PathPattern {
    type Error = PathPatternError;

    fn try_from(text: String) -> Result<Self, PathPatternError> {
        Self::parse(&text)
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, path: &str, expect: bool) {
        let parsed = PathPattern::parse(pattern).unwrap();
        assert_eq!(parsed.matches(path), expect, "{pattern} against {path}");
    }

    #[test]
    fn a_star_crosses_slashes_and_a_question_mark_is_one_character() {
        check("images/*.jpg", "/images/a/b.jpg", true);
        check("/images/*", "/images/", true);
        check("a??.gif", "/ab.gif", false);
        check("a??.gif", "/abc.gif", true);
        check("*", "/", true);
        check("*.php", "/x.php.bak", false);
        check("a*b*c", "/axxbyybzc", true);
    }

    #[test]
    fn matching_is_case_sensitive_and_the_leading_slash_is_optional() {
        check("/API/*", "/api/x", false);
        check("api/x", "/api/x", true);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert_eq!(PathPattern::parse(""), Err(PathPatternError::Empty));
        assert_eq!(PathPattern::parse(&"a".repeat(256)), Err(PathPatternError::TooLong));
        assert_eq!(PathPattern::parse("/a b"), Err(PathPatternError::InvalidCharacter(' ')));
    }
}
