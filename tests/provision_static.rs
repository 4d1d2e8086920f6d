//! The hosts of a list, shared by several owners: each is locked on the host. The hosts are directories of this machine, or
//! real ones.

use atex_testkit::lab::Lab;
use atex_testkit::sandbox::Dir;
use serde_json::{Value, json};

use crate::provision_leases::{leases, provision};
use crate::provision_serve::{Talk, killed_everywhere};
use crate::stream::{lab_host, lines, long, of_type, test, tool};

/// A list of hosts that are directories: commands start there, and so does the place of the lock.
fn pool(dir: &Dir, hosts: usize) {
    let host = |n: usize| {
        let home = dir.join(format!("host{n}"));
        std::fs::create_dir_all(&home).unwrap();
        let argv = json!(["env", "-C", home, format!("POOL_HOST={}", home.display())]);
        json!({"type": "host", "id": format!("host{n}"), "connect": {"how": "command", "argv": argv}})
    };
    let lines: String = (0..hosts).map(|n| format!("{}\n", host(n))).collect();
    dir.write("pool", lines);
}

/// Another user's ledger, so that only the hosts know of the two.
const OTHER: &str = "XDG_STATE_HOME";

fn locked(dir: &Dir, host: &str) -> bool {
    dir.join(host).join("lock/lock/state").exists()
}

const STATIC: [&str; 6] = ["static", "pool", "--lock-dir", "lock", "--ttl", "1h"];

#[test]
fn a_host_is_locked_while_it_is_used() {
    let dir = Dir::new();
    pool(&dir, 2);
    let mine = provision(&dir, &STATIC).args(["--owner", "ann"]).run();
    mine.success();
    let host = of_type(&mine, "host").remove(0);
    assert_eq!((&host["id"], &host["lease"]["resource"]), (&json!("host0"), &json!("host0")));
    assert!(locked(&dir, "host0") && !locked(&dir, "host1"));
    let state = dir.read("host0/lock/lock/state");
    assert!(
        state.starts_with(host["lease"]["token"].as_str().unwrap()) && state.ends_with(" ann\n"),
        "{state}"
    );

    // Somebody else gets the other one, and then none.
    let mut other = provision(&dir, &STATIC);
    other.env(OTHER, dir.join("other"));
    let theirs = other.run();
    theirs.success();
    assert_eq!(of_type(&theirs, "host")[0]["id"], "host1");
    other.run().code(3).stderr_has("no host of the list is free; ").stderr_has(" has it");
    // What is described is not locked, nor looked at.
    assert_eq!(of_type(&provision(&dir, &["static", "pool"]).run(), "host").len(), 2);

    provision(&dir, &["release"]).stdin(mine.stdout.clone()).run().success();
    assert!(!locked(&dir, "host0") && locked(&dir, "host1"));
    assert!(leases(&dir).is_empty());
    // Theirs are not ours to give back.
    provision(&dir, &["release"]).stdin(theirs.stdout).run().code(3);
    provision(&dir, &["reap", "--now"]).run().success();
    assert!(locked(&dir, "host1"));
}

#[test]
fn a_lock_ends_with_its_time_whoever_has_it() {
    let dir = Dir::new();
    pool(&dir, 1);
    let words = ["static", "pool", "--lock-dir", "lock", "--ttl", "1s"];
    provision(&dir, &words).env(OTHER, dir.join("other")).run().success();
    // It is taken over as soon as the host's own clock says so.
    let taken = loop {
        let mine = provision(&dir, &STATIC).run();
        if mine.status.success() {
            break mine;
        }
        mine.code(3).stderr_has("has it");
    };
    // The old owner has nothing to give back any more.
    provision(&dir, &["reap"]).env(OTHER, dir.join("other")).run().success();
    assert!(locked(&dir, "host0"));
    provision(&dir, &["release"]).stdin(taken.stdout).run().success();
    assert!(!locked(&dir, "host0"));
}

#[test]
fn a_host_that_was_given_back_from_outside_is_used_by_one_only() {
    let dir = Dir::new();
    pool(&dir, 1);
    let words = ["static", "pool", "--lock-dir", "lock", "--serve", "--orphan-timeout", "3s"];
    let mut talk = Talk::start(&dir, &words, &[]);
    talk.say(&json!({"type": "want", "hosts": 1}));
    talk.expect("host");
    provision(&dir, &["release", "host0"]).run().success();
    assert_eq!(talk.expect("host-gone")["note"], "its lease was given back by somebody else");
    // It is one of the list still, and may be had again.
    assert_eq!(talk.expect("host")["id"], "host0");
    talk.say(&json!({"type": "shutdown"}));
    assert_eq!(talk.end(), Some(0));
    assert!(!locked(&dir, "host0"));
}

