//! What tests say of when and where they would run, in the scheduler's numbers: keys of their metadata, expressions
//! over the facts of hosts, marks, and names of tests that come before.

use atex_control::{DurationForm, parse_duration_value};
use atex_fmf::{Context, Rule, Verdict as Found};
use atex_model::{Facts, Host, Test};
use atex_schedule::{After, ExpressionId, HostTraits, MarkId, Millis, NameId, TestTraits, Time, Verdict};
use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use crate::attempt::limit_of;
use crate::catalog::{identity, is_destructive};
use crate::history::History;

/// What fmf takes for `order` where nothing is said.
const ORDER: i64 = 50;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    expressions: IndexMap<String, Rule>,
    marks: IndexSet<String>,
    names: IndexMap<[u8; 16], Name>,
}

/// A test that others come after.
#[derive(Debug)]
pub(crate) struct Name {
    pub platform: Option<String>,
    pub name: String,
    /// It is known which test that is.
    pub is_known: bool,
}

/// What a test asks for.
#[derive(Debug)]
pub(crate) struct Wish {
    pub is: TestTraits,
    /// Its expression, if no test had it before.
    pub new_expression: Option<ExpressionId>,
}

impl Wishes {
    /// What a test asks for. Label and set-up are not looked at.
    ///
    /// # Errors
    /// Which key cannot be read, and what was expected there.
    pub fn of(&mut self, test: &Test, history: &History) -> Result<Wish, String> {
        let (expression, new_expression) = match test.data.get("extra-host") {
            None | Some(Value::Null) => (None, None),
            Some(value) => self.expression(value).map(|(id, is_new)| (Some(id), is_new.then_some(id)))?,
        };
        let learned = history.expected(test.label(), &test.name);
        let says = test.data.get("duration").map(|value| parse_duration_value(value, DurationForm::Extended));
        let expected = learned.or_else(|| says.and_then(Result::ok));
        let millis =
            |duration: std::time::Duration| Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX);
        let mut prefers = Vec::new();
        for mark in texts(test, "extra-prefers")? {
            prefers.push(self.mark(&mark));
        }
        let is = TestTraits {
            expression,
            is_destructive: is_destructive(test),
            prefers,
            priority: clamp(integer(test, "extra-priority")?.unwrap_or(0)),
            order: clamp(integer(test, "order")?.unwrap_or(ORDER)),
            expected: expected.map(millis),
            limit: millis(limit_of(test)),
            reruns: reruns(test)?,
            after: self.after(test)?,
            ..TestTraits::default()
        };
        Ok(Wish { is, new_expression })
    }

    fn expression(&mut self, value: &Value) -> Result<(ExpressionId, bool), String> {
        let expected =
            "data.extra-host: expected an expression such as `distro == rhel-9 and arch == x86_64`";
        let text = value.as_str().ok_or_else(|| format!("{expected}, found {value}"))?;
        if let Some(at) = self.expressions.get_index_of(text) {
            return Ok((ExpressionId(number(at)), false));
        }
        let rule = Rule::parse(text).map_err(|e| format!("data.extra-host: {e}"))?;
        let (at, _) = self.expressions.insert_full(text.to_owned(), rule);
        Ok((ExpressionId(number(at)), true))
    }

    /// The number of a mark.
    pub fn mark(&mut self, mark: &str) -> MarkId {
        let at = match self.marks.get_index_of(mark) {
            Some(at) => at,
            None => self.marks.insert_full(mark.to_owned()).0,
        };
        MarkId(number(at))
    }

    fn after(&mut self, test: &Test) -> Result<Vec<After>, String> {
        let items = match test.data.get("extra-after") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(items)) => items.iter().collect(),
            Some(one) => vec![one],
        };
        let read = |item: &Value| -> Option<(String, Option<atex_schedule::Outcome>)> {
            let name = match item {
                Value::String(name) => return Some((name.clone(), None)),
                other => other.get("test")?.as_str()?,
            };
            match item.get("outcome") {
                None => Some((name.to_owned(), None)),
                Some(outcome) => {
                    let outcome = serde_json::from_value(outcome.clone()).ok()?;
                    Some((name.to_owned(), Some(crate::dispatch::outcome_of(outcome))))
                }
            }
        };
        let mut after = Vec::new();
        for item in items {
            let (name, outcome) = read(item).ok_or_else(|| {
                format!(
                    "data.extra-after: expected names of tests, or objects such as \
                     {{\"test\": \"/name\", \"outcome\": \"pass\"}}, found {item}"
                )
            })?;
            after.push(After { name: self.name(test.platform.as_deref(), name), outcome });
        }
        Ok(after)
    }

    fn name(&mut self, platform: Option<&str>, name: String) -> NameId {
        let hash = identity(platform, &name);
        let platform = platform.map(str::to_owned);
        let (at, _) = match self.names.get_index_of(&hash) {
            Some(at) => (at, None),
            None => self.names.insert_full(hash, Name { platform, name, is_known: false }),
        };
        NameId(number(at))
    }

    /// The number of a test's name, if others come after it and it is not known yet that this is it.
    pub fn becomes_known(&mut self, test: &Test) -> Option<NameId> {
        // Most runs have none.
        if self.names.is_empty() {
            return None;
        }
        let at = self.names.get_index_of(&identity(test.platform.as_deref(), &test.name))?;
        self.known(NameId(number(at)))
    }

    /// It is known whose name this is. Nothing, if it was known before.
    pub fn known(&mut self, name: NameId) -> Option<NameId> {
        let (_, entry) = self.names.get_index_mut(name.0 as usize)?;
        (!std::mem::replace(&mut entry.is_known, true)).then_some(name)
    }

    /// Names of which it is not known whose they are.
    pub fn unknown_names(&self) -> Vec<(NameId, Option<String>, String)> {
        let all = (0..).map(NameId).zip(self.names.values());
        let unknown = all.filter(|(_, name)| !name.is_known);
        unknown.map(|(id, name)| (id, name.platform.clone(), name.name.clone())).collect()
    }

    /// A name, as it was given.
    pub fn text_of(&self, name: NameId) -> &str {
        self.names.get_index(name.0 as usize).map_or("", |(_, name)| &name.name)
    }

    // ---- Hosts ----

    /// Adds to what is known of a host what its record says.
    pub fn add_host(&mut self, host: &Host, is: &mut HostTraits) {
        is.marks = host.marks.iter().map(|mark| self.mark(mark)).collect();
        let until = host.lease.as_ref().and_then(|lease| lease.until);
        is.until = until.map(|until| Time(u64::try_from(until.0).unwrap_or(0)));
        is.verdicts = self.judge_all(&host.facts);
    }

    /// Whether the expressions hold where this is known.
    pub fn judge_all(&self, facts: &Facts) -> Vec<Verdict> {
        let facts = context(facts);
        self.expressions.values().map(|rule| judge(rule, &facts)).collect()
    }

    /// Whether an expression holds on a host.
    pub fn judge(&self, expression: ExpressionId, host: &Host) -> Verdict {
        self.judge_facts(expression, &host.facts)
    }

    /// Whether an expression holds where this is known.
    pub fn judge_facts(&self, expression: ExpressionId, facts: &Facts) -> Verdict {
        let rule = self.expressions.get_index(expression.0 as usize);
        rule.map_or(Verdict::Undecided, |(_, rule)| judge(rule, &context(facts)))
    }

    /// Whether what a test says of its host is true of one.
    pub fn suits(&self, test: &Test, host: &Host) -> bool {
        let text = test.data.get("extra-host").and_then(Value::as_str).unwrap_or_default();
        let rule = self.expressions.get(text);
        rule.is_none_or(|rule| judge(rule, &context(&host.facts)) == Verdict::Yes)
    }

    /// Facts that a test asks about and that a host does not have.
    pub fn missing(&self, test: &Test, host: &Host) -> Vec<String> {
        let text = test.data.get("extra-host").and_then(Value::as_str).unwrap_or_default();
        let Some(rule) = self.expressions.get(text) else { return Vec::new() };
        if judge(rule, &context(&host.facts)) != Verdict::Undecided {
            return Vec::new();
        }
        let wanted = rule.dimensions().into_iter().filter(|fact| !host.facts.contains_key(*fact));
        wanted.map(str::to_owned).collect()
    }
}

