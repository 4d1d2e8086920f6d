//! Options that shape a run from outside: what is known of earlier ones, hooks, and what is said meanwhile.

use std::path::PathBuf;

use atex_cli::Failure;

use crate::config::duration;
use crate::history::History;
use crate::hooks::{Hook, Hooks, Phase};
use crate::policy;

/// See the module's documentation.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ShapeArgs {
    /// Learn from earlier runs how long tests take; may be repeated
    ///
    /// FILE is the output of atex-exec that was kept, a journal, or a database that `atex-report sqlite` made; DIR is a run directory, or a directory of run
    /// directories such as atex-runs, of which the last 64 are read. Of each platform and test the last five attempts
    /// count, and of these the median: of those that passed if there are any, else of those that the test itself ended,
    /// else of those that were cut short at their limit or with their host. What cannot be read is said and left out.
    #[arg(long, value_name = "FILE|DIR")]
    pub history: Vec<PathBuf>,

    /// Do not say on standard error how far the run is
    #[arg(short, long)]
    pub quiet: bool,

    #[command(flatten)]
    pub hooks: HookArgs,

    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// Commands that are run in the phases of a run.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Hooks")]
pub(crate) struct HookArgs {
    /// Run a command in a phase of the run; may be repeated
    ///
    /// PHASE is `pre-tests` (tests pass through CMD before they are taken in), `host-ready` (a host has been reached),
    /// `pre-test` and `post-test` (before and after each attempt), or `post-tests` (nothing runs any more). CMD is a
    /// command line for sh; it reads records on its standard input and may print some. Those of one phase run in the
    /// order in which they were given. The manual says more, under HOOKS.
    #[arg(long = "hook", value_name = "PHASE=CMD")]
    pub hooks: Vec<String>,

    /// A hook that is not done within this time has failed, and is ended
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub hook_timeout: String,

    /// Leave out the hooks of a phase; may be repeated
    #[arg(long, value_name = "PHASE")]
    pub no_hooks: Vec<Phase>,
}

/// A program that decides.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Policy")]
pub(crate) struct PolicyArgs {
    /// Let a program decide which test runs next
    ///
    /// CMD is a command line for sh. It reads every record of the run, and is asked which test is next on a host,
    /// whether a test is tried again, and whether a host can be used after it, each time with the answers that there
    /// are. Without an answer the built-in rules decide. See atex-policy(7).
    #[arg(long, value_name = "CMD")]
    pub policy: Option<String>,

    /// How long the policy may take to answer
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    pub policy_timeout: String,
}

impl PolicyArgs {
    /// What they mean.
    pub fn policy(&self) -> Result<Option<policy::Command>, Failure> {
        let timeout = duration("--policy-timeout", &self.policy_timeout)?;
        let command = self.policy.clone();
        Ok(command.map(|command| policy::Command { command, timeout }))
    }
}

impl HookArgs {
    /// What they mean.
    pub fn hooks(&self) -> Result<Hooks, Failure> {
        let mut all = Vec::new();
        for text in &self.hooks {
            let hook = Hook::parse(text, &all).map_err(|e| Failure::usage(format!("--hook: {e}")))?;
            all.push(hook);
        }
        all.retain(|hook| !self.no_hooks.contains(&hook.phase));
        Ok(Hooks { all, timeout: duration("--hook-timeout", &self.hook_timeout)? })
    }
}

impl ShapeArgs {
    /// What is known of earlier runs.
    pub fn history(&self) -> History {
        History::read(&self.history)
    }
}
