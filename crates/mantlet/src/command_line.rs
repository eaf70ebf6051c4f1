//! The command line as typed. What it means is decided in `settings`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use control::{Role, UnknownRole};
use edge::limits::ADDRESS_CONNECTIONS_MAX;
use ipnet::IpNet;

use crate::limits::DRAIN_LIMIT;

/// A self-hosted, CloudFront-compatible shield in front of your API.
#[derive(Debug, Parser)]
#[command(name = "mantlet", version, max_term_width = 100, after_help = OVERVIEW, after_long_help = OVERVIEW)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What to log.
    #[command(flatten)]
    pub(crate) log: LogFlags,
}

const OVERVIEW: &str = "\
Examples:
  mantlet up http://127.0.0.1:3500     a distribution in front of that API, in one step
  mantlet run                          control plane and edge; make distributions with any AWS client
  eval \"$(mantlet env)\"                point the AWS clients of this shell at the running process
  aws cloudfront list-distributions
  mantlet key create ci --role deploy  an access key of its own for a pipeline
  mantlet lint                         what is allowed and still wrong with the distributions
  mantlet explain https://HOST/PATH    what the edge does with such a request, and what decides on it
  mantlet log tail --status 5xx        the last requests that failed
  mantlet trust                        let browsers of this machine accept its certificates
  mantlet import distribution.json     take over what `aws cloudfront get-distribution-config` printed
  mantlet apply -f config/             make what files in a directory declare

Exit status: 0 done, 1 failed, 2 the command line is wrong. Messages say what to change.
`mantlet help run` explains every flag of `run` and `up`.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the control plane, its store and the edge in this process
    Run(Box<RunFlags>),
    /// Run, with a distribution in front of the API at URL
    Up(Box<UpFlags>),
    /// Print shell exports that point AWS clients at the running process
    Env(EnvFlags),
    /// List, create, rotate and revoke the access keys with which people and pipelines sign
    Key(KeyFlags),
    /// Warn about configurations that are allowed and hurt whoever calls the API behind them
    Lint(LintFlags),
    /// Tell what the edge does with a request, decision by decision, from what is stored
    Explain(ExplainFlags),
    /// Read the access log
    Log(AccessLogFlags),
    /// Explain the local certificate authority, and install it when asked
    Trust(TrustFlags),
    /// Make what you have on AWS here: output of aws-cli, CloudFormation templates
    Import(ImportFlags),
    /// Make what files declare, and change what differs
    Apply(ApplyFlags),
    /// Write what is here as files for aws-cli, Terraform or `mantlet apply`
    Export(ExportFlags),
}

#[derive(Debug, Args)]
pub(crate) struct DataDirFlag {
    /// Where everything is kept: records, access key, certificate authorities, access log.
    ///
    /// Made if it is not there, and readable by its owner alone.
    #[arg(long, value_name = "DIR", env = "MANTLET_DATA_DIR", default_value = ".mantlet")]
    pub(crate) data_dir: PathBuf,
}

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

#[derive(Debug, Args)]
#[command(after_long_help = ENV_EXAMPLES)]
pub(crate) struct EnvFlags {
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,
    /// Print a JSON object instead of shell exports
    #[arg(long)]
    pub(crate) json: bool,
}

const ENV_EXAMPLES: &str = "\
Where the API speaks TLS with a certificate that this machine does not trust, AWS_CA_BUNDLE names that certificate. AWS
clients in Python do not look at what the machine trusts: for a certificate of your own authority that the machine does
trust, set AWS_CA_BUNDLE yourself, to a file with that authority's certificate.

Example:
  eval \"$(mantlet env --data-dir .mantlet)\"";

