//! The log as a whole, with real files.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Barrier;
use std::time::SystemTime;

use tempfile::TempDir;

use super::*;

/// How long a test waits for something that ought to happen at once.
const PATIENCE: Duration = Duration::from_secs(10);

fn record(request_id: &str) -> Record<'_> {
    Record {
        finished_at: SystemTime::now(),
        edge_location: "LAX50-C1",
        sc_bytes: 392,
        viewer: SocketAddr::from(([192, 0, 2, 100], 11040)),
        method: b"GET",
        distribution_domain_name: "d111111abcdef8.mantlet.localhost",
        path: b"/index.html",
        status: Some(200),
        referer: b"",
        user_agent: b"Mozilla/5.0 (X11; Linux x86_64)",
        query: b"",
        cookie: b"",
        result_type: ResultType::Miss,
        request_id,
        host_header: b"d111111abcdef8.mantlet.localhost",
        protocol: CsProtocol::Http,
        cs_bytes: 23,
        time_taken: Duration::from_millis(1),
        forwarded_for: b"",
        ssl_protocol: "",
        ssl_cipher: "",
        response_result_type: ResultType::Miss,
        protocol_version: CsProtocolVersion::Http11,
        time_to_first_byte: Some(Duration::from_millis(1)),
        error_type: ErrorType::Error,
        content_type: b"text/html",
        content_length: Some(78),
        range_start: None,
        range_end: None,
        distribution_id: "E1",
        phases: Phases::default(),
        origin_id: b"",
    }
}

fn settings(target: AccessLogTarget, format: AccessLogFormat) -> AccessLogSettings {
    AccessLogSettings { target, format, include_cookies: false }
}

fn start(path: &Path, format: AccessLogFormat) -> (AccessLog, Arc<AccessLogCounters>) {
    let counters = Arc::new(AccessLogCounters::default());
    let settings = settings(AccessLogTarget::File(path.to_owned()), format);
    (AccessLog::start(settings, Arc::clone(&counters)).unwrap(), counters)
}

/// The request ids in a W3C file, and how many header lines it has.
fn read(path: &Path) -> (Vec<String>, usize) {
    let text = fs::read_to_string(path).unwrap();
    let (header, lines): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with('#'));
    let ids = lines.iter().map(|line| line.split('\t').nth(14).unwrap().to_owned()).collect();
    (ids, header.len())
}

#[test]
fn a_new_file_is_private_and_begins_with_the_header_and_an_old_one_goes_on() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("access.log");
    for (id, expect) in [("one", vec!["one"]), ("two", vec!["one", "two"])] {
        let (log, _) = start(&path, AccessLogFormat::W3c);
        log.thread().log(&record(id));
        log.flush();
        let (ids, header_lines) = read(&path);
        assert_eq!((ids.iter().map(String::as_str).collect(), header_lines), (expect, 2));
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn json_has_no_header() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("access.log");
    let (log, _) = start(&path, AccessLogFormat::Json);
    log.thread().log(&record("one"));
    log.flush();
    let lines = fs::read_to_string(&path).unwrap();
    let object: serde_json::Value = serde_json::from_str(lines.trim_end()).unwrap();
    assert_eq!(object["x-edge-request-id"], "one");
}

#[test]
fn a_record_is_in_the_file_soon_without_being_asked_for() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("access.log");
    let (log, _) = start(&path, AccessLogFormat::W3c);
    let thread = log.thread();
    for id in ["one", "two"] {
        let logged_at = Instant::now();
        thread.log(&record(id));
        while !fs::read_to_string(&path).unwrap().contains(id) {
            assert!(logged_at.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_renamed_file_is_left_alone_after_reopening() {
    let directory = TempDir::new().unwrap();
    let (path, renamed) = (directory.path().join("access.log"), directory.path().join("access.log.1"));
    let (log, _) = start(&path, AccessLogFormat::W3c);
    let thread = log.thread();
    thread.log(&record("one"));
    fs::rename(&path, &renamed).unwrap();
    log.reopen();
    thread.log(&record("two"));
    log.flush();
    assert_eq!(read(&renamed), (vec!["one".to_owned()], 2));
    assert_eq!(read(&path), (vec!["two".to_owned()], 2));
}

#[test]
fn reopening_what_cannot_be_opened_keeps_the_old_file() {
    let directory = TempDir::new().unwrap();
    let (path, renamed) = (directory.path().join("access.log"), directory.path().join("access.log.1"));
    let (log, _) = start(&path, AccessLogFormat::W3c);
    fs::rename(&path, &renamed).unwrap();
    fs::create_dir(&path).unwrap();
    log.reopen();
    log.thread().log(&record("one"));
    log.flush();
    assert_eq!(read(&renamed).0, ["one"]);
}

#[test]
fn every_record_of_every_thread_is_written_or_counted() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("access.log");
    let (log, counters) = start(&path, AccessLogFormat::W3c);
    let start = Arc::new(Barrier::new(4));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (log, start) = (log.clone(), Arc::clone(&start));
            std::thread::spawn(move || {
                let thread_log = log.thread();
                start.wait();
                for index in 0..5000 {
                    thread_log.log(&record(&format!("{thread}-{index}")));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    log.flush();
    let (mut ids, _) = read(&path);
    let written = ids.len() as u64;
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as u64, written);
    assert_eq!(counters.written.load(Ordering::Relaxed), written);
    assert_eq!(written + counters.dropped.load(Ordering::Relaxed), 20_000);
}

#[test]
fn a_writer_that_is_stuck_costs_records_and_no_memory() {
    let counters = Arc::new(AccessLogCounters::default());
    let (commands, _nobody_reads) = sync_channel(COMMANDS_MAX);
    let log = AccessLog {
        running: Some(Running {
            settings: Arc::new(settings(AccessLogTarget::Stdout, AccessLogFormat::W3c)),
            counters: Arc::clone(&counters),
            mailboxes: Arc::default(),
            commands,
        }),
    };
    let thread = log.thread();
    while counters.dropped.load(Ordering::Relaxed) < 10 {
        thread.log(&record("one"));
    }
    let open = thread.open.unwrap();
    let lines = lock(&open.mailbox.lines);
    assert!(lines.bytes.len() <= BUFFER_BYTES_MAX && lines.bytes.ends_with(b"\n"));
    assert!(lines.records > 1000);
}

#[test]
fn a_device_that_is_full_costs_records_only() {
    let (log, counters) = start(Path::new("/dev/full"), AccessLogFormat::W3c);
    log.thread().log(&record("one"));
    log.flush();
    assert_eq!(counters.failed.load(Ordering::Relaxed), 1);
    assert_eq!(counters.written.load(Ordering::Relaxed), 0);
}

#[test]
fn nowhere_is_a_target_too() {
    let counters = Arc::new(AccessLogCounters::default());
    let log = AccessLog::start(settings(AccessLogTarget::None, AccessLogFormat::W3c), counters).unwrap();
    log.thread().log(&record("one"));
    log.reopen();
    log.flush();
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let settings = settings(AccessLogTarget::File("/nowhere/access.log".into()), AccessLogFormat::W3c);
    let error = AccessLog::start(settings, Arc::default()).unwrap_err();
    assert_eq!(error.to_string(), "the access log /nowhere/access.log cannot be opened");
}

#[test]
fn what_was_logged_last_is_written_when_everybody_has_left() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("access.log");
    let (log, counters) = start(&path, AccessLogFormat::W3c);
    log.thread().log(&record("one"));
    drop(log);
    let since = Instant::now();
    while counters.written.load(Ordering::Relaxed) == 0 {
        assert!(since.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert_eq!(read(&path).0, ["one"]);
}
