//! What is stored: keys, revisions and records.

use std::fmt;

use bytes::Bytes;

/// The store-wide counter. Every commit that changes something has one revision more than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// Before the first commit.
    pub const ZERO: Self = Self(0);

    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The name of a record. Keys are ordered by kind, then account, then id, so the records of one kind lie together.
///
/// A kind is visible ASCII and may have levels (`bundle/distribution`). No part may be empty, longer than
/// [`KEY_PART_BYTES_MAX`](crate::KEY_PART_BYTES_MAX) or hold control characters.
// The order of the fields is the order of the keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What sort of thing the record is, for instance `distribution`.
    pub kind: String,
    /// Whose it is.
    pub account: String,
    /// Which one, among those of its kind and account.
    pub id: String,
}

impl Key {
    /// The key of `id` among the records of `kind` in `account`.
    pub fn new(account: impl Into<String>, kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), account: account.into(), id: id.into() }
    }

    pub(crate) fn byte_len(&self) -> usize {
        self.kind.len() + self.account.len() + self.id.len()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.kind, self.account, self.id)
    }
}

/// Bytes under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub key: Key,
    /// What was put.
    pub value: Bytes,
    /// The commit that last put it.
    pub revision: Revision,
    /// The commit that first put it, since it was last absent.
    pub created: Revision,
}
