//! The directory of a run: where everything about it is kept, plain enough for ls, cat and jq.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use atex_cli::{Failure, input::reason, now};
use atex_model::report::JobEnd;
use atex_model::{Object, Time};
use serde::{Deserialize, Serialize};

use crate::environment::CallerEnv;
use crate::journal::{EXIT, JobExit};

/// Where runs are kept unless the user says otherwise.
const DEFAULT_PARENT: &str = "atex-runs";

/// How it is with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// A process is at work on it.
    AtWork,
    /// All that was asked for is done.
    Over,
    /// It can be resumed.
    CutShort,
}

/// The directory of one run, which nobody else works in.
#[derive(Debug)]
pub(crate) struct RunDir {
    /// The run's id: eight hexadecimal digits.
    pub id: String,
    /// Absolute.
    pub path: PathBuf,
    /// Locked as long as we live, whatever ends us.
    lock: File,
}

impl Drop for RunDir {
    fn drop(&mut self) {
        // A program that is just being started has a copy of the descriptor until it runs.
        let _ = self.lock.unlock();
    }
}

/// How a run was called: `run.json`. It is written last: where it is, there is a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Called {
    run: String,
    time: Time,
    version: String,
    cwd: String,
    /// The command line.
    pub argv: Vec<String>,
    /// What the caller set for every test, without values that are not to be seen.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    env: Object,
}

impl RunDir {
    /// Makes the directory for a new run that was called so: `path`, or one of its own below `atex-runs`. `fill` makes
    /// what else belongs into it.
    pub fn create<T>(
        path: Option<&Path>,
        env: &CallerEnv,
        argv: impl IntoIterator<Item = OsString>,
        fill: impl FnOnce(&RunDir) -> Result<T, Failure>,
    ) -> Result<(RunDir, T), Failure> {
        let id = random_hex(4).map_err(|e| Failure::trouble(format!("/dev/urandom: {}", reason(&e))))?;
        let now = now();
        let stamp = now.to_string().replace([':', '-'], "");
        let default = Path::new(DEFAULT_PARENT).join(format!("{}-{id}", &stamp[..15]));
        let path = absolute(path.unwrap_or(&default))?;
        if path.to_str().is_none() {
            let message = format!("{}: the name of a run directory must be UTF-8", path.display());
            return Err(Failure::usage(message));
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|e| trouble(&path, &e))?;
        let dir = RunDir { id, lock: lock(&path)?, path };
        if [dir.called(), dir.journal()].iter().any(|file| fs::metadata(file).is_ok_and(|m| m.len() > 0)) {
            let path = dir.path.display();
            let failure = Failure::usage(format!("{path}: this directory holds a run already"));
            return Err(failure.hint("go on with it by --resume, or give another --run-dir"));
        }
        dir.make_parts()?;
        let filled = fill(&dir)?;
        env.save(&dir.env()).map_err(|e| trouble(&dir.env(), &e))?;
        dir.write_called(env, argv, now).map_err(|e| trouble(&dir.called(), &e))?;
        Ok((dir, filled))
    }

    /// Comes back to the directory of a run.
    pub fn open(path: &Path) -> Result<(RunDir, Called), Failure> {
        let path = absolute(path)?;
        let file = path.join(CALLED);
        let text = fs::read(&file).map_err(|e| {
            Failure::usage(format!("{}: {}", file.display(), reason(&e)))
                .hint("--resume takes the directory of a run")
        })?;
        let called: Called = serde_json::from_slice(&text)
            .map_err(|e| Failure::usage(format!("{}: {e}", file.display())).hint(DAMAGED))?;
        let dir = RunDir { id: called.run.clone(), lock: lock(&path)?, path };
        dir.make_parts()?;
        Ok((dir, called))
    }

    fn make_parts(&self) -> Result<(), Failure> {
        for part in [self.path.join("results"), self.uploads(), self.hosts()] {
            fs::create_dir_all(&part).map_err(|e| trouble(&part, &e))?;
        }
        Ok(())
    }

