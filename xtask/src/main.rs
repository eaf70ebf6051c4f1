//! Repository chores. `cargo xtask codegen` regenerates what the service models define, and `limits` the tables of
//! docs/limits.md; `bench` measures what a request costs, and `optimize` makes the binary for which it costs least.

mod bench;
mod codegen;
mod limits;
mod optimize;
mod repository;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Repository chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Write crates/aws-api/src/generated from botocore's service models.
    Codegen {
        /// Write nothing; fail and name the files that differ.
        #[arg(long)]
        check: bool,
    },
    /// Write the tables of docs/limits.md from the crates' limits.rs.
    Limits {
        /// Write nothing; fail if they differ.
        #[arg(long)]
        check: bool,
    },
    /// Measure what a request costs Mantlet, nginx and HAProxy, side by side.
    Bench(bench::BenchFlags),
    /// Build target/optimized/mantlet: the release, optimised for what it was seen doing. Takes half an hour.
    Optimize(optimize::OptimizeFlags),
    /// Relay connections without looking at them, for `bench` to compare with.
    #[command(hide = true)]
    Relay(bench::RelayFlags),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Codegen { check } => codegen::run(check),
        Chore::Limits { check } => limits::run(check),
        Chore::Bench(flags) => bench::run(&flags),
        Chore::Optimize(flags) => optimize::run(&flags),
        Chore::Relay(flags) => bench::run_relay(&flags),
    }
}
