//! `exec CMD`: hosts from a program that is told what to do in one line of JSON, and answers in one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atex_cli::Failure;
use atex_model::{Connect, Host, Object, Ssh, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Backend, Gives, Held, Made, Order, Spec, Surroundings, text};
use crate::args::at_least_a_second;
use crate::ledger::Entry;
use crate::program::{Call, parse_json};
use crate::stop::Stop;
use crate::trouble::Trouble;

/// How long everything but creating may take.
const SOON: Duration = Duration::from_secs(300);

/// What was typed behind `exec`.
#[derive(Debug, clap::Args)]
pub(crate) struct Exec {
    /// The program and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    argv: Vec<String>,

    /// What kind of host: a JSON object that is handed to the program as `spec`
    #[arg(long, value_name = "JSON", value_parser = object)]
    spec: Option<Object>,

    /// How long the program may take to create a host
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = at_least_a_second)]
    create_timeout: Duration,

    /// The program can move the end of a lease (`extend`)
    #[arg(long)]
    extends: bool,
}

fn object(text: &str) -> Result<Object, String> {
    serde_json::from_str(text).map_err(|e| format!("expected a JSON object: {e}"))
}

impl Spec for Exec {
    const NAME: &'static str = "exec";
    const ABOUT: &'static str = "Hosts from a program that speaks a line of JSON each way";
    const LONG: &'static str = "\
Hosts from a program that speaks a line of JSON each way

The program is run once for each request, with the request on its standard input, and prints one line:

