//! `podman`: containers.
//!
//! The token is the container's name and its label `atex.lease`, which podman can be asked for.

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atex_cli::{Failure, input::reason};
use atex_model::{Command, Connect, Host};
use clap::builder::NonEmptyStringValueParser;
use serde_json::{Value, json};

use super::{Backend, Held, Made, Order, Spec, Surroundings};
use crate::program::Call;
use crate::stop::Stop;
use crate::trouble::Trouble;
use crate::variables::Variables;

/// By which variables the user says which podman is meant, and which of its stores.
const VARIABLES: [&str; 5] = [
    "CONTAINER_HOST",
    "CONTAINER_CONNECTION",
    "CONTAINER_SSHKEY",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
];

const LABEL: &str = "atex.lease";

/// A network of its own for each host.
const OWN: &str = "own";

/// How long podman may take to fetch an image and start a container, and to build an image.
const START: Duration = Duration::from_secs(600);
const BUILD: Duration = Duration::from_secs(3600);

/// How long systemd in a container may take to be up.
const BOOT: Duration = Duration::from_secs(120);

/// How often is looked whether an image that somebody else builds is there.
const LOOK: Duration = Duration::from_millis(200);

/// The first process of a container: it waits for what is left behind in it.
const IDLE: &str = "trap 'exit 0' TERM; while :; do sleep 86400 & wait; done";

/// What was typed behind `podman`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Podman {
    /// The image that the hosts are made of
    #[arg(long, value_name = "IMAGE", value_parser = NonEmptyStringValueParser::new())]
    image: String,

    /// Run this in the image first, once, and keep the result for later; can be given several times
    ///
    /// For what hosts need and the image lacks, such as `dnf -y install tar`. What comes out is an image of its own, named by
    /// a hash of IMAGE and all of these, which is built when it is not there.
    #[arg(long, value_name = "CMD", value_parser = NonEmptyStringValueParser::new())]
    setup: Vec<String>,

    /// Run systemd in the hosts
    #[arg(long)]
    systemd: bool,

    /// The network, as podman knows it; `own` makes one for each host
    #[arg(long, value_name = "NETWORK", value_parser = NonEmptyStringValueParser::new())]
    network: Option<String>,

    /// How many processors a host may use
    #[arg(long, value_name = "N", value_parser = NonEmptyStringValueParser::new())]
    cpus: Option<String>,

    /// How much memory a host may use, such as 2g
    #[arg(long, value_name = "SIZE", value_parser = NonEmptyStringValueParser::new())]
    memory: Option<String>,

    /// Another option for `podman run`, such as --run-option=--privileged; can be given several times
    #[arg(long = "run-option", value_name = "OPTION", allow_hyphen_values = true)]
    options: Vec<String>,
}

impl Spec for Podman {
    const NAME: &'static str = "podman";
    const ABOUT: &'static str = "Containers";
    const LONG: &'static str = "\
Containers

Each host is a container of its own, in which commands are run by `podman exec`. With --ttl podman itself ends it at that \
time. What podman holds is found by the label atex.lease.";
    const EXAMPLES: &'static str =
        "  atex-discover . | atex-exec --provision 'atex-provision podman --image fedora --max 10'
      as many containers as the tests need, ten at most
  atex-provision podman --image fedora --setup 'dnf -y install make' -n 2 --ttl 1h >hosts.jsonl
      two for an hour, with what the image lacks
  atex-provision podman --image fedora --systemd --run-option=--privileged -n 1
      one with services";

    fn open(self, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        let networks = self.network.as_deref() == Some(OWN);
        let (environment, locks) = (Variables::now(&VARIABLES), around.state.join("atex/images"));
        Ok(Arc::new(Containers { spec: Some(self), environment, networks, locks }))
    }

    fn reopen(at: &Value, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        let networks = at["networks"] == true;
        let (environment, locks) = (Variables::of(&VARIABLES, at), around.state.join("atex/images"));
        Ok(Arc::new(Containers { spec: None, environment, networks, locks }))
    }
}

struct Containers {
    spec: Option<Podman>,
    /// What says which podman is meant.
    environment: Variables,
    /// Whether hosts may have networks of their own.
    networks: bool,
    /// Where it is seen to that an image is built once.
    locks: PathBuf,
}

impl Containers {
    fn podman<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Call {
        Call::new("podman").args(words).variables(&self.environment).limit(START)
    }

    /// The image that hosts are made of, which is built if it is not there.
    fn image(&self, spec: &Podman, stop: &Stop) -> Result<String, Trouble> {
        if spec.setup.is_empty() {
            return Ok(spec.image.clone());
        }
        let mut recipe = format!("FROM {}\n", spec.image);
        for command in &spec.setup {
            // As a list of words, in which nothing is a continuation or a comment of the recipe's.
            recipe.push_str(&format!("RUN {}\n", json!(["sh", "-c", command])));
        }
        let name = format!("localhost/atex-built:{}", &blake3::hash(recipe.as_bytes()).to_hex()[..16]);
        let exists = |stop| Ok::<_, Trouble>(self.podman(["image", "exists", &name]).run(stop)?.is_success());
        if exists(stop)? {
            return Ok(name);
        }
        let _only = self.build_lock(&name, stop)?;
        if !exists(stop)? {
            log::info!("{name}: building it from {}", spec.image);
            let words = ["build", "--quiet", "--tag", &name, "--file", "-", "."];
            let empty = tempfile::tempdir().map_err(|e| Trouble::passing(reason(&e)))?;
            self.podman(words).directory(empty.path()).input(recipe).limit(BUILD).text(stop)?;
        }
        Ok(name)
    }

