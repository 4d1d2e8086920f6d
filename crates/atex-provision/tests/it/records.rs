//! Host records as a list.

use crate::{hosts, refusal};

/// Spaces, unknown keys, a number that no double holds, and records of other types.
const RECORDS: &str = r#"{ "type" : "host", "id":"a", "connect":{"how":"local"}, "serial":12345678901234567890123 }
{"type":"test","name":"/t","data":{}}
{"type":"host","id":"b","platform":"cs9","connect":{"how":"command","argv":["podman","exec","-i","b"]}}
{"type":"end","tool":"atex-provision","complete":false,"exit":3,"counts":{}}"#;

#[test]
fn records_come_out_as_they_went_in() {
    assert_eq!(hosts("x static LAB", RECORDS), RECORDS);
    assert_eq!(hosts("x static LAB --format records", &format!("\n{RECORDS}\n\n")), RECORDS);
}

#[test]
fn a_label_is_added_where_there_is_none() {
    let expected = RECORDS.replace("90123 }", r#"90123,"platform":"f\"43"}"#);
    assert_eq!(hosts("x static LAB --platform f\"43", RECORDS), expected);
}

#[test]
fn a_number_counts_hosts_only() {
    let lines: Vec<&str> = RECORDS.lines().collect();
    assert_eq!(hosts("x static LAB -n 1", RECORDS), [lines[0], lines[1], lines[3]].join("\n"));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let a = r#"{"type":"host","id":"a","connect":{"how":"local"}}"#;
    for (list, message) in [
        (format!("{a}\n\n{a}"), "/DIR/lab:3: expected another host, found `a` again (first in line 1)"),
        (format!("{a}\n{{\"type\":"), "/DIR/lab:2:8: not JSON: EOF while parsing a value"),
        (format!("{a}\n[1]"), "/DIR/lab:2:1: expected a record (a JSON object with a `type`)"),
        (r#"{"type":"host","id":1}"#.into(), "/DIR/lab:1:21: invalid type: integer `1`, expected a string"),
        (r#"{"type":"end"}"#.into(), "/DIR/lab: there is no host in it"),
    ] {
        assert_eq!(refusal("x static LAB", &list), message, "{list}");
    }
    let message = "/DIR/lab: there is no group `g`; it has no groups; leave --group out";
    assert_eq!(refusal("x static LAB --group g", a), message);
}
