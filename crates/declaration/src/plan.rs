//! What has to be done so that what is there becomes what is declared.

use std::collections::{BTreeMap, BTreeSet};

use aws_api::cloudfront::DistributionConfig;
use serde_json::Value;

use crate::conform::remove_deprecated;
use crate::difference::{Difference, differences};
use crate::kind::Kind;
use crate::reference::{marked_names, resolve};
use crate::resource::Resource;

/// A resource that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its kind.
    pub kind: Kind,
    /// Its id; the ARN of a real-time log configuration.
    pub id: String,
    /// Its configuration, as the API tells it.
    pub config: Value,
    /// Its tags; empty for what has none.
    pub tags: BTreeMap<String, String>,
}

/// What is to be done with one resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// There is none yet.
    Create,
    /// It differs in these settings.
    Change(Vec<Difference>),
    /// It is as declared.
    Keep,
    /// It was declared once, and is no longer.
    Delete,
}

/// Fills in what the API fills in, so that a short declaration equals a whole configuration.
pub type Complete<'a> = &'a dyn Fn(&mut DistributionConfig);

/// What to do with a declared resource, given the one that is there. `known` are the values of names: ids of what is
/// there already.
pub fn action(
    resource: &Resource,
    live: Option<&Live>,
    known: &BTreeMap<String, String>,
    complete: Complete<'_>,
) -> Action {
    let Some(live) = live else { return Action::Create };
    let declared = completed(resource.kind, &resolve(&resource.config, known), complete);
    let mut found = differences(&completed(live.kind, &live.config, complete), &declared);
    if let Some(tags) = &resource.tags {
        found.extend(tag_differences(&live.tags, tags));
    }
    if found.is_empty() { Action::Keep } else { Action::Change(found) }
}

fn tag_differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Difference> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| Difference {
            path: format!("Tags.{key}"),
            before: before.get(key).map(|value| value.as_str().into()),
            after: after.get(key).map(|value| value.as_str().into()),
        })
        .collect()
}

/// A configuration with what the API fills in.
pub fn completed(kind: Kind, config: &Value, complete: Complete<'_>) -> Value {
    if kind != Kind::Distribution {
        return config.clone();
    }
    let mut whole = config.clone();
    if let Some(members) = whole.as_object_mut() {
        members.entry("CallerReference").or_insert_with(|| "".into());
    }
    let Ok(mut typed) = aws_api::from_json::<DistributionConfig>(whole.to_string().as_bytes()) else {
        return whole;
    };
    complete(&mut typed);
    let mut whole = serde_json::from_slice(&aws_api::to_json(&typed)).unwrap_or(whole);
    remove_deprecated(&mut whole);
    whole
}

/// Resources that need each other in a circle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} refer to each other in a circle; leave one reference out", .names.join(", "))]
pub struct Circle {
    /// Their names.
    pub names: Vec<String>,
}

/// The order in which resources can be made: each after those that it refers to.
pub fn order(resources: Vec<Resource>) -> Result<Vec<Resource>, Circle> {
    let names: BTreeSet<String> = resources.iter().map(|resource| resource.name.clone()).collect();
    let mut waiting: Vec<(Resource, BTreeSet<String>)> = resources
        .into_iter()
        .map(|resource| {
            let needed = needed_resources(&resource, &names);
            (resource, needed)
        })
        .collect();
    waiting.sort_by(|(one, _), (other, _)| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
    let mut ordered: Vec<Resource> = Vec::new();
    let mut made = BTreeSet::new();
    while !waiting.is_empty() {
        let (ready, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(_, needed)| needed.iter().all(|name| made.contains(name)));
        if ready.is_empty() {
            return Err(Circle { names: rest.into_iter().map(|(resource, _)| resource.name).collect() });
        }
        made.extend(ready.iter().map(|(resource, _)| resource.name.clone()));
        ordered.extend(ready.into_iter().map(|(resource, _)| resource));
        waiting = rest;
    }
    Ok(ordered)
}

fn needed_resources(resource: &Resource, names: &BTreeSet<String>) -> BTreeSet<String> {
    let marked = marked_names(&resource.config).into_iter();
    marked
        .filter_map(|(_, name)| resource_of(&name, names).map(str::to_owned))
        .filter(|name| *name != resource.name)
        .collect()
}

/// The resource that a name means: `Api`, or `Api.DomainName`.
pub fn resource_of<'a>(name: &'a str, names: &BTreeSet<String>) -> Option<&'a str> {
    if names.contains(name) {
        return Some(name);
    }
    let (resource, _) = name.rsplit_once('.')?;
    names.contains(resource).then_some(resource)
}

