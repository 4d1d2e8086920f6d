//! The programs `openstack` and `bkr` of PyPI: they understand what our back ends call them with, and Beaker's own schema takes
//! our jobs. None of that needs a server. ATEX_TEST_CLIENTS is the directory of the programs; `scripts/test` sees to it.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atex_testkit::sandbox::{Command, Dir, Output};

use crate::provision_clouds::{BEAKER_WORDS, OPENSTACK_WORDS, call, cloud};

/// Writes its arguments down, a line a call, then calls the program of this name that keeps state.
const RECORDER: &str = r#"#!/bin/sh
name=${0##*/}
line=
for word; do line=$line$word$(printf '\037'); done
printf '%s\n' "$line" >>"$HOME/calls-of-$name"
exec "$HOME/kept/$name" "$@"
"#;

/// A cloud that lies behind a port where nobody listens.
const CLOUDS: &str = "clouds: {nine: {auth_type: none, auth: {endpoint: 'http://127.0.0.1:1'}}}\n";

/// The directory of the programs.
fn clients() -> Option<PathBuf> {
    let place = std::env::var_os("ATEX_TEST_CLIENTS").map(PathBuf::from);
    if place.is_none() {
        let line = b"SKIPPED: openstack and bkr of PyPI are not here (ATEX_TEST_CLIENTS)\n";
        // Not eprintln!, which the test harness catches.
        let _ = std::io::stderr().write_all(line);
    }
    place
}

/// A provider whose calls are written down.
fn recording() -> Dir {
    let dir = cloud();
    for name in ["openstack", "bkr"] {
        let kept = dir.home().join("kept");
        std::fs::create_dir_all(&kept).unwrap();
        std::fs::rename(dir.join("bin").join(name), kept.join(name)).unwrap();
        dir.script(format!("bin/{name}"), RECORDER);
    }
    dir.write("clouds.yaml", CLOUDS);
    dir.write("user-data", "#cloud-config\n");
    dir.write("ci.pub", "ssh-ed25519 AAAA me\n");
    dir.write("more.ks", "%packages\ntar & ]]> <more>\n%end\n");
    dir.write("beaker.conf", format!("HUB_URL = \"{}\"\nAUTH_METHOD = \"none\"\n", refusing()));
    dir
}

/// The address of a hub that has nothing: where nobody listened at all, `bkr` would try again for minutes.
fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ =
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            // What is not read when it is closed would take the answer with it.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    address
}

/// What a program was called with, each way once.
fn calls(dir: &Dir, name: &str) -> Vec<Vec<String>> {
    let lines = std::fs::read_to_string(dir.home().join(format!("calls-of-{name}"))).unwrap();
    let lines: BTreeSet<&str> = lines.lines().collect();
    let words = |line: &str| line.trim_end_matches('\u{1f}').split('\u{1f}').map(str::to_owned).collect();
    lines.into_iter().map(words).collect()
}

/// The program of PyPI itself.
fn real(dir: &Dir, program: &Path, words: &[String]) -> Command {
    let mut command = dir.command(program);
    command.args(words).env("BEAKER_CLIENT_CONF", dir.join("beaker.conf")).timeout(Duration::from_secs(300));
    command
}

/// A program that is called so, and also with an option that there is not: only the latter is wrong usage.
#[track_caller]
fn understood(program: &Path, dir: &Dir, words: &[String], input: &str) -> Output {
    let output = real(dir, program, words).stdin(input).run();
    output.code(1);
    let refusal = ["usage:", "Usage:", "unrecognized", "no such option"];
    assert!(!refusal.iter().any(|word| output.stderr.contains(word)), "{words:?}: {}", output.report());
    let mut wrong = words.to_vec();
    wrong.push("--no-such-option-at-all".to_owned());
    real(dir, program, &wrong).stdin(input).run().code(2);
    output
}

/// The commands among calls, of so many words.
fn commands(calls: &[Vec<String>], length: usize) -> BTreeSet<String> {
    let plain = |words: &Vec<String>| {
        let words = words.iter().skip_while(|word| word.starts_with("--") || *word == "nine");
        words.take(length).cloned().collect::<Vec<_>>().join(" ")
    };
    calls.iter().map(plain).collect()
}

#[test]
fn the_real_openstack_understands_what_it_is_called_with() {
    let Some(clients) = clients() else { return };
    let (dir, openstack) = (recording(), clients.join("openstack"));
    let more = ["--key-name", "ci", "--user-data", "user-data", "--create-option=--security-group=open"];
    let output = call(&dir, &[&OPENSTACK_WORDS[..], &more].concat()).run();
    output.success();
    call(&dir, &["release"]).stdin(output.stdout).run().success();
    let calls = calls(&dir, "openstack");
    let expected = ["server create", "server delete", "server list", "server show"].map(str::to_owned);
    assert_eq!(commands(&calls, 2), expected.into());
    for words in &calls {
        understood(&openstack, &dir, words, "");
    }
}

#[test]
fn the_real_bkr_understands_what_it_is_called_with_and_takes_our_jobs() {
    let Some(clients) = clients() else { return };
    let (dir, bkr) = (recording(), clients.join("bkr"));
    let mut jobs = Vec::new();
    for more in [&[][..], &MUCH] {
        let output = call(&dir, &[&BEAKER_WORDS[..], &["--ttl", "8h"], more].concat()).run();
        output.success();
        let job = dir.home().join("beaker/jobs").join(format!("{}", jobs.len() + 1));
        jobs.push(std::fs::read_to_string(job).unwrap());
        call(&dir, &["release"]).stdin(output.stdout).run().success();
    }
    let calls = calls(&dir, "bkr");
    let expected = ["job-cancel", "job-list", "job-results", "job-submit"].map(str::to_owned);
    assert_eq!(commands(&calls, 1), expected.into());
    let extend = ["watchdog-extend", "--by", "3600", "R:71"].map(str::to_owned).to_vec();
    for words in calls.iter().chain([&extend]) {
        understood(&bkr, &dir, words, &jobs[0]);
    }
    // The program looks at jobs with Beaker's schema, and only says what is wrong.
    let dry = ["job-submit", "--dry-run", "-"].map(str::to_owned);
    for job in &jobs {
        let output = real(&dir, &bkr, &dry).stdin(job.as_str()).run();
        output.success();
        assert!(!output.stderr.contains("WARNING: job xml"), "{job}\n{}", output.report());
    }
    let wrong = jobs[0].replace("<autopick", "<auto-pick");
    real(&dir, &bkr, &dry).stdin(wrong).run().stderr_has("WARNING: job xml validation failed");
}

/// All that can be asked of a job.
const MUCH: [&str; 26] = [
    "--host-require",
    "memory>=4096",
    "--host-require",
    "hostname!=m2.lab",
    "--host-require",
    "system_type=Laptop",
    "--ks-append",
    "more.ks",
    "--public-key",
    "ci.pub",
    "--repository",
    "updates=http://repo.example/a?b&c",
    "--kernel-options",
    "console=ttyS0 \"x\"",
    "--kernel-options-post",
    "quiet",
    "--ks-meta",
    "method=nfs",
    "--group",
    "g",
    "--task",
    "/distribution/check-install",
    "--task",
    "/distribution/dummy",
    "--priority",
    "urgent",
];
