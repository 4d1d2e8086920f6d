//! `testing-farm`: machines of the Testing Farm service, by its HTTP interface.
//!
//! The token is a tag of the provisioning settings of a request, which the service shows when it is asked for requests.

mod http;
mod request;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atex_cli::{Failure, input::reason};
use atex_model::{Connect, Host};
use clap::builder::NonEmptyStringValueParser;
use serde_json::{Value, json};

use super::login::{Login, poll};
use super::{Backend, Held, Made, Order, Spec, Surroundings, text};
use crate::args::at_least_a_second;
use crate::lease::later;
use crate::ledger::Entry;
use crate::reach::Reach;
use crate::stop::Stop;
use crate::trouble::Trouble;
use http::Service;

/// How often is looked how far a request has come; the service asks for no more.
const OFTEN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(60));

/// How long a machine is reserved if the user does not say for how long it is wanted: nothing can prolong it.
const RESERVED: Duration = Duration::from_secs(12 * 3600);

/// The states of a request that has not ended.
const ALIVE: [&str; 3] = ["new", "queued", "running"];

/// What was typed behind `testing-farm`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TestingFarm {
    /// The compose, such as CentOS-Stream-10
    #[arg(long, value_name = "COMPOSE", value_parser = NonEmptyStringValueParser::new())]
    pub compose: String,

    /// The architecture
    #[arg(long, value_name = "ARCH", default_value = "x86_64", value_parser = NonEmptyStringValueParser::new())]
    pub arch: String,

    /// The file of a public key with which one may log in
    #[arg(long, value_name = "FILE")]
    public_key: PathBuf,

    /// Which pool of machines is used
    #[arg(long, value_name = "POOL", value_parser = NonEmptyStringValueParser::new())]
    pub pool: Option<String>,

    /// What hardware is needed: a JSON object, as in the service's own documentation
    #[arg(long, value_name = "JSON", value_parser = request::object)]
    pub hardware: Option<Value>,

    /// Another network that may reach the machine, such as 192.0.2.0/24; can be given several times
    ///
    /// In the public ranch nobody can reach a machine without it.
    #[arg(long = "from", value_name = "NETWORK", value_parser = NonEmptyStringValueParser::new())]
    pub networks: Vec<String>,

    /// How long the queue may take
    #[arg(long, value_name = "DURATION", default_value = "6h", value_parser = at_least_a_second)]
    create_timeout: Duration,

    /// How often the service is asked how far a request has come
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second)]
    poll: Option<Duration>,

    #[command(flatten)]
    login: Login,
}

impl Spec for TestingFarm {
    const NAME: &'static str = "testing-farm";
    const ABOUT: &'static str = "Machines of the Testing Farm service";
    const LONG: &'static str = "\
Machines of the Testing Farm service

TESTING_FARM_API_TOKEN in the environment is the key to the service, TESTING_FARM_API_URL its address, if it is another. A \
machine is reserved for --ttl, or for 12 hours, by the service itself, and cannot be kept longer. The program `curl` is \
used.";
    const EXAMPLES: &'static str =
        "  atex-provision testing-farm --compose CentOS-Stream-10 --public-key ci.pub --identity ci --ttl 4h
      a machine for four hours
  atex-provision testing-farm --compose Fedora-42 --public-key ci.pub --arch aarch64 \\
    --hardware '{\"memory\":\">= 8 GB\"}' -n 2
      two of a kind";

    fn open(self, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        let path = around.path(&self.public_key);
        let key =
            std::fs::read_to_string(&path).map_err(|e| Failure::usage(format!("{path}: {}", reason(&e))))?;
        let service = Service::of_environment(None)?;
        let spec = Some((self, key));
        Ok(Arc::new(Farm { spec, service, around: around.clone(), reach: Reach::default() }))
    }

    fn reopen(at: &Value, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        let service = Service::of_environment(text(at, "url"))?;
        Ok(Arc::new(Farm { spec: None, service, around: around.clone(), reach: Reach::default() }))
    }
}

struct Farm {
    /// What was typed, and the public key.
    spec: Option<(TestingFarm, String)>,
    service: Service,
    around: Surroundings,
    reach: Reach,
}

