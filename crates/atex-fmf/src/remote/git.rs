//! Repositories through the program `git`, in the cache of the reference.
//!
//! The clone of a URL is where the reference has it, and so are the locks: both may use one cache at a time. The
//! reference checks out there; here a commit's files are written elsewhere, see [`super::snapshots`].

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lock::Lock;
use super::program::{Call, Deadline, Failed};
use super::snapshots::Snapshots;
use super::{Fetch, Result, url};
use crate::error::{Error, ErrorClass};

/// A clone is fetched again when its last fetch is older.
const EXPIRATION: Duration = Duration::from_secs(20 * 60);

/// How long the fetching of one repository may take.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// How long the question may take whether there is a repository.
const LIMIT_OF_QUESTION: Duration = Duration::from_secs(10);

/// The lock around reading is held during fetching: so much longer it is waited for.
const READING: Duration = Duration::from_secs(60);

/// What a complete clone fetches.
const ALL_BRANCHES: &str = "+refs/heads/*:refs/remotes/origin/*";

/// A URL and a ref.
type Asked = (String, Option<String>);

/// Fetches with `git`.
pub struct Git {
    /// Where clones are kept, if the environment says.
    cache: Option<PathBuf>,
    limit: Duration,
    /// What has been fetched: for one user of this it stays the same commit, or the same failure.
    fetched: RefCell<HashMap<Asked, Result<PathBuf>>>,
    known: RefCell<HashMap<String, bool>>,
}

impl Git {
    /// With the cache that the environment names: `$FMF_CACHE_DIRECTORY`, else `fmf` in `$XDG_CACHE_HOME` or
    /// `~/.cache`.
    #[must_use]
    pub fn from_environment() -> Self {
        let directory = |key: &str| std::env::var_os(key).filter(|path| !path.is_empty()).map(PathBuf::from);
        let cache = directory("FMF_CACHE_DIRECTORY")
            .or_else(|| directory("XDG_CACHE_HOME").map(|cache| cache.join("fmf")))
            .or_else(|| directory("HOME").map(|home| home.join(".cache/fmf")));
        Self::new(cache)
    }

    /// With this directory as its cache.
    pub fn with_cache(cache: impl Into<PathBuf>) -> Self {
        Self::new(Some(cache.into()))
    }

    fn new(cache: Option<PathBuf>) -> Self {
        Self { cache, limit: LIMIT, fetched: RefCell::default(), known: RefCell::default() }
    }

    /// Gives up on a repository after this time; without it after five minutes.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    fn cache(&self) -> Result<PathBuf> {
        let failed = |message: String| Error::new(ErrorClass::Fetch, message);
        let cache = self.cache.as_deref().ok_or_else(|| {
            failed("no directory for the cache: set FMF_CACHE_DIRECTORY, XDG_CACHE_HOME or HOME".to_owned())
        })?;
        let made = std::path::absolute(cache).and_then(|cache| fs::create_dir_all(&cache).map(|()| cache));
        made.map_err(|error| failed(format!("{}: {error}", cache.display())))
    }

    fn fetch_now(&self, url: &str, reference: Option<&str>) -> Result<PathBuf> {
        url::check(url)?;
        reference.map_or(Ok(()), url::check_reference)?;
        let cache = self.cache()?;
        let snapshots = Snapshots::in_cache(&cache)?;
        let clone = Clone { url, path: cache.join(folder(url)), snapshots: &snapshots };
        let _reading = Lock::take(&clone.beside(".read.lock"), self.limit.saturating_add(READING))?;
        let _fetching = Lock::take(&clone.beside(".fetch.lock"), self.limit)?;
        let deadline = Deadline::of(self.limit);
        let commit = clone.commit(reference, deadline)?;
        snapshots.of_commit(&clone.path, &commit, deadline)
    }

    fn exists_now(&self, url: &str) -> bool {
        if url::check(url).is_err() {
            return false;
        }
        let is_here = |cache: PathBuf| cache.join(folder(url)).join(".git").is_dir();
        let ask = Call::new(["ls-remote", "--exit-code", "--", url, "HEAD"]);
        self.cache().is_ok_and(is_here) || ask.run(Deadline::of(self.limit.min(LIMIT_OF_QUESTION))).is_ok()
    }
}

impl Fetch for Git {
    fn fetch(&self, url: &str, reference: Option<&str>) -> Result<PathBuf> {
        let key = (url.to_owned(), reference.map(str::to_owned));
        if let Some(files) = self.fetched.borrow().get(&key) {
            return files.clone();
        }
        let files = self.fetch_now(url, reference);
        self.fetched.borrow_mut().insert(key, files.clone());
        files
    }

    fn exists(&self, url: &str) -> bool {
        if let Some(known) = self.known.borrow().get(url) {
            return *known;
        }
        let exists = self.exists_now(url);
        self.known.borrow_mut().insert(url.to_owned(), exists);
        exists
    }
}

/// The name of a URL's clone in the cache.
fn folder(url: &str) -> String {
    url.replace('/', "_")
}

/// A URL's clone. Its locks are held.
struct Clone<'a> {
    url: &'a str,
    path: PathBuf,
    snapshots: &'a Snapshots,
}

