//! From a task to records, or to an answer.

use std::io::Write;
use std::mem::ManuallyDrop;

use atex_cli::output::{Output, OutputError};
use atex_cli::{Exit, Failure};
use atex_fmf::{DataWriter, Repositories, Test};
use atex_model::report::{Counts, End, EndTag};

use crate::config::{Config, Metadata, Question, Source, Task};
use crate::made::{self, Made};
use crate::platforms::Platform;
use crate::record::{Common, Data};
use crate::{TOOL, find, lint, ls, names, parallel, show, why};

/// Writes to `out` what `task` asks for; of records the last is an `end` record.
pub(crate) fn run<W: Write>(task: &Task, out: &mut Output<W>) -> Result<Exit, Failure> {
    let written = match task {
        Task::Records(config) => match write_tests(config, out) {
            Ok(tests) => write_end(out, Exit::Done, tests).map(|()| Exit::Done).map_err(Stop::from),
            Err(Stop::Failed(failure)) => {
                failed(&failure, out);
                Err(Stop::Failed(failure))
            }
            closed => closed.map(|_| Exit::Done),
        },
        Task::Answer(question) => answer(question, out),
    };
    match written {
        Ok(exit) => Ok(exit),
        Err(Stop::Output(OutputError::Closed)) => Ok(Exit::Done),
        Err(Stop::Output(failed)) => Err(failed.into()),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// Says on `out` that there are no tests because of a failure.
pub(crate) fn failed<W: Write>(failure: &Failure, out: &mut Output<W>) {
    // Of two failures the first is the cause.
    let _ = write_end(out, failure.kind.exit(), 0);
}

/// Why not all was written.
pub(crate) enum Stop {
    Failed(Failure),
    Output(OutputError),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

impl From<OutputError> for Stop {
    fn from(error: OutputError) -> Stop {
        Stop::Output(error)
    }
}

fn answer<W: Write>(question: &Question, out: &mut Output<W>) -> Result<Exit, Stop> {
    let exit = match question {
        Question::Ls(ls) => ls::write(ls, out),
        Question::Show(show) => show::write(show, out),
        Question::Why(why) => why::write(why, out),
        Question::Lint(lint) => lint::write(lint, out),
    }?;
    out.flush()?;
    Ok(exit)
}

/// Writes the tests and says how many there are.
fn write_tests<W: Write>(config: &Config, out: &mut Output<W>) -> Result<u64, Stop> {
    match &config.source {
        Source::Tree(metadata) => of_tree(config, metadata, out),
        Source::Executables { dirs, args } => {
            let place = dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", ");
            of_others(config, &made::executables(dirs, args)?, &place, out)
        }
        Source::Runtest { file, ltproot } => {
            of_others(config, &made::runtest(file, ltproot)?, &file.display().to_string(), out)
        }
        Source::List { file, tree } => {
            of_others(config, &made::list(file, tree.as_deref())?, &file.display().to_string(), out)
        }
    }
}

/// The tests of a tree. Those of all platforms are found before the first is written.
fn of_tree<W: Write>(config: &Config, metadata: &Metadata, out: &mut Output<W>) -> Result<u64, Stop> {
    let context = |platform: &Platform| find::context(&platform.context, metadata.layer);
    let load = |platform: &Platform| find::load(&metadata.dir, &context(platform));
    // What is as large as the tree is left to the end of the process, which is near: giving it back piece by piece was a
    // tenth of the time.
    let trees = ManuallyDrop::new(config.platforms.iter().map(load).collect::<Result<Vec<_>, _>>()?);
    let git = metadata.fetching.git();
    let others = |platform: &Platform| Repositories::new(&git, context(platform));
    let others: Vec<_> = config.platforms.iter().map(others).collect();
    let mut all = ManuallyDrop::new(Vec::with_capacity(trees.len()));
    for ((tree, others), platform) in trees.iter().zip(&others).zip(&config.platforms) {
        let found = find::find(tree, others, metadata, &config.names)?;
        all.extend(found.into_iter().map(|found| (platform, found)));
    }
    let total = all.iter().map(|(_, found)| found.discovery.tests.len()).sum();
    find::check_any_in(&trees[0], total, &config.names)?;
    let to_vary = find::to_vary(&config.variants.only);
    for platform in &config.platforms {
        let of_platform = all.iter().filter(|(other, _)| std::ptr::eq(*other, platform));
        let tests = of_platform.flat_map(|(_, found)| &found.discovery.tests);
        config.variants.check_names(tests.map(|test| (&*test.name, to_vary(test.own_name()))))?;
    }
    let mut written = 0;
    for (platform, found) in all.iter() {
        let files = find::files(&found.discovery)?;
        let common = Common::new(platform.label.as_deref(), Some(&files), found.plan.as_deref());
        written += parallel::write(out, &found.discovery.tests, || {
            let mut writer = DataWriter::default();
            let (common, to_vary) = (&common, &to_vary);
            move |test: &Test<'_>, to: &mut Vec<u8>| {
                let varied = to_vary(test.own_name());
                let data = Data::Found(test, &mut writer);
                append(config, common, to, &test.name, Some(test.source_dir()), data, varied)
            }
        })?;
    }
    Ok(written)
}

/// Tests that are no metadata: the same ones for all platforms.
fn of_others<W: Write>(
    config: &Config,
    tests: &[Made],
    place: &str,
    out: &mut Output<W>,
) -> Result<u64, Stop> {
    let tree = made::tree_of_names(tests)?;
    let taken = config.names.taken(&tree)?;
    let to_vary = names::matching(&tree, &config.variants.only)?;
    let tests: Vec<&Made> = tests.iter().filter(|test| taken.contains(&*test.name)).collect();
    find::check_any(tests.len(), &config.names, place)?;
    let varied = |test: &Made| config.variants.only.is_empty() || to_vary.contains(&*test.name);
    config.variants.check_names(tests.iter().map(|test| (&*test.name, varied(test))))?;
    let mut written = 0;
    for platform in &config.platforms {
        for test in &tests {
            let files = test.tree.clone().map(atex_model::Tree::Directory);
            let common = Common::new(platform.label.as_deref(), files.as_ref(), None);
            let varied = varied(test);
            out.append(|buffer| {
                let data = Data::Made(&test.data);
                written += append(config, &common, buffer, &test.name, test.dir.as_deref(), data, varied);
            })?;
        }
    }
    Ok(written)
}

/// Appends the records that a test becomes, and says how many these are.
fn append(
    config: &Config,
    common: &Common,
    to: &mut Vec<u8>,
    name: &str,
    dir: Option<&str>,
    mut data: Data<'_>,
    varied: bool,
) -> u64 {
    let varied = varied && !config.variants.is_empty();
    if !varied && config.result.is_none() {
        common.append(to, name, dir, |to| data.write(to));
        return 1;
    }
    let mut data = data.to_mapping();
    if let Some(format) = config.result {
        data.set("extra-result", format.into());
    }
    if !varied {
        common.append(to, name, dir, |to| Data::Made(&data).write(to));
        return 1;
    }
    let mut written = 0;
    for variant in config.variants.iter() {
        let mut data = data.clone();
        variant.add_to(&mut data);
        common.append(to, &variant.name(name), dir, |to| Data::Made(&data).write(to));
        written += 1;
    }
    written
}

fn write_end<W: Write>(out: &mut Output<W>, exit: Exit, tests: u64) -> Result<(), OutputError> {
    out.record(&End {
        kind: EndTag,
        tool: TOOL.name.to_owned(),
        complete: exit.is_complete(),
        exit: exit.code(),
        counts: Counts::from_iter([("tests".to_owned(), tests)]),
    })?;
    out.flush()
}