#[derive(Debug, Args)]
#[command(after_long_help = LINT_EXAMPLES)]
pub(crate) struct LintFlags {
    /// What to look at: files with the JSON of the AWS clients, `-` for standard input, or ids of distributions.
    ///
    /// A file holds a DistributionConfig, or the output of get-distribution-config or get-distribution. Ids are asked
    /// of the running process. With neither, all its distributions are looked at.
    #[arg(value_name = "FILE|ID")]
    pub(crate) targets: Vec<String>,
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,
    /// A rule to leave out, by its code. Repeat it for several.
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,
    /// Print the warnings as JSON
    #[arg(long, conflicts_with_all = ["patch", "fix"])]
    pub(crate) json: bool,
    /// Print one JSON Patch (RFC 6902) with all fixes that leave no choice
    #[arg(long, conflicts_with = "fix")]
    pub(crate) patch: bool,
    /// Print the DistributionConfig with these fixes applied
    #[arg(long)]
    pub(crate) fix: bool,
}

const LINT_EXAMPLES: &str = "\
Exit status: 0 no warning, 1 warnings, 2 the command line is wrong or something could not be looked at. With --patch and
--fix it counts what is left for you to decide, and that is told on standard error.

Examples:
  mantlet lint                       every distribution of the running process
  mantlet lint config.json --json
  aws cloudfront get-distribution-config --id E… | mantlet lint -
  mantlet lint E… --fix > fixed.json && aws cloudfront update-distribution --id E… --if-match ETAG \\
    --distribution-config file://fixed.json

docs/guide/lint.md lists the rules.";

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

#[derive(Debug, Args)]
#[command(after_help = ACCESS_LOG_EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct AccessLogFlags {
    #[command(subcommand)]
    pub(crate) command: AccessLogCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccessLogCommand {
    /// Print its last records, and those to come with --follow
    Tail(TailFlags),
}

#[derive(Debug, Args)]
#[command(after_help = ACCESS_LOG_EXAMPLES)]
pub(crate) struct TailFlags {
    /// Go on with what is logged from now on, also when the file is rotated
    #[arg(short = 'f', long)]
    pub(crate) follow: bool,
    /// How many records to begin with; 20 unless given, all with --since
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) lines: Option<u64>,
    /// No records older than this: 90s, 5m, 24h, 7d
    #[arg(long, value_name = "DURATION", value_parser = days_or_less)]
    pub(crate) since: Option<Duration>,
    /// Statuses such as 502 or 5xx; 000 is a viewer that left first. Repeat it for several, here and below.
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    pub(crate) status: Vec<StatusFilter>,
    /// Distributions, by id or domain name
    #[arg(long, value_name = "ID|NAME", value_delimiter = ',')]
    pub(crate) distribution: Vec<String>,
    /// Paths, as path patterns have them: * is any text, ? any character
    #[arg(long, value_name = "GLOB")]
    pub(crate) path: Vec<String>,
    /// Methods
    #[arg(long, value_name = "METHOD", value_delimiter = ',')]
    pub(crate) method: Vec<String>,
    /// Result types, such as Miss, Error, Redirect
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    pub(crate) result_type: Vec<String>,
    /// Detailed result types, such as OriginConnectError
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    pub(crate) detailed_result_type: Vec<String>,
    /// The id that the viewer's answer has in X-Amz-Cf-Id, and the origin's request
    // Ids are of an alphabet that has `-`, and one in 64 begins with it.
    #[arg(long, value_name = "ID", value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) request_id: Vec<String>,
    /// The file, if it is not access.log in the data directory
    #[arg(long, value_name = "FILE", env = "MANTLET_ACCESS_LOG")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,
    /// Print each record as a JSON object with all fields
    #[arg(long)]
    pub(crate) json: bool,
}

const ACCESS_LOG_EXAMPLES: &str = "\
A record is a line: time, status, method, host and path, result, the time that it took, bytes to the viewer, request
id. All filters must fit; the values of one are alternatives. Lines that are no records are passed over and counted.

Examples:
  mantlet log tail -f                                      everything, as it happens
  mantlet log tail --status 5xx --since 1h                 what failed in the last hour
  mantlet log tail --path '/orders/*' --method POST,PUT -f
  mantlet log tail --request-id 2cX…== --json              all that is known of one request";

