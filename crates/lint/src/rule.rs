//! A rule, what it finds, and the patches that it writes.

use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation};
use serde_json::Value;

use crate::place::Place;
use crate::subject::Subject;
use crate::warning::{Severity, Warning};

/// One way in which a configuration can be wrong.
#[derive(Debug)]
pub struct Rule {
    /// Its name in logs, in JSON and in `--ignore`; it never changes.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// When it warns.
    pub warns: &'static str,
    /// When it stays silent although it might seem to apply.
    pub silent: &'static str,
    /// What its patch does; empty where the owner has to choose.
    pub patches: &'static str,
    pub(crate) find: fn(&Subject<'_>) -> Vec<Finding>,
}

impl Rule {
    pub(crate) fn check(&self, subject: &Subject<'_>) -> Vec<Warning> {
        let warning = |finding: Finding| Warning {
            code: self.code,
            severity: self.severity,
            place: finding.place,
            what: finding.what,
            whom: finding.whom,
            fix: finding.fix,
            patch: finding.patch,
        };
        (self.find)(subject).into_iter().map(warning).collect()
    }
}

/// A warning without what all warnings of its rule have in common.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) place: Place,
    pub(crate) what: String,
    pub(crate) whom: String,
    pub(crate) fix: String,
    pub(crate) patch: Option<Patch>,
}

/// Puts a value at a place, whether there is one or not (RFC 6902 section 4.1).
pub(crate) fn set(place: &Place, value: impl Into<Value>) -> PatchOperation {
    PatchOperation::Add(AddOperation { path: place.pointer(), value: value.into() })
}

/// Takes away what is at a place; something must be.
pub(crate) fn unset(place: &Place) -> PatchOperation {
    PatchOperation::Remove(RemoveOperation { path: place.pointer() })
}

/// A list as CloudFront's API has it: `Items` only where there are any.
pub(crate) fn listing(items: Vec<Value>) -> Value {
    let mut listing = serde_json::Map::new();
    listing.insert("Quantity".to_owned(), items.len().into());
    if !items.is_empty() {
        listing.insert("Items".to_owned(), items.into());
    }
    listing.into()
}

/// A shape as the AWS clients write it.
pub(crate) fn json(structure: &dyn aws_api::shape::Structure) -> Value {
    // What the codec writes is JSON; were it not, the patch would not apply and be left out.
    serde_json::from_slice(&aws_api::to_json(structure)).unwrap_or_default()
}
