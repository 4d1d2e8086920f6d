//! Leases of atex-provision, with a provider that is a shell script: reserved, shown, given back, and found again after
//! any death.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use atex_testkit::sandbox::{Command, Dir, Output};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::provision_serve::Talk;
use crate::stream::{of_type, records, tool};

/// A provider for `atex-provision exec`. What it holds are directories in `held`; one that is not ours lies there too.
const LAB: &str = r#"#!/bin/sh
read -r request
get() { printf '%s' "$request" | jq -r ".$1 // empty"; }
lease=$(get lease)
cd "${0%/*}/held" || exit 1
case $(get cmd) in
create)
    if [ -e ../broken ]; then
        echo '{"success":false,"note":"no machine is left","retry":false}'
        exit
    fi
    while [ -e ../slow ]; do sleep 0.05; done
    mkdir "$lease"
    [ ! -e ../forgetful ] || exit 9
    printf '{"success":true,"host":{"addr":"10.0.0.7","user":"root","id":"lab/%s"}}\n' "${lease##*-}"
    ;;
list)
    while [ -e ../slow ]; do sleep 0.05; done
    [ ! -e ../blind ] || cd ..
    ls | jq -Rnc --arg lease "$lease" '{success: true, leases: [inputs | select(startswith($lease)) | {lease: .}]}'
    ;;
release)
    : >../releasing
    while [ -e ../slow-release ]; do sleep 0.05; done
    if [ -e ../stuck ]; then
        echo '{"success":false,"note":"the door is locked","retry":false}'
        exit
    fi
    # It has to be told twice.
    if [ -e ../lazy ]; then rm ../lazy; else rmdir "$lease" 2>/dev/null; fi
    echo '{"success":true}'
    ;;
extend) echo '{"success":true}' ;;
esac
"#;

pub(crate) fn lab() -> Dir {
    let dir = Dir::new();
    dir.script("lab", LAB);
    dir.write("held/atex-00000000-somebody/x", "");
    dir.write("held/others-machine/x", "");
    dir
}

/// What the provider holds of ours.
pub(crate) fn held(dir: &Dir) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join("held")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let (others, ours): (Vec<String>, Vec<String>) =
        names.partition(|name| dir.join("held").join(name).join("x").exists());
    assert_eq!(others.len(), 2, "what is not ours is left alone");
    ours
}

pub(crate) fn provision(dir: &Dir, words: &[&str]) -> Command {
    let mut command = tool(dir, "atex-provision");
    command.args(words);
    command
}

pub(crate) fn leases(dir: &Dir) -> Vec<Value> {
    let output = provision(dir, &["leases", "--json"]).run();
    output.success();
    records(&output)
}

fn killed(output: &Output) -> bool {
    let dead = output.status.signal() == Some(Signal::SIGKILL as i32);
    if !dead {
        output.success();
    }
    dead
}

const RESERVE: [&str; 6] = ["exec", "-n", "2", "--ttl", "1h", "./lab"];

/// A lease could not be ended without the program, and `reap` would fail from then on.
#[test]
fn nothing_is_leased_where_the_program_of_the_provider_is_not_installed() {
    let dir = lab();
    std::fs::create_dir(dir.join("empty")).unwrap();
    let key = dir.write("key.pub", "ssh-ed25519 AAAA").display().to_string();
    for (program, words) in [
        ("podman", &["podman", "--image", "x"][..]),
        ("virsh", &["libvirt", "--origin", "x"]),
        ("openstack", &["openstack", "--image", "x", "--flavor", "y"]),
        ("bkr", &["beaker", "--distro", "x"]),
        ("curl", &["testing-farm", "--compose", "x", "--public-key", &key]),
    ] {
        let words = [words, &["-n", "1", "--ttl", "1h"]].concat();
        let path = dir.join("empty");
        let asked = provision(&dir, &words).env("PATH", path).env("TESTING_FARM_API_TOKEN", "x").run();
        asked.code(3).stderr_has(&format!("atex-provision: {program}: it is not installed, or not in PATH"));
        assert!(!asked.stderr.contains("reap"), "{}", asked.report());
        assert_eq!(leases(&dir), [Value::Null; 0], "{program}");
    }
}

