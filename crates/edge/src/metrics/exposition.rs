//! Prometheus's text exposition format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::busiest::Busiest;
use super::cell::{BUCKETS, Count, Histogram};
use super::{DistributionCounts, HANDSHAKES, OriginErrorKind, STATUS_CLASSES, Shed, ThreadCounts, lock};
use crate::access_log::AccessLogCounters;
use crate::limits::METRICS_DISTRIBUTIONS_MAX;
use crate::viewer::{Http2Misconduct, Http3Misconduct};

/// Everything that the threads counted.
pub(super) fn render(
    threads: &[Arc<ThreadCounts>],
    busiest: &mut Busiest,
    access_log: &AccessLogCounters,
) -> String {
    let mut page = Page::default();
    let totals = busiest.choose(totals_by_distribution(threads), METRICS_DISTRIBUTIONS_MAX);
    distributions(&mut page, &totals);
    times(&mut page, threads);
    viewers(&mut page, threads);
    origins(&mut page, threads);
    the_edge_itself(&mut page, threads, access_log);
    page.text
}

fn distributions(page: &mut Page, totals: &BTreeMap<Arc<str>, Total>) {
    page.family("mantlet_requests_total", "counter", "Requests that ended, by distribution and status.");
    for (distribution, total) in totals {
        for (class, requests) in STATUS_CLASSES.iter().zip(total.requests) {
            // A class that a distribution never answered with is no series yet.
            if requests > 0 {
                let labels = [("distribution", &**distribution), ("status", class)];
                page.sample("mantlet_requests_total", &labels, requests);
            }
        }
    }
    page.family(
        "mantlet_viewer_received_bytes_total",
        "counter",
        "Bytes received from viewers, headers included.",
    );
    for (distribution, total) in totals {
        let labels = [("distribution", &**distribution)];
        page.sample("mantlet_viewer_received_bytes_total", &labels, total.bytes_from_viewers);
    }
    page.family("mantlet_viewer_sent_bytes_total", "counter", "Bytes sent to viewers, headers included.");
    for (distribution, total) in totals {
        let labels = [("distribution", &**distribution)];
        page.sample("mantlet_viewer_sent_bytes_total", &labels, total.bytes_to_viewers);
    }
    origin_first_bytes(page, totals);
}

fn origin_first_bytes(page: &mut Page, totals: &BTreeMap<Arc<str>, Total>) {
    let name = "mantlet_distribution_origin_first_byte_seconds";
    page.family(name, "summary", "As mantlet_origin_first_byte_seconds, by distribution.");
    for (distribution, total) in totals {
        let labels = [("distribution", &**distribution)];
        page.sample(&format!("{name}_sum"), &labels, Seconds(total.origin_first_byte_micros));
        page.sample(&format!("{name}_count"), &labels, total.origin_answers);
    }
}

/// A distribution's counts over all threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) requests: [u64; STATUS_CLASSES.len()],
    pub(super) bytes_from_viewers: u64,
    pub(super) bytes_to_viewers: u64,
    pub(super) origin_answers: u64,
    pub(super) origin_first_byte_micros: u64,
}

impl Total {
    /// Whether nothing was counted.
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What was counted since an earlier time.
    pub(super) fn since(&self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return *self };
        let mut requests = self.requests;
        requests.iter_mut().zip(before.requests).for_each(|(now, then)| *now -= then.min(*now));
        Self {
            requests,
            bytes_from_viewers: self.bytes_from_viewers.saturating_sub(before.bytes_from_viewers),
            bytes_to_viewers: self.bytes_to_viewers.saturating_sub(before.bytes_to_viewers),
            origin_answers: self.origin_answers.saturating_sub(before.origin_answers),
            origin_first_byte_micros: self
                .origin_first_byte_micros
                .saturating_sub(before.origin_first_byte_micros),
        }
    }

    /// Adds another one's.
    pub(super) fn add(&mut self, other: &Self) {
        self.requests.iter_mut().zip(other.requests).for_each(|(total, count)| *total += count);
        self.bytes_from_viewers += other.bytes_from_viewers;
        self.bytes_to_viewers += other.bytes_to_viewers;
        self.origin_answers += other.origin_answers;
        self.origin_first_byte_micros += other.origin_first_byte_micros;
    }

    fn count(&mut self, counts: &DistributionCounts) {
        for (total, count) in self.requests.iter_mut().zip(&counts.requests) {
            *total += count.get();
        }
        self.bytes_from_viewers += counts.bytes_from_viewers.get();
        self.bytes_to_viewers += counts.bytes_to_viewers.get();
        self.origin_answers += counts.origin_answers.get();
        self.origin_first_byte_micros =
            self.origin_first_byte_micros.wrapping_add(counts.origin_first_byte_micros.get());
    }
}

