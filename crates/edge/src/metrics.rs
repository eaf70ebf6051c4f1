//! Metrics: what every thread counted, summed when somebody looks.
//!
//! Each edge thread writes counters of its own (plain loads and stores, no locked instruction, no cache
//! line that crosses cores) and [`Metrics::render`] adds them up in Prometheus's text format. Labels are
//! few and bounded: nothing that a viewer sends becomes one, and after [`DISTRIBUTIONS_MAX`]
//! distributions the rest count as `other`.

mod cell;
mod exposition;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use edge_config::Revision;

use crate::access_log::AccessLogCounters;
use crate::tls::TlsVersion;
use cell::{Count, Histogram};
use exposition::render;

/// Distributions with series of their own; each has eight. A thousand keep a scrape under 1 MiB.
const DISTRIBUTIONS_MAX: usize = 1000;

/// The label of requests for hosts that no distribution has.
const NO_DISTRIBUTION: &str = "none";

/// The label of the distributions beyond the limit.
const OTHER_DISTRIBUTIONS: &str = "other";

/// The edge's metrics; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    threads: Mutex<Vec<Arc<ThreadCounts>>>,
    /// The distributions with series of their own, while there may be more.
    labelled: Mutex<HashSet<Arc<str>>>,
    /// The same once there may not: read without a lock.
    all_labelled: OnceLock<HashSet<Arc<str>>>,
    access_log: Arc<AccessLogCounters>,
}

impl Metrics {
    /// The metrics as Prometheus's text exposition format, version 0.0.4.
    pub fn render(&self) -> String {
        render(&lock(&self.shared.threads), &self.shared.access_log)
    }

    /// A handle for the thread that calls this.
    pub(crate) fn thread(&self) -> ThreadMetrics {
        let counts = Arc::new(ThreadCounts::default());
        lock(&self.shared.threads).push(Arc::clone(&counts));
        let distributions = RefCell::default();
        ThreadMetrics { of: Rc::new(OfThread { counts, distributions, shared: Arc::clone(&self.shared) }) }
    }

    /// The counters that the access log keeps.
    pub(crate) fn access_log_counters(&self) -> Arc<AccessLogCounters> {
        Arc::clone(&self.shared.access_log)
    }
}

/// Why something failed at an origin, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginErrorKind {
    /// Its name did not resolve.
    Dns,
    /// Its address may not be connected to.
    Refused,
    /// It did not accept the connection.
    Connect,
    /// It did not accept the connection in time.
    ConnectTimeout,
    /// TLS failed.
    Tls,
    /// The request could not be written.
    Write,
    /// The response could not be read.
    Read,
    /// The response, or its next part, did not come in time.
    ReadTimeout,
    /// Everything together took too long.
    CompletionTimeout,
    /// Its response is no valid HTTP.
    InvalidResponse,
    /// Its response's header is too large.
    HeaderTooBig,
}

impl OriginErrorKind {
    const ALL: [Self; 11] = [
        Self::Dns,
        Self::Refused,
        Self::Connect,
        Self::ConnectTimeout,
        Self::Tls,
        Self::Write,
        Self::Read,
        Self::ReadTimeout,
        Self::CompletionTimeout,
        Self::InvalidResponse,
        Self::HeaderTooBig,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect-timeout",
            Self::Tls => "tls",
            Self::Write => "write",
            Self::Read => "read",
            Self::ReadTimeout => "read-timeout",
            Self::CompletionTimeout => "completion-timeout",
            Self::InvalidResponse => "invalid-response",
            Self::HeaderTooBig => "header-too-big",
        }
    }
}

/// What is counted of a request when its last byte has left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestCounts {
    /// The response's status; none when the viewer left before there was one.
    pub(crate) status: Option<u16>,
    /// Bytes from the viewer, header included.
    pub(crate) bytes_from_viewer: u64,
    /// Bytes to the viewer, header included.
    pub(crate) bytes_to_viewer: u64,
    /// From the request's first byte to the response's last.
    pub(crate) duration: Duration,
    /// From the last byte of the request's header towards the origin to the response's first, where
    /// an origin answered.
    pub(crate) origin_first_byte: Option<Duration>,
}

/// The metrics as one edge thread writes them. It cannot leave its thread, so every counter has one
/// writer; clones are the same counters.
#[derive(Clone, Debug)]
pub(crate) struct ThreadMetrics {
    of: Rc<OfThread>,
}

#[derive(Debug)]
struct OfThread {
    counts: Arc<ThreadCounts>,
    distributions: RefCell<HashMap<Arc<str>, Arc<DistributionCounts>>>,
    shared: Arc<Shared>,
}

impl ThreadMetrics {
    /// Counts a request that is over; `distribution` is its id, none where the host is unknown.
    pub(crate) fn request(&self, distribution: Option<&str>, counts: &RequestCounts) {
        self.distribution(distribution.unwrap_or(NO_DISTRIBUTION)).request(counts);
        let thread = &self.of.counts;
        thread.request_seconds.observe(counts.duration);
        if let Some(first_byte) = counts.origin_first_byte {
            thread.origin_first_byte_seconds.observe(first_byte);
        }
    }