#[test]
fn a_host_that_is_adopted_is_locked_anew_and_given_to_nobody_else() {
    let dir = Dir::new();
    pool(&dir, 2);
    let words = ["static", "pool", "--lock-dir", "lock", "--serve"];
    let orphan = || {
        let mut talk = Talk::start(&dir, &words, &[]);
        talk.say(&json!({"type": "want", "hosts": 1}));
        let host = talk.expect("host");
        assert_eq!(talk.end(), Some(0));
        host
    };
    let host = orphan();
    let token = host["lease"]["token"].as_str().unwrap();
    // Its time is over, as it is when nobody has been there for long.
    dir.write("host0/lock/lock/state", format!("{token} 1 1 1 me\n"));
    let mut talk = Talk::start(&dir, &words, &[]);
    talk.say(&json!({"type": "adopt", "host": host}));
    assert_eq!(talk.expect("host"), host);
    let state = dir.read("host0/lock/lock/state");
    let until: u64 = state.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(state.starts_with(token) && until > 1, "{state}");
    talk.say(&json!({"type": "want", "hosts": 2}));
    assert_eq!(talk.expect("host")["id"], "host1");
    talk.say(&json!({"type": "shutdown"}));
    assert_eq!(talk.end(), Some(0));
    assert!(!locked(&dir, "host0") && !locked(&dir, "host1"));

    // Somebody else has it by now.
    let host = orphan();
    dir.write("host0/lock/lock/state", "theirs 99999999999 0 0 somebody\n");
    let mut talk = Talk::start(&dir, &words, &[]);
    talk.say(&json!({"type": "adopt", "host": host}));
    assert_eq!(talk.expect("host-gone")["id"], "host0");
    talk.say(&json!({"type": "shutdown"}));
    assert_eq!(talk.end(), Some(0));
    assert!(locked(&dir, "host0") && leases(&dir).is_empty());
}

#[test]
fn a_lock_whose_answer_was_lost_is_not_left_behind() {
    let dir = Dir::new();
    // The answer to the next question is lost, and with `lost` no other one comes through after it.
    let flaky = dir.script(
        "flaky",
        "#!/bin/sh\nif [ -e lost ]; then [ -s lost ] || { echo x >lost; \"$@\" >/dev/null; }; exit 1; fi\n\
         if [ -e lost-once ]; then rm lost-once; \"$@\" >/dev/null; exit 1; fi\nexec \"$@\"\n",
    );
    pool(&dir, 2);
    let list = dir.read("pool").replacen("[\"env\"", &format!("[\"{}\",\"env\"", flaky.display()), 1);
    dir.write("pool", list);
    dir.write("lost-once", "");
    let other = provision(&dir, &STATIC).run();
    other.success();
    assert_eq!(of_type(&other, "host")[0]["id"], "host1");
    assert!(!locked(&dir, "host0") && locked(&dir, "host1"));
    // Where nothing can be found out, the ledger knows which host it was.
    dir.write("lost", "");
    provision(&dir, &STATIC).run().code(3).stderr_has("host0: it does not say how it is with its lock");
    assert!(locked(&dir, "host0"));
    assert!(leases(&dir).iter().any(|lease| lease["resource"] == "host0"), "{:?}", leases(&dir));
    std::fs::remove_file(dir.join("lost")).unwrap();
    provision(&dir, &["reap"]).run().success();
    assert!(!locked(&dir, "host0") && locked(&dir, "host1"));
}

#[test]
fn nothing_is_lost_wherever_locking_is_killed() {
    let dir = Dir::new();
    pool(&dir, 2);
    killed_everywhere(&dir, &["static", "pool", "--lock-dir", "lock", "--serve"], &[], 1, |when| {
        assert!(!locked(&dir, "host0") && !locked(&dir, "host1"), "{when}");
    });
}

/// Takes and gives back hosts of a pool until it has had so many; says which it has, and asks the hosts whether anybody
/// else has them.
fn use_pool(dir: &Dir, state: &str, rounds: usize) {
    let words = ["static", "pool", "--lock-dir", "lock", "--serve"];
    let state = dir.join(state);
    let mut talk = Talk::start(dir, &words, &[(OTHER, state.to_str().unwrap())]);
    talk.say(&json!({"type": "want", "hosts": 3}));
    for round in 0..rounds {
        let host = talk.expect("host");
        let mark = dir.join(host["id"].as_str().unwrap()).join("in-use");
        // Made by whoever uses the host: that it is there already means that two do.
        std::fs::create_dir(&mark).unwrap_or_else(|e| panic!("{} in round {round}: {e}", mark.display()));
        std::fs::remove_dir(&mark).unwrap();
        talk.say(&json!({"type": "release", "id": host["id"]}));
    }
    talk.say(&json!({"type": "shutdown"}));
    assert_eq!(talk.end(), Some(0));
}

#[test]
fn two_owners_share_a_pool_and_never_a_host() {
    let dir = Dir::new();
    pool(&dir, 4);
    let rounds = if long() { 200 } else { 20 };
    std::thread::scope(|scope| {
        for owner in ["one", "two"] {
            let dir = &dir;
            scope.spawn(move || use_pool(dir, owner, rounds));
        }
    });
    assert!((0..4).all(|n| !locked(&dir, &format!("host{n}"))));
}

