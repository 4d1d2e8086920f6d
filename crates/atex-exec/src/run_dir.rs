//! The directory of a run: where everything about it is kept, plain enough for ls, cat and jq.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use atex_cli::{Failure, input::reason};
use atex_model::{Object, Time};
use serde::Serialize;

use crate::environment::CallerEnv;

/// Where runs are kept unless the user says otherwise.
const DEFAULT_PARENT: &str = "atex-runs";

/// The directory of one run.
#[derive(Debug, Clone)]
pub(crate) struct RunDir {
    /// The run's id: eight hexadecimal digits.
    pub id: String,
    /// Absolute.
    pub path: PathBuf,
}

/// How a run was called: `run.json`.
#[derive(Debug, Serialize)]
struct Called<'a> {
    run: &'a str,
    time: Time,
    version: &'a str,
    cwd: String,
    argv: Vec<String>,
    /// What the caller set for every test, without values that are not to be seen.
    #[serde(skip_serializing_if = "Object::is_empty")]
    env: Object,
}

impl RunDir {
    /// Makes the directory for a new run: `path`, or one of its own below `atex-runs`.
    pub fn create(path: Option<&Path>, env: &CallerEnv, now: Time) -> Result<RunDir, Failure> {
        let id = random_hex(4).map_err(|e| Failure::trouble(format!("/dev/urandom: {}", reason(&e))))?;
        let stamp = now.to_string().replace([':', '-'], "");
        let default = Path::new(DEFAULT_PARENT).join(format!("{}-{id}", &stamp[..15]));
        let path = path.unwrap_or(&default);
        let path = std::path::absolute(path).map_err(|e| trouble(path, &e))?;
        if path.to_str().is_none() {
            let message = format!("{}: the name of a run directory must be UTF-8", path.display());
            return Err(Failure::usage(message));
        }
        let dir = RunDir { id, path };
        dir.make(env, now)?;
        Ok(dir)
    }

    fn make(&self, env: &CallerEnv, now: Time) -> Result<(), Failure> {
        let path = &self.path;
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| trouble(path, &e))?;
        if self.journal().exists() {
            let failure = Failure::usage(format!("{}: this directory holds a run already", path.display()));
            return Err(failure.hint("give another --run-dir"));
        }
        for part in ["results", "uploads", "hosts"] {
            let part = path.join(part);
            fs::create_dir_all(&part).map_err(|e| trouble(&part, &e))?;
        }
        env.save(&self.env()).map_err(|e| trouble(&self.env(), &e))?;
        let called = Called {
            run: &self.id,
            time: now,
            version: env!("CARGO_PKG_VERSION"),
            cwd: std::env::current_dir().unwrap_or_default().display().to_string(),
            argv: std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            env: env.shown(),
        };
        let file = path.join("run.json");
        let mut text = serde_json::to_vec_pretty(&called).expect("a record has only text keys");
        text.push(b'\n');
        fs::write(&file, text).map_err(|e| trouble(&file, &e))
    }

    /// Every event of the run.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// The tests that were taken in.
    pub fn tests(&self) -> PathBuf {
        self.path.join("tests.jsonl")
    }

    /// Values of variables that are not to be seen, for when the run is resumed.
    pub fn env(&self) -> PathBuf {
        self.path.join("env.json")
    }

    /// Trees of files as they are sent to hosts.
    pub fn uploads(&self) -> PathBuf {
        self.path.join("uploads")
    }

    /// Work directories of local hosts.
    pub fn hosts(&self) -> PathBuf {
        self.path.join("hosts")
    }

    /// What scripts of plans and package managers printed, a file a host.
    pub fn setup_logs(&self) -> PathBuf {
        self.path.join("setup")
    }

    /// Removes what is of no use after the run: the uploads and the local hosts' directories.
    pub fn tidy(&self) {
        for part in [self.uploads(), self.hosts()] {
            if let Err(e) = fs::remove_dir_all(&part) {
                log::warn!("{}: {}", part.display(), reason(&e));
            }
        }
    }
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
