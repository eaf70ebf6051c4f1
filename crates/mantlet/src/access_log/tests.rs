//! Reading from near the end shows the same as reading everything.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::Parser as _;

use super::lines::Line;
use super::*;
use crate::command_line::{Command, CommandLine};

fn flags(line: &str) -> TailFlags {
    let line = ["mantlet", "log", "tail"].into_iter().chain(line.split_whitespace());
    match CommandLine::try_parse_from(line).unwrap().command {
        Command::Log(log) => match log.command {
            AccessLogCommand::Tail(flags) => flags,
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn request_ids_may_begin_with_a_hyphen() {
    assert_eq!(flags("--request-id -Aaue==,B --json").request_id, ["-Aaue==", "B"]);
}

/// A record a second, of which every hundredth failed.
fn log(records: u64) -> String {
    let mut log = String::from("#Version: 1.0\n#Fields: date time sc-status cs-uri-stem x-edge-request-id\n");
    for number in 0..records {
        let status = if number % 100 == 0 { 502 } else { 200 };
        let (hour, minute, second) = (number / 3600, number / 60 % 60, number % 60);
        let time = format!("{hour:02}:{minute:02}:{second:02}");
        writeln!(log, "2026-01-01\t{time}\t{status}\t/orders/{}\tid-{number}", "x".repeat(200)).unwrap();
    }
    log
}

async fn shown(path: &Path, line: &str, now: OffsetDateTime) -> Vec<String> {
    let flags = flags(line);
    let filter = Filter::new(&flags, now).await.unwrap();
    let mut tail = Tail::begin(path.to_owned(), filter, &flags).unwrap();
    let mut ids = Vec::new();
    while let Some(line) = tail.lines.next().unwrap() {
        if let Read::Record(record) = tail.layout.read(&line)
            && tail.filter.includes(&record)
        {
            if tail.skipped > 0 {
                tail.skipped -= 1;
            } else {
                ids.push(record.get("x-edge-request-id").to_owned());
            }
        }
    }
    ids
}

#[tokio::test]
async fn the_end_of_a_long_log_is_what_all_of_it_ends_in() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(log(20_000).as_bytes()).unwrap();
    let id = |number: u64| format!("id-{number}");
    let now = OffsetDateTime::from_unix_timestamp(1_767_225_600 + 20_000).unwrap();

    let last = shown(file.path(), "-n 3", now).await;
    assert_eq!(last, [id(19_997), id(19_998), id(19_999)]);
    let failed = shown(file.path(), "-n 150 --status 5xx", now).await;
    assert_eq!(failed, (50..200).map(|hundred| id(hundred * 100)).collect::<Vec<_>>());
    let recent = shown(file.path(), "--since 1h --status 502", now).await;
    assert_eq!(recent, (164..200).map(|hundred| id(hundred * 100)).collect::<Vec<_>>());
    assert_eq!(shown(file.path(), "--since 1h -n 1 --path /orders/*", now).await, [id(19_999)]);
    assert_eq!(shown(file.path(), "-n 0", now).await, Vec::<String>::new());
    assert_eq!(shown(file.path(), "-n 30000", now).await.len(), 20_000);
}

#[test]
fn lines_that_are_no_records_are_told_from_those_that_are() {
    let layout = Layout::of(&Arc::new(tempfile::tempfile().unwrap())).unwrap();
    let read = |text: &str| match layout.read(&Line::Whole(text.as_bytes().to_vec())) {
        Read::Record(record) => record.get("sc-status").to_owned(),
        Read::Fields(_) => "fields".to_owned(),
        Read::Comment => "comment".to_owned(),
        Read::Bad => "bad".to_owned(),
    };
    let columns = |count: usize| vec!["7"; count].join("\t");
    assert_eq!(read(&columns(33)), "7");
    assert_eq!(read(r#"{"sc-status":"502","timestamp(ms)":1}"#), "502");
    assert_eq!(read("#Version: 1.0"), "comment");
    assert_eq!(read("#Fields: a b"), "fields");
    for bad in [
        "",
        "x",
        &columns(32),
        &columns(34),
        "{",
        "{}",
        "[1]",
        r#"{"a":{}}"#,
        "{\"a\":\"\\u001b[2J\"}",
        "\u{1b}[2J",
    ] {
        assert_eq!(read(bad), "bad", "{bad:?}");
    }
}
