//! What is typed.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, Parser};

use crate::control::Request;
use crate::provision_args::ProvisionArgs;
use crate::schedule_args::ScheduleArgs;
use crate::shape_args::ShapeArgs;
use crate::simulate_args::SimulateArgs;
use crate::stop_args::{self, StopArgs};

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

    /// Go on with the run in this directory, after a crash, a reboot, or a signal
    ///
    /// What is settled stays settled, tests that still run are attached again, and those that were cut short
    /// run again. The run keeps the options that it was called with. If its input had not ended, it is
    /// read again: records that are known are recognised. Hosts that had been handed on can be given again by
    /// --hosts. The output goes on where it stopped.
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,

    /// With --resume, write the whole output again, from the first record on
    #[arg(long, requires = "resume")]
    pub from_start: bool,

    /// Make the run's directory on each host below DIR [default: /var, or /tmp if that cannot be written]
    ///
    /// Local hosts have theirs in the run directory instead.
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<String>,

    #[command(flatten)]
    pub env: EnvArgs,

    /// Use a host for further tests as it is after these exit statuses: numbers, or `any`
    ///
    /// After any other one, and after a test that was killed, the host is cleaned and set up anew.
    #[arg(long, value_name = "N[,N…]|any", default_value = "0")]
    pub keep_host_on: String,

    /// Give a host up that has not been reached for so long
    ///
    /// Until then a test that runs there goes on, and is followed again from where the connection was lost. A
    /// host that comes back later is cleaned and used again.
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    pub host_timeout: String,

    /// Give a host up that is not set up, files included, within this time
    #[arg(long, value_name = "DURATION", default_value = "30m")]
    pub setup_timeout: String,

    /// After a test has announced a reboot and ended, wait so long for its host to go down
    ///
    /// Then the test is started again all the same. A host that has gone down is waited for as long as the test
    /// may run.
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub reboot_grace: String,

    /// A host that has heard nothing of us for so long ends its test itself
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub orphan_timeout: String,

    /// Let a host keep up to SIZE of what a test sends, and as much of what it prints, until we have it
    ///
    /// At this size the test waits when it writes, as on a slow line. Without this option it is 1G, or a tenth of the space that is
    /// free there if that is less.
    #[arg(long, value_name = "SIZE")]
    pub spool_max: Option<String>,

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

    /// End with 0 if no test comes
    #[arg(long)]
    pub allow_empty: bool,

    /// Also write results the moment they are reported, as records `live-result`
    ///
    /// They come again as `result` when their attempt has ended and is not tried again.
    #[arg(long)]
    pub live: bool,

    // Behind options with a heading all that has none would stand below it.
    #[command(flatten)]
    pub common: atex_cli::Common,

    #[command(flatten)]
    pub shape: ShapeArgs,

    #[command(flatten)]
    pub provision: ProvisionArgs,

    #[command(flatten)]
    pub schedule: ScheduleArgs,

    #[command(flatten)]
    pub stop: StopArgs,

    #[command(flatten)]
    pub simulate: SimulateArgs,

    #[command(flatten)]
    pub quotas: QuotaArgs,

    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else can be done than running tests.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Command {
    /// Set hosts up for tests that are run later
    #[command(long_about = PREPARE)]
    Prepare(Prepare),
    /// Show the stream and the progress of a run that goes on
    #[command(long_about = ATTACH)]
    Attach(Attach),
    /// Say how far a run is
    Status(Status),
    /// Ask a run that goes on for something, or tell it what to do
    #[command(long_about = CTL)]
    Ctl(Ctl),
    /// Remove run directories that are not needed any more
    #[command(long_about = PRUNE)]
    Prune(Prune),
}

/// What is typed behind `attach`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Attach {
    /// The directory of the run
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,

    /// Write only records that come from now on
    #[arg(long)]
    pub new: bool,

    /// Do not show at a terminal how far the run is
    #[arg(short, long)]
    pub quiet: bool,
}

/// What is typed behind `status`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Status {
    /// The directory of the run
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

/// What is typed behind `ctl`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Ctl {
    /// The directory of the run
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,

    #[command(subcommand)]
    pub request: Request,
}

/// What is typed behind `prune`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Prune {
    /// The directory that holds the run directories
    #[arg(value_name = "DIR", default_value = "atex-runs")]
    pub dir: PathBuf,

    /// Keep the N newest
    #[arg(long, value_name = "N")]
    pub keep_runs: Option<usize>,

    /// Keep those that began in the last D days
    #[arg(long, value_name = "D")]
    pub keep_days: Option<u32>,

    /// Keep so many of the newest that they take no more than this on the disk: a number, with K, M, G or T
    #[arg(long, value_name = "SIZE")]
    pub max_bytes: Option<String>,

    /// Also remove runs that were cut short and could be resumed
    #[arg(long)]
    pub resumable: bool,

    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
}

