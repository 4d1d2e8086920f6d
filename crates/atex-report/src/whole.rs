//! Whether a stream is all there is: for whatever hands it on or writes it down, and judges no test.

use std::collections::{BTreeMap, HashMap, HashSet};

use atex_cli::Exit;
use atex_model::Time;
use atex_model::report::ResultKind;

use crate::config::Input;
use crate::event::{Event, What};
use crate::identity::{Identities, Identity};
use crate::input::Faults;
use crate::record::Record;
use crate::row::Row;

/// What of a stream tells that it is not all there is. Its size depends on the tests that have begun and not ended, not
/// on all of them.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    identities: Identities,
    /// Tests that began and were not settled.
    open: HashSet<Identity>,
    /// The last test of which anything was read, so that the set is not asked for each row.
    any_test: bool,
    /// When each run began last, and ended last.
    runs: BTreeMap<String, (Option<Time>, Option<Time>)>,
    /// How often each tool ended, and whether it says that this is not all.
    ends: HashMap<String, (u64, bool)>,
}

impl Whole {
    pub fn event(&mut self, event: &Event<'_>) {
        match event.what {
            What::Row(row) => self.row(&row),
            What::Record(record) => self.record(record),
            What::Other => {}
        }
    }

    fn row(&mut self, row: &Row<'_>) {
        self.any_test = true;
        // Results that are tried again prove that there is more to come.
        if row.kind == ResultKind::OldResult && row.n == 1 {
            self.open.insert(self.identities.of(row.run, row.platform, row.test));
        }
    }

    fn record(&mut self, record: &Record) {
        match record {
            Record::TestStart(r) => {
                self.any_test = true;
                self.open.insert(self.identities.of(&r.run, &r.platform, &r.test));
            }
            Record::TestEnd(r) => {
                self.any_test = true;
                if r.is_final {
                    self.open.remove(&self.identities.of(&r.run, &r.platform, &r.test));
                }
            }
            Record::JobStart(r) => self.begin(&r.run, r.time),
            Record::JobResume(r) => self.begin(&r.run, r.time),
            Record::JobEnd(r) => {
                let (_, end) = self.runs.entry(r.run.clone()).or_default();
                *end = (*end).max(Some(r.time));
            }
            Record::End(r) => {
                let (count, incomplete) = self.ends.entry(r.tool.clone()).or_default();
                *count += 1;
                *incomplete |= !r.complete;
            }
            Record::HostStart(_) | Record::HostEnd(_) | Record::TestNote(_) => {}
        }
    }

    fn begin(&mut self, run: &str, time: Time) {
        let (begun, _) = self.runs.entry(run.to_owned()).or_default();
        *begun = (*begun).max(Some(time));
    }

    /// Says what is missing; the exit status that follows from it.
    pub fn exit(&self, faults: &mut Faults<'_>, input: &Input) -> Exit {
        let mut missing = Vec::new();
        for (run, (begun, ended)) in &self.runs {
            if begun.is_some() && ended < begun {
                missing.push(format!("the end of run {run} is missing"));
            }
        }
        let count = self.open.len();
        if count > 0 {
            let tests = if count == 1 { "1 test has".to_owned() } else { format!("{count} tests have") };
            missing.push(format!("{tests} begun and not ended"));
        }
        let mut ends: Vec<_> = self.ends.iter().filter(|(_, (_, incomplete))| *incomplete).collect();
        ends.sort();
        missing.extend(ends.into_iter().map(|(tool, _)| format!("{tool} says that this is not all")));
        for required in &input.required {
            let found = self.ends.get(&required.tool).map_or(0, |(count, _)| *count);
            if found < required.count {
                missing.push(format!("{found} of {} `end` of {} found", required.count, required.tool));
            }
        }
        missing.iter().for_each(|what| faults.say(&format!("incomplete: {what}")));
        let nothing = !self.any_test && !input.allow_empty;
        if nothing {
            faults.say("no test found (--allow-empty makes it a success)");
        }
        if faults.lines > 0 || nothing {
            Exit::Usage
        } else if faults.sources > 0 || !missing.is_empty() {
            Exit::Trouble
        } else {
            Exit::Done
        }
    }
}
