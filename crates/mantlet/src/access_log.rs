//! `mantlet log tail`: the access log for people. It is read where it lies, a line at a time, from as near to its end as
//! what is asked for lets it.

mod filter;
mod lines;
mod record;

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use time::OffsetDateTime;

use self::filter::Filter;
use self::lines::Lines;
use self::record::{Layout, Read};
use crate::command_line::{AccessLogCommand, TailFlags};
use crate::data_dir::DataDir;
use crate::limits::{LOG_POLL, LOG_RECORDS_SHOWN, LOG_WINDOW_BYTES, PRINTED_AT_ONCE_BYTES};
use crate::stdout::print;

/// Performs a command on the access log.
pub(crate) async fn run(command: &AccessLogCommand) -> Result<()> {
    let AccessLogCommand::Tail(flags) = command;
    match tail(flags).await {
        // Whoever read has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        outcome => outcome,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

async fn tail(flags: &TailFlags) -> Result<()> {
    let path = file(flags)?;
    let filter = Filter::new(flags, OffsetDateTime::now_utc()).await?;
    let mut tail = Tail::begin(path, filter, flags)?;
    tail.print_new()?;
    tail.report_bad_lines();
    if !flags.follow {
        return Ok(());
    }
    let outcome = tokio::select! {
        outcome = tail.follow() => outcome,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    tail.report_bad_lines();
    outcome
}

fn file(flags: &TailFlags) -> Result<PathBuf> {
    match &flags.file {
        None => Ok(DataDir::look_into(&flags.directory.data_dir)?.access_log()),
        Some(elsewhere) if ["stdout", "-", "none"].iter().any(|word| elsewhere.as_os_str() == *word) => {
            bail!("the access log is in no file: MANTLET_ACCESS_LOG or --file is {}", elsewhere.display())
        }
        Some(file) => Ok(file.clone()),
    }
}

/// A file that is being read.
struct Tail {
    path: PathBuf,
    filter: Filter,
    is_json: bool,
    lines: Lines,
    layout: Layout,
    /// Records that fit and are not shown, because enough newer ones do.
    skipped: u64,
    bad_lines: u64,
}

impl Tail {
    fn begin(path: PathBuf, filter: Filter, flags: &TailFlags) -> Result<Self> {
        let file = open(&path)?;
        let layout = Layout::of(&file).with_context(|| format!("cannot read {}", path.display()))?;
        let shown = flags.lines.or_else(|| flags.since.is_none().then_some(LOG_RECORDS_SHOWN));
        let start = start(&file, &layout, &filter, shown)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let lines = Lines::starting_at(file, start.offset);
        Ok(Self { path, filter, is_json: flags.json, lines, layout, skipped: start.skipped, bad_lines: 0 })
    }

    /// Prints everything up to the file's present end.
    fn print_new(&mut self) -> Result<()> {
        let mut printed = String::new();
        while let Some(line) =
            self.lines.next().with_context(|| format!("cannot read {}", self.path.display()))?
        {
            match self.layout.read(&line) {
                Read::Record(record) if self.filter.includes(&record) => {
                    if self.skipped > 0 {
                        self.skipped -= 1;
                        continue;
                    }
                    if self.is_json {
                        record.write_json(&mut printed);
                    } else {
                        record.write_text(&mut printed);
                    }
                }
                Read::Record(_) | Read::Comment => {}
                Read::Fields(layout) => self.layout = layout,
                Read::Bad => self.bad_lines += 1,
            }
            if printed.len() >= PRINTED_AT_ONCE_BYTES {
                print(&std::mem::take(&mut printed))?;
            }
        }
        if printed.is_empty() { Ok(()) } else { print(&printed) }
    }

    /// Prints what comes, until there is nobody to read it.
    async fn follow(&mut self) -> Result<()> {
        loop {
            tokio::time::sleep(LOG_POLL).await;
            self.print_new()?;
            if self.is_replaced() {
                // What came to the old file meanwhile.
                self.print_new()?;
                self.lines = Lines::starting_at(open(&self.path)?, 0);
            }
        }
    }

    /// Whether another file has the name now, or this one has been emptied; between the two moments of a rotation there
    /// is none.
    fn is_replaced(&self) -> bool {
        let (Ok(named), Ok(own)) = (std::fs::metadata(&self.path), self.lines.file().metadata()) else {
            return false;
        };
        (named.dev(), named.ino()) != (own.dev(), own.ino()) || own.len() < self.lines.offset()
    }

    fn report_bad_lines(&mut self) {
        match std::mem::take(&mut self.bad_lines) {
            0 => {}
            1 => eprintln!("mantlet: passed over 1 line that is no record"),
            more => eprintln!("mantlet: passed over {more} lines that are no records"),
        }
    }
}

fn open(path: &Path) -> Result<Arc<File>> {
    let file = File::open(path).with_context(|| {
        format!("cannot open the access log {}; name the one that is written with --file", path.display())
    })?;
    Ok(Arc::new(file))
}

/// Where reading begins.
struct Start {
    offset: u64,
    /// How many of the records that fit, from there on, are too many.
    skipped: u64,
}

/// The place from which so many records fit, or all that are young enough: found in ever larger parts of the file's end,
/// so that a long log costs no more than what is asked for.
fn start(file: &Arc<File>, layout: &Layout, filter: &Filter, shown: Option<u64>) -> io::Result<Start> {
    let end = file.metadata()?.len();
    if shown == Some(0) {
        return Ok(Start { offset: end, skipped: 0 });
    }
    if shown.is_none() && !filter.has_oldest() {
        return Ok(Start { offset: 0, skipped: 0 });
    }
    let mut window = LOG_WINDOW_BYTES;
    loop {
        let offset = end.saturating_sub(window);
        let (fitting, reaches_back) = count(Lines::behind(Arc::clone(file), offset)?, end, layout, filter)?;
        let is_enough = shown.is_some_and(|shown| fitting >= shown);
        if offset == 0 || is_enough || reaches_back {
            let skipped = shown.map_or(0, |shown| fitting.saturating_sub(shown));
            return Ok(Start { offset: Lines::behind(Arc::clone(file), offset)?.offset(), skipped });
        }
        window = window.saturating_mul(4);
    }
}

/// How many records fit, and whether the first one is too old.
fn count(mut lines: Lines, end: u64, layout: &Layout, filter: &Filter) -> io::Result<(u64, bool)> {
    let (mut fitting, mut reaches_back) = (0, None);
    let mut layout = layout.clone();
    while lines.offset() < end
        && let Some(line) = lines.next()?
    {
        match layout.read(&line) {
            Read::Record(record) => {
                reaches_back.get_or_insert(filter.is_too_old(&record));
                fitting += u64::from(filter.includes(&record));
            }
            Read::Fields(other) => layout = other,
            Read::Comment | Read::Bad => {}
        }
    }
    Ok((fitting, reaches_back.unwrap_or(false)))
}

#[cfg(test)]
mod tests;
