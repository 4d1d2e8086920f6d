//! A lease from its intent to its end, in the order that loses nothing: what may exist is in the ledger before it does,
//! and stays there until the provider has said that it is gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use atex_cli::Failure;
use atex_model::{Host, Lease, Time};

use crate::backends::{Backend, Held, Kind, Order};
use crate::fault;
use crate::ledger::{Entry, Holder, Ledger, Life, Owner, State};
use crate::program;
use crate::stop::Stop;
use crate::trouble::Trouble;
use crate::turns;

/// How long giving back is tried before it is left to `reap`.
const GIVE_UP: Duration = Duration::from_secs(300);

/// How often a provider is asked whether what it was told to release is gone.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How often the ledger is told that we live, at least.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// How often creating is tried again when the provider asks for patience.
const PATIENCE: u32 = 10;

/// Leases of one back end for one owner.
#[derive(Clone)]
pub(crate) struct Leasing {
    pub ledger: Arc<Ledger>,
    pub kind: &'static Kind,
    pub backend: Arc<dyn Backend>,
    pub owner: Owner,
    /// Whether we look after the hosts; if not, time alone ends them.
    pub looked_after: bool,
    pub ttl: Option<Duration>,
    pub orphan: Duration,
    pub platform: Option<String>,
}

impl Leasing {
    /// How often the ledger is to be told that we live: three times within the time after which a holder that is silent is
    /// taken for dead.
    pub fn sign_of_life(&self) -> Duration {
        (self.orphan / 3).clamp(Duration::from_secs(1), SIGN_OF_LIFE)
    }

    /// A new host.
    pub fn obtain(&self, stop: &Stop) -> Result<Entry, Trouble> {
        // Before there is a lease: `reap` could not end it either.
        self.backend.program().map_or(Ok(()), program::look_for)?;
        let token = self.ledger.new_token().map_err(Trouble::lasting)?;
        self.ledger.intend(&self.intent(&token)).map_err(Trouble::lasting)?;
        let made = self.create(&token, stop).and_then(|made| {
            fault::point("created");
            self.write_down(&token, made)
        });
        made.inspect_err(|_| {
            if let Err(trouble) = self.give_back(&token) {
                log::warn!("{token}: {trouble}; `atex-provision reap` will try again");
            }
        })
    }

    fn intent(&self, token: &str) -> Entry {
        let now = atex_cli::now();
        Entry {
            token: token.to_owned(),
            backend: self.kind.name.to_owned(),
            at: self.backend.at(),
            state: State::Creating,
            owner: self.owner.clone(),
            holder: Some(Holder::me().clone()),
            since: now,
            until: self.ttl.map(|ttl| later(now, ttl)),
            changed: now,
            orphan_seconds: self.orphan.as_secs(),
            id: None,
            resource: None,
            host: None,
        }
    }

    fn create(&self, token: &str, stop: &Stop) -> Result<crate::backends::Made, Trouble> {
        let note = |resource: &str, host: Option<&Host>| self.note(token, resource, host);
        let order = Order {
            token,
            owner: &self.owner,
            ttl: self.ttl,
            looked_after: self.looked_after,
            orphan: self.orphan,
            stop,
            note: &note,
        };
        let mut tries = 0;
        loop {
            let trouble = match self.backend.create(&order) {
                Ok(made) => return Ok(made),
                Err(trouble) => trouble,
            };
            tries += 1;
            let Some(pause) = trouble.after.filter(|_| tries < PATIENCE) else { return Err(trouble) };
            log::info!("{token}: {trouble}; trying again in {} s", pause.as_secs_f64());
            turns::rest(pause);
            // What the first try may have left would be doubled by the second.
            self.clear(token)?;
            if stop.sleep(pause) {
                return Err(Trouble::stopped());
            }
        }
    }

