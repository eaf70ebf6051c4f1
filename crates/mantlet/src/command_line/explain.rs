//! `mantlet explain`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::DataDirFlag;
use super::value::{header, viewer};

#[derive(Debug, Args)]
#[command(after_long_help = EXPLAIN_EXAMPLES)]
pub(crate) struct ExplainFlags {
    /// The URL as a viewer has it: https://HOST[:PORT]/PATH[?QUERY]. Its path is not tidied up.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// The method; GET unless given, POST with --data
    #[arg(short = 'X', long = "method", value_name = "METHOD")]
    pub(crate) given_method: Option<String>,
    /// A header that the viewer sends. Repeat it for several.
    ///
    /// None is added to those given but Host and, with --data, Content-Length.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// The file that the viewer sends as the body. Only its size is looked at.
    #[arg(short = 'd', long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// From where the viewer connects: ADDRESS or ADDRESS:PORT
    #[arg(long, visible_alias = "viewer-address", value_name = "ADDR", default_value = "192.0.2.1:50000", value_parser = viewer)]
    pub(crate) from: SocketAddr,
    /// The name in the viewer's TLS handshake; the URL's host unless given, none where it is empty
    #[arg(long, value_name = "NAME")]
    pub(crate) tls_server_name: Option<String>,
    /// A database of addresses (.mmdb), as `mantlet run` has it: it tells where the viewer is. Repeat it for several.
    #[arg(long, value_name = "FILE", env = "MANTLET_GEO_DATABASE", value_delimiter = ',')]
    pub(crate) geo_database: Vec<PathBuf>,
    /// The version of HTTP that the viewer speaks
    #[arg(long, value_enum, default_value_t = AskedHttpVersion::Http11)]
    pub(crate) http_version: AskedHttpVersion,
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,
    /// Print the decisions as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl ExplainFlags {
    /// The method, as curl chooses it.
    pub(crate) fn method(&self) -> &str {
        let unless_given = if self.data.is_some() { "POST" } else { "GET" };
        self.given_method.as_deref().unwrap_or(unless_given)
    }
}

const EXPLAIN_EXAMPLES: &str = "\
It needs no running process and connects to nobody: the functions of the edge are asked about the stored configuration.
What TLS offers, which distribution and cache behavior, whether the edge answers by itself and why, and otherwise every
header that the origin gets (and the second origin of a group), with what decides on it: a policy, an origin custom
header, the edge. Whatever the viewer sends and the origin does not get is listed too, and so is what the viewer gets of
an empty answer, and which errors custom error pages replace. <request-id>, <edge>, <location> and <date> stand for what
differs each time.

Examples:
  mantlet explain https://api.example.com/orders?page=2
  mantlet explain https://api.example.com/orders -X DELETE -H 'Authorization: Bearer x' -H 'Cookie: a=1'
  mantlet explain https://api.example.com/upload -d picture.jpg --http-version 2
  mantlet explain https://api.example.com/ --tls-server-name www.example.com
  mantlet explain https://api.example.com/ --viewer-address 81.2.69.142 --geo-database GeoLite2-Country.mmdb
  mantlet explain http://api.example.com/x/../admin --json | jq .outcome";

/// A version of HTTP that a viewer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AskedHttpVersion {
    #[value(name = "1.0")]
    Http10,
    #[value(name = "1.1")]
    Http11,
    #[value(name = "2")]
    Http2,
    #[value(name = "3")]
    Http3,
}

impl From<AskedHttpVersion> for behavior::HttpVersion {
    fn from(version: AskedHttpVersion) -> Self {
        match version {
            AskedHttpVersion::Http10 => Self::Http10,
            AskedHttpVersion::Http11 => Self::Http11,
            AskedHttpVersion::Http2 => Self::Http2,
            AskedHttpVersion::Http3 => Self::Http3,
        }
    }
}
