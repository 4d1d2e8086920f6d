//! What atex-report shows at a terminal: colours, its width, and a pager.

use atex_testkit::sandbox::Dir;

use crate::exec_progress::at_terminal;

fn bin() -> &'static str {
    env!("CARGO_BIN_EXE_atex-report")
}

/// A stream with one failure whose line is wider than the terminal.
fn stream(dir: &Dir) {
    let note = "n".repeat(100);
    dir.write(
        "stream",
        format!(
            r#"{{"type":"result","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"/t","status":"fail","note":"{note}","files":[],"attempt":1,"n":1}}"#
        ),
    );
}

#[test]
fn colours_and_width_are_those_of_a_terminal() {
    let dir = Dir::new();
    stream(&dir);
    for (environment, options, to, paints, cuts) in [
        ("", "", "", true, true),
        ("NO_COLOR=1", "", "", false, true),
        ("NO_COLOR=", "", "", true, true),
        ("TERM=dumb", "", "", false, true),
        ("", "--color never", "", false, true),
        ("", "", "| cat", false, false),
        ("", "--color always", "| cat", true, false),
    ] {
        let command = format!("{environment} {} list {options} stream {to}", bin());
        let output = at_terminal(&dir, &command).run();
        let written = output.success().stdout.as_str();
        assert_eq!(written.contains("\x1b["), paints, "{command}: {written:?}");
        assert_eq!(written.contains(&"n".repeat(100)), !cuts, "{command}: {written:?}");
        assert_eq!(written.contains('…'), cuts, "{command}: {written:?}");
    }
}

#[test]
fn what_is_long_goes_through_the_pager_of_who_looks() {
    let dir = Dir::new();
    stream(&dir);
    for (options, to, paged) in [("", "", true), ("--no-pager", "", false), ("", "| cat", false)] {
        let command = format!("PAGER='sed s/^/paged:/' {} show /t {options} stream {to}", bin());
        let output = at_terminal(&dir, &command).run();
        let written = output.success().stdout.as_str();
        assert!(written.contains("attempt 1"), "{command}: {written:?}");
        assert_eq!(written.contains("paged:"), paged, "{command}: {written:?}");
    }
}
