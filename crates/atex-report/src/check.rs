//! A gate: the exit status is the answer, and one line on stderr says why.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use atex_cli::{Exit, Failure};
use atex_model::report::{Outcome, ResultKind};

use crate::args::InputArgs;
use crate::config::{self, Input};
use crate::event::{Event, What};
use crate::identity::{Identity, IdentityMap, IdentitySet};
use crate::input::{self, Faults, Source, Take};
use crate::reduce::{Fate, State, Tested};
use crate::stop::Stop;
use crate::verdict::{Facts, Outcomes, verdict};

/// The options of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Which outcomes of tests are refused, instead of fail, error and infra; `flaky` is one that passed when it was
    /// tried again
    ///
    /// Tests with another outcome do not count, also if it is infra. What is missing of the stream still does.
    #[arg(long, value_name = "OUTCOME,…", value_delimiter = ',')]
    fail_on: Vec<Refused>,

    /// Only failures count that are not in this stream; may be given several times
    ///
    /// What failed there and passed there too, in another of them or when it was tried again, counts as well.
    #[arg(long, value_name = "BASELINE")]
    new_only: Vec<PathBuf>,

    /// With --new-only: what has both failed and passed in the baselines may fail, and so may all of such a test
    #[arg(long, requires = "new_only")]
    allow_flaky: bool,

    /// So many tests must have passed; `95%`: so many of those that ran
    #[arg(long, value_name = "N|P%")]
    min_pass: Option<MinPass>,
}

/// What a gate refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Refused {
    Infra,
    Error,
    Fail,
    Warn,
    Info,
    Skip,
    Flaky,
}

/// How many tests must have passed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum MinPass {
    Tests(u64),
    Share(f64),
}

impl std::str::FromStr for MinPass {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<MinPass, &'static str> {
        let wrong = "expected a number of tests, or a share such as 95%";
        match text.strip_suffix('%') {
            Some(share) => match share.parse() {
                Ok(share) if (0.0..=100.0).contains(&share) => Ok(MinPass::Share(share)),
                _ => Err(wrong),
            },
            None => text.parse().map(MinPass::Tests).map_err(|_| wrong),
        }
    }
}

impl Refused {
    fn is(self, outcome: Outcome) -> bool {
        match self {
            Refused::Infra => outcome == Outcome::Infra,
            Refused::Error => outcome == Outcome::Error,
            Refused::Fail => outcome == Outcome::Fail,
            Refused::Warn => outcome == Outcome::Warn,
            Refused::Info => outcome == Outcome::Info,
            Refused::Skip => outcome == Outcome::Skip,
            Refused::Flaky => false,
        }
    }
}

/// Answers.
///
/// # Errors
/// The invocation is wrong.
pub fn run(args: &Args, verbose: bool, say: &mut dyn FnMut(&str)) -> Result<Exit, Failure> {
    let input = Input::new(&args.input, verbose)?;
    let old: Vec<Source> = args.new_only.iter().map(|path| config::source(path)).collect::<Result<_, _>>()?;
    let mut faults = Faults::new(input.messages, say);
    let mut gate = Gate::default();
    let read = |sources: &[Source], faults: &mut Faults<'_>, take: &mut dyn Take| match input::read(
        sources, faults, take,
    ) {
        Err(Stop::Failed(failure)) => Err(failure),
        Ok(()) | Err(Stop::Closed) => Ok(()),
    };
    gate.has_baseline = !old.is_empty();
    read(&input.sources, &mut faults, &mut gate)?;
    if gate.has_baseline {
        read(&old, &mut faults, &mut gate.baseline)?;
    }
    gate.find_new(args.allow_flaky);
    let (mut outcomes, mut counts) = (Outcomes::default(), Counts::default());
    let mut state = std::mem::take(&mut gate.state);
    let drained = state.drain_tests(|tested| {
        outcomes.add(tested);
        gate.count(args, tested, &mut counts);
    });
    if let Err(Stop::Failed(failure)) = drained {
        return Err(failure);
    }
    let mut facts = Facts::of(&state, &outcomes, &faults, &input);
    let gates = gate.judge(args, &counts, &mut facts);
    let verdict = verdict(&facts);
    let reasons: Vec<String> = verdict.reasons.into_iter().map(|(_, reason)| reason).chain(gates).collect();
    if reasons.is_empty() {
        return Ok(Exit::Done);
    }
    say(&reasons.join("; "));
    Ok(verdict.exit.max(Exit::Failed))
}

#[derive(Default)]
struct Gate {
    state: State,
    has_baseline: bool,
    /// What failed, each once.
    failures: HashSet<Failed>,
    /// What the baselines say of it. They are read last, so that only what failed has to be remembered of them.
    baseline: Baseline,
    /// Tests in which something failed that is not in the baselines.
    new: IdentitySet,
}

/// What gates ask of all tests.
#[derive(Default)]
struct Counts {
    refused: u64,
    new: u64,
    passed: u64,
    ran: u64,
}

/// A result that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Failed {
    /// The test in its run.
    test: Identity,
    /// The result in any run, and that for the test itself.
    result: Identity,
    own: Identity,
}

/// What became of the same results before.
#[derive(Default)]
struct Baseline {
    known: IdentityMap<History>,
}

