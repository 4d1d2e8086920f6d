//! Questions and answers, as records.

use atex_model::report::Outcome;
use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ask {
    /// Which test is next on the host.
    NextTest,
    /// Whether the host cannot be used after the attempt that ended there.
    Destructive,
    /// Whether the test is tried again after it.
    Rerun,
}

/// What can be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Candidate {
    Test { platform: String, test: String },
    Yes(bool),
}

/// A question. What the built-in rule would take comes first among the candidates.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Question {
    #[serde(rename = "type")]
    kind: &'static str,
    pub id: u32,
    ask: Ask,
    host: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    after: Option<After>,
    pub candidates: Vec<Candidate>,
}

/// The attempt that ended.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct After {
    pub platform: String,
    pub test: String,
    pub attempt: u32,
    pub outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i64>,
    pub seconds: f64,
}

impl Question {
    /// Which of these tests is next.
    pub fn next_test(id: u32, host: &str, candidates: Vec<Candidate>) -> Question {
        Question { kind: QUESTION, id, ask: Ask::NextTest, host: host.into(), after: None, candidates }
    }

    /// Whether something is so, after an attempt; `would` is what the built-in rule says.
    pub fn whether(ask: Ask, id: u32, host: &str, after: After, would: bool) -> Question {
        let candidates = vec![Candidate::Yes(would), Candidate::Yes(!would)];
        Question { kind: QUESTION, id, ask, host: host.into(), after: Some(after), candidates }
    }

    /// As it is asked.
    pub fn line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        atex_model::to_line(&mut line, self);
        line
    }
}

const QUESTION: &str = "question";
const ANSWER: &str = "answer";

#[derive(Deserialize)]
struct Answer {
    id: u32,
    candidate: usize,
}

/// Which question is answered, and by which candidate, counted from 0.
pub(super) fn parse_answer(line: &str) -> Result<(u32, usize), String> {
    let bad = |e: atex_model::LineError| format!("its output: {}: {}", e.message, line.escape_debug());
    let kind = atex_model::kind(line).map_err(bad)?;
    if kind != ANSWER {
        return Err(format!("its output: expected a record `{ANSWER}`, found `{}`", kind.escape_debug()));
    }
    atex_model::parse::<Answer>(line).map(|answer| (answer.id, answer.candidate)).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_records() {
        let candidates = ["/a", "/b"].map(|test| Candidate::Test { platform: "p".into(), test: test.into() });
        let question = Question::next_test(7, "vm-3", candidates.into());
        assert_eq!(
            String::from_utf8(question.line()).unwrap(),
            "{\"type\":\"question\",\"id\":7,\"ask\":\"next-test\",\"host\":\"vm-3\",\"candidates\":\
             [{\"platform\":\"p\",\"test\":\"/a\"},{\"platform\":\"p\",\"test\":\"/b\"}]}\n"
        );
        let after = After {
            platform: "p".into(),
            test: "/a".into(),
            attempt: 2,
            outcome: Outcome::Fail,
            exit: Some(1),
            seconds: 1.5,
        };
        let question = Question::whether(Ask::Rerun, 8, "vm-3", after, false);
        assert_eq!(
            String::from_utf8(question.line()).unwrap(),
            "{\"type\":\"question\",\"id\":8,\"ask\":\"rerun\",\"host\":\"vm-3\",\"platform\":\"p\",\"test\":\"/a\",\
             \"attempt\":2,\"outcome\":\"fail\",\"exit\":1,\"seconds\":1.5,\"candidates\":[false,true]}\n"
        );
    }

    #[test]
    fn answers_are_read_and_anything_else_is_named() {
        assert_eq!(parse_answer(r#"{"type":"answer","id":7,"candidate":3,"why":"so"}"#), Ok((7, 3)));
        for (line, problem) in [
            ("ready", "its output: not JSON: expected value: ready"),
            (r#"{"type":"result"}"#, "its output: expected a record `answer`, found `result`"),
            (r#"{"type":"answer","id":7}"#, "its output: missing field `candidate`: "),
            (r#"{"type":"answer","id":7,"candidate":-1}"#, "its output: invalid value: integer `-1`"),
        ] {
            let error = parse_answer(line).unwrap_err();
            assert!(error.starts_with(problem), "{error}");
        }
    }
}