    fn clear(&self, token: &str) -> Result<(), Trouble> {
        let entry = self.ledger.get(token).map_err(Trouble::lasting)?;
        entry.map_or(Ok(()), |entry| free(&*self.backend, &entry))
    }

    fn note(&self, token: &str, resource: &str, host: Option<&Host>) -> Result<(), Trouble> {
        let noted = self.ledger.change(token, |entry| {
            entry.resource = Some(resource.to_owned());
            entry.host = host.and_then(|host| serde_json::to_value(host).ok());
            true
        });
        noted.map_err(Trouble::lasting)?.map(|_| ()).ok_or_else(|| gone(token))
    }

    fn write_down(&self, token: &str, made: crate::backends::Made) -> Result<Entry, Trouble> {
        let held = self.ledger.change(token, |entry| {
            entry.state = State::Held;
            entry.resource = made.resource.or(entry.resource.take());
            entry.until = made.until.or(entry.until);
            entry.id = Some(made.host.id.clone());
            entry.host = serde_json::to_value(self.record(made.host, entry)).ok();
            true
        });
        held.map_err(Trouble::lasting)?.ok_or_else(|| gone(token))
    }

    fn record(&self, mut host: Host, entry: &Entry) -> Host {
        host.platform = host.platform.or_else(|| self.platform.clone());
        host.lease = Some(Lease {
            token: entry.token.clone(),
            provisioner: Some(entry.backend.clone()),
            resource: entry.resource.clone(),
            until: entry.until,
        });
        host
    }

    /// Leaves a lease to itself: from now on it ends by `release` or by its time.
    pub fn leave(&self, token: &str) -> Result<(), Failure> {
        self.ledger
            .change(token, |entry| {
                entry.holder = None;
                true
            })
            .map(|_| ())
    }

    /// Gives it back, and strikes it out once it is gone. One that is not in the ledger has been given back.
    pub fn give_back(&self, token: &str) -> Result<(), Trouble> {
        let result = give_back(&self.ledger, &*self.backend, token);
        self.backend.forget(token);
        result
    }

    /// Takes charge of a host that an earlier process got.
    pub fn adopt(&self, host: &Host) -> Result<Entry, Trouble> {
        let token = host.lease.as_ref().map(|lease| lease.token.as_str());
        let token = token.ok_or_else(|| Trouble::lasting(format!("{}: it has no lease", host.id)))?;
        let mut why = "its lease has ended";
        let adopted = self.ledger.change(token, |entry| {
            let lives = |holder: &Holder| holder != Holder::me() && holder.life() == Life::Lives;
            if entry.backend != self.kind.name || entry.at != self.backend.at() {
                why = "its lease is of another provider";
            } else if entry.state != State::Held {
                why = "it is being given back";
            } else if entry.holder.as_ref().is_some_and(lives) {
                why = "another process looks after it";
            } else {
                entry.holder = Some(Holder::me().clone());
                entry.owner = self.owner.clone();
                return true;
            }
            false
        });
        let refused = || Trouble::lasting(format!("{}: {why}", host.id));
        let entry = adopted.map_err(Trouble::lasting)?.ok_or_else(refused)?;
        match self.backend.adopt(&entry) {
            Ok(false) => {
                self.give_back(token)?;
                Err(Trouble::lasting(format!("{}: it is gone", host.id)))
            }
            // A provider that cannot be asked is no reason to give a host up.
            _ => Ok(entry),
        }
    }

    /// The lease of a host that we look after, unless somebody else has given it back: then nobody may use the host any more.
    pub fn ours(&self, token: &str) -> Result<Entry, Trouble> {
        let entry = self.ledger.get(token).map_err(Trouble::passing)?;
        let ours =
            entry.filter(|entry| entry.state == State::Held && entry.holder.as_ref() == Some(Holder::me()));
        ours.ok_or_else(|| Trouble::lasting("its lease was given back by somebody else"))
    }

    /// Says that somebody looks after it, where the provider wants to hear that.
    pub fn beat(&self, token: &str) -> Result<(), Trouble> {
        self.backend.beat(&self.ours(token)?)
    }

