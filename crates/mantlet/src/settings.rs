//! What the command line means: settings that fit together, or the reason why they do not.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use dns::limits::NAME_SERVERS_MAX;
use edge::limits::THREADS_MAX;
use edge::{ListenOn, NameServers, ViewerLimits};
use edge_config::{HostName, HostNameError};
use ipnet::IpNet;
use thiserror::Error;

use crate::command_line::{AccessLogFormat, AuthFlag, RunFlags, SwitchFlag};
use crate::explain::AskedUrlError;
use crate::limits::SUFFIX_BYTES_MAX;
use crate::machine_memory;
use crate::passed_sockets::PassedSockets;
use crate::up::OriginUrlError;

/// How a process is to run.
#[derive(Clone, Debug)]
pub(crate) struct RunSettings {
    pub(crate) data_dir: PathBuf,
    pub(crate) http: Vec<ListenOn>,
    pub(crate) https: Vec<ListenOn>,
    pub(crate) http3: bool,
    pub(crate) api: ListenOn,
    pub(crate) api_certificate: Option<CertificateFiles>,
    pub(crate) domain_suffix: HostName,
    pub(crate) suffix_certificate: Option<CertificateFiles>,
    pub(crate) account_id: String,
    pub(crate) authentication: AuthFlag,
    pub(crate) edge_threads: usize,
    pub(crate) viewer_limits: ViewerLimits,
    pub(crate) proxy_protocol_from: Vec<IpNet>,
    pub(crate) access_log: AccessLogTarget,
    pub(crate) access_log_format: AccessLogFormat,
    pub(crate) origin_allow: Vec<IpNet>,
    pub(crate) origin_ca: Option<PathBuf>,
    pub(crate) name_servers: NameServers,
    pub(crate) geo_database: Vec<PathBuf>,
    pub(crate) accept_unenforced: bool,
    pub(crate) quotas: Option<PathBuf>,
    pub(crate) drain_limit: Duration,
    pub(crate) sealing_key_file: Option<PathBuf>,
}

/// A certificate chain and its private key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) private_key: PathBuf,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AccessLogTarget {
    /// Its file in the data directory.
    DataDir,
    /// Another file.
    File(PathBuf),
    /// Standard output.
    Stdout,
    /// Nowhere.
    Nowhere,
}

/// Flags that are right one by one and wrong together, or that only we can judge.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum UsageError {
    /// Private keys travel in requests to the API.
    #[error(
        "--api {0} is not a loopback address, and requests to the API carry private keys: give --api-certificate and \
         --api-key, or listen on 127.0.0.1"
    )]
    ApiWithoutTls(SocketAddr),
    /// Everybody could change everything.
    #[error(
        "--auth none lets whoever can connect change everything, so it starts only on loopback, and --api is {0}: \
         listen on 127.0.0.1, or leave --auth away"
    )]
    OpenApi(SocketAddr),
    /// Not an account.
    #[error("--account-id {0:?} is not an AWS account: give 12 digits, as in 000000000000")]
    MalformedAccount(String),
    /// Not a name.
    #[error(
        "--domain-suffix {suffix:?} cannot end a domain name: {fault}; give a name, as in mantlet.localhost"
    )]
    MalformedSuffix {
        /// As given.
        suffix: String,
        /// What is wrong with it.
        fault: HostNameError,
    },
    /// No room for distributions' own labels.
    #[error(
        "--domain-suffix has {0} characters, and at most {SUFFIX_BYTES_MAX} leave room for names under it"
    )]
    LongSuffix(usize),
    /// Zero, or absurd.
    #[error("--edge-threads {0} is not possible: give 1 to {THREADS_MAX}, or leave it away for one a core")]
    EdgeThreads(usize),
    /// More than are asked.
    #[error("--resolver was given {0} times: give at most {NAME_SERVERS_MAX} name servers")]
    TooManyResolvers(usize),
    /// An empty name.
    #[error("--access-log needs a file's name, `stdout` or `none`")]
    EmptyAccessLog,
    /// Not a URL, or one that is no origin.
    #[error("{url:?} cannot be put behind a distribution: {fault}")]
    MalformedOrigin {
        /// As given.
        url: String,
        /// What is wrong with it.
        fault: OriginUrlError,
    },
    /// Not a URL that a viewer can have.
    #[error("{url:?} cannot be asked about: {fault}")]
    UnaskableUrl {
        /// As given.
        url: String,
        /// What is wrong with it.
        fault: AskedUrlError,
    },
    /// Not a filter.
    #[error("--log {0:?} is no filter: give a level, as in `info`, or parts, as in `info,edge=debug`")]
    MalformedLogFilter(String),
    /// Two listeners on one address.
    #[error("{0} and {1} are both {2}: give one of them another port")]
    SameAddress(&'static str, &'static str, SocketAddr),
}

