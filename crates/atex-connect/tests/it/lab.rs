//! Hosts that vanish without a word, lack a shell, or reboot; and our own sudden end.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use atex_connect::{ConnectError, Connection, Connector, Exit, Ssh, Stdin, Target};
use atex_testkit::lab::Lab;
use atex_testkit::sshd::{self, Farm};

use crate::support::*;

fn target_in(lab: &Lab, index: usize) -> Ssh {
    let mut options = lab.options();
    options.push(("ServerAliveInterval".to_owned(), "1".to_owned()));
    options.push(("ServerAliveCountMax".to_owned(), "2".to_owned()));
    options.push(("ConnectTimeout".to_owned(), "2".to_owned()));
    Ssh {
        user: Some("root".to_owned()),
        identity: Some(lab.identity()),
        options,
        ..Ssh::new(&lab.host(index).address)
    }
}

fn open_in(connector: &Connector, lab: &Lab, index: usize) -> Connection {
    open(connector, Target::Ssh(target_in(lab, index)))
}

#[test]
fn hosts_of_a_lab() {
    let Some(lab) = Lab::start_or_skip(2) else { return };
    // The connector's thread, and so the ssh processes, are where this thread is.
    lab.enter();
    let connector = connector();
    vanishes(&connector, &lab);
    reboots(&connector, &lab);
    has_no_bash(&connector, &lab);
}

fn vanishes(connector: &Connector, lab: &Lab) {
    let host = open_in(connector, lab, 0);
    let running = start(&host, "echo up; cat", Stdin::empty().keep_open());
    assert_eq!(running.next_line(), "up\n");
    // No FIN, no RST: first the cable, then the power.
    lab.cut(0);
    lab.kill(0);
    let begin = Instant::now();
    let error = running.finish().ended.unwrap_err();
    assert!(matches!(error, ConnectError::Lost { .. }), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    let error = try_open(connector, Target::Ssh(target_in(lab, 0))).err().unwrap();
    assert!(matches!(error, ConnectError::Unreachable { .. }) && error.again_may_help(), "{error:?}");
    lab.heal(0);
    lab.boot(0);
    run(&open_in(connector, lab, 0), "hostname", Stdin::empty()).expect_stdout("h1\n");
}

fn reboots(connector: &Connector, lab: &Lab) {
    let host = open_in(connector, lab, 0);
    let ended = run(&host, "reboot; sleep 1000", Stdin::empty()).ended;
    assert!(matches!(ended, Err(ConnectError::Lost { .. })), "{ended:?}");
    eventually("the host can be reached again", || {
        try_open(connector, Target::Ssh(target_in(lab, 0))).is_ok()
    });
}

fn has_no_bash(connector: &Connector, lab: &Lab) {
    lab.without(1, &["/bin/bash"]);
    let host = open_in(connector, lab, 1);
    run(&host, "printf '%s' 'no bash: it'\\''s fine'", Stdin::empty()).expect_stdout("no bash: it's fine");
    assert_eq!(run(&host, "bash -c true 2>/dev/null", Stdin::empty()).ended, Ok(Exit::Code(127)));
}

/// Nothing can say goodbye when this process is killed; the masters must notice.
#[test]
fn masters_end_after_we_were_killed() {
    if let Some(line) = std::env::var_os("ATEX_TEST_CONNECT_VICTIM") {
        be_the_victim(line.to_str().unwrap());
    }
    let Some(farm) = atex_testkit::need(sshd::available(), || Farm::start(1)) else { return };
    let server = &farm.hosts()[0];
    let before = server.processes().len();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lab::masters_end_after_we_were_killed", "--nocapture"])
        .env(
            "ATEX_TEST_CONNECT_VICTIM",
            format!("{} {} {}", server.address, server.port, server.identity.display()),
        )
        .process_group(0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.ends_with("victim up")), "the victim connects");
    assert!(server.processes().len() > before);
    victim.kill().unwrap();
    victim.wait().unwrap();
    eventually("the server side is gone", || server.processes().len() == before);
}

fn be_the_victim(line: &str) -> ! {
    let words: Vec<&str> = line.split(' ').collect();
    let option = |keyword: &str, value: &str| (keyword.to_owned(), value.to_owned());
    let ssh = Ssh {
        user: Some("root".to_owned()),
        port: Some(words[1].parse().unwrap()),
        identity: Some(words[2].into()),
        options: vec![option("UserKnownHostsFile", "/dev/null")],
        ..Ssh::new(words[0])
    };
    let connector = connector();
    let host = open(&connector, Target::Ssh(ssh));
    let running = start(&host, "echo up; cat", Stdin::empty().keep_open());
    println!("victim {}", running.next_line());
    loop {
        std::thread::park();
    }
}
