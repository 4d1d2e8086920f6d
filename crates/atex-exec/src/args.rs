//! What is typed.

use std::path::PathBuf;

use clap::Parser;

/// Give each free host the next test and collect results
#[derive(Debug, Clone, Parser)]
#[command(
    name = "atex-exec",
    version,
    long_about = ABOUT,
    after_long_help = atex_cli::EXIT_STATUS,
)]
pub(crate) struct Args {
    /// Read host records from this file (`-` is standard input); may be repeated
    #[arg(long, value_name = "FILE")]
    pub hosts: Vec<PathBuf>,

    /// Add N hosts on this machine, each a work directory of its own
    ///
    /// They share this machine's files, users and processes: right for tests that do no harm, and for trying
    /// things out.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub local: u32,

    /// Keep the run in this directory [default: a new one in atex-runs]
    ///
    /// It is made with mode 0700. One that holds a run already is refused.
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,

    /// Make the run's directory on each host below DIR [default: /var, or /tmp if that cannot be written]
    ///
    /// Local hosts have theirs in the run directory instead.
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<String>,

    /// Use a host for further tests as it is after these exit statuses: numbers, or `any`
    ///
    /// After any other one, and after a test that was killed, the host is cleaned and set up anew.
    #[arg(long, value_name = "N[,N…]|any", default_value = "0")]
    pub keep_host_on: String,

    /// Try a test again up to N times if its host failed
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub infra_retries: u32,

    /// Give a host up that has not answered a small command for so long
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    pub host_timeout: String,

    /// Give a host up that is not set up, files included, within this time
    #[arg(long, value_name = "DURATION", default_value = "30m")]
    pub setup_timeout: String,

    /// When the run is stopped, wait so long for tests that were asked to end before killing them
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub grace: String,

    /// What to do with a second test of the same platform and name
    #[arg(long, value_name = "HOW", default_value = "error")]
    pub duplicates: Duplicates,

    /// Install packages on this machine, too
    ///
    /// On local hosts, packages that tests and plans ask for are looked for only, unless this is given. On other hosts
    /// they are installed.
    #[arg(long)]
    pub allow_install: bool,

    /// End with 0 if there is no test
    #[arg(long)]
    pub allow_empty: bool,

    #[command(flatten)]
    pub common: atex_cli::Common,

    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else can be done than running tests.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Command {
    /// Set hosts up for tests that are run later
    #[command(long_about = PREPARE)]
    Prepare(Prepare),
}

/// What is typed behind `prepare`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Prepare {
    /// Undo it: do what plans want done at the end, and remove what is there
    #[arg(long)]
    pub undo: bool,

    /// Read host records from this file (`-` is standard input); may be repeated
    #[arg(long, value_name = "FILE")]
    pub hosts: Vec<PathBuf>,

    /// Keep logs of what was done in this directory [default: a new one in atex-runs]
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,

    /// Make the directory on each host below DIR [default: /var, or /tmp if that cannot be written]
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<String>,

    /// Give a host up that has not answered a small command for so long
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    pub host_timeout: String,

    /// Give a host up that is not set up, files included, within this time
    #[arg(long, value_name = "DURATION", default_value = "30m")]
    pub setup_timeout: String,

    /// Install packages on this machine, too
    #[arg(long)]
    pub allow_install: bool,
}

/// What to do with a second test of one identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Duplicates {
    /// Refuse the input
    Error,
    /// Run it under its name and a number, as in `name (2)`
    Number,
}

const PREPARE: &str = "\
Set hosts up for tests that are run later

Reads tests and hosts, gives each host the files, plans and packages of all tests that it may run, and hands tests and \
hosts on. What was done stays on a host: its record says where (`prepared`). atex-exec with such a record runs \
tests there, again and again, and repeats nothing; what the host is not prepared for it is given then.";

const ABOUT: &str = "\
Give each free host the next test and collect results

Reads tests and hosts, one JSON record a line, from standard input (and hosts from --hosts), runs every \
test on a host that suits it, and writes what happens as records to standard output. All of it is also kept \
in a run directory.

Examples:
  atex-discover . | atex-exec --local 4 | atex-report
  atex-discover . --plan /plans/daily | atex-exec --hosts lab.jsonl | atex-report
  echo '{\"type\":\"test\",\"name\":\"/hi\",\"data\":{\"test\":\"echo hi\"}}' | atex-exec --local 1";
