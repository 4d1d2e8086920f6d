//! How fast an attempt takes in what a test sends, and in how much memory; measured by `scripts/bench control`, which
//! reads what is said here.

use std::io::Write;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::artifacts::Artifacts;
use crate::attempt::{Attempt, Job, Quotas};
use crate::checkpoint::tests::{START, WORD, job, result};

/// As large as pieces from a connection are.
const PIECE: usize = 64 << 10;

fn attempt(job: &Job) -> Attempt {
    let quotas = Quotas { output: 1 << 30, ..Quotas::default() };
    Attempt::new(job, WORD, START, Artifacts::create(&job.artifacts).unwrap(), quotas)
}

/// The time that this thread has spent on a processor, in seconds: that of other work on the machine, and of the
/// disk, is not ours.
fn spent() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6
}

/// The most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

fn say(what: &str, count: f64, seconds: f64, grown: u64) {
    let line =
        format!("{what}: {:.0} in a second of one core, {} KiB more memory\n", count / seconds, grown >> 10);
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Feeds a stream so many times and measures.
fn measure(stream: &[u8], times: u64, mut feed: impl FnMut(&mut Attempt, &[u8])) -> (f64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let job = job(dir.path());
    let mut attempt = attempt(&job);
    let (before, started) = (peak(), spent());
    for _ in 0..times {
        for piece in stream.chunks(PIECE) {
            feed(&mut attempt, piece);
        }
    }
    let seconds = spent() - started;
    assert_eq!(attempt.stopped, None);
    (seconds, peak() - before)
}

#[test]
#[ignore = "a measurement"]
fn ten_million_results() {
    let stream: String =
        (0..10_000).map(|n| result(&format!(r#"{{"name":"case-{n}","status":"pass"}}"#))).collect();
    let (seconds, grown) =
        measure(stream.as_bytes(), 1000, |attempt, piece| attempt.control(piece, Duration::ZERO));
    say("results", 1e7, seconds, grown);
    assert!(grown < 4 << 20, "{grown}");
}

#[test]
#[ignore = "a measurement"]
fn a_large_file() {
    let dir = tempfile::tempdir().unwrap();
    let job = job(dir.path());
    let mut attempt = attempt(&job);
    let bytes = 2u64 << 30;
    // A virtual machine may have to be given the memory that the page cache takes, which costs more than writing.
    write_only(bytes);
    let head = result(&format!(r#"{{"files":[{{"name":"f","length":{bytes}}}]}}"#));
    attempt.control(head.as_bytes(), Duration::ZERO);
    let piece = vec![b'x'; PIECE];
    let (before, started, clock) = (peak(), spent(), Instant::now());
    for _ in 0..bytes / PIECE as u64 {
        attempt.control(&piece, Duration::ZERO);
    }
    let (seconds, on_the_clock) = (spent() - started, clock.elapsed());
    let grown = peak() - before;
    assert_eq!(attempt.stopped, None);
    say("bytes of a file", bytes as f64, seconds, grown);
    say("bytes of a file on the clock", bytes as f64, on_the_clock.as_secs_f64(), grown);
    drop(attempt);
    dir.close().unwrap();
    say("bytes only written on the clock", bytes as f64, write_only(bytes).as_secs_f64(), 0);
    assert!(grown < 4 << 20);
}

/// How long it takes to write a file and nothing else.
fn write_only(bytes: u64) -> Duration {
    let mut file = tempfile::tempfile().unwrap();
    let piece = vec![b'x'; PIECE];
    let clock = Instant::now();
    for _ in 0..bytes / PIECE as u64 {
        file.write_all(&piece).unwrap();
    }
    clock.elapsed()
}

#[test]
#[ignore = "a measurement"]
fn output_far_beyond_what_is_kept() {
    let piece = vec![b'x'; PIECE];
    let times = 4 << 14;
    let (seconds, grown) = measure(&piece, times, |attempt, piece| attempt.output(piece));
    say("bytes of output", (times * PIECE as u64) as f64, seconds, grown);
    assert!(grown < 4 << 20, "{grown}");
}

#[test]
#[ignore = "a measurement"]
fn small_files() {
    let stream: String = (0..20_000)
        .map(|n| {
            result(&format!(r#"{{"name":"case-{n}","status":"pass","files":[{{"name":"log","length":3}}]}}"#))
                + "log"
        })
        .collect();
    let (seconds, grown) =
        measure(stream.as_bytes(), 1, |attempt, piece| attempt.control(piece, Duration::ZERO));
    say("results with a file", 2e4, seconds, grown);
}

#[test]
#[ignore = "a measurement"]
fn saving() {
    let dir = tempfile::tempdir().unwrap();
    let job = job(dir.path());
    let mut attempt = attempt(&job);
    let started = Instant::now();
    for _ in 0..100 {
        attempt.control(result("{}").as_bytes(), Duration::ZERO);
        attempt.output(b"x");
        attempt.save(Duration::ZERO).unwrap();
    }
    // This waits for the disk, so it is the time on the clock that counts.
    say("saves", 100.0, started.elapsed().as_secs_f64(), 0);
    assert_eq!(attempt.unsaved(), 0);
}
