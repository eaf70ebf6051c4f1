//! Our own files: a kind, a name, a configuration in the model's words, and tags.
//!
//! ```yaml
//! Kind: CachePolicy
//! Name: api-cache
//! Config:
//!   MinTTL: 0
//! ```

use crate::conform::{ConformError, Dialect};
use crate::document::{Node, NodeValue};
use crate::kind::Kind;
use crate::reference::mark;
use crate::resource::{File, Named, ReadError, Reading, resource, tags_of};

/// Whether a document declares something in our own form.
pub(crate) fn is_declared(document: &Node) -> bool {
    document.get("Kind").is_some()
}

/// Reads one resource, or a list of them.
pub(crate) fn read(file: &File<'_>, document: &Node, reading: &mut Reading) -> Result<(), ReadError> {
    if let NodeValue::List(items) = &document.value {
        return items.iter().try_for_each(|item| read(file, item, reading));
    }
    read_one(file, document, reading)
        .map_err(|error| ReadError::Conform { file: file.name.to_owned(), error })
}

fn read_one(file: &File<'_>, document: &Node, reading: &mut Reading) -> Result<(), ConformError> {
    let fault = |node: &Node, path: &str, fault: String| ConformError {
        place: node.place,
        path: path.to_owned(),
        fault,
        needs: None,
    };
    let part = |name: &str| {
        let found = document.get(name).filter(|node| !node.is_null());
        found.ok_or_else(|| {
            fault(document, name, "a resource has Kind, Name and Config; add what is missing".to_owned())
        })
    };
    for (key, node) in document.entries() {
        if !matches!(key.as_str(), "Kind" | "Name" | "Config" | "Tags") {
            let text =
                "beside Kind, Name, Config and Tags nothing stands here; move it into Config".to_owned();
            return Err(fault(node, key, text));
        }
    }
    let kind = part("Kind")?;
    let kind = kind.as_text().and_then(Kind::from_name).ok_or_else(|| {
        fault(kind, "Kind", format!("write one of {}", Kind::ALL.map(Kind::name).join(", ")))
    })?;
    let name = part("Name")?;
    let text = name.as_text().filter(|text| is_name(text)).ok_or_else(|| {
        fault(name, "Name", "write a name of letters, digits, hyphens and underscores".to_owned())
    })?;
    let config = with_marks(part("Config")?)?;
    let named = Named { kind, name: Some(text), caller_reference: Some(format!("declared:{text}")) };
    let mut resource = resource(file, &named, &config, Dialect::Own)?;
    resource.source.place = document.place;
    if let Some(tags) = document.get("Tags") {
        if kind != Kind::Distribution {
            return Err(fault(tags, "Tags", "only distributions have tags; remove them".to_owned()));
        }
        resource.tags = Some(match &tags.value {
            NodeValue::List(_) => tags_of(tags),
            _ => tags
                .entries()
                .iter()
                .map(|(key, node)| (key.clone(), node.as_text().unwrap_or_default().to_owned()))
                .collect(),
        });
    }
    reading.resources.push(resource);
    Ok(())
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.chars().all(|character| character.is_alphanumeric() || matches!(character, '-' | '_'))
}

/// `{Ref: name}` and `{Fn::GetAtt: name.attribute}` become marks.
fn with_marks(node: &Node) -> Result<Node, ConformError> {
    let place = node.place;
    let value = match (&node.value, node.only_entry()) {
        (_, Some(("Ref" | "Fn::GetAtt", name))) => {
            let fault = || ConformError {
                place,
                path: "Ref".to_owned(),
                fault: "write the name of a resource".to_owned(),
                needs: None,
            };
            return Ok(Node::text(place, mark(name.as_text().ok_or_else(fault)?)));
        }
        (_, Some((function, _))) if function.starts_with("Fn::") => {
            let fault = "of CloudFormation's functions only Ref and GetAtt stand in a declaration".to_owned();
            return Err(ConformError { place, path: function.to_owned(), fault, needs: None });
        }
        (NodeValue::Scalar { .. }, _) => return Ok(node.clone()),
        (NodeValue::List(items), _) => {
            NodeValue::List(items.iter().map(with_marks).collect::<Result<_, _>>()?)
        }
        (NodeValue::Map(entries), _) => {
            let entries = entries.iter().map(|(key, node)| Ok((key.clone(), with_marks(node)?)));
            NodeValue::Map(entries.collect::<Result<_, ConformError>>()?)
        }
    };
    Ok(Node { place, value })
}
