//! Hosts as they are asked for: the other end of what atex-exec says to a provisioner.
//!
//! One loop owns the [`Pool`](pool::Pool) and the output. Whatever waits for a provider is a thread, which reports to it.

mod input;
mod pool;

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use atex_cli::output::{Output, OutputError};
use atex_cli::{Exit, Failure, input::reason, signals};
use atex_model::protocol::{
    Hello, HelloTag, HostGone, HostGoneTag, Pending, PendingTag, ProvisionFailed, ProvisionFailedTag,
    Released, ReleasedTag,
};
use atex_model::{Host, Time};
use crossbeam_channel::{Receiver, Sender, after, select, unbounded};

use crate::backends::Gives;
use crate::crowd::{MOST, STACK};
use crate::lease::{Leasing, later};
use crate::ledger::Entry;
use crate::stop::{Stop, Stopper};
use crate::trouble::Trouble;
use crate::{TOOL, Terms};
use input::Message;
use pool::{Fate, Pool, Ready};

/// What a thread reports.
enum News {
    Obtained(Result<Entry, Trouble>),
    GivenBack { id: String, told: bool, result: Result<(), Trouble> },
    Adopted(Box<Host>, Result<Entry, Trouble>),
    Extended { id: String, result: Result<Entry, Trouble> },
    Beaten { id: String, token: String, result: Result<(), Trouble> },
}

/// Why there is an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// All is given back.
    Shutdown,
    /// The owner died: what there is stays for it, should it come back.
    Orphaned,
}

/// Talks until the other end has had enough, then gives everything back, or keeps it for a resumed run.
pub(crate) fn serve<W: Write>(
    leasing: &Leasing,
    terms: &Terms,
    out: &mut Output<W>,
) -> Result<Exit, Failure> {
    let signals = signals::channel(&signals::ENDING).map_err(Failure::trouble)?;
    let messages = input::read();
    let (to, news) = unbounded();
    let gives = leasing.backend.gives(leasing.orphan)?;
    let max = most(&gives, terms);
    let (stopper, stop) = Stop::new();
    let now = Instant::now();
    let mut server = Server {
        leasing,
        terms,
        pool: Pool::new(max),
        out,
        to,
        stopper: Some(stopper),
        stop,
        ending: None,
        is_signalled: false,
        busy: 0,
        leaving: HashMap::new(),
        said_pending: 0,
        exit: Exit::Done,
        beat: gives.beat,
        changes: gives.changes,
        extends: gives.extends && terms.ttl.is_none(),
        next_sign: now + leasing.sign_of_life(),
        next_beat: gives.beat.map(|every| now + every),
        next_look: gives.changes.map(|every| now + every),
    };
    server.greet(gives);
    server.talk(&messages, &news, &signals);
    Ok(server.exit)
}

/// How many hosts there can be at most.
fn most(gives: &Gives, terms: &Terms) -> Option<u64> {
    [gives.max, terms.hosts.map(u64::from).or(gives.usual)].into_iter().flatten().min()
}

struct Server<'a, W: Write> {
    leasing: &'a Leasing,
    terms: &'a Terms,
    pool: Pool,
    out: &'a mut Output<W>,
    to: Sender<News>,
    stopper: Option<Stopper>,
    stop: Stop,
    ending: Option<Ending>,
    /// We were told to end by a signal.
    is_signalled: bool,
    /// How many threads are at work.
    busy: u64,
    /// The hosts that are being given back, and what was obtained under their ids meanwhile: standing hosts keep their ids,
    /// and `released` is said of the lease before.
    leaving: HashMap<String, Vec<Entry>>,
    said_pending: u64,
    exit: Exit,
    beat: Option<Duration>,
    changes: Option<Duration>,
    /// Whether hosts are kept by moving the provider's limit of time, again and again.
    extends: bool,
    next_sign: Instant,
    next_beat: Option<Instant>,
    next_look: Option<Instant>,
}