    fn write_called(
        &self,
        env: &CallerEnv,
        argv: impl IntoIterator<Item = OsString>,
        now: Time,
    ) -> io::Result<()> {
        let called = Called {
            run: self.id.clone(),
            time: now,
            version: env!("CARGO_PKG_VERSION").into(),
            cwd: std::env::current_dir().unwrap_or_default().display().to_string(),
            argv: argv.into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            env: env.shown(),
        };
        let mut text = serde_json::to_vec_pretty(&called).expect("a record has only text keys");
        text.push(b'\n');
        let part = self.path.join("run.json.part");
        let mut file = File::create(&part)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&part, self.called())?;
        File::open(&self.path)?.sync_all()
    }

    /// The absolute path of a directory that holds a run, which somebody else may be at work on.
    pub fn look_at(path: &Path) -> Result<PathBuf, Failure> {
        let path = absolute(path)?;
        let file = path.join(CALLED);
        match fs::metadata(&file) {
            Ok(_) => Ok(path),
            Err(e) => Err(Failure::usage(format!("{}: {}", file.display(), reason(&e)))
                .hint("this takes the directory of a run")),
        }
    }

    /// When the run in a directory began, and how it is with it. None: this is no directory of a run.
    pub fn state(path: &Path) -> Result<Option<(Time, State)>, Failure> {
        let file = path.join(CALLED);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(trouble(&file, &e)),
        };
        let called: Called = serde_json::from_slice(&text)
            .map_err(|e| Failure::trouble(format!("{}: {e}", file.display())))?;
        let lock = path.join("lock");
        let is_at_work = match File::open(&lock) {
            Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => false,
            Err(e) => return Err(trouble(&lock, &e)),
        };
        let journal = Self::journal_in(path);
        let state = match is_at_work {
            true => State::AtWork,
            false if is_over(&journal).map_err(|e| trouble(&journal, &e))? => State::Over,
            false => State::CutShort,
        };
        Ok(Some((called.time, state)))
    }

    /// Takes the lock of a directory that holds a run.
    pub fn lock(path: &Path) -> Result<File, Failure> {
        lock(path)
    }

    fn called(&self) -> PathBuf {
        self.path.join(CALLED)
    }

    /// Every event of the run.
    pub fn journal(&self) -> PathBuf {
        Self::journal_in(&self.path)
    }

    /// That of the run in a directory.
    pub fn journal_in(dir: &Path) -> PathBuf {
        dir.join("journal.jsonl")
    }

    /// The tests that were taken in.
    pub fn tests(&self) -> PathBuf {
        Self::tests_in(&self.path)
    }

    /// Those of the run in a directory.
    pub fn tests_in(dir: &Path) -> PathBuf {
        dir.join("tests.jsonl")
    }

    /// Values of variables that are not to be seen, for when the run is resumed.
    pub fn env(&self) -> PathBuf {
        self.path.join("env.json")
    }

    /// The hosts that were taken in.
    pub fn hosts_file(&self) -> PathBuf {
        self.path.join("hosts.jsonl")
    }

    /// How far standard output has come.
    pub fn announced(&self) -> PathBuf {
        self.path.join("announced")
    }

    /// Trees of files as they are sent to hosts.
    pub fn uploads(&self) -> PathBuf {
        self.path.join("uploads")
    }

    /// Work directories of local hosts.
    pub fn hosts(&self) -> PathBuf {
        self.path.join("hosts")
    }

    /// What the provisioner of this number said on standard error.
    pub fn provisioner_log(&self, number: u32) -> PathBuf {
        self.path.join(format!("provisioner-{number}.log"))
    }

    /// What scripts of plans and package managers printed, a file a host.
    pub fn setup_logs(&self) -> PathBuf {
        self.path.join("setup")
    }

    /// Removes what is of no use after the run: the uploads and the local hosts' directories.
    pub fn tidy(&self) {
        for part in [self.uploads(), self.hosts()] {
            if let Err(e) = fs::remove_dir_all(&part)
                && e.kind() != io::ErrorKind::NotFound
            {
                log::warn!("{}: {}", part.display(), reason(&e));
            }
        }
    }
}

