//! The log of the process itself, on standard error. The access log is the edge's.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::command_line::{LogFlags, LogFormat};
use crate::settings::UsageError;

/// Logs from here on what `flags` ask for.
pub(crate) fn start(flags: &LogFlags) -> Result<(), UsageError> {
    let filter: Targets = flags.log.parse().map_err(|_| UsageError::MalformedLogFilter(flags.log.clone()))?;
    let lines = fmt::layer().with_writer(stderr);
    let lines = match flags.log_format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).with_target(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(lines).with(filter).init();
    Ok(())
}
