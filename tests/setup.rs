//! What makes hosts ready for tests: plans' steps and packages.

use std::time::Duration;

use atex_testkit::lab::Lab;
use atex_testkit::sandbox::{Command, Dir};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::stream::{exec, lab_host, lines, note, of_type, printed, test, test_with, tool, verdicts};

/// A test of a plan.
fn planned(name: &str, command: &str, plan: Value) -> Value {
    let mut test = test(name, command);
    test["plan"] = plan;
    test
}

/// This machine, as a host that is not the user's own.
fn other_host(id: &str) -> Value {
    json!({"type": "host", "id": id, "connect": {"how": "command", "argv": ["env"]}})
}

/// A pipe that has a name: reading waits for a writer.
fn fifo(dir: &Dir, name: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    path
}

/// What is in a file that steps and tests write to.
fn steps(dir: &Dir) -> Vec<String> {
    dir.read("steps").lines().map(str::to_owned).collect()
}

#[test]
fn a_plan_prepares_its_hosts_and_finishes_with_them() {
    let dir = Dir::new();
    let say = |word: &str| format!("echo {word} >>{}", dir.join("steps").display());
    dir.write("tree/data/x", "from the tree");
    let plan = json!({
        "name": "/p",
        "environment": {"FROM_PLAN": "a 'b'"},
        "prepare": [
            {"name": "last", "how": "shell", "script": say("last"), "order": 90},
            {"how": "shell", "script": [
                "[ \"$FROM_PLAN\" = \"a 'b'\" ]; [ \"$PWD\" = \"$TMT_TREE\" ]; cat data/x",
                "echo \"LEFT='for tests'\" >>\"$TMT_PLAN_ENVIRONMENT_FILE\"",
                say("\"$LEFT\""),
            ]},
            {"script": say("first"), "order": 10},
            {"script": say("never"), "when": "distro == fedora"},
            // What its record does not tell, the host is asked.
            {"script": say("asked"), "when": format!("arch == {}", std::env::consts::ARCH), "order": 95},
            {"script": say("nowhere"), "where": "server"},
            {"script": say("$ATEX_HOST"), "when": ["distro == fedora", "distro == debian"], "where": "client"},
        ],
        "finish": [{"how": "shell", "script": say("finish")}],
    });
    let mut host = json!({"type": "host", "id": "h/1", "connect": {"how": "local"}});
    host["facts"] = json!({"distro": "debian-12", "role": "client"});
    let mut tests: Vec<Value> =
        ["/a", "/b"].iter().map(|name| planned(name, "echo \"$LEFT\"", plan.clone())).collect();
    for test in &mut tests {
        test["tree"] = dir.join("tree").to_str().unwrap().into();
    }
    tests.push(host);
    let output = exec(&dir, &[], &tests).run();
    output.success();
    assert_eq!(verdicts(&output), ["/a pass test", "/b pass test"]);
    assert_eq!(printed(&dir, &output, "/b"), "for tests\n");
    assert_eq!(steps(&dir), ["first", "for tests", "h/1", "last", "asked", "finish"]);
    let log = dir.read("run/setup/h%2F1.log");
    assert!(log.contains(" plan /p: prepare[1]\nfrom the tree"), "{log}");
}

#[test]
fn a_plan_that_cannot_be_prepared_says_why_and_runs_nothing() {
    let dir = Dir::new();
    let plan = json!({
        "name": "/p",
        "prepare": [{"name": "disk", "script": "echo one\necho \"no disk\" >&2\nfalse | true\necho never"}],
        "finish": [{"script": format!("touch {}", dir.join("finished").display())}],
    });
    let output = exec(&dir, &["--local", "1"], &[planned("/a", "true", plan), test("/b", "true")]).run();
    output.code(3);
    let message = "local/1: plan /p: prepare[0] `disk`: failed with exit status 1: one | no disk";
    output.stderr_has(&format!("atex-exec: {message}\n"));
    assert_eq!(note(&output, "/a"), format!("no host is left that could run it: {message}"));
    assert_eq!(of_type(&output, "host-end")[0]["reason"], "unhealthy");
    assert!(dir.join("finished").exists(), "what was begun is finished");
}

