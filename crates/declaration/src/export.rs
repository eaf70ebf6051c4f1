//! What is there as files: for `mantlet apply`, and for aws-cli.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::conform::remove_deprecated;
use crate::difference::is_nothing;
use crate::kind::Kind;
use crate::plan::Live;
use crate::reference::{Target, for_each_site, mark};
use crate::yaml_writer;

/// The resources to export, with the names of what they refer to and what does not belong to them.
pub struct Export<'a> {
    /// In an order in which they can be made.
    pub resources: &'a [Live],
    /// Names of policies that are everywhere, by id.
    pub managed: &'a BTreeMap<String, String>,
}

/// One file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedFile {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl Export<'_> {
    /// The name of a resource in files: its own where it has one, and no two of a kind.
    pub(crate) fn name(live: &Live) -> String {
        let name = live.config["Name"].as_str().filter(|_| live.kind.has_name()).unwrap_or(&live.id);
        let is_fit = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_');
        name.chars().map(|character| if is_fit(character) { character } else { '-' }).collect()
    }

    /// Files that `mantlet apply` takes. Lists are plain, and what says nothing is left out.
    pub fn declarations(&self) -> Vec<ExportedFile> {
        let names = self.names();
        let file = |live: &Live| {
            let name = &names[&live.id];
            let mut config = live.config.clone();
            remove_deprecated(&mut config);
            for_each_site(live.kind, &mut config, &mut |site| {
                if let (Some(Target::Resource(_)), Some(name)) =
                    (site.target, names.get(site.text).or_else(|| self.managed.get(site.text)))
                {
                    *site.text = mark(name);
                }
            });
            let head = json!({"Kind": live.kind.name(), "Name": name});
            let tags = json!({"Tags": live.tags});
            let mut text = yaml_writer::write(&head);
            if !live.tags.is_empty() {
                text.push_str(&yaml_writer::write(&tags));
            }
            text.push_str(&yaml_writer::write(&json!({"Config": plain(&config)})));
            ExportedFile { name: format!("{}-{name}.yaml", file_word(live.kind)), text }
        };
        self.resources.iter().map(file).collect()
    }

    /// A name for each id, none twice.
    pub(crate) fn names(&self) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        let mut taken = std::collections::BTreeSet::new();
        for live in self.resources {
            let base = Self::name(live);
            let is_free = !taken.contains(&base) && !self.managed.values().any(|managed| *managed == base);
            let name = if is_free { base } else { format!("{base}-{}", live.kind.name()) };
            taken.insert(name.clone());
            names.insert(live.id.clone(), name);
        }
        names
    }

    /// What `aws cloudfront create-…` takes, and a script that makes all of it in order: ids differ on AWS, so it puts
    /// the new ones where the old ones stand.
    pub fn aws_cli(&self) -> Vec<ExportedFile> {
        let names = self.names();
        let file_of = |live: &Live| format!("{}-{}.json", file_word(live.kind), names[&live.id]);
        let mut files: Vec<ExportedFile> = self
            .resources
            .iter()
            .map(|live| ExportedFile { name: file_of(live), text: pretty(&aws_cli_config(live)) })
            .collect();
        let script =
            self.resources.iter().enumerate().fold(SCRIPT_HEAD.to_owned(), |script, (number, live)| {
                script + &create_command(live, &file_of(live), number)
            });
        files.push(ExportedFile { name: "create.sh".to_owned(), text: script });
        files
    }
}

const SCRIPT_HEAD: &str = "\
#!/bin/sh
# Makes everything here with the AWS clients' own settings. Ids that AWS gives replace those in the files.
set -eu
cd \"$(dirname \"$0\")\"
ids=$(mktemp)
trap 'rm -f \"$ids\" \"$ids.json\"' EXIT
with_new_ids() { sed -f \"$ids\" \"$1\" >\"$ids.json\"; }

";

fn create_command(live: &Live, file: &str, number: usize) -> String {
    let word = file_word(live.kind);
    let (flag, id) = match live.kind {
        Kind::RealtimeLogConfig => ("cli-input-json".to_owned(), "RealtimeLogConfig.ARN".to_owned()),
        Kind::Distribution => ("distribution-config".to_owned(), "Distribution.Id".to_owned()),
        kind => (format!("{word}-config"), format!("{}.Id", kind.name())),
    };
    let old = live.id.replace(['.', '*', '[', '|', '\\', '^', '$'], "\\$0");
    format!(
        "with_new_ids {file}\nid{number}=$(aws cloudfront create-{word} --{flag} \"file://$ids.json\" --query {id} \
         --output text)\necho \"{word} $id{number}\"\necho \"s|{old}|$id{number}|g\" >>\"$ids\"\n\n"
    )
}

/// A configuration as AWS itself takes it: lists with their quantity, everything else as it is.
pub fn aws_cli_config(live: &Live) -> Value {
    live.config.clone()
}

/// JSON with a line for each setting.
pub fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// The kind in the words of aws-cli.
pub fn file_word(kind: Kind) -> &'static str {
    match kind {
        Kind::CachePolicy => "cache-policy",
        Kind::OriginRequestPolicy => "origin-request-policy",
        Kind::ResponseHeadersPolicy => "response-headers-policy",
        Kind::PublicKey => "public-key",
        Kind::KeyGroup => "key-group",
        Kind::OriginAccessControl => "origin-access-control",
        Kind::RealtimeLogConfig => "realtime-log-config",
        Kind::ContinuousDeploymentPolicy => "continuous-deployment-policy",
        Kind::Distribution => "distribution",
    }
}

/// Listings as plain lists, without what says nothing.
fn plain(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(members) => {
            if let Some(items) = plain_listing(members) {
                return items.iter().map(plain).collect();
            }
            let kept = members.iter().filter(|(name, value)| {
                // `false` says something; an empty list does not.
                !is_nothing(value) && name.as_str() != "Quantity" || (name.as_str() == "OriginAccessIdentity")
            });
            Value::Object(kept.map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        value => value.clone(),
    }
}

/// The items of a listing that has nothing else to say.
fn plain_listing(members: &serde_json::Map<String, Value>) -> Option<&Vec<Value>> {
    let items = members.get("Items")?.as_array()?;
    let is_alone = members.iter().all(|(name, value)| match name.as_str() {
        "Quantity" | "Items" => true,
        "Enabled" => *value == Value::Bool(!items.is_empty()),
        _ => false,
    });
    (is_alone && members.contains_key("Quantity")).then_some(items)
}
