//! The environment a tree is adjusted for, and the rules that ask about it.
//!
//! ```
//! use atex_fmf::{Context, Rule, Verdict};
//!
//! let mut host = Context::new();
//! host.set("distro", ["centos-stream-9"]);
//! let rule = Rule::parse("distro == centos and arch is not defined")?;
//! assert_eq!(rule.eval(&host)?, Verdict::True);
//! # Ok::<(), atex_fmf::Error>(())
//! ```

use std::cmp::Ordering;
use std::sync::OnceLock;

use indexmap::IndexMap;

use crate::error::{Error, ErrorClass};
use crate::number::Int;
use crate::pyre::Pattern;
use crate::pytext;
use crate::value::Value;

/// Dimensions and their values: `distro` is `rhel-9.6`, `arch` is `x86_64`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    dimensions: IndexMap<String, Vec<ContextValue>>,
    ignores_case: bool,
}

/// One value, split into a name and version parts.
#[derive(Clone, Debug, PartialEq)]
struct ContextValue {
    text: String,
    parts: Vec<Part>,
}

/// A part compares as a number with other numbers, and as text with everything else.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    text: String,
    number: Option<Int>,
}

impl Part {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), number: pytext::parse_int(text) }
    }

    fn compare(&self, other: &Self, ignores_case: bool) -> Ordering {
        match (&self.number, &other.number) {
            (Some(left), Some(right)) => left.cmp(right),
            _ if ignores_case => self.text.to_lowercase().cmp(&other.text.to_lowercase()),
            _ => self.text.cmp(&other.text),
        }
    }

    fn reads_as(&self, other: &Self, ignores_case: bool) -> bool {
        self.text == other.text || ignores_case && self.text.to_lowercase() == other.text.to_lowercase()
    }
}

impl ContextValue {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), parts: text.split([':', '-', '.']).map(Part::new).collect() }
    }

    /// Whether the parts are the same, whatever stands between them.
    fn same(&self, other: &Self) -> bool {
        self.parts.len() == other.parts.len()
            && self.parts.iter().zip(&other.parts).all(|(left, right)| left.text == right.text)
    }
}

impl Context {
    /// A context without dimensions: nothing can be decided.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the values of a dimension, replacing earlier ones. Values that differ only in how their parts are
    /// separated are kept once.
    pub fn set<T: AsRef<str>>(&mut self, dimension: &str, values: impl IntoIterator<Item = T>) {
        let mut kept: Vec<ContextValue> = Vec::new();
        for value in values {
            let value = ContextValue::new(value.as_ref());
            if !kept.iter().any(|known| known.same(&value)) {
                kept.push(value);
            }
        }
        self.dimensions.insert(dimension.to_owned(), kept);
    }

    /// Sets a dimension from a metadata value: a list gives several values, and what is no text is turned into it.
    pub fn set_value(&mut self, dimension: &str, value: &Value) {
        match value.as_list() {
            Some(items) => self.set(dimension, items.iter().map(Value::to_text)),
            None => self.set(dimension, [value.to_text()]),
        }
    }

    /// The same context, in which values compare with or without regard to their case. Patterns (`~`) always regard it.
    #[must_use]
    pub fn ignoring_case(mut self, ignores_case: bool) -> Self {
        self.ignores_case = ignores_case;
        self
    }

    /// Sets all dimensions of another context, replacing earlier values of each.
    pub fn update(&mut self, other: &Self) {
        self.dimensions.extend(other.dimensions.iter().map(|(key, values)| (key.clone(), values.clone())));
    }

    /// The values of a dimension; nothing if it is not defined.
    #[must_use]
    pub fn values(&self, dimension: &str) -> Option<Vec<&str>> {
        let values = self.dimensions.get(dimension)?;
        Some(values.iter().map(|value| value.text.as_str()).collect())
    }

    /// The names of the dimensions.
    pub fn dimensions(&self) -> impl Iterator<Item = &str> {
        self.dimensions.keys().map(String::as_str)
    }
}

/// What a rule says about a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    True,
    /// It does not.
    False,
    /// The context does not say enough.
    Undecided,
}

