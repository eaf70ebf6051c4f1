//! `mantlet import`: what people have elsewhere becomes resources here, with a report on every setting.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Result, bail};
use aws_api::cloudfront::DistributionConfig;
use declaration::difference::Difference;
use declaration::plan::{Action, Unmet, action, completed, order, unmet};
use declaration::reference::resolve;
use declaration::{
    Kind, Resource, Settings, Skipped, external_names, leave_out, probe, read_foreign, settings,
};
use edge_config::{CloudFrontHeaders, Snapshot};
use serde_json::{Value, json};

use super::applied::Applied;
use super::files;
use super::inventory::{Inventory, learn_listed};
use crate::api_client::ApiClient;
use crate::command_line::ImportFlags;
use crate::data_dir::DataDir;
use crate::resources::{Listed, Resources};
use crate::running::Running;
use crate::stdout::print;

/// Managed-CachingDisabled ("Use managed cache policies").
const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";

/// What became of one resource.
enum Outcome {
    /// It would be made.
    WouldCreate,
    /// It was made.
    Created(Listed),
    /// It was there before; the import changes nothing that is there.
    Exists(Listed, Vec<Difference>),
    /// Values are wanting, or a resource that it refers to was not made.
    Waits(Vec<Unmet>),
    /// The API refused it.
    Failed(String),
}

/// One resource of the report.
struct Item {
    resource: Resource,
    outcome: Outcome,
    settings: Settings,
}

struct Report {
    items: Vec<Item>,
    skipped: Vec<Skipped>,
    unmet: Vec<declaration::UnmetSetting>,
}

/// Reads, makes, reports.
pub(crate) async fn import(flags: &ImportFlags) -> Result<()> {
    let values: BTreeMap<String, String> = flags.set.iter().cloned().collect();
    let left_out: BTreeSet<String> =
        values.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| name.clone()).collect();
    let given = values.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let loaded = files::load(&flags.files)?;
    let lent: Vec<_> = loaded.iter().map(files::Loaded::lend).collect();
    let reading = read_foreign(&lent, &given)?;

    let directory = DataDir::look_into(&flags.directory.data_dir)?;
    let client = ApiClient::of(&Running::find(&directory)?)?;
    let resources = Resources::of(&client);
    // Two imports at a time would make everything twice.
    let _alone = Applied::open(&directory)?;
    let mut inventory = Inventory::take(&resources).await?;
    let mut known = inventory.known();
    known.extend(given);

    let declared = order(without(reading.resources, &left_out))?;
    let mut importing = Importing {
        known,
        names: BTreeSet::new(),
        dry_run: flags.dry_run,
        resources: &resources,
        disable_caching: BTreeMap::new(),
    };
    let mut items = Vec::new();
    for resource in declared {
        let outcome = importing.import(&resource, &mut inventory).await?;
        let settings = importing.fate(&resource);
        items.push(Item { resource, outcome, settings });
    }
    for item in &items {
        if let (Outcome::Created(made), Kind::Distribution) = (&item.outcome, item.resource.kind) {
            resources.wait_until_deployed(&made.id).await?;
        }
    }
    let report = Report { items, skipped: reading.skipped, unmet: reading.unmet };
    let text = if flags.json { serde_json::to_string_pretty(&report.json())? + "\n" } else { report.text() };
    print(&text)?;
    report.verdict()
}

fn without(resources: Vec<Resource>, left_out: &BTreeSet<String>) -> Vec<Resource> {
    let change = |resource: Resource| Resource { config: leave_out(&resource.config, left_out), ..resource };
    resources.into_iter().map(change).collect()
}

struct Importing<'a> {
    known: BTreeMap<String, String>,
    /// Resources of this import that are there, or would be.
    names: BTreeSet<String>,
    dry_run: bool,
    resources: &'a Resources<'a>,
    /// Imported policies that keep nothing: to the control plane, which is asked without them, they are the managed
    /// one that does the same.
    disable_caching: BTreeMap<String, String>,
}

