//! Hosts: how they come, are set up, and go.

use std::sync::Arc;
use std::time::Instant;

use atex_cli::{Failure, now};
use atex_model::report::{HostEnd, HostEndReason, HostEndTag, HostStart, HostStartTag};
use atex_model::{Host, Test};
use atex_schedule::{Event, HostId, ProvisionerId, Release, SetupEnd, SetupId, TestId};

use super::{Dispatcher, facts::Inquiry, hold::Held};
use crate::attempt::{Done, Job, Mark};
use crate::packer::{Asked, Packed};
use crate::policy::After;
use crate::pool::{News, Order};

/// A host of the run.
pub(super) struct HostEntry {
    pub record: Arc<Host>,
    /// The line of its record, if it is borrowed: it is handed on when we are done with it.
    pub line: Option<String>,
    /// The test that runs there, and which attempt it is.
    pub running: Option<(TestId, u32, Test)>,
    pub joined: Option<Instant>,
    pub busy: f64,
    /// How the attempt ended there that the scheduler is about to judge.
    pub ended: Option<Box<Done>>,
    /// How the last attempt there ended, for whoever is asked about it.
    pub after: Option<After>,
    /// Why it is no longer used.
    pub trouble: Option<String>,
    /// It can no longer be reached.
    pub lost: bool,
    /// It was taken in by an earlier life of the run.
    pub again: bool,
    /// Why the scheduler has let it go.
    pub released: Option<Release>,
    /// It is kept as it is.
    pub held: Option<Held>,
    /// It has left the pool.
    pub gone: bool,
    /// What it was given for that test cannot be given again.
    pub spoilt: bool,
    /// The attempt that ran there at the end of the last life, until its host is joined.
    pub adopting: Option<Box<Job>>,
    /// That attempt is to be ended then.
    pub is_cancelled: bool,
    /// Who gave it, and gets it back.
    pub provisioner: Option<ProvisionerId>,
    /// Who gave it says that it is gone.
    pub doomed: bool,
    /// Whether it was asked for its facts.
    pub inquiry: Inquiry,
}

impl HostEntry {
    pub fn new(record: Host, line: Option<String>) -> HostEntry {
        HostEntry {
            record: Arc::new(record),
            line,
            running: None,
            joined: None,
            busy: 0.0,
            ended: None,
            after: None,
            trouble: None,
            lost: false,
            again: false,
            released: None,
            held: None,
            gone: false,
            spoilt: false,
            adopting: None,
            is_cancelled: false,
            provisioner: None,
            doomed: false,
            inquiry: Inquiry::No,
        }
    }
}

impl HostEntry {
    /// Whether it is being left for good.
    fn is_given_back(&self) -> bool {
        self.provisioner.is_some() && (self.released.is_some() || self.gone)
    }

    /// Whether there is somebody who can be given orders for it.
    pub fn is_there(&self) -> bool {
        (self.joined.is_some() || self.running.is_some()) && !self.lost
    }
}

impl Dispatcher {
    pub(super) fn news(&mut self, host: HostId, news: News) {
        match news {
            // It has been given up, and somebody else has it.
            News::Ready if self.entry(host).is_given_back() => {}
            News::Ready => {
                let entry = self.entry(host);
                entry.joined = Some(Instant::now());
                if std::mem::take(&mut entry.lost) {
                    entry.trouble = None;
                    log::warn!("{}: it is back", entry.record.id.escape_debug());
                }
                let record = Arc::clone(&entry.record);
                let is = self.traits(host);
                self.record(&HostStart {
                    kind: HostStartTag,
                    time: now(),
                    run: self.dir.id.clone(),
                    host: record.id.clone(),
                    platform: record.label().into(),
                    facts: record.facts.clone(),
                });
                self.progress.host_joined();
                // One that runs something of an earlier life is in the pool already.
                if self.entry(host).running.is_none() {
                    self.apply(Event::HostReady { host, is });
                }
                self.inquire_of(host);
            }
            News::Described(record) => self.entry(host).record = Arc::new(*record),
            News::Facts(found) => self.facts(host, found),
            News::Unreachable(problem) => {
                self.host_trouble(host, problem);
                self.apply(Event::HostGone { host });
                self.no_facts(host);
            }
            News::SetUp(Ok(())) => self.apply(Event::SetupEnded { host, end: SetupEnd::Done }),
            News::SetUp(Err(problem)) => {
                self.host_trouble(host, problem);
                self.apply(Event::SetupEnded { host, end: SetupEnd::HostFailed });
            }
            News::SetUpCancelled => self.apply(Event::SetupEnded { host, end: SetupEnd::Cancelled }),
            News::Unfit(done) => self.unfit(host, done),
            News::Note(note) => self.note(host, note),
            News::Mark(Mark { name, set: is_set }) => {
                let mark = self.wishes.mark(&name);
                self.apply(Event::HostMarked { host, mark, is_set });
            }
            News::Results(live) => self.results(host, live.take()),
            News::Ended { done, lost } => self.attempt_ended(host, done, lost),
            News::KeptIn(_) => {}
            News::Left => {
                self.leaving -= 1;
                self.host_ended(host);
            }
        }
    }

