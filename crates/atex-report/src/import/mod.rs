//! Reports of others as records: the form is recognised by its content, and results are handed on as they are read.
//!
//! A form is a file here, a name in [`Form`] and a line in `Importing::one`. What it finds it gives to a `Sink`, which
//! fills in what is not known: the run, the platform, the time.

mod junit;
mod python;
mod tap;
mod tmt;

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use atex_cli::input::{LONGEST_LINE, Lines, reason};
use atex_cli::{Exit, Failure};
use atex_model::report::{
    Cause, Counts, End, EndTag, Outcome, ResultKind, TestEnd, TestEndTag, TestResult, Waived,
};
use atex_model::{DEFAULT_PLATFORM, LineError, Object, Time};

use crate::TOOL;
use crate::event::Event;
use crate::identity::{Identity, IdentityMap};
use crate::input::{self, Faults, MESSAGES, Take};
use crate::out::Out;
use crate::stop::Stop;

/// The options of `import`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Reports, plain or packed; `-` and none are stdin
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// What the files are; otherwise their content tells
    #[arg(long, value_name = "FORM")]
    from: Option<Form>,

    /// The run's id; otherwise it is made of the file's path and time, so that the same file is the same run
    ///
    /// Files that make one run together must be named together: their results are numbered throughout.
    #[arg(long, value_name = "ID")]
    run: Option<String>,

    /// The platform of results that name none
    #[arg(long, value_name = "NAME", default_value = DEFAULT_PLATFORM)]
    platform: String,

    /// Take all results of TAP for subtests of this test
    #[arg(long, value_name = "NAME")]
    test: Option<String>,

    /// Write to this file instead of stdout; it appears when it is whole
    ///
    /// A name that ends with `.gz`, `.xz` or `.zst` has it packed.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Results as the Python ATEX aggregates them
    Jsonl,
    /// results.yaml of tmt
    Tmt,
    /// JUnit XML
    Junit,
    /// TAP 13 or 14
    Tap,
    /// Records, which are handed on
    Records,
}

/// A result that was found.
#[derive(Debug, Clone, Default)]
struct Found {
    platform: Option<String>,
    test: String,
    subtest: Option<String>,
    status: Option<String>,
    note: Option<String>,
    files: Vec<String>,
    time: Option<Time>,
    host: Option<String>,
    extra: Object,
    waived: Option<Waived>,
}

/// That a test ended, behind its results.
#[derive(Debug, Clone)]
struct Ended {
    platform: Option<String>,
    test: String,
    outcome: Outcome,
    seconds: f64,
    time: Option<Time>,
    host: Option<String>,
    note: Option<String>,
    waived: Option<Waived>,
}

/// Takes what is found in one report.
struct Sink<'s, 'w, 'f> {
    out: &'s mut Out<'w>,
    faults: &'s mut Faults<'f>,
    /// The report's name, for messages.
    name: String,
    run: String,
    platform: String,
    time: Time,
    /// How many results of the run were found.
    n: u64,
    all: &'s mut u64,
    names: &'s mut Names,
}

/// How often tests have the same name in a run. Each costs some 40 bytes.
#[derive(Default)]
struct Names {
    /// The number that was last given.
    known: IdentityMap<u64>,
}

impl Names {
    /// A name for one more test: `NAME (2)` for the second, as it is for records of tests (records.md, 4), so that one
    /// that failed is not taken for an attempt at the other.
    fn unique(&mut self, run: &str, platform: &str, name: &str) -> String {
        let first = Identity::of(run, platform, name);
        let mut number = self.known.get(&first).copied().unwrap_or(0);
        loop {
            number += 1;
            let candidate = if number == 1 { name.to_owned() } else { format!("{name} ({number})") };
            let identity = Identity::of(run, platform, &candidate);
            // What is written so may have been taken by a test that is called so.
            if number == 1 || !self.known.contains_key(&identity) {
                self.known.insert(identity, 1);
                self.known.insert(first, number);
                return candidate;
            }
        }
    }
}

