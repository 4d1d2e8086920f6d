//! Much of everything: results, output, files. Memory does not grow with it, and a reader that does not read costs no time.
//!
//! In the long form (`ATEX_TEST_LONG=1`): 10 million results, 20 GB of output, a file of 2 GB.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use atex_testkit::sandbox::{Dir, Running};

use crate::stream::{lines, long, test};

/// Waits for a file.
fn await_file(path: &Path, running: &Running) {
    let since = Instant::now();
    let patience = Duration::from_secs(if long() { 1800 } else { 120 });
    while !path.exists() {
        assert!(since.elapsed() < patience, "{} does not come: {}", path.display(), running.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The most memory that it has had, in KiB.
fn peak(running: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// How many lines of a file hold this text.
fn count(path: &Path, text: &str) -> u64 {
    let grep = Command::new("grep").args(["-cF", text]).arg(path).output().unwrap();
    String::from_utf8(grep.stdout).unwrap().trim().parse().unwrap()
}

#[test]
fn memory_does_not_grow_with_what_a_test_sends() {
    let (results, output, file) = if long() {
        (10_000_000u64, 20_000_000_000u64, 2_000_000_000u64)
    } else {
        (200_000, 200_000_000, 200_000_000)
    };
    let dir = Dir::new();
    let here = dir.join("");
    let stop = |name: &str| {
        let go = here.join(format!("{name}-go"));
        let command = format!(
            "echo some >&2; : >'{0}'; until [ -e '{1}' ]; do sleep 0.05; done",
            here.join(name).display(),
            go.display()
        );
        test(&format!("/{name}"), &command)
    };
    let many = format!(
        "seq {results} | awk '{{s = \"{{\\\"name\\\":\\\"case-\" $1 \"\\\",\\\"status\\\":\\\"pass\\\"}}\"; \
         printf \"result %d\\n%s\", length(s), s}}' >&$ATEX_TEST_CONTROL"
    );
    let loud = format!(
        "{{ yes 'a line of some length that is printed again and again' || true; }} | head -c {output}; echo done"
    );
    let large = format!(
        "h='{{\"status\":\"pass\",\"files\":[{{\"name\":\"large\",\"length\":{file}}}]}}'\n\
         printf 'result %d\\n%s' ${{#h}} \"$h\" >&$ATEX_TEST_CONTROL\n\
         head -c {file} /dev/zero >&$ATEX_TEST_CONTROL"
    );
    let records =
        [stop("first"), test("/many", &many), test("/loud", &loud), test("/large", &large), stop("last")]
            .map(|mut test| {
                test["data"]["duration"] = "1h".into();
                test
            });
    let exec = env!("CARGO_BIN_EXE_atex-exec");
    // It keeps less than is printed also in the short form.
    let script = format!("exec {exec} --local 1 --run-dir run --max-output 50M >out");
    let mut command = dir.command("sh");
    command.args(["-c", &script]).stdin(lines(&records)).timeout(Duration::from_secs(1800));
    let running = command.start();
    await_file(&here.join("first"), &running);
    let before = peak(&running);
    dir.write("first-go", "");
    let since = Instant::now();
    await_file(&here.join("last"), &running);
    let (took, grown) = (since.elapsed(), peak(&running) - before);
    dir.write("last-go", "");
    running.finish().success();
    eprintln!(
        "{results} results, {output} bytes printed, {file} uploaded: {took:.1?}, {before} KiB + {grown} KiB"
    );
    // What is under way from a connection is bounded, and each thread that allocates has some room of its own.
    assert!(grown < 16 << 10, "{before} KiB + {grown} KiB");
    assert_eq!(count(&dir.join("out"), r#""type":"result""#), results + 1 + 3 + 2);
    assert_eq!(count(&dir.join("run/results/default/many/attempt-1/results.jsonl"), "case-"), results);
    let files = dir.join("run/results/default");
    assert_eq!(fs::metadata(files.join("large/attempt-1/files/large")).unwrap().len(), file);
    let loud = files.join("loud/attempt-1/files/output.txt");
    assert!(fs::metadata(&loud).unwrap().len() < (50 << 20) + 1000);
    assert_eq!((count(&loud, "bytes of output left out"), count(&loud, "done")), (1, 1));
    assert_eq!(count(&dir.join("out"), "bytes of output left out"), 1, "it is told off");
}

#[test]
fn a_reader_that_does_not_read_costs_no_time_and_no_result() {
    let dir = Dir::new();
    let many = "seq 5000 | awk '{s = \"{\\\"name\\\":\\\"case-\" $1 \"\\\",\\\"status\\\":\\\"pass\\\"}\"; \
                printf \"result %d\\n%s\", length(s), s}' >&$ATEX_TEST_CONTROL";
    let records: Vec<_> = (0..6).map(|n| test(&format!("/{n}"), many)).collect();
    let exec = env!("CARGO_BIN_EXE_atex-exec");
    // A pipe holds a part of what a single test reports.
    let script =
        format!("{exec} --local 2 --run-dir run | {{ until [ -e go ]; do sleep 0.05; done; cat >out; }}");
    let mut command = dir.command("sh");
    command.args(["-c", &script]).stdin(lines(&records)).timeout(Duration::from_secs(120));
    let running = command.start();
    let journal = dir.join("run/journal.jsonl");
    await_file(&journal, &running);
    let since = Instant::now();
    while count(&journal, r#""type":"test-end""#) < 6 {
        assert!(since.elapsed() < Duration::from_secs(60), "the run waits for its reader");
        std::thread::sleep(Duration::from_millis(50));
    }
    dir.write("go", "");
    running.finish().success();
    assert_eq!(count(&dir.join("out"), r#""type":"result""#), 6 * 5001);
    assert_eq!(count(&dir.join("out"), r#""type":"end""#), 1);
}
