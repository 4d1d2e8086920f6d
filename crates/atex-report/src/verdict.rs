//! What a stream comes to: the rule that decides the exit status.
//!
//! `atex-report check` says of a stream what atex-exec said of the run (records.md, 6). What it says is known in
//! two ways, by its `end` record and by the records of the tests; the worse of them counts, so that a stream
//! that lost its end, or a part, is not taken for a success.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use atex_cli::Exit;
use atex_model::report::{Cause, Outcome};

use crate::Input;
use crate::input::Faults;
use crate::reduce::{Ended, Fate, Run, State, Tested, entry};

/// The name under which atex-exec ends its output.
pub(crate) const EXECUTOR: &str = "atex-exec";

/// What decides the exit status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Lines that are no records.
    pub bad_lines: u64,
    /// Sources that could not be read to their end.
    pub bad_sources: u64,
    /// Tests of which anything was read.
    pub tests: u64,
    /// Tests without a result that can be trusted.
    pub infra: u64,
    /// Tests that failed or were in error, but for those that are known to.
    pub failed: u64,
    /// Tests that failed or were in error, as they are known to.
    pub waived: u64,
    /// Tests that somebody cancelled by name.
    pub cancelled: u64,
    /// Tests that were taken in and not settled.
    pub unsettled: u64,
    /// The runs that did not end in what was read, with their directories.
    pub open_runs: Vec<(String, Option<String>)>,
    /// How many hosts failed us.
    pub troubled_hosts: u64,
    /// How many runs were read of.
    pub runs: u64,
    /// How often they were resumed.
    pub resumes: u64,
    /// How each tool ended, and how often.
    pub ends: BTreeMap<Ended, u64>,
    /// Of tools that must have ended: the name, how many ends are wanted, and how many are there.
    pub missing_ends: Vec<(String, u64, u64)>,
    /// That a stream without any test is fine.
    pub allow_empty: bool,
}

/// The exit status, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The worst of the reasons.
    pub exit: Exit,
    /// Each reason for a status other than 0, the worst first.
    pub reasons: Vec<(Exit, String)>,
    /// That what was read is not all there is.
    pub incomplete: bool,
}

/// What tests came to, each of which is looked at once.
#[derive(Debug, Default)]
pub struct Outcomes {
    tests: u64,
    infra: u64,
    failed: u64,
    waived: u64,
    cancelled: u64,
    /// Of each run, how many tests have begun and are not settled.
    unfinished: HashMap<String, u64>,
}

impl Outcomes {
    /// Adds a test. Each must be added once.
    pub fn add(&mut self, tested: &Tested) {
        self.tests += 1;
        match tested.test.fate() {
            Some(Fate::Settled(_, end)) => self.add_settled(end.outcome, end.cause, end.waived),
            Some(Fate::Results((_, attempt), worst)) => {
                self.add_settled(worst, Cause::Test, attempt.is_waived());
            }
            Some(Fate::Unfinished(_)) | None => *entry(&mut self.unfinished, &tested.run) += 1,
        }
    }

    /// The cause comes before the outcome: a cancelled test counts as `infra` and is no trouble.
    fn add_settled(&mut self, outcome: Outcome, cause: Cause, waived: bool) {
        match (cause, outcome) {
            (Cause::Test, Outcome::Error | Outcome::Fail) if waived => self.waived += 1,
            (Cause::Cancelled, _) => self.cancelled += 1,
            (Cause::Host | Cause::Own, _) | (_, Outcome::Infra) => self.infra += 1,
            (_, Outcome::Error | Outcome::Fail) => self.failed += 1,
            _ => {}
        }
    }
}

impl Facts {
    /// The facts of what was read.
    pub fn of(state: &State, outcomes: &Outcomes, faults: &Faults<'_>, input: &Input) -> Facts {
        let mut facts = Facts {
            bad_lines: faults.lines,
            bad_sources: faults.sources,
            tests: outcomes.tests,
            infra: outcomes.infra,
            failed: outcomes.failed,
            waived: outcomes.waived,
            cancelled: outcomes.cancelled,
            ends: state.ends.clone(),
            allow_empty: input.allow_empty,
            ..Facts::default()
        };
        let mut runs: Vec<_> = state.runs.iter().collect();
        runs.sort_unstable_by_key(|(id, _)| *id);
        for (id, run) in runs {
            facts.add_run(id, run, outcomes.unfinished.get(id).copied().unwrap_or(0));
        }
        for required in &input.required {
            let ends = state.ends.iter().filter(|(end, _)| end.tool == required.tool);
            let found = ends.map(|(_, count)| count).sum();
            if found < required.count {
                facts.missing_ends.push((required.tool.clone(), required.count, found));
            }
        }
        facts
    }

