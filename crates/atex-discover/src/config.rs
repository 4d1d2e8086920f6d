//! What the command line means. Everything that can be wrong with it is found here, and the files that it names beside
//! trees are read here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use atex_cli::Failure;
use atex_cli::input::Lines;
use atex_fmf::condition::Expression;
use atex_fmf::{Condition, Git, meta};

use crate::Args;
use crate::args::{self, Command, PlanLayer};
use crate::find;
use crate::names::{self, Pattern};
use crate::platforms::{self, Dimensions, Platform};
use crate::variants::Variants;

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Task {
    /// Records of tests.
    Records(Config),
    /// An answer for a person.
    Answer(Question),
}

/// Which tests are looked for, and what their records say.
#[derive(Debug)]
pub(crate) struct Config {
    pub source: Source,
    pub names: Names,
    pub variants: Variants,
    pub result: Option<&'static str>,
    /// The labels of the tests and the contexts they are found in. At least one.
    pub platforms: Vec<Platform>,
}

/// Where tests come from.
#[derive(Debug)]
pub(crate) enum Source {
    Tree(Metadata),
    Executables { dirs: Vec<PathBuf>, args: Vec<String> },
    Runtest { file: PathBuf, ltproot: String },
    List { file: PathBuf, tree: Option<PathBuf> },
}

/// A tree, and what is asked of the metadata in it.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub dir: PathBuf,
    pub layer: PlanLayer,
    /// Each once. Of several the tests have the plan's name in front.
    pub plans: Vec<String>,
    pub filters: Vec<String>,
    pub conditions: Vec<Expression>,
    pub libraries: bool,
    pub fetching: Fetching,
}

/// How other repositories come here.
#[derive(Debug)]
pub(crate) struct Fetching {
    /// Where they are kept, if not where fmf does it.
    cache: Option<PathBuf>,
    limit: Duration,
}

/// Which names are taken.
#[derive(Debug)]
pub(crate) struct Names {
    /// If there are any, one must match.
    pub names: Vec<Pattern>,
    /// If there is a list, one of it must match, too.
    pub only: Option<Vec<Pattern>>,
    /// None may match.
    pub excludes: Vec<Pattern>,
    /// That no test is found is no error.
    pub allow_empty: bool,
}

/// What a person wants to know.
#[derive(Debug)]
pub(crate) enum Question {
    /// What the tests are called.
    Ls(Ls),
    /// What the metadata of a node is, and where it was written.
    Show(Show),
    /// Why a node is a test that is selected, or is not.
    Why(Why),
    /// What is wrong with a tree.
    Lint(Lint),
}

/// What the tests are called.
#[derive(Debug)]
pub(crate) struct Ls {
    pub metadata: Metadata,
    pub context: Dimensions,
    pub names: Names,
    pub variants: Variants,
    pub all: bool,
}

/// What the metadata of a node is.
#[derive(Debug)]
pub(crate) struct Show {
    pub dir: PathBuf,
    pub context: Dimensions,
    pub name: String,
}

/// Why a node is a test that is selected.
#[derive(Debug)]
pub(crate) struct Why {
    pub metadata: Metadata,
    pub context: Dimensions,
    pub names: Names,
    pub name: String,
}

/// What is wrong with a tree.
#[derive(Debug)]
pub(crate) struct Lint {
    pub dir: PathBuf,
    pub layer: PlanLayer,
    pub context: Dimensions,
    pub fetching: Fetching,
}

impl Task {
    /// What `args` mean.
    ///
    /// # Errors
    /// Options are wrong in themselves or stand where nobody reads them, or a file that they name cannot be read.
    pub fn new(args: Args) -> Result<Task, Failure> {
        args.check()?;
        check_stdin(&args)?;
        let Some(command) = args.command else {
            let args::Tests { dir, metadata, names, variants, labels } = args.tests;
            let contexts = platforms::dimensions(&metadata.context.contexts)?;
            let source = Source::Tree(Metadata::new(dir, metadata)?);
            return Ok(Task::Records(Config::new(source, names, &variants, labels, contexts)?));
        };
        let records = |source, names, variants: &_, labels| {
            Config::new(source, names, variants, labels, Dimensions::new()).map(Task::Records)
        };
        Ok(match command {
            Command::Exec(args::Exec { dirs, args, names, variants, labels }) => {
                return records(Source::Executables { dirs, args }, names, &variants, labels);
            }
            Command::Ltp(args::Ltp { file, ltproot, names, variants, labels }) => {
                return records(Source::Runtest { file, ltproot }, names, &variants, labels);
            }
            Command::List(args::List { file, tree, names, variants, labels }) => {
                return records(Source::List { file, tree }, names, &variants, labels);
            }
            Command::Ls(args::Ls { tree, all, metadata, names, variants }) => {
                Task::Answer(Question::Ls(Ls {
                    context: platforms::dimensions(&metadata.context.contexts)?,
                    metadata: Metadata::new(tree.tree, metadata)?,
                    names: Names::new(names)?,
                    variants: Variants::new(&variants.vary, &variants.vary_only)?,
                    all,
                }))
            }
            Command::Show(args::Show { name, tree, context }) => Task::Answer(Question::Show(Show {
                dir: tree.tree,
                context: platforms::dimensions(&context.contexts)?,
                name,
            })),
            Command::Why(args::Why { name, tree, metadata, names }) => Task::Answer(Question::Why(Why {
                context: platforms::dimensions(&metadata.context.contexts)?,
                metadata: Metadata::new(tree.tree, metadata)?,
                names: Names::new(names)?,
                name,
            })),
            Command::Lint(args::Lint { tree, layer, context, fetching }) => {
                Task::Answer(Question::Lint(Lint {
                    dir: tree.tree,
                    layer: layer.plan_layer,
                    context: platforms::dimensions(&context.contexts)?,
                    fetching: Fetching::new(fetching)?,
                }))
            }
        })
    }
}

