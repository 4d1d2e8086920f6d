//! The end of a run: hooks that read all of it, the last words, and the exit status.

use std::fs::File;

use atex_cli::{Exit, Failure, now};
use atex_model::report::{Counts, End, EndTag, JobEnd, JobEndTag, Outcome};

use super::{Dispatcher, Ears, attempts::round};
use crate::announce::Tale;
use crate::hooks::finale::{self, Heard};
use crate::hooks::{Phase, Surroundings};
use crate::journal::{EXIT, JobExit};
use crate::run_dir::trouble;

impl Dispatcher {
    /// The last words, and the exit status.
    pub(super) fn end(mut self, ears: &Ears) -> Exit {
        self.hand_on_lost();
        let total = self.tests.len() as u64;
        if total == 0 && !self.config.allow_empty && !self.stopping && self.exit < Exit::Usage {
            let hint = "atex-discover finds tests; --allow-empty makes this no error";
            self.complain(&Failure::usage("no test found in the input").hint(hint));
        }
        self.say_late();
        if self.unsettled() > 0 || !self.tests.has_ended() {
            self.exit = self.exit.max(Exit::Stopped);
        }
        self.post_tests(ears);
        self.progress.finish();
        let job_end = self.job_end();
        let open = !self.tests.has_ended() || self.is_owed_hosts();
        self.record(&JobExit { kind: EXIT.into(), code: self.exit.code(), open });
        self.record(&job_end);
        // It has seen everything now.
        self.policy = None;
        if job_end.unsettled == 0 && self.tests.has_ended() {
            self.dir.tidy();
        } else {
            log::warn!("not all was run: --resume {} goes on", self.dir.path.display());
        }
        self.announcer.finish(last_line(&job_end, self.exit.code()));
        self.exit
    }

    /// The last words of a life whose run goes on elsewhere: on its hosts, and in the next life.
    pub(super) fn end_of_life(mut self) -> Exit {
        self.policy = None;
        self.progress.finish();
        // It is not written down: the run has not ended.
        let last = last_line(&self.job_end(), self.exit.code());
        self.announcer.finish(last);
        self.exit
    }

    pub(super) fn unsettled(&self) -> u64 {
        self.tests.len() as u64 - self.counts.iter().sum::<u64>()
    }

    /// How the run ended, as far as it has.
    fn job_end(&self) -> JobEnd {
        let by_outcome = Outcome::ALL.into_iter().zip(self.counts).filter(|(_, n)| *n > 0);
        let counts: Counts = by_outcome.map(|(outcome, n)| (outcome.as_str().to_owned(), n)).collect();
        let (busy, all) = self.host_seconds;
        JobEnd {
            kind: JobEndTag,
            time: now(),
            run: self.dir.id.clone(),
            dir: self.dir.path.to_string_lossy().into_owned(),
            outcome: counts.keys().next().cloned(),
            counts,
            unsettled: self.unsettled(),
            seconds: round(self.before.seconds + self.started.1.elapsed().as_secs_f64()),
            busy: (all > 0.0).then(|| round(busy / all)),
            note: self.why_unsettled(),
        }
    }

    /// Runs the hooks that read everything. What they print comes before the last words.
    fn post_tests(&mut self, ears: &Ears) {
        let hooks = self.config.hooks.clone();
        if hooks.of(Phase::PostTests).is_empty() {
            return;
        }
        if matches!(self.exit, Exit::Signal(_)) {
            return log::warn!("hooks post-tests are left out, as the run was stopped by a signal");
        }
        let journal = match File::open(self.dir.journal()) {
            Ok(journal) => journal,
            Err(e) => return self.cannot_store(&trouble(&self.dir.journal(), &e)),
        };
        let job_end = self.job_end();
        let mut last = Vec::new();
        atex_model::to_line(&mut last, &job_end);
        atex_model::to_line(&mut last, &last_line(&job_end, self.exit.code()));
        let tale = Tale { dir: self.dir.path.clone(), journal, length: self.journal.length(), last };
        let surroundings = Surroundings { run: self.dir.id.clone(), dir: self.dir.path.clone() };
        let ears = finale::Ears { signals: &ears.signals, asked: &ears.asked, asking: &ears.asking };
        finale::run(&hooks, &surroundings, &tale, &ears, |heard| match heard {
            Heard::Record(line) => self.pass_on(&line),
            Heard::Failed(failure) => self.complain(&failure),
            Heard::Signal(signal) => self.signal(signal),
            Heard::Asked(asked) => self.answer(asked),
            Heard::Asking => self.progress.say(),
        });
    }
}

/// The record that closes the output.
pub(crate) fn last_line(job_end: &JobEnd, code: u8) -> End {
    let settled: u64 = job_end.counts.values().sum();
    let mut counts = Counts::from_iter([("tests".to_owned(), settled + job_end.unsettled)]);
    counts.extend(job_end.counts.clone());
    let complete = code <= Exit::Failed.code();
    End { kind: EndTag, tool: crate::TOOL.name.into(), complete, exit: code, counts }
}
