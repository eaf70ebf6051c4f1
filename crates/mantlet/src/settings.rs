//! What the command line means: settings that fit together, or the reason why they do not.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use edge::limits::THREADS_MAX;
use edge_config::{HostName, HostNameError};
use ipnet::IpNet;
use thiserror::Error;

use crate::command_line::{AccessLogFormat, AuthFlag, RunFlags};
use crate::limits::SUFFIX_BYTES_MAX;
use crate::up::OriginUrlError;

/// How a process is to run.
#[derive(Clone, Debug)]
pub(crate) struct RunSettings {
    pub(crate) data_dir: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) api: SocketAddr,
    pub(crate) api_certificate: Option<CertificateFiles>,
    pub(crate) domain_suffix: HostName,
    pub(crate) suffix_certificate: Option<CertificateFiles>,
    pub(crate) account_id: String,
    pub(crate) authentication: AuthFlag,
    pub(crate) edge_threads: usize,
    pub(crate) access_log: AccessLogTarget,
    pub(crate) access_log_format: AccessLogFormat,
    pub(crate) origin_allow: Vec<IpNet>,
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
    /// Not a filter.
    #[error("--log {0:?} is no filter: give a level, as in `info`, or parts, as in `info,edge=debug`")]
    MalformedLogFilter(String),
    /// Two listeners on one address.
    #[error("{0} and {1} are both {2}: give one of them another port")]
    SameAddress(&'static str, &'static str, SocketAddr),
}

impl TryFrom<RunFlags> for RunSettings {
    type Error = UsageError;

    fn try_from(flags: RunFlags) -> Result<Self, UsageError> {
        let api_certificate = certificate_files(flags.api_certificate, flags.api_key);
        check_api(flags.api, flags.auth, api_certificate.is_some())?;
        check_addresses(&[("--http", flags.http), ("--https", flags.https), ("--api", flags.api)])?;
        Ok(Self {
            data_dir: flags.directory.data_dir,
            http: flags.http,
            https: flags.https,
            api: flags.api,
            api_certificate,
            domain_suffix: domain_suffix(flags.domain_suffix)?,
            suffix_certificate: certificate_files(flags.suffix_certificate, flags.suffix_key),
            account_id: account_id(flags.account_id)?,
            authentication: flags.auth,
            edge_threads: edge_threads(flags.edge_threads)?,
            access_log: access_log(flags.access_log.as_deref())?,
            access_log_format: flags.access_log_format,
            origin_allow: flags.origin_allow,
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

/// The edge's threads share their ports with each other, so the kernel would not object to every clash.
fn check_addresses(addresses: &[(&'static str, SocketAddr)]) -> Result<(), UsageError> {
    for (index, (flag, address)) in addresses.iter().enumerate() {
        for (other_flag, other) in &addresses[..index] {
            if address == other && address.port() != 0 {
                return Err(UsageError::SameAddress(other_flag, flag, *address));
            }
        }
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
    use clap::Parser;

    use super::*;
    use crate::command_line::{Command, CommandLine};

    fn settle(flags: &str) -> Result<RunSettings, UsageError> {
        let line = ["mantlet", "run"].into_iter().chain(flags.split_whitespace());
        match CommandLine::try_parse_from(line).unwrap().command {
            Command::Run(flags) => RunSettings::try_from(*flags),
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
        assert!(settings.api.ip().is_loopback());
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
    fn access_logs() {
        assert_eq!(settle("--access-log none").unwrap().access_log, AccessLogTarget::Nowhere);
        assert_eq!(settle("--access-log stdout").unwrap().access_log, AccessLogTarget::Stdout);
        assert_eq!(settle("--access-log a.log").unwrap().access_log, AccessLogTarget::File("a.log".into()));
    }
}
