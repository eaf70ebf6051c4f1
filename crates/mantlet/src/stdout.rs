//! Standard output, which others read and may close.

use std::io::{Write, stdout};

use anyhow::{Context, Result};

/// Prints what was asked for.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("cannot write to standard output")
}

/// Prints what is good to know; a process that serves does not end because nobody reads it.
pub(crate) fn announce(text: &str) {
    if let Err(error) = print(text) {
        tracing::warn!(error = format!("{error:#}"), "Nobody reads the announcement");
    }
}
