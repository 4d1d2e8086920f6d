//! `static`: the hosts of a list, which several runs of several users share. A host that is leased is locked, on the host.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use atex_cli::text::visible::visible;
use atex_cli::{Failure, input::reason};
use atex_model::{Connect, Host};
use serde_json::{Value, json};

use super::{Backend, Gives, Held, Made, Order, Spec, Surroundings, text};
use crate::inventory::{self, Format, Inventory, Item, Source};
use crate::lease::later;
use crate::ledger::Entry;
use crate::reach::{Reach, Unanswered};
use crate::stop::Stop;
use crate::trouble::Trouble;

/// How long a host may take to answer.
const ANSWER: Duration = Duration::from_secs(60);

/// How often is looked whether a host has become free, or the list has changed.
const LOOK: Duration = Duration::from_secs(5);

/// How long a host that is not reached is left alone.
const REST: Duration = Duration::from_secs(60);

const LOCK: &str = include_str!("lock.sh");

const LIST: &str = "\
A LIST OF HOSTS has a host a line, `#` begins a comment, and words are quoted as in a shell:

  [user@]host[:port] [key=value...]

  [big]                              the lines below belong to the group `big`
  node[01-40].lab                    40 hosts: node01.lab to node40.lab
  root@[2001:db8::7]:2222            an IPv6 address stands in brackets
  vm7 identity=~/.ssh/ci marks=ssd   more about a host

KEYS are user, port, identity (a file, relative to the list), platform, marks=A,B, fact.NAME=VALUE,
option.KEYWORD=VALUE (a keyword of ssh_config) and id (default: host, or host:port).";

/// What was typed behind `static`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = LIST)]
pub(crate) struct Static {
    /// The list of hosts; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// What kind of list it is, if its beginning does not tell
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,

    /// Only hosts of this group; can be given several times
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,

    /// Where on a host its lock is
    ///
    /// All who share a host must name the same place. It has to outlive a reboot.
    #[arg(long, value_name = "DIR", default_value = "/var/tmp/atex-host")]
    lock_dir: String,
}

impl Spec for Static {
    const NAME: &'static str = "static";
    const ABOUT: &'static str = "The hosts of a list";
    const LONG: &'static str = "\
The hosts of a list

Without --serve and --ttl the hosts are only described: none is connected to, and nothing has to be given back. With one \
of them each host that is given out is locked on the host itself, so that several runs of several users can share it: one \
that somebody else uses is passed over, or waited for with --serve. The list is read again when it has changed.";
    const EXAMPLES: &'static str =
        "  { atex-provision static lab.txt; atex-discover .; } | atex-exec | atex-report
      run tests on all hosts of a list, which nobody else uses
  atex-discover . | atex-exec --provision 'atex-provision static lab.txt --group big'
      on those of a group, which are shared with others
  atex-provision static inventory.yml -n 2 --ttl 2h >hosts.jsonl
      two of an inventory of Ansible, locked for two hours";

    fn open(self, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        let Static { file, format, groups, lock_dir } = self;
        let list =
            List { file, format, groups, directory: around.directory.clone(), home: around.home.clone() };
        Ok(Arc::new(Fixed { list: Some(list), ..Fixed::new(lock_dir, around) }))
    }

    fn reopen(at: &Value, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        let lock_dir = text(at, "lock_dir")
            .ok_or_else(|| Failure::trouble("static: the ledger names no place of locks"))?;
        Ok(Arc::new(Fixed::new(lock_dir, around)))
    }
}

/// When a file was changed last, its size, and which file it is: one that is put in its place may have the same time.
type Version = (SystemTime, u64, u64);

/// Where the hosts stand.
struct List {
    file: PathBuf,
    format: Option<Format>,
    groups: Vec<String>,
    directory: PathBuf,
    home: Option<PathBuf>,
}

impl List {
    fn read(&self) -> Result<Inventory, Failure> {
        let source = Source::new(&self.file, &self.directory, self.home.as_deref());
        let mut inventory = inventory::read(&source, self.format)?;
        inventory.select(&source, &self.groups)?;
        Ok(inventory)
    }

    /// Which state of the list this is; standard input does not change.
    fn version(&self) -> Option<Version> {
        let path = (self.file != Path::new("-")).then(|| self.directory.join(&self.file))?;
        let data = fs::metadata(path).ok()?;
        Some((data.modified().ok()?, data.len(), data.ino()))
    }
}

