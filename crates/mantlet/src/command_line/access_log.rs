//! `mantlet log`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::DataDirFlag;
use super::value::days_or_less;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_their_classes() {
        let includes = |filter: &str, status| filter.parse::<StatusFilter>().unwrap().includes(status);
        assert!(includes("5xx", "502") && includes("5XX", "599") && includes("000", "000"));
        assert!(!includes("5xx", "499") && !includes("502", "503"));
        for text in ["", "5", "5x", "xxx", "50é", "5000"] {
            assert!(text.parse::<StatusFilter>().is_err(), "{text}");
        }
    }
}
