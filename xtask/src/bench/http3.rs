//! What HTTP/3 costs beside HTTP/2, both of Mantlet's, since Debian has no other server of it: each asked by the load
//! generator that is made for it, and both by curl, the one client here that speaks both.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::certificate::Certificate;
use super::proxy::Proxy;
use super::workload::Workload;
use super::{BenchFlags, Micros, Setup, http3_viewers, turn};
use crate::repository;

/// What a request over HTTP/3 may cost at most, as a multiple of W4.
pub(super) const BAR: f64 = 1.6;

/// Microseconds of processor time per request, round by round.
#[derive(Default, Serialize)]
pub(super) struct Http3Figures {
    /// HTTP/2 as W4 has it, by h2load.
    pub(super) w4: Vec<Micros>,
    /// HTTP/3 by a load generator that is as quick.
    pub(super) http3: Vec<Micros>,
    /// HTTP/2 by curl.
    pub(super) http2_by_curl: Vec<Micros>,
    /// HTTP/3 by curl.
    pub(super) http3_by_curl: Vec<Micros>,
}

impl Http3Figures {
    pub(super) fn measure(setup: &Setup, flags: &BenchFlags) -> Result<Self> {
        let curl = Curl::find()?;
        let (mut proxy, mut api) = Proxy::mantlet(setup, None)?;
        let distribution = api.create_distribution("http3", "http2and3")?;
        api.wait_until_deployed(&distribution)?;
        proxy.host = distribution.domain_name;
        let time = Duration::from_secs(flags.seconds);
        let mut measured = Self::default();
        for round in 0..=flags.rounds {
            let w4 = turn(&proxy, || Workload::Http2.load(&proxy, time))?;
            let http3 = turn(&proxy, || http3_viewers::load(&proxy, &setup.certificate, time))?;
            let http2_by_curl = turn(&proxy, || curl.load(2, &proxy, &setup.certificate, time))?;
            let http3_by_curl = turn(&proxy, || curl.load(3, &proxy, &setup.certificate, time))?;
            // In the first one pools fill and code becomes warm.
            if round > 0 {
                measured.w4.push(w4);
                measured.http3.push(http3);
                measured.http2_by_curl.push(http2_by_curl);
                measured.http3_by_curl.push(http3_by_curl);
            }
        }
        Ok(measured)
    }
}

/// curl with HTTP/3, which comes with the end-to-end tests' Python packages.
struct Curl {
    python: PathBuf,
    script: PathBuf,
}

impl Curl {
    fn find() -> Result<Self> {
        let python = repository::root().join("tests/e2e/.venv/bin/python");
        ensure!(
            python.is_file(),
            "HTTP/3 is asked for by tests/e2e/.venv, which `scripts/test packages python` makes"
        );
        Ok(Self { python, script: repository::root().join("benches/curl_load.py") })
    }

    /// Puts as much load as it can on a proxy that shows this certificate, and returns how many requests were answered.
    fn load(&self, version: u8, proxy: &Proxy, certificate: &Certificate, time: Duration) -> Result<u64> {
        let done = Command::new(&self.python)
            .arg(&self.script)
            .args(["--http", &version.to_string(), "--address", &proxy.https.ip().to_string()])
            .args(["--url", &format!("https://{}:{}/small", proxy.host, proxy.https.port())])
            .args(["--seconds", &time.as_secs().to_string(), "--ca"])
            .arg(&certificate.chain)
            .output()?;
        let (answered, said) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        answered.trim().parse().with_context(|| format!("curl over HTTP/{version} failed: {said}"))
    }
}
