//! References: where a setting names another resource, and what stands there until that has an id.
//!
//! While a resource is not made yet its id is unknown, so a setting holds a *mark*: the name between two characters
//! that no document may contain. A name may go on with an attribute, as in `Api.DomainName`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kind::Kind;

const OPEN: char = '\u{1}';
const CLOSE: char = '\u{2}';

/// A text that stands for what `name` will be.
pub(crate) fn mark(name: &str) -> String {
    format!("{OPEN}{name}{CLOSE}")
}

/// Whether a text contains a mark.
pub(crate) fn is_marked(text: &str) -> bool {
    text.contains(OPEN)
}

/// The names that a text is marked with.
pub(crate) fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(OPEN).skip(1).filter_map(|rest| rest.split_once(CLOSE)).map(|(name, _)| name)
}

/// A text as a person reads it: marks become `(name)`.
pub fn readable(text: &str) -> String {
    text.replace(OPEN, "(").replace(CLOSE, ")")
}

/// What the value of a setting names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A resource of a kind that can be declared.
    Resource(Kind),
    /// Something that lives elsewhere: what it is called, and whether a distribution can do without it.
    External(&'static str),
}

/// What the settings of this name refer to, wherever they stand.
pub fn target(member: &str, parent: &str) -> Option<Target> {
    Some(match (parent, member) {
        (_, "CachePolicyId") => Target::Resource(Kind::CachePolicy),
        (_, "OriginRequestPolicyId") => Target::Resource(Kind::OriginRequestPolicy),
        (_, "ResponseHeadersPolicyId") => Target::Resource(Kind::ResponseHeadersPolicy),
        (_, "OriginAccessControlId") => Target::Resource(Kind::OriginAccessControl),
        (_, "RealtimeLogConfigArn") => Target::Resource(Kind::RealtimeLogConfig),
        (_, "ContinuousDeploymentPolicyId") => Target::Resource(Kind::ContinuousDeploymentPolicy),
        ("TrustedKeyGroups", "Items") => Target::Resource(Kind::KeyGroup),
        ("KeyGroupConfig", "Items") => Target::Resource(Kind::PublicKey),
        (_, "ACMCertificateArn" | "IAMCertificateId") => Target::External("a certificate"),
        (_, "WebACLId") => Target::External("a web ACL"),
        (_, "FunctionARN") => Target::External("a function"),
        (_, "LambdaFunctionARN") => Target::External("a Lambda function"),
        (_, "OriginAccessIdentity") => Target::External("an origin access identity"),
        (_, "VpcOriginId") => Target::External("a VPC origin"),
        (_, "FieldLevelEncryptionId") => Target::External("a field-level encryption configuration"),
        (_, "AnycastIpListId") => Target::External("an Anycast IP list"),
        _ => return None,
    })
}

/// A text of a configuration that is a reference, or is marked.
pub(crate) struct Site<'a> {
    pub(crate) path: String,
    pub(crate) target: Option<Target>,
    pub(crate) text: &'a mut String,
}

/// Calls `visit` with every text of a configuration that refers to something.
pub(crate) fn for_each_site(kind: Kind, config: &mut Value, visit: &mut dyn FnMut(Site<'_>)) {
    walk(config, "", kind.config_member(), "", None, visit);
}

fn walk(
    value: &mut Value,
    path: &str,
    parent: &str,
    member: &str,
    target_above: Option<Target>,
    visit: &mut dyn FnMut(Site<'_>),
) {
    let found = target(member, parent).or(target_above);
    match value {
        Value::String(text) if !text.is_empty() && (found.is_some() || is_marked(text)) => {
            visit(Site { path: path.to_owned(), target: found, text });
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, &format!("{path}[{index}]"), member, "", found, visit);
            }
        }
        Value::Object(members) => {
            let parent = if member.is_empty() { parent.to_owned() } else { member.to_owned() };
            for (name, value) in members.iter_mut() {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(value, &path, &parent, name, None, visit);
            }
        }
        _ => {}
    }
}

/// The names that a configuration is marked with, each with the path where it stands.
pub fn marked_names(config: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    // The kind matters for references without a mark only.
    for_each_site(Kind::Distribution, &mut config.clone(), &mut |site| {
        found.extend(names(site.text).map(|name| (site.path.clone(), name.to_owned())));
    });
    found
}

/// A configuration in which every mark whose value is known is replaced by it.
pub fn resolve(config: &Value, known: &BTreeMap<String, String>) -> Value {
    let mut config = config.clone();
    for_each_site(Kind::Distribution, &mut config, &mut |site| {
        let replacements: Vec<_> =
            names(site.text).filter_map(|name| Some((mark(name), known.get(name)?))).collect();
        for (mark, value) in replacements {
            *site.text = site.text.replace(&mark, value);
        }
    });
    config
}
