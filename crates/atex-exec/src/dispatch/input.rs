//! Tests and hosts as they are taken in.

use std::sync::Arc;

use atex_cli::{Exit, Failure, input::reason, now};
use atex_model::{Connect, Host, Test};
use atex_schedule::{Event, HostId, SetupId, Tried};
use serde_json::Value;

use super::resume::{KnownHost, LACKS_HOSTS};
use super::{Dispatcher, hosts::HostEntry};
use crate::adoption::Adoption;
use crate::catalog::Identity;
use crate::hosts_file::From;
use crate::intake::Item;
use crate::journal::{INPUT_ENDED, InputEnded};
use crate::needs::Needs;
use crate::plan::Steps;
use crate::pool::Order;
use crate::prepare::kept_in;
use crate::run_dir::trouble;

impl Dispatcher {
    pub(super) fn item(&mut self, item: Item) {
        // A run that is being stopped takes on nothing more.
        match item {
            _ if self.stopping => {}
            Item::Test { test, line, place } => self.test(*test, line, &place),
            Item::Host { host, line, place } => match self.known(&host.id) {
                KnownHost::No => self.host(*host, From::Input, line),
                KnownHost::Before => self.before.repeated += 1,
                KnownHost::Twice => {
                    let message =
                        format!("{place}: host {}: there is one of this id already", host.id.escape_debug());
                    self.refuse(&Failure::usage(message));
                }
            },
            Item::Other { line, incomplete } => {
                if let Some(tool) = incomplete {
                    log::warn!("{tool} says that its output is incomplete");
                    self.exit = self.exit.max(Exit::Trouble);
                }
                self.before.input_heard = true;
                if !self.before.lines.take(&line) {
                    self.pass_on(&line);
                }
            }
            Item::Failed(failure) => self.refuse(&failure),
            Item::Stop => self.stop("by its caller"),
            Item::Ended => {
                self.open_sources -= 1;
                if self.open_sources == 0 {
                    self.input_ended();
                }
            }
        }
    }

    pub(super) fn test(&mut self, mut test: Test, mut line: String, place: &str) {
        self.before.input_heard = true;
        match self.identities.add(&test, self.config.duplicates) {
            Identity::New => {}
            Identity::Repeated => {
                self.before.repeated += 1;
                return;
            }
            Identity::Renamed(name) => {
                test.name = name;
                line = serde_json::to_string(&test).expect("a record has only text keys");
            }
            Identity::Known => {
                let message =
                    format!("{place}: test {}: there is one of this name already", test.name.escape_debug());
                let hint = "--duplicates number runs it under another name";
                return self.refuse(&Failure::usage(message).hint(hint));
            }
        }
        self.say_what_is_ignored(&test);
        let wish = match self.wishes.of(&test, &self.config.history) {
            Ok(wish) => wish,
            Err(problem) => {
                let message = format!("{place}: test {}: {problem}", test.name.escape_debug());
                return self.refuse(&Failure::usage(message));
            }
        };
        let (setup, is_new) = self.setups.id(&test);
        if is_new && let Err(failure) = self.new_setup(setup, &test, place) {
            return self.refuse(&failure);
        }
        self.setups.need(setup, Needs::of(&test));
        let id = match self.tests.push(&line) {
            Ok(id) => id,
            Err(e) => return self.cannot_store(&trouble(&self.dir.tests(), &e)),
        };
        self.progress.taken_in(&test);
        self.arrive(id, &test, wish, Tried::default());
    }

    /// Takes in the tree and the plan that a test is the first to have.
    fn new_setup(&mut self, setup: SetupId, test: &Test, place: &str) -> Result<(), Failure> {
        let steps = Steps::read(test.plan.as_ref()).map_err(|problem| {
            Failure::usage(format!("{place}: test {}: {problem}", test.name.escape_debug()))
        })?;
        for what in &steps.ignored {
            log::warn!("plan {}: {what} is not carried out by this version", steps.plan.escape_debug());
        }
        self.packer
            .add(self.setups.tree(setup), steps)
            .map_err(|e| Failure::trouble(format!("cannot start a thread: {}", reason(&e))))
    }

