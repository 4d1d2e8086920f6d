//! The page of `atex-report html` in a real browser, moved by clicks and keys.
//!
//! Chromium is 124 MB to fetch and 414 MB when installed, so `scripts/test` installs it only for the long form
//! (`ATEX_TEST_LONG=1`); without one these tests are skipped, and it says so.

mod chromium;

use std::fmt::Write as _;
use std::path::PathBuf;

use chromium::{Browser, program};
use serde_json::{Value, json};

fn is_long() -> bool {
    std::env::var_os("ATEX_TEST_LONG").is_some_and(|value| value == "1")
}

/// A browser, or none and a word about it.
fn browser() -> Option<Browser> {
    let Some(program) = program() else {
        assert!(!is_long(), "ATEX_TEST_LONG=1, but there is no chromium");
        eprintln!("SKIPPED: chromium is not installed: the page is not tried in a browser");
        return None;
    };
    Some(Browser::start(&program))
}

/// A directory with a run's page in it.
struct Page {
    dir: tempfile::TempDir,
}

impl Page {
    fn of(records: &str) -> Page {
        let dir = tempfile::tempdir().unwrap();
        let records_path = dir.path().join("records.jsonl");
        std::fs::write(&records_path, records).unwrap();
        let page = Page { dir };
        let output = page.path();
        let args = ["html", "-o", output.to_str().unwrap(), records_path.to_str().unwrap()];
        let mut messages = Vec::new();
        let exit = atex_report::with_args(&args, std::io::sink(), &mut |text| messages.push(text.to_owned()));
        assert_eq!(exit.map_err(|e| e.message), Ok(atex_cli::Exit::Done), "{messages:?}");
        page
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("report.html")
    }
}

const RUN: &str = "20261121-2000-7f3a";

fn time(second: usize) -> String {
    format!("2026-11-21T{:02}:{:02}:{:02}.000Z", 20 + second / 3600, second / 60 % 60, second % 60)
}

/// The records of an attempt: its results as subtest, status and note; the last one is the test's own.
fn attempt(second: usize, test: &str, number: u32, is_final: bool, results: &[(&str, &str, &str)]) -> String {
    let mut text = String::new();
    let platform = if second.is_multiple_of(20) { "f43" } else { "cs9" };
    let host = format!("vm-{}", second / 10 % 3);
    let common = json!({"run": RUN, "platform": platform, "test": test, "attempt": number, "host": host});
    let mut put = |mut record: Value| {
        record.as_object_mut().unwrap().extend(common.as_object().unwrap().clone());
        writeln!(text, "{record}").unwrap();
    };
    put(json!({"type": "test-start", "time": time(second)}));
    let kind = if is_final { "result" } else { "old-result" };
    for (at, (subtest, status, note)) in results.iter().enumerate() {
        let mut record = json!({"type": kind, "time": time(second + 8), "status": status, "files": ["log.txt"], "n": at + 1});
        if !subtest.is_empty() {
            record["subtest"] = json!(subtest);
        }
        if !note.is_empty() {
            record["note"] = json!(note);
        }
        put(record);
    }
    let outcome = results.last().map_or("infra", |(_, status, _)| status);
    let mut end = json!({"type": "test-end", "time": time(second + 8), "outcome": outcome, "cause": "test",
        "exit": 0, "seconds": 8.0, "counts": {}, "final": is_final});
    if results.is_empty() {
        end["cause"] = json!("host");
        end["note"] = json!("the host was lost");
    }
    put(end);
    text
}

