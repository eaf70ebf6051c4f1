//! Reading many records, page by page.

use crate::limits::PAGE_RECORDS_MAX;
use crate::record::{Key, Record, Revision};

/// Which records to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of exactly this kind in one account.
    Account {
        /// Whose records.
        account: String,
        /// Of which kind.
        kind: String,
    },
    /// Those of every kind that begins so, in all accounts. The empty prefix means all records.
    ///
    /// The prefix is a string, not a path: `bundle/` takes `bundle/distribution`, `bundle` takes `bundles` too.
    KindPrefix(String),
}

/// A page to read: where, from which key on, and how much.
///
/// Pages resumed after the last key of the one before never repeat or miss a record that exists throughout, whatever is
/// put or deleted meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Which records.
    pub scope: Scope,
    /// Only those whose key is greater. It need not exist (any more).
    pub after: Option<Key>,
    /// At most so many; at least one and at most [`PAGE_RECORDS_MAX`] are read, whatever is asked.
    pub limit: usize,
}

impl Range {
    /// The records of `kind` in `account`.
    pub fn of_account(account: impl Into<String>, kind: impl Into<String>) -> Self {
        Self::of(Scope::Account { account: account.into(), kind: kind.into() })
    }

    /// The records of all kinds that begin with `kind_prefix`, in all accounts.
    pub fn of_kind_prefix(kind_prefix: impl Into<String>) -> Self {
        Self::of(Scope::KindPrefix(kind_prefix.into()))
    }

    fn of(scope: Scope) -> Self {
        Self { scope, after: None, limit: PAGE_RECORDS_MAX }
    }

    /// Only records whose key is greater than `key`.
    #[must_use]
    pub fn after(mut self, key: Key) -> Self {
        self.after = Some(key);
        self
    }

    /// At most `limit` records.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    pub(crate) fn bounded_limit(&self) -> usize {
        self.limit.clamp(1, PAGE_RECORDS_MAX)
    }

    /// The keys that are in this range lie strictly between these two.
    ///
    /// No part of a stored key is empty or holds control characters and kinds are visible ASCII, so an empty id is below
    /// every id, a NUL after an account sorts above all of the account's keys and below the next account, and DEL after a
    /// prefix sorts above every kind that begins with it.
    pub(crate) fn bounds(&self) -> (Key, Key) {
        let (first, end) = match &self.scope {
            Scope::Account { account, kind } => {
                (Key::new(account, kind, ""), Key::new(format!("{account}\0"), kind, ""))
            }
            Scope::KindPrefix(prefix) => {
                (Key::new("", prefix, ""), Key::new("", kind_prefix_end(prefix), ""))
            }
        };
        let after = match &self.after {
            Some(after) => first.max(after.clone()),
            None => first,
        };
        (after, end)
    }
}

/// Sorts above every kind that begins with `prefix`, and below all that come later.
pub(crate) fn kind_prefix_end(prefix: &str) -> String {
    format!("{prefix}\x7f")
}

/// Some records of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of their keys.
    pub records: Vec<Record>,
    /// The store's revision that this page shows. To follow a range, read its pages, then watch from the revision of the
    /// **first** one.
    pub revision: Revision,
    /// Whether the range has records after the last of this page.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(range: &Range, key: &Key) -> bool {
        let (after, end) = range.bounds();
        after < *key && *key < end
    }

    #[test]
    fn an_account_scope_ends_at_its_account() {
        let range = Range::of_account("111", "policy");
        assert!(holds(&range, &Key::new("111", "policy", "~\u{10ffff}")));
        assert!(!holds(&range, &Key::new("1111", "policy", "a")));
        assert!(!holds(&range, &Key::new("111 ", "policy", "a")));
        assert!(!holds(&range, &Key::new("110", "policy", "a")));
        assert!(!holds(&range, &Key::new("111", "policy/x", "a")));
    }

    #[test]
    fn a_prefix_scope_takes_every_kind_below() {
        let range = Range::of_kind_prefix("bundle/");
        assert!(holds(&range, &Key::new("1", "bundle/~", "a")));
        assert!(holds(&range, &Key::new("\u{10ffff}", "bundle/", "a")));
        assert!(!holds(&range, &Key::new("1", "bundle", "a")));
        assert!(!holds(&range, &Key::new("1", "bundle0", "a")));
    }

    #[test]
    fn a_key_before_the_range_does_not_widen_it() {
        let range = Range::of_account("2", "policy").after(Key::new("1", "policy", "z"));
        assert!(!holds(&range, &Key::new("1", "policy", "zz")));
        assert!(holds(&range, &Key::new("2", "policy", "a")));
    }
}