#[test]
fn hosts_are_reserved_shown_and_given_back() {
    let dir = lab();
    let reserved = provision(&dir, &["exec", "-n", "2", "--ttl", "1h", "--owner", "ann", "./lab"]).run();
    reserved.success();
    let hosts = of_type(&reserved, "host");
    assert_eq!(hosts.len(), 2);
    assert_eq!(hosts[0]["connect"], json!({"how": "ssh", "host": "10.0.0.7", "user": "root"}));
    let token = hosts[0]["lease"]["token"].as_str().unwrap();
    assert!(held(&dir).contains(&token.to_owned()));
    assert_eq!(hosts[0]["lease"]["provisioner"], "exec");
    assert_eq!(records(&reserved).last().unwrap()["counts"], json!({"hosts": 2}));

    let all = leases(&dir);
    assert_eq!(all.len(), 2);
    for lease in &all {
        assert_eq!((&lease["owner"], &lease["state"]), (&json!({"name": "ann"}), &json!("held")));
        assert!(lease["holder"].is_null() && lease["until"].is_string());
    }
    let table = provision(&dir, &["leases"]).run();
    table.success();
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", table.stdout);
    assert!(lines[0].starts_with("HOST") && lines[1].contains("ann"), "{}", table.stdout);

    // A reserved host has nobody who looks after it, and is nobody's prey before its time is over.
    provision(&dir, &["reap", "--now"]).run().success();
    assert_eq!(held(&dir).len(), 2);

    // Among other records, and twice.
    let input = format!(
        "{{\"type\":\"result\",\"x\":1}}\n{}{{\"type\":\"host\",\"id\":\"b\",\"connect\":{{\"how\":\"local\"}}}}\n",
        reserved.stdout
    );
    dir.script("lazy", "");
    let released = provision(&dir, &["release"]).stdin(input.clone()).run();
    released.success();
    assert_eq!(held(&dir), [""; 0]);
    assert!(leases(&dir).is_empty());
    assert_eq!(of_type(&released, "released").len(), 2);
    assert_eq!(of_type(&released, "result").len(), 1);
    assert_eq!(of_type(&released, "host").len(), 1);
    provision(&dir, &["release"]).stdin(input).run().success();
}

#[test]
fn only_what_belongs_to_a_lease_bears_its_token() {
    let dir = lab();
    dir.script("watched", "#!/bin/sh\necho \"${ATEX_LEASE-none}\" >>seen\nexec ./lab\n");
    let reserved = provision(&dir, &["exec", "--ttl", "1h", "./watched"]).run();
    reserved.success();
    let token = of_type(&reserved, "host")[0]["lease"]["token"].as_str().unwrap().to_owned();
    provision(&dir, &["reap"]).run().success();
    provision(&dir, &["release", &token]).run().success();
    // Created; listed by `reap`; released, and listed to see that it is gone.
    assert_eq!(dir.read("seen"), format!("{token}\nnone\n{token}\nnone\n"));
}

#[test]
fn what_cannot_be_had_is_said_and_leaves_nothing() {
    let dir = lab();
    dir.write("broken", "");
    let output = provision(&dir, &RESERVE).run();
    output.code(3).stderr_has("./lab: no machine is left");
    assert!(leases(&dir).is_empty());
    std::fs::remove_file(dir.join("broken")).unwrap();
    // It has created a host, and died before it said so.
    dir.write("forgetful", "");
    provision(&dir, &RESERVE).run().code(3).stderr_has("exit status 9");
    assert_eq!(held(&dir), [""; 0]);
    assert!(leases(&dir).is_empty());
    provision(&dir, &["exec", "./nowhere"]).run().code(3).stderr_has("it is not installed");
    provision(&dir, &["release", "nobody"]).run().code(2).stderr_has("nobody: there is no such lease");
}

