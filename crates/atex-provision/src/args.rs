//! What was typed.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;

const ABOUT: &str = "\
Gives hosts as records

Examples:
  { atex-provision static lab.txt; atex-discover .; } | atex-exec
      run the tests of a tree on the hosts of a list
  atex-provision static inventory.yml --group web -n 2 > hosts.jsonl
      two hosts of a group of an Ansible inventory
  { atex-provision local -n 4; atex-discover .; } | atex-exec
      run up to four tests at once on this machine";

const LIST: &str = "\
A LIST OF HOSTS has a host a line, `#` begins a comment, and words are quoted as in a shell:

  [user@]host[:port] [key=value...]

  [big]                              the lines below belong to the group `big`
  node[01-40].lab                    40 hosts: node01.lab to node40.lab
  root@[2001:db8::7]:2222            an IPv6 address stands in brackets
  vm7 identity=~/.ssh/ci marks=ssd   more about a host

KEYS are user, port, identity (a file, relative to the list), platform, marks=A,B, fact.NAME=VALUE,
option.KEYWORD=VALUE (a keyword of ssh_config) and id (default: host, or host:port).";

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
    /// Which hosts.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Which hosts.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// This machine, once or several times
    Local(Local),
    /// The hosts of a list
    #[command(after_long_help = LIST)]
    Static(Static),
}

/// What was typed behind `local`.
#[derive(Debug, clap::Args)]
pub struct Local {
    /// How many hosts; so many tests can run at once
    #[arg(short = 'n', value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub hosts: u32,

    /// The hosts take only the tests with this label, and tests without one
    #[arg(long, value_name = "LABEL", value_parser = NonEmptyStringValueParser::new())]
    pub platform: Option<String>,
}

/// What was typed behind `static`.
#[derive(Debug, clap::Args)]
pub struct Static {
    /// The list of hosts; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// What kind of list it is, if its beginning does not tell
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Only hosts of this group; can be given several times
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,

    /// Only the first N hosts
    #[arg(short = 'n', value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub hosts: Option<u32>,

    /// A label for the hosts that have none in the list
    ///
    /// A host takes only the tests with its label, and tests without one.
    #[arg(long, value_name = "LABEL", value_parser = NonEmptyStringValueParser::new())]
    pub platform: Option<String>,
}

/// The kinds of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A host a line
    List,
    /// An inventory of Ansible, in YAML
    AnsibleYaml,
    /// Host records, which are passed on as they are
    Records,
}
