//! A large run that is killed again and again at random moments, and is in the end what it would have been.
//!
//! `ATEX_TEST_CRASHES=300` kills as often as that; `ATEX_TEST_SEED` repeats a run's moments.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use atex_testkit::lab::Lab;
use atex_testkit::sandbox::{Command, Dir, Output};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::exec_resume::Run;
use crate::journal;
use crate::stream::{lab_host, test_with, tool};

/// How many tests the run has.
const TESTS: usize = 200;

/// How many hosts.
const HOSTS: usize = 8;

/// A small generator of numbers: the same seed gives the same ones.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Tests of all kinds, of one plan that prepares its hosts.
fn tests(dir: &Dir) -> Vec<Value> {
    dir.write("tree/file", "from the tree\n");
    let rebooting = "echo start $TMT_REBOOT_COUNT\n\
        [ $TMT_REBOOT_COUNT != 0 ] || tmt-reboot -c 'touch /down; sleep 1000'\ncat file /prepared";
    let uploading =
        "seq 1 40000 >up\ntmt-report-result -o up sub pass\ntmt-report-result other warn\ncat file";
    let living = "for n in 1 2 3 4 5 6; do echo $n; tmt-report-result part/$n pass; sleep 0.05; done";
    let failing = "echo no; tmt-report-result bad fail; exit 3";
    let plan = json!({"name": "/plan", "prepare": [{"how": "shell", "script": ["echo once >/prepared"]}]});
    (0..TESTS)
        .map(|n| {
            let script = match n % 10 {
                0 => rebooting,
                1 | 2 => uploading,
                3 | 4 => living,
                5 => failing,
                6 => "cat file; sleep 0.2",
                _ => "cat file /prepared",
            };
            let mut test = test_with(&format!("/t{n:03}"), script, json!({"duration": "2m"}));
            test["tree"] = dir.join("tree").to_str().unwrap().into();
            test["plan"] = plan.clone();
            test
        })
        .collect()
}

/// By test.
type Fruits = BTreeMap<String, (String, Vec<Value>, BTreeMap<PathBuf, Vec<u8>>)>;

/// What a run has left of each test: its outcome, its results, its files.
fn fruits(run: &Path) -> Fruits {
    let journal = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    journal::check(run);
    let mut all = BTreeMap::new();
    for line in journal.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        if record["type"] != "test-end" || record["final"] != true {
            continue;
        }
        if record["cause"] == "own" {
            // Given up, without results.
            all.insert(
                record["test"].as_str().unwrap().to_owned(),
                ("infra".into(), vec![], BTreeMap::new()),
            );
            continue;
        }
        let artifacts = run.join(record["artifacts"].as_str().unwrap());
        let results = fs::read_to_string(artifacts.join("results.jsonl")).unwrap();
        let results = results.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut files = BTreeMap::new();
        collect(&artifacts.join("files"), Path::new(""), &mut files);
        let fruit = (record["outcome"].as_str().unwrap().to_owned(), results, files);
        let before = all.insert(record["test"].as_str().unwrap().to_owned(), fruit);
        assert!(before.is_none(), "{line}: settled twice");
    }
    all
}

/// The tests that were given up, because they had not begun or not been found three times when we had died.
fn cut_three_times(run: &Path) -> BTreeSet<String> {
    let mut cuts = BTreeMap::<String, u32>::new();
    for line in fs::read_to_string(run.join("journal.jsonl")).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        if record["type"] == "test-end" && record["cause"] == "own" {
            *cuts.entry(record["test"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    cuts.into_iter().filter(|(_, count)| *count >= 3).map(|(name, _)| name).collect()
}

/// What became of hosts, in the words of the journal, and what was said to whoever gives them, and by him.
fn of_hosts(dir: &Dir) -> String {
    let journal = dir.read("run/journal.jsonl");
    let is_of_hosts = |line: &&str| {
        let kind = line.split('"').nth(3);
        matches!(kind, Some("host-start" | "host-end" | "lease" | "lease-end" | "job-resume"))
    };
    let of_hosts = journal.lines().filter(is_of_hosts).map(|line| format!("{line}\n")).collect::<String>();
    of_hosts + &fs::read_to_string(dir.join("pool.log")).unwrap_or_default()
}

fn collect(dir: &Path, at: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let at = at.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &at, files);
        } else {
            files.insert(at, fs::read(entry.path()).unwrap());
        }
    }
}

/// Reboots the hosts of which a test wants that, until the end.
fn reboot_who_asks(lab: &Lab, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        for n in 0..HOSTS {
            if lab.output(n, "rm /down").status.success() {
                lab.reboot(n);
            }
        }
        // What happens in another machine brings no event.
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What is still there of the run in a directory when it is over. Other runs may use the machine under the hosts.
fn remains(lab: &Lab, run: &Path) -> String {
    let called: Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    let id = called["run"].as_str().unwrap();
    let look = format!(
        "ls -d /var/atex-{id}-* /tmp/atex-{id}-* 2>/dev/null
        grep -lsE '^(dd|tail|setsid|sleep)$' /proc/[0-9]*/comm; true"
    );
    (0..HOSTS).map(|n| lab.run(n, &look)).collect()
}

fn command(dir: &Dir, lab: &Lab, arguments: &[&str]) -> Command {
    let mut command = tool(dir, "atex-exec");
    command.args(arguments).through(&lab.prefix()).timeout(Duration::from_secs(600));
    command
}

/// What is done to a run.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// atex-exec is killed.
    Us,
    /// All of its connections' processes are killed.
    Masters,
    /// A host's cable is pulled for a moment.
    Link,
    /// What gives the hosts is killed, with all that it has started.
    Provisioner,
}

