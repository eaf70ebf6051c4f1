//! Query strings and forms: parameters in the order of their sending.

use percent_encoding::percent_decode_str;

use crate::ApiError;
use crate::limits::{QUERY_BYTES_MAX, QUERY_PARAMETERS_MAX};

/// The parameters of a query string or of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
}

impl Parameters {
    /// The parameters of a query string, where `+` is a plus (RFC 3986).
    pub fn from_query(query: &str) -> Result<Self, ApiError> {
        Self::parse(query, decode)
    }

    /// The parameters of a form, where `+` is a space.
    pub fn from_form(form: &str) -> Result<Self, ApiError> {
        Self::parse(form, |text| decode(&text.replace('+', " ")))
    }

    /// The value of the parameter; empty for a bare flag. One that stands twice has no single value.
    pub fn get(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values =
            self.pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(ApiError::malformed_input("A query parameter is given twice.")),
            (value, _) => Ok(value),
        }
    }

    /// Whether the parameter is there, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        self.pairs.iter().any(|(known, _)| known == name)
    }

    /// The parameters' names, in the order of their sending.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_str())
    }

    fn parse(text: &str, decode: impl Fn(&str) -> Option<String>) -> Result<Self, ApiError> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(ApiError::malformed_input("The query is too long."));
        }
        let mut pairs = Vec::new();
        for parameter in text.split('&').filter(|parameter| !parameter.is_empty()) {
            if pairs.len() >= QUERY_PARAMETERS_MAX {
                return Err(ApiError::malformed_input("The query has too many parameters."));
            }
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match (decode(name), decode(value)) {
                (Some(name), Some(value)) => pairs.push((name, value)),
                _ => {
                    return Err(ApiError::malformed_input("A query parameter is not percent-encoded UTF-8."));
                }
            }
        }
        Ok(Self { pairs })
    }
}

/// Percent-decodes to UTF-8 without control characters; a `%` that begins no escape is refused.
pub(crate) fn decode(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    let escapes_are_whole = text.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        digits.next().is_some_and(|digit| digit.is_ascii_hexdigit())
            && digits.next().is_some_and(|digit| digit.is_ascii_hexdigit())
    });
    (escapes_are_whole && !decoded.contains(char::is_control)).then(|| decoded.into_owned())
}
