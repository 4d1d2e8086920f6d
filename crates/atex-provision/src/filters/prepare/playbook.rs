//! A playbook, played by ansible-playbook for all hosts together.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atex_cli::text::visible::visible;
use atex_cli::{Failure, input::reason};
use atex_model::{Connect, Host};
use serde_json::{Value, json};

use crate::backends::Surroundings;
use crate::inventory::print::{names, playable};
use crate::program::Call;
use crate::stop::Stop;
use crate::trouble::Trouble;

const PROGRAM: &str = "ansible-playbook";

/// How long it may take to see whether a playbook is one.
const LOOK: Duration = Duration::from_secs(60);

/// The most of a complaint about a host that is shown.
const SHOWN: usize = 300;

/// A playbook.
#[derive(Debug)]
pub(super) struct Playbook {
    file: PathBuf,
    /// As it was typed.
    name: String,
}

/// What has become of a host: whether the playbook is about it, or what went wrong.
type Played = Result<bool, Trouble>;

impl Playbook {
    /// A playbook that Ansible can read.
    pub fn new(file: PathBuf, around: &Surroundings) -> Result<Playbook, Failure> {
        let name = file.display().to_string();
        let file = around.directory.join(file);
        fs::metadata(&file).map_err(|e| Failure::usage(format!("--playbook: {name}: {}", reason(&e))))?;
        let call = call().arg("--syntax-check").args(["-i", "localhost,"]).arg(&file).limit(LOOK);
        let looked = call.run(&Stop::never()).and_then(|ended| match ended.is_success() {
            true => Ok(()),
            false => Err(Trouble::lasting(complaint(&ended.stderr))),
        });
        looked.map_err(|trouble| Failure::usage(format!("--playbook: {name}: {trouble}")))?;
        Ok(Playbook { file, name })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Plays it for these hosts; gives what has become of each.
    pub fn play(
        &self,
        hosts: &[&Host],
        at_once: u32,
        limit: Duration,
        (logs, stop): (Option<&Path>, &Stop),
    ) -> Vec<Played> {
        let all = |trouble: Trouble| -> Vec<Played> {
            let message = format!("playbook {}: {trouble}", self.name);
            hosts.iter().map(|_| Err(Trouble { message: message.clone(), ..trouble.clone() })).collect()
        };
        let names = names(hosts.iter().map(|host| host.id.as_str()));
        let inventory = match inventory(hosts, &names) {
            Ok(inventory) => inventory,
            Err(e) => return all(Trouble::passing(format!("a temporary directory: {}", reason(&e)))),
        };
        let call = call().arg("-i").arg(inventory.folder.path().join("inventory.json"));
        let call = call.args(["--forks", &at_once.to_string()]).arg(&self.file).limit(limit);
        let ended = match call.run(stop) {
            Ok(ended) => ended,
            Err(trouble) => return all(trouble),
        };
        if let Some(logs) = logs {
            self.keep(logs, &ended.stdout);
        }
        let said = Said::of(&ended.stdout);
        if said.counts.is_empty() && !ended.is_success() {
            return all(Trouble::passing(complaint(&ended.stderr)));
        }
        let of = |(name, problem): (&String, Option<String>)| match problem {
            Some(problem) => Err(Trouble::lasting(problem)),
            None => {
                said.of_host(name).map_err(|why| Trouble::passing(format!("playbook {}: {why}", self.name)))
            }
        };
        names.iter().zip(inventory.problems).map(of).collect()
    }

    fn keep(&self, logs: &Path, text: &str) {
        let name = self.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let path = logs.join(format!("playbook-{name}.log"));
        let file = fs::OpenOptions::new().create(true).append(true).open(&path);
        if let Err(e) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
            log::warn!("{}: {}", path.display(), reason(&e));
        }
    }
}