    /// Keeps it until then; gives when it really ends.
    pub fn extend(&self, token: &str, until: Time) -> Result<Entry, Trouble> {
        let entry = self.ledger.get(token).map_err(Trouble::lasting)?.ok_or_else(|| gone(token))?;
        self.backend.extend(&entry, until)?;
        let changed = self.ledger.change(token, |entry| {
            entry.until = Some(until);
            true
        });
        changed.map_err(Trouble::lasting)?.ok_or_else(|| gone(token))
    }
}

fn gone(token: &str) -> Trouble {
    Trouble::lasting(format!("{token}: it has been taken out of the ledger meanwhile"))
}

/// Gives a lease back, and strikes it out once it is gone.
pub(crate) fn give_back(ledger: &Ledger, backend: &dyn Backend, token: &str) -> Result<(), Trouble> {
    let releasing = ledger.change(token, |entry| {
        entry.state = State::Releasing;
        entry.holder = Some(Holder::me().clone());
        true
    });
    let Some(entry) = releasing.map_err(Trouble::passing)? else { return Ok(()) };
    if let Err(trouble) = free(backend, &entry) {
        // Nobody is at it any more, though we may live for long: so `reap` may try.
        let left = ledger.change(token, |entry| {
            entry.holder = None;
            true
        });
        left.map_err(Trouble::passing)?;
        return Err(trouble);
    }
    ledger.forget(token).map_err(Trouble::passing)
}

/// Has the provider release what bears the token of a lease, until it says that nothing does.
pub(crate) fn free(backend: &dyn Backend, entry: &Entry) -> Result<(), Trouble> {
    let host = entry.host.clone().and_then(|host| serde_json::from_value::<Host>(host).ok());
    let named = Held {
        token: entry.token.clone(),
        resource: entry.resource.clone(),
        way: host.map(|host| host.connect),
    };
    let known = entry.resource.is_some().then(|| vec![named]);
    free_all(backend, known, || backend.holds(entry))
}

/// The same for what was found without a lease.
pub(crate) fn free_stray(backend: &dyn Backend, held: &Held) -> Result<(), Trouble> {
    free_all(backend, Some(vec![held.clone()]), || backend.strays(&held.token))
}

fn free_all(
    backend: &dyn Backend,
    mut known: Option<Vec<Held>>,
    ask: impl Fn() -> Result<Vec<Held>, Trouble>,
) -> Result<(), Trouble> {
    let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        let told = known.is_some();
        let held = known.take().unwrap_or_default();
        let mut released = held.iter().try_for_each(|each| backend.release(each));
        fault::point("released");
        let found = ask();
        match &found {
            Ok(found) if found.is_empty() && released.is_ok() => return Ok(()),
            // A provider that refuses, and has nothing, may be the wrong one, or may not show everything.
            Ok(found) if found.is_empty() => known = Some(held),
            Ok(held) => {
                known = Some(held.clone());
                if !told {
                    continue;
                }
                if released.is_ok() {
                    let names = held.iter().map(|each| each.resource.as_deref().unwrap_or(&each.token));
                    let names = names.collect::<Vec<_>>().join(", ");
                    released = Err(Trouble::passing(format!("{names}: still there after it was released")));
                }
            }
            Err(trouble) => released = Err(trouble.clone()),
        }
        let Err(trouble) = released else { continue };
        let wait = trouble.after.unwrap_or(pause);
        if !trouble.again || begun.elapsed() + wait > GIVE_UP {
            return Err(trouble);
        }
        log::debug!("{trouble}; trying again in {} s", wait.as_secs_f64());
        if let Some(pause) = trouble.after {
            turns::rest(pause);
        }
        std::thread::sleep(wait);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A point in time that is so much later.
pub(crate) fn later(time: Time, by: Duration) -> Time {
    Time(time.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}
