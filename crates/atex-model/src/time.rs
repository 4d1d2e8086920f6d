//! Points in time as they stand in records.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: milliseconds since 1970 in UTC, written as RFC 3339 with milliseconds
/// (`2026-11-21T20:00:00.000Z`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// Text that should have been a time and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: expected RFC 3339 in UTC, such as 2026-11-21T20:00:00.000Z")]
pub struct TimeError(pub String);

const DAY: i64 = 86_400_000;

impl Time {
    /// Seconds from `earlier` to this time; negative if it is later.
    pub fn seconds_since(self, earlier: Time) -> f64 {
        (self.0 - earlier.0) as f64 / 1000.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        let (s, ms) = (ms / 1000, ms % 1000);
        let (hour, min, sec) = (s / 3600, s / 60 % 60, s % 60);
        if !(0..=9999).contains(&year) {
            return write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{min:02}:{sec:02}.{ms:03}Z");
        }
        // Reports write millions: digit by digit it takes a tenth of the time.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let fields = [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, hour),
            (14, 2, min),
            (17, 2, sec),
            (20, 3, ms),
        ];
        for (at, len, mut number) in fields {
            for digit in text[at..at + len].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl std::str::FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Time, TimeError> {
        parse(text).ok_or_else(|| TimeError(text.to_owned()))
    }
}

/// The proleptic Gregorian date of a day number (0 = 1970-01-01). The calendar repeats every 400
/// years; years start in March here, so that the leap day is the last day of its year.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse of [`civil_from_days`].
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * march_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

fn parse(text: &str) -> Option<Time> {
    let rest = text.strip_suffix(['Z', 'z']).or_else(|| text.strip_suffix("+00:00"))?;
    let (date, clock) = rest.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-').map(digits);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.splitn(3, ':').map(digits);
    let (hour, min, sec) = (clock.next()??, clock.next()??, clock.next()??);
    let days = days_from_civil(year, month, day);
    let valid = (1..=9999).contains(&year)
        && civil_from_days(days) == (year, month, day)
        && hour < 24
        && min < 60
        && sec < 60;
    // Only digits can be cut anywhere.
    digits(fraction)?;
    let ms = digits(&format!("{fraction:0<3}")[..3])?;
    valid.then_some(Time(days * DAY + ((hour * 60 + min) * 60 + sec) * 1000 + ms))
}

/// Up to 18 ASCII digits as a number.
fn digits(text: &str) -> Option<i64> {
    let ok = (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if ok { text.parse().ok() } else { None }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
        let text = <Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_291_200_123, "2026-11-21T20:00:00.123Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Time(ms).to_string(), text);
            assert_eq!(text.parse(), Ok(Time(ms)));
        }
    }

    #[test]
    fn other_forms_of_utc_are_read() {
        for text in ["2026-11-21T20:00:00Z", "2026-11-21 20:00:00.000000+00:00"] {
            assert_eq!(text.parse(), Ok(Time(1_795_291_200_000)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "2026-02-30T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21",
            "2026-11-21T20:00:00",
            "é026-11-21T20:00:00.é0Z",
            "2026-11-21T20:00:00.0😀0Z",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_and_back(ms in -60_000_000_000_000i64..250_000_000_000_000) {
            prop_assert_eq!(Time(ms).to_string().parse(), Ok(Time(ms)));
        }

        #[test]
        fn any_text_is_handled(text in "\\PC{0,40}") {
            let _ = text.parse::<Time>();
        }
    }
}
