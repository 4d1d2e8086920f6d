//! The part of a host's work that makes it ready for tests: files, the plan's steps, packages; and what undoes it.
//!
//! A set-up is a list of tasks, done one after another, each by a command on the host. Scripts of plans and package
//! managers run as jobs, see `jobs`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use atex_connect::{ConnectError, Exit, Stdin};
use atex_model::report::Cause;
use atex_schedule::SetupId;

use super::jobs::JobSoFar;
use super::running::Serve;
use super::{Errand, State, Step, Worker, quote, shown};
use crate::attempt::Job;
use crate::kit::{ALWAYS, kit};
use crate::needs::Needs;
use crate::plan::{self, Applies, What};
use crate::pool::{Context, News, Prepared, Shared};
use crate::setup_log::SetupLog;
use crate::unfit;

/// A set-up that is going on.
pub(super) struct SettingUp {
    pub until: Instant,
    goal: Goal,
    pub(super) todo: VecDeque<Task>,
    /// What is being done.
    pub(super) current: Option<Task>,
    /// What is known of it, if it is a job.
    pub(super) job: JobSoFar,
    /// How it ends as soon as its job has been killed.
    end: Option<Stopped>,
}

/// What comes when all tasks are done.
pub(super) enum Goal {
    /// The host is ready.
    Ready,
    /// This test starts.
    Test(SetupId, Box<Job>),
    /// The host is left.
    Leave,
}

impl SettingUp {
    /// Whether it can be begun again when the connection was lost in its middle.
    pub fn can_be_repeated(&self) -> bool {
        matches!(self.goal, Goal::Ready) && self.end.is_none()
    }
}

/// Why a set-up does not go on.
#[derive(Debug)]
pub(super) enum Stopped {
    Failed(String),
    Cancelled,
}

/// A part of a set-up.
#[derive(Clone)]
pub(super) enum Task {
    /// Brings the agent; with a set-up, also makes its tree, which has no files.
    Hello(Option<SetupId>),
    Files(Arc<Prepared>),
    /// Asks the host what it is, if a plan wants to know.
    Facts(Arc<Prepared>),
    /// Does what a plan wants prepared.
    Prepare(Arc<Prepared>),
    /// Runs a script of a plan.
    Script {
        setup: Arc<Prepared>,
        part: Part,
        step: usize,
        script: usize,
    },
    /// Installs what a plan wants installed.
    Install {
        setup: Arc<Prepared>,
        part: Part,
        step: usize,
    },
    /// Sees to the packages of tests.
    Packages {
        setup: SetupId,
        needs: Arc<Needs>,
    },
    /// For a host that stays prepared: looks whether it is, and leaves there what has to be known later.
    Recall(Arc<Prepared>),
    KeepFinish(Arc<Prepared>),
    KeepReady(Arc<Prepared>),
    /// Does what plans of an earlier time want done at the end.
    Finish,
}

/// The part of a plan that a task belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Prepare,
    Finish,
}

impl Part {
    pub fn of(self, setup: &Prepared) -> &[plan::Step] {
        match self {
            Part::Prepare => &setup.steps.prepare,
            Part::Finish => &setup.steps.finish,
        }
    }
}

/// What set-ups have brought to the host, and what is known of it.
#[derive(Default)]
pub(super) struct Given {
    /// The host stays prepared: what it is given is there for a later run.
    pub(super) keep: bool,
    /// How set-ups are called there then.
    keys: BTreeMap<SetupId, String>,
    pub(super) shared: Option<Arc<Shared>>,
    /// Whose files have been sent.
    files: BTreeSet<SetupId>,
    /// Whose files are not there from an earlier time.
    asked: BTreeSet<SetupId>,
    /// Whose plan has been begun, and not been finished.
    plans: Vec<Arc<Prepared>>,
    /// Which boot of the host what follows is true of.
    pub(super) boot: String,
    pub(super) manager: Option<String>,
    pub(super) lists_are_fresh: bool,
    /// Packages that are there.
    pub(super) has: BTreeSet<String>,
    /// Packages that cannot be had, and why.
    pub(super) lacks: BTreeMap<String, String>,
    pub(super) log: Option<SetupLog>,
}

/// A command that is part of a set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Hello,
    Has,
    Give,
    Recall,
    Keep,
    Finish,
    Job,
    Kill,
}

