//! The report in words.

use std::fmt::Write as _;

use super::report::{
    CacheBehaviorReport, DistributionReport, FieldReport, ForwardedReport, OutcomeReport, Report,
};

/// All of it.
pub(super) fn of(report: &Report) -> String {
    let mut page = Page::default();
    let request = &report.request;
    let _ = writeln!(page.text, "{} {}", request.method, request.url);
    let body = request.body_bytes.map(|bytes| format!(", {bytes} bytes of body")).unwrap_or_default();
    let _ = writeln!(page.text, "HTTP/{} from {}{body}\n", request.http_version, request.viewer);
    match &report.distribution {
        Some(found) => distribution(&mut page, found, report.is_quarantined),
        None => page.line("Distribution", "none"),
    }
    if let Some(found) = &report.cache_behavior {
        cache_behavior(&mut page, found);
    }
    for policy in &report.policies {
        page.line(
            &capitalised(policy.kind),
            format_args!("{} ({})", policy.name.as_deref().unwrap_or("?"), policy.id),
        );
    }
    match &report.outcome {
        OutcomeReport::Refused { status, code, message, why } => {
            page.line("Answer", format_args!("{status} {code}, by the edge: {why}"));
            page.line("The viewer reads", message);
        }
        OutcomeReport::Redirected { status, location } => {
            page.line("Answer", format_args!("{status}, by the edge: Location: {location}"));
        }
        OutcomeReport::Forwarded(forwarded) => to_origin(&mut page, forwarded, report),
    }
    if !report.not_enforced.is_empty() {
        page.text.push('\n');
        page.line(
            "Not enforced",
            format_args!("stored, and no edge acts on it: {}", report.not_enforced.join(", ")),
        );
    }
    page.text
}

fn distribution(page: &mut Page, found: &DistributionReport, is_quarantined: bool) {
    let by = found.found_by.as_deref().filter(|name| *name != found.domain_name);
    let by = by.map(|name| format!(", by its alias {name}")).unwrap_or_default();
    let state = if found.is_enabled { "" } else { "; disabled" };
    page.line("Distribution", format_args!("{} ({}){by}{state}", found.id, found.domain_name));
    if is_quarantined {
        page.line("", "its newest configuration cannot be used; the log of the process says why");
    }
    let protocols = match (found.speaks_http2, found.speaks_http3) {
        (true, true) => "HTTP/3, HTTP/2 or HTTP/1.1",
        (true, false) => "HTTP/2 or HTTP/1.1",
        (false, true) => "HTTP/3 or HTTP/1.1",
        (false, false) => "HTTP/1.1",
    };
    let certificate = found
        .certificate
        .as_ref()
        .map_or("of the domain suffix".to_owned(), |id| format!("{id}, of its own"));
    page.line(
        "TLS",
        format_args!("security policy {}, {protocols}; certificate {certificate}", found.security_policy),
    );
    if let Some(restriction) = &found.geo_restriction {
        page.line(
            "Geo restriction",
            format_args!("{restriction}; where a viewer is shows only while serving"),
        );
    }
}

fn cache_behavior(page: &mut Page, found: &CacheBehaviorReport) {
    let pattern =
        found.path_pattern.as_ref().map_or("the default one".to_owned(), |pattern| format!("/{pattern}"));
    page.line("Cache behavior", format_args!("{pattern}, number {} of {}", found.position, found.of));
    page.line("Viewer protocol", found.viewer_protocol_policy);
    page.line("Methods", found.allowed_methods.join(", "));
}

fn to_origin(page: &mut Page, forwarded: &ForwardedReport, report: &Report) {
    if let Some(found) = &report.cache_behavior {
        let origin = &found.origin;
        let server_name =
            forwarded.server_name.as_ref().map(|name| format!(", TLS for {name}")).unwrap_or_default();
        page.line(
            "Origin",
            format_args!(
                "{}: {}://{}:{}{server_name}",
                origin.id,
                forwarded.scheme,
                bracketed(&forwarded.address),
                forwarded.port
            ),
        );
        if let Some(failover) = &forwarded.failover {
            let codes: Vec<_> = failover.status_codes.iter().map(u16::to_string).collect();
            page.line("Failover", format_args!("to {} on {}", failover.origin_id, codes.join(", ")));
        }
        let complete = origin.response_completion_timeout_seconds;
        let complete = complete.map(|seconds| format!("; all within {seconds} s")).unwrap_or_default();
        page.line(
            "Timeouts",
            format_args!(
                "connect {} × {} s; first byte and every gap {} s{complete}; idle connections kept {} s",
                origin.connection_attempts,
                origin.connection_timeout_seconds,
                origin.read_timeout_seconds,
                origin.keepalive_timeout_seconds
            ),
        );
        let caching = if found.may_be_cached {
            "the cache policy allows it, and this release stores nothing: every request misses"
        } else {
            "never: all times of the cache policy are 0"
        };
        page.line("Caching", caching);
    }
    let left_out = forwarded.query_left_out.join(", ");
    let left_out = if left_out.is_empty() { left_out } else { format!("; left out: {left_out}") };
    page.line("Query", format_args!("{}{left_out}", forwarded.query_by));
    let _ = writeln!(page.text, "\nThe origin gets\n  {}", forwarded.request_line);
    page.fields(forwarded.sent.iter());
    // What is written anew is above, and what goes in part has its other parts here.
    let is_above = |field: &&FieldReport| {
        let mut sent = forwarded.sent.iter();
        field.name != "Cookie" && sent.any(|sent| sent.name.eq_ignore_ascii_case(&field.name))
    };
    let mut dropped = forwarded.dropped.iter().filter(|field| !is_above(field)).peekable();
    if dropped.peek().is_some() {
        page.text.push_str("\nThe origin does not get\n");
        page.fields(dropped);
    }
}

fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

fn capitalised(words: &str) -> String {
    let mut characters = words.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "{name:<23} {value}");
    }

    fn fields<'a>(&mut self, fields: impl Iterator<Item = &'a FieldReport>) {
        for FieldReport { name, value, by } in fields {
            let field = format!("{name}: {value}");
            let _ = writeln!(self.text, "  {field:<50} {by}");
        }
    }
}
