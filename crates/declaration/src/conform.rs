//! Documents to shapes, driven by the schemas: lists become `Quantity` and `Items` where the model has them so, and
//! each dialect's own names become the model's.

use aws_api::shape::{List, Map, Ref, Slot, Structure, StructureSchema, Value};

use crate::document::{Node, NodeValue, Place};
use crate::kind::Kind;
use crate::reference::{is_marked, names};

/// Whose words a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// What aws-cli reads and prints: the model's words. A member that the model does not know is newer than it.
    Api,
    /// CloudFormation's.
    CloudFormation,
    /// Mantlet's own files: the model's words, lists with or without a quantity, nothing unknown.
    Own,
}

/// A setting that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {path}: {fault}")]
pub struct ConformError {
    /// Where it stands.
    pub place: Place,
    /// Its name, with those around it.
    pub path: String,
    /// What is wrong, and what to change.
    pub fault: String,
    /// The value that is wanting, where that is what is wrong.
    pub needs: Option<String>,
}

/// A document as a configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Conformed {
    /// The configuration in the model's JSON.
    pub config: serde_json::Value,
    /// Settings that the model does not know.
    pub ignored: Vec<String>,
}

/// Reads a configuration of a kind. `CallerReference`, `Name` and `Comment` may be absent: whoever asks knows better.
pub fn conform(kind: Kind, node: &Node, dialect: Dialect) -> Result<Conformed, ConformError> {
    let mut structure = kind.blank_config();
    let mut conforming = Conforming { dialect, ignored: Vec::new() };
    conforming.structure(node, &mut *structure, kind.config_member())?;
    let json = aws_api::to_json(&*structure);
    let mut config: serde_json::Value = serde_json::from_slice(&json)
        .map_err(|_| fault(node.place, kind.config_member(), "it cannot be kept as JSON"))?;
    remove_absent(kind, node, &mut config);
    remove_deprecated(&mut config);
    Ok(Conformed { config, ignored: conforming.ignored })
}

/// A required text that was not given reads as an empty one.
fn remove_absent(kind: Kind, node: &Node, config: &mut serde_json::Value) {
    let Some(members) = config.as_object_mut() else { return };
    for name in ["CallerReference", "Name"] {
        let is_required = if name == "Name" { kind.has_name() } else { kind.has_caller_reference() };
        if is_required && node.get(name).is_none_or(Node::is_null) {
            members.remove(name);
        }
    }
}

/// Two members of old say again what `ACMCertificateArn` and its like say ("ViewerCertificate", Certificate).
pub(crate) fn remove_deprecated(config: &mut serde_json::Value) {
    if let Some(certificate) = config.get_mut("ViewerCertificate").and_then(serde_json::Value::as_object_mut)
    {
        certificate.remove("Certificate");
        certificate.remove("CertificateSource");
    }
}

struct Conforming {
    dialect: Dialect,
    ignored: Vec<String>,
}

impl Conforming {
    fn structure(
        &mut self,
        node: &Node,
        structure: &mut dyn Structure,
        path: &str,
    ) -> Result<(), ConformError> {
        let schema = structure.schema();
        let entries = match &node.value {
            NodeValue::Map(entries) => translated(self.dialect, schema, entries, node.place),
            NodeValue::List(_) if is_listing(schema) => listing_entries(schema, node),
            _ => return Err(fault(node.place, path, "a map of settings is expected here")),
        };
        let mut present = vec![false; schema.members.len()];
        for (name, node) in entries.iter().filter(|(_, node)| !node.is_null()) {
            let inner = join(path, name);
            let Some(index) = schema.members.iter().position(|member| member.name == name) else {
                self.unknown(schema, node.place, inner)?;
                continue;
            };
            self.value(node, structure.members_mut().swap_remove(index), &inner)?;
            present[index] = true;
        }
        complete_listing(schema, structure, &mut present);
        check_required(schema, &present, node.place, path)
    }

    fn unknown(&mut self, schema: &StructureSchema, place: Place, path: String) -> Result<(), ConformError> {
        if self.dialect != Dialect::Own {
            self.ignored.push(path);
            return Ok(());
        }
        let known: Vec<_> = schema.members.iter().map(|member| member.name).collect();
        Err(fault(place, &path, format!("there is no such setting; there are {}", known.join(", "))))
    }

