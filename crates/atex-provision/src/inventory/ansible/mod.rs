//! An inventory of Ansible, in YAML or INI: groups within groups, and variables that hosts get from them.
//!
//! `tree` is what is written, `vars` the variables that say how a host is reached; here they become hosts.
//! Variables win as in Ansible: the host's own over those of its groups, deeper groups over those further up,
//! then by `ansible_group_priority`, then by the name of the group.

mod ini;
mod tree;
mod vars;

use std::collections::VecDeque;

use atex_cli::Failure;
use atex_model::Host;
use indexmap::{IndexMap, IndexSet};

use super::address::{Address, is_ipv6};
use super::ranges::{Style, expand};
use super::{Inventory, Item, Listed, MOST_HOSTS, Source};
use tree::Group;
use vars::Vars;

/// The group of all hosts.
const ALL: &str = "all";
/// The group of the hosts that are in no other.
const UNGROUPED: &str = "ungrouped";

/// Reads an inventory in INI.
pub(super) fn read_ini(text: &str, source: &Source) -> Result<Inventory, Failure> {
    let groups = ini::parse(text).map_err(|(line, message)| source.fault(line, message))?;
    assemble(tree::of(groups).map_err(|e| e.at(&source.name))?, source)
}

/// Reads an inventory in YAML.
pub(super) fn read(text: &str, source: &Source) -> Result<Inventory, Failure> {
    assemble(tree::parse(text).map_err(|e| e.at(&source.name))?, source)
}

fn assemble(groups: tree::Entries<Group>, source: &Source) -> Result<Inventory, Failure> {
    let fault = |message: String| Failure::usage(format!("{}: {message}", source.name));
    let mut graph = Graph::default();
    graph.group(ALL);
    for (name, group) in groups {
        graph.add(&name, group, None).map_err(fault)?;
    }
    let depths = graph.depths().map_err(fault)?;
    let mut inventory = Inventory::default();
    for (name, node) in &graph.hosts {
        let (host, groups) = graph.host(name, node, &depths, source).map_err(fault)?;
        inventory.items.push(Item::Host(Box::new(Listed { host, text: None, groups })));
    }
    inventory.groups = graph.groups.into_keys().collect();
    if !inventory.groups.iter().any(|name| name == UNGROUPED) {
        inventory.groups.push(UNGROUPED.to_owned());
    }
    Ok(inventory)
}

/// Groups and hosts, each once, wherever and how often they are written.
#[derive(Debug, Default)]
struct Graph {
    groups: IndexMap<String, GroupNode>,
    hosts: IndexMap<String, HostNode>,
}

#[derive(Debug, Default)]
struct GroupNode {
    vars: Vars,
    parents: IndexSet<usize>,
}

#[derive(Debug, Default)]
struct HostNode {
    vars: Vars,
    port: Option<u16>,
    groups: IndexSet<usize>,
}

impl Graph {
    /// The number of a group, which is new if nobody spoke of it before.
    fn group(&mut self, name: &str) -> usize {
        match self.groups.get_index_of(name) {
            Some(index) => index,
            None => self.groups.insert_full(name.to_owned(), GroupNode::default()).0,
        }
    }

    fn add(&mut self, name: &str, group: Group, parent: Option<usize>) -> Result<(), String> {
        let index = self.group(name);
        let node = &mut self.groups[index];
        node.vars.overlay(&group.vars);
        if name != ALL {
            node.parents.insert(parent.unwrap_or(0));
        } else if let Some(parent) = parent {
            node.parents.insert(parent);
        }
        for (pattern, vars) in group.hosts {
            self.add_hosts(&pattern, &vars, index)?;
        }
        for (name, child) in group.children {
            self.add(&name, child, Some(index))?;
        }
        Ok(())
    }

    fn add_hosts(&mut self, pattern: &str, vars: &Vars, group: usize) -> Result<(), String> {
        for text in expand(pattern, Style::Ansible).map_err(|e| format!("host `{pattern}`: {e}"))? {
            let address = if is_ipv6(&text) {
                Address { user: None, host: text, port: None }
            } else {
                Address::parse(&text).map_err(|e| format!("host `{pattern}`: {e}"))?
            };
            // Ansible knows no user here, so that the text before the `@` is a part of the name.
            let name = address.user.iter().map(|user| format!("{user}@")).collect::<String>() + &address.host;
            let host = self.hosts.entry(name).or_default();
            host.vars.overlay(vars);
            host.port = address.port.or(host.port);
            host.groups.insert(group);
        }
        if self.hosts.len() > MOST_HOSTS {
            return Err(format!("expected at most {MOST_HOSTS} hosts in a list, found more"));
        }
        Ok(())
    }

    /// How deep each group lies: one more than the deepest of its parents.
    fn depths(&self) -> Result<Vec<usize>, String> {
        let mut depths = vec![0; self.groups.len()];
        let mut waiting: Vec<usize> = self.groups.values().map(|group| group.parents.len()).collect();
        let mut children = vec![Vec::new(); self.groups.len()];
        for (index, group) in self.groups.values().enumerate() {
            group.parents.iter().for_each(|parent| children[*parent].push(index));
        }
        let mut ready: VecDeque<usize> = (0..waiting.len()).filter(|index| waiting[*index] == 0).collect();
        while let Some(parent) = ready.pop_front() {
            for &child in &children[parent] {
                depths[child] = depths[child].max(depths[parent] + 1);
                waiting[child] -= 1;
                if waiting[child] == 0 {
                    ready.push_back(child);
                }
            }
        }
        match waiting.iter().position(|parents| *parents > 0) {
            None => Ok(depths),
            Some(index) => {
                Err(format!("expected groups below groups, found `{}` below itself", self.name(index)))
            }
        }
    }

    /// The record of a host, and its groups.
    fn host(
        &self,
        name: &str,
        node: &HostNode,
        depths: &[usize],
        source: &Source,
    ) -> Result<(Host, Vec<String>), String> {
        let mut groups = self.ancestors(node);
        groups.sort_by_key(|index| (depths[*index], self.groups[*index].vars.priority(), self.name(*index)));
        let mut vars = Vars::default();
        groups.iter().for_each(|index| vars.overlay(&self.groups[*index].vars));
        vars.overlay(&node.vars);
        let connect = vars.connect(name, node.port, source).map_err(|e| format!("host `{name}`: {e}"))?;
        let mut names: Vec<String> = groups.iter().map(|index| self.name(*index).to_owned()).collect();
        if names == [ALL] {
            names.push(UNGROUPED.to_owned());
        }
        Ok((Host::new(name, connect), names))
    }

    fn ancestors(&self, node: &HostNode) -> Vec<usize> {
        let mut found = node.groups.clone();
        found.insert(0);
        let mut next = 0;
        while let Some(&index) = found.get_index(next) {
            found.extend(self.groups[index].parents.iter().copied());
            next += 1;
        }
        found.into_iter().collect()
    }

    fn name(&self, index: usize) -> &str {
        self.groups.get_index(index).map_or("", |(name, _)| name)
    }
}
