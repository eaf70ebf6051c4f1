//! The access log: one record a request, in the fields of CloudFront's standard logs.
//!
//! An edge thread writes a record's line into a buffer of its own and goes on; one writer thread
//! empties the buffers every [`GATHER_TIME`]. Traffic never waits for the log: where the disk is slow
//! or full, lines are dropped and counted.
//!
//! - [`record`]: the fields, in CloudFront's order.
//! - [`line`]: their form, tab-separated or JSON.
//! - [`writer`]: the thread that writes, the file, its reopening.

mod line;
mod record;
mod writer;

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use line::access_log_fields;
pub(crate) use record::{CsProtocol, CsProtocolVersion, ErrorType, Phases, Record, ResultType};
use writer::{Command, Sink, Writer};

/// How long lines are gathered before they are written: short enough for someone who watches the file.
const GATHER_TIME: Duration = Duration::from_millis(100);

/// A buffer of this size is written at once.
const EAGER_BYTES: usize = 64 * 1024;

/// The most bytes that wait in one thread's buffer: 0.1 s of 15,000 requests a second with long lines.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// Commands that wait for the writer; those that only wake it are not queued twice.
const COMMANDS_MAX: usize = 16;

/// How long draining and reopening wait for a disk that does not answer.
const WRITER_TIME_MAX: Duration = Duration::from_secs(2);

/// How often a full queue of commands is tried again meanwhile.
const QUEUE_RETRY_TIME: Duration = Duration::from_millis(5);

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// Appended to a file, which is made with mode 0600.
    File(PathBuf),
    /// Standard output.
    Stdout,
    /// Nowhere.
    None,
}

/// How records look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// W3C extended log file format: tab-separated, with two header lines.
    W3c,
    /// One JSON object a line, whose values are the same texts, and some that only it has.
    Json,
}

/// What to log, where and how.
#[derive(Clone, Debug)]
pub struct AccessLogSettings {
    /// Where records go.
    pub target: AccessLogTarget,
    /// How they look.
    pub format: AccessLogFormat,
    /// Whether `cs(Cookie)` holds the viewer's cookies; they are secrets.
    pub include_cookies: bool,
}

/// Why the access log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum AccessLogError {
    /// The file cannot be opened.
    #[error("the access log {} cannot be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No thread to write it.
    #[error("the access log's thread cannot be started")]
    Thread(#[source] io::Error),
}

/// How the log fares; shared with the metrics.
#[derive(Debug, Default)]
pub(crate) struct AccessLogCounters {
    /// Records that reached the target.
    pub(crate) written: AtomicU64,
    /// Records that found their thread's buffer full.
    pub(crate) dropped: AtomicU64,
    /// Records that the target refused.
    pub(crate) failed: AtomicU64,
}

/// The log as a whole; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct AccessLog {
    /// None where nothing is logged.
    running: Option<Running>,
}

#[derive(Clone, Debug)]
struct Running {
    settings: Arc<AccessLogSettings>,
    counters: Arc<AccessLogCounters>,
    mailboxes: Arc<Mutex<Vec<Arc<Mailbox>>>>,
    commands: SyncSender<Command>,
}

/// The lines of one thread that wait for the writer. The two threads meet at the lock only for as long
/// as it takes to swap the buffer for an empty one.
#[derive(Debug, Default)]
struct Mailbox {
    lines: Mutex<Lines>,
}

/// Whole lines, and how many.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    records: u64,
}

impl AccessLog {
    /// Opens the target and starts the writer.
    pub(crate) fn start(
        settings: AccessLogSettings,
        counters: Arc<AccessLogCounters>,
    ) -> Result<Self, AccessLogError> {
        match Sink::open(&settings)? {
            Some(sink) => Self::start_writing(settings, counters, sink),
            None => Ok(Self { running: None }),
        }
    }