/// Statuses: one of them, or a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatusFilter(String);

impl StatusFilter {
    /// Whether a status, as logged, is meant.
    pub(crate) fn includes(&self, status: &str) -> bool {
        match self.0.strip_suffix("xx") {
            Some(class) => status.len() == 3 && status.starts_with(class),
            None => self.0 == status,
        }
    }
}

impl std::str::FromStr for StatusFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let is_class = lower.len() == 3 && lower.ends_with("xx") && is_digits(&lower[..1]);
        if is_class || (lower.len() == 3 && is_digits(&lower)) {
            return Ok(Self(lower));
        }
        Err("write a status or a class of them, as in 502 or 5xx".to_owned())
    }
}

#[derive(Debug, Args)]
pub(crate) struct TrustFlags {
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,
    /// Install the certificate authority for this machine and this user's browsers
    #[arg(long, conflicts_with = "uninstall")]
    pub(crate) install: bool,
    /// Remove it again
    #[arg(long)]
    pub(crate) uninstall: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = IMPORT_EXAMPLES)]
pub(crate) struct ImportFlags {
    /// Files, or directories of them: what aws-cli prints, CloudFormation templates, declarations.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,
    /// The value of a parameter, or what stands here for an id or ARN of there; nothing after = leaves it out.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<(String, String)>,
    /// Only report what would be made
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const IMPORT_EXAMPLES: &str = "\
What is there already, by its name or caller reference, is neither made twice nor changed.

Examples:
  aws cloudfront get-distribution-config --id E1 >distribution.json
  aws cloudfront list-cache-policies --type custom >policies.json
  mantlet import distribution.json policies.json --dry-run
  mantlet import distribution.json policies.json \\
    --set arn:aws:acm:us-east-1:111122223333:certificate/a=arn:aws:acm:us-east-1:000000000000:certificate/b

  mantlet import template.yaml --set CertificateArn= --set Stage=test";

#[derive(Debug, Args)]
#[command(after_long_help = APPLY_EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct ApplyFlags {
    /// A file, or a directory with .yaml, .yml and .json files. Repeat it for several.
    #[arg(short = 'f', long = "file", value_name = "PATH", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,
    /// What these files are called together; the name of the directory unless given.
    ///
    /// It tells whose a resource is: --prune deletes what an earlier apply of the same project made, and no project
    /// changes what another one made.
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// Delete what an earlier apply of this project made and the files no longer declare
    #[arg(long)]
    pub(crate) prune: bool,
    /// Do not ask
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
    /// Only show the plan
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print plan and outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const APPLY_EXAMPLES: &str = "\
A file holds one or more resources, each with Kind, Name and Config; Config has the settings of the CloudFront API,
lists with or without their Quantity. `!Ref NAME` stands for the id of another resource, or of a managed policy.

Examples:
  mantlet apply -f config/                 show the plan, ask, do it
  mantlet apply -f config/ --yes --prune   without asking, and delete what the files no longer declare
  mantlet apply -f config/ --dry-run       only show the plan
  mantlet export --format mantlet --output config/";

#[derive(Debug, Args)]
#[command(after_long_help = EXPORT_EXAMPLES)]
pub(crate) struct ExportFlags {
    /// What to export, with all that it refers to; everything unless given.
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,
    /// For which tool
    #[arg(long, value_enum, default_value_t = ExportFormat::Mantlet)]
    pub(crate) format: ExportFormat,
    /// The directory to write to; standard output unless given. Nothing in it is written over.
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  mantlet export E1ABCDEF --format aws-cli >distribution.json
  aws cloudfront create-distribution --distribution-config file://distribution.json