    /// Leaves what says that something is missing, and forgets what became of tests: another rule judges them.
    pub(crate) fn only_stream(&mut self) {
        (self.infra, self.failed, self.troubled_hosts) = (0, 0, 0);
        let said = |end: &Ended| end.tool == EXECUTOR && matches!(end.exit, 1 | 3);
        for end in self.ends.keys().filter(|end| said(end)).cloned().collect::<Vec<_>>() {
            let count = self.ends.remove(&end).unwrap_or_default();
            *self.ends.entry(Ended { exit: 0, complete: true, ..end }).or_default() += count;
        }
    }

    fn add_run(&mut self, id: &str, run: &Run, unfinished: u64) {
        self.runs += 1;
        self.resumes += run.resumed.len() as u64;
        // Of those that were never started only the run itself knows; of those that were, both do.
        let said = run.end.as_ref().filter(|_| !run.is_open()).map_or(0, |end| end.unsettled);
        self.unsettled += said.max(unfinished);
        if run.is_open() {
            self.open_runs.push((id.to_owned(), run.dir.clone()));
        }
        self.troubled_hosts += run.hosts.values().filter(|host| host.trouble().0 > 0).count() as u64;
    }
}

/// The rule.
///
/// | found | status |
/// | --- | --- |
/// | a line that is no record; no test, unless that is allowed | 2 |
/// | a test that is settled as `infra`, or by the fault of its host or of atex-exec | 3 |
/// | an `end` with `complete: false` of another tool than atex-exec; a required `end` that is not there | 3 |
/// | a source that cannot be read to its end | 3 |
/// | a host that was lost, unhealthy or quarantined, if no `end` of atex-exec says what came of it | 3 |
/// | a test that was taken in and is not settled, or was cancelled by name | 4 |
/// | a run that began, or was resumed, and has no `job-end` since | 4 |
/// | a test that failed or was in error, and is not waived | 1 |
/// | an `end` of atex-exec | its `exit`; 3 instead of 0 or 1 with `complete: false` |
///
/// Of several, the first in the order of the table of exit statuses. A stopped run that was resumed has more than
/// one `end`; those before the last no longer count.
pub fn verdict(facts: &Facts) -> Verdict {
    let mut reasons = input_reasons(facts);
    reasons.extend(test_reasons(facts));
    reasons.extend(run_reasons(facts));
    reasons.extend(executor_reason(facts, worst(&reasons)));
    reasons.sort_by_key(|(exit, _)| std::cmp::Reverse(*exit));
    Verdict { exit: worst(&reasons), incomplete: is_incomplete(facts), reasons }
}

fn worst(reasons: &[(Exit, String)]) -> Exit {
    reasons.iter().map(|(exit, _)| *exit).max().unwrap_or(Exit::Done)
}

fn input_reasons(facts: &Facts) -> Vec<(Exit, String)> {
    let mut reasons = Vec::new();
    if facts.bad_lines > 0 {
        let lines = facts.bad_lines;
        reasons.push((Exit::Usage, format!("{} no {}", are(lines, "line"), plural(lines, "record"))));
    }
    if facts.tests == 0 && facts.unsettled == 0 && !facts.allow_empty {
        reasons.push((Exit::Usage, "no test found (--allow-empty makes it a success)".to_owned()));
    }
    if facts.bad_sources > 0 {
        reasons.push((Exit::Trouble, format!("{} not read to the end", was(facts.bad_sources, "source"))));
    }
    for (tool, wanted, found) in &facts.missing_ends {
        reasons.push((Exit::Trouble, format!("incomplete: {found} of {wanted} `end` of {tool} found")));
    }
    for end in facts.ends.keys().filter(|end| !end.complete && end.tool != EXECUTOR) {
        reasons.push((Exit::Trouble, not_all(end)));
    }
    reasons
}

