//! The thread that writes the access log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::{
    AccessLogCounters, AccessLogError, AccessLogSettings, AccessLogTarget, Commands, GATHER_TIME, Lines,
    Mailbox, line, lock,
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
    /// Write everything, open the file anew, then say so.
    Reopen(SyncSender<()>),
}

/// Where lines go.
pub(super) struct Sink {
    output: Box<dyn Write + Send>,
    /// Where the output is a file.
    path: Option<PathBuf>,
    header: &'static str,
    /// Whether the last write stopped within a line.
    torn: bool,
}

impl Sink {
    /// Opens the target, if there is one.
    pub(super) fn open(settings: &AccessLogSettings) -> Result<Option<Self>, AccessLogError> {
        let (output, path, is_empty): (Box<dyn Write + Send>, _, _) = match &settings.target {
            AccessLogTarget::File(path) => {
                let file = open_file(path)?;
                let is_empty = is_empty(&file);
                (Box::new(file), Some(path.clone()), is_empty)
            }
            AccessLogTarget::Stdout => (Box::new(io::stdout()), None, true),
            AccessLogTarget::None => return Ok(None),
        };
        let mut sink = Self::new(output, path, line::header(settings.format));
        if is_empty {
            sink.write_header();
        }
        Ok(Some(sink))
    }

    fn new(output: Box<dyn Write + Send>, path: Option<PathBuf>, header: &'static str) -> Self {
        Self { output, path, header, torn: false }
    }

    fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        let file = match open_file(path) {
            Ok(file) => file,
            Err(error) => {
                tracing::warn!(%error, "The access log could not be reopened and stays as it is");
                return;
            }
        };
        let is_empty = is_empty(&file);
        self.output = Box::new(file);
        self.torn = false;
        if is_empty {
            self.write_header();
        }
    }

    fn write_header(&mut self) {
        if let Err((_, error)) = self.write(self.header.as_bytes()) {
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

fn open_file(path: &Path) -> Result<File, AccessLogError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| AccessLogError::Open { path: path.to_owned(), source })
}

/// Pipes and devices count as empty: they begin now.
fn is_empty(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.len() == 0)
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
            Command::Flush(done) => say(&done),
            Command::Reopen(done) => {
                self.sink.reopen();
                say(&done);
            }
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

fn say(done: &SyncSender<()>) {
    // Whoever asked may have stopped waiting.
    let _ = done.try_send(());
}

fn count_lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).map(|_| 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes, shared with the test.
    #[derive(Clone)]
    struct SmallDisk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (content, room) = &mut *lock(&self.0);
            let count = bytes.len().min(*room - content.len());
            content.extend_from_slice(&bytes[..count]);
            if count == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_costs_records_and_never_the_form_of_later_ones() {
        let disk = SmallDisk(Arc::new(Mutex::new((Vec::new(), 8))));
        let mailbox = Arc::new(Mailbox::default());
        let counters = Arc::new(AccessLogCounters::default());
        let mailboxes = Arc::new(Mutex::new(vec![Arc::clone(&mailbox)]));
        let sink = Sink::new(Box::new(disk.clone()), None, "");
        let mut writer = Writer::new(sink, mailboxes, Arc::clone(&counters));
        let mut log = |lines: &str| {
            *lock(&mailbox.lines) = Lines { bytes: lines.into(), records: count_lines(lines.as_bytes()) };
            writer.write_mailboxes();
            (counters.written.load(Ordering::Relaxed), counters.failed.load(Ordering::Relaxed))
        };
        assert_eq!(log("one\ntwo\nthree\n"), (2, 1));
        assert_eq!(log("four\n"), (2, 2));
        lock(&disk.0).1 = 10;
        assert_eq!(log("five\n"), (2, 3));
        lock(&disk.0).1 = 100;
        assert_eq!(log("six\nseven\n"), (4, 3));
        assert_eq!(String::from_utf8_lossy(&lock(&disk.0).0), "one\ntwo\nfi\nsix\nseven\n");
    }
}
