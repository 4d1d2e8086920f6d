//! What decides where tests can run, and would rather run.

use indexmap::IndexSet;

use crate::{ExpressionId, MarkId, Millis, PlatformId, ProvisionerId, SetupId, TestTraits, Verdict};

/// A lease must last so much longer than the test that is to run.
pub const MARGIN: Millis = 5 * 60 * 1000;

/// What tests ask of their host. With it, hosts can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Need {
    pub platform: Option<PlatformId>,
    pub expression: Option<ExpressionId>,
    pub is_destructive: bool,
}

/// The number of a [`Need`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NeedId(pub u32);

/// Tests between which nothing but their keys decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Class {
    pub need: NeedId,
    pub setup: SetupId,
    /// In order, without repetition.
    pub prefers: Vec<MarkId>,
    /// How long they may take, if it is not known how long they will.
    pub limit: Option<Millis>,
}

/// The number of a [`Class`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClassId(pub u32);

/// What hosts have in common for whom the same needs fit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    pub platform: PlatformId,
    pub is_spared: bool,
    pub provisioner: Option<ProvisionerId>,
    /// Without those at the end that are undecided.
    pub verdicts: Vec<Verdict>,
}

impl Need {
    pub fn of(test: &TestTraits) -> Need {
        Need { platform: test.platform, expression: test.expression, is_destructive: test.is_destructive }
    }

    /// Whether a host of this kind will do.
    pub fn fits(self, kind: &Kind) -> bool {
        self.judge(kind) == Verdict::Yes
    }

    pub fn judge(self, kind: &Kind) -> Verdict {
        if self.platform.is_some_and(|platform| platform != kind.platform)
            || self.is_destructive && kind.is_spared
        {
            return Verdict::No;
        }
        self.expression.map_or(Verdict::Yes, |expression| verdict(&kind.verdicts, expression))
    }
}

/// What a list of verdicts says of an expression.
pub(crate) fn verdict(verdicts: &[Verdict], expression: ExpressionId) -> Verdict {
    verdicts.get(expression.0 as usize).copied().unwrap_or(Verdict::Undecided)
}

/// Enters what an expression says; what is not there is undecided.
pub(crate) fn set_verdict(verdicts: &mut Vec<Verdict>, expression: ExpressionId, is: Verdict) {
    let at = expression.0 as usize;
    if verdicts.len() <= at {
        verdicts.resize(at + 1, Verdict::Undecided);
    }
    verdicts[at] = is;
    trim(verdicts);
}

pub(crate) fn trim(verdicts: &mut Vec<Verdict>) {
    while verdicts.last() == Some(&Verdict::Undecided) {
        verdicts.pop();
    }
}

/// Sets of numbers, each kept once. The first one is empty.
#[derive(Debug)]
pub(crate) struct Sets<T>(IndexSet<Vec<T>>);

/// The number of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SetId(u32);

impl SetId {
    pub const EMPTY: SetId = SetId(0);
}

impl<T> Default for Sets<T>
where
    T: Ord + Copy + std::hash::Hash,
{
    fn default() -> Sets<T> {
        Sets(IndexSet::from([Vec::new()]))
    }
}

impl<T> Sets<T>
where
    T: Ord + Copy + std::hash::Hash,
{
    pub fn of(&mut self, mut members: Vec<T>) -> SetId {
        members.sort_unstable();
        members.dedup();
        let (at, _) = self.0.insert_full(members);
        SetId(u32::try_from(at).expect("each set takes an event, and memory"))
    }

    pub fn members(&self, set: SetId) -> &[T] {
        self.0.get_index(set.0 as usize).map_or(&[], Vec::as_slice)
    }

    pub fn has(&self, set: SetId, member: T) -> bool {
        self.members(set).binary_search(&member).is_ok()
    }

    /// The set with one more, or one less.
    pub fn changed(&mut self, set: SetId, member: T, is_in: bool) -> SetId {
        if self.has(set, member) == is_in {
            return set;
        }
        let mut members = self.members(set).to_vec();
        if is_in {
            members.push(member);
        } else {
            members.retain(|m| *m != member);
        }
        self.of(members)
    }
}
