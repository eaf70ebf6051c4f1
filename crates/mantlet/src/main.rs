//! The `mantlet` binary: parse, build, run.
//!
//! It is the one place that knows flags, environment, directories and signals; it wires the control plane, the store,
//! the feed and the edge together. It does not know how any of them does its work: nothing here decides about a
//! request or about a configuration.

mod access_key;
mod access_log;
mod api_client;
mod api_tls;
mod audit_log;
mod authority;
mod certificate;
mod command_line;
mod data_dir;
mod declare;
mod deployed;
mod durable;
mod endpoints;
mod environment;
mod explain;
mod key;
mod limits;
mod lint;
mod local_socket;
mod log;
mod machine_memory;
mod origin_authorities;
mod passed_sockets;
mod renewal;
mod resources;
mod run;
mod running;
mod seal;
mod server;
mod settings;
mod signals;
mod stdout;
mod stored;
mod trust;
mod up;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::command_line::{Command, CommandLine, UpFlags};
use crate::lint::NotChecked;
use crate::passed_sockets::PassedSockets;
use crate::settings::{RunSettings, UsageError};
use crate::up::OriginUrl;

/// The command did what it should.
const DONE: u8 = 0;
/// The command did not do what it should; for `lint`, it found something.
const FAILED: u8 = 1;
/// The command line is wrong; clap ends with the same.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    match perform(CommandLine::parse()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("mantlet: {error:#}");
            let is_misuse = error.is::<UsageError>() || error.is::<NotChecked>();
            ExitCode::from(if is_misuse { MISUSED } else { FAILED })
        }
    }
}

fn perform(line: CommandLine) -> Result<u8> {
    log::start(&line.log)?;
    match line.command {
        Command::Run(flags) => {
            let settings = RunSettings::new(*flags, PassedSockets::take()?)?;
            block_on(run::run(&settings))?;
        }
        Command::Up(flags) => {
            let UpFlags { origin: url, run } = *flags;
            let origin: OriginUrl =
                url.parse().map_err(|fault| UsageError::MalformedOrigin { url, fault })?;
            let settings = RunSettings::new(run, PassedSockets::take()?)?;
            block_on(up::up(&origin, &settings))?;
        }
        Command::Env(flags) => stdout::print(&environment::of_running(&flags)?)?,
        Command::Key(flags) => block_on(key::run(&flags.command))?,
        Command::Lint(flags) => {
            let is_clean = block_on(lint::run(&flags)).context(NotChecked)?;
            return Ok(if is_clean { DONE } else { FAILED });
        }
        Command::Import(flags) => block_on(declare::import(&flags))?,
        Command::Apply(flags) => block_on(declare::apply(&flags))?,
        Command::Export(flags) => block_on(declare::export(&flags))?,
        Command::Explain(flags) => block_on(explain::run(&flags))?,
        Command::Log(flags) => block_on(access_log::run(&flags.command))?,
        Command::Trust(flags) => stdout::print(&trust::run(&flags)?)?,
    }
    Ok(DONE)
}

/// The control plane needs one thread; the edge brings its own.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let outcome = runtime.block_on(future);
    // Whatever had to end has ended, or had its time.
    runtime.shutdown_background();
    outcome
}