impl From<bool> for Verdict {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

/// A parsed rule: alternatives of conjunctions.
#[derive(Debug)]
pub struct Rule(Vec<Vec<Expression>>);

#[derive(Debug)]
enum Expression {
    Constant(bool),
    Defined { dimension: String, wanted: bool },
    Compare { dimension: String, operator: Operator, values: Vec<RuleValue> },
}

#[derive(Debug)]
struct RuleValue {
    value: ContextValue,
    /// Compiled at the first match, since patterns in other operators' values need not be valid.
    pattern: OnceLock<Result<Pattern, Error>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    /// Whether only the same minor version can be compared, and what is asked.
    Compare {
        minor: bool,
        test: Test,
    },
    Match {
        wanted: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// In the order in which they are tried.
const OPERATORS: [(&str, Operator); 14] = [
    ("<", Operator::Compare { minor: false, test: Test::Less }),
    ("~<", Operator::Compare { minor: true, test: Test::Less }),
    ("<=", Operator::Compare { minor: false, test: Test::LessOrEqual }),
    ("~<=", Operator::Compare { minor: true, test: Test::LessOrEqual }),
    ("==", Operator::Compare { minor: false, test: Test::Equal }),
    ("~=", Operator::Compare { minor: true, test: Test::Equal }),
    ("!=", Operator::Compare { minor: false, test: Test::NotEqual }),
    ("~!=", Operator::Compare { minor: true, test: Test::NotEqual }),
    (">=", Operator::Compare { minor: false, test: Test::GreaterOrEqual }),
    ("~>=", Operator::Compare { minor: true, test: Test::GreaterOrEqual }),
    (">", Operator::Compare { minor: false, test: Test::Greater }),
    ("~>", Operator::Compare { minor: true, test: Test::Greater }),
    ("~", Operator::Match { wanted: true }),
    ("!~", Operator::Match { wanted: false }),
];

impl Test {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }

    fn is_ordered(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

impl Rule {
    /// A rule that always gives the same answer.
    #[must_use]
    pub fn constant(truth: bool) -> Self {
        Self(vec![vec![Expression::Constant(truth)]])
    }

    /// Parses a rule. The whole text is looked at, also parts that would never be evaluated.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let rule = with_double_equals(text);
        let mut alternatives = Vec::new();
        for alternative in split_at_word(&rule, "or") {
            if alternative.is_empty() {
                return Err(invalid(format!("Empty OR expression in {rule}.")));
            }
            let mut conjunction = Vec::new();
            for expression in split_at_word(alternative, "and") {
                let expression = expression.trim_matches(pytext::is_space);
                if expression.is_empty() {
                    return Err(invalid(format!("Empty AND expression in {rule}.")));
                }
                conjunction.push(Expression::parse(expression)?);
            }
            alternatives.push(conjunction);
        }
        Ok(Self(alternatives))
    }

    /// The dimensions that the rule asks for, each once, in order.
    #[must_use]
    pub fn dimensions(&self) -> Vec<&str> {
        let mut asked: Vec<&str> = Vec::new();
        for expression in self.0.iter().flatten() {
            let dimension = match expression {
                Expression::Constant(_) => continue,
                Expression::Defined { dimension, .. } | Expression::Compare { dimension, .. } => dimension,
            };
            if !asked.contains(&dimension.as_str()) {
                asked.push(dimension);
            }
        }
        asked
    }

    /// What the rule says in every context; nothing if that depends on it.
    #[must_use]
    pub fn always(&self) -> Option<bool> {
        let constant = |expression: &Expression| match expression {
            Expression::Constant(truth) => Some(*truth),
            _ => None,
        };
        let all = |conjunction: &Vec<Expression>| {
            let parts = || conjunction.iter().map(constant);
            if parts().any(|part| part == Some(false)) {
                return Some(false);
            }
            parts().all(|part| part == Some(true)).then_some(true)
        };
        let alternatives = || self.0.iter().map(all);
        if alternatives().any(|alternative| alternative == Some(true)) {
            return Some(true);
        }
        alternatives().all(|alternative| alternative == Some(false)).then_some(false)
    }

    /// Evaluates the rule. It fails only if a value used as a pattern is not a valid one.
    pub fn eval(&self, context: &Context) -> Result<Verdict, Error> {
        let mut verdict = Verdict::False;
        for conjunction in &self.0 {
            match eval_all(conjunction, context)? {
                Verdict::True => return Ok(Verdict::True),
                Verdict::False => {}
                Verdict::Undecided => verdict = Verdict::Undecided,
            }
        }
        Ok(verdict)
    }
}

fn eval_all(conjunction: &[Expression], context: &Context) -> Result<Verdict, Error> {
    let mut verdict = Verdict::True;
    for expression in conjunction {
        match expression.eval(context)? {
            Verdict::False => return Ok(Verdict::False),
            Verdict::True => {}
            Verdict::Undecided => verdict = Verdict::Undecided,
        }
    }
    Ok(verdict)
}

fn invalid(message: String) -> Error {
    Error::new(ErrorClass::InvalidRule, message)
}

/// A single `=` means `==`.
fn with_double_equals(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    let mut previous = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        let alone = !matches!(previous, Some('=' | '!' | '~' | '<' | '>')) && chars.peek() != Some(&'=');
        if c == '=' && alone {
            out.push('=');
        }
        previous = Some(c);
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Splits at a word, wherever word characters end on both sides.
fn split_at_word<'t>(text: &'t str, word: &str) -> Vec<&'t str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(word) {
        let before = text[..at].chars().next_back().is_some_and(is_word);
        let after = text[at + word.len()..].chars().next().is_some_and(is_word);
        if !before && !after {
            parts.push(&text[start..at]);
            start = at + word.len();
        }
    }
    parts.push(&text[start..]);
    parts
}

impl Expression {
    fn parse(text: &str) -> Result<Self, Error> {
        if text.starts_with("true") || text.starts_with("false") {
            return Ok(Self::Constant(text.starts_with("true")));
        }
        let end = text.find(|c| !is_word(c) && c != '-').unwrap_or(text.len());
        let (dimension, rest) = text.split_at(end);
        let found = if dimension.is_empty() { None } else { Self::parse_rest(dimension, rest) };
        let found = found.or_else(|| Self::parse_joined(text, end));
        found.ok_or_else(|| invalid(format!("Cannot parse expression '{text}'.")))
    }

