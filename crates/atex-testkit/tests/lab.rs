//! Hosts of a lab are apart from each other and from this machine, and leave nothing.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use atex_testkit::lab::{self, Host, Lab};

const PATIENCE: Duration = Duration::from_secs(30);

fn ssh(lab: &Lab, host: &Host, command: &str) -> Output {
    let mut ssh = lab.command("ssh");
    ssh.args([
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "ConnectTimeout=2",
        "-i",
    ]);
    ssh.arg(lab.identity());
    for (keyword, value) in lab.options() {
        ssh.arg("-o").arg(format!("{keyword}={value}"));
    }
    ssh.arg(format!("root@{}", host.address)).arg(command).stdin(Stdio::null());
    ssh.output().unwrap()
}

#[track_caller]
fn ssh_ok(lab: &Lab, host: &Host, command: &str) -> String {
    let output = ssh(lab, host, command);
    assert!(output.status.success(), "{}: {command}: {output:?}", host.name);
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn eight_hosts_are_apart_and_leave_nothing() {
    let Some(()) = atex_testkit::need(lab::available(), || ()) else { return };
    let begin = Instant::now();
    let lab = Lab::start(8);
    let booted = begin.elapsed();
    let folder = lab.folder().to_owned();
    each_answers_for_itself(&lab);
    files_are_apart(&lab);
    processes_are_apart(&lab);
    the_others_can_be_reached(&lab);

    let processes: Vec<i32> = lab.hosts().iter().flat_map(Host::processes).collect();
    assert!(processes.len() >= 16, "{processes:?}");
    drop(lab);
    assert!(!folder.exists());
    for pid in processes {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is left");
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(folder.to_str().unwrap()), "{mounts}");
    // Generous: other tests run at the same time.
    assert!(booted < Duration::from_secs(20), "{booted:?}");
}

fn each_answers_for_itself(lab: &Lab) {
    let mut boots: Vec<String> = Vec::new();
    for host in lab.hosts() {
        let text =
            ssh_ok(lab, host, "hostname; cat /proc/sys/kernel/random/boot_id; cut -d. -f1 /proc/uptime");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], host.name);
        assert!(!boots.contains(&lines[1].to_owned()), "{boots:?}");
        boots.push(lines[1].to_owned());
        assert!(lines[2].parse::<u64>().unwrap() < 60, "{text}");
    }
}

fn files_are_apart(lab: &Lab) {
    let paths = ["/root", "/tmp", "/var/tmp", "/etc", "/usr/bin", "/run", "/dev/shm"];
    for path in paths {
        let file = format!("{path}/atex-mark-of-h1");
        lab.run(0, &format!("echo mark > {file}"));
        assert_eq!(lab.run(0, &format!("cat {file}")), "mark\n");
        for index in 1..lab.hosts().len() {
            assert!(
                !lab.output(index, &format!("test -e {file}")).status.success(),
                "{file} in h{}",
                index + 1
            );
        }
        assert!(!Path::new(&file).exists(), "{file} on this machine");
    }
    assert!(lab.host(0).disk().join("root/atex-mark-of-h1").exists());
    // Not even the folders in which their disks lie.
    assert_eq!(lab.run(1, "ls /var/tmp"), "");
}

fn processes_are_apart(lab: &Lab) {
    // No pattern that the searching command line contains itself.
    lab.run(0, "sleep 7654.3 </dev/null >/dev/null 2>&1 &");
    let count =
        "ls -d /proc/[0-9]* | wc -l; cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 7654[.]3'";
    let seen = |index| lab.output(index, count).stdout;
    assert!(String::from_utf8(seen(0)).unwrap().ends_with("\n1\n"));
    let other = String::from_utf8(seen(1)).unwrap();
    assert!(other.ends_with("\n0\n"), "{other}");
    let processes: usize = other.lines().next().unwrap().parse().unwrap();
    assert!(processes < 12, "{other}");
    assert!(lab.run(1, "readlink /proc/1/exe").contains("sh"));
}

fn the_others_can_be_reached(lab: &Lab) {
    let other = &lab.host(1).address;
    let command = format!("ssh-keyscan -t ed25519 {other} 2>/dev/null");
    assert_eq!(lab.run(0, &command), lab.host(1).known_hosts_line);
}

#[test]
fn accidents() {
    let Some(lab) = Lab::start_or_skip(2) else { return };
    killed(&lab);
    rebooted_from_outside(&lab);
    rebooted_from_inside(&lab);
    powered_off_from_inside(&lab);
    cut(&lab);
    without_bash(&lab);
    disk_full(&lab);
}

