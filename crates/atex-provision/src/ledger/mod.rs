//! The ledger: what may exist somewhere because of us, written down before it does.
//!
//! A file a lease, `leases/TOKEN`, in `${XDG_STATE_HOME:-~/.local/state}/atex`; beside it `providers/`, a file for each
//! provider that was asked for anything within a week, so that what is left there can be found even without its lease,
//! and `ledger`, the id that every token of this ledger begins with: nothing without it is ours.
//!
//! A file is replaced whole and is on disk before anything is done on its account. All changes are made under one lock,
//! which the kernel takes back from whoever dies. When a file was touched last is when its holder was last alive.

mod entry;
mod holder;

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atex_cli::{Failure, input::reason};
use serde_json::{Value, json};

use crate::fault;
pub(crate) use entry::{Entry, Owner, State};
pub(crate) use holder::{Holder, Life};

/// So long a provider is asked for what nobody knows of, after it was last used.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);

/// How many random bytes a token ends with, in hexadecimal digits.
const RANDOM: usize = 6;

/// The beginning of the name of a file that is being written.
const UNFINISHED: &str = ".new-";

/// The leases of one user.
#[derive(Debug)]
pub(crate) struct Ledger {
    dir: PathBuf,
    id: String,
    /// The leases that this process holds, from the intent on.
    held: Mutex<HashSet<String>>,
}

/// A lease, and how long ago its holder was last alive.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub entry: Entry,
    pub quiet: Duration,
}

/// A provider that was asked for something.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Provider {
    pub backend: String,
    pub at: Value,
}

impl Ledger {
    /// The ledger in the directory `state`, which is made.
    pub fn open(state: &Path) -> Result<Ledger, Failure> {
        let dir = state.join("atex");
        for part in ["leases", "providers"] {
            let part = dir.join(part);
            DirBuilder::new().recursive(true).mode(0o700).create(&part).map_err(|e| trouble(&part, &e))?;
        }
        let mut ledger = Ledger { dir, id: String::new(), held: Mutex::default() };
        let _lock = ledger.lock()?;
        let file = ledger.dir.join("ledger");
        ledger.id = match fs::read_to_string(&file) {
            Ok(id) if is_id(id.trim()) => id.trim().to_owned(),
            Ok(_) => {
                let message =
                    format!("{}: expected eight hexadecimal digits, found something else", file.display());
                return Err(
                    Failure::trouble(message).hint("tokens of leases begin with them: see those in leases/")
                );
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let id = random_hex(4).map_err(|e| trouble(Path::new("/dev/urandom"), &e))?;
                ledger.replace(&file, format!("{id}\n").as_bytes())?;
                id
            }
            Err(e) => return Err(trouble(&file, &e)),
        };
        Ok(ledger)
    }

    /// What every token of this ledger begins with.
    pub fn prefix(&self) -> String {
        format!("atex-{}-", self.id)
    }

    /// Whether this is a token of this ledger, and a whole one: what only begins like one may be a question after many.
    pub fn is_token(&self, text: &str) -> bool {
        let random = text.strip_prefix(&self.prefix());
        random
            .is_some_and(|random| random.len() == 2 * RANDOM && random.bytes().all(|b| b.is_ascii_hexdigit()))
    }

    /// A token that nothing has yet.
    pub fn new_token(&self) -> Result<String, Failure> {
        let random = random_hex(RANDOM).map_err(|e| trouble(Path::new("/dev/urandom"), &e))?;
        Ok(self.prefix() + &random)
    }

    /// Writes down that something is about to be created. Before it returns, that is on disk.
    pub fn intend(&self, entry: &Entry) -> Result<(), Failure> {
        let _lock = self.lock()?;
        self.remember(&entry.backend, &entry.at)?;
        fault::point("provider remembered");
        self.write(entry)?;
        fault::point("intent written");
        Ok(())
    }

    /// Changes an entry, unless `change` declines; gives what it is then. `None`: there is none, or it was declined.
    pub fn change(
        &self,
        token: &str,
        change: impl FnOnce(&mut Entry) -> bool,
    ) -> Result<Option<Entry>, Failure> {
        let _lock = self.lock()?;
        let Some(mut known) = self.read(&self.file(token)?)? else { return Ok(None) };
        if !change(&mut known.entry) {
            return Ok(None);
        }
        self.write(&known.entry)?;
        fault::point("entry changed");
        Ok(Some(known.entry))
    }

