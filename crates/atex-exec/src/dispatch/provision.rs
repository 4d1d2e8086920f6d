//! Hosts that were asked for: what provisioners say, what they are told, and whom every host is owed to.
//!
//! A host that was given is in the journal, and the journal on disk, before it is used; it stays a debt until its
//! provisioner has said that it is given back.

use std::collections::BTreeSet;
use std::time::Instant;

use atex_cli::{Failure, input::reason, now};
use atex_model::protocol::Hello;
use atex_model::report::HostEndReason;
use atex_model::{Facts, Host, Time};
use atex_schedule::{Event, HostId, ProvisionerId, ProvisionerTraits, Verdict};
use crossbeam_channel::{Sender, at, select};
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::hosts::HostEntry;
use super::meanwhile::Postponed;
use super::{Dispatcher, Ears, GONE, control::Pace, sleep_until};
use crate::hosts_file::From;
use crate::journal::{LEASE, LEASE_END, LeaseEnd, Leased};
use crate::past::{PastHost, PastTest};
use crate::pool::Order;
use crate::provision::{ADOPTION, MOST_HOSTS, Place, Provisioner, Said};
use crate::run_dir::trouble;

/// How much that provisioners say waits for the dispatcher. Behind that they wait.
pub(super) const SAID_AHEAD: usize = 256;

/// What a provisioner says, with its number.
pub(super) type Provisioned = (ProvisionerId, Said);

/// A provisioner.
pub(super) struct Giver {
    /// Without it nothing can be asked for, and nothing was.
    keeper: Option<Provisioner>,
    name: String,
    /// How many hosts are taken of it at most, if that was said.
    most: Option<u32>,
    /// How many it says that it can give.
    max: Option<u32>,
    platform: Option<String>,
    facts: Facts,
    /// It can take charge of hosts that it gave before it was started anew.
    adopts: bool,
    wanted: u32,
    pending: u64,
    /// The ids of hosts that it has not taken back, as far as is known.
    leases: BTreeSet<String>,
    /// Those of them that it was not told to take back.
    held: BTreeSet<String>,
    /// What went wrong last.
    trouble: Option<String>,
    said_unused: bool,
    is_over: bool,
}

/// Leases of earlier lives.
pub(super) type Leases = IndexMap<String, (ProvisionerId, Host)>;

/// What has come of the wait for those who take charge of hosts again.
#[derive(Default)]
pub(super) struct Adopted {
    /// The hosts that they have taken charge of, as they are now.
    pub leases: Leases,
    /// What else was said: that is for when the hosts of before have their numbers.
    pub said: Vec<Provisioned>,
    /// What people have asked for meanwhile.
    pub postponed: Postponed,
}

impl Dispatcher {
    // ---- The beginning ----

    /// Starts the provisioners. What they give is not known before they have said so. What they gave in earlier lives
    /// and is `in_use` they are to take charge of again, which `adopters` can, the rest they are to take back.
    pub(super) fn start_provisioners(
        &mut self,
        leases: Leases,
        in_use: &BTreeSet<&str>,
        adopters: &BTreeSet<ProvisionerId>,
        tell: &Sender<Provisioned>,
    ) {
        let provision = self.config.provision.clone();
        for (n, command) in (0..).zip(&provision.commands) {
            let id = ProvisionerId(n);
            let of_it = leases.values().filter(|(of, _)| *of == id).map(|(_, host)| host);
            let (held, owed): (Vec<&Host>, Vec<&Host>) = of_it.partition(|host| in_use.contains(&*host.id));
            let ids = |hosts: &[&Host]| hosts.iter().map(|host| host.id.clone()).collect::<Vec<String>>();
            let (held_ids, owed_ids) = (ids(&held), ids(&owed));
            let variables = vec![
                ("ATEX_RUN_ID", self.dir.id.clone()),
                ("ATEX_RUN_DIR", self.dir.path.to_string_lossy().into_owned()),
            ];
            let place = Place {
                id,
                log: self.dir.provisioner_log(n + 1),
                variables,
                held: held.into_iter().cloned().collect(),
                owed: owed_ids.clone(),
                adopts: adopters.contains(&id),
            };
            let keeper = Provisioner::start(command, place, provision.waits, tell.clone());
            let problem = keeper.as_ref().err().map(|e| format!("cannot start a thread: {}", reason(e)));
            self.givers.push(Giver {
                is_over: keeper.is_err(),
                keeper: keeper.ok(),
                name: command.name(),
                most: command.most,
                max: None,
                platform: None,
                facts: Facts::new(),
                adopts: adopters.contains(&id),
                wanted: 0,
                pending: 0,
                leases: held_ids.iter().cloned().chain(owed_ids).collect(),
                held: held_ids.into_iter().collect(),
                trouble: None,
                said_unused: false,
            });
            match problem {
                None => self.describe_provisioner(id, false),
                Some(problem) => self.complain(&Failure::trouble(format!("--provision: {problem}"))),
            }
        }
    }

