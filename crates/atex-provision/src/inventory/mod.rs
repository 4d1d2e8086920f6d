//! Lists of fixed hosts, in several formats, as one thing: hosts in order, each with its groups.

mod address;
mod ansible;
mod list;
pub(crate) mod print;
mod ranges;
mod records;
mod source;

use std::collections::HashMap;
use std::io::Write;

use atex_cli::Failure;
use atex_cli::output::{Output, OutputError};
use atex_model::Host;

pub(crate) use source::Source;

/// The most hosts that a list can have, so that a typing error in a range does not fill the memory.
const MOST_HOSTS: usize = 100_000;

/// How many names of groups a message shows.
const NAMES_SHOWN: usize = 20;

/// The kinds of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A host a line
    List,
    /// An inventory of Ansible, in YAML
    AnsibleYaml,
    /// An inventory of Ansible, in INI
    AnsibleIni,
    /// Host records, which are passed on as they are
    Records,
}

/// What a list holds, in order.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// What it is called in messages.
    pub(crate) name: String,
    /// The hosts, and what stands between them.
    pub(crate) items: Vec<Item>,
    /// The names of all groups, in order.
    groups: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum Item {
    Host(Box<Listed>),
    /// A line that is no host and is handed on.
    Other(String),
}

/// A host and what the list says of it beside the record.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) host: Host,
    /// The record as it was read, if it was one.
    text: Option<String>,
    groups: Vec<String>,
}

/// Reads a whole list, so that nothing comes out of one that is wrong further down.
pub(crate) fn read(source: &Source, format: Option<Format>) -> Result<Inventory, Failure> {
    let text = source.read()?;
    let mut inventory = match format.unwrap_or_else(|| recognise(&text)) {
        Format::List => list::read(&text, source),
        Format::AnsibleYaml => ansible::read(&text, source),
        Format::AnsibleIni => ansible::read_ini(&text, source),
        Format::Records => records::read(&text, source),
    }?;
    if !inventory.items.iter().any(|item| matches!(item, Item::Host(_))) {
        return Err(Failure::usage(format!("{}: there is no host in it", source.name)));
    }
    inventory.name.clone_from(&source.name);
    Ok(inventory)
}

/// The format of a list, by the first line that says something.
fn recognise(text: &str) -> Format {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.next().unwrap_or_default();
    let word = first.split_whitespace().next().unwrap_or_default();
    // What only an inventory has: sections of a kind, and variables that are named so. Without them it is a plain list,
    // which says nearly the same.
    let is_ini = |line: &str| {
        let section = line.starts_with('[') && (line.contains(":children]") || line.contains(":vars]"));
        section || line.split_whitespace().any(|word| word.starts_with("ansible_") && word.contains('='))
    };
    if first.starts_with('{') {
        Format::Records
    } else if text.lines().any(|line| is_ini(line.trim())) && !word.ends_with(':') && word != "---" {
        Format::AnsibleIni
    } else if word == "---" || word.ends_with(':') {
        // No host ends with a colon, every group of an inventory does.
        Format::AnsibleYaml
    } else {
        Format::List
    }
}

impl Inventory {
    /// These hosts.
    pub(crate) fn of(name: &str, hosts: impl Iterator<Item = Host>) -> Inventory {
        let listed = |host| Item::Host(Box::new(Listed { host, text: None, groups: Vec::new() }));
        Inventory { name: name.to_owned(), items: hosts.map(listed).collect(), groups: Vec::new() }
    }

    /// Leaves the hosts of these groups; without groups, all.
    pub(crate) fn select(&mut self, source: &Source, groups: &[String]) -> Result<(), Failure> {
        if groups.is_empty() {
            return Ok(());
        }
        if let Some(unknown) = groups.iter().find(|group| !self.groups.contains(group)) {
            let message = format!("{}: there is no group `{unknown}`", source.name);
            return Err(Failure::usage(message).hint(self.describe_groups()));
        }
        self.items.retain(|item| match item {
            Item::Host(listed) => listed.groups.iter().any(|group| groups.contains(group)),
            Item::Other(_) => true,
        });
        if !self.items.iter().any(|item| matches!(item, Item::Host(_))) {
            let message = format!("{}: there is no host in the group `{}`", source.name, groups.join("`, `"));
            return Err(Failure::usage(message));
        }
        Ok(())
    }

    fn describe_groups(&self) -> String {
        if self.groups.is_empty() {
            return "it has no groups; leave --group out".to_owned();
        }
        let shown = self.groups.iter().take(NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.groups.len().saturating_sub(NAMES_SHOWN) {
            0 => format!("its groups are {shown}"),
            more => format!("its groups are {shown}, and {more} more"),
        }
    }
}

impl Listed {
    /// Writes the record, with `platform` where the host has no label of its own.
    pub(crate) fn write<W: Write>(
        mut self,
        platform: Option<&str>,
        out: &mut Output<W>,
    ) -> Result<(), OutputError> {
        let platform = platform.filter(|_| self.host.platform.is_none());
        match (self.text, platform) {
            (Some(text), None) => out.line(&text),
            (Some(text), Some(platform)) => out.line(&records::label(&text, platform)),
            (None, platform) => {
                self.host.platform = self.host.platform.or_else(|| platform.map(str::to_owned));
                out.record(&self.host)
            }
        }
    }
}

/// Sees that no id is given twice.
#[derive(Default)]
struct Ids(HashMap<String, usize>);

impl Ids {
    /// Takes the id of the host in `line`.
    fn take(&mut self, id: &str, line: usize) -> Result<(), String> {
        match self.0.insert(id.to_owned(), line) {
            None => Ok(()),
            Some(first) => Err(format!("expected another host, found `{id}` again (first in line {first})")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_recognised_by_the_beginning() {
        for (text, format) in [
            ("", Format::List),
            ("node1", Format::List),
            ("# hosts\n\n[web]\nnode1:22", Format::List),
            ("[::1]:22", Format::List),
            ("a.example:22 port=3", Format::List),
            ("{\"type\":\"host\"}", Format::Records),
            ("\n {\"type\":\"host\"}", Format::Records),
            ("---\nweb:", Format::AnsibleYaml),
            ("# hosts\nall:\n  hosts:", Format::AnsibleYaml),
            ("all: # hosts", Format::AnsibleYaml),
            ("all: {hosts: {a: }}", Format::AnsibleYaml),
            ("\"web\":", Format::AnsibleYaml),
            ("[web]\na ansible_host=b", Format::AnsibleIni),
            ("a\n[web:vars]\nx=y", Format::AnsibleIni),
            ("web:\n  vars: {x: ansible_host=y}", Format::AnsibleYaml),
        ] {
            assert_eq!(recognise(text), format, "{text}");
        }
    }
}