/// Variables for tests and for the scripts of plans.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct EnvArgs {
    /// Set a variable in the environment of every test; may be repeated
    ///
    /// NAME alone takes the value from the environment of atex-exec: use it for secrets. It is kept in the run
    /// directory's env.json, which only you can read, and is shown nowhere. NAME=VALUE is for what anybody may see:
    /// it stands in the command line and in run.json. These go before --env-file and before what tests and plans set.
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,

    /// Set the variables of this file in the environment of every test; may be repeated
    ///
    /// It holds NAME=VALUE as a shell reads words: one or more on a line, quotes, comments. Values are kept from
    /// sight as those of --env NAME are.
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
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

    #[command(flatten)]
    pub env: EnvArgs,
}

/// What an attempt at a test may fill.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits of one attempt")]
pub(crate) struct QuotaArgs {
    /// Keep at most N results
    ///
    /// Those beyond are left out, and a result `error` for the test says how many: there may have been failures
    /// among them.
    #[arg(long, value_name = "N", default_value_t = 100_000_000)]
    pub max_results: u64,

    /// Keep at most so many bytes of results: a number, with K, M, G or T
    ///
    /// A result that does not fit is left out, as with --max-results.
    #[arg(long, value_name = "SIZE", default_value = "16G")]
    pub max_result_bytes: String,

    /// Keep at most N uploaded files
    ///
    /// Those beyond are left out, and a result `warn` for the test says how many.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub max_files: usize,

    /// Keep at most so many bytes of uploaded files
    ///
    /// The file that exceeds it is cut off, those behind it are left out, and a result `warn` says so.
    #[arg(long, value_name = "SIZE", default_value = "100G")]
    pub max_file_bytes: String,

    /// Keep at most so many bytes of what the test prints
    ///
    /// Of more, the beginning and the end are kept, with a line between them that says how many bytes are
    /// missing, and a result `warn` says so.
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    pub max_output: String,

    /// Take at most N progress lines and marks
    ///
    /// Those beyond are left out, and a result `warn` says how many.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_notes: u64,

    /// End a test that sends a result whose JSON is larger
    ///
    /// It is held in memory while it arrives.
    #[arg(long, value_name = "SIZE", default_value = "16M")]
    pub max_json: String,

    /// End a test whose partial results take more memory while they are open
    #[arg(long, value_name = "SIZE", default_value = "64M")]
    pub max_partial: String,
}

/// Options that have a meaning beside `--resume`: all others are the run's.
const BESIDE_RESUME: [&str; 6] = ["resume", "from_start", "hosts", "verbose", "quiet", "schema"];

/// The options on the command line that cannot stand beside `--resume`, as they are typed.
pub(crate) fn not_beside_resume(matches: &ArgMatches) -> Vec<String> {
    let typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let command = Args::command();
    let options = command.get_arguments().filter(|arg| {
        let id = arg.get_id().as_str();
        matches.try_contains_id(id).is_ok()
            && typed(id)
            && !BESIDE_RESUME.contains(&id)
            && !stop_args::IDS.contains(&id)
    });
    options.map(|arg| format!("--{}", arg.get_long().unwrap_or(arg.get_id().as_str()))).collect()
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

const ATTACH: &str = "\
Show the stream and the progress of a run that goes on

Writes all records of the run so far and then each that comes, as the run itself does, and ends as it does. Any number \
may watch one run; it does not know of them. Of a run that has ended the whole stream is written.";

const CTL: &str = "\
Ask a run that goes on for something, or tell it what to do

Sends one request over the socket in the run directory and writes the answer, a line of JSON. atex-ctl(7) has the \
protocol.";

const PRUNE: &str = "\
Remove run directories that are not needed any more

A run is removed if any of the limits says so. One that goes on is never touched, nor one that could be resumed unless \
--resumable is given. What was removed is written, a record each.";

const ABOUT: &str = "\
Give each free host the next test and collect results

Examples:
  atex-discover . | atex-exec --local 4 | atex-report
      run the tests of a tree on this machine, four at a time
  atex-discover . | atex-exec --hosts lab.jsonl --run-dir nightly | atex-report
      run them on the hosts of a file, and keep the run in a directory
  atex-exec --resume nightly | atex-report
      go on with a run that was stopped, or that died

Reads tests and hosts, one JSON record a line, from standard input (and hosts from --hosts), runs every \
test on a host that suits it, and writes what happens as records to standard output. All of it is also kept \
in a run directory.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_keeps_its_options() {
        for (words, refused) in [
            (vec!["--resume", "d"], vec![]),
            (vec!["--resume", "d", "-v", "--from-start", "--hosts", "h"], vec![]),
            (vec!["--resume", "d", "--local", "1", "--run-dir", "e"], vec!["--local", "--run-dir"]),
            (vec!["--resume", "d", "--grace", "30s"], vec!["--grace"]),
        ] {
            let words = ["atex-exec"].iter().chain(&words);
            let matches = Args::command().try_get_matches_from(words).unwrap();
            assert_eq!(not_beside_resume(&matches), refused);
        }
        assert!(Args::try_parse_from(["atex-exec", "--from-start"]).is_err());
    }
}
