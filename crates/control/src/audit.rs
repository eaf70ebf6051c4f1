//! The audit log: one JSON line for every request that changes something or hands out credentials, refused ones
//! included.
//!
//! A line says who, what and with what outcome; never a secret, a private key or a body. It is written before the
//! answer is sent. If it cannot be written the change stands, for it is made already: the loss is logged and counted.
//! Lines about refused requests are bounded in rate, for strangers can cause them.
//!
//! What a request changed is noted by whoever commits: the operations need not know that somebody listens.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use aws_api::shape::Timestamp;
use serde::Serialize;
use store::{Condition, Revision, Transaction};

use crate::authentication::Who;
use crate::limits::{
    AUDITED_REFUSALS_BURST, AUDITED_REFUSALS_PER_SECOND, AUDITED_TEXT_CHARACTERS_MAX, CHANGES_NOTED_MAX,
};

/// Where audit lines go. Implemented by whoever knows files.
pub trait AuditSink: Send + Sync {
    /// Appends a line, whole or not at all. The line ends with a newline.
    fn append(&self, line: &[u8]) -> io::Result<()>;
}

/// From where a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Over the network.
    Address(IpAddr),
    /// From a user of this machine, through the data directory.
    LocalUser(u32),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::LocalUser(user) => write!(formatter, "local user {user}"),
        }
    }
}

/// The audit log. Clones are the same one.
#[derive(Clone)]
pub struct AuditTrail {
    shared: Arc<Shared>,
}

struct Shared {
    sink: Option<Box<dyn AuditSink>>,
    written: AtomicU64,
    failed: AtomicU64,
    suppressed: AtomicU64,
    failing: AtomicBool,
    allowance: Mutex<Allowance>,
}

/// One request, as it is audited.
pub(crate) struct Audited<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) who: Option<&'a Who>,
    /// The access key id that an unverified signature claims.
    pub(crate) claimed: Option<String>,
    pub(crate) source: Source,
    pub(crate) service: &'a str,
    pub(crate) operation: &'a str,
    /// What the request names, for when nothing was changed.
    pub(crate) named: Option<String>,
    /// The error's code; none if it was done.
    pub(crate) refusal: Option<&'a str>,
}

/// A committed change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    touched: Touched,
    after: Revision,
}

/// What a transaction is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    resource: String,
    before: Option<Revision>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    time: String,
    request_id: &'a str,
    access_key_id: Option<&'a str>,
    claimed_access_key_id: Option<String>,
    key: Option<&'a str>,
    role: Option<&'a str>,
    session: Option<&'a str>,
    source: String,
    operation: String,
    resource: Option<String>,
    before: Option<u64>,
    after: Option<u64>,
    outcome: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    suppressed: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl AuditTrail {
    /// A log that goes to `sink`.
    pub fn new(sink: impl AuditSink + 'static) -> Self {
        Self::over(Some(Box::new(sink)))
    }

    /// No log.
    pub fn none() -> Self {
        Self::over(None)
    }

    fn over(sink: Option<Box<dyn AuditSink>>) -> Self {
        let shared = Shared {
            sink,
            written: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            allowance: Mutex::new(Allowance::new(Instant::now())),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How it fares, in Prometheus's text format.
    pub fn render_metrics(&self) -> String {
        let counts = [
            ("written", "Lines written to the audit log.", &self.shared.written),
            ("failed", "Audit lines that could not be written.", &self.shared.failed),
            (
                "suppressed",
                "Refused requests without an audit line, for there were too many.",
                &self.shared.suppressed,
            ),
        ];
        counts.iter().fold(String::new(), |text, (name, help, count)| {
            let name = format!("mantlet_audit_lines_{name}_total");
            let count = count.load(Ordering::Relaxed);
            text + &format!("# HELP {name} {help}\n# TYPE {name} counter\n{name} {count}\n")
        })
    }

    /// Writes a line for each change that a request made, or one that it made none.
    pub(crate) fn record(&self, audited: &Audited<'_>, noted: &[Noted]) {
        let Some(sink) = &self.shared.sink else { return };
        if audited.refusal.is_some() && noted.is_empty() && !self.allowance(Instant::now()) {
            self.shared.suppressed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let changes = noted.iter().map(Some).chain(noted.is_empty().then_some(None));
        for change in changes {
            let outcome = audited.line(change, self.shared.suppressed.load(Ordering::Relaxed));
            self.account(outcome.and_then(|line| sink.append(&line)));
        }
    }

    /// Tells of a change that was made without a process that serves, by someone who uses the directory itself.
    pub fn record_local(
        &self,
        user: u32,
        operation: &str,
        resource: &str,
        refusal: Option<&str>,
        noted: &Notes,
    ) {
        let audited = Audited {
            request_id: &crate::identifier::new_request_id(),
            who: None,
            claimed: None,
            source: Source::LocalUser(user),
            service: "mantlet",
            operation,
            named: Some(resource.to_owned()),
            refusal,
        };
        self.record(&audited, &noted.0);
    }

    fn allowance(&self, now: Instant) -> bool {
        self.shared.allowance.lock().unwrap_or_else(PoisonError::into_inner).take(now)
    }

    fn account(&self, outcome: io::Result<()>) {
        let failed_before = self.shared.failing.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Ok(()) => {
                self.shared.written.fetch_add(1, Ordering::Relaxed);
                if failed_before {
                    tracing::info!("The audit log is written again");
                }
            }
            Err(error) => {
                self.shared.failed.fetch_add(1, Ordering::Relaxed);
                if !failed_before {
                    tracing::error!(%error, "The audit log cannot be written; changes go on without it");
                }
            }
        }
    }
}

impl fmt::Debug for AuditTrail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AuditTrail")
    }
}

