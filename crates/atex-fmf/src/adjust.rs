//! Adjusting a node's data by its own rules, for a context.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::context::{Context, Rule, Verdict};
use crate::error::{ErrorClass, Fault, Pos};
use crate::mapping::{Key, Mapping};
use crate::merge::{Known, Merger, Operation};
use crate::pyre::Patterns;
use crate::pytext;
use crate::share::{self, Freezer};
use crate::value::{Text, Value};

/// Keys of a rule that are no data.
const CONTROL: [&str; 3] = ["when", "because", "continue"];

type Result<T> = std::result::Result<T, Fault>;

/// Adjusts nodes for one context. Rules are parsed and decided once, however many nodes inherit them.
pub struct Adjuster<'a> {
    context: &'a Context,
    patterns: &'a mut Patterns,
    verdicts: HashMap<Text, Verdict>,
    /// Whether values of this tree may be shared between nodes; then all are made plain at the end, not here.
    shares: bool,
    /// Lists of rules of which none applied, the last ones met: neighbours mostly inherit the same list.
    without_effect: VecDeque<Value>,
    known: Known,
}

/// How many of those are kept. One would do, if it were not for nodes in between that add rules of their own.
const KEPT: usize = 4;

impl<'a> Adjuster<'a> {
    pub fn new(context: &'a Context, patterns: &'a mut Patterns, shares: bool) -> Self {
        Self {
            context,
            patterns,
            verdicts: HashMap::new(),
            shares,
            without_effect: VecDeque::new(),
            known: Known::default(),
        }
    }

    /// Applies the rules in a node's data to that data.
    pub fn adjust(&mut self, node: &str, data: &mut Arc<Mapping>) -> Result<()> {
        let Some(adjust) = data.get("adjust") else { return Ok(()) };
        if self.without_effect.iter().any(|known| is_same(known, adjust)) {
            return Ok(());
        }
        let pos = data.position("adjust");
        let mut rules = rules_of(node, adjust).map_err(|fault| fault.or_at(pos))?;
        let mut identity = self.need_identity(&rules);
        if identity {
            let data = Arc::make_mut(data);
            if let Some(adjust) = data.get_mut("adjust") {
                share::share(adjust);
                rules = rules_of(node, adjust)?;
            }
        }
        let applied = self.apply_all(node, data, &rules, pos, &mut identity)?;
        if identity && !self.shares {
            Freezer::default().mapping(data)?;
        }
        if !applied && !identity && !self.shares {
            if self.without_effect.len() == KEPT {
                self.without_effect.pop_front();
            }
            self.without_effect.extend(data.get("adjust").cloned());
        }
        Ok(())
    }

    /// Applies further rules to a node's data, which stand behind its own; what ended those does not end these.
    pub fn adjust_by(&mut self, node: &str, data: &mut Arc<Mapping>, rules: &[Value]) -> Result<()> {
        let mut rules = rules.to_vec();
        let mut identity = self.need_identity(&rules);
        if identity {
            rules.iter_mut().for_each(|rule| {
                share::share(rule);
            });
        }
        self.apply_all(node, data, &rules, Pos::NONE, &mut identity)?;
        if identity { Freezer::default().mapping(data) } else { Ok(()) }
    }

    fn apply_all(
        &mut self,
        node: &str,
        data: &mut Arc<Mapping>,
        rules: &[Value],
        pos: Pos,
        shares: &mut bool,
    ) -> Result<bool> {
        let mut applied = false;
        for rule in rules {
            let Some(rule) = rule.as_map() else {
                return Err(Fault::new(ErrorClass::Format, "Adjust rule should be a dictionary.").or_at(pos));
            };
            let goes_on = goes_on(&rule)?;
            if self.decide(&rule)? != Verdict::True {
                continue;
            }
            let mut merger = Merger { node, patterns: self.patterns, shares, known: Some(&mut self.known) };
            applied = true;
            apply(&mut merger, Mapping::make_mut(data), &rule)?;
            if !goes_on {
                break;
            }
        }
        Ok(applied)
    }

    fn decide(&mut self, rule: &Mapping) -> Result<Verdict> {
        let pos = rule.position("when");
        match rule.get("when") {
            None => Ok(Verdict::True),
            Some(Value::Bool(truth)) => Ok((*truth).into()),
            Some(Value::Text(when)) => self.verdict(when).map_err(|fault| fault.or_at(pos)),
            Some(other) => {
                let message = format!("'when' must be text or a boolean, found {}", other.type_name());
                Err(Fault::new(ErrorClass::Type, message).or_at(pos))
            }
        }
    }

