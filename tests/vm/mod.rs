//! A small virtual machine: what it boots, and how to get into it. It runs under emulation, as fast as that is.
//!
//! A kernel is in the folder that `ATEX_TEST_VM` names, as its package has it (`scripts/test` unpacks it there); qemu, libvirt and
//! sshd are installed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use atex_testkit::need;
use serde_json::{Value, json};

/// What the kernel is told.
pub const COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check \
    cryptomgr.notests random.trust_cpu=on";

/// What machines boot: in `dir` there are `initrd`, `disk`, which they have as /var, and `id`, which lets one in.
pub struct Image {
    pub dir: PathBuf,
    pub kernel: PathBuf,
}

impl Image {
    /// Makes the files in `dir`; nothing where there is no emulator or nothing to boot.
    pub fn make(dir: &Path) -> Option<Image> {
        let root = std::env::var_os("ATEX_TEST_VM");
        // Where none can be had, the scripts that see to what tests need say so.
        if root.as_deref().is_some_and(|root| root == "absent") {
            let _ = std::io::stderr().write_all(b"SKIPPED: there is no virtual machine\n");
            return None;
        }
        let missing = || "ATEX_TEST_VM does not name the parts of a virtual machine".to_owned();
        let root = PathBuf::from(need(root.as_ref().map(drop).ok_or_else(missing), || root)??);
        std::fs::create_dir_all(dir).unwrap();
        let make = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vm/make.sh");
        let made = Command::new("bash").arg(make).arg(&root).arg(dir).status().unwrap();
        assert!(made.success(), "{make}");
        let mut files = std::fs::read_dir(root.join("boot")).unwrap().flatten().map(|entry| entry.path());
        let is_cloud = |path: &PathBuf| {
            let path = path.to_string_lossy();
            path.contains("/vmlinuz-") && path.ends_with("-cloud-amd64")
        };
        let kernel = files.find(is_cloud).expect("a cloud kernel in boot/");
        Some(Image { dir: dir.to_owned(), kernel })
    }

    /// The record of a machine whose ssh is behind this port.
    pub fn host(&self, port: u16) -> Value {
        json!({"type": "host", "id": "vm", "connect": {
            "how": "ssh", "host": "127.0.0.1", "user": "root", "port": port, "identity": self.dir.join("id"),
            "options": {
                "UserKnownHostsFile": self.dir.join("known_hosts"), "StrictHostKeyChecking": "accept-new",
                "ServerAliveInterval": "2", "ServerAliveCountMax": "2", "ConnectTimeout": "5",
            },
        }})
    }

    /// Waits until a machine lets us in.
    pub fn wait_until_up(&self, port: u16) {
        let login = || {
            let mut ssh = Command::new("ssh");
            ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]);
            ssh.args(["-o", "ConnectTimeout=3", "-o", "UserKnownHostsFile=/dev/null"]);
            ssh.args(["-p", &port.to_string(), "-i"]).arg(self.dir.join("id"));
            ssh.args(["root@127.0.0.1", "true"]).stderr(Stdio::null()).status().unwrap().success()
        };
        let in_vain = (0..240).all(|_| {
            let up = login();
            if !up {
                std::thread::sleep(Duration::from_millis(500));
            }
            !up
        });
        assert!(!in_vain, "the machine does not boot");
    }
}
