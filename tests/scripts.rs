//! What lies in scripts/ for others: the wrapper, the nightly run, the installation, the recipes.

use std::fs;
use std::path::{Path, PathBuf};

use atex_testkit::sandbox::{Dir, Output};

use crate::documents::{examples, shell, stand_in};

fn scripts() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "scripts"].iter().collect()
}

/// Runs shell in which `$S` is the directory of the scripts.
fn run(dir: &Dir, text: &str) -> Output {
    shell(dir, &format!("S={}\n{text}", scripts().display())).run()
}

const TREE: &str = "/a:\n  test: test \"$BROKEN\" != yes\n/b:\n  test: echo $ATEX_PLATFORM\n/plans/p:\n  discover: {how: fmf}\n  \
    environment+:\n    A: b\n";

fn tree(dir: &Dir) {
    dir.write("tree/.fmf/version", "1\n");
    dir.write("tree/main.fmf", TREE);
    stand_in(dir);
}

#[test]
fn runcontest_is_a_plan_a_distribution_and_a_number() {
    let lines = fs::read_to_string(scripts().join("runcontest")).unwrap().lines().count();
    assert!(lines <= 60, "{lines} lines are no example to read");
    let dir = Dir::new();
    tree(&dir);
    let output = run(&dir, "$S/runcontest -t tree -d run /plans/p cs9 2");
    output.success();
    assert!(output.stdout.contains("PASSED  2 tests"), "{}", output.report());
    assert_eq!(dir.read("run/results/cs9/b/attempt-1/files/output.txt"), "cs9\n");
    assert!(dir.read("run/report.html").starts_with("<!DOCTYPE html>"));

    // What failed counts, unless it is known; and one that has ended is not run again.
    dir.write("known.yaml", "- test: /a\n");
    dir.write("tree/main.fmf", TREE.replace("test \"$BROKEN\" != yes", "exit 7"));
    run(&dir, "$S/runcontest -t tree -r 0 -d worse /plans/p cs9 1").code(1);
    run(&dir, "$S/runcontest -t tree -d worse /plans/p cs9 1").code(1);
    run(&dir, "$S/runcontest -t tree -w known.yaml -d worse /plans/p cs9 1").success();
    run(&dir, "$S/runcontest /plans/p").code(2).stderr_has("usage: ");
}

#[test]
fn a_nightly_run_is_gone_on_with_when_it_was_cut_short() {
    let dir = Dir::new();
    tree(&dir);
    run(&dir, "$S/nightly n tree --local 2").success().stdout_is("");
    run(&dir, "$S/nightly n").success().stdout_is("");
    let runs = || {
        let entries = fs::read_dir(dir.join("n")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name.starts_with("run-"));
        names.sort_unstable();
        names
    };
    assert_eq!(runs().len(), 1);
    assert!(dir.join("n").join(&runs()[0]).join("report.html").exists());
    // As of another night.
    fs::rename(dir.join("n").join(&runs()[0]), dir.join("n/run-20000101T000000")).unwrap();

    // A run that is killed, and mail in the morning.
    dir.write(
        "tree/main.fmf",
        TREE.replace(
            "test \"$BROKEN\" != yes",
            "test -e $PWD/../gate || { touch ../gate; kill -KILL $VICTIM; }; exit 1",
        ),
    );
    let cut = run(
        &dir,
        "atex-discover tree | bash -c 'export VICTIM=$$; exec atex-exec --local 1 --env VICTIM --run-dir n/run-20000102T000000' >/dev/null || true
         $S/nightly n",
    );
    cut.code(1);
    assert!(cut.stdout.contains("FAILED"), "{}", cut.report());
    assert_eq!(runs().last().unwrap(), "run-20000102T000000", "no other was begun");
    run(&dir, "$S/nightly n tree --local 2").code(1);
    run(&dir, "atex-report trend --json n/results.db | wc -l").success().stdout_is("3\n");

    // Two at a time would take each other's hosts.
    run(&dir, "exec 8>n/lock; flock 8; $S/nightly n tree --local 2").code(3).stderr_has("still goes on");
    run(&dir, "$S/nightly").code(2).stderr_has("usage: ");
}

