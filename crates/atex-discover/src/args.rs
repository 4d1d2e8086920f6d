//! What was typed.

use std::path::PathBuf;

use atex_cli::{EXIT_STATUS, Failure};
use clap::Parser as _;
use clap::builder::NonEmptyStringValueParser;

use crate::TOOL;

const ABOUT: &str = "\
Finds tests in fmf trees, prints a record for each

Examples:
  atex-discover . | atex-exec --local 4
      run all tests of the tree in the working directory
  atex-discover tests --plan /plans/daily -c distro=rhel-9.6 -c arch=x86_64
      the tests of a plan, adjusted to a context
  atex-discover ls --name ^/smoke/ --filter 'tag: tier1 & tag: -slow'
      the names of some tests";

/// What was typed.
#[derive(Debug, clap::Parser)]
#[command(
    name = "atex-discover",
    version,
    about = "Finds tests in fmf trees, prints a record for each",
    long_about = ABOUT,
    after_long_help = EXIT_STATUS,
    override_usage = "atex-discover [OPTIONS] [DIR]\n       atex-discover COMMAND [OPTIONS] [ARGUMENT]...",
    subcommand_value_name = "COMMAND"
)]
pub struct Args {
    /// Options that all tools have.
    #[command(flatten)]
    pub common: atex_cli::Common,
    /// Another source than an fmf tree, or a question of a person.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Which tests, where there is no command.
    #[command(flatten)]
    pub(crate) tests: Tests,
}

/// Other sources than fmf trees, and questions of people.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Tests are executables: one for each below a directory
    ///
    /// A test is named after its path below the directory. With several directories, each name begins with that of
    /// its directory. Names that begin with a dot are passed over, links to directories are not followed.
    #[command(after_long_help = EXIT_STATUS)]
    Exec(Exec),
    /// Tests are the lines of a runtest file of the Linux Test Project
    ///
    /// The test of the tag `abort01` in the file `runtest/syscalls` is called /syscalls/abort01. LTP must be
    /// installed on the hosts; nothing is uploaded.
    #[command(after_long_help = EXIT_STATUS)]
    Ltp(Ltp),
    /// Tests are the lines of a file: a name, a tab, and a command for the shell
    ///
    /// Blank lines, and lines that begin with `#`, are skipped. A name gets a slash in front if it has none.
    #[command(after_long_help = EXIT_STATUS)]
    List(List),
    /// Print the names of the tests, for people
    #[command(after_long_help = EXIT_STATUS)]
    Ls(Ls),
    /// Print the metadata of a node, with the file and line that each key came from
    #[command(after_long_help = EXIT_STATUS)]
    Show(Show),
    /// Say why a test is selected, or is not
    #[command(after_long_help = EXIT_STATUS)]
    Why(Why),
    /// Look for mistakes in the metadata; exit with 1 if there are any
    ///
    /// Found are keys that nobody knows, durations and switches that do not mean what they say, adjust rules that
    /// cannot have an effect, names that two nodes have, and plans that select nothing.
    #[command(after_long_help = EXIT_STATUS)]
    Lint(Lint),
}

/// Which tests of a tree, and what their records say.
#[derive(Debug, PartialEq, Eq, clap::Args)]
pub struct Tests {
    /// A directory of the tree
    ///
    /// The whole tree is read, also if this is not its root. Write ./NAME if the name is that of a command.
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,

    #[command(flatten)]
    pub metadata: Metadata,
    #[command(flatten)]
    pub names: Names,
    #[command(flatten)]
    pub variants: Variants,
    #[command(flatten)]
    pub labels: Labels,
}

/// How metadata is read, and what it must say.
#[derive(Debug, PartialEq, Eq, clap::Args)]
pub struct Metadata {
    /// The tests of this plan, such as /plans/daily
    ///
    /// Of several plans those of all, with the name of their plan in front of their own.
    #[arg(long = "plan", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub plans: Vec<String>,

    #[command(flatten)]
    pub layer: Layer,

    #[command(flatten)]
    pub context: Context,

    /// Only tests that pass this fmf filter, as in `tag: tier1 & tag: -slow`; of several, they must pass all
    #[arg(long = "filter", value_name = "EXPR")]
    pub filters: Vec<String>,

    /// Only tests whose metadata makes this Python expression true, as in `tier == 1`; of several, they must
    /// pass all
    ///
    /// The keys of the metadata are the names. A test without a key that the expression asks for is not taken. It is
    /// evaluated without Python, and can do nothing but compute.
    #[arg(long = "condition", value_name = "EXPR")]
    pub conditions: Vec<String>,

