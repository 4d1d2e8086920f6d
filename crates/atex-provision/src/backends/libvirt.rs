//! `libvirt`: clones of an installed domain that is shut off, by virsh.
//!
//! A clone is a transient domain whose disks are transient too: libvirt writes what it changes elsewhere and throws that away
//! with it, so that the origin stays as it is, several clones run at a time, and nothing but a domain can be left behind.
//! The token is the domain's name.

mod domain;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use atex_cli::Failure;
use atex_model::{Connect, Host};
use clap::builder::NonEmptyStringValueParser;
use serde_json::{Value, json};

use super::login::{Login, poll};
use super::{Backend, Held, Made, Order, Spec, Surroundings, text};
use crate::program::Call;
use crate::reach::Reach;
use crate::stop::Stop;
use crate::trouble::Trouble;

/// How long one call may take: the first one to a daemon that has just been started asks for much.
const CALL: Duration = Duration::from_secs(120);

/// How often is asked for the address of a machine that boots.
const OFTEN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// Where addresses can come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Address {
    /// What libvirt's own network has lent
    Lease,
    /// What an agent in the machine says
    Agent,
    /// What this machine has seen on the network
    Arp,
    /// A port of the machine that libvirt runs on, which the origin forwards (`hostfwd`)
    Forward,
}

/// What was typed behind `libvirt`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Libvirt {
    /// The domain that is cloned; it must be shut off, and is never changed
    #[arg(long, value_name = "DOMAIN", value_parser = NonEmptyStringValueParser::new())]
    origin: String,

    /// Which libvirt, such as qemu:///system or qemu+ssh://root@vmhost/system
    #[arg(short = 'c', long, value_name = "URI", value_parser = NonEmptyStringValueParser::new())]
    connect: Option<String>,

    /// Where the address of a machine comes from
    ///
    /// With `forward` each clone gets a free port of this machine in place of the one that the origin's `hostfwd` names.
    #[arg(long, value_enum, value_name = "SOURCE", default_value = "lease")]
    address: Address,

    #[command(flatten)]
    login: Login,
}

impl Spec for Libvirt {
    const NAME: &'static str = "libvirt";
    const ABOUT: &'static str = "Clones of a virtual machine";
    const LONG: &'static str = "\
Clones of a virtual machine

The program `virsh` is used. Each host is a clone of an installed domain that is shut off; what it writes goes away with it, \
and the origin is never changed.";
    const EXAMPLES: &'static str =
        "  atex-discover . | atex-exec --provision 'atex-provision libvirt --origin cs9 --max 4'
      as many clones as the tests need, four at most
  atex-provision libvirt --origin cs9 --identity ~/.ssh/ci -n 2 --ttl 2h >hosts.jsonl
      two for two hours; `atex-provision release <hosts.jsonl` gives them back
  atex-provision libvirt -c qemu+ssh://root@vmhost/system --origin cs9 --address agent -n 1
      on another machine, whose network libvirt does not know";

    fn open(self, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        let variable = |name: &str| std::env::var(name).ok().filter(|uri| !uri.is_empty());
        let variables = || variable("VIRSH_DEFAULT_CONNECT_URI").or_else(|| variable("LIBVIRT_DEFAULT_URI"));
        let uri = self.connect.clone().or_else(variables);
        Ok(Arc::new(Machines { uri, spec: Some(self), around: around.clone(), reach: Reach::default() }))
    }

    fn reopen(at: &Value, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        let uri = text(at, "uri");
        Ok(Arc::new(Machines { uri, spec: None, around: around.clone(), reach: Reach::default() }))
    }
}

struct Machines {
    uri: Option<String>,
    spec: Option<Libvirt>,
    around: Surroundings,
    reach: Reach,
}

