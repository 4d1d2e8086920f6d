//! Hosts.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexSet;

use crate::class::{ClassId, Kind, Need, SetId, Sets, set_verdict, trim};
use crate::{
    ExpressionId, HostId, HostTraits, MarkId, Millis, ProvisionerId, QuestionId, SetupId, TestId, Time,
    Verdict,
};

/// What a host is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It is not there yet.
    Coming,
    Nothing,
    SettingUp(SetupId, ClassId),
    Running(TestId),
    /// It waits for an answer of the policy.
    Asked(QuestionId),
}

/// The number of a [`Kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KindId(u32);

/// A host of the pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host {
    pub kind: KindId,
    pub doing: Doing,
    /// What it has been given since it was last clean.
    pub setups: SetId,
    pub marks: SetId,
    /// A test has run there.
    pub is_used: bool,
    /// It has been given something to do.
    pub was_of_use: bool,
    /// The test under which it has failed last, if no other has ended well there since.
    pub suspect: Option<TestId>,
    pub until: Option<Time>,
    /// It is kept as it is.
    pub is_held: bool,
    /// It cannot be used after what it ran, and will be replaced.
    pub is_destroyed: bool,
    /// It is to be let go.
    pub is_dropped: bool,
    /// What the policy wants it to run once it is set up.
    pub chosen: Option<TestId>,
}

impl Host {
    /// Whether it can be given something.
    pub fn is_idle(&self) -> bool {
        self.doing == Doing::Nothing && !self.is_held && !self.is_dropped
    }

    /// Whether it takes part in the work, now or later.
    pub fn is_usable(&self) -> bool {
        !self.is_held && !self.is_dropped
    }
}

/// What idle hosts have in common between which only their numbers decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IdleKey {
    pub kind: KindId,
    pub setups: SetId,
    pub marks: SetId,
    pub is_used: bool,
    pub has_lease: bool,
}

/// How many hosts there are of a kind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    /// All, also those that are coming.
    pub all: u32,
    /// Those that are there and can be used.
    pub usable: u32,
    /// Those that can be used and run nothing, also if they are coming or being set up.
    pub free: u32,
}

/// The hosts, in order of their numbers, so that decisions do not depend on a hash.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    hosts: BTreeMap<HostId, Host>,
    kinds: IndexSet<Kind>,
    counts: Vec<Count>,
    pub setups: Sets<SetupId>,
    pub marks: Sets<MarkId>,
    idle: BTreeMap<IdleKey, BTreeSet<HostId>>,
    /// How many are set up or run something.
    working: u32,
    /// How many hosts a provisioner has given, or is about to.
    given: BTreeMap<ProvisionerId, u32>,
    /// Rises with each change of how many usable hosts there are of a kind.
    version: u64,
}

impl Pool {
    pub fn join(&mut self, id: HostId, is: &HostTraits, doing: Doing) {
        let kind = self.kind_of(is);
        let host = Host {
            kind,
            doing,
            setups: SetId::EMPTY,
            marks: self.marks.of(is.marks.clone()),
            is_used: false,
            was_of_use: false,
            suspect: None,
            until: is.until,
            is_held: false,
            is_destroyed: false,
            is_dropped: false,
            chosen: None,
        };
        self.hosts.insert(id, host);
        self.entered(id);
        self.version += 1;
        if let Some(provisioner) = is.provisioner {
            *self.given.entry(provisioner).or_insert(0) += 1;
        }
    }

    pub fn remove(&mut self, id: HostId) -> Option<Host> {
        self.leave(id);
        let host = self.hosts.remove(&id)?;
        self.version += 1;
        if let Some(given) = self.kind(host.kind).provisioner.and_then(|of| self.given.get_mut(&of)) {
            *given -= 1;
        }
        Some(host)
    }

    /// Changes a host, and keeps all that is counted right.
    pub fn change<T>(&mut self, id: HostId, change: impl FnOnce(&mut Host) -> T) -> Option<T> {
        self.leave(id);
        let what = |host: &Host| (host.kind, is_there(host));
        let before = self.hosts.get(&id).map(what);
        let result = self.hosts.get_mut(&id).map(change);
        if self.hosts.get(&id).map(what) != before {
            self.version += 1;
        }
        self.entered(id);
        result
    }

