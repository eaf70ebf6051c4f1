//! What a binary does while it is watched, so that it can be optimised for it.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;

use super::certificate::Certificate;
use super::http3::Curl;
use super::proxy::Proxy;
use super::viewers::wrk;
use super::workload::Workload;
use super::{origin, process};

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

/// All workloads, one after the other.
pub(crate) struct Training {
    directory: TempDir,
    certificate: Certificate,
    curl: Curl,
}

impl Training {
    /// Finds what is needed, and says what is not there.
    pub(crate) fn prepare() -> Result<Self> {
        process::check_programs()?;
        let directory = tempfile::tempdir()?;
        let certificate = Certificate::create(directory.path())?;
        Ok(Self { curl: Curl::find(&certificate)?, directory, certificate })
    }

    /// Trains the binary, which ends in peace.
    pub(crate) fn run(&self, binary: &Path, time: Duration) -> Result<()> {
        let log = self.directory.path().join("access.log");
        let (mut proxy, mut api) =
            Proxy::mantlet(self.directory.path(), binary, &self.certificate, origin::start()?, Some(&log))?;
        let with_http3 = api.create_distribution("training", "http2and3")?;
        api.wait_until_deployed(&with_http3)?;
        proxy.host = with_http3.domain_name;
        for workload in Workload::ALL {
            eprintln!("  {}", workload.description());
            workload.load(&proxy, time)?;
        }
        eprintln!("  a browser's requests, in clear and over TLS");
        for origin in [format!("http://{}", proxy.http), format!("https://{}", proxy.https)] {
            wrk(&format!("{origin}/small?page=2&sort=date"), &proxy.host, 16, time, &browser_script())?;
        }
        for version in [2, 3] {
            eprintln!("  curl over HTTP/{version}");
            self.curl.load(version, &proxy, time)?;
        }
        proxy.stop()
    }
}

fn browser_script() -> String {
    BROWSER_FIELDS.map(|(name, value)| format!("wrk.headers['{name}'] = '{value}'")).join("\n")
}
