//! One line to one record of those that reports are made of.

use std::borrow::Cow;

use atex_model::LineError;
use atex_model::report::{
    End, HostEnd, HostStart, JobEnd, JobResume, JobStart, TestEnd, TestNote, TestResult, TestStart,
};

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// `job-start`
    JobStart(JobStart),
    /// `job-resume`
    JobResume(JobResume),
    /// `job-end`
    JobEnd(JobEnd),
    /// `host-start`
    HostStart(HostStart),
    /// `host-end`
    HostEnd(HostEnd),
    /// `test-start`
    TestStart(TestStart),
    /// `test-note`
    TestNote(TestNote),
    /// `result`, `old-result` or `live-result`
    Result(TestResult),
    /// `test-end`
    TestEnd(TestEnd),
    /// `end`
    End(End),
    /// A record of another type.
    Other,
}

/// Reads a line.
///
/// # Errors
/// It is no record, or one of a type that reports are made of and with a field that is missing or wrong.
pub fn parse(line: &str) -> Result<Record, LineError> {
    let kind = match leading_kind(line) {
        Some(kind) => Cow::Borrowed(kind),
        None => atex_model::kind(line)?,
    };
    Ok(match kind.as_ref() {
        "result" | "old-result" | "live-result" => Record::Result(atex_model::parse(line)?),
        "test-start" => Record::TestStart(atex_model::parse(line)?),
        "test-end" => Record::TestEnd(atex_model::parse(line)?),
        "test-note" => Record::TestNote(atex_model::parse(line)?),
        "host-start" => Record::HostStart(atex_model::parse(line)?),
        "host-end" => Record::HostEnd(atex_model::parse(line)?),
        "job-start" => Record::JobStart(atex_model::parse(line)?),
        "job-resume" => Record::JobResume(atex_model::parse(line)?),
        "job-end" => Record::JobEnd(atex_model::parse(line)?),
        "end" => Record::End(atex_model::parse(line)?),
        _ => {
            // Nothing has looked at the rest of the line yet if its type stood in front.
            atex_model::kind(line)?;
            Record::Other
        }
    })
}

/// The type of a record that begins with it, as all of ours do. It saves a second pass over the line; whoever
/// parses the rest sees to it that there is only one `type`.
fn leading_kind(line: &str) -> Option<&str> {
    let (kind, _) = line.strip_prefix(r#"{"type":""#)?.split_once('"')?;
    (!kind.contains('\\')).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_the_type_does_not_matter() {
        let first = r#"{"type":"end","tool":"t","complete":true,"exit":0}"#;
        let last = r#"{"tool":"t","complete":true,"exit":0,"type":"end"}"#;
        let escaped = r#" {"type":"\u0065nd","tool":"t","complete":true,"exit":0}"#;
        for line in [first, last, escaped] {
            assert!(matches!(parse(line), Ok(Record::End(_))), "{line}");
        }
    }

    #[test]
    fn other_types_are_skipped_and_broken_lines_are_not() {
        assert_eq!(parse(r#"{"type":"weather","result":"sun"}"#), Ok(Record::Other));
        for (line, column) in [
            (r#"{"type":"weather","#, 18),
            (r#"{"type":"weather","type":"result"}"#, 24),
            (r#"{"type":"result","type":"weather"}"#, 23),
            (r#"{"type":"end","tool":3}"#, 22),
            (r#"{"type":3}"#, 9),
            ("[]", 1),
        ] {
            assert_eq!(parse(line).unwrap_err().column, column, "{line}");
        }
    }
}
