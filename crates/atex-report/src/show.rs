//! All that is known of one test, attempt by attempt; on a terminal in a pager.

use std::io::{IsTerminal as _, Write};
use std::process::{Child, Command, Stdio};

use atex_cli::{Exit, Failure};

use crate::args::{InputArgs, When};
use crate::config::{self, Input};
use crate::event::{Event, What};
use crate::input::{self, Faults, Take};
use crate::logs::{Attempts, Shown, each_file, shown};
use crate::out::Out;
use crate::stop::Stop;
use crate::text::units::{duration, moment};
use crate::text::visible::visible;
use crate::text::{Page, Style, paint};

/// The options of `show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The test
    #[arg(value_name = "TEST")]
    test: String,

    #[command(flatten)]
    input: InputArgs,

    /// Only of this platform
    #[arg(long, value_name = "NAME")]
    platform: Option<String>,

    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: When,

    /// Write to the terminal itself, not through the pager of PAGER, or less
    #[arg(long)]
    no_pager: bool,
}

/// Shows it.
///
/// # Errors
/// The invocation is wrong, the test is not in the stream, or the output cannot be written.
pub fn run(
    args: &Args,
    verbose: bool,
    stdout: impl Write,
    say: &mut dyn FnMut(&str),
) -> Result<Exit, Failure> {
    let input = Input::new(&args.input, verbose)?;
    let page = config::page(args.color);
    let mut pager = if args.no_pager || !std::io::stdout().is_terminal() { None } else { pager() };
    let mut out = match pager.as_mut().and_then(|pager| pager.stdin.take()) {
        Some(to) => Out::stream(to),
        None => Out::stream(stdout),
    };
    let mut faults = Faults::new(input.messages, say);
    let platform = args.platform.as_deref();
    let attempts = Attempts::of(&args.test, platform);
    let mut showing = Showing { attempts, page, out: &mut out, heading: None };
    let read = input::read(&input.sources, &mut faults, &mut showing);
    let Attempts { seen, dirs, whole, .. } = showing.attempts;
    let done = read.and_then(|()| {
        if !seen {
            let message = format!("{}: no such test in the stream", visible(&args.test));
            return Err(Failure::usage(message).into());
        }
        dirs.iter().try_for_each(|dir| output(dir, &mut out))?;
        out.finish()
    });
    drop(out);
    // It stays until its user has read enough.
    let shown = pager.as_mut().is_none_or(|pager| pager.wait().is_ok_and(|status| was_run(status.code())));
    match done {
        Err(Stop::Failed(failure)) => Err(failure),
        _ if !shown => Err(Failure::trouble("the pager of PAGER could not be run").hint("try --no-pager")),
        Ok(()) => Ok(whole.exit(&mut faults, &input)),
        Err(Stop::Closed) => Ok(Exit::Done),
    }
}

/// The pager of the user's choice. Without one we write ourselves.
fn pager() -> Option<Child> {
    let command = std::env::var("PAGER").ok().filter(|command| !command.is_empty());
    let command = command.unwrap_or_else(|| "less -R -F -X".to_owned());
    if !is_there(&command) {
        return None;
    }
    Command::new("sh").arg("-c").arg(command).stdin(Stdio::piped()).spawn().ok()
}

/// Whether the shell knows the program that a command begins with. What is not that simple is left to the shell.
fn is_there(command: &str) -> bool {
    let words = shlex::split(command).unwrap_or_default();
    let Some(program) = words.iter().find(|word| !word.contains('=')) else { return true };
    let mut question = Command::new("sh");
    question.args(["-c", "command -v -- \"$1\"", "sh", program]);
    let answer = question.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    answer.is_ok_and(|status| status.success())
}

/// Whether a shell that ended with this status has found what it was to run.
fn was_run(status: Option<i32>) -> bool {
    !matches!(status, Some(126 | 127))
}

struct Showing<'a, 'o, 'w> {
    attempts: Attempts<'a>,
    page: Page,
    out: &'o mut Out<'w>,
    /// The attempt under whose heading we are.
    heading: Option<(String, String, u32)>,
}

