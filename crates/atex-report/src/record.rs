//! The records that reports are made of, but for those of which there are many: results, and starts and ends of tests,
//! are in [`crate::row`].

use std::borrow::Cow;

use atex_model::LineError;
use atex_model::report::{End, HostEnd, HostStart, JobEnd, JobResume, JobStart, TestNote};

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
    /// `test-note`
    TestNote(TestNote),
    /// `end`
    End(End),
}

/// What kind of line one is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Parsed {
    /// A result, not yet read.
    Row,
    /// `test-start`, not yet read.
    TestStart,
    /// `test-end`, not yet read.
    TestEnd,
    /// Another record.
    Record(Box<Record>),
    /// A record of another type.
    Other,
}

/// Reads a line, unless it is a result, or a start or an end of a test.
///
/// # Errors
/// It is no record, or one of a type that reports are made of and with a field that is missing or wrong.
pub(crate) fn parse(line: &str) -> Result<Parsed, LineError> {
    let kind = match leading_kind(line) {
        Some(kind) => Cow::Borrowed(kind),
        None => atex_model::kind(line)?,
    };
    let record = match kind.as_ref() {
        "result" | "old-result" | "live-result" => return Ok(Parsed::Row),
        "test-start" => return Ok(Parsed::TestStart),
        "test-end" => return Ok(Parsed::TestEnd),
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
            return Ok(Parsed::Other);
        }
    };
    Ok(Parsed::Record(Box::new(record)))
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
            assert!(
                matches!(parse(line), Ok(Parsed::Record(record)) if matches!(*record, Record::End(_))),
                "{line}"
            );
        }
    }

    #[test]
    fn other_types_are_skipped_and_broken_lines_are_not() {
        assert_eq!(parse(r#"{"type":"weather","result":"sun"}"#), Ok(Parsed::Other));
        for (line, column) in [
            (r#"{"type":"weather","#, 18),
            (r#"{"type":"weather","type":"result"}"#, 24),
            (r#"{"type":"end","tool":3}"#, 22),
            (r#"{"type":3}"#, 9),
            ("[]", 1),
        ] {
            assert_eq!(parse(line).unwrap_err().column, column, "{line}");
        }
    }
}