#[test]
fn what_is_installed_works_where_it_is() {
    let dir = Dir::new();
    let bin = Path::new(env!("CARGO_BIN_EXE_atex-exec")).parent().unwrap();
    let install = format!("ATEX_BIN={} $S/install", bin.display());
    let output = run(&dir, &format!("{install} root; DESTDIR=dest {install} /usr >/dev/null"));
    output.success();
    assert!(output.stdout.contains("is not in PATH"), "{}", output.report());
    // Nothing of the checkout, but what it was made of.
    let used = run(
        &dir,
        "export PATH=$PWD/root/bin:/usr/sbin:/usr/bin:/sbin:/bin
         [[ $(command -v atex-exec) == $PWD/root/bin/atex-exec ]]
         mkdir -p tree/.fmf; echo 1 >tree/.fmf/version
         echo 'test: . ./atex-test.sh; atex_report pass sub; atex_end' >tree/main.fmf
         printf '/t:\\n' >>tree/main.fmf
         cp root/share/atex/atex-test.sh tree/
         atex-discover tree | atex-exec --local 1 | atex-report
         for page in $(grep '/man/' root/share/atex/installed); do [ -s $page ]; done
         while read -r file; do [ -e \"dest/${file#\"$PWD/root\"}\" ] || [ -e \"dest/usr${file#\"$PWD/root\"}\" ]; done <root/share/atex/installed
         find root -type f ! -name installed | wc -l; wc -l <root/share/atex/installed",
    );
    used.success();
    let counts: Vec<&str> = used.stdout.lines().rev().take(2).collect();
    assert_eq!(counts[0], counts[1], "what is listed is what is there\n{}", used.report());
    assert!(used.stdout.contains("PASSED  1 test"), "{}", used.report());
}

#[test]
fn units_of_systemd_name_what_is_there() {
    for name in ["atex-nightly.service", "atex-nightly.timer", "atex-resume.service"] {
        let unit = fs::read_to_string(scripts().join("systemd").join(name)).unwrap();
        for line in unit.lines().filter(|line| line.starts_with("ExecStart=")) {
            assert!(line.contains("/share/atex/nightly "), "{name}: {line}");
        }
        assert!(unit.contains("[Unit]\nDescription="), "{name}");
    }
}

#[test]
fn every_recipe_prints_what_it_says() {
    let dir = Dir::new();
    tree(&dir);
    let flaky = "\"[ $ATEX_ATTEMPT = 2 ]\"";
    dir.write(
        "tree/main.fmf",
        format!(
            "/net/bind:\n  tag: tier1\n  test: |\n    [ \"$NET\" != up ] || exit 0\n    tmt-report-result ipv4 PASS\n    \
             tmt-report-result -t 'address in use' ipv6 FAIL\n    exit 1\n\
             /smoke/flaky:\n  test: {flaky}\n/smoke/sleep:\n  test: sleep 0.2\n/smoke/true:\n  test: 'true'\n"
        ),
    );
    let runs = "atex-discover tree >tests.jsonl
        atex-exec --local 2 --reruns 1 --env NET=up --run-dir old <tests.jsonl >/dev/null
        atex-exec --local 2 --reruns 1 --run-dir nightly <tests.jsonl >all.jsonl || test $? = 1";
    shell(&dir, runs).run().success();
    let recipes = examples(include_str!("../scripts/cookbook.md"));
    assert_eq!(recipes.len(), 20);
    for recipe in recipes {
        let prints =
            recipe.note("prints").unwrap_or_else(|| panic!("cookbook.md:{}: prints what?", recipe.line));
        dir.write("recipe", &recipe.text);
        dir.write("prints", prints);
        // A recipe may run tests of which one fails.
        let text =
            "out=$(bash recipe) && grep -qE \"$(cat prints)\" <<<\"$out\" || { echo \"$out\"; exit 9; }";
        let output = shell(&dir, text).run();
        assert_eq!(output.status.code(), Some(0), "cookbook.md:{}\n{}", recipe.line, output.report());
    }
}
