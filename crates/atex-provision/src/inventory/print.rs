//! The other way round: hosts as an inventory of Ansible, as an ssh_config, as lines of /etc/hosts.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use atex_model::{Connect, Host, Ssh};
use indexmap::IndexMap;
use serde_yaml::{Mapping, Value};

/// In which form hosts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// An inventory of Ansible, in YAML
    AnsibleYaml,
    /// An inventory of Ansible, in INI
    AnsibleIni,
    /// A host a section, for ssh -F or an Include in ~/.ssh/config
    SshConfig,
    /// A host a line, for /etc/hosts
    Hosts,
}

/// Something of a host, or why it cannot be written in this form.
type Said<T> = Result<T, String>;

/// The text, and what is not in it: which host, and why.
pub(crate) fn text(hosts: &[Host], form: Form) -> (String, Vec<String>) {
    let mut problems = Vec::new();
    let names = names(hosts.iter().map(|host| host.id.as_str()));
    let mut of = |each: Result<(), (usize, String)>| {
        if let Err((number, why)) = each {
            problems.push(format!("{}: {why}", hosts[number].id));
        }
    };
    let mut text = String::new();
    match form {
        Form::SshConfig | Form::Hosts => {
            let write = if form == Form::Hosts { hosts_line } else { ssh_section };
            for (number, (host, name)) in hosts.iter().zip(&names).enumerate() {
                of(write(host, name).map(|part| text.push_str(&part)).map_err(|why| (number, why)));
            }
        }
        Form::AnsibleYaml | Form::AnsibleIni => {
            let mut told = Vec::new();
            for (number, (host, name)) in hosts.iter().zip(&names).enumerate() {
                of(vars(host).map(|vars| told.push((host, &**name, vars))).map_err(|why| (number, why)));
            }
            text = if form == Form::AnsibleIni { ini(&told) } else { yaml(&told) };
        }
    }
    (text, problems)
}

/// Names that every program takes for one name: of letters, digits, `.`, `_` and `-`, each another.
pub(crate) fn names<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut given: HashSet<String> = HashSet::new();
    let mut next: HashMap<String, usize> = HashMap::new();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name = |id: &str| {
        let text: String = id.chars().map(plain).collect();
        let base = match text.trim_start_matches(['-', '.']) {
            "" => "host".to_owned(),
            trimmed => trimmed.to_owned(),
        };
        let mut name = base.clone();
        while !given.insert(name.clone()) {
            let number = next.entry(base.clone()).or_insert(1);
            *number += 1;
            name = format!("{base}-{number}");
        }
        name
    };
    ids.into_iter().map(name).collect()
}

/// The variables by which Ansible reaches a host.
type Vars = Vec<(&'static str, Value)>;

/// The variables by which Ansible reaches a host that is this machine or is reached by ssh, as JSON.
pub(crate) fn playable(host: &Host) -> Result<serde_json::Value, String> {
    let vars = IndexMap::<_, _>::from_iter(vars(host)?);
    serde_json::to_value(vars).map_err(|e| e.to_string())
}

fn vars(host: &Host) -> Said<Vars> {
    match &host.connect {
        Connect::Local => Ok(vec![("ansible_connection", "local".into())]),
        Connect::Ssh(ssh) => ssh_vars(ssh),
        Connect::Command(command) => {
            let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
            // What others have made for it; a command of any kind has no name there.
            let plugin = match words[..] {
                ["podman", "exec", "-i", name] => Some(("containers.podman.podman", name)),
                ["docker", "exec", "-i", name] => Some(("community.docker.docker", name)),
                _ => None,
            };
            let (plugin, name) = plugin.ok_or("Ansible knows no connection by a command such as its own")?;
            Ok(vec![("ansible_connection", plugin.into()), ("ansible_host", plain(name)?)])
        }
    }
}

fn ssh_vars(ssh: &Ssh) -> Said<Vars> {
    let mut vars = vec![("ansible_host", plain(&ssh.host)?)];
    if let Some(user) = &ssh.user {
        vars.push(("ansible_user", plain(user)?));
    }
    if let Some(port) = ssh.port {
        vars.push(("ansible_port", port.into()));
    }
    if let Some(identity) = &ssh.identity {
        vars.push(("ansible_ssh_private_key_file", plain(identity)?));
    }
    let mut words = Vec::new();
    for (keyword, value) in &ssh.options {
        words.extend(["-o".to_owned(), format!("{keyword}={value}")]);
    }
    if !words.is_empty() {
        let words = shlex::try_join(words.iter().map(String::as_str));
        vars.push(("ansible_ssh_common_args", plain(&words.map_err(|e| e.to_string())?)?));
    }
    Ok(vars)
}

/// A text that Ansible does not evaluate.
fn plain(text: &str) -> Said<Value> {
    if text.contains("{{") || text.contains("{%") || text.contains("{#") || text.contains(char::is_control) {
        return Err(format!("Ansible would not take `{}` as it is", text.escape_debug()));
    }
    Ok(text.into())
}

type Told<'a> = (&'a Host, &'a str, Vars);

/// The groups of hosts: their labels and marks.
fn groups<'a>(hosts: &[Told<'a>]) -> IndexMap<String, Vec<&'a str>> {
    let mut groups: IndexMap<String, Vec<&str>> = IndexMap::new();
    for (host, name, _) in hosts {
        for label in host.platform.iter().chain(&host.marks) {
            let members = groups.entry(group_name(label)).or_default();
            if members.last() != Some(name) {
                members.push(name);
            }
        }
    }
    groups
}

