//! What is done with the hosts of a stream: real hosts of a lab, and this machine by another name.

use std::time::{Duration, Instant};

use atex_testkit::lab::Lab;
use atex_testkit::need;
use atex_testkit::sandbox::{Command, Dir, Output};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::provision_leases::{lab as exec_lab, leases, provision};
use crate::stream::{lab_host, lines, of_type, test};

/// atex-provision where the hosts of the lab can be reached.
fn at(lab: &Lab, dir: &Dir, words: &[&str], records: &[Value]) -> Command {
    let mut command = provision(dir, words);
    command.through(&lab.prefix()).stdin(lines(records));
    command
}

/// This machine, in a directory of its own.
fn directory(dir: &Dir, id: &str) -> Value {
    let home = dir.join(id);
    std::fs::create_dir_all(&home).unwrap();
    json!({"type": "host", "id": id, "connect": {"how": "command", "argv": ["env", "-C", home, format!("HOME={}", home.display())]}})
}

/// A host that answers nothing.
fn silent(id: &str) -> Value {
    json!({"type": "host", "id": id, "connect": {"how": "command", "argv": ["sh", "-c", "exec sleep 30"]},
        "lease": {"token": format!("token-{id}")}})
}

/// One that cannot be reached.
fn missing(id: &str) -> Value {
    json!({"type": "host", "id": id, "connect": {"how": "command", "argv": ["/nonexistent/enter"]}})
}

#[track_caller]
fn end(output: &Output) -> Value {
    of_type(output, "end").pop().unwrap_or_else(|| panic!("{}", output.report()))
}

