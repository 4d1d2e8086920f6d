//! `local`: this machine, several times.
//!
//! A host that is leased is a directory named by its token, with a home and a place for temporary files. With `--isolate`
//! namespaces belong to it, kept alive by a process whose environment bears the token.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use atex_cli::{Failure, input::reason};
use atex_model::{Command, Connect, Host};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::this_machine::facts;
use super::{Backend, Gives, Held, Made, Order, Spec, Surroundings, short, text};
use crate::fault;
use crate::inventory::Inventory;
use crate::ledger::Entry;
use crate::program::Call;
use crate::trouble::Trouble;

/// The variable that marks a process which keeps namespaces alive.
const MARK: &str = "ATEX_LEASE";

/// How long processes that were killed may take to be gone.
const DYING: Duration = Duration::from_secs(10);

/// What was typed behind `local`.
#[derive(Debug, clap::Args)]
pub(crate) struct Local {
    /// Give each host a user, mount, process and network namespace of its own
    ///
    /// It sees the files of this machine, but has a home, a /tmp and a /var/tmp of its own, no processes but its own, and
    /// no network but its own loopback. Root need not be asked for it where the kernel lets users make namespaces.
    #[arg(long)]
    isolate: bool,

    /// Where the hosts' directories are made
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    dir: PathBuf,
}

impl Spec for Local {
    const NAME: &'static str = "local";
    const ABOUT: &'static str = "This machine, once or several times";
    const LONG: &'static str = "\
This machine, once or several times

So many tests can run at once on it. Without --isolate, --serve and --ttl hosts are only described: nothing is made, and \
nothing has to be given back. Otherwise each has a directory of its own, with a home and a place for temporary files, \
which goes with it.";
    const EXAMPLES: &'static str =
        "  atex-discover . | atex-exec --provision 'atex-provision local -n 4 --isolate' | atex-report
      four tests at a time on this machine, which do not see each other
  { atex-provision local -n 2 --platform cs9; atex-discover .; } | atex-exec | atex-report
      this machine twice, under a label";

    fn open(self, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        Ok(Arc::new(Machine { isolate: self.isolate, dir: around.directory.join(self.dir) }))
    }

    fn reopen(at: &Value, _: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        let dir = text(at, "dir").ok_or_else(|| Failure::trouble("local: the ledger names no directory"))?;
        Ok(Arc::new(Machine { isolate: false, dir: dir.into() }))
    }
}

struct Machine {
    isolate: bool,
    dir: PathBuf,
}

impl Backend for Machine {
    fn at(&self) -> Value {
        json!({"dir": self.dir})
    }

    fn gives(&self, _: Duration) -> Result<Gives, Failure> {
        let usual = std::thread::available_parallelism().ok().map(|n| n.get() as u64);
        Ok(Gives { facts: facts(), usual, ..Gives::default() })
    }

    fn standing(&self, most: Option<u32>) -> Result<Option<Inventory>, Failure> {
        let facts = facts();
        let host = |number| super::this_machine::host(number, &facts);
        let hosts = (1..=most.unwrap_or(1)).map(host);
        Ok((!self.isolate).then(|| Inventory::of("local", hosts)))
    }

    fn create(&self, order: &Order) -> Result<Made, Trouble> {
        let dir = self.dir.join(order.token);
        for part in ["home", "tmp", "var-tmp"] {
            let mode = if part == "home" { 0o700 } else { 0o1777 };
            let part = dir.join(part);
            DirBuilder::new().recursive(true).mode(0o700).create(&part).map_err(|e| trouble(&part, &e))?;
            let mode = PermissionsExt::from_mode(mode);
            fs::set_permissions(&part, mode).map_err(|e| trouble(&part, &e))?;
        }
        fault::point("directory made");
        let home = dir.join("home");
        let mut argv = match self.isolate {
            true => enter(keep(&dir, order)?),
            false => Vec::new(),
        };
        argv.extend(["env", "-C"].map(str::to_owned));
        let tmp = if self.isolate { "/tmp".into() } else { dir.join("tmp") };
        argv.extend([shown(&home), format!("HOME={}", home.display()), format!("TMPDIR={}", tmp.display())]);
        let mut host = Host::new(format!("local/{}", order.short()), Connect::Command(Command { argv }));
        host.facts = facts();
        Ok(Made { host, resource: Some(shown(&dir)), until: None })
    }