    fn parse_rest(dimension: &str, rest: &str) -> Option<Self> {
        let dimension = dimension.to_owned();
        let rest = rest.trim_start_matches(pytext::is_space);
        for (sign, operator) in OPERATORS {
            let Some(values) = rest.strip_prefix(sign).and_then(value_text) else { continue };
            let value = |text: &str| RuleValue {
                value: ContextValue::new(text.trim_matches(pytext::is_space)),
                pattern: OnceLock::new(),
            };
            return Some(Self::Compare {
                dimension,
                operator,
                values: values.split(',').map(value).collect(),
            });
        }
        if rest.starts_with("is defined") {
            return Some(Self::Defined { dimension, wanted: true });
        }
        rest.starts_with("is not defined").then_some(Self::Defined { dimension, wanted: false })
    }

    /// `archis defined`: white space before `is` is optional, and the reference then takes the shorter dimension.
    fn parse_joined(text: &str, end: usize) -> Option<Self> {
        let (dimension, rest) = text.split_at_checked(text[..end].strip_suffix("is")?.len())?;
        let wanted = rest.starts_with("is defined");
        let known = wanted || rest.starts_with("is not defined");
        (known && !dimension.is_empty()).then(|| Self::Defined { dimension: dimension.to_owned(), wanted })
    }

