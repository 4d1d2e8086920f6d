//! What a host is like: a script that asks it, and the facts that its answers give.
//!
//! Facts have the names and forms that expressions of tests use: `distro` as contexts of fmf name it (`fedora-40`,
//! `rhel-9.4`, `centos-stream-9`), `version`, `arch`, `cpus`, `memory_mib`, `virtualization` (the words of
//! systemd-detect-virt, `none` on bare metal), `kernel` and `boot_id`. What cannot be told is absent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use atex_model::Facts;

use crate::quote;

/// What works on the host.
const SCRIPT: &str = include_str!("facts.sh");

/// What its answers begin with.
const ANSWER: &str = "atex-fact: ";

/// The first line of this says that it is a container of another kind.
const OTHER_CONTAINER: &str = "container-other";

/// A fact of the user's own: the lines that a command prints on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The name of the fact.
    pub name: String,
    /// A command line for sh.
    pub command: String,
}

impl FromStr for Own {
    type Err = String;

    /// Reads `NAME=COMMAND`. The name is one that expressions can use.
    fn from_str(text: &str) -> Result<Own, String> {
        let (name, command) = text.split_once('=').ok_or("expected NAME=COMMAND")?;
        let ok = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if name.is_empty() || name.starts_with('-') || !name.bytes().all(ok) {
            let name = name.escape_debug();
            return Err(format!("expected a name of letters, digits, `_` and `-`, found `{name}`"));
        }
        if command.trim().is_empty() || command.contains('\0') {
            return Err(format!("expected a command behind `{name}=`"));
        }
        Ok(Own { name: name.to_owned(), command: command.to_owned() })
    }
}

/// What a host has said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// What is known of it now.
    pub facts: Facts,
    /// The user's own facts whose commands failed, with their exit statuses.
    pub failed: Vec<(String, String)>,
}

/// The script for a host: sh reads it from its standard input, and answers on its standard output.
pub fn script(own: &[Own]) -> String {
    let mut script = String::from(SCRIPT);
    for Own { name, command } in own {
        let _ = writeln!(script, "own {} {}", quote(name), quote(command));
    }
    script.push_str("say complete ''\n");
    script
}

/// What the script has printed means. Lines that are none of its answers, such as what a login prints, are passed over;
/// `None`: the host has not come to the end of the script.
pub fn parse(printed: &str) -> Option<Answers> {
    let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut own: Vec<&str> = Vec::new();
    for line in printed.lines() {
        let Some((key, value)) = line.strip_prefix(ANSWER).and_then(|answer| answer.split_once('=')) else {
            continue;
        };
        if key.starts_with("own.") && !own.contains(&key) {
            own.push(key);
        }
        said.entry(key).or_default().push(value.trim_end_matches('\r'));
    }
    said.contains_key("complete").then_some(())?;
    let mut answers = Answers { facts: standard(&said), failed: Vec::new() };
    for key in own {
        let name = key.trim_start_matches("own.").to_owned();
        match &said[key][..] {
            // It had nothing to say.
            [""] => {}
            [one] => drop(answers.facts.insert(name, (*one).into())),
            several => drop(answers.facts.insert(name, several.to_vec().into())),
        }
    }
    let failed = said.iter().filter_map(|(key, values)| Some((key.strip_prefix("failed.")?, values)));
    answers.failed = failed.map(|(name, values)| (name.to_owned(), values.join(" "))).collect();
    Some(answers)
}

/// Puts facts in that are not there yet. What was said of a host before, by a person or a provider, goes before what it
/// says itself.
pub fn complete(known: &mut Facts, found: Facts) {
    for (name, value) in found {
        if !known.contains_key(&name) {
            known.insert(name, value);
        }
    }
}

