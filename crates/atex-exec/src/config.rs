//! What the arguments mean. Whatever can be wrong with them is found here, before a line is read.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atex_cli::{Failure, input::Lines};
use atex_control::{DurationForm, parse_duration};

use crate::args::{Args, Duplicates};
use crate::pool::Waits;

/// After which exit statuses a host is used as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeepHostOn {
    Any,
    These(BTreeSet<i64>),
}

/// A run as it was asked for.
pub(crate) struct Config {
    /// Where tests and hosts come from.
    pub sources: Vec<Lines>,
    pub local: u32,
    pub run_dir: Option<PathBuf>,
    pub work_dir: Option<String>,
    pub keep_host_on: KeepHostOn,
    pub infra_retries: u32,
    pub waits: Waits,
    pub duplicates: Duplicates,
    pub allow_empty: bool,
}

impl Config {
    /// What the arguments mean for a new run.
    pub fn new(args: Args) -> Result<Config, Failure> {
        let sources = sources(&args.hosts, true)?;
        Config::with_sources(args, sources)
    }

    /// What they mean for a run that was called with `called` and is resumed with `args`. Standard input is
    /// of interest unless the run's input has ended.
    pub fn resumed(called: Args, args: &Args, input_ended: bool) -> Result<Config, Failure> {
        let sources = sources(&args.hosts, !input_ended)?;
        Config::with_sources(called, sources)
    }

    fn with_sources(args: Args, sources: Vec<Lines>) -> Result<Config, Failure> {
        let waits = Waits {
            host: duration("--host-timeout", &args.host_timeout)?,
            setup: duration("--setup-timeout", &args.setup_timeout)?,
            grace: duration("--grace", &args.grace)?,
        };
        if args.work_dir.as_deref().is_some_and(|dir| !dir.starts_with('/')) {
            return Err(Failure::usage("--work-dir: expected an absolute path, as it is one on the hosts"));
        }
        Ok(Config {
            keep_host_on: keep_host_on(&args.keep_host_on)?,
            sources,
            local: args.local,
            run_dir: args.run_dir,
            work_dir: args.work_dir,
            infra_retries: args.infra_retries,
            waits,
            duplicates: args.duplicates,
            allow_empty: args.allow_empty,
        })
    }
}

/// Standard input, if it is of interest and nobody sits at it, and the files.
fn sources(files: &[PathBuf], with_stdin: bool) -> Result<Vec<Lines>, Failure> {
    let mut sources = Vec::new();
    let named = files.iter().any(|file| file == Path::new("-"));
    if with_stdin && !named && !std::io::stdin().is_terminal() {
        sources.push(Lines::stdin());
    }
    for file in files {
        sources.push(Lines::open(file)?);
    }
    Ok(sources)
}

fn duration(option: &str, text: &str) -> Result<Duration, Failure> {
    parse_duration(text, DurationForm::Extended).map_err(|e| Failure::usage(format!("{option}: {e}")))
}

fn keep_host_on(text: &str) -> Result<KeepHostOn, Failure> {
    if text == "any" {
        return Ok(KeepHostOn::Any);
    }
    let numbers = text.split(',').map(|n| n.trim().parse::<u8>().map(i64::from));
    let bad = || Failure::usage(format!("--keep-host-on: expected exit statuses or `any`, found `{text}`"));
    numbers.collect::<Result<_, _>>().map(KeepHostOn::These).map_err(|_| bad())
}

impl KeepHostOn {
    /// Whether the host is used as it is after this exit status.
    pub fn has(&self, status: Option<i64>) -> bool {
        match (self, status) {
            (KeepHostOn::Any, Some(_)) => true,
            (KeepHostOn::These(these), Some(status)) => these.contains(&status),
            (_, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses_that_keep_a_host() {
        let these = keep_host_on("0, 2").unwrap();
        assert!(these.has(Some(0)) && these.has(Some(2)) && !these.has(Some(1)) && !these.has(None));
        let any = keep_host_on("any").unwrap();
        assert!(any.has(Some(77)) && !any.has(None));
        for bad in ["", "x", "256", "0,,1", "-1"] {
            assert!(keep_host_on(bad).is_err(), "{bad}");
        }
    }
}
