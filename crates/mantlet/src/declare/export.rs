//! `mantlet export`: what is there as files for other tools, and for `mantlet apply`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use declaration::export::{Export, ExportedFile, pretty};
use declaration::plan::Live;

use super::inventory::Inventory;
use crate::api_client::ApiClient;
use crate::command_line::{ExportFlags, ExportFormat};
use crate::data_dir::DataDir;
use crate::resources::Resources;
use crate::running::Running;
use crate::stdout::print;

/// Reads what is asked for with all that it refers to, and writes it.
pub(crate) async fn export(flags: &ExportFlags) -> Result<()> {
    let directory = DataDir::look_into(&flags.directory.data_dir)?;
    let client = ApiClient::of(&Running::find(&directory)?)?;
    let resources = Resources::of(&client);
    let inventory = Inventory::take(&resources).await?;
    let chosen = chosen(flags, &inventory, &resources).await?;
    let managed = inventory.managed_names();
    let export = Export { resources: &chosen, managed: &managed };
    if let ([id], ExportFormat::AwsCli, None) = (flags.ids.as_slice(), flags.format, &flags.output) {
        let one = chosen.iter().find(|live| live.id == *id).context("it is gone")?;
        return print(&pretty(&one.config));
    }
    let files = match flags.format {
        ExportFormat::Mantlet => export.declarations(),
        ExportFormat::AwsCli => export.aws_cli(),
        ExportFormat::Terraform => declaration::terraform::configuration(&export),
    };
    match &flags.output {
        Some(directory) => write(directory, &files),
        None => print_all(&files, flags.format),
    }
}

/// The resources with these ids and what they refer to; without ids everything that is somebody's own.
async fn chosen(flags: &ExportFlags, inventory: &Inventory, resources: &Resources<'_>) -> Result<Vec<Live>> {
    let mut all = Vec::new();
    for listed in inventory.own() {
        let is_wanted = flags.ids.is_empty() || flags.ids.contains(&listed.id);
        // What others refer to is read to be looked at; distributions are not referred to.
        if is_wanted || listed.kind != declaration::Kind::Distribution {
            all.push(resources.read(listed, true).await?);
        }
    }
    if let Some(unknown) = flags.ids.iter().find(|id| !all.iter().any(|live| live.id == **id)) {
        bail!(
            "there is nothing of your own with the id {unknown}; `mantlet export` without ids exports everything"
        );
    }
    if flags.ids.is_empty() {
        return Ok(all);
    }
    let mut wanted: BTreeSet<String> = flags.ids.iter().cloned().collect();
    // What is referred to was listed before what refers to it.
    for live in all.iter().rev() {
        if wanted.contains(&live.id) {
            let text = live.config.to_string();
            wanted.extend(all.iter().filter(|other| text.contains(&other.id)).map(|other| other.id.clone()));
        }
    }
    all.retain(|live| wanted.contains(&live.id));
    Ok(all)
}

fn print_all(files: &[ExportedFile], format: ExportFormat) -> Result<()> {
    let separator = match format {
        ExportFormat::Mantlet => "---\n",
        ExportFormat::Terraform => "\n",
        ExportFormat::AwsCli => {
            bail!("several files come of this; name a directory with --output, or one id")
        }
    };
    print(&files.iter().map(|file| file.text.as_str()).collect::<Vec<_>>().join(separator))
}

/// A file that is there already is somebody's, so nothing is written over.
fn write(directory: &Path, files: &[ExportedFile]) -> Result<()> {
    if let Some(there) = files.iter().map(|file| directory.join(&file.name)).find(|path| path.exists()) {
        bail!("{} is there already; name another directory, or remove it", there.display());
    }
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for file in files {
        let path = directory.join(&file.name);
        fs::write(&path, &file.text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let paths: Vec<_> = files.iter().map(|file| directory.join(&file.name).display().to_string()).collect();
    print(&(paths.join("\n") + "\n"))
}
