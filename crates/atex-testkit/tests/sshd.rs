//! The farm: servers that share this machine, and go away.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use atex_testkit::sshd::{Farm, Host};

fn ssh(host: &Host, command: &str) -> Output {
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i"]).arg(&host.identity);
    for (keyword, value) in host.options() {
        ssh.arg("-o").arg(format!("{keyword}={value}"));
    }
    ssh.args(["-p", &host.port.to_string(), "-l", &host.user, &host.address, command]);
    ssh.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn servers_answer_die_come_back_and_go_away() {
    let Some(farm) = Farm::start_or_skip(5) else { return };
    for host in farm.hosts() {
        let output = ssh(host, "echo $SSH_CONNECTION");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.ends_with(&format!(" {} {}\n", host.address, host.port)), "{text}");
    }

    let host = &farm.hosts()[0];
    ssh(host, "sleep 1000 </dev/null >/dev/null 2>&1 &");
    let processes = host.processes();
    assert!(processes.len() >= 2, "sshd and what it was asked to start: {processes:?}");
    host.kill();
    assert_eq!(ssh(host, "true").status.code(), Some(255));
    let all_gone = |pids: &[i32]| pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists());
    assert!(all_gone(&processes));
    host.restart();
    assert!(ssh(host, "true").status.success());

    let processes: Vec<i32> = farm.hosts().iter().flat_map(Host::processes).collect();
    assert!(processes.len() >= 5, "{processes:?}");
    let folder = farm.folder().to_owned();
    drop(farm);
    assert!(all_gone(&processes) && !folder.exists());
}
