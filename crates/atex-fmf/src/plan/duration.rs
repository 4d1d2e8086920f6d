//! Durations as tmt writes them: `1h 30m`, `5m*2`, `*1.5`.

use crate::value::Value;

/// What is multiplied where there is nothing but a factor: the duration of a test that says nothing about it.
const DEFAULT_SECONDS: u64 = 300;

/// The seconds that a duration means as tmt reads it; nothing if it means none.
#[must_use]
pub fn seconds(duration: &Value) -> Option<u64> {
    let text = duration.to_text();
    let mut rest = text.trim();
    let (mut total, mut factor) = (0_u64, 1.0_f64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        rest = match rest.strip_prefix('*') {
            Some(behind) => {
                let behind = behind.trim_start();
                let (number, behind) = split_number(behind, true)?;
                factor *= number.parse::<f64>().ok()?;
                behind
            }
            None => {
                let (number, behind) = split_number(rest, false)?;
                let behind = behind.trim_start();
                let unit = behind.chars().next().and_then(unit_seconds);
                let seconds = number.parse::<u64>().ok()?.checked_mul(unit.unwrap_or(1))?;
                total = total.checked_add(seconds)?;
                if unit.is_some() { &behind[1..] } else { behind }
            }
        }
        .trim_start();
    }
    let total = if total == 0 { DEFAULT_SECONDS } else { total };
    let product = (total as f64 * factor).ceil();
    (product.is_finite() && product < u64::MAX as f64).then_some(product as u64)
}

fn unit_seconds(unit: char) -> Option<u64> {
    match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86400),
        _ => None,
    }
}

fn split_number(text: &str, fraction: bool) -> Option<(&str, &str)> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let mut end = digits(text);
    if fraction && let Some(behind) = text[end..].strip_prefix('.') {
        let more = digits(behind);
        end += if more > 0 { 1 + more } else { 0 };
    }
    // A factor has no unit, and no letter may follow at once.
    let followed = text[end..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '.');
    (end > 0 && !(fraction && followed)).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As tmt's `duration_to_seconds` has them, with five minutes to be multiplied where nothing else is there.
    #[test]
    fn durations_are_those_of_tmt() {
        for (text, expected) in [
            ("5m", Some(300)),
            ("1h30m", Some(5400)),
            ("1h 30m 5", Some(5405)),
            ("5m*2", Some(600)),
            ("*2", Some(600)),
            ("*1.5 10s", Some(15)),
            ("2m * 3 *2", Some(720)),
            ("1s*0.1", Some(1)),
            ("1w", None),
            ("", None),
            ("5m x", None),
            ("*2h", None),
            ("*", None),
        ] {
            assert_eq!(seconds(&text.into()), expected, "{text}");
        }
        assert_eq!(seconds(&Value::Int(90)), Some(90));
    }
}
