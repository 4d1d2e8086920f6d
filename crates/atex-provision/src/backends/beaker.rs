//! `beaker`: machines of a Beaker lab, by its command line program.
//!
//! The token is the last word of the job's whiteboard, which Beaker can be asked for.

mod job;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atex_cli::{Failure, input::reason};
use atex_model::{Connect, Host, Time};
use clap::builder::NonEmptyStringValueParser;
use serde_json::{Value, json};

use super::login::{Login, poll};
use super::{Backend, Gives, Held, Made, Order, Spec, Surroundings, text};
use crate::args::at_least_a_second;
use crate::lease::later;
use crate::ledger::Entry;
use crate::program::Call;
use crate::reach::Reach;
use crate::stop::Stop;
use crate::trouble::Trouble;

/// How long one call may take.
const CALL: Duration = Duration::from_secs(300);

/// How often is looked how far a job has come.
const OFTEN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// How long a machine is reserved at first, if the user does not say for how long it is wanted.
const RESERVED: Duration = Duration::from_secs(24 * 3600);

/// What was typed behind `beaker`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Beaker {
    /// The distribution, such as RHEL-9.6.0; or a family with its newest tree, such as family:CentOSStream9
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    distro: String,

    /// The architecture
    #[arg(long, value_name = "ARCH", default_value = "x86_64", value_parser = NonEmptyStringValueParser::new())]
    arch: String,

    /// The variant of the distribution
    #[arg(long, value_name = "VARIANT", value_parser = NonEmptyStringValueParser::new())]
    variant: Option<String>,

    /// A requirement on the machine, such as memory>=4096 or system_type=Machine; can be given several times
    ///
    /// An element of Beaker's <hostRequires>, an operator, and its value.
    #[arg(long, value_name = "NAME OP VALUE", value_parser = job::Requirement::parse)]
    host_require: Vec<job::Requirement>,

    /// Options for the kernel of the installer
    #[arg(long, value_name = "OPTIONS", default_value = "")]
    kernel_options: String,

    /// Options for the kernel of the installed system
    #[arg(long, value_name = "OPTIONS", default_value = "")]
    kernel_options_post: String,

    /// Variables of the kickstart template
    #[arg(long, value_name = "META", default_value = "harness=restraint-rhts")]
    ks_meta: String,

    /// A file whose text is appended to the kickstart; can be given several times
    #[arg(long, value_name = "FILE")]
    ks_append: Vec<PathBuf>,

    /// The file of a public key with which one may log in
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,

    /// A repository; can be given several times
    #[arg(long = "repository", value_name = "NAME=URL", value_parser = job::repository)]
    repositories: Vec<(String, String)>,

    /// A task that is run before the machine is handed out; can be given several times
    #[arg(long = "task", value_name = "NAME", default_value = "/distribution/check-install")]
    tasks: Vec<String>,

    /// The group that the job belongs to
    #[arg(long, value_name = "GROUP", value_parser = NonEmptyStringValueParser::new())]
    group: Option<String>,

    /// The priority of the job in the queue
    #[arg(long, value_enum, value_name = "PRIORITY", default_value = "normal")]
    priority: job::Priority,

    /// The hub, if it is not the one of the user's own configuration
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    hub: Option<String>,

    /// How long the queue and the installation may take
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = at_least_a_second)]
    create_timeout: Duration,

    #[command(flatten)]
    login: Login,
}

impl Spec for Beaker {
    const NAME: &'static str = "beaker";
    const ABOUT: &'static str = "Machines of a Beaker lab";
    const LONG: &'static str = "\
Machines of a Beaker lab

The program `bkr` is used, with the user's own configuration and tickets. A job is submitted for each host; the machine is \
reserved for --ttl, or for a day, which --serve prolongs as long as the host is wanted.";
    const EXAMPLES: &'static str =
        "  atex-provision beaker --distro RHEL-9.6.0 --public-key ~/.ssh/ci.pub -n 2 --ttl 8h >hosts.jsonl
      two machines for eight hours; `atex-provision release <hosts.jsonl` gives them back
  atex-discover . | atex-exec --provision 'atex-provision beaker --distro RHEL-9.6.0 --max 5'
      as many as the tests need, five at most
  atex-provision beaker --distro RHEL-9.6.0 --arch aarch64 --host-require 'memory>=4096' -n 1
      what the machine must have";

    fn open(self, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        let files = self.ks_append.iter().chain(&self.public_key);
        let mut texts = files.map(|file| {
            let path = around.path(file);
            std::fs::read_to_string(&path).map_err(|e| Failure::usage(format!("{path}: {}", reason(&e))))
        });
        let mut texts = texts.by_ref().collect::<Result<Vec<String>, Failure>>()?;
        let key = self.public_key.as_ref().and_then(|_| texts.pop());
        let (hub, around) = (self.hub.clone(), around.clone());
        Ok(Arc::new(Lab { spec: Some((self, texts, key)), hub, around, reach: Reach::default() }))
    }

    fn reopen(at: &Value, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        Ok(Arc::new(Lab {
            spec: None,
            hub: text(at, "hub"),
            around: around.clone(),
            reach: Reach::default(),
        }))
    }
}

