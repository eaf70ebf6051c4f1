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

/// What a file in W3C's format begins with.
const W3C_HEADER: &str = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip \
    cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) \
    x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for \
    ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status \
    fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type \
    sc-content-len sc-range-start sc-range-end\n";

/// The names of the fields, in their order.
pub fn access_log_fields() -> impl Iterator<Item = &'static str> {
    let names = W3C_HEADER.trim_end().rsplit_once("#Fields: ").map_or("", |(_, names)| names);
    names.split(' ')
}

/// What a file of that format begins with.
pub(super) fn header(format: AccessLogFormat) -> &'static str {
    match format {
        AccessLogFormat::W3c => W3C_HEADER,
        AccessLogFormat::Json => "",
    }
}

/// Appends a record's line.
pub(super) fn write(record: &Record<'_>, settings: &AccessLogSettings, out: &mut Vec<u8>) {
    let begin = out.len();
    let mut line = Line { out, format: settings.format, begin };
    write_fields(record, settings.include_cookies, &mut line);
    line.end();
}

fn write_fields(record: &Record<'_>, include_cookies: bool, line: &mut Line<'_>) {
    if line.format == AccessLogFormat::Json {
        line.display("timestamp(ms)", since_epoch(record.finished_at).as_millis());
        line.text("distribution-id", record.distribution_id.as_bytes());
    }
    let finished_at = calendar(record.finished_at);
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
    if line.format == AccessLogFormat::Json {
        line.precise_seconds("tls-handshake-time", record.phases.tls_handshake);
        line.precise_seconds("head-read-time", record.phases.head_read);
        line.precise_seconds("origin-connect-time", record.phases.origin_connect);
        // CloudFront's name for it ("Use real-time access logs").
        line.precise_seconds("origin-fbl", record.phases.origin_first_byte);
        line.text("origin-id", record.origin_id);
    }
}

fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// A clock that is set before 1970 or beyond the year 9999 must not bring the edge down.
fn calendar(at: SystemTime) -> OffsetDateTime {
    let seconds = i64::try_from(since_epoch(at).as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
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

    /// To the microsecond: an origin nearby takes less than what three decimals show.
    fn precise_seconds(&mut self, name: &str, value: Option<Duration>) {
        match value {
            Some(time) => self.display(name, format_args!("{}.{:06}", time.as_secs(), time.subsec_micros())),
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
/// backtick and the apostrophe. Whatever stands between those is copied in one piece.
fn encode(value: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut rest = &value[..value.len().min(VALUE_BYTES_MAX)];
    while let Some(plain) = rest.iter().position(|byte| MUST_ENCODE[usize::from(*byte)]) {
        let byte = rest[plain];
        out.extend_from_slice(&rest[..plain]);
        out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        rest = &rest[plain + 1..];
    }
    out.extend_from_slice(rest);
}

static MUST_ENCODE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = byte <= 32 || byte >= 127;
        byte += 1;
    }
    let listed = b"<>\"#%{}|\\^~[]`'";
    let mut index = 0;
    while index < listed.len() {
        table[listed[index] as usize] = true;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{AccessLogTarget, CsProtocol, CsProtocolVersion, ErrorType, Phases, ResultType};
    use super::*;

    fn record() -> Record<'static> {
        Record {
            finished_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_575_493_275_999),
            edge_location: "LAX50-C1",
            sc_bytes: 392,
            viewer: "[::ffff:192.0.2.100]:11040".parse().unwrap(),
            method: b"POST",
            distribution_domain_name: "d111111abcdef8.mantlet.localhost",
            path: b"/api/a%20b~\xc3\xa9",
            status: Some(200),
            referer: b"https://app.test/#top",
            user_agent: b"Mozilla/5.0 (X11; 'a' \"b\")",
            query: b"q=1&r=[2]",
            cookie: b"session=secret; theme=dark",
            result_type: ResultType::Miss,
            request_id: "SOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==",
            host_header: b"api.example.test",
            protocol: CsProtocol::Https,
            cs_bytes: 23,
            time_taken: Duration::from_micros(1_001_999),
            forwarded_for: b"198.51.100.1, 192.0.2.7",
            ssl_protocol: "TLSv1.3",
            ssl_cipher: "TLS_AES_128_GCM_SHA256",
            response_result_type: ResultType::Miss,
            protocol_version: CsProtocolVersion::Http2,
            time_to_first_byte: Some(Duration::from_millis(1)),
            error_type: ErrorType::Error,
            content_type: b"application/json; charset=utf-8",
            content_length: Some(78),
            range_start: None,
            range_end: None,
            distribution_id: "E1",
            phases: Phases { head_read: Some(Duration::from_nanos(1_234_567)), ..Phases::default() },
            origin_id: b"api 2",
        }
    }

    fn line(record: &Record<'_>, format: AccessLogFormat, include_cookies: bool) -> String {
        let settings = AccessLogSettings { target: AccessLogTarget::None, format, include_cookies };
        let mut out = Vec::new();
        write(record, &settings, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn w3c(record: &Record<'_>) -> String {
        line(record, AccessLogFormat::W3c, false)
    }

    #[test]
    fn a_record_has_cloudfronts_form() {
        let expect = [
            "2019-12-04",
            "21:01:15",
            "LAX50-C1",
            "392",
            "192.0.2.100",
            "POST",
            "d111111abcdef8.mantlet.localhost",
            "/api/a%2520b%7E%C3%A9",
            "200",
            "https://app.test/%23top",
            "Mozilla/5.0%20(X11;%20%27a%27%20%22b%22)",
            "q=1&r=%5B2%5D",
            "-",
            "Miss",
            "SOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==",
            "api.example.test",
            "https",
            "23",
            "1.001",
            "198.51.100.1,%20192.0.2.7",
            "TLSv1.3",
            "TLS_AES_128_GCM_SHA256",
            "Miss",
            "HTTP/2.0",
            "-",
            "-",
            "11040",
            "0.001",
            "Miss",
            "application/json;%20charset=utf-8",
            "78",
            "-",
            "-",
        ];
        assert_eq!(w3c(&record()), expect.join("\t") + "\n");
    }

    #[test]
    fn a_viewer_that_left_first_has_status_000_and_a_reason() {
        let left = Record {
            status: None,
            result_type: ResultType::Error,
            error_type: ErrorType::ClientHungUpRequest,
            time_to_first_byte: None,
            ..record()
        };
        let line = w3c(&left);
        let fields: Vec<&str> = line.trim_end().split('\t').collect();
        assert_eq!(
            (fields[8], fields[13], fields[27], fields[28]),
            ("000", "Error", "-", "ClientHungUpRequest")
        );
    }

    #[test]
    fn cookies_are_logged_only_where_switched_on() {
        for format in [AccessLogFormat::W3c, AccessLogFormat::Json] {
            assert!(!line(&record(), format, false).contains("secret"));
            assert!(line(&record(), format, true).contains("session=secret;%20theme=dark"));
        }
    }

    #[test]
    fn json_has_the_same_texts_under_the_names_of_the_header() {
        let json = line(&record(), AccessLogFormat::Json, false);
        let texts: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
        let names: Vec<&str> = W3C_HEADER.lines().nth(1).unwrap().split(' ').skip(1).collect();
        assert_eq!(names.len(), 33);
        assert_eq!(
            names.iter().map(|name| texts[*name].as_str().unwrap()).collect::<Vec<_>>().join("\t") + "\n",
            w3c(&record())
        );
        let positions: Vec<_> =
            names.iter().map(|name| json.find(&format!("\"{name}\":")).unwrap()).collect();
        assert!(positions.is_sorted());
    }

    #[test]
    fn json_tells_more_to_the_millisecond_and_the_microsecond() {
        let json = line(&record(), AccessLogFormat::Json, false);
        let texts: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
        assert_eq!(texts["timestamp(ms)"], "1575493275999");
        assert_eq!(texts["distribution-id"], "E1");
        assert_eq!(texts["head-read-time"], "0.001234");
        assert_eq!(texts["origin-id"], "api%202");
        for name in ["tls-handshake-time", "origin-connect-time", "origin-fbl"] {
            assert_eq!(texts[name], "-");
        }
    }

    #[test]
    fn a_broken_clock_is_survived() {
        let year = Duration::from_secs(31_556_952);
        for finished_at in [SystemTime::UNIX_EPOCH - year, SystemTime::UNIX_EPOCH + year * 100_000] {
            assert!(!w3c(&Record { finished_at, ..record() }).is_empty());
        }
    }

    #[test]
    fn exactly_the_listed_bytes_are_encoded() {
        for byte in 0..=255_u8 {
            let mut out = Vec::new();
            encode(&[b'a', byte, b'z'], &mut out);
            let listed = byte <= 32 || byte >= 127 || "<>\"#%{}|\\^~[]`'".contains(char::from(byte));
            let expect = if listed { format!("a%{byte:02X}z") } else { format!("a{}z", char::from(byte)) };
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        }
    }

    #[test]
    fn long_values_are_cut() {
        let long = vec![b'<'; VALUE_BYTES_MAX * 4];
        let grown =
            w3c(&Record { path: &long, ..record() }).len() - w3c(&Record { path: b"/", ..record() }).len();
        assert_eq!(grown, VALUE_BYTES_MAX * 3 - 1);
    }

    proptest! {
        #[test]
        fn a_viewer_forges_no_line_and_no_field(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let record = Record {
                method: &value, path: &value, referer: &value, user_agent: &value, query: &value, cookie: &value,
                host_header: &value, forwarded_for: &value, content_type: &value, ..record()
            };
            let text = line(&record, AccessLogFormat::W3c, true);
            prop_assert_eq!((text.matches('\t').count(), text.matches('\n').count()), (32, 1));
            prop_assert!(text.split('\t').all(|field| !field.is_empty()));
            let json = line(&record, AccessLogFormat::Json, true);
            prop_assert_eq!(json.matches('\n').count(), 1);
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(object.len(), 40);
        }
    }
}
