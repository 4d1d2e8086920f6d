//! Jobs on a host: scripts of plans, and what sees to packages. Each has a session of its own there, and whatever it
//! leaves running keeps nobody waiting (`job.sh`).

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use atex_cli::text::tail::Tail;
use atex_connect::Stdin;
use atex_host::packages::{self, Answer, fault_in_name};

use super::setup::{Part, Stage, Task};
use super::{State, Step, Worker, quote};
use crate::environment::Variable;
use crate::needs::Needs;
use crate::plan::What;
use crate::pool::{Context, Prepared};
use crate::script;
use crate::setup_log::SetupLog;

/// What runs jobs on the host.
const JOB: &str = include_str!("../job.sh");

/// Ends a job, with all of its process group. Its number may be another process's by now.
const KILL: &str = "read -r then <\"$0/job.leader\" || exit 0; pid=${then%% *}; set -- ${then##*) }; start=${20}; \
     if read -r now <\"/proc/$pid/stat\"; then set -- ${now##*) }; [ \"${20}\" = \"$start\" ] || exit 0; fi; \
     kill -s KILL -- \"-$pid\"";

/// What is known of a job that runs.
#[derive(Debug, Default)]
pub(super) struct JobSoFar {
    /// How much it has printed, as far as it has come.
    printed: u64,
    /// The last of it.
    tail: Tail,
    /// Its answers, and how it ended.
    said: Vec<u8>,
}

/// How much of a job's answers is kept: an answer is a line a package.
const ANSWER_BYTES: usize = 4 << 20;

impl JobSoFar {
    fn printed(&mut self, bytes: &[u8]) {
        self.printed += bytes.len() as u64;
        self.tail.add(bytes);
    }

    fn said(&mut self, bytes: &[u8]) {
        let room = ANSWER_BYTES.saturating_sub(self.said.len());
        self.said.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    /// Its exit status, once it has ended and all that it printed until then has come.
    fn end(&self) -> Option<i64> {
        let line = self.said.strip_suffix(b"\n")?.rsplit(|byte| *byte == b'\n').next()?;
        let mut words = std::str::from_utf8(line).ok()?.strip_prefix("ended ")?.split(' ');
        let (status, size) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        (self.printed >= size).then_some(status)
    }
}

impl Worker {
    /// Begins a task that is a job. False: there is nothing to be done.
    pub(super) fn begin_job(&mut self, task: &Task, context: &Context) -> bool {
        let (setup, program, text) = match task {
            Task::Script { setup, part, step, script } => {
                let What::Shell(scripts) = &part.of(setup)[*step].what else { return false };
                (setup.id, "bash", self.plan_script(setup, &scripts[*script], context.env.variables()))
            }
            Task::Install { setup, part, step } => {
                let What::Install { packages, exclude, .. } = &part.of(setup)[*step].what else {
                    return false;
                };
                (setup.id, "sh", self.packages_script(packages, exclude))
            }
            Task::Packages { setup, needs } => {
                let unknown = self.unknown(needs);
                if unknown.is_empty() {
                    return false;
                }
                (*setup, "sh", self.packages_script(&unknown, &[]))
            }
            _ => return false,
        };
        self.log_title(&title(task));
        let dir = format!("{}/{}", self.work_dir.as_deref().unwrap_or_default(), self.dir_of(setup));
        let command = format!("exec sh -c {} sh {} {} {program}", quote(JOB), quote(&dir), text.len());
        if let State::SettingUp(work) = &mut self.state {
            work.job = JobSoFar::default();
        }
        self.errand(Step::SetUp(Stage::Job), &command, Stdin::bytes(text).keep_open(), context);
        true
    }

