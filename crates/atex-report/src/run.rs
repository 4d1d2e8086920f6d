//! The work of `summary`: read, reduce, judge, write.

use std::io::Write;

use atex_cli::output::{self, OutputError};
use atex_cli::{Exit, Failure};

use crate::config::Config;
use crate::input::{self, Faults};
use crate::reduce::State;
use crate::stop::Stop;
use crate::summary::{Collected, Summary};
use crate::text::{self, visible::visible};
use crate::verdict::{Facts, Outcomes, Verdict, verdict};

/// Does what `config` says; what is for stdout goes to `out`, and messages for people go to `say`.
///
/// # Errors
/// `out` cannot be written. A reader that has gone away is no error.
pub fn run(config: &Config, out: impl Write, say: &mut dyn FnMut(&str)) -> Result<Exit, Failure> {
    let mut say = |message: &str| say(&visible(message));
    let mut faults = Faults::new(config.input.messages, &mut say);
    let mut state = State::new(config.limits.subtests);
    let mut collected = Collected::new(&config.limits);
    let mut outcomes = Outcomes::default();
    let read = input::read(&config.input.sources, &mut faults, &mut state);
    let read = read.and_then(|()| {
        state.drain_tests(|tested| {
            outcomes.add(tested);
            collected.add(tested);
        })
    });
    if let Err(Stop::Failed(failure)) = read {
        return Err(failure);
    }
    let facts = Facts::of(&state, &outcomes, &faults, &config.input);
    let verdict = verdict(&facts);
    let summary = Summary::of(&collected, &state, facts.unsettled, config.limits.hosts);
    write(&text::summary(&summary, &verdict, &config.page), &verdict, out)
}

fn write(text: &str, verdict: &Verdict, out: impl Write) -> Result<Exit, Failure> {
    let mut out = output::Output::new(out);
    let written = out.append(|buffer| buffer.extend_from_slice(text.as_bytes())).and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(verdict.exit),
        // Whoever has read enough did not want the rest, nor an answer.
        Err(OutputError::Closed) => Ok(Exit::Done),
        Err(failed) => Err(failed.into()),
    }
}
