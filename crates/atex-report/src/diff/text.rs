//! Differences for people.

use super::{Change, Difference};
use crate::text::units::{cut_end, duration, number};
use crate::text::visible::visible;
use crate::text::{Page, Style, paint};

/// The sections that have something, and a line that counts.
pub(super) fn text(shown: &[Vec<Difference>], counts: &[u64], page: &Page) -> String {
    let mut text = String::new();
    for change in Change::ALL {
        let (shown, count) = (&shown[change as usize], counts[change as usize]);
        if count == 0 {
            continue;
        }
        let title = format!("{} ({})", title(change), number(count));
        text.push_str(&paint(&title, style(change), page.color));
        text.push('\n');
        for difference in shown {
            text.push_str(&cut_end(&line(difference), page.width));
            text.push('\n');
        }
        let left = count - shown.len() as u64;
        if left > 0 {
            text.push_str(&format!("  … and {} more (--limit N shows N)\n", number(left)));
        }
        text.push('\n');
    }
    let said: Vec<String> = Change::ALL
        .into_iter()
        .filter(|change| counts[*change as usize] > 0)
        .map(|change| format!("{} {}", number(counts[change as usize]), title(change).to_lowercase()))
        .collect();
    text.push_str(&if said.is_empty() { "no difference".to_owned() } else { said.join(", ") });
    text.push('\n');
    text
}

fn title(change: Change) -> &'static str {
    match change {
        Change::NewFailure => "New failures",
        Change::NoteChanged => "Still failing, with another note",
        Change::StillFailing => "Still failing",
        Change::Flaky => "Flaky",
        Change::Fixed => "Fixed",
        Change::Slower => "Slower",
        Change::Added => "Added",
        Change::Removed => "Removed",
    }
}

fn style(change: Change) -> Style {
    match change {
        Change::NewFailure => Style::Bad,
        Change::NoteChanged | Change::StillFailing | Change::Flaky | Change::Slower => Style::Doubtful,
        Change::Fixed => Style::Good,
        Change::Added | Change::Removed => Style::Bold,
    }
}

/// `  /net/bind port/1 [cs9]: pass, now fail: refused`
fn line(difference: &Difference) -> String {
    let mut line = format!("  {}", visible(&difference.test));
    if let Some(subtest) = &difference.subtest {
        line = format!("{line} {}", visible(subtest));
    }
    if difference.platform != atex_model::DEFAULT_PLATFORM {
        line = format!("{line} [{}]", visible(&difference.platform));
    }
    match (difference.old, difference.new) {
        (Some(old), Some(new)) if old != new => line = format!("{line}: {old}, now {new}"),
        (_, Some(new)) => line = format!("{line}: {new}"),
        (Some(old), None) => line = format!("{line}: was {old}"),
        (None, None) => {}
    }
    if let (Some(old), Some(new)) = (difference.old_seconds, difference.new_seconds) {
        line = format!("{line}, {} instead of {}", duration(new), duration(old));
    }
    if let Some(note) = &difference.note {
        line = format!("{line}: {}", visible(note));
    }
    match &difference.old_note {
        Some(old) => format!("{line} (before: {})", visible(old)),
        None => line,
    }
}
