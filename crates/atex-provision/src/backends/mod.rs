//! Back ends: where hosts come from. A module for each, and a line for each in [`ALL`].
//!
//! A back end knows one kind of provider and nothing else: neither the ledger nor the protocol, neither when a host is wanted
//! nor who keeps it. It creates what bears a token, finds what bears it, and releases that.

mod beaker;
mod exec;
mod fixed;
mod libvirt;
mod local;
mod login;
mod openstack;
mod podman;
mod testing_farm;
mod this_machine;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atex_cli::Failure;
use atex_model::{Connect, Facts, Host, Time};
use clap::{ArgMatches, Args};
use serde_json::Value;

use crate::inventory::Inventory;
use crate::ledger::{Entry, Owner};
use crate::stop::Stop;
use crate::trouble::Trouble;

/// All back ends.
pub(crate) const ALL: [Kind; 8] = [
    kind::<local::Local>(),
    kind::<fixed::Static>(),
    kind::<podman::Podman>(),
    kind::<libvirt::Libvirt>(),
    kind::<openstack::Openstack>(),
    kind::<beaker::Beaker>(),
    kind::<testing_farm::TestingFarm>(),
    kind::<exec::Exec>(),
];

/// One way to get hosts, opened: which provider, and what kind of hosts.
pub(crate) trait Backend: Send + Sync {
    /// What is needed to find this provider again: for the ledger, so without secrets, which are taken from where
    /// they were taken now.
    fn at(&self) -> Value;

    /// The program that asks the provider, if there is one: without it nothing can have been asked for.
    fn program(&self) -> Option<&'static str> {
        None
    }

    /// Creates a host that bears the token of the order. What has come of it when this fails is found by the token.
    fn create(&self, order: &Order) -> Result<Made, Trouble>;

    /// What there is whose token begins so.
    fn strays(&self, prefix: &str) -> Result<Vec<Held>, Trouble>;

    /// What there is of one lease.
    fn holds(&self, entry: &Entry) -> Result<Vec<Held>, Trouble> {
        self.strays(&entry.token)
    }

    /// Releases it. What is gone already is no trouble, and whether it is gone is asked afterwards.
    fn release(&self, held: &Held) -> Result<(), Trouble>;

    /// What can be told before there is a host. `orphan`: for how long hosts are kept that nobody looks after.
    fn gives(&self, _orphan: Duration) -> Result<Gives, Failure> {
        Ok(Gives::default())
    }

    /// Has the provider keep it until then, if it knows limits of time, see [`Gives::extends`].
    fn extend(&self, _entry: &Entry, _until: Time) -> Result<(), Trouble> {
        Ok(())
    }

    /// This process takes charge of what an earlier one had. `false`: it has gone, or somebody else has it.
    fn adopt(&self, entry: &Entry) -> Result<bool, Trouble> {
        Ok(!self.holds(entry)?.is_empty())
    }

    /// Says that somebody looks after these, if the provider wants to hear that, see [`Gives::beat`].
    fn beat(&self, _entry: &Entry) -> Result<(), Trouble> {
        Ok(())
    }

    /// This process has nothing to do with a lease any more, whoever has given it back.
    fn forget(&self, _token: &str) {}

    /// The hosts that are there anyway: without `--serve` and `--ttl` they are described, not leased.
    fn standing(&self, _most: Option<u32>) -> Result<Option<Inventory>, Failure> {
        Ok(None)
    }
}

/// What a back end says of itself.
#[derive(Debug, Default)]
pub(crate) struct Gives {
    /// How many hosts there are at most.
    pub max: Option<u64>,
    /// How many there should be at most, unless the user says otherwise.
    pub usual: Option<u64>,
    /// What is known of them.
    pub facts: Facts,
    /// That the provider has a limit of time which can be moved.
    pub extends: bool,
    /// How often it wants to hear that somebody looks after a host.
    pub beat: Option<Duration>,
    /// How often is asked again what it gives, if that can change.
    pub changes: Option<Duration>,
}

/// Writes something down before anything happens on its account.
pub(crate) type Note<'a> = &'a (dyn Fn(&str, Option<&Host>) -> Result<(), Trouble> + Sync);