fn test_reasons(facts: &Facts) -> Vec<(Exit, String)> {
    let mut reasons = Vec::new();
    if facts.infra > 0 {
        let verb = if facts.infra == 1 { "has" } else { "have" };
        let tests = plural(facts.infra, "test");
        let text = format!("{} {tests} {verb} no result that can be trusted (infra)", facts.infra);
        reasons.push((Exit::Trouble, text));
    }
    if facts.cancelled > 0 {
        reasons.push((Exit::Stopped, format!("{} cancelled", was(facts.cancelled, "test"))));
    }
    if facts.unsettled > 0 {
        let text = format!("incomplete: {} not run to the end", was(facts.unsettled, "test"));
        reasons.push((Exit::Stopped, text));
    }
    if facts.failed > 0 {
        let tests = plural(facts.failed, "test");
        reasons.push((Exit::Failed, format!("{} {tests} failed or ended in error", facts.failed)));
    }
    reasons
}

fn run_reasons(facts: &Facts) -> Vec<(Exit, String)> {
    let mut reasons = Vec::new();
    for (run, dir) in &facts.open_runs {
        // Whoever wrote the record must not decide what a pasted line does.
        let dir = dir.as_deref().and_then(|dir| shlex::try_quote(dir).ok());
        let place = dir.map(|dir| format!("; what there is of it is in {dir}")).unwrap_or_default();
        let text = format!("incomplete: the end of run {run} is missing{place}");
        reasons.push((Exit::Stopped, text));
    }
    if facts.troubled_hosts > 0 && !executor_has_spoken(facts) {
        let hosts = was(facts.troubled_hosts, "host");
        reasons.push((Exit::Trouble, format!("{hosts} lost, unhealthy or quarantined")));
    }
    reasons
}

/// What atex-exec itself said, where the records do not say as much.
fn executor_reason(facts: &Facts, known: Exit) -> Option<(Exit, String)> {
    let end = executor_ends(facts).into_iter().max_by_key(|end| (executor_exit(end), !end.complete))?;
    let exit = executor_exit(end);
    if end.complete {
        // It did not know that failures are waived.
        if exit == Exit::Failed && facts.waived > 0 && facts.failed == 0 {
            return None;
        }
        return (exit > known).then(|| (exit, format!("{EXECUTOR} ended with {}", end.exit)));
    }
    Some((exit, not_all(end)))
}

fn not_all(end: &Ended) -> String {
    format!("incomplete: {} says that this is not all (it ended with {})", end.tool, end.exit)
}

/// Whether there is an `end` of atex-exec for each run: then it has weighed already what became of the hosts,
/// and whether other hosts made good for it.
fn executor_has_spoken(facts: &Facts) -> bool {
    all_executor_ends(facts) >= facts.runs
}

fn all_executor_ends(facts: &Facts) -> u64 {
    facts.ends.iter().filter(|(end, _)| end.tool == EXECUTOR).map(|(_, count)| count).sum()
}

fn executor_ends(facts: &Facts) -> Vec<&Ended> {
    standing_ends(&facts.ends, facts.runs, facts.resumes)
}

/// The tools that say that what they wrote is not all there is, by ends that still count.
pub(crate) fn incomplete_tools(ends: &BTreeMap<Ended, u64>, runs: u64, resumes: u64) -> BTreeSet<&str> {
    let others = ends.keys().filter(|end| end.tool != EXECUTOR);
    let all = others.chain(standing_ends(ends, runs, resumes));
    all.filter(|end| !end.complete).map(|end| end.tool.as_str()).collect()
}

/// The ends of atex-exec that still count.
///
/// `end` does not say of which run it is. If there are more of them than runs, then as many as there are
/// resumptions tell of earlier legs: of those that were not complete the mildest, so that what stays is never
/// too good.
fn standing_ends(ends: &BTreeMap<Ended, u64>, runs: u64, resumes: u64) -> Vec<&Ended> {
    let mut ends: Vec<_> = ends.iter().filter(|(end, _)| end.tool == EXECUTOR).collect();
    let all: u64 = ends.iter().map(|(_, count)| **count).sum();
    let mut superseded = all.saturating_sub(runs).min(resumes);
    ends.sort_by_key(|(end, _)| executor_exit(end));
    ends.retain(|(end, count)| {
        let dropped = if end.complete { 0 } else { superseded.min(**count) };
        superseded -= dropped;
        **count > dropped
    });
    ends.into_iter().map(|(end, _)| end).collect()
}

