//! Where a connection leads.

use std::path::PathBuf;

/// A way to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This machine, as this user. Commands start in our working directory and environment,
    /// with default signal dispositions and in a process group of their own.
    Local,
    /// A host reached by ssh.
    Ssh(Ssh),
    /// An argument vector that runs a command on the host with its stdin, stdout, stderr and
    /// exit status, such as `podman exec -i NAME` or `kubectl exec -i POD --`.
    ///
    /// The three arguments `sh`, `-c` and the command line are appended, and the whole is
    /// executed without a shell on this side: nothing is quoted, and a prefix that joins its
    /// arguments for another shell (as `ssh HOST` does) cannot be used here.
    Command {
        /// The prefix: a program and its arguments.
        argv: Vec<String>,
    },
}

/// A host reached by ssh. Whatever is not given is as the user's ssh_config says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ssh {
    /// A name, an address, or an alias from ssh_config; `user@name` works as with ssh.
    pub host: String,
    /// The user to log in as.
    pub user: Option<String>,
    /// The port of the server.
    pub port: Option<u16>,
    /// The private key to use, and the only one. A leading `~/` is our home folder.
    pub identity: Option<PathBuf>,
    /// ssh_config keywords and their values, written as in that file. They win over the
    /// user's own configuration, and the first of two with one keyword wins.
    pub options: Vec<(String, String)>,
}

impl Ssh {
    /// The host as the user's ssh_config describes it.
    pub fn new(host: impl Into<String>) -> Self {
        Ssh { host: host.into(), ..Ssh::default() }
    }
}

impl From<&atex_model::Connect> for Target {
    fn from(way: &atex_model::Connect) -> Self {
        match way {
            atex_model::Connect::Local => Target::Local,
            atex_model::Connect::Command(command) => Target::Command { argv: command.argv.clone() },
            atex_model::Connect::Ssh(ssh) => Target::Ssh(Ssh {
                host: ssh.host.clone(),
                user: ssh.user.clone(),
                port: ssh.port,
                identity: ssh.identity.as_ref().map(Into::into),
                options: ssh.options.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            }),
        }
    }
}

impl Target {
    /// The words before a command that is run there by hand: none on this machine, else `ssh` with what is known of the
    /// host, or the command prefix. ssh wants the command as one word, for the user's shell there.
    pub fn prefix(&self) -> Vec<String> {
        let ssh = match self {
            Target::Local => return Vec::new(),
            Target::Command { argv } => return argv.clone(),
            Target::Ssh(ssh) => ssh,
        };
        let mut words = vec!["ssh".to_owned()];
        for (keyword, value) in &ssh.options {
            words.extend(["-o".to_owned(), format!("{keyword}={value}")]);
        }
        if let Some(identity) = &ssh.identity {
            let identity = identity.to_string_lossy();
            words.extend(["-o", "IdentitiesOnly=yes", "-i", &identity].map(str::to_owned));
        }
        if let Some(port) = ssh.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(user) = &ssh.user {
            words.extend(["-l".to_owned(), user.clone()]);
        }
        words.push(ssh.host.clone());
        words
    }

    /// What error messages call the host.
    pub(crate) fn name(&self) -> String {
        match self {
            Target::Local => "local".to_owned(),
            Target::Ssh(ssh) => ssh.host.clone(),
            Target::Command { argv } => argv.join(" "),
        }
    }
}
