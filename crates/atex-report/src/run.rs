//! The work of `summary`: read, reduce, judge, write.

use std::io::Write;

use atex_cli::output::{self, OutputError};
use atex_cli::{Exit, Failure};

use crate::config::Config;
use crate::event::Event;
use crate::input::{self, Faults};
use crate::reduce::State;
use crate::stop::Stop;
use crate::summary::{Limits, Summary};
use crate::text::{self, Page, visible::visible};
use crate::verdict::{Facts, Verdict, verdict};

/// Does what `config` says; what is for stdout goes to `out`, and messages for people go to `say`.
///
/// # Errors
/// `out` cannot be written. A reader that has gone away is no error.
pub fn run(config: &Config, out: impl Write, say: &mut dyn FnMut(&str)) -> Result<Exit, Failure> {
    let mut say = |message: &str| say(&visible(message));
    let mut faults = Faults::new(config.input.messages, &mut say);
    let mut state = State::new(config.limits.subtests);
    let read = input::read(&config.input.sources, &mut faults, &mut |event: &Event<'_>| state.take(event));
    if let Err(Stop::Failed(failure)) = read {
        return Err(failure);
    }
    let facts = Facts::of(&state, &faults, &config.input);
    let verdict = verdict(&facts);
    write(&state, &facts, &verdict, &config.limits, &config.page, out)
}

fn write(
    state: &State,
    facts: &Facts,
    verdict: &Verdict,
    limits: &Limits,
    page: &Page,
    out: impl Write,
) -> Result<Exit, Failure> {
    let summary = Summary::of(state, facts.unsettled, limits);
    let mut out = output::Output::new(out);
    let written = out
        .append(|buffer| buffer.extend_from_slice(text::summary(&summary, verdict, page).as_bytes()))
        .and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(verdict.exit),
        // Whoever has read enough did not want the rest, nor an answer.
        Err(OutputError::Closed) => Ok(Exit::Done),
        Err(failed) => Err(failed.into()),
    }
}