    fn eval(&self, context: &Context) -> Result<Verdict, Error> {
        match self {
            Self::Constant(truth) => Ok((*truth).into()),
            Self::Defined { dimension, wanted } => {
                Ok((context.dimensions.contains_key(dimension) == *wanted).into())
            }
            Self::Compare { dimension, operator, values } => match context.dimensions.get(dimension) {
                Some(present) => compare_all(*operator, present, values, context.ignores_case),
                None => Ok(Verdict::Undecided),
            },
        }
    }
}

/// The values after an operator, up to the end of the line. If nothing usable follows the white space, its last
/// character belongs to the values, as in a matcher that backtracks.
fn value_text(rest: &str) -> Option<&str> {
    let trimmed = rest.trim_start_matches(pytext::is_space);
    let start = if trimmed.is_empty() || trimmed.starts_with('=') {
        rest[..rest.len() - trimmed.len()].char_indices().next_back()?.0
    } else {
        rest.len() - trimmed.len()
    };
    let values = &rest[start..];
    let first = values.chars().next()?.len_utf8();
    let end = values[first..].find('\n').map_or(values.len(), |newline| first + newline);
    Some(&values[..end])
}

fn compare_all(
    operator: Operator,
    present: &[ContextValue],
    wanted: &[RuleValue],
    ignores_case: bool,
) -> Result<Verdict, Error> {
    let mut verdict = Verdict::Undecided;
    for left in present {
        for right in wanted {
            match compare_pair(operator, left, right, ignores_case)? {
                Some(true) => return Ok(Verdict::True),
                Some(false) => verdict = Verdict::False,
                None => {}
            }
        }
    }
    Ok(verdict)
}

fn compare_pair(
    operator: Operator,
    left: &ContextValue,
    right: &RuleValue,
    ignores_case: bool,
) -> Result<Option<bool>, Error> {
    match operator {
        Operator::Match { wanted } => {
            let pattern = right.pattern.get_or_init(|| Pattern::without_names(&right.value.text));
            Ok(Some(pattern.as_ref().map_err(Clone::clone)?.is_found_in(&left.text)? == wanted))
        }
        Operator::Compare { minor, test } => {
            let ordering = compare(&left.parts, &right.value.parts, minor, test.is_ordered(), ignores_case);
            Ok(ordering.map(|ordering| test.holds(ordering)))
        }
    }
}

/// Compares names and versions; nothing if that cannot be decided. "Different" is some inequality, which only tests
/// for equality see.
fn compare(
    left: &[Part],
    right: &[Part],
    minor: bool,
    ordered: bool,
    ignores_case: bool,
) -> Option<Ordering> {
    const DIFFERENT: Option<Ordering> = Some(Ordering::Less);
    let undecided_if_ordered = if ordered { None } else { DIFFERENT };
    if !left[0].reads_as(&right[0], ignores_case) {
        return undecided_if_ordered;
    }
    if minor && right.len() > 1 {
        if left.len() < 2 {
            return None;
        }
        if !left[1].reads_as(&right[1], ignores_case) && (!ordered || right.len() > 2) {
            return undecided_if_ordered;
        }
    }
    let difference = left[1..]
        .iter()
        .zip(&right[1..])
        .map(|(left, right)| left.compare(right, ignores_case))
        .find(|o| o.is_ne());
    if difference.is_some() {
        return difference;
    }
    if right.len() <= left.len() {
        return Some(Ordering::Equal);
    }
    match (minor, ordered) {
        (true, _) => None,
        (false, false) => DIFFERENT,
        (false, true) if left.len() < 2 => None,
        (false, true) => Some(Ordering::Less),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(dimensions: &[(&str, &str)]) -> Context {
        let mut context = Context::new();
        for (dimension, values) in dimensions {
            context.set(dimension, values.split(','));
        }
        context
    }

    #[test]
    fn what_a_rule_says_in_every_context() {
        for (rule, expected) in [
            ("true", Some(true)),
            ("false", Some(false)),
            ("trueish", Some(true)),
            ("true and false", Some(false)),
            ("a == b", None),
            ("a is defined", None),
            ("a == b or true", Some(true)),
            ("a == b or false", None),
            ("a == b and false", Some(false)),
            ("a == b and true", None),
            ("a == b and false or false", Some(false)),
        ] {
            assert_eq!(Rule::parse(rule).unwrap().always(), expected, "{rule}");
        }
    }

    #[test]
    fn a_rule_names_its_dimensions() {
        for (rule, expected) in [
            ("true", &[][..]),
            ("distro == rhel, fedora and arch != x86_64 or distro < rhel-9", &["distro", "arch"]),
            ("trigger is not defined or a ~ b", &["trigger", "a"]),
        ] {
            assert_eq!(Rule::parse(rule).unwrap().dimensions(), expected, "{rule}");
        }
    }

    #[test]
    fn case_counts_unless_it_is_ignored() {
        let host = context(&[("distro", "Fedora-Rawhide"), ("arch", "X86_64")]);
        for (rule, ignoring, regarding) in [
            ("distro == fedora", Verdict::True, Verdict::False),
            ("distro == FEDORA-rawhide", Verdict::True, Verdict::False),
            ("distro != fedora", Verdict::False, Verdict::True),
            ("distro < fedora-rawhidf", Verdict::True, Verdict::Undecided),
            ("distro ~= fedora-rawhide", Verdict::True, Verdict::False),
            ("arch ~ x86", Verdict::False, Verdict::False),
        ] {
            let rule_of = Rule::parse(rule).unwrap();
            assert_eq!(rule_of.eval(&host.clone().ignoring_case(true)).unwrap(), ignoring, "{rule}");
            assert_eq!(rule_of.eval(&host).unwrap(), regarding, "{rule}");
        }
    }

    #[test]
    fn a_context_can_be_updated_and_asked() {
        let mut host = context(&[("distro", "rhel-9"), ("arch", "x86_64")]);
        host.update(&context(&[("arch", "s390x,ppc64le"), ("trigger", "commit")]));
        assert_eq!(host.dimensions().collect::<Vec<_>>(), ["distro", "arch", "trigger"]);
        assert_eq!(host.values("arch"), Some(vec!["s390x", "ppc64le"]));
        assert_eq!(host.values("none"), None);
    }
}
