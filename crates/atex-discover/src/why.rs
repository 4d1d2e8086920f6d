//! Why a node is a test that is selected, or is not.

use std::io::Write;

use atex_cli::output::Output;
use atex_cli::{Exit, Failure};
use atex_fmf::condition::{ConditionErrorKind, Expression};
use atex_fmf::{Context, Mapping, NodeRef, Repositories, Rule, Tree};

use crate::adjusts::{self, Adjust, Fate};
use crate::config::Why;
use crate::place::{Places, visible};
use crate::run::Stop;
use crate::selection::{self, Check, LeftOut, Selection, Subject, reason_left_out};
use crate::{find, show};

/// Writes the verdict, everything that it hangs on, and what became of the adjust rules.
pub(crate) fn write<W: Write>(why: &Why, out: &mut Output<W>) -> Result<Exit, Stop> {
    let context = find::context(&why.context, why.metadata.layer);
    let tree = find::load(&why.metadata.dir, &context)?;
    let git = why.metadata.fetching.git();
    let others = Repositories::new(&git, context);
    let places = Places::here();
    let selections = selection::all(&tree, &others, &why.metadata, &why.names, &places)?;
    let mut asked = Vec::new();
    for selection in &selections {
        if let Some(subject) = selection.find(&why.name)? {
            asked.push((selection, Asked::new(why, selection, subject, &places)?));
        }
    }
    let mut lines = match asked.as_slice() {
        // It is nowhere where tests are looked for; it may be a plan, or in a section that is left out.
        [] => elsewhere(&tree, why, &selections, &places)?,
        all => explained(all, &places),
    };
    let selected = asked.iter().any(|(_, asked)| asked.is_selected());
    let verdict = if selected { "selected" } else { "not selected" };
    lines.insert(0, format!("{}: {verdict}", why.name));
    for line in &lines {
        out.line(&visible(line))?;
    }
    Ok(Exit::Done)
}

/// What a section has to say of a test.
struct Asked<'t> {
    subject: Subject<'t>,
    /// What the test says itself.
    own: Vec<Check>,
    /// What is asked of it.
    checks: Vec<Check>,
}

impl<'t> Asked<'t> {
    fn new(
        why: &Why,
        selection: &Selection<'t>,
        subject: Subject<'t>,
        places: &Places,
    ) -> Result<Self, Failure> {
        let mut own = own_checks(selection, &subject, places);
        for condition in &why.metadata.conditions {
            own.push(condition_check(&selection.asked_data(&subject), condition)?);
        }
        let checks = selection::checks(selection, &subject)?;
        Ok(Asked { subject, own, checks })
    }

    fn is_selected(&self) -> bool {
        self.own.iter().chain(&self.checks).all(|check| check.holds)
    }
}

/// What all sections say. Where they look at the same node, it is described once.
fn explained(all: &[(&Selection<'_>, Asked<'_>)], places: &Places) -> Vec<String> {
    let mut lines = Vec::new();
    let shown = |checks: &[Check]| checks.iter().map(|check| check.text.clone()).collect::<Vec<_>>();
    let (first_selection, first) = &all[0];
    let same = all.iter().all(|(_, asked)| shown(&asked.own) == shown(&first.own));
    if same {
        add(&mut lines, &first.own);
    }
    for (selection, asked) in all {
        if let Some(section) = &selection.section {
            lines.push(format!("section {section}:"));
        }
        if !same {
            add(&mut lines, &asked.own);
        }
        add(&mut lines, &asked.checks);
        if !same {
            lines.extend(adjust_lines(selection, &asked.subject, places));
        }
    }
    if same {
        lines.extend(adjust_lines(first_selection, &first.subject, places));
    }
    lines
}

