//! What asks a host for its facts, under every shell that a host may have, on this machine.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use atex_host::facts::{self, Own};
use serde_json::Value;

/// What a shell prints that reads the script. `hidden`: without the programs that are not certain to be on a host.
fn printed(shell: &[&str], script: &str, hidden: bool) -> String {
    let bin = tempfile::tempdir().unwrap();
    for program in ["uname", "grep", "sh"] {
        let there = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(program));
        let there = there.iter().find(|path| path.exists()).unwrap();
        std::os::unix::fs::symlink(there, bin.path().join(program)).unwrap();
    }
    let mut command = Command::new(shell[0]);
    if hidden {
        command.env("PATH", bin.path());
    }
    let command =
        command.args(&shell[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shell:?}: {said}");
    // What a command of the user's says is for the user.
    assert_eq!(said, "complaint\n", "{shell:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_shell_says_the_same() {
    let own = [
        "lines=printf '%s\\n' 'a  b' '\\c'",
        "bad=echo complaint >&2; exit 7",
        "none=:",
        "in=read x || echo empty",
    ];
    let own = own.map(|text| text.parse::<Own>().unwrap());
    let script = facts::script(&own);
    let mut seen = Vec::new();
    let shells =
        [&["/bin/sh", "-s"][..], &["/bin/dash", "-s"], &["/bin/bash", "-s"], &["/bin/busybox", "sh", "-s"]];
    for shell in shells {
        if !Path::new(shell[0]).exists() {
            let required = std::env::var_os("ATEX_TEST_REQUIRE").is_some_and(|value| value == "1");
            assert!(!required, "ATEX_TEST_REQUIRE=1, but {} is not installed", shell[0]);
            let line = format!("SKIPPED: facts under {}: it is not installed\n", shell[0]);
            let _ = std::io::stderr().write_all(line.as_bytes());
            continue;
        }
        for hidden in [false, true] {
            let answers = facts::parse(&printed(shell, &script, hidden)).expect("it comes to its end");
            assert_eq!(answers.failed, [("bad".to_owned(), "7".to_owned())]);
            seen.push(answers.facts);
        }
    }
    let facts = &seen[0];
    assert_eq!(facts["lines"], serde_json::json!(["a  b", "\\c"]));
    assert_eq!(facts["in"], "empty", "the script is not its input");
    assert!(!facts.contains_key("none") && !facts.contains_key("bad"));
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(facts["boot_id"], boot.trim());
    let release = std::fs::read_to_string("/etc/os-release").unwrap();
    assert_eq!(facts["distro"].as_str(), facts::distro(&release).as_deref());
    let cpus = std::thread::available_parallelism().unwrap().get() as u64;
    assert_eq!(facts["cpus"], cpus);
    assert!(facts["memory_mib"].as_u64() > Some(64), "{facts:?}");
    for other in &seen[1..] {
        // Without the programs that know better, what is told is told by files: CPUs that a process may not use count.
        let differs = |name: &str| ["virtualization", "cpus"].contains(&name);
        let same = |of: &atex_model::Facts| {
            let of = of.iter().filter(|(name, _)| !differs(name));
            Value::Object(of.map(|(name, value)| (name.clone(), value.clone())).collect())
        };
        assert_eq!(same(other), same(facts));
        assert!(other["cpus"].as_u64() >= Some(1) && other["virtualization"].is_string());
    }
}
