//! Single values as text: in XML elements, headers, query parameters and path labels.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::decode_error::Fault;
use crate::shape::{Ref, Slot, Timestamp};

/// Puts the value that a text stands for into its place.
pub(crate) fn read(slot: Slot<'_>, text: &str) -> Result<(), Fault> {
    let word = text.trim_ascii();
    match slot {
        Slot::Text(place) => text.clone_into(place),
        Slot::Enumeration(place) => place.set(word).map_err(|_| Fault::UnknownValue)?,
        Slot::Boolean(place) => *place = read_boolean(word)?,
        Slot::Integer(place) => *place = word.parse().or(Err(Fault::WrongType("an integer")))?,
        Slot::Long(place) => *place = word.parse().or(Err(Fault::WrongType("a long")))?,
        Slot::Double(place) => *place = read_double(word)?,
        Slot::Timestamp(place) => {
            *place = Timestamp::parse(word).or(Err(Fault::WrongType("an ISO 8601 timestamp")))?;
        }
        Slot::Blob(place) => *place = read_base64(text)?,
        Slot::Structure(_) => return Err(Fault::WrongType("a structure")),
        Slot::List(_) => return Err(Fault::WrongType("a list")),
        Slot::Map(_) => return Err(Fault::WrongType("a map")),
    }
    Ok(())
}

/// The text of a single value; nothing for what is absent or not single.
pub(crate) fn write(value: &Ref<'_>) -> Option<Cow<'static, str>> {
    Some(match value {
        Ref::Text(text) => Cow::Owned((*text).to_owned()),
        Ref::Boolean(true) => Cow::Borrowed("true"),
        Ref::Boolean(false) => Cow::Borrowed("false"),
        Ref::Integer(number) => Cow::Owned(number.to_string()),
        Ref::Double(number) => Cow::Owned(number.to_string()),
        Ref::Timestamp(moment) => Cow::Owned(moment.to_iso8601()),
        Ref::Blob(bytes) => Cow::Owned(write_base64(bytes)),
        Ref::Absent | Ref::Structure(_) | Ref::List(_) | Ref::Map(_) => return None,
    })
}

/// Base64 with padding; documents may break its lines.
pub(crate) fn read_base64(text: &str) -> Result<Vec<u8>, Fault> {
    let compact: Cow<'_, str> = if text.contains(|character: char| character.is_ascii_whitespace()) {
        Cow::Owned(text.split_ascii_whitespace().collect())
    } else {
        Cow::Borrowed(text)
    };
    STANDARD.decode(compact.as_bytes()).map_err(|_| Fault::WrongType("base64"))
}

/// Base64 with padding, on one line.
pub(crate) fn write_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn read_boolean(text: &str) -> Result<bool, Fault> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Fault::WrongType("true or false")),
    }
}

fn read_double(text: &str) -> Result<f64, Fault> {
    let number: f64 = text.parse().map_err(|_| Fault::WrongType("a number"))?;
    if number.is_finite() { Ok(number) } else { Err(Fault::WrongType("a finite number")) }
}
