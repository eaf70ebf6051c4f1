//! JSON documents, as awsJson 1.1 writes shapes: members by their model names, blobs in base64, timestamps as
//! seconds since 1970.

mod decode;
mod encode;

pub(crate) use decode::decode;
use decode::decode_unlimited;
pub(crate) use encode::encode;

use crate::decode_error::DecodeError;
use crate::shape::Structure;

/// A structure as JSON, to be kept and read again by [`from_json`]. What is sensitive stands in it, in clear.
pub fn to_json(structure: &dyn Structure) -> Vec<u8> {
    encode(structure).into_bytes()
}

/// The structure that [`to_json`] wrote. It holds what was accepted once, so no limit on its size applies.
pub fn from_json<T: Structure + Default>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut structure = T::default();
    decode_unlimited(bytes, &mut structure)?;
    Ok(structure)
}

/// [`from_json`] for a structure that is chosen at run time: it fills an empty one.
pub fn fill_from_json(bytes: &[u8], structure: &mut dyn Structure) -> Result<(), DecodeError> {
    decode_unlimited(bytes, structure)
}
