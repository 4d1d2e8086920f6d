//! Dates and date-times as YAML timestamps have them.

use std::fmt;

/// A day of the Gregorian calendar, years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    /// 1 to 9999
    pub year: u16,
    /// 1 to 12
    pub month: u8,
    /// 1 to 31
    pub day: u8,
}

/// A day and a time of day, with or without a zone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DateTime {
    /// The day.
    pub date: Date,
    /// 0 to 23
    pub hour: u8,
    /// 0 to 59
    pub minute: u8,
    /// 0 to 59
    pub second: u8,
    /// 0 to 999999
    pub microsecond: u32,
    /// Minutes east of UTC; `None` without a zone.
    pub offset: Option<i16>,
}

impl Date {
    pub(crate) fn new(year: u16, month: u8, day: u8) -> Result<Self, String> {
        if year == 0 {
            return Err(format!("year {year} is out of range"));
        }
        if !(1..=12).contains(&month) {
            return Err("month must be in 1..12".into());
        }
        if !(1..=days_of(year, month)).contains(&day) {
            return Err("day is out of range for month".into());
        }
        Ok(Self { year, month, day })
    }

    fn next(self) -> Result<Self, String> {
        if self.day < days_of(self.year, self.month) {
            return Ok(Self { day: self.day + 1, ..self });
        }
        if self.month < 12 {
            return Ok(Self { month: self.month + 1, day: 1, ..self });
        }
        if self.year == 9999 {
            return Err("date value out of range".into());
        }
        Ok(Self { year: self.year + 1, month: 1, day: 1 })
    }
}

fn days_of(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl DateTime {
    /// ISO text with the given separator between day and time.
    pub(crate) fn iso(&self, separator: char) -> String {
        let mut text =
            format!("{}{separator}{:02}:{:02}:{:02}", self.date, self.hour, self.minute, self.second);
        if self.microsecond > 0 {
            text.push_str(&format!(".{:06}", self.microsecond));
        }
        if let Some(offset) = self.offset {
            let sign = if offset < 0 { '-' } else { '+' };
            text.push_str(&format!("{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60));
        }
        text
    }
}

/// A timestamp's text taken apart, or nothing if it is not one.
pub(crate) struct Timestamp<'a> {
    date: (u16, u8, u8),
    time: Option<(u8, u8, u8, &'a str, Option<i16>)>,
}

pub(crate) enum Stamp {
    Date(Date),
    DateTime(DateTime),
}

impl<'a> Timestamp<'a> {
    /// `YYYY-MM-DD`, or the long form with a time. `short_dates` also takes `YYYY-M-D` alone.
    pub fn parse(text: &'a str, short_dates: bool) -> Option<Self> {
        let mut rest = Cursor(text);
        let year = rest.digits(4, 4)?;
        rest.expect("-")?;
        let month = rest.digits(1, 2)?;
        rest.expect("-")?;
        let day = rest.digits(1, 2)?;
        let date = (year, u8::try_from(month).ok()?, u8::try_from(day).ok()?);
        if rest.0.is_empty() {
            return (short_dates || text.len() == 10).then_some(Self { date, time: None });
        }
        if rest.expect("T").is_none() && rest.expect("t").is_none() && !rest.blanks() {
            return None;
        }
        let hour = rest.digits(1, 2)?;
        rest.expect(":")?;
        let minute = rest.digits(2, 2)?;
        rest.expect(":")?;
        let second = rest.digits(2, 2)?;
        let fraction = if rest.expect(".").is_some() { rest.all_digits() } else { "" };
        rest.blanks();
        let offset = rest.zone()?;
        let time = (
            u8::try_from(hour).ok()?,
            u8::try_from(minute).ok()?,
            u8::try_from(second).ok()?,
            fraction,
            offset,
        );
        rest.0.is_empty().then_some(Self { date, time: Some(time) })
    }

    /// The value, unless there is no such day or time.
    pub fn value(&self) -> Result<Stamp, String> {
        let (year, month, day) = self.date;
        let mut date = Date::new(year, month, day)?;
        let Some((mut hour, mut minute, mut second, fraction, offset)) = self.time else {
            return Ok(Stamp::Date(date));
        };
        for (value, limit, name) in [(hour, 23, "hour"), (minute, 59, "minute"), (second, 59, "second")] {
            if value > limit {
                return Err(format!("{name} must be in 0..{limit}"));
            }
        }
        let mut microsecond = microseconds(fraction);
        if microsecond > 999_999 {
            microsecond = 0;
            second += 1;
            minute += second / 60;
            hour += minute / 60;
            if hour > 23 {
                date = date.next()?;
            }
            (second, minute, hour) = (second % 60, minute % 60, hour % 24);
        }
        if offset.is_some_and(|minutes| minutes.abs() >= 24 * 60) {
            return Err("offset must be less than a day".into());
        }
        Ok(Stamp::DateTime(DateTime { date, hour, minute, second, microsecond, offset }))
    }
}

/// Fraction digits as microseconds; the seventh digit rounds.
fn microseconds(fraction: &str) -> u32 {
    let six = format!("{fraction:0<6.6}");
    let round_up = fraction.as_bytes().get(6).is_some_and(|digit| *digit > b'4');
    six.parse::<u32>().unwrap_or(0) + u32::from(round_up)
}

struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn expect(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(token)?;
        Some(())
    }

    fn all_digits(&mut self) -> &'a str {
        let end = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        digits
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<u16> {
        let count = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if count < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        digits.parse().ok()
    }

    fn blanks(&mut self) -> bool {
        let rest = self.0.trim_start_matches([' ', '\t']);
        let any = rest.len() < self.0.len();
        self.0 = rest;
        any
    }

    /// `Z`, a sign with hours and perhaps minutes, or nothing; the outer `None` is a malformed zone.
    fn zone(&mut self) -> Option<Option<i16>> {
        if self.0.is_empty() {
            return Some(None);
        }
        if self.expect("Z").is_some() {
            return Some(Some(0));
        }
        let sign = if self.expect("-").is_some() { -1 } else { self.expect("+").map(|()| 1)? };
        let hours = self.digits(1, 2)?;
        let minutes = if self.expect(":").is_some() { self.digits(2, 2)? } else { 0 };
        Some(Some(sign * i16::try_from(hours * 60 + minutes).ok()?))
    }
}

impl DateTime {
    /// Equality as Python has it: zoned date-times by instant, others by face value, never one with the other.
    pub(crate) fn same_instant(&self, other: &Self) -> bool {
        match (self.offset, other.offset) {
            (Some(left), Some(right)) if left != right => {
                self.utc_minutes() == other.utc_minutes()
                    && (self.second, self.microsecond) == (other.second, other.microsecond)
            }
            _ => self == other,
        }
    }

    fn utc_minutes(&self) -> i64 {
        let year = i64::from(self.date.year) - 1;
        let leap_days = year / 4 - year / 100 + year / 400;
        let months = (1..self.date.month).map(|month| i64::from(days_of(self.date.year, month))).sum::<i64>();
        let days = year * 365 + leap_days + months + i64::from(self.date.day);
        (days * 24 + i64::from(self.hour)) * 60 + i64::from(self.minute) - i64::from(self.offset.unwrap_or(0))
    }
}
