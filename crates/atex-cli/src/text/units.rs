//! Numbers, lengths of time and paths as people read them, and how wide text is.

use std::borrow::Cow;
use std::path::Path;

use atex_model::Time;

/// A length of time: `0.4s`, `42s`, `12m 04s`, `1h 02m`, `3d 01h`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 9.95 {
        return format!("{seconds:.1}s");
    }
    // Saturates: what is out of range is no length of time that anybody waited for.
    let whole = seconds.round() as u64;
    let (days, hours, minutes, left) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{left}s"),
        (0, 0, _) => format!("{minutes}m {left:02}s"),
        (0, ..) => format!("{hours}h {minutes:02}m"),
        _ => format!("{}d {hours:02}h", number(days)),
    }
}

/// A number, with commas between thousands.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and what it counts: `1 test`, `2 tests`.
pub fn count(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", number(n), if n == 1 { "" } else { "s" })
}

/// A point in time to the second: `2026-11-21 20:00:00 UTC`.
pub fn moment(time: Time) -> String {
    let text = time.to_string();
    let (date, clock) = text.split_once('T').unwrap_or((&text, ""));
    let clock = clock.split('.').next().unwrap_or_default();
    format!("{date} {clock} UTC")
}

/// A path, relative to the current directory if it is below it.
pub fn path<'a>(path: &'a str, cwd: Option<&Path>) -> Cow<'a, str> {
    let below = cwd.and_then(|cwd| Path::new(path).strip_prefix(cwd).ok()).and_then(Path::to_str);
    match below {
        Some("") => ".".into(),
        // What would be taken for an option.
        Some(relative) if relative.starts_with('-') => format!("./{relative}").into(),
        Some(relative) => relative.into(),
        None => path.into(),
    }
}

/// How many columns a text takes on a terminal. It must be [`visible`](super::visible::visible).
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// The text, cut at its end to `room` columns.
pub fn cut_end(text: &str, room: Option<usize>) -> Cow<'_, str> {
    match room {
        Some(room) if width(text) > room => {
            let kept = take_columns(text.chars(), room.saturating_sub(1));
            format!("{kept}…").into()
        }
        _ => text.into(),
    }
}

/// The text, cut in its middle to `room` columns: both ends of a name say what it is.
pub fn cut_middle(text: &str, room: Option<usize>) -> Cow<'_, str> {
    match room {
        Some(room) if width(text) > room => {
            let room = room.saturating_sub(1);
            let head = take_columns(text.chars(), room / 3);
            let tail = take_columns(text.chars().rev(), room - room / 3);
            let tail: String = tail.chars().rev().collect();
            format!("{head}…{tail}").into()
        }
        _ => text.into(),
    }
}

fn take_columns(chars: impl Iterator<Item = char>, room: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += char_width(*c);
        used <= room
    };
    chars.take_while(fits).collect()
}

/// Columns of a character, by the blocks that are wide or combine as a whole. Where a terminal disagrees, a
/// column of a table is out of line, and nothing else.
fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200c..=0x200d | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (seconds, text) in [
            (-1.0, "0.0s"),
            (0.0, "0.0s"),
            (3.44, "3.4s"),
            (9.94, "9.9s"),
            (9.96, "10s"),
            (59.4, "59s"),
            (59.6, "1m 00s"),
            (724.0, "12m 04s"),
            (3599.7, "1h 00m"),
            (3720.0, "1h 02m"),
            (86_399.0, "23h 59m"),
            (90_000.0, "1d 01h"),
            (1e300, "213,503,982,334,601d 07h"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn numbers() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(n), text);
        }
        assert_eq!((count(1, "test"), count(0, "test")), ("1 test".to_owned(), "0 tests".to_owned()));
    }

    #[test]
    fn paths_below_the_current_directory_are_short() {
        for (full, cwd, text) in [
            ("/home/u/runs/a", Some("/home/u"), "runs/a"),
            ("/home/u", Some("/home/u"), "."),
            ("/home/user/a", Some("/home/u"), "/home/user/a"),
            ("/home/u/-x", Some("/home/u"), "./-x"),
            ("relative", Some("/home/u"), "relative"),
            ("/a", None, "/a"),
        ] {
            assert_eq!(path(full, cwd.map(Path::new)), text);
        }
    }

    #[test]
    fn text_is_cut_to_columns() {
        assert_eq!(cut_end("abcdef", None), "abcdef");
        assert_eq!(cut_end("abcdef", Some(6)), "abcdef");
        assert_eq!(cut_end("abcdef", Some(5)), "abcd…");
        assert_eq!(cut_end("漢字漢字", Some(5)), "漢字…");
        assert_eq!(cut_end("漢字漢字", Some(4)), "漢…");
        assert_eq!(cut_end("ab", Some(0)), "…");
        assert_eq!(cut_middle("/one/two/three/four", Some(10)), "/on…e/four");
        assert_eq!(width("e\u{301}x"), 2);
    }

    #[test]
    fn moments() {
        assert_eq!(moment(Time(1_795_291_200_123)), "2026-11-21 20:00:00 UTC");
    }
}
