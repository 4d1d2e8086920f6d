//! `openstack`: servers of an OpenStack, by its command line program.
//!
//! The token is the server's name and its property `atex_lease`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use atex_cli::Failure;
use atex_model::{Connect, Host};
use clap::builder::NonEmptyStringValueParser;
use serde_json::{Value, json};

use super::login::{Login, poll};
use super::{Backend, Held, Made, Order, Spec, Surroundings, text};
use crate::args::at_least_a_second;
use crate::program::Call;
use crate::reach::Reach;
use crate::stop::Stop;
use crate::trouble::Trouble;
use crate::variables::Variables;

/// By which variables the user says which project of which cloud is meant, without those that are secrets. What else there is
/// for logging in is taken from the environment as it is.
const VARIABLES: [&str; 22] = [
    "OS_APPLICATION_CREDENTIAL_ID",
    "OS_APPLICATION_CREDENTIAL_NAME",
    "OS_AUTH_TYPE",
    "OS_AUTH_URL",
    "OS_CACERT",
    "OS_CLIENT_CONFIG_FILE",
    "OS_CLIENT_SECURE_FILE",
    "OS_DEFAULT_DOMAIN",
    "OS_ENDPOINT_TYPE",
    "OS_IDENTITY_API_VERSION",
    "OS_INTERFACE",
    "OS_PROJECT_DOMAIN_ID",
    "OS_PROJECT_DOMAIN_NAME",
    "OS_PROJECT_ID",
    "OS_PROJECT_NAME",
    "OS_REGION_NAME",
    "OS_TENANT_ID",
    "OS_TENANT_NAME",
    "OS_USERNAME",
    "OS_USER_DOMAIN_ID",
    "OS_USER_DOMAIN_NAME",
    "OS_USER_ID",
];

/// Files of the working directory that say which clouds there are.
const FILES: [&str; 3] = ["clouds.yaml", "clouds.yml", "clouds.json"];

const PROPERTY: &str = "atex_lease";

/// How long one call may take.
const CALL: Duration = Duration::from_secs(300);

/// What was typed behind `openstack`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Openstack {
    /// The image that the servers are made of
    #[arg(long, value_name = "IMAGE", value_parser = NonEmptyStringValueParser::new())]
    image: String,

    /// The size of the servers
    #[arg(long, value_name = "FLAVOR", value_parser = NonEmptyStringValueParser::new())]
    flavor: String,

    /// The network that they are in; the address there is the host's
    #[arg(long, value_name = "NETWORK", value_parser = NonEmptyStringValueParser::new())]
    network: Option<String>,

    /// The key pair whose public key is put into the servers
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    key_name: Option<String>,

    /// A file for cloud-init
    #[arg(long, value_name = "FILE")]
    user_data: Option<PathBuf>,

    /// Another option for `openstack server create`; can be given several times
    #[arg(long = "create-option", value_name = "OPTION", allow_hyphen_values = true)]
    create_options: Vec<String>,

    /// Which cloud of clouds.yaml; what the environment says without it
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    cloud: Option<String>,

    /// How long a server may take to be active
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = at_least_a_second)]
    create_timeout: Duration,

    #[command(flatten)]
    login: Login,
}

impl Spec for Openstack {
    const NAME: &'static str = "openstack";
    const ABOUT: &'static str = "Servers of an OpenStack";
    const LONG: &'static str = "\
Servers of an OpenStack

The program `openstack` is used, with what clouds.yaml and the environment say. What a project holds is found by the names \
of its servers.";
    const EXAMPLES: &'static str =
        "  atex-discover . | atex-exec --provision 'atex-provision openstack --image cs9 --flavor m1 --max 4'
      as many servers as the tests need, four at most
  atex-provision openstack --cloud lab --image cs9 --flavor m1 --network private --key-name ci -n 2
      two, in a cloud of clouds.yaml, with a public key";

