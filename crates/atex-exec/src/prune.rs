//! `atex-exec prune`: removes run directories that nobody needs any more.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use atex_cli::output::{Output, OutputError};
use atex_cli::{Exit, Failure, input::reason, now};
use atex_model::Time;
use serde::Serialize;

use crate::args::Prune;
use crate::config::size;
use crate::run_dir::{RunDir, State, trouble};

/// In milliseconds.
const DAY: i64 = 24 * 3600 * 1000;

/// A run directory.
struct Run {
    path: PathBuf,
    began: Time,
    state: State,
    bytes: u64,
}

/// What became of a run directory, as a record.
#[derive(Serialize)]
struct Pruned<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    dir: &'a str,
    bytes: u64,
    /// Why it is removed.
    why: &'static str,
    /// It was only looked at.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// Removes what the options want removed.
pub(crate) fn run(args: &Prune) -> Result<Exit, Failure> {
    if (args.keep_runs, args.keep_days, &args.max_bytes) == (None, None, &None) {
        let failure = Failure::usage("nothing says which runs to keep");
        return Err(failure.hint("give --keep-runs, --keep-days or --max-bytes"));
    }
    let max_bytes = args.max_bytes.as_deref().map(|text| size("--max-bytes", text)).transpose()?;
    let mut runs = runs_in(&args.dir)?;
    // The newest first.
    runs.sort_by(|a, b| b.began.cmp(&a.began).then_with(|| b.path.cmp(&a.path)));
    let oldest = args.keep_days.map(|days| now().0 - i64::from(days) * DAY);
    let mut out = Output::stdout();
    let (mut kept, mut size, mut exit) = (0, 0_u64, Exit::Done);
    for run in &runs {
        let is_old = oldest.is_some_and(|oldest| run.began.0 < oldest);
        let why = match () {
            () if !(run.state == State::Over || run.state == State::CutShort && args.resumable) => None,
            () if args.keep_runs.is_some_and(|most| kept >= most) => Some("more than --keep-runs"),
            () if is_old => Some("older than --keep-days"),
            () if max_bytes.is_some_and(|most| size.saturating_add(run.bytes) > most) => {
                Some("beyond --max-bytes")
            }
            () => None,
        };
        let Some(why) = why else {
            kept += 1;
            size = size.saturating_add(run.bytes);
            continue;
        };
        if !args.dry_run
            && let Err(failure) = remove(&run.path)
        {
            failure.report(crate::TOOL);
            exit = exit.max(failure.kind.exit());
            continue;
        }
        let dir = run.path.to_string_lossy();
        let said =
            out.record(&Pruned { kind: "pruned", dir: &dir, bytes: run.bytes, why, dry_run: args.dry_run });
        said.or_else(closed)?;
    }
    out.flush().or_else(closed)?;
    Ok(exit)
}

fn closed(error: OutputError) -> Result<(), Failure> {
    match error {
        OutputError::Closed => Ok(()),
        OutputError::Failed(_) => Err(error.into()),
    }
}

/// The run directories in a directory.
fn runs_in(parent: &Path) -> Result<Vec<Run>, Failure> {
    let mut runs = Vec::new();
    for entry in fs::read_dir(parent).map_err(|e| trouble(parent, &e))? {
        let entry = entry.map_err(|e| trouble(parent, &e))?;
        // Nobody's link is followed out of here.
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        match RunDir::state(&path) {
            Ok(Some((began, state))) => runs.push(Run { bytes: size_of(&path), path, began, state }),
            Ok(None) => {}
            Err(failure) => log::warn!("{failure}; it is left as it is"),
        }
    }
    Ok(runs)
}

/// What a directory takes on the disk. Files with several links count once, where they are.
fn size_of(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size_of(&entry.path()),
        Ok(meta) => meta.blocks().saturating_mul(512),
        Err(_) => 0,
    };
    entries.flatten().map(size).fold(0, u64::saturating_add)
}

/// Removes a run directory, unless somebody has begun to work in it.
fn remove(path: &Path) -> Result<(), Failure> {
    // Held until it is gone.
    let _lock: File = RunDir::lock(path)?;
    fs::remove_dir_all(path).map_err(|e| Failure::trouble(format!("{}: {}", path.display(), reason(&e))))
}
