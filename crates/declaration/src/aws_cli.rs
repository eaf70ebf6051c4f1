//! What aws-cli reads and prints: `get-…`, `get-…-config`, `create-…`, `list-…`, and configurations alone.

use crate::conform::{ConformError, Dialect};
use crate::document::{Node, NodeValue};
use crate::kind::Kind;
use crate::resource::{File, Named, ReadError, Reading, Skipped, Source, resource, tags_of};

/// What a page of distributions does not tell.
pub(crate) const SUMMARY_NOTE: &str = "a list does not tell DefaultRootObject, Logging and CallerReference; import \
                                       the output of get-distribution-config instead";

/// Reads one document.
pub(crate) fn read(file: &File<'_>, document: &Node, reading: &mut Reading) -> Result<(), ReadError> {
    let conform = |error| ReadError::Conform { file: file.name.to_owned(), error };
    for kind in Kind::ALL {
        if let Some(list) = document.get(kind.list_member()) {
            return read_list(file, kind, list, reading).map_err(conform);
        }
        if let Some(whole) = document.get(kind.name()) {
            return read_whole(file, kind, whole, reading).map_err(conform);
        }
        if let Some(config) = document.get(kind.config_member()) {
            return read_config(file, kind, None, config, reading).map_err(conform);
        }
    }
    if let Some(with_tags) = document.get("DistributionConfigWithTags") {
        let config = with_tags.get("DistributionConfig").unwrap_or(with_tags);
        read_config(file, Kind::Distribution, None, config, reading).map_err(conform)?;
        if let (Some(made), Some(tags)) = (reading.resources.last_mut(), with_tags.get("Tags")) {
            made.tags = Some(tags_of(tags));
        }
        return Ok(());
    }
    if let Some(kind) = kind_of_config(document) {
        return read_config(file, kind, None, document, reading).map_err(conform);
    }
    reading.skipped.push(unknown(file, document));
    Ok(())
}

/// Which kind a configuration without anything around it is of.
fn kind_of_config(node: &Node) -> Option<Kind> {
    let has = |name: &str| node.get(name).is_some();
    Some(match () {
        () if has("Origins") && has("DefaultCacheBehavior") => Kind::Distribution,
        () if has("EncodedKey") => Kind::PublicKey,
        () if has("SigningProtocol") => Kind::OriginAccessControl,
        () if has("SamplingRate") && has("EndPoints") => Kind::RealtimeLogConfig,
        () if has("StagingDistributionDnsNames") => Kind::ContinuousDeploymentPolicy,
        () if has("HeadersConfig") && has("CookiesConfig") => Kind::OriginRequestPolicy,
        () if has("ParametersInCacheKeyAndForwardedToOrigin") || (has("Name") && has("MinTTL")) => {
            Kind::CachePolicy
        }
        () if ["CorsConfig", "SecurityHeadersConfig", "CustomHeadersConfig", "RemoveHeadersConfig"]
            .into_iter()
            .chain(["ServerTimingHeadersConfig"])
            .any(has) =>
        {
            Kind::ResponseHeadersPolicy
        }
        () if has("Name") && matches!(node.get("Items")?.value, NodeValue::List(_)) => Kind::KeyGroup,
        () => return None,
    })
}

fn unknown(file: &File<'_>, document: &Node) -> Skipped {
    let has = |name: &str| document.get(name).is_some();
    let (what, why) = match () {
        () if ["FunctionSummary", "FunctionList", "FunctionCode"].into_iter().any(has) => {
            ("a function", "functions are not implemented; leave their associations out")
        }
        () if has("Tags") => ("tags", "import them with the distribution, or set them with tag-resource"),
        () => (
            "a document",
            "it is neither output of aws cloudfront, nor a template of CloudFormation, nor a declaration",
        ),
    };
    Skipped {
        what: what.to_owned(),
        why: why.to_owned(),
        source: Source { file: file.name.to_owned(), place: document.place },
    }
}

/// A whole resource: its id and its configuration, or its settings themselves.
fn read_whole(file: &File<'_>, kind: Kind, node: &Node, reading: &mut Reading) -> Result<(), ConformError> {
    let id = node.get("Id").or_else(|| node.get("ARN")).and_then(Node::as_text);
    if let Some(config) = node.get(kind.config_member()) {
        return read_config(file, kind, id, config, reading);
    }
    let settings = without(node, &["Id", "ARN", "CreatedTime", "LastModifiedTime"]);
    read_config(file, kind, id, &settings, reading)
}

fn read_config(
    file: &File<'_>,
    kind: Kind,
    id: Option<&str>,
    config: &Node,
    reading: &mut Reading,
) -> Result<(), ConformError> {
    let settings = if kind == Kind::RealtimeLogConfig { without(config, &["ARN"]) } else { config.clone() };
    let id = id.or_else(|| config.get("ARN").filter(|_| kind == Kind::RealtimeLogConfig)?.as_text());
    let named = Named { kind, name: id, caller_reference: id.map(|id| format!("import:{id}")) };
    reading.resources.push(resource(file, &named, &settings, Dialect::Api)?);
    Ok(())
}

fn read_list(file: &File<'_>, kind: Kind, list: &Node, reading: &mut Reading) -> Result<(), ConformError> {
    let items = list.get("Items").unwrap_or(list).items();
    for item in items {
        if item.get("Type").and_then(Node::as_text) == Some("managed") {
            continue;
        }
        match (item.get(kind.name()), kind) {
            (Some(whole), _) => read_whole(file, kind, whole, reading)?,
            (None, Kind::Distribution) => read_summary(file, item, reading)?,
            (None, _) => read_whole(file, kind, item, reading)?,
        }
    }
    Ok(())
}

/// What a summary has beside settings.
const SUMMARY_FACTS: [&str; 7] =
    ["Id", "ARN", "ETag", "Status", "LastModifiedTime", "DomainName", "AliasICPRecordals"];

fn read_summary(file: &File<'_>, item: &Node, reading: &mut Reading) -> Result<(), ConformError> {
    let id = item.get("Id").and_then(Node::as_text);
    read_config(file, Kind::Distribution, id, &without(item, &SUMMARY_FACTS), reading)?;
    if let Some(made) = reading.resources.last_mut() {
        made.notes.push(SUMMARY_NOTE.to_owned());
    }
    Ok(())
}

fn without(node: &Node, names: &[&str]) -> Node {
    let entries = node.entries().iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned();
    Node { place: node.place, value: NodeValue::Map(entries.collect()) }
}