  {\"cmd\":\"create\",\"lease\":TOKEN,\"spec\":{},\"ttl_seconds\":3600}
      {\"success\":true,\"host\":{\"addr\":\"10.0.0.7\",\"user\":\"root\",\"key\":\"/keys/ci\",\"id\":\"vm-7\"}}
  {\"cmd\":\"list\",\"lease\":PREFIX}
      {\"success\":true,\"leases\":[{\"lease\":TOKEN,\"resource\":\"vm-7\"}]}
  {\"cmd\":\"release\",\"lease\":TOKEN,\"resource\":\"vm-7\"}
      {\"success\":true}";
    const EXAMPLES: &'static str = "  atex-provision exec -n 2 -- ./lab-scheduler --queue fast >hosts.jsonl
      two hosts of a program of your own
  atex-discover . | atex-exec --provision 'atex-provision exec --max 8 -- ./lab-scheduler'
      as many as the tests need, eight at most";

    fn open(self, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        Ok(Arc::new(Program {
            argv: self.argv,
            directory: around.directory.clone(),
            spec: self.spec.unwrap_or_default(),
            create_timeout: self.create_timeout,
            extends: self.extends,
        }))
    }

    fn reopen(at: &Value, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        let words = at["argv"].as_array().map(|words| words.iter().filter_map(Value::as_str));
        let argv: Vec<String> = words.into_iter().flatten().map(str::to_owned).collect();
        if argv.is_empty() {
            return Err(Failure::trouble("exec: the ledger names no program"));
        }
        let directory = text(at, "directory").map_or_else(|| around.directory.clone(), PathBuf::from);
        let (spec, create_timeout) = (Object::new(), SOON);
        Ok(Arc::new(Program { argv, directory, spec, create_timeout, extends: false }))
    }
}

struct Program {
    argv: Vec<String>,
    directory: PathBuf,
    spec: Object,
    create_timeout: Duration,
    extends: bool,
}

/// What the program answers.
#[derive(Debug, Deserialize)]
struct Answer {
    success: bool,
    /// Why not.
    note: Option<String>,
    /// Whether asking again may help.
    retry: Option<bool>,
    /// After which time.
    after_seconds: Option<f64>,
    host: Option<Value>,
    leases: Option<Vec<Listed>>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    lease: String,
    resource: Option<String>,
}

/// A host in short.
#[derive(Debug, Deserialize)]
struct Short {
    addr: String,
    id: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    key: Option<String>,
    platform: Option<String>,
    #[serde(default)]
    facts: Object,
}

impl Program {
    fn ask(&self, request: &Value, limit: Duration, stop: &Stop) -> Result<Answer, Trouble> {
        let (program, arguments) = self.argv.split_first().expect("the command line has at least one word");
        // A name with a slash is relative to where the command was typed, also when `reap` runs elsewhere.
        let path = if program.contains('/') { self.directory.join(program) } else { program.into() };
        let mut call = Call::new(path).args(arguments).directory(&self.directory);
        // A process with this variable belongs to the lease. One that only asks which there are belongs to none.
        if request["cmd"] != "list"
            && let Some(lease) = request["lease"].as_str()
        {
            call = call.env("ATEX_LEASE", lease);
        }
        let ended = call.input(format!("{request}\n")).limit(limit).run(stop)?;
        // A refusal in words says more than an exit status.
        let refused = || ended.trouble();
        let Ok(value) = parse_json(program, &ended.stdout) else {
            return Err(match ended.is_success() {
                true => parse_json(program, &ended.stdout).err().unwrap_or_else(refused),
                false => refused(),
            });
        };
        let answer: Answer = serde_json::from_value(value)
            .map_err(|e| Trouble::lasting(format!("{program}: not an answer: {e}")))?;
        if answer.success && ended.is_success() {
            return Ok(answer);
        }
        let note = answer.note.unwrap_or_else(|| refused().message);
        let trouble = Trouble::passing(format!("{program}: {note}"));
        let trouble = Trouble { again: answer.retry.unwrap_or(true), ..trouble };
        let pause = answer.after_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Err(match pause {
            Some(pause) => trouble.after(pause),
            None => trouble,
        })
    }

    fn host(&self, value: Value, order: &Order) -> Result<Host, Trouble> {
        let wrong = |e: serde_json::Error| {
            Trouble::lasting(format!("{}: the host that it created cannot be used: {e}", self.argv[0]))
        };
        if value.get("connect").is_some() {
            let mut value = value;
            value["type"] = json!("host");
            if value.get("id").is_none() {
                value["id"] = json!(format!("exec/{}", order.short()));
            }
            return serde_json::from_value(value).map_err(wrong);
        }
        let short: Short = serde_json::from_value(value).map_err(wrong)?;
        let connect = Connect::Ssh(Ssh {
            host: short.addr,
            user: short.user,
            port: short.port,
            identity: short.key,
            ..Ssh::default()
        });
        let id = short.id.unwrap_or_else(|| format!("exec/{}", order.short()));
        let mut host = Host::new(id, connect);
        host.platform = short.platform;
        host.facts = short.facts;
        Ok(host)
    }
}

impl Backend for Program {
    fn at(&self) -> Value {
        json!({"argv": self.argv, "directory": self.directory})
    }

    fn gives(&self, _: Duration) -> Result<Gives, Failure> {
        Ok(Gives { extends: self.extends, ..Gives::default() })
    }

    fn create(&self, order: &Order) -> Result<Made, Trouble> {
        let mut request = json!({"cmd": "create", "lease": order.token, "spec": self.spec});
        request["owner"] = json!(order.owner.to_string());
        if let Some(ttl) = order.ttl {
            request["ttl_seconds"] = json!(ttl.as_secs());
        }
        let answer = self.ask(&request, self.create_timeout, order.stop)?;
        let value = answer.host.ok_or_else(|| {
            Trouble::lasting(format!("{}: expected a `host` in the answer to `create`", self.argv[0]))
        })?;
        let resource = value["id"].as_str().map(str::to_owned);
        let host = self.host(value, order)?;
        Ok(Made { host, resource, until: None })
    }

    fn strays(&self, prefix: &str) -> Result<Vec<Held>, Trouble> {
        let answer = self.ask(&json!({"cmd": "list", "lease": prefix}), SOON, &Stop::never())?;
        let listed = answer.leases.unwrap_or_default().into_iter();
        // Whatever it lists: only what bears our token is ours.
        let ours = listed.filter(|each| each.lease.starts_with(prefix));
        Ok(ours.map(|each| Held::new(&each.lease, each.resource.as_deref())).collect())
    }

    fn release(&self, held: &Held) -> Result<(), Trouble> {
        let request = json!({"cmd": "release", "lease": held.token, "resource": held.resource});
        self.ask(&request, SOON, &Stop::never()).map(|_| ())
    }

    fn extend(&self, entry: &Entry, until: Time) -> Result<(), Trouble> {
        let request = json!({"cmd": "extend", "lease": entry.token, "resource": entry.resource, "until": until.to_string()});
        self.ask(&request, SOON, &Stop::never()).map(|_| ())
    }
}