impl<W: Write> Server<'_, W> {
    fn talk(
        &mut self,
        messages: &Receiver<Result<Message, Failure>>,
        news: &Receiver<News>,
        signals: &Receiver<nix::sys::signal::Signal>,
    ) {
        let nothing = crossbeam_channel::never();
        let mut messages = messages;
        loop {
            let begun = self.pool.begin(MOST as u64);
            (0..begun).for_each(|_| self.obtain());
            self.say_pending();
            if self.ending.is_some() && self.busy == 0 {
                return;
            }
            select! {
                recv(messages) -> message => match message {
                    Ok(Ok(message)) => self.hear(message),
                    Ok(Err(failure)) => {
                        failure.report(TOOL);
                        self.exit = self.exit.max(failure.kind.exit());
                        messages = &nothing;
                        self.end(Ending::Shutdown);
                    }
                    Err(_) => {
                        messages = &nothing;
                        self.end(Ending::Orphaned);
                    }
                },
                recv(news) -> news => if let Ok(news) = news { self.learn(news) },
                recv(signals) -> signal => if let Ok(signal) = signal {
                    self.signalled(Exit::Signal(signal as u8));
                },
                recv(after(self.until_next())) -> _ => self.tick(),
            }
        }
    }

    // ---- What we are told ----

    fn signalled(&mut self, exit: Exit) {
        if std::mem::replace(&mut self.is_signalled, true) {
            log::error!("ended before all was done; `atex-provision reap` does the rest");
            std::process::exit(i32::from(exit.code()));
        }
        if self.ending == Some(Ending::Shutdown) {
            log::warn!("all is being given back; another signal ends this at once");
        } else {
            self.exit = self.exit.max(exit);
            self.end(Ending::Orphaned);
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Want(hosts) => {
                self.look();
                self.pool.want(hosts);
            }
            Message::Release(id) => self.release(&id),
            Message::Extend(id, until) => self.extend(&id, until),
            Message::Adopt(host) => {
                let (leasing, of_it) = (self.leasing.clone(), host.clone());
                self.begin(move || leasing.adopt(&of_it), |adopted| News::Adopted(host, adopted));
            }
            Message::Shutdown => self.end(Ending::Shutdown),
        }
    }

    fn obtain(&mut self) {
        let (leasing, stop) = (self.leasing.clone(), self.stop.clone());
        self.begin(move || leasing.obtain(&stop), News::Obtained);
    }

    fn release(&mut self, id: &str) {
        match self.pool.leave(id) {
            Some(ready) => self.give_back(id, ready.token, true),
            None => match self.of_an_earlier_one(id) {
                Some(token) => self.give_back(id, token, true),
                None => self.say(&Released { kind: ReleasedTag, id: id.to_owned() }),
            },
        }
    }

    /// The lease of a host that an earlier instance handed out.
    fn of_an_earlier_one(&self, id: &str) -> Option<String> {
        let (entries, _) = self.leasing.ledger.all().ok()?;
        let mut entries = entries.into_iter().map(|known| known.entry);
        let of_ours = |entry: &Entry| {
            entry.id.as_deref() == Some(id)
                && entry.backend == self.leasing.kind.name
                && entry.owner == self.leasing.owner
        };
        entries.find(of_ours).map(|entry| entry.token)
    }

    fn give_back(&mut self, id: &str, token: String, told: bool) {
        let (leasing, id) = (self.leasing.clone(), id.to_owned());
        if told {
            self.leaving.entry(id.clone()).or_default();
        }
        self.begin(move || leasing.give_back(&token), move |result| News::GivenBack { id, told, result });
    }

    fn extend(&mut self, id: &str, until: Time) {
        let Some(ready) = self.pool.ready.get(id) else {
            log::warn!("{id}: there is no such host to extend");
            return;
        };
        let (leasing, id, token) = (self.leasing.clone(), id.to_owned(), ready.token.clone());
        self.begin(move || leasing.extend(&token, until), |result| News::Extended { id, result });
    }

    fn end(&mut self, ending: Ending) {
        if self.ending == Some(Ending::Shutdown) {
            // What comes after it, such as the end of the input, takes nothing back of it.
            return;
        }
        self.pool.closed = true;
        self.stopper = None;
        self.ending = Some(ending);
        let all: Vec<(String, Ready)> = self.pool.ready.drain(..).collect();
        if ending == Ending::Shutdown {
            all.into_iter().for_each(|(id, ready)| self.give_back(&id, ready.token, true));
        } else {
            // From now on they are orphans.
            self.leasing.ledger.touch();
            if !all.is_empty() {
                log::warn!("{} hosts are kept for a resumed run; after that `reap` frees them", all.len());
            }
        }
    }

    // ---- What threads report ----

    /// Has a thread do something, and reports what has come of it in any case: whoever ends waits for all reports.
    fn begin<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
        report: impl FnOnce(Result<T, Trouble>) -> News + Send + 'static,
    ) {
        self.busy += 1;
        // Whoever gets to do it takes it: the thread, or we.
        let task = Arc::new(Mutex::new(Some((work, report))));
        let take = |task: &Mutex<Option<_>>| task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (to, of_thread) = (self.to.clone(), Arc::clone(&task));
        let run = move || {
            if let Some((work, report)) = take(&of_thread) {
                let _ = to.send(report(without_panic(work)));
            }
        };
        if let Err(e) = std::thread::Builder::new().stack_size(STACK).spawn(run)
            && let Some((_, report)) = take(&task)
        {
            let trouble = Trouble::passing(format!("a thread cannot be started: {}", reason(&e)));
            let _ = self.to.send(report(Err(trouble)));
        }
    }

    fn not_obtained(&mut self, trouble: Trouble) {
        self.pool.failed();
        self.say_failed(trouble);
    }

    fn say_failed(&mut self, trouble: Trouble) {
        if self.ending.is_none() {
            let (note, retry) = (Some(trouble.message), trouble.again);
            self.say(&ProvisionFailed { kind: ProvisionFailedTag, count: 1, note, retry });
        }
    }

    fn learn(&mut self, news: News) {
        self.busy -= 1;
        match news {
            News::Obtained(Ok(entry)) => self.obtained(entry),
            News::Obtained(Err(trouble)) => self.not_obtained(trouble),
            News::GivenBack { id, told, result } => self.given_back(id, told, result),
            News::Adopted(_, Ok(entry)) => self.adopted(entry),
            News::Adopted(host, Err(trouble)) => self.gone(host.id, trouble.message),
            News::Extended { id, result } => match (self.pool.ready.get_mut(&id), result) {
                (Some(ready), Ok(entry)) => ready.until = entry.until,
                (None, Ok(_)) => {}
                (_, Err(trouble)) => log::warn!("{id}: it cannot be kept longer: {trouble}"),
            },
            News::Beaten { id, token, result: Err(trouble) } if !trouble.again => {
                self.lost(id, token, trouble)
            }
            News::Beaten { id, result: Err(trouble), .. } => log::info!("{id}: {trouble}"),
            News::Beaten { .. } => {}
        }
    }

    fn given_back(&mut self, id: String, told: bool, result: Result<(), Trouble>) {
        let next = told.then(|| self.leaving.remove(&id)).flatten();
        match result {
            Ok(()) if told => self.say(&Released { kind: ReleasedTag, id }),
            Ok(()) => {}
            Err(trouble) => {
                log::error!("{id}: {trouble}; `atex-provision reap` will try again");
                self.exit = self.exit.max(Exit::Trouble);
            }
        }
        next.into_iter().flatten().for_each(|entry| self.obtained(entry));
    }

    fn obtained(&mut self, entry: Entry) {
        let (id, ready) = ready(&entry);
        if let Some(after) = self.leaving.get_mut(&id) {
            return after.push(entry);
        }
        let fate = self.pool.created(&id, ready);
        if fate == Fate::Twice {
            // It is not tried again unasked: the next one may well have the same id.
            self.pool.spoilt();
            self.say_failed(twice(&id));
        }
        self.decide(&id, &entry, fate);
    }

    fn decide(&mut self, id: &str, entry: &Entry, fate: Fate) {
        match fate {
            Fate::HandedOut => self.hand_out(entry),
            Fate::Unwanted | Fate::Twice => self.give_back(id, entry.token.clone(), false),
        }
    }

    fn adopted(&mut self, entry: Entry) {
        if self.ending == Some(Ending::Shutdown) {
            return self.give_back(&entry.id.clone().unwrap_or_default(), entry.token, true);
        }
        let (id, ready) = ready(&entry);
        let fate = self.pool.adopted(&id, ready);
        if fate == Fate::Twice {
            self.say_failed(twice(&id));
        }
        self.decide(&id, &entry, fate);
    }

    fn hand_out(&mut self, entry: &Entry) {
        if let Some(host) = &entry.host {
            self.say(host);
        }
    }

    fn gone(&mut self, id: String, note: String) {
        self.say(&HostGone { kind: HostGoneTag, id, note: Some(note), lease: None });
    }

    // ---- Time ----

    fn until_next(&self) -> Duration {
        let now = Instant::now();
        let others = self.next_beat.into_iter().chain(self.next_look);
        let next = others.fold(self.next_sign, Instant::min);
        let clock = atex_cli::now();
        let ends = self.pool.ready.values().filter_map(|ready| ready.until).min();
        let ends = ends.map(|end| Duration::from_millis(u64::try_from(end.0 - clock.0).unwrap_or(0)));
        let next = next.saturating_duration_since(now);
        ends.map_or(next, |ends| ends.min(next))
    }

    fn tick(&mut self) {
        let now = Instant::now();
        for id in self.pool.expired(atex_cli::now()) {
            if let Some(ready) = self.pool.leave(&id) {
                self.gone(id.clone(), "its time is over".to_owned());
                self.give_back(&id, ready.token, false);
            }
        }
        if now >= self.next_sign {
            self.next_sign = now + self.leasing.sign_of_life();
            self.sign_of_life();
            self.keep();
        }
        if let (Some(every), Some(next)) = (self.beat, self.next_beat)
            && now >= next
        {
            self.next_beat = Some(now + every);
            self.beat();
        }
        if self.next_look.is_some_and(|next| now >= next) {
            self.look();
        }
    }

    /// Looks how many hosts there can be now, and says so if that has changed: whoever asks for hosts asks for no more than
    /// there can be.
    fn look(&mut self) {
        let Some(every) = self.changes else { return };
        self.next_look = Some(Instant::now() + every);
        // A list that cannot be read has been complained about, and counts as it was.
        let Ok(gives) = self.leasing.backend.gives(self.leasing.orphan) else { return };
        let max = most(&gives, self.terms);
        if max != std::mem::replace(&mut self.pool.max, max) && self.ending.is_none() {
            self.greet(gives);
        }
    }

    /// Moves the limits of time that come near, as long as we live.
    fn keep(&mut self) {
        if !self.extends {
            return;
        }
        let now = atex_cli::now();
        let near = |ready: &Ready| ready.until.is_some_and(|until| until < later(now, NEAR));
        let near: Vec<String> =
            self.pool.ready.iter().filter(|(_, ready)| near(ready)).map(|(id, _)| id.clone()).collect();
        near.iter().for_each(|id| self.extend(id, later(now, KEEP)));
    }

    fn beat(&mut self) {
        let ready = self.pool.ready.iter().map(|(id, ready)| (id.clone(), ready.token.clone()));
        for (id, token) in ready.collect::<Vec<_>>() {
            let (leasing, of_it) = (self.leasing.clone(), token.clone());
            self.begin(move || leasing.beat(&of_it), |result| News::Beaten { id, token, result });
        }
    }

    /// Says that we live, and sees whether what we look after is still ours.
    fn sign_of_life(&mut self) {
        let lost = |(id, ready): (&String, &Ready)| match self.leasing.ours(&ready.token) {
            Err(trouble) if !trouble.again => Some((id.clone(), ready.token.clone(), trouble)),
            _ => None,
        };
        let lost: Vec<_> = self.pool.ready.iter().filter_map(lost).collect();
        for (id, token, trouble) in lost {
            self.lost(id, token, trouble);
        }
        self.leasing.ledger.touch();
    }

    /// A host that we had is not ours any more.
    fn lost(&mut self, id: String, token: String, trouble: Trouble) {
        // Meanwhile there may be another one of this id.
        if self.pool.ready.get(&id).is_some_and(|ready| ready.token == token) {
            self.pool.leave(&id);
            self.gone(id.clone(), trouble.message);
            self.give_back(&id, token, false);
        }
    }

    // ---- What we say ----

    fn greet(&mut self, gives: Gives) {
        // What is under way is told of anew after each greeting.
        self.said_pending = 0;
        self.say(&Hello {
            kind: HelloTag,
            provisioner: Some(self.leasing.kind.name.to_owned()),
            platform: self.terms.platform.clone(),
            facts: gives.facts,
            max: self.pool.max,
            adopt: true,
            extend: gives.extends,
        });
    }

    fn say_pending(&mut self) {
        let hosts = self.pool.pending();
        if hosts != self.said_pending && self.ending.is_none() {
            self.said_pending = hosts;
            self.say(&Pending { kind: PendingTag, hosts });
        }
    }

    fn say(&mut self, record: &impl serde::Serialize) {
        if let Err(error) = self.out.record(record).and_then(|()| self.out.flush())
            && self.ending.is_none()
        {
            if matches!(error, OutputError::Failed(_)) {
                Failure::from(error).report(TOOL);
            }
            self.exit = self.exit.max(Exit::Trouble);
            // Nobody is there any more: as if the input had ended.
            self.end(Ending::Orphaned);
        }
    }
}

/// What comes of some work; a panic, which is a bug of ours, is trouble like other.
fn without_panic<T>(work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    done.unwrap_or_else(|_| Err(Trouble::passing("this program is at fault (a thread has panicked)")))
}

/// A host as the pool knows it, with its id.
fn ready(entry: &Entry) -> (String, Ready) {
    let id = entry.id.clone().unwrap_or_else(|| entry.token.clone());
    (id, Ready { token: entry.token.clone(), until: entry.until })
}

fn twice(id: &str) -> Trouble {
    Trouble::lasting(format!("{id}: there is a host of this id already; each needs one of its own"))
}

/// A provider's limit of time that is nearer than this is moved …
const NEAR: Duration = Duration::from_secs(4 * 3600);
/// … to this.
const KEEP: Duration = Duration::from_secs(12 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_reported_as_trouble() {
        assert_eq!(without_panic(|| Ok(1)), Ok(1));
        let trouble = without_panic(|| if true { panic!("a test's") } else { Ok(1) }).unwrap_err();
        assert!(trouble.message.contains("panicked"), "{trouble}");
    }
}
