//! The plain list.

use crate::{hosts, refusal};

const LIST: &str = r#"
# our lab
node[01-02]
root@a.example:2222 identity=keys/a  # the old one
  b.example user=me port=23 platform=cs9 marks=ssd,big fact.arch=x86_64 fact.ram=64 id=bee

[big]
[2001:db8::7]:22 option.ProxyCommand="ssh -W %h:%p jump" option.Compression=yes
[small]
me@[fe80::1%eth0]
"#;

const RECORDS: &str = r#"{"type":"host","id":"node01","connect":{"how":"ssh","host":"node01"}}
{"type":"host","id":"node02","connect":{"how":"ssh","host":"node02"}}
{"type":"host","id":"a.example:2222","connect":{"how":"ssh","host":"a.example","user":"root","port":2222,"identity":"/DIR/keys/a"}}
{"type":"host","id":"bee","platform":"cs9","connect":{"how":"ssh","host":"b.example","user":"me","port":23},"facts":{"arch":"x86_64","ram":"64"},"marks":["ssd","big"]}
{"type":"host","id":"[2001:db8::7]:22","connect":{"how":"ssh","host":"2001:db8::7","port":22,"options":{"ProxyCommand":"ssh -W %h:%p jump","Compression":"yes"}}}
{"type":"host","id":"fe80::1%eth0","connect":{"how":"ssh","host":"fe80::1%eth0","user":"me"}}"#;

#[test]
fn every_host_is_a_record() {
    assert_eq!(hosts("x static LAB", LIST), RECORDS);
    assert_eq!(hosts("x static LAB --format list", &LIST.replace('\n', "\r\n")), RECORDS);
}

#[test]
fn groups_and_a_number_select() {
    let lines: Vec<&str> = RECORDS.lines().collect();
    for (options, expected) in [
        ("-n 1", &lines[..1]),
        ("-n 99", &lines[..]),
        ("--group big", &lines[4..5]),
        ("--group small --group big", &lines[4..]),
        ("--group small --group big -n 1", &lines[4..5]),
    ] {
        assert_eq!(hosts(&format!("x static LAB {options}"), LIST), expected.join("\n"), "{options}");
    }
}

#[test]
fn the_option_labels_hosts_that_have_no_label() {
    let list = "a\nb platform=cs9";
    let expected = r#"{"type":"host","id":"a","platform":"f43","connect":{"how":"ssh","host":"a"}}
{"type":"host","id":"b","platform":"cs9","connect":{"how":"ssh","host":"b"}}"#;
    assert_eq!(hosts("x static LAB --platform f43", list), expected);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    const KEYS: &str =
        "expected one of user, port, identity, platform, marks, id, fact.NAME or option.KEYWORD";
    for (list, message) in [
        ("", "/DIR/lab: there is no host in it"),
        ("# nothing\n[group]\n", "/DIR/lab: there is no host in it"),
        (
            "a\nb\n\na",
            "/DIR/lab:4: expected another host, found `a` again (first in line 1); `id=NAME` gives a host another id",
        ),
        (
            "a[1-3]\na2",
            "/DIR/lab:2: expected another host, found `a2` again (first in line 1); `id=NAME` gives a host another id",
        ),
        (
            "a id=b\nb",
            "/DIR/lab:2: expected another host, found `b` again (first in line 1); `id=NAME` gives a host another id",
        ),
        ("a:x", "/DIR/lab:1: expected a port from 1 to 65535, found `x`"),
        ("a port=0", "/DIR/lab:1: expected a port from 1 to 65535, found `0`"),
        ("a:22 port=23", "/DIR/lab:1: expected one port, found one in the address and one in a key"),
        ("u@a user=u", "/DIR/lab:1: expected one user, found one in the address and one in a key"),
        ("a user=-l", "/DIR/lab:1: expected a user, found `-l`"),
        ("-oProxyCommand=evil", "/DIR/lab:1: expected a host, found `-oProxyCommand=evil`"),
        ("a b", "/DIR/lab:1: expected key=value, found `b`"),
        ("a user=", "/DIR/lab:1: expected a value behind `user=`"),
        ("a user=b user=c", "/DIR/lab:1: expected `user` once, found it twice"),
        ("a fact.x=1 fact.x=1", "/DIR/lab:1: expected `fact.x` once, found it twice"),
        ("a serial=b", &format!("/DIR/lab:1: {KEYS}, found `serial`")),
        ("a fact.=1", &format!("/DIR/lab:1: {KEYS}, found `fact.`")),
        ("a option.A-B=1", &format!("/DIR/lab:1: {KEYS}, found `option.A-B`")),
        ("a marks=x,,y", "/DIR/lab:1: expected marks such as ssd,big, found `x,,y`"),
        ("a option.X='y", "/DIR/lab:1: expected a closing quote"),
        ("a[1-2] id=x", "/DIR/lab:1: expected `id` only where there is one host, found a range"),
        ("a[2-1]", "/DIR/lab:1: expected a range such as [1-40] or [01-40], found `[2-1]`"),
        ("a[1-100001]", "/DIR/lab:1: expected at most 100000 hosts in a list, found a range over more"),
        ("a[1-60000]\nb[1-60000]", "/DIR/lab:2: expected at most 100000 hosts in a list, found more"),
        ("[g:x]\na", "/DIR/lab:1: expected a group such as [big], found `[g:x]`"),
        ("[]", "/DIR/lab:1: expected a group such as [big], found `[]`"),
        ("[g] a", "/DIR/lab:1: expected nothing behind [g], found `a`"),
        ("::1", "/DIR/lab:1: expected host or host:port, found `::1` (an IPv6 address stands in brackets)"),
    ] {
        assert_eq!(refusal("x static LAB", list), message, "{list}");
    }
}

#[test]
fn a_group_that_is_not_there_is_refused_with_those_that_are() {
    for (list, message) in [
        ("a", "/DIR/lab: there is no group `x`; it has no groups; leave --group out"),
        ("[g]\na\n[h]", "/DIR/lab: there is no group `x`; its groups are g, h"),
    ] {
        assert_eq!(refusal("x static LAB --group x", list), message);
    }
    assert_eq!(
        refusal("x static LAB --group h", "[g]\na\n[h]"),
        "/DIR/lab: there is no host in the group `h`"
    );
    let many: String = (1..=25).map(|n| format!("[g{n}]\n")).collect::<String>() + "a";
    assert!(refusal("x static LAB --group x", &many).ends_with(", g19, g20, and 5 more"));
}
