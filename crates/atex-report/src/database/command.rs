//! What is typed, and what is done then.

use std::io::Write;
use std::path::PathBuf;

use atex_cli::output::{Output, OutputError};
use atex_cli::{EXIT_STATUS, Exit, Failure};

use super::answer::Answer;
use super::import::Importer;
use super::{Database, durations, flaky, history, hosts, slow, trend};
use crate::args::{InputArgs, When};
use crate::config::{Input, page};
use crate::event::Event;
use crate::input::{self, Faults, Take};
use crate::stop::Stop;
use crate::whole::Whole;

/// The options of `sqlite`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// The database
    #[arg(value_name = "DB")]
    database: PathBuf,

    #[command(flatten)]
    input: InputArgs,

    /// What the runs have tested, in any words: a version, a compose, a commit
    ///
    /// A test is flaky that both passes and fails at the same build. Without it each run is a build of its own.
    #[arg(long, value_name = "NAME")]
    build: Option<String>,
}

/// What can be asked.
#[derive(Debug, clap::Subcommand)]
pub enum Ask {
    /// Say what became of a test in the runs of a database, the last one first
    #[command(after_long_help = EXIT_STATUS)]
    History(Asked<HistoryArgs>),
    /// Say which tests change their outcome although what they test does not
    ///
    /// A flip is a change between two attempts at the same build (`sqlite --build`; otherwise within a run). Those that failed on one host
    /// only, and passed on others, are apart: it is more likely the host.
    #[command(after_long_help = EXIT_STATUS)]
    Flaky(Asked<FlakyArgs>),
    /// Say which tests have become slower than they were
    ///
    /// The last attempts that passed are compared with up to 30 before them, by the exact rank-sum test of Mann and Whitney: it does not mind
    /// single outliers. How many would look slower by chance is said too.
    #[command(after_long_help = EXIT_STATUS)]
    Slow(Asked<SlowArgs>),
    /// Say how the runs of a database went, the last one last
    #[command(after_long_help = EXIT_STATUS)]
    Trend(Asked<TrendArgs>),
    /// Say which hosts of a database have trouble, or fail tests that pass elsewhere
    #[command(after_long_help = EXIT_STATUS)]
    Hosts(Asked<HostsArgs>),
    /// Write the last attempts at each test in a database as records: what `atex-exec --history` reads
    ///
    /// They are records `test-end` of attempts that nobody cancelled: the last that passed, that failed, and that were cut short.
    #[command(after_long_help = EXIT_STATUS)]
    Durations(DurationsArgs),
}

/// A question and what all have.
#[derive(Debug, clap::Args)]
pub struct Asked<A: clap::Args> {
    /// The database, as `atex-report sqlite` makes it
    #[arg(value_name = "DB")]
    database: PathBuf,

    #[command(flatten)]
    args: A,

    /// Print an object of JSON on a line for each row, with seconds as numbers
    #[arg(long)]
    json: bool,

    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: When,
}

/// The options of `history`.
#[derive(Debug, clap::Args)]
pub struct HistoryArgs {
    /// The test's name
    #[arg(value_name = "TEST")]
    pub(super) test: String,

    /// Only on this platform
    #[arg(long, value_name = "LABEL")]
    pub(super) platform: Option<String>,

    /// At most so many attempts
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: u32,
}

/// The options of `flaky`.
#[derive(Debug, clap::Args)]
pub struct FlakyArgs {
    /// Only of the last N days before the newest attempt
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub(super) days: u32,

    /// At most so many tests
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: usize,
}

/// The options of `slow`.
#[derive(Debug, clap::Args)]
pub struct SlowArgs {
    /// Only of the last N days before the newest attempt
    #[arg(long, value_name = "N", default_value_t = 90)]
    pub(super) days: u32,

    /// How many of the last attempts are compared with those before
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=30))]
    pub(super) recent: usize,

    /// How likely chance alone may be, at most
    #[arg(long, value_name = "P", default_value_t = 0.01)]
    pub(super) significance: f64,

    /// How many times slower it must be, by the medians
    #[arg(long, value_name = "X", default_value_t = 1.2)]
    pub(super) ratio: f64,

    /// How many seconds slower it must be, by the medians
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5)]
    pub(super) seconds: f64,

    /// At most so many tests
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: usize,
}