impl Sink<'_, '_, '_> {
    /// The name under which a test that was found is told apart from all others of the run.
    fn test(&mut self, platform: Option<&str>, name: &str) -> String {
        self.names.unique(&self.run, platform.unwrap_or(&self.platform), name)
    }

    /// Results are numbered throughout a run: so no two of a test are the same, however it is ordered.
    fn result(&mut self, found: Found) -> Result<(), Stop> {
        self.n += 1;
        *self.all += 1;
        let record = TestResult {
            kind: ResultKind::Result,
            time: found.time.unwrap_or(self.time),
            run: self.run.clone(),
            platform: found.platform.unwrap_or_else(|| self.platform.clone()),
            test: found.test,
            subtest: found.subtest,
            status: found.status,
            note: found.note,
            files: found.files,
            attempt: 1,
            n: self.n,
            host: found.host,
            extra: found.extra,
            waived: found.waived,
        };
        atex_model::to_line(&mut self.out.buffer, &record);
        self.out.settle()
    }

    fn end(&mut self, end: Ended) -> Result<(), Stop> {
        let record = TestEnd {
            kind: TestEndTag,
            time: end.time.unwrap_or(self.time),
            run: self.run.clone(),
            platform: end.platform.unwrap_or_else(|| self.platform.clone()),
            test: end.test,
            attempt: 1,
            host: end.host,
            outcome: end.outcome,
            cause: if end.outcome == Outcome::Infra { Cause::Own } else { Cause::Test },
            exit: None,
            note: end.note,
            seconds: end.seconds,
            counts: Counts::new(),
            is_final: true,
            artifacts: None,
            rerun_of: None,
            waived: end.waived,
        };
        atex_model::to_line(&mut self.out.buffer, &record);
        self.out.settle()
    }

    /// Something is not as it should be; what follows is read.
    fn bad(&mut self, line: u64, column: usize, message: &str) {
        let error = LineError { column: column.max(1), message: message.to_owned() };
        self.faults.line(&error.at(&self.name, line).to_string());
    }

    /// The report ends before its end.
    fn cut(&mut self, line: u64, message: &str) {
        self.faults.source(&format!("{}:{line}: {message}", self.name));
    }
}

/// Reads reports and writes records.
///
/// # Errors
/// The invocation is wrong, or what is found cannot be written. A reader that has gone away is no error.
pub fn run(
    args: &Args,
    verbose: bool,
    stdout: impl Write,
    say: &mut dyn FnMut(&str),
) -> Result<Exit, Failure> {
    let files = if args.files.is_empty() { vec![PathBuf::from("-")] } else { args.files.clone() };
    for path in files.iter().filter(|path| *path != Path::new("-")) {
        let about = std::fs::metadata(path);
        let about = about.map_err(|e| Failure::usage(format!("{}: {}", path.display(), reason(&e))))?;
        if about.is_dir() {
            return Err(Failure::usage(format!("{}: is a directory, expected a report", path.display())));
        }
    }
    let out = match &args.output {
        Some(path) => Out::file(path)?,
        None => Out::stream(stdout),
    };
    let mut faults = Faults::new(if verbose { u64::MAX } else { MESSAGES }, say);
    let mut importing = Importing { args, out, faults: &mut faults, results: 0, names: Names::default() };
    let done = files.iter().try_for_each(|path| importing.file(path)).and_then(|()| importing.finish());
    match done {
        Ok(exit) => Ok(exit),
        Err(Stop::Closed) => Ok(Exit::Done),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

struct Importing<'a, 'w, 'f> {
    args: &'a Args,
    out: Out<'w>,
    faults: &'a mut Faults<'f>,
    results: u64,
    names: Names,
}

impl Importing<'_, '_, '_> {
    fn file(&mut self, path: &Path) -> Result<(), Stop> {
        let is_stdin = path == Path::new("-");
        let name = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
        let opened: std::io::Result<(Box<dyn Read + Send>, Time)> = match is_stdin {
            true => Ok((Box::new(std::io::stdin()), atex_cli::now())),
            false => File::open(path).map(|file| {
                let time = modified(&file);
                (Box::new(file) as Box<dyn Read + Send>, time)
            }),
        };
        let unpacked = opened.and_then(|(from, time)| Ok((input::open::unpack(from)?, time)));
        match unpacked {
            Ok((from, time)) => self.one(path, name, from, time),
            Err(e) => {
                self.faults.source(&format!("{name}: {}", reason(&e)));
                Ok(())
            }
        }
    }

    fn one(&mut self, path: &Path, name: String, from: Box<dyn Read + Send>, time: Time) -> Result<(), Stop> {
        let mut from = from;
        let start = match start(&mut from) {
            Ok(start) => start,
            Err(e) => {
                self.faults.source(&format!("{name}: {}", reason(&e)));
                return Ok(());
            }
        };
        let form = match self.args.from {
            Some(form) => form,
            None => match recognise(&start) {
                Some(form) => form,
                None => {
                    self.faults.line(&format!(
                        "{name}:1:1: expected JSON lines, YAML of tmt, JUnit XML or TAP, found none of them (--from names the form)"
                    ));
                    return Ok(());
                }
            },
        };
        let from: Box<dyn Read + Send> = Box::new(Cursor::new(start).chain(from));
        let from = BufReader::with_capacity(64 << 10, from);
        if form == Form::Records {
            return self.records(&name, from);
        }
        let run = self.args.run.clone().unwrap_or_else(|| run_id(path, time));
        let platform = self.args.platform.clone();
        // A file that is a run of its own has the same numbers whatever is named beside it.
        let n = if self.args.run.is_some() { self.results } else { 0 };
        let (out, faults, all) = (&mut self.out, &mut *self.faults, &mut self.results);
        if self.args.run.is_none() {
            self.names = Names::default();
        }
        let names = &mut self.names;
        let mut sink = Sink { out, faults, name, run, platform, time, n, all, names };
        match form {
            Form::Jsonl => python::import(lines(&sink, from), &mut sink),
            Form::Tmt => tmt::import(lines(&sink, from), &mut sink),
            Form::Junit => junit::import(from, &mut sink),
            Form::Tap => tap::import(lines(&sink, from), self.args.test.as_deref(), &mut sink),
            Form::Records => Ok(()),
        }
    }

    fn records(&mut self, name: &str, from: BufReader<Box<dyn Read + Send>>) -> Result<(), Stop> {
        struct Pass<'p, 'w>(&'p mut Out<'w>, &'p mut u64);
        impl Take for Pass<'_, '_> {
            fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
                *self.1 += u64::from(event.row().is_some());
                self.0.buffer.extend_from_slice(event.line.text.as_bytes());
                self.0.buffer.push(b'\n');
                self.0.settle()
            }
            fn idle(&mut self) -> Result<(), Stop> {
                self.0.flush()
            }
        }
        let mut pass = Pass(&mut self.out, &mut self.results);
        input::read_from(name, Box::new(from), self.faults, &mut pass)
    }

    fn finish(&mut self) -> Result<Exit, Stop> {
        let exit = if self.faults.lines > 0 {
            Exit::Usage
        } else if self.faults.sources > 0 {
            Exit::Trouble
        } else {
            Exit::Done
        };
        let counts = Counts::from_iter([("result".to_owned(), self.results)]);
        let (tool, complete) = (TOOL.name.to_owned(), exit.is_complete());
        let end = End { kind: EndTag, tool, complete, exit: exit.code(), counts };
        atex_model::to_line(&mut self.out.buffer, &end);
        self.out.finish()?;
        Ok(exit)
    }
}

