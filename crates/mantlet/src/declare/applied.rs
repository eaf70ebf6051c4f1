//! What `mantlet apply` has made: `DIR/applied.json`.
//!
//! Distributions could carry a tag that says so, policies and keys cannot, and whatever stands in a comment would be
//! the user's to keep. A record beside the store lives and is backed up with what it is about. Without it nothing is
//! lost but the right to remove: resources are found again by their own names.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use declaration::Kind;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::data_dir::DataDir;
use crate::durable::{Audience, replace_file};

/// One resource that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    /// Whose it is: files that are applied together.
    pub(crate) project: String,
    /// Its kind, by name.
    pub(crate) kind: String,
    /// Its name in the files.
    pub(crate) name: String,
    /// Its id.
    pub(crate) id: String,
}

impl Entry {
    /// The kind; none if a later release wrote it.
    pub(crate) fn kind(&self) -> Option<Kind> {
        Kind::from_name(&self.kind)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    resources: Vec<Entry>,
}

/// The record, held by one process at a time.
pub(crate) struct Applied {
    path: PathBuf,
    document: Document,
    /// Unlocks when dropped.
    _lock: File,
}

impl Applied {
    /// Takes the record of a data directory.
    pub(crate) fn open(directory: &DataDir) -> Result<Self> {
        let path = directory.applied();
        let lock_path = path.with_extension("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&lock_path);
        let lock = lock.with_context(|| format!("cannot open {}", lock_path.display()))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!(
                "another `mantlet apply` or `mantlet import` runs on {}; wait for it",
                directory.path().display()
            );
        }
        let document = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
                format!(
                    "{0} is damaged; restore it from a backup, or remove it and prune by hand",
                    path.display()
                )
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Document::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Ok(Self { path, document, _lock: lock })
    }

    /// The id of what a project's name stands for.
    pub(crate) fn id(&self, project: &str, kind: Kind, name: &str) -> Option<&str> {
        let is_it =
            |entry: &&Entry| entry.project == project && entry.kind == kind.name() && entry.name == name;
        self.document.resources.iter().find(is_it).map(|entry| entry.id.as_str())
    }

    /// The project that an id belongs to.
    pub(crate) fn project(&self, kind: Kind, id: &str) -> Option<&str> {
        let is_it = |entry: &&Entry| entry.kind == kind.name() && entry.id == id;
        self.document.resources.iter().find(is_it).map(|entry| entry.project.as_str())
    }

    /// Everything of a project.
    pub(crate) fn of_project(&self, project: &str) -> Vec<Entry> {
        self.document.resources.iter().filter(|entry| entry.project == project).cloned().collect()
    }

    /// Remembers a resource; written down at once.
    pub(crate) fn remember(&mut self, entry: Entry) -> Result<()> {
        if self.document.resources.contains(&entry) {
            return Ok(());
        }
        let replaces = |old: &Entry| {
            old.kind == entry.kind
                && (old.id == entry.id || (old.project == entry.project && old.name == entry.name))
        };
        self.document.resources.retain(|old| !replaces(old));
        self.document.resources.push(entry);
        self.write()
    }

    /// Forgets a resource that is gone; written down at once.
    pub(crate) fn forget(&mut self, kind: Kind, id: &str) -> Result<()> {
        self.document.resources.retain(|entry| entry.kind != kind.name() || entry.id != id);
        self.write()
    }

    fn write(&self) -> Result<()> {
        let mut text = serde_json::to_string_pretty(&self.document)?;
        text.push('\n');
        replace_file(&self.path, text.as_bytes(), Audience::Owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, id: &str) -> Entry {
        let text = str::to_owned;
        Entry { project: text("p"), kind: text("CachePolicy"), name: text(name), id: text(id) }
    }

    #[test]
    fn it_is_remembered_and_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let directory = DataDir::look_into(directory.path()).unwrap();
        let mut applied = Applied::open(&directory).unwrap();
        applied.remember(entry("a", "1")).unwrap();
        applied.remember(entry("b", "2")).unwrap();
        applied.remember(entry("a", "3")).unwrap();
        drop(applied);
        let mut applied = Applied::open(&directory).unwrap();
        assert_eq!(applied.of_project("p"), [entry("b", "2"), entry("a", "3")]);
        assert_eq!(applied.id("p", Kind::CachePolicy, "a"), Some("3"));
        assert_eq!(applied.id("q", Kind::CachePolicy, "a"), None);
        assert_eq!(applied.project(Kind::CachePolicy, "2"), Some("p"));
        applied.forget(Kind::CachePolicy, "2").unwrap();
        assert_eq!(applied.of_project("p"), [entry("a", "3")]);
        assert!(Applied::open(&directory).is_err(), "two at a time");
    }
}