    /// Whether there are any that can be asked for hosts.
    pub(super) fn has_provisioners(&self) -> bool {
        self.givers.iter().any(|giver| giver.keeper.is_some() && !giver.is_over)
    }

    /// Tells the scheduler what a provisioner gives, as far as that is known.
    fn describe_provisioner(&mut self, id: ProvisionerId, extends: bool) {
        let giver = &self.givers[id.0 as usize];
        let is = ProvisionerTraits {
            limit: giver.limit(),
            platform: giver.platform.as_deref().map(|label| self.platforms.id(label)),
            verdicts: self.wishes.judge_all(&giver.facts),
            extends,
        };
        self.apply(Event::ProvisionerReady { provisioner: id, is: Box::new(is) });
    }

    /// Whether an expression that is new holds on what provisioners give.
    pub(super) fn judge_provisioners(
        &self,
        expression: atex_schedule::ExpressionId,
    ) -> Vec<(ProvisionerId, Verdict)> {
        let givers = (0..).map(ProvisionerId).zip(&self.givers);
        givers.map(|(id, giver)| (id, self.wishes.judge_facts(expression, &giver.facts))).collect()
    }

    // ---- What they say ----

    /// Takes what has been said, all of it, so that the journal is waited for once.
    pub(super) fn provisioned(&mut self, first: Provisioned, ears: &Ears) {
        let mut all = vec![first];
        all.extend(ears.provisioned.try_iter().take(SAID_AHEAD));
        self.take_provisioned(all);
    }

    pub(super) fn take_provisioned(&mut self, all: Vec<Provisioned>) {
        let is_kept = self.keep_leases(&all);
        for (of, said) in all {
            match said {
                Said::Hello(hello) => self.greeted(of, *hello),
                // It was taken back as soon as it was given.
                Said::Host(host) if !self.giver(of).held.contains(&host.id) => {}
                Said::Host(host) if is_kept => self.given(of, *host),
                // Nothing more can be put on record: it is not used.
                Said::Host(host) => self.giver(of).give_back(&host.id, "cancelled"),
                Said::Pending(hosts) => self.giver(of).pending = hosts,
                // Mostly it was told to: then there is no such host any more.
                Said::Released(id) => self.host_gone(of, &id, "it has been given back"),
                Said::Gone { id, note, .. } => self.host_gone(of, &id, &note),
                Said::Failed { count, note, retry } => self.provision_failed(of, count, note, retry),
                Said::Unusable(problem) => {
                    let again = "it is used no more; its standard error is in";
                    let log = self.dir.provisioner_log(of.0 + 1);
                    let message =
                        format!("provisioner {}: {problem}; {again} {}", self.giver(of).name, log.display());
                    self.giver(of).trouble = Some(problem);
                    self.giver(of).said_unused = true;
                    self.complain(&Failure::trouble(message));
                    self.apply(Event::ProvisionerGone { provisioner: of });
                }
                Said::Over { left } => self.provisioner_over(of, &left),
            }
        }
        self.say_who_is_unused();
        self.show_awaited();
    }

    fn giver(&mut self, of: ProvisionerId) -> &mut Giver {
        &mut self.givers[of.0 as usize]
    }

    fn greeted(&mut self, of: ProvisionerId, hello: Hello) {
        let giver = self.giver(of);
        giver.max = hello.max.map(|max| u32::try_from(max).unwrap_or(u32::MAX));
        giver.name = hello.provisioner.unwrap_or_else(|| giver.name.clone());
        (giver.platform, giver.facts, giver.pending) = (hello.platform, hello.facts, 0);
        giver.adopts = hello.adopt;
        self.describe_provisioner(of, hello.extend);
        if let Some(keeper) = &self.giver(of).keeper {
            keeper.known();
        }
    }

    fn provision_failed(&mut self, of: ProvisionerId, count: u32, note: String, retry: bool) {
        log::warn!("provisioner {}: {}", self.giver(of).name.escape_debug(), note.escape_debug());
        self.giver(of).trouble = Some(note);
        if count > 0 {
            self.apply(Event::ProvisionFailed { provisioner: of, count, retry });
        }
    }

