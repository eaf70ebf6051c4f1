//! The URL of the API that `mantlet up` puts behind a distribution.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;
use thiserror::Error;

/// A URL that can be an origin: a scheme, a host, a port and perhaps a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OriginUrl {
    /// Whether the origin speaks TLS.
    pub(crate) is_tls: bool,
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Empty, or begins with a slash and does not end with one.
    pub(crate) path: String,
}

/// Why a URL is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum OriginUrlError {
    #[error("it is not a URL; write http://HOST:PORT, as in http://127.0.0.1:3500")]
    Malformed,
    #[error("it must begin with http:// or https://, as in http://127.0.0.1:3500")]
    Scheme,
    #[error("it holds a user name; leave everything before the @ away")]
    UserInfo,
    #[error("it has a query, which an origin cannot have; leave everything from the ? on away")]
    Query,
    #[error("it has a fragment, which an origin cannot have; leave everything from the # on away")]
    Fragment,
}

impl FromStr for OriginUrl {
    type Err = OriginUrlError;

    fn from_str(text: &str) -> Result<Self, OriginUrlError> {
        if text.contains('#') {
            return Err(OriginUrlError::Fragment);
        }
        let url: Uri = text.parse().map_err(|_| OriginUrlError::Malformed)?;
        let is_tls = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(OriginUrlError::Scheme),
        };
        let authority = url.authority().ok_or(OriginUrlError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(OriginUrlError::UserInfo);
        }
        if url.query().is_some() {
            return Err(OriginUrlError::Query);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(OriginUrlError::Malformed);
        }
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, digits)) if !digits.ends_with(']') => {
                digits.parse().ok().filter(|port| *port != 0).ok_or(OriginUrlError::Malformed)?
            }
            _ if is_tls => 443,
            _ => 80,
        };
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(Self { is_tls, host: host.to_ascii_lowercase(), port, path })
    }
}

/// One form for all ways of writing the same origin.
impl fmt::Display for OriginUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        let Self { host, port, path, .. } = self;
        if host.contains(':') {
            return write!(formatter, "{scheme}://[{host}]:{port}{path}");
        }
        write!(formatter, "{scheme}://{host}:{port}{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, OriginUrlError>) {
        let parsed = text.parse::<OriginUrl>().map(|url| url.to_string());
        assert_eq!(parsed, expect.map(str::to_owned), "{text}");
    }

    #[test]
    fn urls_that_are_origins() {
        check("http://127.0.0.1:3500", Ok("http://127.0.0.1:3500"));
        check("http://127.0.0.1:3500/", Ok("http://127.0.0.1:3500"));
        check("http://API.internal", Ok("http://api.internal:80"));
        check("https://api.internal/v2/", Ok("https://api.internal:443/v2"));
        check("http://[::1]:3500", Ok("http://[::1]:3500"));
        check("http://[::1]", Ok("http://[::1]:80"));
    }

    #[test]
    fn urls_that_are_none() {
        use OriginUrlError::{Fragment, Malformed, Query, Scheme, UserInfo};
        check("127.0.0.1:3500", Err(Scheme));
        check("localhost", Err(Scheme));
        check("ftp://localhost", Err(Scheme));
        check("http://me:secret@localhost", Err(UserInfo));
        check("http://localhost/?a=b", Err(Query));
        check("http://localhost/#a", Err(Fragment));
        check("http://", Err(Malformed));
        check("http://localhost:", Err(Malformed));
        check("http://localhost:0", Err(Malformed));
        check("http://localhost:65536", Err(Malformed));
        check("not a url", Err(Malformed));
    }
}
