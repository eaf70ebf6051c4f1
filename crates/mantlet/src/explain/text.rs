//! The report in words.

use std::fmt::Write as _;

use super::report::{
    CacheBehaviorReport, DistributionReport, FailoverReport, FieldReport, ForwardedReport, OriginReport,
    OriginRequestReport, OutcomeReport, Report, TlsReport,
};

/// All of it.
pub(super) fn of(report: &Report) -> String {
    let mut page = Page::default();
    let request = &report.request;
    let _ = writeln!(page.text, "{} {}", request.method, request.url);
    let body = request.body_bytes.map(|bytes| format!(", {bytes} bytes of body")).unwrap_or_default();
    let _ = writeln!(page.text, "HTTP/{} from {}{body}\n", request.http_version, request.viewer);
    if let Some(offered) = &report.tls {
        tls(&mut page, offered);
    }
    match &report.distribution {
        Some(found) => distribution(&mut page, found, report),
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
        OutcomeReport::Refused(refused) => {
            page.line(
                "Answer",
                format_args!("{} {}, by the edge: {}", refused.status, refused.code, refused.why),
            );
            page.line("The viewer reads", refused.message);
            if refused.may_have_page {
                error_pages(&mut page, report, |status| status == refused.status);
            }
        }
        OutcomeReport::Redirected { status, location } => {
            page.line("Answer", format_args!("{status}, by the edge: Location: {location}"));
        }
        OutcomeReport::Forwarded(forwarded) => to_origins(&mut page, forwarded, report),
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

fn tls(page: &mut Page, offered: &TlsReport) {
    let certificate =
        offered.certificate.as_ref().map_or("that of the domain suffix".to_owned(), Clone::clone);
    let name = offered.server_name.as_deref().unwrap_or("no name");
    page.line("TLS", format_args!("for {name}: certificate {certificate}; {}", offered.protocols.join(", ")));
    page.line(
        "Security policy",
        format_args!("{}: {}", offered.security_policy, offered.versions.join(", ")),
    );
    page.line("Ciphers", offered.cipher_suites.join(", "));
}

fn distribution(page: &mut Page, found: &DistributionReport, report: &Report) {
    let by = found.found_by.as_deref().filter(|name| *name != found.domain_name);
    let by = by.map(|name| format!(", by its alias {name}")).unwrap_or_default();
    let state = if found.is_enabled { "" } else { "; disabled" };
    page.line("Distribution", format_args!("{} ({}){by}{state}", found.id, found.domain_name));
    if report.is_quarantined {
        page.line("", "its newest configuration cannot be used; the log of the process says why");
    }
    if let Some(restriction) = &found.geo_restriction {
        let place = match &report.viewer_country {
            Some(country) => format!("the viewer is in {country}"),
            None if report.knows_countries => {
                "where the viewer is is not known, and who is not known is served".to_owned()
            }
            None => "not decided here: give --geo-database, which tells where the viewer is".to_owned(),
        };
        page.line("Geo restriction", format_args!("{restriction}; {place}"));
    }
}

fn error_pages(page: &mut Page, report: &Report, is_told: impl Fn(u16) -> bool) {
    for found in report.error_pages.iter().filter(|found| is_told(found.error_status)) {
        page.line(
            "Custom error page",
            format_args!(
                "{} is replaced by {} with the status {}",
                found.error_status, found.path, found.response_status
            ),
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

fn to_origins(page: &mut Page, forwarded: &ForwardedReport, report: &Report) {
    if let Some(found) = &report.cache_behavior {
        origin(page, "Origin", &found.origin, &forwarded.to);
        match &forwarded.failover {
            Some(second) => failover(page, second),
            None if forwarded.has_origin_group => {
                page.line(
                    "Failover",
                    "none for this request: it has a body, or a method that changes something",
                );
            }
            None => {}
        }
        let caching = if found.may_be_cached {
            "the cache policy allows it, and this release stores nothing: every request misses"
        } else {
            "never: all times of the cache policy are 0"
        };
        page.line("Caching", caching);
    }
    let left_out = forwarded.to.query_left_out.join(", ");
    let left_out = if left_out.is_empty() { left_out } else { format!("; left out: {left_out}") };
    page.line("Query", format_args!("{}{left_out}", forwarded.to.query_by));
    error_pages(page, report, |_| true);
    let _ = writeln!(page.text, "\nThe origin gets\n  {}", forwarded.to.request_line);
    page.fields(forwarded.to.sent.iter());
    not_sent(page, &forwarded.to);
    if let Some(second) = forwarded.failover.as_ref().and_then(|second| second.to.as_ref()) {
        let _ = writeln!(page.text, "\nThe second origin gets\n  {}", second.request_line);
        page.fields(second.sent.iter());
    }
    page.text.push_str("\nOf an empty 200 the viewer gets\n");
    for field in &forwarded.answer {
        let _ = writeln!(page.text, "  {}: {}", field.name, field.value);
    }
}

fn origin(page: &mut Page, name: &str, found: &OriginReport, to: &OriginRequestReport) {
    let server_name = to.server_name.as_ref().map(|name| format!(", TLS for {name}")).unwrap_or_default();
    let address = bracketed(&to.address);
    page.line(name, format_args!("{}: {}://{address}:{}{server_name}", found.id, to.scheme, to.port));
    let complete = found.response_completion_timeout_seconds;
    let complete = complete.map(|seconds| format!("; all within {seconds} s")).unwrap_or_default();
    page.line(
        "Timeouts",
        format_args!(
            "connect {} × {} s; first byte and every gap {} s{complete}; idle connections kept {} s",
            found.connection_attempts,
            found.connection_timeout_seconds,
            found.read_timeout_seconds,
            found.keepalive_timeout_seconds
        ),
    );
}

fn failover(page: &mut Page, second: &FailoverReport) {
    let codes: Vec<_> = second.status_codes.iter().map(u16::to_string).collect();
    let mut when = codes.join(", ");
    for (code, also) in [(503, "that it cannot be connected to"), (504, "that it takes too long")] {
        if second.status_codes.contains(&code) {
            when = format!("{when}; {code} is also {also}");
        }
    }
    page.line("Failover", format_args!("to {} on {when}", second.origin_id));
    if let Some(to) = &second.to {
        origin(page, "Second origin", &second.origin, to);
    }
    if let Some(refused) = &second.refused {
        page.line("Second origin", format_args!("{}: cannot be asked: {}", second.origin_id, refused.why));
    }
}

fn not_sent(page: &mut Page, to: &OriginRequestReport) {
    // What is written anew is above, and what goes in part has its other parts here.
    let is_above = |field: &&FieldReport| {
        let mut sent = to.sent.iter();
        field.name != "Cookie" && sent.any(|sent| sent.name.eq_ignore_ascii_case(&field.name))
    };
    let mut dropped = to.dropped.iter().filter(|field| !is_above(field)).peekable();
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
