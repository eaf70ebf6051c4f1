//! Generates crate `aws-api`'s shapes, operations and errors from the models that the AWS SDKs are made from.

mod botocore;
mod model;
mod names;
mod render;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::repository;
use model::Model;
use render::Files;

/// The services: the module that each becomes, and where botocore keeps its model.
const SERVICES: [(&str, &str); 3] =
    [("cloudfront", "cloudfront/2020-05-31"), ("wafv2", "wafv2/2019-07-29"), ("acm", "acm/2015-12-08")];

/// Regenerates everything; with `check`, compares instead of writing.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = repository::root();
    let target = root.join("crates/aws-api/src/generated");
    let botocore = botocore::find(root)?;

    let mut files = Files::new();
    files.insert("mod.rs".into(), render::index(&SERVICES.map(|(module, _)| module)));
    for (module, path) in SERVICES {
        let text = botocore.read_model(path)?;
        let model: Model = serde_json::from_str(&text).with_context(|| format!("the model {path}"))?;
        for (name, source) in render::service(module, &model)? {
            files.insert(format!("{module}/{name}"), source);
        }
    }
    let files = format_files(root, &files)?;
    if check { compare(&target, &files) } else { write(&target, &files) }
}

/// Runs rustfmt over all files at once, in a directory of its own.
fn format_files(root: &Path, files: &Files) -> Result<Files> {
    let directory = tempfile::tempdir()?;
    write(directory.path(), files)?;
    let status = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root.join("rustfmt.toml"))
        .arg(directory.path().join("mod.rs"))
        .status()
        .context("rustfmt does not start; `rustup component add rustfmt` installs it")?;
    ensure!(status.success(), "rustfmt refuses the generated code");
    read(directory.path())
}

fn write(directory: &Path, files: &Files) -> Result<()> {
    if directory.exists() {
        std::fs::remove_dir_all(directory)?;
    }
    for (name, source) in files {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().context("a file lies in a directory")?)?;
        std::fs::write(&path, source)?;
    }
    Ok(())
}

fn read(directory: &Path) -> Result<Files> {
    let mut files = BTreeMap::new();
    let mut pending = vec![directory.to_path_buf()];
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| next.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(directory)?.to_string_lossy().into_owned();
                files.insert(name, std::fs::read_to_string(&path)?);
            }
        }
    }
    Ok(files)
}

/// Fails and names every file that is missing, superfluous or different.
fn compare(directory: &Path, expected: &Files) -> Result<()> {
    let present = read(directory)?;
    let names: BTreeSet<&String> = present.keys().chain(expected.keys()).collect();
    let stale: Vec<&str> = names
        .into_iter()
        .filter(|name| present.get(*name) != expected.get(*name))
        .map(String::as_str)
        .collect();
    if !stale.is_empty() {
        bail!(
            "generated code is not current; run `cargo run -p xtask -- codegen`:\n  {}",
            stale.join("\n  ")
        );
    }
    Ok(())
}