/// Lends the hosts whose records are in `pool`, and takes charge again of those that it is told of. It remembers nothing
/// itself: whoever starts it anew says first what is lent.
const POOL: &str = r#"#!/bin/sh
cd "$1" || exit 2
echo $$ >../pool.pid
echo '{"type":"hello","provisioner":"pool","adopt":true}'
jq --unbuffered -r '"\(.type) \(.hosts // .id // .host.id)"' | {
    lent=
    want=0
    while read -r word what; do
        echo "$$ hears $word $what" >>../pool.log
        case $word in
            want) want=$what ;;
            adopt) lent="$lent $what"; cat "$what" ;;
            release)
                rest=
                for host in $lent; do [ "$host" = "$what" ] || rest="$rest $host"; done
                lent=$rest
                echo "$$ says released $what" >>../pool.log
                printf '{"type":"released","id":"%s"}\n' "$what" ;;
        esac
        for host in *; do
            # shellcheck disable=SC2086 # they are counted
            set -- $lent
            [ $# -lt "$want" ] || break
            case " $lent " in *" $host "*) continue ;; esac
            lent="$lent $host"
            echo "$$ says host $host" >>../pool.log
            cat "$host"
        done
    done
}
"#;

#[test]
fn killed_at_random_moments_it_is_what_it_would_have_been() {
    disturb(&[Victim::Us], 30);
}

#[test]
fn neither_connections_nor_links_nor_itself_are_what_it_depends_on() {
    disturb(&[Victim::Masters, Victim::Link, Victim::Us], 12);
}

#[test]
fn what_gives_the_hosts_may_die_too() {
    disturb(&[Victim::Provisioner, Victim::Provisioner, Victim::Us], 12);
}

/// Does such things to runs, so often unless the environment says otherwise.
fn disturb(victims: &[Victim], times: u64) {
    let Some(lab) = Lab::start_or_skip(HOSTS) else { return };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let crashes = number("ATEX_TEST_CRASHES").unwrap_or(times);
    let seed = number("ATEX_TEST_SEED").unwrap_or(0x5eed_a7e8);
    let dir = Dir::new();
    let hosts: Vec<Value> = (0..HOSTS).map(|n| lab_host(&lab, n)).collect();
    let calm = crate::stream::lines(&[&hosts[..], &tests(&dir)].concat());
    let is_asked = victims.iter().any(|victim| matches!(victim, Victim::Provisioner));
    let (input, arguments) = if is_asked {
        for host in &hosts {
            dir.write(format!("pool/{}", host["id"].as_str().unwrap()), format!("{host}\n"));
        }
        let script = dir.script("give", POOL);
        let command = format!("exec {} {}", script.display(), dir.join("pool").display());
        (tests(&dir), vec!["--provision".to_owned(), command])
    } else {
        ([&hosts[..], &tests(&dir)].concat(), Vec::new())
    };
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| reboot_who_asks(&lab, &is_over));
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let undisturbed = command(&dir, &lab, &["--run-dir", "calm"]).stdin(calm).run();
            undisturbed.code(1);
            assert_eq!(remains(&lab, &dir.join("calm")), "", "an undisturbed run leaves nothing");
            let expected = fruits(&dir.join("calm"));
            assert_eq!(expected.len(), TESTS);
            let mut left = crashes;
            let mut chance = Chance(seed);
            let mut runs = 0;
            while left > 0 {
                runs += 1;
                let plan = Plan { input: &input, arguments: &arguments, victims };
                left = disturbed(&dir, &lab, &plan, left, &mut chance, &expected);
            }
            eprintln!("{crashes} times in {runs} runs");
        }));
        is_over.store(true, Ordering::Relaxed);
        if let Err(panic) = done {
            eprintln!("ATEX_TEST_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    });
}

/// What is run, and what is done to it.
struct Plan<'a> {
    input: &'a [Value],
    arguments: &'a [&'a str],
    victims: &'a [Victim],
}

