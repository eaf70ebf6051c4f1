//! YAML to nodes. CloudFormation's short forms become its long ones: `!Ref a` is `{Ref: a}`, `!Sub a` is
//! `{Fn::Sub: a}` ("Intrinsic function reference").

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};

use super::{DocumentError, Node, NodeValue, Place};
use crate::limits::{DEPTH_MAX, DOCUMENTS_MAX, VALUES_MAX};

/// Every document of a YAML file that is not empty.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, DocumentError> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        values: 0,
        end: Place::default(),
    };
    let mut documents = Vec::new();
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => continue,
            event => {
                let document = reader.node(event, span, 0)?;
                if !document.is_null() {
                    documents.push(document);
                }
            }
        }
        if documents.len() > DOCUMENTS_MAX {
            let fault = format!("more than {DOCUMENTS_MAX} documents; split the file");
            return Err(DocumentError::new(reader.end, fault));
        }
        reader.anchors.clear();
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// The values that aliases may name.
    anchors: HashMap<usize, Node>,
    /// How many values there are, those of aliases included.
    values: usize,
    end: Place,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), DocumentError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.end = place(&span.end);
                Ok((event, span))
            }
            Some(Err(error)) => {
                Err(DocumentError::new(place(error.marker()), format!("not YAML: {}", error.info())))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The value that begins with an event.
    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, DocumentError> {
        let place = place(&span.start);
        self.count(1, place)?;
        if depth > DEPTH_MAX {
            return Err(DocumentError::new(place, format!("nested more than {DEPTH_MAX} levels deep")));
        }
        let (value, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_quoted = style != ScalarStyle::Plain;
                if text.contains(['\u{1}', '\u{2}']) {
                    return Err(DocumentError::new(place, "a control character; remove it"));
                }
                (NodeValue::Scalar { text: text.into_owned(), is_quoted }, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (self.list(depth)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.map(depth)?, anchor, tag),
            Event::Alias(anchor) => return self.alias(anchor, place),
            _ => return Err(DocumentError::new(place, "not YAML: a value is missing")),
        };
        let node = tagged(Node { place, value }, tag.as_deref())?;
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<NodeValue, DocumentError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(NodeValue::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<NodeValue, DocumentError> {
        let mut known = std::collections::HashSet::new();
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(NodeValue::Map(entries));
            }
            let key = self.node(event, span, depth + 1)?;
            let NodeValue::Scalar { text, .. } = key.value else {
                return Err(DocumentError::new(key.place, "a key that is not a text; quote it"));
            };
            if text == "<<" {
                return Err(DocumentError::new(key.place, "merge keys are not read; write the settings out"));
            }
            if !known.insert(text.clone()) {
                return Err(DocumentError::new(key.place, format!("{text} is given twice; remove one")));
            }
            let (event, span) = self.next()?;
            entries.push((text, self.node(event, span, depth + 1)?));
        }
    }

    /// A copy of the value; it counts as if it had been written out.
    fn alias(&mut self, anchor: usize, place: Place) -> Result<Node, DocumentError> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(DocumentError::new(place, "an alias inside the value that it names; write it out"));
        };
        let (size, node) = (size(node), node.clone());
        self.count(size, place)?;
        Ok(node)
    }

    fn count(&mut self, values: usize, place: Place) -> Result<(), DocumentError> {
        self.values += values;
        if self.values > VALUES_MAX {
            let fault = format!("more than {VALUES_MAX} values, those of aliases included; split the file");
            return Err(DocumentError::new(place, fault));
        }
        Ok(())
    }
}

/// Tags of the core schema say what the setting says anyway; all others are functions.
fn tagged(node: Node, tag: Option<&Tag>) -> Result<Node, DocumentError> {
    let place = node.place;
    let function = match tag {
        None => return Ok(node),
        Some(tag) if tag.is_yaml_core_schema() => return Ok(node),
        Some(tag) if tag.handle == "!" && !tag.suffix.is_empty() => &tag.suffix,
        Some(_) => return Err(DocumentError::new(place, "an unknown tag; remove it")),
    };
    let name = match function.as_str() {
        "Ref" | "Condition" => function.clone(),
        other => format!("Fn::{other}"),
    };
    Ok(Node { place, value: NodeValue::Map(vec![(name, node)]) })
}

fn size(node: &Node) -> usize {
    let inside: usize = match &node.value {
        NodeValue::Scalar { .. } => 0,
        NodeValue::List(items) => items.iter().map(size).sum(),
        NodeValue::Map(entries) => entries.iter().map(|(_, node)| size(node) + 1).sum(),
    };
    inside + 1
}

fn place(marker: &Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}