impl RunSettings {
    /// What the flags mean; a passed socket takes the place of the address that its flag gives.
    pub(crate) fn new(flags: RunFlags, passed: PassedSockets) -> Result<Self, UsageError> {
        let api_certificate = certificate_files(flags.api_certificate, flags.api_key);
        let http = passed_or_given(passed.http, flags.http);
        let https = passed_or_given(passed.https, flags.https);
        let api = passed.api.unwrap_or(ListenOn::Address(flags.api));
        check_api(api.address(), flags.auth, api_certificate.is_some())?;
        check_addresses(&[("--http", &http), ("--https", &https), ("--api", std::slice::from_ref(&api))])?;
        Ok(Self {
            data_dir: flags.directory.data_dir,
            http,
            https,
            http3: flags.http3 == SwitchFlag::On,
            api,
            api_certificate,
            domain_suffix: domain_suffix(flags.domain_suffix)?,
            suffix_certificate: certificate_files(flags.suffix_certificate, flags.suffix_key),
            account_id: account_id(flags.account_id)?,
            authentication: flags.auth,
            edge_threads: edge_threads(flags.edge_threads)?,
            viewer_limits: ViewerLimits {
                address_connections_max: flags.address_connections_max,
                memory_bytes_max: flags.memory_max.unwrap_or_else(machine_memory::for_connections),
            },
            proxy_protocol_from: flags.proxy_protocol_from,
            access_log: access_log(flags.access_log.as_deref())?,
            access_log_format: flags.access_log_format,
            origin_allow: flags.origin_allow,
            origin_ca: flags.origin_ca,
            name_servers: name_servers(flags.resolver)?,
            geo_database: flags.geo_database,
            accept_unenforced: flags.accept_unenforced,
            quotas: flags.quotas,
            drain_limit: flags.drain_limit,
            sealing_key_file: flags.sealing_key_file,
        })
    }
}

fn check_api(api: SocketAddr, auth: AuthFlag, has_certificate: bool) -> Result<(), UsageError> {
    if api.ip().is_loopback() {
        return Ok(());
    }
    if auth == AuthFlag::None {
        return Err(UsageError::OpenApi(api));
    }
    if !has_certificate {
        return Err(UsageError::ApiWithoutTls(api));
    }
    Ok(())
}

fn passed_or_given(passed: Vec<ListenOn>, given: SocketAddr) -> Vec<ListenOn> {
    if passed.is_empty() { vec![given.into()] } else { passed }
}

