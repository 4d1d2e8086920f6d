//! Puts a stream in order: by platform, test and subtest, so that streams can be compared and repeats meet.

use std::io::Write;
use std::path::PathBuf;

use atex_cli::{Exit, Failure};
use atex_model::Time;

use crate::args::InputArgs;
use crate::config::Input;
use crate::event::{Event, What};
use crate::input::{self, Faults, Take};
use crate::out::Out;
use crate::record::Record;
use crate::sorter::{Pair, Sorter, key_text};
use crate::stop::Stop;
use crate::whole::Whole;

/// The options of `sort`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// Write to this file instead of stdout; it appears when it is whole
    ///
    /// A name that ends with `.gz`, `.xz` or `.zst` has it packed.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Sorts.
///
/// # Errors
/// The invocation is wrong, or something cannot be written. A reader that has gone away is no error.
pub fn run(
    args: &Args,
    verbose: bool,
    stdout: impl Write,
    say: &mut dyn FnMut(&str),
) -> Result<Exit, Failure> {
    let input = Input::new(&args.input, verbose)?;
    let mut out = match &args.output {
        Some(path) => Out::file(path)?,
        None => Out::stream(stdout),
    };
    let mut faults = Faults::new(input.messages, say);
    let mut sorting = Sorting::default();
    let done = input::read(&input.sources, &mut faults, &mut sorting)
        .and_then(|()| sorting.sorter.finish())
        .and_then(|mut sorted| {
            let (mut pair, mut last) = (Pair::default(), Vec::new());
            while sorted.next(&mut pair)? {
                let (key, line) = &mut pair;
                // Records of tests that are no results, and come twice, meet here.
                if *line == last && key.first() == Some(&TESTS) {
                    continue;
                }
                out.buffer.extend_from_slice(line);
                out.buffer.push(b'\n');
                out.settle()?;
                std::mem::swap(line, &mut last);
            }
            out.finish()
        });
    match done {
        Ok(()) => Ok(sorting.whole.exit(&mut faults, &input)),
        Err(Stop::Closed) => Ok(Exit::Done),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

#[derive(Default)]
struct Sorting {
    sorter: Sorter,
    whole: Whole,
    key: Vec<u8>,
}

/// In which order kinds of records stand: what is of the run, then tests, then the ends of tools.
const RUN: u8 = 0;
const TESTS: u8 = 1;
const ENDS: u8 = 2;

impl Take for Sorting {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        if self.whole.event(event).is_repeat {
            return Ok(());
        }
        self.key.clear();
        key(event, &mut self.key);
        self.sorter.push(&self.key, event.line.text.as_bytes())
    }
}

fn key(event: &Event<'_>, key: &mut Vec<u8>) {
    match event.what {
        What::Row(row) => {
            of_test(key, row.platform, row.test, row.subtest);
            key_text(key, row.run);
            key.extend_from_slice(&row.attempt.to_be_bytes());
            key.extend_from_slice(&row.n.to_be_bytes());
        }
        What::TestStart(r) => test_event(key, r.platform, r.test, r.run, r.attempt, r.time),
        What::TestEnd(r) => test_event(key, r.platform, r.test, r.run, r.attempt, r.time),
        What::Record(Record::TestNote(r)) => test_event(key, &r.platform, &r.test, &r.run, 0, r.time),
        What::Record(Record::End(_)) => key.push(ENDS),
        What::Record(_) | What::Other => key.push(RUN),
    }
}

/// A test's own records stand behind those of its subtests.
fn of_test(key: &mut Vec<u8>, platform: &str, test: &str, subtest: Option<&str>) {
    key.push(TESTS);
    key_text(key, platform);
    key_text(key, test);
    match subtest {
        Some(subtest) => {
            key.push(0);
            key_text(key, subtest);
        }
        None => key.push(1),
    }
}

fn test_event(key: &mut Vec<u8>, platform: &str, test: &str, run: &str, attempt: u32, time: Time) {
    of_test(key, platform, test, None);
    key_text(key, run);
    key.extend_from_slice(&attempt.to_be_bytes());
    key.extend_from_slice(&u64::MAX.to_be_bytes());
    key.extend_from_slice(&time.0.to_be_bytes());
}
