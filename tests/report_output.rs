//! Where atex-report writes: links, what is open already, pipes, and the run directory itself.

use std::fs;
use std::os::unix::fs::symlink;

use atex_testkit::sandbox::Dir;

use crate::stream::{exec, test, tool};

/// A row as the Python ATEX has it, and what it becomes of one result.
const RESULT: &str = r#"{"type":"result","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"/t","status":"pass","files":[],"attempt":1,"n":1}"#;
const ROW: &str = "[\"p\",\"pass\",\"/t\",null,[],null]\n";

#[test]
fn a_report_goes_through_a_link() {
    let dir = Dir::new();
    dir.write("real/report", "old");
    symlink("real/report", dir.join("link")).unwrap();
    tool(&dir, "atex-report").args(["jsonl", "-o", "link"]).stdin(RESULT).run().success();
    assert!(fs::symlink_metadata(dir.join("link")).unwrap().is_symlink());
    assert_eq!(dir.read("real/report"), ROW);
}

#[test]
fn a_report_for_standard_output_arrives_behind_what_is_there() {
    let dir = Dir::new();
    // As /dev/stdout is one, which no test may put at risk.
    symlink("/proc/self/fd/1", dir.join("stdout")).unwrap();
    let script = format!("{{ echo before; {} jsonl -o stdout; echo behind; }} >all", bin());
    dir.command("sh").args(["-c", &script]).stdin(RESULT).run().success();
    assert_eq!(dir.read("all"), format!("before\n{ROW}behind\n"));
    assert!(fs::symlink_metadata(dir.join("stdout")).unwrap().is_symlink());
}

#[test]
fn what_cannot_have_parts_is_not_split() {
    let dir = Dir::new();
    symlink("/proc/self/fd/1", dir.join("stdout")).unwrap();
    nix::unistd::mkfifo(&dir.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for to in ["pipe", "stdout"] {
        let mut command = tool(&dir, "atex-report");
        let output = command.args(["junit", "--max-bytes=1024", "-o", to]).stdin(RESULT).run();
        let message = format!("{to}: expected a file, beside which others can be made for --max-bytes");
        output.code(2).stdout_is("").stderr_has(&message);
    }
}

#[test]
fn a_run_is_archived_from_within() {
    let dir = Dir::new();
    exec(&dir, &["--local", "1"], &[test("/t", "head -c 3000000 /dev/urandom; true")]).run().success();
    tool(&dir, "atex-report").args(["archive", "."]).current_dir(dir.join("run")).run().success();
    tool(&dir, "atex-report").args(["unarchive", "run/run.tar.zst", "back"]).run().success();
    tool(&dir, "atex-report").args(["check", "run/run.tar.zst"]).run().success();
    fs::remove_file(dir.join("run/run.tar.zst")).unwrap();
    let compared = dir.command("diff").args(["-rq", "run", "back"]).run();
    assert!(!compared.stdout.contains("differ"), "{}", compared.report());
    assert!(!compared.stdout.contains("Only in back"), "{}", compared.report());
}

#[test]
fn the_same_stream_gives_the_same_report() {
    let dir = Dir::new();
    let started = |n: u32| {
        format!(
            r#"{{"type":"test-start","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"/t{n}","attempt":1,"host":"h{n}"}}"#
        )
    };
    let row = |n: u32| RESULT.replace("/t", &format!("/t{n}"));
    let mut lines: Vec<String> = (0..40).map(started).chain((20..60).map(row)).collect();
    lines.push(String::new());
    dir.write("stream", lines.join("\n"));
    for format in
        ["jsonl", "csv", "tsv", "junit", "html", "tap", "markdown", "tmt", "yaml", "summary", "sort"]
    {
        let [one, other] = [(), ()].map(|()| tool(&dir, "atex-report").args([format, "stream"]).run().stdout);
        assert!(!one.is_empty() && one == other, "{format}");
    }
}

fn bin() -> &'static str {
    env!("CARGO_BIN_EXE_atex-report")
}
