//! Hosts that are kept as a failed test has left them (`--hold-on`), for somebody to look at.
//!
//! A host is held before the scheduler hears that the test has ended, since it would give it another one at once; if
//! the test turns out to be tried again, the host is freed. After `--hold-for` it is freed by the clock.

use std::sync::Arc;

use atex_cli::{Exit, input::reason, now};
use atex_model::artifacts::attempt_dir;
use atex_model::report::{Cause, TestEnd};
use atex_schedule::{Event, HostId, Time};

use super::{Dispatcher, attempts::exit_of, moment};
use crate::attempt::Done;
use crate::journal::{HOST_FREED, HOST_HELD, HostFreed, HostHeld};
use crate::past;
use crate::prepare::kept_in;
use crate::repro;

/// Why a host is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// Somebody has asked for it.
    OnRequest,
    /// A test may have failed there. It will be held until then.
    Perhaps(Time),
    /// A test has failed there.
    Until(Time),
}

impl Held {
    /// What an earlier life of the run has left.
    pub fn again(held: past::Held) -> Held {
        held.until.map_or(Held::OnRequest, Held::Until)
    }

    /// When the clock ends it.
    fn until(self) -> Option<Time> {
        match self {
            Held::OnRequest => None,
            Held::Perhaps(until) | Held::Until(until) => Some(until),
        }
    }
}

impl Dispatcher {
    /// An attempt has ended on a host: holds it if its test may have failed.
    pub(super) fn hold_perhaps(&mut self, host: HostId, done: &Done, lost: bool) {
        let Some(hold) = self.config.stops.hold else { return };
        let is_failed = done.cause == Cause::Test && exit_of(done.outcome) == Exit::Failed;
        let others =
            self.hosts.values().filter(|entry| matches!(entry.held, Some(Held::Until(_) | Held::Perhaps(_))));
        let has_room = others.count() < hold.most as usize;
        if is_failed && has_room && !lost && !self.stopping && self.entry(host).held.is_none() {
            let until = moment().after(u64::try_from(hold.length.as_millis()).unwrap_or(u64::MAX));
            self.hold(host, Held::Perhaps(until));
        }
    }

    /// Keeps a host as it is.
    pub(super) fn hold(&mut self, host: HostId, how: Held) {
        self.forget_hold(host);
        let entry = self.entry(host);
        entry.held = Some(how);
        let host_held = HostHeld {
            kind: HOST_HELD.into(),
            time: now(),
            host: entry.record.id.clone(),
            until: how.until(),
        };
        self.record(&host_held);
        self.apply(Event::HostHeld { host });
    }

    /// Goes on to hold a host that an earlier life of the run held.
    pub(super) fn hold_again(&mut self, host: HostId) {
        let Some(held) = self.entry(host).held else { return };
        if let Held::Until(until) = held {
            self.held.insert((until, host));
        }
        log::warn!("{}: it is still held", self.entry(host).record.id.escape_debug());
        self.apply(Event::HostHeld { host });
    }

    /// It is known what the attempt was to its test.
    pub(super) fn hold_or_not(&mut self, host: HostId, end: &TestEnd) {
        let Some(Held::Perhaps(until)) = self.entry(host).held else { return };
        if end.is_final && !self.stopping {
            self.entry(host).held = Some(Held::Until(until));
            self.held.insert((until, host));
            self.say_held(host, end);
        } else {
            self.free(host);
        }
    }

    /// A host is held no more.
    pub(super) fn free(&mut self, host: HostId) {
        self.forget_hold(host);
        let freed =
            HostFreed { kind: HOST_FREED.into(), time: now(), host: self.entry(host).record.id.clone() };
        self.record(&freed);
        self.apply(Event::HostFreed { host });
    }

    /// The clock does not free it any more.
    pub(super) fn forget_hold(&mut self, host: HostId) {
        if let Some(Held::Until(until)) = self.entry(host).held.take() {
            self.held.remove(&(until, host));
        }
    }

    /// Frees the hosts whose time is over.
    pub(super) fn free_by_clock(&mut self) {
        while let Some((until, host)) = self.held.first().copied()
            && until <= moment()
        {
            log::warn!("{}: it is held no more", self.entry(host).record.id.escape_debug());
            self.free(host);
        }
    }

    fn say_held(&mut self, host: HostId, end: &TestEnd) {
        let hold =
            self.config.stops.hold.map_or(String::new(), |hold| atex_control::format_duration(hold.length));
        let entry = self.entry(host);
        let (record, line) = (Arc::clone(&entry.record), entry.line.clone());
        let kept = line.as_deref().and_then(kept_in);
        let dirs = kept.map_or_else(|| self.work_dirs(host, &record.connect), |dir| vec![dir]);
        let (id, test) = (record.id.escape_debug(), end.test.escape_debug());
        log::warn!("{id}: held for {hold}, as {test} has failed there");
        log::warn!("{id}: enter it by: {}", repro::enter(&record.connect, &dirs));
        let artifacts = self.dir.path.join(attempt_dir(&end.platform, &end.test, end.attempt));
        match repro::write(&artifacts, &record.connect, &dirs) {
            Ok(script) => log::warn!("{id}: repeat the test by: {}", script.display()),
            Err(e) => log::warn!("{}/repro.sh: {}", artifacts.display(), reason(&e)),
        }
        log::warn!("{id}: use it again by: atex-exec ctl {} free {id}", self.dir.path.display());
    }
}