/// The facts of a host, as expressions see them.
fn context(facts: &Facts) -> Context {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut context = Context::new();
    for (name, value) in facts {
        match value {
            Value::Null => {}
            Value::Array(values) => context.set(name, values.iter().map(text)),
            one => context.set(name, [text(one)]),
        }
    }
    context
}

fn judge(rule: &Rule, facts: &Context) -> Verdict {
    match rule.eval(facts) {
        Ok(Found::True) => Verdict::Yes,
        Ok(Found::False) => Verdict::No,
        Ok(Found::Undecided) | Err(_) => Verdict::Undecided,
    }
}

fn integer(test: &Test, key: &str) -> Result<Option<i64>, String> {
    match test.data.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(format!("data.{key}: expected an integer, found {value}")),
        },
    }
}

fn reruns(test: &Test) -> Result<Option<u32>, String> {
    let Some(number) = integer(test, "extra-reruns")? else { return Ok(None) };
    let reruns = u32::try_from(number);
    reruns.map(Some).map_err(|_| format!("data.extra-reruns: expected a number from 0 on, found {number}"))
}

fn texts(test: &Test, key: &str) -> Result<Vec<String>, String> {
    let bad = |value: &Value| format!("data.{key}: expected a text or a list of texts, found {value}");
    match test.data.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(|| bad(item))).collect()
        }
        Some(other) => Err(bad(other)),
    }
}

