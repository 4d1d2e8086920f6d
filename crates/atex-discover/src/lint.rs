//! Mistakes in metadata that is valid: what nobody reads, and what does not do what it seems to.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::io::Write;

use atex_cli::output::Output;
use atex_cli::{Exit, Failure};
use atex_fmf::{Error, ErrorClass, Mapping, NodeRef, Pos, Repositories, Request, Tree, Value, json, meta};

use crate::adjusts::{self, Adjust, CONTROL};
use crate::args::PlanLayer;
use crate::config::Lint;
use crate::names::Pattern;
use crate::place::{Places, visible};
use crate::run::Stop;
use crate::selection::{self, Selection, Subject};
use crate::{find, ignored, plan};

/// Keys of every kind of node.
const COMMON_KEYS: [&str; 11] = [
    "adjust",
    "author",
    "contact",
    "description",
    "enabled",
    "id",
    "link",
    "order",
    "summary",
    "tag",
    "tier",
];

/// Keys of tests.
const TEST_KEYS: [&str; 17] = [
    "check",
    "component",
    "duration",
    "environment",
    "framework",
    "manual",
    "path",
    "recommend",
    "require",
    "restart-max-count",
    "restart-on-exit-code",
    "restart-with-reboot",
    "result",
    "serialnumber",
    "story",
    "test",
    "tty",
];

/// Keys of plans.
const PLAN_KEYS: [&str; 16] = [
    "adjust-tests",
    "ansible",
    "cleanup",
    "context",
    "discover",
    "environment",
    "environment-file",
    "execute",
    "finish",
    "gate",
    "import",
    "login",
    "plan",
    "prepare",
    "provision",
    "report",
];

/// Keys that begin so are for whoever wants them.
const FREE_PREFIX: &str = "extra-";

/// Writes a line for each problem, ordered by place, and one for each key of a plan that is not heeded.
pub(crate) fn write<W: Write>(lint: &Lint, out: &mut Output<W>) -> Result<Exit, Stop> {
    let context = find::context(&lint.context, lint.layer);
    let tree = find::load(&lint.dir, &context)?;
    let git = lint.fetching.git();
    let others = Repositories::new(&git, context);
    let mut linter = Linter {
        tree: &tree,
        others: &others,
        layer: lint.layer,
        places: Places::here(),
        problems: BTreeSet::new(),
    };
    linter.nodes();
    linter.repeated().map_err(Failure::usage)?;
    linter.plans();
    for problem in &linter.problems {
        out.line(&visible(&problem.to_string()))?;
    }
    let only_notes = linter.problems.iter().all(|problem| problem.is_note);
    Ok(if only_notes { Exit::Done } else { Exit::Failed })
}

/// A line of the answer.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    path: String,
    /// 0 where only the file is known.
    line: u32,
    /// Of notes only.
    column: u32,
    message: String,
    /// Whether it is said for information, and no mistake.
    is_note: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path)?;
        for number in [self.line, self.column].into_iter().filter(|number| *number > 0) {
            write!(f, "{number}:")?;
        }
        write!(f, "{} {}", if self.is_note { " note:" } else { "" }, self.message)
    }
}

struct Linter<'t> {
    tree: &'t Tree,
    others: &'t Repositories<'t>,
    layer: PlanLayer,
    places: Places,
    /// What is inherited by many nodes is said once, where it was written.
    problems: BTreeSet<Problem>,
}

impl<'t> Linter<'t> {
    fn add(&mut self, pos: Pos, message: impl Into<String>) {
        let (path, line) = match self.tree.locate(pos) {
            Some(position) => (self.places.path(&position.path), position.line),
            None => (self.places.path(self.tree.root()), 0),
        };
        self.add_line(path, line, message.into());
    }

    fn add_line(&mut self, path: String, line: u32, message: String) {
        self.problems.insert(Problem { path, line, column: 0, message, is_note: false });
    }

    /// Adds an error at its own place, or else at `pos`, with something in front of it. That nothing could be fetched
    /// is no mistake of the tree.
    fn add_error(&mut self, error: &Error, pos: Pos, front: &str) {
        if error.class() == ErrorClass::Fetch {
            log::warn!("{}", visible(&format!("{front}not looked at: {error}")));
            return;
        }
        let message = format!("{front}{}: {}", error.class(), error.message());
        match error.position() {
            Some(position) => self.add_line(self.places.path(&position.path), position.line, message),
            None => self.add(pos, message),
        }
    }

    // Nodes.

