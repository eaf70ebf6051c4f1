//! Bytes.

use std::fmt;
use std::ops::Deref;

use super::{Ref, Slot, Value};

/// Bytes: base64 inside documents, raw as a whole body. Its `Debug` tells the length only.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Blob(pub Vec<u8>);

impl fmt::Debug for Blob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Blob({} bytes)", self.0.len())
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Value for Blob {
    fn get(&self) -> Ref<'_> {
        Ref::Blob(&self.0)
    }

    fn slot(&mut self) -> Slot<'_> {
        Slot::Blob(&mut self.0)
    }
}
