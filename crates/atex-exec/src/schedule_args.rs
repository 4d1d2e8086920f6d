//! Options that say which test is next, and how often one is tried.

use atex_schedule::{Options, Order, RerunOn};

/// See the module's documentation.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Scheduling")]
pub(crate) struct ScheduleArgs {
    /// Which test a free host is given
    #[arg(long, value_name = "HOW", default_value = "best")]
    pub order: OrderArg,

    /// Try a test that failed again up to N times
    ///
    /// It runs on another host then, if there is one. `extra-reruns` of a test's metadata goes before this.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub reruns: u32,

    /// What makes a test be tried again
    #[arg(long, value_name = "WHEN", default_value = "exit")]
    pub rerun_on: RerunOnArg,

    /// Try a test again up to N times if its host failed
    ///
    /// That is beside --reruns, and on another host if there is one. A test under which two hosts have failed
    /// is given no third. A host that has failed under two tests in a row is used no more.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub infra_retries: u32,
}

/// Which test is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OrderArg {
    /// By `extra-priority`, by what hosts there are, and the longest first
    Best,
    /// By `order` of their metadata, else as they came
    Given,
}

/// What makes a test be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RerunOnArg {
    /// Its exit status was not 0, or it had to be ended
    Exit,
    /// Its outcome is worse than `warn`
    Outcome,
    /// Nothing
    Never,
}

impl ScheduleArgs {
    /// What they mean.
    pub fn options(&self) -> Options {
        Options {
            order: match self.order {
                OrderArg::Best => Order::Best,
                OrderArg::Given => Order::Given,
            },
            reruns: self.reruns,
            rerun_on: match self.rerun_on {
                RerunOnArg::Exit => RerunOn::Exit,
                RerunOnArg::Outcome => RerunOn::Outcome,
                RerunOnArg::Never => RerunOn::Never,
            },
            infra_retries: self.infra_retries,
            ..Options::default()
        }
    }
}
