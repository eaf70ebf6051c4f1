//! What a connection costs in memory while it waits for its next request.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::Setup;
use super::process::{cpu_time, open_descriptors, resident_kib, wait_for};
use super::proxy::{Proxies, Proxy};
use super::viewers::{Waiting, wrk};

/// Connections that wait.
const CONNECTIONS: u32 = 5000;
/// How many of them come at once, when those before them are at rest. What requests need while they are under way, and
/// for a moment after, is no waiting connection's, and it would stay the process's if all came together.
const AT_ONCE: u32 = 100;

/// What Mantlet may take at most, in KB: in clear, over TLS.
pub(super) const BARS: (f64, f64) = (2.0, 16.0);

/// KB of the process's resident memory per connection.
#[derive(Serialize)]
pub(super) struct Idle {
    pub(super) connections: u32,
    pub(super) proxies: Vec<IdleOf>,
}

#[derive(Serialize)]
pub(super) struct IdleOf {
    pub(super) proxy: &'static str,
    pub(super) http_kb: f64,
    pub(super) tls_kb: f64,
}

impl Idle {
    pub(super) fn measure(setup: &Setup) -> Result<Self> {
        // New processes for each of both: memory that was used before would be used again.
        let clear = Proxies::start(setup)?;
        let in_clear = clear.plain().map(|proxy| kilobytes(proxy, &format!("http://{}/small", proxy.http)));
        let in_clear = in_clear.collect::<Result<Vec<_>>>()?;
        drop(clear);
        let tls = Proxies::start(setup)?;
        let mut proxies = Vec::new();
        for (proxy, http_kb) in tls.plain().zip(in_clear) {
            let tls_kb = kilobytes(proxy, &format!("https://{}/small", proxy.https))?;
            proxies.push(IdleOf { proxy: proxy.name, http_kb, tls_kb });
        }
        Ok(Self { connections: CONNECTIONS, proxies })
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of kilobytes are far below 2^52")]
fn kilobytes(proxy: &Proxy, url: &str) -> Result<f64> {
    // What the first requests need is no connection's.
    wrk(url, &proxy.host, 8, Duration::from_secs(1), "")?;
    let (before, descriptors) = (resident_kib(proxy.id())?, open_descriptors(proxy.id())?);
    let mut waiting = Vec::new();
    for opened in (AT_ONCE..=CONNECTIONS).step_by(AT_ONCE as usize) {
        waiting.push(Waiting::open(url, &proxy.host, AT_ONCE)?);
        wait_for("connections that come", || {
            let found = open_descriptors(proxy.id()).ok()?.saturating_sub(descriptors);
            (found + 64 >= opened as usize).then_some(())
        })?;
        wait_for("connections that wait", || is_at_rest(proxy).then_some(()))?;
    }
    Ok(resident_kib(proxy.id())?.saturating_sub(before) as f64 * 1.024 / f64::from(CONNECTIONS))
}

/// Whether it spends no time, or hardly any.
#[expect(clippy::disallowed_methods, reason = "the condition is what happens in a stretch of time")]
fn is_at_rest(proxy: &Proxy) -> bool {
    let before = cpu_time(proxy.id());
    std::thread::sleep(Duration::from_millis(500));
    let after = cpu_time(proxy.id());
    matches!((before, after), (Ok(before), Ok(after)) if after < before + Duration::from_millis(30))
}
