//! A run in one file: its records first, then its reports, then all of its directory.
//!
//! The steps can only be taken in that order: `Reports` are made of a run, and an archive of reports.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use atex_cli::input::reason;
use atex_cli::{Exit, Failure};
use tempfile::TempDir;

use crate::input::open::RECORDS;
use crate::input::run_dir::RunDir;
use crate::input::{JOURNAL, Within};
use crate::place::{Place, identity};

/// The options of `archive`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,

    /// The archive; otherwise the directory's name with `.tar.zst`
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Also of a run that has not ended
    #[arg(long)]
    unfinished: bool,
}

/// The options of `unarchive`.
#[derive(Debug, clap::Args)]
pub struct Unpacking {
    /// The archive
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Where the run directory goes, which must not be there; otherwise it is named as the archive is
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// How hard zstd works: logs are large, and mostly alike.
const LEVEL: i32 = 9;

/// What is below this in an archive is the run directory; what is below the other, reports.
const RUN: &str = "run";
/// The file of a run directory that has the values of variables which nobody else is to see.
const SECRETS: &str = "env.json";
const REPORTS: &str = "reports";

/// Reports of a run, made and on disk.
struct Reports {
    dir: TempDir,
    names: Vec<&'static str>,
    /// What of the run could not be read.
    faults: Vec<String>,
}

impl Reports {
    fn make(run: &Path, unfinished: bool) -> Result<Reports, Failure> {
        let failed = |e: io::Error| Failure::trouble(format!("{}: {}", run.display(), reason(&e)));
        let dir = tempfile::tempdir().map_err(failed)?;
        let records = dir.path().join(RECORDS);
        let mut to = BufWriter::new(File::create(&records).map_err(failed)?);
        let mut from = RunDir::open(run, false).map_err(failed)?;
        let mut faults = Vec::new();
        while let Err(e) = io::copy(&mut from, &mut to) {
            // What is wrong within it is no reason to keep nothing.
            faults.push(e.downcast::<Within>().map_err(failed)?.to_string());
        }
        to.flush().map_err(failed)?;
        let path = records.display().to_string();
        let mut incomplete = Vec::new();
        let mut said = |message: &str| {
            incomplete.extend(message.starts_with("incomplete: the end of run").then(|| message.to_owned()))
        };
        let xml = dir.path().join("junit.xml").display().to_string();
        crate::with_args(&["junit", "--allow-empty", "-o", &xml, &path], io::sink(), &mut said)?;
        if let Some(message) = incomplete.first().filter(|_| !unfinished) {
            return Err(Failure::usage(format!("{}: {message}", run.display()))
                .hint("--unfinished archives it as it is"));
        }
        let summary = File::create(dir.path().join("summary.txt")).map_err(failed)?;
        crate::with_args(&["summary", "--color=never", "--allow-empty", &path], summary, &mut |_| ())?;
        Ok(Reports { dir, names: vec!["summary.txt", "junit.xml"], faults })
    }

    fn archive(&self, run: &Path, to: &mut Place) -> io::Result<()> {
        // The archive may be made in the run directory, and is no part of what it holds.
        let mut left_out = to.identities();
        // Archives are handed around, and these are for nobody but a run that goes on.
        left_out.extend(std::fs::metadata(run.join(SECRETS)).ok().as_ref().map(identity));
        let mut tar = tar::Builder::new(zstd::Encoder::new(BufWriter::new(to), LEVEL)?);
        tar.follow_symlinks(false);
        tar.append_path_with_name(self.dir.path().join(RECORDS), RECORDS)?;
        for name in &self.names {
            tar.append_path_with_name(self.dir.path().join(name), format!("{REPORTS}/{name}"))?;
        }
        tar.append_dir(RUN, run)?;
        append(&mut tar, run, Path::new(RUN), &left_out)?;
        tar.into_inner()?.finish()?.flush()
    }
}

/// Adds what is in a directory, but for what is `skipped`. What is neither file, link nor directory, such as a socket, is
/// left out.
fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    from: &Path,
    name: &Path,
    skipped: &[(u64, u64)],
) -> io::Result<()> {
    let mut entries = std::fs::read_dir(from)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name, kind) = (entry.path(), name.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            tar.append_dir(&name, &path)?;
            append(tar, &path, &name, skipped)?;
        } else if kind.is_symlink() {
            tar.append_path_with_name(&path, &name)?;
        } else if kind.is_file() {
            file(tar, &path, &name, skipped)?;
        }
    }
    Ok(())
}

