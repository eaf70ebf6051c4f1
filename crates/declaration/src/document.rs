//! Documents as they were written: YAML or JSON, with the place of every value, so that whoever finds one wrong can
//! say where it stands.

mod json;
mod yaml;

use std::fmt;

use crate::limits::FILE_BYTES_MAX;

/// Where a value stands in its file; lines and columns begin at 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// One value of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub value: NodeValue,
}

/// What a value is. A scalar keeps its letters: whether `200` is a number or a text is decided by the setting that it
/// is for.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeValue {
    /// A single value.
    Scalar {
        /// Its letters, without quotation marks.
        text: String,
        /// Whether it had quotation marks, and so is a text for certain.
        is_quoted: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file, no key twice.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// A text, as if it stood at `place`.
    pub fn text(place: Place, text: impl Into<String>) -> Self {
        Self { place, value: NodeValue::Scalar { text: text.into(), is_quoted: true } }
    }

    /// The value under a key of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> &[(String, Node)] {
        if let NodeValue::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Node] {
        if let NodeValue::List(items) = &self.value { items } else { &[] }
    }

    /// The letters of a scalar that is there.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// Whether it is `null`, `~` or nothing at all (YAML 1.2.2, 10.3.2, "Tag Resolution").
    pub fn is_null(&self) -> bool {
        let NodeValue::Scalar { text, is_quoted: false } = &self.value else { return false };
        matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// Whether it is a map with this one key: the form of CloudFormation's functions.
    pub fn only_entry(&self) -> Option<(&str, &Node)> {
        match self.entries() {
            [(key, node)] => Some((key, node)),
            _ => None,
        }
    }
}

/// A file that is no document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct DocumentError {
    /// Where.
    pub place: Place,
    /// What is wrong, and what to change.
    pub fault: String,
}

impl DocumentError {
    pub(crate) fn new(place: Place, fault: impl Into<String>) -> Self {
        Self { place, fault: fault.into() }
    }
}

/// Reads every document of a file. A file that begins with a brace or a bracket is JSON, any other one YAML.
pub fn parse(bytes: &[u8]) -> Result<Vec<Node>, DocumentError> {
    let start = Place { line: 1, column: 1 };
    if bytes.len() > FILE_BYTES_MAX {
        let limit = FILE_BYTES_MAX >> 20;
        return Err(DocumentError::new(start, format!("the file is larger than {limit} MiB; split it")));
    }
    let text = match str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{FEFF}').unwrap_or(text),
        Err(error) => {
            let place = place_of(bytes, error.valid_up_to());
            return Err(DocumentError::new(place, "the file is not UTF-8; convert it"));
        }
    };
    let is_control = |character: char| character.is_control() && !matches!(character, '\n' | '\r' | '\t');
    if let Some(index) = text.find(is_control) {
        let place = place_of(text.as_bytes(), index);
        return Err(DocumentError::new(place, "a control character; remove it, or write it as an escape"));
    }
    if text.trim_start().starts_with(['{', '[']) { json::parse(text) } else { yaml::parse(text) }
}

/// The place of a byte.
pub(crate) fn place_of(bytes: &[u8], index: usize) -> Place {
    let before = bytes.get(..index).unwrap_or(bytes);
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let is_character_start = |byte: &&u8| (**byte & 0xC0) != 0x80;
    Place {
        line: memchr::memchr_iter(b'\n', before).count() + 1,
        column: before[line_start..].iter().filter(is_character_start).count() + 1,
    }
}

#[cfg(test)]
mod tests;