    fn build_lock(&self, name: &str, stop: &Stop) -> Result<File, Trouble> {
        let path = self.locks.join(name.rsplit(':').next().unwrap_or(name));
        let trouble = |e: &std::io::Error| Trouble::passing(format!("{}: {}", path.display(), reason(e)));
        std::fs::create_dir_all(&self.locks).map_err(|e| trouble(&e))?;
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|e| trouble(&e))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                // A lock that is waited for by the kernel cannot be given up.
                Err(TryLockError::WouldBlock) if stop.sleep(LOOK) => return Err(Trouble::stopped()),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(e)) => return Err(trouble(&e)),
            }
        }
    }
}

impl Backend for Containers {
    fn program(&self) -> Option<&'static str> {
        Some("podman")
    }

    fn at(&self) -> Value {
        json!({"environment": self.environment.to_value(), "networks": self.networks})
    }

    fn create(&self, order: &Order) -> Result<Made, Trouble> {
        let spec = self.spec.as_ref().ok_or_else(|| Trouble::lasting("podman: no image was named"))?;
        let image = self.image(spec, order.stop)?;
        let label = format!("{LABEL}={}", order.token);
        let mut words: Vec<String> =
            ["run", "--detach", "--name", order.token, "--label", &label].map(str::to_owned).to_vec();
        let mut option = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
        match spec.network.as_deref() {
            Some(OWN) => {
                self.podman(["network", "create", "--label", &label, order.token]).text(order.stop)?;
                option("--network", order.token);
            }
            Some(network) => option("--network", network),
            None => {}
        }
        for (name, value) in [("--cpus", &spec.cpus), ("--memory", &spec.memory)] {
            if let Some(value) = value {
                option(name, value);
            }
        }
        if let Some(ttl) = order.ttl {
            option("--timeout", &ttl.as_secs().to_string());
        }
        words.extend(spec.options.iter().cloned());
        if spec.systemd {
            words.extend(["--systemd=always", "--entrypoint", "", &image, "/sbin/init"].map(str::to_owned));
        } else {
            words.extend(["--entrypoint", "", &image, "sh", "-c", IDLE].map(str::to_owned));
        }
        let printed = self.podman(words.iter().map(String::as_str)).text(order.stop)?;
        if spec.systemd {
            // What it says of its state is not asked for: one service that failed is no reason to have no host.
            let words = ["exec", order.token, "systemctl", "is-system-running", "--wait"];
            self.podman(words).limit(BOOT).run(order.stop)?;
        }
        let container = printed.lines().last().unwrap_or_default().trim();
        // Whoever uses the host may be asked for another podman by the environment.
        let set: Vec<String> =
            self.environment.set().map(|(name, value)| format!("{name}={value}")).collect();
        let mut argv = if set.is_empty() { set } else { [vec!["env".to_owned()], set].concat() };
        argv.extend(["podman", "exec", "-i", order.token].map(str::to_owned));
        let host = Host::new(format!("podman/{}", order.short()), Connect::Command(Command { argv }));
        Ok(Made { host, resource: Some(container.chars().take(12).collect()), until: None })
    }

    fn strays(&self, prefix: &str) -> Result<Vec<Held>, Trouble> {
        let stop = Stop::never();
        // With what a podman that was killed has left half made, of which only the name is known.
        let containers = self.podman(["ps", "--all", "--external", "--format", "json"]).run(&stop)?.json()?;
        let networks = match self.networks {
            true => self
                .podman(["network", "ls", "--filter", "label=atex.lease", "--format", "json"])
                .run(&stop)?
                .json()?,
            false => Value::Null,
        };
        let mut held: Vec<Held> = Vec::new();
        for container in containers.as_array().into_iter().flatten() {
            let names = container["Names"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let token = container["Labels"][LABEL].as_str().or_else(|| names.clone().next());
            let id: Option<String> = container["Id"].as_str().map(|id| id.chars().take(12).collect());
            held.extend(token.filter(|token| token.starts_with(prefix)).map(|t| Held::new(t, id.as_deref())));
        }
        for network in networks.as_array().into_iter().flatten() {
            let token = network["labels"][LABEL].as_str();
            held.extend(token.filter(|token| token.starts_with(prefix)).map(|token| Held::new(token, None)));
        }
        held.dedup_by(|a, b| a.token == b.token);
        Ok(held)
    }

    fn release(&self, held: &Held) -> Result<(), Trouble> {
        let stop = Stop::never();
        let gone =
            self.podman(["rm", "--force", "--ignore", "--time", "0", "--volumes", &held.token]).run(&stop)?;
        if !gone.is_success() && !gone.says("no such container") {
            return Err(gone.trouble());
        }
        if !self.networks {
            return Ok(());
        }
        let network = self.podman(["network", "rm", "--force", &held.token]).run(&stop)?;
        if network.is_success() || network.says("network not found") || network.says("unable to find network")
        {
            Ok(())
        } else {
            Err(network.trouble())
        }
    }
}
