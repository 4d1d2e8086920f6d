//! The hooks `post-tests`: each reads all that the run has written, as a reader of standard output would, when
//! nothing runs any more. They run one after another, in the order in which they were given: a report is written
//! before it is archived.

use std::io;
use std::process::{ChildStdin, ChildStdout};

use atex_cli::{Failure, input::Lines, input::reason};
use crossbeam_channel::{Receiver, Sender, bounded, never, select, unbounded};
use nix::sys::signal::Signal;

use super::{Hook, Hooks, Phase, Surroundings};
use crate::announce::Tale;
use crate::control::socket::Asked;
use crate::program::{Program, Shared, Stop, fault, open_log};

/// What the caller is told meanwhile.
pub(crate) enum Heard {
    /// A hook has printed this record.
    Record(String),
    /// A hook has failed.
    Failed(Failure),
    /// A signal has come.
    Signal(Signal),
    /// Somebody asks something of the run.
    Asked(Asked),
    /// Somebody wants to be told how far it is.
    Asking,
}

/// Whom the run listens to meanwhile.
pub(crate) struct Ears<'a> {
    pub signals: &'a Receiver<Signal>,
    pub asked: &'a Receiver<Asked>,
    pub asking: &'a Receiver<Signal>,
}

/// Runs the hooks. A signal ends the one that runs, and those behind it are left out.
pub(crate) fn run(
    hooks: &Hooks,
    surroundings: &Surroundings,
    tale: &Tale,
    ears: &Ears<'_>,
    mut tell: impl FnMut(Heard),
) {
    for hook in hooks.of(Phase::PostTests) {
        let failed = |problem: String| {
            let log = hook.log(&surroundings.logs());
            let failure = Failure::trouble(format!("{hook}: {problem}"));
            Heard::Failed(failure.hint(format!("see {}", log.display())))
        };
        match one(&hook, hooks, surroundings, tale, ears, &mut tell) {
            Ok(None) => {}
            Ok(Some(Stop::Stopped)) => return,
            Ok(Some(Stop::TimedOut)) => {
                let limit = atex_control::format_duration(hooks.timeout);
                tell(failed(format!("not done within {limit}")));
            }
            Err(problem) => tell(failed(problem)),
        }
    }
}

fn one(
    hook: &Hook,
    hooks: &Hooks,
    surroundings: &Surroundings,
    tale: &Tale,
    ears: &Ears<'_>,
    tell: &mut impl FnMut(Heard),
) -> Result<Option<Stop>, String> {
    let cannot = |e: io::Error| format!("cannot be started: {}", reason(&e));
    let log = open_log(&hook.log(&surroundings.logs())).map_err(cannot)?;
    let mut program = Program::start(&hook.command, &surroundings.variables(hook), log).map_err(cannot)?;
    let both = program.stdin().zip(program.stdout());
    let program = Shared::new(program);
    let (input, output) = both.ok_or("it has no pipes")?;
    // What follows is waited for to its end: nothing of it must outlive this hook.
    std::thread::scope(|scope| {
        let (printed, lines) = bounded(64);
        let (stop, stopped) = bounded(0);
        let (over, is_over) = bounded::<()>(0);
        let also_over = is_over.clone();
        let (say_left, left) = unbounded();
        let _ = say_left.send(hooks.timeout);
        let shared = program.clone();
        scope.spawn(move || tell_tale(tale, input));
        let read = scope.spawn(move || read(output, &printed));
        let watch = scope.spawn(move || shared.watch(&left, &stopped, &is_over));
        let shared = program.clone();
        let ended = scope.spawn(move || {
            let status = shared.wait();
            drop(over);
            status
        });
        let mut stop = Some(stop);
        attend(&lines, &also_over, ears, &mut stop, tell);
        let (garbage, status) = (read.join(), ended.join());
        let watched = watch.join();
        // Not before: that would have been to end it.
        drop(stop);
        match watched {
            Ok(Some(why)) => Ok(Some(why)),
            _ => {
                let garbage = garbage.ok().flatten();
                match garbage.or_else(|| status.ok().and_then(fault)) {
                    Some(problem) => Err(problem),
                    None => Ok(None),
                }
            }
        }
    })
}

/// Hands on what the hook prints, until it is over. The first signal ends the hook, by dropping `stop`.
fn attend(
    lines: &Receiver<String>,
    over: &Receiver<()>,
    ears: &Ears<'_>,
    stop: &mut Option<Sender<()>>,
    tell: &mut impl FnMut(Heard),
) {
    let (mut lines, mut over) = (lines.clone(), over.clone());
    let (mut signals, mut asked, mut asking) =
        (ears.signals.clone(), ears.asked.clone(), ears.asking.clone());
    let (mut printed_all, mut ended) = (false, false);
    while !(printed_all && ended) {
        select! {
            recv(lines) -> line => match line {
                Ok(line) => tell(Heard::Record(line)),
                Err(_) => (printed_all, lines) = (true, never()),
            },
            recv(over) -> _ => (ended, over) = (true, never()),
            recv(signals) -> signal => match signal {
                Ok(signal) => {
                    *stop = None;
                    tell(Heard::Signal(signal));
                }
                Err(_) => signals = never(),
            },
            recv(asked) -> request => match request {
                Ok(request) => tell(Heard::Asked(request)),
                Err(_) => asked = never(),
            },
            recv(asking) -> signal => match signal {
                Ok(_) => tell(Heard::Asking),
                Err(_) => asking = never(),
            },
        }
    }
}

fn tell_tale(tale: &Tale, input: ChildStdin) {
    if let Err(e) = tale.tell(input) {
        // One that reads no further has seen enough.
        log::debug!("post-tests: {e:?}");
    }
}

/// Reads what the hook prints: records. Says what is wrong if there is anything else.
fn read(output: ChildStdout, to: &Sender<String>) -> Option<String> {
    let mut lines = Lines::new("its output", Box::new(output));
    let mut problem = None;
    while !lines.is_spent() {
        let checked = match lines.next_line() {
            Ok(None) => break,
            Ok(Some(line)) => match atex_model::kind(line.text) {
                Ok(_) => Ok(line.text.to_owned()),
                Err(e) => Err(line.fault(&e).message),
            },
            Err(failure) => Err(failure.message),
        };
        match checked {
            Ok(line) => drop(to.send(line)),
            Err(message) => drop(problem.get_or_insert(message)),
        }
    }
    problem
}
