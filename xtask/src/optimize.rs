//! A binary that is optimised for what it does: built, watched while it serves, and built again with what was seen.
//!
//! What the training does not do is taken for rare, and made small rather than fast, so it does what edges do: requests
//! of browsers and of programs, small and large, over all three versions of HTTP, with an access log.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::bench::{check_programs, train};
use crate::repository;

/// How long each workload is.
#[derive(Args)]
pub(crate) struct OptimizeFlags {
    /// How many seconds each workload of the training takes.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
}

/// Makes `target/optimized/mantlet`.
pub(crate) fn run(flags: &OptimizeFlags) -> Result<()> {
    let toolchain = Toolchain::find()?;
    check_programs()?;
    let target = repository::target_directory();
    let profiles = target.join("optimize/profiles");
    // Profiles of another day's code are of no use to this one's.
    if profiles.exists() {
        fs::remove_dir_all(&profiles)?;
    }
    eprintln!("1 of 3: building a binary that watches itself");
    let watched = toolchain.build(&target.join("optimize/watched"), "-Cprofile-generate", &profiles)?;
    eprintln!("2 of 3: training it, {} seconds a workload", flags.seconds);
    train(watched, Duration::from_secs(flags.seconds))?;
    let profile = target.join("optimize/profile.profdata");
    toolchain.merge(&profiles, &profile)?;
    eprintln!("3 of 3: building the one that is optimised for what was seen");
    let built = toolchain.build(&target.join("optimize/built"), "-Cprofile-use", &profile)?;
    let output = target.join("optimized/mantlet");
    fs::create_dir_all(target.join("optimized"))?;
    fs::copy(&built, &output).with_context(|| format!("cannot write {}", output.display()))?;
    println!("{}", output.display());
    Ok(())
}

/// The compiler and what reads the profiles of its programs: both of one version of LLVM.
struct Toolchain {
    host: String,
    profdata: PathBuf,
}

impl Toolchain {
    fn find() -> Result<Self> {
        let version = output_of(Command::new("rustc").arg("-vV"))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("rustc -vV tells no host")?.to_owned();
        let sysroot = output_of(Command::new("rustc").args(["--print", "sysroot"]))?;
        let profdata = Path::new(sysroot.trim()).join("lib/rustlib").join(&host).join("bin/llvm-profdata");
        ensure!(profdata.is_file(), "llvm-profdata is missing: rustup component add llvm-tools");
        Ok(Self { host, profdata })
    }

    /// Builds the release with a flag that names a file, and says where the binary is.
    fn build(&self, directory: &Path, flag: &str, file: &Path) -> Result<PathBuf> {
        let others = env::var("RUSTFLAGS").unwrap_or_default();
        let flags = format!("{others} {flag}={}", file.display());
        let built = repository::release_build()
            // The host is named, so that build scripts are not built with the flag, too.
            .args(["--target", &self.host, "--target-dir"])
            .arg(directory)
            .env("RUSTFLAGS", flags.trim())
            .status()?;
        ensure!(built.success(), "the build with {flag} failed");
        Ok(directory.join(&self.host).join("release/mantlet"))
    }

    fn merge(&self, profiles: &Path, into: &Path) -> Result<()> {
        ensure!(
            profiles.read_dir().is_ok_and(|mut files| files.next().is_some()),
            "the trained binary left no profile in {}",
            profiles.display()
        );
        let merged =
            Command::new(&self.profdata).args(["merge", "--output"]).arg(into).arg(profiles).status()?;
        ensure!(merged.success(), "the profiles cannot be merged");
        Ok(())
    }
}

fn output_of(command: &mut Command) -> Result<String> {
    let done =
        command.output().with_context(|| format!("{} does not start", command.get_program().display()))?;
    if !done.status.success() {
        bail!("{} failed: {}", command.get_program().display(), String::from_utf8_lossy(&done.stderr));
    }
    Ok(String::from_utf8(done.stdout)?)
}
