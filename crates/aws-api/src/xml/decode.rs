//! Elements to shapes. Elements that the model does not know are ignored, as the services do; everything else
//! must be as the model says.

use super::reader::{Event, Reader, is_blank};
use crate::decode_error::{DecodeError, Fault};
use crate::scalar;
use crate::shape::{List, Member, Slot, Structure, Value};

/// Decodes a document whose root element is `root` into the body members of a structure.
pub(crate) fn decode(
    bytes: &[u8],
    namespace: &str,
    root: &'static str,
    structure: &mut dyn Structure,
) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes, namespace)?;
    match reader.next()? {
        Event::Start(name) if name == root => {}
        _ => return Err(DecodeError::from(Fault::Syntax("it is not the root element")).inside(root)),
    }
    decode_structure(&mut reader, structure).map_err(|error| error.inside(root))?;
    match reader.next()? {
        Event::Finish => Ok(()),
        _ => Err(Fault::Syntax("There is more than one root element").into()),
    }
}

fn decode_structure(reader: &mut Reader<'_>, structure: &mut dyn Structure) -> Result<(), DecodeError> {
    let schema = structure.schema();
    let mut places = structure.members_mut();
    let mut present = vec![false; places.len()];
    loop {
        match reader.next()? {
            Event::Start(name) => match schema.body_member(name) {
                Some(index) => {
                    let member = &schema.members[index];
                    if std::mem::replace(&mut present[index], true) {
                        return Err(DecodeError::from(Fault::Repeated).inside(member.name));
                    }
                    decode_value(reader, member, &mut *places[index])
                        .map_err(|error| error.inside(member.name))?;
                }
                None => reader.skip_element()?,
            },
            Event::Text(text) if is_blank(&text) => {}
            Event::Text(_) => return Err(Fault::WrongType("a structure").into()),
            Event::End => break,
            Event::Finish => return Err(Fault::Syntax("The document ends too early").into()),
        }
    }
    schema.check_presence(&present)
}

fn decode_value(reader: &mut Reader<'_>, member: &Member, place: &mut dyn Value) -> Result<(), DecodeError> {
    match place.slot() {
        Slot::Structure(structure) => decode_structure(reader, structure),
        Slot::List(list) => decode_list(reader, member, list),
        single => Ok(scalar::read(single, &reader.element_text()?)?),
    }
}

fn decode_list(reader: &mut Reader<'_>, member: &Member, list: &mut dyn List) -> Result<(), DecodeError> {
    loop {
        match reader.next()? {
            Event::Start(name) if name == member.item_name => {
                let index = list.len();
                decode_value(reader, member, list.push_default())
                    .map_err(|error| error.inside(format!("[{index}]")))?;
            }
            Event::Start(_) => reader.skip_element()?,
            Event::Text(text) if is_blank(&text) => {}
            Event::Text(_) => return Err(Fault::WrongType("a list").into()),
            Event::End => return Ok(()),
            Event::Finish => return Err(Fault::Syntax("The document ends too early").into()),
        }
    }
}
