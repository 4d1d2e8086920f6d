//! `--provision CMD`: programs that give hosts, and take them back.
//!
//! Each has a keeper (`keeper`), a thread that owns the process and keeps the time, so that the dispatcher never waits:
//! what it wants to be told goes into an `outbox`, in which a later wish takes the place of an earlier one, and threads
//! of the `process` carry it over pipes that may be full. A line that makes no sense (`line`) is complained about and
//! left out. A program that dies is started again and asked to take charge of the hosts that it gave.
//!
//! Which host is wanted, used and let go is decided elsewhere; atex-provisioner(7) is the protocol.

mod command;
mod keeper;
mod line;
mod outbox;
mod process;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use atex_model::{Host, Time, protocol::Hello};
use atex_schedule::ProvisionerId;
use crossbeam_channel::{Sender, unbounded};

pub(crate) use self::command::Command;
use self::keeper::Keeper;
use crate::program::Variables;

/// How many hosts are taken of a provisioner if neither it nor anybody else says how many.
pub(crate) const MOST_HOSTS: u32 = 10;

/// So long one that can take charge of hosts has to say that it has, after a crash of ours or its own.
pub(crate) const ADOPTION: Duration = Duration::from_secs(60);

/// Where hosts can be asked for, and how long that may take.
#[derive(Debug, Clone)]
pub(crate) struct Provision {
    /// The first one is asked first.
    pub commands: Vec<Command>,
    pub waits: Waits,
}

/// Waits that keepers have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// For a sign of life while hosts are wanted.
    pub silent: Duration,
    /// Also while it says that all of them are under way.
    pub also_pending: bool,
    /// For everything to be given back at the end.
    pub release: Duration,
}

/// What the dispatcher is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    /// It has begun, for the first time or again, and this is what it says of itself.
    Hello(Box<Hello>),
    /// A host is ready, or has been taken charge of again.
    Host(Box<Host>),
    /// So many are under way.
    Pending(u64),
    /// A host was given back.
    Released(String),
    /// A host is not there any more. `given_back`: the provisioner holds it no more; else it has been told to give it back.
    Gone { id: String, note: String, given_back: bool },
    /// Some hosts will not come.
    Failed { count: u32, note: String, retry: bool },
    /// It cannot be used (any more).
    Unusable(String),
    /// It has been shut down. These hosts it may still hold.
    Over { left: Vec<String> },
}

/// What a keeper is told.
#[derive(Debug)]
enum Word {
    /// What it has said of itself is known: what is wanted from now on is what it can give.
    Known,
    Want(u32),
    Release(String, String),
    Extend(String, Time),
    Shutdown,
}

/// The way to a provisioner. Without it the program sees the end of its input, as if we had died.
#[derive(Debug)]
pub(crate) struct Provisioner(Sender<Word>);

/// Where a provisioner lives in the run.
pub(crate) struct Place {
    pub id: ProvisionerId,
    /// Keeps what it prints on standard error.
    pub log: PathBuf,
    pub variables: Variables,
    /// Hosts that it gave in an earlier life, and is to take charge of again. Each is answered by [`Said::Host`] or
    /// [`Said::Gone`], if ever.
    pub held: Vec<Host>,
    /// Those that it was to take back.
    pub owed: Vec<String>,
    /// It said last that it can take charge of hosts.
    pub adopts: bool,
}

impl Provisioner {
    /// Starts the program. What it says is sent to `tell`, and waited with if that is full.
    pub fn start(
        command: &Command,
        place: Place,
        waits: Waits,
        tell: Sender<(ProvisionerId, Said)>,
    ) -> io::Result<Provisioner> {
        let (words, told) = unbounded();
        let name = format!("provision-{}", place.id.0 + 1);
        let keeper = Keeper::new(command, place, waits, tell);
        std::thread::Builder::new().name(name).spawn(move || keeper.serve(&told))?;
        Ok(Provisioner(words))
    }

    /// Answers [`Said::Hello`]. Before that no hosts are asked for.
    pub fn known(&self) {
        self.say(Word::Known);
    }

    /// So many hosts are wanted in all. To say so again does no harm.
    pub fn want(&self, hosts: u32) {
        self.say(Word::Want(hosts));
    }

    /// A host is to be given back, for this reason.
    pub fn release(&self, id: &str, reason: &str) {
        self.say(Word::Release(id.to_owned(), reason.to_owned()));
    }

    /// A host is to be kept until then.
    pub fn extend(&self, id: &str, until: Time) {
        self.say(Word::Extend(id.to_owned(), until));
    }

    /// Everything is to be given back. Answered by [`Said::Over`], in any case.
    pub fn shut_down(&self) {
        self.say(Word::Shutdown);
    }

    fn say(&self, word: Word) {
        // A keeper that has ended was told to.
        let _ = self.0.send(word);
    }
}