/// Adds a file as long as it is now: one of a run that goes on may grow meanwhile.
fn file<W: Write>(
    tar: &mut tar::Builder<W>,
    path: &Path,
    name: &Path,
    skipped: &[(u64, u64)],
) -> io::Result<()> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    if skipped.contains(&identity(&about)) {
        return Ok(());
    }
    let mut header = tar::Header::new_gnu();
    header.set_metadata(&about);
    let mut content = file.take(about.len());
    tar.append_data(&mut header, name, &mut content)?;
    match content.limit() {
        0 => Ok(()),
        _ => Err(io::Error::other(format!("{} became shorter while it was read", path.display()))),
    }
}

/// Makes an archive.
///
/// # Errors
/// It is no run directory, the run goes on, or something cannot be read or written. Results that cannot be read are said,
/// and are missing in its records and reports.
pub fn run(args: &Args, say: &mut dyn FnMut(&str)) -> Result<Exit, Failure> {
    if !args.dir.join(JOURNAL).exists() {
        let found = "expected a run directory, found no journal.jsonl in it";
        return Err(Failure::usage(format!("{}: {found}", args.dir.display())));
    }
    let run = std::fs::canonicalize(&args.dir)
        .map_err(|e| Failure::usage(format!("{}: {}", args.dir.display(), reason(&e))))?;
    let output = match &args.output {
        Some(output) => output.clone(),
        None => {
            let name = run.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            PathBuf::from(format!("{name}.tar.zst"))
        }
    };
    let failed = |e: io::Error| Failure::trouble(format!("{}: {}", output.display(), reason(&e)));
    // Nobody but the user reads it: tests may have printed anything.
    let mut to = Place::open(&output).map_err(failed)?;
    let reports = Reports::make(&run, args.unfinished)?;
    reports.archive(&run, &mut to).map_err(failed)?;
    to.sync().map_err(failed)?;
    to.keep().map_err(failed)?;
    reports.faults.iter().for_each(|fault| say(fault));
    Ok(if reports.faults.is_empty() { Exit::Done } else { Exit::Trouble })
}

/// Takes the run directory out of an archive.
///
/// # Errors
/// It is no archive of a run, is damaged or cut off, or something cannot be written.
pub fn unpack_run(args: &Unpacking) -> Result<Exit, Failure> {
    let name = args.file.display().to_string();
    let failed = |e: io::Error| Failure::trouble(format!("{name}: {}", reason(&e)));
    let file = File::open(&args.file).map_err(|e| Failure::usage(format!("{name}: {}", reason(&e))))?;
    let to = args.dir.clone().unwrap_or_else(|| {
        let stem = args.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        PathBuf::from(stem.split(".tar").next().unwrap_or_default())
    });
    if to.exists() {
        return Err(Failure::usage(format!("{}: is there already", to.display())));
    }
    let parent = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let dir = tempfile::Builder::new().prefix(".atex-report-").tempdir_in(parent).map_err(failed)?;
    let zstd = zstd::Decoder::new(file).map_err(failed)?;
    let mut archive = tar::Archive::new(zstd);
    archive.set_preserve_permissions(true);
    archive.unpack(dir.path()).map_err(|e| Failure::trouble(format!("{name}: {}", reason(&e))))?;
    let run = dir.path().join(RUN);
    if !run.join(JOURNAL).exists() {
        return Err(Failure::usage(format!("{name}: expected an archive of a run")));
    }
    std::fs::rename(&run, &to).map_err(|e| Failure::trouble(format!("{}: {}", to.display(), reason(&e))))?;
    Ok(Exit::Done)
}