fn lines(sink: &Sink<'_, '_, '_>, from: BufReader<Box<dyn Read + Send>>) -> Lines {
    Lines::new(&sink.name, Box::new(from))
}

fn modified(file: &File) -> Time {
    let modified = file.metadata().and_then(|about| about.modified());
    let since = modified.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or_else(atex_cli::now, |since| Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX / 2)))
}

/// `results-20261121T200000Z-8f3a02d1` of `results.jsonl.gz`. The last part stands for the path: reports of different
/// jobs have the same name, and often the same second.
fn run_id(path: &Path, time: Time) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.split('.').find(|part| !part.is_empty()).filter(|stem| *stem != "-").unwrap_or("stdin");
    let digits: String = time.to_string().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    let whole = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    format!("{stem}-{digits}Z-{:08x}", fnv1a(whole.as_os_str().as_bytes()))
}

/// 32-bit FNV-1a, which is the same tomorrow: paths are told apart, nobody's attack is held off.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// How much is looked at to tell the form.
const START: usize = 4 << 10;

/// The first lines.
fn start(from: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(START);
    from.take(START as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// What the first lines say of the form.
fn recognise(start: &[u8]) -> Option<Form> {
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}');
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim_start();
    let is_tap = |line: &str| {
        let number = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
        line.starts_with("TAP version ")
            || line == "ok"
            || line == "not ok"
            || line.starts_with("ok ")
            || line.starts_with("not ok ")
            || line.starts_with("Bail out!")
            || line.strip_prefix("1..").is_some_and(number)
    };
    let is_comment = |line: &&str| line.starts_with('#') || line.trim().is_empty();
    let behind = text.lines().find(|line| !is_comment(line)).unwrap_or_default();
    if line.starts_with('{') {
        Some(Form::Records)
    } else if line.starts_with('<') {
        Some(Form::Junit)
    } else if line == "[]" {
        Some(Form::Tmt)
    } else if line.starts_with('[') || line.is_empty() {
        Some(Form::Jsonl)
    } else if is_tap(line) || is_tap(behind) {
        Some(Form::Tap)
    } else if line.starts_with("- ")
        || line.starts_with("---")
        || behind.starts_with("- ")
        || behind.starts_with("---")
    {
        Some(Form::Tmt)
    } else {
        None
    }
}

/// Hands the lines to `take`, with their numbers, and reports what cannot be read. `false`: the source ended too early.
fn each_line(
    mut lines: Lines,
    sink: &mut Sink<'_, '_, '_>,
    mut take: impl FnMut(&str, u64, &mut Sink<'_, '_, '_>) -> Result<(), Stop>,
) -> Result<bool, Stop> {
    loop {
        match lines.next_line() {
            Ok(Some(line)) => take(line.text, line.number, sink)?,
            Ok(None) => return Ok(true),
            Err(failure) => {
                if lines.is_spent() {
                    sink.faults.source(&failure.message);
                    return Ok(false);
                }
                sink.faults.line(&failure.message);
            }
        }
    }
}

/// A text, unless it is empty.
fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The longest piece of a report that is looked at as a whole.
const LONGEST: usize = LONGEST_LINE;
