//! Resources as files declare them, before anything here has an id.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::aws_cli;
use crate::cloudformation;
use crate::conform::{ConformError, Dialect, conform};
use crate::declared;
use crate::document::{DocumentError, Node, Place, parse};
use crate::kind::Kind;
use crate::reference::{Target, for_each_site, is_marked, mark, resolve};

/// Where something was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file's name, as it was given.
    pub file: String,
    /// Where in it.
    pub place: Place,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.place.line)
    }
}

/// A resource that a file declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its kind.
    pub kind: Kind,
    /// By which others refer to it: a logical id, a declared name, or the id that it has on AWS.
    pub name: String,
    /// The configuration, in the model's JSON. References are marked; [`crate::reference::readable`] shows them.
    pub config: Value,
    /// Its tags, where the file says something about them.
    pub tags: Option<BTreeMap<String, String>>,
    /// Where it stands.
    pub source: Source,
    /// What the reader could not take over.
    pub notes: Vec<String>,
}

impl Resource {
    /// What tells it apart from others of its kind, whatever their ids.
    /// `known` are the values of names that it may be made of.
    pub fn natural_key(&self, known: &BTreeMap<String, String>) -> String {
        self.kind.natural_key(&resolve(&self.config, known)).unwrap_or_else(|| self.name.clone())
    }
}

/// Something in a file that is no resource of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// What it is.
    pub what: String,
    /// Why it is not taken, and what to do instead.
    pub why: String,
    /// Where it stands.
    pub source: Source,
}

/// Everything that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The resources.
    pub resources: Vec<Resource>,
    /// What was left.
    pub skipped: Vec<Skipped>,
    /// Resources that cannot be read before a value is given.
    pub unmet: Vec<UnmetSetting>,
}

/// A setting that is no text, and that needs a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmetSetting {
    /// The resource.
    pub resource: String,
    /// The setting.
    pub path: String,
    /// What to give a value for.
    pub name: String,
    /// Where it stands.
    pub source: Source,
}

/// A file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is no document.
    #[error("{file}: {error}")]
    Document {
        /// The file.
        file: String,
        /// What is wrong.
        error: DocumentError,
    },
    /// A setting is not what it must be.
    #[error("{file}: {error}")]
    Conform {
        /// The file.
        file: String,
        /// What is wrong.
        error: ConformError,
    },
    /// Two resources have one name.
    #[error("{first} and {second} both declare {name}; rename one")]
    Repeated {
        /// The name.
        name: String,
        /// Where it is declared first.
        first: Source,
        /// Where again.
        second: Source,
    },
}

/// A file to read.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Its name, for messages and for what is derived from it.
    pub name: &'a str,
    /// What is in it.
    pub bytes: &'a [u8],
}

