//! `--policy CMD`: a program that decides in place of the built-in rules.
//!
//! It sees every record on its input (`feed`) and is asked there, each question with the answers that there are; it
//! prints which of them it takes. Whoever does not answer in time, talks nonsense, or dies costs the run no more than
//! one time limit: the built-in rule decides, and what went wrong is said once. While an answer is overdue no other
//! question is asked. The dispatcher never waits: answers come as events.

mod feed;
mod question;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::{ChildStdout, ExitStatus};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use atex_cli::input::Lines;
use crossbeam_channel::{Receiver, Sender, after, bounded, never, select, unbounded};
use nix::sys::signal::Signal;

use self::feed::{Feed, Word};
pub(crate) use self::question::{After, Ask, Candidate, Question};
use crate::program::{KILL_AFTER, Patient, Program, Shared, Variables, fault, open_log};

/// The program, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub command: String,
    /// How long it may take to answer.
    pub timeout: Duration,
}

/// Files of the run that it sees.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The run directory.
    pub dir: PathBuf,
    pub journal: File,
    pub tests: File,
}

/// What the dispatcher is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The answer to a question: which candidate. Without one the built-in rule decides.
    Answer { id: u32, candidate: Option<usize> },
    /// There is no policy any more. Questions that were open have been answered before.
    Gone,
}

/// See the module's documentation.
pub(crate) struct Policy {
    questions: Option<Sender<Question>>,
    feed: Option<Sender<Word>>,
    keeper: Option<JoinHandle<()>>,
}

impl Policy {
    /// Starts the program. What it says is kept in the file `log`.
    pub fn start(
        command: &Command,
        variables: &Variables,
        log: PathBuf,
        seen: Seen,
        tell: Sender<Reply>,
    ) -> io::Result<Policy> {
        let mut program = Program::start(&command.command, variables, open_log(&log)?)?;
        let both = program.stdin().zip(program.stdout());
        let (input, output) = both.ok_or(io::ErrorKind::BrokenPipe)?;
        let input = Patient::new(input, command.timeout)?;
        let program = Shared::new(program);
        let (feed, words) = unbounded();
        let (questions, asked) = unbounded();
        let (say_fault, fault) = bounded(1);
        let (say_line, said) = bounded(64);
        let (say_exit, exit) = bounded(1);
        let spawn = |name: &str| std::thread::Builder::new().name(name.into());
        spawn("policy-in").spawn(move || {
            if let Err(e) = Feed::new(seen, input).serve(&words) {
                let _ = say_fault.send(e);
            }
        })?;
        let shared = program.clone();
        spawn("policy-out").spawn(move || {
            read(output, say_line);
            let _ = say_exit.send(shared.wait());
        })?;
        let keeper = Keeper {
            name: format!("policy `{}`", command.command.escape_debug()),
            log,
            timeout: command.timeout,
            program,
            feed: Some(feed.clone()),
            tell,
            open: BTreeMap::new(),
            said_late: false,
            said_nonsense: false,
        };
        let keeper = spawn("policy").spawn(move || keeper.serve(&asked, &said, &fault, &exit))?;
        Ok(Policy { questions: Some(questions), feed: Some(feed), keeper: Some(keeper) })
    }

    /// There is so much of the journal, and of the tests that were taken in.
    pub fn grown(&self, journal: u64, tests: u64) {
        if let Some(feed) = &self.feed {
            let _ = feed.send(Word::Grown { journal, tests });
        }
    }

    /// Asks. There is one [`Reply`] to it, unless there is no policy any more.
    pub fn ask(&self, question: Question) {
        if let Some(questions) = &self.questions {
            let _ = questions.send(question);
        }
    }
}

