//! `mantlet run` and `mantlet up`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use edge::limits::ADDRESS_CONNECTIONS_MAX;
use ipnet::IpNet;

use super::DataDirFlag;
use super::value::{address, bytes, duration, name_server, network};
use crate::limits::DRAIN_LIMIT;

#[derive(Debug, Args)]
#[command(after_long_help = RUN_EXAMPLES)]
pub(crate) struct RunFlags {
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,

    /// Where viewers connect without TLS. Port 0 picks a free one, here and below.
    ///
    /// A socket that systemd passes under the name http, https or api takes the place of the address of that flag.
    #[arg(long, value_name = "ADDR", env = "MANTLET_HTTP", default_value = "127.0.0.1:8080", value_parser = address)]
    pub(crate) http: SocketAddr,

    /// Where viewers connect with TLS.
    #[arg(long, value_name = "ADDR", env = "MANTLET_HTTPS", default_value = "127.0.0.1:8443", value_parser = address)]
    pub(crate) https: SocketAddr,

    /// Whether viewers with TLS may speak HTTP/3, by UDP on the port of --https.
    ///
    /// They do where the HttpVersion of a distribution says so. `off` leaves the UDP port to others.
    #[arg(long, value_enum, env = "MANTLET_HTTP3", default_value_t = SwitchFlag::On)]
    pub(crate) http3: SwitchFlag,

    /// Where AWS clients connect; also /healthz and /metrics.
    ///
    /// On any address but loopback it needs --api-certificate and --api-key.
    #[arg(long, value_name = "ADDR", env = "MANTLET_API", default_value = "127.0.0.1:9000", value_parser = address)]
    pub(crate) api: SocketAddr,

    /// The certificate chain (PEM) with which the API speaks TLS.
    ///
    /// Files that were replaced are taken while running, here and below: within seconds, or at once on SIGHUP.
    #[arg(long, value_name = "FILE", env = "MANTLET_API_CERTIFICATE", requires = "api_key")]
    pub(crate) api_certificate: Option<PathBuf>,

    /// The private key (PEM) of --api-certificate.
    #[arg(long, value_name = "FILE", env = "MANTLET_API_KEY", requires = "api_certificate")]
    pub(crate) api_key: Option<PathBuf>,

    /// What the domain names of distributions end in.
    #[arg(long, value_name = "SUFFIX", env = "MANTLET_DOMAIN_SUFFIX", default_value = "mantlet.localhost")]
    pub(crate) domain_suffix: String,

    /// A certificate chain (PEM) for *.SUFFIX, instead of one of the local certificate authority.
    #[arg(long, value_name = "FILE", env = "MANTLET_SUFFIX_CERTIFICATE", requires = "suffix_key")]
    pub(crate) suffix_certificate: Option<PathBuf>,

    /// The private key (PEM) of --suffix-certificate.
    #[arg(long, value_name = "FILE", env = "MANTLET_SUFFIX_KEY", requires = "suffix_certificate")]
    pub(crate) suffix_key: Option<PathBuf>,

    /// The AWS account that everything belongs to: 12 digits.
    #[arg(long, value_name = "N", env = "MANTLET_ACCOUNT_ID", default_value = "000000000000")]
    pub(crate) account_id: String,

    /// How requests to the API prove who they are from. `none` starts only on loopback.
    #[arg(long, value_enum, env = "MANTLET_AUTH", default_value_t = AuthFlag::Sigv4)]
    pub(crate) auth: AuthFlag,

    /// Edge threads; one for each core unless given.
    #[arg(long, value_name = "N", env = "MANTLET_EDGE_THREADS")]
    pub(crate) edge_threads: Option<usize>,

    /// Connections that one viewer address may have, for IPv6 one /64; 0 for any number.
    ///
    /// Beyond it new ones are closed at once. Give 0 where viewers come through a proxy that does not name them (see
    /// --proxy-protocol-from), since they all share its address then.
    #[arg(long, value_name = "N", env = "MANTLET_ADDRESS_CONNECTIONS_MAX", default_value_t = ADDRESS_CONNECTIONS_MAX)]
    pub(crate) address_connections_max: usize,

    /// A network of proxies whose connections begin with the PROXY protocol's header, version 1 or 2. Repeat it for several.
    ///
    /// The viewer is whom the header names: for limits, geo restriction, headers and the log. From these networks every
    /// TCP connection of viewers must have a header, from others none may.
    #[arg(long, value_name = "CIDR", env = "MANTLET_PROXY_PROTOCOL_FROM", value_delimiter = ',', value_parser = network)]
    pub(crate) proxy_protocol_from: Vec<IpNet>,

    /// What connections of viewers may hold in memory: 512MiB, 2GiB; half of the machine's or the cgroup's unless given.
    ///
    /// Beyond it new connections are closed at once, and new HTTP/2 streams answered with 503.
    #[arg(long, value_name = "BYTES", env = "MANTLET_MEMORY_MAX", value_parser = bytes)]
    pub(crate) memory_max: Option<usize>,

