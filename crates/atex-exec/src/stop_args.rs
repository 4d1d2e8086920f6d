//! Options that say when a run stops before all is done, and what is kept then. They are about one life of a run:
//! beside `--resume`, those that are given replace those that it was called with. A deadline is never that of another life.

use std::str::FromStr;
use std::time::Duration;

use atex_cli::{Failure, now};

use crate::config::duration;
use crate::deadline;

/// How long a host is kept unless something else is said.
const HOLD_FOR: &str = "1h";

/// See the module's documentation.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Stopping")]
pub(crate) struct StopArgs {
    /// Stop the run at this time
    ///
    /// TIME is a duration from now on (`90m`), a time of the clock (`06:30`, the next one), or a date and time
    /// (`2026-11-23T06:30`, or in UTC with a Z behind it). A test that would take longer than is left, by --history or
    /// its own `duration`, is not begun, and the run ends early if there are no others. What runs at that time is ended
    /// as by a signal. --resume goes on with what did not run; the exit status is 4 then. It has no deadline unless it is
    /// given one of its own.
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<String>,

    /// Stop the run when N tests have failed
    ///
    /// That is, are settled as `fail` or `error`. What runs then is ended as by a signal. With --resume they are
    /// counted anew.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_fail: Option<u64>,

    /// Keep hosts of tests that have failed as they are, at most N at a time [default: 1]
    ///
    /// That is, of tests that are settled as `fail` or `error` by their own doing. How to enter the host is said on
    /// standard error, and `repro.sh` in the directory of the attempt repeats the test there. Nothing else runs on the
    /// host meanwhile, and the run does not end. The host is used again after --hold-for or by `atex-exec ctl DIR free
    /// HOST`.
    #[arg(long, value_name = "fail[=N]")]
    pub hold_on: Option<HoldOn>,

    /// How long a host is kept [default: 1h]
    #[arg(long, value_name = "DURATION")]
    pub hold_for: Option<String>,

    /// What the first INT, TERM or HUP does [default: stop]
    #[arg(long, value_name = "HOW")]
    pub on_term: Option<OnTerm>,

    /// Go to the background, and write the run directory to standard output
    ///
    /// That is done when the run can be talked to: by `atex-exec status`, `ctl` and `attach`. Until then errors are
    /// reported as ever. The output of the run and its messages are kept in the run directory, in `stdout.jsonl` and
    /// `stderr.log`. Standard input is read to its end, unless it is a terminal.
    #[arg(long)]
    pub detach: bool,
}

/// What a first signal does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnTerm {
    /// End what runs, and release the hosts
    #[default]
    Stop,
    /// Leave tests running and hosts as they are, for --resume
    Detach,
}

/// On what hosts are kept, and how many at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HoldOn(u32);

impl FromStr for HoldOn {
    type Err = String;

    fn from_str(text: &str) -> Result<HoldOn, String> {
        let most = match text.strip_prefix("fail=") {
            Some(number) => number.parse().ok().filter(|most| *most > 0),
            None => (text == "fail").then_some(1),
        };
        most.map(HoldOn)
            .ok_or_else(|| "expected `fail` or `fail=N` with a number of hosts from 1 on".to_owned())
    }
}

/// What they mean.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stops {
    pub deadline: Option<atex_schedule::Time>,
    pub max_fail: Option<u64>,
    pub hold: Option<Hold>,
    pub on_term: OnTerm,
}

/// Hosts are kept as failed tests have left them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold {
    /// So many at a time.
    pub most: u32,
    pub length: Duration,
}

/// What is typed, of those that have a meaning beside `--resume`.
pub(crate) const IDS: [&str; 6] = ["deadline", "max_fail", "hold_on", "hold_for", "on_term", "detach"];

impl StopArgs {
    /// These, and where nothing is said, those.
    pub fn or(self, those: StopArgs) -> StopArgs {
        StopArgs {
            // These two whoever comes back says again: the time may have passed.
            deadline: self.deadline,
            max_fail: self.max_fail.or(those.max_fail),
            hold_on: self.hold_on.or(those.hold_on),
            hold_for: self.hold_for.or(those.hold_for),
            on_term: self.on_term.or(those.on_term),
            detach: self.detach,
        }
    }

    /// What they mean, from now on.
    pub fn stops(&self) -> Result<Stops, Failure> {
        let deadline = self.deadline.as_deref().map(|text| deadline::parse(text, now()));
        let deadline = deadline.transpose().map_err(|e| Failure::usage(format!("--deadline: {e}")))?;
        let deadline = deadline.map(|at| atex_schedule::Time(u64::try_from(at.0).unwrap_or(0)));
        let length = duration("--hold-for", self.hold_for.as_deref().unwrap_or(HOLD_FOR))?;
        let hold = self.hold_on.map(|HoldOn(most)| Hold { most, length });
        Ok(Stops { deadline, max_fail: self.max_fail, hold, on_term: self.on_term.unwrap_or_default() })
    }
}
