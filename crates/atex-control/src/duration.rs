//! The duration syntax of test metadata and of the word `duration`.

use crate::error::shown;
use crate::time_limit::TimeLimit;
use serde_json::Value;
use std::time::Duration;

/// Which durations are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DurationForm {
    /// Digits, then one of `s`, `m`, `h`, `d` or nothing for seconds.
    Strict,
    /// Also such items joined by a blank, which are summed (`1h 30m`), and factors (`5m *2`,
    /// `*1.5 1h`), which multiply the sum; the outcome is rounded up to whole seconds. Factors
    /// alone multiply the default limit.
    Extended,
}

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It does not have the form.
    #[error("duration `{0}`: expected digits and one of s, m, h, d, as in `15m`")]
    Syntax(String),
    /// It does, but no clock counts that far.
    #[error("duration `{0}` is too long to be counted")]
    TooLong(String),
}

/// Reads a duration.
pub fn parse_duration(text: &str, form: DurationForm) -> Result<Duration, DurationError> {
    match form {
        DurationForm::Strict => parse_item(text, text).map(Duration::from_secs),
        DurationForm::Extended => parse_items(text),
    }
}

/// Reads a duration as test metadata have it: a string, or an integer for seconds.
pub fn parse_duration_value(value: &Value, form: DurationForm) -> Result<Duration, DurationError> {
    match value {
        Value::String(text) => parse_duration(text, form),
        Value::Number(number) => {
            number.as_u64().map(Duration::from_secs).ok_or_else(|| syntax(&number.to_string()))
        }
        other => Err(syntax(&other.to_string())),
    }
}

/// Writes a duration in the strict form, in the largest unit that leaves no remainder; a part
/// below a second is dropped.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    [(86_400, 'd'), (3600, 'h'), (60, 'm')]
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit))
        .map_or_else(|| format!("{seconds}s"), |(unit, letter)| format!("{}{letter}", seconds / unit))
}

fn parse_items(text: &str) -> Result<Duration, DurationError> {
    let too_long = || DurationError::TooLong(shown(text));
    let mut sum: Option<u64> = None;
    let mut factor = Factor::ONE;
    for item in text.split(' ') {
        if let Some(digits) = item.strip_prefix('*') {
            factor = factor.times(digits, text)?;
        } else {
            let seconds = parse_item(item, text)?;
            sum = Some(sum.unwrap_or(0).checked_add(seconds).ok_or_else(too_long)?);
        }
    }
    let sum = sum.unwrap_or(TimeLimit::DEFAULT.as_secs());
    factor.apply(sum).map(Duration::from_secs).ok_or_else(too_long)
}

fn parse_item(item: &str, whole: &str) -> Result<u64, DurationError> {
    let (digits, unit) = match item.as_bytes().last() {
        Some(b's') => (&item[..item.len() - 1], 1),
        Some(b'm') => (&item[..item.len() - 1], 60),
        Some(b'h') => (&item[..item.len() - 1], 3600),
        Some(b'd') => (&item[..item.len() - 1], 86_400),
        _ => (item, 1),
    };
    if !is_digits(digits) {
        return Err(syntax(whole));
    }
    let number: Option<u64> = digits.parse().ok();
    number.and_then(|number| number.checked_mul(unit)).ok_or_else(|| DurationError::TooLong(shown(whole)))
}

/// A product of decimal fractions, kept exact: 5m times 1.1 is 330 seconds and not 331.
struct Factor {
    numerator: u128,
    denominator: u128,
}

impl Factor {
    const ONE: Factor = Factor { numerator: 1, denominator: 1 };

    fn times(&self, decimal: &str, whole: &str) -> Result<Factor, DurationError> {
        let (integer, fraction) = decimal.split_once('.').unwrap_or((decimal, "0"));
        if !is_digits(integer) || !is_digits(fraction) {
            return Err(syntax(whole));
        }
        let scale = u32::try_from(fraction.len()).ok().and_then(|digits| 10_u128.checked_pow(digits));
        let digits: Option<u128> = format!("{integer}{fraction}").parse().ok();
        let product = digits.zip(scale).and_then(|(digits, scale)| {
            Some(Factor {
                numerator: self.numerator.checked_mul(digits)?,
                denominator: self.denominator.checked_mul(scale)?,
            })
        });
        product.ok_or_else(|| DurationError::TooLong(shown(whole)))
    }

    fn apply(&self, seconds: u64) -> Option<u64> {
        let product = u128::from(seconds).checked_mul(self.numerator)?;
        u64::try_from(product.div_ceil(self.denominator)).ok()
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn syntax(text: &str) -> DurationError {
    DurationError::Syntax(shown(text))
}
