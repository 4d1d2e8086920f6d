//! What was typed. What is typed behind the name of a back end stands in the module of that back end, but for what all have
//! in common: [`Terms`].

use std::time::Duration;

use atex_control::{DurationForm, parse_duration};
use clap::builder::NonEmptyStringValueParser;
use clap::{ArgMatches, Subcommand};

use crate::backends;
use crate::filter_args::{Check, Facts, Inventory, Prepare, Shell};

const ABOUT: &str = "\
Gives hosts, from anywhere, and gives them back for certain

Examples:
  { atex-provision static lab.txt; atex-discover .; } | atex-exec
      run the tests of a tree on the hosts of a list
  atex-discover . | atex-exec --provision 'atex-provision podman --image fedora --max 4'
      as many containers as the tests need, four at most
  atex-provision podman --image fedora -n 3 --ttl 2h >hosts.jsonl
      three containers for two hours; `atex-provision release <hosts.jsonl` gives them back";

/// What was typed.
#[derive(Debug, clap::Parser)]
#[command(
    name = "atex-provision",
    version,
    about = "Gives hosts as records",
    long_about = ABOUT,
    after_long_help = atex_cli::EXIT_STATUS,
    arg_required_else_help = true
)]
pub struct Args {
    /// Options that all tools have.
    #[command(flatten)]
    pub common: atex_cli::Common,
    /// What is to be done.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What is to be done.
#[derive(Debug)]
pub enum Command {
    /// Hosts of a back end are wanted.
    Get(Get),
    /// Something is to be done with hosts or leases that there are.
    Other(Other),
}

/// Which hosts are wanted, of which back end.
#[derive(Debug)]
pub struct Get {
    pub(crate) kind: &'static backends::Kind,
    pub(crate) matches: ArgMatches,
}

/// What can be done with hosts and leases that there are.
#[derive(Debug, Subcommand)]
pub enum Other {
    /// Give hosts back
    ///
    /// Reads records, gives back the hosts among them that have a lease, and hands all else on. A `released` record says
    /// of each that it is given back. One that has been given back before is no trouble.
    Release(Release),
    /// Show what is held, by whom, since when and until when
    Leases(Leases),
    /// Free what nobody looks after any more
    ///
    /// Freed are leases whose time is over, those of runs that have ended or whose directory is gone, those whose holder
    /// has been dead longer than their --orphan-timeout, and whatever the providers that were used within a week hold
    /// with a token of ours but without a lease. What has no token of ours is never touched, nor are hosts that only
    /// were listed.
    Reap(Reap),
    /// Ask hosts what they are like
    ///
    /// Puts facts into the records of the hosts that come by standard input: distro (as in fedora-40 or rhel-9.4), version,
    /// arch, cpus, memory_mib, virtualization, kernel and boot_id. A fact that is in a record already stays. A host that
    /// cannot be asked comes out as `host-gone`. All else goes on as it came.
    Facts(Facts),
    /// Hand on the hosts that are alive
    ///
    /// A host on which no command can be run comes out as `host-gone`. All else goes on as it came.
    Check(Check),
    /// Make hosts ready: repositories, modules, packages, scripts, files, playbooks
    ///
    /// Does the steps one after another on each host, and on many hosts at once; a playbook is played for all together,
    /// when the input has ended. `done` in the record of a host says what was done; a host with which a step fails comes out
    /// as `host-gone`. All else goes on as it came.
    Prepare(Prepare),
    /// Write hosts as an inventory of Ansible, as an ssh_config, or as lines of /etc/hosts
    ///
    /// Hosts have their ids as names, with `-` for what is no letter or digit; labels and marks are groups. Other records
    /// are left out.
    Inventory(Inventory),
    /// Enter a leased host: a shell there, or a command
    Ssh(Shell),
}

/// What was typed behind `release`.
#[derive(Debug, clap::Args)]
pub struct Release {
    /// Give these back instead: ids of hosts, or tokens of leases; standard input is not read
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
}

/// What was typed behind `leases`.
#[derive(Debug, clap::Args)]
pub struct Leases {
    /// As records, one lease a line
    #[arg(long)]
    pub json: bool,
}

/// What was typed behind `reap`.
#[derive(Debug, clap::Args)]
pub struct Reap {
    /// Free only what was begun at least so long ago
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub older_than: Option<Duration>,

    /// Free leases of dead holders at once, also those that a resumed run could use still
    #[arg(long)]
    pub now: bool,

    /// Only say what would be freed
    #[arg(long)]
    pub dry_run: bool,
}

/// How hosts are wanted, whatever the back end.
#[derive(Debug, Clone, clap::Args)]
pub struct Terms {
    /// How many hosts; with --serve, how many at most
    #[arg(short = 'n', long = "max", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub hosts: Option<u32>,

    /// A label for the hosts that have none
    ///
    /// A host takes only the tests with its label, and tests without one.
    #[arg(long, value_name = "LABEL", value_parser = NonEmptyStringValueParser::new())]
    pub platform: Option<String>,

    /// For how long the hosts are wanted
    ///
    /// After this time `reap` frees them, whoever has them; where the provider has a limit of its own, it is told too.
    /// Without --serve it is a day if nothing else is said; with it, hosts are kept as long as they are asked for.
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second)]
    pub ttl: Option<Duration>,

    /// Provide hosts as they are asked for over standard input, until that ends
    ///
    /// This is what atex-exec starts, see its --provision.
    // Once more does no harm: atex-exec puts it in front of what the user typed.
    #[arg(long, overrides_with = "serve")]
    pub serve: bool,

    /// For how long hosts are kept for a resumed run once nobody looks after them
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second, default_value = "1h")]
    pub orphan_timeout: Duration,

    /// Whose the hosts are; by default the run's, if a run asks for them, else the user's
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub owner: Option<String>,

    /// How many calls to the provider are under way at once
    #[arg(long, value_name = "N", default_value_t = crate::turns::DEFAULT as u32, value_parser = clap::value_parser!(u32).range(1..))]
    pub parallel: u32,
}

/// A duration such as `90`, `10m` or `1h 30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text, DurationForm::Extended).map_err(|e| e.to_string())
}

/// The same; none at all is a mistake.
pub(crate) fn at_least_a_second(text: &str) -> Result<Duration, String> {
    let found = duration(text)?;
    if found < Duration::from_secs(1) { Err("expected at least a second".to_owned()) } else { Ok(found) }
}

impl Subcommand for Command {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        Other::augment_subcommands(command.subcommands(backends::ALL.iter().map(backends::Kind::command)))
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        backends::find(name).is_some() || Other::has_subcommand(name)
    }
}

impl clap::FromArgMatches for Command {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        match matches.subcommand() {
            Some((name, of_it)) if let Some(kind) = backends::find(name) => {
                Ok(Command::Get(Get { kind, matches: of_it.clone() }))
            }
            _ => Other::from_arg_matches(matches).map(Command::Other),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