/// Beyond these nobody can tell one from another.
fn clamp(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("there are fewer of them than tests, which are counted in 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_model::{Connect, Object};
    use serde_json::json;

    fn test(data: Value) -> Test {
        let data: Object = serde_json::from_value(data).unwrap();
        Test::new("/a", data)
    }

    fn wish(wishes: &mut Wishes, data: Value) -> Result<TestTraits, String> {
        wishes.of(&test(data), &History::default()).map(|wish| wish.is)
    }

    #[test]
    fn what_metadata_say() {
        let mut wishes = Wishes::default();
        let is = wish(
            &mut wishes,
            json!({"extra-priority": 3, "order": 10, "duration": "2m", "extra-prefers": ["x", "y"],
                "extra-reruns": 1, "tag": "destructive", "extra-after": ["/b", {"test": "/c", "outcome": "pass"}]}),
        )
        .unwrap();
        assert_eq!((is.priority, is.order, is.expected, is.limit), (3, 10, Some(120_000), 120_000));
        assert_eq!((is.prefers, is.reruns, is.is_destructive), (vec![MarkId(0), MarkId(1)], Some(1), true));
        let pass = Some(atex_schedule::Outcome::Pass);
        assert_eq!(
            is.after,
            [After { name: NameId(0), outcome: None }, After { name: NameId(1), outcome: pass }]
        );
        let is =
            wish(&mut wishes, json!({"extra-prefers": "y", "extra-priority": -9_000_000_000_i64})).unwrap();
        assert_eq!((is.prefers, is.priority, is.order), (vec![MarkId(1)], i32::MIN, 50));
        assert_eq!(is.expected, None, "what is not set is not known");
        assert!(is.limit > 0);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (data, message) in [
            (json!({"extra-priority": "high"}), r#"data.extra-priority: expected an integer, found "high""#),
            (json!({"order": 1.5}), "data.order: expected an integer, found 1.5"),
            (json!({"extra-reruns": -1}), "data.extra-reruns: expected a number from 0 on, found -1"),
            (
                json!({"extra-prefers": [1]}),
                "data.extra-prefers: expected a text or a list of texts, found 1",
            ),
            (
                json!({"extra-after": {"test": "/a", "outcome": "good"}}),
                "data.extra-after: expected names of tests",
            ),
            (json!({"extra-after": 1}), "data.extra-after: expected names of tests"),
            (json!({"extra-host": true}), "data.extra-host: expected an expression such as"),
            (json!({"extra-host": "distro =="}), "data.extra-host: "),
        ] {
            let found = wish(&mut Wishes::default(), data.clone()).unwrap_err();
            assert!(found.starts_with(message), "{data}: {found}");
        }
    }

    #[test]
    fn expressions_are_judged_by_facts() {
        let mut wishes = Wishes::default();
        let expression = "distro == rhel-9 and arch == x86_64";
        let wants = test(json!({ "extra-host": expression }));
        let wish = wishes.of(&wants, &History::default()).unwrap();
        assert_eq!(wish.new_expression, Some(ExpressionId(0)));
        assert_eq!(wishes.of(&wants, &History::default()).unwrap().new_expression, None);
        for (facts, verdict, missing) in [
            (json!({"distro": "rhel-9.6", "arch": "x86_64"}), Verdict::Yes, &[][..]),
            (json!({"distro": ["rhel-9.6"], "arch": "s390x"}), Verdict::No, &[]),
            (json!({"distro": "fedora-42"}), Verdict::No, &[]),
            (json!({"distro": "rhel-9.6"}), Verdict::Undecided, &["arch"]),
            (json!({}), Verdict::Undecided, &["distro", "arch"]),
        ] {
            let mut host = Host::new("h", Connect::Local);
            host.facts = serde_json::from_value(facts.clone()).unwrap();
            assert_eq!(wishes.judge(ExpressionId(0), &host), verdict, "{facts}");
            assert_eq!(wishes.missing(&wants, &host), missing, "{facts}");
            let mut is = HostTraits::new(atex_schedule::PlatformId(0));
            wishes.add_host(&host, &mut is);
            assert_eq!(is.verdicts, [verdict]);
        }
    }

    #[test]
    fn a_name_becomes_known_once() {
        let mut wishes = Wishes::default();
        wish(&mut wishes, json!({"extra-after": "/a"})).unwrap();
        assert_eq!(wishes.unknown_names(), [(NameId(0), None, "/a".into())]);
        assert_eq!(wishes.becomes_known(&test(json!({}))), Some(NameId(0)));
        assert_eq!(wishes.becomes_known(&test(json!({}))), None);
        assert_eq!(wishes.unknown_names(), []);
        assert_eq!(wishes.text_of(NameId(0)), "/a");
    }
}