impl Audited<'_> {
    fn line(&self, change: Option<&Noted>, suppressed: u64) -> io::Result<Vec<u8>> {
        let principal = self.who.and_then(Who::principal);
        let named = || self.named.as_deref().map(shortened);
        let line = Line {
            time: Timestamp::from(SystemTime::now()).to_iso8601(),
            request_id: self.request_id,
            access_key_id: principal.map(|principal| principal.access_key_id.as_str()),
            claimed_access_key_id: self.claimed.as_deref().map(shortened),
            key: principal.map(|principal| principal.key_name.as_str()),
            role: principal.map(|principal| principal.role.as_str()),
            session: principal.and_then(|principal| principal.session.as_ref()?.name.as_deref()),
            source: self.source.to_string(),
            operation: format!("{}:{}", self.service, self.operation),
            resource: change.map(|change| change.touched.resource.clone()).or_else(named),
            before: change.and_then(|change| change.touched.before).map(|revision| revision.0),
            after: change.map(|change| change.after.0),
            outcome: self.refusal.unwrap_or("OK"),
            suppressed,
        };
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        Ok(line)
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(AUDITED_TEXT_CHARACTERS_MAX).collect()
}

/// So many lines at once, and so many a second after.
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self { left: f64::from(AUDITED_REFUSALS_BURST), at: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let earned =
            now.saturating_duration_since(self.at).as_secs_f64() * f64::from(AUDITED_REFUSALS_PER_SECOND);
        self.left = (self.left + earned).min(f64::from(AUDITED_REFUSALS_BURST));
        self.at = now;
        let granted = self.left >= 1.0;
        if granted {
            self.left -= 1.0;
        }
        granted
    }
}

/// What was committed while something was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes(Vec<Noted>);

impl Notes {
    pub(crate) fn as_slice(&self) -> &[Noted] {
        &self.0
    }
}

tokio::task_local! {
    static NOTES: RefCell<Notes>;
}

/// Does something, and tells what was committed meanwhile.
pub async fn noting<T>(work: impl Future<Output = T>) -> (T, Notes) {
    NOTES.scope(RefCell::default(), async { (work.await, NOTES.with(RefCell::take)) }).await
}

/// What a transaction is about: the first record that it writes beside those that only keep others in order.
pub(crate) fn touched(transaction: &Transaction) -> Option<Touched> {
    let is_bookkeeping = |kind: &str| {
        ["bundle/", "caller-reference/", "name/", "reference/"].iter().any(|start| kind.starts_with(start))
    };
    let keys = || transaction.writes.iter().map(store::Write::key);
    let key = keys().find(|key| !is_bookkeeping(&key.kind)).or_else(|| keys().next())?;
    let compared = transaction.compares.iter().find(|compare| compare.key == *key);
    let before = compared.and_then(|compare| match compare.condition {
        Condition::AtRevision(revision) => Some(revision),
        Condition::Absent | Condition::Exists => None,
    });
    Some(Touched { resource: format!("{}/{}", key.kind, key.id), before })
}

/// Notes a change that was committed. Outside of [`noting`], nobody listens.
pub(crate) fn note(touched: Option<Touched>, after: Revision) {
    let Some(touched) = touched else { return };
    let _unheard = NOTES.try_with(|notes| {
        let noted = &mut notes.borrow_mut().0;
        if noted.len() < CHANGES_NOTED_MAX {
            noted.push(Noted { touched, after });
        }
    });
}

#[cfg(test)]
pub(crate) mod tests;