fn killed(lab: &Lab) {
    let host = lab.host(0);
    ssh_ok(lab, host, "sleep 1000 </dev/null >/dev/null 2>&1 &");
    let processes = host.processes();
    lab.kill(0);
    assert!(!host.is_on() && host.processes().is_empty());
    for pid in processes {
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
    let output = ssh(lab, host, "true");
    assert_eq!(output.status.code(), Some(255));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Connection refused"), "{output:?}");
    lab.boot(0);
    ssh_ok(lab, host, "true");
}

fn boot_id(lab: &Lab, index: usize) -> String {
    lab.run(index, "cat /proc/sys/kernel/random/boot_id")
}

fn rebooted_from_outside(lab: &Lab) {
    let before = boot_id(lab, 0);
    lab.run(0, "echo kept > /root/kept; echo kept > /var/tmp/kept; echo lost > /tmp/lost");
    for _ in 0..3 {
        lab.reboot(0);
    }
    assert_ne!(boot_id(lab, 0), before);
    assert_eq!(lab.run(0, "cat /root/kept /var/tmp/kept; ls /tmp"), "kept\nkept\n");
}

fn rebooted_from_inside(lab: &Lab) {
    let before = boot_id(lab, 0);
    let output = ssh(lab, lab.host(0), "reboot; sleep 1000");
    assert_eq!(output.status.code(), Some(255), "{output:?}");
    eventually("it boots again", || {
        let output = ssh(lab, lab.host(0), "cat /proc/sys/kernel/random/boot_id");
        output.status.success() && output.stdout != before.as_bytes()
    });
}

fn powered_off_from_inside(lab: &Lab) {
    ssh(lab, lab.host(0), "poweroff");
    eventually("it goes off", || !lab.host(0).is_on());
    lab.boot(0);
}

fn cut(lab: &Lab) {
    let host = lab.host(0);
    lab.cut(0);
    assert_eq!(ssh(lab, host, "true").status.code(), Some(255));
    assert_eq!(lab.run(0, "echo it lives"), "it lives\n");
    ssh_ok(lab, lab.host(1), "true");
    lab.heal(0);
    eventually("it answers again", || ssh(lab, host, "true").status.success());
}

fn without_bash(lab: &Lab) {
    lab.without(1, &["/bin/bash"]);
    let host = lab.host(1);
    let text = ssh_ok(
        lab,
        host,
        "command -v bash; test ! -e /bin/bash && test ! -e /usr/bin/bash && echo \"$SHELL\"",
    );
    assert_eq!(text, "/bin/sh\n");
    assert!(lab.run(0, "command -v bash").ends_with("/bash\n"), "the other has it");
}

fn disk_full(lab: &Lab) {
    lab.limit_disk(0, "/var/lib/small", 1 << 20);
    let output = lab.output(0, "head -c 2000000 /dev/zero > /var/lib/small/file");
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"), "{output:?}");
    let size: u64 = lab.run(0, "stat -c %s /var/lib/small/file").trim().parse().unwrap();
    assert_eq!(size, 1 << 20);
}

/// Nothing can drop a lab whose process is killed.
#[test]
fn a_killed_test_process_leaves_no_process_and_its_folder_is_removed_later() {
    if std::env::var_os("ATEX_TEST_LAB_VICTIM").is_some() {
        be_the_victim();
    }
    let Some(()) = atex_testkit::need(lab::available(), || ()) else { return };
    let name = "a_killed_test_process_leaves_no_process_and_its_folder_is_removed_later";
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("ATEX_TEST_LAB_VICTIM", "1")
        .process_group(0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = victim.stdout.take().unwrap();
    let mut text = String::new();
    while !text.contains(" ready\n") {
        let mut byte = [0];
        assert_eq!(output.read(&mut byte).unwrap(), 1, "the victim ended: {text}");
        text.push(char::from(byte[0]));
    }
    let line = text.lines().last().unwrap();
    let mut words = line.split(' ').skip_while(|word| *word != "victim").skip(1);
    let folder = PathBuf::from(words.next().unwrap());
    let processes: Vec<i32> = words.filter_map(|word| word.parse().ok()).collect();
    assert!(processes.len() >= 4 && folder.exists(), "{line}");

    victim.kill().unwrap();
    victim.wait().unwrap();
    eventually("all processes end", || {
        processes.iter().all(|pid| match fs::read_to_string(format!("/proc/{pid}/stat")) {
            // A zombie that nobody reaps at once is dead, too.
            Ok(stat) => stat.contains(") Z "),
            Err(_) => true,
        })
    });
    assert!(folder.exists());
    drop(Lab::start(1));
    eventually("the folder is removed", || !folder.exists());
}

fn be_the_victim() -> ! {
    let lab = Lab::start(2);
    let processes: Vec<String> =
        lab.hosts().iter().flat_map(Host::processes).map(|pid| pid.to_string()).collect();
    println!("victim {} {} ready", lab.folder().display(), processes.join(" "));
    loop {
        std::thread::park();
    }
}

#[test]
fn a_panic_leaves_nothing() {
    let Some(()) = atex_testkit::need(lab::available(), || ()) else { return };
    let mut folder = PathBuf::new();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let lab = Lab::start(1);
        folder = lab.folder().to_owned();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert!(!folder.as_os_str().is_empty() && !folder.exists());
}
