//! Real virtual machines of a real libvirt, which is the test's own: clones of a small one, under emulation.

use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use atex_testkit::sandbox::{Command, Dir};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::provision_leases::provision;
use crate::stream::{exec, of_type, printed, test, verdicts};
use crate::vm::{COMMAND_LINE, Image};

/// Nothing of the machine's own libvirt is touched: its folders are others in here. No system manager has started anything, so
/// no device is handed to another user, and no control group made.
const DAEMON: &str = r#"
top=$1
mkdir -p "$top"/etc "$top"/run "$top"/lib "$top"/cache "$top"/log /run/libvirt
cp -r /etc/libvirt/. "$top/etc/"
rm -rf "$top/etc/qemu/networks/autostart"
cat >"$top/etc/qemu.conf" <<'CONF'
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
namespaces = [ ]
cgroup_controllers = [ ]
CONF
mount --bind "$top/etc" /etc/libvirt
mount --bind "$top/run" /run/libvirt
for name in lib cache log; do mount --bind "$top/$name" "/var/$name/libvirt"; done
exec libvirtd --pid-file "$top/pid" 2>"$top/log/messages"
"#;

/// A libvirt with one domain, which is shut off.
struct Libvirt {
    daemon: Child,
    uri: String,
    image: Image,
    dir: Dir,
}

impl Libvirt {
    /// Nothing where there are no virtual machines.
    fn start() -> Option<Libvirt> {
        let dir = Dir::new();
        let image = Image::make(&dir.join("vm"))?;
        let top = dir.home().join("l");
        let mut daemon = Process::new("unshare")
            .args(["--mount", "--propagation", "private", "bash", "-ec", DAEMON, "bash"])
            .arg(&top)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let uri = format!("qemu:///system?socket={}/run/libvirt-sock", top.display());
        // Its socket is all that it says. On a busy machine it takes long to see what the emulator can do.
        let begun = Instant::now();
        while !virsh(&dir, &uri, &["uri"]).run().status.success() {
            let ended = daemon.try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < Duration::from_secs(180),
                "libvirtd does not come up: {ended:?}: {}",
                std::fs::read_to_string(top.join("log/messages")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(250));
        }
        let libvirt = Libvirt { daemon, uri, image, dir };
        let origin = libvirt.dir.write("origin.xml", libvirt.origin());
        libvirt.virsh(&["define", origin.to_str().unwrap()]).run().success();
        Some(libvirt)
    }

    fn origin(&self) -> String {
        let arguments = [
            "-netdev",
            "user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:2302-:22",
            "-device",
            "virtio-net-pci,netdev=n0,romfile=,addr=0x10",
        ];
        let arguments = arguments.map(|word| format!("<qemu:arg value='{word}'/>")).concat();
        format!(
            "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\
             <name>origin</name><memory unit='MiB'>200</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64' machine='pc'>hvm</type><kernel>{}</kernel><initrd>{}/initrd</initrd>\
             <cmdline>{COMMAND_LINE}</cmdline></os><features><acpi/></features><cpu mode='maximum'/>\
             <devices><disk type='file' device='disk'><driver name='qemu' type='raw' cache='unsafe'/>\
             <source file='{}/disk'/><target dev='vda' bus='virtio'/></disk></devices>\
             <qemu:commandline>{arguments}</qemu:commandline></domain>",
            self.image.kernel.display(),
            self.image.dir.display(),
            self.image.dir.display(),
        )
    }

    fn virsh(&self, words: &[&str]) -> Command {
        virsh(&self.dir, &self.uri, words)
    }

    /// How clones are asked for.
    fn words(&self) -> [String; 8] {
        let identity = self.image.dir.join("id").display().to_string();
        ["libvirt", "-c", &self.uri, "--origin", "origin", "--address=forward", "--identity", &identity]
            .map(str::to_owned)
    }

    fn domains(&self) -> Vec<String> {
        let output = self.virsh(&["list", "--all", "--name"]).run();
        output.success();
        output.stdout.split_whitespace().map(str::to_owned).collect()
    }

    /// What machines would have written to.
    fn disk(&self) -> Vec<u8> {
        std::fs::read(self.image.dir.join("disk")).unwrap()
    }
}

fn virsh(dir: &Dir, uri: &str, words: &[&str]) -> Command {
    let mut command = dir.command("virsh");
    command.args(["--quiet", "--connect", uri]).args(words);
    command
}

impl Drop for Libvirt {
    fn drop(&mut self) {
        for domain in self.virsh(&["list", "--name"]).run().stdout.split_whitespace() {
            self.virsh(&["destroy", domain]).run();
        }
        let _ = kill(Pid::from_raw(self.daemon.id().cast_signed()), Signal::SIGTERM);
        let _ = self.daemon.wait();
    }
}

// One test, since a libvirt takes seconds until it is up.
#[test]
fn clones_are_hosts() {
    let Some(libvirt) = Libvirt::start() else { return };
    clones_run_tests_and_their_origin_stays_as_it_was(&libvirt);
    a_clone_whose_provisioner_was_killed_is_found(&libvirt);
}

fn clones_run_tests_and_their_origin_stays_as_it_was(libvirt: &Libvirt) {
    let before = libvirt.disk();
    // Each sees what was written on its own machine only.
    let script =
        "echo >/var/$ATEX_TEST_NAME; cat /proc/sys/kernel/random/boot_id; ls /var | grep -c '^[ab]$'; sync
        until [ -e /var/go ]; do [ $SECONDS -gt 1 ] && touch /var/go; sleep 0.2; done";
    let tests = [
        test("/a", &script.replace("$ATEX_TEST_NAME", "a")),
        test("/b", &script.replace("$ATEX_TEST_NAME", "b")),
    ];
    let provisioner = format!(
        "{} {} --max 2",
        env!("CARGO_BIN_EXE_atex-provision"),
        libvirt.words().map(|word| format!("'{word}'")).join(" ")
    );
    let output =
        exec(&libvirt.dir, &["--provision", &provisioner], &tests).timeout(Duration::from_secs(300)).run();
    output.success();
    assert_eq!(verdicts(&output), ["/a pass test", "/b pass test"]);
    let printed = ["/a", "/b"].map(|name| printed(&libvirt.dir, &output, name));
    assert_ne!(printed[0], printed[1], "they are two machines");
    assert!(printed.iter().all(|text| text.ends_with("\n1\n")), "{printed:?}");
    assert_eq!(libvirt.domains(), ["origin"]);
    assert!(libvirt.disk() == before, "the origin's disk is what it was");
}

fn a_clone_whose_provisioner_was_killed_is_found(libvirt: &Libvirt) {
    let words = libvirt.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let running = provision(&libvirt.dir, &words).args(["-n", "1"]).start();
    while libvirt.domains().len() < 2 {
        std::thread::sleep(Duration::from_millis(50));
    }
    running.signal(Signal::SIGKILL);
    running.finish().killed_by(Signal::SIGKILL);
    let reaped = provision(&libvirt.dir, &["reap"]).run();
    reaped.success();
    assert_eq!(of_type(&reaped, "released").len(), 1);
    assert_eq!(libvirt.domains(), ["origin"]);
    // Only what can be cloned is.
    libvirt.virsh(&["start", "origin"]).run().success();
    let refused = provision(&libvirt.dir, &words).args(["-n", "1"]).run();
    refused.stderr_has("origin: expected a domain that is shut off, found one that is running");
    assert_eq!(libvirt.domains(), ["origin"]);
    assert_eq!(of_type(&refused, "host"), [json!(null); 0]);
}
