//! Our own form: a list of waivers in YAML. Regular expressions match whole texts and mean what they mean in Python.

use atex_fmf::condition::Expression;
use atex_model::report::Waived;
use serde::Deserialize;

use super::{Waiver, When, whole};

/// A waiver as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    test: String,
    #[serde(default)]
    subtest: Option<String>,
    #[serde(default)]
    platform: Option<String>,
    #[serde(default)]
    note: Option<String>,
    /// `fail` and `error`, if nothing is said.
    #[serde(default)]
    status: Option<Words>,
    /// An expression over platform, test, subtest, name, status, note.
    #[serde(default)]
    when: Option<String>,
    #[serde(default)]
    issue: Option<String>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    until: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    strict: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Some(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    waivers: Vec<serde_yaml::Value>,
}

/// The waivers of a file.
pub(super) fn parse(name: &str, text: &str) -> Result<Vec<Waiver>, String> {
    let at = |e: serde_yaml::Error| {
        let line = e.location().map_or(1, |place| place.line().max(1));
        format!("{name}:{line}: expected a list of waivers: {e}")
    };
    let values = match text.lines().any(|line| line.starts_with("waivers:")) {
        true => serde_yaml::from_str::<File>(text).map_err(at)?.waivers,
        false => serde_yaml::from_str::<Vec<serde_yaml::Value>>(text).map_err(at)?,
    };
    let lines = lines(text);
    values
        .into_iter()
        .enumerate()
        .map(|(index, value)| {
            let by = format!("{name}:{}", lines.get(index).copied().unwrap_or(1));
            let written = serde_yaml::from_value::<Written>(value).map_err(|e| format!("{by}: {e}"))?;
            waiver(&by, written).map_err(|e| format!("{by}: {e}"))
        })
        .collect()
}

/// On which line each item begins: those with a dash that stand as far out as the first.
fn lines(text: &str) -> Vec<usize> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_item = |line: &str| line.trim_start().starts_with("- ") || line.trim() == "-";
    let first = text.lines().find(|line| is_item(line)).map_or(0, indent);
    let items = text.lines().enumerate().filter(|(_, line)| is_item(line) && indent(line) == first);
    items.map(|(index, _)| index + 1).collect()
}

fn waiver(by: &str, written: Written) -> Result<Waiver, String> {
    let pattern = |key: &str, text: Option<String>| {
        text.map(|text| whole(&text).map_err(|e| format!("{key}: {e}"))).transpose()
    };
    let until = written.until.map(day).transpose()?;
    let when = match written.when {
        Some(text) => Some(When::Plain(Expression::parse(&text).map_err(|e| format!("when: {e}"))?)),
        None => None,
    };
    let status = match written.status {
        None => vec!["fail".to_owned(), "error".to_owned()],
        Some(Words::One(word)) => vec![word],
        Some(Words::Some(words)) => words,
    };
    if let Some(word) = status.iter().find(|word| !matches!(word.as_str(), "fail" | "error")) {
        return Err(format!("status: expected fail or error, found {word}"));
    }
    Ok(Waiver {
        names: Vec::new(),
        test: pattern("test", Some(written.test))?,
        subtest: pattern("subtest", written.subtest)?,
        platform: pattern("platform", written.platform)?,
        note: pattern("note", written.note)?,
        status,
        when,
        until: until.clone(),
        strict: written.strict,
        label: Waived {
            by: by.to_owned(),
            issue: written.issue,
            owner: written.owner,
            until,
            note: written.reason,
        },
        used: 0,
        expired: 0,
        passed: 0,
    })
}

fn day(text: String) -> Result<String, String> {
    let is_day = text.len() == 10 && format!("{text}T00:00:00Z").parse::<atex_model::Time>().is_ok();
    if is_day { Ok(text) } else { Err(format!("until: expected a day such as 2027-01-31, found {text}")) }
}
