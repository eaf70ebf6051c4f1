//! Templates of CloudFormation: the resources of CloudFront in them, with parameters, conditions and functions worked
//! out. What lives elsewhere becomes a mark, to be given a value.

mod evaluate;

use std::collections::{BTreeMap, BTreeSet};

use crate::conform::{ConformError, Dialect};
use crate::document::{Node, NodeValue};
use crate::kind::Kind;
use crate::resource::{
    File, Named, ReadError, Reading, Skipped, Source, UnmetSetting, resource, stem, tags_of,
};
use evaluate::Evaluation;

/// Whether a document is a template.
pub(crate) fn is_template(document: &Node) -> bool {
    let resources = document.get("Resources").map(Node::entries).unwrap_or_default();
    document.get("AWSTemplateFormatVersion").is_some()
        || (!resources.is_empty() && resources.iter().any(|(_, resource)| resource.get("Type").is_some()))
}

/// Reads the resources of a template.
pub(crate) fn read(
    file: &File<'_>,
    template: &Node,
    values: &BTreeMap<String, String>,
    reading: &mut Reading,
) -> Result<(), ReadError> {
    let resources = template.get("Resources").map(Node::entries).unwrap_or_default();
    let ours: BTreeSet<&str> = resources
        .iter()
        .filter(|(_, resource)| kind_of(resource).is_ok())
        .map(|(name, _)| name.as_str())
        .collect();
    let mut evaluation = Evaluation::new(template, values, stem(file), &ours);
    for (logical_id, node) in resources {
        match read_resource(file, logical_id, node, &mut evaluation) {
            Ok(Some(resource)) => reading.resources.push(resource),
            Ok(None) => reading.skipped.push(skipped(file, logical_id, node, "its condition does not hold")),
            Err(Refusal::NotOurs(why)) => reading.skipped.push(skipped(file, logical_id, node, &why)),
            Err(Refusal::Malformed(error)) => {
                if let Some(name) = error.needs {
                    let source = Source { file: file.name.to_owned(), place: error.place };
                    let resource = logical_id.clone();
                    reading.unmet.push(UnmetSetting { resource, path: error.path, name, source });
                    continue;
                }
                return Err(ReadError::Conform { file: file.name.to_owned(), error: *error });
            }
        }
    }
    Ok(())
}

/// Why a resource of a template is not taken.
enum Refusal {
    NotOurs(String),
    Malformed(Box<ConformError>),
}

impl From<ConformError> for Refusal {
    fn from(error: ConformError) -> Self {
        Self::Malformed(Box::new(error))
    }
}

fn skipped(file: &File<'_>, logical_id: &str, node: &Node, why: &str) -> Skipped {
    let kind = node.get("Type").and_then(Node::as_text).unwrap_or("a resource without a type");
    Skipped {
        what: format!("{kind} {logical_id}"),
        why: why.to_owned(),
        source: Source { file: file.name.to_owned(), place: node.place },
    }
}

/// The kind of a resource, or why it is none of ours.
fn kind_of(node: &Node) -> Result<Kind, String> {
    let name = node.get("Type").and_then(Node::as_text).unwrap_or_default();
    let Some(name) = name.strip_prefix("AWS::CloudFront::") else {
        return Err("it is not CloudFront's; give what it is needed for with --set".to_owned());
    };
    Kind::from_name(name).ok_or_else(|| match name {
        "Function" | "KeyValueStore" => {
            "functions are not implemented; leave their associations out with --set".to_owned()
        }
        "CloudFrontOriginAccessIdentity" => "origin access identities are not implemented".to_owned(),
        "MonitoringSubscription" => "metrics are at /metrics of the API".to_owned(),
        _ => "it is not implemented".to_owned(),
    })
}

fn read_resource(
    file: &File<'_>,
    logical_id: &str,
    node: &Node,
    evaluation: &mut Evaluation<'_>,
) -> Result<Option<crate::Resource>, Refusal> {
    let kind = kind_of(node).map_err(Refusal::NotOurs)?;
    if let Some(condition) = node.get("Condition").and_then(Node::as_text)
        && !evaluation.condition(condition, node.place)?
    {
        return Ok(None);
    }
    let nothing = Node { place: node.place, value: NodeValue::Map(Vec::new()) };
    let properties = node.get("Properties").unwrap_or(&nothing);
    let properties = evaluation.node(properties, logical_id)?.unwrap_or(nothing);
    // A real-time log configuration has no inner configuration ("AWS::CloudFront::RealtimeLogConfig").
    let config = match kind {
        Kind::RealtimeLogConfig => Some(&properties),
        _ => properties.get(kind.config_member()),
    };
    let config = config.ok_or_else(|| ConformError {
        place: node.place,
        path: format!("{logical_id}.Properties.{}", kind.config_member()),
        fault: "it is required; add it".to_owned(),
        needs: None,
    })?;
    let reference = format!("cloudformation:{}:{logical_id}", stem(file));
    let named = Named { kind, name: Some(logical_id), caller_reference: Some(reference) };
    let mut resource = resource(file, &named, config, Dialect::CloudFormation)?;
    resource.source.place = node.place;
    if kind == Kind::Distribution {
        resource.tags = properties.get("Tags").map(tags_of);
    }
    Ok(Some(resource))
}