/// The edge's threads share their ports with each other, so the kernel would not object to every clash.
fn check_addresses(listeners: &[(&'static str, &[ListenOn])]) -> Result<(), UsageError> {
    let mut seen: Vec<(&'static str, SocketAddr)> = Vec::new();
    for (flag, place) in
        listeners.iter().flat_map(|(flag, places)| places.iter().map(move |place| (*flag, place)))
    {
        let address = place.address();
        if let Some((other_flag, _)) = seen.iter().find(|(_, other)| *other == address && address.port() != 0)
        {
            return Err(UsageError::SameAddress(other_flag, flag, address));
        }
        seen.push((flag, address));
    }
    Ok(())
}

/// clap has made sure that either both are given or none.
fn certificate_files(certificate: Option<PathBuf>, private_key: Option<PathBuf>) -> Option<CertificateFiles> {
    Some(CertificateFiles { certificate: certificate?, private_key: private_key? })
}

fn domain_suffix(suffix: String) -> Result<HostName, UsageError> {
    let name = HostName::parse(suffix.trim_start_matches('.'))
        .map_err(|fault| UsageError::MalformedSuffix { suffix, fault })?;
    match name.as_str().len() {
        length if length > SUFFIX_BYTES_MAX => Err(UsageError::LongSuffix(length)),
        _ => Ok(name),
    }
}

fn account_id(account: String) -> Result<String, UsageError> {
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if is_account { Ok(account) } else { Err(UsageError::MalformedAccount(account)) }
}

fn edge_threads(given: Option<usize>) -> Result<usize, UsageError> {
    match given {
        Some(threads) if (1..=THREADS_MAX).contains(&threads) => Ok(threads),
        Some(threads) => Err(UsageError::EdgeThreads(threads)),
        None => Ok(available_parallelism().map_or(1, |cores| cores.get().min(THREADS_MAX))),
    }
}

fn name_servers(given: Vec<SocketAddr>) -> Result<NameServers, UsageError> {
    match given.len() {
        0 => Ok(NameServers::OfMachine),
        1..=NAME_SERVERS_MAX => Ok(NameServers::Given(given)),
        many => Err(UsageError::TooManyResolvers(many)),
    }
}

fn access_log(given: Option<&str>) -> Result<AccessLogTarget, UsageError> {
    match given {
        None => Ok(AccessLogTarget::DataDir),
        Some("") => Err(UsageError::EmptyAccessLog),
        Some("stdout" | "-") => Ok(AccessLogTarget::Stdout),
        Some("none") => Ok(AccessLogTarget::Nowhere),
        Some(file) => Ok(AccessLogTarget::File(file.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;

    use clap::Parser;
    use edge::ListeningSocket;

    use super::*;
    use crate::command_line::{Command, CommandLine};

    fn settle(flags: &str) -> Result<RunSettings, UsageError> {
        settle_with(flags, PassedSockets::default())
    }

    fn settle_with(flags: &str, passed: PassedSockets) -> Result<RunSettings, UsageError> {
        let line = ["mantlet", "run"].into_iter().chain(flags.split_whitespace());
        match CommandLine::try_parse_from(line).unwrap().command {
            Command::Run(flags) => RunSettings::new(*flags, passed),
            other => panic!("{other:?}"),
        }
    }

    fn check_refused(flags: &str, expect: &str) {
        let message = settle(flags).unwrap_err().to_string();
        assert!(message.contains(expect), "{flags}: {message}");
    }

    #[test]
    fn defaults() {
        let settings = settle("").unwrap();
        assert!(settings.api.address().ip().is_loopback());
        assert_eq!(settings.domain_suffix.as_str(), "mantlet.localhost");
        assert_eq!(settings.account_id, "000000000000");
        assert_eq!(settings.authentication, AuthFlag::Sigv4);
        assert_eq!(settings.access_log, AccessLogTarget::DataDir);
        assert!(settings.edge_threads >= 1);
        assert_eq!(settings.drain_limit, Duration::from_secs(30));
    }

    #[test]
    fn an_api_for_other_machines_needs_tls_and_signatures() {
        check_refused("--api 0.0.0.0:9000", "--api-certificate");
        check_refused("--api [::]:9000", "--api-certificate");
        check_refused("--api 192.0.2.1:9000 --auth none --api-certificate a --api-key b", "only on loopback");
        settle("--api 0.0.0.0:9000 --api-certificate a --api-key b").unwrap();
        settle("--api [::1]:9000 --auth none").unwrap();
    }

    #[test]
    fn a_passed_socket_takes_the_place_of_its_flags_address() {
        let listening = |address| {
            let socket = ListeningSocket::new(TcpListener::bind(address).unwrap()).unwrap();
            ListenOn::Socket(Arc::new(socket))
        };
        let https = listening("127.0.0.1:0");
        let address = https.address();
        let settings = settle_with("", PassedSockets { https: vec![https], ..PassedSockets::default() });
        assert_eq!(settings.unwrap().https[0].address(), address);
        let everywhere = PassedSockets { api: Some(listening("0.0.0.0:0")), ..PassedSockets::default() };
        let refused = settle_with("", everywhere).unwrap_err().to_string();
        assert!(refused.contains("--api-certificate"), "{refused}");
    }

    #[test]
    fn values_that_cannot_be_meant() {
        check_refused("--account-id 12345", "12 digits");
        check_refused("--account-id 00000000000x", "12 digits");
        check_refused("--domain-suffix a..b", "a..b");
        check_refused("--domain-suffix exa_mple.*", "cannot end a domain name");
        check_refused(&format!("--domain-suffix {}", vec!["a".repeat(60); 4].join(".")), "leave room");
        check_refused("--edge-threads 0", "1 to");
        check_refused("--http 127.0.0.1:80 --api 127.0.0.1:80", "--http and --api are both");
        settle("--http 127.0.0.1:0 --api 127.0.0.1:0").unwrap();
    }

    #[test]
    fn a_suffix_is_normalised() {
        assert_eq!(
            settle("--domain-suffix .Shield.Example.ORG.").unwrap().domain_suffix.as_str(),
            "shield.example.org"
        );
    }

    #[test]
    fn resolvers_are_addresses_whose_port_may_be_left_away() {
        let given = settle("--resolver 10.0.0.2,[fd00::53]:5353 --resolver fd00::54").unwrap().name_servers;
        let expect = ["10.0.0.2:53", "[fd00::53]:5353", "[fd00::54]:53"];
        assert_eq!(given, NameServers::Given(expect.iter().map(|one| one.parse().unwrap()).collect()));
        assert_eq!(settle("").unwrap().name_servers, NameServers::OfMachine);
        check_refused(&"--resolver 10.0.0.2 ".repeat(9), "at most 8");
    }

    #[test]
    fn access_logs() {
        assert_eq!(settle("--access-log none").unwrap().access_log, AccessLogTarget::Nowhere);
        assert_eq!(settle("--access-log stdout").unwrap().access_log, AccessLogTarget::Stdout);
        assert_eq!(settle("--access-log a.log").unwrap().access_log, AccessLogTarget::File("a.log".into()));
    }
}
