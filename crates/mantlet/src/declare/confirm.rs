//! Asking a person.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use anyhow::{Result, bail};

/// Whether the person says yes. Where nobody can be asked, that is an error.
pub(crate) fn confirm(question: &str) -> Result<bool> {
    if !stdin().is_terminal() {
        bail!(
            "nobody can be asked here, so nothing was done; give --yes to do it, or --dry-run to only look"
        );
    }
    eprint!("{question} [y/N] ");
    stderr().flush()?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
