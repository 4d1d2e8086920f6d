//! The work: read, reduce, judge, write.

use std::io::Write;

use atex_cli::output::{self, OutputError};
use atex_cli::{Exit, Failure};

use crate::config::{Config, Output};
use crate::html;
use crate::reader::{self, Faults};
use crate::reduce::State;
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
    if let Output::Html(options) = &config.output {
        return write_page(config, options, &mut faults, out);
    }
    let mut state = State::new(match &config.output {
        Output::Check | Output::Html(_) => 0,
        Output::Summary(limits, _) => limits.subtests,
    });
    reader::read(&config.input.sources, &mut faults, |record| state.take(record));
    let facts = Facts::of(&state, &faults, &config.input);
    let verdict = verdict(&facts);
    match &config.output {
        Output::Check | Output::Html(_) => {
            verdict.reasons.iter().for_each(|(_, reason)| say(reason));
            Ok(verdict.exit)
        }
        Output::Summary(limits, page) => write(&state, &facts, &verdict, limits, page, out),
    }
}

fn write_page(
    config: &Config,
    options: &html::Options,
    faults: &mut Faults<'_>,
    out: impl Write,
) -> Result<Exit, Failure> {
    let trouble = |e: std::io::Error| Failure::trouble(format!("html: {}", atex_cli::input::reason(&e)));
    let mut page = html::Builder::new(options.clone()).map_err(trouble)?;
    let mut failed = None;
    reader::read(&config.input.sources, faults, |record| {
        if failed.is_none() {
            failed = page.take(&record).err();
        }
    });
    if let Some(e) = failed {
        return Err(trouble(e));
    }
    let mut out = std::io::BufWriter::with_capacity(1 << 16, out);
    page.finish(&mut out).and_then(|()| out.flush()).map_err(trouble)?;
    Ok(Exit::Done)
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