fn executor_exit(end: &Ended) -> Exit {
    let exit = match end.exit {
        0 => Exit::Done,
        1 => Exit::Failed,
        2 => Exit::Usage,
        4 => Exit::Stopped,
        code @ 129..=192 => Exit::Signal(code - 128),
        _ => Exit::Trouble,
    };
    if !end.complete && exit.is_complete() { Exit::Trouble } else { exit }
}

fn is_incomplete(facts: &Facts) -> bool {
    facts.unsettled > 0
        || facts.bad_sources > 0
        || !facts.open_runs.is_empty()
        || !facts.missing_ends.is_empty()
        || facts.ends.keys().any(|end| !end.complete && end.tool != EXECUTOR)
        || executor_ends(facts).into_iter().any(|end| !end.complete)
}

fn plural(count: u64, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

fn was(count: u64, noun: &str) -> String {
    format!("{count} {} {}", plural(count, noun), if count == 1 { "was" } else { "were" })
}

fn are(count: u64, noun: &str) -> String {
    format!("{count} {} {}", plural(count, noun), if count == 1 { "is" } else { "are" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(of: &[(&str, bool, u8, u64)]) -> BTreeMap<Ended, u64> {
        let end = |(tool, complete, exit, count): &(&str, bool, u8, u64)| {
            (Ended { tool: (*tool).to_owned(), complete: *complete, exit: *exit }, *count)
        };
        of.iter().map(end).collect()
    }

    /// A run of ten tests that passed.
    fn fine() -> Facts {
        Facts { tests: 10, runs: 1, ..Facts::default() }
    }

    #[test]
    fn each_fact_has_its_status() {
        let dir = Some("/r".to_owned());
        for (name, facts, exit, incomplete) in [
            ("fine", fine(), Exit::Done, false),
            ("bad line", Facts { bad_lines: 1, ..fine() }, Exit::Usage, false),
            ("source", Facts { bad_sources: 1, ..fine() }, Exit::Trouble, true),
            ("infra", Facts { infra: 1, ..fine() }, Exit::Trouble, false),
            ("failed", Facts { failed: 1, ..fine() }, Exit::Failed, false),
            ("cancelled", Facts { cancelled: 1, ..fine() }, Exit::Stopped, false),
            ("unsettled", Facts { unsettled: 1, ..fine() }, Exit::Stopped, true),
            ("open", Facts { open_runs: vec![("r".into(), dir)], ..fine() }, Exit::Stopped, true),
            ("host", Facts { troubled_hosts: 1, ..fine() }, Exit::Trouble, false),
            ("missing", Facts { missing_ends: vec![("t".into(), 1, 0)], ..fine() }, Exit::Trouble, true),
            ("empty", Facts::default(), Exit::Usage, false),
            ("allowed", Facts { allow_empty: true, ..Facts::default() }, Exit::Done, false),
            ("none ran", Facts { unsettled: 3, runs: 1, ..Facts::default() }, Exit::Stopped, true),
        ] {
            let verdict = verdict(&facts);
            assert_eq!((verdict.exit, verdict.incomplete), (exit, incomplete), "{name}");
            assert_eq!(verdict.reasons.is_empty(), exit == Exit::Done, "{name}");
        }
    }

    #[test]
    fn of_several_the_worst_counts_and_all_are_named() {
        let facts = Facts { bad_lines: 2, infra: 1, unsettled: 5, failed: 3, ..fine() };
        let verdict = verdict(&facts);
        assert_eq!(verdict.exit, Exit::Usage);
        let words: Vec<_> = verdict.reasons.iter().map(|(exit, text)| (exit.code(), text.as_str())).collect();
        assert_eq!(
            words,
            [
                (2, "2 lines are no records"),
                (3, "1 test has no result that can be trusted (infra)"),
                (4, "incomplete: 5 tests were not run to the end"),
                (1, "3 tests failed or ended in error"),
            ]
        );
    }

    #[test]
    fn what_the_tools_said_of_themselves_counts() {
        let exec = EXECUTOR;
        for (ended, exit, incomplete) in [
            (&[(exec, true, 0, 1)][..], Exit::Done, false),
            (&[(exec, true, 1, 1)], Exit::Failed, false),
            (&[(exec, false, 2, 1)], Exit::Usage, true),
            (&[(exec, false, 3, 1)], Exit::Trouble, true),
            (&[(exec, false, 4, 1)], Exit::Stopped, true),
            (&[(exec, false, 130, 1)], Exit::Signal(2), true),
            (&[(exec, false, 0, 1)], Exit::Trouble, true),
            (&[(exec, false, 1, 1)], Exit::Trouble, true),
            (&[(exec, true, 77, 1)], Exit::Trouble, false),
            (&[(exec, false, 128, 1)], Exit::Trouble, true),
            (&[("atex-discover", true, 1, 1)], Exit::Done, false),
            (&[("atex-discover", false, 2, 1)], Exit::Trouble, true),
            (&[("atex-discover", false, 2, 1), (exec, false, 143, 1)], Exit::Signal(15), true),
        ] {
            let verdict = verdict(&Facts { ends: ends(ended), ..fine() });
            assert_eq!((verdict.exit, verdict.incomplete), (exit, incomplete), "{ended:?}");
        }
    }

    #[test]
    fn the_end_of_a_leg_before_the_last_does_not_count() {
        let stopped_then_done = [(EXECUTOR, false, 130, 1), (EXECUTOR, true, 0, 1)];
        for (ended, runs, resumes, exit) in [
            (&stopped_then_done[..], 1, 1, Exit::Done),
            // Two runs, one of them stopped.
            (&stopped_then_done, 2, 0, Exit::Signal(2)),
            (&stopped_then_done, 2, 1, Exit::Signal(2)),
            // Nothing was resumed: where the second comes from nobody knows.
            (&stopped_then_done, 1, 0, Exit::Signal(2)),
            // Stopped again: one of them counts.
            (&[(EXECUTOR, false, 4, 1), (EXECUTOR, false, 130, 1)], 1, 1, Exit::Signal(2)),
            // The end of the last leg came twice.
            (&[(EXECUTOR, false, 130, 1), (EXECUTOR, true, 1, 2)], 1, 1, Exit::Failed),
            // After a crash, which leaves no end.
            (&[(EXECUTOR, true, 0, 1)], 1, 3, Exit::Done),
            // Three runs, one of them stopped and resumed.
            (&[(EXECUTOR, false, 130, 1), (EXECUTOR, true, 0, 3)], 3, 1, Exit::Done),
        ] {
            let facts = Facts { ends: ends(ended), runs, resumes, ..fine() };
            assert_eq!(verdict(&facts).exit, exit, "{ended:?} {runs} {resumes}");
        }
    }

    #[test]
    fn hosts_are_judged_only_where_the_executor_has_not_judged() {
        let told = ends(&[(EXECUTOR, true, 0, 1)]);
        for (runs, ends, exit) in
            [(1, told.clone(), Exit::Done), (2, told, Exit::Trouble), (1, BTreeMap::new(), Exit::Trouble)]
        {
            let facts = Facts { troubled_hosts: 1, runs, ends, ..fine() };
            assert_eq!(verdict(&facts).exit, exit);
        }
    }

    #[test]
    fn the_cause_comes_before_the_outcome() {
        for (outcome, cause, expected) in [
            (Outcome::Pass, Cause::Test, (0, 0, 0)),
            (Outcome::Warn, Cause::Test, (0, 0, 0)),
            (Outcome::Skip, Cause::Skipped, (0, 0, 0)),
            (Outcome::Fail, Cause::Test, (0, 1, 0)),
            (Outcome::Error, Cause::Test, (0, 1, 0)),
            (Outcome::Infra, Cause::Test, (1, 0, 0)),
            (Outcome::Infra, Cause::Host, (1, 0, 0)),
            (Outcome::Infra, Cause::Own, (1, 0, 0)),
            (Outcome::Infra, Cause::Skipped, (1, 0, 0)),
            (Outcome::Infra, Cause::Cancelled, (0, 0, 1)),
        ] {
            let mut outcomes = Outcomes::default();
            outcomes.add_settled(outcome, cause, false);
            assert_eq!(
                (outcomes.infra, outcomes.failed, outcomes.cancelled),
                expected,
                "{outcome} {cause:?}"
            );
        }
    }
}
