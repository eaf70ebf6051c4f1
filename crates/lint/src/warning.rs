//! What a rule has to say.

use std::fmt;

use json_patch::Patch;
use serde_json::{Value, json};

use crate::place::Place;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something surprises or is wasted.
    Low,
    /// Requests fail, or answers are wrong.
    Medium,
    /// Somebody gets what is not theirs.
    High,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

/// A warning about one place in a configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// Which rule speaks; it never changes.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What happens.
    pub what: String,
    /// To whom.
    pub whom: String,
    /// How to fix it.
    pub fix: String,
    /// The fix as a patch of the configuration, where there is one right answer.
    pub patch: Option<Patch>,
}

impl Warning {
    /// The warning as JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "code": self.code,
            "severity": self.severity.to_string(),
            "place": self.place.to_string(),
            "what": self.what,
            "whom": self.whom,
            "fix": self.fix,
            "patch": self.patch,
        })
    }
}
