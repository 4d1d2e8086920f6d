//! Memory does not depend on the number of results.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use atex_model::report::{ResultKind, TestResult};
use atex_model::{Object, Time};
use atex_report::input::{Faults, read_from};
use atex_report::reduce::{State, Tested};
use atex_report::with_line;

/// Counts the bytes that are in use, and the most that ever were.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Memory is measured of one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

// SAFETY: everything is handed on to the system's allocator as it is; only sizes are added up.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(now, Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The result at a position of one attempt. Half of them fail.
fn result(n: u64) -> TestResult {
    TestResult {
        kind: ResultKind::Result,
        time: Time(0),
        run: "r".into(),
        platform: "p".into(),
        test: "/t".into(),
        subtest: Some(format!("s/{n}")),
        status: Some(if n.is_multiple_of(2) { "fail" } else { "pass" }.into()),
        note: Some(format!("note {n}")),
        files: vec![format!("f{n}")],
        attempt: 1,
        n,
        host: Some("h".into()),
        extra: Object::new(),
        waived: None,
    }
}

/// What the reducer holds after results in this order, in bytes, and how many of them it has counted.
fn held(order: impl Iterator<Item = u64>) -> (usize, u64) {
    let before = IN_USE.load(Relaxed);
    let mut state = State::new(5);
    order.for_each(|n| {
        let line = serde_json::to_string(&result(n)).unwrap();
        with_line(&line, |event| state.take(event)).unwrap().unwrap();
    });
    (IN_USE.load(Relaxed) - before, counted(&mut state))
}

fn counted(state: &mut State) -> u64 {
    let mut results = 0;
    let add = |tested: &Tested| {
        results += tested.test.attempts().flat_map(|attempt| attempt.results).sum::<u64>();
    };
    state.drain_tests(add).unwrap();
    results
}

/// As [`held`], with everything that reads lines in the way.
fn held_of_lines(results: u64) -> (usize, u64) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let before = IN_USE.load(Relaxed);
    let mut state = State::new(5);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut line = Vec::new();
            for n in 1..=results {
                line.clear();
                atex_model::to_line(&mut line, &result(n));
                writer.write_all(&line).unwrap();
            }
        });
        let mut quiet = |_: &str| ();
        let mut faults = Faults::new(0, &mut quiet);
        let read = read_from("in", Box::new(reader), &mut faults, &mut state);
        assert!(read.is_ok());
        assert_eq!(faults.lines, 0);
    });
    (IN_USE.load(Relaxed) - before, counted(&mut state))
}

#[test]
fn a_hundred_thousand_results_are_no_larger_than_a_thousand() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    const MANY: u64 = 100_000;
    let (small, _) = held(1..=1_000);
    let (large, counted) = held(1..=MANY);
    assert_eq!(counted, MANY);
    assert!(large <= small + 64, "{large} bytes after a hundred thousand, {small} after a thousand");
    assert!(large < 16 << 10, "{large} bytes");

    let (lines, counted) = held_of_lines(20_000);
    assert_eq!(counted, 20_000);
    assert!(lines < large + 1024, "{lines} bytes");

    // Every tenth, as after `grep`: an entry of some 20 bytes for 64 positions.
    let (filtered, counted) = held((10..=100_000).step_by(10));
    assert_eq!(counted, 10_000);
    assert!(filtered < 100_000 / 64 * 40 + large, "{filtered} bytes");

    // Backwards, the worst of orders, and each twice: nothing is left over when all are there.
    let (backwards, counted) = held((1..=20_000).rev().chain(1..=20_000));
    assert_eq!(counted, 20_000);
    assert!(backwards < 2 * large + 1024, "{backwards} bytes");
}

/// Writes the stream of a run with so many results, of 50 a test, and with long notes.
fn run(to: &Path, results: u64) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(to).unwrap());
    let mut line = Vec::new();
    for n in 0..results {
        line.clear();
        let test = format!("/t{}", n / 50);
        let note = Some(format!("{n:0300}"));
        atex_model::to_line(&mut line, &TestResult { test, n: n % 50 + 1, note, ..result(n) });
        file.write_all(&line).unwrap();
        if n % 50 == 49 {
            let test = n / 50;
            writeln!(
                file,
                r#"{{"type":"test-end","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"/t{test}","attempt":1,"host":"h","outcome":"fail","cause":"test","seconds":1.5,"counts":{{}},"final":true}}"#
            )
            .unwrap();
        }
    }
    file.flush().unwrap();
}

#[test]
fn what_is_written_or_compared_needs_no_more_memory_where_there_is_more_of_it() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    // Enough that what is sorted goes to files.
    let streams = [(path("few"), 60_000), (path("many"), 180_000)];
    streams.iter().for_each(|(stream, results)| run(Path::new(stream), *results));
    // What a summary remembers of tests that failed takes more, up to its own bound: see `reduce::table`.
    for command in ["jsonl", "csv", "junit", "tap", "yaml", "tmt", "markdown", "sort", "diff"] {
        let [few, many] = streams.each_ref().map(|(stream, _)| {
            let args: &[&str] =
                if command == "diff" { &[command, stream, stream] } else { &[command, stream] };
            let before = IN_USE.load(Relaxed);
            MOST.store(before, Relaxed);
            assert!(atex_report::with_args(args, std::io::sink(), &mut |_| ()).is_ok(), "{command}");
            MOST.load(Relaxed) - before
        });
        // Tests are remembered until there are 57,000 of them.
        let enough = few + few / 4 + (2 << 20);
        assert!(many < enough.min(60 << 20), "{command}: {few} bytes, and {many} of three times as much");
    }
}