  mantlet export --format terraform --output terraform/
  mantlet export --format mantlet --output config/ && mantlet apply -f config/";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// JSON that `aws cloudfront create-…` takes
    AwsCli,
    /// HCL for the provider hashicorp/aws
    Terraform,
    /// YAML that `mantlet apply` takes
    Mantlet,
}

#[derive(Debug, Args)]
#[command(after_help = KEY_EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct KeyFlags {
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// List the keys: names, roles, ids; never secrets
    List(KeyListFlags),
    /// Make a key, and print its secret this once
    Create(KeyCreateFlags),
    /// Give a key a new id and secret; the old ones end at once, or after a while
    Rotate(KeyRotateFlags),
    /// End a key, or one id of it, from the next request on
    Revoke(KeyRevokeFlags),
}

const KEY_EXAMPLES: &str = "\
Roles: `read` looks at everything that reveals no private key; `deploy` also changes CloudFront, ACM and WAF
resources; `admin` may do everything, keys included. Each may what those before it may.

The commands use the process that runs on the data directory; where none runs, they open the directory themselves, so
that nobody is ever locked out. A changed key counts from the next request on. Every change leaves a line in audit.log.

Examples:
  mantlet key create ci --role deploy
  mantlet key create ann --role admin --profile mantlet >> ~/.aws/credentials
  mantlet key rotate ci --keep-old 24h      both secrets work for a day
  mantlet key revoke ci                     nobody gets in with it any more
  mantlet key revoke AKIA…                  one id of a key, such as the old one of a rotation
  mantlet key list --json";

#[derive(Debug, Args)]
pub(crate) struct KeyDirectoryFlags {
    #[command(flatten)]
    pub(crate) directory: DataDirFlag,
    /// The key that seals secrets at rest, if it is not in the data directory. Needed where no process runs.
    #[arg(long, value_name = "FILE", env = "MANTLET_SEALING_KEY_FILE")]
    pub(crate) sealing_key_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct KeyListFlags {
    #[command(flatten)]
    pub(crate) directory: KeyDirectoryFlags,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct KeyCreateFlags {
    #[command(flatten)]
    pub(crate) directory: KeyDirectoryFlags,
    /// Who it is for: 1 to 64 letters, digits and _+=,.@-
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What its holder may do
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub(crate) role: Role,
    #[command(flatten)]
    pub(crate) form: KeyFormFlags,
}

#[derive(Debug, Args)]
pub(crate) struct KeyRotateFlags {
    #[command(flatten)]
    pub(crate) directory: KeyDirectoryFlags,
    /// Which key
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// How long the old secret still works: 24h, 7d, 30m; at most 90 days
    #[arg(long, value_name = "DURATION", value_parser = days_or_less)]
    pub(crate) keep_old: Option<Duration>,
    #[command(flatten)]
    pub(crate) form: KeyFormFlags,
}

#[derive(Debug, Args)]
pub(crate) struct KeyRevokeFlags {
    #[command(flatten)]
    pub(crate) directory: KeyDirectoryFlags,
    /// Which key, or which id of one
    #[arg(value_name = "NAME|ID")]
    pub(crate) name_or_id: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct KeyFormFlags {
    /// Print JSON
    #[arg(long, conflicts_with = "profile")]
    pub(crate) json: bool,
    /// Print a profile for ~/.aws/credentials and nothing else
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LogFlags {
    /// What to log to standard error: a level (error, warn, info, debug, trace), or by part, as in
    /// `info,edge=debug`
    #[arg(
        long,
        global = true,
        display_order = 100,
        value_name = "FILTER",
        env = "RUST_LOG",
        default_value = "info"
    )]
    pub(crate) log: String,
    /// How to log
    #[arg(long, global = true, display_order = 101, value_enum, env = "MANTLET_LOG_FORMAT", default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// A JSON object a line
    Json,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "write an IP address and a port, as in 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:80".to_owned()
    })
}

