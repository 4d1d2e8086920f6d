//! What was typed behind the commands that do something with the hosts of a stream.

use std::path::PathBuf;
use std::time::Duration;

use atex_host::facts::Own;

use crate::args::at_least_a_second;
use crate::filters::Steps;
use crate::inventory::print::Form;

/// What all have that do something on hosts.
#[derive(Debug, Clone, clap::Args)]
pub struct OnHosts {
    /// How many hosts are worked on at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub parallel: u32,

    /// End with 0 even if hosts are gone
    #[arg(long)]
    pub allow_gone: bool,
}

/// What was typed behind `facts`.
#[derive(Debug, clap::Args)]
pub struct Facts {
    #[command(flatten)]
    pub(crate) on: OnHosts,

    /// Another fact: what a command prints on the host; can be given several times
    ///
    /// Several lines are several values. A command that fails gives no fact.
    #[arg(long = "fact", value_name = "NAME=CMD")]
    pub facts: Vec<Own>,

    /// Put what hosts say in place of facts that are in their records already
    #[arg(long)]
    pub refresh: bool,

    /// How long a host may take
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second, default_value = "1m")]
    pub timeout: Duration,
}

/// What was typed behind `check`.
#[derive(Debug, clap::Args)]
pub struct Check {
    #[command(flatten)]
    pub(crate) on: OnHosts,

    /// How long all of them together may take, counted for each from when its record has come
    ///
    /// A host that has not answered after a sixteenth of it is waited for, but others are asked in its place.
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second, default_value = "1m")]
    pub timeout: Duration,
}

/// What was typed behind `prepare`.
#[derive(Debug, clap::Args)]
pub struct Prepare {
    #[command(flatten)]
    pub(crate) steps: Steps,

    #[command(flatten)]
    pub(crate) on: OnHosts,

    /// How long all steps before a playbook, or the playbook, or those behind it may take
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second, default_value = "1h")]
    pub timeout: Duration,

    /// Install packages on this machine, too
    ///
    /// On hosts that are this machine, of `local`, packages are looked for only, and --repo and --module are refused,
    /// unless this is given.
    #[arg(long)]
    pub allow_install: bool,

    /// Keep what steps print, a file a host, in this directory
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
}

/// What was typed behind `inventory`.
#[derive(Debug, clap::Args)]
pub struct Inventory {
    /// In which form
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "ansible-yaml")]
    pub(crate) format: Form,
}

/// What was typed behind `ssh`.
#[derive(Debug, clap::Args)]
pub struct Shell {
    /// The id of a host, the part of it behind the last `/`, or the token of its lease
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Look for the host in this file of records instead of among the leases; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub hosts: Option<PathBuf>,

    /// A command and its arguments, instead of a shell
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub command: Vec<String>,
}