    fn open(self, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        let cloud = self.cloud.clone().or_else(|| std::env::var("OS_CLOUD").ok());
        let has_clouds = FILES.iter().any(|file| around.directory.join(file).exists());
        Ok(Arc::new(Cloud {
            cloud,
            clouds_in: has_clouds.then(|| around.directory.clone()),
            environment: Variables::now(&VARIABLES),
            spec: Some(self),
            around: around.clone(),
            reach: Reach::default(),
        }))
    }

    fn reopen(at: &Value, around: &Surroundings) -> Result<Arc<dyn Backend>, Failure> {
        Ok(Arc::new(Cloud {
            cloud: text(at, "cloud"),
            clouds_in: text(at, "clouds_in").map(PathBuf::from),
            environment: Variables::of(&VARIABLES, at),
            spec: None,
            around: around.clone(),
            reach: Reach::default(),
        }))
    }
}

struct Cloud {
    cloud: Option<String>,
    /// The working directory, if it says which clouds there are.
    clouds_in: Option<PathBuf>,
    environment: Variables,
    spec: Option<Openstack>,
    around: Surroundings,
    reach: Reach,
}

impl Cloud {
    fn call(&self, words: &[&str]) -> Call {
        let cloud = self.cloud.iter().flat_map(|cloud| ["--os-cloud", cloud]);
        // Clouds of a directory where somebody happens to be now are others.
        let elsewhere = || if self.spec.is_some() { &self.around.directory } else { Path::new("/") };
        let directory = self.clouds_in.as_deref().unwrap_or_else(elsewhere);
        let call = Call::new("openstack").directory(directory).variables(&self.environment);
        call.args(cloud).args(words).limit(CALL)
    }

    fn order(&self, spec: &Openstack, order: &Order) -> Result<String, Trouble> {
        let property = format!("{PROPERTY}={}", order.token);
        let mut words = vec!["server", "create", "-f", "json", "--property", &property];
        let data = spec.user_data.as_ref().map(|file| self.around.path(file));
        let options = [
            ("--image", Some(&spec.image)),
            ("--flavor", Some(&spec.flavor)),
            ("--network", spec.network.as_ref()),
            ("--key-name", spec.key_name.as_ref()),
            ("--user-data", data.as_ref()),
        ];
        for (name, value) in options {
            words.extend(value.into_iter().flat_map(|value| [name, value.as_str()]));
        }
        words.extend(spec.create_options.iter().map(String::as_str));
        words.push(order.token);
        let server = self.call(&words).run(order.stop)?.json()?;
        text(&server, "id").ok_or_else(|| Trouble::passing("openstack: a server without an id was created"))
    }

    /// The address of a server that is active.
    fn address(&self, id: &str, network: Option<&str>, stop: &Stop) -> Result<Option<String>, Trouble> {
        let server = self.call(&["server", "show", "-f", "json", id]).run(stop)?.json()?;
        match server["status"].as_str() {
            Some("ACTIVE") => {}
            Some("ERROR") => {
                let fault = &server["fault"];
                let why = fault["message"].as_str().or(fault.as_str()).unwrap_or("it does not say why");
                return Err(Trouble { again: false, ..Trouble::passing(format!("openstack: {id}: {why}")) });
            }
            _ => return Ok(None),
        }
        Ok(address_in(&server["addresses"], network))
    }
}

/// The first address of a server, preferably one of version 4: a mapping of networks, or, from older clients, a text such as
/// `net=10.0.0.7, fd00::7; other=…`.
fn address_in(addresses: &Value, network: Option<&str>) -> Option<String> {
    let listed: Vec<(String, String)> = match addresses {
        Value::Object(networks) => networks
            .iter()
            .flat_map(|(name, of_it)| {
                let texts = of_it.as_array().into_iter().flatten();
                let texts = texts.filter_map(|each| each.as_str().or_else(|| each["addr"].as_str()));
                texts.map(|address| (name.clone(), address.to_owned())).collect::<Vec<_>>()
            })
            .collect(),
        Value::String(text) => text
            .split(';')
            .filter_map(|network| network.trim().split_once('='))
            .flat_map(|(name, of_it)| of_it.split(',').map(|each| (name.to_owned(), each.trim().to_owned())))
            .collect(),
        _ => Vec::new(),
    };
    let in_network = |(name, _): &&(String, String)| network.is_none_or(|network| network == name);
    let wanted: Vec<&String> = listed.iter().filter(in_network).map(|(_, address)| address).collect();
    // A network may have been named by its id.
    let all: Vec<&String> = listed.iter().map(|(_, address)| address).collect();
    let among = if wanted.is_empty() { all } else { wanted };
    among.iter().find(|address| !address.contains(':')).or(among.first()).map(|address| (*address).clone())
}