    /// Says, once a run, which keys of its tests mean nothing here.
    fn say_what_is_ignored(&mut self, test: &Test) {
        let name = test.name.escape_debug();
        let format = test.data.get("extra-result");
        let what = "data.extra-result: expected `tap`, so its output is not read as results";
        if is_set(format) && format.is_some_and(|format| format != "tap") && self.said.insert(what) {
            log::warn!("test {name}: {what}; said once");
        }
        // These would change what a test says of itself, or add to it: it is not for an executor to do so.
        for (key, what) in [
            ("result", "data.result: what a test reports is never altered"),
            ("check", "data.check: nothing is checked beside what a test reports"),
            ("restart-on-exit-code", "data.restart-*: a run's options say what is tried again"),
            ("restart-max-count", "data.restart-*: a run's options say what is tried again"),
            ("restart-with-reboot", "data.restart-*: a run's options say what is tried again"),
        ] {
            if is_set(test.data.get(key)) && self.said.insert(what) {
                log::info!("test {name}: {what}; ignored on purpose, said once");
            }
        }
    }

    pub(super) fn host(&mut self, host: Host, from: From, line: String) {
        if let Err(e) = self.hosts_file.push(from, self.before.lives + 1, &line) {
            return self.cannot_store(&trouble(&self.dir.hosts_file(), &e));
        }
        let id = self.enter(HostEntry::new(host, (from == From::Input).then_some(line)));
        self.join(id, None);
    }

    /// Enters a host under a number. One that was handed on and has come again keeps the number that it had.
    pub(super) fn enter(&mut self, entry: HostEntry) -> HostId {
        let (at, _) = self.hosts.insert_full(entry.record.id.clone(), entry);
        HostId(u32::try_from(at).expect("each host takes a record, and memory"))
    }

    /// Has a host connected to. It is expected from now on, unless it runs something already.
    pub(super) fn join(&mut self, id: HostId, adopt: Option<Box<Adoption>>) {
        self.used_hosts += 1;
        let entry = self.entry(id);
        let (record, again, expected) = (Arc::clone(&entry.record), entry.again, entry.running.is_none());
        let kept = entry.line.as_deref().and_then(kept_in);
        let keep = kept.is_some();
        let is = self.traits(id);
        let dirs = kept.map_or_else(|| self.work_dirs(id, &record.connect), |dir| vec![dir]);
        let ask = adopt.is_none() && self.await_facts(id);
        self.pool.order(id, Order::Join { record, dirs, keep, again, ask, adopt });
        if expected {
            self.apply(Event::HostExpected { host: id, is });
        }
    }

    /// Where the run's directory on the host may be made, best first.
    pub(super) fn work_dirs(&self, id: HostId, connect: &Connect) -> Vec<String> {
        // Hosts may share a file system, so that each needs a directory of its own.
        let name = format!("atex-{}-{}", self.dir.id, id.0);
        match (connect, &self.config.work_dir) {
            (Connect::Local, _) => {
                vec![self.dir.hosts().join(id.0.to_string()).to_string_lossy().into_owned()]
            }
            (_, Some(dir)) => vec![format!("{}/{name}", dir.trim_end_matches('/'))],
            (_, None) => vec![format!("/var/{name}"), format!("/tmp/{name}")],
        }
    }

    pub(super) fn input_ended(&mut self) {
        self.say_repeated();
        if self.is_input_cut() {
            self.say_input_cut();
        } else if !self.tests.has_ended() {
            match self.tests.finish() {
                Ok(()) => self.record(&InputEnded { kind: INPUT_ENDED, time: now() }),
                Err(e) => self.cannot_store(&trouble(&self.dir.tests(), &e)),
            }
        }
        if self.lacks_hosts() {
            // Tests are not settled for that: the hosts can still be given.
            self.say_lacks_hosts();
            return self.stop(LACKS_HOSTS);
        }
        if self.hosts.is_empty() && self.givers.is_empty() && self.tests.len() > 0 {
            let hint = "add --local N, --provision CMD, --hosts FILE, or host records to the input";
            self.complain(&Failure::usage("there is no host to run tests on").hint(hint));
        }
        self.progress.input_ended();
        self.resolve_without_label();
        self.say_input_ended();
    }

    /// The input is wrong: take nothing more from it and end in good order.
    pub(super) fn refuse(&mut self, failure: &Failure) {
        self.complain(failure);
        self.stop(&failure.message);
    }
}

/// Whether a key of the metadata asks for anything.
fn is_set(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    }
}
