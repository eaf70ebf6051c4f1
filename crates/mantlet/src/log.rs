//! The log of the process itself, on standard error. The access log is the edge's.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::command_line::{LogFlags, LogFormat};
use crate::settings::UsageError;

/// Logs from here on what `flags` ask for.
pub(crate) fn start(flags: &LogFlags) -> Result<(), UsageError> {
    let filter =
        EnvFilter::try_new(&flags.log).map_err(|_| UsageError::MalformedLogFilter(flags.log.clone()))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match flags.log_format {
        LogFormat::Text => log.with_ansi(stderr().is_terminal()).with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
