//! The URL that is asked about, taken apart and not repaired: what is wrong with it is for the edge to say.

use std::str::FromStr;

use behavior::Scheme;
use thiserror::Error;

/// A URL, as a viewer sends its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AskedUrl {
    pub(crate) scheme: Scheme,
    /// The host, and the port if there is one.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) target: String,
}

/// Why a URL cannot be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum AskedUrlError {
    #[error("it must begin with https:// or http://, as in https://api.example.com/orders?page=2")]
    Scheme,
    #[error("it names no host")]
    Host,
    #[error("it holds a user name, which no viewer sends as part of a URL; give -H 'Authorization: …'")]
    UserInfo,
    #[error("it holds a line's end, or a character that no URL has; write it as %0A")]
    ControlCharacter,
}

impl FromStr for AskedUrl {
    type Err = AskedUrlError;

    fn from_str(text: &str) -> Result<Self, AskedUrlError> {
        if text.chars().any(char::is_control) {
            return Err(AskedUrlError::ControlCharacter);
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            _ => return Err(AskedUrlError::Scheme),
        };
        // A fragment stays with whoever reads the page.
        let rest = rest.split('#').next().unwrap_or(rest);
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(AskedUrlError::UserInfo);
        }
        if authority.is_empty() {
            return Err(AskedUrlError::Host);
        }
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { scheme, authority: authority.to_owned(), target })
    }
}

impl AskedUrl {
    /// The port of HTTPS, as far as the URL tells.
    pub(crate) fn https_port(&self) -> u16 {
        let port = self.authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        port.filter(|_| self.scheme == Scheme::Https).unwrap_or(443)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<(Scheme, &str, &str), AskedUrlError>) {
        let url = text.parse::<AskedUrl>();
        let parts = url.as_ref().map(|url| (url.scheme, url.authority.as_str(), url.target.as_str()));
        assert_eq!(parts.map_err(|fault| *fault), expect, "{text}");
    }

    #[test]
    fn a_url_is_taken_apart_and_not_repaired() {
        check("https://a.test", Ok((Scheme::Https, "a.test", "/")));
        check("HTTP://a.test:8080?b=c", Ok((Scheme::Http, "a.test:8080", "/?b=c")));
        check("https://[::1]:1/x/../%2e?a=b#c", Ok((Scheme::Https, "[::1]:1", "/x/../%2e?a=b")));
        check("https://a.test/ü b", Ok((Scheme::Https, "a.test", "/ü b")));
    }

    #[test]
    fn what_is_no_url_is_refused_by_name() {
        check("a.test/x", Err(AskedUrlError::Scheme));
        check("ftp://a.test", Err(AskedUrlError::Scheme));
        check("https:///x", Err(AskedUrlError::Host));
        check("https://me:secret@a.test/", Err(AskedUrlError::UserInfo));
        check("https://a.test/\r\nX: y", Err(AskedUrlError::ControlCharacter));
    }
}
