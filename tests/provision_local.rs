//! This machine as leased hosts: with directories, and with namespaces, of their own.

use std::process::Command as Process;

use atex_testkit::need;
use atex_testkit::sandbox::{Dir, Output};
use serde_json::{Value, json};

use crate::provision_leases::{leases, provision};
use crate::provision_serve::{as_stranger, killed_everywhere};
use crate::stream::{of_type, tool};

/// Whether the kernel gives namespaces to us.
fn available() -> Result<(), String> {
    let made = Process::new("unshare").args(["--mount", "--pid", "--net", "--fork", "true"]).output();
    match made {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("no namespaces: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("unshare: {error}")),
    }
}

/// What a shell command prints on a host.
fn on(dir: &Dir, host: &Value, command: &str) -> Output {
    let argv: Vec<&str> =
        host["connect"]["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    dir.command(argv[0]).args(&argv[1..]).args(["sh", "-c", command]).run()
}

/// The directories and processes of hosts that there are.
fn left(dir: &Dir) -> Vec<String> {
    let mut left: Vec<String> = std::fs::read_dir(dir.join("hosts"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    let ledger = std::fs::read_to_string(dir.home().join(".local/state/atex/ledger")).unwrap_or_default();
    let mark = format!("ATEX_LEASE=atex-{}-", ledger.trim());
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environment).contains(&mark) {
            left.push(entry.path().display().to_string());
        }
    }
    left
}

#[test]
fn a_leased_host_has_a_directory_of_its_own() {
    let dir = Dir::new();
    let output = provision(&dir, &["local", "-n", "2", "--ttl", "1h", "--dir", "hosts"]).run();
    output.success();
    let hosts = of_type(&output, "host");
    on(&dir, &hosts[0], "echo x >\"$HOME/mine\"; echo x >\"$TMPDIR/mine\"").success();
    on(&dir, &hosts[1], "ls -A; ls -A $TMPDIR").success().stdout_is("");
    provision(&dir, &["release"]).stdin(output.stdout).run().success();
    assert_eq!(left(&dir), [""; 0]);
}

#[test]
fn a_directory_that_a_test_has_closed_goes_too() {
    let dir = Dir::new();
    let stranger = as_stranger(&dir, 1);
    let Some(user) = need(stranger.as_ref().map(|_| ()).map_err(Clone::clone), || stranger.unwrap()) else {
        return;
    };
    let run = |words: &[&str], input: &str| {
        let output = provision(&dir, words).through(&user).stdin(input).run();
        output.success();
        output
    };
    let hosts = run(&["local", "--ttl", "1h", "--dir", "hosts"], "");
    let host = of_type(&hosts, "host").remove(0);
    let argv: Vec<String> = serde_json::from_value(host["connect"]["argv"].clone()).unwrap();
    let mut test = dir.command(&argv[0]);
    test.through(&user).args(&argv[1..]).args(["sh", "-c", "mkdir -p a/b && touch a/b/c && chmod 0 a/b a"]);
    test.run().success();
    run(&["release"], &hosts.stdout);
    assert_eq!(left(&dir), [""; 0]);
}

#[test]
fn a_question_after_all_leases_is_no_lease() {
    let dir = Dir::new();
    let hosts = provision(&dir, &["local", "-n", "2", "--ttl", "1h", "--dir", "hosts"]).run();
    hosts.success();
    let ledger = std::fs::read_to_string(dir.home().join(".local/state/atex/ledger")).unwrap();
    // Something that runs meanwhile, and whose environment bears what all tokens begin with.
    let mut asking = Process::new("sleep");
    let mut asking =
        asking.arg("1000").env("ATEX_LEASE", format!("atex-{}-", ledger.trim())).spawn().unwrap();
    let reaped = provision(&dir, &["reap"]).run();
    let lives = asking.try_wait().unwrap().is_none();
    let _ = asking.kill();
    asking.wait().unwrap();
    reaped.success();
    assert!(lives, "{}", reaped.report());
    assert_eq!(of_type(&reaped, "released").len(), 0, "{}", reaped.report());
    for host in of_type(&hosts, "host") {
        on(&dir, &host, "true").success();
    }
    provision(&dir, &["release"]).stdin(hosts.stdout).run().success();
    assert_eq!(left(&dir), [""; 0]);
}

#[test]
fn an_isolated_host_sees_nobody_else() {
    if need(available(), || ()).is_none() {
        return;
    }
    let dir = Dir::new();
    let output = provision(&dir, &["local", "-n", "2", "--isolate", "--dir", "hosts"]).run();
    output.success();
    let hosts = of_type(&output, "host");
    let script = "echo x >/tmp/mine; echo x >/var/tmp/mine; echo x >$HOME/mine; \
                  ls /proc | grep -c '^[0-9]'; ls /sys/class/net 2>/dev/null | wc -l; (sleep 1000 >/dev/null 2>&1 &)";
    let seen = on(&dir, &hosts[0], script);
    seen.success();
    let processes: u32 = seen.stdout.lines().next().unwrap().parse().unwrap();
    assert!(processes < 12, "{}", seen.stdout);
    on(&dir, &hosts[1], "ls /tmp/mine /var/tmp/mine 2>/dev/null; ls -A $HOME").success().stdout_is("");
    // What atex-exec does there, it does there.
    let test =
        json!({"type": "test", "name": "/t", "data": {"test": "ls /tmp/mine && readlink /proc/self/ns/net"}});
    let run =
        tool(&dir, "atex-exec").args(["--run-dir", "run"]).stdin(format!("{}\n{test}\n", hosts[0])).run();
    run.success();
    let there = dir.read("run/results/default/t/attempt-1/files/output.txt");
    let here = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert!(there.starts_with("/tmp/mine\n") && !there.contains(here.to_str().unwrap()), "{there}");
    provision(&dir, &["release"]).stdin(output.stdout).run().success();
    assert_eq!(left(&dir), [""; 0]);
}

#[test]
fn nothing_of_this_machine_is_lost_wherever_we_are_killed() {
    if need(available(), || ()).is_none() {
        return;
    }
    let dir = Dir::new();
    killed_everywhere(&dir, &["local", "--isolate", "--dir", "hosts", "--serve"], &[], 2, |when| {
        assert_eq!(left(&dir), [""; 0], "{when}");
    });
    assert!(leases(&dir).is_empty());
}