    /// Add to each test what the libraries that it requires require in turn (the default)
    ///
    /// Libraries of other repositories are fetched with git, into the cache that fmf uses, and are uploaded with the
    /// tests. What is written `library(NICK/PATH)` is a library if there is a repository
    /// https://github.com/beakerlib/NICK that has it, else a package.
    #[arg(long, overrides_with = "no_libraries")]
    pub libraries: bool,

    /// Leave `require` and `recommend` as they are written
    #[arg(long, overrides_with = "libraries")]
    pub no_libraries: bool,

    #[command(flatten)]
    pub fetching: Fetching,
}

/// How plans are read.
#[derive(Debug, PartialEq, Eq, clap::Args)]
pub struct Layer {
    /// Read plans as ATEX does, or as tmt does
    ///
    /// ATEX takes from a plan its sections `how: fmf`, and what execution needs. tmt's way knows more of what plans say:
    /// `how: shell`, `context`, `environment-file`, plans imported from other repositories, `include`, `link`, `when`,
    /// `adjust-tests`, and the order of tests. Keys that are ignored are named by -v and by `lint`.
    #[arg(long, value_name = "LAYER", default_value = "atex")]
    pub plan_layer: PlanLayer,
}

/// Whose rules plans are read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PlanLayer {
    /// Those of ATEX: sections of kind fmf, tests in the order of their names
    Atex,
    /// Those of tmt
    Tmt,
}

/// How repositories that plans and libraries name by their URL come here.
#[derive(Debug, PartialEq, Eq, clap::Args)]
pub struct Fetching {
    /// Where repositories of plans and libraries are kept
    ///
    /// Several processes can use it at a time, and so can fmf. Without the option it is $FMF_CACHE_DIRECTORY, else `fmf`
    /// in $XDG_CACHE_HOME or ~/.cache.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub cache: Option<PathBuf>,

    /// How long fetching one repository may take: 90s, 5m
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub fetch_timeout: String,
}

/// What `adjust` rules can ask for.
#[derive(Debug, PartialEq, Eq, clap::Args)]
pub struct Context {
    /// What `adjust` rules can ask for, such as distro=rhel-9.6; several values are separated by commas
    ///
    /// Can be given several times, once for each dimension: a dimension that is given again replaces what
    /// was said of it before.
    #[arg(short, long = "context", value_name = "KEY=VALUE[,VALUE]")]
    pub contexts: Vec<String>,
}

/// Which names.
#[derive(Debug, PartialEq, Eq, clap::Args)]
pub struct Names {
    /// Only tests whose name matches; can be given several times for alternatives
    ///
    /// It may match anywhere in the name: `^` and `$` tie it to the ends. Where a plan names tests, too, these are more
    /// alternatives.
    #[arg(long = "name", value_name = "REGEX")]
    pub names: Vec<String>,

    /// No tests whose name matches; can be given several times
    #[arg(long = "exclude", value_name = "REGEX")]
    pub excludes: Vec<String>,

    /// Only tests whose name matches a line of this file; `-` is standard input
    ///
    /// A regular expression a line; `#` at the beginning or behind a blank begins a comment. Of several files, all
    /// lines are alternatives. A test must match one of them, and what --name or a plan asks for.
    #[arg(long = "only-file", value_name = "FILE")]
    pub only_files: Vec<PathBuf>,

    /// No tests whose name matches a line of this file; `-` is standard input
    ///
    /// The file is written as for --only-file. Each line works as an --exclude.
    #[arg(long = "no-file", value_name = "FILE")]
    pub no_files: Vec<PathBuf>,

    /// End with 0 if no test is found
    #[arg(long)]
    pub allow_empty: bool,
}

/// Several tests out of one.
#[derive(Debug, PartialEq, Eq, clap::Args)]
pub struct Variants {
    /// Make a test for each value, with KEY=VALUE in its environment and `@KEY=VALUE` behind its name
    ///
    /// Given several times, there is a test for each combination: /boot@disk=ide,cpu=2.
    #[arg(long, value_name = "KEY=VALUE[,VALUE]")]
    pub vary: Vec<String>,

    /// Vary only tests whose name matches; the others stay as they are
    #[arg(long, value_name = "REGEX", requires = "vary")]
    pub vary_only: Vec<String>,
}

/// What records say beside the metadata.
#[derive(Debug, PartialEq, Eq, clap::Args)]
pub struct Labels {
    /// Label the tests, so that they run only on hosts with this label
    #[arg(long, value_name = "LABEL", value_parser = NonEmptyStringValueParser::new())]
    pub platform: Option<String>,

