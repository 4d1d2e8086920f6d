//! `ssh`: a host is entered.

use std::io::IsTerminal as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use atex_cli::{Exit, Failure, input::Lines, input::reason};
use atex_connect::Target;
use atex_model::{Connect, Host, HostTag};

use crate::Shell;
use crate::backends::Surroundings;

/// What is run on a host if nothing else is said: the best shell that it has, as for a login.
const SHELL: &str = "exec \"$(command -v bash || echo sh)\" -l";

/// Becomes the program that enters the host; returns only if that cannot be started.
pub(crate) fn ssh(asked: &Shell, around: &Surroundings) -> Result<Exit, Failure> {
    let host = match &asked.hosts {
        Some(file) => chosen(in_file(Lines::open(file)?)?, &asked.name, "host in this file")?,
        None => chosen(leased(around)?, &asked.name, "leased host")?,
    };
    let words = words(&host.connect, &asked.command, std::io::stdin().is_terminal());
    log::debug!("{}: {words:?}", host.id);
    let (program, rest) = words.split_first().expect("there is a program in every way to a host");
    let error = Command::new(program).args(rest).exec();
    Err(Failure::trouble(format!("{}: {program}: {}", host.id, reason(&error))))
}

/// The hosts that are leased, and the tokens of their leases.
fn leased(around: &Surroundings) -> Result<Vec<(Host, String)>, Failure> {
    let (entries, _) = around.ledger()?.all()?;
    let host = |entry: crate::ledger::Entry| Some((serde_json::from_value(entry.host?).ok()?, entry.token));
    Ok(entries.into_iter().filter_map(|known| host(known.entry)).collect())
}

fn in_file(mut lines: Lines) -> Result<Vec<(Host, String)>, Failure> {
    let mut hosts = Vec::new();
    while let Some(line) = lines.next_line()? {
        if atex_model::kind(line.text).map_err(|e| line.fault(&e))? == HostTag::TEXT {
            let host: Host = atex_model::parse(line.text).map_err(|e| line.fault(&e))?;
            let token = host.lease.as_ref().map(|lease| lease.token.clone()).unwrap_or_default();
            hosts.push((host, token));
        }
    }
    Ok(hosts)
}

/// The host of this name: its id, the last part of that, or its token.
fn chosen(hosts: Vec<(Host, String)>, name: &str, what: &str) -> Result<Host, Failure> {
    let exact = |(host, token): &(Host, String)| host.id == name || token == name;
    let last = |(host, _): &(Host, String)| host.id.rsplit('/').next() == Some(name);
    let matching = |is: &dyn Fn(&(Host, String)) -> bool| {
        hosts.iter().filter(|host| is(host)).map(|(host, _)| host).collect::<Vec<_>>()
    };
    let found = match matching(&exact) {
        found if found.is_empty() => matching(&last),
        found => found,
    };
    match found[..] {
        [host] => Ok(host.clone()),
        [] => Err(Failure::usage(format!("{name}: there is no {what} of this name"))
            .hint("`atex-provision leases` shows those that there are")),
        _ => {
            let ids: Vec<&str> = found.iter().map(|host| host.id.as_str()).collect();
            Err(Failure::usage(format!("{name}: several are called so: {}", ids.join(", "))))
        }
    }
}

/// The command line that enters a host.
fn words(connect: &Connect, command: &[String], terminal: bool) -> Vec<String> {
    let shell = || ["sh", "-c", SHELL].map(str::to_owned).to_vec();
    let mut words = Target::from(connect).prefix();
    match connect {
        Connect::Ssh(_) if command.is_empty() => words,
        Connect::Ssh(_) => {
            // What stands behind the host is put together with blanks, for a shell there.
            words.push("--".to_owned());
            words.push(shlex::try_join(command.iter().map(String::as_str)).unwrap_or_default());
            words
        }
        Connect::Local | Connect::Command(_) => {
            if terminal {
                with_terminal(&mut words);
            }
            words.extend(if command.is_empty() { shell() } else { command.to_vec() });
            words
        }
    }
}

/// Those that know terminals want to be told that there is one.
fn with_terminal(words: &mut [String]) {
    let knows = words.first().is_some_and(|program| {
        ["podman", "docker", "kubectl", "oc"].contains(&program.rsplit('/').next().unwrap_or(program))
    });
    if knows && let Some(option) = words.iter_mut().find(|word| *word == "-i") {
        "-it".clone_into(option);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_model::Ssh;

    fn host(id: &str) -> (Host, String) {
        (Host::new(id, Connect::Local), format!("atex-{id}"))
    }

    #[test]
    fn a_host_is_found_by_what_people_see_of_it() {
        let hosts = || vec![host("podman/a1"), host("local/a1"), host("node"), host("x/node")];
        let find =
            |name: &str| chosen(hosts(), name, "leased host").map(|host| host.id).map_err(|e| e.message);
        for (name, id) in [("podman/a1", "podman/a1"), ("node", "node"), ("atex-local/a1", "local/a1")] {
            assert_eq!(find(name).as_deref(), Ok(id));
        }
        assert_eq!(find("a1").unwrap_err(), "a1: several are called so: podman/a1, local/a1");
        assert_eq!(find("b").unwrap_err(), "b: there is no leased host of this name");
    }

    #[test]
    fn a_host_is_entered_as_its_record_says() {
        let argv = |words: &[&str]| {
            let argv = words.iter().map(|word| (*word).to_owned()).collect();
            Connect::Command(atex_model::Command { argv })
        };
        let ssh = Connect::Ssh(Ssh { host: "h".into(), user: Some("me".into()), ..Ssh::default() });
        for (connect, command, terminal, expected) in [
            (&Connect::Local, &["a b", "c"][..], true, "'a b' c"),
            (&argv(&["env", "-i"]), &["true"], true, "env -i true"),
            (&argv(&["podman", "exec", "-i", "x"]), &["top"], true, "podman exec -it x top"),
            (&argv(&["podman", "exec", "-i", "x"]), &["top"], false, "podman exec -i x top"),
            (&ssh, &[], true, "ssh -l me h"),
            (&ssh, &["a", "b c"], true, "ssh -l me h -- \"a 'b c'\""),
        ] {
            let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(Some(words(connect, &command, terminal)), shlex::split(expected), "{expected}");
        }
        assert_eq!(words(&Connect::Local, &[], false), ["sh", "-c", SHELL]);
    }
}