/// 60 tests on two platforms: two fail, one is flaky, one lost its host.
fn records() -> String {
    let mut text = format!(
        "{}\n",
        json!({"type": "job-start", "time": time(0), "run": RUN, "dir": "/srv/run", "version": "0"})
    );
    for host in 0..3 {
        let start = json!({"type": "host-start", "time": time(1), "run": RUN, "host": format!("vm-{host}"), "platform": "cs9"});
        writeln!(text, "{start}").unwrap();
    }
    for n in 0..60 {
        let (second, name) = (10 + n * 10, format!("/area/test-{n:02}"));
        text += &match n {
            7 => attempt(
                second,
                &name,
                1,
                true,
                &[("one", "pass", ""), ("two", "fail", "refused by 10.0.0.7"), ("", "fail", "1 of 2 failed")],
            ),
            8 => attempt(second, &name, 1, true, &[("", "fail", "refused by 10.0.0.9")]),
            9 => {
                attempt(second, &name, 1, false, &[("", "fail", "first time")])
                    + &attempt(second, &name, 2, true, &[("", "pass", "")])
            }
            10 => attempt(second, &name, 1, true, &[]),
            _ => attempt(second, &name, 1, true, &[("", "pass", "")]),
        };
    }
    let lost = json!({"type": "host-end", "time": time(700), "run": RUN, "host": "vm-1", "platform": "cs9", "reason": "lost", "note": "gone"});
    let end = json!({"type": "job-end", "time": time(701), "run": RUN, "dir": "/srv/run", "outcome": "infra",
        "counts": {}, "unsettled": 0, "seconds": 701.0});
    text + &format!("{lost}\n{end}\n")
}

/// The first words of the first lines of the list: status and name.
fn lines(browser: &mut Browser, most: usize) -> Vec<String> {
    let lines = "[...document.querySelectorAll('.line[data-line]')].sort((a, b) => a.dataset.line - b.dataset.line)
        .map((line) => line.querySelector('.badge').lastChild.data + ' ' + [...line.querySelectorAll('.name, .subtest')].map((e) => e.innerText).join(' '))";
    let mut lines: Vec<String> = serde_json::from_value(browser.value(lines)).unwrap();
    lines.truncate(most);
    lines
}

