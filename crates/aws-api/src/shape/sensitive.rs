//! Members that the models mark as sensitive.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::{Ref, Slot, Value};

/// A value that never shows itself in `Debug`. It reads like what it wraps, and is made by `into()`.
#[derive(Clone, Default, PartialEq)]
pub struct Sensitive<T>(pub T);

impl<T> Sensitive<T> {
    /// The value, unwrapped.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl<T> Deref for Sensitive<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Sensitive<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Sensitive<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl<T: Value> Value for Sensitive<T> {
    fn get(&self) -> Ref<'_> {
        self.0.get()
    }

    fn slot(&mut self) -> Slot<'_> {
        self.0.slot()
    }
}
