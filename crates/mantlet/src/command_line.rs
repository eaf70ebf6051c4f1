//! The command line as typed. What it means is decided in `settings`.

mod access_log;
mod declaration;
mod explain;
mod key;
mod lint;
mod run;
mod value;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::access_log::{AccessLogCommand, AccessLogFlags, StatusFilter, TailFlags};
pub(crate) use self::declaration::{ApplyFlags, ExportFlags, ExportFormat, ImportFlags};
pub(crate) use self::explain::{AskedHttpVersion, ExplainFlags};
pub(crate) use self::key::{
    KeyCommand, KeyCreateFlags, KeyDirectoryFlags, KeyFlags, KeyFormFlags, KeyRevokeFlags, KeyRotateFlags,
};
pub(crate) use self::lint::LintFlags;
pub(crate) use self::run::{AccessLogFormat, AuthFlag, RunFlags, SwitchFlag, UpFlags};

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
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// A JSON object a line
    Json,
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
    fn flags_of_run_follow_up() {
        let line = ["mantlet", "up", "http://127.0.0.1:3500", "--http", "127.0.0.1:0", "--auth", "none"];
        let parsed = CommandLine::try_parse_from(line).unwrap();
        let Command::Up(up) = parsed.command else { panic!("{parsed:?}") };
        assert_eq!(up.run.http.port(), 0);
        assert_eq!(up.run.auth, AuthFlag::None);
    }
}
