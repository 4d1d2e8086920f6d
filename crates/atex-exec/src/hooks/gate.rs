//! Stands between the dispatcher and the workers, and makes what concerns a host wait for the hooks of its phase.
//!
//! Orders go through it on their way to a host, news on their way back. While hooks of a host run, what else is
//! heard of that host waits behind them, so that the dispatcher hears everything in order; other hosts go on.
//! It is a thread of its own, and it is not there if no hook needs it.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use atex_cli::{input::reason, now};
use atex_model::{
    Host, Test,
    report::{Cause, Outcome, TestEnd, TestEndTag},
};
use atex_schedule::{HostId, SetupId};
use crossbeam_channel::{Receiver, Sender, select, unbounded};

use super::answers::{self, Extra};
use super::runner::{End, Request, Runner};
use super::{Hook, Hooks, Phase, Surroundings, host_variables};
use crate::attempt::{Done, Job};
use crate::needs::Needs;
use crate::pool::{News, Order, Pool};

/// Those who carry out orders.
pub(crate) enum Workers {
    /// The pool itself.
    Direct(Pool),
    /// The pool behind the hooks.
    Hooked(Gate),
}

/// The way to the thread.
pub(crate) struct Gate {
    words: Option<Sender<Word>>,
    thread: Option<JoinHandle<()>>,
}

enum Word {
    Order(HostId, Order),
    Stop,
}

impl Workers {
    /// Starts the pool, which tells `start`'s argument what is new, and in front of it what the hooks need.
    pub fn start(
        hooks: &Hooks,
        surroundings: Surroundings,
        tell: &Sender<(HostId, News)>,
        start: impl FnOnce(&Sender<(HostId, News)>) -> io::Result<Pool>,
    ) -> io::Result<Workers> {
        let of = |phase| hooks.of(phase);
        let hooks_of = [of(Phase::HostReady), of(Phase::PreTest), of(Phase::PostTest)];
        if hooks_of.iter().all(Vec::is_empty) {
            return start(tell).map(Workers::Direct);
        }
        let (tell_gate, news) = unbounded();
        let (words, said) = unbounded();
        let (tell_ended, ended) = unbounded();
        let [host_ready, pre_test, post_test] = hooks_of;
        let keeper = Keeper {
            host_ready,
            pre_test,
            post_test,
            surroundings,
            pool: start(&tell_gate)?,
            runner: Runner::start(hooks.timeout, tell_ended)?,
            tell: tell.clone(),
            hosts: HashMap::new(),
            stopping: false,
        };
        let thread = std::thread::Builder::new().name("hooks".into());
        let thread = thread.spawn(move || keeper.serve(&said, &news, &ended))?;
        Ok(Workers::Hooked(Gate { words: Some(words), thread: Some(thread) }))
    }

    /// Gives an order to the worker of a host.
    pub fn order(&self, host: HostId, order: Order) {
        match self {
            Workers::Direct(pool) => pool.order(host, order),
            Workers::Hooked(gate) => gate.say(Word::Order(host, order)),
        }
    }

    /// The run is being stopped: hooks that run are ended, and no others begun.
    pub fn stop_hooks(&self) {
        if let Workers::Hooked(gate) = self {
            gate.say(Word::Stop);
        }
    }
}

impl Gate {
    fn say(&self, word: Word) {
        if let Some(words) = &self.words {
            let _ = words.send(word);
        }
    }
}