/// Reads what people have: what aws-cli reads and prints, templates of CloudFormation, and our own files. `values` are
/// those of parameters and of whatever else lives elsewhere.
pub fn read_foreign(files: &[File<'_>], values: &BTreeMap<String, String>) -> Result<Reading, ReadError> {
    let mut reading = Reading::default();
    for file in files {
        for document in documents(file)? {
            read_any(file, &document, values, &mut reading)?;
        }
    }
    for resource in &mut reading.resources {
        mark_references(resource);
    }
    unrepeated(&mut reading)?;
    Ok(reading)
}

/// Reads our own files, and nothing else.
pub fn read_declared(files: &[File<'_>]) -> Result<Vec<Resource>, ReadError> {
    let mut reading = Reading::default();
    for file in files {
        for document in documents(file)? {
            declared::read(file, &document, &mut reading)?;
        }
    }
    unrepeated(&mut reading)?;
    Ok(reading.resources)
}

fn documents(file: &File<'_>) -> Result<Vec<Node>, ReadError> {
    parse(file.bytes).map_err(|error| ReadError::Document { file: file.name.to_owned(), error })
}

fn read_any(
    file: &File<'_>,
    document: &Node,
    values: &BTreeMap<String, String>,
    reading: &mut Reading,
) -> Result<(), ReadError> {
    if !document.items().is_empty() {
        return document.items().iter().try_for_each(|item| read_any(file, item, values, reading));
    }
    if cloudformation::is_template(document) {
        cloudformation::read(file, document, values, reading)
    } else if declared::is_declared(document) {
        declared::read(file, document, reading)
    } else {
        aws_cli::read(file, document, reading)
    }
}

/// Ids that a foreign file names literally are those of another place, until somebody says otherwise.
fn mark_references(resource: &mut Resource) {
    for_each_site(resource.kind, &mut resource.config, &mut |site| {
        if site.target.is_some() && !is_marked(site.text) {
            *site.text = mark(site.text);
        }
    });
}

/// One resource may stand in several files, as in a list and in a file of its own: the first whole one counts. Two
/// different ones under one name do not.
fn unrepeated(reading: &mut Reading) -> Result<(), ReadError> {
    reading.resources.sort_by_key(|resource| resource.notes.iter().any(|note| note == aws_cli::SUMMARY_NOTE));
    let mut kept: Vec<Resource> = Vec::new();
    let mut known = BTreeSet::new();
    for resource in std::mem::take(&mut reading.resources) {
        if known.insert(resource.name.clone()) {
            kept.push(resource);
            continue;
        }
        let first = kept.iter().find(|other| other.name == resource.name);
        let is_summary = resource.notes.iter().any(|note| note == aws_cli::SUMMARY_NOTE);
        match first {
            Some(first) if !(is_summary || first.config == resource.config) => {
                return Err(ReadError::Repeated {
                    name: resource.name.clone(),
                    first: first.source.clone(),
                    second: resource.source,
                });
            }
            _ => reading.skipped.push(Skipped {
                what: format!("{} {}", resource.kind, resource.name),
                why: "read from another file already".to_owned(),
                source: resource.source,
            }),
        }
    }
    reading.resources = kept;
    Ok(())
}

/// What a reader knows about a resource beside its configuration.
pub(crate) struct Named<'a> {
    pub(crate) kind: Kind,
    /// Its name; its natural key where there is no other.
    pub(crate) name: Option<&'a str>,
    /// What to fill in where the configuration has none.
    pub(crate) caller_reference: Option<String>,
}

/// Makes a resource of a configuration.
pub(crate) fn resource(
    file: &File<'_>,
    named: &Named<'_>,
    node: &Node,
    dialect: Dialect,
) -> Result<Resource, ConformError> {
    let mut conformed = conform(named.kind, node, dialect)?;
    if let Some(members) = conformed.config.as_object_mut() {
        if named.kind.has_name()
            && let Some(name) = named.name
        {
            members.entry("Name").or_insert_with(|| name.into());
        }
        if named.kind.has_caller_reference()
            && let Some(reference) = &named.caller_reference
        {
            members.entry("CallerReference").or_insert_with(|| reference.as_str().into());
        }
    }
    let key = named.kind.natural_key(&conformed.config);
    let Some(name) = named.name.map(str::to_owned).or(key) else {
        let member = if named.kind.has_name() { "Name" } else { "CallerReference" };
        return Err(ConformError {
            place: node.place,
            path: format!("{}.{member}", named.kind.config_member()),
            fault: "it is required; add it".to_owned(),
            needs: None,
        });
    };
    Ok(Resource {
        kind: named.kind,
        name,
        config: conformed.config,
        tags: None,
        source: Source { file: file.name.to_owned(), place: node.place },
        notes: conformed.ignored.iter().map(|path| format!("{path} is unknown here and left out")).collect(),
    })
}

/// The name of a file without its directory and its ending.
pub(crate) fn stem<'a>(file: &File<'a>) -> &'a str {
    let base = file.name.rsplit('/').next().unwrap_or(file.name);
    base.split_once('.').map_or(base, |(stem, _)| stem)
}

/// Tags as lists of `Key` and `Value`, in whatever case.
pub(crate) fn tags_of(node: &Node) -> BTreeMap<String, String> {
    let items = node.get("Items").unwrap_or(node).items();
    let text = |item: &Node, name: &str| item.get(name).and_then(Node::as_text).map(str::to_owned);
    items
        .iter()
        .filter_map(|item| Some((text(item, "Key")?, text(item, "Value").unwrap_or_default())))
        .collect()
}

/// The settings of a configuration that name something that lives elsewhere, by what it is.
pub fn external_names(resource: &Resource) -> BTreeMap<String, &'static str> {
    let mut found = BTreeMap::new();
    for_each_site(resource.kind, &mut resource.config.clone(), &mut |site| {
        if let Some(Target::External(what)) = site.target {
            found.extend(crate::reference::names(site.text).map(|name| (name.to_owned(), what)));
        }
    });
    found
}