    fn entered(&mut self, id: HostId) {
        let Some(host) = self.hosts.get(&id) else { return };
        let (kind, is_idle, key) = (host.kind, host.is_idle(), IdleKey::of(host));
        let (there, free) = (u32::from(is_there(host)), u32::from(is_free(host)));
        self.working += works(host);
        let count = &mut self.counts[kind.0 as usize];
        count.all += 1;
        count.usable += there;
        count.free += free;
        if is_idle {
            self.idle.entry(key).or_default().insert(id);
        }
    }

    fn leave(&mut self, id: HostId) {
        let Some(host) = self.hosts.get(&id) else { return };
        let (kind, key) = (host.kind, IdleKey::of(host));
        let (there, free) = (u32::from(is_there(host)), u32::from(is_free(host)));
        self.working -= works(host);
        let count = &mut self.counts[kind.0 as usize];
        count.all -= 1;
        count.usable -= there;
        count.free -= free;
        if host.is_idle()
            && let Some(hosts) = self.idle.get_mut(&key)
        {
            hosts.remove(&id);
            if hosts.is_empty() {
                self.idle.remove(&key);
            }
        }
    }

    fn kind_of(&mut self, is: &HostTraits) -> KindId {
        let mut verdicts = is.verdicts.clone();
        trim(&mut verdicts);
        self.kind_id(Kind {
            platform: is.platform,
            is_spared: is.is_spared,
            provisioner: is.provisioner,
            verdicts,
        })
    }

    fn kind_id(&mut self, kind: Kind) -> KindId {
        let (at, is_new) = self.kinds.insert_full(kind);
        if is_new {
            self.counts.push(Count::default());
        }
        KindId(u32::try_from(at).expect("there are no more kinds than hosts and expressions"))
    }

    /// Whether an expression holds on a host.
    pub fn judge(&mut self, id: HostId, expression: ExpressionId, verdict: Verdict) {
        let Some(host) = self.hosts.get(&id) else { return };
        let mut kind = self.kind(host.kind).clone();
        set_verdict(&mut kind.verdicts, expression, verdict);
        let kind = self.kind_id(kind);
        self.change(id, |host| host.kind = kind);
    }

    // ---- Looking ----

    pub fn get(&self, id: HostId) -> Option<&Host> {
        self.hosts.get(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (HostId, &Host)> {
        self.hosts.iter().map(|(id, host)| (*id, host))
    }

    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    pub fn kind(&self, kind: KindId) -> &Kind {
        &self.kinds[kind.0 as usize]
    }

    /// All kinds, with how many hosts there are of each.
    pub fn kinds(&self) -> impl Iterator<Item = (&Kind, Count)> {
        self.kinds.iter().zip(self.counts.iter().copied())
    }

    pub fn provisioner(&self, host: &Host) -> Option<ProvisionerId> {
        self.kind(host.kind).provisioner
    }

    pub fn fits(&self, host: &Host, need: Need) -> bool {
        need.fits(self.kind(host.kind))
    }

    pub fn idle(&self) -> &BTreeMap<IdleKey, BTreeSet<HostId>> {
        &self.idle
    }

    pub fn idle_ids(&self) -> Vec<HostId> {
        self.idle.values().flatten().copied().collect()
    }

    /// Rises with each change of how many usable hosts there are of a kind. Never 0 when there are any.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn working(&self) -> u32 {
        self.working
    }

    /// How many hosts of a provisioner are there or coming.
    pub fn given_by(&self, provisioner: ProvisionerId) -> u32 {
        self.given.get(&provisioner).copied().unwrap_or(0)
    }

    /// How much time is left of a host's lease for a test.
    pub fn time_left(host: &Host, now: Time) -> Option<Millis> {
        host.until.map(|until| until.left(now).saturating_sub(crate::MARGIN))
    }
}

fn is_there(host: &Host) -> bool {
    host.doing != Doing::Coming && host.is_usable()
}

fn is_free(host: &Host) -> bool {
    host.is_usable() && !matches!(host.doing, Doing::Running(_))
}

fn works(host: &Host) -> u32 {
    u32::from(!matches!(host.doing, Doing::Nothing | Doing::Coming))
}

impl IdleKey {
    fn of(host: &Host) -> IdleKey {
        IdleKey {
            kind: host.kind,
            setups: host.setups,
            marks: host.marks,
            is_used: host.is_used,
            has_lease: host.until.is_some(),
        }
    }
}
