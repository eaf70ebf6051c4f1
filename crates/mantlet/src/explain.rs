//! `mantlet explain`: what the edge would do with a request, decision by decision, from what is stored. The decisions
//! are the edge's own; here a request is put together, and they are told.

mod report;
mod text;
mod url;

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use control::StoredDistribution;
use edge::{GeoDatabase, Question, explain};
use edge_config::{CloudFrontHeaders, PathPattern, ResourceId, ResourceKind, Snapshot};
use store::Store;

use self::report::Report;
use self::url::AskedUrl;
pub(crate) use self::url::AskedUrlError;
use crate::command_line::{AskedHttpVersion, ExplainFlags};
use crate::data_dir::DataDir;
use crate::endpoints::Endpoints;
use crate::settings::UsageError;
use crate::stdout::print;
use crate::stored;

/// Stands for the id that each request gets, in what is printed.
const REQUEST_ID: &str = "<request-id>";
/// Stands for the name that each process has in `Via`.
const VIA_ID: &str = "<edge>";
/// Stands for where an edge says that it is.
const POP: &str = "<location>";
/// Stands for the time of an answer.
const DATE: &str = "<date>";

/// Asks the edge's functions, and prints what they say.
pub(crate) async fn run(flags: &ExplainFlags) -> Result<()> {
    let url: AskedUrl =
        flags.url.parse().map_err(|fault| UsageError::UnaskableUrl { url: flags.url.clone(), fault })?;
    let body_bytes = flags.data.as_ref().map(|file| {
        let facts = std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?;
        anyhow::Ok(facts.len())
    });
    let body_bytes = body_bytes.transpose()?;
    let directory = DataDir::look_into(&flags.directory.data_dir)?;
    let store = stored::look_into(&directory)?;
    let (snapshot, quarantine) = feed::read(Arc::clone(&store)).await?;
    let geo_database = GeoDatabase::open(&flags.geo_database)?;
    let head = head(flags, &url, body_bytes);
    let question = Question {
        head: head.as_bytes(),
        scheme: url.scheme,
        version: flags.http_version.into(),
        viewer: flags.from,
        server_name: server_name(flags, &url),
        geo_database: &geo_database,
        https_port: https_port(&directory, &url)?,
        request_id: REQUEST_ID,
        via_id: VIA_ID,
        pop: POP,
        date: DATE,
    };
    let explanation = explain(&snapshot, &question);
    let mut report = Report::new(flags, &url, body_bytes, &snapshot, &explanation);
    report.knows_countries = geo_database.tells_countries();
    if let Some(distribution) = &explanation.distribution {
        let id = ResourceId::new(ResourceKind::Distribution, &distribution.id);
        report.is_quarantined = quarantine.contains(&id);
        add_stored(&mut report, &*store, &snapshot, &distribution.id, &explanation).await?;
    }
    if flags.json {
        return print(&(serde_json::to_string_pretty(&report)? + "\n"));
    }
    print(&text::of(&report))
}

/// The request as a viewer would send it: what was given, and nothing that was not but Host and Content-Length.
fn head(flags: &ExplainFlags, url: &AskedUrl, body_bytes: Option<u64>) -> String {
    let version = match flags.http_version {
        AskedHttpVersion::Http10 => "HTTP/1.0",
        // What the edge makes of HTTP/2 and HTTP/3 before it looks at them.
        _ => "HTTP/1.1",
    };
    let mut head = format!("{} {} {version}\r\n", flags.method(), url.target);
    if !flags.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.extend(["Host: ", &url.authority, "\r\n"]);
    }
    for (name, value) in &flags.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    if let Some(bytes) = body_bytes {
        head.extend(["Content-Length: ", &bytes.to_string(), "\r\n"]);
    }
    head + "\r\n"
}

/// The name in the viewer's ClientHello: the URL's host, where it is a name (RFC 6066 section 3 has no addresses).
fn server_name<'a>(flags: &'a ExplainFlags, url: &'a AskedUrl) -> Option<&'a str> {
    let asked = flags.tls_server_name.as_deref();
    let name = asked.unwrap_or_else(|| behavior::host_without_port(&url.authority));
    let is_address = name.starts_with('[') || name.parse::<IpAddr>().is_ok();
    (!name.is_empty() && !is_address).then_some(name)
}

/// Where redirects lead to: the listener of the process that runs, or what the URL says.
fn https_port(directory: &DataDir, url: &AskedUrl) -> Result<u16> {
    let running = Endpoints::load(&directory.endpoints())?;
    Ok(running.map_or(url.https_port(), |endpoints| endpoints.https.port()))
}

/// Adds what only the owner's configuration has: names of policies, and settings that no edge acts on.
async fn add_stored(
    report: &mut Report,
    store: &dyn Store,
    snapshot: &Snapshot,
    id: &str,
    explanation: &edge::Explanation,
) -> Result<()> {
    let Some(stored) = StoredDistribution::find(store, id).await? else { return Ok(()) };
    report.not_enforced = control::unenforced_settings(&stored.config, snapshot, CloudFrontHeaders::ALL);
    if let Some(cache_behavior) = &explanation.cache_behavior {
        let path_pattern = cache_behavior.path_pattern.as_ref().map(PathPattern::as_str);
        let policies = stored.policies(store, path_pattern).await?;
        report.policies = policies.into_iter().map(Into::into).collect();
    }
    Ok(())
}
