//! `mantlet apply`: what files declare becomes what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use declaration::plan::{Action, action, order, unmet};
use declaration::reference::resolve;
use declaration::{Kind, Resource, read_declared};
use serde_json::{Value, json};

use super::applied::{Applied, Entry};
use super::confirm::confirm;
use super::files;
use super::inventory::{Inventory, learn_listed};
use crate::api_client::ApiClient;
use crate::command_line::ApplyFlags;
use crate::data_dir::DataDir;
use crate::resources::{Listed, Resources};
use crate::running::Running;
use crate::stdout::print;

/// One thing to do.
struct Step {
    kind: Kind,
    name: String,
    /// What is there.
    listed: Option<Listed>,
    /// What is declared; nothing where it is to go.
    resource: Option<Resource>,
    action: Action,
}

/// Everything to do, in order.
struct Plan {
    steps: Vec<Step>,
    known: BTreeMap<String, String>,
    project: String,
}

/// Plans, asks, does.
pub(crate) async fn apply(flags: &ApplyFlags) -> Result<()> {
    let project = project(flags)?;
    let declared = read_files(&flags.files)?;
    let directory = DataDir::look_into(&flags.directory.data_dir)?;
    let client = ApiClient::of(&Running::find(&directory)?)?;
    let resources = Resources::of(&client);
    let mut applied = Applied::open(&directory)?;
    let mut plan = plan(declared, project, flags.prune, &resources, &applied).await?;
    let has_changes = plan.steps.iter().any(|step| step.action != Action::Keep);
    if !flags.json {
        print(&shown(&plan))?;
    }
    let is_agreed = if has_changes && !flags.dry_run { flags.yes || confirm("Do this?")? } else { false };
    let outcome =
        if is_agreed { perform(&mut plan, &resources, &mut applied, flags).await } else { Ok(Vec::new()) };
    if !has_changes && !flags.dry_run {
        remember_all(&plan, &mut applied)?;
    }
    if flags.json {
        let done = outcome.as_deref().unwrap_or_default();
        let document = json!({"Plan": plan_json(&plan), "Done": done, "HasChanges": has_changes});
        print(&(serde_json::to_string_pretty(&document)? + "\n"))?;
    }
    outcome.map(drop)
}

/// Files that are applied together share the name of their directory, unless they are given one.
fn project(flags: &ApplyFlags) -> Result<String> {
    if let Some(project) = &flags.project {
        return Ok(project.clone());
    }
    match flags.files.as_slice() {
        [one] if one.is_dir() => {
            let whole = one.canonicalize().with_context(|| format!("cannot read {}", one.display()))?;
            Ok(whole
                .file_name()
                .map_or_else(|| "default".to_owned(), |name| name.to_string_lossy().into_owned()))
        }
        _ => Ok("default".to_owned()),
    }
}

fn read_files(paths: &[PathBuf]) -> Result<Vec<Resource>> {
    let loaded = files::load(paths)?;
    let lent: Vec<_> = loaded.iter().map(files::Loaded::lend).collect();
    Ok(order(read_declared(&lent)?)?)
}

async fn plan(
    declared: Vec<Resource>,
    project: String,
    prunes: bool,
    resources: &Resources<'_>,
    applied: &Applied,
) -> Result<Plan> {
    let mut inventory = Inventory::take(resources).await?;
    let mut known = inventory.known();
    let mut found = Vec::new();
    for resource in &declared {
        let listed = find(resource, &project, &known, &mut inventory, resources, applied).await?;
        // The name is the declared one's, whatever else is called so.
        known.remove(&resource.name);
        if let Some(listed) = &listed {
            learn_listed(&mut known, &resource.name, listed);
        }
        found.push(listed);
    }
    check_names(&declared, &known)?;
    let mut steps = Vec::new();
    for (resource, listed) in declared.into_iter().zip(found) {
        let live = match &listed {
            Some(listed) => Some(resources.read(listed, resource.tags.is_some()).await?),
            None => None,
        };
        let action = action(&resource, live.as_ref(), &known, &control::complete_distribution_config);
        steps.push(Step {
            kind: resource.kind,
            name: resource.name.clone(),
            listed,
            resource: Some(resource),
            action,
        });
    }
    if prunes {
        steps.extend(deletions(&steps, &project, &inventory, applied));
    }
    Ok(Plan { steps, known, project })
}

