//! What the command line means.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atex_cli::{Failure, input::reason};
use clap::FromArgMatches as _;

use crate::args::{Command, Get, Other};
use crate::backends::{Kind, Surroundings};
use crate::filters::Preparation;
use crate::lease::Leasing;
use crate::ledger::{Ledger, Owner};
use crate::{Args, Check, Facts, Inventory, Leases, Reap, Release, Shell, Terms};

/// How long hosts are reserved that nobody looks after, unless the user says otherwise.
const RESERVED_FOR: Duration = Duration::from_secs(24 * 3600);

/// What is to be done, with everything known that comes from the environment.
#[derive(Debug)]
pub struct Config {
    pub(crate) task: Task,
    pub(crate) around: Surroundings,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Task {
    Get { get: Box<Get>, terms: Terms },
    Release(Release),
    Leases(Leases),
    Reap(Reap),
    Facts(Facts),
    Check(Check),
    Prepare(Box<Preparation>),
    Inventory(Inventory),
    Ssh(Shell),
}

impl Config {
    /// What `args` mean.
    ///
    /// # Errors
    /// No command was given, or there is no working directory.
    pub fn new(args: Args) -> Result<Config, Failure> {
        let around = surroundings()?;
        let task = match args.command {
            Some(Command::Get(get)) => {
                let terms = Terms::from_arg_matches(&get.matches).map_err(Failure::usage)?;
                Task::Get { get: Box::new(get), terms }
            }
            Some(Command::Other(Other::Release(release))) => Task::Release(release),
            Some(Command::Other(Other::Leases(leases))) => Task::Leases(leases),
            Some(Command::Other(Other::Reap(reap))) => Task::Reap(reap),
            Some(Command::Other(Other::Facts(facts))) => Task::Facts(facts),
            Some(Command::Other(Other::Check(check))) => Task::Check(check),
            Some(Command::Other(Other::Prepare(prepare))) => {
                Task::Prepare(Box::new(Preparation::new(prepare, &around)?))
            }
            Some(Command::Other(Other::Inventory(inventory))) => Task::Inventory(inventory),
            Some(Command::Other(Other::Ssh(shell))) => Task::Ssh(shell),
            None => {
                let failure = Failure::usage(
                    "no command was given: expected a back end, or what is to be done with hosts or leases",
                );
                return Err(failure.hint("see atex-provision --help"));
            }
        };
        Ok(Config { task, around })
    }
}

impl Surroundings {
    /// The ledger of this user.
    pub(crate) fn ledger(&self) -> Result<Ledger, Failure> {
        Ledger::open(&self.state)
    }
}

/// What is needed for leases of a back end.
pub(crate) fn leasing(get: &Get, terms: &Terms, around: &Surroundings) -> Result<Leasing, Failure> {
    let kind: &'static Kind = get.kind;
    let backend = (kind.open)(&get.matches, around)?;
    let reserved = (!terms.serve).then_some(RESERVED_FOR);
    Ok(Leasing {
        ledger: Arc::new(around.ledger()?),
        kind,
        backend,
        owner: owner(terms),
        looked_after: terms.serve,
        ttl: terms.ttl.or(reserved),
        orphan: terms.orphan_timeout,
        platform: terms.platform.clone(),
    })
}

/// Whose the hosts are.
fn owner(terms: &Terms) -> Owner {
    if let Some(name) = &terms.owner {
        return Owner::Name(name.clone());
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let (Some(id), Some(dir)) = (variable("ATEX_RUN_ID"), variable("ATEX_RUN_DIR")) {
        return Owner::Run { id, dir };
    }
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    Owner::Name(user.map_or_else(|| nix::unistd::geteuid().to_string(), |user| user.name))
}

fn surroundings() -> Result<Surroundings, Failure> {
    let directory = std::env::current_dir()
        .map_err(|e| Failure::trouble(format!("working directory: {}", reason(&e))))?;
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(home.as_ref()?.join(".local/state")));
    // Nothing is written there unless there is something to write.
    let state = state.unwrap_or_else(|| "/var/lib".into());
    Ok(Surroundings { directory, home, state })
}