impl Backend for Cloud {
    fn program(&self) -> Option<&'static str> {
        Some("openstack")
    }

    fn at(&self) -> Value {
        json!({"cloud": self.cloud, "clouds_in": self.clouds_in, "environment": self.environment.to_value()})
    }

    fn create(&self, order: &Order) -> Result<Made, Trouble> {
        let spec = self.spec.as_ref().ok_or_else(|| Trouble::lasting("openstack: no image was named"))?;
        let id = self.order(spec, order)?;
        (order.note)(&id, None)?;
        let often = (Duration::from_secs(2), Duration::from_secs(15));
        let address = poll(often, spec.create_timeout, order.stop, || {
            self.address(&id, spec.network.as_deref(), order.stop)
        })?;
        let way = spec.login.ssh(&address, None, &self.around);
        let host = Host::new(format!("openstack/{}", order.short()), Connect::Ssh(way));
        spec.login.wait(&self.reach, &host, order.stop)?;
        Ok(Made { host, resource: Some(id), until: None })
    }

    fn strays(&self, prefix: &str) -> Result<Vec<Held>, Trouble> {
        // The provider takes the name for a regular expression.
        let name = format!("^{prefix}");
        let words = ["server", "list", "--long", "-f", "json", "--name", &name];
        let servers = self.call(&words).run(&Stop::never())?.json()?;
        let ours = |server: &Value| {
            let token = text(server, "Name").filter(|name| name.starts_with(prefix))?;
            // What was only given such a name by somebody else lacks the property.
            let marked = ["Properties", "Metadata"].iter().find_map(|key| match &server[*key] {
                Value::Object(properties) => {
                    Some(properties.get(PROPERTY).and_then(Value::as_str) == Some(&token))
                }
                Value::String(text) => Some(text.contains(&token)),
                _ => None,
            });
            (marked != Some(false)).then(|| Held::new(&token, server["ID"].as_str()))
        };
        Ok(servers.as_array().into_iter().flatten().filter_map(ours).collect())
    }

    fn release(&self, held: &Held) -> Result<(), Trouble> {
        let name = held.resource.as_deref().unwrap_or(&held.token);
        let ended = self.call(&["server", "delete", name]).run(&Stop::never())?;
        if ended.is_success() || ended.says("No server with a name or ID") || ended.says("could not be found")
        {
            return Ok(());
        }
        Err(ended.trouble())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_what_every_client_prints() {
        let one = json!({"b": ["fd00::7", "10.0.0.7"], "a": ["10.1.0.7"]});
        let text = json!("b=fd00::7, 10.0.0.7; a=10.1.0.7");
        let nova = json!({"b": [{"addr": "fd00::7"}, {"addr": "10.0.0.7"}], "a": [{"addr": "10.1.0.7"}]});
        for addresses in [one, text, nova] {
            for (network, address) in
                [(Some("a"), "10.1.0.7"), (Some("b"), "10.0.0.7"), (Some("id"), "10.0.0.7")]
            {
                assert_eq!(address_in(&addresses, network).as_deref(), Some(address), "{addresses}");
            }
        }
        assert_eq!(address_in(&json!({"a": ["fd00::7"]}), None).as_deref(), Some("fd00::7"));
        assert_eq!(address_in(&json!({"a": []}), None), None);
        assert_eq!(address_in(&Value::Null, None), None);
    }
}
