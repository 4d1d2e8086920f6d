//! What the arguments mean. Whatever can be wrong with them is found here, before a line is read.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atex_cli::{Failure, input::Lines};
use atex_control::{DurationForm, Limits, parse_duration};

use crate::args::{Args, Duplicates, QuotaArgs};
use crate::attempt::Quotas;
use crate::environment::CallerEnv;
use crate::history::History;
use crate::hooks::Hooks;
use crate::policy;
use crate::pool::{Spool, Waits};
use crate::progress::Shown;
use crate::provision::Provision;
use crate::stop_args::Stops;

/// A spool that holds less than a relay copies at once would stop it in the middle.
const LEAST_SPOOL: u64 = 1 << 20;

/// After which exit statuses a host is used as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeepHostOn {
    Any,
    These(BTreeSet<i64>),
}

/// A run as it was asked for.
pub(crate) struct Config {
    /// How it was called, for whoever resumes it.
    pub argv: Vec<OsString>,
    /// Where tests and hosts come from.
    pub sources: Vec<Lines>,
    pub local: u32,
    /// Where hosts can be asked for.
    pub provision: Provision,
    pub run_dir: Option<PathBuf>,
    pub work_dir: Option<String>,
    pub env: CallerEnv,
    pub keep_host_on: KeepHostOn,
    pub schedule: atex_schedule::Options,
    pub stops: Stops,
    pub waits: Waits,
    pub quotas: Quotas,
    pub duplicates: Duplicates,
    pub allow_empty: bool,
    pub allow_install: bool,
    pub hooks: Hooks,
    pub history: History,
    /// Who decides in place of the built-in rules.
    pub policy: Option<policy::Command>,
    /// Where it is shown how far the run is.
    pub progress: Shown,
}

impl Config {
    /// What the arguments mean for a new run.
    pub fn new(args: Args) -> Result<Config, Failure> {
        let sources = sources(&args.hosts, true)?;
        let env = CallerEnv::new(&args.env.env_file, &args.env.env)?;
        Config::with_sources(args, sources, env)
    }

    /// What they mean for a run whose tests and hosts come from this process, called as if so.
    pub fn of_job(args: Args, argv: Vec<OsString>) -> Result<Config, Failure> {
        let sources = sources(&args.hosts, false)?;
        let env = CallerEnv::new(&args.env.env_file, &args.env.env)?;
        let config = Config::with_sources(args, sources, env)?;
        Ok(Config { argv, progress: Shown::Nowhere, ..config })
    }

    /// What they mean for a run that was called with `called`, which set `env`, and is resumed with `args`.
    /// Standard input is of interest unless the run's input has ended.
    pub fn resumed(
        mut called: Args,
        env: CallerEnv,
        args: &Args,
        input_ended: bool,
    ) -> Result<Config, Failure> {
        let sources = sources(&args.hosts, !input_ended)?;
        called.stop = args.stop.clone().or(called.stop);
        // Who looks at it may be another one.
        called.shape.quiet = args.shape.quiet;
        Config::with_sources(called, sources, env)
    }

    fn with_sources(args: Args, sources: Vec<Lines>, env: CallerEnv) -> Result<Config, Failure> {
        let waits = Waits {
            host: duration("--host-timeout", &args.host_timeout)?,
            setup: duration("--setup-timeout", &args.setup_timeout)?,
            grace: duration("--grace", &args.grace)?,
            reboot_grace: duration("--reboot-grace", &args.reboot_grace)?,
            orphan: at_least_a_second("--orphan-timeout", &args.orphan_timeout)?,
            spool: match &args.spool_max {
                Some(text) => Spool { bytes: size("--spool-max", text)?.max(LEAST_SPOOL), share: None },
                None => Spool::default(),
            },
        };
        if args.work_dir.as_deref().is_some_and(|dir| !dir.starts_with('/')) {
            return Err(Failure::usage("--work-dir: expected an absolute path, as it is one on the hosts"));
        }
        let stops = args.stop.stops()?;
        Ok(Config {
            argv: std::env::args_os().collect(),
            keep_host_on: keep_host_on(&args.keep_host_on)?,
            sources,
            local: args.local,
            provision: args.provision.provision()?,
            run_dir: args.run_dir,
            work_dir: args.work_dir,
            env,
            schedule: atex_schedule::Options {
                deadline: stops.deadline,
                max_failed: stops.max_fail,
                ..args.provision.schedule(args.schedule.options())
            },
            stops,
            waits,
            quotas: Quotas { live: args.live, ..quotas(&args.quotas)? },
            duplicates: args.duplicates,
            allow_empty: args.allow_empty,
            allow_install: args.allow_install,
            hooks: args.shape.hooks.hooks()?,
            history: args.shape.history(),
            policy: args.shape.policy.policy()?,
            progress: match args.stop.detach {
                true => Shown::without_terminal(args.shape.quiet),
                false => Shown::here(args.shape.quiet),
            },
        })
    }
}