    pub(super) fn packed(&mut self, packed: Packed) {
        if let Err(problem) = &packed.1 {
            self.complain(&Failure::trouble(problem));
        }
        let setup = packed.0;
        for (host, clean) in self.packer.finished(packed) {
            self.set_up(host, setup, clean);
        }
    }

    pub(super) fn set_up(&mut self, host: HostId, setup: SetupId, clean: bool) {
        if self.entry(host).adopting.is_some() {
            return self.adopt(host, setup);
        }
        if self.stopping {
            return self.apply(Event::SetupEnded { host, end: SetupEnd::Cancelled });
        }
        match self.packer.ask(setup, host, clean) {
            Asked::Ready(prepared) => {
                let needs = self.setups.needs(setup);
                self.pool.order(host, Order::SetUp { setup: prepared, needs, clean });
            }
            Asked::Later => {}
            Asked::Impossible => self.apply(Event::SetupEnded { host, end: SetupEnd::Impossible }),
        }
    }

    pub(super) fn host_trouble(&mut self, host: HostId, problem: String) {
        self.complain(&Failure::trouble(&problem));
        self.entry(host).trouble = Some(problem);
    }

    pub(super) fn release(&mut self, host: HostId, why: Release) {
        if why == Release::Quarantined {
            let problem = "quarantined: two tests in a row have ended by its doing".to_owned();
            self.host_trouble(host, problem);
        }
        let entry = self.entry(host);
        entry.released = Some(why);
        match (why, entry.provisioner) {
            // It may come back.
            (Release::Lost, None) => return self.host_ended(host),
            (Release::Lost, Some(_)) => self.pool.order(host, Order::Lose("it is given back".into())),
            _ => {}
        }
        self.leaving += 1;
        self.pool.order(host, Order::Leave);
    }

    pub(super) fn host_ended(&mut self, host: HostId) {
        self.forget_hold(host);
        self.no_facts(host);
        let stopping = self.stopping;
        let entry = self.entry(host);
        entry.gone = true;
        let reason = match (entry.released.take(), &entry.trouble, entry.joined) {
            (Some(Release::Quarantined), ..) => HostEndReason::Quarantined,
            (_, Some(_), None) => HostEndReason::Unhealthy,
            (_, Some(_), Some(_)) if entry.lost || entry.doomed => HostEndReason::Lost,
            (_, Some(_), Some(_)) => HostEndReason::Unhealthy,
            (Some(Release::Destroyed), ..) => HostEndReason::Destroyed,
            (Some(Release::Expired), ..) => HostEndReason::Expired,
            (Some(Release::Surplus), ..) => HostEndReason::Surplus,
            (Some(Release::Dropped), ..) => HostEndReason::Dropped,
            // Given back while nobody was there to see it.
            (Some(Release::Cancelled), ..) | (Some(Release::Lost), None, _) => HostEndReason::Cancelled,
            _ if stopping => HostEndReason::Cancelled,
            _ => HostEndReason::Done,
        };
        // One that was lost may come back: it is handed on when nothing more can come of it.
        let line = if entry.lost { None } else { entry.line.take() };
        let (record, note) = (Arc::clone(&entry.record), entry.trouble.clone());
        let time = entry.joined.map_or(0.0, |joined| joined.elapsed().as_secs_f64());
        let (busy, joined) = (entry.busy, entry.joined.is_some());
        let (provisioner, is_doomed) = (entry.provisioner, entry.doomed);
        self.host_seconds = (self.host_seconds.0 + busy, self.host_seconds.1 + time);
        if joined {
            self.progress.host_left();
        }
        self.record(&HostEnd {
            kind: HostEndTag,
            time: now(),
            run: self.dir.id.clone(),
            host: record.id.clone(),
            platform: record.label().into(),
            reason,
            note,
        });
        if let Some(of) = provisioner {
            self.give_back(of, &record.id, reason);
            if is_doomed {
                self.want_again(of);
            }
        }
        if let Some(line) = line {
            self.pass_on(&line);
        }
    }

    /// Hands on the hosts that were lost and have not come back.
    pub(super) fn hand_on_lost(&mut self) {
        let lost: Vec<String> = self.hosts.values_mut().filter_map(|entry| entry.line.take()).collect();
        for line in lost {
            self.pass_on(&line);
        }
    }

    pub(super) fn entry(&mut self, host: HostId) -> &mut HostEntry {
        let (_, entry) =
            self.hosts.get_index_mut(host.0 as usize).expect("hosts are numbered as they are entered");
        entry
    }
}
