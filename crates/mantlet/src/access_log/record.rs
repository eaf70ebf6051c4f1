//! A line of the access log, in either of its formats.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::lines::{Line, Lines};

/// The names of a line's columns.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    names: Arc<[String]>,
}

/// What a line is.
pub(super) enum Read<'l> {
    Record(Record<'l>),
    /// The names of the columns from here on.
    Fields(Layout),
    Comment,
    Bad,
}

/// A record: names and values, URL-encoded as they are logged, and `-` where there is none.
pub(super) struct Record<'l> {
    fields: Vec<(Cow<'l, str>, Cow<'l, str>)>,
}

impl Layout {
    /// That of a file's first lines; what this release writes where it has none.
    pub(super) fn of(file: &Arc<File>) -> io::Result<Self> {
        let mut layout = Self { names: edge::access_log_fields().map(str::to_owned).collect() };
        let mut lines = Lines::starting_at(Arc::clone(file), 0);
        while let Some(line) = lines.next()? {
            match layout.read(&line) {
                Read::Fields(found) => layout = found,
                Read::Comment => {}
                Read::Record(_) | Read::Bad => break,
            }
        }
        Ok(layout)
    }

    /// Understands a line.
    pub(super) fn read<'l>(&'l self, line: &'l Line) -> Read<'l> {
        let Line::Whole(bytes) = line else { return Read::Bad };
        // The edge logs visible characters of ASCII alone; others, printed, could steer the terminal.
        if !bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
            return Read::Bad;
        }
        let text = str::from_utf8(bytes).unwrap_or_default();
        if let Some(names) = text.strip_prefix("#Fields:") {
            return Read::Fields(Self { names: names.split_whitespace().map(str::to_owned).collect() });
        }
        if text.starts_with('#') {
            return Read::Comment;
        }
        let record = if text.starts_with('{') { of_json(text) } else { self.of_columns(text) };
        record.map_or(Read::Bad, Read::Record)
    }

    fn of_columns<'l>(&'l self, text: &'l str) -> Option<Record<'l>> {
        let columns: Vec<&str> = text.split('\t').collect();
        if columns.len() != self.names.len() {
            return None;
        }
        let names = self.names.iter().map(|name| Cow::Borrowed(name.as_str()));
        Some(Record { fields: names.zip(columns.into_iter().map(Cow::Borrowed)).collect() })
    }
}

fn of_json(text: &str) -> Option<Record<'static>> {
    let object: Map<String, Value> = serde_json::from_str(text).ok()?;
    let field = |(name, value): (String, Value)| {
        let value = match value {
            Value::String(text) if text.chars().any(char::is_control) => return None,
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some((Cow::Owned(name), Cow::Owned(value)))
    };
    let fields: Option<Vec<_>> = object.into_iter().map(field).collect();
    fields.filter(|fields| !fields.is_empty()).map(|fields| Record { fields })
}

impl Record<'_> {
    /// A field's value, `-` where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(found, _)| found == name).map_or("-", |(_, value)| value)
    }

    /// What people want to see at first.
    pub(super) fn write_text(&self, out: &mut String) {
        let (result, detail) = (self.get("x-edge-result-type"), self.get("x-edge-detailed-result-type"));
        let detail = if detail == result { String::new() } else { format!("/{detail}") };
        let query = Some(self.get("cs-uri-query")).filter(|query| *query != "-");
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "{}T{}Z {} {} {}{}{query} {result}{detail} {}s {}B {}",
            self.get("date"),
            self.get("time"),
            self.get("sc-status"),
            self.get("cs-method"),
            self.get("x-host-header"),
            self.get("cs-uri-stem"),
            self.get("time-taken"),
            self.get("sc-bytes"),
            self.get("x-edge-request-id"),
        );
    }

    /// All of it.
    pub(super) fn write_json(&self, out: &mut String) {
        for (index, (name, value)) in self.fields.iter().enumerate() {
            let separator = if index == 0 { '{' } else { ',' };
            let _ = write!(out, "{separator}{}:{}", Value::from(&**name), Value::from(&**value));
        }
        out.push_str("}\n");
    }
}
