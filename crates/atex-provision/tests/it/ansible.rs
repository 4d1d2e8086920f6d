//! Inventories of Ansible.

use crate::{hosts, refusal};

const INVENTORY: &str = r#"---
all:
  vars:
    ansible_user: root
    ansible_ssh_private_key_file: ~root/../keys/ci
    ansible_password: !vault |
      $ANSIBLE_VAULT;1.1;AES256
  hosts:
    lonely:
  children:
    web:
      hosts:
        www[01:02].example:
        odd:
          ansible_host: 10.0.0.9
          ansible_port: "2222"
          nested: {a: [1, 2]}
      vars: &web
        ansible_user: web
        ansible_ssh_common_args: -o ProxyCommand="ssh -W %h:%p jump" -oCompression=yes
    near:
      hosts:
        here: {ansible_connection: local}
db:
  hosts:
    db1:2200:
    "[fe80::1]:22": {<<: *web, ansible_user: me}
    odd:
  children:
    deep:
      hosts: {odd: }
      vars: {ansible_user: deep}
"#;

const RECORDS: &str = r#"{"type":"host","id":"lonely","connect":{"how":"ssh","host":"lonely","user":"root","identity":"/DIR/~root/../keys/ci"}}
{"type":"host","id":"www01.example","connect":{"how":"ssh","host":"www01.example","user":"web","identity":"/DIR/~root/../keys/ci","options":{"ProxyCommand":"ssh -W %h:%p jump","Compression":"yes"}}}
{"type":"host","id":"www02.example","connect":{"how":"ssh","host":"www02.example","user":"web","identity":"/DIR/~root/../keys/ci","options":{"ProxyCommand":"ssh -W %h:%p jump","Compression":"yes"}}}
{"type":"host","id":"odd","connect":{"how":"ssh","host":"10.0.0.9","user":"deep","port":2222,"identity":"/DIR/~root/../keys/ci","options":{"ProxyCommand":"ssh -W %h:%p jump","Compression":"yes"}}}
{"type":"host","id":"here","connect":{"how":"local"}}
{"type":"host","id":"db1","connect":{"how":"ssh","host":"db1","user":"root","port":2200,"identity":"/DIR/~root/../keys/ci"}}
{"type":"host","id":"fe80::1","connect":{"how":"ssh","host":"fe80::1","user":"me","port":22,"identity":"/DIR/~root/../keys/ci","options":{"ProxyCommand":"ssh -W %h:%p jump","Compression":"yes"}}}"#;

#[test]
fn every_host_is_one_record_with_the_variables_of_its_groups() {
    assert_eq!(hosts("x static LAB", INVENTORY), RECORDS);
    assert_eq!(hosts("x static LAB --format ansible-yaml", INVENTORY), RECORDS);
}

#[test]
fn groups_hold_the_hosts_of_the_groups_below() {
    let lines: Vec<&str> = RECORDS.lines().collect();
    for (group, expected) in [
        ("all", &lines[..]),
        ("ungrouped", &lines[..1]),
        ("web", &lines[1..4]),
        ("deep", &lines[3..4]),
        ("near", &lines[4..5]),
        ("db", &[lines[3], lines[5], lines[6]][..]),
    ] {
        assert_eq!(
            hosts(&format!("x static LAB --group {group}"), INVENTORY),
            expected.join("\n"),
            "{group}"
        );
    }
}