impl Drop for Gate {
    /// Ends the hooks that still run.
    fn drop(&mut self) {
        self.words = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread has.
struct Keeper {
    host_ready: Vec<Hook>,
    pre_test: Vec<Hook>,
    post_test: Vec<Hook>,
    surroundings: Surroundings,
    pool: Pool,
    runner: Runner,
    tell: Sender<(HostId, News)>,
    hosts: HashMap<HostId, Guarded>,
    stopping: bool,
}

/// What is known of a host.
#[derive(Default)]
struct Guarded {
    record: Option<Arc<Host>>,
    /// What runs there.
    runs: Option<Runs>,
    chain: Option<Chain>,
    /// What was heard of it meanwhile.
    held: VecDeque<News>,
    /// A hook does not want it: it is being left, for this reason.
    refused: Option<String>,
}

/// An attempt, as far as hooks are told of it.
struct Runs {
    test: Test,
    attempt: u32,
    artifacts: PathBuf,
}

impl Runs {
    fn new(job: &Job) -> Runs {
        Runs { test: job.test.clone(), attempt: job.attempt, artifacts: job.artifacts.clone() }
    }
}

/// Hooks of one phase, one after another.
struct Chain {
    hooks: VecDeque<Hook>,
    subject: Subject,
}

/// What they are about.
enum Subject {
    Ready { host: Box<Host>, changed: bool },
    Start { setup: SetupId, job: Box<Job>, needs: Arc<Needs>, changed: bool },
    Ended { done: Box<Done>, extras: Vec<Extra> },
}

impl Keeper {
    fn serve(
        mut self,
        words: &Receiver<Word>,
        news: &Receiver<(HostId, News)>,
        ended: &Receiver<(u32, End)>,
    ) {
        loop {
            select! {
                recv(words) -> word => match word {
                    Ok(Word::Order(host, order)) => self.order(host, order),
                    Ok(Word::Stop) => self.stop(),
                    Err(_) => return,
                },
                recv(news) -> one => if let Ok((host, one)) = one { self.news(host, one) },
                recv(ended) -> one => if let Ok((host, end)) = one { self.hook_ended(HostId(host), end) },
            }
        }
    }

    fn host(&mut self, host: HostId) -> &mut Guarded {
        self.hosts.entry(host).or_default()
    }

    fn tell(&self, host: HostId, news: News) {
        let _ = self.tell.send((host, news));
    }

    // ---- From the dispatcher ----

    fn order(&mut self, host: HostId, mut order: Order) {
        match &mut order {
            Order::Join { record, adopt, .. } => {
                let runs = adopt.as_mut().map(|adoption| {
                    recall(&mut adoption.job);
                    Runs::new(&adoption.job)
                });
                *self.host(host) = Guarded { record: Some(Arc::clone(record)), runs, ..Guarded::default() };
            }
            Order::Cancel | Order::Kill => {
                let by_force = matches!(order, Order::Kill);
                match self.host(host).chain.as_ref().map(|chain| &chain.subject) {
                    None => {}
                    Some(Subject::Ready { .. }) => self.runner.cancel(host.0, by_force),
                    // The worker has not begun, or is done.
                    Some(_) => return self.runner.cancel(host.0, by_force),
                }
            }
            Order::Start { job, .. } => self.host(host).runs = Some(Runs::new(job)),
            _ => {}
        }
        match order {
            Order::Start { setup, job, needs } if !self.pre_test.is_empty() => {
                let hooks = self.pre_test.clone();
                self.begin(host, hooks, Subject::Start { setup, job, needs, changed: false });
            }
            order => self.pool.order(host, order),
        }
    }

    fn stop(&mut self) {
        self.stopping = true;
        for (host, guarded) in &self.hosts {
            if guarded.chain.is_some() {
                self.runner.cancel(host.0, false);
            }
        }
    }

    // ---- From the workers ----

    fn news(&mut self, id: HostId, news: News) {
        let host = self.host(id);
        if host.chain.is_some() {
            return host.held.push_back(news);
        }
        match news {
            // On one that still runs something, the host was ready long ago.
            News::Ready if host.runs.is_none() && !self.host_ready.is_empty() => self.host_ready(id),
            News::Ended { done, lost: false } if done.cause == Cause::Test && !self.post_test.is_empty() => {
                let hooks = self.post_test.clone();
                self.begin(id, hooks, Subject::Ended { done, extras: Vec::new() });
            }
            News::Ended { done, lost } => self.attempt_ended(id, done, lost),
            News::Left => {
                let refused = self.host(id).refused.take();
                self.tell(id, refused.map_or(News::Left, News::Unreachable));
            }
            News::Facts(found) => {
                if let (Some(found), Some(record)) = (&found, &mut self.host(id).record) {
                    atex_host::facts::complete(&mut Arc::make_mut(record).facts, found.clone());
                }
                self.tell(id, News::Facts(found));
            }
            other => self.tell(id, other),
        }
    }

    fn host_ready(&mut self, id: HostId) {
        let (hooks, record) = (self.host_ready.clone(), self.host(id).record.clone());
        // Nothing is heard of a host before it has been joined.
        if let Some(record) = record {
            let host = Box::new(Host::clone(&record));
            self.begin(id, hooks, Subject::Ready { host, changed: false });
        }
    }

    fn attempt_ended(&mut self, id: HostId, done: Box<Done>, lost: bool) {
        if let Some(runs) = self.host(id).runs.take() {
            forget(&runs);
        }
        self.tell(id, News::Ended { done, lost });
    }

    // ---- Hooks, one after another ----

    fn begin(&mut self, id: HostId, hooks: Vec<Hook>, subject: Subject) {
        self.host(id).chain = Some(Chain { hooks: hooks.into(), subject });
        self.next(id);
    }

    /// Runs the first hook that is left; without any, does what they were waited for with.
    fn next(&mut self, id: HostId) {
        let stopping = self.stopping;
        let Some(host) = self.hosts.get_mut(&id) else { return };
        let Some(chain) = &host.chain else { return };
        match chain.hooks.front() {
            None => self.all_done(id),
            Some(_) if stopping => self.cancelled(id),
            Some(hook) => {
                let request = request(id, host, chain, hook, &self.surroundings);
                self.runner.run(request);
            }
        }
    }

    fn hook_ended(&mut self, id: HostId, end: End) {
        let Some(chain) = self.host(id).chain.as_mut() else { return };
        let Some(hook) = chain.hooks.pop_front() else { return };
        let answer = match end {
            End::Cancelled => return self.cancelled(id),
            End::Printed(printed) => chain.subject.take_answer(&printed),
            End::Failed(problem) => Err(problem),
        };
        match answer {
            Ok(()) => self.next(id),
            Err(problem) => self.failed(id, &hook, &problem),
        }
    }

    fn all_done(&mut self, id: HostId) {
        match self.host(id).chain.take().map(|chain| chain.subject) {
            Some(Subject::Ready { host, changed: true }) => {
                let record = Arc::new(Host::clone(&host));
                self.host(id).record = Some(Arc::clone(&record));
                self.pool.order(id, Order::Describe(record));
                self.tell(id, News::Described(host));
                self.tell(id, News::Ready);
            }
            Some(Subject::Ready { .. }) => self.tell(id, News::Ready),
            Some(Subject::Start { setup, job, needs, changed }) => {
                if changed {
                    remember(&job);
                }
                self.host(id).runs = Some(Runs::new(&job));
                self.pool.order(id, Order::Start { setup, job, needs });
            }
            Some(Subject::Ended { mut done, extras }) => {
                self.add_results(id, &mut done, &extras);
                self.attempt_ended(id, done, false);
            }
            None => {}
        }
        self.release(id);
    }

    /// A hook did not do what was asked of it: that is our own trouble, not the host's or the test's.
    fn failed(&mut self, id: HostId, hook: &Hook, problem: &str) {
        let (problem, log) = (format!("{hook}: {problem}"), hook.log(&self.surroundings.logs()));
        match self.host(id).chain.take().map(|chain| chain.subject) {
            Some(Subject::Ready { host, .. }) => {
                // It is cleaned, and then as if it had never been reached.
                self.host(id).refused = Some(format!("{}: {problem}", host.id));
                self.pool.order(id, Order::Leave);
            }
            Some(Subject::Start { job, .. }) => {
                log::warn!("{}: {problem}; see {}", job.test.name.escape_debug(), log.display());
                self.attempt_ended(id, Box::new(Done::cut(Cause::Own, problem)), false);
            }
            Some(Subject::Ended { mut done, .. }) => {
                let name = self.host(id).runs.as_ref().map(|runs| runs.test.name.clone()).unwrap_or_default();
                log::warn!("{}: {problem}; see {}", name.escape_debug(), log.display());
                // Whatever the test says of itself, what the hook would have said is missing.
                (done.outcome, done.cause, done.note) = (Outcome::Infra, Cause::Own, Some(problem));
                self.attempt_ended(id, done, false);
            }
            None => {}
        }
        self.release(id);
    }

    /// The run is being stopped, or this attempt.
    fn cancelled(&mut self, id: HostId) {
        let cut = |seconds| Done { seconds, ..Done::cut(Cause::Cancelled, "cancelled".into()) };
        match self.host(id).chain.take().map(|chain| chain.subject) {
            Some(Subject::Ready { .. }) => self.tell(id, News::Ready),
            Some(Subject::Start { .. }) => self.attempt_ended(id, Box::new(cut(0.0)), false),
            // Without its hooks the attempt is not whole. It is made again when the run is resumed.
            Some(Subject::Ended { done, .. }) => self.attempt_ended(id, Box::new(cut(done.seconds)), false),
            None => {}
        }
        self.release(id);
    }

    /// Goes on with what has been heard meanwhile.
    fn release(&mut self, id: HostId) {
        while self.host(id).chain.is_none()
            && let Some(news) = self.host(id).held.pop_front()
        {
            self.news(id, news);
        }
    }

    fn add_results(&mut self, id: HostId, done: &mut Done, extras: &[Extra]) {
        let Some(runs) = &self.host(id).runs else { return };
        if extras.is_empty() {
            return;
        }
        let path = runs.artifacts.join("results.jsonl");
        let file = std::fs::OpenOptions::new().append(true).open(&path);
        match file.and_then(|mut file| file.write_all(&answers::lines_of(extras))) {
            Ok(()) => extras.iter().for_each(|extra| answers::count(done, extra)),
            Err(e) => {
                let problem = format!("{}: {}", path.display(), reason(&e));
                *done = Done { seconds: done.seconds, ..Done::impossible(problem) };
            }
        }
    }
}

impl Subject {
    /// What a hook has printed changes what the next ones are told.
    fn take_answer(&mut self, printed: &[u8]) -> Result<(), String> {
        match self {
            Subject::Ready { host, changed } => {
                if let Some(described) = answers::described_host(printed, host)? {
                    (**host, *changed) = (described, true);
                }
            }
            Subject::Start { job, changed, .. } => {
                if let Some(test) = answers::changed_test(printed, &job.test)? {
                    (job.test, *changed) = (test, true);
                }
            }
            Subject::Ended { extras, .. } => extras.extend(answers::extra_results(printed)?),
        }
        Ok(())
    }
}

fn request(
    id: HostId,
    guarded: &Guarded,
    chain: &Chain,
    hook: &Hook,
    surroundings: &Surroundings,
) -> Request {
    let mut variables = surroundings.variables(hook);
    let host = guarded.record.as_deref();
    variables.extend(host.map(host_variables).unwrap_or_default());
    let name = host.map_or("", |host| &host.id);
    let mut about = format!("host {}", name.escape_debug());
    let mut tell_of = |test: &Test, attempt: u32| {
        variables.push(("ATEX_TEST", test.name.clone()));
        variables.push(("ATEX_PLATFORM", test.label().to_owned()));
        variables.push(("ATEX_ATTEMPT", attempt.to_string()));
        about = format!("test {}, attempt {attempt}, {about}", test.name.escape_debug());
    };
    let input = match (&chain.subject, &guarded.runs) {
        (Subject::Ready { host, .. }, _) => answers::line(host),
        (Subject::Start { job, .. }, _) => {
            tell_of(&job.test, job.attempt);
            answers::line(&job.test)
        }
        (Subject::Ended { done, .. }, Some(runs)) => {
            tell_of(&runs.test, runs.attempt);
            variables.push(("ATEX_ARTIFACTS", runs.artifacts.to_string_lossy().into_owned()));
            let end = test_end(done, runs, name, &surroundings.run);
            [answers::line(&runs.test), answers::line(&end)].concat()
        }
        (Subject::Ended { .. }, None) => Vec::new(),
    };
    let log = hook.log(&surroundings.logs());
    Request { id: id.0, command: hook.command.clone(), variables, input, log, about }
}

/// The record of an attempt's end, as far as it is known: whether it is final, nobody knows before its hooks have
/// run.
fn test_end(done: &Done, runs: &Runs, host: &str, run: &str) -> serde_json::Value {
    let end = TestEnd {
        kind: TestEndTag,
        time: now(),
        run: run.to_owned(),
        platform: runs.test.label().to_owned(),
        test: runs.test.name.clone(),
        attempt: runs.attempt,
        host: Some(host.to_owned()),
        outcome: done.outcome,
        cause: done.cause,
        exit: done.exit,
        note: done.note.clone(),
        seconds: done.seconds,
        counts: done.counts.clone(),
        is_final: false,
        artifacts: Some(runs.artifacts.to_string_lossy().into_owned()),
        rerun_of: runs.test.rerun_of.clone(),
        waived: None,
    };
    let mut end = serde_json::to_value(end).expect("a record has only text keys");
    if let Some(keys) = end.as_object_mut() {
        keys.shift_remove("final");
    }
    end
}

// ---- Tests that were changed, for when the run is resumed ----

/// Where the record of a changed test is kept while it runs: beside the directory of its attempt, which is made
/// anew when it begins.
fn changed_file(artifacts: &Path) -> PathBuf {
    artifacts.with_extension("changed.json")
}

fn remember(job: &Job) {
    let path = changed_file(&job.artifacts);
    let parent = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    if let Err(e) = parent.and_then(|()| std::fs::write(&path, answers::line(&job.test))) {
        // It matters only if we are killed while the test runs.
        log::warn!("{}: {}", path.display(), reason(&e));
    }
}

fn recall(job: &mut Job) {
    if let Ok(text) = std::fs::read_to_string(changed_file(&job.artifacts))
        && let Ok(test) = atex_model::parse(&text)
    {
        job.test = test;
    }
}

fn forget(runs: &Runs) {
    // Most tests were not changed.
    let _ = std::fs::remove_file(changed_file(&runs.artifacts));
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_model::artifacts::attempt_dir;

    #[test]
    fn a_changed_test_is_kept_beside_its_attempt() {
        let file = changed_file(Path::new(&attempt_dir("p", "/a.b", 2)));
        assert_eq!(file, Path::new("results/p/a.b/attempt-2.changed.json"));
    }
}