/// Two runs of owners who know nothing of each other, with these tests each.
fn two_runs(dir: &Dir, tests: &[Value], pool: &str, through: &[String]) {
    let tools = std::path::Path::new(env!("CARGO_BIN_EXE_atex-provision")).parent().unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    std::thread::scope(|scope| {
        for owner in ["one", "two"] {
            let (path, input) = (&path, lines(tests));
            scope.spawn(move || {
                let mut exec = tool(dir, "atex-exec");
                exec.args(["--run-dir", owner, "--provision", pool]).stdin(input).through(through);
                exec.timeout(std::time::Duration::from_secs(300));
                let output = exec.env("PATH", path).env(OTHER, dir.join(format!("state-{owner}"))).run();
                output.success();
                assert_eq!(of_type(&output, "result").len(), tests.len());
            });
        }
    });
}

#[test]
fn two_runs_share_a_pool_and_both_finish() {
    let dir = Dir::new();
    pool(&dir, 3);
    // It fails where somebody else is at work.
    let command = "mkdir $POOL_HOST/in-use && sleep 0.05 && rmdir $POOL_HOST/in-use";
    let tests: Vec<_> = (0..12).map(|n| test(&format!("/{n}"), command)).collect();
    two_runs(&dir, &tests, "atex-provision static pool --lock-dir lock", &[]);
    assert!((0..3).all(|n| !locked(&dir, &format!("host{n}"))));
}

#[test]
fn two_runs_share_ten_hosts_by_ssh_and_both_finish() {
    let Some(lab) = Lab::start_or_skip(10) else { return };
    let dir = Dir::new();
    let hosts: Vec<Value> = (0..10).map(|n| lab_host(&lab, n)).collect();
    dir.write("pool", lines(&hosts));
    let command = "mkdir /srv/in-use && sleep 0.05 && rmdir /srv/in-use";
    let tests: Vec<_> = (0..30).map(|n| test(&format!("/{n}"), command)).collect();
    two_runs(&dir, &tests, "atex-provision static pool --lock-dir /var/tmp/pool", &lab.prefix());
    assert!((0..10).all(|n| {
        lab.run(n, "ls /var/tmp/pool 2>/dev/null || :").trim().trim_start_matches("mutex").is_empty()
    }));
}

#[test]
fn the_list_is_read_again_when_it_has_changed() {
    let dir = Dir::new();
    pool(&dir, 1);
    let mut talk = Talk::start(&dir, &["static", "pool", "--lock-dir", "lock", "--serve"], &[]);
    talk.say(&json!({"type": "want", "hosts": 1}));
    let host = talk.expect("host");
    talk.say(&json!({"type": "want", "hosts": 0}));
    talk.say(&json!({"type": "release", "id": host["id"]}));
    talk.expect("released");
    pool(&dir, 2);
    // The one that was there before is somebody else's by now.
    dir.write("host0/lock/lock/state", "theirs 99999999999 0 0 somebody\n");
    talk.say(&json!({"type": "want", "hosts": 1}));
    assert_eq!(talk.expect("hello")["max"], 2);
    assert_eq!(talk.expect("host")["id"], "host1");
    // More than there were in the beginning, which is told without being asked.
    pool(&dir, 3);
    assert_eq!(talk.expect("hello")["max"], 3);
    talk.say(&json!({"type": "want", "hosts": 2}));
    assert_eq!(talk.expect("host")["id"], "host2");
    talk.say(&json!({"type": "shutdown"}));
    assert_eq!(talk.end(), Some(0));
}

#[test]
fn a_host_that_is_added_during_a_run_is_used() {
    let dir = Dir::new();
    pool(&dir, 2);
    let both = dir.read("pool");
    pool(&dir, 1);
    dir.write("both", both);
    let fifo = dir.join("used");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // The first host is busy until the second one, which it adds to the list, has been used.
    let here = dir.join(".").display().to_string();
    let first = format!("cd {here}; mv both pool; read -r host <used; [ \"$host\" = host1 ]");
    let second = format!("echo \"${{POOL_HOST##*/}}\" >{here}/used");
    let mut exec = tool(&dir, "atex-exec");
    let tools = std::path::Path::new(env!("CARGO_BIN_EXE_atex-provision")).parent().unwrap();
    exec.env("PATH", format!("{}:{}", tools.display(), std::env::var("PATH").unwrap()));
    exec.args(["--provision", "atex-provision static pool --lock-dir lock"]);
    let mut tests = [test("/first", &first), test("/second", &second)];
    tests[0]["data"]["extra-priority"] = json!(1);
    exec.stdin(lines(&tests));
    let output = exec.timeout(std::time::Duration::from_secs(120)).run();
    output.success();
    assert_eq!(of_type(&output, "result").len(), 2);
}