impl Stage {
    /// Whether it may take all the time that the set-up has.
    pub fn takes_its_time(self) -> bool {
        matches!(self, Stage::Has | Stage::Give | Stage::Finish | Stage::Job)
    }
}

impl Given {
    /// The host has nothing of it any more.
    pub fn forget(&mut self) {
        *self = Given { keep: self.keep, ..Given::default() };
    }

    /// What is known of a host that was found to run a test of this set-up.
    pub fn of_adopted(setup: &Arc<Prepared>, keep: bool) -> Given {
        let shared = Some(Arc::clone(&setup.shared));
        // A host that stays prepared has no plan that was begun.
        let is_begun = !keep && !setup.steps.finish.is_empty();
        Given {
            shared,
            files: BTreeSet::from([setup.id]),
            keep,
            keys: BTreeMap::from([(setup.id, setup.key.clone())]),
            plans: Vec::from_iter(is_begun.then(|| Arc::clone(setup))),
            ..Given::default()
        }
    }
}

impl Worker {
    /// Starts what makes the host ready for the tests of a set-up; `clean`: nothing that was done there counts.
    pub(super) fn begin_set_up(
        &mut self,
        setup: Arc<Prepared>,
        needs: Arc<Needs>,
        clean: bool,
        context: &Context,
    ) {
        self.given.shared = Some(Arc::clone(&setup.shared));
        self.given.keys.insert(setup.id, setup.key.clone());
        // What could not be had before may come with what the plan prepares.
        self.given.lacks.clear();
        let mut todo = VecDeque::new();
        let mut has_tree = false;
        if clean || self.work_dir.is_none() {
            let over = self.given.plans.extract_if(.., |other| other.id != setup.id).collect::<Vec<_>>();
            let finish: Vec<Task> =
                over.iter().rev().flat_map(|over| self.steps_of(over, Part::Finish)).collect();
            has_tree = setup.upload.is_none() && finish.is_empty();
            todo.push_back(Task::Hello(has_tree.then_some(setup.id)));
            todo.extend(finish);
        }
        if !has_tree {
            todo.push_back(Task::Files(Arc::clone(&setup)));
        }
        todo.push_back(Task::Facts(Arc::clone(&setup)));
        if self.given.keep {
            todo.push_back(Task::Recall(Arc::clone(&setup)));
            todo.push_back(Task::KeepFinish(Arc::clone(&setup)));
        }
        todo.push_back(Task::Prepare(Arc::clone(&setup)));
        todo.push_back(Task::Packages { setup: setup.id, needs });
        if self.given.keep {
            todo.push_back(Task::KeepReady(setup));
        } else if !setup.steps.finish.is_empty() && !self.given.plans.iter().any(|plan| plan.id == setup.id) {
            self.given.plans.push(setup);
        }
        self.work_off(todo, Goal::Ready, context);
    }

    pub(super) fn work_off(&mut self, todo: VecDeque<Task>, goal: Goal, context: &Context) {
        let until = Instant::now() + context.waits.setup;
        self.state = State::SettingUp(Box::new(SettingUp {
            until,
            goal,
            todo,
            current: None,
            job: JobSoFar::default(),
            end: None,
        }));
        self.next_task(context);
    }

    /// What a plan wants done on this host.
    pub(super) fn steps_of(&self, setup: &Arc<Prepared>, part: Part) -> Vec<Task> {
        let mut tasks = Vec::new();
        let Some(host) = &self.record else { return tasks };
        for (step, item) in part.of(setup).iter().enumerate() {
            match item.applies_to(host) {
                Applies::Yes => {}
                Applies::No => continue,
                Applies::Unknown => {
                    let item = item.shown(&setup.steps.plan);
                    log::warn!("{}: {item}: skipped: the host's facts do not decide `when`", host.id);
                    continue;
                }
            }
            match &item.what {
                What::Shell(scripts) => {
                    let task = |script| Task::Script { setup: Arc::clone(setup), part, step, script };
                    tasks.extend((0..scripts.len()).map(task));
                }
                What::Install { .. } => {
                    tasks.push(Task::Install { setup: Arc::clone(setup), part, step });
                }
            }
        }
        tasks
    }

