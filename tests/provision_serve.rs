//! atex-provision --serve: what atex-exec and a provisioner say to each other, with real processes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use atex_testkit::need;
use atex_testkit::sandbox::Dir;
use serde_json::{Value, json};

use crate::provision_leases::{held, lab, leases, provision};

/// How long an answer may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A conversation with a provisioner. It is killed with this value.
pub(crate) struct Talk {
    pub child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Talk {
    pub fn start(dir: &Dir, words: &[&str], variables: &[(&str, &str)]) -> Talk {
        Talk::behind(dir, &[], words, variables)
    }

    /// The same by a program, such as one that sets limits, which is to start it.
    fn behind(dir: &Dir, program: &[String], words: &[&str], variables: &[(&str, &str)]) -> Talk {
        let ours = [env!("CARGO_BIN_EXE_atex-provision").to_owned()];
        let argv: Vec<&String> = program.iter().chain(&ours).collect();
        let mut command = Command::new(argv[0]);
        let home = dir.home();
        command
            .args(&argv[1..])
            .args(words)
            .current_dir(dir.path())
            .env_clear()
            .env("PATH", format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap()))
            .env("HOME", &home)
            .env("XDG_STATE_HOME", home.join(".local/state"))
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (to, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = to.send(line);
            }
        });
        Talk { stdin: child.stdin.take(), child, lines }
    }

    pub fn say(&mut self, record: &Value) {
        // An error means that it has died, which the test finds out.
        let _ = writeln!(self.stdin.as_mut().expect("the input is open"), "{record}");
    }

    pub fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// The next record of this type; `None` at the end.
    pub fn next(&self, kind: &str) -> Option<Value> {
        self.next_of(&[kind])
    }

    /// The next record of one of these types; `None` at the end.
    fn next_of(&self, kinds: &[&str]) -> Option<Value> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let record: Value = serde_json::from_str(&line).expect("every line is a record");
                    if kinds.iter().any(|kind| record["type"] == *kind) {
                        return Some(record);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("no {} came within a minute", kinds.join(" or ")),
            }
        }
    }

    pub fn expect(&self, kind: &str) -> Value {
        self.next(kind).unwrap_or_else(|| panic!("it ended, and no {kind} came"))
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its exit status; `None` if a signal ended it.
    pub fn end(mut self) -> Option<i32> {
        self.hang_up();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // Errors mean that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One life of a provisioner, which is killed at a point: it gives two hosts, takes one back, and is told to end. Its exit
/// status; `None` if it was killed.
fn life(dir: &Dir, words: &[&str], variables: &[(&str, &str)], point: u64) -> Option<i32> {
    let fault = point.to_string();
    let mut talk = Talk::start(dir, words, &[variables, &[("ATEX_FAULT", fault.as_str())]].concat());
    talk.say(&want(2));
    // A provider that gives none is asked less and less often.
    let answer = talk.next_of(&["host", "provision-failed"]);
    if let Some(host) = answer.filter(|answer| answer["type"] == "host") {
        talk.say(&want(1));
        talk.say(&json!({"type": "release", "id": host["id"]}));
        talk.next("released");
    }
    talk.say(&json!({"type": "shutdown"}));
    talk.end()
}

/// Kills a provisioner at each of its points, or, where each takes long, at each `step`th unless there is time. `check` says that its provider holds nothing of ours after `reap`.
pub(crate) fn killed_everywhere(
    dir: &Dir,
    words: &[&str],
    variables: &[(&str, &str)],
    step: usize,
    check: impl Fn(&str),
) {
    for point in (1..).step_by(if crate::stream::long() { 1 } else { step }) {
        let exit = life(dir, words, variables, point);
        // Twice: a program of the provider's that dies with us may have got its word out, and what comes of that may
        // come after the first look.
        for _ in 0..2 {
            let mut reap = provision(dir, &["reap", "--now"]);
            for (name, value) in variables {
                reap.env(name, value);
            }
            reap.run().success();
        }
        check(&format!("killed at point {point}"));
        assert!(leases(dir).is_empty(), "killed at point {point}");
        if let Some(exit) = exit {
            assert_eq!(exit, 0);
            assert!(point > 20, "there were {point} points");
            break;
        }
    }
}

/// Numbers that look as if they came by chance, the same each time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[test]
fn nothing_is_lost_in_rounds_of_chance() {
    let dir = lab();
    let rounds = if crate::stream::long() { 200 } else { 20 };
    let mut dice = Dice(20_261_121);
    for round in 0..rounds {
        for (file, one_in) in [("lazy", 3), ("forgetful", 4), ("broken", 8)] {
            let _ = std::fs::remove_file(dir.join(file));
            if dice.throw(one_in) == 0 {
                dir.write(file, "");
            }
        }
        // Several lives, of which each finds what those before have left; then one that only cleans up.
        for _ in 0..=dice.throw(3) {
            life(&dir, &SERVE, &[], 1 + dice.throw(50));
        }
        let mut reap = provision(&dir, &["reap", "--now"]);
        reap.env("ATEX_FAULT", (1 + dice.throw(20)).to_string()).run();
        provision(&dir, &["reap", "--now"]).run().success();
        assert_eq!(held(&dir), [""; 0], "round {round}");
        assert!(leases(&dir).is_empty(), "round {round}");
    }
}

fn want(hosts: u32) -> Value {
    json!({"type": "want", "hosts": hosts})
}

const SERVE: [&str; 3] = ["exec", "--serve", "./lab"];

#[test]
fn hosts_come_as_they_are_wanted_and_go_as_they_are_released() {
    let dir = lab();
    let words = ["exec", "--serve", "--max", "3", "--platform", "cs9", "--extends", "./lab"];
    let mut talk = Talk::start(&dir, &words, &[]);
    let hello = talk.expect("hello");
    assert_eq!(
        hello,
        json!({"type": "hello", "provisioner": "exec", "platform": "cs9", "max": 3, "adopt": true, "extend": true})
    );
    talk.say(&want(2));
    assert_eq!(talk.expect("pending")["hosts"], 2);
    let (one, two) = (talk.expect("host"), talk.expect("host"));
    assert_eq!(one["platform"], "cs9");
    assert_ne!(one["id"], two["id"]);
    assert_eq!(held(&dir).len(), 2);
    // More than there can be.
    talk.say(&want(9));
    talk.expect("host");
    talk.say(&want(1));
    for host in [&one, &two] {
        talk.say(&json!({"type": "release", "id": host["id"], "reason": "done"}));
        talk.expect("released");
    }
    assert_eq!(held(&dir).len(), 1);
    // One that nobody knows has been given back.
    talk.say(&json!({"type": "release", "id": "nobody"}));
    assert_eq!(talk.expect("released")["id"], "nobody");
    // One that is taken away without less being wanted is replaced.
    talk.say(&want(2));
    let host = talk.expect("host");
    talk.say(&json!({"type": "release", "id": host["id"]}));
    talk.expect("host");
    let end = "2036-01-01T00:00:00.000Z";
    let id = leases(&dir).iter().map(|lease| lease["id"].clone()).next().unwrap();
    talk.say(&json!({"type": "extend", "id": id, "until": end}));
    while !leases(&dir).iter().any(|lease| lease["until"] == end) {}
    talk.say(&json!({"type": "something-new"}));
    talk.say(&json!({"type": "shutdown"}));
    talk.expect("released");
    talk.expect("released");
    assert_eq!(talk.end(), Some(0));
    assert_eq!(held(&dir), [""; 0]);
    assert!(leases(&dir).is_empty());
}

#[test]
fn hosts_outlive_a_dead_owner_and_are_adopted_or_reaped() {
    let dir = lab();
    let mut talk = Talk::start(&dir, &SERVE, &[]);
    talk.say(&want(2));
    let hosts = [talk.expect("host"), talk.expect("host")];
    // While it lives nothing is taken from it, nor adopted.
    provision(&dir, &["reap", "--now"]).run().success();
    assert_eq!(held(&dir).len(), 2);
    let mut rival = Talk::start(&dir, &SERVE, &[]);
    rival.say(&json!({"type": "adopt", "host": hosts[0]}));
    let gone = rival.expect("host-gone");
    assert!(gone["note"].as_str().unwrap().contains("another process looks after it"), "{gone}");
    rival.say(&json!({"type": "shutdown"}));
    assert_eq!(rival.end(), Some(0));
    assert_eq!(held(&dir).len(), 2);
    // The owner dies.
    talk.hang_up();
    assert_eq!(talk.end(), Some(0));
    provision(&dir, &["reap"]).run().success();
    assert_eq!(held(&dir).len(), 2, "they are kept for a resumed run");
    // One is taken over, the other is left.
    let mut talk = Talk::start(&dir, &SERVE, &[]);
    talk.say(&json!({"type": "adopt", "host": hosts[0]}));
    assert_eq!(talk.expect("host"), hosts[0]);
    provision(&dir, &["reap", "--now"]).run().success();
    assert_eq!(held(&dir), [hosts[0]["lease"]["token"].as_str().unwrap()]);
    talk.say(&json!({"type": "adopt", "host": hosts[1]}));
    assert_eq!(talk.expect("host-gone")["id"], hosts[1]["id"]);
    // Killed, it leaves no less.
    talk.kill();
    let mut talk = Talk::start(&dir, &SERVE, &[]);
    // An earlier instance handed it out.
    talk.say(&json!({"type": "release", "id": hosts[0]["id"]}));
    talk.expect("released");
    assert_eq!(held(&dir), [""; 0]);
    assert_eq!(talk.end(), Some(0));
}

#[test]
fn what_fails_is_said_and_not_tried_again_unasked() {
    let dir = lab();
    dir.write("broken", "");
    let mut talk = Talk::start(&dir, &SERVE, &[]);
    talk.say(&want(1));
    let failed = talk.expect("provision-failed");
    assert_eq!(
        failed,
        json!({"type": "provision-failed", "count": 1, "note": "./lab: no machine is left", "retry": false})
    );
    assert_eq!(talk.expect("pending")["hosts"], 0);
    std::fs::remove_file(dir.join("broken")).unwrap();
    talk.say(&want(1));
    talk.expect("host");
    talk.say(&json!("no record"));
    assert_eq!(talk.end(), Some(2));
    assert_eq!(held(&dir), [""; 0], "all is given back after a line that is none");
}

#[test]
fn a_host_of_an_id_that_is_there_already_is_given_back() {
    let dir = lab();
    dir.script("same", "#!/bin/sh\n./lab | sed 's|\"lab/[^\"]*\"|\"vm\"|'\n");
    let words = ["exec", "--serve", "./same"];
    let mut talk = Talk::start(&dir, &words, &[]);
    talk.say(&want(2));
    let host = talk.expect("host");
    assert_eq!(host["id"], "vm");
    let failed = talk.next_of(&["host", "provision-failed"]).expect("it goes on");
    assert_eq!(failed["retry"], false);
    assert!(
        failed["note"].as_str().unwrap().starts_with("vm: there is a host of this id already"),
        "{failed}"
    );
    // Another process died with such a host.
    let mut other = Talk::start(&dir, &words, &[]);
    other.say(&want(1));
    let theirs = other.expect("host");
    other.kill();
    talk.say(&json!({"type": "adopt", "host": theirs}));
    assert_eq!(talk.expect("provision-failed")["retry"], false);
    talk.say(&json!({"type": "shutdown"}));
    assert_eq!(talk.expect("released")["id"], "vm");
    assert_eq!(talk.end(), Some(0));
    assert_eq!(held(&dir), [""; 0]);
    assert!(leases(&dir).is_empty());
}

#[test]
fn a_host_that_comes_again_is_told_of_when_it_was_given_back() {
    let dir = lab();
    dir.script("standing", "#!/bin/sh\n./lab | sed 's|\"lab/[^\"]*\"|\"standing\"|'\n");
    dir.write("slow-release", "");
    let mut talk = Talk::start(&dir, &["exec", "--serve", "./standing"], &[]);
    talk.say(&want(1));
    assert_eq!(talk.expect("host")["id"], "standing");
    talk.say(&json!({"type": "release", "id": "standing"}));
    // The next one is there while the first is still being given back.
    while held(&dir).len() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::remove_file(dir.join("slow-release")).unwrap();
    assert_eq!(talk.next_of(&["host", "released"]).unwrap()["type"], "released");
    assert_eq!(talk.expect("host")["id"], "standing");
    talk.say(&json!({"type": "shutdown"}));
    assert_eq!(talk.end(), Some(0));
    assert!(held(&dir).is_empty());
}

#[test]
fn what_could_not_be_given_back_is_reaped_while_its_server_lives() {
    let dir = lab();
    let mut talk = Talk::start(&dir, &SERVE, &[]);
    talk.say(&want(1));
    let host = talk.expect("host");
    dir.write("stuck", "");
    talk.say(&want(0));
    talk.say(&json!({"type": "release", "id": host["id"]}));
    let deadline = std::time::Instant::now() + PATIENCE;
    while leases(&dir).iter().any(|lease| lease["state"] != "releasing" || !lease["holder"].is_null()) {
        assert!(std::time::Instant::now() < deadline, "{:?}", leases(&dir));
    }
    provision(&dir, &["reap"]).run().code(3).stderr_has("the door is locked");
    std::fs::remove_file(dir.join("stuck")).unwrap();
    provision(&dir, &["reap"]).run().success();
    assert_eq!(held(&dir), [""; 0]);
    assert!(leases(&dir).is_empty());
    talk.say(&json!({"type": "shutdown"}));
    assert_eq!(talk.end(), Some(3));
}

#[test]
fn what_is_adopted_after_all_was_to_be_given_back_is_given_back() {
    let dir = lab();
    let mut talk = Talk::start(&dir, &SERVE, &[]);
    talk.say(&want(1));
    let host = talk.expect("host");
    talk.kill();
    let mut talk = Talk::start(&dir, &SERVE, &[]);
    talk.expect("hello");
    // The provider thinks about it for so long that all else is known first.
    dir.write("slow", "");
    talk.say(&json!({"type": "adopt", "host": host}));
    talk.say(&json!({"type": "shutdown"}));
    talk.hang_up();
    // What is said of the lease is that it was looked at: the end of the input is known by then.
    let deadline = std::time::Instant::now() + PATIENCE;
    let adopted = || leases(&dir)[0]["holder"]["pid"] == talk.child.id();
    while !adopted() {
        assert!(std::time::Instant::now() < deadline, "{:?}", leases(&dir));
    }
    std::fs::remove_file(dir.join("slow")).unwrap();
    assert_eq!(talk.expect("released")["id"], host["id"]);
    assert_eq!(talk.end(), Some(0));
    assert_eq!(held(&dir), [""; 0]);
    assert!(leases(&dir).is_empty());
}

#[test]
fn a_host_that_somebody_else_gave_back_is_gone() {
    let dir = lab();
    let mut talk = Talk::start(&dir, &["exec", "--serve", "--orphan-timeout", "3s", "./lab"], &[]);
    talk.say(&want(1));
    let host = talk.expect("host");
    provision(&dir, &["release"]).arg(host["id"].as_str().unwrap()).run().success();
    let gone = talk.expect("host-gone");
    assert_eq!(
        (&gone["id"], &gone["note"]),
        (&host["id"], &json!("its lease was given back by somebody else"))
    );
    // What is still wanted comes.
    assert_ne!(talk.expect("host")["id"], host["id"]);
    talk.say(&json!({"type": "shutdown"}));
    assert_eq!(talk.end(), Some(0));
    assert_eq!(held(&dir), [""; 0]);
}

#[test]
fn the_end_of_a_time_ends_a_host() {
    let dir = lab();
    let mut talk = Talk::start(&dir, &["exec", "--serve", "--ttl", "1s", "./lab"], &[]);
    talk.say(&want(1));
    let host = talk.expect("host");
    talk.say(&want(0));
    assert_eq!(
        talk.expect("host-gone"),
        json!({"type": "host-gone", "id": host["id"], "note": "its time is over"})
    );
    talk.say(&json!({"type": "shutdown"}));
    assert_eq!(talk.end(), Some(0));
    assert_eq!(held(&dir), [""; 0]);
}

#[test]
fn nothing_is_lost_wherever_serving_is_killed() {
    let dir = lab();
    killed_everywhere(&dir, &SERVE, &[], 1, |when| assert_eq!(held(&dir), [""; 0], "{when}"));
}

/// What starts a program as a user that nobody else is, in a folder where that one may do everything. Only root can.
pub(crate) fn as_stranger(dir: &Dir, number: u32) -> Result<Vec<String>, String> {
    let user = 200_000 + 2 * (std::process::id() % 100_000) + number;
    let words = ["setpriv", &format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"];
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let all = std::fs::Permissions::from_mode(0o777);
    for place in [dir.path(), dir.home(), dir.home().parent().unwrap().to_owned()] {
        std::fs::set_permissions(&place, all.clone()).map_err(|e| e.to_string())?;
    }
    let mut tried = Command::new(&words[0]);
    match tried.args(&words[1..]).args([env!("CARGO_BIN_EXE_atex-provision"), "--version"]).output() {
        Ok(output) if output.status.success() => Ok(words),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(e) => Err(format!("setpriv: {e}")),
    }
}

#[test]
fn a_machine_that_has_no_threads_left_holds_nobody_up() {
    let dir = lab();
    // All that it does the shell does itself.
    dir.script(
        "frugal",
        "#!/bin/sh\nread -r r\ncd held || exit 1\nt=${r#*'\"lease\":\"'}; t=${t%%'\"'*}\ncase $r in\n\
         *'\"create\"'*) echo x >\"$t\"; echo '{\"success\":true,\"host\":{\"addr\":\"h\"}}' ;;\n\
         *'\"list\"'*) l=; [ ! -s \"$t\" ] || l='{\"lease\":\"'$t'\"}'; echo '{\"success\":true,\"leases\":['$l']}' ;;\n\
         *) : >\"$t\"; echo '{\"success\":true}' ;;\nesac\n",
    );
    std::fs::set_permissions(dir.join("held"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let stranger = as_stranger(&dir, 0);
    let Some(mut program) = need(stranger.as_ref().map(|_| ()).map_err(Clone::clone), || stranger.unwrap())
    else {
        return;
    };
    // Three that there are always, three that want a host, and one program of the provider's: none is left to wait for that.
    program.extend(["prlimit", "--nproc=7"].map(str::to_owned));
    let mut talk = Talk::behind(&dir, &program, &["exec", "--serve", "./frugal"], &[]);
    talk.say(&want(3));
    (0..3).for_each(|_| {
        talk.next_of(&["host", "provision-failed"]).expect("it goes on");
    });
    talk.say(&json!({"type": "shutdown"}));
    assert!(talk.next("nothing").is_none());
    assert!(matches!(talk.end(), Some(0 | 3)));
    let left = std::fs::read_dir(dir.join("held")).unwrap();
    let left =
        left.filter(|entry| entry.as_ref().unwrap().metadata().is_ok_and(|m| m.is_file() && m.len() > 0));
    assert_eq!(left.count(), 0);
}
