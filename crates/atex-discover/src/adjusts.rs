//! What became of the adjust rules of a node.

use std::sync::Arc;

use atex_fmf::{Context, Mapping, NodeRef, Pos, Rule, Value, Verdict};

/// Keys of a rule that change no data.
pub(crate) const CONTROL: [&str; 3] = ["when", "because", "continue"];

/// A rule, and what became of it.
pub(crate) struct Adjust {
    pub rule: Arc<Mapping>,
    pub fate: Fate,
}

/// What became of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Applied,
    False,
    Undecided,
    /// An earlier rule that applied says `continue: false`.
    NotReached,
}

impl Adjust {
    /// When the rule applies, as it is written.
    pub(crate) fn when(&self) -> String {
        match self.rule.get("when") {
            None => "always".to_owned(),
            Some(when) => when.to_text().to_string(),
        }
    }

    /// Where the rule begins.
    pub(crate) fn pos(&self) -> Pos {
        self.rule.iter_with_positions().next().map_or(Pos::NONE, |(_, _, pos)| pos)
    }

    /// Whether it applies, if that is the same in every context.
    pub(crate) fn always_applies(&self) -> Option<bool> {
        match self.rule.get("when") {
            None => Some(true),
            Some(Value::Bool(truth)) => Some(*truth),
            Some(when) => Rule::parse(&when.to_text()).ok()?.always(),
        }
    }

    /// Whether it ends the list where it applies.
    pub(crate) fn ends(&self) -> bool {
        self.rule.get("continue").and_then(Value::as_bool) == Some(false)
    }
}

/// The rules of a node in a tree that was adjusted to `context`, in order. They are as the tree's adjusting left them.
pub(crate) fn of(node: NodeRef<'_>, context: &Context) -> Vec<Adjust> {
    let rules = node.data().get("adjust").map(Value::to_list).unwrap_or_default();
    let mut ended = false;
    let mut adjusts = Vec::new();
    for rule in rules.iter().filter_map(Value::as_map) {
        let fate = if ended { Fate::NotReached } else { decide(&rule, context) };
        let adjust = Adjust { rule, fate };
        ended |= adjust.fate == Fate::Applied && adjust.ends();
        adjusts.push(adjust);
    }
    adjusts
}

fn decide(rule: &Mapping, context: &Context) -> Fate {
    let verdict = match rule.get("when") {
        None => Verdict::True,
        Some(Value::Bool(truth)) => (*truth).into(),
        // The tree would not have been loaded with a rule that cannot be decided at all.
        Some(when) => {
            Rule::parse(&when.to_text()).and_then(|rule| rule.eval(context)).unwrap_or(Verdict::Undecided)
        }
    };
    match verdict {
        Verdict::True => Fate::Applied,
        Verdict::False => Fate::False,
        Verdict::Undecided => Fate::Undecided,
    }
}