fn totals_by_distribution(threads: &[Arc<ThreadCounts>]) -> BTreeMap<Arc<str>, Total> {
    let mut totals: BTreeMap<Arc<str>, Total> = BTreeMap::new();
    for thread in threads {
        for (distribution, counts) in lock(&thread.distributions).iter() {
            totals.entry(Arc::clone(distribution)).or_default().count(counts);
        }
    }
    totals
}

fn times(page: &mut Page, threads: &[Arc<ThreadCounts>]) {
    page.histogram(
        "mantlet_request_duration_seconds",
        "From a request's first byte to its response's last.",
        threads.iter().map(|thread| &thread.request_seconds),
    );
    page.histogram(
        "mantlet_origin_first_byte_seconds",
        "From the request's end towards the origin to the first byte of its response.",
        threads.iter().map(|thread| &thread.origin_first_byte_seconds),
    );
}

fn viewers(page: &mut Page, threads: &[Arc<ThreadCounts>]) {
    // Closed first: a connection that opens in between must not make the difference negative.
    let closed = sum(threads, |thread| &thread.viewer_connections_closed);
    let opened = sum(threads, |thread| &thread.viewer_connections_opened);
    page.gauge("mantlet_viewer_connections", "Open connections of viewers.", opened.saturating_sub(closed));
    page.counter("mantlet_viewer_connections_total", "Connections that viewers opened.", opened);
    what_was_shed(page, threads);
    page.family("mantlet_tls_handshakes_total", "counter", "Completed TLS handshakes of viewers.");
    for (index, (version, resumed)) in HANDSHAKES.into_iter().enumerate() {
        let labels = [("version", version.as_str()), ("resumed", if resumed { "true" } else { "false" })];
        page.sample(
            "mantlet_tls_handshakes_total",
            &labels,
            sum(threads, |thread| &thread.tls_handshakes[index]),
        );
    }
    page.counter(
        "mantlet_tls_handshakes_failed_total",
        "TLS handshakes of viewers that did not complete.",
        sum(threads, |thread| &thread.tls_handshakes_failed),
    );
}

fn what_was_shed(page: &mut Page, threads: &[Arc<ThreadCounts>]) {
    page.by_reason(
        "mantlet_viewer_connections_shed_total",
        "Connections of viewers that were closed before anything was read, and what there was too much of.",
        Shed::ALL.map(|why| (why.as_str(), sum(threads, |thread| &thread.connections_shed[why as usize]))),
    );
    page.counter(
        "mantlet_proxy_headers_refused_total",
        "Connections of trusted proxies that were closed, since they did not begin with a PROXY protocol header.",
        sum(threads, |thread| &thread.proxy_headers_refused),
    );
    let of_streams = [Shed::Address, Shed::Memory];
    page.by_reason(
        "mantlet_http2_streams_shed_total",
        "HTTP/2 streams that were answered with 503, and what there was too much of.",
        of_streams.map(|why| (why.as_str(), sum(threads, |thread| &thread.streams_shed[why as usize]))),
    );
    page.by_reason(
        "mantlet_http2_connections_ended_total",
        "HTTP/2 connections that were ended for what their viewers did.",
        Http2Misconduct::ALL
            .map(|what| (what.as_str(), sum(threads, |thread| &thread.http2_misconduct[what as usize]))),
    );
    page.by_reason(
        "mantlet_http3_streams_shed_total",
        "HTTP/3 streams that were answered with 503, and what there was too much of.",
        of_streams.map(|why| (why.as_str(), sum(threads, |thread| &thread.http3_streams_shed[why as usize]))),
    );
    page.by_reason(
        "mantlet_http3_connections_ended_total",
        "HTTP/3 connections that were ended for what their viewers did.",
        Http3Misconduct::ALL
            .map(|what| (what.as_str(), sum(threads, |thread| &thread.http3_misconduct[what as usize]))),
    );
    page.gauge(
        "mantlet_connection_memory_bytes",
        "What connections of viewers held, as far as it is reckoned, when the last one came or went.",
        sum(threads, |thread| &thread.memory_held),
    );
    page.gauge(
        "mantlet_connection_memory_max_bytes",
        "What they may hold before new ones are turned away.",
        sum(threads, |thread| &thread.memory_max),
    );
}

