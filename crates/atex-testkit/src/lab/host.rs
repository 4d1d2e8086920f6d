//! One host: off or on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::files;
use super::net::Namespace;
use crate::keeper;

/// How long a host may take until sshd listens.
const BOOT_TIME: Duration = Duration::from_secs(30);

/// The status with which `init.sh` asks to be booted again.
const REBOOT: i32 = 33;

/// A host of a [`Lab`](super::Lab).
pub struct Host {
    /// Its name, `h1` and so on.
    pub name: String,
    /// Its address in the LAN.
    pub address: String,
    /// Its line for a known_hosts file.
    pub known_hosts_line: String,
    pub(super) network: Namespace,
    machine: Arc<Machine>,
}

/// What it takes to boot.
struct Machine {
    folder: PathBuf,
    name: String,
    network: Vec<String>,
    power: Mutex<Power>,
}

#[derive(Default)]
struct Power {
    /// Counts boots and kills, so that a watcher knows whether its boot is the current one.
    generation: u64,
    process: Option<Child>,
}

impl Host {
    pub(super) fn create(lab: &Path, index: usize, authorized: &str) -> Host {
        let name = format!("h{}", index + 1);
        let address = format!("10.99.0.{}", index + 11);
        let folder = lab.join(&name);
        let written = files::write_host(&folder, &name, &address, authorized);
        let public = written.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let network = Namespace::new().expect("a network namespace can be made");
        fs::write(folder.join("init.sh"), include_str!("init.sh")).expect("the new folder is writable");
        let machine =
            Machine { folder, name: name.clone(), network: network.prefix(), power: Mutex::default() };
        Host {
            known_hosts_line: format!("{address} {public}\n"),
            name,
            address,
            network,
            machine: Arc::new(machine),
        }
    }

    /// Hides files of this machine from the host. It must be off.
    pub fn hide(&self, paths: &[&str]) {
        let hidden = files::hide(&self.machine.folder.join("upper"), paths);
        hidden.unwrap_or_else(|error| panic!("{}: hiding {paths:?}: {error}", self.name));
    }

    /// Where the host's own writes land: its disk, seen from outside.
    pub fn disk(&self) -> PathBuf {
        self.machine.folder.join("upper")
    }

    /// What its first process and sshd have written since the last boot.
    pub fn console(&self) -> String {
        self.machine.console()
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.machine.power().process.is_some()
    }

    /// Its processes, by id as seen from outside.
    pub fn processes(&self) -> Vec<i32> {
        let power = self.machine.power();
        power.process.as_ref().map_or_else(Vec::new, keeper::namespace_processes)
    }

    pub(super) fn boot(&self) {
        self.machine.boot(&mut self.machine.power());
    }

    pub(super) fn kill(&self) {
        let mut power = self.machine.power();
        power.generation += 1;
        if let Some(mut process) = power.process.take() {
            keeper::kill_namespace(&mut process);
        }
    }

    /// Waits until sshd listens.
    pub fn wait_until_up(&self) {
        let deadline = Instant::now() + BOOT_TIME;
        while !self.console().contains("Server listening on 0.0.0.0 port 22") {
            let may_come = self.is_on() && Instant::now() < deadline;
            assert!(may_come, "{} does not boot: {}", self.name, self.console());
            // sshd has no other sign to wait for.
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(super) fn output(&self, command: &str) -> Output {
        let first = self.machine.power().process.as_ref().and_then(keeper::first_process);
        let first = first.unwrap_or_else(|| panic!("{} is off", self.name));
        Command::new("nsenter")
            .args(["--target", &first.to_string()])
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--time"])
            .args(["--", "sh", "-c", command])
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .stdin(Stdio::null())
            .output()
            .expect("nsenter starts")
    }
}

impl Machine {
    fn power(&self) -> MutexGuard<'_, Power> {
        self.power.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn console(&self) -> String {
        let bytes = fs::read(self.folder.join("console")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn boot(self: &Arc<Self>, power: &mut Power) {
        assert!(power.process.is_none(), "{} is on already", self.name);
        let child = keeper::spawn(self.init()).expect("nsenter starts");
        power.generation += 1;
        self.watch(&child, power.generation);
        power.process = Some(child);
    }

    fn init(&self) -> Command {
        let console = File::create(self.folder.join("console")).expect("the folder of the host is writable");
        let output = console.try_clone().expect("a file can be shared");
        let mut command = Command::new(&self.network[0]);
        command
            .args(&self.network[1..])
            .args(["unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--time"])
            // A clock that starts at 0, as after a boot.
            .args(["--boottime", &format!("-{}", uptime_seconds())])
            .args(["--fork", "--kill-child", "--", "sh"])
            .arg(self.folder.join("init.sh"))
            .arg(&self.folder)
            .arg(&self.name)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(console);
        command
    }

    /// Boots again when a reboot is asked for inside, unless somebody was faster.
    fn watch(self: &Arc<Self>, child: &Child, generation: u64) {
        let pid = Pid::from_raw(child.id() as i32);
        let machine = Arc::clone(self);
        thread::spawn(move || {
            // The status is left for whoever holds the lock. An error means that it is taken.
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            while waitid(Id::Pid(pid), flags) == Err(nix::Error::EINTR) {}
            let mut power = machine.power();
            if power.generation != generation {
                return;
            }
            let status = power.process.take().map(|mut process| process.wait());
            if matches!(status, Some(Ok(status)) if status.code() == Some(REBOOT)) {
                machine.boot(&mut power);
            }
        });
    }
}

fn uptime_seconds() -> u64 {
    let text = fs::read_to_string("/proc/uptime").expect("/proc is mounted");
    let seconds = text.split('.').next().and_then(|seconds| seconds.parse().ok());
    seconds.expect("/proc/uptime begins with seconds")
}
