//! What the command line means. Everything that can be wrong with it is found here, and the files that it names beside
//! trees are read here.

use std::path::{Path, PathBuf};

use atex_cli::Failure;
use atex_cli::input::Lines;

use crate::Args;
use crate::args::{self, Command};
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
    pub plan: Option<String>,
    pub filters: Vec<String>,
    pub libraries: bool,
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
    pub context: Dimensions,
}

impl Task {
    /// What `args` mean.
    ///
    /// # Errors
    /// Options are wrong in themselves or stand where nobody reads them, or a file that they name cannot be read.
    pub fn new(args: Args) -> Result<Task, Failure> {
        args.check()?;
        let Some(command) = args.command else {
            let args::Tests { dir, metadata, names, variants, labels } = args.tests;
            let contexts = platforms::dimensions(&metadata.context.contexts)?;
            let source = Source::Tree(Metadata::new(dir, metadata));
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
                    metadata: Metadata::new(tree.tree, metadata),
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
                metadata: Metadata::new(tree.tree, metadata),
                names: Names::new(names)?,
                name,
            })),
            Command::Lint(args::Lint { tree, context }) => Task::Answer(Question::Lint(Lint {
                dir: tree.tree,
                context: platforms::dimensions(&context.contexts)?,
            })),
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
    fn new(dir: PathBuf, args: args::Metadata) -> Metadata {
        Metadata { dir, plan: args.plan, filters: args.filters, libraries: !args.no_libraries }
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

fn read_all(files: &[impl AsRef<Path>]) -> Result<Vec<Pattern>, Failure> {
    let mut patterns = Vec::new();
    for file in files {
        patterns.extend(names::read(Lines::open(file.as_ref())?)?);
    }
    Ok(patterns)
}
