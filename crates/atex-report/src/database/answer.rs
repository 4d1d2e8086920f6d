//! What the database says, as a table for people or as lines of JSON.

use atex_cli::text::units::{duration, moment, number};
use atex_cli::text::visible::visible;
use atex_model::Time;
use atex_model::report::Outcome;
use serde_json::{Map, json};

use crate::text::style::Style;
use crate::text::table::{Cell, Side, lines};

/// One field of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// It is not known.
    Unknown,
    Text(String),
    Outcome(String),
    Number(i64),
    /// A probability, or a ratio.
    Real(f64),
    /// From 0 to 1.
    Share(f64),
    Seconds(f64),
    /// In milliseconds since 1970.
    Time(i64),
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Unknown, Into::into)
    }
}

/// An answer: rows below headings.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// What a row is, as the `type` of its JSON.
    pub(super) kind: &'static str,
    /// Above the table, if there is something to tell from others.
    pub(super) title: Option<&'static str>,
    /// The headings, which are the keys in JSON.
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Vec<Value>>,
    /// Below the table: what it takes to read it.
    pub(super) remark: Option<String>,
}

impl Answer {
    /// A line of JSON for each row.
    pub(super) fn json(&self, to: &mut Vec<u8>) {
        for row in &self.rows {
            let mut object = Map::new();
            object.insert("type".to_owned(), json!(self.kind));
            for (column, value) in self.columns.iter().zip(row) {
                if let Some(value) = value.json() {
                    object.insert((*column).to_owned(), value);
                }
            }
            atex_model::to_line(to, &object);
        }
    }

    /// A table.
    pub(super) fn text(&self, color: bool) -> String {
        let mut text = self.title.map(|title| format!("{title}\n")).unwrap_or_default();
        if self.rows.is_empty() {
            text.push_str("nothing\n");
        } else {
            self.put_table(&mut text, color);
        }
        if let Some(remark) = &self.remark {
            text.push_str(&format!("\n{remark}\n"));
        }
        text
    }

    fn put_table(&self, text: &mut String, color: bool) {
        let headings =
            self.columns.iter().map(|name| Cell::new(name.replace('_', " "), Style::Bold)).collect();
        let cells = self.rows.iter().map(|row| row.iter().map(Value::cell).collect());
        let all: Vec<Vec<Cell>> = std::iter::once(headings).chain(cells).collect();
        let is_number =
            |column: usize| self.rows.iter().any(|row| row.get(column).is_some_and(Value::is_number));
        let sides: Vec<Side> = (0..self.columns.len())
            .map(|column| if is_number(column) { Side::Right } else { Side::Left })
            .collect();
        for line in lines(&all, &sides, color) {
            text.push_str(&line);
            text.push('\n');
        }
    }
}

impl Value {
    fn is_number(&self) -> bool {
        matches!(self, Value::Number(_) | Value::Real(_) | Value::Share(_) | Value::Seconds(_))
    }

    fn cell(&self) -> Cell {
        let text = match self {
            Value::Unknown => "-".to_owned(),
            Value::Text(text) | Value::Outcome(text) => visible(text).into_owned(),
            Value::Number(n) => match u64::try_from(*n) {
                Ok(n) => number(n),
                Err(_) => n.to_string(),
            },
            Value::Real(real) if *real != 0.0 && real.abs() < 0.001 => format!("{real:.0e}"),
            Value::Real(real) => format!("{real:.3}"),
            Value::Share(share) => format!("{:.1} %", share * 100.0),
            Value::Seconds(seconds) => duration(*seconds),
            Value::Time(time) => moment(Time(*time)).trim_end_matches(" UTC").to_owned(),
        };
        let style = match self {
            Value::Outcome(word) => Style::of(Outcome::of_status(Some(word))),
            _ => Style::Plain,
        };
        Cell::new(text, style)
    }

    fn json(&self) -> Option<serde_json::Value> {
        Some(match self {
            Value::Unknown => return None,
            Value::Text(text) | Value::Outcome(text) => json!(text),
            Value::Number(n) => json!(n),
            Value::Real(real) | Value::Share(real) | Value::Seconds(real) => json!(real),
            Value::Time(time) => json!(Time(*time)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_a_table_or_lines() {
        let answer = Answer {
            kind: "weather",
            title: None,
            columns: &["place", "last_rain", "days", "share"],
            rows: vec![
                vec!["a\u{1b}[1m".to_owned().into(), Value::Time(0), 1200.into(), Value::Share(0.5)],
                vec!["b".to_owned().into(), Value::Unknown, 7.into(), Value::Share(1.0)],
            ],
            remark: Some("all in UTC".into()),
        };
        let expected = "\
place     last rain             days    share
a\\x1b[1m  1970-01-01 00:00:00  1,200   50.0 %
b         -                        7  100.0 %

all in UTC
";
        assert_eq!(answer.text(false), expected);
        let mut lines = Vec::new();
        answer.json(&mut lines);
        let lines = String::from_utf8(lines).unwrap();
        assert_eq!(lines.lines().nth(1), Some(r#"{"type":"weather","place":"b","days":7,"share":1.0}"#));
        assert_eq!(Answer { rows: vec![], remark: None, ..answer }.text(false), "nothing\n");
    }
}
