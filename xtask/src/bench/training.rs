//! What a binary does while it is watched, so that it can be optimised for it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use super::proxy::Proxy;
use super::viewers::wrk;
use super::{Measurement, Setup, http3_viewers};

/// What a browser's script says with a request for an API, beyond what every client says.
const BROWSER_FIELDS: [(&str, &str); 11] = [
    ("Accept", "application/json, text/plain, */*"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
    ("Authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"),
    ("Cookie", "session=6f1d8a1e0c4b4b6f; theme=dark; consent=all"),
    ("Origin", "https://app.example"),
    ("Referer", "https://app.example/analyses/42"),
    ("Sec-Fetch-Dest", "empty"),
    ("Sec-Fetch-Mode", "cors"),
    ("Sec-Fetch-Site", "cross-site"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
];

/// Trains the binary by all workloads, one after the other; it ends in peace.
pub(crate) fn train(binary: PathBuf, time: Duration) -> Result<()> {
    let setup = Setup::new(binary)?;
    let log = setup.directory.path().join("access.log");
    let (mut proxy, mut api) = Proxy::mantlet(&setup, Some(&log))?;
    let with_http3 = api.create_distribution("training", "http2and3")?;
    api.wait_until_deployed(&with_http3)?;
    proxy.host = with_http3.domain_name;
    let measurements = Measurement::value_variants().iter();
    for workload in measurements.filter_map(|measurement| measurement.workload()) {
        eprintln!("  {}", workload.description());
        workload.load(&proxy, time)?;
    }
    eprintln!("  a browser's requests, in clear and over TLS");
    for origin in [format!("http://{}", proxy.http), format!("https://{}", proxy.https)] {
        wrk(&format!("{origin}/small?page=2&sort=date"), &proxy.host, 16, time, &browser_script())?;
    }
    eprintln!("  GET 300 B, HTTP/3");
    http3_viewers::load(&proxy, &setup.certificate, time)?;
    proxy.stop()
}

fn browser_script() -> String {
    BROWSER_FIELDS.map(|(name, value)| format!("wrk.headers['{name}'] = '{value}'")).join("\n")
}
