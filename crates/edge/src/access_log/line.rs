//! A record's line: CloudFront's 33 fields in their order, tab-separated or as JSON.
//!
//! "Standard logging reference" names and orders the fields; values are URL-encoded as there, which
//! leaves no tab, line end, quotation mark or backslash in them. So a viewer can forge no second line,
//! and the same texts can stand between JSON's quotation marks as they are.

use std::fmt::Display;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

use super::record::Record;
use super::{AccessLogFormat, AccessLogSettings};

/// The most bytes of one value that are logged, before encoding. A request's header is limited to
/// 32,768 bytes; this keeps hostile ones from filling the log faster than the network.
const VALUE_BYTES_MAX: usize = 8192;

/// What a file begins with.
pub(super) const W3C_HEADER: &str = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip \
    cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) \
    x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for \
    ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status \
    fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type \
    sc-content-len sc-range-start sc-range-end\n";

/// Appends a record's line.
pub(super) fn write(record: &Record<'_>, settings: &AccessLogSettings, out: &mut Vec<u8>) {
    let begin = out.len();
    let mut line = Line { out, format: settings.format, begin };
    write_fields(record, settings.include_cookies, &mut line);
    line.end();
}

fn write_fields(record: &Record<'_>, include_cookies: bool, line: &mut Line<'_>) {
    let finished_at = OffsetDateTime::from(latest(record.finished_at));
    line.date("date", finished_at);
    line.time("time", finished_at);
    line.text("x-edge-location", record.edge_location.as_bytes());
    line.display("sc-bytes", record.sc_bytes);
    line.address("c-ip", record.viewer.ip());
    line.text("cs-method", record.method);
    line.text("cs(Host)", record.distribution_domain_name.as_bytes());
    line.text("cs-uri-stem", record.path);
    line.display("sc-status", format_args!("{:03}", record.status.unwrap_or(0)));
    line.text("cs(Referer)", record.referer);
    line.text("cs(User-Agent)", record.user_agent);
    line.text("cs-uri-query", record.query);
    line.text("cs(Cookie)", if include_cookies { record.cookie } else { b"" });
    line.text("x-edge-result-type", record.result_type.as_str().as_bytes());
    line.text("x-edge-request-id", record.request_id.as_bytes());
    line.text("x-host-header", record.host_header);
    line.text("cs-protocol", record.protocol.as_str().as_bytes());
    line.display("cs-bytes", record.cs_bytes);
    line.seconds("time-taken", Some(record.time_taken));
    line.text("x-forwarded-for", record.forwarded_for);
    line.text("ssl-protocol", record.ssl_protocol.as_bytes());
    line.text("ssl-cipher", record.ssl_cipher.as_bytes());
    line.text("x-edge-response-result-type", record.response_result_type.as_str().as_bytes());
    line.text("cs-protocol-version", record.protocol_version.as_str().as_bytes());
    // Field-level encryption does not exist here.
    line.text("fle-status", b"");
    line.text("fle-encrypted-fields", b"");
    line.display("c-port", record.viewer.port());
    line.seconds("time-to-first-byte", record.time_to_first_byte);
    line.text("x-edge-detailed-result-type", record.detailed_result_type().as_bytes());
    line.text("sc-content-type", record.content_type);
    line.number("sc-content-len", record.content_length);
    line.number("sc-range-start", record.range_start);
    line.number("sc-range-end", record.range_end);
}

/// A clock that is set beyond the year 9999 must not bring the edge down.
fn latest(finished_at: SystemTime) -> SystemTime {
    const YEAR_9999: Duration = Duration::from_secs(253_370_764_800);
    finished_at.min(SystemTime::UNIX_EPOCH + YEAR_9999).max(SystemTime::UNIX_EPOCH)
}

struct Line<'a> {
    out: &'a mut Vec<u8>,
    format: AccessLogFormat,
    begin: usize,
}

impl Line<'_> {
    fn text(&mut self, name: &str, value: &[u8]) {
        self.field(name, |out| if value.is_empty() { out.push(b'-') } else { encode(value, out) });
    }

    fn display(&mut self, name: &str, value: impl Display) {
        self.field(name, |out| append(out, value));
    }

    fn number(&mut self, name: &str, value: Option<u64>) {
        match value {
            Some(number) => self.display(name, number),
            None => self.text(name, b""),
        }
    }

    fn seconds(&mut self, name: &str, value: Option<Duration>) {
        match value {
            Some(time) => self.display(name, format_args!("{}.{:03}", time.as_secs(), time.subsec_millis())),
            None => self.text(name, b""),
        }
    }

    fn date(&mut self, name: &str, at: OffsetDateTime) {
        let (year, month, day) = at.to_calendar_date();
        self.display(name, format_args!("{year:04}-{:02}-{day:02}", u8::from(month)));
    }

    fn time(&mut self, name: &str, at: OffsetDateTime) {
        let (hour, minute, second) = at.to_hms();
        self.display(name, format_args!("{hour:02}:{minute:02}:{second:02}"));
    }

    /// A viewer that came over IPv4 to an IPv6 socket is an IPv4 viewer.
    fn address(&mut self, name: &str, ip: IpAddr) {
        self.display(name, ip.to_canonical());
    }

    fn field(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
        let first = self.out.len() == self.begin;
        match self.format {
            AccessLogFormat::W3c => {
                if !first {
                    self.out.push(b'\t');
                }
                value(self.out);
            }
            AccessLogFormat::Json => {
                self.out.extend_from_slice(if first { b"{\"" } else { b",\"" });
                self.out.extend_from_slice(name.as_bytes());
                self.out.extend_from_slice(b"\":\"");
                value(self.out);
                self.out.push(b'"');
            }
        }
    }

    fn end(self) {
        if self.format == AccessLogFormat::Json {
            self.out.push(b'}');
        }
        self.out.push(b'\n');
    }
}

fn append(out: &mut Vec<u8>, value: impl Display) {
    // Writing into memory cannot fail.
    let _ = write!(out, "{value}");
}

/// URL-encodes what "Standard log file format" lists: 0–32, 127 and above, and `<>"#%{}|\^~[]` with the
/// backtick and the apostrophe.
fn encode(value: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in &value[..value.len().min(VALUE_BYTES_MAX)] {
        if must_encode(byte) {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            out.push(byte);
        }
    }
}

fn must_encode(byte: u8) -> bool {
    byte <= 32 || byte >= 127 || b"<>\"#%{}|\\^~[]`'".contains(&byte)
}
