//! `--replay`: gives the events of a run that was recorded to a scheduler, and sees whether it decides the same.

use std::path::Path;

use atex_cli::output::{Output, OutputError};
use atex_cli::{Exit, Failure, input::Lines};
use atex_schedule::Scheduler;
use serde_json::json;

use crate::journal::{DECISION, Decided, OPTIONS, WithOptions};

/// So many differences are told of one by one.
const TOLD: u64 = 10;

/// Replays a journal. Ends with 1 if anything is decided otherwise.
pub(crate) fn run(journal: &Path) -> Result<Exit, Failure> {
    let mut lines = Lines::open(journal)?;
    let mut scheduler: Option<Scheduler> = None;
    let (mut lives, mut events, mut differ) = (0_u64, 0_u64, 0_u64);
    while let Some(line) = lines.next_line()? {
        match atex_model::kind(line.text).map_err(|e| line.fault(&e))?.as_ref() {
            OPTIONS => {
                let with = atex_model::parse::<WithOptions>(line.text).map_err(|e| line.fault(&e))?;
                scheduler = Some(Scheduler::new(with.options));
                lives += 1;
            }
            DECISION => {
                let was: Decided = atex_model::parse(line.text).map_err(|e| line.fault(&e))?;
                let Some(scheduler) = &mut scheduler else {
                    let place = format!("{}:{}", line.source, line.number);
                    return Err(Failure::usage(format!("{place}: a decision before the run has begun")));
                };
                let event = format!("{:?}", was.event);
                let found = scheduler.apply(was.at, was.event);
                events += 1;
                if found != was.actions {
                    differ += 1;
                    if differ <= TOLD {
                        let place = format!("{}:{}", line.source, line.number);
                        log::error!("{place}: {event}: decided then {:?}, now {found:?}", was.actions);
                    }
                }
            }
            _ => {}
        }
    }
    if lives == 0 {
        let hint = "it is the file journal.jsonl in the directory of a run";
        return Err(
            Failure::usage(format!("{}: no decision of a run is in it", journal.display())).hint(hint)
        );
    }
    let record = json!({"type": "replay", "lives": lives, "events": events, "differ": differ});
    let mut out = Output::stdout();
    match out.record(&record).and_then(|()| out.flush()) {
        Ok(()) | Err(OutputError::Closed) => Ok(if differ == 0 { Exit::Done } else { Exit::Failed }),
        Err(e) => Err(Failure::trouble(e)),
    }
}
