//! Aggregated results of the Python ATEX: `[platform, status, test, subtest, files, note]`, a line each.

use atex_cli::input::Lines;

use super::{Found, Sink, each_line};
use crate::stop::Stop;

/// A line, as the aggregator writes it. Lines of older ones may end early.
type Fields = (String, Option<String>, String, Option<String>, Option<Vec<String>>, Option<String>);

pub(super) fn import(lines: Lines, sink: &mut Sink<'_, '_, '_>) -> Result<(), Stop> {
    each_line(lines, sink, |text, number, sink| match serde_json::from_str::<Fields>(text) {
        Ok((platform, status, test, subtest, files, note)) => {
            let files = files.unwrap_or_default();
            let platform = Some(platform);
            sink.result(Found { platform, test, subtest, status, note, files, ..Found::default() })
        }
        Err(e) if e.is_eof() => {
            sink.cut(number, "cut off in the middle of a line");
            Ok(())
        }
        Err(e) => {
            let found = if text.trim_start().starts_with('{') { ", found an object" } else { "" };
            let message = format!("expected [platform, status, test, subtest, files, note]{found}: {e}");
            sink.bad(number, e.column(), &message);
            Ok(())
        }
    })?;
    Ok(())
}
