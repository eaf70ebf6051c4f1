//! XML documents: a strict reader, and shapes to and from elements.

mod decode;
mod encode;
mod reader;

pub(crate) use decode::decode;
pub(crate) use encode::{Writer, encode};
