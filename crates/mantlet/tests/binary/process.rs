//! The real binary, as a child of the test.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Long enough for a busy machine; a test that works never waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `mantlet` to its end.
pub(crate) fn mantlet(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mantlet"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MANTLET_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

/// Checks that `mantlet` fails with this status, and says all of this.
#[track_caller]
pub(crate) fn check_fails(arguments: &[&str], status: i32, expect: &[&str]) {
    let output = mantlet(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {message}");
    for text in expect {
        assert!(message.contains(text), "{arguments:?}: {message}");
    }
}

/// What `mantlet` prints when it succeeds.
#[track_caller]
pub(crate) fn check_prints(arguments: &[&str]) -> String {
    let output = mantlet(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A data directory of its own, below a temporary one.
pub(crate) struct Place {
    parent: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { parent: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.parent.path().join("data")
    }

    pub(crate) fn text(&self) -> String {
        self.directory().to_str().unwrap().to_owned()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// Starts `mantlet` with these words before the usual flags, and waits until it is ready.
    pub(crate) fn start(&self, words: &[&str]) -> Process {
        let stdout = self.parent.path().join("stdout");
        let child = command()
            .args(words)
            .args(["--data-dir", &self.text(), "--access-log", "none"])
            .args(["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--api", "127.0.0.1:0"])
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(self.parent.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut process = Process { child, stdout };
        wait_until("mantlet to be ready", || {
            let ended = process.child.try_wait().unwrap();
            assert!(ended.is_none(), "mantlet ended: {ended:?}: {}", self.log());
            !process.output().is_empty()
        });
        process
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.parent.path().join("stderr")).unwrap()
    }
}

/// A running `mantlet`, killed when the test ends.
pub(crate) struct Process {
    child: Child,
    stdout: PathBuf,
}

impl Process {
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("mantlet to end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The addresses in `endpoints.json`.
pub(crate) fn endpoint(directory: &Path, name: &str) -> SocketAddr {
    let text = fs::read_to_string(directory.join("endpoints.json")).unwrap();
    let endpoints: serde_json::Value = serde_json::from_str(&text).unwrap();
    endpoints[name].as_str().unwrap().parse().unwrap()
}

/// The whole answer to `GET path`.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    use std::io::{Read, Write};
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two looks at a condition that has a deadline"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}
