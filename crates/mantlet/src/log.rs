//! The log of the process itself, on standard error. The access log is the edge's.

use std::io::{IsTerminal, stderr};

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::command_line::{LogFlags, LogFormat};

/// Logs from here on what `flags` ask for.
pub(crate) fn start(flags: &LogFlags) -> Result<()> {
    let filter = EnvFilter::try_new(&flags.log).with_context(|| {
        format!("--log {:?} is no filter: give a level, as in `info`, or parts, as in `info,edge=debug`", flags.log)
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match flags.log_format {
        LogFormat::Text => log.with_ansi(stderr().is_terminal()).with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