/// The attempts in which a result was there: whether it failed.
#[derive(Debug, Default)]
struct History(BTreeMap<Identity, bool>);

impl History {
    fn failed(&self) -> bool {
        self.0.values().any(|failed| *failed)
    }

    fn is_flaky(&self) -> bool {
        self.failed() && self.0.values().any(|failed| !failed)
    }
}

/// A result in any run.
fn key(platform: &str, test: &str, subtest: Option<&str>) -> Identity {
    let own = Identity::NOTHING.text(platform).text(test);
    subtest.map_or(own, |subtest| own.text(subtest))
}

impl Baseline {
    /// Takes what became of a result in an attempt. Of several of one name, one that failed is enough.
    fn add(&mut self, result: Identity, attempt: Identity, failed: bool) {
        if let Some(history) = self.known.get_mut(&result) {
            *history.0.entry(attempt).or_default() |= failed;
        }
    }

    /// Whether a failure is none that is new.
    fn excuses(&self, failure: &Failed, allow_flaky: bool) -> bool {
        let is_flaky = |key| self.known.get(key).is_some_and(History::is_flaky);
        let failed = self.known.get(&failure.result).is_some_and(History::failed);
        failed && !is_flaky(&failure.result)
            || allow_flaky && (is_flaky(&failure.result) || is_flaky(&failure.own))
    }
}

impl Take for Baseline {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        match event.what {
            What::Row(row) if row.kind != ResultKind::LiveResult => {
                let attempt = event.test.number(u64::from(row.attempt));
                let result = key(row.platform, row.test, row.subtest);
                self.add(result, attempt, row.outcome() <= Outcome::Fail);
            }
            What::TestEnd(end) => {
                let attempt = event.test.number(u64::from(end.attempt));
                self.add(key(end.platform, end.test, None), attempt, end.outcome <= Outcome::Fail);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Take for Gate {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        self.state.take(event)?;
        if !self.has_baseline {
            return Ok(());
        }
        match event.what {
            What::Row(row)
                if row.kind == ResultKind::Result
                    && row.outcome() <= Outcome::Fail
                    && row.waived.is_none() =>
            {
                let own = key(row.platform, row.test, None);
                self.failure(event.test, key(row.platform, row.test, row.subtest), own);
            }
            What::TestEnd(end) if end.is_final && end.outcome <= Outcome::Fail && end.waived.is_none() => {
                let own = key(end.platform, end.test, None);
                self.failure(event.test, own, own);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Gate {
    fn failure(&mut self, test: Identity, result: Identity, own: Identity) {
        self.failures.insert(Failed { test, result, own });
        self.baseline.known.entry(result).or_default();
        self.baseline.known.entry(own).or_default();
    }

    fn find_new(&mut self, allow_flaky: bool) {
        let new = self.failures.iter().filter(|failure| !self.baseline.excuses(failure, allow_flaky));
        self.new = new.map(|failure| failure.test).collect();
    }

    fn count(&self, args: &Args, tested: &Tested, counts: &mut Counts) {
        let (outcome, waived, tried) = match tested.test.fate() {
            Some(Fate::Settled(_, end)) => {
                let mut tried = tested.test.attempts().filter_map(|attempt| attempt.end.as_ref());
                let failed = tried.any(|end| !end.is_final && end.outcome <= Outcome::Fail);
                (end.outcome, end.waived, failed)
            }
            Some(Fate::Results((_, attempt), worst)) => (worst, attempt.is_waived(), false),
            _ => return,
        };
        let bad = outcome <= Outcome::Fail;
        if bad && waived {
            return;
        }
        counts.ran += u64::from(outcome != Outcome::Skip);
        counts.passed += u64::from(matches!(outcome, Outcome::Pass | Outcome::Warn | Outcome::Info));
        let identity = || Identity::of(&tested.run, &tested.platform, &tested.name);
        let is_new = bad && self.has_baseline && self.new.contains(&identity());
        counts.new += u64::from(is_new);
        if bad && self.has_baseline && !is_new {
            return;
        }
        let flaky = !bad && tried && args.fail_on.contains(&Refused::Flaky);
        counts.refused += u64::from(flaky || args.fail_on.iter().any(|word| word.is(outcome)));
    }

    /// Takes what does not count out of the facts; what the gates refuse, in words.
    fn judge(&self, args: &Args, counts: &Counts, facts: &mut Facts) -> Vec<String> {
        let mut reasons = Vec::new();
        let Counts { refused, new, passed, ran } = *counts;
        if !args.fail_on.is_empty() {
            facts.only_stream();
            if refused > 0 {
                reasons.push(format!("{refused} of {} tests are refused by --fail-on", facts.tests));
            }
        } else if self.has_baseline {
            facts.only_stream();
            if new > 0 {
                reasons.push(format!("{new} of {} tests fail and did not before", facts.tests));
            }
        }
        let enough = match args.min_pass {
            None => true,
            Some(MinPass::Tests(tests)) => passed >= tests,
            Some(MinPass::Share(share)) => ran > 0 && passed as f64 * 100.0 >= share * ran as f64,
        };
        if !enough {
            reasons.push(format!("{passed} of {ran} tests passed, fewer than --min-pass asks for"));
        }
        reasons
    }
}
