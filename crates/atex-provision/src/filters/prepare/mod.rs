//! `prepare`: hosts are made ready as the jobs of a lab do it.

mod playbook;
mod repository;
mod steps;
mod upload;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use atex_cli::text::{tail::Tail, visible::visible};
use atex_cli::{Failure, input::reason, output::Output};
use atex_connect::{Exit, Stdin};
use atex_host::packages::{self, Answer};
use crossbeam_channel::unbounded;
use serde_json::{Value, json};

pub use steps::Steps;

use super::{Filter, Passing, Since, Then, read};
use crate::backends::Surroundings;
use crate::crowd::Item;
use crate::filter_args::{OnHosts, Prepare};
use crate::inventory::print::names;
use crate::reach::{Link, Stream};
use crate::run::Done;
use crate::trouble::Trouble;
use playbook::Playbook;
use steps::{Script, Step};
use upload::{Packed, UNPACK};

/// The key of a host's record that says what was done with it.
const KEY: &str = "done";

/// Why nothing is installed: this machine is its user's.
const HERE: &str = "on this machine with --allow-install only";

/// Runs a script that comes by its input: as a program, so that it decides itself what reads it.
const RUN: &str = "file=$(mktemp) || exit; trap 'rm -f \"$file\"' EXIT; cat >\"$file\" && chmod 700 \"$file\" || exit; \
                   ATEX_HOST=$1 ATEX_PLATFORM=$2 \"$file\" </dev/null";

/// What is to be done with hosts, with everything at hand that it needs.
#[derive(Debug)]
pub(crate) struct Preparation {
    /// Steps on each host by itself, and playbooks between them.
    stages: Vec<Stage>,
    on: OnHosts,
    timeout: Duration,
    logs: Option<PathBuf>,
    /// Packages are installed on this machine, too.
    allow_install: bool,
}

#[derive(Debug)]
enum Stage {
    OnEach(Vec<Task>),
    OnAll(Playbook),
}

/// Something that is done on a host.
#[derive(Debug)]
struct Task {
    what: What,
    /// What it is called in messages.
    name: String,
    /// How it stands in the record.
    done: Value,
}

#[derive(Debug)]
enum What {
    /// A script of ours, which settles where packages come from.
    Sources(String),
    /// A program, from standard input.
    Program(Arc<[u8]>),
    Packages(Vec<String>),
    Copy(Packed),
}

impl Preparation {
    /// Reads and packs what hosts are to get, so that what is wrong is found before one of them is touched.
    pub fn new(asked: Prepare, around: &Surroundings) -> Result<Preparation, Failure> {
        let folder = tempfile::tempdir()
            .map_err(|e| Failure::trouble(format!("a temporary directory: {}", reason(&e))));
        let folder = Arc::new(folder?);
        let mut stages = Vec::new();
        for (number, step) in asked.steps.0.into_iter().enumerate() {
            let task = match step {
                Step::Playbook(file) => {
                    stages.push(Stage::OnAll(Playbook::new(file, around)?));
                    continue;
                }
                Step::Copy(copy) => {
                    let packed = copy.pack(&around.directory, &folder, number)?;
                    let name = format!("file {}", copy.to);
                    Task { what: What::Copy(packed), name, done: json!({"file": copy.to}) }
                }
                step => Task::new(step, around)?,
            };
            match stages.last_mut() {
                Some(Stage::OnEach(tasks)) => tasks.push(task),
                _ => stages.push(Stage::OnEach(vec![task])),
            }
        }
        if stages.is_empty() {
            // Scripts may have nothing to add; which hosts are alive is told all the same.
            stages.push(Stage::OnEach(Vec::new()));
        }
        if let Some(logs) = &asked.logs {
            let wrong =
                |e: &std::io::Error| Failure::usage(format!("--logs: {}: {}", logs.display(), reason(e)));
            fs::create_dir_all(logs).map_err(|e| wrong(&e))?;
        }
        let Prepare { on, timeout, logs, allow_install, .. } = asked;
        Ok(Preparation { stages, on, timeout, logs, allow_install })
    }
}