fn standard(said: &BTreeMap<&str, Vec<&str>>) -> Facts {
    let all = |key: &str| said.get(key).map(Vec::as_slice).unwrap_or_default();
    let one = |key: &str| all(key).first().copied().filter(|value| !value.is_empty());
    let number = |key: &str| one(key)?.parse::<u64>().ok().filter(|number| *number > 0);
    let release = all("os-release").join("\n");
    let (distro, version) = match distro(&release) {
        Some(distro) => (Some(distro), value_of(&release, "VERSION_ID")),
        None => one("release").and_then(of_old_release).unzip(),
    };
    let kib = number("memory-kib");
    // Without a limit there stands a word, or a number that is none.
    let memory = kib.map(|kib| number("memory-limit").map_or(kib, |bytes| kib.min(bytes >> 10)) >> 10);
    let texts = [
        ("distro", distro),
        ("version", version),
        ("arch", one("arch").map(str::to_owned)),
        ("virtualization", Some(virtualization(one("detected"), all("container"), all("vendor")))),
        ("kernel", one("kernel").map(str::to_owned)),
        ("boot_id", one("boot_id").map(str::to_owned)),
    ];
    let numbers = [("cpus", number("cpus")), ("memory_mib", memory)];
    let mut facts = Facts::new();
    facts.extend(texts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
    facts.extend(numbers.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
    facts
}

/// The distribution in the form that contexts of tests use: `fedora-43`, `centos-stream-9`.
pub fn distro(os_release: &str) -> Option<String> {
    let mut distro = value_of(os_release, "ID")?;
    // Its os-release says `centos`, as that of the older, different CentOS Linux did.
    if distro == "centos" && value_of(os_release, "NAME").is_some_and(|name| name == "CentOS Stream") {
        distro.push_str("-stream");
    }
    if let Some(version) = value_of(os_release, "VERSION_ID") {
        distro = format!("{distro}-{version}");
    }
    Some(distro)
}

/// The value of a variable in os-release, which is quoted as in a shell.
fn value_of(os_release: &str, key: &str) -> Option<String> {
    let quoted = os_release.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
    shlex::split(quoted)?.into_iter().next().filter(|value| !value.is_empty())
}

/// Distribution and version of systems older than os-release: `Red Hat Enterprise Linux Server release 6.10 (Santiago)`.
fn of_old_release(text: &str) -> Option<(String, String)> {
    const NAMES: [(&str, &str); 3] = [("Red Hat", "rhel"), ("CentOS", "centos"), ("Fedora", "fedora")];
    let (_, name) = NAMES.into_iter().find(|(start, _)| text.starts_with(start))?;
    let (_, version) = text.split_once(" release ")?;
    let version = version.split_whitespace().next()?.to_owned();
    Some((format!("{name}-{version}"), version))
}

/// In the words of systemd-detect-virt, also where that is not installed.
fn virtualization(detected: Option<&str>, containers: &[&str], vendors: &[&str]) -> String {
    const VENDORS: [(&str, &str); 12] = [
        ("KVM", "kvm"),
        ("linux,kvm", "kvm"),
        ("QEMU", "qemu"),
        ("VMware", "vmware"),
        ("innotek", "oracle"),
        ("VirtualBox", "oracle"),
        ("Xen", "xen"),
        ("Amazon EC2", "amazon"),
        ("Google Compute Engine", "google"),
        ("Virtual Machine", "microsoft"),
        ("z/VM", "zvm"),
        ("a hypervisor", "vm-other"),
    ];
    if let Some(detected) = detected {
        return detected.to_owned();
    }
    if let Some(container) = containers.first() {
        let container = if container.is_empty() { OTHER_CONTAINER } else { *container };
        return container.to_owned();
    }
    let is_of = |(mark, _): &&(&str, &str)| vendors.iter().any(|vendor| vendor.contains(mark));
    VENDORS.iter().find(is_of).map_or("none", |(_, word)| word).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn facts(lines: &[&str]) -> Value {
        let text: String = lines.iter().map(|line| format!("atex-fact: {line}\n")).collect();
        Value::Object(parse(&format!("Welcome!\n{text}atex-fact: complete=\n")).unwrap().facts)
    }

    #[test]
    fn answers_become_facts() {
        let fedora = [
            "os-release=NAME=\"Fedora Linux\"",
            "os-release=VERSION_ID=40",
            "os-release=ID=fedora",
            "arch=x86_64",
            "kernel=6.8.5-301.fc40.x86_64",
            "boot_id=1b4e28ba-2fa1-11d2-883f-0016d3cca427",
            "cpus=4",
            "memory-kib=8129404",
            "memory-limit=max",
            "detected=kvm",
            "vendor=QEMU",
        ];
        let expected = json!({
            "distro": "fedora-40", "version": "40", "arch": "x86_64", "virtualization": "kvm",
            "kernel": "6.8.5-301.fc40.x86_64", "boot_id": "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
            "cpus": 4, "memory_mib": 7938,
        });
        assert_eq!(facts(&fedora), expected);
        let old = facts(&["release=Red Hat Enterprise Linux Server release 6.10 (Santiago)", "cpus="]);
        assert_eq!(old, json!({"distro": "rhel-6.10", "version": "6.10", "virtualization": "none"}));
        assert_eq!(facts(&["release=Slackware 15.0", "cpus=x"]), json!({"virtualization": "none"}));
    }

    #[test]
    fn the_memory_of_a_container_is_what_it_may_use() {
        for (limit, expected) in
            [("max", 1024), ("9223372036854771712", 1024), ("67108864", 64), ("0", 1024), ("", 1024)]
        {
            let limit = format!("memory-limit={limit}");
            assert_eq!(facts(&["memory-kib=1048576", &limit])["memory_mib"], expected, "{limit}");
        }
    }

    #[test]
    fn virtual_machines_and_containers_are_told_apart() {
        for (lines, expected) in [
            (&["detected=none", "vendor=QEMU"][..], "none"),
            (&["detected=", "vendor=QEMU"], "qemu"),
            (&["container=podman", "vendor=QEMU"], "podman"),
            (&["container="], "container-other"),
            (&["vendor=QEMU", "vendor=Standard PC", "vendor=a hypervisor"], "qemu"),
            (&["vendor=Microsoft Corporation", "vendor=Virtual Machine"], "microsoft"),
            (&["vendor=VM00 Control Program: KVM/Linux"], "kvm"),
            (&["vendor=LENOVO", "vendor=a hypervisor"], "vm-other"),
            (&["vendor=LENOVO"], "none"),
        ] {
            assert_eq!(facts(lines)["virtualization"], expected, "{lines:?}");
        }
    }

    #[test]
    fn own_facts_are_the_lines_of_their_commands() {
        let lines = ["own.a=one", "own.b=x=1", "own.b= y ", "own.c=", "failed.d=127"];
        let text: String = lines.iter().map(|line| format!("atex-fact: {line}\n")).collect();
        assert_eq!(parse(&text), None, "it is not complete");
        let answers = parse(&format!("{text}atex-fact: complete=\n")).unwrap();
        assert_eq!(
            Value::Object(answers.facts),
            json!({"virtualization": "none", "a": "one", "b": ["x=1", " y "]})
        );
        assert_eq!(answers.failed, [("d".to_owned(), "127".to_owned())]);
    }

    #[test]
    fn what_is_known_stays() {
        let object = |value: Value| value.as_object().unwrap().clone();
        let mut known = object(json!({"distro": "rhel-9", "x": null}));
        complete(&mut known, object(json!({"distro": "rhel-9.4", "x": 1, "arch": "s390x"})));
        assert_eq!(Value::Object(known), json!({"distro": "rhel-9", "x": null, "arch": "s390x"}));
    }

    #[test]
    fn what_is_no_fact_is_refused() {
        assert_eq!("a-b_1=x=y".parse(), Ok(Own { name: "a-b_1".into(), command: "x=y".into() }));
        for text in ["a", "=x", "a.b=x", "-a=x", "a=", "a= ", "a=\0"] {
            assert!(text.parse::<Own>().unwrap_err().starts_with("expected "), "{text:?}");
        }
    }

    #[test]
    fn a_distribution_is_named_as_contexts_name_it() {
        for (os_release, name) in [
            ("NAME=\"Fedora Linux\"\nVERSION_ID=43\nID=fedora\n", Some("fedora-43")),
            ("ID=\"rhel\"\nVERSION_ID=\"9.6\"\n", Some("rhel-9.6")),
            ("NAME=\"CentOS Stream\"\nID=\"centos\"\nVERSION_ID=\"9\"\n", Some("centos-stream-9")),
            ("NAME=\"CentOS Linux\"\nID=\"centos\"\nVERSION_ID=\"7\"\n", Some("centos-7")),
            ("PRETTY_NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n", Some("debian-12")),
            ("ID=arch\nVERSION_ID=\n", Some("arch")),
            ("ID_LIKE=debian\n", None),
            ("ID=\"unclosed\nNAME=x\n", None),
            ("", None),
        ] {
            assert_eq!(distro(os_release).as_deref(), name, "{os_release}");
        }
    }
}