impl Drop for Policy {
    /// Shows it the end of its input, and ends it if it does not end then.
    fn drop(&mut self) {
        (self.questions, self.feed) = (None, None);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// Hands on what the program prints, line by line. That channel is closed when the program's output is.
fn read(output: ChildStdout, to: Sender<Result<String, String>>) {
    let mut lines = Lines::new("its output", Box::new(output));
    while !lines.is_spent() {
        let line = match lines.next_line() {
            Ok(None) => break,
            Ok(Some(line)) => Ok(line.text.to_owned()),
            Err(failure) => Err(failure.message),
        };
        if to.send(line).is_err() {
            break;
        }
    }
}

/// Keeps the time and the questions.
struct Keeper {
    name: String,
    log: PathBuf,
    timeout: Duration,
    program: Shared,
    feed: Option<Sender<Word>>,
    tell: Sender<Reply>,
    open: BTreeMap<u32, Open>,
    said_late: bool,
    said_nonsense: bool,
}

/// A question without an answer.
struct Open {
    /// Until when it can be answered; it has been decided without an answer if there is no such time.
    until: Option<Instant>,
    candidates: usize,
}

impl Keeper {
    fn serve(
        mut self,
        asked: &Receiver<Question>,
        said: &Receiver<Result<String, String>>,
        fault: &Receiver<io::Error>,
        exit: &Receiver<ExitStatus>,
    ) {
        loop {
            let first = self.open.values().filter_map(|open| open.until).min();
            let late =
                first.map_or_else(never, |first| after(first.saturating_duration_since(Instant::now())));
            select! {
                recv(asked) -> question => match question {
                    Ok(question) => self.ask(question),
                    Err(_) => return self.end(exit),
                },
                recv(said) -> line => match line {
                    Ok(line) => self.heard(line),
                    // It has closed its output: nothing more can come of it.
                    Err(_) => break,
                },
                recv(fault) -> error => match error {
                    // Most often because it has ended, which says more.
                    Ok(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                    Ok(error) => {
                        self.program.signal(Signal::SIGTERM);
                        return self.gone(&broken(&error), asked, exit);
                    }
                    // It has been told everything: the run is over.
                    Err(_) => return self.end(exit),
                },
                recv(late) -> _ => self.late(),
            }
        }
        let ended = exit.recv_timeout(KILL_AFTER).ok();
        let problem = match ended {
            Some(status) => fault_of(status),
            None => "it has closed its input or its output".to_owned(),
        };
        self.gone(&problem, asked, exit);
    }

    fn ask(&mut self, question: Question) {
        let id = question.id;
        // It is not asked for more while it owes an answer, so that it costs one time limit and not one a test.
        let owes = self.open.values().any(|open| open.until.is_none());
        let Some(feed) = self.feed.as_ref().filter(|_| !owes) else { return self.reply(id, None) };
        let open = Open { until: Some(Instant::now() + self.timeout), candidates: question.candidates.len() };
        self.open.insert(id, open);
        // If it does not listen any more, that is heard of.
        let _ = feed.send(Word::Ask(question.line()));
    }

    fn heard(&mut self, line: Result<String, String>) {
        match line.and_then(|line| question::parse_answer(&line)) {
            Ok((id, candidate)) => match self.open.remove(&id) {
                Some(Open { candidates, until: Some(_) }) if candidate < candidates => {
                    self.reply(id, Some(candidate));
                }
                // Better late than never: it can be asked again.
                Some(Open { until: None, .. }) => {}
                Some(Open { candidates, .. }) => {
                    self.nonsense(&format!("there is no candidate {candidate} of {candidates}"));
                    self.reply(id, None);
                }
                None => self.nonsense(&format!("an answer to {id}, which is not asked")),
            },
            Err(problem) => {
                self.nonsense(&problem);
                self.answer_all();
            }
        }
    }

    fn late(&mut self) {
        let now = Instant::now();
        let due: Vec<u32> = self
            .open
            .iter_mut()
            .filter(|(_, open)| open.until.is_some_and(|until| until <= now))
            .map(|(id, open)| {
                open.until = None;
                *id
            })
            .collect();
        if !due.is_empty() && !std::mem::replace(&mut self.said_late, true) {
            let limit = atex_control::format_duration(self.timeout);
            self.complain(&format!("no answer within {limit}"));
        }
        due.into_iter().for_each(|id| self.reply(id, None));
    }

    fn nonsense(&mut self, problem: &str) {
        if !std::mem::replace(&mut self.said_nonsense, true) {
            self.complain(problem);
        }
    }

    fn complain(&self, problem: &str) {
        let log = self.log.display();
        log::warn!("{}: {problem}; the built-in rule decides, said once; see {log}", self.name);
    }

    fn reply(&self, id: u32, candidate: Option<usize>) {
        let _ = self.tell.send(Reply::Answer { id, candidate });
    }

    /// What is open is decided without it.
    fn answer_all(&mut self) {
        let open: Vec<u32> =
            self.open.iter().filter(|(_, open)| open.until.is_some()).map(|(id, _)| *id).collect();
        self.open.clear();
        open.into_iter().for_each(|id| self.reply(id, None));
    }

    /// It can be asked no more.
    fn gone(mut self, problem: &str, asked: &Receiver<Question>, exit: &Receiver<ExitStatus>) {
        log::warn!(
            "{}: {problem}; from now on the built-in rules decide; see {}",
            self.name,
            self.log.display()
        );
        self.answer_all();
        let _ = self.tell.send(Reply::Gone);
        // What was asked meanwhile, too.
        while let Ok(question) = asked.recv() {
            self.reply(question.id, None);
        }
        self.end(exit);
    }

    /// The run is over.
    fn end(mut self, exit: &Receiver<ExitStatus>) {
        self.feed = None;
        for signal in [None, Some(Signal::SIGTERM), Some(Signal::SIGKILL)] {
            if let Some(signal) = signal {
                self.program.signal(signal);
            }
            // Closed: its end has been heard of.
            if exit.recv_timeout(KILL_AFTER) != Err(crossbeam_channel::RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
}

fn fault_of(status: ExitStatus) -> String {
    fault(status).unwrap_or_else(|| "it has ended".to_owned())
}

fn broken(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => "it does not read what it is told".to_owned(),
        _ => atex_cli::input::reason(error),
    }
}

#[cfg(test)]
mod tests;