#[test]
fn a_finish_that_fails_changes_nothing() {
    let dir = Dir::new();
    let plan = json!({"finish": [{"script": "echo so; exit 9"}, {"script": format!("touch {}", dir.join("x").display())}]});
    let output = exec(&dir, &["--local", "1"], &[planned("/a", "true", plan)]).run();
    output.success().stderr_has("local/1: plan : finish[0]: failed with exit status 9: so");
    assert!(dir.join("x").exists());
}

#[test]
fn a_plan_is_finished_before_another_one_cleans_the_host() {
    let dir = Dir::new();
    let plan = |name: &str| {
        let say =
            |word: &str| json!([{"script": format!("echo {word} {name} >>{}", dir.join("steps").display())}]);
        json!({"name": name, "prepare": say("prepare"), "finish": say("finish")})
    };
    // The status of the first one has the host cleaned, then comes the other plan.
    let tests = [planned("/a", "exit 1", plan("A")), planned("/b", "true", plan("B"))];
    let output = exec(&dir, &["--local", "1"], &tests).run();
    output.code(1);
    assert_eq!(steps(&dir), ["prepare A", "finish A", "prepare B", "finish B"]);
}

#[test]
fn services_that_a_plan_starts_keep_nobody_waiting() {
    let dir = Dir::new();
    let plan = json!({"prepare": [{"script": "setsid sleep 60 & echo $! >\"$TMT_TREE/pid\"; echo started"}]});
    let output = exec(&dir, &["--local", "1"], &[planned("/a", "kill $(cat \"$TMT_TREE/pid\")", plan)])
        .timeout(Duration::from_secs(30))
        .run();
    output.success();
    assert!(dir.read("run/setup/local%2F1.log").ends_with("\nstarted\n"));
}

#[test]
fn a_plan_that_takes_too_long_is_killed() {
    let dir = Dir::new();
    let plan = json!({"name": "/p", "prepare": [{"script": "sleep 300 & echo $$ $!; wait"}]});
    let output = exec(&dir, &["--local", "1", "--setup-timeout", "2s"], &[planned("/a", "true", plan)]).run();
    output.code(3).stderr_has("local/1: not set up within 2s");
    let log = dir.read("run/setup/local%2F1.log");
    for pid in log.lines().nth(1).unwrap().split(' ') {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }
}

#[test]
fn a_signal_ends_a_set_up() {
    let dir = Dir::new();
    let begun = fifo(&dir, "begun");
    let plan = json!({"prepare": [{"script": format!("echo >{}; sleep 300", begun.display())}]});
    let running = exec(&dir, &["--local", "1"], &[planned("/a", "true", plan)]).start();
    std::fs::read(begun).unwrap();
    running.signal(Signal::SIGINT);
    let output = running.finish();
    output.code(130);
    assert_eq!(of_type(&output, "test-end"), Vec::<Value>::new());
    assert_eq!(of_type(&output, "host-end")[0]["reason"], "cancelled");
    assert_eq!(of_type(&output, "job-end")[0]["unsettled"], 1);
}

#[test]
fn what_a_plan_asks_for_is_read_before_a_host_is_troubled() {
    let dir = Dir::new();
    let plan = json!({"name": "/p", "prepare": [{"how": "shell", "script": 5}]});
    let output = exec(&dir, &["--local", "1"], &[planned("/a", "true", plan)]).run();
    output
        .code(2)
        .stderr_has("stdin:1: test /a: plan.prepare[0]: script: expected text or a list of texts, found 5");
    let dir = Dir::new();
    let plan = json!({"name": "/p", "prepare": [{"how": "ansible", "playbook": "x.yml"}]});
    let output = exec(&dir, &["--local", "1"], &[planned("/a", "true", plan)]).run();
    output.success().stderr_has("plan /p: prepare with `how: ansible` is not carried out by this version");
}

// ---- Hosts that stay prepared ----

/// `atex-exec prepare` with a run directory of its own.
fn prepare(dir: &Dir, run: &str, arguments: &[&str], records: &str) -> Command {
    let mut command = tool(dir, "atex-exec");
    command.args(["prepare", "--run-dir", run]).args(arguments).stdin(records);
    command
}