/// The options of `trend`.
#[derive(Debug, clap::Args)]
pub struct TrendArgs {
    /// How many of the last runs
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) runs: u32,

    /// Only tests of this platform
    #[arg(long, value_name = "LABEL")]
    pub(super) platform: Option<String>,
}

/// The options of `hosts`.
#[derive(Debug, clap::Args)]
pub struct HostsArgs {
    /// Only of the last N days before the newest attempt
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub(super) days: u32,

    /// At most so many hosts
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: usize,
}

/// The options of `durations`.
#[derive(Debug, clap::Args)]
pub struct DurationsArgs {
    /// The database, as `atex-report sqlite` makes it
    #[arg(value_name = "DB")]
    database: PathBuf,

    /// How many attempts at each test that passed, and how many that did not
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) attempts: u32,
}

/// Adds a stream to a database.
///
/// The exit status is that of an export: 0 also if tests failed.
///
/// # Errors
/// The invocation is wrong, or the database cannot be written. What was written before that stays.
pub fn import(args: &ImportArgs, verbose: bool, say: &mut dyn FnMut(&str)) -> Result<Exit, Failure> {
    let input = Input::new(&args.input, verbose)?;
    let database = Database::create(&args.database)?;
    let mut faults = Faults::new(input.messages, say);
    let importer = Importer::new(&database.connection, args.build.as_deref());
    let importer = importer.map_err(|e| database.failure(&e))?;
    let mut writing = Writing { importer, database: &database, whole: Whole::default() };
    let done = input::read(&input.sources, &mut faults, &mut writing);
    let done = done.and_then(|()| writing.failed(|importer| importer.finish()));
    match done {
        Err(Stop::Failed(failure)) => return Err(failure),
        Ok(()) | Err(Stop::Closed) => {}
    }
    let Importer { results, attempts, .. } = writing.importer;
    log::info!("{}: {results} new results, {attempts} attempts read", args.database.display());
    Ok(writing.whole.exit(&mut faults, &input))
}

struct Writing<'d> {
    importer: Importer<'d>,
    database: &'d Database,
    whole: Whole,
}

impl<'d> Writing<'d> {
    fn failed(&mut self, work: impl FnOnce(&mut Importer<'d>) -> rusqlite::Result<()>) -> Result<(), Stop> {
        work(&mut self.importer).map_err(|e| Stop::Failed(self.database.failure(&e)))
    }
}

impl Take for Writing<'_> {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        self.whole.event(event);
        self.failed(|importer| importer.event(event))
    }

    /// While nothing comes, others must be able to write.
    fn idle(&mut self) -> Result<(), Stop> {
        self.failed(Importer::commit)
    }
}

/// Answers a question.
///
/// # Errors
/// There is no such database, or nothing by that name in it; or `out` cannot be written.
pub fn ask(ask: &Ask, out: impl Write) -> Result<Exit, Failure> {
    match ask {
        Ask::History(asked) => asked.answer(out, history::answer),
        Ask::Flaky(asked) => asked.answer(out, flaky::answer),
        Ask::Slow(asked) => asked.answer(out, slow::answer),
        Ask::Trend(asked) => asked.answer(out, trend::answer),
        Ask::Hosts(asked) => asked.answer(out, hosts::answer),
        Ask::Durations(args) => durations::write(&Database::open(&args.database)?, args, out),
    }
}

impl<A: clap::Args> Asked<A> {
    fn answer(
        &self,
        out: impl Write,
        answer: impl FnOnce(&Database, &A) -> Result<Vec<Answer>, Failure>,
    ) -> Result<Exit, Failure> {
        let database = Database::open(&self.database)?;
        let answers = answer(&database, &self.args)?;
        let color = page(self.color).color;
        let mut out = Output::new(out);
        let mut first = true;
        let mut write = |answer: &Answer| {
            out.append(|buffer| match self.json {
                true => answer.json(buffer),
                false => {
                    let gap = if std::mem::replace(&mut first, false) { "" } else { "\n" };
                    buffer.extend_from_slice((gap.to_owned() + &answer.text(color)).as_bytes());
                }
            })
        };
        match answers.iter().try_for_each(&mut write).and_then(|()| out.flush()) {
            // Whoever has read enough did not want the rest.
            Ok(()) | Err(OutputError::Closed) => Ok(Exit::Done),
            Err(failed) => Err(failed.into()),
        }
    }
}