impl Task {
    fn new(step: Step, around: &Surroundings) -> Result<Task, Failure> {
        Ok(match step {
            Step::Repositories(all) => {
                let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
                let (name, done) = (format!("repo {}", names.join(", ")), json!({"repo": names}));
                Task { what: What::Sources(repository::repositories(&all)), name, done }
            }
            Step::Module(module) => {
                let (name, done) = (format!("module {}", module.0), json!({"module": module.0}));
                Task { what: What::Sources(repository::module(&module)), name, done }
            }
            Step::Packages(want) => {
                let done = json!({"package": want});
                Task { what: What::Packages(want), name: "packages".to_owned(), done }
            }
            Step::Script(Script::Text(text)) => {
                let program = format!("#!/bin/sh -e\n{text}\n").into_bytes().into();
                let name = format!("script `{}`", shortened(&text));
                Task { what: What::Program(program), name, done: json!({"script": text}) }
            }
            Step::Script(Script::File(file)) => {
                let path = around.directory.join(&file);
                let program = fs::read(path)
                    .map_err(|e| Failure::usage(format!("--script: {}: {}", file.display(), reason(&e))))?;
                let shown = file.display().to_string();
                let (name, done) = (format!("script {shown}"), json!({"script": shown}));
                Task { what: What::Program(program.into()), name, done }
            }
            Step::Copy(_) | Step::Playbook(_) => unreachable!("they are no tasks of this kind"),
        })
    }

    /// Does it, and looks only whether packages are there if nothing may be installed. What is printed is heard by `log`.
    fn run(&self, host: &Passing, may_install: bool, link: &Link, log: &mut Log) -> Result<(), Trouble> {
        let id = host.host.id.as_str();
        let sh = |script: &str, words: &[&str]| {
            let words = [&["sh", "-c", script, "sh"], words].concat();
            shlex::try_join(words).map_err(|_| Trouble::lasting(format!("{id}: its record holds a NUL")))
        };
        log.title(&self.name);
        let (command, input) = match &self.what {
            What::Sources(_) if !may_install => {
                return Err(Trouble::lasting(format!("{}: {HERE}", self.name)));
            }
            What::Sources(script) => ("sh -s".to_owned(), Stdin::bytes(script.as_str())),
            What::Packages(want) => ("sh -s".to_owned(), Stdin::bytes(packages_script(want, may_install))),
            What::Program(program) => {
                (sh(RUN, &[id, host.host.label()])?, Stdin::shared(Arc::clone(program)))
            }
            What::Copy(packed) => (sh(UNPACK, &[&packed.directory])?, Stdin::file(&packed.tar)),
        };
        let (mut tail, mut answers) = (Tail::default(), Vec::new());
        let keeps_answers = matches!(self.what, What::Packages(_));
        let exit = link.run(&command, input, |stream, bytes| {
            if keeps_answers && stream == Stream::Out {
                answers.extend_from_slice(bytes);
            } else {
                tail.add(bytes);
                log.add(bytes);
            }
        });
        let exit =
            exit.map_err(|trouble| Trouble { message: format!("{}: {trouble}", self.name), ..trouble })?;
        let lacking = lacking(&String::from_utf8_lossy(&answers));
        match (exit, lacking) {
            (Exit::Code(0), None) => Ok(()),
            (Exit::Code(0), Some(lacking)) if may_install => Err(Trouble::passing(lacking)),
            (Exit::Code(0), Some(lacking)) => {
                Err(Trouble::passing(format!("{lacking}; they are installed {HERE}")))
            }
            (exit, _) => Err(Trouble::passing(format!("{} {}", self.name, failed(exit, &tail)))),
        }
    }
}

fn packages_script(want: &[String], install: bool) -> String {
    let asked = packages::Asked { install, want, ..packages::Asked::default() };
    // Answers are what is listened to; what the package manager prints is for people.
    format!("exec 3>&1 >&2\n{}", asked.script())
}

/// The beginning of a text, for messages.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    let shown: String = visible(text).chars().take(SHOWN).collect();
    if shown.len() < text.len() { format!("{shown}…") } else { shown }
}