/// A name that nothing here has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The setting that needs it.
    pub path: String,
    /// The name: of a parameter, of something in a template, or an id or ARN of another place.
    pub name: String,
}

/// The names that a resource needs and that neither are known nor will be made.
pub fn unmet(resource: &Resource, known: &BTreeMap<String, String>, names: &BTreeSet<String>) -> Vec<Unmet> {
    marked_names(&resource.config)
        .into_iter()
        .filter(|(_, name)| !known.contains_key(name) && resource_of(name, names).is_none())
        .map(|(path, name)| Unmet { path, name })
        .collect()
}

/// What a resource that exists is known by: its name alone is its id, and each of its attributes.
pub fn learn(
    known: &mut BTreeMap<String, String>,
    name: &str,
    id: &str,
    arn: Option<&str>,
    domain_name: Option<&str>,
) {
    known.insert(name.to_owned(), id.to_owned());
    known.insert(format!("{name}.Id"), id.to_owned());
    if let Some(arn) = arn {
        known.insert(format!("{name}.Arn"), arn.to_owned());
        known.insert(format!("{name}.ARN"), arn.to_owned());
    }
    if let Some(domain_name) = domain_name {
        known.insert(format!("{name}.DomainName"), domain_name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::{File, read_declared};

    const FILES: &str = "Kind: Distribution\nName: api\nConfig:\n  Enabled: true\n  Origins:\n  - {Id: o, DomainName: \
                         o.example, CustomOriginConfig: {HTTPPort: 80, HTTPSPort: 443, OriginProtocolPolicy: \
                         https-only}}\n  DefaultCacheBehavior:\n    TargetOriginId: o\n    ViewerProtocolPolicy: \
                         https-only\n    CachePolicyId: !Ref short\n    OriginRequestPolicyId: !Ref \
                         Managed-AllViewer\n---\nKind: CachePolicy\nName: short\nConfig: {MinTTL: 1}\n";

    fn declared(text: &str) -> Vec<Resource> {
        read_declared(&[File { name: "a.yaml", bytes: text.as_bytes() }]).unwrap()
    }

    #[test]
    fn what_is_referred_to_comes_first() {
        let ordered = order(declared(FILES)).unwrap();
        assert_eq!(ordered.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["short", "api"]);
    }

    #[test]
    fn circles_are_told() {
        let text = "Kind: KeyGroup\nName: a\nConfig: {Items: [!Ref b]}\n---\nKind: KeyGroup\nName: b\nConfig: \
                    {Items: [!Ref a]}\n";
        let circle = order(declared(text)).unwrap_err();
        assert_eq!(circle.to_string(), "a, b refer to each other in a circle; leave one reference out");
    }

    #[test]
    fn names_of_others_are_unmet() {
        let resources = declared(FILES);
        let names = resources.iter().map(|one| one.name.clone()).collect();
        let path = "DefaultCacheBehavior.OriginRequestPolicyId".to_owned();
        let expected = [Unmet { path, name: "Managed-AllViewer".to_owned() }];
        assert_eq!(unmet(&resources[0], &BTreeMap::new(), &names), expected);
        let known = BTreeMap::from([("Managed-AllViewer".to_owned(), "216adef6".to_owned())]);
        assert_eq!(unmet(&resources[0], &known, &names), []);
    }

    #[test]
    fn what_is_there_is_compared() {
        let policy = declared("Kind: CachePolicy\nName: short\nConfig: {MinTTL: 1}\n").remove(0);
        let live = |min_ttl| Live {
            kind: Kind::CachePolicy,
            id: "1".to_owned(),
            config: json!({"Name": "short", "MinTTL": min_ttl, "Comment": ""}),
            tags: BTreeMap::new(),
        };
        let act = |live: Option<Live>| action(&policy, live.as_ref(), &BTreeMap::new(), &|_| {});
        assert_eq!(act(None), Action::Create);
        assert_eq!(act(Some(live(1))), Action::Keep);
        let change = Difference { path: "MinTTL".to_owned(), before: Some(2.into()), after: Some(1.into()) };
        assert_eq!(act(Some(live(2))), Action::Change(vec![change]));
    }

    #[test]
    fn attributes_are_learned() {
        let mut known = BTreeMap::new();
        learn(&mut known, "api", "E1", Some("arn:1"), Some("d1.example"));
        let config = json!({"a": "x-\u{1}api.DomainName\u{2}-\u{1}api\u{2}", "b": "\u{1}other\u{2}"});
        let expected = json!({"a": "x-d1.example-E1", "b": "\u{1}other\u{2}"});
        assert_eq!(resolve(&config, &known), expected);
    }
}
