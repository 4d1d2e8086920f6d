//! The hooks `pre-tests`: tests pass through them as lines through a filter, and what comes out is the input.
//!
//! A filter that answers each line at once costs nothing but its time; one that wants to see all tests first, as a
//! sorter does, makes the run begin when the input has ended. Hosts and other records go past it.

use std::io::{self, Write};
use std::process::ChildStdout;
use std::time::Duration;

use atex_cli::{Failure, input::Lines};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::{Hook, Hooks, Phase, Surroundings};
use crate::intake::{self, Item};
use crate::program::{Patient, Program, Shared, Stop, fault, open_log};

/// How many records are read ahead of what has been taken in.
const READ_AHEAD: usize = 1024;

/// Puts the hooks into the way of what comes from so many sources. They are ended when `stop` is closed. Beside what
/// comes out, returns what keeps that channel open.
pub(crate) fn put_in(
    hooks: &Hooks,
    surroundings: &Surroundings,
    mut items: Receiver<Item>,
    sources: usize,
    stop: &Receiver<()>,
) -> io::Result<(Receiver<Item>, Option<Sender<Item>>)> {
    let mut open = None;
    for hook in hooks.of(Phase::PreTests) {
        let (to, through) = bounded(READ_AHEAD);
        open = Some(to.clone());
        Sieve::start(hook, hooks, surroundings, sources, to, stop.clone())?.feed(items)?;
        items = through;
    }
    Ok((items, open))
}

/// A hook that runs.
struct Sieve {
    input: Patient,
    left: Sender<Duration>,
    timeout: Duration,
    to: Sender<Item>,
    sources: usize,
}

/// What reads what the hook prints.
struct Reader {
    hook: Hook,
    log: String,
    program: Shared,
    to: Sender<Item>,
    sources: usize,
    timeout: Duration,
    stop: Receiver<()>,
    /// How much time it has left, once that is known.
    left: Receiver<Duration>,
}

impl Sieve {
    fn start(
        hook: Hook,
        hooks: &Hooks,
        surroundings: &Surroundings,
        sources: usize,
        to: Sender<Item>,
        stop: Receiver<()>,
    ) -> io::Result<Sieve> {
        let log = hook.log(&surroundings.logs());
        let mut program = Program::start(&hook.command, &surroundings.variables(&hook), open_log(&log)?)?;
        let both = program.stdin().zip(program.stdout());
        let (input, output) = both.ok_or(io::ErrorKind::BrokenPipe)?;
        let (say_left, left) = unbounded();
        let reader = Reader {
            hook,
            log: log.display().to_string(),
            program: Shared::new(program),
            to: to.clone(),
            sources,
            timeout: hooks.timeout,
            stop,
            left,
        };
        std::thread::Builder::new().name("pre-tests".into()).spawn(move || reader.read(output))?;
        let (input, timeout) = (Patient::new(input, hooks.timeout)?, hooks.timeout);
        Ok(Sieve { input, left: say_left, timeout, to, sources })
    }

    /// Gives it tests as long as there are some.
    fn feed(self, items: Receiver<Item>) -> io::Result<()> {
        let thread = std::thread::Builder::new().name("pre-tests-in".into());
        thread.spawn(move || self.serve(&items)).map(drop)
    }

    fn serve(self, items: &Receiver<Item>) {
        let Sieve { input, left, timeout, to, mut sources } = self;
        let mut input = Some(io::BufWriter::new(input));
        while sources > 0
            && let Ok(item) = items.recv()
        {
            match item {
                Item::Test { line, .. } => {
                    let written = input.as_mut().map_or(Ok(()), |input| {
                        input.write_all(line.as_bytes())?;
                        input.write_all(b"\n")?;
                        if items.is_empty() { input.flush() } else { Ok(()) }
                    });
                    if let Err(e) = written {
                        // One that reads no further has seen enough, as `head` has.
                        if e.kind() == io::ErrorKind::TimedOut {
                            let _ = left.send(Duration::ZERO);
                        }
                        input = None;
                    }
                }
                Item::Ended => sources -= 1,
                other => {
                    if to.send(other).is_err() {
                        return;
                    }
                }
            }
        }
        let _ = input.as_mut().map(Write::flush);
        drop(input);
        let _ = left.send(timeout);
    }
}

impl Reader {
    fn read(self, output: ChildStdout) {
        let (over, is_over) = bounded::<()>(0);
        let (shared, left, stop) = (self.program.clone(), self.left.clone(), self.stop.clone());
        let watch = move || shared.watch(&left, &stop, &is_over);
        let watcher = std::thread::Builder::new().name("pre-tests-time".into()).spawn(watch);
        let garbage = self.pass_on(output);
        let status = self.program.wait();
        drop(over);
        let stopped = watcher.ok().and_then(|watcher| watcher.join().ok().flatten());
        let problem = match (stopped, garbage) {
            (Some(Stop::Stopped), _) => None,
            (Some(Stop::TimedOut), _) => {
                Some(format!("not done within {}", atex_control::format_duration(self.timeout)))
            }
            (None, Some(garbage)) => Some(garbage),
            (None, None) => fault(status),
        };
        if let Some(problem) = problem {
            let failure = Failure::trouble(format!("{}: {problem}", self.hook));
            let hint = format!("tests may be missing, so no others are begun; see {}", self.log);
            let _ = self.to.send(Item::Failed(failure.hint(hint)));
        }
        for _ in 0..self.sources {
            let _ = self.to.send(Item::Ended);
        }
    }

    /// Takes what it prints as input; what is wrong with it, if it is no such thing.
    fn pass_on(&self, output: ChildStdout) -> Option<String> {
        let mut lines = Lines::new("its output", Box::new(output));
        loop {
            let item = match lines.next_line() {
                Ok(None) => return None,
                Ok(Some(line)) => intake::sort(line),
                Err(failure) => Err(failure),
            };
            match item {
                Ok(item) => self.to.send(item).ok()?,
                Err(Failure { message, .. }) => {
                    self.program.signal(nix::sys::signal::Signal::SIGTERM);
                    return Some(message);
                }
            }
        }
    }
}
