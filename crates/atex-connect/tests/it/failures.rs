//! Real SSH servers, when something is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use atex_connect::{ConnectError, Connector, Event, Ssh, Stdin, Target};
use atex_testkit::sshd::{Farm, Host};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::*;

fn error_of(connector: &Connector, ssh: Ssh) -> ConnectError {
    let name = format!("{}: ", ssh.host);
    let error = try_open(connector, Target::Ssh(ssh)).err().expect("this must not connect");
    assert!(error.to_string().starts_with(&name), "{error}");
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
    error
}

fn set(mut ssh: Ssh, keyword: &str, value: &str) -> Ssh {
    ssh.options.insert(0, (keyword.to_owned(), value.to_owned()));
    ssh
}

#[test]
fn each_failure_to_open_has_its_error() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let connector = connector();
    let server = &farm.hosts()[0];
    let good = || target(server);
    let check = |ssh: Ssh, is: fn(&ConnectError) -> bool| {
        let error = error_of(&connector, ssh);
        assert!(is(&error), "{error:?}");
    };

    let nobody = Ssh { host: "127.0.9.9".to_owned(), ..good() };
    check(nobody, |e| matches!(e, ConnectError::Refused { .. }));

    let unknown = Ssh { host: "no-such-host.invalid".to_owned(), ..good() };
    check(unknown, |e| matches!(e, ConnectError::NotResolved { .. }));

    let wrong_key = Ssh { identity: Some(server.log.with_file_name("hostkey")), ..good() };
    check(wrong_key, |e| matches!(e, ConnectError::AuthRefused { .. }));

    let no_key = Ssh { identity: Some("/no/such/key".into()), ..good() };
    check(no_key, |e| matches!(e, ConnectError::IdentityMissing { path, .. } if path.ends_with("key")));

    let no_key_at_all = farm.folder().join("garbage");
    fs::write(&no_key_at_all, "garbage").unwrap();
    fs::set_permissions(&no_key_at_all, fs::Permissions::from_mode(0o600)).unwrap();
    let garbage = Ssh { identity: Some(no_key_at_all), ..good() };
    check(
        garbage,
        |e| matches!(e, ConnectError::AuthRefused { detail, .. } if detail.starts_with("Load key ")),
    );

    check(set(good(), "NoSuchOption", "1"), |e| matches!(e, ConnectError::Invalid { .. }));
    check(set(good(), "ConnectTimeout", "soon"), |e| matches!(e, ConnectError::Invalid { .. }));
    check(Ssh { host: String::new(), ..good() }, |e| matches!(e, ConnectError::Invalid { .. }));
    check(Ssh { host: "-oProxyCommand=false".to_owned(), ..good() }, |e| {
        matches!(e, ConnectError::Invalid { .. })
    });

    let strict = set(set(good(), "UserKnownHostsFile", "/dev/null"), "StrictHostKeyChecking", "yes");
    check(strict, |e| matches!(e, ConnectError::HostKeyUnknown { .. }));
}

#[test]
fn a_new_key_is_accepted_and_a_changed_one_is_refused() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let connector = connector();
    let server = &farm.hosts()[0];
    let known_hosts = farm.folder().join("new known_hosts");
    let ssh = set(target(server), "UserKnownHostsFile", &format!("\"{}\"", known_hosts.display()));
    close(open(&connector, Target::Ssh(ssh.clone())));
    assert_eq!(fs::read_to_string(&known_hosts).unwrap(), server.known_hosts_line);

    server.change_key();
    server.restart();
    let error = error_of(&connector, ssh.clone());
    let expected = format!("{}:1", known_hosts.display());
    assert!(
        matches!(&error, ConnectError::HostKeyChanged { known_hosts, .. } if *known_hosts == expected),
        "{error:?}"
    );
    assert!(!error.again_may_help());

    // The host's own options decide.
    close(open(&connector, Target::Ssh(set(ssh, "StrictHostKeyChecking", "no"))));
}

#[test]
fn no_ssh_program() {
    let connector = connector_with(|options| options.ssh = "no-such-ssh".into());
    let error = error_of(&connector, Ssh::new("anywhere"));
    assert!(
        matches!(&error, ConnectError::ProgramMissing { program, .. } if program == "no-such-ssh"),
        "{error:?}"
    );
}

#[test]
fn a_server_that_does_not_answer() {
    // The backlog of a listener that never accepts takes the connection, and nobody greets.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ssh = Ssh { port: Some(silent.local_addr().unwrap().port()), ..Ssh::new("127.0.0.1") };
    let begin = Instant::now();
    let error = error_of(&connector(), set(ssh.clone(), "ConnectTimeout", "1"));
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");

    let impatient = connector_with(|options| options.open_timeout = Duration::from_millis(500));
    let error = error_of(&impatient, ssh);
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}

