//! JSON values to shapes. Members that the model does not know are ignored, `null` is an absent member;
//! everything else must be as the model says.

use serde_json::{Map as JsonObject, Number, Value as Json};

use crate::decode_error::{DecodeError, Fault};
use crate::limits::{JSON_DEPTH_MAX, JSON_VALUES_MAX, REQUEST_BODY_BYTES_MAX};
use crate::scalar;
use crate::shape::{List, Map, Slot, Structure, Timestamp, Value};

/// Decodes a client's document, an object, into a structure.
pub(crate) fn decode(bytes: &[u8], structure: &mut dyn Structure) -> Result<(), DecodeError> {
    check_limits(bytes)?;
    decode_unlimited(bytes, structure)
}

/// Decodes a document that was accepted before. Its nesting stays limited, by the parser to 128.
pub(super) fn decode_unlimited(bytes: &[u8], structure: &mut dyn Structure) -> Result<(), DecodeError> {
    let document: Json =
        serde_json::from_slice(bytes).map_err(|_| Fault::Syntax("The document is not valid JSON"))?;
    let Json::Object(object) = document else { return Err(Fault::WrongType("an object").into()) };
    decode_structure(object, structure)
}

/// Walks the bytes once, outside strings, before anything is built of them.
fn check_limits(bytes: &[u8]) -> Result<(), Fault> {
    if bytes.len() > REQUEST_BODY_BYTES_MAX {
        return Err(Fault::Limit("The document is too large"));
    }
    let (mut depth, mut values, mut in_string, mut escaped) = (0_usize, 1_usize, false, false);
    for byte in bytes {
        if in_string {
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if depth > JSON_DEPTH_MAX {
            return Err(Fault::Limit("The document is nested too deeply"));
        }
        if values > JSON_VALUES_MAX {
            return Err(Fault::Limit("The document has too many values"));
        }
    }
    Ok(())
}

fn decode_structure(
    mut object: JsonObject<String, Json>,
    structure: &mut dyn Structure,
) -> Result<(), DecodeError> {
    let schema = structure.schema();
    let mut present = vec![false; schema.members.len()];
    for (index, (member, place)) in schema.members.iter().zip(structure.members_mut()).enumerate() {
        if let Some(json) = object.remove(member.name).filter(|json| !json.is_null()) {
            decode_value(json, place).map_err(|error| error.inside(member.name))?;
            present[index] = true;
        }
    }
    schema.check_presence(&present)
}

fn decode_value(json: Json, place: &mut dyn Value) -> Result<(), DecodeError> {
    match (place.slot(), json) {
        (Slot::Structure(structure), Json::Object(object)) => decode_structure(object, structure),
        (Slot::List(list), Json::Array(items)) => decode_list(items, list),
        (Slot::Map(map), Json::Object(entries)) => decode_map(entries, map),
        (slot, json) => Ok(decode_single(slot, json)?),
    }
}

fn decode_list(items: Vec<Json>, list: &mut dyn List) -> Result<(), DecodeError> {
    for (index, item) in items.into_iter().enumerate() {
        decode_value(item, list.push_default()).map_err(|error| error.inside(format!("[{index}]")))?;
    }
    Ok(())
}

fn decode_map(entries: JsonObject<String, Json>, map: &mut dyn Map) -> Result<(), DecodeError> {
    for (index, (key, value)) in entries.into_iter().enumerate() {
        let place = map.insert_default(&key).map_err(|_| Fault::UnknownValue);
        let decoded = place.map_err(DecodeError::from).and_then(|place| decode_value(value, place));
        decoded.map_err(|error| error.inside(format!("[{index}]")))?;
    }
    Ok(())
}

fn decode_single(slot: Slot<'_>, json: Json) -> Result<(), Fault> {
    match (slot, json) {
        (Slot::Text(place), Json::String(text)) => *place = text,
        (Slot::Boolean(place), Json::Bool(boolean)) => *place = boolean,
        (Slot::Integer(place), Json::Number(number)) => {
            let integer = number.as_i64().and_then(|integer| i32::try_from(integer).ok());
            *place = integer.ok_or(Fault::WrongType("an integer"))?;
        }
        (Slot::Long(place), Json::Number(number)) => {
            *place = number.as_i64().ok_or(Fault::WrongType("a long"))?;
        }
        (Slot::Double(place), Json::Number(number)) => *place = finite(&number)?,
        (Slot::Timestamp(place), Json::Number(number)) => {
            let moment = Timestamp::from_unix_seconds(finite(&number)?);
            *place = moment.map_err(|_| Fault::WrongType("a timestamp"))?;
        }
        (slot @ (Slot::Enumeration(_) | Slot::Blob(_)), Json::String(text)) => scalar::read(slot, &text)?,
        (slot, _) => return Err(Fault::WrongType(expected(&slot))),
    }
    Ok(())
}

fn finite(number: &Number) -> Result<f64, Fault> {
    number.as_f64().filter(|number| number.is_finite()).ok_or(Fault::WrongType("a number"))
}

fn expected(slot: &Slot<'_>) -> &'static str {
    match slot {
        Slot::Text(_) | Slot::Enumeration(_) => "a string",
        Slot::Boolean(_) => "true or false",
        Slot::Integer(_) | Slot::Long(_) | Slot::Double(_) => "a number",
        Slot::Blob(_) => "base64",
        Slot::Timestamp(_) => "a number of seconds",
        Slot::Structure(_) | Slot::Map(_) => "an object",
        Slot::List(_) => "an array",
    }
}
