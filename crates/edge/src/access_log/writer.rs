//! The thread that writes the access log.

use std::fs::{File, OpenOptions};
use std::io::{self, Stdout, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::{
    AccessLogCounters, AccessLogError, AccessLogFormat, AccessLogSettings, AccessLogTarget, Commands,
    GATHER_TIME, Lines, Mailbox, line, lock,
};

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Command {
    /// There are lines; more may follow soon.
    Gather,
    /// There are many lines.
    WriteNow,
    /// Write everything, then say so.
    Flush(SyncSender<()>),
    /// Open the file anew.
    Reopen,
}

/// Where lines go.
#[derive(Debug)]
pub(super) struct Sink {
    output: Output,
    header: &'static str,
    /// Whether the last write stopped within a line.
    torn: bool,
}

#[derive(Debug)]
enum Output {
    File { path: PathBuf, file: File },
    Stdout(Stdout),
}

impl Sink {
    /// Opens the target, if there is one.
    pub(super) fn open(settings: &AccessLogSettings) -> Result<Option<Self>, AccessLogError> {
        let header = match settings.format {
            AccessLogFormat::W3c => line::W3C_HEADER,
            AccessLogFormat::Json => "",
        };
        let output = match &settings.target {
            AccessLogTarget::File(path) => Output::File { path: path.clone(), file: open_file(path)? },
            AccessLogTarget::Stdout => Output::Stdout(io::stdout()),
            AccessLogTarget::None => return Ok(None),
        };
        let mut sink = Self { output, header, torn: false };
        sink.begin();
        Ok(Some(sink))
    }

    fn reopen(&mut self) {
        let Output::File { path, file } = &mut self.output else { return };
        match open_file(path) {
            Ok(anew) => {
                *file = anew;
                self.torn = false;
                self.begin();
            }
            Err(error) => tracing::warn!(%error, "The access log could not be reopened and stays as it is"),
        }
    }

    /// Writes the header where nothing has been written yet.
    fn begin(&mut self) {
        let is_empty = match &self.output {
            Output::File { file, .. } => file.metadata().is_ok_and(|metadata| metadata.len() == 0),
            Output::Stdout(_) => true,
        };
        if is_empty && let Err((_, error)) = self.write(self.header.as_bytes()) {
            tracing::warn!(%error, "The access log's header could not be written");
        }
    }

    /// Writes whole lines; an error comes with the number of bytes that were written before it.
    fn write(&mut self, lines: &[u8]) -> Result<(), (usize, io::Error)> {
        if self.torn {
            self.write_all(b"\n").map_err(|(_, error)| (0, error))?;
            self.torn = false;
        }
        self.write_all(lines).inspect_err(|(written, _)| {
            self.torn = *written > 0 && lines.get(written - 1) != Some(&b'\n');
        })
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut written = 0;
        while written < bytes.len() {
            match self.output.write(&bytes[written..]) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        self.output.flush().map_err(|error| (written, error))
    }
}

impl Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File { file, .. } => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File { file, .. } => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}

fn open_file(path: &Path) -> Result<File, AccessLogError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| AccessLogError::Open { path: path.to_owned(), source })
}

/// The writer's own state.
pub(super) struct Writer {
    sink: Sink,
    mailboxes: Arc<Mutex<Vec<Arc<Mailbox>>>>,
    counters: Arc<AccessLogCounters>,
    /// Swapped for a thread's buffer, so that none is allocated anew.
    spare: Lines,
    failing: bool,
}

impl Writer {
    pub(super) fn new(
        sink: Sink,
        mailboxes: Arc<Mutex<Vec<Arc<Mailbox>>>>,
        counters: Arc<AccessLogCounters>,
    ) -> Self {
        Self { sink, mailboxes, counters, spare: Lines::default(), failing: false }
    }

    /// Writes until nobody can log any more.
    pub(super) fn run(mut self, commands: &Commands) {
        while let Ok(command) = commands.recv() {
            match command {
                Command::Gather => self.gather(commands),
                other => self.obey(other),
            }
        }
        self.write_mailboxes();
    }

    /// Waits for more lines, but not longer than [`GATHER_TIME`].
    fn gather(&mut self, commands: &Commands) {
        let deadline = Instant::now() + GATHER_TIME;
        loop {
            match commands.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Command::Gather) => {}
                Ok(other) => self.obey(other),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        self.write_mailboxes();
    }

    fn obey(&mut self, command: Command) {
        self.write_mailboxes();
        match command {
            Command::Gather | Command::WriteNow => {}
            Command::Flush(done) => drop(done.try_send(())),
            Command::Reopen => self.sink.reopen(),
        }
    }

    fn write_mailboxes(&mut self) {
        let mailboxes = lock(&self.mailboxes).clone();
        for mailbox in mailboxes {
            std::mem::swap(&mut *lock(&mailbox.lines), &mut self.spare);
            self.write_spare();
        }
    }

    fn write_spare(&mut self) {
        if !self.spare.bytes.is_empty() {
            let outcome = self.sink.write(&self.spare.bytes);
            self.account(outcome);
        }
        self.spare.bytes.clear();
        self.spare.records = 0;
    }

    fn account(&mut self, outcome: Result<(), (usize, io::Error)>) {
        let written = match &outcome {
            Ok(()) => self.spare.records,
            Err((bytes, _)) => count_lines(&self.spare.bytes[..*bytes]),
        };
        self.counters.written.fetch_add(written, Ordering::Relaxed);
        self.counters.failed.fetch_add(self.spare.records.saturating_sub(written), Ordering::Relaxed);
        let failed_before = std::mem::replace(&mut self.failing, outcome.is_err());
        match outcome {
            Err((_, error)) if !failed_before => {
                tracing::warn!(%error, "The access log cannot be written; traffic goes on without it");
            }
            Ok(()) if failed_before => tracing::info!("The access log is written again"),
            _ => {}
        }
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).map(|_| 1).sum()
}
