//! Provisioners behind a crash of ours: what they say while it is waited for what they have taken charge of again.

use atex_testkit::sandbox::Dir;

use crate::exec_provision::{check, waiting};
use crate::exec_resume::Run;
use crate::stream::{test, wait_until_begun};

/// A provisioner of two hosts. At first it does not answer what it is told to give back. After that it takes charge of
/// what it is asked to, but only behind having taken back one host and given it again at once, as it does later.
fn giving_again(dir: &Dir) -> String {
    let script = dir.script(
        "again",
        r#"#!/bin/sh
mkdir -p "$1" && cd "$1" || exit 2
echo '{"type":"hello","provisioner":"again","max":2,"adopt":true}'
host() { printf '{"type":"host","id":"%s","connect":{"how":"local"}}\n' "$1"; }
life=later
mkdir ../begun 2>/dev/null && life=first
jq --unbuffered -r '"\(.type) \(.hosts // .id // .host.id)"' | {
    held=0 want=0 spare='' adopted='' again=''
    while read -r word what; do
        case $life-$word-$what in
            first-want-2) [ -e one ] || { : >one; : >two; host one; host two; } ;;
            later-want-*) want=$what ;;
            later-adopt-*) adopted=$what ;;
            later-release-*)
                rm -f "$what"
                held=$((held - 1)) spare=$what
                released=$(printf '{"type":"released","id":"%s"}' "$what")
                if [ -z "$again" ]; then
                    again=yes held=1 spare=''
                    : >"$what"
                    printf '%s\n%s\n' "$released" "$(host "$what")"
                else
                    printf '%s\n' "$released"
                fi ;;
        esac
        if [ -n "$adopted" ] && [ -n "$again" ]; then
            host "$adopted"
            adopted='' held=$((held + 1))
        fi
        if [ -n "$spare" ] && [ "$held" -lt "$want" ]; then
            : >"$spare"
            host "$spare"
            spare='' held=$((held + 1))
        fi
    done
}
"#,
    );
    format!("exec {} {}", script.display(), dir.join("pool").display())
}

/// How many records of a type the journal holds.
fn journaled(dir: &Dir, kind: &str) -> usize {
    let kind = format!(r#"{{"type":"{kind}","#);
    dir.read("run/journal.jsonl").lines().filter(|line| line.starts_with(&kind)).count()
}

#[test]
fn a_host_that_is_given_again_as_it_is_taken_back_is_a_new_debt() {
    let dir = Dir::new();
    let mut input = vec![waiting(&dir).remove(0)];
    input.extend(["/b", "/c", "/d"].map(|name| test(name, "exit 1")));
    let mut run = Run::new(&dir, vec![], &input);
    let life = run.begin(&["--provision", &giving_again(&dir)]);
    wait_until_begun(&dir, &life, "/a");
    life.wait_for_stdout(r#"{"type":"host-end","#);
    run.kill(life);
    let life = run.resume();
    // Each of them destroys the host, of which there is one only.
    life.wait_for_stdout(r#""test":"/d","attempt":1,"#);
    dir.write("go", "");
    let output = life.finish();
    output.code(1);
    run.hear(&output);
    let finals = run.of_type("test-end").into_iter().filter(|end| end["final"] == true);
    assert_eq!(finals.count(), 4, "{}", run.complained);
    assert_eq!(journaled(&dir, "lease"), journaled(&dir, "lease-end"), "{}", dir.read("run/journal.jsonl"));
    check(&dir, "pool");
}