    fn value(&mut self, node: &Node, place: &mut dyn Value, path: &str) -> Result<(), ConformError> {
        match place.slot() {
            Slot::Structure(structure) => self.structure(node, structure, path),
            Slot::List(list) => self.list(node, list, path),
            Slot::Map(map) => self.map(node, map, path),
            slot => scalar(node, slot, self.dialect, path),
        }
    }

    fn list(&mut self, node: &Node, list: &mut dyn List, path: &str) -> Result<(), ConformError> {
        let NodeValue::List(items) = &node.value else {
            return Err(fault(node.place, path, "a list is expected here"));
        };
        for (index, item) in items.iter().enumerate() {
            self.value(item, list.push_default(), &format!("{path}[{index}]"))?;
        }
        Ok(())
    }

    fn map(&mut self, node: &Node, map: &mut dyn Map, path: &str) -> Result<(), ConformError> {
        for (key, item) in node.entries() {
            let inner = join(path, key);
            let place = map.insert_default(key).map_err(|_| fault(item.place, &inner, "no such key"))?;
            self.value(item, place, &inner)?;
        }
        Ok(())
    }
}

fn scalar(node: &Node, slot: Slot<'_>, dialect: Dialect, path: &str) -> Result<(), ConformError> {
    let wanted = |what: &str| fault(node.place, path, format!("{what} is expected here"));
    let Some(text) = node.as_text() else { return Err(wanted("a single value")) };
    if is_marked(text) && !matches!(slot, Slot::Text(_)) {
        let name = names(text).next().unwrap_or_default().to_owned();
        return Err(ConformError {
            needs: Some(name.clone()),
            ..fault(node.place, path, format!("needs the value of {name}"))
        });
    }
    match slot {
        Slot::Text(place) => text.clone_into(place),
        Slot::Integer(place) => *place = text.parse().map_err(|_| wanted("a whole number"))?,
        Slot::Long(place) => *place = text.parse().map_err(|_| wanted("a whole number"))?,
        Slot::Double(place) => {
            let number: Option<f64> = text.parse().ok();
            *place = number.filter(|number| number.is_finite()).ok_or_else(|| wanted("a number"))?;
        }
        Slot::Boolean(place) => {
            *place = match text {
                "true" | "True" | "TRUE" => true,
                "false" | "False" | "FALSE" => false,
                _ => return Err(wanted("true or false")),
            };
        }
        Slot::Enumeration(place) => {
            let choices = place.values();
            // Lists print `HTTP2` where everything else says `http2`.
            let alike = choices.iter().find(|choice| choice.eq_ignore_ascii_case(text));
            let text = alike.filter(|_| dialect != Dialect::Own).copied().unwrap_or(text);
            place.set(text).map_err(|_| wanted(&format!("one of {}", choices.join(", "))))?;
        }
        Slot::Blob(_) | Slot::Timestamp(_) | Slot::Structure(_) | Slot::List(_) | Slot::Map(_) => {
            return Err(wanted("another value"));
        }
    }
    Ok(())
}

/// Whether the model writes this list as `Quantity` and `Items`.
fn is_listing(schema: &StructureSchema) -> bool {
    let has = |name: &str| schema.members.iter().any(|member| member.name == name);
    has("Quantity") && has("Items")
}

/// A plain list as the entries of a listing. Where a listing can be switched on, items do so.
fn listing_entries(schema: &StructureSchema, node: &Node) -> Vec<(String, Node)> {
    let mut entries = vec![("Items".to_owned(), node.clone())];
    if schema.members.iter().any(|member| member.name == "Enabled") {
        let is_enabled = (!node.items().is_empty()).to_string();
        entries.push(("Enabled".to_owned(), Node::text(node.place, is_enabled)));
    }
    entries
}

/// Counts the items where the document does not, and leaves an empty list away as the API does.
fn complete_listing(schema: &StructureSchema, structure: &mut dyn Structure, present: &mut [bool]) {
    let position = |name: &str| schema.members.iter().position(|member| member.name == name);
    let (Some(quantity), Some(items)) = (position("Quantity"), position("Items")) else { return };
    if present[quantity] {
        return;
    }
    let mut members = structure.members_mut();
    let count = match members[items].get() {
        Ref::List(list) => list.len(),
        _ => 0,
    };
    if let Slot::Integer(place) = members[quantity].slot() {
        *place = i32::try_from(count).unwrap_or(i32::MAX);
        present[quantity] = true;
    }
}

