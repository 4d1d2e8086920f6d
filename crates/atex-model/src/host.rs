//! The `host` record: from atex-provision, or from `echo`, to atex-exec.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{DEFAULT_PLATFORM, LineError, Object, Time, tag::tag};

tag!(HostTag, "host");

/// What is known of a host: names and values that expressions such as `extra-host` can use.
pub type Facts = Object;

/// A host that tests can run on. One host runs one test at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// `host`
    #[serde(rename = "type")]
    pub kind: HostTag,
    /// The host's name in this run.
    pub id: String,
    /// The label of the tests it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// How a command is run there.
    pub connect: Connect,
    /// What is known of it.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub facts: Facts,
    /// Marks that tests may prefer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<String>,
    /// Its lease, if a provisioner gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
}

impl Host {
    /// A host of which only the way to it is known.
    pub fn new(id: impl Into<String>, connect: Connect) -> Host {
        Host {
            kind: HostTag,
            id: id.into(),
            platform: None,
            connect,
            facts: Facts::new(),
            marks: Vec::new(),
            lease: None,
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// It is no host, or one that cannot be told from others: its id is empty.
    pub fn parse(line: &str) -> Result<Host, LineError> {
        let host: Host = crate::parse(line)?;
        if host.id.is_empty() {
            return Err(LineError { column: 1, message: "expected an `id` that is not empty".into() });
        }
        Ok(host)
    }

    /// Whether what is done there is done to this machine: its files and packages. A lease of atex-provision's `local` is
    /// entered by a command, and still no other machine.
    pub fn is_this_machine(&self) -> bool {
        let provisioner = self.lease.as_ref().and_then(|lease| lease.provisioner.as_deref());
        self.connect == Connect::Local || provisioner == Some("local")
    }

    /// The same host for tests of this label.
    #[must_use]
    pub fn of(mut self, platform: impl Into<String>) -> Host {
        self.platform = Some(platform.into());
        self
    }

    /// The label of the tests that it is for.
    pub fn label(&self) -> &str {
        self.platform.as_deref().unwrap_or(DEFAULT_PLATFORM)
    }
}

/// How a command is run on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub enum Connect {
    /// On this machine.
    Local,
    /// By ssh.
    Ssh(Ssh),
    /// By a program that runs a command on the host with its stdin, stdout, stderr and exit status.
    Command(Command),
}

/// The way to a host by ssh. What is absent is as the user's ssh_config says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ssh {
    /// Name, address or alias of ssh_config.
    pub host: String,
    /// The user there.
    pub user: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The file of the private key.
    pub identity: Option<String>,
    /// Keywords of ssh_config and their values.
    pub options: IndexMap<String, String>,
}

/// A command prefix, such as `["podman", "exec", "-i", "3f2a91"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program and its first arguments.
    pub argv: Vec<String>,
}

/// That a host is somebody's for a while.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lease {
    /// What the provider can be asked for.
    pub token: String,
    /// Who gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioner: Option<String>,
    /// The provider's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// How a command is run on a host.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
struct Wire {
    /// By which means; the other keys depend on it.
    how: How,
    /// `ssh`: name, address or alias of ssh_config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// `ssh`: the user there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// `ssh`: the port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// `ssh`: the file of the private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    /// `ssh`: keywords of ssh_config and their values.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    options: IndexMap<String, String>,
    /// `command`: the program that runs a command on the host, and its first arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    argv: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum How {
    #[default]
    Local,
    Ssh,
    Command,
}

impl TryFrom<Wire> for Connect {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Connect, &'static str> {
        Ok(match wire.how {
            How::Local => Connect::Local,
            How::Ssh => Connect::Ssh(Ssh {
                host: wire.host.filter(|h| !h.is_empty()).ok_or("`connect` with how `ssh` needs a `host`")?,
                user: wire.user,
                port: wire.port,
                identity: wire.identity,
                options: wire.options,
            }),
            How::Command if wire.argv.is_empty() => {
                return Err("`connect` with how `command` needs an `argv` with at least a program");
            }
            How::Command => Connect::Command(Command { argv: wire.argv }),
        })
    }
}

impl From<Connect> for Wire {
    fn from(connect: Connect) -> Wire {
        match connect {
            Connect::Local => Wire::default(),
            Connect::Ssh(ssh) => Wire {
                how: How::Ssh,
                host: Some(ssh.host),
                user: ssh.user,
                port: ssh.port,
                identity: ssh.identity,
                options: ssh.options,
                argv: Vec::new(),
            },
            Connect::Command(command) => Wire { how: How::Command, argv: command.argv, ..Wire::default() },
        }
    }
}

impl JsonSchema for Connect {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Connect".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Wire::json_schema(generator)
    }
}
