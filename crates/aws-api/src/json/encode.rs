//! Shapes to JSON.

use std::fmt::Write;

use crate::scalar;
use crate::shape::{List, Map, Ref, Structure};

/// A structure as an object.
pub(crate) fn encode(structure: &dyn Structure) -> String {
    let mut document = String::new();
    write_structure(&mut document, structure);
    document
}

fn write_structure(document: &mut String, structure: &dyn Structure) {
    document.push('{');
    let mut separator = "";
    for (member, value) in structure.schema().members.iter().zip(structure.members()) {
        let value = value.get();
        if matches!(value, Ref::Absent) {
            continue;
        }
        document.push_str(separator);
        separator = ",";
        write_string(document, member.name);
        document.push(':');
        write_value(document, &value);
    }
    document.push('}');
}

fn write_value(document: &mut String, value: &Ref<'_>) {
    match value {
        Ref::Absent => document.push_str("null"),
        Ref::Text(text) => write_string(document, text),
        Ref::Structure(structure) => write_structure(document, *structure),
        Ref::List(list) => write_list(document, *list),
        Ref::Map(map) => write_map(document, *map),
        Ref::Blob(bytes) => write_string(document, &scalar::write_base64(bytes)),
        Ref::Timestamp(moment) => write_seconds(document, moment.unix_milliseconds()),
        Ref::Boolean(_) | Ref::Integer(_) | Ref::Double(_) => {
            document.push_str(&scalar::write(value).unwrap_or_default());
        }
    }
}

fn write_list(document: &mut String, list: &dyn List) {
    document.push('[');
    for (index, item) in list.items().into_iter().enumerate() {
        document.push_str(if index == 0 { "" } else { "," });
        write_value(document, &item.get());
    }
    document.push(']');
}

fn write_map(document: &mut String, map: &dyn Map) {
    document.push('{');
    for (index, (key, value)) in map.entries().into_iter().enumerate() {
        document.push_str(if index == 0 { "" } else { "," });
        write_string(document, key);
        document.push(':');
        write_value(document, &value.get());
    }
    document.push('}');
}

fn write_string(document: &mut String, text: &str) {
    // `serde_json::Value` displays itself as compact JSON; writing to a string cannot fail.
    let _ = write!(document, "{}", serde_json::Value::from(text));
}

/// Seconds with three decimals, written from the integer so that no millisecond is rounded away.
fn write_seconds(document: &mut String, milliseconds: i64) {
    let sign = if milliseconds < 0 { "-" } else { "" };
    let magnitude = milliseconds.unsigned_abs();
    let _ = write!(document, "{sign}{}.{:03}", magnitude / 1000, magnitude % 1000);
}
