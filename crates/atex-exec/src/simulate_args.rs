//! Options of a run that is only simulated.

use std::path::PathBuf;

/// See the module's documentation.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Simulation")]
pub(crate) struct SimulateArgs {
    /// Say what the run would be like: no host is touched, and nothing is kept
    ///
    /// Writes the records of the run with times that begin in 1970, then a record `simulation` with how long it takes, its host
    /// hours, the share of them that is spent in tests, and what other ways of sharing the tests out would take. How long
    /// a test takes is known from --history or from its metadata, or made up by --duration-model.
    #[arg(long)]
    pub simulate: bool,

    /// Find the smallest pool of hosts with which the run would end within this time
    ///
    /// All hosts are like the first one that is given; without any, like one of which nothing is known. Ends with 1 if
    /// no number is enough.
    #[arg(long, value_name = "DURATION")]
    pub hosts_for: Option<String>,

    /// Give the events of a run that was recorded to the scheduler, and see whether it decides the same
    ///
    /// JOURNAL is the file journal.jsonl in the directory of a run. Ends with 1 if anything is decided otherwise.
    #[arg(long, value_name = "JOURNAL")]
    pub replay: Option<PathBuf>,

    /// How long tests take of which that is not known
    ///
    /// `equal:SECONDS`, `uniform:LEAST,MOST`, `lognormal:MEDIAN,SIGMA`, `pareto:LEAST,ALPHA` or `exponential:MEAN`.
    #[arg(long, value_name = "MODEL", default_value = "lognormal:30,1")]
    pub duration_model: String,

    /// Where all chances come from: the same number gives the same run
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// How often a test ends by its host's doing: a share from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub host_failures: f64,

    /// How often a test fails: a share from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub test_failures: f64,

    /// How often a host cannot be set up: a share from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub setup_failures: f64,

    /// How long a provisioner takes to give a host: at least, and at most
    #[arg(long, value_name = "DURATION[,DURATION]", default_value = "2m")]
    pub provision_time: String,

    /// How often a host that is wanted of a provisioner does not come: a share from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub provision_failures: f64,

    /// How long it takes to set up a host
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub setup_time: String,
}
