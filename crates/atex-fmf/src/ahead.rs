//! Reading ahead: the directories of a tree are listed in order, and their files parsed on all cores behind that.
//!
//! It only saves the builder time, and decides nothing: errors come up where the builder meets them, and what is not
//! read ahead (behind links, in directories that metadata names, or no regular files) the builder reads itself.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::build::MAX_LEVELS;
use crate::error::Error;
use crate::walk::{Config, Lister, Listing, Place, Reader};
use crate::yaml::Document;

/// More threads than this do not pay: they wait for the one that lists the directories.
pub const MAX_THREADS: usize = 8;

/// Files that a thread takes at a time.
const BATCH: usize = 16;

/// Trees of no more files are read before threads would have started.
const READ_ALONE: usize = 64;

/// Directories below this many levels are looked up by their whole paths, so that few are open at a time.
const OPEN_LEVELS: usize = 16;

/// A tree's directories and the content of its files.
pub struct Ahead {
    pub listing: Listing,
    /// In the order of the walk. Listings name their files by their number here.
    pub files: Vec<PathBuf>,
    /// By the same numbers. Each is taken once.
    pub documents: Vec<Option<Parsed>>,
}

/// A file's content. Errors are boxed because they are larger and rare.
pub type Parsed = Result<Document, Box<Error>>;

type Batch = Vec<(u32, PathBuf)>;

impl Ahead {
    /// Lists and parses everything below a tree's root.
    pub fn read(root: &Path, config: &Config) -> Self {
        let (batches, waiting) = mpsc::channel();
        let waiting = Mutex::new(waiting);
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        thread::scope(|scope| {
            let mut others = Vec::new();
            let mut batch = Batch::new();
            let mut found = |number, path: &Path| {
                batch.push((number, path.to_owned()));
                // Across directories, as waking a thread for each file would cost as much as the file.
                if batch.len() == BATCH {
                    if others.is_empty() && number as usize > READ_ALONE {
                        others.extend((1..threads).map(|_| scope.spawn(|| parse_all(&waiting))));
                    }
                    // The receiver lives as long as this function.
                    let _ = batches.send(std::mem::take(&mut batch));
                }
            };
            let mut files = Vec::new();
            let mut lister = Lister::default();
            let place = Place { path: root, parent: None };
            let listing = list_all(place, config, 0, &mut lister, &mut files, &mut found);
            let _ = batches.send(batch);
            drop(batches);
            let mut documents = Vec::new();
            documents.resize_with(files.len(), || None);
            let parsed = std::iter::once(parse_all(&waiting)).chain(others.into_iter().map(|thread| {
                // A thread that panicked has left files to the builder, which will panic where this can be seen.
                thread.join().unwrap_or_default()
            }));
            for (number, document) in parsed.flatten() {
                documents[number as usize] = Some(document);
            }
            Self { listing, files, documents }
        })
    }
}

/// Lists a directory and those below it, and tells of their files.
fn list_all(
    place: Place<'_>,
    config: &Config,
    level: usize,
    lister: &mut Lister,
    files: &mut Vec<PathBuf>,
    found: &mut impl FnMut(u32, &Path),
) -> Listing {
    let (mut listing, opened) = lister.list(place);
    // Another tree is none of our business.
    if listing.is_root && level > 0 {
        return listing;
    }
    let opened = opened.filter(|_| level < OPEN_LEVELS);
    let wanted = |path: &Path| config.accepts(path).unwrap_or(false);
    for file in listing.files.iter_mut().filter(|file| file.is_regular && wanted(&file.path)) {
        let number = u32::try_from(files.len()).unwrap_or(u32::MAX);
        file.number = Some(number);
        files.push(file.path.clone());
        found(number, &file.path);
    }
    for below in listing.directories.iter_mut().filter(|below| !below.is_link && wanted(&below.path)) {
        if level < MAX_LEVELS {
            let place = Place { path: &below.path, parent: opened.as_ref().map(OwnedFd::as_fd) };
            below.listing = Some(list_all(place, config, level + 1, lister, files, found));
        }
    }
    listing
}

/// Parses files until there will be no more.
fn parse_all(waiting: &Mutex<Receiver<Batch>>) -> Vec<(u32, Parsed)> {
    let mut reader = Reader::default();
    let mut parsed = Vec::new();
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(batch) = next() {
        let read =
            |(number, path): (u32, PathBuf)| (number, reader.read_regular(&path, number).map_err(Box::new));
        parsed.extend(batch.into_iter().map(read));
    }
    parsed
}
