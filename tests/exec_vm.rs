//! A real virtual machine that really reboots, under qemu without help of the processor.
//!
//! This is the long form of what `exec_attach` does with simulated reboots: it needs 130 MB of packages. With them installed
//! (`qemu-system-x86 seabios linux-image-cloud-amd64 dropbear-bin` of Debian) it is run by
//!
//!     ATEX_TEST_VM=/ cargo test --test main exec_vm
//!
//! or with another folder into which they were unpacked.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use atex_testkit::sandbox::Dir;
use serde_json::{Value, json};

use crate::stream::{exec, of_type, printed, test, verdicts};

/// A virtual machine, off when it is dropped.
struct Vm {
    process: Child,
    port: u16,
    dir: PathBuf,
}

impl Vm {
    /// Boots a machine whose packages are in `root`; its files are made in `dir`.
    fn start(root: &Path, dir: &Path) -> Vm {
        std::fs::create_dir_all(dir).unwrap();
        let make = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vm/make.sh");
        let made = Command::new("bash").arg(make).arg(root).arg(dir).status().unwrap();
        assert!(made.success(), "{make}");
        // Free now, and hardly taken by another before the machine has it.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut kernel = std::fs::read_dir(root.join("boot")).unwrap().flatten().map(|entry| entry.path());
        let is_cloud = |path: &PathBuf| {
            let path = path.to_string_lossy();
            path.contains("/vmlinuz-") && path.ends_with("-cloud-amd64")
        };
        let kernel = kernel.find(is_cloud).expect("a cloud kernel in boot/");
        let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map(|path| root.join(path));
        let process = Command::new(root.join("usr/bin/qemu-system-x86_64"))
            .env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap())
            .arg("-L").arg(root.join("usr/share/seabios")).arg("-L").arg(root.join("usr/share/qemu"))
            .args(["-accel", "tcg,tb-size=64", "-cpu", "max", "-m", "256", "-nographic", "-append"])
            .arg("console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check cryptomgr.notests random.trust_cpu=on")
            .arg("-kernel").arg(kernel).arg("-initrd").arg(dir.join("initrd"))
            .arg("-netdev").arg(format!("user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"))
            .args(["-device", "virtio-net-pci,netdev=n0,romfile=", "-drive"])
            .arg(format!("file={},format=raw,if=virtio", dir.join("disk").display()))
            .stdin(Stdio::null()).stdout(Stdio::null())
            .spawn()
            .unwrap();
        Vm { process, port, dir: dir.to_owned() }
    }

    fn record(&self) -> Value {
        json!({"type": "host", "id": "vm", "connect": {
            "how": "ssh", "host": "127.0.0.1", "user": "root", "port": self.port, "identity": self.dir.join("id"),
            "options": {
                "UserKnownHostsFile": self.dir.join("known_hosts"), "StrictHostKeyChecking": "accept-new",
                "ServerAliveInterval": "2", "ServerAliveCountMax": "2", "ConnectTimeout": "5",
            },
        }})
    }

    /// Waits until it lets us in.
    fn wait_until_up(&self) {
        let login = || {
            let mut ssh = Command::new("ssh");
            ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]);
            ssh.args(["-o", "ConnectTimeout=3", "-o", "UserKnownHostsFile=/dev/null"]);
            ssh.args(["-p", &self.port.to_string(), "-i"]).arg(self.dir.join("id"));
            ssh.args(["root@127.0.0.1", "true"]).stderr(Stdio::null()).status().unwrap().success()
        };
        let in_vain = (0..120).all(|_| {
            let up = login();
            if !up {
                std::thread::sleep(Duration::from_millis(500));
            }
            !up
        });
        assert!(!in_vain, "the machine does not boot");
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_real_machine_reboots_under_tests() {
    let Some(root) = std::env::var_os("ATEX_TEST_VM") else { return };
    let dir = Dir::new();
    let vm = Vm::start(Path::new(&root), &dir.join("vm"));
    vm.wait_until_up();
    // As tests of tmt and of Beaker do.
    let announced = "echo start $TMT_REBOOT_COUNT $TMT_TEST_RESTART_COUNT $(cat /proc/sys/kernel/random/boot_id)\n\
        if [ $TMT_REBOOT_COUNT = 0 ]; then\n\
        tmt-report-result before PASS\necho kept >\"$TMT_TEST_DATA/file\"\n\
        echo duration save >&$ATEX_TEST_CONTROL\ntmt-reboot\nfi\n\
        if [ $TMT_REBOOT_COUNT = 1 ]; then\necho duration restore >&$ATEX_TEST_CONTROL\nrstrnt-reboot\nfi\n\
        cat \"$TMT_TEST_DATA/file\"";
    let unannounced = "[ ! -e /var/again ] || exit 0; touch /var/again; echo gone; reboot; sleep 1000";
    let records = [
        vm.record(),
        test("/announced", announced),
        test("/unannounced", unannounced),
        test("/then", "true"),
    ];
    let output = exec(&dir, &["-v"], &records).timeout(Duration::from_secs(300)).run();
    output.success();
    assert_eq!(verdicts(&output), ["/announced pass test", "/then pass test", "/unannounced pass test"]);
    let text = printed(&dir, &output, "/announced");
    let lines: Vec<&str> = text.lines().collect();
    let boots: Vec<&str> = lines[..3].iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert!(boots[0] != boots[1] && boots[1] != boots[2], "{text}");
    for (n, line) in lines[..3].iter().enumerate() {
        assert!(line.starts_with(&format!("start {n} {n} ")), "{text}");
    }
    assert_eq!(lines[3..], ["kept"]);
    let ends = of_type(&output, "test-end");
    let of = |name: &str| ends.iter().filter(|end| end["test"] == name).collect::<Vec<_>>();
    assert_eq!(of("/announced").len(), 1, "it is one attempt");
    let first = of("/unannounced")[0];
    assert_eq!((&first["outcome"], &first["cause"]), (&json!("infra"), &json!("host")));
    assert_eq!(first["note"], "rebooted unexpectedly");
}