#[test]
fn a_prepared_host_runs_tests_again_and_again() {
    let dir = Dir::new();
    dir.write("tree/x", "1");
    let say = |word: &str| format!("echo {word} >>{}", dir.join("steps").display());
    let plan = json!({
        "name": "/p",
        "environment": {"WORD": "bye"},
        "prepare": [{"script": [say("prepare"), "echo LEFT=here >>\"$TMT_PLAN_ENVIRONMENT_FILE\""]}],
        "finish": [{"script": say("\"$WORD\"")}, {"script": "cat x; exit 3"}],
    });
    let mut tests = vec![
        planned(
            "/a",
            "echo \"$LEFT\"; cat \"$TMT_TREE/x\"; echo changed >\"$TMT_TREE/x\"; false",
            plan.clone(),
        ),
        planned("/b", "echo \"$LEFT\"; cat \"$TMT_TREE/x\"", plan),
    ];
    for test in &mut tests {
        test["tree"] = dir.join("tree").to_str().unwrap().into();
    }
    let host = json!({"type": "host", "id": "h", "connect": {"how": "local"}, "mine": 1});
    let input = lines(&tests) + &lines(std::slice::from_ref(&host));
    let output = prepare(&dir, "prepared", &[], &input).run();
    output.success();
    assert_eq!(steps(&dir), ["prepare"]);
    assert_eq!(of_type(&output, "test"), tests);
    let ready = of_type(&output, "host")[0].clone();
    let kept = ready["prepared"]["dir"].as_str().unwrap().to_owned();
    assert_eq!(ready["mine"], 1);
    assert_eq!(of_type(&output, "end")[0]["counts"], json!({"hosts": 1, "prepared": 1}));

    for n in 1..=2 {
        let run = format!("run{n}");
        let output = tool(&dir, "atex-exec").args(["--run-dir", &run]).stdin(output.stdout.as_str()).run();
        output.code(1).stderr_is("");
        assert_eq!(printed(&dir, &output, "/a"), "here\n1");
        // What the first one has changed is not seen: its status has the files unpacked anew.
        assert_eq!(printed(&dir, &output, "/b"), "here\n1");
        assert_eq!(of_type(&output, "host")[0], ready);
        assert_eq!(steps(&dir), ["prepare"], "it is not repeated");
    }

    dir.write("tree/x", "2");
    let changed = tool(&dir, "atex-exec").args(["--run-dir", "run3"]).stdin(output.stdout.as_str()).run();
    changed.code(1).stderr_has("h: it is not prepared for these files and this plan: that is done now");
    assert_eq!(printed(&dir, &changed, "/b"), "here\n2");
    assert_eq!(steps(&dir), ["prepare", "prepare"]);

    let undone = prepare(&dir, "undone", &["--undo"], &lines(&[ready])).run();
    undone.success().stderr_has("finish: script 0001 failed with exit status 3");
    assert_eq!(of_type(&undone, "host"), [host]);
    assert_eq!(steps(&dir), ["prepare", "prepare", "bye", "bye"]);
    assert!(!std::path::Path::new(&kept).exists());
}

#[test]
fn a_host_that_cannot_be_prepared_is_left_as_it_was_and_handed_on() {
    let dir = Dir::new();
    let plan = json!({"prepare": [{"script": "echo no; false"}], "finish": [{"script": format!("touch {}", dir.join("x").display())}]});
    let bad = json!({"type": "host", "id": "bad", "connect": {"how": "command", "argv": ["env"]}});
    let far = json!({"type": "host", "id": "far", "connect": {"how": "command", "argv": ["/nonexistent"]}});
    let other = json!({"type": "host", "id": "other", "platform": "other", "connect": {"how": "local"}});
    dir.write("there/.keep", "");
    let there = dir.join("there");
    let input = lines(&[planned("/a", "true", plan), bad.clone(), far.clone(), other.clone()]);
    let output = prepare(&dir, "prepared", &["--work-dir", there.to_str().unwrap()], &input).run();
    output.code(3).stderr_has("bad: plan : prepare[0]: failed with exit status 1: no");
    let mut hosts = of_type(&output, "host");
    hosts.sort_by_key(|host| host["id"].as_str().unwrap().to_owned());
    // The label of the last one is no test's, but a test without a label runs anywhere.
    assert_eq!(hosts[..2], [bad, far]);
    assert_eq!(hosts[2].get("prepared"), None);
    assert_eq!(hosts[2], other);
    assert!(dir.join("x").exists(), "what was begun is finished");
    let left: Vec<_> = std::fs::read_dir(there).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".keep"]);
    assert_eq!(of_type(&output, "end")[0]["counts"], json!({"hosts": 3, "prepared": 0}));
}