/// Its output is read by us, whatever the user's configuration says of it.
fn call() -> Call {
    let settings = [
        ("ANSIBLE_STDOUT_CALLBACK", "default"),
        ("ANSIBLE_CALLBACK_RESULT_FORMAT", "json"),
        ("ANSIBLE_CALLBACK_FORMAT_PRETTY", "false"),
        ("ANSIBLE_NOCOLOR", "1"),
        ("ANSIBLE_FORCE_COLOR", "0"),
        ("ANSIBLE_RETRY_FILES_ENABLED", "0"),
        // It would end with nothing done to a host that another run has under the same name.
        ("ANSIBLE_LOCALHOST_WARNING", "0"),
    ];
    settings.into_iter().fold(Call::new(PROGRAM), |call, (name, value)| call.env(name, value))
}

/// The inventory of a play, and what it needs.
struct Inventory {
    folder: tempfile::TempDir,
    /// Of each host, why it is not in it.
    problems: Vec<Option<String>>,
}

/// Writes the inventory, in JSON, which is YAML. Hosts that are reached by a command are reached by a program that stands in
/// for ssh, since Ansible has no connection of that kind.
fn inventory(hosts: &[&Host], names: &[String]) -> io::Result<Inventory> {
    let folder = tempfile::tempdir()?;
    let mut all = serde_json::Map::new();
    let mut groups = serde_json::Map::new();
    let mut problems = Vec::new();
    for (host, name) in hosts.iter().zip(names) {
        let vars = match &host.connect {
            Connect::Command(command) => {
                let path = folder.path().join(format!("ssh-{name}"));
                let words = shlex::try_join(command.argv.iter().map(String::as_str)).unwrap_or_default();
                let text = format!(
                    "#!/bin/sh\n# Ansible says the command line last.\nfor line; do :; done\nexec {words} sh -c \"$line\"\n"
                );
                let mut options = fs::OpenOptions::new();
                options.write(true).create_new(true).mode(0o700).open(&path)?.write_all(text.as_bytes())?;
                let path = path.to_string_lossy().into_owned();
                // Files come through the command, too.
                Ok(json!({"ansible_ssh_executable": path, "ansible_ssh_transfer_method": "piped"}))
            }
            _ => playable(host),
        };
        match vars {
            Ok(vars) => {
                all.insert(name.clone(), vars);
                for label in host.platform.iter().chain(&host.marks) {
                    let group = crate::inventory::print::group_name(label);
                    let group = groups.entry(group).or_insert_with(|| json!({"hosts": {}}));
                    group["hosts"][name.as_str()] = json!({});
                }
                problems.push(None);
            }
            Err(why) => problems.push(Some(why)),
        }
    }
    let tree = json!({"all": {"hosts": all, "children": groups}});
    fs::write(folder.path().join("inventory.json"), tree.to_string())?;
    Ok(Inventory { folder, problems })
}

/// What ansible-playbook has said of hosts.
#[derive(Debug, Default)]
struct Said<'a> {
    /// What its recap counts of each host.
    counts: HashMap<&'a str, HashMap<&'a str, u64>>,
    /// The last complaint about each.
    complaints: HashMap<&'a str, String>,
}

