//! Options that say when a run stops before all is done, and what is kept then. They are about one life of a run:
//! beside `--resume`, those that are given replace those that it was called with.

use atex_cli::{Failure, now};

use crate::deadline;

/// See the module's documentation.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Stopping")]
pub(crate) struct StopArgs {
    /// Stop the run at this time
    ///
    /// TIME is a duration from now on (`90m`), a time of the clock (`06:30`, the next one), or a date and time
    /// (`2026-11-23T06:30`, or in UTC with a Z behind it). A test that would take longer than is left, by --history or
    /// its own `duration`, is not begun, and the run ends early if there are no others. What runs at that time is ended
    /// as by a signal. --resume goes on with what did not run; the exit status is 4 then.
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<String>,

    /// Stop the run when N tests have failed
    ///
    /// That is, are settled as `fail` or `error`. What runs then is ended as by a signal. With --resume they are
    /// counted anew.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_fail: Option<u64>,
}

/// What they mean.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stops {
    pub deadline: Option<atex_schedule::Time>,
    pub max_fail: Option<u64>,
}

/// What is typed, of those that have a meaning beside `--resume`.
pub(crate) const IDS: [&str; 2] = ["deadline", "max_fail"];

impl StopArgs {
    /// These, and where nothing is said, those.
    pub fn or(self, those: StopArgs) -> StopArgs {
        StopArgs { deadline: self.deadline.or(those.deadline), max_fail: self.max_fail.or(those.max_fail) }
    }

    /// What they mean, from now on.
    pub fn stops(&self) -> Result<Stops, Failure> {
        let deadline = self.deadline.as_deref().map(|text| deadline::parse(text, now()));
        let deadline = deadline.transpose().map_err(|e| Failure::usage(format!("--deadline: {e}")))?;
        let deadline = deadline.map(|at| atex_schedule::Time(u64::try_from(at.0).unwrap_or(0)));
        Ok(Stops { deadline, max_fail: self.max_fail })
    }
}
