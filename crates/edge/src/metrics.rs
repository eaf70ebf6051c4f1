//! Metrics: what every thread counted, summed when somebody looks.
//!
//! Each edge thread writes counters of its own (plain loads and stores, no locked instruction, no cache
//! line that crosses cores) and [`Metrics::render`] adds them up in Prometheus's text format. Labels are
//! few and bounded: nothing that a viewer sends becomes one, and of more than
//! [`METRICS_DISTRIBUTIONS_MAX`](crate::limits::METRICS_DISTRIBUTIONS_MAX) distributions the busiest are shown, the rest as `other`.

mod busiest;
mod cell;
mod exposition;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use edge_config::Revision;
use foldhash::fast::RandomState;

use crate::access_log::AccessLogCounters;
use crate::limits::METRICS_DISTRIBUTIONS_COUNTED_MAX;
use crate::load::Load;
use crate::tls::TlsVersion;
use crate::viewer::{Http2Misconduct, Http3Misconduct};
use busiest::Busiest;
use cell::{Count, Histogram, micros};
use exposition::render;

/// The label of requests for hosts that no distribution has.
const NO_DISTRIBUTION: &str = "none";

/// The label of the distributions that are not shown one by one.
const OTHER_DISTRIBUTIONS: &str = "other";

/// The edge's metrics; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    threads: Mutex<Vec<Arc<ThreadCounts>>>,
    /// The distributions that are counted one by one, while there may be more.
    labelled: Mutex<HashSet<Arc<str>>>,
    /// The same once there may not: read without a lock.
    all_labelled: OnceLock<HashSet<Arc<str>>>,
    busiest: Mutex<Busiest>,
    access_log: Arc<AccessLogCounters>,
}

impl Metrics {
    /// The metrics as Prometheus's text exposition format, version 0.0.4.
    pub fn render(&self) -> String {
        let (threads, mut busiest) = (lock(&self.shared.threads), lock(&self.shared.busiest));
        render(&threads, &mut busiest, &self.shared.access_log)
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

/// Why something was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shed {
    /// The thread has as many connections as it can hold.
    Thread,
    /// The viewer's address has as many as it may.
    Address,
    /// What connections hold is as much as they may.
    Memory,
    /// As many TLS handshakes wait for their turn as can have any.
    Handshakes,
}

impl Shed {
    const ALL: [Self; 4] = [Self::Thread, Self::Address, Self::Memory, Self::Handshakes];