/// One run that is disturbed up to so often, and goes on to its end. Returns how many times are left.
fn disturbed(
    dir: &Dir,
    lab: &Lab,
    plan: &Plan<'_>,
    mut left: u64,
    chance: &mut Chance,
    expected: &Fruits,
) -> u64 {
    let _ = fs::remove_dir_all(dir.join("run"));
    let mut run = Run::new(dir, lab.prefix(), plan.input);
    let mut life = run.begin(plan.arguments);
    let mut in_a_row = 0;
    let output: Output = loop {
        // A test that is cut short three times is given up, so every other life gets somewhere.
        in_a_row += 1;
        let end = Instant::now() + Duration::from_secs(60);
        while in_a_row % 2 == 0 && !run.is_over() && !life.stdout().contains(r#"{"type":"test-end""#) {
            assert!(Instant::now() < end, "it gets nowhere: {}", life.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
        // No moment is special: this is what it is about.
        std::thread::sleep(Duration::from_millis(20 + chance.below(900)));
        if left == 0 || run.is_over() {
            break life.finish();
        }
        left -= 1;
        match plan.victims[chance.below(plan.victims.len() as u64) as usize] {
            Victim::Us => {
                run.kill(life);
                if !dir.join("run/run.json").exists() {
                    // It was no run yet: there is nothing to go on with.
                    return left;
                }
                life = run.resume();
            }
            Victim::Masters => kill_masters(dir),
            Victim::Provisioner => kill_provisioner(dir),
            Victim::Link => {
                let host = chance.below(HOSTS as u64) as usize;
                lab.cut(host);
                std::thread::sleep(Duration::from_millis(chance.below(1500)));
                lab.heal(host);
            }
        }
    };
    run.hear(&output);
    let fruits = fruits(&dir.join("run"));
    assert_eq!(fruits.len(), expected.len(), "each test is settled once");
    let given_up = cut_three_times(&dir.join("run"));
    let expected_exit = if given_up.is_empty() { 1 } else { 3 };
    assert_eq!(output.status.code(), Some(expected_exit), "{}\n{}", run.complained, of_hosts(dir));
    for (name, fruit) in &fruits {
        match given_up.contains(name) {
            true => assert_eq!(fruit.0, "infra", "{name}"),
            false => assert_eq!(fruit, &expected[name], "{name}\n{}", run.complained),
        }
    }
    let finals = run.of_type("test-end").into_iter().filter(|end| end["final"] == true);
    let said: BTreeMap<String, Value> = finals.map(|end| (end["test"].to_string(), end)).collect();
    assert_eq!(said.len(), TESTS, "stdout has said all of it");
    assert_eq!(remains(lab, &dir.join("run")), "", "no process and no directory is left on a host");
    left
}

/// Kills what gives the hosts: it leads a process group of its own.
fn kill_provisioner(dir: &Dir) {
    let pid = fs::read_to_string(dir.join("pool.pid")).unwrap_or_default();
    if let Ok(pid) = pid.trim().parse::<i32>() {
        let _ = kill(Pid::from_raw(-pid), Signal::SIGKILL);
    }
}

/// Kills the processes through which atex-exec reaches its hosts.
fn kill_masters(dir: &Dir) {
    let pid = fs::read_to_string(dir.join("run/lock")).unwrap_or_default();
    let ours = format!("(ssh) S {} ", pid.trim());
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if stat.contains(&ours)
            && let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok())
        {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

#[test]
fn a_reboot_waits_for_what_was_printed() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    // What copies the output is held up, as by a disk.
    let script = r#"[ $TMT_REBOOT_COUNT = 0 ] || exit 0
        until [ -n "$copies" ]; do
            for process in /proc/[0-9]*; do
                case $(readlink $process/fd/0) in */output.pipe) copies=${process#/proc/} ;; esac
            done
        done
        kill -STOP $copies
        until grep -q stopped /proc/$copies/status; do :; done
        echo printed
        (sleep 3; kill -CONT $copies) &
        tmt-reboot -c 'touch /down; sleep 1000'"#;
    let mut run = Run::new(&dir, lab.prefix(), &[lab_host(&lab, 0), crate::stream::test("/r", script)]);
    let life = run.begin(&[]);
    while !lab.output(0, "ls /down").status.success() {
        std::thread::sleep(Duration::from_millis(20));
    }
    lab.reboot(0);
    let output = life.finish();
    output.success();
    run.hear(&output);
    let text = fs::read_to_string(dir.join("run/results/default/r/attempt-1/files/output.txt")).unwrap();
    assert_eq!(text, "printed\n", "{}", output.report());
}

#[test]
fn what_was_printed_before_a_reboot_comes_after_it() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    let script = "echo start $TMT_REBOOT_COUNT; [ $TMT_REBOOT_COUNT = 0 ] || exit 0\n\
        trap '' PIPE; echo disconnect >&$ATEX_TEST_CONTROL\n\
        while echo noop 2>/dev/null >&$ATEX_TEST_CONTROL; do sleep 0.05; done\n\
        touch /closed; until [ -e /go ]; do sleep 0.05; done; echo late; touch /printed; sleep 1000";
    let mut run = Run::new(&dir, lab.prefix(), &[lab_host(&lab, 0), crate::stream::test("/r", script)]);
    let life = run.begin(&[]);
    let wait = |what: &str| {
        while !lab.output(0, what).status.success() {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait("ls /closed");
    run.kill(life);
    lab.run(0, "touch /go");
    wait("grep late /var/atex-*/spool.1/output");
    lab.reboot(0);
    let output = run.resume().finish();
    output.success();
    let text = fs::read_to_string(dir.join("run/results/default/r/attempt-1/files/output.txt")).unwrap();
    assert_eq!(text, "start 0\nlate\nstart 1\n");
}