const CALLED: &str = "run.json";

/// What can be said of a run directory that cannot be read.
pub(crate) const DAMAGED: &str =
    "the run directory is damaged; its results can be read still, with cat and jq";

/// Whether a journal ends with the last words of a run that has nothing left to do: all of its tests are settled, and
/// it can expect neither more of them nor a host back.
fn is_over(journal: &Path) -> io::Result<bool> {
    /// Longer than the last record ever is.
    const LAST: u64 = 64 << 10;
    let mut file = File::open(journal)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST)))?;
    let mut text = Vec::new();
    file.take(LAST).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().rev();
    let end = lines.next().and_then(|line| atex_model::parse::<JobEnd>(line).ok());
    let exit = lines.next().and_then(|line| atex_model::parse::<JobExit>(line).ok());
    let is_closed = exit.is_some_and(|exit| exit.kind == EXIT && !exit.open);
    Ok(text.ends_with('\n') && is_closed && end.is_some_and(|end| end.unsettled == 0))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|e| trouble(path, &e))
}

/// Takes the lock of a run directory. It is the kernel's, so that it is gone with us; the process id in it is
/// for people.
fn lock(dir: &Path) -> Result<File, Failure> {
    let path = dir.join("lock");
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(|e| trouble(&path, &e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Empty for a moment, after which it would say more.
            let _ = file.read_to_string(&mut text);
            let who =
                text.trim().parse::<u32>().map_or("another process".into(), |pid| format!("process {pid}"));
            return Err(Failure::trouble(format!("{}: {who} is at work on this run", dir.display())));
        }
        Err(TryLockError::Error(e)) => return Err(trouble(&path, &e)),
    }
    let pid = format!("{}\n", std::process::id());
    file.set_len(0).and_then(|()| file.write_all(pid.as_bytes())).map_err(|e| trouble(&path, &e))?;
    Ok(file)
}

/// So many random bytes in hexadecimal.
pub(crate) fn random_hex(bytes: usize) -> io::Result<String> {
    let mut buffer = vec![0; bytes];
    File::open("/dev/urandom")?.read_exact(&mut buffer)?;
    Ok(buffer.iter().map(|b| format!("{b:02x}")).collect())
}

/// A failure that has to do with this file.
pub(crate) fn trouble(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::trouble(format!("{}: {}", path.display(), reason(error)));
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            failure.hint("make room there, or put runs elsewhere with --run-dir")
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_directory_belongs_to_one_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let env = CallerEnv::default();
        let create = || RunDir::create(Some(&path), &env, [], |_| Ok(())).map(|(dir, ())| dir);
        let open = || RunDir::open(&path).map(|(dir, _)| dir);
        let missing = open().unwrap_err();
        assert!(missing.message.ends_with("/run/run.json: No such file or directory"), "{missing}");
        let first = create().unwrap();
        let at_work = format!(": process {} is at work on this run", std::process::id());
        for refused in [create().unwrap_err(), open().unwrap_err()] {
            assert!(refused.message.ends_with(&at_work), "{refused}");
        }
        let id = first.id.clone();
        drop(first);
        assert!(create().unwrap_err().message.ends_with(": this directory holds a run already"));
        assert_eq!(open().unwrap().id, id);
        fs::write(path.join("run.json"), "{\"run\":").unwrap();
        assert!(open().unwrap_err().message.contains("/run/run.json: EOF while parsing"));
    }

    #[test]
    fn a_directory_whose_run_never_began_can_be_used() {
        let parent = tempfile::tempdir().unwrap();
        let env = CallerEnv::default();
        let fail = RunDir::create(Some(parent.path()), &env, [], |_| Err::<(), _>(Failure::trouble("no")));
        assert!(fail.is_err());
        RunDir::create(Some(parent.path()), &env, [], |_| Ok(())).unwrap();
    }
}
