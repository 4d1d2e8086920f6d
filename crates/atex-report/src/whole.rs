//! Whether a stream is all there is: for whatever hands it on or writes it down, and judges no test.

use std::collections::{BTreeMap, BTreeSet};

use atex_cli::Exit;
use atex_model::Time;

use crate::config::Input;
use crate::event::{Event, What};
use crate::input::Faults;
use crate::recall::{Past, Recall};
use crate::record::Record;
use crate::reduce::Ended;
use crate::verdict::incomplete_tools;

/// What of a stream tells that it is not all there is. Its size depends on the tests that have begun and not ended, not
/// on all of them.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    recall: Recall,
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
    /// Takes the next event; what was read before it.
    pub fn event(&mut self, event: &Event<'_>) -> Past {
        match event.what {
            What::Row(_) => self.any_test = true,
            What::TestStart(start) => self.test(start.run),
            What::TestEnd(end) => self.test(end.run),
            What::Record(record) => self.record(record),
            What::Other => {}
        }
        self.recall.event(event)
    }

    fn test(&mut self, run: &str) {
        self.any_test = true;
        self.run(run);
    }

    fn record(&mut self, record: &Record) {
        match record {
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
        let count = self.recall.open();
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