struct Lab {
    /// What was typed, the texts for the kickstart, and the public key.
    spec: Option<(Beaker, Vec<String>, Option<String>)>,
    hub: Option<String>,
    around: Surroundings,
    reach: Reach,
}

impl Lab {
    fn call(&self, words: &[&str]) -> Call {
        let hub = self.hub.iter().flat_map(|hub| ["--hub", hub]);
        // The program takes options of all commands behind the name of one.
        let words = words.iter().copied().take(1).chain(hub).chain(words.iter().copied().skip(1));
        Call::new("bkr").args(words.collect::<Vec<_>>()).limit(CALL)
    }

    /// How far a job has come.
    fn recipe(&self, job: &str, stop: &Stop) -> Result<job::Recipe, Trouble> {
        let xml = self.call(&["job-results", job]).text(stop)?;
        job::Recipe::of(&xml).ok_or_else(|| {
            Trouble::passing(format!("bkr: expected the XML of {job} with a recipe, found something else"))
        })
    }

    /// The machine of a job that is reserved.
    fn system(&self, job: &str, stop: &Stop) -> Result<Option<String>, Trouble> {
        let recipe = self.recipe(job, stop)?;
        match recipe.status.as_str() {
            "Reserved" => Ok(recipe.system.filter(|system| !system.is_empty())),
            "Cancelled" | "Aborted" | "Completed" => {
                let message = format!("{job}: {} ({})", recipe.status, recipe.result);
                Err(Trouble { again: false, ..Trouble::passing(message) })
            }
            _ => Ok(None),
        }
    }

    /// Also the jobs of others: whoever gives back may have another login, and tokens are ours alone.
    fn unfinished(&self, whiteboard: &str) -> Result<Vec<String>, Trouble> {
        let words = ["job-list", "--unfinished", "--whiteboard", whiteboard, "--format", "json"];
        let jobs = self.call(&words).run(&Stop::never())?.json()?;
        Ok(jobs.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
    }
}

impl Backend for Lab {
    fn program(&self) -> Option<&'static str> {
        Some("bkr")
    }

    fn at(&self) -> Value {
        json!({"hub": self.hub})
    }

    fn gives(&self, _: Duration) -> Result<Gives, Failure> {
        Ok(Gives { extends: true, ..Gives::default() })
    }

    fn create(&self, order: &Order) -> Result<Made, Trouble> {
        let (spec, appended, key) =
            self.spec.as_ref().ok_or_else(|| Trouble::lasting("beaker: no distribution was named"))?;
        let reserved = order.ttl.unwrap_or(RESERVED);
        let xml = job::xml(spec, appended, key.as_deref(), order.token, reserved);
        let said = self.call(&["job-submit", "-"]).input(xml).text(order.stop)?;
        let job = job::submitted(&said).ok_or_else(|| {
            Trouble::passing(format!("bkr job-submit: expected the id of a job, found `{}`", said.trim()))
        })?;
        (order.note)(&job, None)?;
        let system = poll(OFTEN, spec.create_timeout, order.stop, || self.system(&job, order.stop))?;
        let way = spec.login.ssh(&system, None, &self.around);
        let mut host = Host::new(format!("beaker/{}", order.short()), Connect::Ssh(way));
        host.facts.insert("arch".into(), spec.arch.clone().into());
        spec.login.wait(&self.reach, &host, order.stop)?;
        Ok(Made { host, resource: Some(job), until: Some(later(atex_cli::now(), reserved)) })
    }

    fn strays(&self, prefix: &str) -> Result<Vec<Held>, Trouble> {
        let mut held = Vec::new();
        for id in self.unfinished(prefix)? {
            // Which token it is stands in the job only.
            let xml = self.call(&["job-results", &id]).text(&Stop::never())?;
            let token = job::token(&xml).filter(|token| token.starts_with(prefix));
            held.extend(token.map(|token| Held::new(&token, Some(&id))));
        }
        Ok(held)
    }

    fn holds(&self, entry: &Entry) -> Result<Vec<Held>, Trouble> {
        Ok(self.unfinished(&entry.token)?.iter().map(|id| Held::new(&entry.token, Some(id))).collect())
    }

    fn release(&self, held: &Held) -> Result<(), Trouble> {
        let Some(job) = &held.resource else { return Ok(()) };
        self.call(&["job-cancel", "--msg", "given back by atex-provision", job])
            .text(&Stop::never())
            .map(|_| ())
    }

    fn extend(&self, entry: &Entry, until: Time) -> Result<(), Trouble> {
        let Some(job) = &entry.resource else { return Ok(()) };
        if entry.until.is_some_and(|end| until <= end) {
            return Ok(());
        }
        // Beaker knows watchdogs of recipes, not of jobs, and counts from the time at which it is told.
        let recipe = self.recipe(job, &Stop::never())?;
        let by = format!("{}", until.seconds_since(atex_cli::now()).max(1.0).ceil());
        let recipe = format!("R:{}", recipe.id);
        self.call(&["watchdog-extend", "--by", &by, &recipe]).text(&Stop::never()).map(|_| ())
    }
}