impl<'a> Said<'a> {
    fn of(stdout: &'a str) -> Said<'a> {
        let mut said = Said::default();
        let mut in_recap = false;
        for line in stdout.lines() {
            if line.starts_with("PLAY RECAP ") {
                in_recap = true;
            } else if let Some((name, complaint)) = complaint_in(line).filter(|_| !in_recap) {
                said.complaints.insert(name, complaint);
            } else if let Some((name, counts)) = line.split_once(" : ").filter(|_| in_recap) {
                let counts = counts.split_whitespace().filter_map(|word| word.split_once('='));
                let counts = counts.filter_map(|(what, count)| Some((what, count.parse().ok()?)));
                said.counts.insert(name.trim(), counts.collect());
            }
        }
        said
    }

    /// Whether it did anything with a host.
    fn of_host(&self, name: &str) -> Result<bool, String> {
        let Some(counts) = self.counts.get(name) else { return Ok(false) };
        let some = |what: &str| counts.get(what).is_some_and(|count| *count > 0);
        if some("failed") || some("unreachable") {
            let why = self.complaints.get(name).map_or("it failed", String::as_str);
            return Err(why.to_owned());
        }
        Ok(true)
    }
}

/// `fatal: [NAME]: FAILED! => {"msg": …}`
fn complaint_in(line: &str) -> Option<(&str, String)> {
    let rest = line.strip_prefix("fatal: [").or_else(|| line.strip_prefix("failed: ["))?;
    let (name, rest) = rest.split_once(']')?;
    // A host to which a task was delegated stands behind an arrow.
    let name = name.split(" -> ").next().unwrap_or(name);
    let text = rest.split_once("=> ").map_or(rest, |(_, text)| text);
    let result: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let words = |key: &str| result[key].as_str().map(str::trim).filter(|text| !text.is_empty());
    // What a command said is more than that it failed.
    let text = match (words("msg"), words("stderr")) {
        (Some(msg), Some(stderr)) => format!("{msg}: {}", stderr.lines().last().unwrap_or_default()),
        (Some(msg), None) => msg.to_owned(),
        _ => text.trim_start_matches(": ").to_owned(),
    };
    Some((name, visible(&text.replace(['\n', '\r'], " ")).chars().take(SHOWN).collect()))
}

/// What it says of itself, without what it only warns of.
fn complaint(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let error =
        lines.iter().find_map(|line| line.strip_prefix("ERROR! ").or_else(|| line.strip_prefix("[ERROR]: ")));
    let text = error.or(lines.last().copied()).unwrap_or("it failed and said nothing");
    visible(text).chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = r#"
PLAY [all] *********************************************************************

TASK [Gathering Facts] *********************************************************
fatal: [far]: UNREACHABLE! => {"changed": false, "msg": "Failed to connect", "unreachable": true}
ok: [near]

TASK [x] ***********************************************************************
fatal: [bad]: FAILED! => {"changed": true, "cmd": "x", "msg": "non-zero return code", "rc": 1, "stderr": "a\nno \u001b[1mroom"}
fatal: [odd -> near]: FAILED! => no json
ok: [near] => {"msg": "PLAY RECAP : near : failed=1"}

PLAY RECAP *********************************************************************
bad                        : ok=1    changed=0    unreachable=0    failed=1    skipped=0    rescued=0    ignored=0
far                        : ok=0    changed=0    unreachable=1    failed=0    skipped=0    rescued=0    ignored=0
near                       : ok=2    changed=1    unreachable=0    failed=0    skipped=0    rescued=0    ignored=1
odd                        : ok=0    changed=0    unreachable=0    failed=1    skipped=0    rescued=0    ignored=0
"#;

    #[test]
    fn what_has_become_of_each_host_is_read_from_what_it_prints() {
        let said = Said::of(SAID);
        assert_eq!(said.of_host("near"), Ok(true));
        assert_eq!(said.of_host("other"), Ok(false));
        assert_eq!(said.of_host("far"), Err("Failed to connect".into()));
        assert_eq!(said.of_host("bad"), Err("non-zero return code: no \\x1b[1mroom".into()));
        assert_eq!(said.of_host("odd"), Err("no json".into()));
        assert!(Said::of("ERROR").counts.is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_playbook_is_told_from_warnings() {
        for (stderr, expected) in [
            ("[WARNING]: x\nERROR! no such module\n\nThe error appears to be\n", "no such module"),
            ("[WARNING]: x\n[ERROR]: bad\nOrigin: y\n", "bad"),
            ("what\n", "what"),
            ("", "it failed and said nothing"),
        ] {
            assert_eq!(complaint(stderr), expected);
        }
    }
}