/// What there is to say of a node that no section looks at.
fn elsewhere(
    tree: &Tree,
    why: &Why,
    selections: &[Selection<'_>],
    places: &Places,
) -> Result<Vec<String>, Failure> {
    let off = selections.iter().filter_map(|selection| selection.off.as_ref());
    let off: Vec<_> =
        off.map(|off| format!("  no   a section is left out by `{}` ({})", off.text, off.origin)).collect();
    let node = match show::node(tree, &why.name) {
        Ok(node) => node,
        Err(_) if !off.is_empty() => return Ok(off),
        Err(failure) => return Err(failure),
    };
    let mut lines = off;
    lines.push(format!(
        "  no   no section takes tests from the tree of {}{}",
        node.name(),
        place_of(node, places)
    ));
    Ok(lines)
}

fn place_of(node: NodeRef<'_>, places: &Places) -> String {
    node.sources_from_last().next().map(|path| format!(" ({})", places.path(path))).unwrap_or_default()
}

fn add(lines: &mut Vec<String>, checks: &[Check]) {
    lines.extend(checks.iter().map(|Check { holds, text }| {
        let answer = if *holds { "yes" } else { "no " };
        format!("  {answer}  {text}")
    }));
}

/// What the test itself says.
fn own_checks(selection: &Selection<'_>, subject: &Subject<'_>, places: &Places) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(node) = subject.node.filter(|node| !node.is_selected()) {
        let text = match node.children().count() {
            0 => "the directive `select: false` leaves it out",
            _ => "has nodes below it, and no directive `select: true`",
        };
        checks.push(Check { holds: false, text: text.to_owned() });
    }
    let behind = |key| subject.node.map(|node| places.behind(node, key)).unwrap_or_default();
    let left_out = reason_left_out(&subject.data, selection.layer());
    let text = match left_out {
        None | Some(LeftOut::Manual | LeftOut::Disabled) => {
            format!("test: {}{}", text_of(&subject.data, "test"), behind("test"))
        }
        Some(other) => other.describe(subject.node, places),
    };
    let is_test = !matches!(left_out, Some(LeftOut::Story | LeftOut::NoTest));
    checks.push(Check { holds: is_test, text });
    for (key, bad) in [("enabled", LeftOut::Disabled), ("manual", LeftOut::Manual)] {
        if subject.data.contains(key) {
            let text = format!("{key}: {}{}", text_of(&subject.data, key), behind(key));
            checks.push(Check { holds: left_out != Some(bad), text });
        }
    }
    checks
}

fn text_of(data: &Mapping, key: &str) -> String {
    data.get(key).map(atex_fmf::json::to_string).unwrap_or_default()
}

/// What a condition says of a test.
pub(crate) fn condition_check(data: &Mapping, condition: &Expression) -> Result<Check, Failure> {
    let text = format!("condition: `{}`", condition.text());
    match condition.holds(data) {
        Ok(holds) => Ok(Check { holds, text }),
        Err(error) if matches!(error.kind, ConditionErrorKind::Name | ConditionErrorKind::Key) => {
            Ok(Check { holds: false, text: format!("{text} cannot be asked: {error}") })
        }
        Err(error) => Err(find::refused_condition(&format!("`{}`: {error}", condition.text()))),
    }
}

fn adjust_lines(selection: &Selection<'_>, subject: &Subject<'_>, places: &Places) -> Vec<String> {
    let Some((tree, node)) = selection.tree.zip(subject.node) else { return Vec::new() };
    let adjusts = adjusts::of(node, &selection.context);
    let mut lines = Vec::new();
    if !adjusts.is_empty() {
        lines.push("adjust:".to_owned());
    }
    for adjust in adjusts {
        let place = places.of(tree, adjust.pos()).unwrap_or_else(|| "rule".to_owned());
        let fate = fate(&adjust, &selection.context);
        let because = adjust.rule.get("because").map(atex_fmf::Value::to_text);
        let because = because.map(|because| format!("; because {because}")).unwrap_or_default();
        lines.push(format!("  {place}: {}: {fate}{because}", adjust.when()));
    }
    lines
}

/// What became of a rule, and why.
fn fate(adjust: &Adjust, context: &Context) -> String {
    let rule = Rule::parse(&adjust.when());
    let asked = rule.as_ref().map(Rule::dimensions).unwrap_or_default();
    let known = asked.iter().filter_map(|dimension| {
        context.values(dimension).map(|values| format!("{dimension} is {}", values.join(", ")))
    });
    let known: Vec<_> = known.collect();
    let unknown: Vec<_> = asked.into_iter().filter(|dimension| context.values(dimension).is_none()).collect();
    match adjust.fate {
        Fate::Applied => "applied".to_owned(),
        Fate::NotReached => "not applied: an earlier rule ended the list".to_owned(),
        Fate::False if known.is_empty() => "not applied: false".to_owned(),
        Fate::False => format!("not applied: {}", known.join(" and ")),
        Fate::Undecided if unknown.is_empty() => {
            format!("not applied: cannot be decided where {}", known.join(" and "))
        }
        Fate::Undecided => format!("not applied: the context says nothing of {}", unknown.join(", ")),
    }
}