impl Clone<'_> {
    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        path.into()
    }

    fn git_dir(&self) -> PathBuf {
        self.path.join(".git")
    }

    /// The commit that a ref means, of a clone that is not too old.
    fn commit(&self, reference: Option<&str>, deadline: Deadline) -> Result<String> {
        if self.git_dir().is_dir() {
            match self.update(deadline).and_then(|()| self.resolve(reference, deadline)) {
                Ok(found) => return found.ok_or_else(|| self.no_such(reference)),
                Err(Failed::TimedOut(error)) => return Err(error),
                // A process that was killed may have left the clone in a state that git cannot go on from.
                Err(Failed::Status(error)) => self.replace(reference, deadline).map_err(|_| error)?,
            }
        } else {
            self.replace(reference, deadline)?;
        }
        self.resolve(reference, deadline)?.ok_or_else(|| self.no_such(reference))
    }

    fn no_such(&self, reference: Option<&str>) -> Error {
        let (url, reference) = (url::shown(self.url), reference.unwrap_or("HEAD"));
        Error::new(ErrorClass::Fetch, format!("no branch, tag or commit '{reference}' in {url}"))
    }

    /// A call in the clone.
    fn call<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Call {
        Call::new([]).hidden([Path::new("--git-dir"), &self.git_dir()]).words(words)
    }

    /// Clones anew. Nobody ever sees half a clone: it gets its name when it is complete.
    fn replace(&self, reference: Option<&str>, deadline: Deadline) -> Result<()> {
        let scratch = self.snapshots.scratch()?;
        let new = scratch.path().join("clone");
        let clone = |depth: Option<&str>| {
            let words = ["clone"].into_iter().chain(depth);
            let call = Call::new(words).hidden(["--quiet", "--no-checkout", "--"]);
            call.shown_as(self.url, &url::shown(self.url)).hidden([&new]).run(deadline)
        };
        match reference {
            Some(_) => clone(None)?,
            // Not every server can do it.
            None => match clone(Some("--depth=1")) {
                Err(Failed::Status(_)) => clone(None)?,
                cloned => cloned?,
            },
        };
        let put = || {
            // It says when the last fetch was. Only `git fetch` writes it.
            fs::write(new.join(".git/FETCH_HEAD"), "")?;
            match fs::rename(&self.path, scratch.path().join("old")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::rename(&new, &self.path)
        };
        put().map_err(|error| Error::new(ErrorClass::Fetch, format!("{}: {error}", self.path.display())))
    }

    /// Fetches if the last fetch is too old.
    fn update(&self, deadline: Deadline) -> std::result::Result<(), Failed> {
        let mark = self.git_dir().join("FETCH_HEAD");
        let is_fresh = fs::metadata(&mark)
            .and_then(|meta| meta.modified())
            // A time to come has no age.
            .is_ok_and(|fetched| fetched.elapsed().unwrap_or_default() < EXPIRATION);
        if is_fresh {
            return Ok(());
        }
        self.fetch(&["fetch"], deadline)
    }

    fn fetch(&self, words: &[&str], deadline: Deadline) -> std::result::Result<(), Failed> {
        let fetched = self.call(words.iter().copied()).hidden(["--quiet"]).run(deadline);
        if fetched.is_err() {
            // Git touches it before it connects; the next one must not take that for a fetch.
            let _ = fs::remove_file(self.git_dir().join("FETCH_HEAD"));
        }
        fetched.map(drop)
    }

    /// The commit that a ref means, or the default branch.
    fn resolve(
        &self,
        reference: Option<&str>,
        deadline: Deadline,
    ) -> std::result::Result<Option<String>, Failed> {
        let Some(reference) = reference else {
            let head = "refs/remotes/origin/HEAD";
            if self.revision(head, deadline).is_err() {
                self.call(["remote", "set-head", "origin", "--auto"]).run(deadline)?;
            }
            return self.revision(head, deadline).map(Some);
        };
        if let Some(commit) = self.look_up(reference, deadline)? {
            return Ok(Some(commit));
        }
        if self.widen(deadline)? { self.look_up(reference, deadline) } else { Ok(None) }
    }

    /// Fetches what a clone for the default branch alone leaves out. False if nothing was.
    fn widen(&self, deadline: Deadline) -> std::result::Result<bool, Failed> {
        let is_shallow = self.git_dir().join("shallow").exists();
        let branches = self.call(["config", "--get-all", "remote.origin.fetch"]).run(deadline);
        // Of a repository in a directory git fetches one branch, but with all its history.
        let has_all_branches = branches.is_ok_and(|branches| branches.trim() == ALL_BRANCHES);
        if has_all_branches && !is_shallow {
            return Ok(false);
        }
        self.call(["config", "--replace-all", "remote.origin.fetch", ALL_BRANCHES]).run(deadline)?;
        self.fetch(if is_shallow { &["fetch", "--unshallow"] } else { &["fetch"] }, deadline)?;
        Ok(true)
    }

    /// A branch of the origin comes before everything else of that name.
    fn look_up(&self, reference: &str, deadline: Deadline) -> std::result::Result<Option<String>, Failed> {
        for name in [&format!("refs/remotes/origin/{reference}"), reference] {
            match self.revision(name, deadline) {
                Ok(commit) => return Ok(Some(commit)),
                Err(Failed::Status(_)) => {}
                Err(timed_out) => return Err(timed_out),
            }
        }
        Ok(None)
    }

    fn revision(&self, name: &str, deadline: Deadline) -> std::result::Result<String, Failed> {
        let name = format!("{name}^{{commit}}");
        let commit =
            self.call(["rev-parse", "--verify", "--quiet", "--end-of-options", &name]).run(deadline)?;
        // An older git prints the option, too.
        Ok(commit.lines().last().unwrap_or_default().to_owned())
    }
}
