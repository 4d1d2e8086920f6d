//! The part of a host's work that makes it ready for tests.

use atex_connect::{ConnectError, Exit, Stdin};
use atex_schedule::SetupId;

use super::{Errand, State, Step, Worker, quote};
use crate::pool::{Context, News};

/// What works on the host.
const AGENT: &str = include_str!("../agent.sh");

impl Worker {
    /// Starts what makes the host ready for the tests of a set-up; `clean`: nothing that was done there counts.
    pub(super) fn begin_set_up(&mut self, clean: bool, context: &Context) {
        if clean || self.work_dir.is_none() {
            self.hello(context);
        } else {
            self.give(context);
        }
    }

    /// A command that is part of a set-up has ended.
    pub(super) fn set_up_errand_ended(
        &mut self,
        errand: &Errand,
        end: Result<Exit, ConnectError>,
        context: &Context,
    ) {
        match end {
            Ok(Exit::Code(0)) => self.set_up_goes_on(errand, context),
            Ok(Exit::Code(1)) if errand.what == Step::Has => self.send_files(context),
            Ok(_) => self.set_up_ends(Err(self.complaint(&errand.err)), context),
            Err(error) => self.set_up_ends(Err(error.to_string()), context),
        }
    }

    /// Brings the agent, which ends what still runs there and says what the host has.
    fn hello(&mut self, context: &Context) {
        let State::SettingUp { setup, .. } = &self.state else { return };
        // Without files to send there is nothing more to be done.
        let bare = if setup.upload.is_none() { dir_of(setup.id) } else { String::new() };
        let dirs: Vec<String> = self.dirs.iter().map(|dir| quote(dir)).collect();
        let dirs = dirs.join(" ");
        // A directory of this name that is somebody else's is not used.
        let command = format!(
            "umask 022; for d in {dirs}; do \
             if {{ mkdir \"$d\" || [ -O \"$d\" ]; }} && : >\"$d/agent\"; then \
             cat >\"$d/agent\" && exec sh \"$d/agent\" hello {bare}; exit 125; fi; done 2>/dev/null; \
             echo \"cannot make a directory for the run, tried:\" {dirs} >&2; exit 125"
        );
        self.errand(Step::Hello, &command, Stdin::bytes(AGENT), context);
    }

    fn set_up_goes_on(&mut self, errand: &Errand, context: &Context) {
        if errand.what != Step::Hello {
            return self.set_up_ends(Ok(()), context);
        }
        let answer = String::from_utf8_lossy(&errand.out).into_owned();
        let said = |key: &str| answer.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        // First of all, so that it is cleaned up whatever comes next.
        self.work_dir = Some(said("dir=").to_owned()).filter(|dir| !dir.is_empty());
        let missing: Vec<&str> = said("missing=").split_whitespace().collect();
        if self.work_dir.is_none() {
            self.set_up_ends(Err(self.complaint(&errand.err)), context);
        } else if !missing.is_empty() {
            let missing = missing.join(", ");
            let message = format!("{}: {missing}: not found there; tests cannot run without it", self.name());
            self.set_up_ends(Err(message), context);
        } else if matches!(&self.state, State::SettingUp { setup, .. } if setup.upload.is_none()) {
            self.set_up_ends(Ok(()), context);
        } else {
            self.give(context);
        }
    }

    /// Gives the host the files of the set-up, from itself if it has them already.
    fn give(&mut self, context: &Context) {
        let State::SettingUp { setup, .. } = &self.state else { return };
        let (id, has_files) = (setup.id, setup.upload.is_some());
        if !has_files {
            self.errand(Step::Give, &self.agent(&format!("bare {}", dir_of(id))), Stdin::empty(), context);
        } else if self.sent.contains(&id) {
            self.errand(Step::Has, &self.agent(&format!("has {}", dir_of(id))), Stdin::empty(), context);
        } else {
            self.send_files(context);
        }
    }

    fn send_files(&mut self, context: &Context) {
        let State::SettingUp { setup, .. } = &self.state else { return };
        let (id, upload) = (setup.id, setup.upload.clone());
        let Some(upload) = upload else { return };
        let command = self.agent(&format!("take {} {}", dir_of(id), upload.bytes));
        self.errand(Step::Give, &command, Stdin::file(upload.path), context);
        self.sent.insert(id);
    }

    pub(super) fn set_up_ends(&mut self, end: Result<(), String>, context: &Context) {
        if matches!(self.state, State::SettingUp { .. }) {
            self.state = State::Idle;
            self.errand = None;
            context.tell(self.id, News::SetUp(end));
        }
    }
}

/// The directory of a set-up in the run's directory on the host.
pub(super) fn dir_of(setup: SetupId) -> String {
    format!("s{}", setup.0)
}
