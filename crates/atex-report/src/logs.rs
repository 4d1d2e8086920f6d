//! The files of one test: their paths, or what is in them.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use atex_cli::input::reason;
use atex_cli::{Exit, Failure};
use atex_model::artifacts::attempt_dir;

use crate::args::InputArgs;
use crate::config::Input;
use crate::event::{Event, What};
use crate::input::{self, Faults, Take};
use crate::out::Out;
use crate::stop::Stop;
use crate::text::visible::visible;
use crate::whole::Whole;

/// The options of `logs`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The test
    #[arg(value_name = "TEST")]
    test: String,

    #[command(flatten)]
    input: InputArgs,

    /// Only of this platform
    #[arg(long, value_name = "NAME")]
    platform: Option<String>,

    /// Write what is in the files, with control characters made visible, instead of their paths
    #[arg(long)]
    cat: bool,
}

/// Finds them.
///
/// # Errors
/// The invocation is wrong, the test is not in the stream, or the output cannot be written.
pub fn run(
    args: &Args,
    verbose: bool,
    stdout: impl Write,
    say: &mut dyn FnMut(&str),
) -> Result<Exit, Failure> {
    let input = Input::new(&args.input, verbose)?;
    let mut faults = Faults::new(input.messages, say);
    let mut found = Attempts::of(&args.test, args.platform.as_deref());
    if let Err(Stop::Failed(failure)) = input::read(&input.sources, &mut faults, &mut found) {
        return Err(failure);
    }
    if !found.seen {
        return Err(Failure::usage(format!("{}: no such test in the stream", visible(&args.test))));
    }
    let mut out = Out::stream(stdout);
    let written =
        found.dirs.iter().try_for_each(|dir| each_file(dir, &mut |path| file(path, args.cat, &mut out)));
    match written.and_then(|()| out.finish()) {
        Ok(()) => Ok(found.whole.exit(&mut faults, &input)),
        Err(Stop::Closed) => Ok(Exit::Done),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// The directories of a test's attempts.
pub(crate) struct Attempts<'a> {
    pub test: &'a str,
    pub platform: Option<&'a str>,
    pub dirs: Vec<PathBuf>,
    /// The test is in the stream.
    pub seen: bool,
    pub whole: Whole,
}

impl<'a> Attempts<'a> {
    pub fn of(test: &'a str, platform: Option<&'a str>) -> Attempts<'a> {
        Attempts { test, platform, dirs: Vec::new(), seen: false, whole: Whole::default() }
    }
}

impl Attempts<'_> {
    /// Looks whether this is of the test, and where its files are.
    pub fn look(&mut self, event: &Event<'_>) {
        let is_it = |test: &str, platform: &str| {
            test == self.test && self.platform.is_none_or(|wanted| wanted == platform)
        };
        match event.what {
            What::Row(row) => self.seen |= is_it(row.test, row.platform),
            What::TestEnd(end) if is_it(end.test, end.platform) => {
                self.seen = true;
                self.dirs
                    .extend(end.artifacts.map(|dir| directory(dir, end.platform, end.test, end.attempt)));
            }
            _ => {}
        }
    }
}

impl Take for Attempts<'_> {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        self.whole.event(event);
        self.look(event);
        Ok(())
    }
}

/// Where the files of an attempt are: where the record says, if that is what an attempt of this name is called.
fn directory(said: &str, platform: &str, test: &str, attempt: u32) -> PathBuf {
    let expected = attempt_dir(platform, test, attempt);
    match said.ends_with(&expected) {
        true => PathBuf::from(said),
        // A stranger wrote the record: it leads nowhere.
        false => PathBuf::from(expected),
    }
}

/// Hands over the paths of all files below, in order. Links are not followed.
pub(crate) fn each_file(dir: &Path, take: &mut dyn FnMut(&Path) -> Result<(), Stop>) -> Result<(), Stop> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        match std::fs::symlink_metadata(&path) {
            Ok(about) if about.is_dir() => each_file(&path, take)?,
            Ok(about) if about.is_file() => take(&path)?,
            _ => {}
        }
    }
    Ok(())
}

fn file(path: &Path, cat: bool, out: &mut Out<'_>) -> Result<(), Stop> {
    let name = visible(&path.to_string_lossy()).into_owned();
    if !cat {
        out.buffer.extend_from_slice(name.as_bytes());
        out.buffer.push(b'\n');
        return out.settle();
    }
    out.buffer.extend_from_slice(format!("==> {name} <==\n").as_bytes());
    let failed = |e: std::io::Error| Stop::trouble(format!("{name}: {}", reason(&e)));
    shown(File::open(path).map_err(failed)?, out).map_err(|stop| match stop {
        Shown::Stop(stop) => stop,
        Shown::Failed(e) => failed(e),
    })
}

/// Why a file was not shown to its end.
pub(crate) enum Shown {
    Stop(Stop),
    Failed(std::io::Error),
}

/// Writes a file line by line, with control characters made visible, in pieces that need little memory.
pub(crate) fn shown(mut from: impl Read, out: &mut Out<'_>) -> Result<(), Shown> {
    let (mut buffer, mut held) = (vec![0; 64 << 10], 0);
    loop {
        let n = from.read(&mut buffer[held..]).map_err(Shown::Failed)?;
        let all = held + n;
        let whole = match memchr::memrchr(b'\n', &buffer[..all]) {
            Some(at) if n > 0 => at + 1,
            // A line without an end is shown in pieces.
            _ if n == 0 || all == buffer.len() => all,
            _ => 0,
        };
        for line in String::from_utf8_lossy(&buffer[..whole]).lines() {
            for (i, piece) in line.split('\t').enumerate() {
                if i > 0 {
                    out.buffer.push(b'\t');
                }
                out.buffer.extend_from_slice(visible(piece).as_bytes());
            }
            out.buffer.push(b'\n');
            out.settle().map_err(Shown::Stop)?;
        }
        buffer.copy_within(whole..all, 0);
        held = all - whole;
        if n == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_says_what_is_in_the_file() {
        let text = b"C:\\temp\t\\n\x1b[0m\nlast";
        let mut written = Vec::new();
        let mut out = Out::stream(&mut written);
        assert!(shown(&text[..], &mut out).is_ok() && out.finish().is_ok());
        drop(out);
        assert_eq!(String::from_utf8(written).unwrap(), "C:\\temp\t\\n\\x1b[0m\nlast\n");
    }
}