/// Standard input, if it is of interest and nobody sits at it, and the files.
pub(crate) fn sources(files: &[PathBuf], with_stdin: bool) -> Result<Vec<Lines>, Failure> {
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

fn quotas(args: &QuotaArgs) -> Result<Quotas, Failure> {
    let memory = |option, text: &str| {
        let bytes = size(option, text)?;
        usize::try_from(bytes)
            .map_err(|_| Failure::usage(format!("{option}: {text} is more than memory holds")))
    };
    let control = Limits {
        results: args.max_results,
        result_bytes: size("--max-result-bytes", &args.max_result_bytes)?,
        files: args.max_files,
        file_bytes: size("--max-file-bytes", &args.max_file_bytes)?,
        notes: args.max_notes,
        json: memory("--max-json", &args.max_json)?,
        open: memory("--max-partial", &args.max_partial)?,
        ..Limits::default()
    };
    Ok(Quotas { control, output: size("--max-output", &args.max_output)?, live: false })
}

/// A number of bytes: digits, and a unit of 1024 to some power.
pub(crate) fn size(option: &str, text: &str) -> Result<u64, Failure> {
    let unit = |unit: char| text.strip_suffix([unit, unit.to_ascii_lowercase()]);
    let units = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let (number, power) =
        units.iter().find_map(|(letter, power)| Some((unit(*letter)?, *power))).unwrap_or((text, 0));
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << power));
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    bytes.filter(|_| is_number).ok_or_else(|| {
        Failure::usage(format!(
            "{option}: expected a size such as 500000, 64K, 16M, 1G or 2T, found `{text}`"
        ))
    })
}

pub(crate) fn duration(option: &str, text: &str) -> Result<Duration, Failure> {
    parse_duration(text, DurationForm::Extended).map_err(|e| Failure::usage(format!("{option}: {e}")))
}

fn at_least_a_second(option: &str, text: &str) -> Result<Duration, Failure> {
    let found = duration(option, text)?;
    if found < Duration::from_secs(1) {
        return Err(Failure::usage(format!("{option}: expected at least a second, found `{text}`")));
    }
    Ok(found)
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
    fn sizes_have_units() {
        let good =
            [("0", 0), ("1000", 1000), ("64K", 65_536), ("64k", 65_536), ("3M", 3 << 20), ("2T", 2 << 40)];
        for (text, bytes) in good {
            assert_eq!(size("--x", text).ok(), Some(bytes), "{text}");
        }
        for bad in ["", "K", "1.5G", "-1", "+1", "1KB", "1 K", "99999999999T"] {
            let message = size("--x", bad).unwrap_err().to_string();
            assert!(
                message.contains(&format!(
                    "--x: expected a size such as 500000, 64K, 16M, 1G or 2T, found `{bad}`"
                )),
                "{message}"
            );
        }
    }

    #[test]
    fn the_defaults_of_the_options_are_those_of_the_quotas() {
        let args = <Args as clap::Parser>::parse_from(["atex-exec"]);
        assert_eq!(quotas(&args.quotas).unwrap(), Quotas::default());
    }

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
