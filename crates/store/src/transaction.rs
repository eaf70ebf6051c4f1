//! Compare-and-set: what must hold, and what is then written.

use bytes::Bytes;

use crate::error::TransactionFault;
use crate::limits::{KEY_PART_BYTES_MAX, TRANSACTION_BYTES_MAX, TRANSACTION_OPERATIONS_MAX};
use crate::record::{Key, Revision};

/// What must hold of one record for a transaction to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// Which record.
    pub key: Key,
    /// What must hold of it.
    pub condition: Condition,
}

/// What can be asked of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is none.
    Absent,
    /// There is one.
    Exists,
    /// There is one, last written at exactly this revision.
    AtRevision(Revision),
}

impl Condition {
    /// Whether it holds of a record last written at `current`, or of none.
    pub(crate) fn holds(self, current: Option<Revision>) -> bool {
        match self {
            Self::Absent => current.is_none(),
            Self::Exists => current.is_some(),
            Self::AtRevision(revision) => current == Some(revision),
        }
    }
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// The record is created or replaced.
    Put {
        /// Its name.
        key: Key,
        /// Its bytes from now on.
        value: Bytes,
    },
    /// The record is removed; where there is none, nothing changes.
    Delete {
        /// Its name.
        key: Key,
    },
}

impl Write {
    /// The record that is written.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }

    fn byte_len(&self) -> usize {
        match self {
            Self::Put { key, value } => key.byte_len() + value.len(),
            Self::Delete { key } => key.byte_len(),
        }
    }
}

/// Writes that apply together, if all compares hold, or not at all.
///
/// All compares see the store as it was before. All writes get the same new revision. Without writes (or with deletes of
/// absent records alone) it merely asks whether the compares hold, and the store's revision stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// What must hold.
    pub compares: Vec<Compare>,
    /// What is then written; each key at most once.
    pub writes: Vec<Write>,
}

impl Transaction {
    /// One that compares and writes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also requires `condition` of the record under `key`.
    #[must_use]
    pub fn when(mut self, key: Key, condition: Condition) -> Self {
        self.compares.push(Compare { key, condition });
        self
    }

    /// Also creates or replaces a record.
    #[must_use]
    pub fn put(mut self, key: Key, value: impl Into<Bytes>) -> Self {
        self.writes.push(Write::Put { key, value: value.into() });
        self
    }

    /// Also removes a record.
    #[must_use]
    pub fn delete(mut self, key: Key) -> Self {
        self.writes.push(Write::Delete { key });
        self
    }

    /// What every implementation refuses before it looks at any record.
    pub(crate) fn validate(&self) -> Result<(), TransactionFault> {
        // etcd counts its lists of compares and of writes on their own, too.
        let operations = self.compares.len().max(self.writes.len());
        if operations > TRANSACTION_OPERATIONS_MAX {
            return Err(TransactionFault::TooManyOperations { operations });
        }
        let bytes = self.compares.iter().map(|compare| compare.key.byte_len()).sum::<usize>()
            + self.writes.iter().map(Write::byte_len).sum::<usize>();
        if bytes > TRANSACTION_BYTES_MAX {
            return Err(TransactionFault::TooLarge { bytes });
        }
        let mut written: Vec<&Key> = self.writes.iter().map(Write::key).collect();
        for key in self.compares.iter().map(|compare| &compare.key).chain(written.iter().copied()) {
            validate_key(key)?;
        }
        written.sort_unstable();
        // etcd refuses a key that is put twice in one transaction: it has no order of writes within a revision.
        match written.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(TransactionFault::DuplicateWrite { key: pair[0].clone() }),
            None => Ok(()),
        }
    }
}

fn validate_key(key: &Key) -> Result<(), TransactionFault> {
    let well_formed = |part: &str| {
        !part.is_empty() && part.len() <= KEY_PART_BYTES_MAX && !part.chars().any(char::is_control)
    };
    let kind_is_visible = key.kind.bytes().all(|byte| byte.is_ascii_graphic());
    if kind_is_visible && [&key.kind, &key.account, &key.id].into_iter().all(|part| well_formed(part)) {
        return Ok(());
    }
    Err(TransactionFault::MalformedKey { key: key.clone() })
}

/// A transaction that applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The revision of all its writes; the store's current one if it changed nothing.
    pub revision: Revision,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> Key {
        Key::new("000000000000", "kind", id)
    }

    #[test]
    fn a_key_written_twice_is_refused() {
        let transaction = Transaction::new().put(key("a"), "1").put(key("b"), "2").delete(key("a"));
        assert_eq!(transaction.validate(), Err(TransactionFault::DuplicateWrite { key: key("a") }));
    }

    #[test]
    fn a_malformed_key_is_refused() {
        for (account, kind, id) in [
            ("", "k", "i"),
            ("a", "", "i"),
            ("a", "k", ""),
            ("a", "k", "i\0"),
            ("a", "ké", "i"),
            ("a", "k k", "i"),
        ] {
            let key = Key::new(account, kind, id);
            let refused = Err(TransactionFault::MalformedKey { key: key.clone() });
            assert_eq!(Transaction::new().put(key.clone(), "").validate(), refused);
            assert_eq!(Transaction::new().when(key, Condition::Exists).validate(), refused);
        }
        let long = key(&"x".repeat(KEY_PART_BYTES_MAX + 1));
        assert!(Transaction::new().delete(long).validate().is_err());
    }

    #[test]
    fn size_is_bounded() {
        let value = Bytes::from(vec![0; TRANSACTION_BYTES_MAX]);
        assert!(matches!(
            Transaction::new().put(key("a"), value).validate(),
            Err(TransactionFault::TooLarge { .. })
        ));
        let many = (0..=TRANSACTION_OPERATIONS_MAX)
            .fold(Transaction::new(), |transaction, n| transaction.delete(key(&n.to_string())));
        assert!(matches!(many.validate(), Err(TransactionFault::TooManyOperations { .. })));
    }
}