    /// Says of whom the scheduler has had enough.
    pub(super) fn say_who_is_unused(&mut self) {
        for n in 0..self.givers.len() {
            let id = ProvisionerId(u32::try_from(n).unwrap_or(u32::MAX));
            let giver = &mut self.givers[n];
            let is_new = !giver.said_unused && !giver.is_over && !self.scheduler.is_used(id);
            if is_new {
                giver.said_unused = true;
                let name = giver.name.escape_debug();
                log::warn!(
                    "provisioner {name}: it has failed too often and is used no more \
                     (see --max-failed-provisions and --max-failed-setups)"
                );
            }
        }
    }

    // ---- Hosts come ----

    /// Writes down which hosts were given, and which taken back, in the order in which that was said: one that is taken
    /// back may be given again at once. Whether those that were given are on record for sure.
    fn keep_leases(&mut self, all: &[Provisioned]) -> bool {
        let mut any_given = false;
        for (of, said) in all {
            match said {
                // Also of what it gives in the same breath.
                Said::Hello(hello) => self.giver(*of).adopts = hello.adopt,
                Said::Host(host) => {
                    any_given = true;
                    self.leased(*of, host);
                }
                Said::Released(id) | Said::Gone { id, given_back: true, .. } => self.lease_ended(*of, id),
                _ => {}
            }
        }
        if !any_given {
            return !self.storage_failed;
        }
        if let Err(e) = self.journal.synchronize() {
            self.cannot_store(&trouble(&self.dir.journal(), &e));
        }
        !self.storage_failed
    }

    fn leased(&mut self, of: ProvisionerId, host: &Host) {
        let giver = self.giver(of);
        giver.lease(&host.id);
        let (kind, adopts) = (LEASE.into(), giver.adopts);
        self.record(&Leased { kind, time: now(), provisioner: of.0, adopts, host: host.clone() });
    }

    /// A host has come, or one is confirmed that is there.
    fn given(&mut self, of: ProvisionerId, mut host: Host) {
        let giver = self.giver(of);
        let too_many = giver.held.len() > giver.limit() as usize;
        let name = giver.name.clone();
        // What is known of all of its hosts is known of this one.
        host.platform = host.platform.or_else(|| giver.platform.clone());
        for (fact, value) in &giver.facts {
            host.facts.entry(fact).or_insert_with(|| value.clone());
        }
        let known = self.hosts.get(&host.id).filter(|known| !known.gone);
        if known.is_some_and(|known| known.provisioner == Some(of)) {
            return;
        }
        let why_not = if known.is_some() {
            log::error!(
                "provisioner {}: host {}: there is one of this id already, from elsewhere",
                name.escape_debug(),
                host.id.escape_debug()
            );
            "refused"
        } else if self.stopping || self.closing || self.pace == Pace::Draining {
            "cancelled"
        } else if too_many {
            "surplus"
        } else {
            return self.take_in(of, host);
        };
        self.giver(of).give_back(&host.id, why_not);
    }

    fn take_in(&mut self, of: ProvisionerId, host: Host) {
        let line = serde_json::to_string(&host).expect("a record has only text keys");
        if let Err(e) = self.hosts_file.push(From::Provisioner, self.before.lives + 1, &line) {
            self.giver(of).give_back(&host.id, "cancelled");
            return self.cannot_store(&trouble(&self.dir.hosts_file(), &e));
        }
        let entry = HostEntry { provisioner: Some(of), ..HostEntry::new(host, None) };
        let id = self.enter(entry);
        self.join(id, None);
    }

    // ---- Hosts go ----

    /// A host has left the pool: its provisioner gets it back.
    pub(super) fn give_back(&mut self, of: ProvisionerId, id: &str, reason: HostEndReason) {
        let reason = serde_json::to_value(reason).ok();
        let reason = reason.as_ref().and_then(Value::as_str).unwrap_or("done");
        let giver = self.giver(of);
        if giver.held.contains(id) {
            giver.give_back(id, reason);
        }
    }

    /// Says again how many hosts are wanted, when one has gone by itself: not everyone looks at that again by himself.
    pub(super) fn want_again(&mut self, of: ProvisionerId) {
        let hosts = self.giver(of).wanted;
        self.want(of, hosts);
    }

    /// Its provisioner does not hold it any more.
    fn lease_ended(&mut self, of: ProvisionerId, id: &str) {
        self.giver(of).held.remove(id);
        if self.giver(of).leases.remove(id) {
            self.record(&LeaseEnd { kind: LEASE_END.into(), time: now(), host: id.to_owned() });
        }
    }