    /// Discover for each platform among the host records of this file; `-` is standard input
    ///
    /// What is known of the platform's hosts (`facts`) is the context; --context replaces single dimensions. If hosts of
    /// one platform differ, it has the values of all of them. The tests are labelled with the platform; hosts without
    /// one are `default`.
    #[arg(long, value_name = "FILE", conflicts_with = "platform")]
    pub for_hosts: Option<PathBuf>,

    /// Take results out of what the tests print, in this format
    ///
    /// atex-exec does so. Sets `extra-result` in the metadata.
    #[arg(long, value_name = "FORMAT")]
    pub result: Option<ResultFormat>,
}

/// How results stand in the output of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ResultFormat {
    /// Test Anything Protocol: each test point becomes a subtest
    Tap,
}

/// What was typed behind `exec`.
#[derive(Debug, clap::Args)]
pub struct Exec {
    /// A directory with executables; it is uploaded with the tests
    #[arg(value_name = "DIR", required = true)]
    pub dirs: Vec<PathBuf>,

    /// An argument for every test; can be given several times
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    pub args: Vec<String>,

    #[command(flatten)]
    pub names: Names,
    #[command(flatten)]
    pub variants: Variants,
    #[command(flatten)]
    pub labels: Labels,
}

/// What was typed behind `ltp`.
#[derive(Debug, clap::Args)]
pub struct Ltp {
    /// A runtest file, such as /opt/ltp/runtest/syscalls
    #[arg(value_name = "RUNTEST-FILE")]
    pub file: PathBuf,

    /// Where LTP is installed on the hosts
    #[arg(long, value_name = "DIR", default_value = "/opt/ltp", value_parser = NonEmptyStringValueParser::new())]
    pub ltproot: String,

    #[command(flatten)]
    pub names: Names,
    #[command(flatten)]
    pub variants: Variants,
    #[command(flatten)]
    pub labels: Labels,
}

/// What was typed behind `list`.
#[derive(Debug, clap::Args)]
pub struct List {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// A directory that the tests need; it is uploaded, and they run in it
    #[arg(long, value_name = "DIR")]
    pub tree: Option<PathBuf>,

    #[command(flatten)]
    pub names: Names,
    #[command(flatten)]
    pub variants: Variants,
    #[command(flatten)]
    pub labels: Labels,
}

/// A tree that is asked about.
#[derive(Debug, clap::Args)]
pub struct Asked {
    /// A directory of the tree
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub tree: PathBuf,
}

/// What was typed behind `ls`.
#[derive(Debug, clap::Args)]
pub struct Ls {
    #[command(flatten)]
    pub tree: Asked,

    /// Print disabled and manual tests and stories, too, with a tab and the reason behind the name
    #[arg(long)]
    pub all: bool,

    #[command(flatten)]
    pub metadata: Metadata,
    #[command(flatten)]
    pub names: Names,
    #[command(flatten)]
    pub variants: Variants,
}

/// What was typed behind `show`.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The name of a test, a plan or any other node
    #[arg(value_name = "NAME")]
    pub name: String,

    #[command(flatten)]
    pub tree: Asked,
    #[command(flatten)]
    pub context: Context,
}

/// What was typed behind `why`.
#[derive(Debug, clap::Args)]
pub struct Why {
    /// The name of a node
    #[arg(value_name = "NAME")]
    pub name: String,

    #[command(flatten)]
    pub tree: Asked,
    #[command(flatten)]
    pub metadata: Metadata,
    #[command(flatten)]
    pub names: Names,
}

/// What was typed behind `lint`.
#[derive(Debug, clap::Args)]
pub struct Lint {
    #[command(flatten)]
    pub tree: Asked,
    #[command(flatten)]
    pub layer: Layer,
    #[command(flatten)]
    pub context: Context,
    #[command(flatten)]
    pub fetching: Fetching,
}

impl Args {
    /// Whether records are asked for, and not an answer for a person.
    pub(crate) fn gives_records(&self) -> bool {
        matches!(self.command, None | Some(Command::Exec(_) | Command::Ltp(_) | Command::List(_)))
    }

    /// Refuses options that stand before a command, which would not see them.
    ///
    /// # Errors
    /// There are such options.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.command.is_none() || self.tests == Args::parse_from([TOOL.name]).tests {
            return Ok(());
        }
        Err(Failure::usage("options and directories must stand behind the command")
            .hint("a directory that has the name of a command is written ./exec"))
    }
}
