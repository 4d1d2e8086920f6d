//! The page of `html` as a file: what stands in it, and what it costs to write. What it does in a browser is in
//! `tests/browser`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use atex_cli::Exit;
use serde_json::{Value, json};

/// Counts the bytes that are in use, and the most that ever were.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

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

/// Memory is measured of one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn page(records: &str, more: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.html"));
    std::fs::write(&input, records).unwrap();
    write(&input, &output, more);
    std::fs::read_to_string(output).unwrap()
}

fn write(input: &Path, output: &Path, more: &[&str]) {
    let fixed = ["html", "-o", output.to_str().unwrap(), input.to_str().unwrap()];
    let args: Vec<&str> = fixed.into_iter().chain(more.iter().copied()).collect();
    let exit = atex_report::with_args(&args, std::io::sink(), &mut |message| panic!("{message}"));
    assert_eq!(exit.map_err(|e| e.message), Ok(Exit::Done));
}

/// A record of one run, by what is particular to it.
fn line(kind: &str, more: Value) -> String {
    let mut record = json!({"type": kind, "time": "2026-11-21T20:00:00.000Z", "run": "r", "platform": "p", "attempt": 1, "host": "h"});
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    format!("{record}\n")
}

fn result(test: &str, status: &str, note: &str, n: u64) -> String {
    let subtest = if n > 1 { Some(format!("part-{n}")) } else { None };
    line(
        "result",
        json!({"test": test, "status": status, "note": note, "files": ["log"], "n": n, "subtest": subtest}),
    )
}

fn end(test: &str, outcome: &str) -> String {
    line(
        "test-end",
        json!({"test": test, "outcome": outcome, "cause": "test", "seconds": 1.0, "counts": {}, "final": true,
            "note": "the end", "artifacts": format!("/runs/r/results/p{test}/attempt-1")}),
    )
}

/// The part that is plain HTML.
fn plain(page: &str) -> &str {
    let start = page.find("<main id=\"plain\">").unwrap();
    &page[start..start + page[start..].find("</main>").unwrap()]
}

#[test]
fn failures_stand_in_it_as_html_the_worst_first() {
    let _alone = alone();
    let records = [
        result("/a", "pass", "", 1),
        end("/a", "pass"),
        result("/b", "fail", "broken", 1),
        result("/b", "warn", "odd", 2),
        end("/b", "fail"),
        end("/c", "infra"),
    ]
    .concat();
    let page = page(&records, &["--links-from=/runs"]);
    let plain = plain(&page);
    let places =
        ["/c<", "broken", "odd"].map(|part| plain.find(part).unwrap_or_else(|| panic!("{part} in {plain}")));
    assert!(places.is_sorted(), "{plain}");
    assert!(!plain.contains("/a<"), "{plain}");
    assert_eq!(
        plain.matches(">/b<").count() + plain.matches(">/b ").count(),
        2,
        "its end says nothing new: {plain}"
    );
    assert!(plain.contains("href=\"./r/results/p/b/attempt-1/files/log\""), "{plain}");
    assert!(plain.contains("href=\"./r/results/p/b/attempt-1/files/part-2/log\""), "{plain}");
}

#[test]
fn few_of_many_failures_stand_in_it_and_the_rest_is_counted() {
    let _alone = alone();
    let mut records: String = (0..500).map(|n| result(&format!("/t{n}"), "fail", "x", 1)).collect();
    records += &result("/worst", "error", "y", 1);
    let page = page(&records, &["--plain=10"]);
    let plain = plain(&page);
    assert_eq!(plain.matches("<tr class=\"s-fail\"").count(), 9);
    assert!(plain.find("/worst").unwrap() < plain.find("/t0").unwrap());
    assert!(plain.contains("491 more of them"), "{plain}");
}

#[test]
fn nothing_of_a_record_becomes_markup_or_is_fetched() {
    let _alone = alone();
    let evil = "</script></style><img src=http://evil.example/x onerror=alert(1)>\u{202e}\u{1b}]0;";
    let page = page(&(result(evil, "fail", evil, 1) + &end(evil, "fail")), &["--title", evil]);
    for part in ["<img", "onerror=alert(1)>", "\u{202e}", "\u{1b}"] {
        assert!(!page.contains(part), "{part:?}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(
        !page.contains("src=\"") && !page.contains("@import") && !page.contains("url("),
        "nothing is loaded"
    );
    // As many ends as beginnings: no text has closed a script.
    assert_eq!(page.matches("<script").count(), page.matches("</script>").count());
}

#[test]
fn the_same_records_make_the_same_page() {
    let _alone = alone();
    let records: String = (0..300)
        .map(|n| result(&format!("/t{n}"), "fail", "x", 1) + &end(&format!("/t{n}"), "fail"))
        .collect();
    let options = ["--links-from=/x"];
    assert_eq!(page(&records, &options), page(&records, &options));
    // Also of a stream that says its last lines twice.
    let tail: String = records.lines().rev().take(5).map(|line| format!("{line}\n")).collect();
    assert_eq!(page(&(records.clone() + &tail), &options), page(&records, &options));
}

#[test]
fn memory_does_not_depend_on_the_number_of_results() {
    let _alone = alone();
    let most = |tests: u64| {
        let dir = tempfile::tempdir().unwrap();
        let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.html"));
        let mut records = String::new();
        for test in 0..tests {
            let name = format!("/t{test}");
            for n in 1..=100 {
                // Both kinds fill chunks.
                let status = if n % 2 == 0 { "fail" } else { "pass" };
                let _ = write!(records, "{}", result(&name, status, &format!("note {n} of {test}"), n));
            }
            records += &end(&name, "pass");
        }
        std::fs::write(&input, &records).unwrap();
        drop(records);
        let before = IN_USE.load(Relaxed);
        MOST.store(before, Relaxed);
        write(&input, &output, &[]);
        MOST.load(Relaxed) - before
    };
    let (few, many) = (most(400), most(1600));
    assert!(many < few + few / 4, "{few} bytes for 40,000 results, {many} for 160,000");
}