    fn nodes(&mut self) {
        let mut names = HashSet::new();
        for node in self.tree.nodes() {
            if !names.insert(node.name()) {
                self.add(first_pos(node.data()), format!("{}: another node has this name", node.name()));
            }
            let data = node.data();
            if data.contains("test") && node.is_selected() {
                self.known_keys(node, "tests", &TEST_KEYS, &PLAN_KEYS);
                self.test(node);
            } else if plan::is_plan(node) {
                // What plans inherit beside tests is read by the tests.
                self.known_keys(node, "plans", &PLAN_KEYS, &TEST_KEYS);
            }
            self.adjusts(node);
        }
    }

    /// Keys of one node that two places set, or extend, so that what the first one says is lost.
    fn repeated(&mut self) -> Result<(), Error> {
        for [lost, kept] in self.tree.repeated()? {
            let message = format!(
                "{}: `{}` is lost: {} replaces it",
                lost.node,
                lost.key,
                self.places.line(&kept.position)
            );
            self.add_line(self.places.path(&lost.position.path), lost.position.line, message);
        }
        Ok(())
    }

    /// Keys of a node, and those that its adjust rules may give it, that neither `own` nor `others` have; one of `others`
    /// may be inherited with good reason.
    fn known_keys(&mut self, node: NodeRef<'_>, kind: &str, own: &[&str], others: &[&str]) {
        for (key, _, pos) in node.data().iter_with_positions() {
            self.known_key(&json::key_text(key), pos, kind, own, others);
        }
        for adjust in adjusts::of(node, &atex_fmf::Context::new()) {
            for (key, _, pos) in adjust.rule.iter_with_positions() {
                let key = json::key_text(key);
                if !CONTROL.contains(&&*key) {
                    // Without what makes it extend or reduce a value.
                    self.known_key(key.trim_end_matches(['+', '<', '-', '~']), pos, kind, own, others);
                }
            }
        }
    }

    fn known_key(&mut self, key: &str, pos: Pos, kind: &str, own: &[&str], others: &[&str]) {
        let mut known = COMMON_KEYS.iter().chain(own).chain(others);
        if known.any(|known| *known == key) || key.starts_with(FREE_PREFIX) {
            return;
        }
        let alike = COMMON_KEYS.iter().chain(own).find(|known| are_alike(known, key));
        let advice = alike.map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
        self.add(pos, format!("unknown key `{key}` of {kind}{advice}"));
    }

    fn test(&mut self, node: NodeRef<'_>) {
        let data = node.data();
        let place = |key: &str| data.position(key);
        if data.get("test").and_then(Value::as_str).is_none_or(|command| command.trim().is_empty()) {
            self.add(place("test"), "`test` holds no command");
        }
        if let Some(duration) = data.get("duration")
            && let Err(error) = meta::duration_seconds(duration)
            && (self.layer == PlanLayer::Atex || atex_fmf::plan::duration_seconds(duration).is_none())
        {
            self.add_error(&error, place("duration"), "");
        }
        if let Some(environment) = data.get("environment")
            && let Err(error) = meta::environment(environment)
        {
            self.add_error(&error, place("environment"), "");
        }
        for key in ["enabled", "manual"] {
            if let Some(Value::Text(text)) = data.get(key).filter(|value| value.is_truthy()) {
                let counts = match self.layer {
                    PlanLayer::Atex => "counts as true",
                    PlanLayer::Tmt => "leaves the test out",
                };
                self.add(place(key), format!("`{key}: {text}` is text, which {counts}; write true or false"));
            }
        }
    }

    fn adjusts(&mut self, node: NodeRef<'_>) {
        let mut ended = false;
        for adjust in adjusts::of(node, &atex_fmf::Context::new()) {
            if let Some(message) = dead(&adjust, ended) {
                self.add(adjust.pos(), message);
            }
            ended |= adjust.always_applies() == Some(true) && adjust.ends();
        }
    }

    // Plans.

    fn plans(&mut self) {
        // Libraries of other repositories are not looked for; those of the tree must be there.
        let everything = Request { libraries: true, ..Request::default() };
        if let Err(error) = atex_fmf::discover(self.tree, &everything)
            && error.class() != ErrorClass::Fetch
        {
            self.add_error(&error, Pos::NONE, "");
        }
        for node in self.tree.nodes().filter(|node| plan::is_plan(*node)) {
            let looked_at = match self.layer {
                PlanLayer::Atex => self.plan_of_atex(node),
                PlanLayer::Tmt => self.plan_of_tmt(node),
            };
            if let Err(error) = looked_at {
                self.add_error(&error, first_pos(node.data()), &format!("{}: ", node.name()));
            }
        }
    }

    fn plan_of_atex(&mut self, node: NodeRef<'t>) -> Result<(), Error> {
        self.add_ignored(self.tree, node.name(), node.data());
        let request = Request { plan: Some(node.name().to_owned()), ..Request::default() };
        atex_fmf::discover_with(self.tree, self.others, &request)?;
        let selections = selection::of_plan(self.tree, self.others, node.data(), &self.places)?;
        selections.iter().for_each(|selection| self.section(node.name(), selection));
        Ok(())
    }

