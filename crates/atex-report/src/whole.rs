//! Whether a stream is all there is: for whatever hands it on or writes it down, and judges no test.

use std::collections::{BTreeMap, BTreeSet};

use atex_cli::Exit;
use atex_model::Time;
use atex_model::report::ResultKind;

use crate::config::Input;
use crate::event::{Event, What};
use crate::identity::{Identity, IdentitySet};
use crate::input::Faults;
use crate::record::Record;
use crate::reduce::Ended;
use crate::row::Row;
use crate::settled::Settled;
use crate::verdict::incomplete_tools;

/// What of a stream tells that it is not all there is. Its size depends on the tests that have begun and not ended, not
/// on all of them.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    /// Tests that began and were not settled.
    open: IdentitySet,
    /// Tests that were settled: what comes later of them, in a stream that was shuffled, opens nothing.
    settled: Settled,
    any_test: bool,
    runs: BTreeMap<String, Run>,
    /// How often each tool ended in which way.
    ends: BTreeMap<Ended, u64>,
}

#[derive(Debug, Default)]
struct Run {
    /// When it began last, and ended last.
    begun: Option<Time>,
    ended: Option<Time>,
    /// When it was resumed.
    resumed: BTreeSet<Time>,
}

impl Whole {
    pub fn event(&mut self, event: &Event<'_>) {
        match event.what {
            What::Row(row) => self.row(&row, event.test),
            What::Record(record) => self.record(record, event.test),
            What::Other => {}
        }
    }

    fn row(&mut self, row: &Row<'_>, test: Identity) {
        self.any_test = true;
        // Results that are tried again prove that there is more to come.
        if row.kind == ResultKind::OldResult && row.n == 1 {
            self.open(test);
        }
    }

    fn open(&mut self, test: Identity) {
        if !self.settled.contains(test) {
            self.open.insert(test);
        }
    }

    fn settle(&mut self, test: Identity) {
        self.open.remove(&test);
        self.settled.insert(test);
    }

    fn record(&mut self, record: &Record, test: Identity) {
        match record {
            Record::TestStart(r) => {
                self.any_test = true;
                self.run(&r.run);
                self.open(test);
            }
            Record::TestEnd(r) => {
                self.any_test = true;
                self.run(&r.run);
                if r.is_final {
                    self.settle(test);
                }
            }
            Record::JobStart(r) => self.begin(&r.run, r.time),
            Record::JobResume(r) => {
                self.begin(&r.run, r.time);
                self.run(&r.run).resumed.insert(r.time);
            }
            Record::JobEnd(r) => {
                let run = self.run(&r.run);
                run.ended = run.ended.max(Some(r.time));
            }
            Record::End(r) => {
                let ended = Ended { tool: r.tool.clone(), complete: r.complete, exit: r.exit };
                *self.ends.entry(ended).or_default() += 1;
            }
            Record::HostStart(_) | Record::HostEnd(_) | Record::TestNote(_) => {}
        }
    }

    fn run(&mut self, id: &str) -> &mut Run {
        if !self.runs.contains_key(id) {
            self.runs.insert(id.to_owned(), Run::default());
        }
        self.runs.get_mut(id).expect("it has just been put there if it was not")
    }

    fn begin(&mut self, id: &str, time: Time) {
        let run = self.run(id);
        run.begun = run.begun.max(Some(time));
    }

    /// Says what is missing; the exit status that follows from it.
    pub fn exit(&self, faults: &mut Faults<'_>, input: &Input) -> Exit {
        self.exit_of("", faults, input)
    }

    /// The same for one of several streams, of which this is the name in front of each message.
    pub fn exit_of(&self, name: &str, faults: &mut Faults<'_>, input: &Input) -> Exit {
        let missing = self.missing(input);
        missing.iter().for_each(|what| faults.say(&format!("{name}incomplete: {what}")));
        let nothing = !self.any_test && !input.allow_empty;
        if nothing {
            faults.say(&format!("{name}no test found (--allow-empty makes it a success)"));
        }
        if faults.lines > 0 || nothing {
            Exit::Usage
        } else if faults.sources > 0 || !missing.is_empty() {
            Exit::Trouble
        } else {
            Exit::Done
        }
    }

    fn missing(&self, input: &Input) -> Vec<String> {
        let mut missing = Vec::new();
        for (id, run) in &self.runs {
            if run.begun.is_some() && run.ended < run.begun {
                missing.push(format!("the end of run {id} is missing"));
            }
        }
        let count = self.open.len();
        if count > 0 {
            let tests = if count == 1 { "1 test has".to_owned() } else { format!("{count} tests have") };
            missing.push(format!("{tests} begun and not ended"));
        }
        let resumes = self.runs.values().map(|run| run.resumed.len() as u64).sum();
        let tools = incomplete_tools(&self.ends, self.runs.len() as u64, resumes);
        missing.extend(tools.into_iter().map(|tool| format!("{tool} says that this is not all")));
        for required in &input.required {
            let of_tool = self.ends.iter().filter(|(end, _)| end.tool == required.tool);
            let found: u64 = of_tool.map(|(_, count)| count).sum();
            if found < required.count {
                missing.push(format!("{found} of {} `end` of {} found", required.count, required.tool));
            }
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::with_line;
    use proptest::prelude::*;

    const LINES: [&str; 6] = [
        r#"{"type":"test-start","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"/t","attempt":1,"host":"h"}"#,
        r#"{"type":"old-result","time":"2026-11-21T20:00:00.000Z","run":"r","platform":"p","test":"/t","status":"fail","files":[],"attempt":1,"n":1}"#,
        r#"{"type":"test-end","time":"2026-11-21T20:00:01.000Z","run":"r","platform":"p","test":"/t","attempt":1,"outcome":"fail","cause":"test","seconds":1,"counts":{},"final":false}"#,
        r#"{"type":"test-start","time":"2026-11-21T20:00:02.000Z","run":"r","platform":"p","test":"/t","attempt":2,"host":"h"}"#,
        r#"{"type":"result","time":"2026-11-21T20:00:03.000Z","run":"r","platform":"p","test":"/t","status":"pass","files":[],"attempt":2,"n":1}"#,
        r#"{"type":"test-end","time":"2026-11-21T20:00:03.000Z","run":"r","platform":"p","test":"/t","attempt":2,"outcome":"pass","cause":"test","seconds":1,"counts":{},"final":true}"#,
    ];

    proptest! {
        #[test]
        fn whatever_the_order_a_settled_test_is_whole(order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle()) {
            let mut whole = Whole::default();
            for at in order {
                with_line(LINES[at % 6], |event| whole.event(event)).unwrap();
            }
            prop_assert!(whole.open.is_empty());
        }
    }

    #[test]
    fn without_its_end_a_test_is_not() {
        let mut whole = Whole::default();
        for line in &LINES[..5] {
            with_line(line, |event| whole.event(event)).unwrap();
        }
        assert_eq!(whole.open.len(), 1);
    }
}