/// `CallerReference`, `Name` and `Comment` of a whole configuration are filled in later.
fn check_required(
    schema: &StructureSchema,
    present: &[bool],
    place: Place,
    path: &str,
) -> Result<(), ConformError> {
    let is_root = !path.contains('.');
    let may_lack = |name: &str| is_root && matches!(name, "CallerReference" | "Name" | "Comment");
    let lacking = schema
        .members
        .iter()
        .zip(present)
        .find(|(member, present)| member.required && !**present && !may_lack(member.name));
    match lacking {
        Some((member, _)) => Err(fault(place, &join(path, member.name), "it is required; add it")),
        None => Ok(()),
    }
}

/// The entries in the model's words.
fn translated(
    dialect: Dialect,
    schema: &StructureSchema,
    entries: &[(String, Node)],
    place: Place,
) -> Vec<(String, Node)> {
    if dialect != Dialect::CloudFormation {
        return entries.to_vec();
    }
    let mut entries: Vec<_> =
        entries.iter().map(|(name, node)| (model_name(schema.name, name).to_owned(), node.clone())).collect();
    nest_cached_methods(schema, &mut entries);
    for (name, node) in cloudformation_defaults(schema.name, place) {
        if !entries.iter().any(|(known, _)| known == name) {
            entries.push((name.to_owned(), node));
        }
    }
    entries
}

/// CloudFormation's names that differ from the API's ("AWS::CloudFront::Distribution DistributionConfig" and the
/// property types below it).
fn model_name<'a>(schema: &str, name: &'a str) -> &'a str {
    match (schema, name) {
        ("DistributionConfig", "IPV6Enabled") => "IsIPV6Enabled",
        ("Origin", "OriginCustomHeaders") => "CustomHeaders",
        ("CustomOriginConfig", "OriginSSLProtocols") => "OriginSslProtocols",
        ("ViewerCertificate", "AcmCertificateArn") => "ACMCertificateArn",
        ("ViewerCertificate", "IamCertificateId") => "IAMCertificateId",
        ("ViewerCertificate", "SslSupportMethod") => "SSLSupportMethod",
        ("GeoRestriction", "Locations") => "Items",
        (_, name) => name,
    }
}

/// CloudFormation lists allowed and cached methods side by side; the API puts the one inside the other.
fn nest_cached_methods(schema: &StructureSchema, entries: &mut Vec<(String, Node)>) {
    if !matches!(schema.name, "DefaultCacheBehavior" | "CacheBehavior") {
        return;
    }
    let Some(index) = entries.iter().position(|(name, _)| name == "CachedMethods") else { return };
    let (name, cached) = entries.remove(index);
    let allowed = entries.iter().position(|(name, _)| name == "AllowedMethods");
    let allowed = match allowed {
        Some(index) => entries.remove(index).1,
        // Its default ("AWS::CloudFront::Distribution DefaultCacheBehavior", AllowedMethods).
        None => list_of(cached.place, &["HEAD", "GET"]),
    };
    let place = allowed.place;
    let nested = NodeValue::Map(vec![("Items".to_owned(), allowed), (name, cached)]);
    entries.push(("AllowedMethods".to_owned(), Node { place, value: nested }));
}

/// What CloudFormation fills in and the API requires.
fn cloudformation_defaults(schema: &str, place: Place) -> Vec<(&'static str, Node)> {
    let text = |text: &str| Node::text(place, text);
    match schema {
        "LoggingConfig" => vec![("Enabled", text("true"))],
        "CustomOriginConfig" => vec![("HTTPPort", text("80")), ("HTTPSPort", text("443"))],
        "S3OriginConfig" => vec![("OriginAccessIdentity", text(""))],
        "ForwardedValues" => {
            let cookies = NodeValue::Map(vec![("Forward".to_owned(), text("none"))]);
            vec![("Cookies", Node { place, value: cookies })]
        }
        _ => Vec::new(),
    }
}

fn list_of(place: Place, texts: &[&str]) -> Node {
    Node { place, value: NodeValue::List(texts.iter().map(|text| Node::text(place, *text)).collect()) }
}

fn join(path: &str, name: &str) -> String {
    format!("{path}.{name}")
}

fn fault(place: Place, path: &str, fault: impl Into<String>) -> ConformError {
    ConformError { place, path: path.to_owned(), fault: fault.into(), needs: None }
}

#[cfg(test)]
mod tests;
