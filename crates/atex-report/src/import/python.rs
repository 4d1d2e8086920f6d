//! Aggregated results of the Python ATEX: `[platform, status, test, subtest, files, note]`, a line each.

use atex_cli::input::Lines;

use super::{Found, Sink, each_line};
use crate::stop::Stop;

/// A line, as the aggregator writes it.
type Fields = (String, Option<String>, String, Option<String>, Option<Vec<String>>, Option<String>);

pub(super) fn import(lines: Lines, sink: &mut Sink<'_, '_, '_>) -> Result<(), Stop> {
    // A line that would go on is cut off only if it is the last, which shows when there is no more.
    let mut unfinished: Option<(u64, usize)> = None;
    let whole = each_line(lines, sink, |text, number, sink| {
        if let Some((number, column)) = unfinished.take() {
            sink.bad(number, column, &format!("{EXPECTED}: it ends within the array"));
        }
        match serde_json::from_str::<Fields>(text) {
            Ok((platform, status, test, subtest, files, note)) => {
                let (platform, files) = (Some(platform), files.unwrap_or_default());
                sink.result(Found { platform, test, subtest, status, note, files, ..Found::default() })?;
            }
            Err(e) if e.is_eof() => unfinished = Some((number, e.column())),
            Err(e) => {
                let found = if text.trim_start().starts_with('{') { ", found an object" } else { "" };
                sink.bad(number, e.column(), &format!("{EXPECTED}{found}: {e}"));
            }
        }
        Ok(())
    })?;
    match unfinished {
        Some((number, _)) if whole => sink.cut(number, "cut off in the middle of a line"),
        Some((number, column)) => sink.bad(number, column, &format!("{EXPECTED}: it ends within the array")),
        None => {}
    }
    Ok(())
}

const EXPECTED: &str = "expected [platform, status, test, subtest, files, note]";
