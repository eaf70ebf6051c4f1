//! What came out: all figures for programs, medians and ratios for people.

use std::fmt::Write;

use serde::Serialize;

use super::Micros;
use super::growth::Growth;
use super::http3::{self, Http3Figures};
use super::idle::{BARS, Idle};
use super::proxy::{MANTLET, Proxy};
use super::workload::Workload;

/// Everything that was measured.
#[derive(Default, Serialize)]
pub(super) struct Report {
    pub(super) workloads: Vec<WorkloadReport>,
    pub(super) http3: Option<Http3Figures>,
    pub(super) idle: Option<Idle>,
    pub(super) growth: Vec<Growth>,
}

/// The figures of one workload: those of each round, in the proxies' order.
#[derive(Serialize)]
pub(super) struct WorkloadReport {
    workload: Workload,
    bar: f64,
    proxies: Vec<&'static str>,
    pub(super) rounds: Vec<Vec<Micros>>,
}

impl WorkloadReport {
    pub(super) fn new(workload: Workload, proxies: impl Iterator<Item = &'static str>) -> Self {
        Self { workload, bar: workload.bar(), proxies: proxies.collect(), rounds: Vec::new() }
    }

    /// The median figure of a proxy.
    fn median_of(&self, index: usize) -> f64 {
        median(self.rounds.iter().filter_map(|round| round.get(index)).map(|figure| figure.0))
    }

    /// The median of the ratios to the better peer, each within its round.
    fn ratio(&self) -> f64 {
        median(self.rounds.iter().filter_map(|round| {
            let figures = || self.proxies.iter().zip(round);
            let (_, own) = figures().find(|(name, _)| **name == MANTLET)?;
            let peers = figures().filter(|(name, _)| Proxy::is_peer(name)).map(|(_, figure)| figure.0);
            Some(own.0 / peers.fold(f64::INFINITY, f64::min))
        }))
    }

    /// One line of the table.
    pub(super) fn line(&self) -> String {
        let figure = |name| match self.proxies.iter().position(|proxy| *proxy == name) {
            Some(index) => format!("{:.1}", self.median_of(index)),
            None => "–".to_owned(),
        };
        let ratio = self.ratio();
        let verdict = if ratio <= self.bar { "met" } else { "missed" };
        format!(
            "| {} {} | {} | {} | {} | {} | {} | **{ratio:.2}** | {:.2} | {verdict} |",
            self.workload.name(),
            self.workload.description(),
            figure(MANTLET),
            figure("nginx"),
            figure("haproxy"),
            figure("haproxy-64k"),
            figure("relay"),
            self.bar,
        )
    }
}

impl Report {
    /// The tables of docs/benchmarks.md.
    pub(super) fn tables(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self
            .write_workloads(&mut text)
            .and_then(|()| self.write_http3(&mut text))
            .and_then(|()| self.write_idle(&mut text));
        for growth in &self.growth {
            let _ = write_growth(growth, &mut text);
        }
        text
    }

    fn write_workloads(&self, text: &mut String) -> std::fmt::Result {
        if self.workloads.is_empty() {
            return Ok(());
        }
        writeln!(
            text,
            "| µs of processor time per request | Mantlet | nginx | HAProxy | HAProxy, 64 KiB buffers | \
             relay | ratio to the better peer | bar | |\n|---|---|---|---|---|---|---|---|---|"
        )?;
        self.workloads.iter().try_for_each(|workload| writeln!(text, "{}", workload.line()))?;
        writeln!(text)
    }

    fn write_http3(&self, text: &mut String) -> std::fmt::Result {
        let Some(Http3Figures { w4, http3, http2_by_curl, http3_by_curl }) = &self.http3 else {
            return Ok(());
        };
        let of = |rounds: &[Micros]| median(rounds.iter().map(|figure| figure.0));
        writeln!(
            text,
            "| µs of processor time per request | HTTP/2 (W4) | HTTP/3 | ratio | bar | \
             HTTP/2 by curl | HTTP/3 by curl | ratio |\n|---|---|---|---|---|---|---|---|\n\
             | GET 300 B, 8 connections with 10 streams | {:.1} | {:.1} | **{:.2}** | {:.2} | {:.1} | {:.1} | {:.2} |\n",
            of(w4),
            of(http3),
            ratio_within_rounds(http3, w4),
            http3::BAR,
            of(http2_by_curl),
            of(http3_by_curl),
            ratio_within_rounds(http3_by_curl, http2_by_curl),
        )
    }

    fn write_idle(&self, text: &mut String) -> std::fmt::Result {
        let Some(idle) = &self.idle else { return Ok(()) };
        let count = idle.connections;
        writeln!(text, "| KB per connection, {count} of them idle | HTTP/1.1 | TLS |\n|---|---|---|")?;
        for of in &idle.proxies {
            writeln!(text, "| {} | {:.1} | {:.1} |", of.proxy, of.http_kb, of.tls_kb)?;
        }
        writeln!(text, "| bar | {:.1} | {:.1} |\n", BARS.0, BARS.1)
    }
}

fn write_growth(growth: &Growth, text: &mut String) -> std::fmt::Result {
    let sizes: Vec<String> = growth.sizes.iter().map(usize::to_string).collect();
    writeln!(
        text,
        "| µs per request by the number of {} | {} | last to first |\n|---|{}---|",
        growth.of,
        sizes.join(" | "),
        "---|".repeat(sizes.len())
    )?;
    for of in &growth.proxies {
        let medians: Vec<f64> =
            of.rounds.iter().map(|rounds| median(rounds.iter().map(|figure| figure.0))).collect();
        let cells: Vec<String> = medians.iter().map(|median| format!("{median:.1}")).collect();
        writeln!(text, "| {} | {} | {:.2} |", of.proxy, cells.join(" | "), last_to_first(&of.rounds))?;
    }
    writeln!(text)
}

/// How much more the largest size costs than the smallest.
fn last_to_first(by_size: &[Vec<Micros>]) -> f64 {
    let (Some(first), Some(last)) = (by_size.first(), by_size.last()) else { return f64::NAN };
    ratio_within_rounds(last, first)
}

/// The median of the ratios of one to the other, each within its round.
fn ratio_within_rounds(of: &[Micros], to: &[Micros]) -> f64 {
    median(of.iter().zip(to).map(|(of, to)| of.0 / to.0))
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut report = WorkloadReport::new(Workload::SmallGet, ["mantlet", "nginx", "haproxy"].into_iter());
        // The machine is twice as slow in the second round, and something else disturbs the third.
        for round in [[8.0, 10.0, 12.0], [16.0, 20.0, 22.0], [8.0, 30.0, 10.0]] {
            report.rounds.push(round.map(Micros).to_vec());
        }
        assert!((report.ratio() - 0.8).abs() < 1e-9);
        assert!((report.median_of(1) - 20.0).abs() < 1e-9);
        assert!(report.line().ends_with("| **0.80** | 0.85 | met |"), "{}", report.line());
    }
}