/// Ansible's groups are named as variables are.
pub(crate) fn group_name(label: &str) -> String {
    let name: String =
        label.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    // Some names are taken.
    let is_other = name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit());
    if is_other || ["all", "ungrouped"].contains(&name.as_str()) { format!("_{name}") } else { name }
}

fn yaml(hosts: &[Told]) -> String {
    let mapping = |entries: Vec<(Value, Value)>| Value::Mapping(Mapping::from_iter(entries));
    let host = |(_, name, vars): &Told| {
        let vars = vars.iter().map(|(key, value)| (Value::from(*key), value.clone())).collect();
        (Value::from(*name), mapping(vars))
    };
    let mut all = vec![("hosts".into(), mapping(hosts.iter().map(host).collect()))];
    let children: Vec<(Value, Value)> = groups(hosts)
        .into_iter()
        .map(|(group, members)| {
            let members = members.into_iter().map(|name| (name.into(), mapping(Vec::new()))).collect();
            (group.into(), mapping(vec![("hosts".into(), mapping(members))]))
        })
        .collect();
    if !children.is_empty() {
        all.push(("children".into(), mapping(children)));
    }
    let tree = mapping(vec![("all".into(), mapping(all))]);
    serde_yaml::to_string(&tree).expect("a mapping of texts and numbers is YAML")
}

fn ini(hosts: &[Told]) -> String {
    let mut text = String::new();
    for (_, name, vars) in hosts {
        text.push_str(name);
        for (key, value) in vars {
            let value =
                value.as_str().map_or_else(|| value.as_u64().unwrap_or_default().to_string(), str::to_owned);
            // Ansible splits the line as a shell would.
            let value = shlex::try_quote(&value).map(std::borrow::Cow::into_owned).unwrap_or_default();
            let _ = write!(text, " {key}={value}");
        }
        text.push('\n');
    }
    for (group, members) in groups(hosts) {
        let _ = writeln!(text, "\n[{group}]\n{}", members.join("\n"));
    }
    text
}

fn ssh_section(host: &Host, name: &str) -> Said<String> {
    let Connect::Ssh(ssh) = &host.connect else { return Err("it is not reached by ssh".to_owned()) };
    // The first value of a keyword counts, and `%` begins what ssh puts in.
    let mut lines = vec![("HostName", ssh.host.replace('%', "%%"))];
    lines.extend(ssh.user.iter().map(|user| ("User", user.clone())));
    lines.extend(ssh.port.map(|port| ("Port", port.to_string())));
    if let Some(identity) = &ssh.identity {
        lines.push(("IdentityFile", format!("\"{}\"", identity.replace('%', "%%"))));
        lines.push(("IdentitiesOnly", "yes".to_owned()));
    }
    lines.extend(ssh.options.iter().map(|(keyword, value)| (&**keyword, value.clone())));
    let mut text = format!("Host {name}\n");
    for (keyword, value) in lines {
        if format!("{keyword}{value}").contains(char::is_control) {
            return Err(format!("`{keyword}` is not one line"));
        }
        let _ = writeln!(text, "    {keyword} {value}");
    }
    Ok(text + "\n")
}