    /// Goes on to the next task that there is something to do for.
    pub(super) fn next_task(&mut self, context: &Context) {
        loop {
            let State::SettingUp(work) = &mut self.state else { return };
            let Some(task) = work.todo.pop_front() else { return self.set_up_done(context) };
            work.current = Some(task.clone());
            let under_way = match task {
                Task::Hello(bare) => self.hello(bare, context),
                Task::Files(setup) => self.give(&setup, context),
                Task::Facts(setup) => self.ask_facts_for(&setup, context),
                Task::Prepare(setup) => {
                    self.insert_tasks(self.steps_of(&setup, Part::Prepare));
                    false
                }
                Task::Recall(setup) => self.recall(&setup, context),
                Task::KeepFinish(setup) => self.keep_finish(&setup, context),
                Task::KeepReady(setup) => self.keep_ready(&setup, context),
                Task::Finish => self.finish_kept(context),
                task => self.begin_job(&task, context),
            };
            if under_way {
                return;
            }
        }
    }

    /// These come next.
    fn insert_tasks(&mut self, tasks: Vec<Task>) {
        if let State::SettingUp(work) = &mut self.state {
            tasks.into_iter().rev().for_each(|task| work.todo.push_front(task));
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
        let is_over = matches!(&self.state, State::SettingUp(work) if work.end.is_some());
        match (stage, end) {
            _ if is_over => self.set_up_stops(context),
            (_, Err(error)) => self.host_fails(error.to_string(), context),
            (Stage::Hello, Ok(Exit::Code(0))) => self.greeted(errand, context),
            (Stage::Has | Stage::Give | Stage::Keep, Ok(Exit::Code(0))) => self.next_task(context),
            (Stage::Recall, Ok(Exit::Code(0))) => self.recalled(errand, context),
            (Stage::Recall, Ok(_)) => self.not_recalled(context),
            (Stage::Finish, Ok(_)) => self.finished_kept(errand, context),
            (Stage::Has, Ok(Exit::Code(1))) => self.give_again(context),
            (Stage::Job, Ok(_)) => {
                let complaint = self.complaint(&errand.err);
                self.set_up_fails(complaint, context);
            }
            _ => self.set_up_fails(self.complaint(&errand.err), context),
        }
    }

    // ---- Ends ----

    fn set_up_done(&mut self, context: &Context) {
        let State::SettingUp(work) = std::mem::replace(&mut self.state, State::Idle) else { return };
        match work.goal {
            Goal::Ready => match self.waiting.take() {
                Some(run) => self.set_up_again_ends(run, Ok(()), context),
                None => context.tell(self.id, News::SetUp(Ok(()))),
            },
            Goal::Test(setup, job) => self.start_unless_unfit(setup, job, context),
            Goal::Leave => self.leave(context),
        }
    }

    /// The host did not do what it was told. It can still be talked to.
    pub(super) fn set_up_fails(&mut self, message: String, context: &Context) {
        self.set_up_is_over(Stopped::Failed(message), context);
    }

    /// The host does not answer: what plans want done at the end is not tried.
    pub(super) fn host_fails(&mut self, message: String, context: &Context) {
        self.given.plans.clear();
        self.set_up_fails(message, context);
    }

    /// The time of a set-up is over.
    pub(super) fn set_up_takes_too_long(&mut self, context: &Context) {
        let message = format!("{}: not set up within {}", self.name(), shown(context.waits.setup));
        self.set_up_is_over(Stopped::Failed(message), context);
    }

    /// The run is being stopped.
    pub(super) fn cancel_set_up(&mut self, context: &Context) {
        self.set_up_is_over(Stopped::Cancelled, context);
    }

    /// Ends the set-up, after the job that runs there.
    fn set_up_is_over(&mut self, end: Stopped, context: &Context) {
        let State::SettingUp(work) = &mut self.state else { return };
        let is_first = work.end.is_none();
        work.end.get_or_insert(end);
        match &mut self.errand {
            Some(errand) if errand.what == Step::SetUp(Stage::Job) => {
                self.errand = None;
                self.kill_job(context);
            }
            // It would go on while the host is cleaned: its end is waited for, but not for long.
            Some(errand) if is_first => {
                if let Some(running) = &errand.running {
                    running.close_stdin();
                }
                let until = Instant::now() + context.waits.host;
                errand.until = Some(until);
                work.until = until;
            }
            _ => self.set_up_stops(context),
        }
    }

    fn set_up_stops(&mut self, context: &Context) {
        let State::SettingUp(work) = std::mem::replace(&mut self.state, State::Idle) else { return };
        let (end, name) = (work.end.unwrap_or(Stopped::Cancelled), self.name().to_owned());
        self.errand = None;
        if let Some(run) = self.waiting.take() {
            let message = match end {
                Stopped::Failed(message) => message,
                Stopped::Cancelled => "cancelled".into(),
            };
            return self.set_up_again_ends(run, Err(message), context);
        }
        match (work.goal, end) {
            (Goal::Ready, Stopped::Failed(message)) => context.tell(self.id, News::SetUp(Err(message))),
            (Goal::Ready, Stopped::Cancelled) => context.tell(self.id, News::SetUpCancelled),
            (Goal::Test(_, job), Stopped::Failed(message)) => {
                let done = Box::new(unfit::settle(&job, Cause::Host, message));
                context.tell(self.id, News::Ended { done, lost: false });
            }
            (Goal::Test(_, job), Stopped::Cancelled) => {
                let done = Box::new(unfit::settle(&job, Cause::Cancelled, "cancelled".into()));
                context.tell(self.id, News::Ended { done, lost: false });
            }
            (Goal::Leave, end) => {
                if let Stopped::Failed(message) = end {
                    log::warn!("{name}: finish: {message}");
                }
                self.leave(context);
            }
        }
    }

    // ---- Before a test, and at the end ----

    /// Gives the host the packages that this test needs beside what was known when it was set up, and starts the
    /// test.
    pub(super) fn make_ready(&mut self, setup: SetupId, job: Box<Job>, needs: Arc<Needs>, context: &Context) {
        if self.unknown(&Needs::of(&job.test)).is_empty() {
            return self.start_unless_unfit(setup, job, context);
        }
        // All that is known to be needed by now, so that the next test need not wait again.
        let todo = VecDeque::from([Task::Packages { setup, needs }]);
        self.work_off(todo, Goal::Test(setup, job), context);
    }

    fn start_unless_unfit(&mut self, setup: SetupId, job: Box<Job>, context: &Context) {
        match self.lacking(&Needs::of(&job.test)) {
            None => self.start(setup, job, context),
            Some(lacking) => {
                let cause = if self.may_install() { Cause::Test } else { Cause::Host };
                let done = Box::new(unfit::settle(&job, cause, lacking));
                context.tell(self.id, News::Unfit(done));
            }
        }
    }

    /// Does what plans want done at the end, and leaves. A host that stays prepared has no plan that was begun.
    pub(super) fn take_leave(&mut self, context: &Context) {
        let plans = std::mem::take(&mut self.given.plans);
        let todo: VecDeque<Task> =
            plans.iter().rev().flat_map(|plan| self.steps_of(plan, Part::Finish)).collect();
        if todo.is_empty() || self.connection.is_none() || self.work_dir.is_none() {
            self.leave(context);
        } else {
            self.work_off(todo, Goal::Leave, context);
        }
    }

    // ---- Files ----

    /// Brings the agent, which ends what still runs there and says what the host has.
    fn hello(&mut self, bare: Option<SetupId>, context: &Context) -> bool {
        let bare = bare.map(|setup| self.dir_of(setup));
        let kit = match kit(bare.as_deref()) {
            Ok(kit) => kit,
            Err(error) => {
                self.set_up_fails(format!("{}: the agent: {error}", self.name()), context);
                return false;
            }
        };
        let dirs: Vec<String> = self.dirs.iter().map(|dir| quote(dir)).collect();
        let dirs = dirs.join(" ");
        let bytes = kit.len();
        let mut words = bare.unwrap_or_else(|| "-".to_owned());
        // The session stays and runs the tests. On a host that stays prepared there may be none.
        if !self.given.keep {
            self.generation += 1;
            let _ = write!(words, " {}", self.serve_words(context));
        }
        // A directory of this name that is somebody else's is not used, nor one where a spool has no room. What a
        // test may have put into one of our own is not unpacked over, and what it has filled the disk with there goes: all
        // of that is made anew. Why a file cannot be written dd says best.
        let probe = "printf %131072s 2>/dev/null >\"$d/agent\"";
        let clear = "for t in \"$d\"/*; do [ -L \"$t\" ] || \
             rm -rf \"$t/tree\" \"$t/plan-data\" \"$t/control\" \"$t/output\"; done; rm -rf \"$d/work\"";
        let command = format!(
            "umask 022; w=; for d in {dirs}; do \
             if e=$(mkdir \"$d\" 2>&1); then how=new; set --; \
             elif [ -O \"$d\" ]; then how=hello; set -- {ALWAYS}; rm -f \"$d/agent\"; else w=\"$w; $e\"; continue; fi; \
             if {probe} || {{ [ $how = hello ] && {{ {clear}; {probe}; }}; }}; then \
             dd bs={bytes} count=1 iflag=fullblock 2>/dev/null | tar -xpf - -C \"$d\" \"$@\" && \
             exec sh \"$d/agent\" $how {words}; exit 125; fi; \
             e=$(dd if=/dev/zero of=\"$d/agent\" bs=131072 count=1 2>&1 | head -n 1); \
             w=\"$w; $e\"; [ $how = hello ] || rm -rf \"$d\"; done; \
             echo \"cannot make a directory for the run, tried:\" {dirs}\"$w\" >&2; exit 125"
        );
        self.errand(Step::SetUp(Stage::Hello), &command, Stdin::shared(kit).keep_open(), context);
        true
    }

    /// The agent has answered, and runs tests from now on.
    pub(super) fn greeted_by_serve(&mut self, mut errand: Errand, context: &Context) {
        if let Some(running) = errand.running.take() {
            self.serve = Some(Serve::new(errand.session, running, self.generation));
        }
        self.stage_ended(Stage::Hello, &errand, Ok(Exit::Code(0)), context);
    }

    fn greeted(&mut self, errand: &Errand, context: &Context) {
        let answer = String::from_utf8_lossy(&errand.out).into_owned();
        let said = |key: &str| answer.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        // First of all, so that it is cleaned up whatever comes next.
        self.work_dir = Some(said("dir=").to_owned()).filter(|dir| !dir.is_empty());
        self.has_terminals = said("tty=") == "yes";
        said("boot=").clone_into(&mut self.boot);
        if self.given.boot != said("boot=") {
            said("boot=").clone_into(&mut self.given.boot);
            self.given.has.clear();
        }
        if let Some(dir) = self.work_dir.clone().filter(|_| self.given.keep) {
            context.tell(self.id, News::KeptIn(dir));
        }
        let missing: Vec<&str> = said("missing=").split_whitespace().collect();
        if self.work_dir.is_none() {
            self.set_up_fails(self.complaint(&errand.err), context);
        } else if !missing.is_empty() {
            let missing = missing.join(", ");
            let message = format!("{}: {missing}: not found there; tests cannot run without it", self.name());
            self.set_up_fails(message, context);
        } else {
            self.next_task(context);
        }
    }

    /// Gives the host the files of a set-up, from itself if it has them already.
    fn give(&mut self, setup: &Prepared, context: &Context) -> bool {
        let dir = self.dir_of(setup.id);
        let (stage, arguments, stdin) = match &setup.upload {
            None => (Stage::Give, format!("bare {dir}"), Stdin::empty()),
            Some(_) if self.given.files.contains(&setup.id) || self.may_be_kept(setup.id) => {
                (Stage::Has, format!("has {dir}"), Stdin::empty())
            }
            Some(upload) => {
                self.given.files.insert(setup.id);
                (Stage::Give, format!("take {dir} {}", upload.bytes), Stdin::file(upload.path.clone()))
            }
        };
        self.errand(Step::SetUp(stage), &self.agent(&arguments), stdin, context);
        true
    }

    /// Whether its files may be there from an earlier time.
    fn may_be_kept(&self, setup: SetupId) -> bool {
        self.given.keep && !self.given.asked.contains(&setup)
    }

    /// The host does not have them, or not any more.
    fn give_again(&mut self, context: &Context) {
        let State::SettingUp(work) = &self.state else { return };
        if let Some(Task::Files(setup)) = &work.current {
            let setup = Arc::clone(setup);
            self.given.files.remove(&setup.id);
            self.given.asked.insert(setup.id);
            self.give(&setup, context);
        }
    }

    /// The directory of a set-up in the run's directory on the host.
    pub(super) fn dir_of(&self, setup: SetupId) -> String {
        match self.given.keys.get(&setup) {
            Some(key) if self.given.keep => key.clone(),
            _ => format!("s{}", setup.0),
        }
    }
}