    /// A log of nothing.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { running: None }
    }

    fn start_writing(
        settings: AccessLogSettings,
        counters: Arc<AccessLogCounters>,
        sink: Sink,
    ) -> Result<Self, AccessLogError> {
        let (commands, receiver) = sync_channel(COMMANDS_MAX);
        let mailboxes: Arc<Mutex<Vec<Arc<Mailbox>>>> = Arc::default();
        let writer = Writer::new(sink, Arc::clone(&mailboxes), Arc::clone(&counters));
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(AccessLogError::Thread)?;
        let settings = Arc::new(settings);
        Ok(Self { running: Some(Running { settings, counters, mailboxes, commands }) })
    }

    /// A handle for one edge thread.
    pub(crate) fn thread(&self) -> ThreadLog {
        let open = self.running.as_ref().map(|running| {
            let mailbox = Arc::new(Mailbox::default());
            lock(&running.mailboxes).push(Arc::clone(&mailbox));
            OpenThreadLog { mailbox, running: running.clone() }
        });
        ThreadLog { open, only_here: std::marker::PhantomData }
    }

    /// Opens the file anew, after it was renamed; where that fails the old one stays in use. Whatever is
    /// logged from now on is in the new file. It blocks, as [`flush`](Self::flush) does.
    pub(crate) fn reopen(&self) {
        self.ask(Command::Reopen);
    }

    /// Returns when everything logged so far is written, or when the target takes too long. It blocks:
    /// not for an edge thread.
    pub(crate) fn flush(&self) {
        self.ask(Command::Flush);
    }

    /// Gives the writer a command and waits until it is done, within [`WRITER_TIME_MAX`].
    fn ask(&self, command: impl FnOnce(SyncSender<()>) -> Command) {
        let Some(running) = &self.running else { return };
        let deadline = Instant::now() + WRITER_TIME_MAX;
        let (done, finished) = sync_channel(1);
        let mut command = command(done);
        while let Err(TrySendError::Full(refused)) = running.commands.try_send(command) {
            if Instant::now() >= deadline {
                return;
            }
            command = refused;
            std::thread::park_timeout(QUEUE_RETRY_TIME);
        }
        let _: Result<(), _> = finished.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

/// The log as one edge thread sees it.
#[derive(Clone, Debug)]
pub(crate) struct ThreadLog {
    open: Option<OpenThreadLog>,
    only_here: std::marker::PhantomData<Rc<Cell<()>>>,
}

#[derive(Clone, Debug)]
struct OpenThreadLog {
    mailbox: Arc<Mailbox>,
    running: Running,
}

impl ThreadLog {
    /// Whether anything is logged at all.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the log tells how long each part of a request took.
    pub(crate) fn tells_phases(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.running.settings.format == AccessLogFormat::Json)
    }

    /// Logs a record: formats it, never waits.
    pub(crate) fn log(&self, record: &Record<'_>) {
        if let Some(open) = &self.open {
            open.log(record);
        }
    }
}

impl OpenThreadLog {
    fn log(&self, record: &Record<'_>) {
        let mut lines = lock(&self.mailbox.lines);
        let before = lines.bytes.len();
        if before < BUFFER_BYTES_MAX {
            line::write(record, &self.running.settings, &mut lines.bytes);
        }
        let after = lines.bytes.len();
        if before >= BUFFER_BYTES_MAX || after > BUFFER_BYTES_MAX {
            lines.bytes.truncate(before);
            drop(lines);
            self.running.counters.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        lines.records += 1;
        drop(lines);
        self.wake_writer(before, after);
    }

    /// Wakes the writer for a buffer's first line, and once more when the buffer has grown long.
    fn wake_writer(&self, before: usize, after: usize) {
        let command = match (before, after) {
            (0, _) => Command::Gather,
            _ if before < EAGER_BYTES && after >= EAGER_BYTES => Command::WriteNow,
            _ => return,
        };
        match self.running.commands.try_send(command) {
            // A full queue: it has to wake anyway.
            Ok(()) | Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => {
                tracing::debug!("The access log has no writer");
            }
        }
    }
}

/// Nothing panics while it holds one of these locks; if something did, the lines are still lines.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Commands = Receiver<Command>;

#[cfg(test)]
mod tests;