impl Importing<'_> {
    async fn import(&mut self, resource: &Resource, inventory: &mut Inventory) -> Result<Outcome> {
        if let Some(listed) = inventory.find(resource, &self.known, self.resources).await? {
            return self.compare(resource, listed).await;
        }
        let wanting = unmet(resource, &self.known, &self.names);
        if !wanting.is_empty() {
            return Ok(Outcome::Waits(wanting));
        }
        if self.dry_run {
            self.names.insert(resource.name.clone());
            return Ok(Outcome::WouldCreate);
        }
        let config = resolve(&resource.config, &self.known);
        match self.resources.create(resource.kind, &config, resource.tags.as_ref()).await {
            Ok(made) => {
                self.learn(resource, &made);
                Ok(Outcome::Created(made))
            }
            Err(error) if crate::api_client::refusal(&error).is_some() => {
                Ok(Outcome::Failed(format!("{error:#}")))
            }
            Err(error) => Err(error),
        }
    }

    async fn compare(&mut self, resource: &Resource, listed: Listed) -> Result<Outcome> {
        self.learn(resource, &listed);
        let live = self.resources.read(&listed, resource.tags.is_some()).await?;
        let found = action(resource, Some(&live), &self.known, &control::complete_distribution_config);
        let differences = if let Action::Change(differences) = found { differences } else { Vec::new() };
        Ok(Outcome::Exists(listed, differences))
    }

    /// What becomes of each setting, by what the control plane says of it.
    fn fate(&mut self, resource: &Resource) -> Settings {
        if resource.kind == Kind::CachePolicy && resource.config["MaxTTL"] == 0 {
            self.disable_caching.insert(resource.name.clone(), CACHING_DISABLED.to_owned());
        }
        let asked = if resource.kind == Kind::Distribution {
            let config = resolve(&resource.config, &self.disable_caching);
            let config = resolve(&config, &self.known);
            completed(resource.kind, &config, &control::complete_distribution_config)
        } else {
            probe()
        };
        let typed =
            aws_api::from_json::<DistributionConfig>(asked.to_string().as_bytes()).unwrap_or_default();
        let unenforced = control::unenforced_settings(&typed, &Snapshot::default(), sent_by_all());
        settings(resource.kind, &resource.config, &unenforced)
    }

    fn learn(&mut self, resource: &Resource, listed: &Listed) {
        self.names.insert(resource.name.clone());
        learn_listed(&mut self.known, &resource.name, listed);
    }
}

/// The `CloudFront-…` headers that edges send without a geo database. Whether the running process has one
/// is not known here.
fn sent_by_all() -> CloudFrontHeaders {
    CloudFrontHeaders::ALL.without(CloudFrontHeaders::OF_LOCATIONS)
}

impl Report {
    fn text(&self) -> String {
        let mut text = String::new();
        for item in &self.items {
            item.write(&mut text);
        }
        // Writing to a String does not fail.
        for one in &self.unmet {
            let _ = writeln!(
                text,
                "{} ({})\n  needs a value         {}: {}",
                one.resource, one.source, one.path, one.name
            );
            let _ = writeln!(text, "                        give it with --set '{}=VALUE'", one.name);
        }
        for one in &self.skipped {
            let _ = writeln!(text, "skipped {} ({}): {}", one.what, one.source, one.why);
        }
        let [would, made, there, wait, failed] = self.counts();
        let would = if would > 0 { format!("{would} to make, ") } else { String::new() };
        let _ = writeln!(
            text,
            "{would}{made} made, {there} there already, {wait} waiting for values, {failed} refused, {} skipped.",
            self.skipped.len()
        );
        text
    }

    fn counts(&self) -> [usize; 5] {
        let mut counts = [0, 0, 0, self.unmet.len(), 0];
        for item in &self.items {
            let index = match item.outcome {
                Outcome::WouldCreate => 0,
                Outcome::Created(_) => 1,
                Outcome::Exists(..) => 2,
                Outcome::Waits(_) => 3,
                Outcome::Failed(_) => 4,
            };
            counts[index] += 1;
        }
        counts
    }

    fn verdict(&self) -> Result<()> {
        match self.counts() {
            [.., 0, 0] => Ok(()),
            [.., wait, failed] => bail!(
                "{} not imported; give what they need, or leave it out with --set NAME=, and import again: what is \
                 there is not made twice",
                wait + failed
            ),
        }
    }