// ---- Packages ----

/// A package manager that has what it is told, in front of the machine's own.
fn with_packages(command: &mut Command, dir: &Dir, can: &[&str]) {
    dir.script(
        "bin/dpkg-query",
        "#!/bin/sh\nprintf '%s\\n' \"query $*\" >>\"$STUB/log\"\ncase $* in *Provides*) exit 0 ;; esac\nshift 3\n\
         for name; do [ -e \"$STUB/has/$name\" ] && echo installed || status=1; done\nexit ${status:-0}\n",
    );
    dir.script(
        "bin/apt-get",
        "#!/bin/sh\ncase $* in *update*) exit 0 ;; esac\nwhile [ \"$1\" != install ]; do shift; done\nshift\n\
         echo \"install $*\" >>\"$STUB/log\"\n\
         for name; do [ -e \"$STUB/can/$name\" ] || { echo \"E: Unable to locate package $name\"; exit 100; }; done\n\
         for name; do touch \"$STUB/has/$name\"; done\n",
    );
    // Wherever this is run, the host is one that has these.
    for name in ["dnf5", "dnf", "yum", "zypper", "apk", "pacman"] {
        dir.script(format!("bin/{name}"), "#!/bin/sh\necho \"not expected: $0\" >&2\nexit 99\n");
    }
    dir.write("has/there", "");
    for name in can {
        dir.write(format!("can/{name}"), "");
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", dir.join("bin").display())).env("STUB", dir.path());
}

fn calls(dir: &Dir, word: &str) -> Vec<String> {
    dir.read("log").lines().filter(|call| call.starts_with(word)).map(str::to_owned).collect()
}

fn requiring(name: &str, packages: Value) -> Value {
    test_with(name, "true", json!({"require": packages}))
}

/// Whether the host is one where apt-get is the package manager that is chosen.
fn is_debian() -> bool {
    atex_testkit::need(
        std::path::Path::new("/etc/debian_version").exists().then_some(()).ok_or("not on Debian".to_owned()),
        || (),
    )
    .is_some()
}

#[test]
fn all_tests_packages_are_installed_together_and_before_they_run() {
    if !is_debian() {
        return;
    }
    let dir = Dir::new();
    // The host comes last, so that all tests are known by then.
    let input = [
        requiring("/a", json!(["one", "there"])),
        requiring("/b", json!(["two", {"type": "library", "name": "/x"}])),
        test_with("/c", "true", json!({"require": "one", "recommend": "three"})),
        other_host("h"),
    ];
    let mut command = exec(&dir, &[], &input);
    with_packages(&mut command, &dir, &["one", "two", "three"]);
    let output = command.run();
    output.success();
    assert_eq!(calls(&dir, "install"), ["install one two three"]);
}

#[test]
fn a_package_that_cannot_be_had_fails_the_tests_that_need_it_and_no_others() {
    if !is_debian() {
        return;
    }
    let dir = Dir::new();
    let input = [
        requiring("/a", json!("one")),
        requiring("/b", json!(["one", "none"])),
        test_with("/c", "true", json!({"recommend": "none"})),
        requiring("/d", json!("--root=/")),
        other_host("h"),
    ];
    let mut command = exec(&dir, &[], &input);
    with_packages(&mut command, &dir, &["one"]);
    let output = command.run();
    output.code(1);
    assert_eq!(verdicts(&output), ["/a pass test", "/b error test", "/c pass test", "/d error test"]);
    assert_eq!(note(&output, "/b"), "h: package `none` cannot be had: E: Unable to locate package none");
    assert_eq!(note(&output, "/d"), "h: package `--root=/` cannot be had: no name of a package begins so");
    let results = of_type(&output, "result");
    let of_b = results.iter().find(|result| result["test"] == "/b").unwrap();
    assert_eq!((&of_b["status"], &of_b["note"]), (&json!("error"), &json!(note(&output, "/b"))));
    assert_eq!(of_type(&output, "test-start").len(), 4, "each is tried once");
}

#[test]
fn a_test_that_comes_later_brings_its_packages_first() {
    if !is_debian() {
        return;
    }
    let dir = Dir::new();
    let fifo = fifo(&dir, "more");
    dir.write("hosts", format!("{}\n", other_host("h")));
    let mut command = exec(&dir, &["--hosts", "hosts", "--hosts", "more"], &[requiring("/a", json!("one"))]);
    with_packages(&mut command, &dir, &["one", "two"]);
    let running = command.start();
    let mut more = std::fs::File::options().write(true).open(&fifo).unwrap();
    running.wait_for_stdout("\"test-end\"");
    std::io::Write::write_all(&mut more, format!("{}\n", requiring("/b", json!(["two", "one"]))).as_bytes())
        .unwrap();
    drop(more);
    let output = running.finish();
    output.success();
    assert_eq!(calls(&dir, "install"), ["install one", "install two"]);
}

#[test]
fn on_this_machine_packages_are_looked_for_only_unless_it_is_allowed() {
    if !is_debian() {
        return;
    }
    let dir = Dir::new();
    let input = [requiring("/a", json!("there")), requiring("/b", json!("one"))];
    let mut command = exec(&dir, &["--local", "1"], &input);
    with_packages(&mut command, &dir, &["one"]);
    let output = command.run();
    output.code(3);
    assert_eq!(verdicts(&output), ["/a pass test", "/b infra host"]);
    let message = "local/1: package `one` cannot be had: it is not installed; on this machine they are installed with \
                   --allow-install only";
    assert_eq!(note(&output, "/b"), message);
    assert_eq!(calls(&dir, "install"), Vec::<String>::new());
    // A directory of this machine, which is entered by a command.
    let mut leased = other_host("local/2");
    leased["lease"] = json!({"token": "t", "provisioner": "local"});
    let dir = Dir::new();
    let mut command = exec(&dir, &[], &[&input[..], &[leased]].concat());
    with_packages(&mut command, &dir, &["one"]);
    command.run().code(3);
    assert_eq!(calls(&dir, "install"), Vec::<String>::new());

    let dir = Dir::new();
    let mut command = exec(&dir, &["--local", "1", "--allow-install"], &input);
    with_packages(&mut command, &dir, &["one"]);
    command.run().success();
    assert_eq!(calls(&dir, "install"), ["install one"]);
}

#[test]
fn what_a_plan_installs() {
    if !is_debian() {
        return;
    }
    for (missing, code) in [("skip", 0), ("fail", 3)] {
        let dir = Dir::new();
        let install =
            json!({"how": "install", "package": ["one", "none"], "exclude": "two", "missing": missing});
        let mut input = vec![planned("/a", "true", json!({"name": "/p", "prepare": [install]}))];
        input.push(other_host("h"));
        let mut command = exec(&dir, &[], &input);
        with_packages(&mut command, &dir, &["one", "two-"]);
        let output = command.run();
        output.code(code);
        assert_eq!(calls(&dir, "install")[0], "install one none two-");
        if code == 3 {
            output.stderr_has(
                "h: plan /p: prepare[0]: package `none` cannot be had: E: Unable to locate package none",
            );
        }
    }
}

/// A package and an archive of it, made on a host: nothing is fetched from anywhere.
const ARCHIVE: &str = r#"set -e
mkdir -p /srv/archive /tmp/p/DEBIAN /tmp/p/usr/share/atex-sample
cat >/tmp/p/DEBIAN/control <<X
Package: atex-sample
Version: 1
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: a sample
X
echo hello >/tmp/p/usr/share/atex-sample/hello
dpkg-deb --build /tmp/p /srv/archive/atex-sample.deb >/dev/null
cd /srv/archive
{ cat /tmp/p/DEBIAN/control; echo "Filename: ./atex-sample.deb"; echo "Size: $(stat -c %s atex-sample.deb)"
  echo "SHA256: $(sha256sum atex-sample.deb | cut -d' ' -f1)"; } >Packages
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
echo "deb [trusted=yes] file:/srv/archive ./" >/etc/apt/sources.list
rm -rf /var/lib/apt/lists/*
"#;

#[test]
fn a_real_package_manager_installs_on_a_host_of_its_own() {
    if !is_debian() {
        return;
    }
    let Some(lab) = Lab::start_or_skip(1) else { return };
    lab.run(0, ARCHIVE);
    let dir = Dir::new();
    let input = [
        test_with("/a", "cat /usr/share/atex-sample/hello", json!({"require": ["atex-sample", "bash"]})),
        test_with("/b", "true", json!({"require": "atex-no-such-package"})),
        lab_host(&lab, 0),
    ];
    let mut command = exec(&dir, &[], &input);
    command.through(&lab.prefix());
    let output = command.run();
    output.code(1);
    assert_eq!(verdicts(&output), ["/a pass test", "/b error test"], "{}", dir.read("run/setup/h0.log"));
    assert_eq!(printed(&dir, &output, "/a"), "hello\n");
    let why = "E: Unable to locate package atex-no-such-package";
    assert_eq!(note(&output, "/b"), format!("h0: package `atex-no-such-package` cannot be had: {why}"));
    assert!(!std::path::Path::new("/usr/share/atex-sample").exists(), "this machine has nothing of it");
}

/// A package for rpm and a repository of it, made on a host that calls itself Fedora.
const REPOSITORY: &str = r#"set -e
export HOME=/root
mkdir -p /srv/repo /tmp/rb /etc/yum.repos.d
cat >/tmp/sample.spec <<X
Name: atex-sample
Version: 1
Release: 1
Summary: a sample
License: none
BuildArch: noarch
Provides: atex-sample(capability) = 2
%description
%install
mkdir -p %{buildroot}/usr/share/atex-sample
echo hello >%{buildroot}/usr/share/atex-sample/hello
%files
/usr/share/atex-sample/hello
X
rpmbuild -bb --quiet --nodeps --define "_topdir /tmp/rb" --define "_rpmdir /srv/repo" /tmp/sample.spec >/dev/null 2>&1
createrepo_c -q /srv/repo
rm -f /etc/yum.repos.d/*
printf '[lab]\nname=lab\nbaseurl=file:///srv/repo\ngpgcheck=0\nenabled=1\n' >/etc/yum.repos.d/lab.repo
rm -f /etc/os-release
echo ID=fedora >/etc/os-release
"#;

#[test]
fn a_real_dnf_installs_names_paths_and_capabilities() {
    let program = |name: &str| {
        let found = std::path::Path::new("/usr/bin").join(name).exists();
        if found { Ok(()) } else { Err(format!("{name} is not installed")) }
    };
    let tools = ["dnf", "rpmbuild", "createrepo_c"].into_iter().try_for_each(program);
    let Some(()) = atex_testkit::need(tools, || ()) else { return };
    for wanted in ["atex-sample", "/usr/share/atex-sample/hello", "atex-sample(capability) >= 2"] {
        let Some(lab) = Lab::start_or_skip(1) else { return };
        lab.run(0, REPOSITORY);
        let dir = Dir::new();
        let input = [
            test_with("/a", "cat /usr/share/atex-sample/hello", json!({"require": wanted})),
            test_with("/b", "true", json!({"require": "atex-no-such-package"})),
            lab_host(&lab, 0),
        ];
        let mut command = exec(&dir, &[], &input);
        command.through(&lab.prefix());
        let output = command.run();
        output.code(1);
        let log = dir.read("run/setup/h0.log");
        assert_eq!(verdicts(&output), ["/a pass test", "/b error test"], "{wanted}: {log}");
        let why = "No match for argument: atex-no-such-package";
        assert_eq!(
            note(&output, "/b"),
            format!("h0: package `atex-no-such-package` cannot be had: {why}"),
            "{log}"
        );
    }
}