impl Config {
    fn new(
        source: Source,
        names: args::Names,
        variants: &args::Variants,
        labels: args::Labels,
        context: Dimensions,
    ) -> Result<Config, Failure> {
        let platforms = match &labels.for_hosts {
            Some(file) => platforms::of_hosts(Lines::open(file)?, &context)?,
            None => vec![Platform { label: labels.platform, context }],
        };
        Ok(Config {
            source,
            names: Names::new(names)?,
            variants: Variants::new(&variants.vary, &variants.vary_only)?,
            result: labels.result.map(|args::ResultFormat::Tap| "tap"),
            platforms,
        })
    }
}

impl Metadata {
    fn new(dir: PathBuf, args: args::Metadata) -> Result<Metadata, Failure> {
        let parse = |text: &String| {
            Expression::parse(text).map_err(|error| find::refused_condition(&format!("`{text}`: {error}")))
        };
        let mut plans = Vec::new();
        for plan in args.plans {
            if !plans.contains(&plan) {
                plans.push(plan);
            }
        }
        Ok(Metadata {
            dir,
            layer: args.layer.plan_layer,
            plans,
            filters: args.filters,
            conditions: args.conditions.iter().map(parse).collect::<Result<_, _>>()?,
            libraries: !args.no_libraries,
            fetching: Fetching::new(args.fetching)?,
        })
    }

    /// The plans that are asked for; without any, none in their place: that is the whole tree.
    pub(crate) fn asked_plans(&self) -> impl Iterator<Item = Option<&str>> {
        let whole = self.plans.is_empty().then_some(None);
        self.plans.iter().map(|plan| Some(plan.as_str())).chain(whole)
    }

    /// Whether tests have the name of their plan in front, so that those of several plans are told apart.
    pub(crate) fn has_several_plans(&self) -> bool {
        self.plans.len() > 1
    }

    /// The conditions as atex-fmf takes them.
    pub(crate) fn conditions(&self) -> Vec<&dyn Condition> {
        self.conditions.iter().map(|condition| condition as &dyn Condition).collect()
    }
}

impl Fetching {
    fn new(args: args::Fetching) -> Result<Fetching, Failure> {
        let timeout = args.fetch_timeout.as_str().into();
        let seconds = meta::duration_seconds(&timeout).ok().filter(|seconds| *seconds > 0);
        let seconds = seconds.ok_or_else(|| {
            let message =
                format!("--fetch-timeout {}: expected a number of seconds, or 5m or 1h", args.fetch_timeout);
            Failure::usage(message)
        })?;
        Ok(Fetching { cache: args.cache, limit: Duration::from_secs(seconds) })
    }

    /// What fetches.
    pub(crate) fn git(&self) -> Git {
        let git = self.cache.as_ref().map_or_else(Git::from_environment, Git::with_cache);
        git.with_limit(self.limit)
    }
}

impl Names {
    fn new(args: args::Names) -> Result<Names, Failure> {
        let mut excludes = names::patterns("--exclude", &args.excludes);
        excludes.extend(read_all(&args.no_files)?);
        let only = if args.only_files.is_empty() { None } else { Some(read_all(&args.only_files)?) };
        let names = names::patterns("--name", &args.names);
        let names = Names { names, only, excludes, allow_empty: args.allow_empty };
        names::check(names.all())?;
        Ok(names)
    }

    fn all(&self) -> impl Iterator<Item = &Pattern> {
        self.names.iter().chain(self.only.iter().flatten()).chain(&self.excludes)
    }
}

/// Refuses that several files are standard input: the second would be empty.
fn check_stdin(args: &Args) -> Result<(), Failure> {
    let (file, names, labels) = match &args.command {
        None => (None, &args.tests.names, Some(&args.tests.labels)),
        Some(Command::Exec(exec)) => (None, &exec.names, Some(&exec.labels)),
        Some(Command::Ltp(ltp)) => (Some(&ltp.file), &ltp.names, Some(&ltp.labels)),
        Some(Command::List(list)) => (Some(&list.file), &list.names, Some(&list.labels)),
        Some(Command::Ls(ls)) => (None, &ls.names, None),
        Some(Command::Why(why)) => (None, &why.names, None),
        Some(Command::Show(_) | Command::Lint(_)) => return Ok(()),
    };
    let hosts = labels.and_then(|labels| labels.for_hosts.as_ref());
    let files = names.only_files.iter().chain(&names.no_files).chain(file).chain(hosts);
    match files.filter(|file| *file == Path::new("-")).count() {
        0 | 1 => Ok(()),
        _ => Err(Failure::usage("`-` is given twice, and standard input can be read once only")),
    }
}

fn read_all(files: &[impl AsRef<Path>]) -> Result<Vec<Pattern>, Failure> {
    let mut patterns = Vec::new();
    for file in files {
        patterns.extend(names::read(Lines::open(file.as_ref())?)?);
    }
    Ok(patterns)
}
