//! Moments in time.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// A moment, to the millisecond: ISO 8601 in XML, seconds since 1970 in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    milliseconds: i64,
}

/// A text or a number that names no moment between the years 0 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a moment between the years 0 and 9999")]
pub struct InvalidTimestamp;

/// The moments that ISO 8601 can write with four digits of the year.
const FIRST_MILLISECOND: i64 = -62_167_219_200_000;
const LAST_MILLISECOND: i64 = 253_402_300_799_999;

impl Timestamp {
    /// The moment this many milliseconds after 1970.
    pub fn from_unix_milliseconds(milliseconds: i64) -> Result<Self, InvalidTimestamp> {
        if (FIRST_MILLISECOND..=LAST_MILLISECOND).contains(&milliseconds) {
            Ok(Self { milliseconds })
        } else {
            Err(InvalidTimestamp)
        }
    }

    /// The moment this many seconds after 1970, as JSON writes it.
    pub fn from_unix_seconds(seconds: f64) -> Result<Self, InvalidTimestamp> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the cast saturates, and the range is checked next"
        )]
        Self::from_unix_milliseconds((seconds * 1000.0).round() as i64)
    }

    /// The moment that an ISO 8601 text such as `2026-01-31T12:00:00Z` names.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
        let milliseconds = moment.unix_timestamp_nanos().div_euclid(1_000_000);
        Self::from_unix_milliseconds(i64::try_from(milliseconds).map_err(|_| InvalidTimestamp)?)
    }

    /// Milliseconds since 1970.
    pub const fn unix_milliseconds(self) -> i64 {
        self.milliseconds
    }

    /// The ISO 8601 form with milliseconds, in UTC, as CloudFront writes it.
    pub fn to_iso8601(self) -> String {
        let format =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.milliseconds) * 1_000_000)
            .ok()
            .and_then(|moment| moment.format(&format).ok())
            .unwrap_or_else(|| "1970-01-01T00:00:00.000Z".to_owned())
    }
}

impl From<std::time::SystemTime> for Timestamp {
    /// A clock beyond the year 9999 or before 1970 reads as 1970.
    fn from(moment: std::time::SystemTime) -> Self {
        moment
            .duration_since(std::time::UNIX_EPOCH)
            .ok()
            .and_then(|elapsed| i64::try_from(elapsed.as_millis()).ok())
            .and_then(|milliseconds| Self::from_unix_milliseconds(milliseconds).ok())
            .unwrap_or_default()
    }
}