/// The packages that are said to be missing, and why.
fn lacking(answers: &str) -> Option<String> {
    let lacks = |answer: Answer| match answer {
        Answer::Lacks(name, why) => Some(format!("package `{}` cannot be had: {why}", name.escape_debug())),
        _ => None,
    };
    let all: Vec<String> = packages::answers(answers).filter_map(lacks).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn failed(exit: Exit, tail: &Tail) -> String {
    let how = match exit {
        Exit::Code(code) => format!("failed with exit status {code}"),
        Exit::Signal(Some(number)) => format!("was killed by signal {number}"),
        Exit::Signal(None) => "was killed by a signal".to_owned(),
    };
    match tail.words() {
        words if words.is_empty() => how,
        words => format!("{how}: {words}"),
    }
}

/// Makes hosts ready, and hands those on that are.
pub(crate) fn prepare<W: Write>(
    preparation: &Preparation,
    out: &mut Output<W>,
    done: &mut Done,
) -> Result<(), Failure> {
    let Preparation { stages, on, timeout, logs, .. } = preparation;
    let mut filter = Filter::new(on, (*timeout, Since::Begun), out, done)?;
    let mut input = read();
    for (number, stage) in stages.iter().enumerate() {
        let mut ready = Vec::new();
        let is_last = number + 1 == stages.len();
        match stage {
            Stage::OnEach(tasks) => {
                let then = if is_last { Then::Write } else { Then::Keep(&mut ready) };
                filter.run(input, |host, link| preparation.work_off(tasks, host, link), then);
            }
            Stage::OnAll(playbook) => {
                // Whoever cannot be reached is known without waiting for Ansible; the others are known hosts then.
                let mut reached = Vec::new();
                filter.run(input, |_, link| link.script(":", &[]).map(drop), Then::Keep(&mut reached));
                ready = filter.play(playbook, reached, *timeout, logs.as_deref());
                if is_last {
                    ready.drain(..).for_each(|host| filter.hand_on(&host));
                }
            }
        }
        let (to, hosts) = unbounded();
        for host in ready {
            // The other end is here.
            let _ = to.send(Item::Work(host));
        }
        input = hosts;
    }
    filter.finish()
}

impl Preparation {
    /// Does one task after another; notes in the record what has been done.
    fn work_off(&self, tasks: &[Task], host: &mut Passing, link: &Link) -> Result<(), Trouble> {
        if tasks.is_empty() {
            return link.script(":", &[]).map(drop);
        }
        let mut log = Log::open(self.logs.as_deref(), &host.host.id);
        let may_install = self.allow_install || !host.host.is_this_machine();
        for task in tasks {
            task.run(host, may_install, link, &mut log)?;
            note(host, task.done.clone());
        }
        Ok(())
    }
}

/// Notes in a record that something has been done.
fn note(host: &mut Passing, what: Value) {
    let mut all = match host.get(KEY) {
        Some(Value::Array(all)) => all,
        _ => Vec::new(),
    };
    all.push(what);
    host.set(KEY, &all);
}

impl<W: Write> Filter<'_, W> {
    /// Has a playbook played for hosts; gives those with which all went well.
    fn play(
        &mut self,
        playbook: &Playbook,
        hosts: Vec<Passing>,
        timeout: Duration,
        logs: Option<&Path>,
    ) -> Vec<Passing> {
        if hosts.is_empty() {
            return hosts;
        }
        let records: Vec<_> = hosts.iter().map(|host| &host.host).collect();
        let played = playbook.play(&records, self.on.parallel, timeout, (logs, &self.stop));
        let mut ready = Vec::new();
        for (mut host, result) in hosts.into_iter().zip(played) {
            match result {
                Ok(true) => note(&mut host, json!({"playbook": playbook.name()})),
                // It is about other hosts.
                Ok(false) => {}
                Err(trouble) => {
                    self.gone(&host, &trouble);
                    continue;
                }
            }
            ready.push(host);
        }
        ready
    }
}

/// Where it is kept what the steps on a host print.
struct Log(Option<File>);

impl Log {
    fn open(logs: Option<&Path>, id: &str) -> Log {
        Log(logs.and_then(|logs| {
            let path = logs.join(format!("{}.log", names([id]).remove(0)));
            let file = OpenOptions::new().create(true).append(true).open(&path);
            file.inspect_err(|e| log::warn!("{}: {}", path.display(), reason(e))).ok()
        }))
    }

    fn title(&mut self, title: &str) {
        self.add(format!("== {title}\n").as_bytes());
    }

    fn add(&mut self, bytes: &[u8]) {
        if let Some(file) = &mut self.0
            && let Err(e) = file.write_all(bytes)
        {
            log::warn!("--logs: {}", reason(&e));
            self.0 = None;
        }
    }
}
