//! Real hosts on one machine.
//!
//! A host is a network namespace on a bridge, and a process that is the first of its own
//! mount, process, name, IPC, cgroup and time namespaces. Its root is an overlay of this
//! machine's, so it has all programs at no cost, and writes into a folder of its own. sshd
//! listens on port 22. What one host does, the others and this machine do not see; but it
//! runs as this machine's root, so tests must not set the clock or load modules there.
//!
//! The bridge is in a namespace too, the LAN, and so are the clients: no address of a lab
//! exists outside, and any number of labs can run at once. Network namespaces are held by
//! open files and processes die with ours, so a killed test leaves nothing but a folder in
//! `/var/tmp`, which the next lab removes.

mod files;
mod host;
mod net;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crate::{check_programs, check_root, keys};
use files::Folder;
pub use host::Host;
use net::Namespace;

/// Hosts, the LAN between them, and their folder. All are gone when it is dropped.
pub struct Lab {
    // Dropped in this order: no host may write into a folder that is being removed.
    hosts: Vec<Host>,
    lan: Namespace,
    folder: Folder,
}

/// What is missing on this machine, if anything.
pub fn available() -> Result<(), String> {
    static TRIED: OnceLock<Result<(), String>> = OnceLock::new();
    TRIED.get_or_init(try_everything).clone()
}

fn try_everything() -> Result<(), String> {
    check_root()?;
    check_programs(&["sshd", "ssh-keygen", "ip", "nsenter", "unshare", "mount", "pivot_root"])?;
    Namespace::new().map_err(|error| format!("no network namespace can be made: {error}"))?;
    files::try_overlay()
}

impl Lab {
    /// Boots `count` hosts, and returns when sshd listens on all.
    pub fn start(count: usize) -> Lab {
        Lab::start_with(count, |_| {})
    }

    /// The same, or `None` where that is not possible: see [`need`](crate::need).
    pub fn start_or_skip(count: usize) -> Option<Lab> {
        crate::need(available(), || Lab::start(count))
    }

    /// Boots hosts whose files were changed before their first boot, for example by
    /// [`Host::hide`].
    pub fn start_with(count: usize, prepare: impl Fn(&Host)) -> Lab {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        assert!(count <= 200, "a lab has addresses for 200 hosts");
        files::remove_leftovers();
        let folder = Folder::create(NUMBER.fetch_add(1, Ordering::Relaxed));
        let public = keys::generate(&folder.path().join("id"));
        let lan = Namespace::new().expect("a network namespace can be made");
        let hosts = make_hosts(folder.path(), count, &public);
        fs::write(folder.path().join("known_hosts"), known_hosts(&hosts))
            .expect("the new folder is writable");
        net::connect(&lan, &hosts);
        let lab = Lab { hosts, lan, folder };
        for host in &lab.hosts {
            prepare(host);
            host.boot();
        }
        for host in &lab.hosts {
            host.wait_until_up();
        }
        lab
    }

    /// The hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// One host.
    pub fn host(&self, index: usize) -> &Host {
        &self.hosts[index]
    }

    /// The private key that logs in to all hosts as root.
    pub fn identity(&self) -> PathBuf {
        self.folder.path().join("id")
    }

    /// A known_hosts file with the keys of all hosts.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.path().join("known_hosts")
    }

    /// Options for ssh clients: the lab's own known_hosts, and a key exchange that is cheap.
    pub fn options(&self) -> Vec<(String, String)> {
        let known_hosts = self.known_hosts().to_string_lossy().into_owned();
        [
            ("UserKnownHostsFile", known_hosts.as_str()),
            ("GlobalKnownHostsFile", "/dev/null"),
            ("KexAlgorithms", "curve25519-sha256"),
        ]
        .map(|(keyword, value)| (keyword.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// The words that, before a command, run it in the LAN.
    pub fn prefix(&self) -> Vec<String> {
        self.lan.prefix()
    }

    /// A program that is to run in the LAN, where the hosts can be reached.
    pub fn command(&self, program: &str) -> Command {
        self.lan.command(program)
    }

    /// Moves the calling thread, and those that it starts from now on, into the LAN.
    pub fn enter(&self) {
        self.lan.enter();
    }

    /// Ends everything on a host at once, as when its power fails; but its kernel still closes
    /// the connections. For a host that vanishes, [`cut`](Lab::cut) it first.
    pub fn kill(&self, index: usize) {
        self.hosts[index].kill();
    }

    /// Boots a host that was killed or powered off.
    pub fn boot(&self, index: usize) {
        self.hosts[index].boot();
        self.hosts[index].wait_until_up();
    }

    /// Kills a host and boots it again: a new boot identity, the same disk.
    pub fn reboot(&self, index: usize) {
        self.kill(index);
        self.boot(index);
    }

    /// Pulls the host's network cable.
    pub fn cut(&self, index: usize) {
        self.lan.ip(&format!("link set v{index} down\n"));
    }

    /// Puts the cable back.
    pub fn heal(&self, index: usize) {
        self.lan.ip(&format!("link set v{index} up\n"));
    }

    /// Runs a command line inside the host, not through its network. Returns its output;
    /// panics when it fails.
    #[track_caller]
    pub fn run(&self, index: usize, command: &str) -> String {
        let output = self.output(index, command);
        assert!(output.status.success(), "{}: {command}: {output:?}", self.hosts[index].name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a command line inside the host, whatever comes of it.
    pub fn output(&self, index: usize, command: &str) -> Output {
        self.hosts[index].output(command)
    }

    /// Boots the host again without these programs or files, which then do not exist there.
    /// When root's login shell is among them, it becomes `/bin/sh`.
    pub fn without(&self, index: usize, paths: &[&str]) {
        self.kill(index);
        self.hosts[index].hide(paths);
        self.boot(index);
    }

    /// Gives a folder of the host, emptied, only this much space, until the next boot.
    pub fn limit_disk(&self, index: usize, path: &str, bytes: u64) {
        self.run(index, &format!("mkdir -p '{path}' && mount -t tmpfs -o size={bytes} tmpfs '{path}'"));
    }

    /// The folder of the lab, for what a test wants to keep as long.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        thread::scope(|scope| {
            for host in &self.hosts {
                scope.spawn(|| host.kill());
            }
        });
    }
}

fn make_hosts(folder: &Path, count: usize, authorized: &str) -> Vec<Host> {
    let make = |index| Host::create(folder, index, authorized);
    // Most of the time goes by in ssh-keygen.
    thread::scope(|scope| {
        let making: Vec<_> = (0..count).map(|index| scope.spawn(move || make(index))).collect();
        making.into_iter().map(|made| made.join().expect("a host is made")).collect()
    })
}

fn known_hosts(hosts: &[Host]) -> String {
    hosts.iter().map(|host| host.known_hosts_line.as_str()).collect()
}
