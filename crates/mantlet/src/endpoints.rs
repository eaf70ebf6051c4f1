//! `DIR/endpoints.json`: where a running process can be reached. Its presence says that everything is ready.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result};
use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize};

use crate::durable::{self, Audience, read_text, replace_file};

/// The addresses that a process listens on. A second listener of the same sort is not listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    /// The AWS API.
    pub(crate) api: SocketAddr,
    /// Viewers, without TLS.
    pub(crate) http: SocketAddr,
    /// Viewers, with TLS.
    pub(crate) https: SocketAddr,
    /// How clients of the API name it, where that is not plain HTTP at its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api_url: Option<String>,
    /// Whether viewers meet a certificate that was given, not one of `ca.pem`'s.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) certificate_given: bool,
}

impl Endpoints {
    /// Those of the process that left them in the file at `path`; `None` if there is no such file.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>> {
        let Some(text) = read_text(path)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).with_context(|| {
            format!("{} is damaged; restart the mantlet process that wrote it", path.display())
        })
    }

    /// Tells everybody that the process is ready, until the result is dropped.
    pub(crate) fn publish(&self, path: &Path) -> Result<Published> {
        let mut text = serde_json::to_string(self)?;
        text.push('\n');
        replace_file(path, text.as_bytes(), Audience::Everybody)?;
        Ok(Published { path: path.to_owned() })
    }

    /// The API's address as a URL that a client on this machine can use.
    pub(crate) fn api_url(&self) -> String {
        self.api_url.clone().unwrap_or_else(|| format!("http://{}", reachable(self.api)))
    }
}

impl Endpoints {
    /// The name or address by which the API's certificate is verified, where it has one.
    pub(crate) fn api_host(&self) -> Option<ServerName<'static>> {
        let authority = self.api_url.as_deref()?.strip_prefix("https://")?;
        let (host, _port) = authority.rsplit_once(':')?;
        ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).ok()
    }
}

/// The addresses are told as long as this lives.
#[derive(Debug)]
pub(crate) struct Published {
    path: std::path::PathBuf,
}

impl Drop for Published {
    fn drop(&mut self) {
        if let Err(error) = durable::remove_file(&self.path) {
            tracing::warn!(error = format!("{error:#}"), "Cannot remove the addresses of this process");
        }
    }
}

/// The address by which this machine reaches a listener: loopback for one that listens everywhere.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Endpoints {
        Endpoints {
            api: "127.0.0.1:9000".parse().unwrap(),
            http: "127.0.0.1:8080".parse().unwrap(),
            https: "0.0.0.0:8443".parse().unwrap(),
            api_url: None,
            certificate_given: false,
        }
    }

    #[test]
    fn they_are_told_until_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("endpoints.json");
        let published = example().publish(&path).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"api\":\"127.0.0.1:9000\",\"http\":\"127.0.0.1:8080\",\"https\":\"0.0.0.0:8443\"}\n"
        );
        assert_eq!(Endpoints::load(&path).unwrap(), Some(example()));
        drop(published);
        assert_eq!(Endpoints::load(&path).unwrap(), None);
    }

    #[test]
    fn a_listener_everywhere_is_reached_on_loopback() {
        assert_eq!(reachable("0.0.0.0:1".parse().unwrap()), "127.0.0.1:1".parse().unwrap());
        assert_eq!(reachable("[::]:1".parse().unwrap()), "[::1]:1".parse().unwrap());
        assert_eq!(reachable("192.0.2.1:1".parse().unwrap()), "192.0.2.1:1".parse().unwrap());
        assert_eq!(example().api_url(), "http://127.0.0.1:9000");
    }

    #[test]
    fn the_api_is_verified_by_the_host_of_its_url() {
        let host = |url: &str| {
            let endpoints = Endpoints { api_url: Some(url.to_owned()), ..example() };
            endpoints.api_host().map(|host| host.to_str().into_owned())
        };
        assert_eq!(host("https://api.example.org:9000").as_deref(), Some("api.example.org"));
        assert_eq!(host("https://[2001:db8::1]:9000").as_deref(), Some("2001:db8::1"));
        assert_eq!(example().api_host(), None);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("endpoints.json");
        std::fs::write(&path, "{").unwrap();
        assert!(Endpoints::load(&path).unwrap_err().to_string().contains("endpoints.json is damaged"));
    }
}
