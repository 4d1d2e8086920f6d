//! Many things done at once: each by a thread, so many at a time, while the caller hears of each as it ends.
//!
//! What is to be done may come one after another, as a stream does; what comes between passes by at once.

use std::collections::{BTreeMap, VecDeque};
use std::thread::Builder;
use std::time::{Duration, Instant};

use atex_cli::{Failure, input::Lines};
use atex_model::LineError;
use crossbeam_channel::{Receiver, Sender, at, bounded, never, select, unbounded};
use nix::sys::signal::Signal;

/// What a thread that waits for a provider or a host needs of stack.
pub(crate) const STACK: usize = 512 << 10;

/// The most that is done at once; each has a thread.
pub(crate) const MOST: usize = 1000;

/// What comes in.
pub(crate) enum Item<T> {
    /// Something to be done.
    Work(T),
    /// A line that is handed on.
    Other(String),
    /// What cannot be read.
    Wrong(Failure),
}

/// What the caller hears of.
pub(crate) enum Event<R> {
    /// Something has been done.
    Done(R),
    /// A line that is handed on.
    Other(String),
    /// What cannot be read.
    Wrong(Failure),
    /// We are told to end.
    Signal(Signal),
}

/// How much is done at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places {
    pub at_once: usize,
    /// What takes longer than this is waited for all the same, and takes no place any more: so what hangs does not keep the
    /// rest from being begun.
    pub patience: Option<Duration>,
}

impl Places {
    /// So many at once, however long each takes.
    pub fn of(at_once: usize) -> Places {
        Places { at_once, patience: None }
    }

    /// When something that was begun then takes no place any more.
    fn ends(self, begun: Instant) -> Option<Instant> {
        begun.checked_add(self.patience?)
    }
}

/// Those who work.
pub(crate) struct Crowd<'a, T, R> {
    /// None: nothing more comes.
    input: Option<Receiver<Item<T>>>,
    signals: Receiver<Signal>,
    waiting: VecDeque<T>,
    places: Places,
    /// What is being done, by number, and when it was begun.
    busy: BTreeMap<u64, Instant>,
    begun: u64,
    threads: usize,
    tasks: Sender<(u64, T)>,
    results: Receiver<(u64, R)>,
    /// Starts another thread; `false`: there is none to be had.
    start: &'a mut dyn FnMut() -> bool,
    work: &'a dyn Fn(T) -> R,
}

/// Has `work` done with all that comes, as much at once as there are places. `attend` is called with what has to be asked for events until there
/// is none any more.
pub(crate) fn crowd<T: Send, R: Send, O>(
    (input, signals): (Receiver<Item<T>>, Receiver<Signal>),
    places: Places,
    work: impl Fn(T) -> R + Sync,
    attend: impl FnOnce(&mut Crowd<'_, T, R>) -> O,
) -> O {
    let (tasks, todo) = unbounded::<(u64, T)>();
    let (to, results) = unbounded();
    std::thread::scope(|scope| {
        let mut start = || {
            let (todo, to, work) = (todo.clone(), to.clone(), &work);
            let worker =
                move || todo.into_iter().try_for_each(|(number, task)| to.send((number, work(task))));
            Builder::new().stack_size(STACK).spawn_scoped(scope, worker).is_ok()
        };
        let mut crowd = Crowd {
            input: Some(input),
            signals,
            waiting: VecDeque::new(),
            places,
            busy: BTreeMap::new(),
            begun: 0,
            threads: 0,
            tasks,
            results,
            start: &mut start,
            work: &work,
        };
        // With it the sender of tasks goes away, and so do the threads.
        attend(&mut crowd)
    })
}

impl<T, R> Crowd<'_, T, R> {
    /// Waits for the next event; `None`: all has come in, and all has been done.
    pub fn next(&mut self) -> Option<Event<R>> {
        let nothing = never();
        loop {
            if let Some(result) = self.hand_out() {
                return Some(Event::Done(result));
            }
            if self.input.is_none() && self.busy.is_empty() {
                return None;
            }
            let place = self.next_place().map_or_else(never, at);
            select! {
                recv(self.input.as_ref().unwrap_or(&nothing)) -> item => match item {
                    Ok(Item::Work(task)) => self.waiting.push_back(task),
                    Ok(Item::Other(line)) => return Some(Event::Other(line)),
                    Ok(Item::Wrong(failure)) => return Some(Event::Wrong(failure)),
                    Err(_) => self.input = None,
                },
                recv(self.results) -> result => {
                    // The other end is held by whoever starts threads.
                    let (number, result) = result.ok()?;
                    self.busy.remove(&number);
                    return Some(Event::Done(result));
                }
                recv(place) -> _ => {}
                recv(self.signals) -> signal => match signal {
                    Ok(signal) => return Some(Event::Signal(signal)),
                    Err(_) => self.signals = never(),
                },
            }
        }
    }

    /// Takes nothing more in; what has come is done.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Begins nothing more; gives what has not been begun.
    pub fn close(&mut self) -> Vec<T> {
        self.input = None;
        self.waiting.drain(..).collect()
    }

    /// Gives out what there is room for. A result: there are no threads, and one was done here.
    fn hand_out(&mut self) -> Option<R> {
        while self.has_place()
            && let Some(task) = self.waiting.pop_front()
        {
            if self.busy.len() == self.threads && (self.start)() {
                self.threads += 1;
            }
            if self.threads == 0 {
                return Some((self.work)(task));
            }
            self.begun += 1;
            self.busy.insert(self.begun, Instant::now());
            // A thread has the other end.
            let _ = self.tasks.send((self.begun, task));
        }
        None
    }

    fn has_place(&self) -> bool {
        let now = Instant::now();
        let takes_a_place = |begun: &&Instant| self.places.ends(**begun).is_none_or(|end| end > now);
        let taken = self.busy.values().filter(takes_a_place).count();
        taken < self.places.at_once.clamp(1, MOST) && self.busy.len() < MOST
    }

    /// When there is place for something that waits, if nothing is done until then.
    fn next_place(&self) -> Option<Instant> {
        let now = Instant::now();
        let is_wanted = !self.waiting.is_empty() && self.busy.len() < MOST;
        // What was begun first is the first whose time ends.
        let mut ends = self.busy.values().filter_map(|begun| self.places.ends(*begun));
        ends.find(|end| *end > now).filter(|_| is_wanted)
    }
}

