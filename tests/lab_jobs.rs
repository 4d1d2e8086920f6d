//! The jobs of a lab in scripts/lab, with the real programs, on real hosts.

use atex_testkit::lab::Lab;
use atex_testkit::sandbox::{Command, Dir};
use serde_json::{Value, json};

use crate::provision_leases::{leases, provision};
use crate::stream::{lab_host, lines};

fn job(lab: &Lab, dir: &Dir, name: &str, words: &[&str]) -> Command {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lab").join(name);
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_atex-exec")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = dir.command(script);
    command.args(words).env("PATH", format!("{}:{path}", programs.display())).through(&lab.prefix());
    command
}

#[test]
fn hosts_are_provisioned_tested_and_torn_down() {
    let Some(lab) = Lab::start_or_skip(2) else { return };
    let dir = Dir::new();
    let mut pool = [lab_host(&lab, 0), lab_host(&lab, 1)];
    pool[1]["platform"] = "other".into();
    dir.write("lab.jsonl", lines(&pool));
    dir.write("tree/.fmf/version", "1\n");
    // Each finds the host as it was, whatever another has left there.
    let command = "cat /srv/kept/file /srv/updated && ! ls /srv/kept | grep -v file && echo x >/srv/kept/file && touch /srv/kept/.dirt";
    dir.write(
        "tree/main.fmf",
        format!("test: {command}\n/a:\n/b:\n/c:\n/not:\n  test: 'false'\n/never:\n  test: 'false'\n"),
    );
    dir.write("only", "^/[a-z]$  # letters\n^/not$\n");
    dir.write("no", "^/not$\n");
    dir.write(
        "parameters",
        "state=saved\nhosts=(static lab.jsonl -n 2 --ttl 1h --lock-dir /var/tmp/lab-lock)\n\
         prepare=(--script 'mkdir -p /srv/kept; echo original >/srv/kept/file')\n\
         restored=(/srv/kept)\ntree=tree\ndiscover=()\nonly=(only)\nno=(no)\n\
         update=(--script 'touch /srv/updated')\nexec=()\nreport=()\n",
    );
    let provisioned = job(&lab, &dir, "provision", &["parameters"]).run();
    provisioned.success();
    assert_eq!(leases(&dir).len(), 2);
    let saved: Vec<Value> =
        dir.read("saved/hosts.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let hosts: Vec<&Value> = saved.iter().filter(|record| record["type"] == "host").collect();
    assert_eq!(hosts.len(), 2);
    assert!(
        hosts.iter().all(|host| host["facts"]["boot_id"].is_string() && host["lease"]["token"].is_string())
    );

    for _ in 0..2 {
        let tested = job(&lab, &dir, "runtest", &["saved"]).run();
        tested.success();
        let results: Vec<Value> = dir
            .read("saved/results.jsonl")
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|record| record["type"] == "result")
            .collect();
        let mut seen: Vec<_> = results.iter().map(|r| (r["test"].clone(), r["status"].clone())).collect();
        seen.sort_by_key(|(test, _)| test.to_string());
        assert_eq!(seen, ["/a", "/b", "/c"].map(|test| (json!(test), json!("pass"))), "{}", tested.report());
    }
    let torn = job(&lab, &dir, "teardown", &["saved"]).run();
    torn.success();
    assert!(leases(&dir).is_empty(), "{}", torn.report());
    assert!((0..2).all(|n| lab.run(n, "ls /var/tmp/lab-lock").trim() == "mutex"));
    // Once more is no trouble.
    job(&lab, &dir, "teardown", &["saved"]).run().success();
}

#[test]
fn a_host_that_cannot_be_prepared_fails_the_job_and_is_torn_down() {
    let Some(lab) = Lab::start_or_skip(2) else { return };
    let dir = Dir::new();
    dir.write("lab.jsonl", lines(&[lab_host(&lab, 0), lab_host(&lab, 1)]));
    dir.write(
        "parameters",
        "state=saved\nhosts=(static lab.jsonl -n 2 --ttl 1h --lock-dir /var/tmp/lab-lock)\n\
         prepare=(--script '[ \"$ATEX_HOST\" != h1 ]')\nrestored=()\n",
    );
    let provisioned = job(&lab, &dir, "provision", &["parameters"]).run();
    provisioned.code(3).stderr_has("h1: script");
    let ready = provision(&dir, &["inventory"]).stdin(dir.read("saved/hosts.jsonl")).run();
    assert!(ready.stdout.contains("h0:") && !ready.stdout.contains("h1:"), "{}", ready.report());
    assert_eq!(leases(&dir).len(), 2);
    job(&lab, &dir, "teardown", &["saved"]).run().success();
    assert!(leases(&dir).is_empty());
}