    /// The environment of a plan's script, and its text.
    pub(super) fn plan_script(&self, setup: &Prepared, text: &str, caller: &[Variable]) -> String {
        let home = format!("{}/{}", self.work_dir.as_deref().unwrap_or_default(), self.dir_of(setup.id));
        let plan_file = format!("{home}/environment");
        let label = self.record.as_ref().map_or(atex_model::DEFAULT_PLATFORM, |record| record.label());
        let (tree, data) = (format!("{home}/tree"), format!("{home}/plan-data"));
        let own = [
            ("TMT_PLAN_ENVIRONMENT_FILE", plan_file.as_str()),
            ("TMT_PLAN_DATA", &data),
            ("TMT_TREE", &tree),
            ("ATEX_RUN_ID", &setup.shared.run),
            ("ATEX_HOST", self.name()),
            ("ATEX_PLATFORM", label),
        ];
        let given = setup.steps.environment.iter().chain(caller);
        let given = given.map(|(name, value)| (name.as_str(), value.as_str()));
        // Whichever comes first, a script or a test, makes it.
        let mut script = format!("mkdir -p -m 1777 {};", script::quote(&data));
        for (name, value) in given.chain(own) {
            let _ = write!(script, "export {name}={};", script::quote(value));
        }
        // What earlier scripts left for the tests is there for later scripts, too.
        let _ = writeln!(script, "set -a;. {};set +a;set -e -o pipefail", script::quote(&plan_file));
        script.push_str(text);
        if !text.ends_with('\n') {
            script.push('\n');
        }
        script
    }

    fn packages_script(&self, want: &[String], exclude: &[String]) -> String {
        let asked = packages::Asked {
            install: self.may_install(),
            manager: self.given.manager.as_deref(),
            is_fresh: self.given.lists_are_fresh,
            want,
            exclude,
        };
        asked.script()
    }

    /// This machine is its user's: nothing is installed there unless that is asked for.
    pub(super) fn may_install(&self) -> bool {
        let is_here = self.record.as_ref().is_some_and(|record| record.is_this_machine());
        !is_here || self.given.shared.as_ref().is_some_and(|shared| shared.allow_install)
    }

    // ---- What comes from a job ----

    pub(super) fn job_printed(&mut self, bytes: &[u8], context: &Context) {
        if let Some(log) = &mut self.given.log {
            log.add(bytes);
        }
        if let State::SettingUp(work) = &mut self.state {
            work.job.printed(bytes);
        }
        self.job_may_have_ended(context);
    }

    pub(super) fn job_said(&mut self, bytes: &[u8], context: &Context) {
        if let State::SettingUp(work) = &mut self.state {
            work.job.said(bytes);
        }
        self.job_may_have_ended(context);
    }

    fn job_may_have_ended(&mut self, context: &Context) {
        let State::SettingUp(work) = &mut self.state else { return };
        let Some(status) = work.job.end() else { return };
        let (job, task) = (std::mem::take(&mut work.job), work.current.take());
        // What follows the job there ends as its input does.
        self.errand = None;
        if let Some(task) = task {
            self.job_ended(&task, status, &job, context);
        }
    }

    fn job_ended(&mut self, task: &Task, status: i64, job: &JobSoFar, context: &Context) {
        let failure = match task {
            _ if status != 0 => Some(failed(status, job)),
            Task::Install { setup, part, step } => {
                self.hear(&job.said);
                let What::Install { packages, needed, .. } = &part.of(setup)[*step].what else { return };
                let lacking = self.lacking_of(packages.iter());
                if *needed { lacking } else { self.do_without(lacking) }
            }
            Task::Packages { needs, .. } => {
                self.hear(&job.said);
                let unheard = self.unknown(needs);
                if let Some(lacking) = self.lacking_of(needs.require.iter()).filter(|_| self.given.keep) {
                    log::warn!("{}: {lacking}", self.name());
                }
                let lacking = self.lacking_of(needs.recommend.difference(&needs.require));
                self.do_without(lacking);
                (!unheard.is_empty()).then(|| format!("nothing was heard of {}", unheard.join(", ")))
            }
            _ => None,
        };
        let Some(failure) = failure else { return self.next_task(context) };
        let message = format!("{}: {}: {failure}", self.name(), title(task));
        if matches!(task, Task::Script { part: Part::Finish, .. }) {
            log::warn!("{message}");
            self.next_task(context);
        } else {
            self.set_up_fails(message, context);
        }
    }