    /// Takes an entry for giving it back, if it is still so that it may be: nobody can adopt it from then on.
    pub fn claim(&self, token: &str, may_be: impl FnOnce(&Known) -> bool) -> Result<Option<Entry>, Failure> {
        let _lock = self.lock()?;
        let known = self.read(&self.file(token)?)?.filter(may_be);
        let Some(Known { mut entry, .. }) = known else { return Ok(None) };
        entry.state = State::Releasing;
        entry.holder = Some(Holder::me().clone());
        self.write(&entry)?;
        Ok(Some(entry))
    }

    /// Strikes an entry out: the provider has nothing of it any more.
    pub fn forget(&self, token: &str) -> Result<(), Failure> {
        let _lock = self.lock()?;
        let file = self.file(token)?;
        self.held().remove(token);
        fault::point("before forgetting");
        match fs::remove_file(&file) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(trouble(&file, &e)),
            _ => {}
        }
        sync_dir(&self.dir.join("leases"))?;
        fault::point("forgotten");
        Ok(())
    }

    /// One entry.
    pub fn get(&self, token: &str) -> Result<Option<Entry>, Failure> {
        Ok(self.read(&self.file(token)?)?.map(|known| known.entry))
    }

    /// All entries, and what is wrong with those that cannot be read.
    pub fn all(&self) -> Result<(Vec<Known>, Vec<Failure>), Failure> {
        let dir = self.dir.join("leases");
        let (mut entries, mut wrong) = (Vec::new(), Vec::new());
        for file in self.files(&dir)? {
            match self.read(&file) {
                Ok(known) => entries.extend(known),
                Err(failure) => wrong.push(failure),
            }
        }
        entries.sort_by(|a, b| (a.entry.since, &a.entry.token).cmp(&(b.entry.since, &b.entry.token)));
        Ok((entries, wrong))
    }

    /// Says of all leases that this process holds that their holder lives.
    pub fn touch(&self) {
        let held: Vec<String> = self.held().iter().cloned().collect();
        for token in held {
            let Ok(file) = self.file(&token) else { continue };
            // One that is gone was given back by somebody else.
            if let Ok(file) = File::options().append(true).open(file) {
                let _ = file.set_modified(std::time::SystemTime::now());
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, HashSet<String>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The providers that were asked for anything lately; others are forgotten.
    pub fn providers(&self) -> Result<Vec<Provider>, Failure> {
        let _lock = self.lock()?;
        let mut providers = Vec::new();
        for file in self.files(&self.dir.join("providers"))? {
            let old =
                fs::metadata(&file).and_then(|m| m.modified()).is_ok_and(|t| holder::age(t) > REMEMBERED);
            if old {
                let _ = fs::remove_file(&file);
                continue;
            }
            let text = fs::read(&file).map_err(|e| trouble(&file, &e))?;
            let value: Value = serde_json::from_slice(&text).map_err(|e| damaged(&file, &e))?;
            let backend = value["backend"].as_str().unwrap_or_default().to_owned();
            providers.push(Provider { backend, at: value["at"].clone() });
        }
        Ok(providers)
    }

    fn remember(&self, backend: &str, at: &Value) -> Result<(), Failure> {
        let text = json!({"backend": backend, "at": at}).to_string();
        let hash = blake3::hash(text.as_bytes()).to_hex();
        let file = self.dir.join("providers").join(format!("{backend}-{}", &hash[..16]));
        match File::options().append(true).open(&file) {
            Ok(there) => {
                let _ = there.set_modified(std::time::SystemTime::now());
                Ok(())
            }
            Err(_) => self.replace(&file, text.as_bytes()),
        }
    }

    fn write(&self, entry: &Entry) -> Result<(), Failure> {
        let mut text = Vec::new();
        atex_model::to_line(&mut text, &Entry { changed: atex_cli::now(), ..entry.clone() });
        self.replace(&self.file(&entry.token)?, &text)?;
        if entry.holder.as_ref() == Some(Holder::me()) {
            self.held().insert(entry.token.clone());
        } else {
            self.held().remove(&entry.token);
        }
        Ok(())
    }

    fn read(&self, file: &Path) -> Result<Option<Known>, Failure> {
        let text = match fs::read(file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(trouble(file, &e)),
        };
        let entry: Entry = serde_json::from_slice(&text).map_err(|e| damaged(file, &e))?;
        let quiet = fs::metadata(file).and_then(|m| m.modified()).map(holder::age).unwrap_or_default();
        Ok(Some(Known { entry, quiet }))
    }

    /// The file of a lease. A token may come from a record that a stranger wrote.
    fn file(&self, token: &str) -> Result<PathBuf, Failure> {
        let ok = !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !ok {
            let message =
                format!("expected a token of letters, digits and dashes, found `{}`", token.escape_debug());
            return Err(Failure::usage(message));
        }
        Ok(self.dir.join("leases").join(token))
    }

    fn files(&self, dir: &Path) -> Result<Vec<PathBuf>, Failure> {
        let entries = fs::read_dir(dir).map_err(|e| trouble(dir, &e))?;
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| trouble(dir, &e))?;
            if !entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(files)
    }

    /// Writes a file in place of another, so that there is always one of both, whole.
    fn replace(&self, file: &Path, text: &[u8]) -> Result<(), Failure> {
        let dir = file.parent().unwrap_or(&self.dir);
        // One name suffices, and a leftover is overwritten: whoever writes has the lock.
        let new = dir.join(UNFINISHED);
        let write = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            let mut to = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            to.write_all(text)?;
            to.sync_all()?;
            fault::point("new file written");
            fs::rename(&new, file)
        };
        write().map_err(|e| trouble(file, &e))?;
        fault::point("new file in place");
        sync_dir(dir)
    }

    fn lock(&self) -> Result<File, Failure> {
        let path = self.dir.join("lock");
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.and_then(|file| file.lock().map(|()| file));
        file.map_err(|e| trouble(&path, &e))
    }
}

