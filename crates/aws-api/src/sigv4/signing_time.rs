//! When a request was signed.

use std::time::{Duration, SystemTime};

use time::format_description::well_known::Rfc2822;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::error::SignatureError;
use super::limits::CLOCK_SKEW_DURATION;

/// ISO 8601's basic form, in which `X-Amz-Date` stands and times are signed.
const BASIC: &[time::format_description::BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

const BASIC_BYTES: usize = "20150830T123600Z".len();

/// A time of signing, in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SigningTime {
    unix_seconds: i64,
    /// In ISO 8601's basic form.
    pub(super) text: String,
}

impl SigningTime {
    /// The value of `X-Amz-Date`.
    pub(super) fn from_basic(text: &str) -> Option<Self> {
        if text.len() != BASIC_BYTES {
            return None;
        }
        let time = PrimitiveDateTime::parse(text, BASIC).ok()?.assume_utc();
        Some(Self { unix_seconds: time.unix_timestamp(), text: text.to_owned() })
    }

    /// The value of `Date`, which counts where there is no `X-Amz-Date`: an HTTP date, or the same as there.
    pub(super) fn from_date_header(text: &str) -> Option<Self> {
        Self::from_basic(text)
            .or_else(|| Self::from_unix_seconds(OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp()))
    }

    /// The time `now`, if it has four digits for its year.
    pub(super) fn from_system_time(now: SystemTime) -> Option<Self> {
        Self::from_unix_seconds(unix_seconds(now))
    }

    fn from_unix_seconds(unix_seconds: i64) -> Option<Self> {
        let text = OffsetDateTime::from_unix_timestamp(unix_seconds).ok()?.format(BASIC).ok()?;
        Self::from_basic(&text)
    }

    /// The day, as it stands in a scope.
    pub(super) fn date(&self) -> &str {
        &self.text[..8]
    }

    /// Whether a request signed then may still be, and already be, accepted. A presigned one says for how long it is.
    pub(super) fn check(&self, now: SystemTime, expires: Option<Duration>) -> Result<(), SignatureError> {
        let age = unix_seconds(now).saturating_sub(self.unix_seconds);
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        if age > seconds(expires.unwrap_or(CLOCK_SKEW_DURATION)) {
            return Err(SignatureError::Expired);
        }
        if age < -seconds(CLOCK_SKEW_DURATION) {
            return Err(SignatureError::NotYetValid);
        }
        Ok(())
    }
}

fn unix_seconds(time: SystemTime) -> i64 {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => seconds(since),
        Err(before) => -seconds(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(unix_seconds)
    }

    #[test]
    fn both_forms_of_date_say_the_same() {
        let expected = SigningTime::from_basic("20150830T123600Z").unwrap();
        assert_eq!(expected.date(), "20150830");
        assert_eq!(SigningTime::from_date_header("Sun, 30 Aug 2015 12:36:00 GMT").unwrap(), expected);
        assert_eq!(SigningTime::from_date_header("20150830T123600Z").unwrap(), expected);
        assert_eq!(SigningTime::from_system_time(at(1_440_938_160)).unwrap(), expected);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "20150830",
            "20150830T123600",
            "20150830T123600z",
            "20151330T123600Z",
            "2015083OT123600Z",
            "+0150830T123600Z",
            "20150830T246000Z",
            "２0150830T1236Z",
        ] {
            assert_eq!(SigningTime::from_basic(text), None, "{text}");
        }
    }

    #[test]
    fn a_quarter_of_an_hour_is_the_limit() {
        let time = SigningTime::from_basic("20150830T123600Z").unwrap();
        let signed = 1_440_938_160;
        assert_eq!(time.check(at(signed + 900), None), Ok(()));
        assert_eq!(time.check(at(signed + 901), None), Err(SignatureError::Expired));
        assert_eq!(time.check(at(signed - 900), None), Ok(()));
        assert_eq!(time.check(at(signed - 901), None), Err(SignatureError::NotYetValid));
        let hour = Some(Duration::from_hours(1));
        assert_eq!(time.check(at(signed + 3600), hour), Ok(()));
        assert_eq!(time.check(at(signed + 3601), hour), Err(SignatureError::Expired));
        assert_eq!(time.check(at(signed - 901), hour), Err(SignatureError::NotYetValid));
        assert_eq!(time.check(SystemTime::UNIX_EPOCH, hour), Err(SignatureError::NotYetValid));
    }
}