#[test]
fn the_page_is_moved_by_clicks_and_keys() {
    let Some(mut browser) = browser() else { return };
    let page = Page::of(&records());
    browser.open(&page.path(), "");
    let browser = &mut browser;
    assert_eq!(
        lines(browser, 4),
        ["infra /area/test-10", "fail /area/test-07", "fail /area/test-08", "pass /area/test-00"]
    );
    assert_eq!(browser.text(".found"), "60 tests");
    assert_eq!(browser.texts(".chip"), ["all", "◆1 infra", "✕2 fail", "✓57 pass", "↻1 flaky"]);

    // By status.
    browser.click(".chip.s-fail");
    assert_eq!(browser.text(".found"), "2 tests");
    assert_eq!(browser.value("location.hash"), "#status=fail");
    browser.click(".chip.s-fail");

    // By text, by regular expression, and by one that is none.
    browser.key("/");
    browser.type_text("test-0 -07");
    assert_eq!(browser.text(".found"), "9 tests");
    browser.value("document.querySelector('input[type=search]').select()");
    browser.type_text("0[78]$");
    assert_eq!(browser.text(".found"), "0 tests");
    browser.click("[aria-label='Regular expression']");
    assert_eq!(lines(browser, 9), ["fail /area/test-07", "fail /area/test-08"]);
    browser.click("input[type=search]");
    browser.key("End");
    browser.type_text("(");
    assert!(browser.text("[role=alert]").contains("nterminated group"), "{}", browser.text("[role=alert]"));
    assert_eq!(lines(browser, 9).len(), 2, "the list stays as it was");
    browser.key("Backspace");

    // Keys move, open a group, and show details.
    browser.key("Escape");
    browser.key("j");
    browser.key("ArrowRight");
    assert_eq!(
        lines(browser, 9),
        ["fail /area/test-07", "fail two", "fail the test itself", "pass one", "fail /area/test-08"]
    );
    browser.key("j");
    browser.key("Enter");
    assert_eq!(browser.text(".details .subtest"), "two");
    assert_eq!(browser.text(".details .note"), "refused by 10.0.0.7");
    assert_eq!(browser.value("document.activeElement.getAttribute('aria-activedescendant')"), "line-1");
    browser.key("Escape");
    assert_eq!(browser.value("document.querySelector('.details').hidden"), true);

    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn attempts_notes_and_hosts_are_shown() {
    let Some(mut browser) = browser() else { return };
    let page = Page::of(&records());
    browser.open(&page.path(), "q=test-09");
    let browser = &mut browser;
    browser.key("j");
    browser.key("Enter");
    let attempts = browser.texts(".attempts tr");
    assert_eq!(attempts.len(), 2);
    assert!(attempts[0].contains("fail") && attempts[1].contains("pass"), "{attempts:?}");
    browser.click("[data-key=earlier] input");
    assert_eq!(browser.text(".line[data-line='0'] .tag.bad"), "1 of 2");

    // Notes that differ in numbers only.
    browser.open(&page.path(), "view=notes&status=fail");
    assert_eq!(browser.text(".found"), "3 results in 3 notes");
    browser.click("[data-key=alike] input");
    assert_eq!(browser.text(".found"), "3 results in 2 notes");

    // The timeline: hosts with trouble first; a click on a bar shows the test.
    browser.key("4");
    assert_eq!(browser.text(".found"), "3 hosts");
    assert_eq!(browser.text(".line[data-line='0'] .h-host"), "vm-1");
    assert_eq!(browser.text(".line[data-line='0'] .h-end"), "lost");
    let colours = "(() => { const c = document.querySelector('.line[data-line] canvas');
        const d = c.getContext('2d').getImageData(0, c.height / 2, c.width, 1).data;
        const found = new Set(); for (let i = 0; i < d.length; i += 4) found.add(d.slice(i, i + 4).join()); return found.size; })()";
    let colours = browser.value(colours).as_u64().unwrap();
    assert!(colours >= 3, "{colours} colours");
    let ticks = "document.querySelector('.h-strip canvas').toDataURL()";
    let before = browser.value(ticks);
    browser.key("+");
    assert_ne!(browser.value(ticks), before, "it is zoomed");
    browser.key("-");
    browser.click(".line[data-line='1'] canvas");
    assert!(browser.text(".details h2").starts_with("/area/test-"), "{}", browser.text(".details h2"));

    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn it_is_dark_or_light_as_the_system_or_its_reader_has_it() {
    let Some(mut browser) = browser() else { return };
    let page = Page::of(&records());
    let mut backgrounds = Vec::new();
    for scheme in ["light", "dark"] {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.call("Emulation.setEmulatedMedia", features);
        browser.open(&page.path(), "");
        for _ in 0..3 {
            backgrounds.push(browser.value("getComputedStyle(document.body).backgroundColor").to_string());
            browser.key("t");
        }
    }
    let [light, dark, _, in_dark, ..] = &backgrounds[..] else { unreachable!("there are six") };
    assert_ne!(light, dark);
    let expected = [light, dark, light, in_dark, light, dark];
    assert!(backgrounds.iter().eq(expected), "automatic, the other one, chosen: {backgrounds:?}");
    assert_eq!(in_dark, dark);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// What tests, hosts and files may be called, and must not do.
const HOSTILE: &[&str] = &[
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    "\"onmouseover=\"window.hacked=1\" x=\"",
    "javascript:window.hacked=1",
    "a\u{202e}gpj.exe\u{1b}[31m\u{0}z",
    "__proto__",
    "]]>--><!--",
];

#[test]
fn hostile_names_stay_text() {
    let Some(mut browser) = browser() else { return };
    let mut text = String::new();
    for (n, name) in HOSTILE.iter().enumerate() {
        let common = json!({"run": name, "platform": name, "test": name, "attempt": 1, "host": name});
        let result = json!({"type": "result", "time": time(n), "subtest": name, "status": if n % 2 == 0 { "fail" } else { name },
            "note": name, "files": [name, "../../../etc/passwd"], "n": 1, "extra": {*name: name}});
        let end = json!({"type": "test-end", "time": time(n + 1), "outcome": "fail", "cause": "test", "seconds": 1.0,
            "counts": {}, "final": true, "note": name, "artifacts": format!("/srv/{name}")});
        let host = json!({"type": "host-end", "time": time(n + 2), "reason": "lost", "note": name});
        for mut record in [result, end, host] {
            record.as_object_mut().unwrap().extend(common.as_object().unwrap().clone());
            writeln!(text, "{record}").unwrap();
        }
    }
    let page = Page::of(&text);
    for view in ["tests", "results", "notes", "hosts"] {
        browser.open(&page.path(), &format!("view={view}"));
        for key in ["Home", "ArrowRight", "Enter", "j", "j", "Enter", "e"] {
            browser.key(key);
        }
        assert_eq!(browser.value("String(window.hacked)"), "undefined", "{view}");
        assert_eq!(browser.value("document.querySelectorAll('img, iframe, object').length"), 0, "{view}");
        let hidden = r"/[\u0000-\u0008\u000e-\u001f\u202a-\u202e]/.test(document.body.innerText)";
        assert_eq!(browser.value(hidden), false, "{view}");
        let schemes = "[...new Set([...document.querySelectorAll('a')].map((a) => a.protocol))].join()";
        assert!(["", "file:"].contains(&browser.value(schemes).as_str().unwrap()), "{view}");
    }
    browser.open(&page.path(), "view=results");
    let names = browser.texts(".line[data-line] .name");
    assert_eq!(names.len(), 2 * HOSTILE.len(), "each with the end of its attempt, which says something else");
    assert!(
        names.contains(&HOSTILE[0].to_owned()) && names.contains(&r"a\u{202e}gpj.exe\x1b[31m␀z".to_owned()),
        "{names:?}"
    );
    let outside = "[...document.querySelectorAll('#app a')].filter((a) => !new URL(a.href).pathname.includes('/files/')).length";
    assert_eq!(browser.value(outside), 0, "all links of the list lead into artifacts");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn failures_can_be_read_without_scripts() {
    let Some(mut browser) = browser() else { return };
    let page = Page::of(&records());
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.navigate(&format!("file://{}", page.path().display()));
    let document = browser.call("DOM.getDocument", json!({"depth": -1}));
    let node = &document["root"]["nodeId"];
    let found = browser.call("DOM.querySelector", json!({"nodeId": node, "selector": "#plain"}));
    let html = browser.call("DOM.getOuterHTML", json!({"nodeId": found["nodeId"]}));
    let html = html["outerHTML"].as_str().unwrap();
    for part in ["/area/test-07", "refused by 10.0.0.9", "the host was lost", "infra"] {
        assert!(html.contains(part), "{part} in {html}");
    }
    let first = html.find("/area/test-10").unwrap();
    assert!(first < html.find("/area/test-07").unwrap(), "the worst comes first");
    let box_ = browser.call("DOM.getBoxModel", json!({"nodeId": found["nodeId"]}));
    assert!(box_["model"]["height"].as_f64().unwrap() > 100.0, "it is seen");
}

/// The long form: a million results. What it measures is printed.
#[test]
fn a_million_results() {
    if !is_long() {
        eprintln!("SKIPPED: a million results are for ATEX_TEST_LONG=1");
        return;
    }
    let Some(mut browser) = browser() else { return };
    let mut text = String::new();
    for n in 0..4_000 {
        let results: Vec<(String, &str, &str)> = (0..249)
            .map(|s| {
                (format!("rule/option_{s:04}"), if (n * 249 + s) % 997 == 0 { "fail" } else { "pass" }, "")
            })
            .collect();
        let mut results: Vec<(&str, &str, &str)> =
            results.iter().map(|(s, status, note)| (s.as_str(), *status, *note)).collect();
        results.push(("", "pass", ""));
        text += &attempt(n, &format!("/area/test-{n:05}"), 1, true, &results);
    }
    let page = Page::of(&text);
    drop(text);
    let size = std::fs::metadata(page.path()).unwrap().len();
    assert!(size <= 15 << 20, "{size} bytes");
    browser.open(&page.path(), "view=results");
    assert_eq!(browser.text(".found"), "1,000,000 results");
    let first =
        browser.value("performance.getEntriesByName('atex-first-rows')[0].startTime").as_f64().unwrap();
    assert!(first < 1_000.0, "the first rows after {first} ms");
    for (search, regex, found) in [
        ("option_0100", false, "4,000 results"),
        ("test-0[12].*", true, "500,000 results"),
        ("zzz", false, "0 results"),
    ] {
        browser.open(&page.path(), "view=results");
        if regex {
            browser.click("[aria-label='Regular expression']");
        }
        browser.click("input[type=search]");
        browser.call("Input.insertText", json!({"text": search}));
        let took = "performance.getEntriesByName('atex-filter').at(-1).duration";
        let took = browser.value(took).as_f64().unwrap();
        eprintln!("{search}: {took} ms");
        assert!(took < 200.0, "{search}: {took} ms");
        if !regex {
            assert_eq!(browser.text(".found"), found);
        }
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
}