/// What was applied under this name; else whatever has the same natural key, unless it is another project's.
async fn find(
    resource: &Resource,
    project: &str,
    known: &BTreeMap<String, String>,
    inventory: &mut Inventory,
    resources: &Resources<'_>,
    applied: &Applied,
) -> Result<Option<Listed>> {
    let recorded = applied.id(project, resource.kind, &resource.name);
    if let Some(listed) = recorded.and_then(|id| inventory.with_id(resource.kind, id)) {
        return Ok(Some(listed.clone()));
    }
    let found = inventory.find(resource, known, resources).await?;
    let owner = found.as_ref().and_then(|listed| applied.project(resource.kind, &listed.id));
    match owner {
        Some(owner) if owner != project => bail!(
            "{} {} ({}) belongs to the project {owner}; rename it, or apply it with --project {owner}",
            resource.kind,
            resource.name,
            resource.source
        ),
        _ => Ok(found),
    }
}

fn check_names(declared: &[Resource], known: &BTreeMap<String, String>) -> Result<()> {
    let names: BTreeSet<String> = declared.iter().map(|resource| resource.name.clone()).collect();
    let mut faults = String::new();
    for resource in declared {
        for wanting in unmet(resource, known, &names) {
            // Writing to a String does not fail.
            let _ = write!(
                faults,
                "\n  {}: {} refers to {}, which is neither declared nor there",
                resource.source, wanting.path, wanting.name
            );
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        bail!("some names lead nowhere; declare them, or correct them:{faults}")
    }
}

/// What an earlier apply of this project made and the files no longer have; whatever refers to others goes first.
fn deletions(steps: &[Step], project: &str, inventory: &Inventory, applied: &Applied) -> Vec<Step> {
    let is_declared =
        |id: &str| steps.iter().any(|step| step.listed.as_ref().is_some_and(|listed| listed.id == id));
    let gone = applied.of_project(project).into_iter().filter_map(|entry| {
        let listed = inventory.with_id(entry.kind()?, &entry.id)?;
        (!is_declared(&entry.id)).then(|| Step {
            kind: listed.kind,
            name: entry.name,
            listed: Some(listed.clone()),
            resource: None,
            action: Action::Delete,
        })
    });
    let mut gone: Vec<Step> = gone.collect();
    gone.sort_by_key(|step| std::cmp::Reverse(step.kind));
    gone
}

/// The plan for a person.
fn shown(plan: &Plan) -> String {
    let mut text = String::new();
    let mut counts = [0; 4];
    for step in &plan.steps {
        let id = step.listed.as_ref().map_or(String::new(), |listed| format!(" ({})", listed.id));
        let (index, sign) = match &step.action {
            Action::Create => (0, "+ create   "),
            Action::Change(_) => (1, "~ change   "),
            Action::Delete => (2, "- delete   "),
            Action::Keep => (3, "  unchanged"),
        };
        counts[index] += 1;
        // Writing to a String does not fail.
        let _ = writeln!(text, "{sign} {} {}{id}", step.kind, step.name);
        if let Action::Change(differences) = &step.action {
            for one in differences {
                let (before, after) = (one.shown(one.before.as_ref()), one.shown(one.after.as_ref()));
                let _ = writeln!(text, "      {}: {before} → {after}", one.path);
            }
        }
    }
    let [create, change, delete, unchanged] = counts;
    if create + change + delete == 0 {
        let _ = writeln!(text, "No changes: {unchanged} as declared.");
    } else {
        let _ = writeln!(
            text,
            "{create} to create, {change} to change, {delete} to delete, {unchanged} unchanged."
        );
    }
    text
}

fn plan_json(plan: &Plan) -> Vec<Value> {
    let steps = plan.steps.iter().map(|step| {
        let (word, differences) = match &step.action {
            Action::Create => ("create", Vec::new()),
            Action::Change(differences) => ("change", differences.clone()),
            Action::Delete => ("delete", Vec::new()),
            Action::Keep => ("unchanged", Vec::new()),
        };
        let differences: Vec<_> = differences
            .iter()
            .map(|one| {
                let shown = |value: &Option<Value>| value.as_ref().map(|_| one.shown(value.as_ref()));
                json!({"Path": one.path, "Before": shown(&one.before), "After": shown(&one.after)})
            })
            .collect();
        json!({
            "Action": word,
            "Kind": step.kind.name(),
            "Name": step.name,
            "Id": step.listed.as_ref().map(|listed| &listed.id),
            "Differences": differences,
        })
    });
    steps.collect()
}

/// Does every step; the first that fails ends it, and says what was done and what was not.
async fn perform(
    plan: &mut Plan,
    resources: &Resources<'_>,
    applied: &mut Applied,
    flags: &ApplyFlags,
) -> Result<Vec<String>> {
    let mut done = Vec::new();
    let mut to_deploy = Vec::new();
    let tell = |line: &str| {
        if !flags.json {
            eprintln!("{line}");
        }
    };
    for index in 0..plan.steps.len() {
        let label = format!("{} {}", plan.steps[index].kind, plan.steps[index].name);
        match perform_step(plan, index, resources, applied).await {
            Ok(None) => {}
            Ok(Some(word)) => {
                let id = plan.steps[index].listed.as_ref().map_or("", |listed| &listed.id);
                let line = format!("{word} {label} ({id})");
                tell(&line);
                done.push(line);
                if plan.steps[index].kind == Kind::Distribution && plan.steps[index].resource.is_some() {
                    to_deploy.push(id.to_owned());
                }
            }
            Err(error) => return Err(error.context(interrupted(plan, index, &done, &label))),
        }
    }
    for (index, id) in to_deploy.iter().enumerate() {
        tell(&format!("waiting for {id} to be deployed ({} of {})", index + 1, to_deploy.len()));
        resources.wait_until_deployed(id).await?;
    }
    tell("Done.");
    Ok(done)
}

fn interrupted(plan: &Plan, failed: usize, done: &[String], label: &str) -> String {
    let is_open = |step: &&Step| step.action != Action::Keep;
    let open = plan.steps[failed + 1..].iter().filter(is_open);
    let open: Vec<_> = open.map(|step| format!("{} {}", step.kind, step.name)).collect();
    let list = |items: &[String]| if items.is_empty() { "nothing".to_owned() } else { items.join(", ") };
    format!(
        "{label} failed. Done: {}. Not done: {}. Correct it and apply again; what is done stays",
        list(done),
        list(&open)
    )
}

/// What was done, in one word.
async fn perform_step(
    plan: &mut Plan,
    index: usize,
    resources: &Resources<'_>,
    applied: &mut Applied,
) -> Result<Option<&'static str>> {
    let Plan { steps, known, project } = plan;
    let step = &mut steps[index];
    let (kind, name) = (step.kind, step.name.clone());
    let word = match (&step.action, &step.resource, &step.listed) {
        (Action::Create, Some(resource), _) => {
            let config = resolve(&resource.config, known);
            let made = resources.create(kind, &config, resource.tags.as_ref()).await?;
            step.listed = Some(made);
            Some("created")
        }
        (Action::Change(_), Some(resource), Some(listed)) => {
            let config = resolve(&resource.config, known);
            resources.update(listed, &config, resource.tags.as_ref()).await?;
            Some("changed")
        }
        (Action::Delete, _, Some(listed)) => {
            resources.delete(kind, &listed.id).await?;
            applied.forget(kind, &listed.id)?;
            return Ok(Some("deleted"));
        }
        _ => None,
    };
    if let Some(listed) = &step.listed {
        learn_listed(known, &name, listed);
        applied.remember(entry(project, kind, &name, &listed.id))?;
    }
    Ok(word)
}

/// What was found as declared is this project's from now on.
fn remember_all(plan: &Plan, applied: &mut Applied) -> Result<()> {
    for step in &plan.steps {
        if let Some(listed) = &step.listed {
            applied.remember(entry(&plan.project, step.kind, &step.name, &listed.id))?;
        }
    }
    Ok(())
}

fn entry(project: &str, kind: Kind, name: &str, id: &str) -> Entry {
    let text = str::to_owned;
    Entry { project: text(project), kind: text(kind.name()), name: text(name), id: text(id) }
}
