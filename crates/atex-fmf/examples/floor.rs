//! Reads all metadata files below a directory and runs the YAML parser over them, on all cores: `floor DIR`. It is what
//! discovery cannot do without, and so what its time is measured by (`scripts/bench discovery`).

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

/// Files that a thread takes at a time.
const BATCH: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: floor DIR")?;
    let mut files = Vec::new();
    list(Path::new(&directory), &mut files)?;
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let parse_all = || {
        while let Some(batch) = files.chunks(BATCH).nth(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = batch.iter().try_for_each(|path| parse(path)) {
                *failed.lock().expect("no thread panics") = Some(error);
            }
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(files.len().div_ceil(BATCH));
        (1..threads).for_each(|_| drop(scope.spawn(parse_all)));
        parse_all();
    });
    if let Some(error) = failed.into_inner().expect("no thread panics") {
        return Err(error.into());
    }
    println!("{} files", files.len());
    Ok(())
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else if entry.file_name().as_encoded_bytes().ends_with(b".fmf") {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn parse(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    atex_fmf::yaml::load(&text).map(drop).map_err(|error| format!("{}: {error}", path.display()))
}