    /// Counts a viewer's connection, open until the value is dropped.
    pub(crate) fn viewer_connection(&self) -> ViewerConnection {
        self.of.counts.viewer_connections_opened.add(1);
        ViewerConnection { thread: Rc::clone(&self.of) }
    }

    /// Counts a TLS handshake that ended well.
    pub(crate) fn tls_handshake(&self, version: TlsVersion, resumed: bool) {
        self.of.counts.tls_handshakes[handshake_index(version, resumed)].add(1);
    }

    /// Counts a TLS handshake that did not.
    pub(crate) fn tls_handshake_failed(&self) {
        self.of.counts.tls_handshakes_failed.add(1);
    }

    /// Counts a new connection to an origin.
    pub(crate) fn origin_connection_opened(&self) {
        self.of.counts.origin_connections_opened.add(1);
    }

    /// Counts a request that went over a connection which was already there.
    pub(crate) fn origin_connection_reused(&self) {
        self.of.counts.origin_connections_reused.add(1);
    }

    /// Counts something that failed at an origin; attempts count one by one.
    pub(crate) fn origin_error(&self, kind: OriginErrorKind) {
        self.of.counts.origin_errors[kind as usize].add(1);
    }

    /// States which revision of the configuration this thread serves.
    pub(crate) fn applied(&self, revision: Revision) {
        self.of.counts.revision.set(revision.0);
    }

    fn distribution(&self, id: &str) -> Arc<DistributionCounts> {
        let known = self.of.known(id);
        known.unwrap_or_else(|| self.of.first_use(self.of.shared.label(id)))
    }
}

impl OfThread {
    fn known(&self, label: &str) -> Option<Arc<DistributionCounts>> {
        self.distributions.borrow().get(label).cloned()
    }

    fn first_use(&self, label: &str) -> Arc<DistributionCounts> {
        if let Some(known) = self.known(label) {
            return known;
        }
        let (label, fresh): (Arc<str>, _) = (label.into(), Arc::new(DistributionCounts::default()));
        lock(&self.counts.distributions).push((Arc::clone(&label), Arc::clone(&fresh)));
        self.distributions.borrow_mut().insert(label, Arc::clone(&fresh));
        fresh
    }
}

impl Shared {
    /// The label of a distribution: the same on every thread, whoever saw it first.
    fn label<'a>(&self, id: &'a str) -> &'a str {
        let has_own = id == NO_DISTRIBUTION
            || match self.all_labelled.get() {
                Some(all) => all.contains(id),
                None => self.admit(id),
            };
        if has_own { id } else { OTHER_DISTRIBUTIONS }
    }

    fn admit(&self, id: &str) -> bool {
        let mut labelled = lock(&self.labelled);
        if labelled.contains(id) {
            return true;
        }
        let has_room = labelled.len() < DISTRIBUTIONS_MAX;
        if has_room {
            labelled.insert(id.into());
        } else {
            self.all_labelled.get_or_init(|| labelled.clone());
        }
        has_room
    }
}

/// A viewer's open connection, for as long as it lives.
#[derive(Debug)]
pub(crate) struct ViewerConnection {
    thread: Rc<OfThread>,
}

impl Drop for ViewerConnection {
    fn drop(&mut self) {
        self.thread.counts.viewer_connections_closed.add(1);
    }
}

/// What one thread counts.
#[derive(Debug, Default)]
struct ThreadCounts {
    distributions: Mutex<Vec<(Arc<str>, Arc<DistributionCounts>)>>,
    request_seconds: Histogram,
    origin_first_byte_seconds: Histogram,
    viewer_connections_opened: Count,
    viewer_connections_closed: Count,
    tls_handshakes: [Count; 4],
    tls_handshakes_failed: Count,
    origin_connections_opened: Count,
    origin_connections_reused: Count,
    origin_errors: [Count; OriginErrorKind::ALL.len()],
    revision: Count,
}

/// `tls_handshakes` by version and resumption.
const HANDSHAKES: [(TlsVersion, bool); 4] = [
    (TlsVersion::Tls12, false),
    (TlsVersion::Tls12, true),
    (TlsVersion::Tls13, false),
    (TlsVersion::Tls13, true),
];

fn handshake_index(version: TlsVersion, resumed: bool) -> usize {
    usize::from(version == TlsVersion::Tls13) * 2 + usize::from(resumed)
}

/// The status classes: `000` (no response), 1xx … 5xx.
const STATUS_CLASSES: [&str; 6] = ["000", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// What one thread counts of one distribution.
#[derive(Debug, Default)]
struct DistributionCounts {
    requests: [Count; STATUS_CLASSES.len()],
    bytes_from_viewers: Count,
    bytes_to_viewers: Count,
}

impl DistributionCounts {
    fn request(&self, counts: &RequestCounts) {
        let class = usize::from(counts.status.unwrap_or(0) / 100);
        // No valid status is above 599; one that is counts as the edge's or origin's error.
        self.requests[class.min(STATUS_CLASSES.len() - 1)].add(1);
        self.bytes_from_viewers.add(counts.bytes_from_viewer);
        self.bytes_to_viewers.add(counts.bytes_to_viewer);
    }
}

/// Nothing panics while it holds one of these locks; if something did, the counts are still counts.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
