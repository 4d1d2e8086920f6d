//! Any bytes as a file of waivers, in both forms: they are taken or refused, and a stream stays what it was but for labels.
#![no_main]

mod report;

use std::io::Write as _;

use libfuzzer_sys::fuzz_target;

const STREAM: &str = r#"{"type":"result","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"rhel-9.4","test":"/t","subtest":"s","status":"fail","note":"refused","files":[],"attempt":1,"n":1}
{"type":"test-end","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"rhel-9.4","test":"/t","attempt":1,"outcome":"fail","cause":"test","seconds":1.0,"counts":{},"final":true}
"#;

fuzz_target!(|bytes: &[u8]| {
    let mut stream = tempfile::NamedTempFile::new_in("/dev/shm").expect("there is room in memory");
    stream.write_all(STREAM.as_bytes()).expect("there is room in memory");
    let path = stream.path().to_str().expect("it is made of letters").to_owned();
    let (out, status) = report::run(&["waive", &path, "--file"], bytes);
    if status == 2 {
        return;
    }
    let labelled = String::from_utf8(out).expect("records are text");
    for (line, was) in labelled.lines().zip(STREAM.lines()) {
        let mut line: serde_json::Value = serde_json::from_str(line).expect("it is a record");
        line.as_object_mut().expect("a record is an object").remove("waived");
        assert_eq!(line, serde_json::from_str::<serde_json::Value>(was).expect("it was a record"));
    }
    assert_eq!(labelled.lines().count(), STREAM.lines().count());
});
