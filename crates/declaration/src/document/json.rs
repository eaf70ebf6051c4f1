//! JSON to nodes. Every value is kept as the slice of the text that it is, until its place is known.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{DocumentError, Node, NodeValue, Place};
use crate::limits::{DEPTH_MAX, VALUES_MAX};

/// The one document of a JSON file.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, DocumentError> {
    let root: &RawValue = serde_json::from_str(text).map_err(|error| {
        let place = Place { line: error.line().max(1), column: error.column().max(1) };
        DocumentError::new(place, format!("not JSON: {}", without_place(&error)))
    })?;
    let mut reader = Reader { text, lines: Lines::of(text), values: 0 };
    Ok(vec![reader.node(root, 0)?])
}

/// serde_json ends its message with the place, which stands before ours.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line").map_or(message.clone(), |(message, _)| message.to_owned())
}

struct Reader<'a> {
    text: &'a str,
    lines: Lines,
    values: usize,
}

impl<'a> Reader<'a> {
    fn node(&mut self, raw: &'a RawValue, depth: usize) -> Result<Node, DocumentError> {
        let place = self.place(raw);
        self.values += 1;
        if depth > DEPTH_MAX {
            return Err(DocumentError::new(place, format!("nested more than {DEPTH_MAX} levels deep")));
        }
        if self.values > VALUES_MAX {
            return Err(DocumentError::new(place, format!("more than {VALUES_MAX} values; split the file")));
        }
        let malformed = |error: serde_json::Error| DocumentError::new(place, without_place(&error));
        let source = raw.get();
        let value = match source.as_bytes().first() {
            Some(b'{') => {
                let Entries(entries) = serde_json::from_str(source).map_err(malformed)?;
                NodeValue::Map(self.entries(entries, depth)?)
            }
            Some(b'[') => {
                let Items(items) = serde_json::from_str(source).map_err(malformed)?;
                let items = items.into_iter().map(|item| self.node(item, depth + 1));
                NodeValue::List(items.collect::<Result<_, _>>()?)
            }
            Some(b'"') => {
                let text: String = serde_json::from_str(source).map_err(malformed)?;
                NodeValue::Scalar { text: checked(text, place)?, is_quoted: true }
            }
            _ => NodeValue::Scalar { text: source.to_owned(), is_quoted: false },
        };
        Ok(Node { place, value })
    }

    fn entries(
        &mut self,
        entries: Vec<(String, &'a RawValue)>,
        depth: usize,
    ) -> Result<Vec<(String, Node)>, DocumentError> {
        let mut known = std::collections::HashSet::new();
        let mut nodes = Vec::new();
        for (key, raw) in entries {
            if !known.insert(key.clone()) {
                return Err(DocumentError::new(self.place(raw), format!("{key} is given twice; remove one")));
            }
            nodes.push((key, self.node(raw, depth + 1)?));
        }
        Ok(nodes)
    }

    fn place(&self, raw: &RawValue) -> Place {
        // A raw value borrows from the text that it was read from.
        let offset = raw.get().as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        self.lines.place(offset)
    }
}

/// What an escape brought in: our own marks must not come from outside.
fn checked(text: String, place: Place) -> Result<String, DocumentError> {
    if text.contains(['\u{1}', '\u{2}']) {
        return Err(DocumentError::new(place, "a control character; remove it"));
    }
    Ok(text)
}

/// Where each line begins, in bytes.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn of(text: &str) -> Self {
        let after_newlines =
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { starts: std::iter::once(0).chain(after_newlines).collect() }
    }

    /// Columns are bytes here: a line of JSON may be megabytes long, and counting its characters for every value
    /// would take forever.
    fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        Place { line, column: offset - self.starts[line - 1] + 1 }
    }
}

/// The entries of an object, in order, repeated keys included.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// The items of an array.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Items<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = sequence.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }

        deserializer.deserialize_seq(InOrder)
    }
}