fn origins(page: &mut Page, threads: &[Arc<ThreadCounts>]) {
    page.counter(
        "mantlet_origin_connections_opened_total",
        "Connections opened to origins.",
        sum(threads, |thread| &thread.origin_connections_opened),
    );
    page.counter(
        "mantlet_origin_connections_reused_total",
        "Requests sent over an origin connection that was already open.",
        sum(threads, |thread| &thread.origin_connections_reused),
    );
    page.family("mantlet_origin_errors_total", "counter", "Failures at origins, attempt by attempt.");
    for kind in OriginErrorKind::ALL {
        let errors = sum(threads, |thread| &thread.origin_errors[kind as usize]);
        page.sample("mantlet_origin_errors_total", &[("kind", kind.as_str())], errors);
    }
}

fn the_edge_itself(page: &mut Page, threads: &[Arc<ThreadCounts>], access_log: &AccessLogCounters) {
    page.counter(
        "mantlet_access_log_written_total",
        "Access log records that were written.",
        access_log.written.load(Ordering::Relaxed),
    );
    page.family("mantlet_access_log_dropped_total", "counter", "Access log records that were not, and why.");
    for (reason, records) in [("queue-full", &access_log.dropped), ("write-failed", &access_log.failed)] {
        let records = records.load(Ordering::Relaxed);
        page.sample("mantlet_access_log_dropped_total", &[("reason", reason)], records);
    }
    let revision = threads.iter().map(|thread| thread.revision.get()).min().unwrap_or(0);
    page.gauge("mantlet_snapshot_revision", "The configuration revision that every thread serves.", revision);
    page.gauge("mantlet_edge_threads", "Threads that serve viewers.", threads.len());
}

fn sum(threads: &[Arc<ThreadCounts>], count: impl Fn(&ThreadCounts) -> &Count) -> u64 {
    threads.iter().map(|thread| count(thread).get()).sum()
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    /// A counter for each reason.
    fn by_reason<const N: usize>(&mut self, name: &str, help: &str, counts: [(&str, u64); N]) {
        self.family(name, "counter", help);
        for (reason, count) in counts {
            self.sample(name, &[("reason", reason)], count);
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn histogram<'a>(&mut self, name: &str, help: &str, parts: impl Iterator<Item = &'a Histogram>) {
        let mut buckets = [0; BUCKETS.len() + 1];
        let mut sum_micros = 0_u64;
        for part in parts {
            buckets.iter_mut().zip(part.buckets()).for_each(|(total, count)| *total += count);
            sum_micros = sum_micros.wrapping_add(part.sum_micros());
        }
        self.family(name, "histogram", help);
        let ends = BUCKETS.iter().map(|(_, end)| *end).chain(["+Inf"]);
        let mut up_to_here = 0_u64;
        for (end, count) in ends.zip(buckets) {
            up_to_here += count;
            self.sample(&format!("{name}_bucket"), &[("le", end)], up_to_here);
        }
        self.sample(&format!("{name}_sum"), &[], Seconds(sum_micros));
        self.sample(&format!("{name}_count"), &[], up_to_here);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.append(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (index, (label, content)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.append(format_args!("{label}=\"{}\"", Escaped(content)));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        self.append(format_args!(" {value}\n"));
    }

    fn append(&mut self, text: impl Display) {
        // Writing into memory cannot fail.
        let _ = write!(self.text, "{text}");
    }
}

/// Microseconds as Prometheus wants them.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A label's content, with the three escapes that the format has.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => formatter.write_str("\\\\"),
            '"' => formatter.write_str("\\\""),
            '\n' => formatter.write_str("\\n"),
            other => formatter.write_char(other),
        })
    }
}