fn sync_dir(dir: &Path) -> Result<(), Failure> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| trouble(dir, &e))
}

fn trouble(path: &Path, error: &io::Error) -> Failure {
    Failure::trouble(format!("{}: {}", path.display(), reason(error)))
}

fn damaged(path: &Path, error: &serde_json::Error) -> Failure {
    Failure::trouble(format!("{}: {error}", path.display()))
        .hint("the file is damaged; see what it names, free that by hand, and remove the file")
}

fn is_id(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn random_hex(bytes: usize) -> io::Result<String> {
    let mut random = vec![0; bytes];
    io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_model::Time;

    fn entry(token: &str) -> Entry {
        Entry {
            token: token.to_owned(),
            backend: "fake".into(),
            at: json!({"url": "x"}),
            state: State::Creating,
            owner: Owner::Name("me".into()),
            holder: Some(Holder::me().clone()),
            since: Time(1_795_291_200_000),
            changed: Time(0),
            until: None,
            orphan_seconds: 3600,
            id: None,
            resource: None,
            host: None,
        }
    }

    #[test]
    fn a_lease_is_written_changed_and_struck_out() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let token = ledger.new_token().unwrap();
        assert!(token.starts_with(&ledger.prefix()) && token.len() == 26, "{token}");
        assert!(ledger.is_token(&token));
        for no_token in
            [&ledger.prefix(), &token[..25], &format!("{token}0"), &token.replace("atex-", "atex-0")]
        {
            assert!(!ledger.is_token(no_token), "{no_token}");
        }
        ledger.intend(&entry(&token)).unwrap();
        // Another process of the same user sees the same ledger.
        let other = Ledger::open(dir.path()).unwrap();
        assert_eq!(other.prefix(), ledger.prefix());
        let mut found = other.get(&token).unwrap().unwrap();
        assert!(found.changed > Time(0));
        found.changed = Time(0);
        assert_eq!(found, entry(&token));
        let held = other.change(&token, |entry| {
            entry.state = State::Held;
            true
        });
        assert_eq!(held.unwrap().unwrap().state, State::Held);
        assert_eq!(ledger.change(&token, |_| false).unwrap(), None);
        assert_eq!(ledger.all().unwrap().0[0].entry.state, State::Held);
        assert_eq!(
            ledger.providers().unwrap(),
            [Provider { backend: "fake".into(), at: json!({"url": "x"}) }]
        );
        ledger.forget(&token).unwrap();
        ledger.forget(&token).unwrap();
        assert_eq!(other.get(&token).unwrap(), None);
        assert_eq!(other.change(&token, |_| true).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_hides_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        ledger.intend(&entry("atex-1-a")).unwrap();
        fs::write(dir.path().join("atex/leases/atex-1-b"), "{").unwrap();
        fs::write(dir.path().join("atex/leases/.new-"), "{").unwrap();
        let (all, wrong) = ledger.all().unwrap();
        assert_eq!((all.len(), wrong.len()), (1, 1));
        assert!(wrong[0].message.contains("atex-1-b: EOF"), "{}", wrong[0].message);
        for token in ["", "../x", "a/b", "a\n"] {
            assert!(ledger.get(token).is_err(), "{token:?}");
        }
    }

    #[test]
    fn an_id_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("atex")).unwrap();
        fs::write(dir.path().join("atex/ledger"), "x\n").unwrap();
        assert!(Ledger::open(dir.path()).unwrap_err().message.contains("expected eight hexadecimal digits"));
    }
}