#[test]
fn of_groups_of_one_depth_priority_wins_then_the_later_name() {
    for (a, b, user) in
        [("", "", "b"), ("ansible_group_priority: 10", "", "a"), ("", "ansible_group_priority: 0", "a")]
    {
        let group = |name: &str, more: &str| {
            format!("{name}:\n  hosts: {{h: }}\n  vars:\n    ansible_user: {name}\n    {more}\n")
        };
        let record =
            format!(r#"{{"type":"host","id":"h","connect":{{"how":"ssh","host":"h","user":"{user}"}}}}"#);
        assert_eq!(hosts("x static LAB", &(group("b", b) + &group("a", a))), record);
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (list, message) in [
        ("all:\n", "/DIR/lab: there is no host in it"),
        (
            "all:\n  hosts:\n    a: {\n",
            "/DIR/lab:4:1: did not find expected node content, while parsing a flow node",
        ),
        (
            "all:\n  host:\n    a:\n",
            "/DIR/lab:2:3: all: unknown field `host`, expected one of `hosts`, `children`, `vars`",
        ),
        (
            "web:\n  hosts:\n    - a\n",
            "/DIR/lab:3:5: web.hosts: invalid type: sequence, expected a mapping of names",
        ),
        (
            "web:\n  hosts:\n    a:\n    a:\n",
            "/DIR/lab:3:5: web.hosts: expected another name, found `a` again",
        ),
        (
            "web:\n  hosts: {a: {ansible_host: '{{ x }}'}}\n",
            "/DIR/lab:2:29: web.hosts.a.ansible_host: expected a value, found the template `{{ x }}`",
        ),
        (
            "web:\n  hosts: {a: {ansible_port: ssh}}\n",
            "/DIR/lab: host `a`: expected a port from 1 to 65535, found `ssh`",
        ),
        (
            "web:\n  hosts: {a: {ansible_connection: winrm}}\n",
            "/DIR/lab: host `a`: expected ansible_connection ssh or local, found `winrm`",
        ),
        (
            "web:\n  hosts: {a: {ansible_ssh_common_args: -F x}}\n",
            "/DIR/lab: host `a`: expected arguments of ssh such as -o KEYWORD=VALUE or -J HOST, found `-F x`",
        ),
        (
            "web:\n  hosts: {'a[1-3]': }\n",
            "/DIR/lab: host `a[1-3]`: expected a range such as [1:40], [01:40] or [a:f], found `[1-3]`",
        ),
        ("web:\n  hosts: {-x: }\n", "/DIR/lab: host `-x`: expected a host, found `-x`"),
        (
            "a:\n  hosts: {h: }\n  children: {b: {children: {a: }}}\n",
            "/DIR/lab: expected groups below groups, found `a` below itself",
        ),
    ] {
        assert_eq!(refusal("x static LAB", list), message, "{list}");
    }
    let message = "/DIR/lab: there is no group `x`; its groups are all, web, near, db, deep, ungrouped";
    assert_eq!(refusal("x static LAB --group x", INVENTORY), message);
}

const INI: &str = r#"
# a comment
alone ansible_connection=local
[web]
web[1:2].lab ansible_port=2200
[db]
db1 ansible_host=10.0.0.5   # the old one
db1 ansible_user="admin"
[all:children]
web
[near:children]
web
db
[near:vars]
ansible_user = me
ansible_ssh_common_args='-o Compression=yes'
other=1
"#;

const OF_INI: &str = r#"{"type":"host","id":"alone","connect":{"how":"local"}}
{"type":"host","id":"web1.lab","connect":{"how":"ssh","host":"web1.lab","user":"me","port":2200,"options":{"Compression":"yes"}}}
{"type":"host","id":"web2.lab","connect":{"how":"ssh","host":"web2.lab","user":"me","port":2200,"options":{"Compression":"yes"}}}
{"type":"host","id":"db1","connect":{"how":"ssh","host":"10.0.0.5","user":"admin","options":{"Compression":"yes"}}}"#;

#[test]
fn an_ini_file_says_the_same() {
    assert_eq!(hosts("x static LAB", INI), OF_INI);
    assert_eq!(hosts("x static LAB --format ansible-ini", INI), OF_INI);
    let lines: Vec<&str> = OF_INI.lines().collect();
    assert_eq!(hosts("x static LAB --group db", INI), lines[3]);
    assert_eq!(hosts("x static LAB --group near", INI), lines[1..].join("\n"));
    assert_eq!(hosts("x static LAB --group ungrouped", INI), lines[0]);
    for (list, message) in [
        ("[web\na ansible_port=1", "/DIR/lab:1: expected `]` in `[web`"),
        (
            "[web:x]\na ansible_port=1",
            "/DIR/lab:1: expected [GROUP], [GROUP:children] or [GROUP:vars], found `[web:x]`",
        ),
        ("[web:vars]\nx", "/DIR/lab:2: expected name=value, found `x`"),
        ("a ansible_port=1 x", "/DIR/lab:1: expected name=value, found `x`"),
        ("a ansible_port='1", "/DIR/lab:1: expected a closing quote"),
        ("a ansible_port=x", "/DIR/lab: host `a`: expected a port from 1 to 65535, found `x`"),
        ("a ansible_host={{x}}", "/DIR/lab: expected a value, found the template `{{x}}`"),
    ] {
        assert_eq!(refusal("x static LAB", list), message, "{list}");
    }
}