impl Machines {
    fn virsh(&self, words: &[&str]) -> Call {
        let uri = self.uri.iter().flat_map(|uri| ["--connect", uri]);
        // Where no libvirt was named, that of the user's own configuration is meant, whatever is named later.
        let call = Call::new("virsh").without("LIBVIRT_DEFAULT_URI").without("VIRSH_DEFAULT_CONNECT_URI");
        call.args(["--quiet"]).args(uri).args(words).env("LC_ALL", "C").limit(CALL)
    }

    /// The description of a clone.
    fn clone_of(&self, spec: &Libvirt, order: &Order) -> Result<domain::Clone, Trouble> {
        let state = self.virsh(&["domstate", &spec.origin]).text(order.stop)?;
        if state.trim() != "shut off" {
            let message = format!(
                "{}: expected a domain that is shut off, found one that is {}",
                spec.origin,
                state.trim()
            );
            return Err(Trouble::lasting(message));
        }
        let xml = self.virsh(&["dumpxml", "--security-info", &spec.origin]).text(order.stop)?;
        let port = match spec.address {
            Address::Forward => Some(free_port()?),
            _ => None,
        };
        domain::clone(&xml, order.token, port)
            .map_err(|why| Trouble::lasting(format!("{}: {why}", spec.origin)))
    }

    fn address(&self, source: &str, token: &str, stop: &Stop) -> Result<Option<String>, Trouble> {
        let listed = self.virsh(&["domifaddr", token, "--source", source]).run(stop)?;
        if !listed.is_success() {
            // An agent is not there until the machine has booted; a machine that has ended will not come back.
            let state = self.virsh(&["domstate", token]).run(stop)?;
            return if state.is_success() {
                Ok(None)
            } else {
                Err(Trouble { again: false, ..state.trouble() })
            };
        }
        Ok(domain::address(&listed.stdout))
    }
}

/// A port of this machine that nothing listens on. Another program may take it before the clone does, which shows as a clone
/// that does not start.
fn free_port() -> Result<u16, Trouble> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(Trouble::passing)
}

impl Backend for Machines {
    fn program(&self) -> Option<&'static str> {
        Some("virsh")
    }

    fn at(&self) -> Value {
        json!({"uri": self.uri})
    }

    fn create(&self, order: &Order) -> Result<Made, Trouble> {
        let spec = self.spec.as_ref().ok_or_else(|| Trouble::lasting("libvirt: no origin was named"))?;
        let clone = self.clone_of(spec, order)?;
        // By a file, since virsh wants one that it can seek in.
        self.virsh(&["create", "/dev/stdin"]).input(clone.xml).text(order.stop)?;
        let (address, port) = match spec.address {
            Address::Forward => (clone.forward_to.unwrap_or_else(|| "127.0.0.1".to_owned()), clone.port),
            other => {
                let source = match other {
                    Address::Agent => "agent",
                    Address::Arp => "arp",
                    _ => "lease",
                };
                let found = poll(OFTEN, spec.login.login_timeout, order.stop, || {
                    self.address(source, order.token, order.stop)
                })?;
                (found, None)
            }
        };
        let way = spec.login.ssh(&address, port, &self.around);
        let host = Host::new(format!("libvirt/{}", order.short()), Connect::Ssh(way));
        spec.login.wait(&self.reach, &host, order.stop)?;
        Ok(Made { host, resource: Some(order.token.to_owned()), until: None })
    }

    fn strays(&self, prefix: &str) -> Result<Vec<Held>, Trouble> {
        let names = self.virsh(&["list", "--all", "--name"]).text(&Stop::never())?;
        let ours = names.lines().map(str::trim).filter(|name| name.starts_with(prefix));
        Ok(ours.map(|name| Held::new(name, Some(name))).collect())
    }

    fn release(&self, held: &Held) -> Result<(), Trouble> {
        let ended = self.virsh(&["destroy", &held.token]).run(&Stop::never())?;
        let gone = ["failed to get domain", "Domain not found", "domain is not running"];
        if ended.is_success() || gone.iter().any(|words| ended.says(words)) {
            Ok(())
        } else {
            Err(ended.trouble())
        }
    }
}
