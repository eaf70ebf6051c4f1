//! Where things lie, and how the release is built.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's first directory.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where cargo builds.
pub(crate) fn target_directory() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// What builds the release of Mantlet.
pub(crate) fn release_build() -> Command {
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--release", "--locked", "--package", "mantlet"]).current_dir(root());
    build
}