#[track_caller]
fn ids(output: &Output, kind: &str) -> Vec<String> {
    let mut ids: Vec<String> =
        of_type(output, kind).iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

// ---- facts, check ----

#[test]
fn hosts_say_what_they_are_like() {
    let Some(lab) = Lab::start_or_skip(3) else { return };
    lab.kill(1);
    lab.run(2, "rm -f /etc/os-release && printf 'ID=\"rhel\"\\nVERSION_ID=\"9.4\"\\n' >/etc/os-release");
    let dir = Dir::new();
    let mut known = lab_host(&lab, 2);
    known["facts"] = json!({"arch": "mine", "cpus": 1000});
    known["unknown"] = json!({"kept": 1.50});
    let other = test("/t", "true");
    let records = [lab_host(&lab, 0), other.clone(), lab_host(&lab, 1), known.clone()];
    let words = ["facts", "--fact", "name=hostname", "--fact", "bad=false"];
    let output = at(&lab, &dir, &words, &records).run();
    output.code(3).stderr_has("h1: ").stderr_has("h0: fact bad: its command ended with 1");
    assert_eq!(of_type(&output, "test"), [other]);
    assert_eq!(end(&output)["counts"], json!({"hosts": 2, "gone": 1}));
    let gone = of_type(&output, "host-gone").remove(0);
    assert_eq!(gone["id"], "h1");
    assert!(gone["note"].as_str().unwrap().contains("10.99.0."), "{gone}");
    let hosts = of_type(&output, "host");
    let of = |id: &str| {
        hosts.iter().find(|host| host["id"] == id).unwrap_or_else(|| panic!("{}", output.report()))
    };
    let facts = &of("h0")["facts"];
    assert_eq!(facts["name"], lab.run(0, "hostname").trim());
    assert_eq!(facts["boot_id"], lab.run(0, "cat /proc/sys/kernel/random/boot_id").trim());
    assert_eq!(facts["kernel"], lab.run(0, "uname -r").trim());
    assert!(facts["cpus"].as_u64() > Some(0) && facts["memory_mib"].as_u64() > Some(64), "{facts}");
    assert!(facts["virtualization"].is_string() && facts.get("bad").is_none());
    let facts = &of("h2")["facts"];
    assert_eq!((&facts["distro"], &facts["version"]), (&json!("rhel-9.4"), &json!("9.4")));
    assert_eq!((&facts["arch"], &facts["cpus"]), (&json!("mine"), &json!(1000)), "what is known stays");
    assert_eq!(of("h2")["unknown"], known["unknown"]);

    let output = at(&lab, &dir, &["facts", "--refresh"], &[known]).run();
    output.success();
    let facts = of_type(&output, "host")[0]["facts"].clone();
    assert_eq!(facts["arch"], std::env::consts::ARCH);
    assert!(facts.get("name").is_none());

    // What tests ask for is decided by it.
    let mut wants = test("/rhel", "true");
    wants["data"]["extra-host"] = json!("distro == rhel-9");
    let tools = std::path::Path::new(env!("CARGO_BIN_EXE_atex-exec"));
    let input = lines(&[lab_host(&lab, 0), lab_host(&lab, 2), wants]);
    let pipeline = "\"$1\" facts | \"$2\" --run-dir run";
    let words = ["-c", pipeline, "sh", env!("CARGO_BIN_EXE_atex-provision"), tools.to_str().unwrap()];
    let output = dir.command("sh").args(words).through(&lab.prefix()).stdin(input).run();
    output.success();
    assert_eq!(of_type(&output, "result")[0]["host"], "h2", "{}", output.report());
}

#[test]
fn hosts_are_alive_or_gone_within_the_time_of_all() {
    let Some(lab) = Lab::start_or_skip(2) else { return };
    let dir = Dir::new();
    let line = format!(" {}", lab_host(&lab, 0));
    // Most of them hang, and more than can be asked at once, before the one that is alive.
    let mut input = lines(&(0..100).map(|n| silent(&format!("s{n}"))).collect::<Vec<_>>());
    input.push_str(&format!("{line}\n{{\"type\":\"odd\",  \"x\":1.50}}\n"));
    let mut check = at(&lab, &dir, &["check", "--timeout", "12s"], &[]);
    let begun = Instant::now();
    let output = check.stdin(input).run();
    assert!(begun.elapsed() < Duration::from_secs(45), "{:?}", begun.elapsed());
    output.code(3);
    // Byte for byte.
    assert!(output.stdout.lines().any(|out| out == line), "{}", output.report());
    assert!(output.stdout.lines().any(|out| out == "{\"type\":\"odd\",  \"x\":1.50}"));
    assert_eq!(end(&output)["counts"], json!({"hosts": 1, "gone": 100}));
    let gone = of_type(&output, "host-gone");
    let noted = |note: &str| gone.iter().filter(|gone| gone["note"] == note).count();
    assert_eq!(noted("no answer within 12 s"), 100, "each is asked");
    let lease = |gone: &Value| gone["lease"]["token"].as_str().unwrap().to_owned();
    assert!(gone.iter().all(|gone| lease(gone) == format!("token-{}", gone["id"].as_str().unwrap())));

    // One that vanishes, and one whose sshd is gone.
    lab.cut(0);
    let hosts = [lab_host(&lab, 0), lab_host(&lab, 1)];
    let output = at(&lab, &dir, &["check", "--timeout", "20s", "--allow-gone"], &hosts).run();
    output.success();
    assert_eq!((ids(&output, "host"), ids(&output, "host-gone")), (vec!["h1".into()], vec!["h0".into()]));
}

#[test]
fn a_wrong_line_ends_the_input_and_not_what_goes_on() {
    let dir = Dir::new();
    let input = format!("{}nonsense\n{}", lines(&[directory(&dir, "a")]), lines(&[directory(&dir, "b")]));
    let output = provision(&dir, &["check"]).stdin(input).run();
    output.code(2).stderr_has("stdin:2:");
    assert_eq!(ids(&output, "host"), ["a"]);
    assert_eq!(end(&output)["complete"], false);
}

#[test]
fn hosts_that_a_signal_keeps_from_being_done_come_out_with_their_leases() {
    let dir = Dir::new();
    let hosts: Vec<Value> = (0..3).map(|n| silent(&format!("s{n}"))).collect();
    let mut check = provision(&dir, &["check", "--parallel", "1"]);
    let running = check.stdin(lines(&[test("/t", "true"), directory(&dir, "a")]) + &lines(&hosts)).start();
    running.wait_for_stdout("\"id\":\"a\"");
    running.signal(Signal::SIGTERM);
    let output = running.finish();
    output.code(143);
    assert_eq!(ids(&output, "host-gone"), ["s0", "s1", "s2"]);
    assert!(of_type(&output, "host-gone").iter().all(|gone| gone["lease"]["token"].is_string()));
}

#[test]
fn a_host_that_is_gone_is_given_back_by_its_lease() {
    let dir = exec_lab();
    let hosts = provision(&dir, &["exec", "-n", "2", "./lab"]).run();
    hosts.success();
    let mut records = of_type(&hosts, "host");
    records[0]["connect"] = missing("x")["connect"].clone();
    records[1]["connect"] = directory(&dir, "here")["connect"].clone();
    let checked = provision(&dir, &["check", "--allow-gone"]).stdin(lines(&records)).run();
    checked.success();
    assert_eq!(of_type(&checked, "host-gone").len(), 1);
    let released = provision(&dir, &["release"]).stdin(checked.stdout).run();
    released.success();
    assert_eq!(of_type(&released, "released").len(), 2);
    assert!(leases(&dir).is_empty());
}

// ---- prepare ----

#[test]
fn hosts_are_made_ready_in_the_order_of_the_steps() {
    let Some(lab) = Lab::start_or_skip(2) else { return };
    let dir = Dir::new();
    dir.write("conf/sub/x.conf", "x=1\n");
    dir.write("one", "1\n");
    dir.script(
        "setup.sh",
        "#!/bin/bash\necho \"$ATEX_HOST $ATEX_PLATFORM ${BASH_VERSION%%.*}\" >>/srv/log; cat >>/srv/log\n",
    );
    let words = [
        "prepare",
        "--file",
        "conf:/srv/conf",
        "--file",
        "one:/srv/deep/er/two",
        "--script",
        "@setup.sh",
        "--script",
        "cat /srv/conf/sub/x.conf /srv/deep/er/two >>/srv/log; echo done here",
        "--file",
        "one:/srv/",
        "--logs",
        "logs",
    ];
    let mut hosts = [lab_host(&lab, 0), lab_host(&lab, 1)];
    hosts[1]["platform"] = "p".into();
    hosts[1]["done"] = json!([{"before": 1}]);
    let output = at(&lab, &dir, &words, &hosts).run();
    output.success();
    let records = of_type(&output, "host");
    let of = |id: &str| records.iter().find(|host| host["id"] == id).unwrap();
    let done = json!([
        {"file": "/srv/conf"}, {"file": "/srv/deep/er/two"}, {"script": "setup.sh"},
        {"script": "cat /srv/conf/sub/x.conf /srv/deep/er/two >>/srv/log; echo done here"}, {"file": "/srv/"},
    ]);
    assert_eq!(of("h0")["done"], done);
    assert_eq!(of("h1")["done"][0], json!({"before": 1}));
    assert_eq!(of("h1")["done"].as_array().unwrap().len(), 6);
    assert_eq!(of("h0")["connect"], hosts[0]["connect"]);
    let bash = lab.run(0, "bash -c 'echo ${BASH_VERSION%%.*}'");
    assert_eq!(lab.run(0, "cat /srv/log"), format!("h0 default {bash}x=1\n1\n"));
    assert_eq!(lab.run(1, "cat /srv/log"), format!("h1 p {bash}x=1\n1\n"));
    assert_eq!(lab.run(0, "stat -c '%U %a' /srv/one /srv"), "root 644\nroot 755\n");
    let log = dir.read("logs/h0.log");
    assert!(log.starts_with("== file /srv/conf\n") && log.contains("\ndone here\n== file /srv/\n"), "{log}");
}

#[test]
fn a_step_that_fails_ends_a_host_and_no_other() {
    let dir = Dir::new();
    dir.write("bad/fail", "");
    let hosts = [directory(&dir, "good"), directory(&dir, "bad"), missing("far"), silent("slow")];
    let fail = "if [ -e fail ]; then echo >&2 one; echo >&2 'two \u{1b}[1m'; exit 3; fi; echo made >made";
    let words = ["prepare", "--timeout", "5s", "--script", fail, "--script", "echo more >>made"];
    let output = provision(&dir, &words).stdin(lines(&hosts)).run();
    output.code(3);
    assert_eq!(ids(&output, "host"), ["good"]);
    assert_eq!(dir.read("good/made"), "made\nmore\n");
    assert!(!dir.join("bad/made").exists());
    let notes: Vec<(String, String)> = of_type(&output, "host-gone")
        .iter()
        .map(|gone| (gone["id"].as_str().unwrap().to_owned(), gone["note"].as_str().unwrap().to_owned()))
        .collect();
    let note = |id: &str| notes.iter().find(|(of, _)| of == id).unwrap().1.as_str();
    assert!(note("bad").contains("failed with exit status 3: one | two  [1m"), "{notes:?}");
    assert!(note("far").contains("/nonexistent/enter"), "{notes:?}");
    assert!(note("slow").ends_with("no answer within 5 s"), "{notes:?}");
}

#[test]
fn what_cannot_be_prepared_is_refused_before_a_host_is_touched() {
    let dir = Dir::new();
    let host = directory(&dir, "a");
    for (words, message) in [
        (
            &["prepare", "--script", "touch x", "--script", "@none"][..],
            "--script: none: No such file or directory",
        ),
        (&["prepare", "--script", "touch x", "--file", "none:/x"], "--file: none: No such file or directory"),
        (
            &["prepare", "--script", "touch x", "--playbook", "none"],
            "--playbook: none: No such file or directory",
        ),
        (&["prepare", "--repo", "http://x"], "expected name=NAME,baseurl=URL, found `http://x`"),
        (&["prepare", "--package", "--root=/"], "--root"),
    ] {
        let output = provision(&dir, words).stdin(lines(std::slice::from_ref(&host))).run();
        output.code(2).stderr_has(message);
        assert!(!dir.join("a/x").exists());
    }
}

#[test]
fn on_this_machine_packages_are_looked_for_only_unless_it_is_allowed() {
    let dir = Dir::new();
    let log = dir.join("log");
    // Package managers that only say that they were to install something.
    for manager in ["apt-get", "dnf5", "dnf", "yum", "zypper", "apk", "pacman"] {
        let script = format!("#!/bin/sh\necho \"$*\" >>{}\nexit 1\n", log.display());
        dir.script(format!("bin/{manager}"), script);
    }
    for query in ["dpkg-query", "rpm"] {
        dir.script(format!("bin/{query}"), "#!/bin/sh\nexit 1\n");
    }
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
    let call = |words: &[&str], host: &Value| {
        let mut command = provision(&dir, words);
        command.env("PATH", &path).stdin(lines(std::slice::from_ref(host))).run()
    };
    let leased = provision(&dir, &["local", "--ttl", "1h"]).run();
    leased.success();
    let other = json!({"type": "host", "id": "other", "connect": {"how": "command", "argv": ["env"]}});
    let install = ["prepare", "--package", "atex-none"];
    let local = json!({"type": "host", "id": "here", "connect": {"how": "local"}});
    for host in [&local, &of_type(&leased, "host")[0]] {
        let refused = "it is not installed; they are installed on this machine with --allow-install only";
        call(&install, host).code(3).stderr_has(&format!("package `atex-none` cannot be had: {refused}"));
        for sources in [["--repo", "name=r,baseurl=file:///none"], ["--module", "m:1/p"]] {
            let words = [&["prepare"][..], &sources].concat();
            call(&words, host).code(3).stderr_has(": on this machine with --allow-install only");
        }
        assert!(!log.exists(), "{}", dir.read("log"));
    }
    for (words, host) in [(&[&install[..], &["--allow-install"]].concat()[..], &local), (&install, &other)] {
        call(words, host).code(3);
        assert!(dir.read("log").contains("install"), "{}", dir.read("log"));
        std::fs::remove_file(&log).unwrap();
    }
    provision(&dir, &["release"]).stdin(leased.stdout).run().success();
}

/// Two versions of a package in streams of a module, a package that is older in a repository of a better priority, and
/// both repositories, made on a host that calls itself Fedora.
const REPOSITORIES: &str = r#"set -e
export HOME=/root
mkdir -p /tmp/rb /etc/yum.repos.d
rpm_of() { # REPO NAME VERSION
    mkdir -p "/srv/$1"
    printf 'Name: %s\nVersion: %s\nRelease: 1\nSummary: s\nLicense: none\nBuildArch: noarch\n%%description\n%%install\nmkdir -p %%{buildroot}/srv/out\necho %s >%%{buildroot}/srv/out/%s\n%%files\n/srv/out/%s\n' \
        "$2" "$3" "$3" "$2" "$2" >/tmp/s.spec
    rpmbuild -bb --quiet --nodeps --define "_topdir /tmp/rb" --define "_rpmdir /srv/$1" /tmp/s.spec >/dev/null 2>&1
}
rpm_of plain atex-plain 2
rpm_of better atex-plain 1
rpm_of modular atex-virt 1
rpm_of modular atex-virt 2
for repo in plain better modular; do createrepo_c -q "/srv/$repo"; done
for stream in 1 2; do
    printf -- '---\ndocument: modulemd\nversion: 2\ndata:\n  name: atexmod\n  stream: "%s"\n  version: 1\n  context: c0ffee42\n  arch: noarch\n  summary: s\n  description: d\n  license: {module: [MIT]}\n  dependencies:\n  - {}\n  profiles: {common: {rpms: [atex-virt]}}\n  artifacts: {rpms: ["atex-virt-0:%s-1.noarch"]}\n...\n' "$stream" "$stream"
done >/tmp/modules.yaml
modifyrepo_c --mdtype=modules /tmp/modules.yaml /srv/modular/repodata >/dev/null 2>&1
rm -f /etc/yum.repos.d/* /etc/os-release
printf 'ID=fedora\nVERSION_ID=40\nPLATFORM_ID="platform:f40"\n' >/etc/os-release
"#;

#[test]
fn repositories_modules_and_packages_of_a_real_dnf() {
    let program = |name: &str| {
        let found = std::path::Path::new("/usr/bin").join(name).exists();
        if found { Ok(()) } else { Err(format!("{name} is not installed")) }
    };
    let tools = ["dnf", "rpmbuild", "createrepo_c", "modifyrepo_c"].into_iter().try_for_each(program);
    let Some(()) = need(tools, || ()) else { return };
    let Some(lab) = Lab::start_or_skip(1) else { return };
    lab.run(0, REPOSITORIES);
    let dir = Dir::new();
    let words = [
        "prepare",
        "--repo",
        "name=plain,baseurl=file:///srv/plain,priority=50",
        "--repo",
        "name=better,baseurl=file:///srv/better,priority=10",
        "--repo",
        "name=modular,baseurl=file:///srv/modular",
        "--module",
        "atexmod:1",
        "--package",
        "atex-plain",
        "--package",
        "atex-virt",
    ];
    let output = at(&lab, &dir, &words, &[lab_host(&lab, 0)]).run();
    output.success();
    assert_eq!(
        of_type(&output, "host")[0]["done"],
        json!([{"repo": ["plain", "better", "modular"]}, {"module": "atexmod:1"}, {"package": ["atex-plain", "atex-virt"]}])
    );
    assert_eq!(lab.run(0, "cat /srv/out/atex-plain /srv/out/atex-virt"), "1\n1\n");

    // A module that has a stream gets another one.
    let words = ["prepare", "--module", "atexmod:2", "--script", "HOME=/root dnf -y distro-sync"];
    at(&lab, &dir, &words, &[lab_host(&lab, 0)]).run().success();
    assert_eq!(lab.run(0, "cat /srv/out/atex-virt"), "2\n");
    let words = ["prepare", "--package", "atex-plain", "--package", "atex-none"];
    let output = at(&lab, &dir, &words, &[lab_host(&lab, 0)]).run();
    output.code(3).stderr_has("h0: package `atex-none` cannot be had: No match for argument: atex-none");
    let output = at(&lab, &dir, &["prepare", "--module", "none:1"], &[lab_host(&lab, 0)]).run();
    output.code(3).stderr_has("h0: module none:1 failed with exit status 1");
}

// ---- inventory, ssh ----

#[test]
fn programs_that_read_no_records_get_an_inventory() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    let mut host = lab_host(&lab, 0);
    host["id"] = "lab/h0".into();
    host["platform"] = "p".into();
    let records = [host.clone(), test("/t", "true")];
    let config = at(&lab, &dir, &["inventory", "--format", "ssh-config"], &records).run();
    config.success();
    dir.write("config", &config.stdout);
    let ssh = ["-F", "config", "-o", "BatchMode=yes", "lab-h0", "hostname"];
    let output = dir.command("ssh").args(ssh).through(&lab.prefix()).run();
    output.success();
    assert_eq!(output.stdout, lab.run(0, "hostname"));
    let etc = at(&lab, &dir, &["inventory", "--format", "hosts"], &records).run();
    assert_eq!(etc.stdout, format!("{} lab-h0\n", lab.host(0).address));
    // What we write, we read.
    for format in ["ansible-yaml", "ansible-ini"] {
        let inventory = at(&lab, &dir, &["inventory", "--format", format], &records).run();
        inventory.success();
        dir.write("inventory", &inventory.stdout);
        let read = provision(&dir, &["static", "inventory", "--group", "p"]).run();
        read.success();
        let read = of_type(&read, "host").remove(0);
        assert_eq!((&read["id"], &read["connect"]), (&json!("lab-h0"), &host["connect"]), "{format}");
    }
    let local = json!({"type": "host", "id": "here", "connect": {"how": "local"}});
    let output = provision(&dir, &["inventory", "--format", "hosts"]).stdin(lines(&[local])).run();
    output.code(2).stderr_has("here: it has no address");
}

#[test]
fn a_leased_host_is_entered() {
    let Some(lab) = Lab::start_or_skip(1) else { return };
    let dir = Dir::new();
    dir.write("pool", lines(&[lab_host(&lab, 0)]));
    let words = ["static", "pool", "--ttl", "1h", "--lock-dir", "/var/tmp/locked"];
    let leased = at(&lab, &dir, &words, &[]).run();
    leased.success();
    let enter = |words: &[&str], input: &str| {
        let mut command = at(&lab, &dir, words, &[]);
        command.stdin(input);
        command.run()
    };
    let shell = enter(&["ssh", "h0"], "hostname\necho \"$0\"; exit 7\n");
    shell.code(7);
    assert!(shell.stdout.contains(&lab.run(0, "hostname")), "{}", shell.report());
    let command = enter(&["ssh", "h0", "--", "printf", "%s|", "a b", "$HOME", "-c"], "");
    command.success();
    assert_eq!(command.stdout, "a b|$HOME|-c|");
    dir.write("hosts", lines(&[directory(&dir, "here")]));
    let command = enter(&["ssh", "--hosts", "hosts", "here", "cat"], "x");
    assert_eq!(command.stdout, "x");
    enter(&["ssh", "none"], "").code(2).stderr_has("none: there is no leased host of this name");
    at(&lab, &dir, &["release"], &[]).stdin(leased.stdout).run().success();
    enter(&["ssh", "h0"], "").code(2);
}