    /// Its provisioner says that it is not there any more.
    fn host_gone(&mut self, of: ProvisionerId, id: &str, note: &str) {
        let name = self.giver(of).name.escape_debug().to_string();
        let found = self.hosts.get_full_mut(id);
        let Some((at, _, entry)) = found.filter(|(_, _, entry)| entry.provisioner == Some(of) && !entry.gone)
        else {
            return;
        };
        if entry.released.is_some() {
            return;
        }
        entry.doomed = true;
        let is_running = entry.running.is_some();
        let problem =
            format!("{}: it is gone, says provisioner {name}: {}", id.escape_debug(), note.escape_debug());
        let host = HostId(u32::try_from(at).expect("they are numbered in 32 bits"));
        if !is_running {
            // Else it is said when the attempt there has ended for that.
            self.host_trouble(host, problem.clone());
        }
        self.pool.order(host, Order::Lose(problem));
        self.apply(Event::HostDropped { host, at_once: true });
    }

    // ---- What they are told ----

    pub(super) fn want(&mut self, of: ProvisionerId, hosts: u32) {
        let giver = self.giver(of);
        giver.wanted = hosts;
        if let Some(keeper) = &giver.keeper {
            keeper.want(hosts);
        }
        self.show_awaited();
    }

    /// Shows how many hosts have been asked for and are not there yet.
    fn show_awaited(&self) {
        let awaited = |giver: &Giver| u64::from(giver.wanted).saturating_sub(giver.held.len() as u64);
        self.progress.awaited(self.givers.iter().map(awaited).sum());
    }

    /// Changes how many hosts are taken of a provisioner; without a number, as many as at the beginning.
    pub(super) fn set_most(&mut self, provisioner: &str, hosts: Option<u32>) -> Result<(), String> {
        let by_number = provisioner.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let named = |(at, giver): (usize, &Giver)| (giver.name == provisioner).then_some(at);
        let mut found = self.givers.iter().enumerate().filter_map(named);
        let at = match (found.next(), found.next()) {
            (Some(at), None) => at,
            (Some(_), Some(_)) => {
                return Err(format!(
                    "provisioner {provisioner}: there are several of this name: give its number"
                ));
            }
            (None, _) => by_number.filter(|at| *at < self.givers.len()).ok_or_else(|| {
                format!("provisioner {provisioner}: there is none of this name: `status` names them")
            })?,
        };
        let giver = &mut self.givers[at];
        giver.most = hosts.or(self.config.provision.commands[at].most);
        let provisioner = ProvisionerId(u32::try_from(at).expect("they are numbered in 32 bits"));
        let event = Event::MaxOf { provisioner, hosts: giver.limit() };
        self.apply(event);
        Ok(())
    }

    pub(super) fn extend(&mut self, host: HostId, until: atex_schedule::Time) {
        let entry = self.entry(host);
        let Some(of) = entry.provisioner else { return };
        let id = entry.record.id.clone();
        if let Some(keeper) = &self.giver(of).keeper {
            keeper.extend(&id, Time(i64::try_from(until.0).unwrap_or(i64::MAX)));
        }
    }

    // ---- After a crash ----

    /// Waits until provisioners have said of which hosts they have taken charge again: whoever cannot has given them
    /// back, and they may be somebody else's by now. People are answered meanwhile. A run that is stopped waits no longer,
    /// and one that is left tells nobody anything.
    pub(super) fn wait_for_adoptions(
        &mut self,
        tests: &[PastTest],
        hosts: &[PastHost],
        ears: &Ears,
    ) -> Adopted {
        let mut adopted = Adopted::default();
        let mut open: BTreeSet<String> = self.givers.iter().flat_map(|giver| giver.held.clone()).collect();
        if open.is_empty() {
            return adopted;
        }
        self.show_past(tests, hosts, open.len());
        let end = Instant::now() + ADOPTION;
        while !open.is_empty() && !self.stopping && Instant::now() < end {
            let wait = self.next_alarm().map_or(ADOPTION, sleep_until);
            select! {
                recv(ears.provisioned) -> said => {
                    self.adoption(said.expect(GONE), &mut open, &mut adopted);
                    self.progress.awaited(open.len() as u64);
                }
                recv(ears.signals) -> signal => self.signal(signal.expect(GONE)),
                recv(ears.output) -> unsaid => self.unsaid(unsaid.expect(GONE)),
                recv(ears.asking) -> signal => { signal.expect(GONE); self.progress.say() }
                recv(ears.asked) -> asked => {
                    self.answer_meanwhile(asked.expect(GONE), tests, &mut adopted.postponed);
                }
                recv(at(end.min(Instant::now() + wait))) -> _ => self.alarm(),
            }
        }
        if self.is_left {
            self.keep_leases(&adopted.said);
            return adopted;
        }
        self.forget_shown();
        for id in open {
            log::warn!("host {}: its provisioner has not taken charge of it again", id.escape_debug());
        }
        for giver in &mut self.givers {
            for id in giver.held.clone().into_iter().filter(|id| !adopted.leases.contains_key(id)) {
                giver.give_back(&id, "not adopted");
            }
        }
        adopted
    }

