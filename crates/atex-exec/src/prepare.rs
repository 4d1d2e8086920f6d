//! `atex-exec prepare`: sets hosts up and leaves them so, for tests that are run later.
//!
//! There is nothing to decide, so there is no scheduler: each host is given every set-up that one of its tests has,
//! one after another, and is left.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use atex_cli::output::{Output, OutputError};
use atex_cli::{Exit, Failure, input::reason};
use atex_model::report::{Counts, End, EndTag};
use atex_model::{Connect, Host, Test};
use atex_schedule::{HostId, SetupId};
use crossbeam_channel::{Receiver, Sender, select, unbounded};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::args::Prepare;
use crate::attempt::Quotas;
use crate::catalog::Setups;
use crate::config::{duration, sources};
use crate::dispatch::connector;
use crate::environment::CallerEnv;
use crate::intake::{self, Item};
use crate::needs::Needs;
use crate::packer::{Asked, Packed, Packer};
use crate::plan::Steps;
use crate::pool::{News, Order, Pool, Shared, Waits};
use crate::run_dir::RunDir;

/// The key of a host's record that says that it is prepared.
const KEY: &str = "prepared";

/// The directory on a prepared host, from the line of its record.
pub(crate) fn kept_in(line: &str) -> Option<String> {
    // Most records do not have it, and are not read twice for that.
    line.contains(KEY).then_some(())?;
    let record: Value = serde_json::from_str(line).ok()?;
    let dir = record.get(KEY)?.get("dir")?.as_str()?;
    (dir.starts_with('/') && dir.len() > 1).then(|| dir.to_owned())
}

/// The line of a host's record with the directory that it is prepared in, or without.
fn with_dir(line: &str, dir: Option<&str>) -> String {
    let Ok(Value::Object(mut record)) = serde_json::from_str(line) else { return line.to_owned() };
    match dir {
        Some(dir) => record.insert(KEY.into(), serde_json::json!({ "dir": dir })),
        None => record.shift_remove(KEY),
    };
    Value::Object(record).to_string()
}

/// A host that is being prepared.
struct Entry {
    record: Arc<Host>,
    line: String,
    /// What it is still to be given.
    todo: VecDeque<SetupId>,
    /// Where what it was given stays.
    dir: Option<String>,
    failed: bool,
}

struct Preparer {
    undo: bool,
    pool: Pool,
    packer: Packer,
    setups: Setups,
    /// Which labels the tests of a set-up have; none: any host may run them.
    labels: BTreeMap<SetupId, BTreeSet<Option<String>>>,
    hosts: Vec<Entry>,
    out: Output<std::io::Stdout>,
    /// Hosts that have not been left.
    busy: usize,
    done: u64,
    stopping: bool,
    exit: Exit,
}

/// Prepares hosts, or undoes that, and says how it ended.
pub(crate) fn run(args: Prepare, signals: Receiver<Signal>) -> Result<Exit, Failure> {
    let (host, setup) =
        (duration("--host-timeout", &args.host_timeout)?, duration("--setup-timeout", &args.setup_timeout)?);
    if args.work_dir.as_deref().is_some_and(|dir| !dir.starts_with('/')) {
        return Err(Failure::usage("--work-dir: expected an absolute path, as it is one on the hosts"));
    }
    let sources = sources(&args.hosts, true)?;
    let env = CallerEnv::new(&args.env.env_file, &args.env.env)?;
    let (dir, ()) = RunDir::create(args.run_dir.as_deref(), &env, std::env::args_os(), |_| Ok(()))?;
    let own = |e: std::io::Error| Failure::trouble(format!("cannot start a thread: {}", reason(&e)));
    let (tell, news) = unbounded();
    let waits = Waits { host, setup, ..Waits::default() };
    let pool = Pool::start(connector(host)?, &tell, waits, Quotas::default(), &env).map_err(own)?;
    let shared = Shared {
        run: dir.id.clone(),
        logs: dir.setup_logs(),
        allow_install: args.allow_install,
        preparing: true,
    };
    let mut preparer = Preparer {
        undo: args.undo,
        pool,
        packer: Packer::new(dir.uploads(), Arc::new(shared)),
        setups: Setups::default(),
        labels: BTreeMap::new(),
        hosts: Vec::new(),
        out: Output::stdout(),
        busy: 0,
        done: 0,
        stopping: false,
        exit: Exit::Done,
    };
    let (to, items) = unbounded();
    for lines in sources {
        let to: Sender<Item> = to.clone();
        let thread = std::thread::Builder::new().name("input".into());
        thread.spawn(move || intake::read(lines, &to)).map_err(own)?;
    }
    drop(to);
    let outcome = preparer.take_in(&items, &signals).and_then(|()| {
        preparer.begin(&dir, args.work_dir.as_deref());
        preparer.serve(&news, &signals)?;
        preparer.finish()
    });
    drop(tell);
    if let Err(e) = std::fs::remove_dir_all(dir.uploads()) {
        log::warn!("{}: {}", dir.uploads().display(), reason(&e));
    }
    outcome.map_err(|e| Failure::trouble(format!("standard output: {e}")))?;
    Ok(preparer.exit)
}