    fn json(&self) -> Value {
        let skipped = self
            .skipped
            .iter()
            .map(|one| json!({"What": one.what, "Why": one.why, "Source": one.source.to_string()}));
        let unmet = self.unmet.iter().map(|one| {
            json!({"Resource": one.resource, "Path": one.path, "Name": one.name, "Source": one.source.to_string()})
        });
        json!({
            "Resources": self.items.iter().map(Item::json).collect::<Vec<_>>(),
            "Unreadable": unmet.collect::<Vec<_>>(),
            "Skipped": skipped.collect::<Vec<_>>(),
        })
    }
}

impl Item {
    fn write(&self, text: &mut String) {
        let resource = &self.resource;
        // Writing to a String does not fail.
        let _ = writeln!(text, "{} {} ({})", resource.kind, resource.name, resource.source);
        let _ = writeln!(text, "  {}", self.said());
        if let Outcome::Exists(_, differences) = &self.outcome {
            for one in differences {
                let (here, there) = (one.shown(one.before.as_ref()), one.shown(one.after.as_ref()));
                let _ = writeln!(text, "  kept as it is here    {}: {here}, not {there}", one.path);
            }
        }
        let Settings { enforced, differently, not_enforced } = &self.settings;
        if !enforced.is_empty() {
            let _ = writeln!(text, "  enforced              {}", enforced.join(", "));
        }
        for (name, how) in differently {
            let _ = writeln!(text, "  enforced differently  {name}: {how}");
        }
        if !not_enforced.is_empty() {
            let _ = writeln!(text, "  not enforced          {}", not_enforced.join(", "));
        }
        for (one, what) in self.needs() {
            let _ = writeln!(text, "  needs a value         {}: {}{what}", one.path, one.name);
            let _ = writeln!(
                text,
                "                        give it with --set '{0}=VALUE', or leave it out with --set '{0}='",
                one.name
            );
        }
        for note in &resource.notes {
            let _ = writeln!(text, "  note                  {note}");
        }
    }

    fn said(&self) -> String {
        match &self.outcome {
            Outcome::WouldCreate => "would be made".to_owned(),
            Outcome::Created(made) => match &made.domain_name {
                Some(domain_name) => format!("made: {}, {domain_name}", made.id),
                None => format!("made: {}", made.id),
            },
            Outcome::Exists(listed, _) => format!("there already: {}", listed.id),
            Outcome::Waits(_) => "not made yet".to_owned(),
            Outcome::Failed(why) => format!("refused: {why}"),
        }
    }

    /// What is wanting, with what it is.
    fn needs(&self) -> Vec<(&Unmet, String)> {
        let Outcome::Waits(wanting) = &self.outcome else { return Vec::new() };
        let external = external_names(&self.resource);
        let describe =
            |one: &Unmet| external.get(&one.name).map_or(String::new(), |what| format!(" ({what})"));
        wanting.iter().map(|one| (one, describe(one))).collect()
    }

    fn json(&self) -> Value {
        let (word, id) = match &self.outcome {
            Outcome::WouldCreate => ("would-create", None),
            Outcome::Created(made) => ("created", Some(made)),
            Outcome::Exists(listed, _) => ("exists", Some(listed)),
            Outcome::Waits(_) => ("needs-values", None),
            Outcome::Failed(_) => ("refused", None),
        };
        let differently = self.settings.differently.iter();
        let needs = self.needs().into_iter();
        let kept =
            if let Outcome::Exists(_, differences) = &self.outcome { differences.as_slice() } else { &[] };
        json!({
            "Kind": self.resource.kind.name(),
            "Name": self.resource.name,
            "Source": self.resource.source.to_string(),
            "Outcome": word,
            "Id": id.map(|listed| &listed.id),
            "DomainName": id.and_then(|listed| listed.domain_name.as_ref()),
            "Reason": if let Outcome::Failed(why) = &self.outcome { Some(why) } else { None },
            "Kept": kept.iter().map(|one| &one.path).collect::<Vec<_>>(),
            "Enforced": self.settings.enforced,
            "EnforcedDifferently": differently.map(|(name, how)| json!({"Setting": name, "How": how})).collect::<Vec<_>>(),
            "NotEnforced": self.settings.not_enforced,
            "NeedsValue": needs.map(|(one, _)| json!({"Setting": one.path, "Name": one.name})).collect::<Vec<_>>(),
            "Notes": self.resource.notes,
        })
    }
}
