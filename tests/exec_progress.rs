//! What is said at a terminal while a run goes on, and what earlier runs are good for.

use std::time::Duration;

use atex_testkit::sandbox::{Command, Dir, Output};
use serde_json::{Value, json};

use crate::stream::{Word, exec, lines, long, of_type, test, test_with};

/// A terminal: what has been written to it, as far as we write anything of the kind.
#[derive(Default)]
struct Screen {
    rows: Vec<Vec<char>>,
    at: (usize, usize),
    /// How wide the widest line was that was ever drawn.
    widest: usize,
}

impl Screen {
    fn of(text: &str) -> Screen {
        let mut screen = Screen::default();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\r' => screen.at.1 = 0,
                '\n' => screen.at = (screen.at.0 + 1, 0),
                '\x1b' => {
                    let end =
                        rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or_else(|| panic!("{text:?}"));
                    screen.obey(&rest[..=end]);
                    rest = &rest[end + 1..];
                }
                c => screen.put(c),
            }
        }
        screen
    }

    fn obey(&mut self, sequence: &str) {
        let number = || sequence[1..sequence.len() - 1].parse().unwrap_or(1);
        match &sequence[sequence.len() - 1..] {
            "A" => self.at.0 = self.at.0.checked_sub(number()).expect("not above the first line"),
            "J" => {
                self.rows.truncate(self.at.0 + 1);
                if let Some(row) = self.rows.get_mut(self.at.0) {
                    row.truncate(self.at.1);
                }
            }
            "m" => {}
            _ => panic!("an unknown sequence {sequence:?}"),
        }
    }

    fn put(&mut self, c: char) {
        let (row, column) = self.at;
        if self.rows.len() <= row {
            self.rows.resize(row + 1, Vec::new());
        }
        let line = &mut self.rows[row];
        line.resize(line.len().max(column + 1), ' ');
        line[column] = c;
        self.at.1 += 1;
        self.widest = self.widest.max(self.at.1);
    }

    fn text(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(|row| row.iter().collect()).collect();
        rows.join("\n").trim_end().to_owned()
    }
}

/// Runs a shell command line at a terminal of 60 columns.
pub fn at_terminal(dir: &Dir, command: &str) -> Command {
    let mut script = dir.command("script");
    let command = format!("stty cols 60 rows 20 -opost; {command}");
    script.args(["-qec", &command, "/dev/null"]).env("TERM", "xterm").env("SHELL", "/bin/sh");
    script
}

/// What was written to the terminal.
fn screen(output: &Output) -> Screen {
    Screen::of(&output.stdout)
}

fn exec_path() -> &'static str {
    env!("CARGO_BIN_EXE_atex-exec")
}

#[test]
fn a_terminal_shows_what_runs_and_is_left_clean() {
    let dir = Dir::new();
    let mut there = Word::new(&dir.join("word"));
    let (word, go) = (dir.join("word"), dir.join("go"));
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let wait = format!("echo >{}; cat {}", word.display(), go.display());
    let name = format!("/a\x1b[2J/{}", "long/".repeat(30));
    dir.write("tests.jsonl", lines(&[test("/quick", "exit 1"), test(&name, &wait), test("/last", "true")]));
    let command = format!("{} --local 1 --run-dir run <tests.jsonl >all.jsonl; echo status $?", exec_path());
    let running = at_terminal(&dir, &command).start();
    there.wait();
    running.wait_for_stdout("\\x1b[2J");
    let shown = Screen::of(&running.stdout());
    assert!(shown.text().contains("1/3 done, 1 failed, 1 running, 1 waiting"), "{}", shown.text());
    assert!(shown.text().contains("  local/1  /a\\x1b[2J/"), "{}", shown.text());
    std::fs::write(&go, "").unwrap();
    let output = running.finish();
    let screen = screen(&output);
    assert_eq!(screen.text(), "status 1", "{:?}", output.stdout);
    assert!(screen.widest < 60, "{}", screen.widest);
    let records = dir.read("all.jsonl");
    assert!(records.lines().all(|line| line.starts_with("{\"type\":\"")) && !records.contains('\r'));
}

#[test]
fn messages_and_records_stand_above_what_is_shown() {
    let dir = Dir::new();
    dir.write("tests.jsonl", lines(&[test("/a", "sleep 0.6"), json!({"type": "mine"})]));
    // Both streams lead to the terminal, and there is a message.
    let hook = "post-test=echo nothing here; exit 1";
    let command =
        format!("{} --local 1 --run-dir run --hook '{hook}' <tests.jsonl; echo status $?", exec_path());
    let output = at_terminal(&dir, &command).run();
    let text = screen(&output).text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(*lines.last().unwrap(), "status 3");
    let is_whole =
        |line: &&str| serde_json::from_str::<Value>(line).is_ok() || line.starts_with("atex-exec: ");
    assert!(lines[..lines.len() - 1].iter().all(is_whole), "{text}");
    assert_eq!(
        lines.iter().filter(|line| line.starts_with("atex-exec: /a: hook post-test ")).count(),
        3,
        "{text}"
    );
    assert!(output.stdout.contains("1 running"), "{:?}", output.stdout);
}

