//! A test that is not started: its attempt has a result all the same, which says why.

use atex_control::{End, Event, Limits, Parser, Verdict, VerdictStatus};
use atex_model::report::{Cause, Outcome};

use crate::artifacts::{Artifacts, Trouble};
use crate::attempt::{Done, Job};

/// Settles an attempt that is not begun. With cause `test` the test is in error, else there is no result to trust.
pub(crate) fn settle(job: &Job, cause: Cause, note: String) -> Done {
    let is_error = cause == Cause::Test;
    let status = if is_error { VerdictStatus::Error } else { VerdictStatus::Infra };
    match store(job, Verdict { status, note: note.clone() }) {
        Ok(counts) => Done {
            outcome: if is_error { Outcome::Error } else { Outcome::Infra },
            cause,
            counts,
            storage_failed: false,
            ..Done::impossible(note)
        },
        Err(trouble) => Done::impossible(trouble.to_string()),
    }
}

fn store(job: &Job, verdict: Verdict) -> Result<atex_model::report::Counts, Trouble> {
    let mut artifacts = Artifacts::create(&job.artifacts)?;
    let mut sink = |event: Event<'_>| match event {
        Event::Link { path } => artifacts.link_output(path),
        Event::Result(result) => artifacts.result(result.line),
        _ => Ok(()),
    };
    let ending = Parser::new(Limits::default()).finish(End::Stopped(verdict), &mut sink)?;
    artifacts.finish()?;
    Ok(ending.tally.counts().map(|(word, n)| (word.to_owned(), n)).collect())
}
