//! Hosts.

use std::collections::{BTreeMap, BTreeSet};

use crate::{HostId, HostKind, SetupId, TestId, queue::Class};

/// What a host is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Nothing,
    SettingUp(SetupId),
    Running(Class, TestId),
}

/// A host of the pool.
#[derive(Debug)]
pub(crate) struct Host {
    pub kind: HostKind,
    pub doing: Doing,
    /// What it has been given since it was last clean.
    pub setups: BTreeSet<SetupId>,
}

/// The hosts, in order of their numbers, so that decisions do not depend on a hash.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    pub hosts: BTreeMap<HostId, Host>,
}

impl Pool {
    pub fn join(&mut self, id: HostId, kind: HostKind) {
        let host = Host { kind, doing: Doing::Nothing, setups: BTreeSet::new() };
        self.hosts.insert(id, host);
    }

    pub fn get(&mut self, id: HostId) -> Option<&mut Host> {
        self.hosts.get_mut(&id)
    }

    pub fn idle(&self) -> impl Iterator<Item = (HostId, HostKind)> {
        let idle = self.hosts.iter().filter(|(_, host)| host.doing == Doing::Nothing);
        idle.map(|(id, host)| (*id, host.kind))
    }

    /// The classes of the tests that run: one of them may be tried again.
    pub fn running(&self) -> Vec<Class> {
        let mut classes = Vec::new();
        for host in self.hosts.values() {
            if let Doing::Running(class, _) = host.doing
                && !classes.contains(&class)
            {
                classes.push(class);
            }
        }
        classes
    }

    /// How many hosts are being given this.
    pub fn setting_up(&self, setup: SetupId) -> usize {
        self.hosts.values().filter(|host| host.doing == Doing::SettingUp(setup)).count()
    }
}