#[test]
fn a_lease_shows_that_its_holder_lives_from_its_intent_on() {
    // What only a silent holder tells, on another machine, is that it is dead.
    for mode in ["--ttl=1h", "--serve"] {
        let dir = lab();
        dir.write("slow", "");
        let mut talk = Talk::start(&dir, &["exec", mode, "--orphan-timeout", "3s", "./lab"], &[]);
        talk.say(&json!({"type": "want", "hosts": 1}));
        let place = dir.home().join(".local/state/atex/leases");
        let touched = || {
            let entry = std::fs::read_dir(&place).into_iter().flatten().flatten().next()?;
            entry.metadata().and_then(|data| data.modified()).ok()
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        let wait = |is_so: &dyn Fn() -> bool| {
            while !is_so() {
                assert!(Instant::now() < deadline, "{mode}: it does not come");
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        wait(&|| leases(&dir).first().is_some_and(|lease| lease["state"] == "creating"));
        let first = touched();
        wait(&|| touched() > first);
        assert_eq!(leases(&dir)[0]["state"], "creating");
        std::fs::remove_file(dir.join("slow")).unwrap();
        talk.expect("host");
    }
}

#[test]
fn what_another_provisioner_leased_is_handed_on() {
    let dir = lab();
    let host = r#"{"type":"host","id":"lab17","connect":{"how":"local"},"lease":{"token":"lab17","provisioner":"labd"}}"#;
    let output = provision(&dir, &["release"]).stdin(format!("{host}\n")).run();
    output.success().stderr_has("lab17: its lease is one of labd");
    assert_eq!(of_type(&output, "released").len(), 0);
    assert_eq!(output.stdout.lines().next(), Some(host));
    assert_eq!(records(&output).last().unwrap()["counts"], json!({"released": 0}));
}

#[test]
fn a_second_signal_ends_it_also_while_all_is_given_back() {
    let dir = lab();
    dir.write("slow-release", "");
    let mut reserve = provision(&dir, &RESERVE);
    // Nobody can know of the hosts.
    let running = reserve.through(&["sh", "-c", "exec \"$@\" >/dev/full", "sh"].map(str::to_owned)).start();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !dir.join("releasing").exists() {
        assert!(Instant::now() < deadline, "nothing is given back");
        std::thread::sleep(Duration::from_millis(10));
    }
    running.signal(Signal::SIGTERM);
    running.wait_for_stderr("another signal ends this at once");
    running.signal(Signal::SIGTERM);
    running.finish().code(143).stderr_has("`atex-provision reap` does the rest");
    std::fs::remove_file(dir.join("slow-release")).unwrap();
    provision(&dir, &["reap", "--now"]).run().success();
    assert_eq!(held(&dir), [""; 0]);
    assert!(leases(&dir).is_empty());
}

#[test]
fn a_provider_that_refuses_and_sees_nothing_is_not_believed() {
    let dir = lab();
    let reserved = provision(&dir, &RESERVE).run();
    reserved.success();
    dir.write("stuck", "");
    dir.write("blind", "");
    let refused = provision(&dir, &["release"]).stdin(reserved.stdout).run();
    refused.code(3).stderr_has("the door is locked");
    assert_eq!((held(&dir).len(), leases(&dir).len()), (2, 2));
    std::fs::remove_file(dir.join("stuck")).unwrap();
    std::fs::remove_file(dir.join("blind")).unwrap();
    provision(&dir, &["reap"]).run().success();
    assert_eq!(held(&dir), [""; 0]);
    assert!(leases(&dir).is_empty());
}

#[test]
fn a_line_that_is_wrong_does_not_keep_others_from_being_given_back() {
    let dir = lab();
    let reserved = provision(&dir, &RESERVE).run();
    let foreign = r#"{"type":"host","id":"f","connect":{"how":"local"},"lease":{"token":"atex-ffffffff-1"}}"#;
    let input = format!("nonsense\n{foreign}\n{}", reserved.stdout);
    let output = provision(&dir, &["release"]).stdin(input).run();
    output.code(2).stderr_has("stdin:1:").stderr_has("another user or machine");
    assert_eq!(held(&dir), [""; 0]);
}

#[test]
fn nothing_is_lost_wherever_reserving_is_killed() {
    let dir = lab();
    for point in 1.. {
        let output = provision(&dir, &RESERVE).env("ATEX_FAULT", point.to_string()).run();
        let dead = killed(&output);
        provision(&dir, &["reap", "--now"]).run().success();
        // What was left to itself before the end is still there.
        let left = leases(&dir);
        assert!(left.iter().all(|lease| lease["state"] == "held" && lease["holder"].is_null()), "{left:?}");
        assert_eq!(held(&dir).len(), left.len(), "killed at point {point}");
        let tokens: Vec<&str> = left.iter().map(|lease| lease["token"].as_str().unwrap()).collect();
        if !tokens.is_empty() {
            provision(&dir, &["release"]).args(&tokens).run().success();
        }
        assert_eq!(held(&dir), [""; 0], "killed at point {point}");
        assert!(leases(&dir).is_empty());
        if !dead {
            assert!(point > 20, "there were {point} points");
            break;
        }
    }
}

#[test]
fn nothing_is_lost_wherever_giving_back_is_killed() {
    let dir = lab();
    for point in 1.. {
        let reserved = provision(&dir, &RESERVE).run();
        reserved.success();
        let mut release = provision(&dir, &["release"]);
        let dead = killed(&release.stdin(reserved.stdout.clone()).env("ATEX_FAULT", point.to_string()).run());
        provision(&dir, &["reap", "--now"]).run().success();
        provision(&dir, &["release"]).stdin(reserved.stdout.clone()).run().success();
        assert_eq!(held(&dir), [""; 0], "killed at point {point}");
        assert!(leases(&dir).is_empty());
        if !dead {
            assert!(point > 10, "there were {point} points");
            break;
        }
    }
}

#[test]
fn what_bears_our_token_is_found_without_its_lease() {
    let dir = lab();
    let reserved = provision(&dir, &RESERVE).run();
    reserved.success();
    let hosts = of_type(&reserved, "host");
    let token = hosts[0]["lease"]["token"].as_str().unwrap();
    std::fs::remove_file(dir.home().join(".local/state/atex/leases").join(token)).unwrap();
    let tried = provision(&dir, &["reap", "--dry-run"]).run();
    tried.success();
    assert_eq!(of_type(&tried, "would-release")[0]["id"], token);
    assert_eq!(held(&dir).len(), 2);
    let reaped = provision(&dir, &["reap"]).run();
    reaped.success();
    assert_eq!(of_type(&reaped, "released")[0]["id"], token);
    assert_eq!(held(&dir), [hosts[1]["lease"]["token"].as_str().unwrap()]);
}

#[test]
fn time_and_the_end_of_a_run_end_a_lease() {
    let dir = lab();
    let run = dir.write("run/journal.jsonl", "").parent().unwrap().to_owned();
    let of_run = |ttl: &str| {
        let mut command = provision(&dir, &["exec", "--ttl", ttl, "./lab"]);
        command.env("ATEX_RUN_ID", "ab12").env("ATEX_RUN_DIR", &run).run().success();
    };
    of_run("1h");
    provision(&dir, &["exec", "--ttl", "1s", "./lab"]).run().success();
    // Until a second has passed there is nothing to do; after that there is.
    while held(&dir).len() > 1 {
        provision(&dir, &["reap"]).run().success();
    }
    assert_eq!(leases(&dir)[0]["owner"], json!({"run": {"id": "ab12", "dir": run}}));
    provision(&dir, &["reap", "--older-than", "1h", "--now"]).run().success();
    assert_eq!(held(&dir).len(), 1);
    std::fs::remove_dir_all(&run).unwrap();
    provision(&dir, &["reap", "--older-than", "1h"]).run().success();
    assert_eq!(held(&dir).len(), 1);
    provision(&dir, &["reap"]).run().success();
    assert_eq!(held(&dir), [""; 0]);
}
