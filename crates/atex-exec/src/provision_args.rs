//! Options that say where hosts can be asked for.

use atex_cli::Failure;
use atex_schedule::{BREAKER, Options};

use crate::config::duration;
use crate::provision::{Command, Provision, Waits};

/// How long a provisioner may be silent unless something else is said.
const SILENT: &str = "1h";

/// See the module's documentation.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Hosts on demand")]
pub(crate) struct ProvisionArgs {
    /// Ask a program for hosts, as they are needed; may be repeated
    ///
    /// CMD is a command line for sh that speaks the protocol of atex-provisioner(7); to atex-provision, --serve is
    /// added. Of several, the first that can give what is needed is asked first, and the next one for what it cannot
    /// give or fails to give. Its hosts are given back when no test needs them, and replaced when they break.
    #[arg(long, value_name = "CMD")]
    pub provision: Vec<String>,

    /// Take at most N hosts at a time of each provisioner
    ///
    /// Several numbers are for the provisioners in the order in which they were given; the last one is for all that
    /// follow. A provisioner that says itself how many it can give (`max`) is asked for no more than that.
    /// [default: what it says itself, else 10]
    #[arg(long, value_name = "N[,N…]", value_delimiter = ',', requires = "provision")]
    pub provision_max: Vec<u32>,

    /// Work on at most N hosts at a time, whoever gives them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_hosts: Option<u32>,

    /// Ask for N hosts more than there are tests for
    ///
    /// They stand in at once for hosts that break, and are kept as long as a test that runs may be tried again.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub spares: u32,

    /// Use a provisioner no more when more than N of its hosts could not be set up within an hour
    ///
    /// A host that cannot be reached counts, too. What other hosts can run goes on.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub max_failed_setups: u32,

    /// Use a provisioner no more when it has failed N times in a row
    ///
    /// That is: it has said so, has died, or has not been heard of. It is asked again 10 seconds after the first time,
    /// and each time after twice as long, up to 10 minutes; meanwhile others are asked. Hosts of which it says that they
    /// fail in that time, as when many were under way at once, are no further failures.
    #[arg(long, value_name = "N", default_value_t = BREAKER, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_failed_provisions: u32,

    /// A provisioner has failed of which nothing is heard for so long while hosts are wanted of it
    ///
    /// Any record of it is a sign of life, such as `pending` once more. [default: 1h, and for hosts that it says are
    /// under way as long as it takes]
    #[arg(long, value_name = "DURATION")]
    pub provision_timeout: Option<String>,

    /// At the end, wait so long for a provisioner to give everything back
    ///
    /// After that it is ended, what it may still hold is named, and the exit status is 3.
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub release_timeout: String,
}

impl ProvisionArgs {
    /// Where hosts can be asked for.
    pub fn provision(&self) -> Result<Provision, Failure> {
        let last = self.provision_max.last().copied();
        let most = self.provision_max.iter().copied().map(Some).chain(std::iter::repeat(last));
        let commands = self.provision.iter().zip(most).map(|(text, most)| Command::new(text, most));
        Ok(Provision {
            commands: commands.collect(),
            waits: Waits {
                silent: duration("--provision-timeout", self.provision_timeout.as_deref().unwrap_or(SILENT))?,
                also_pending: self.provision_timeout.is_some(),
                release: duration("--release-timeout", &self.release_timeout)?,
            },
        })
    }

    /// What the scheduler is told of it.
    pub fn schedule(&self, options: Options) -> Options {
        Options {
            spares: self.spares,
            max_hosts: self.max_hosts,
            max_failed_setups: self.max_failed_setups,
            breaker: self.max_failed_provisions,
            ..options
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::args::Args;
    use clap::Parser;

    #[test]
    fn the_last_limit_is_for_all_that_follow() {
        for (limits, expected) in [
            (&[][..], [None, None, None]),
            (&["--provision-max", "3"], [Some(3), Some(3), Some(3)]),
            (&["--provision-max", "3,1"], [Some(3), Some(1), Some(1)]),
            (&["--provision-max", "3,1,0,7"], [Some(3), Some(1), Some(0)]),
        ] {
            let words = ["atex-exec", "--provision", "a", "--provision", "b", "--provision", "c"];
            let args = Args::try_parse_from(words.iter().chain(limits)).unwrap();
            let most = args.provision.provision().unwrap().commands.into_iter().map(|command| command.most);
            assert_eq!(most.collect::<Vec<_>>(), expected, "{limits:?}");
        }
        assert!(Args::try_parse_from(["atex-exec", "--provision-max", "3"]).is_err());
    }
}
