//! What the targets of imports share.

/// Imports bytes as a form. Whatever was found are records, the last of which says how it went.
pub fn import(form: &str, bytes: &[u8]) {
    let (records, status) = super::report::run(&["import", "--run=r", "--from", form], bytes);
    let mut last = None;
    for line in records.split_inclusive(|byte| *byte == b'\n') {
        let record: serde_json::Value = serde_json::from_slice(line).expect("each line is JSON");
        assert!(line.ends_with(b"\n") && record["type"].is_string(), "{record}");
        last = Some(record);
    }
    let end = last.expect("there is an end");
    assert_eq!((&end["type"], &end["exit"]), (&"end".into(), &status.into()));
    // What was found is taken by whatever reads records.
    let (_, status) = super::report::run(&["summary", "--allow-empty", "--color=never"], &records);
    assert_ne!(status, 2, "no line of it is wrong");
}
