//! atex-exec with hosts of their own: files, processes and network that nobody else sees.

use atex_testkit::lab::{self, Lab};
use atex_testkit::sandbox::{Command, Dir, Output};
use serde_json::{Value, json};

use crate::stream::{exec, lab_host, lines, of_type, printed, records, test, verdicts};

/// atex-exec in the network of the lab.
fn exec_in(lab: &Lab, dir: &Dir, arguments: &[&str], records: &[Value]) -> Command {
    let mut command = exec(dir, arguments, records);
    command.through(&lab.prefix());
    command
}

/// What is left on a host of a run. (Hosts see the directories that this machine has had all along.)
fn left_on(lab: &Lab, index: usize, output: &Output) -> String {
    let run = records(output)[0]["run"].as_str().unwrap().to_owned();
    lab.run(index, &format!("ls -d /var/atex-{run}* /tmp/atex-{run}* 2>/dev/null || true"))
}

#[test]
fn eight_hosts_each_for_itself_and_no_trace_left() {
    let Some(lab) = Lab::start_or_skip(8) else { return };
    let dir = Dir::new();
    dir.script(
        "tree/sub dir/t.sh",
        "#!/bin/bash\nhostname\n[ -e /var/mark ] || echo fresh\ntouch /var/mark\n",
    );
    let mut input: Vec<Value> = (0..8).map(|n| lab_host(&lab, n)).collect();
    for n in 0..40 {
        let mut test = test(&format!("/t{n}"), "./t.sh; sleep 0.1");
        test["tree"] = dir.join("tree").to_str().unwrap().into();
        test["dir"] = "sub dir".into();
        input.push(test);
    }
    let output = exec_in(&lab, &dir, &[], &input).run();
    output.success();
    let ends = of_type(&output, "test-end");
    let said: Vec<String> =
        ends.iter().map(|end| printed(&dir, &output, end["test"].as_str().unwrap())).collect();
    assert_eq!(said.iter().filter(|text| text.contains("fresh")).count(), 8, "each host has its own files");
    for (end, said) in ends.iter().zip(&said) {
        let index: usize = end["host"].as_str().unwrap()[1..].parse().unwrap();
        assert_eq!(said.lines().next().unwrap(), lab.host(index).name, "it ran where the record says");
    }
    for n in 0..8 {
        assert_eq!(left_on(&lab, n, &output), "", "no trace in host {n}");
        // Its first process, sshd, and the command that asks.
        let processes = lab.run(n, "cat /proc/[0-9]*/comm");
        assert!(!processes.contains("dd") && !processes.contains("tail"), "{processes}");
    }
}

#[test]
fn a_host_without_bash_is_refused_and_says_why() {
    let Some(lab) =
        atex_testkit::need(lab::available(), || Lab::start_with(1, |host| host.hide(&["/usr/bin/bash"])))
    else {
        return;
    };
    let dir = Dir::new();
    let output = exec_in(&lab, &dir, &[], &[lab_host(&lab, 0), test("/a", "true")]).run();
    output.code(3).stderr_has("atex-exec: h0: bash: not found there; tests cannot run without it");
    assert_eq!(verdicts(&output), ["/a infra host"]);
    assert_eq!(of_type(&output, "host-end")[0]["reason"], "unhealthy");
    assert_eq!(left_on(&lab, 0, &output), "", "nothing stays on a host that is not used");
}

#[test]
fn a_host_with_a_full_disk_is_let_go_and_another_does_the_work() {
    let Some(lab) = Lab::start_or_skip(2) else { return };
    let dir = Dir::new();
    lab.limit_disk(0, "/srv", 64 << 10);
    dir.write("tree/big", vec![b'x'; 1 << 20]);
    // Until it has been seen the other host is busy with one of two tests.
    let tests = ["/a", "/b"].map(|name| {
        let mut test = test(name, "until [ -e /go ]; do sleep 0.05; done; wc -c <big");
        test["tree"] = dir.join("tree").to_str().unwrap().into();
        test
    });
    let input = [vec![lab_host(&lab, 0), lab_host(&lab, 1)], tests.to_vec()].concat();
    let life = exec_in(&lab, &dir, &["--work-dir", "/srv"], &input).start();
    life.wait_for_stderr("No space left on device");
    lab.run(1, "touch /go");
    let output = life.finish();
    output.code(3).stderr_has("h0: ");
    assert_eq!(verdicts(&output), ["/a pass test", "/b pass test"]);
    assert_eq!(printed(&dir, &output, "/a"), "1048576\n");
}

#[test]
fn where_var_is_of_no_use_tmp_is_used() {
    let Some(lab) = Lab::start_or_skip(2) else { return };
    let dir = Dir::new();
    lab.run(0, "mount -t tmpfs -o ro tmpfs /var");
    lab.limit_disk(1, "/var", 64 << 10);
    for n in 0..2 {
        let records =
            [lab_host(&lab, n), test("/a", "echo $BASH_SOURCE $0 >/dev/null; readlink /proc/$$/fd/255")];
        let run = format!("run-{n}");
        let mut command = dir.command(env!("CARGO_BIN_EXE_atex-exec"));
        let output = command.args(["--run-dir", &run]).stdin(lines(&records)).through(&lab.prefix()).run();
        output.success();
        let printed = dir.read(format!("{run}/results/default/a/attempt-1/files/output.txt"));
        assert!(printed.starts_with("/tmp/atex-"), "{n}: {printed}");
        assert_eq!(left_on(&lab, n, &output), "", "no trace is left");
    }
}

#[test]
fn a_full_disk_under_the_run_directory_loses_nothing_that_was_made() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    // In a mount namespace of its own, so that the small disk is seen by nobody else.
    let exec = env!("CARGO_BIN_EXE_atex-exec");
    let script = format!(
        "mkdir small && mount -t tmpfs -o size=300k tmpfs small && {exec} --run-dir small/run; code=$?; \
         cp -r small/run kept; exit $code"
    );
    let big = "head -c 100000 /dev/zero";
    let tests: Vec<Value> = (0..6).map(|n| test(&format!("/{n}"), big)).collect();
    let mut input = vec![lab_host(&lab, 0)];
    input.extend(tests);
    let mut command = dir.command("unshare");
    command.args(["--mount", "sh", "-c", &script]).through(&lab.prefix()).stdin(lines(&input));
    let output = command.run();
    output.code(3).stderr_has("No space left on device").stderr_has("hint: ");
    assert_eq!(of_type(&output, "end")[0]["complete"], false);
    let passed: Vec<Value> =
        of_type(&output, "test-end").into_iter().filter(|end| end["outcome"] == "pass").collect();
    assert!((1..6).contains(&passed.len()), "{}", output.report());
    for end in &passed {
        let artifacts = format!("kept/results/default{}/attempt-1", end["test"].as_str().unwrap());
        assert_eq!(dir.read(format!("{artifacts}/files/output.txt")).len(), 100_000);
        assert!(dir.read(format!("{artifacts}/results.jsonl")).ends_with("}\n"));
    }
    for line in dir.read("kept/journal.jsonl").lines() {
        serde_json::from_str::<Value>(line).expect("every line of the journal is whole");
    }
    assert!(passed.iter().all(|end| end["cause"] == json!("test")));
    assert_eq!(left_on(&lab, 0, &output), "", "the host is cleaned all the same");
}