struct Fixed {
    list: Option<List>,
    lock_dir: String,
    /// Where runs on this machine see of each other which hosts are in use, to save the trip.
    flags: PathBuf,
    reach: Reach,
    state: Mutex<Known>,
}

/// What is known of the hosts of the list.
#[derive(Default)]
struct Known {
    read: Option<(Option<Version>, Arc<Vec<Host>>)>,
    /// The hosts that this process has or tries.
    mine: HashMap<String, Mine>,
    /// When, and what, was found out about hosts that are not to be had.
    tried: HashMap<String, (Instant, Duration)>,
}

/// A host that this process has or tries.
struct Mine {
    token: String,
    /// Locked as long as we live.
    _flag: Option<File>,
}

/// What a host says of its lock.
enum Lock {
    Taken,
    /// By somebody, for so long at most.
    Held(u64, String),
    Lost(String),
    Free,
    Mine,
}

/// Why a host is not locked.
enum Unlocked {
    Known(Trouble),
    /// It may be locked nevertheless.
    Unknown(Trouble),
}

impl Fixed {
    fn new(lock_dir: String, around: &Surroundings) -> Fixed {
        let flags = around.state.join("atex/hosts");
        Fixed { list: None, lock_dir, flags, reach: Reach::default(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, Known> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hosts of the list as it is now. One that has become wrong counts as it was.
    fn hosts(&self) -> Result<Arc<Vec<Host>>, Failure> {
        let list = self.list.as_ref().ok_or_else(|| Failure::trouble("static: there is no list"))?;
        let version = list.version();
        let mut state = self.state();
        if let Some((then, hosts)) = &state.read
            && *then == version
        {
            return Ok(Arc::clone(hosts));
        }
        let old = state.read.as_ref().map(|(_, hosts)| Arc::clone(hosts));
        let hosts = match (list.read(), old) {
            (Ok(inventory), _) => Arc::new(hosts_of(inventory)),
            (Err(failure), Some(old)) => {
                log::warn!("{failure}; the list is used as it was before");
                old
            }
            (Err(failure), None) => return Err(failure),
        };
        state.read = Some((version, Arc::clone(&hosts)));
        Ok(hosts)
    }

    fn ask(&self, way: &Connect, words: &[&str], stop: &Stop) -> Result<Lock, Trouble> {
        self.attempt(way, words, stop).map_err(|unanswered| unanswered.trouble)
    }

    fn attempt(&self, way: &Connect, words: &[&str], stop: &Stop) -> Result<Lock, Unanswered> {
        let said = self.reach.attempt(way, (LOCK, words), ANSWER, stop)?;
        answer(&said).map_err(|trouble| Unanswered { trouble, may_have_run: true })
    }

    /// The next host that may be free, now ours to try.
    fn pick(&self, hosts: &[Host], token: &str) -> Option<Host> {
        let mut state = self.state();
        for host in hosts {
            let rests = |(when, pause): &(Instant, Duration)| when.elapsed() < *pause;
            if state.mine.contains_key(&host.id) || state.tried.get(&host.id).is_some_and(rests) {
                continue;
            }
            match self.flag(&host.connect) {
                Ok(None) => state.tried.insert(host.id.clone(), (Instant::now(), LOOK)),
                Ok(flag) => {
                    state.mine.insert(host.id.clone(), Mine { token: token.to_owned(), _flag: flag });
                    return Some(host.clone());
                }
                Err(message) => {
                    log::warn!("{message}");
                    state.mine.insert(host.id.clone(), Mine { token: token.to_owned(), _flag: None });
                    return Some(host.clone());
                }
            };
        }
        None
    }

    /// Has a host that is locked already count as ours; `false`: we have it under another lease.
    fn keep(&self, id: &str, way: &Connect, token: &str) -> bool {
        let mut state = self.state();
        if let Some(mine) = state.mine.get(id) {
            return mine.token == token;
        }
        let flag = self.flag(way).unwrap_or_else(|message| {
            log::warn!("{message}");
            None
        });
        state.mine.insert(id.to_owned(), Mine { token: token.to_owned(), _flag: flag });
        true
    }

    /// The flag of a host on this machine; `None`: another process has it.
    fn flag(&self, way: &Connect) -> Result<Option<File>, String> {
        let key = serde_json::to_string(way).unwrap_or_default() + &self.lock_dir;
        let path = self.flags.join(&blake3::hash(key.as_bytes()).to_hex()[..16]);
        let wrong = |e: &std::io::Error| format!("{}: {}", path.display(), reason(e));
        fs::create_dir_all(&self.flags).map_err(|e| wrong(&e))?;
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(|e| wrong(&e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(e)) => Err(wrong(&e)),
        }
    }

    /// Tries to lock a host. After an error nothing is known of the lock if it may have been taken and cannot be freed: then the
    /// ledger has to go on naming that host.
    fn lock(&self, host: &Host, order: &Order) -> Result<Lock, Unlocked> {
        (order.note)(&host.id, Some(host)).map_err(Unlocked::Known)?;
        let (seconds, every) = times(order);
        let (seconds, every) = (seconds.as_secs().to_string(), every.as_secs().to_string());
        let owner = order.owner.to_string();
        let words = ["take", &self.lock_dir, order.token, &seconds, &every, &owner];
        self.attempt(&host.connect, &words, order.stop).map_err(|Unanswered { trouble, may_have_run }| {
            let free = ["free", &self.lock_dir, order.token];
            // To its end also when we are told to end: it is what keeps the lock from outliving us.
            if !may_have_run || self.ask(&host.connect, &free, &Stop::never()).is_ok() {
                Unlocked::Known(trouble)
            } else {
                Unlocked::Unknown(trouble)
            }
        })
    }

    fn drop_mine(&self, id: &str, pause: Option<Duration>) {
        let mut state = self.state();
        state.mine.remove(id);
        if let Some(pause) = pause {
            state.tried.insert(id.to_owned(), (Instant::now(), pause));
        }
    }
}

/// How long a lock lasts, and how often it is renewed.
fn times(order: &Order) -> (Duration, Duration) {
    match order.ttl {
        Some(ttl) if !order.looked_after => (ttl, Duration::ZERO),
        _ => (order.orphan, beat_of(order.orphan)),
    }
}

/// Three signs of life within the time after which a holder is taken for dead.
fn beat_of(orphan: Duration) -> Duration {
    (orphan / 3).max(Duration::from_secs(1))
}

fn hosts_of(inventory: Inventory) -> Vec<Host> {
    let host = |item| match item {
        Item::Host(listed) => Some(listed.host),
        Item::Other(_) => None,
    };
    inventory.items.into_iter().filter_map(host).collect()
}

/// What a host says of its lock.
fn answer(said: &str) -> Result<Lock, Trouble> {
    // What a login prints before is nobody's.
    let answer = said.lines().rev().find_map(|line| line.strip_prefix("atex-lock: "));
    let answer = answer.ok_or_else(|| Trouble::passing("it does not say how it is with its lock"))?;
    let (word, rest) = answer.split_once(' ').unwrap_or((answer, ""));
    Ok(match word {
        "taken" => Lock::Taken,
        "held" => {
            let (seconds, owner) = rest.split_once(' ').unwrap_or((rest, ""));
            Lock::Held(seconds.parse().unwrap_or_default(), visible(owner).into_owned())
        }
        "lost" => Lock::Lost(visible(rest).into_owned()),
        "mine" => Lock::Mine,
        "none" | "freed" => Lock::Free,
        _ => return Err(Trouble::lasting(visible(rest))),
    })
}

/// The way to the host of an entry.
fn way(entry: &Entry) -> Option<Connect> {
    serde_json::from_value::<Host>(entry.host.clone()?).ok().map(|host| host.connect)
}

impl Backend for Fixed {
    fn at(&self) -> Value {
        json!({"lock_dir": self.lock_dir})
    }

    fn gives(&self, orphan: Duration) -> Result<Gives, Failure> {
        if self.list.as_ref().is_some_and(|list| list.file == Path::new("-")) {
            let failure =
                Failure::usage("static -: with --serve standard input is for those who ask for hosts");
            return Err(failure.hint("put the list into a file"));
        }
        let max = Some(self.hosts()?.len() as u64);
        Ok(Gives { max, beat: Some(beat_of(orphan)), changes: Some(LOOK), ..Gives::default() })
    }

    fn standing(&self, _: Option<u32>) -> Result<Option<Inventory>, Failure> {
        self.list.as_ref().map(List::read).transpose()
    }

    fn create(&self, order: &Order) -> Result<Made, Trouble> {
        let mut last = None;
        loop {
            let hosts = self.hosts().map_err(Trouble::lasting)?;
            while let Some(host) = self.pick(&hosts, order.token) {
                match self.lock(&host, order) {
                    Ok(Lock::Held(seconds, owner)) => {
                        self.drop_mine(&host.id, Some(LOOK.min(Duration::from_secs(seconds.max(1)))));
                        last = Some(Trouble::passing(format!("{}: {owner} has it", host.id)));
                    }
                    Ok(_) => {
                        let resource = Some(host.id.clone());
                        return Ok(Made { host, resource, until: None });
                    }
                    Err(Unlocked::Unknown(trouble)) => {
                        self.drop_mine(&host.id, Some(REST));
                        return Err(Trouble { message: format!("{}: {trouble}", host.id), ..trouble });
                    }
                    Err(Unlocked::Known(trouble)) => {
                        self.drop_mine(&host.id, Some(REST));
                        if order.stop.is_stopped() {
                            return Err(Trouble::stopped());
                        }
                        // One that cannot be reached is no reason not to wait for the others.
                        log::warn!("{}: {trouble}", host.id);
                        last = Some(Trouble { message: format!("{}: {trouble}", host.id), ..trouble });
                    }
                }
            }
            let out_of_reach = {
                let state = self.state();
                let rests = |host: &Host| state.tried.get(&host.id).is_some_and(|(_, pause)| *pause == REST);
                hosts.iter().all(rests)
            };
            if !order.looked_after || out_of_reach {
                let none = || Trouble::passing("all hosts of the list are in use");
                return Err(last.map_or_else(none, |trouble| Trouble {
                    message: format!("no host of the list is free; {}", trouble.message),
                    ..Trouble::passing("")
                }));
            }
            if order.stop.sleep(LOOK) {
                return Err(Trouble::stopped());
            }
        }
    }

    fn strays(&self, _: &str) -> Result<Vec<Held>, Trouble> {
        // A lock that nobody knows of ends by itself.
        Ok(Vec::new())
    }

    fn holds(&self, entry: &Entry) -> Result<Vec<Held>, Trouble> {
        let Some(way) = way(entry) else { return Ok(Vec::new()) };
        match self.ask(&way, &["look", &self.lock_dir, &entry.token], &Stop::never()) {
            Ok(Lock::Mine) => Ok(vec![Held {
                token: entry.token.clone(),
                resource: entry.resource.clone(),
                way: Some(way),
            }]),
            Ok(_) => Ok(Vec::new()),
            Err(trouble) => {
                let orphan = Duration::from_secs(entry.orphan_seconds);
                let end = entry.until.unwrap_or_else(|| later(entry.changed, orphan));
                // By then the lock has ended, whatever has become of the host.
                if end <= atex_cli::now() { Ok(Vec::new()) } else { Err(Trouble { again: false, ..trouble }) }
            }
        }
    }

    fn release(&self, held: &Held) -> Result<(), Trouble> {
        if let Some(way) = &held.way
            && let Err(trouble) = self.ask(way, &["free", &self.lock_dir, &held.token], &Stop::never())
        {
            // Whether the lock is there still, and what its time is, is asked next.
            log::info!("{}: {trouble}", held.resource.as_deref().unwrap_or(&held.token));
        }
        Ok(())
    }

    fn forget(&self, token: &str) {
        self.state().mine.retain(|_, mine| mine.token != token);
    }

    fn adopt(&self, entry: &Entry) -> Result<bool, Trouble> {
        let (Some(id), Some(way)) = (&entry.resource, way(entry)) else { return Ok(false) };
        if !self.keep(id, &way, &entry.token) {
            return Ok(false);
        }
        // A lock that has ended meanwhile may be anybody's the next moment. One that cannot be renewed now is renewed, or
        // seen to be lost, later.
        match self.beat(entry) {
            Err(trouble) if !trouble.again => Ok(false),
            renewed => renewed.map(|()| true),
        }
    }

    fn beat(&self, entry: &Entry) -> Result<(), Trouble> {
        let Some(way) = way(entry) else { return Ok(()) };
        let seconds = entry.orphan_seconds.to_string();
        let every = beat_of(Duration::from_secs(entry.orphan_seconds)).as_secs().to_string();
        let owner = entry.owner.to_string();
        let words = ["renew", &self.lock_dir, &entry.token, &seconds, &every, &owner];
        match self.ask(&way, &words, &Stop::never()) {
            Ok(Lock::Lost(owner)) => Err(Trouble::lasting(format!("{owner} has taken it over"))),
            Ok(_) => Ok(()),
            Err(trouble) => Err(Trouble { again: true, ..trouble }),
        }
    }
}