fn name_server(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse().ok();
    with_port
        .or_else(|| text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, dns::PORT)))
        .ok_or_else(|| "write an IP address, as in 10.0.0.2, 10.0.0.2:5353 or fd00::53".to_owned())
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse().ok();
    network
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        .ok_or_else(|| "write a network, as in 10.0.0.0/8 or fd00::/8".to_owned())
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, as in Stage=test; an ARN may be the name".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: Option<u32> = number.parse().ok();
    match (number.map(u64::from), unit) {
        (Some(number), "ms") => Ok(Duration::from_millis(number)),
        (Some(number), "" | "s") => Ok(Duration::from_secs(number)),
        (Some(number), "m") => Ok(Duration::from_secs(number * 60)),
        _ => Err("write a number and ms, s or m, as in 30s".to_owned()),
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write NAME: VALUE, as in 'Accept: text/html'")?;
    if text.chars().any(|character| character.is_control() && character != '\t') {
        return Err(
            "it holds a line's end, which would be two headers; give each with a -H of its own".to_owned()
        );
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

fn viewer(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse().ok();
    address.or_else(|| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 50_000))).ok_or_else(|| {
        "write an IP address, and perhaps a port, as in 192.0.2.1, 192.0.2.1:50000 or [2001:db8::1]:50000"
            .to_owned()
    })
}

fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.len() - text.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let bytes = number
        .parse()
        .ok()
        .zip(factor)
        .and_then(|(number, factor): (usize, usize)| number.checked_mul(factor));
    bytes.filter(|&bytes| bytes > 0).ok_or_else(|| "write a number of bytes, as in 512MiB or 2GiB".to_owned())
}

fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|error: UnknownRole| error.to_string())
}

fn days_or_less(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and s, m, h or d, as in 24h".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = Some(number).filter(|_| is_number).and_then(|number| number.parse::<u32>().ok());
    number.map(|number| Duration::from_secs(u64::from(number) * seconds)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn durations() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for text in ["", "s", "-1s", "1h", "1.5s", "99999999999999999999s", "٣s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_are_one_line() {
        assert_eq!(header("Accept:text/html "), Ok(("Accept".to_owned(), "text/html".to_owned())));
        assert_eq!(header("X-Empty:"), Ok(("X-Empty".to_owned(), String::new())));
        assert!(header("Accept").is_err());
        assert!(header("A: b\r\nC: d").is_err());
    }

    #[test]
    fn statuses_and_their_classes() {
        let includes = |filter: &str, status| filter.parse::<StatusFilter>().unwrap().includes(status);
        assert!(includes("5xx", "502") && includes("5XX", "599") && includes("000", "000"));
        assert!(!includes("5xx", "499") && !includes("502", "503"));
        for text in ["", "5", "5x", "xxx", "50é", "5000"] {
            assert!(text.parse::<StatusFilter>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_of_bytes() {
        assert_eq!(bytes("65536"), Ok(65_536));
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        for text in ["", "0", "MiB", "-1", "1.5GiB", "2GB", "99999999999999999999", "99999999999999GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn overlaps() {
        assert_eq!(days_or_less("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(days_or_less("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(days_or_less("24h"), Ok(Duration::from_hours(24)));
        assert_eq!(days_or_less("7d"), Ok(Duration::from_hours(168)));
        for text in ["", "7", "d", "-1d", "+1d", "1.5h", "7w", "99999999999d", "1ä"] {
            assert!(days_or_less(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks() {
        assert_eq!(network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("192.0.2.1").unwrap().to_string(), "192.0.2.1/32");
        assert!(network("10.0.0.0/33").is_err());
    }

    #[test]
    fn flags_of_run_follow_up() {
        let line = ["mantlet", "up", "http://127.0.0.1:3500", "--http", "127.0.0.1:0", "--auth", "none"];
        let parsed = CommandLine::try_parse_from(line).unwrap();
        let Command::Up(up) = parsed.command else { panic!("{parsed:?}") };
        assert_eq!(up.run.http.port(), 0);
        assert_eq!(up.run.auth, AuthFlag::None);
    }
}