fn hosts_line(host: &Host, name: &str) -> Said<String> {
    let Connect::Ssh(ssh) = &host.connect else { return Err("it has no address".to_owned()) };
    match ssh.host.parse::<IpAddr>() {
        Ok(address) => Ok(format!("{address} {name}\n")),
        Err(_) => Err(format!("its address is not in its record, which says `{}`", ssh.host.escape_debug())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_model::Command;

    fn hosts() -> Vec<Host> {
        let full = Ssh {
            host: "10.0.0.7".into(),
            user: Some("root".into()),
            port: Some(2222),
            identity: Some("/keys/my ci".into()),
            options: [("ProxyCommand".to_owned(), "ssh -W %h:%p 'jump'".to_owned())].into_iter().collect(),
        };
        let mut first = Host::new("podman/a b", Connect::Ssh(full)).of("cs9");
        first.marks = vec!["cs9".into(), "big-disk".into()];
        let scoped = Ssh { host: "fe80::1%eth0".into(), ..Ssh::default() };
        let second = Host::new("podman-a b", Connect::Ssh(scoped)).of("9 all");
        let podman = ["podman", "exec", "-i", "box"].map(str::to_owned).to_vec();
        let third = Host::new("box", Connect::Command(Command { argv: podman }));
        let other = Host::new("other", Connect::Command(Command { argv: vec!["env".into()] }));
        vec![first, second, third, Host::new("here", Connect::Local), other]
    }

    #[test]
    fn an_inventory_in_yaml() {
        let (text, problems) = text(&hosts(), Form::AnsibleYaml);
        let expected = "\
all:
  hosts:
    podman-a-b:
      ansible_host: 10.0.0.7
      ansible_user: root
      ansible_port: 2222
      ansible_ssh_private_key_file: /keys/my ci
      ansible_ssh_common_args: -o \"ProxyCommand=ssh -W %h:%p 'jump'\"
    podman-a-b-2:
      ansible_host: fe80::1%eth0
    box:
      ansible_connection: containers.podman.podman
      ansible_host: box
    here:
      ansible_connection: local
  children:
    cs9:
      hosts:
        podman-a-b: {}
    big_disk:
      hosts:
        podman-a-b: {}
    _9_all:
      hosts:
        podman-a-b-2: {}
";
        assert_eq!(text, expected);
        assert_eq!(problems, ["other: Ansible knows no connection by a command such as its own"]);
    }

    #[test]
    fn an_inventory_in_ini() {
        let expected = "\
podman-a-b ansible_host=10.0.0.7 ansible_user=root ansible_port=2222 ansible_ssh_private_key_file='/keys/my ci' \
ansible_ssh_common_args='-o \"ProxyCommand=ssh -W %h:%p '\"'jump'\\\"
podman-a-b-2 ansible_host='fe80::1%eth0'
box ansible_connection=containers.podman.podman ansible_host=box
here ansible_connection=local

[cs9]
podman-a-b

[big_disk]
podman-a-b

[_9_all]
podman-a-b-2
";
        let (text, _) = text(&hosts(), Form::AnsibleIni);
        let words = |text: &str| text.lines().map(|line| shlex::split(line).unwrap()).collect::<Vec<_>>();
        // However it is quoted.
        let expected = words(&expected.replace(
            "'-o \"ProxyCommand=ssh -W %h:%p '\"'jump'\\\"",
            "\"-o \\\"ProxyCommand=ssh -W %h:%p 'jump'\\\"\"",
        ));
        assert_eq!(words(&text), expected);
    }

    #[test]
    fn an_ssh_config_and_lines_of_hosts() {
        let (config, problems) = text(&hosts(), Form::SshConfig);
        let expected = "\
Host podman-a-b
    HostName 10.0.0.7
    User root
    Port 2222
    IdentityFile \"/keys/my ci\"
    IdentitiesOnly yes
    ProxyCommand ssh -W %h:%p 'jump'

Host podman-a-b-2
    HostName fe80::1%%eth0

";
        assert_eq!(config, expected);
        let not = |id: &str| format!("{id}: it is not reached by ssh");
        assert_eq!(problems, ["box", "here", "other"].map(not));
        let (lines, problems) = text(&hosts(), Form::Hosts);
        assert_eq!(lines, "10.0.0.7 podman-a-b\n");
        assert_eq!(problems[0], "podman-a b: its address is not in its record, which says `fe80::1%eth0`");
    }

    #[test]
    fn what_ansible_would_evaluate_is_refused() {
        for user in ["{{ x }}", "a{% b", "a\nb", "{# x"] {
            let ssh = Ssh { host: "h".into(), user: Some(user.into()), ..Ssh::default() };
            let (text, problems) = text(&[Host::new("h", Connect::Ssh(ssh))], Form::AnsibleIni);
            assert_eq!((text.as_str(), problems.len()), ("", 1), "{user}");
        }
    }

    #[test]
    fn names_are_names_everywhere_and_each_another() {
        let given = names(["a/1", "a:1", "-a/1", "", "..", "ü", "a-1-2", "a/1"]);
        assert_eq!(given, ["a-1", "a-1-2", "a-1-3", "host", "host-2", "host-3", "a-1-2-2", "a-1-4"]);
    }
}