/// What the lines of standard input say, as they come.
pub(crate) fn stdin<T: Send + 'static>(
    sort: impl Fn(&str) -> Result<Item<T>, LineError> + Send + 'static,
) -> Receiver<Item<T>> {
    /// More is not read ahead of what is handed on.
    const AHEAD: usize = 100;
    let (to, items) = bounded(AHEAD);
    std::thread::spawn(move || {
        let mut lines = Lines::stdin();
        while !lines.is_spent() {
            let next = match lines.next_line() {
                Ok(None) => return,
                Ok(Some(line)) => sort(line.text).unwrap_or_else(|error| Item::Wrong(line.fault(&error))),
                Err(failure) => Item::Wrong(failure),
            };
            if to.send(next).is_err() {
                return;
            }
        }
    });
    items
}

/// Does something with each, as many at once as can be, and gives the results in order.
pub(crate) fn each_at_once<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let (to, input) = unbounded();
    for item in items.into_iter().enumerate() {
        // The other end is here.
        let _ = to.send(Item::Work(item));
    }
    drop(to);
    let mut results = Vec::new();
    crowd(
        (input, never()),
        Places::of(MOST),
        |(number, item)| (number, work(item)),
        |crowd| {
            while let Some(event) = crowd.next() {
                if let Event::Done(result) = event {
                    results.push(result);
                }
            }
        },
    );
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has a word said for each number; those below `hanging` are done only when all others are.
    fn said(places: Places, all: u32, hanging: u32) -> Vec<u32> {
        let (to, input) = unbounded();
        (0..all).for_each(|number| to.send(Item::Work(number)).unwrap());
        drop(to);
        let (done, others) = unbounded::<()>();
        let work = |number| {
            if number < hanging {
                // Until nobody is left who could say something.
                let _ = others.recv();
            }
            number
        };
        crowd((input, never()), places, work, |crowd| {
            let (mut all_done, mut done) = (Vec::new(), Some(done));
            while let Some(event) = crowd.next() {
                let Event::Done(number) = event else { continue };
                all_done.push(number);
                if all_done.len() as u32 == all - hanging {
                    done = None;
                }
            }
            drop(done);
            all_done
        })
    }

    #[test]
    fn what_hangs_takes_no_place_for_long() {
        let places = Places { at_once: 2, patience: Some(Duration::from_millis(1)) };
        let order = said(places, 20, 10);
        assert!(order[..10].iter().all(|number| *number >= 10), "{order:?}");
        assert_eq!(order.len(), 20);
    }

    #[test]
    fn so_much_is_done_at_once_and_no_more() {
        let (to, input) = unbounded();
        (0..20).for_each(|number| to.send(Item::Work(number)).unwrap());
        drop(to);
        let now = std::sync::atomic::AtomicUsize::new(0);
        let work = |_: u32| {
            let before = now.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            std::thread::yield_now();
            now.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
            before
        };
        let mut most = 0;
        crowd((input, never()), Places::of(3), work, |crowd| {
            while let Some(event) = crowd.next() {
                if let Event::Done(others) = event {
                    most = most.max(others + 1);
                }
            }
        });
        assert!((1..=3).contains(&most), "{most}");
    }
}
