//! What the scheduler is told of tests and hosts when they come.

use std::sync::Arc;

use atex_model::Test;
use atex_model::report::Outcome;
use atex_schedule::{Event, ExpressionId, HostId, HostTraits, NameId, TestId, Tried, Verdict};

use super::{Dispatcher, attempts::outcome_of};
use crate::catalog::identity;
use crate::wishes::Wish;

impl Dispatcher {
    /// Tells of a test and of what it asks for.
    pub(super) fn arrive(&mut self, id: TestId, test: &Test, wish: Wish, tried: Tried) {
        if let Some(expression) = wish.new_expression {
            self.judge_hosts(expression);
        }
        for after in &wish.is.after {
            self.resolve(after.name, test.platform.as_deref());
        }
        let mut is = Box::new(wish.is);
        is.platform = test.platform.as_deref().map(|label| self.platforms.id(label));
        is.setup = self.setups.id(test).0;
        is.tried = tried;
        self.apply(Event::TestArrived { test: id, is });
        self.identities.set_number(test, id);
        if let Some(name) = self.wishes.becomes_known(test) {
            self.apply(Event::Named { name, test: id });
        }
    }

    /// Whether an expression that is new holds on the hosts that are there.
    fn judge_hosts(&mut self, expression: ExpressionId) {
        let hosts = (0..).map(HostId).zip(self.hosts.values()).filter(|(_, entry)| !entry.gone);
        let hosts: Vec<(HostId, Verdict)> =
            hosts.map(|(id, entry)| (id, self.wishes.judge(expression, &entry.record))).collect();
        let provisioners = self.judge_provisioners(expression);
        let undecided = hosts.iter().filter(|(_, verdict)| *verdict == Verdict::Undecided);
        let undecided: Vec<HostId> = undecided.map(|(id, _)| *id).collect();
        self.apply(Event::Judged { expression, hosts, provisioners });
        undecided.into_iter().for_each(|host| self.inquire_of(host));
    }

    /// Looks among the tests that have come for the one of a name.
    fn resolve(&mut self, name: NameId, platform: Option<&str>) {
        let hash = identity(platform, self.wishes.text_of(name));
        let Some(test) = self.identities.number_of(hash) else { return };
        if self.wishes.known(name).is_none() {
            return;
        }
        if let Some(outcome) = self.before.outcome_of(test) {
            self.apply(Event::SettledBefore { test, outcome: outcome_of(outcome) });
        }
        self.apply(Event::Named { name, test });
    }

    /// Names that no test of their own label has had may be those of tests without a label.
    pub(super) fn resolve_without_label(&mut self) {
        for (name, platform, _) in self.wishes.unknown_names() {
            if platform.is_some() {
                self.resolve(name, None);
            }
        }
    }

    /// What is known of a host.
    pub(super) fn traits(&mut self, host: HostId) -> Box<HostTraits> {
        let entry = self.entry(host);
        let (record, provisioner) = (Arc::clone(&entry.record), entry.provisioner);
        let mut is = self.platforms.traits(&record);
        is.provisioner = provisioner;
        self.wishes.add_host(&record, &mut is);
        is
    }
}

/// How tests of earlier lives were settled, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Outcomes(pub Vec<Option<Outcome>>);

impl Outcomes {
    pub fn of(&self, test: TestId) -> Option<Outcome> {
        self.0.get(test.0 as usize).copied().flatten()
    }
}
