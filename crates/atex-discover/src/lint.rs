//! Mistakes in metadata that is valid: what nobody reads, and what does not do what it seems to.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;

use atex_cli::Exit;
use atex_cli::output::Output;
use atex_fmf::{Criteria, Error, ErrorClass, Mapping, NodeRef, Pos, Request, Tree, Value, json, meta};

use crate::adjusts::{self, Adjust, CONTROL};
use crate::config::Lint;
use crate::names::Pattern;
use crate::place::{Places, visible};
use crate::run::Stop;
use crate::selection::{Selection, of_plan};
use crate::{find, plan};

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
const PLAN_KEYS: [&str; 15] = [
    "adjust-tests",
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

/// Writes a line for each problem, ordered by place.
pub(crate) fn write<W: Write>(lint: &Lint, out: &mut Output<W>) -> Result<Exit, Stop> {
    let tree = find::load(&lint.dir, &lint.context)?;
    let mut linter = Linter { tree: &tree, places: Places::here(), problems: BTreeSet::new() };
    linter.nodes();
    linter.plans();
    for (path, line, message) in &linter.problems {
        let line = if *line == 0 { String::new() } else { format!("{line}:") };
        out.line(&visible(&format!("{path}:{line} {message}")))?;
    }
    Ok(if linter.problems.is_empty() { Exit::Done } else { Exit::Failed })
}

struct Linter<'t> {
    tree: &'t Tree,
    places: Places,
    /// Path, line, message. What is inherited by many nodes is said once, where it was written.
    problems: BTreeSet<(String, u32, String)>,
}

impl<'t> Linter<'t> {
    fn add(&mut self, pos: Pos, message: impl Into<String>) {
        let (path, line) = match self.tree.locate(pos) {
            Some(position) => (self.places.path(&position.path), position.line),
            None => (self.places.path(self.tree.root()), 0),
        };
        self.problems.insert((path, line, message.into()));
    }

    /// Adds an error at its own place, or else at `pos`, with something in front of it.
    fn add_error(&mut self, error: &Error, pos: Pos, front: &str) {
        let message = format!("{front}{}: {}", error.class(), error.message());
        match error.position() {
            Some(position) => {
                self.problems.insert((self.places.path(&position.path), position.line, message));
            }
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
                self.add(
                    place(key),
                    format!("`{key}: {text}` is text, which counts as true; write true or false"),
                );
            }
        }
    }

    fn adjusts(&mut self, node: NodeRef<'_>) {
        let mut ended = false;
        for adjust in adjusts::of(node, &atex_fmf::Context::new()) {
            if let Some(message) = dead(&adjust, ended) {
                self.add(adjust.pos(), message);
            }
            ended |= adjust.is_unconditional() && adjust.ends();
        }
    }

    // Plans.

    fn plans(&mut self) {
        let everything = Request { libraries: true, ..Request::default() };
        if let Err(error) = self.discover(&everything) {
            self.add_error(&error, Pos::NONE, "");
        }
        for node in self.tree.nodes().filter(|node| plan::is_plan(*node)) {
            let request = Request { plan: Some(node.name().to_owned()), ..Request::default() };
            match self.discover(&request) {
                Err(error) => self.add_error(&error, first_pos(node.data()), &format!("{}: ", node.name())),
                Ok(()) => {
                    for section in of_plan(self.tree, node, &self.places) {
                        self.section(node, &section);
                    }
                }
            }
        }
    }

    /// Whether tests can be found. That nothing is fetched is not the tree's fault.
    fn discover(&self, request: &Request<'_>) -> Result<(), Error> {
        match atex_fmf::discover(self.tree, request) {
            Err(error) if error.class() != ErrorClass::Fetch => Err(error),
            _ => Ok(()),
        }
    }

    /// Patterns and filters of a section that no test passes, be it disabled or not.
    fn section(&mut self, node: NodeRef<'_>, section: &Selection) {
        let asked = [("test", &section.names), ("filter", &section.filters)];
        let patterns = asked.iter().flat_map(|(key, patterns)| patterns.iter().map(move |each| (*key, each)));
        for (key, Pattern { text, origin }) in patterns {
            let list = || vec![text.clone()];
            let criteria = match key {
                "test" => Criteria { names: list(), ..Criteria::default() },
                _ => Criteria { filters: list(), ..Criteria::default() },
            };
            let Ok(found) = self.tree.prune(&criteria) else { continue };
            if !found.iter().any(|node| node.data().contains("test")) {
                let message = format!("{}: `{key}: {text}` matches no test", node.name());
                self.add_at(origin, message);
            }
        }
    }

    /// Adds a problem at `file:line`.
    fn add_at(&mut self, place: &str, message: String) {
        let place = place.rsplit_once(':').and_then(|(path, line)| Some((path, line.parse().ok()?)));
        match place {
            Some((path, line)) => {
                self.problems.insert((path.to_owned(), line, message));
            }
            None => self.add(Pos::NONE, message),
        }
    }
}

fn first_pos(data: &Mapping) -> Pos {
    data.iter_with_positions().next().map_or(Pos::NONE, |(_, _, pos)| pos)
}

/// Why a rule has no effect in any context.
fn dead(adjust: &Adjust, ended: bool) -> Option<&'static str> {
    let never = match adjust.rule.get("when") {
        Some(Value::Bool(truth)) => !truth,
        Some(Value::Text(when)) => when.trim() == "false",
        _ => false,
    };
    let changes = adjust.rule.keys().any(|key| key.as_str().is_none_or(|key| !CONTROL.contains(&key)));
    if ended {
        Some("dead adjust rule: one before it always applies and says `continue: false`")
    } else if never {
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
