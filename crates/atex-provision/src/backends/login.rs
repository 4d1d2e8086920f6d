//! Machines that come by their address: how one logs in, and when they can be used.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use atex_model::{Host, Ssh};
use indexmap::IndexMap;

use super::Surroundings;
use crate::args::at_least_a_second;
use crate::reach::Reach;
use crate::stop::Stop;
use crate::trouble::Trouble;

/// How long one try to log in may take.
const TRY: Duration = Duration::from_secs(60);

/// How often it is tried.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How one logs in to a machine that was created.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Login {
    /// The user to log in as
    #[arg(long, value_name = "USER", default_value = "root")]
    pub user: String,

    /// The file of the private key; `ssh`'s own choice without it
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,

    /// A keyword of ssh_config for the hosts; can be given several times
    #[arg(long = "ssh-option", value_name = "KEYWORD=VALUE", value_parser = option)]
    pub ssh_options: Vec<(String, String)>,

    /// How long a machine may take until one can log in
    #[arg(long, value_name = "DURATION", default_value = "20m", value_parser = at_least_a_second)]
    pub login_timeout: Duration,

    /// Give hosts out before one can log in
    #[arg(long)]
    pub no_login: bool,
}

fn option(text: &str) -> Result<(String, String), String> {
    let (keyword, value) = text.split_once('=').ok_or("expected KEYWORD=VALUE")?;
    let ok =
        !keyword.is_empty() && keyword.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !value.is_empty();
    if ok { Ok((keyword.to_owned(), value.to_owned())) } else { Err("expected KEYWORD=VALUE".to_owned()) }
}

impl Login {
    /// The way to a machine. Machines are new each time and addresses come back: what keys a host had before is no
    /// matter, unless the user says otherwise.
    pub fn ssh(&self, address: &str, port: Option<u16>, around: &Surroundings) -> Ssh {
        let mut options: IndexMap<String, String> = self.ssh_options.iter().cloned().collect();
        for (keyword, value) in [("StrictHostKeyChecking", "no"), ("UserKnownHostsFile", "/dev/null")] {
            if !self.ssh_options.iter().any(|(set, _)| set.eq_ignore_ascii_case(keyword)) {
                options.insert(keyword.to_owned(), value.to_owned());
            }
        }
        Ssh {
            host: address.to_owned(),
            user: Some(self.user.clone()),
            port,
            identity: self.identity.as_ref().map(|file| around.path(file)),
            options,
        }
    }

    /// Waits until one can log in.
    pub fn wait(&self, reach: &Reach, host: &Host, stop: &Stop) -> Result<(), Trouble> {
        if self.no_login {
            return Ok(());
        }
        let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            // While it boots, every kind of refusal is to be expected.
            let trouble = match reach.script(&host.connect, ("echo ready", &[]), TRY, stop) {
                Ok(said) if said.lines().any(|line| line == "ready") => return Ok(()),
                Ok(_) => Trouble::passing("the login does nothing"),
                Err(trouble) => trouble,
            };
            if stop.is_stopped() {
                return Err(Trouble::stopped());
            }
            if begun.elapsed() + pause > self.login_timeout {
                let message = format!("{}: one cannot log in: {trouble}", host.id);
                return Err(Trouble::passing(message));
            }
            if stop.sleep(pause) {
                return Err(Trouble::stopped());
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Asks again and again, ever more seldom, until there is an answer.
pub(super) fn poll<T>(
    (first, longest): (Duration, Duration),
    limit: Duration,
    stop: &Stop,
    mut ask: impl FnMut() -> Result<Option<T>, Trouble>,
) -> Result<T, Trouble> {
    /// A provider may be out of order for a moment, while what it has promised is well.
    const FAILURES: u32 = 5;
    let (begun, mut pause, mut failures) = (Instant::now(), first, 0);
    loop {
        let mut wait = pause;
        match ask() {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => failures = 0,
            Err(trouble) if trouble.again && failures < FAILURES && !stop.is_stopped() => {
                log::info!("{trouble}; asking again");
                failures += 1;
                wait = trouble.after.unwrap_or(wait);
            }
            Err(trouble) => return Err(trouble),
        }
        if begun.elapsed() > limit {
            return Err(Trouble::passing(format!("not ready within {} s", limit.as_secs())));
        }
        if stop.sleep(wait) {
            return Err(Trouble::stopped());
        }
        pause = (pause * 2).min(longest);
    }
}