impl Showing<'_, '_, '_> {
    fn line(&mut self, text: &str) {
        self.out.buffer.extend_from_slice(text.as_bytes());
        self.out.buffer.push(b'\n');
    }

    fn heading(&mut self, run: &str, platform: &str, attempt: u32) {
        let heading = (run.to_owned(), platform.to_owned(), attempt);
        if self.heading.as_ref() != Some(&heading) {
            let text = format!(
                "{} [{}], run {}, attempt {attempt}",
                visible(self.attempts.test),
                visible(platform),
                visible(run)
            );
            let text = paint(&text, Style::Bold, self.page.color).into_owned();
            self.line(&text);
            self.heading = Some(heading);
        }
    }
}

impl Take for Showing<'_, '_, '_> {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        let past = self.attempts.whole.event(event);
        let is_it = |test: &str, platform: &str| {
            test == self.attempts.test && self.attempts.platform.is_none_or(|wanted| wanted == platform)
        };
        let ours = match event.what {
            What::Row(row) => is_it(row.test, row.platform),
            What::TestEnd(r) => is_it(r.test, r.platform),
            What::TestStart(r) => is_it(r.test, r.platform),
            _ => false,
        };
        if !ours || past.is_repeat {
            return Ok(());
        }
        self.attempts.look(event);
        match event.what {
            What::Row(row) => {
                self.heading(row.run, row.platform, row.attempt);
                let word = format!("  {:5}", visible(row.status.unwrap_or("-")));
                let word = paint(&word, Style::of(row.outcome()), self.page.color);
                let mut text = format!("{word}  {}", visible(row.subtest.unwrap_or("(the test itself)")));
                if row.waived.is_some() {
                    text.push_str(" (waived)");
                }
                if let Some(note) = row.note.filter(|note| !note.is_empty()) {
                    text = format!("{text}: {}", visible(note));
                }
                self.line(&text);
            }
            What::TestStart(r) => {
                self.attempts.seen = true;
                self.heading(r.run, r.platform, r.attempt);
                let text = format!("  began {} on {}", moment(r.time), visible(r.host));
                self.line(&text);
            }
            What::TestEnd(r) => {
                self.heading(r.run, r.platform, r.attempt);
                let outcome = paint(r.outcome.as_str(), Style::of(r.outcome), self.page.color);
                let exit = r.exit.map(|exit| format!(", exit {exit}")).unwrap_or_default();
                let note = r.note.map(|note| format!(": {}", visible(note))).unwrap_or_default();
                let text = format!(
                    "  ended {} after {}: {outcome}{exit}{note}",
                    moment(r.time),
                    duration(r.seconds)
                );
                self.line(&text);
            }
            _ => {}
        }
        self.out.settle()
    }
}

/// What the test printed, of each attempt: the file beside its results.
fn output(dir: &std::path::Path, out: &mut Out<'_>) -> Result<(), Stop> {
    each_file(dir, &mut |path| {
        let is_output = path.file_name().is_some_and(|name| name == "output.txt");
        let Some(file) = Some(path).filter(|_| is_output).and_then(|path| std::fs::File::open(path).ok())
        else {
            return Ok(());
        };
        let heading = format!("\n{}\n", visible(&path.to_string_lossy()));
        out.buffer.extend_from_slice(heading.as_bytes());
        match shown(file, out) {
            Ok(()) => Ok(()),
            Err(Shown::Stop(stop)) => Err(stop),
            Err(Shown::Failed(e)) => Err(Stop::trouble(format!("{}: {e}", path.display()))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pager_that_is_not_there_is_not_used() {
        for (command, expected) in [
            ("cat", true),
            ("cat -A", true),
            ("LESS=-R cat", true),
            ("nosuchpager -R", false),
            ("A=1 nosuchpager", false),
            ("/nonexistent/less", false),
        ] {
            assert_eq!(is_there(command), expected, "{command}");
        }
        assert!(was_run(Some(0)) && was_run(Some(1)) && was_run(None) && !was_run(Some(127)));
    }
}
