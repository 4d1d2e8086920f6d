//! Why a node is a test that is selected, or is not.

use std::io::Write;

use atex_cli::output::Output;
use atex_cli::{Exit, Failure};
use atex_fmf::condition::{ConditionErrorKind, Expression};
use atex_fmf::{ErrorClass, Filter, NodeRef, Tree, Value};

use crate::adjusts::{self, Fate};
use crate::config::Why;
use crate::names::{self, Pattern};
use crate::place::{Places, visible};
use crate::run::Stop;
use crate::selection::{LeftOut, Selection, reason_left_out};
use crate::{find, show};

/// Something that was asked of a node: whether it holds, and what it is.
struct Check {
    holds: bool,
    text: String,
}

/// Writes the verdict, everything that it hangs on, and what became of the adjust rules.
pub(crate) fn write<W: Write>(why: &Why, out: &mut Output<W>) -> Result<Exit, Stop> {
    let tree = find::load(&why.metadata.dir, &why.context)?;
    let node = show::node(&tree, &why.name)?;
    let places = Places::here();
    let mut own = own_checks(node, &places);
    for condition in &why.metadata.conditions {
        own.push(condition_check(node, condition)?);
    }
    let mut asked = Vec::new();
    for selection in Selection::all(&tree, &why.metadata, &why.names, &places)? {
        let checks = selection_checks(&tree, node, &selection)?;
        asked.push((selection.section, checks));
    }
    let all = |checks: &[Check]| checks.iter().all(|check| check.holds);
    let selected = all(&own) && asked.iter().any(|(_, checks)| all(checks));
    let verdict = if selected { "selected" } else { "not selected" };
    let mut lines = vec![format!("{}: {verdict}", node.name())];
    add(&mut lines, own);
    for (section, checks) in asked {
        if let Some(section) = section {
            lines.push(format!("section {section}:"));
        }
        add(&mut lines, checks);
    }
    lines.extend(adjust_lines(&tree, node, why, &places));
    for line in &lines {
        out.line(&visible(line))?;
    }
    Ok(Exit::Done)
}

fn add(lines: &mut Vec<String>, checks: Vec<Check>) {
    lines.extend(checks.into_iter().map(|Check { holds, text }| {
        let answer = if holds { "yes" } else { "no " };
        format!("  {answer}  {text}")
    }));
}

/// What the node itself says.
fn own_checks(node: NodeRef<'_>, places: &Places) -> Vec<Check> {
    let mut checks = Vec::new();
    if !node.is_selected() {
        let text = match node.children().len() {
            0 => "the directive `select: false` leaves it out",
            _ => "has nodes below it, and no directive `select: true`",
        };
        checks.push(Check { holds: false, text: text.to_owned() });
    }
    let left_out = reason_left_out(node);
    let text = match left_out {
        None | Some(LeftOut::Manual | LeftOut::Disabled) => {
            format!("test: {}{}", text_of(node, "test"), places.behind(node, "test"))
        }
        Some(other) => other.describe(node, places),
    };
    let is_test = !matches!(left_out, Some(LeftOut::Story | LeftOut::NoTest));
    checks.push(Check { holds: is_test, text });
    for (key, bad) in [("enabled", LeftOut::Disabled), ("manual", LeftOut::Manual)] {
        if node.data().contains(key) {
            let text = format!("{key}: {}{}", text_of(node, key), places.behind(node, key));
            checks.push(Check { holds: left_out != Some(bad), text });
        }
    }
    checks
}

fn text_of(node: NodeRef<'_>, key: &str) -> String {
    node.data().get(key).map(atex_fmf::json::to_string).unwrap_or_default()
}

/// What a section and the command line ask of it.
fn selection_checks(tree: &Tree, node: NodeRef<'_>, selection: &Selection) -> Result<Vec<Check>, Failure> {
    let mut checks = Vec::new();
    let lists = [(!selection.names.is_empty()).then_some(&selection.names), selection.only.as_ref()];
    for list in lists.into_iter().flatten() {
        checks.push(match first_found(tree, node, list)? {
            Some(pattern) => Check { holds: true, text: format!("name: {} matches", quoted(pattern)) },
            None => Check { holds: false, text: format!("name: matches none of {}", all_quoted(list)) },
        });
    }
    if let Some(pattern) = first_found(tree, node, &selection.excludes)? {
        checks.push(Check { holds: false, text: format!("excluded by {}", quoted(pattern)) });
    }
    for filter in &selection.filters {
        checks.push(filter_check(node, filter)?);
    }
    Ok(checks)
}

fn filter_check(node: NodeRef<'_>, filter: &Pattern) -> Result<Check, Failure> {
    let text = format!("filter: {}", quoted(filter));
    match Filter::parse(&filter.text).matches(node.name(), node.data()) {
        Ok(holds) => Ok(Check { holds, text }),
        // It is said as `Invalid filter 'key'`.
        Err(error) if error.class() == ErrorClass::Filter => {
            let key = error.message().trim_start_matches("Invalid filter ").to_owned();
            Ok(Check { holds: false, text: format!("{text} asks for the key {key}, which is not there") })
        }
        Err(error) => Err(Failure::usage(format!("{} `{}`: {error}", filter.origin, filter.text))),
    }
}

fn condition_check(node: NodeRef<'_>, condition: &Expression) -> Result<Check, Failure> {
    let text = format!("condition: `{}`", condition.text());
    match condition.holds(node.data()) {
        Ok(holds) => Ok(Check { holds, text }),
        Err(error) if matches!(error.kind, ConditionErrorKind::Name | ConditionErrorKind::Key) => {
            Ok(Check { holds: false, text: format!("{text} cannot be asked: {error}") })
        }
        Err(error) => Err(Failure::usage(format!("--condition `{}`: {error}", condition.text()))),
    }
}

/// The first of the patterns that is found in the node's name.
fn first_found<'p>(
    tree: &Tree,
    node: NodeRef<'_>,
    patterns: &'p [Pattern],
) -> Result<Option<&'p Pattern>, Failure> {
    for pattern in patterns {
        if names::found(tree, pattern)?.contains(&node.name()) {
            return Ok(Some(pattern));
        }
    }
    Ok(None)
}

fn quoted(pattern: &Pattern) -> String {
    format!("`{}` ({})", pattern.text, pattern.origin)
}

fn all_quoted(patterns: &[Pattern]) -> String {
    match patterns {
        [] => "an empty list".to_owned(),
        _ => patterns.iter().map(quoted).collect::<Vec<_>>().join(", "),
    }
}

fn adjust_lines(tree: &Tree, node: NodeRef<'_>, why: &Why, places: &Places) -> Vec<String> {
    let adjusts = adjusts::of(node, &find::context(&why.context));
    let mut lines = Vec::new();
    if !adjusts.is_empty() {
        lines.push("adjust:".to_owned());
    }
    for adjust in adjusts {
        let place = places.of(tree, adjust.pos()).unwrap_or_else(|| "rule".to_owned());
        let fate = match adjust.fate {
            Fate::Applied => "applied",
            Fate::False => "not applied: false in this context",
            Fate::Undecided => "not applied: the context does not say enough",
            Fate::NotReached => "not applied: an earlier rule ended the list",
        };
        let because = adjust.rule.get("because").map(Value::to_text);
        let because = because.map(|because| format!("; because {because}")).unwrap_or_default();
        lines.push(format!("  {place}: {}: {fate}{because}", adjust.when()));
    }
    lines
}
