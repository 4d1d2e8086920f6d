//! Ansible itself: it reads the inventories that we write, and plays playbooks on hosts.

use atex_testkit::lab::Lab;
use atex_testkit::need;
use atex_testkit::sandbox::{Command, Dir};
use serde_json::{Value, json};

use crate::provision_leases::provision;
use crate::stream::{lab_host, lines, of_type};

/// Ansible, and hosts for it.
fn start(hosts: usize) -> Option<Lab> {
    // Where there is no way to it, the scripts that see to what tests need say so.
    if std::env::var_os("ATEX_TEST_ANSIBLE").is_some_and(|value| value == "absent") {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED: there is no Ansible\n");
        return None;
    }
    let version = std::process::Command::new("ansible-playbook").arg("--version").output();
    let available = version.is_ok_and(|version| version.status.success());
    need(available.then_some(()).ok_or("ansible-playbook is not installed".to_owned()), || ())?;
    Lab::start_or_skip(hosts)
}

fn at(lab: &Lab, dir: &Dir, words: &[&str], records: &[Value]) -> Command {
    let mut command = provision(dir, words);
    command.through(&lab.prefix()).stdin(lines(records)).timeout(std::time::Duration::from_secs(300));
    command
}

/// The hosts of a lab, the second of them by a command, with labels and marks.
fn hosts(lab: &Lab) -> [Value; 2] {
    let mut first = lab_host(lab, 0);
    first["platform"] = "cs-9".into();
    first["id"] = "lab/one two".into();
    let mut second = lab_host(lab, 1);
    second["marks"] = json!(["big"]);
    [first, second]
}

#[test]
fn ansible_reaches_the_hosts_of_our_inventories() {
    let Some(lab) = start(2) else { return };
    let dir = Dir::new();
    for format in ["ansible-ini", "ansible-yaml"] {
        let inventory = at(&lab, &dir, &["inventory", "--format", format], &hosts(&lab)).run();
        inventory.success();
        dir.write("inventory", &inventory.stdout);
        let mut list = dir.command("ansible-inventory");
        let list =
            list.args(["-i", "inventory", "--list"]).timeout(std::time::Duration::from_secs(120)).run();
        list.success();
        let tree: Value = serde_json::from_str(&list.stdout).unwrap();
        assert_eq!(tree["cs_9"]["hosts"], json!(["lab-one-two"]), "{format}: {}", list.stdout);
        assert_eq!(tree["big"]["hosts"], json!(["h1"]));
        assert_eq!(tree["_meta"]["hostvars"]["h1"]["ansible_host"], lab.host(1).address);
        let mut raw = dir.command("ansible");
        raw.args(["-i", "inventory", "all", "-m", "raw", "-a", "hostname"]).through(&lab.prefix());
        let raw = raw.timeout(std::time::Duration::from_secs(120)).run();
        raw.success();
        for n in 0..2 {
            assert!(raw.stdout.contains(lab.run(n, "hostname").trim()), "{format}: {}", raw.report());
        }
    }
}

const PLAYBOOK: &str = "\
- hosts: all
  tasks:
    - copy: {content: \"{{ inventory_hostname }} {{ group_names | join(',') }}\\n\", dest: ~/played}
    - command: test ! -e /srv/fail
- hosts: big
  tasks:
    - command: touch /srv/big
";

#[test]
fn a_playbook_is_played_for_all_and_each_is_told_what_came_of_it() {
    let Some(lab) = start(3) else { return };
    let dir = Dir::new();
    dir.write("site.yml", PLAYBOOK);
    lab.run(2, "touch /srv/fail");
    let [first, second] = hosts(&lab);
    let failing = lab_host(&lab, 2);
    let home = dir.join("here");
    std::fs::create_dir(&home).unwrap();
    // No other Python than the system's.
    let argv = json!(["env", "-C", home, format!("HOME={}", home.display()), "PATH=/usr/bin:/bin"]);
    let command = json!({"type": "host", "id": "by-command", "connect": {"how": "command", "argv": argv}});
    let dead = json!({"type": "host", "id": "dead", "connect": {"how": "ssh", "host": "10.99.0.250", "options": {"ConnectTimeout": "2"}}});
    let words = [
        "prepare",
        "--script",
        "mkdir -p /srv",
        "--playbook",
        "site.yml",
        "--script",
        "echo after >>after",
        "--logs",
        "logs",
    ];
    let output = at(&lab, &dir, &words, &[first, failing, second, command, dead]).run();
    output.code(3);
    let mut ready: Vec<Value> = of_type(&output, "host");
    ready.sort_by_key(|host| host["id"].to_string());
    let ids: Vec<&Value> = ready.iter().map(|host| &host["id"]).collect();
    assert_eq!(ids, ["by-command", "h1", "lab/one two"], "{}", output.report());
    for host in &ready {
        let done =
            json!([{"script": "mkdir -p /srv"}, {"playbook": "site.yml"}, {"script": "echo after >>after"}]);
        assert_eq!(host["done"], done);
    }
    let gone = of_type(&output, "host-gone");
    let note = |id: &str| gone.iter().find(|gone| gone["id"] == id).unwrap()["note"].as_str().unwrap();
    assert_eq!(note("h2"), "playbook site.yml: non-zero return code");
    assert!(note("dead").starts_with("10.99.0.250: not reached"), "{}", note("dead"));
    assert_eq!(lab.run(0, "cat /root/played; ls /srv/big 2>/dev/null || :"), "lab-one-two cs_9\n");
    assert_eq!(lab.run(1, "cat /root/played; ls /srv/big"), "h1 big\n/srv/big\n");
    assert_eq!(dir.read("here/played"), "by-command ungrouped\n");
    assert!(dir.read("logs/playbook-site.yml.log").contains("PLAY RECAP"));
}

#[test]
fn a_playbook_that_is_none_is_refused_before_a_host_is_touched() {
    let Some(lab) = start(1) else { return };
    let dir = Dir::new();
    dir.write("bad.yml", "- hosts: all\n  tasks:\n    - no_such_module_at_all: x\n");
    let words = ["prepare", "--script", "touch /srv/touched", "--playbook", "bad.yml"];
    let output = at(&lab, &dir, &words, &[lab_host(&lab, 0)]).run();
    output.code(2).stderr_has("--playbook: bad.yml: ");
    assert_eq!(lab.run(0, "ls /srv/touched 2>/dev/null || echo none"), "none\n");
}
