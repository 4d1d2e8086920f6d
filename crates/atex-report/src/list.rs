//! Results, a line each, for people and for `grep`.

use std::io::Write;

use atex_cli::{Exit, Failure};
use atex_model::report::{Outcome, ResultKind};

use crate::args::{InputArgs, When};
use crate::config::{self, Input};
use crate::event::{Event, What};
use crate::input::{self, Faults, Take};
use crate::out::Out;
use crate::stop::Stop;
use crate::text::units::{cut_end, duration};
use crate::text::visible::visible;
use crate::text::{Page, Style, paint};
use crate::whole::Whole;

/// The options of `list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// Only tests, with what each came to
    #[arg(long)]
    tests: bool,

    /// Only these statuses
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',')]
    status: Vec<String>,

    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: When,
}

/// Lists.
///
/// # Errors
/// The invocation is wrong, or the output cannot be written. A reader that has gone away is no error.
pub fn run(
    args: &Args,
    verbose: bool,
    stdout: impl Write,
    say: &mut dyn FnMut(&str),
) -> Result<Exit, Failure> {
    let input = Input::new(&args.input, verbose)?;
    let mut faults = Faults::new(input.messages, say);
    let mut listing =
        Listing { args, page: config::page(args.color), out: Out::stream(stdout), whole: Whole::default() };
    match input::read(&input.sources, &mut faults, &mut listing).and_then(|()| listing.out.finish()) {
        Ok(()) => Ok(listing.whole.exit(&mut faults, &input)),
        Err(Stop::Closed) => Ok(Exit::Done),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

struct Listing<'a, 'w> {
    args: &'a Args,
    page: Page,
    out: Out<'w>,
    whole: Whole,
}

/// What a line says.
struct Said<'a> {
    outcome: Outcome,
    status: &'a str,
    platform: &'a str,
    test: &'a str,
    subtest: Option<&'a str>,
    note: Option<&'a str>,
    seconds: Option<f64>,
    waived: bool,
}

impl Listing<'_, '_> {
    fn say(&mut self, said: &Said<'_>) -> Result<(), Stop> {
        if !self.args.status.is_empty() && !self.args.status.iter().any(|word| word == said.status) {
            return Ok(());
        }
        let word = format!("{:5}", visible(said.status));
        let mut rest = format!("  {}", visible(said.test));
        if let Some(subtest) = said.subtest {
            rest = format!("{rest} {}", visible(subtest));
        }
        if said.platform != atex_model::DEFAULT_PLATFORM {
            rest = format!("{rest} [{}]", visible(said.platform));
        }
        if let Some(seconds) = said.seconds {
            rest = format!("{rest} {}", duration(seconds));
        }
        if said.waived {
            rest.push_str(" (waived)");
        }
        if let Some(note) = said.note.filter(|note| !note.is_empty()) {
            rest = format!("{rest}: {}", visible(note));
        }
        let room = self.page.width.map(|width| width.saturating_sub(word.len()).max(1));
        let line =
            format!("{}{}\n", paint(&word, Style::of(said.outcome), self.page.color), cut_end(&rest, room));
        self.out.buffer.extend_from_slice(line.as_bytes());
        self.out.settle()
    }
}

impl Take for Listing<'_, '_> {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        if self.whole.event(event).is_repeat {
            return Ok(());
        }
        match event.what {
            What::Row(row) if row.kind == ResultKind::Result && !self.args.tests => self.say(&Said {
                outcome: row.outcome(),
                status: row.status.unwrap_or("-"),
                platform: row.platform,
                test: row.test,
                subtest: row.subtest,
                note: row.note,
                seconds: None,
                waived: row.waived.is_some(),
            }),
            What::TestEnd(end) if end.is_final && self.args.tests => self.say(&Said {
                outcome: end.outcome,
                status: end.outcome.as_str(),
                platform: end.platform,
                test: end.test,
                subtest: None,
                note: end.note,
                seconds: Some(end.seconds),
                waived: end.waived.is_some(),
            }),
            _ => Ok(()),
        }
    }

    fn idle(&mut self) -> Result<(), Stop> {
        self.out.flush()
    }
}
