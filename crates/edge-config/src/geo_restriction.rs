//! From which countries a distribution is served.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is no country code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a country is two capital letters of ISO 3166-1")]
pub struct CountryCodeError;

/// A country, by its two letters (ISO 3166-1 alpha-2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CountryCode([u8; 2]);

impl CountryCode {
    /// Parses two capital letters. Whether there is such a country is for databases to know.
    pub fn parse(text: &str) -> Result<Self, CountryCodeError> {
        match text.as_bytes() {
            &[first @ b'A'..=b'Z', second @ b'A'..=b'Z'] => Ok(Self([first, second])),
            _ => Err(CountryCodeError),
        }
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for CountryCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl TryFrom<String> for CountryCode {
    type Error = CountryCodeError;

    fn try_from(text: String) -> Result<Self, CountryCodeError> {
        Self::parse(&text)
    }
}

impl From<CountryCode> for String {
    fn from(code: CountryCode) -> Self {
        code.as_str().to_owned()
    }
}

/// From where viewers are served ("Restrict the geographic distribution of your content").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GeoRestriction {
    /// From these countries alone.
    Only(Vec<CountryCode>),
    /// From everywhere but these countries.
    AllExcept(Vec<CountryCode>),
}

impl GeoRestriction {
    /// Whether a viewer in that country is served. One whose country is not known is served ("If
    /// CloudFront can't determine a user's location, CloudFront serves the content", the same page).
    pub fn admits(&self, country: Option<CountryCode>) -> bool {
        let Some(country) = country else { return true };
        match self {
            Self::Only(countries) => countries.contains(&country),
            Self::AllExcept(countries) => !countries.contains(&country),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(code: &str) -> CountryCode {
        CountryCode::parse(code).unwrap()
    }

    #[test]
    fn a_country_is_two_capital_letters() {
        assert_eq!(country("LI").as_str(), "LI");
        for wrong in ["", "L", "li", "LIE", "L1", "ÄÖ"] {
            assert_eq!(CountryCode::parse(wrong), Err(CountryCodeError), "{wrong}");
        }
    }

    #[test]
    fn a14_a_restriction_admits_by_country_and_whoever_cannot_be_located() {
        let only = GeoRestriction::Only(vec![country("LI"), country("CH")]);
        let all_except = GeoRestriction::AllExcept(vec![country("LI"), country("CH")]);
        for (code, is_admitted) in
            [(Some("CH"), [true, false]), (Some("MC"), [false, true]), (None, [true; 2])]
        {
            let code = code.map(country);
            assert_eq!([only.admits(code), all_except.admits(code)], is_admitted, "{code:?}");
        }
    }
}
