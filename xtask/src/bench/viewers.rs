//! The load generators, and what they say.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::NamedTempFile;

/// Loads `url` with wrk for a while; returns how many requests were answered. All must have been, and with
/// success.
pub(super) fn wrk(url: &str, host: &str, connections: u32, time: Duration, script: &str) -> Result<u64> {
    let file = script_file(script)?;
    let done = wrk_command(url, host, connections, time, &file).output().context("wrk does not start")?;
    let text = String::from_utf8_lossy(&done.stdout);
    if text.contains("Non-2xx") || text.contains("Socket errors") || !done.status.success() {
        bail!("{url} was not served: {text}");
    }
    requests_of_wrk(&text).with_context(|| format!("wrk says nothing of requests: {text}"))
}

/// Connections that have asked once or twice and then wait, until the result is dropped.
pub(super) struct Waiting {
    wrk: Child,
    _script: NamedTempFile,
}

impl Waiting {
    pub(super) fn open(url: &str, host: &str, connections: u32) -> Result<Self> {
        let hour = Duration::from_hours(1);
        // The first requests leave at once, the next ones in an hour.
        let script = format!(
            "local asked = 0\nfunction delay()\n  asked = asked + 1\n  \
             if asked <= {} then return 0 end\n  return 3600000\nend",
            connections * 2
        );
        let file = script_file(&script)?;
        let wrk = wrk_command(url, host, connections, hour, &file).stdout(Stdio::null()).spawn()?;
        Ok(Self { wrk, _script: file })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.wrk.kill();
        let _ = self.wrk.wait();
    }
}

fn script_file(script: &str) -> Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().suffix(".lua").tempfile()?;
    file.write_all(script.as_bytes())?;
    Ok(file)
}

fn wrk_command(url: &str, host: &str, connections: u32, time: Duration, script: &NamedTempFile) -> Command {
    let mut command = Command::new("wrk");
    command
        .args(["--threads", "1", "--connections", &connections.to_string()])
        .args(["--duration", &format!("{}s", time.as_secs()), "--timeout", "30s"])
        .args(["--header", &format!("Host: {host}"), "--script"])
        .arg(script.path())
        .arg(url);
    command
}

/// `  123456 requests in 2.00s, 56.78MB read`
fn requests_of_wrk(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains(" requests in "))?;
    line.split_whitespace().next()?.parse().ok()
}

/// As [`wrk`], over HTTP/2.
pub(super) fn h2load(
    address: SocketAddr,
    host: &str,
    connections: u32,
    streams: u32,
    time: Duration,
) -> Result<u64> {
    let done = Command::new("h2load")
        .args(["--threads", "1", "--clients", &connections.to_string()])
        .args(["--max-concurrent-streams", &streams.to_string()])
        .args(["--duration", &time.as_secs().to_string()])
        .args(["--connect-to", &address.to_string()])
        .arg(format!("https://{host}:{}/small", address.port()))
        .output()
        .context("h2load does not start")?;
    let text = String::from_utf8_lossy(&done.stdout);
    ensure!(text.contains("Application protocol: h2"), "{host} does not speak HTTP/2: {text}");
    requests_of_h2load(&text).with_context(|| format!("not all requests were answered: {text}"))
}

/// `requests: 1000 total, 1080 started, 1000 done, 1000 succeeded, 0 failed, 0 errored, 0 timeout`
fn requests_of_h2load(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("requests: "))?;
    let number =
        |what: &str| line.split(", ").find_map(|part| part.strip_suffix(what)?.trim().parse::<u64>().ok());
    let is_clean = number("failed")? == 0 && number("errored")? == 0;
    is_clean.then(|| number("succeeded"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_load_generators_say_is_read() {
        assert_eq!(requests_of_wrk("Running 2s\n  123456 requests in 2.00s, 5MB read\n"), Some(123_456));
        let line = "requests: 9 total, 10 started, 9 done, 8 succeeded, 0 failed, 0 errored, 0 timeout";
        assert_eq!(requests_of_h2load(line), Some(8));
        assert_eq!(requests_of_h2load(&line.replace("0 failed", "1 failed")), None);
    }
}