    fn strays(&self, prefix: &str) -> Result<Vec<Held>, Trouble> {
        let begins = |token: &str| token.starts_with(prefix);
        let mut tokens: Vec<String> = keepers(begins).into_iter().map(|(_, token)| token).collect();
        match fs::read_dir(&self.dir) {
            Ok(entries) => {
                let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
                tokens.extend(names.filter(|name| name.starts_with(prefix)));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(trouble(&self.dir, &e)),
        }
        tokens.sort();
        tokens.dedup();
        Ok(tokens.iter().map(|token| Held::new(token, None)).collect())
    }

    fn holds(&self, entry: &Entry) -> Result<Vec<Held>, Trouble> {
        let dir = self.dir.join(&entry.token);
        let there = dir.try_exists().map_err(|e| trouble(&dir, &e))?;
        let there = there || !keepers(|token| token == entry.token).is_empty();
        Ok(there.then(|| Held::new(&entry.token, None)).into_iter().collect())
    }

    fn release(&self, held: &Held) -> Result<(), Trouble> {
        let begun = Instant::now();
        loop {
            let keepers = keepers(|token| token == held.token);
            if keepers.is_empty() {
                break;
            }
            for (pid, _) in keepers {
                // With the first process of the namespaces all in them are killed.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            if begun.elapsed() > DYING {
                return Err(Trouble::passing(format!(
                    "local/{}: its processes do not die",
                    short(&held.token)
                )));
            }
            // The kernel tells nobody but the parent.
            std::thread::sleep(Duration::from_millis(10));
        }
        fault::point("keeper killed");
        let dir = self.dir.join(&held.token);
        match remove(&dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(trouble(&dir, &e)),
            _ => Ok(()),
        }
    }
}

/// Removes a directory, and in it also what a test has left closed to its own user.
fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            unlock(dir)?;
            fs::remove_dir_all(dir)
        }
        removed => removed,
    }
}

/// Makes all directories such that one can remove what is in them.
fn unlock(dir: &Path) -> io::Result<()> {
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        // Nothing that is alive is left in there which could put a link in its place.
        fs::set_permissions(&dir, PermissionsExt::from_mode(0o700))?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Starts what keeps the namespaces of a host; gives the number of their first process.
fn keep(dir: &Path, order: &Order) -> Result<i32, Trouble> {
    let user: &[&str] = &["--user", "--map-root-user"];
    let mut said = Ok(String::new());
    // Root can do without a user namespace where the kernel has none to give.
    let tries: &[&[&str]] = if nix::unistd::geteuid().is_root() { &[user, &[]] } else { &[user] };
    for user in tries {
        said = start_keeper(dir, user, order);
        if let Ok(said) = &said
            && let Some(pid) = said.trim().parse().ok().filter(|pid| *pid > 1)
        {
            return Ok(pid);
        }
    }
    let why = fs::read_to_string(dir.join("log")).unwrap_or_default();
    let why = why.lines().next().unwrap_or("nothing was said").to_owned();
    said.and(Err(Trouble::lasting(format!("local --isolate: {why}"))))
}

/// Prints the number of the first process, or nothing.
fn start_keeper(dir: &Path, user: &[&str], order: &Order) -> Result<String, Trouble> {
    // The keeper has the pipe open until it has made everything: no need to look again and again.
    let script = "dir=$1 keeper=$2; shift 2; setsid --fork unshare \"$@\" --mount --pid --net --fork \
         sh -c \"$keeper\" sh \"$dir\" </dev/null 2>\"$dir/log\" | head -n 1";
    let words = ["-c", script, "sh", &shown(dir), include_str!("local.sh")];
    Call::new("sh").args(words).args(user).env(MARK, order.token).text(order.stop)
}

/// What runs a command in the namespaces that a process is in.
fn enter(pid: i32) -> Vec<String> {
    let user = fs::read_link(format!("/proc/{pid}/ns/user")).ok() != fs::read_link("/proc/self/ns/user").ok();
    let mut argv = vec!["nsenter".to_owned(), format!("--target={pid}")];
    if user {
        argv.extend(["--user", "--preserve-credentials"].map(str::to_owned));
    }
    argv.extend(["--mount", "--pid", "--net", "--"].map(str::to_owned));
    argv
}

/// Processes that bear such a token.
fn keepers(is_meant: impl Fn(&str) -> bool) -> Vec<(i32, String)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let me = std::process::id() as i32;
    pids.filter(|pid| *pid != me).filter_map(|pid| Some((pid, token_of(pid, &is_meant)?))).collect()
}

fn token_of(pid: i32, is_meant: impl Fn(&str) -> bool) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut values = environment
        .split(|byte| *byte == 0)
        .filter_map(|variable| std::str::from_utf8(variable).ok()?.strip_prefix(MARK)?.strip_prefix('='));
    values.find(|value| is_meant(value)).map(str::to_owned)
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn trouble(path: &Path, error: &io::Error) -> Trouble {
    Trouble::passing(format!("{}: {}", path.display(), reason(error)))
}
