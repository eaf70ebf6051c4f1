//! Which records are asked for.

use anyhow::{Result, bail};
use edge_config::PathPattern;
use time::OffsetDateTime;

use super::record::Record;
use crate::command_line::{StatusFilter, TailFlags};
use crate::data_dir::DataDir;
use crate::stored;

/// What must fit. An empty list lets everything through.
pub(super) struct Filter {
    statuses: Vec<StatusFilter>,
    paths: Vec<PathPattern>,
    /// A field and the values of which it must have one.
    texts: Vec<(&'static str, Vec<String>)>,
    /// Date and time, in the log's form, which sorts as time does.
    oldest: Option<String>,
}

impl Filter {
    pub(super) async fn new(flags: &TailFlags, now: OffsetDateTime) -> Result<Self> {
        let mut paths = Vec::new();
        for path in &flags.path {
            match PathPattern::parse(path) {
                Ok(pattern) => paths.push(pattern),
                Err(error) => bail!("--path {path}: {error}"),
            }
        }
        let texts = [
            ("cs(Host)", domain_names(flags).await?),
            ("cs-method", flags.method.iter().map(|method| method.to_ascii_uppercase()).collect()),
            ("x-edge-result-type", flags.result_type.clone()),
            ("x-edge-detailed-result-type", flags.detailed_result_type.clone()),
            ("x-edge-request-id", flags.request_id.clone()),
        ];
        let texts = texts.into_iter().filter(|(_, values)| !values.is_empty()).collect();
        let oldest = flags.since.map(|age| in_the_logs_form(now - age));
        Ok(Self { statuses: flags.status.clone(), paths, texts, oldest })
    }

    /// Whether there is an age beyond which nothing is asked for.
    pub(super) fn has_oldest(&self) -> bool {
        self.oldest.is_some()
    }

    /// Whether a record is older than what is asked for.
    pub(super) fn is_too_old(&self, record: &Record<'_>) -> bool {
        let at = || format!("{} {}", record.get("date"), record.get("time"));
        self.oldest.as_ref().is_some_and(|oldest| at() < *oldest)
    }

    /// Whether a record is asked for.
    pub(super) fn includes(&self, record: &Record<'_>) -> bool {
        let status = record.get("sc-status");
        let has_text = |(name, values): &(&str, Vec<String>)| {
            values.iter().any(|value| value.eq_ignore_ascii_case(record.get(name)))
        };
        (self.statuses.is_empty() || self.statuses.iter().any(|filter| filter.includes(status)))
            && self.texts.iter().all(has_text)
            && self.includes_path(record.get("cs-uri-stem"))
            && !self.is_too_old(record)
    }

    fn includes_path(&self, logged: &str) -> bool {
        if self.paths.is_empty() {
            return true;
        }
        let path = as_sent(logged);
        self.paths.iter().any(|pattern| pattern.matches(&path))
    }
}

/// The log tells distributions apart by their domain names.
async fn domain_names(flags: &TailFlags) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut snapshot = None;
    for wanted in &flags.distribution {
        if wanted.contains('.') {
            names.push(wanted.clone());
            continue;
        }
        if snapshot.is_none() {
            let directory = DataDir::look_into(&flags.directory.data_dir)?;
            snapshot = Some(feed::read(stored::look_into(&directory)?).await?.0);
        }
        match snapshot.as_ref().and_then(|snapshot| snapshot.distribution(wanted)) {
            Some(found) => names.push(found.domain_name.as_str().to_owned()),
            None => bail!("there is no distribution {wanted}; of one that is gone, give the domain name"),
        }
    }
    Ok(names)
}

fn in_the_logs_form(at: OffsetDateTime) -> String {
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}-{:02}-{day:02} {hour:02}:{minute:02}:{second:02}", u8::from(month))
}

/// A path as the viewer sent it, from the encoding that the log puts over it.
fn as_sent(logged: &str) -> String {
    let mut bytes = Vec::with_capacity(logged.len());
    let mut rest = logged.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = (byte == b'%').then(|| after.get(..2)).flatten();
        let escaped = digits.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logs_own_encoding_is_taken_off_once() {
        assert_eq!(as_sent("/a%2520b/%7Ec"), "/a%20b/~c");
        assert_eq!(as_sent("/%zz%4"), "/%zz%4");
    }

    #[test]
    fn times_sort_as_texts() {
        let at = |seconds| in_the_logs_form(OffsetDateTime::from_unix_timestamp(seconds).unwrap());
        assert_eq!(at(1_575_493_275), "2019-12-04 21:01:15");
        assert!(at(1_575_493_275) < at(1_575_500_000));
    }
}