#[test]
fn colours_only_where_they_are_wanted_and_nothing_for_who_wants_quiet() {
    for (environment, options, shows, paints) in [
        ("", "", true, true),
        ("NO_COLOR=1", "", true, false),
        ("TERM=dumb", "", false, false),
        ("", "-q", false, false),
    ] {
        let dir = Dir::new();
        dir.write("tests.jsonl", lines(&[test("/a", "false"), test("/b", "sleep 0.6")]));
        let command = format!(
            "{environment} {} --local 1 {options} --run-dir run <tests.jsonl >/dev/null",
            exec_path()
        );
        let output = at_terminal(&dir, &command).run();
        output.code(1);
        let written = &output.stdout;
        assert_eq!(written.contains("1 failed, 1 running"), shows && !paints, "{options} {written:?}");
        assert_eq!(written.contains("\x1b[1;31m1 failed\x1b[0m, 1 running"), paints, "{options} {written:?}");
        assert_eq!(written.is_empty(), !shows, "{options} {written:?}");
    }
}

#[test]
fn without_a_terminal_a_short_run_says_nothing() {
    let dir = Dir::new();
    exec(&dir, &["--local", "1"], &[test("/a", "true")]).run().success().stderr_is("");
}

/// For the long form: it takes a minute.
#[test]
fn without_a_terminal_a_line_a_minute_says_how_far_it_is() {
    if !long() {
        return;
    }
    let dir = Dir::new();
    let input = [test("/a", "sleep 63"), test("/b", "true")];
    for (options, expected) in [(&["--local", "1"][..], 1), (&["--local", "1", "-q"][..], 0)] {
        let output =
            exec(&dir, options, &input).args(["--order", "given"]).timeout(Duration::from_secs(150)).run();
        output.success();
        let said: Vec<&str> = output.stderr.lines().collect();
        assert_eq!(said.len(), expected, "{said:?}");
        assert!(
            said.iter().all(|line| line.contains("1 running") && line.contains("/a on local/1")),
            "{said:?}"
        );
        std::fs::remove_dir_all(dir.join("run")).unwrap();
    }
}

#[test]
fn how_long_it_will_take_is_known_from_earlier_runs() {
    let dir = Dir::new();
    let input = [test("/a", "sleep 0.7"), test_with("/b", "sleep 0.7", json!({"duration": "1h"}))];
    let first = exec(&dir, &["--local", "1", "--history", "runs"], &input).run();
    first.success().stderr_is("atex-exec: --history: runs: No such file or directory\n");
    dir.write("kept.jsonl", first.stdout.clone());
    dir.write("tests.jsonl", lines(&input));
    for history in ["run", ".", "kept.jsonl", "run/journal.jsonl"] {
        let command = format!(
            "{} -v --local 1 --history {history} --run-dir $(mktemp -d) <tests.jsonl >/dev/null",
            exec_path()
        );
        let output = at_terminal(&dir, &command).run();
        output.success();
        assert!(output.stdout.contains("--history: durations of 2 tests are known"), "{:?}", output.stdout);
        assert!(
            output.stdout.contains("about 1.") && output.stdout.contains("s left"),
            "{:?}",
            output.stdout
        );
    }
}

#[test]
fn what_took_longest_is_begun_first() {
    let dir = Dir::new();
    let end = |name: &str, seconds: f64| {
        json!({"type": "test-end", "time": "2026-11-21T20:00:00.000Z", "run": "r", "platform": "default", "test": name,
               "attempt": 1, "outcome": "pass", "cause": "test", "exit": 0, "seconds": seconds, "counts": {}, "final": true})
    };
    dir.write("kept.jsonl", lines(&[end("/short", 1.0), end("/long", 90.0), end("/said", 30.0)]));
    let input = [
        test("/unknown", "true"),
        test("/short", "true"),
        // What earlier runs know goes before what the metadata says.
        test_with("/said", "true", json!({"duration": "1h"})),
        test_with("/only-said", "true", json!({"duration": "1m"})),
        test("/long", "true"),
    ];
    // All of them are there before the first one is chosen.
    let wait = "host-ready=sleep 0.5";
    let output = exec(&dir, &["--local", "1", "--history", "kept.jsonl", "--hook", wait], &input).run();
    output.success();
    let starts = of_type(&output, "test-start");
    let order: Vec<&str> = starts.iter().map(|start| start["test"].as_str().unwrap()).collect();
    assert_eq!(order, ["/long", "/only-said", "/said", "/short", "/unknown"]);
}

#[test]
fn a_broken_history_is_named_and_the_run_goes_on() {
    let dir = Dir::new();
    dir.write("torn.jsonl", "{\"type\":\"test-end\",\"time\":\"2026-");
    let output = exec(&dir, &["--local", "1", "--history", "torn.jsonl"], &[test("/a", "true")]).run();
    output.success().stderr_is(
        "atex-exec: --history: torn.jsonl:1:32: not JSON: EOF while parsing a string; \
         this line is left out\n",
    );
}