    /// A provisioner has said something while hosts are waited for, of which those are `open`.
    fn adoption(&mut self, (of, said): Provisioned, open: &mut BTreeSet<String>, adopted: &mut Adopted) {
        match said {
            Said::Host(host) if open.remove(&host.id) => {
                adopted.leases.insert(host.id.clone(), (of, *host));
            }
            Said::Hello(hello) => self.greeted(of, *hello),
            said => {
                if let Said::Gone { id, .. } = &said {
                    open.remove(id);
                }
                if matches!(said, Said::Unusable(_)) {
                    open.retain(|id| !self.giver(of).held.contains(id));
                }
                adopted.said.push((of, said));
            }
        }
    }

    /// Who has given a host and not been told to take it back.
    pub(super) fn holder_of(&self, id: &str) -> Option<ProvisionerId> {
        let mut givers = (0..).map(ProvisionerId).zip(&self.givers);
        givers.find(|(_, giver)| giver.held.contains(id)).map(|(of, _)| of)
    }

    // ---- The end ----

    /// Whether nobody holds anything for us any more. The first time this is asked they are told to come to an end.
    pub(super) fn provisioners_over(&mut self) -> bool {
        if !std::mem::replace(&mut self.closing, true) {
            self.givers.iter().filter_map(|giver| giver.keeper.as_ref()).for_each(Provisioner::shut_down);
        }
        self.givers.iter().all(|giver| giver.is_over)
    }

    /// Whether provisioners have not said of all hosts that they are given back.
    pub(super) fn is_owed_hosts(&self) -> bool {
        self.givers.iter().any(|giver| !giver.leases.is_empty())
    }

    fn provisioner_over(&mut self, of: ProvisionerId, left: &[String]) {
        self.giver(of).is_over = true;
        for id in self.giver(of).leases.clone() {
            if !left.contains(&id) {
                self.lease_ended(of, &id);
            }
        }
        let left: Vec<String> =
            self.giver(of).leases.iter().map(|id| id.escape_debug().to_string()).collect();
        if !left.is_empty() {
            let name = self.giver(of).name.escape_debug().to_string();
            let hosts = left.join(", ");
            let message = format!("provisioner {name}: it has not said that these were given back: {hosts}");
            let dir = self.dir.path.display();
            let hint =
                format!("--resume {dir} tries again; `atex-provision reap` frees what atex-provision gave");
            self.complain(&Failure::trouble(message).hint(hint));
        }
        if !self.scheduler.is_done() {
            // Something came in at the last moment.
            self.apply(Event::ProvisionerGone { provisioner: of });
        }
    }

    // ---- For those who ask ----

    /// Why nobody gives a host, if anybody could.
    pub(super) fn why_not_provisioned(&self) -> Option<String> {
        let giver = self.givers.iter().find(|giver| giver.trouble.is_some())?;
        let (name, trouble) = (giver.name.escape_debug(), giver.trouble.as_deref()?.escape_debug());
        Some(format!("no host is left that could run it: provisioner {name}: {trouble}"))
    }

    /// What a host's provisioner is called.
    pub(super) fn provisioner_name(&self, entry: &HostEntry) -> Option<&str> {
        Some(&self.givers[entry.provisioner?.0 as usize].name)
    }

    pub(super) fn provisioner_list(&self) -> Vec<Value> {
        let describe = |(giver, id): (&Giver, u32)| {
            let mut about = json!({
                "provisioner": giver.name,
                "state": if self.scheduler.is_used(ProvisionerId(id)) { "used" } else { "unused" },
                "wanted": giver.wanted,
                "pending": giver.pending,
                "held": giver.held.len(),
                "max": giver.limit(),
            });
            if let Some(trouble) = &giver.trouble {
                about["note"] = trouble.as_str().into();
            }
            about
        };
        self.givers.iter().zip(0..).map(describe).collect()
    }
}

impl Giver {
    fn limit(&self) -> u32 {
        self.most.into_iter().chain(self.max).min().unwrap_or(MOST_HOSTS)
    }

    fn lease(&mut self, id: &str) {
        self.leases.insert(id.to_owned());
        self.held.insert(id.to_owned());
    }

    fn give_back(&mut self, id: &str, reason: &str) {
        self.held.remove(id);
        if let Some(keeper) = &self.keeper {
            keeper.release(id, reason);
        }
    }
}