#[test]
fn a_server_that_hangs_up_is_tried_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ssh = Ssh { port: Some(listener.local_addr().unwrap().port()), ..Ssh::new("127.0.0.1") };
    let visits = std::thread::spawn(move || (0..5).map(|_| drop(listener.accept().unwrap())).count());
    let error = error_of(&connector(), ssh);
    assert!(matches!(error, ConnectError::Busy { .. }), "{error:?}");
    assert_eq!(visits.join().unwrap(), 5);
}

#[test]
fn one_session_too_many_is_refused_and_the_others_go_on() {
    let Some(farm) =
        atex_testkit::need(atex_testkit::sshd::available(), || Farm::start_with(1, "MaxSessions 2"))
    else {
        return;
    };
    let connector = connector();
    let host = open_host(&connector, &farm.hosts()[0]);
    let both: Vec<Running> = (0..2)
        .map(|_| {
            let running = start(&host, "echo up; cat", Stdin::empty().keep_open());
            assert_eq!(running.next_line(), "up\n");
            running
        })
        .collect();
    let error = run(&host, "true", Stdin::empty()).ended.unwrap_err();
    assert!(matches!(error, ConnectError::SessionRefused { .. }), "{error:?}");
    for running in &both {
        running.session.close_stdin();
        running.finish().expect_stdout("");
    }
    run(&host, "echo free again", Stdin::empty()).expect_stdout("free again\n");
}

/// The ssh master that serves this host: its command line ends with the address.
fn master_of(server: &Host) -> Pid {
    let is_master = |pid: i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let to_server = words.ends_with(&[b"--", server.address.as_bytes(), b""]);
        let port = words.iter().any(|word| *word == server.port.to_string().as_bytes());
        to_server && port
    };
    let mut found = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid| is_master(*pid));
    let pid = found.next().expect("a master runs");
    assert_eq!(found.next(), None, "one master a host");
    Pid::from_raw(pid)
}

#[test]
fn a_killed_master_is_a_lost_connection() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    lost_at_once(&farm, |server| kill(master_of(server), Signal::SIGKILL).unwrap());
}

#[test]
fn a_master_told_to_end_is_a_lost_connection() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    lost_at_once(&farm, |server| kill(master_of(server), Signal::SIGTERM).unwrap());
}

#[test]
fn a_killed_server_is_a_lost_connection() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    lost_at_once(&farm, Host::kill);
}

/// Sessions in all states, then the accident.
fn lost_at_once(farm: &Farm, accident: impl FnOnce(&Host)) {
    let connector = connector();
    let server = &farm.hosts()[0];
    let host = open_host(&connector, server);
    let idle = start(&host, "echo up; cat", Stdin::empty().keep_open());
    let silent = start(&host, "echo up; exec >&- 2>&-; read line", Stdin::empty().keep_open());
    for running in [&idle, &silent] {
        assert_eq!(running.next_line(), "up\n");
    }
    let busy = start(&host, "cat /dev/zero", Stdin::empty());
    assert!(matches!(busy.next(), Event::Stdout(_)));

    accident(server);
    let begin = Instant::now();
    for running in [&idle, &silent, &busy] {
        let ended = running.finish().ended;
        assert!(matches!(ended, Err(ConnectError::Lost { .. })), "{ended:?}");
    }
    let later = run(&host, "true", Stdin::empty()).ended.unwrap_err();
    assert!(matches!(later, ConnectError::Lost { .. }), "{later:?}");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    close(host);
}

#[test]
fn a_server_that_froze_is_noticed_by_keepalive() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let connector = connector();
    let server = &farm.hosts()[0];
    let ssh = set(set(target(server), "ServerAliveInterval", "1"), "ServerAliveCountMax", "2");
    let host = open(&connector, Target::Ssh(ssh));
    let running = start(&host, "echo up; cat", Stdin::empty().keep_open());
    assert_eq!(running.next_line(), "up\n");
    for pid in server.processes() {
        kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    }
    let begin = Instant::now();
    let error = running.finish().ended.unwrap_err();
    assert!(
        matches!(&error, ConnectError::Lost { detail, .. } if detail.contains("not responding")),
        "{error:?}"
    );
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}

#[test]
fn an_ssh_that_is_killed_while_it_logs_in_is_started_again() {
    let Some(farm) = Farm::start_or_skip(1) else { return };
    let dir = tempfile::tempdir().unwrap();
    let (program, flag) = (dir.path().join("ssh"), dir.path().join("killed"));
    let script = format!(
        "#!/bin/sh\nfor n in 1 2; do [ -e {flag}.$n ] || {{ : >{flag}.$n; kill -KILL $$; }}; done\nexec ssh \"$@\"\n",
        flag = flag.display(),
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let connector = connector_with(|options| options.ssh = program);
    let host = open_host(&connector, &farm.hosts()[0]);
    run(&host, "echo there", Stdin::empty()).expect_stdout("there\n");
    assert!(["killed.1", "killed.2"].iter().all(|name| dir.path().join(name).exists()));
    close(host);
}
