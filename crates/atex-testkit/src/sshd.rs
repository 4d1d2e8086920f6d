//! Many real SSH servers on loopback.
//!
//! Each server has an address 127.0.N.M of its own, all have one port. They share files, user
//! and network with this machine, so they are good for protocol and scale, not for isolation;
//! but each has a process namespace of its own, so that whatever was started through it goes
//! away with it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{check_programs, check_root, find_program, keeper, keys};

/// How long a server may take until it listens.
const START_TIME: Duration = Duration::from_secs(20);

/// Servers, and the folder with their keys and logs. All are gone when it is dropped.
pub struct Farm {
    folder: TempDir,
    hosts: Vec<Host>,
}

/// One server.
pub struct Host {
    /// Its address, 127.0.N.M.
    pub address: String,
    /// Its port, the same for all of a farm.
    pub port: u16,
    /// The user to log in as.
    pub user: String,
    /// The private key to log in with, the same for all of a farm.
    pub identity: PathBuf,
    /// Its line for a known_hosts file.
    pub known_hosts_line: String,
    /// A known_hosts file with the lines of the whole farm.
    pub known_hosts: PathBuf,
    /// Where it logs to.
    pub log: PathBuf,
    config: PathBuf,
    process: Mutex<Option<Child>>,
}

/// What is missing on this machine, if anything.
pub fn available() -> Result<(), String> {
    check_root()?;
    check_programs(&["sshd", "ssh", "ssh-keygen", "unshare"])
}

impl Farm {
    /// Starts `count` servers, and returns when all listen.
    pub fn start(count: usize) -> Farm {
        Farm::start_with(count, "")
    }

    /// The same, or `None` where that is not possible: see [`need`](crate::need).
    pub fn start_or_skip(count: usize) -> Option<Farm> {
        crate::need(available(), || Farm::start(count))
    }

    /// Starts servers with further lines for their sshd_config, which win over ours.
    pub fn start_with(count: usize, config: &str) -> Farm {
        fs::create_dir_all("/run/sshd").expect("/run/sshd, which sshd insists on, can be made");
        let folder =
            tempfile::Builder::new().prefix("atex-farm-").tempdir().expect("a temporary folder can be made");
        let identity = folder.path().join("id");
        keys::generate(&identity);
        let port = free_port();
        let hosts: Vec<Host> =
            (0..count).map(|index| Host::prepare(folder.path(), &identity, port, index, config)).collect();
        let lines: String = hosts.iter().map(|host| host.known_hosts_line.as_str()).collect();
        fs::write(folder.path().join("known_hosts"), lines).expect("the temporary folder is writable");
        for host in &hosts {
            host.launch();
        }
        for host in &hosts {
            host.wait_until_it_listens();
        }
        Farm { folder, hosts }
    }

    /// The servers.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A folder for the test's own use; it goes away with the farm.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        for host in &self.hosts {
            host.kill();
        }
    }
}

impl Host {
    fn prepare(farm: &Path, identity: &Path, port: u16, index: usize, extra: &str) -> Host {
        let folder = farm.join(format!("h{index}"));
        fs::create_dir(&folder).expect("the temporary folder is writable");
        let address = format!("127.0.{}.{}", 1 + index / 250, 1 + index % 250);
        let key = folder.join("hostkey");
        let public = keys::generate(&key);
        let config = folder.join("sshd_config");
        let text = sshd_config(&address, port, &key, &identity.with_extension("pub"), extra);
        fs::write(&config, text).expect("the temporary folder is writable");
        Host {
            known_hosts_line: format!("[{address}]:{port} {public}\n"),
            address,
            port,
            user: "root".to_owned(),
            identity: identity.to_owned(),
            known_hosts: farm.join("known_hosts"),
            log: folder.join("log"),
            config,
            process: Mutex::new(None),
        }
    }

    /// Options for the client: the farm's own known_hosts, and a key exchange that is cheap.
    pub fn options(&self) -> Vec<(String, String)> {
        let known_hosts = self.known_hosts.to_string_lossy().into_owned();
        [
            ("UserKnownHostsFile", known_hosts.as_str()),
            ("GlobalKnownHostsFile", "/dev/null"),
            ("KexAlgorithms", "curve25519-sha256"),
        ]
        .map(|(keyword, value)| (keyword.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Ends the server, its sessions, and whatever was started in them, at once.
    pub fn kill(&self) {
        if let Some(mut child) = self.take_process() {
            crate::keeper::kill_namespace(&mut child);
        }
    }

    /// Ends it and starts it again, with the same keys.
    pub fn restart(&self) {
        self.kill();
        self.launch();
        self.wait_until_it_listens();
    }

    /// Replaces its host key, as a new installation would; effective after a restart. The
    /// known_hosts file keeps the old one.
    pub fn change_key(&self) {
        let key = self.config.with_file_name("hostkey");
        for file in [key.clone(), key.with_extension("pub")] {
            fs::remove_file(file).expect("the old key is there");
        }
        keys::generate(&key);
    }

    /// The processes of this server, sessions and their commands included, by id.
    pub fn processes(&self) -> Vec<i32> {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().map_or_else(Vec::new, keeper::namespace_processes)
    }

    fn take_process(&self) -> Option<Child> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn launch(&self) {
        let log = fs::File::create(&self.log).expect("the temporary folder is writable");
        let mut command = Command::new("unshare");
        command
            .args(["--pid", "--mount-proc", "--fork", "--kill-child", "--"])
            // sshd starts itself again for every connection and insists on an absolute path.
            .arg(find_program("sshd").expect("sshd is installed"))
            .args(["-D", "-e", "-f"])
            .arg(&self.config)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let child = keeper::spawn(command).expect("unshare starts");
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    }

    fn wait_until_it_listens(&self) {
        let deadline = Instant::now() + START_TIME;
        loop {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            if log.contains("Server listening on") {
                return;
            }
            assert!(Instant::now() < deadline, "{}: sshd does not listen: {log}", self.address);
            // sshd has no other sign to wait for.
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A port that is free on all of 127/8.
fn free_port() -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").expect("some port is free");
    listener.local_addr().expect("a bound socket has an address").port()
}

fn sshd_config(address: &str, port: u16, key: &Path, authorized: &Path, extra: &str) -> String {
    format!(
        "{extra}
ListenAddress {address}:{port}
HostKey {key}
PidFile none
AuthorizedKeysFile {authorized}
{common}",
        key = key.display(),
        authorized = authorized.display(),
        common = COMMON_CONFIG,
    )
}

/// What all test servers have in common: keys only; no limit that a test meets by accident;
/// nothing that writes to a session before its command does. With SHLVL set, bash does not
/// take an SSH session for a login and leaves ~/.bashrc alone.
pub(crate) const COMMON_CONFIG: &str = "\
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
MaxStartups 200:30:400
MaxSessions 100
LoginGraceTime 30
SetEnv SHLVL=1
PrintMotd no
PrintLastLog no
X11Forwarding no
Subsystem sftp internal-sftp
";
