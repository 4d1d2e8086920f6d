//! The process that looks after a lease, told from any later process with the same number.

use std::fs;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// A process, wherever and whenever it runs or ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub pid: u32,
    /// When it started, in ticks since the boot.
    pub start: u64,
    /// Which boot of which machine, and which process namespace there.
    pub boot: String,
}

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Lives,
    Dead,
    /// It ran on another machine, or in another namespace, or before a reboot.
    Elsewhere,
}

impl Holder {
    /// This process.
    pub fn me() -> &'static Holder {
        static ME: LazyLock<Holder> = LazyLock::new(|| {
            let pid = std::process::id();
            Holder { pid, start: start_of(pid).unwrap_or_default(), boot: boot() }
        });
        &ME
    }

    pub fn life(&self) -> Life {
        if self.boot != boot() {
            return Life::Elsewhere;
        }
        if start_of(self.pid) == Some(self.start) { Life::Lives } else { Life::Dead }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.life() {
            Life::Lives => write!(f, "process {}", self.pid),
            Life::Dead => write!(f, "process {} (dead)", self.pid),
            Life::Elsewhere => write!(f, "process {} of another boot or machine", self.pid),
        }
    }
}

fn boot() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", boot.trim(), namespace.display())
}

/// When a process started; `None` if it is not there, or has ended and is not buried yet.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// How long ago a file was last touched.
pub(super) fn age(touched: SystemTime) -> Duration {
    SystemTime::now().duration_since(touched).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_others_with_its_number() {
        let me = Holder::me().clone();
        assert_eq!(me.life(), Life::Lives);
        assert_eq!(Holder { start: me.start + 1, ..me.clone() }.life(), Life::Dead);
        assert_eq!(Holder { boot: "another".into(), ..me.clone() }.life(), Life::Elsewhere);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        nix::sys::wait::waitid(
            nix::sys::wait::Id::Pid(nix::unistd::Pid::from_raw(pid as i32)),
            nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT,
        )
        .unwrap();
        // Not buried yet.
        assert_eq!(start_of(pid), None);
        child.wait().unwrap();
    }
}