    fn plan_of_tmt(&mut self, node: NodeRef<'t>) -> Result<(), Error> {
        if atex_fmf::plan::imports(node) {
            self.add_ignored(self.tree, node.name(), node.data());
        }
        for plan in atex_fmf::plan::plans(self.tree, self.others, Some(node.name()))? {
            self.add_ignored(plan.tree, &plan.name, &plan.data);
            plan.discover(self.others, &Request::default())?;
            for key in ["prepare", "finish"] {
                plan.steps(key)?;
            }
            let name = plan.name.clone();
            let selections = selection::of_tmt_plan(plan, false, self.others, &self.places)?;
            selections.iter().for_each(|selection| self.section(&name, selection));
        }
        Ok(())
    }

    /// Adds a note for each key of a plan that is not heeded. Those that nobody knows are mistakes where they stand
    /// in the plan itself, and found there.
    fn add_ignored(&mut self, tree: &Tree, name: &str, data: &Mapping) {
        for ignored in ignored::of_plan(data, self.layer) {
            let Some(position) = tree.locate(ignored.pos) else { continue };
            let unknown = if ignored.is_known { "" } else { "; nobody knows it" };
            self.problems.insert(Problem {
                path: self.places.path(&position.path),
                line: position.line,
                column: position.column,
                message: format!("{name}: {}{unknown}", ignored.message),
                is_note: ignored.is_known,
            });
        }
    }

    /// Patterns and filters of a section that no test passes, be it disabled or not.
    fn section(&mut self, plan: &str, selection: &Selection<'_>) {
        if selection.off.is_some() || selection.tree.is_none() {
            return;
        }
        let Ok(mut subjects) = selection.subjects() else { return };
        subjects.retain(|subject| subject.data.contains("test"));
        for wanted in selection.lists.iter().flatten() {
            if !subjects.iter().any(|subject| wanted.is_found_in(&subject.name).unwrap_or(true)) {
                self.add_useless(plan, wanted.key, &wanted.pattern);
            }
        }
        for (pattern, filter) in &selection.filters {
            let passes = |subject: &Subject<'_>| selection.passes(filter, subject);
            if !subjects.iter().any(passes) {
                self.add_useless(plan, "filter", pattern);
            }
        }
    }

    fn add_useless(&mut self, plan: &str, key: &str, Pattern { text, origin }: &Pattern) {
        self.add_at(origin, format!("{plan}: `{key}: {text}` matches no test"));
    }

    /// Adds a problem at `file:line`.
    fn add_at(&mut self, place: &str, message: String) {
        let place = place.rsplit_once(':').and_then(|(path, line)| Some((path, line.parse().ok()?)));
        match place {
            Some((path, line)) => self.add_line(path.to_owned(), line, message),
            None => self.add(Pos::NONE, message),
        }
    }
}

fn first_pos(data: &Mapping) -> Pos {
    data.iter_with_positions().next().map_or(Pos::NONE, |(_, _, pos)| pos)
}

/// Why a rule has no effect in any context.
fn dead(adjust: &Adjust, ended: bool) -> Option<&'static str> {
    let changes = adjust.rule.keys().any(|key| key.as_str().is_none_or(|key| !CONTROL.contains(&key)));
    if ended {
        Some("dead adjust rule: one before it always applies and says `continue: false`")
    } else if adjust.always_applies() == Some(false) {
        Some("dead adjust rule: it never applies")
    } else if !changes && !adjust.ends() {
        Some("dead adjust rule: it changes nothing")
    } else {
        None
    }
}

/// Whether two words differ by one letter more, less or other, or by two neighbours that changed places.
fn are_alike(left: &str, right: &str) -> bool {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let (short, long) = if left.len() <= right.len() { (&left, &right) } else { (&right, &left) };
    let same_start = short.iter().zip(long.iter()).take_while(|(a, b)| a == b).count();
    let (short, long) = (&short[same_start..], &long[same_start..]);
    match long.len() - short.len() {
        0 => {
            let other = short.get(1..) == long.get(1..);
            let swapped =
                short.len() > 1 && (short[0], short[1]) == (long[1], long[0]) && short[2..] == long[2..];
            other || swapped
        }
        1 => *short == long[1..],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_alike() {
        for (left, right, expected) in [
            ("duration", "duratoin", true),
            ("duration", "duraton", true),
            ("duration", "durations", true),
            ("duration", "dutation", true),
            ("tag", "tags", true),
            ("tag", "tty", false),
            ("tag", "tier", false),
            ("duration", "udraiton", false),
        ] {
            assert_eq!(are_alike(left, right), expected, "{left} {right}");
            assert_eq!(are_alike(right, left), expected, "{right} {left}");
        }
    }
}