impl Farm {
    /// Asks for a machine. An answer that was lost on the way is found by the token: a second request would be a second
    /// machine.
    fn request(&self, body: &Value, token: &str, stop: &Stop) -> Result<String, Trouble> {
        let lost = match self.service.post("/v0.1/requests", body, stop) {
            Ok(answer) => {
                let id = text(&answer, "id");
                return id.ok_or_else(|| Trouble::passing("testing-farm: a request without an id was made"));
            }
            Err(trouble) if trouble.again && !stop.is_stopped() => trouble,
            Err(trouble) => return Err(trouble),
        };
        match self.alive(token)?.first().and_then(|held| held.resource.clone()) {
            Some(id) => Ok(id),
            // The service is not known to have it; after a while it can be asked for again.
            None => Err(Trouble { after: lost.after.or(Some(Duration::from_secs(2))), ..lost }),
        }
    }

    /// The requests that have not ended with a token that begins so.
    fn alive(&self, prefix: &str) -> Result<Vec<Held>, Trouble> {
        let who = self.service.get("/v0.1/whoami", &Stop::never())?;
        let mut held: Vec<Held> = Vec::new();
        for state in ALIVE {
            let mut path = format!("/v0.1/requests?state={state}");
            for (name, id) in [("token_id", &who["token"]["id"]), ("user_id", &who["user"]["id"])] {
                path.extend(id.as_str().map(|id| format!("&{name}={}", http::escape(id))));
            }
            let requests = self.service.get(&path, &Stop::never())?;
            let tokens = requests.as_array().into_iter().flatten();
            let tokens = tokens.filter_map(|each| Some((request::token(each)?, each["id"].as_str()?)));
            let ours = tokens.filter(|(token, _)| token.starts_with(prefix));
            held.extend(ours.map(|(token, id)| Held::new(token, Some(id))));
        }
        Ok(held)
    }

    /// Who may log in where, once the machine is ready.
    fn guest(
        &self,
        id: &str,
        log: &mut request::Log,
        stop: &Stop,
    ) -> Result<Option<request::Guest>, Trouble> {
        let state = self.service.get(&format!("/v0.1/requests/{}", http::escape(id)), stop)?;
        let word = state["state"].as_str().unwrap_or_default();
        if !ALIVE.contains(&word) {
            let why = state["result"]["summary"].as_str().unwrap_or("it does not say why");
            let message = format!("testing-farm: {id}: {word}: {why}");
            return Err(Trouble { again: false, ..Trouble::passing(message) });
        }
        let Some(artifacts) = state["run"]["artifacts"].as_str() else { return Ok(None) };
        if let Some((from, text)) = self.service.log(&format!("{artifacts}/pipeline.log"), log.read, stop)? {
            log.add(from, &text);
        }
        Ok(log.ready())
    }
}

impl Backend for Farm {
    fn program(&self) -> Option<&'static str> {
        Some("curl")
    }

    fn at(&self) -> Value {
        json!({"url": self.service.url})
    }

    fn create(&self, order: &Order) -> Result<Made, Trouble> {
        let (spec, key) =
            self.spec.as_ref().ok_or_else(|| Trouble::lasting("testing-farm: no compose was named"))?;
        let reserved = order.ttl.unwrap_or(RESERVED);
        let body = request::body(spec, key, order.token, (reserved, spec.create_timeout));
        let id = self.request(&body, order.token, order.stop)?;
        (order.note)(&id, None)?;
        let often = spec.poll.map_or(OFTEN, |often| (often, often));
        let mut log = request::Log::default();
        let guest = poll(often, spec.create_timeout, order.stop, || self.guest(&id, &mut log, order.stop))?;
        let login = Login { user: guest.user, ..spec.login.clone() };
        let way = login.ssh(&guest.address, None, &self.around);
        let mut host = Host::new(format!("testing-farm/{}", order.short()), Connect::Ssh(way));
        host.facts.insert("arch".into(), spec.arch.clone().into());
        login.wait(&self.reach, &host, order.stop)?;
        Ok(Made { host, resource: Some(id), until: Some(later(atex_cli::now(), reserved)) })
    }

    fn strays(&self, prefix: &str) -> Result<Vec<Held>, Trouble> {
        self.alive(prefix)
    }

    fn holds(&self, entry: &Entry) -> Result<Vec<Held>, Trouble> {
        if let Some(id) = &entry.resource {
            let state = self.service.get(&format!("/v0.1/requests/{}", http::escape(id)), &Stop::never())?;
            if state["state"].as_str().is_some_and(|state| ALIVE.contains(&state)) {
                return Ok(vec![Held::new(&entry.token, Some(id))]);
            }
        }
        // A request whose answer was lost may have made another one than that which is known.
        self.alive(&entry.token)
    }

    fn release(&self, held: &Held) -> Result<(), Trouble> {
        let Some(id) = &held.resource else { return Ok(()) };
        self.service.delete(&format!("/v0.1/requests/{}", http::escape(id)))
    }
}
