//! What sees to packages, by itself, under every shell that a host may have. Package managers are stood in for by a
//! script that writes down how it was called: what it has, and what can be had, are files.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use atex_host::packages::SCRIPT as PACKAGES;

/// Programs that it may use.
const PROGRAMS: [&str; 9] = ["cat", "cut", "grep", "head", "ls", "sed", "tail", "tr", "wc"];

/// All package managers in one. `NAME` is there if `has/NAME` is, and can be had if `can/NAME` is; `stale` says that
/// the lists must be fetched before.
const STUB: &str = r#"#!/bin/sh
me=${0##*/}
printf '%s\n' "$me $*" >>"$STUB/log"
query() {
    status=0
    for name in "$@"; do
        [ -e "$STUB/has/$name" ] && found "$name" || { status=1; missing "$name"; }
    done
    return $status
}
found() { :; }
missing() { :; }
get() {
    [ ! -e "$STUB/stale" ] || { echo "E: no lists"; return 100; }
    for name in "$@"; do
        case $name in -* | */* | [!a-z]* | *- | Dpkg* | DPkg*) continue ;; esac
        [ -e "$STUB/can/$name" ] || { echo "fetching"; echo "Error: no match for $name"; return 1; }
    done
    for name in "$@"; do
        [ ! -e "$STUB/can/$name" ] || : >"$STUB/has/$name"
    done
}
case "$me $*" in
"rpm -q --whatprovides "*) shift 2; query "$@" ;;
"rpm -q "*) shift; query "$@" ;;
"dpkg-query -W -f "*'${Provides}'*) cat "$STUB/provides" 2>/dev/null ;;
"dpkg-query -W -f "*) shift 3; found() { echo installed; }; query "$@" ;;
"apk info -e "*) shift 2; found() { echo "$1"; }; query "$@" ;;
"pacman -T "*) shift; missing() { echo "$1"; }; query "$@" ;;
*" update" | "pacman -Sy "*) rm -f "$STUB/stale" ;;
"apk "*" add "*) shift 3; get "$@" ;;
"pacman -S "*) shift; get "$@" ;;
*" install "*) until [ "$1" = install ]; do shift; done; shift; get "$@" ;;
*) echo "not expected: $me $*" >&2; exit 99 ;;
esac
"#;

/// A host: what it has, and the shell that runs things there.
struct Host {
    dir: tempfile::TempDir,
    shell: Vec<&'static str>,
}

impl Host {
    fn new(shell: &[&'static str], managers: &[&str], has: &[&str], can: &[&str]) -> Host {
        let host = Host { dir: tempfile::tempdir().unwrap(), shell: shell.to_vec() };
        for part in ["bin", "has", "can"] {
            fs::create_dir(host.dir.path().join(part)).unwrap();
        }
        let stub = host.dir.path().join("stub");
        fs::write(&stub, STUB).unwrap();
        fs::set_permissions(&stub, PermissionsExt::from_mode(0o755)).unwrap();
        for name in BTreeSet::from_iter(managers) {
            symlink(&stub, host.dir.path().join("bin").join(name)).unwrap();
        }
        for program in PROGRAMS {
            symlink(Path::new("/usr/bin").join(program), host.dir.path().join("bin").join(program)).unwrap();
        }
        symlink("/bin/sh", host.dir.path().join("bin/sh")).unwrap();
        symlink("/bin/rm", host.dir.path().join("bin/rm")).unwrap();
        for name in has {
            host.write(&format!("has/{name}"), "");
        }
        for name in can {
            host.write(&format!("can/{name}"), "");
        }
        host
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.dir.path().join(path), text).unwrap();
    }

    /// Answers to these lines.
    fn answers(&self, lines: &str) -> Vec<String> {
        let script = format!("exec 3>answers\n{PACKAGES}\nos_release=$STUB/os-release\n{lines}\ngo\n");
        let mut child = Command::new(format!("/bin/{}", self.shell[0]))
            .args(&self.shell[1..])
            .current_dir(&self.dir)
            .env_clear()
            .env("PATH", self.dir.path().join("bin"))
            .env("STUB", self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{:?}: {said}", self.shell);
        fs::read_to_string(self.dir.path().join("answers")).unwrap().lines().map(str::to_owned).collect()
    }

    /// How package managers were called.
    fn log(&self) -> Vec<String> {
        fs::read_to_string(self.dir.path().join("log"))
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

fn shells() -> Vec<Vec<&'static str>> {
    let mut shells = vec![vec!["dash", "-s"], vec!["bash", "-s"]];
    if Path::new("/bin/busybox").exists() {
        shells.push(vec!["busybox", "sh", "-s"]);
    } else {
        let required = std::env::var_os("ATEX_TEST_REQUIRE").is_some_and(|value| value == "1");
        assert!(!required, "ATEX_TEST_REQUIRE=1, but busybox is not installed");
        let _ = std::io::stderr().write_all(b"SKIPPED: packages under busybox: it is not installed\n");
    }
    shells
}

/// Each manager, the program that it is asked by, how it asks for one and how it installs `b` and `c`.
const MANAGERS: [(&str, &str, &str, &str); 7] = [
    ("dnf5", "rpm", "rpm -q --whatprovides", "dnf5 -y install"),
    ("dnf", "rpm", "rpm -q --whatprovides", "dnf -y install"),
    ("yum", "rpm", "rpm -q --whatprovides", "yum -y --setopt=skip_missing_names_on_install=False install"),
    (
        "apt-get",
        "dpkg-query",
        "dpkg-query -W -f ${db:Status-Status}\\n",
        "apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef -o \
         Dpkg::Options::=--force-confold install",
    ),
    ("zypper", "rpm", "rpm -q --whatprovides", "zypper --non-interactive install"),
    ("apk", "apk", "apk info -e", "apk --wait 600 add"),
    ("pacman", "pacman", "pacman -T", "pacman -S --noconfirm --needed"),
];

/// Those that a host with this shell may have: a busybox may have an rpm of its own, which goes before any other.
fn managers(shell: &[&str]) -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
    let fits = |(_, asked, ..): &(&str, &str, &str, &str)| shell[0] != "busybox" || *asked != "rpm";
    MANAGERS.into_iter().filter(fits).collect()
}

#[test]
fn what_is_there_costs_one_query() {
    for shell in shells() {
        for (manager, asked, query, _) in managers(&shell) {
            let host = Host::new(&shell, &[manager, asked], &["a", "b"], &[]);
            let answers = host.answers(&format!("manager={manager}\nmode=install\nwant a\nwant b"));
            assert_eq!(answers, ["has a", "has b"], "{shell:?} {manager}");
            assert_eq!(host.log(), [format!("{query} a b")], "{shell:?} {manager}");
        }
    }
}

#[test]
fn what_is_not_there_is_installed_in_one_transaction() {
    for shell in shells() {
        for (manager, asked, _, install) in managers(&shell) {
            let host = Host::new(&shell, &[manager, asked], &["a"], &["b", "c"]);
            let answers = host.answers("mode=install\nwant a\nwant b\nwant c");
            assert_eq!(
                answers,
                [&format!("manager {manager}")[..], "has a", "has b", "has c"],
                "{shell:?} {manager}"
            );
            let calls: Vec<String> =
                host.log().into_iter().filter(|call| call.starts_with(install)).collect();
            assert_eq!(calls, [format!("{install} b c")], "{shell:?} {manager}");
        }
    }
}

#[test]
fn one_that_cannot_be_had_does_not_keep_others_away() {
    for shell in shells() {
        for (manager, asked, ..) in managers(&shell) {
            let host = Host::new(&shell, &[manager, asked], &[], &["b", "c", "d", "e"]);
            let wanted = "want b\nwant c\nwant x\nwant d\nwant e";
            let mut answers =
                host.answers(&format!("manager={manager}\nmode=install\nrefreshed=yes\n{wanted}"));
            answers.sort_unstable();
            let expected = ["has b", "has c", "has d", "has e", "lacks x\tError: no match for x"];
            assert_eq!(answers, expected, "{shell:?} {manager}");
        }
    }
}

#[test]
fn lists_are_fetched_once_where_that_may_help() {
    for shell in shells() {
        for (manager, asked, ..) in managers(&shell) {
            let host = Host::new(&shell, &[manager, asked], &[], &["b", "c"]);
            if ["apt-get", "apk", "pacman"].contains(&manager) {
                host.write("stale", "");
            }
            let answers = host.answers(&format!("manager={manager}\nmode=install\nwant b\nwant c\nwant x"));
            let fetched =
                host.log().iter().filter(|call| call.contains("update") || call.contains("-Sy")).count();
            let may_help = ["apt-get", "apk", "pacman"].contains(&manager);
            assert_eq!(fetched, usize::from(may_help), "{shell:?} {manager}");
            assert_eq!(answers.contains(&"refreshed".to_owned()), may_help, "{shell:?} {manager}");
            assert!(answers.contains(&"lacks x\tError: no match for x".to_owned()), "{manager}: {answers:?}");
            assert!(answers.contains(&"has b".to_owned()), "{manager}: {answers:?}");
        }
    }
}

#[test]
fn looking_installs_nothing() {
    for shell in shells() {
        for (manager, asked, ..) in managers(&shell) {
            let host = Host::new(&shell, &[manager, asked], &["a"], &["b"]);
            let answers = host.answers(&format!("manager={manager}\nwant a\nwant b"));
            assert_eq!(answers, ["has a", "lacks b\tit is not installed"], "{shell:?} {manager}");
        }
    }
}

#[test]
fn packages_that_are_not_to_come_along() {
    for (manager, asked, expected) in [
        ("dnf5", "rpm", "dnf5 -y --exclude=x --exclude=a install b"),
        ("dnf", "rpm", "dnf -y --exclude=x --exclude=a install b"),
        // One that is there already would be removed.
        ("apt-get", "dpkg-query", "install b x-"),
        ("zypper", "rpm", "zypper --non-interactive install b !x"),
        ("apk", "apk", "apk --wait 600 add b"),
    ] {
        let host = Host::new(&["dash", "-s"], &[manager, asked], &["a"], &["b"]);
        let answers = host.answers(&format!("manager={manager}\nmode=install\nwant b\nexclude x\nexclude a"));
        assert!(answers.contains(&"has b".to_owned()), "{manager}: {answers:?}");
        assert!(host.log().iter().any(|call| call.ends_with(expected)), "{manager}: {:?}", host.log());
        let told = answers.contains(&format!("note exclude: {manager} cannot leave a package out"));
        assert_eq!(told, manager == "apk");
    }
}

#[test]
fn the_systems_name_decides_between_managers() {
    for (system, expected) in [
        ("ID=debian\n", "apt-get"),
        ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "apt-get"),
        ("ID=fedora\n", "dnf"),
        ("ID=\"centos\"\nID_LIKE=\"rhel fedora\"\n", "dnf"),
        ("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", "zypper"),
        ("ID=alpine\n", "apk"),
        ("ID=arch\n", "pacman"),
        ("", "dnf"),
    ] {
        let all = ["dnf", "yum", "apt-get", "zypper", "apk", "pacman", "rpm", "dpkg-query"];
        let host = Host::new(&["dash", "-s"], &all, &["a"], &[]);
        host.write("os-release", system);
        assert_eq!(host.answers("want a"), [&format!("manager {expected}")[..], "has a"], "{system}");
    }
}

#[test]
fn names_of_other_kinds() {
    let host = Host::new(&["dash", "-s"], &["apt-get", "dpkg-query"], &[], &[]);
    host.write("provides", "config-files gone \ninstalled other, mail-agent (= 1), awk \n");
    let lines = "manager=apt-get\nmode=install\nwant /dev/null\nwant /no/such\nwant 'perl(X) >= 1'\nwant mail-agent\n\
                 want awk\n";
    let why = "apt-get finds packages by their names only";
    assert_eq!(
        host.answers(lines),
        [
            "has /dev/null",
            &format!("lacks /no/such\t{why}"),
            &format!("lacks perl(X) >= 1\t{why}"),
            "has mail-agent",
            "has awk"
        ]
    );
    let host = Host::new(&["dash", "-s"], &["dnf", "rpm"], &["perl(X) >= 1"], &[]);
    assert_eq!(host.answers("manager=dnf\nwant 'perl(X) >= 1'"), ["has perl(X) >= 1"]);
    let host = Host::new(&["dash", "-s"], &[], &[], &[]);
    assert_eq!(host.answers("want a"), ["lacks a\tthere is no package manager that is known"]);
}