impl Preparer {
    // ---- Input ----

    /// Reads everything: what a host needs is known when all tests are.
    fn take_in(&mut self, items: &Receiver<Item>, signals: &Receiver<Signal>) -> Result<(), OutputError> {
        while !self.stopping {
            select! {
                recv(items) -> item => match item {
                    Ok(item) => self.item(item)?,
                    Err(_) => break,
                },
                recv(signals) -> signal => if let Ok(signal) = signal { self.signal(signal) },
            }
        }
        self.out.flush()
    }

    fn item(&mut self, item: Item) -> Result<(), OutputError> {
        match item {
            Item::Test { test, line, place } => {
                if let Err(failure) = self.test(&test, &place) {
                    self.refuse(&failure);
                }
                self.out.line(&line)
            }
            Item::Host { host, line, place } => {
                if self.hosts.iter().any(|entry| entry.record.id == host.id) {
                    let id = host.id.escape_debug();
                    self.refuse(&Failure::usage(format!(
                        "{place}: host {id}: there is one of this id already"
                    )));
                    return self.out.line(&line);
                }
                let dir = kept_in(&line);
                let record = Arc::new(*host);
                self.hosts.push(Entry { record, line, todo: VecDeque::new(), dir, failed: false });
                Ok(())
            }
            Item::Other { line, incomplete } => {
                if let Some(tool) = incomplete {
                    log::warn!("{tool} says that its output is incomplete");
                    self.exit = self.exit.max(Exit::Trouble);
                }
                self.out.line(&line)
            }
            Item::Failed(failure) => {
                self.refuse(&failure);
                Ok(())
            }
            Item::Ended | Item::Stop => Ok(()),
        }
    }

    fn test(&mut self, test: &Test, place: &str) -> Result<(), Failure> {
        let (setup, is_new) = self.setups.id(test);
        if is_new {
            let steps = Steps::read(test.plan.as_ref())
                .map_err(|e| Failure::usage(format!("{place}: test {}: {e}", test.name.escape_debug())))?;
            for what in &steps.ignored {
                log::warn!("plan {}: {what} is not carried out by this version", steps.plan.escape_debug());
            }
            // To undo something, no files are needed.
            let tree = self.setups.tree(setup).filter(|_| !self.undo);
            self.packer
                .add(tree, steps)
                .map_err(|e| Failure::trouble(format!("cannot start a thread: {}", reason(&e))))?;
        }
        self.setups.need(setup, Needs::of(test));
        self.labels.entry(setup).or_default().insert(test.platform.clone());
        Ok(())
    }

    // ---- Hosts ----

    fn begin(&mut self, dir: &RunDir, work_dir: Option<&str>) {
        for (n, entry) in self.hosts.iter_mut().enumerate() {
            let label = entry.record.label();
            let fits = |labels: &BTreeSet<Option<String>>| {
                labels.iter().any(|one| one.as_deref().is_none_or(|one| one == label))
            };
            if !self.undo {
                entry.todo =
                    self.labels.iter().filter(|(_, labels)| fits(labels)).map(|(id, _)| *id).collect();
            }
            let wanted = if self.undo { entry.dir.is_some() } else { !entry.todo.is_empty() };
            if self.stopping || !wanted {
                continue;
            }
            let name = format!("atex-prepared-{}-{n}", dir.id);
            let dirs = match (&entry.dir, &entry.record.connect, work_dir) {
                (Some(dir), ..) => vec![dir.clone()],
                (None, Connect::Local, _) => {
                    vec![dir.hosts().join(n.to_string()).to_string_lossy().into_owned()]
                }
                (None, _, Some(dir)) => vec![format!("{}/{name}", dir.trim_end_matches('/'))],
                (None, ..) => vec![format!("/var/{name}"), format!("/tmp/{name}")],
            };
            self.busy += 1;
            let record = Arc::clone(&entry.record);
            self.pool.order(
                id_of(n),
                Order::Join { record, dirs, keep: true, again: false, ask: false, adopt: None },
            );
        }
    }

    fn serve(
        &mut self,
        news: &Receiver<(HostId, News)>,
        signals: &Receiver<Signal>,
    ) -> Result<(), OutputError> {
        let packed = self.packer.done().clone();
        while self.busy > 0 {
            select! {
                recv(news) -> one => if let Ok((host, news)) = one { self.news(host, news)? },
                recv(packed) -> one => if let Ok(one) = one { self.packed(one) },
                recv(signals) -> signal => if let Ok(signal) = signal { self.signal(signal) },
            }
        }
        Ok(())
    }

    fn news(&mut self, host: HostId, news: News) -> Result<(), OutputError> {
        match news {
            News::Ready if self.undo => self.pool.order(host, Order::Undo),
            News::Ready | News::SetUp(Ok(())) => self.next(host),
            News::KeptIn(dir) => self.entry(host).dir = Some(dir),
            News::SetUp(Err(problem)) => {
                self.fails(host, &problem);
                self.give_up(host);
            }
            News::SetUpCancelled => {
                self.entry(host).failed = true;
                self.give_up(host);
            }
            News::Unreachable(problem) => {
                self.fails(host, &problem);
                return self.left(host);
            }
            News::Left => return self.left(host),
            // No test is run here.
            News::Described(_)
            | News::Facts(_)
            | News::Note(_)
            | News::Mark(_)
            | News::Results(_)
            | News::Ended { .. }
            | News::Unfit(_) => {}
        }
        Ok(())
    }