/// A host that is to come into being.
pub(crate) struct Order<'a> {
    pub token: &'a str,
    pub owner: &'a Owner,
    /// For how long it is wanted; for as long as somebody looks after it, if that is not known.
    pub ttl: Option<Duration>,
    /// Whether this process looks after it; if not, it may wait for nobody.
    pub looked_after: bool,
    /// For how long it is kept when nobody looks after it any more.
    pub orphan: Duration,
    pub stop: &'a Stop,
    /// Writes down what the provider calls it, and the way to it, as soon as that is known.
    pub note: Note<'a>,
}

impl Order<'_> {
    /// The last part of the token, which is another one for each lease of a ledger.
    pub fn short(&self) -> &str {
        short(self.token)
    }
}

/// The last part of a token.
pub(crate) fn short(token: &str) -> &str {
    token.rsplit('-').next().unwrap_or(token)
}

/// A host that has come into being.
pub(crate) struct Made {
    pub host: Host,
    /// What the provider calls it.
    pub resource: Option<String>,
    /// When the provider itself ends it.
    pub until: Option<Time>,
}

/// What a provider holds of ours.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub token: String,
    pub resource: Option<String>,
    /// The way to the host, if it is known.
    pub way: Option<Connect>,
}

impl Held {
    /// Something of which the provider knows no more.
    pub fn new(token: &str, resource: Option<&str>) -> Held {
        Held { token: token.to_owned(), resource: resource.map(str::to_owned), way: None }
    }
}

/// What a back end may know of where it is called.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// The working directory.
    pub directory: PathBuf,
    /// What `~` stands for.
    pub home: Option<PathBuf>,
    /// The directory of the ledger.
    pub state: PathBuf,
}

impl Surroundings {
    /// A path that was typed, as an absolute one.
    pub fn path(&self, path: &std::path::Path) -> String {
        let typed = match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.directory.join(path),
        };
        typed.to_string_lossy().into_owned()
    }
}

/// What was typed behind the name of a back end, and how it is opened.
pub(crate) trait Spec: Args + Sized {
    /// The command.
    const NAME: &'static str;
    /// It in a line.
    const ABOUT: &'static str;
    /// It in full.
    const LONG: &'static str;
    /// How it is called: command lines, each with what it does, the most useful first.
    const EXAMPLES: &'static str;

    /// The back end that was asked for.
    fn open(self, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure>;

    /// The back end that an entry of the ledger is of.
    fn reopen(at: &Value, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure>;
}

type Opening = fn(&ArgMatches, &Surroundings) -> Result<Arc<dyn Backend>, Failure>;
type Reopening = fn(&Value, &Surroundings) -> Result<Arc<dyn Backend>, Failure>;

/// A back end as the command line and the ledger know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub name: &'static str,
    about: &'static str,
    long: &'static str,
    examples: &'static str,
    augment: fn(clap::Command) -> clap::Command,
    pub open: Opening,
    pub reopen: Reopening,
}

const fn kind<S: Spec>() -> Kind {
    Kind {
        name: S::NAME,
        about: S::ABOUT,
        long: S::LONG,
        examples: S::EXAMPLES,
        augment: S::augment_args,
        open: |matches, around| S::from_arg_matches(matches).map_err(Failure::usage)?.open(around),
        reopen: S::reopen,
    }
}

impl Kind {
    /// Its command, with the options that all have.
    pub fn command(&self) -> clap::Command {
        let command = crate::Terms::augment_args((self.augment)(clap::Command::new(self.name)));
        // Behind the arguments, whose own descriptions would stand here else.
        atex_cli::with_example(command.about(self.about).long_about(self.long), self.examples)
    }
}

/// The back end of this name.
pub(crate) fn find(name: &str) -> Option<&'static Kind> {
    const { &ALL }.iter().find(|kind| kind.name == name)
}

/// The text of a key of what a back end wrote into the ledger.
pub(crate) fn text(at: &Value, key: &str) -> Option<String> {
    Some(at[key].as_str()?.to_owned())
}