    fn verdict(&mut self, when: &Text) -> Result<Verdict> {
        if let Some(verdict) = self.verdicts.get(when) {
            return Ok(*verdict);
        }
        let verdict = Rule::parse(when)
            .and_then(|rule| rule.eval(self.context))
            .map_err(|error| Fault::new(error.class(), error.message()))?;
        self.verdicts.insert(when.clone(), verdict);
        Ok(verdict)
    }

    /// Whether a mapping that one rule puts into the data could be changed by a later one. The reference stores the
    /// very object, so that the change would show in the first rule too; such rules are given an identity.
    fn need_identity(&mut self, rules: &[Value]) -> bool {
        let mut stored: Vec<Text> = vec!["adjust".into()];
        for rule in rules {
            let Some(rule) = rule.as_map() else { continue };
            let (changes, stores) = mappings_touched(&rule, &stored);
            // Most rules touch none, and need not be decided here.
            if !changes && stores.is_empty() {
                continue;
            }
            if self.decide(&rule).is_ok_and(|verdict| verdict != Verdict::True) {
                continue;
            }
            if changes {
                return true;
            }
            stored.extend(stores);
        }
        false
    }
}

/// Whether a rule could change a mapping that is stored under one of these keys or that it stores itself, and under
/// which keys it stores mappings.
fn mappings_touched(rule: &Mapping, stored: &[Text]) -> (bool, Vec<Text>) {
    let mut stores: Vec<Text> = Vec::new();
    for (key, value) in rule.iter() {
        let Some(key) = key.as_str().filter(|key| !CONTROL.contains(key)) else { continue };
        let (operation, base) = Operation::split(key);
        let known = || stored.iter().chain(&stores).any(|known| **known == *base);
        if may_change_mapping(operation, value) && known() || changes_inside(value) {
            return (true, stores);
        }
        let can_store = matches!(operation, Operation::Replace | Operation::Append | Operation::Prepend);
        if can_store && share::holds_mapping(value) {
            stores.push(base.into());
        }
    }
    (false, stores)
}

fn apply(merger: &mut Merger<'_>, data: &mut Mapping, rule: &Mapping) -> Result<()> {
    for (key, value, pos) in rule.iter_with_positions() {
        if !key.as_str().is_some_and(|key| CONTROL.contains(&key)) {
            merger.entry(data, key, value, pos).map_err(|fault| fault.or_at(pos))?;
        }
    }
    Ok(())
}

fn may_change_mapping(operation: Operation, value: &Value) -> bool {
    match operation {
        Operation::Append | Operation::Prepend => value.is_map(),
        Operation::Remove => value.as_list().is_some(),
        Operation::RemovePattern => true,
        Operation::Replace | Operation::Substitute => false,
    }
}

/// Whether merging a value could store a mapping and change it at once.
fn changes_inside(value: &Value) -> bool {
    let entry = |(key, value): (&Key, &Value)| {
        let operation = key.as_str().map_or(Operation::Replace, |key| Operation::split(key).0);
        may_change_mapping(operation, value) || changes_inside(value)
    };
    match value {
        Value::Map(mapping) => mapping.iter().any(entry),
        Value::List(items) => items.iter().any(changes_inside),
        _ => false,
    }
}

/// Whether two lists of rules are one and the same.
fn is_same(left: &Value, right: &Value) -> bool {
    matches!((left, right), (Value::List(left), Value::List(right)) if Arc::ptr_eq(left, right))
}

fn rules_of(node: &str, adjust: &Value) -> Result<Arc<[Value]>> {
    match adjust {
        Value::List(rules) => Ok(rules.clone()),
        rule if rule.is_map() => Ok([rule.clone()].into()),
        other => {
            let message = format!(
                "Invalid adjust rule format in '{node}'. Should be a dictionary or a list of dictionaries, got '{}'.",
                other.type_name()
            );
            Err(Fault::new(ErrorClass::Format, message))
        }
    }
}

/// Whether rules after this one are looked at, should this one apply.
fn goes_on(rule: &Mapping) -> Result<bool> {
    match rule.get("continue") {
        None => Ok(true),
        Some(Value::Bool(goes_on)) => Ok(*goes_on),
        Some(other) => {
            let message = format!("The 'continue' value should be bool, got '{}'.", pytext::text(other));
            Err(Fault::new(ErrorClass::Format, message).or_at(rule.position("continue")))
        }
    }
}