    /// Kills the job that runs, and tells when that has been done.
    pub(super) fn kill_job(&mut self, context: &Context) {
        let State::SettingUp(work) = &mut self.state else { return };
        // The time of the set-up may be over.
        work.until = Instant::now() + context.waits.host;
        let setup = match &work.current {
            Some(Task::Script { setup, .. } | Task::Install { setup, .. }) => setup.id,
            Some(Task::Packages { setup, .. }) => *setup,
            _ => return,
        };
        let dir = format!("{}/{}", self.work_dir.as_deref().unwrap_or_default(), self.dir_of(setup));
        let command = format!("exec sh -c {} {}", quote(KILL), quote(&dir));
        self.errand(Step::SetUp(Stage::Kill), &command, Stdin::empty(), context);
    }

    fn log_title(&mut self, title: &str) {
        let Some(shared) = self.given.shared.as_ref().map(Arc::clone) else { return };
        if self.given.log.is_none() {
            self.given.log = Some(SetupLog::open(&shared.logs, self.name()));
        }
        if let Some(log) = &mut self.given.log {
            log.title(title);
        }
    }

    // ---- Packages ----

    /// Those of which it is not known whether they are there or can be had.
    pub(super) fn unknown(&self, needs: &Needs) -> Vec<String> {
        let is_unknown = |name: &&String| {
            fault_in_name(name).is_none()
                && !self.given.has.contains(*name)
                && !self.given.lacks.contains_key(*name)
        };
        let mut names: Vec<String> = needs.require.iter().filter(is_unknown).cloned().collect();
        names.extend(needs.recommend.difference(&needs.require).filter(is_unknown).cloned());
        names
    }

    /// What a test cannot have that it requires, as text.
    pub(super) fn lacking(&self, needs: &Needs) -> Option<String> {
        let lacking = self.lacking_of(needs.require.iter())?;
        let hint = if self.may_install() {
            ""
        } else {
            "; on this machine they are installed with --allow-install only"
        };
        Some(format!("{}: {lacking}{hint}", self.name()))
    }

    fn lacking_of<'a>(&self, names: impl Iterator<Item = &'a String>) -> Option<String> {
        let why = |name: &String| {
            let fault = fault_in_name(name).or_else(|| self.given.lacks.get(name).map(String::as_str))?;
            Some(format!("package `{}` cannot be had: {fault}", name.escape_debug()))
        };
        let all: Vec<String> = names.filter_map(why).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn do_without(&self, lacking: Option<String>) -> Option<String> {
        if let Some(lacking) = lacking {
            log::info!("{}: done without: {lacking}", self.name());
        }
        None
    }

    /// Takes in what was said about packages.
    pub(super) fn hear(&mut self, said: &[u8]) {
        for answer in packages::answers(&String::from_utf8_lossy(said)) {
            match answer {
                Answer::Manager(name) => self.given.manager = Some(name.to_owned()),
                Answer::Refreshed => self.given.lists_are_fresh = true,
                Answer::Has(name) => {
                    self.given.lacks.remove(name);
                    self.given.has.insert(name.to_owned());
                }
                Answer::Lacks(name, why) => {
                    self.given.lacks.insert(name.to_owned(), why);
                }
                Answer::Note(text) => log::warn!("{}: {}", self.name(), text.escape_debug()),
            }
        }
    }
}

/// What a task is called.
fn title(task: &Task) -> String {
    match task {
        Task::Script { setup, part, step, .. } | Task::Install { setup, part, step } => {
            part.of(setup)[*step].shown(&setup.steps.plan)
        }
        _ => "packages of tests".into(),
    }
}

fn failed(status: i64, job: &JobSoFar) -> String {
    let words = job.tail.words();
    // As shells count.
    let how = match status {
        129..=192 => format!("killed by signal {}", status - 128),
        _ => format!("failed with exit status {status}"),
    };
    if words.is_empty() { how } else { format!("{how}: {words}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_ended_when_all_that_it_printed_has_come() {
        let mut job = JobSoFar::default();
        job.said(b"has x\nended 3");
        job.printed(b"abc");
        assert_eq!(job.end(), None);
        job.said(b" 4\n");
        assert_eq!(job.end(), None);
        job.printed(b"d");
        assert_eq!(job.end(), Some(3));
    }

    #[test]
    fn a_failure_says_how_and_what_was_printed_last() {
        let mut job = JobSoFar::default();
        job.printed(b"no such thing\n");
        assert_eq!(failed(1, &job), "failed with exit status 1: no such thing");
        assert_eq!(failed(137, &JobSoFar::default()), "killed by signal 9");
    }
}
