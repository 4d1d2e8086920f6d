//! A real virtual machine that really reboots, under qemu without help of the processor: what `exec_attach` does with simulated
//! reboots.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use atex_testkit::sandbox::Dir;
use serde_json::json;

use crate::stream::{exec, of_type, printed, test, verdicts};
use crate::vm::{COMMAND_LINE, Image};

/// A virtual machine, off when it is dropped.
struct Vm {
    process: Child,
    port: u16,
}

impl Vm {
    fn start(image: &Image) -> Vm {
        // Free now, and hardly taken by another before the machine has it.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("qemu-system-x86_64")
            .args(["-accel", "tcg,tb-size=64", "-cpu", "max", "-m", "256", "-nographic", "-append"])
            .arg(COMMAND_LINE)
            .arg("-kernel")
            .arg(&image.kernel)
            .arg("-initrd")
            .arg(image.dir.join("initrd"))
            .arg("-netdev")
            .arg(format!("user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"))
            .args(["-device", "virtio-net-pci,netdev=n0,romfile=", "-drive"])
            .arg(format!("file={},format=raw,if=virtio", image.dir.join("disk").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Vm { process, port }
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
    let dir = Dir::new();
    let Some(image) = Image::make(&dir.join("vm")) else { return };
    let vm = Vm::start(&image);
    image.wait_until_up(vm.port);
    // As tests of tmt and of Beaker do.
    let announced = "echo start $TMT_REBOOT_COUNT $TMT_TEST_RESTART_COUNT $(cat /proc/sys/kernel/random/boot_id)\n\
        if [ $TMT_REBOOT_COUNT = 0 ]; then\n\
        tmt-report-result before PASS\necho kept >\"$TMT_TEST_DATA/file\"\n\
        echo duration save >&$ATEX_TEST_CONTROL\ntmt-reboot\nfi\n\
        if [ $TMT_REBOOT_COUNT = 1 ]; then\necho duration restore >&$ATEX_TEST_CONTROL\nrstrnt-reboot\nfi\n\
        cat \"$TMT_TEST_DATA/file\"";
    let unannounced = "[ ! -e /var/again ] || exit 0; touch /var/again; echo gone; reboot; sleep 1000";
    let records = [
        image.host(vm.port),
        test("/announced", announced),
        test("/unannounced", unannounced),
        test("/then", "true"),
    ];
    let output = exec(&dir, &["-v"], &records).timeout(Duration::from_secs(300)).run();
    output.success();
    assert_eq!(verdicts(&output), ["/announced pass test", "/then pass test", "/unannounced pass test"]);
    let text = printed(&dir, &output, "/announced");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}\n{output:?}");
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