    /// A word for metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Address => "address",
            Self::Memory => "memory",
            Self::Handshakes => "handshakes",
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
    distributions: RefCell<HashMap<Arc<str>, Arc<DistributionCounts>, RandomState>>,
    shared: Arc<Shared>,
}

impl ThreadMetrics {
    /// Counts a request that is over; `distribution` is its id, none where the host is unknown.
    pub(crate) fn request(&self, distribution: Option<&Arc<str>>, counts: &RequestCounts) {
        self.of.with_distribution(distribution, |of_one| of_one.request(counts));
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

    /// Counts a connection that was closed before anything was read.
    pub(crate) fn connection_shed(&self, why: Shed) {
        self.of.counts.connections_shed[why as usize].add(1);
    }

    /// Counts a connection that a trusted proxy did not begin with a valid header.
    pub(crate) fn proxy_header_refused(&self) {
        self.of.counts.proxy_headers_refused.add(1);
    }

    /// Counts an HTTP/2 stream that was answered with 503.
    pub(crate) fn stream_shed(&self, why: Shed) {
        self.of.counts.streams_shed[why as usize].add(1);
    }

    /// Counts an HTTP/2 connection that the viewer's conduct ended.
    pub(crate) fn http2_misconduct(&self, what: Http2Misconduct) {
        self.of.counts.http2_misconduct[what as usize].add(1);
    }

    /// Counts an HTTP/3 stream that was answered with 503.
    pub(crate) fn http3_stream_shed(&self, why: Shed) {
        self.of.counts.http3_streams_shed[why as usize].add(1);
    }

    /// Counts an HTTP/3 connection that the viewer's conduct ended.
    pub(crate) fn http3_misconduct(&self, what: Http3Misconduct) {
        self.of.counts.http3_misconduct[what as usize].add(1);
    }

    /// States what this thread's connections hold, and may.
    pub(crate) fn memory(&self, load: &Load) {
        self.of.counts.memory_held.set(load.bytes() as u64);
        self.of.counts.memory_max.set(load.bytes_max() as u64);
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
}

impl OfThread {
    fn with_distribution(&self, id: Option<&Arc<str>>, count: impl FnOnce(&DistributionCounts)) {
        // Counted where they are, since every request comes by here.
        if let Some(known) = self.distributions.borrow().get(id.map_or(NO_DISTRIBUTION, |id| id)) {
            return count(known);
        }
        count(&self.first_use(id));
    }

    fn first_use(&self, id: Option<&Arc<str>>) -> Arc<DistributionCounts> {
        let own = id.filter(|id| self.shared.has_label(id));
        let common = if id.is_some() { OTHER_DISTRIBUTIONS } else { NO_DISTRIBUTION };
        if let Some(known) = self.distributions.borrow().get(own.map_or(common, |own| own)) {
            return Arc::clone(known);
        }
        // The distribution's own text is at hand when a request is counted; a copy would have to be fetched.
        let label = own.map_or_else(|| common.into(), Arc::clone);
        let fresh = Arc::new(DistributionCounts::default());
        lock(&self.counts.distributions).push((Arc::clone(&label), Arc::clone(&fresh)));
        self.distributions.borrow_mut().insert(label, Arc::clone(&fresh));
        fresh
    }
}

impl Shared {
    /// Whether a distribution has a label of its own: the same on every thread, whoever saw it first.
    fn has_label(&self, id: &str) -> bool {
        match self.all_labelled.get() {
            Some(all) => all.contains(id),
            None => self.admit(id),
        }
    }

    fn admit(&self, id: &str) -> bool {
        let mut labelled = lock(&self.labelled);
        if labelled.contains(id) {
            return true;
        }
        let has_room = labelled.len() < METRICS_DISTRIBUTIONS_COUNTED_MAX;
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
    connections_shed: [Count; Shed::ALL.len()],
    proxy_headers_refused: Count,
    streams_shed: [Count; Shed::ALL.len()],
    http2_misconduct: [Count; Http2Misconduct::ALL.len()],
    http3_streams_shed: [Count; Shed::ALL.len()],
    http3_misconduct: [Count; Http3Misconduct::ALL.len()],
    memory_held: Count,
    memory_max: Count,
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
    /// How often an origin answered, and how long its first bytes took together. Buckets for each
    /// distribution would make a scrape four times as large.
    origin_answers: Count,
    origin_first_byte_micros: Count,
}

impl DistributionCounts {
    fn request(&self, counts: &RequestCounts) {
        let class = usize::from(counts.status.unwrap_or(0) / 100);
        // No valid status is above 599; one that is counts as the edge's or origin's error.
        self.requests[class.min(STATUS_CLASSES.len() - 1)].add(1);
        self.bytes_from_viewers.add(counts.bytes_from_viewer);
        self.bytes_to_viewers.add(counts.bytes_to_viewer);
        if let Some(first_byte) = counts.origin_first_byte {
            self.origin_answers.add(1);
            self.origin_first_byte_micros.add(micros(first_byte));
        }
    }
}

/// Nothing panics while it holds one of these locks; if something did, the counts are still counts.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::METRICS_DISTRIBUTIONS_MAX;

    fn request(status: Option<u16>) -> RequestCounts {
        RequestCounts {
            status,
            bytes_from_viewer: 100,
            bytes_to_viewer: 2000,
            duration: Duration::from_millis(7),
            origin_first_byte: status.map(|_| Duration::from_millis(3)),
        }
    }

    fn check(metrics: &Metrics, lines: &[&str]) {
        let page = metrics.render();
        for line in lines {
            assert!(page.lines().any(|found| found == *line), "{line} is not in\n{page}");
        }
    }

    #[test]
    fn threads_are_summed() {
        let metrics = Metrics::default();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let metrics = metrics.clone();
                std::thread::spawn(move || {
                    let thread = metrics.thread();
                    for _ in 0..1000 {
                        thread.request(Some(&"E1".into()), &request(Some(200)));
                    }
                    thread.request(Some(&"E1".into()), &request(Some(503)));
                    thread.request(None, &request(Some(403)));
                    thread.request(Some(&"E2".into()), &request(None));
                    thread.clone().origin_connection_opened();
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        check(
            &metrics,
            &[
                "mantlet_requests_total{distribution=\"E1\",status=\"2xx\"} 4000",
                "mantlet_requests_total{distribution=\"E1\",status=\"5xx\"} 4",
                "mantlet_requests_total{distribution=\"none\",status=\"4xx\"} 4",
                "mantlet_requests_total{distribution=\"E2\",status=\"000\"} 4",
                "mantlet_viewer_received_bytes_total{distribution=\"E1\"} 400400",
                "mantlet_viewer_sent_bytes_total{distribution=\"E1\"} 8008000",
                "mantlet_distribution_origin_first_byte_seconds_sum{distribution=\"E1\"} 12.012000",
                "mantlet_distribution_origin_first_byte_seconds_count{distribution=\"E1\"} 4004",
                "mantlet_distribution_origin_first_byte_seconds_count{distribution=\"E2\"} 0",
                "mantlet_origin_connections_opened_total 4",
                "mantlet_edge_threads 4",
                "mantlet_request_duration_seconds_bucket{le=\"0.005\"} 0",
                "mantlet_request_duration_seconds_bucket{le=\"0.01\"} 4012",
                "mantlet_request_duration_seconds_bucket{le=\"+Inf\"} 4012",
                "mantlet_request_duration_seconds_sum 28.084000",
                "mantlet_request_duration_seconds_count 4012",
                "mantlet_origin_first_byte_seconds_count 4008",
            ],
        );
    }

    #[test]
    fn connections_are_open_until_they_are_dropped() {
        let metrics = Metrics::default();
        let thread = metrics.thread();
        let (first, _second) = (thread.viewer_connection(), thread.viewer_connection());
        check(&metrics, &["mantlet_viewer_connections 2"]);
        drop(first);
        check(&metrics, &["mantlet_viewer_connections 1", "mantlet_viewer_connections_total 2"]);
    }

    #[test]
    fn everything_else_is_counted_under_its_name() {
        let metrics = Metrics::default();
        let thread = metrics.thread();
        thread.tls_handshake(TlsVersion::Tls13, true);
        thread.tls_handshake(TlsVersion::Tls12, false);
        thread.tls_handshake_failed();
        thread.connection_shed(Shed::Address);
        thread.stream_shed(Shed::Memory);
        thread.http2_misconduct(Http2Misconduct::Resets);
        thread.http3_stream_shed(Shed::Address);
        thread.http3_misconduct(Http3Misconduct::Protocol);
        thread.memory(&Load::new(1 << 30));
        thread.origin_connection_reused();
        for kind in OriginErrorKind::ALL {
            thread.origin_error(kind);
        }
        thread.applied(Revision(12));
        metrics.thread().applied(Revision(9));
        metrics.access_log_counters().dropped.fetch_add(5, std::sync::atomic::Ordering::Relaxed);
        check(
            &metrics,
            &[
                "mantlet_tls_handshakes_total{version=\"TLSv1.3\",resumed=\"true\"} 1",
                "mantlet_tls_handshakes_total{version=\"TLSv1.3\",resumed=\"false\"} 0",
                "mantlet_tls_handshakes_total{version=\"TLSv1.2\",resumed=\"false\"} 1",
                "mantlet_tls_handshakes_failed_total 1",
                "mantlet_viewer_connections_shed_total{reason=\"address\"} 1",
                "mantlet_viewer_connections_shed_total{reason=\"memory\"} 0",
                "mantlet_http2_streams_shed_total{reason=\"memory\"} 1",
                "mantlet_http2_connections_ended_total{reason=\"resets\"} 1",
                "mantlet_http3_streams_shed_total{reason=\"address\"} 1",
                "mantlet_http3_connections_ended_total{reason=\"protocol\"} 1",
                "mantlet_connection_memory_max_bytes 1073741824",
                "mantlet_origin_connections_reused_total 1",
                "mantlet_snapshot_revision 9",
                "mantlet_access_log_dropped_total{reason=\"queue-full\"} 5",
            ],
        );
        for kind in OriginErrorKind::ALL {
            check(&metrics, &[&format!("mantlet_origin_errors_total{{kind=\"{}\"}} 1", kind.as_str())]);
        }
    }

    #[test]
    fn distributions_beyond_the_limit_share_one_label_on_every_thread() {
        let metrics = Metrics::default();
        let (one, other) = (metrics.thread(), metrics.thread());
        for index in 0..METRICS_DISTRIBUTIONS_MAX + 10 {
            for status in [None, Some(101), Some(200), Some(302), Some(404), Some(502)] {
                one.request(Some(&format!("E{index:013}").into()), &request(status));
            }
        }
        for id in ["E0000000000000", "E5000", "E5001"] {
            other.request(Some(&id.into()), &request(Some(200)));
        }
        other.request(None, &request(Some(403)));
        check(
            &metrics,
            &[
                "mantlet_requests_total{distribution=\"E0000000000000\",status=\"2xx\"} 2",
                "mantlet_requests_total{distribution=\"other\",status=\"2xx\"} 12",
                "mantlet_requests_total{distribution=\"none\",status=\"4xx\"} 1",
            ],
        );
        let page = metrics.render();
        assert!(!page.contains("E5000"));
        assert!(page.len() < 1 << 20, "a scrape has {} bytes", page.len());
    }

    #[test]
    fn no_more_distributions_are_counted_one_by_one_than_the_limit() {
        let metrics = Metrics::default();
        let thread = metrics.thread();
        for index in 0..METRICS_DISTRIBUTIONS_COUNTED_MAX + 10 {
            thread.request(Some(&format!("E{index}").into()), &request(Some(200)));
        }
        let others = METRICS_DISTRIBUTIONS_COUNTED_MAX + 10 - METRICS_DISTRIBUTIONS_MAX;
        check(
            &metrics,
            &[&format!("mantlet_requests_total{{distribution=\"other\",status=\"2xx\"}} {others}")],
        );
        assert!(thread.of.distributions.borrow().len() <= METRICS_DISTRIBUTIONS_COUNTED_MAX + 1);
    }

    /// The rules of the text format: every sample follows its family's HELP and TYPE, each family and
    /// each series comes once, label values are escaped, the page ends with a line feed.
    #[test]
    fn the_page_is_well_formed() {
        let metrics = Metrics::default();
        metrics.thread().request(Some(&"a\"b\\c\nd".into()), &request(Some(700)));
        let page = metrics.render();
        assert!(page.ends_with('\n'));
        assert!(page.contains("{distribution=\"a\\\"b\\\\c\\nd\",status=\"5xx\"} 1\n"), "{page}");
        let (mut family, mut families, mut series) = (String::new(), HashSet::new(), HashSet::new());
        for line in page.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                family = help.split(' ').next().unwrap().to_owned();
                assert!(families.insert(family.clone()), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert_eq!(name, family);
                assert!(["counter", "gauge", "histogram", "summary"].contains(&kind), "{line}");
            } else {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert!(name.starts_with(&family), "{line} after {family}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
                assert!(series.insert(name.to_owned()), "{line}");
            }
        }
        assert!(families.len() > 10);
    }
}