    /// Leaves a host that could not be prepared as it was: no record will tell of what has been begun there.
    fn give_up(&mut self, host: HostId) {
        let was_prepared = kept_in(&self.entry(host).line).is_some();
        self.pool.order(host, if was_prepared { Order::Leave } else { Order::Undo });
    }

    /// Gives a host the next thing that it is to be given.
    fn next(&mut self, host: HostId) {
        let stopping = self.stopping;
        let entry = self.entry(host);
        entry.failed |= stopping && !entry.todo.is_empty();
        match entry.todo.pop_front() {
            _ if entry.failed => self.give_up(host),
            Some(setup) => self.set_up(host, setup),
            None => self.pool.order(host, Order::Leave),
        }
    }

    fn set_up(&mut self, host: HostId, setup: SetupId) {
        match self.packer.ask(setup, host, false) {
            Asked::Ready(prepared) => {
                let needs = self.setups.needs(setup);
                self.pool.order(host, Order::SetUp { setup: prepared, needs, clean: false });
            }
            Asked::Later => {}
            Asked::Impossible => {
                let problem = self.packer.problem(setup).unwrap_or("its files cannot be had").to_owned();
                self.fails(host, &problem);
                self.next(host);
            }
        }
    }

    fn packed(&mut self, packed: Packed) {
        let setup = packed.0;
        for (host, _) in self.packer.finished(packed) {
            if self.stopping {
                self.entry(host).failed = true;
                self.give_up(host);
            } else {
                self.set_up(host, setup);
            }
        }
    }

    fn left(&mut self, host: HostId) -> Result<(), OutputError> {
        self.busy -= 1;
        let undo = self.undo;
        let entry = self.entry(host);
        if !entry.failed {
            entry.line = with_dir(&entry.line, entry.dir.as_deref().filter(|_| !undo));
            self.done += 1;
        }
        self.hand_on(host)
    }

    fn hand_on(&mut self, host: HostId) -> Result<(), OutputError> {
        let line = std::mem::take(&mut self.entry(host).line);
        self.out.line(&line)?;
        self.out.flush()
    }

    // ---- Ends ----

    fn fails(&mut self, host: HostId, problem: &str) {
        self.entry(host).failed = true;
        self.complain(&Failure::trouble(problem));
    }

    fn signal(&mut self, signal: Signal) {
        let exit = Exit::Signal(u8::try_from(signal as i32).unwrap_or(0));
        self.exit = self.exit.max(exit);
        if std::mem::replace(&mut self.stopping, true) {
            log::warn!("{signal}: leaving at once; what runs on hosts goes on");
            std::process::exit(i32::from(exit.code()));
        }
        log::warn!("{signal}: ending what runs; once more: leave at once");
        for n in 0..self.hosts.len() {
            self.pool.order(id_of(n), Order::Cancel);
        }
    }

    /// The input is wrong: nothing is begun.
    fn refuse(&mut self, failure: &Failure) {
        self.complain(failure);
        self.stopping = true;
    }

    fn complain(&mut self, failure: &Failure) {
        failure.report(crate::TOOL);
        self.exit = self.exit.max(failure.kind.exit());
    }

    /// Hands on the hosts that there was nothing to do for, and says how it ended.
    fn finish(&mut self) -> Result<(), OutputError> {
        let rest: Vec<usize> = (0..self.hosts.len()).filter(|n| !self.hosts[*n].line.is_empty()).collect();
        for n in rest {
            self.hand_on(id_of(n))?;
        }
        let counts = Counts::from_iter([
            ("hosts".to_owned(), self.hosts.len() as u64),
            (if self.undo { "undone" } else { "prepared" }.to_owned(), self.done),
        ]);
        self.out.record(&End {
            kind: EndTag,
            tool: crate::TOOL.name.into(),
            complete: self.exit.is_complete(),
            exit: self.exit.code(),
            counts,
        })?;
        self.out.flush()
    }

    fn entry(&mut self, host: HostId) -> &mut Entry {
        &mut self.hosts[host.0 as usize]
    }
}

fn id_of(n: usize) -> HostId {
    HostId(u32::try_from(n).expect("each host takes a record, and memory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_where_its_host_is_prepared() {
        let line = r#"{"type":"host","id":"a","connect":{"how":"local"},"mine":1.50}"#;
        assert_eq!(kept_in(line), None);
        let prepared = with_dir(line, Some("/var/x"));
        assert_eq!(kept_in(&prepared).unwrap(), "/var/x");
        assert_eq!(with_dir(&prepared, None), with_dir(line, None));
        for other in
            [r#"{"prepared":true}"#, r#"{"prepared":{"dir":"/"}}"#, r#"{"id":"prepared"}"#, "prepared"]
        {
            assert_eq!(kept_in(other), None, "{other}");
        }
    }
}
