//! What a request costs the proxy in processor time: Mantlet beside nginx and HAProxy, in one run.
//!
//! The proxy has CPU 1 for itself with one thread; origin and viewers share CPU 0. Rounds are interleaved, so
//! that what the machine does besides hits all three, and ratios are taken within a round. docs/benchmarks.md
//! says what is measured and what came out.

mod certificate;
mod growth;
mod http;
mod http3;
mod http3_viewers;
mod idle;
mod origin;
mod process;
mod proxy;
mod relay;
mod report;
mod training;
mod viewers;
mod workload;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use tempfile::TempDir;

use self::certificate::Certificate;
use self::growth::Growth;
use self::http3::Http3Figures;
use self::idle::Idle;
pub(crate) use self::process::check_programs;
use self::process::{cpu_time, pin_this_process};
use self::proxy::{Proxies, Proxy};
pub(crate) use self::relay::{RelayFlags, run as run_relay};
use self::report::{Report, WorkloadReport};
pub(crate) use self::training::train;
use self::workload::Workload;

/// What to measure, and how long.
#[derive(Args)]
pub(crate) struct BenchFlags {
    /// What to measure; everything unless given. Repeat it for several.
    #[arg(long, value_enum, ignore_case = true, value_delimiter = ',')]
    only: Vec<Measurement>,
    /// How often each proxy's turn comes in each workload.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long one turn takes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// The binary to measure: a release build, which is made if it is not given.
    #[arg(long, value_name = "FILE")]
    mantlet: Option<PathBuf>,
    /// Where all figures go as JSON, besides the tables on standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One thing that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measurement {
    W1,
    W2,
    W3,
    W4,
    W4h1,
    W5,
    W6,
    /// HTTP/3 beside HTTP/2.
    Http3,
    /// Memory of connections that wait.
    Idle,
    /// Cost by the number of connections.
    Connections,
    /// Cost by the number of distributions.
    Distributions,
}

impl Measurement {
    fn workload(self) -> Option<Workload> {
        Some(match self {
            Self::W1 => Workload::SmallGet,
            Self::W2 => Workload::LargeGet,
            Self::W3 => Workload::NewConnections,
            Self::W4 => Workload::Http2,
            Self::W4h1 => Workload::SmallGetOverTls,
            Self::W5 => Workload::Handshakes,
            Self::W6 => Workload::Upload,
            Self::Http3 | Self::Idle | Self::Connections | Self::Distributions => return None,
        })
    }
}

/// What every measurement is made with.
struct Setup {
    /// Where proxies have their files.
    directory: TempDir,
    /// Mantlet's.
    binary: PathBuf,
    certificate: Certificate,
    origin: SocketAddr,
}

impl Setup {
    /// The origin's threads run where this process does from here on.
    fn new(binary: PathBuf) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let certificate = Certificate::create(directory.path())?;
        Ok(Self { directory, binary, certificate, origin: origin::start()? })
    }
}

/// Measures, and prints what came out.
pub(crate) fn run(flags: &BenchFlags) -> Result<()> {
    check_programs()?;
    let binary = match &flags.mantlet {
        Some(given) => given.clone(),
        None => process::build_mantlet()?,
    };
    // Threads and processes that begin from here on inherit it; the proxies are given the other one.
    pin_this_process()?;
    let setup = Setup::new(binary)?;
    let chosen = |measurement| flags.only.is_empty() || flags.only.contains(&measurement);

    let mut report = Report::default();
    let workloads: Vec<Workload> = Measurement::value_variants()
        .iter()
        .filter(|measurement| chosen(**measurement))
        .filter_map(|measurement| measurement.workload())
        .collect();
    if !workloads.is_empty() {
        let proxies = Proxies::start(&setup)?;
        for workload in workloads {
            let measured = measure(workload, &proxies, flags)?;
            eprintln!("{}", measured.line());
            report.workloads.push(measured);
        }
    }
    if chosen(Measurement::Http3) {
        report.http3 = Some(Http3Figures::measure(&setup, flags)?);
    }
    if chosen(Measurement::Idle) {
        report.idle = Some(Idle::measure(&setup)?);
    }
    if chosen(Measurement::Connections) {
        report.growth.push(Growth::by_connections(&setup, flags.rounds)?);
    }
    if chosen(Measurement::Distributions) {
        report.growth.push(Growth::by_distributions(&setup, flags.rounds)?);
    }
    if let Some(file) = &flags.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    print!("{}", report.tables());
    Ok(())
}

/// All rounds of one workload.
fn measure(workload: Workload, proxies: &Proxies, flags: &BenchFlags) -> Result<WorkloadReport> {
    let time = Duration::from_secs(flags.seconds);
    let taking_part: Vec<&Proxy> = proxies.taking_part_in(workload).collect();
    let mut report = WorkloadReport::new(workload, taking_part.iter().map(|proxy| proxy.name));
    // Pools fill, code becomes warm, and what does not work shows.
    for proxy in &taking_part {
        workload.load(proxy, Duration::from_secs(1))?;
    }
    for _ in 0..flags.rounds {
        let turns = taking_part.iter().map(|proxy| turn(proxy, || workload.load(proxy, time)));
        report.rounds.push(turns.collect::<Result<_>>()?);
    }
    Ok(report)
}

/// What each of the requests cost that `load` puts on a proxy, and counts.
fn turn(proxy: &Proxy, load: impl FnOnce() -> Result<u64>) -> Result<Micros> {
    let before = cpu_time(proxy.id())?;
    let requests = load()?;
    let spent = cpu_time(proxy.id())?.saturating_sub(before);
    Micros::per_request(spent, requests)
}

/// Microseconds of a proxy's processor time per request.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
struct Micros(f64);

impl Micros {
    #[expect(clippy::cast_precision_loss, reason = "numbers of requests are far below 2^52")]
    fn per_request(spent: Duration, requests: u64) -> Result<Self> {
        ensure!(requests > 0, "no request was answered");
        Ok(Self(spent.as_secs_f64() * 1e6 / requests as f64))
    }
}
