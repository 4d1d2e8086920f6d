//! The part of a host's work that makes it ready for tests.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use atex_connect::{ConnectError, Exit, Stdin};
use atex_schedule::SetupId;

use super::{Errand, State, Step, Worker, quote, shown};
use crate::attempt::Job;
use crate::pool::{Context, News, Prepared};

/// What works on the host.
const AGENT: &str = include_str!("../agent.sh");

/// A set-up that is going on.
pub(super) struct SettingUp {
    pub setup: Arc<Prepared>,
    pub until: Instant,
}

/// What set-ups have brought to the host.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Whose files have been sent.
    files: BTreeSet<SetupId>,
}

impl Given {
    /// Takes it that a host which ran a test of this set-up has been given its files.
    pub fn adopt(&mut self, setup: SetupId) {
        self.files.insert(setup);
    }
}

/// A command that is part of a set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Hello,
    Has,
    Give,
}

impl Stage {
    /// Whether it may take all the time that the set-up has.
    pub fn takes_its_time(self) -> bool {
        self != Stage::Hello
    }
}

impl Worker {
    /// Starts what makes the host ready for the tests of a set-up; `clean`: nothing that was done there counts.
    pub(super) fn begin_set_up(&mut self, setup: Arc<Prepared>, clean: bool, context: &Context) {
        let until = Instant::now() + context.waits.setup;
        self.state = State::SettingUp(Box::new(SettingUp { setup, until }));
        if clean || self.work_dir.is_none() {
            self.hello(context);
        } else {
            self.give(context);
        }
    }

    /// A command that is part of a set-up has ended.
    pub(super) fn stage_ended(
        &mut self,
        stage: Stage,
        errand: &Errand,
        end: Result<Exit, ConnectError>,
        context: &Context,
    ) {
        match end {
            Ok(Exit::Code(0)) => self.set_up_goes_on(stage, errand, context),
            Ok(Exit::Code(1)) if stage == Stage::Has => self.send_files(context),
            Ok(_) => self.set_up_ends(Err(self.complaint(&errand.err)), context),
            Err(error) => self.set_up_ends(Err(error.to_string()), context),
        }
    }

    /// The time of a set-up is over.
    pub(super) fn set_up_takes_too_long(&mut self, context: &Context) {
        let message = format!("{}: not set up within {}", self.name(), shown(context.waits.setup));
        self.set_up_ends(Err(message), context);
    }

    /// The host did not do what it was told.
    pub(super) fn set_up_fails(&mut self, message: String, context: &Context) {
        self.set_up_ends(Err(message), context);
    }

    /// The run is being stopped.
    pub(super) fn cancel_set_up(&mut self, context: &Context) {
        let message = format!("{}: its set-up was cancelled", self.name());
        self.set_up_ends(Err(message), context);
    }

    /// Gives the host what this test needs beside what all tests of its set-up do, and starts the test.
    pub(super) fn make_ready(&mut self, setup: SetupId, job: Box<Job>, context: &Context) {
        self.start(setup, job, context);
    }

    /// Undoes what set-ups have done, as far as that is asked for, and leaves.
    pub(super) fn take_leave(&mut self, context: &Context) {
        self.leave(context);
    }

    /// Brings the agent, which ends what still runs there and says what the host has.
    fn hello(&mut self, context: &Context) {
        let State::SettingUp(work) = &self.state else { return };
        let setup = &work.setup;
        // Without files to send there is nothing more to be done.
        let bare = if setup.upload.is_none() { self.dir_of(setup.id) } else { String::new() };
        let dirs: Vec<String> = self.dirs.iter().map(|dir| quote(dir)).collect();
        let dirs = dirs.join(" ");
        // A directory of this name that is somebody else's is not used.
        let command = format!(
            "umask 022; for d in {dirs}; do \
             if {{ mkdir \"$d\" || [ -O \"$d\" ]; }} && : >\"$d/agent\"; then \
             cat >\"$d/agent\" && exec sh \"$d/agent\" hello {bare}; exit 125; fi; done 2>/dev/null; \
             echo \"cannot make a directory for the run, tried:\" {dirs} >&2; exit 125"
        );
        self.errand(Step::SetUp(Stage::Hello), &command, Stdin::bytes(AGENT), context);
    }

    fn set_up_goes_on(&mut self, stage: Stage, errand: &Errand, context: &Context) {
        if stage != Stage::Hello {
            return self.set_up_ends(Ok(()), context);
        }
        let answer = String::from_utf8_lossy(&errand.out).into_owned();
        let said = |key: &str| answer.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        // First of all, so that it is cleaned up whatever comes next.
        self.work_dir = Some(said("dir=").to_owned()).filter(|dir| !dir.is_empty());
        said("boot=").clone_into(&mut self.boot);
        let missing: Vec<&str> = said("missing=").split_whitespace().collect();
        if self.work_dir.is_none() {
            self.set_up_ends(Err(self.complaint(&errand.err)), context);
        } else if !missing.is_empty() {
            let missing = missing.join(", ");
            let message = format!("{}: {missing}: not found there; tests cannot run without it", self.name());
            self.set_up_ends(Err(message), context);
        } else if matches!(&self.state, State::SettingUp(work) if work.setup.upload.is_none()) {
            self.set_up_ends(Ok(()), context);
        } else {
            self.give(context);
        }
    }

    /// Gives the host the files of the set-up, from itself if it has them already.
    fn give(&mut self, context: &Context) {
        let State::SettingUp(work) = &self.state else { return };
        let setup = &work.setup;
        let (id, has_files) = (setup.id, setup.upload.is_some());
        if !has_files {
            self.errand(
                Step::SetUp(Stage::Give),
                &self.agent(&format!("bare {}", self.dir_of(id))),
                Stdin::empty(),
                context,
            );
        } else if self.given.files.contains(&id) {
            self.errand(
                Step::SetUp(Stage::Has),
                &self.agent(&format!("has {}", self.dir_of(id))),
                Stdin::empty(),
                context,
            );
        } else {
            self.send_files(context);
        }
    }

    fn send_files(&mut self, context: &Context) {
        let State::SettingUp(work) = &self.state else { return };
        let setup = &work.setup;
        let (id, upload) = (setup.id, setup.upload.clone());
        let Some(upload) = upload else { return };
        let command = self.agent(&format!("take {} {}", self.dir_of(id), upload.bytes));
        self.errand(Step::SetUp(Stage::Give), &command, Stdin::file(upload.path), context);
        self.given.files.insert(id);
    }

    fn set_up_ends(&mut self, end: Result<(), String>, context: &Context) {
        if matches!(self.state, State::SettingUp(_)) {
            self.state = State::Idle;
            self.errand = None;
            if let Some(run) = self.waiting.take() {
                return self.set_up_again_ends(run, end, context);
            }
            context.tell(self.id, News::SetUp(end));
        }
    }

    /// The directory of a set-up in the run's directory on the host.
    pub(super) fn dir_of(&self, setup: SetupId) -> String {
        format!("s{}", setup.0)
    }
}
