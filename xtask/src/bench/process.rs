//! Processes: where they run, what they have spent, what they hold.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::repository;

/// Origin and viewers.
const CPU_OF_OTHERS: &str = "0";
/// The proxy that is measured.
const CPU_OF_PROXY: &str = "1";

/// `/proc/PID/stat` counts in these, on every Linux of today (`getconf CLK_TCK`).
const TICKS_PER_SECOND: u64 = 100;

/// How long a proxy may take until it serves, and whatever else is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The programs that are needed, and the Debian packages that have them.
const PROGRAMS: [(&str, &str); 6] = [
    ("nginx", "nginx"),
    ("haproxy", "haproxy"),
    ("wrk", "wrk"),
    ("h2load", "nghttp2-client"),
    ("openssl", "openssl"),
    ("taskset", "util-linux"),
];

/// Installs the programs that are missing where that is possible, or says what is missing.
pub(crate) fn check_programs() -> Result<()> {
    let missing: Vec<&str> =
        PROGRAMS.into_iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    eprintln!("Installing {packages}");
    let installed = Command::new("apt-get")
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null())
        .status();
    ensure!(
        installed.is_ok_and(|status| status.success()),
        "programs are missing, and only root can install them: apt-get install {packages}"
    );
    Ok(())
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian has servers where the PATH of ordinary users does not lead.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|directory| directory.join(program).is_file())
}

/// Makes the release build, and says where it is.
pub(super) fn build_mantlet() -> Result<PathBuf> {
    let built = repository::release_build().status()?;
    ensure!(built.success(), "the release build of mantlet failed");
    Ok(repository::target_directory().join("release/mantlet"))
}

/// Leaves the proxies' CPU to them.
pub(super) fn pin_this_process() -> Result<()> {
    let pinned = Command::new("taskset")
        .args(["--cpu-list", "--pid", CPU_OF_OTHERS, &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status()?;
    ensure!(pinned.success(), "this process cannot be bound to CPU {CPU_OF_OTHERS}");
    Ok(())
}

/// A process on the proxies' CPU, killed when dropped.
pub(super) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it says goes to the file `log`.
    pub(super) fn start(program: &Path, arguments: &[String], log: &Path) -> Result<Self> {
        let output = std::fs::File::create(log)?;
        let child = Command::new("taskset")
            .args(["--cpu-list", CPU_OF_PROXY])
            .arg(program)
            .args(arguments)
            // Debian has servers where the PATH of ordinary users does not lead.
            .env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} does not start", program.display()))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// `taskset` becomes the program, so this is the program's.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let ended = self.child.wait()?;
        ensure!(ended.success(), "it ended with {ended}");
        Ok(())
    }

    /// Waits until `found` finds something that shows that it serves.
    pub(super) fn wait_until_it_serves<T>(&self, found: impl FnMut() -> Option<T>) -> Result<T> {
        wait_for("a proxy", found)
            .with_context(|| format!("it said: {}", std::fs::read_to_string(&self.log).unwrap_or_default()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `found` finds something.
#[expect(clippy::disallowed_methods, reason = "this is what waits for a condition, with a deadline")]
pub(super) fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> Result<T> {
    let begun_at = Instant::now();
    while begun_at.elapsed() < PATIENCE {
        if let Some(found) = found() {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("waited in vain for {what}")
}

/// User and system time that a process has spent, all of its threads together (proc(5), `/proc/pid/stat`).
pub(super) fn cpu_time(id: u32) -> Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).context("a proxy has ended")?;
    // The name, which may hold anything, ends with the last bracket; behind it are the fields from the third on.
    let (_, fields) = text.rsplit_once(')').context("/proc/PID/stat has no name")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Memory that a process holds, in KiB.
pub(super) fn resident_kib(id: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).context("a proxy has ended")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Descriptors that a process has open: one for each connection, and a few.
pub(super) fn open_descriptors(id: u32) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{id}/fd")).context("a proxy has ended")?.count())
}
