//! A point in time, as people type it: so long from now, a time of the clock, or a date and time.

use std::mem::MaybeUninit;

use atex_control::{DurationForm, parse_duration};
use atex_model::Time;
use nix::libc;

/// What is typed means this time. A time of the clock is that of this machine, the next time it comes.
pub(crate) fn parse(text: &str, now: Time) -> Result<Time, String> {
    if let Ok(duration) = parse_duration(text, DurationForm::Strict) {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        return Ok(Time(now.0.saturating_add(ms)));
    }
    let at = on_the_clock(text, now).or_else(|| dated(text)).ok_or_else(|| {
        format!(
            "expected a duration such as 90m, a time such as 06:30, or a date and time such as \
             2026-11-23T06:30 or 2026-11-23T06:30:00Z, found `{text}`"
        )
    })?;
    if at <= now {
        return Err(format!("{text} is over"));
    }
    Ok(at)
}

fn on_the_clock(text: &str, now: Time) -> Option<Time> {
    let (hour, minute, second) = clock(text)?;
    let today = local(now.0.div_euclid(1000))?;
    let on = |days: i32| {
        let day = libc::tm { tm_mday: today.tm_mday + days, ..today };
        moment(libc::tm { tm_hour: hour, tm_min: minute, tm_sec: second, ..day })
    };
    on(0).filter(|at| *at > now).or_else(|| on(1))
}

fn dated(text: &str) -> Option<Time> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    let (date, time) = text.split_once(['T', ' '])?;
    let (hour, minute, second) = clock(time)?;
    let mut date = date.splitn(3, '-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let at = libc::tm {
        tm_year: year - 1900,
        tm_mon: month - 1,
        tm_mday: day,
        tm_hour: hour,
        tm_min: minute,
        tm_sec: second,
        ..local(0)?
    };
    // What the calendar does not have would be taken for another day.
    let is_a_day = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let time = moment(at).filter(|_| is_a_day)?;
    (local(time.0.div_euclid(1000))?.tm_mday == day).then_some(time)
}

/// `HH:MM` or `HH:MM:SS`.
fn clock(text: &str) -> Option<(i32, i32, i32)> {
    let mut parts = text.splitn(3, ':').map(number);
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    (hour < 24 && minute < 60 && second < 60).then_some((hour, minute, second))
}

fn number(text: &str) -> Option<i32> {
    let ok = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    ok.then(|| text.parse().ok())?
}

/// Seconds since 1970 on the clock of this machine.
fn local(seconds: i64) -> Option<libc::tm> {
    let mut tm = MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both pointers are valid for the call, which fills `tm` if it does not return null.
    unsafe {
        let filled = libc::localtime_r(&seconds, tm.as_mut_ptr());
        (!filled.is_null()).then(|| tm.assume_init())
    }
}

/// The inverse. Whether it is summer time then is not known from `tm`.
fn moment(mut tm: libc::tm) -> Option<Time> {
    tm.tm_isdst = -1;
    // SAFETY: the pointer is valid for the call, and all fields that it reads are set.
    let seconds = unsafe { libc::mktime(&mut tm) };
    (seconds != -1).then_some(Time(seconds.saturating_mul(1000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_795_300_000_000);

    #[test]
    fn from_now_or_at_a_date() {
        for (text, at) in [
            ("90", 90_000),
            ("2m", 120_000),
            ("0s", 0),
            ("1d", 86_400_000),
            ("2027-01-01T00:00:00Z", 1_798_761_600_000 - NOW.0),
        ] {
            assert_eq!(parse(text, NOW), Ok(Time(NOW.0 + at)), "{text}");
        }
        assert_eq!(parse("2020-01-01T00:00:00Z", NOW).unwrap_err(), "2020-01-01T00:00:00Z is over");
        for bad in ["", "x", "-1", "24:00", "06:60", "6", "06:30:99", "1:2:3:4", "2027-02-30T06:30", "+5m"] {
            let is_bad = parse(bad, NOW).is_err_and(|e| e.starts_with("expected a duration"));
            assert_eq!(is_bad, bad != "6", "{bad}");
        }
    }

    #[test]
    fn a_time_of_the_clock_is_the_next_one_of_this_machine() {
        // Whatever zone this machine is in.
        for text in ["00:00", "06:30", "12:00:01", "23:59:59"] {
            let at = parse(text, NOW).unwrap();
            assert!(at > NOW && at.0 - NOW.0 <= 25 * 3_600_000, "{text}");
            let tm = local(at.0 / 1000).unwrap();
            let shown = format!("{:02}:{:02}:{:02}", tm.tm_hour, tm.tm_min, tm.tm_sec);
            assert!(shown.starts_with(text), "{text}: {shown}");
        }
        let tm = local(NOW.0 / 1000 + 60).unwrap();
        let soon = format!("{:02}:{:02}", tm.tm_hour, tm.tm_min);
        assert!(parse(&soon, NOW).unwrap().0 - NOW.0 <= 60_000, "{soon}: today, as it is still to come");
        let at = parse("2027-03-04T05:06", NOW).unwrap();
        let tm = local(at.0 / 1000).unwrap();
        assert_eq!((tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min), (127, 2, 4, 5, 6));
    }
}