    /// Where the access log goes: a file, `stdout` or `none`; access.log in the data directory unless given.
    #[arg(long, value_name = "FILE|stdout|none", env = "MANTLET_ACCESS_LOG")]
    pub(crate) access_log: Option<String>,

    /// How the access log is written: CloudFront's standard log file format, or the same fields as JSON.
    #[arg(long, value_enum, env = "MANTLET_ACCESS_LOG_FORMAT", default_value_t = AccessLogFormat::W3c)]
    pub(crate) access_log_format: AccessLogFormat,

    /// A loopback or private network that origins may be in. Repeat it for several.
    ///
    /// While the API listens on loopback, all of them are allowed. Link-local and cloud metadata addresses and this
    /// process's own listeners are refused always.
    #[arg(long, value_name = "CIDR", env = "MANTLET_ORIGIN_ALLOW", value_delimiter = ',', value_parser = network)]
    pub(crate) origin_allow: Vec<IpNet>,

    /// Certificates (PEM) of authorities that may vouch for HTTPS origins, besides those that this machine trusts.
    #[arg(long, value_name = "FILE", env = "MANTLET_ORIGIN_CA")]
    pub(crate) origin_ca: Option<PathBuf>,

    /// A name server that is asked for origins' names, instead of those of /etc/resolv.conf. Repeat it for several.
    ///
    /// Names are then asked for as they are, without a search list. /etc/hosts holds either way.
    #[arg(long, value_name = "ADDR[:PORT]", env = "MANTLET_RESOLVER", value_delimiter = ',', value_parser = name_server)]
    pub(crate) resolver: Vec<SocketAddr>,

    /// A database of addresses (.mmdb, as of GeoLite2 or DB-IP): countries, cities or ASNs. Repeat it for several.
    ///
    /// It enforces geo restrictions and fills the CloudFront-Viewer-Country, -City, -ASN … headers. SIGHUP reads it again.
    #[arg(long, value_name = "FILE", env = "MANTLET_GEO_DATABASE", value_delimiter = ',')]
    pub(crate) geo_database: Vec<PathBuf>,

    /// Accept settings that restrict access and are not enforced yet, instead of refusing them.
    #[arg(long, env = "MANTLET_ACCEPT_UNENFORCED")]
    pub(crate) accept_unenforced: bool,

    /// Quotas other than AWS's: a JSON file, such as {"cache-policies": 50, "distributions": 1000}.
    ///
    /// docs/limits.md lists them all.
    #[arg(long, value_name = "FILE", env = "MANTLET_QUOTAS")]
    pub(crate) quotas: Option<PathBuf>,

    /// How long SIGTERM waits for requests in flight: 30s, 500ms, 2m.
    #[arg(long, value_name = "DURATION", env = "MANTLET_DRAIN_LIMIT", default_value = DRAIN_LIMIT, value_parser = duration)]
    pub(crate) drain_limit: Duration,

    /// The key that seals private keys at rest; sealing.key in the data directory unless given.
    ///
    /// Kept elsewhere, a copy or a backup of the data directory reveals no private key.
    #[arg(long, value_name = "FILE", env = "MANTLET_SEALING_KEY_FILE")]
    pub(crate) sealing_key_file: Option<PathBuf>,
}

const RUN_EXAMPLES: &str = "\
Examples:
  On this machine, with AWS clients of another shell:
    mantlet run
    eval \"$(mantlet env)\" && aws cloudfront list-distributions

  On a server, for the names *.shield.example.org:
    mantlet run --data-dir /var/lib/mantlet --http 0.0.0.0:80 --https 0.0.0.0:443 \\
      --domain-suffix shield.example.org --suffix-certificate chain.pem --suffix-key key.pem \\
      --origin-allow 10.0.0.0/8

  With an API that other machines can reach:
    mantlet run --api 0.0.0.0:9000 --api-certificate api.pem --api-key api.key";

#[derive(Debug, Args)]
#[command(after_long_help = UP_EXAMPLES)]
pub(crate) struct UpFlags {
    /// The API to put behind a distribution: http://HOST[:PORT][/PATH], HOST a name or an IP address.
    #[arg(value_name = "URL")]
    pub(crate) origin: String,
    #[command(flatten)]
    pub(crate) run: RunFlags,
}

const UP_EXAMPLES: &str = "\
The distribution has the API preset: all seven methods, CachingDisabled, AllViewer, HTTP redirected to HTTPS, no web
ACL. The same URL finds the same distribution again, with whatever was changed in it since. Where a process already
runs on the data directory, that one is used, and `up` ends once the distribution is deployed.

Examples:
  mantlet up http://127.0.0.1:3500
  mantlet up http://api.internal:3500/v2 --data-dir /var/lib/mantlet";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SwitchFlag {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthFlag {
    /// Signature Version 4, as with AWS
    Sigv4,
    /// Nothing: whoever can connect may do everything
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccessLogFormat {
    /// Tab-separated fields under a #Fields line
    W3c,
    /// A JSON object a line
    Json,
}
