//! Many things done at once: each by a thread, so many at a time, while the caller hears of each as it ends.
//!
//! What is to be done may come one after another, as a stream does; what comes between passes by at once.

use std::collections::VecDeque;
use std::thread::Builder;

use atex_cli::{Failure, input::Lines};
use atex_model::LineError;
use crossbeam_channel::{Receiver, Sender, bounded, never, select, unbounded};
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

/// Those who work.
pub(crate) struct Crowd<'a, T, R> {
    /// None: nothing more comes.
    input: Option<Receiver<Item<T>>>,
    signals: Receiver<Signal>,
    waiting: VecDeque<T>,
    at_once: usize,
    busy: usize,
    threads: usize,
    tasks: Sender<T>,
    results: Receiver<R>,
    /// Starts another thread; `false`: there is none to be had.
    start: &'a mut dyn FnMut() -> bool,
    work: &'a dyn Fn(T) -> R,
}

/// Has `work` done with all that comes, so many at once. `attend` is called with what has to be asked for events until there
/// is none any more.
pub(crate) fn crowd<T: Send, R: Send, O>(
    (input, signals): (Receiver<Item<T>>, Receiver<Signal>),
    at_once: usize,
    work: impl Fn(T) -> R + Sync,
    attend: impl FnOnce(&mut Crowd<'_, T, R>) -> O,
) -> O {
    let (tasks, todo) = unbounded::<T>();
    let (to, results) = unbounded();
    std::thread::scope(|scope| {
        let mut start = || {
            let (todo, to, work) = (todo.clone(), to.clone(), &work);
            let worker = move || todo.into_iter().map(work).try_for_each(|result| to.send(result));
            Builder::new().stack_size(STACK).spawn_scoped(scope, worker).is_ok()
        };
        let mut crowd = Crowd {
            input: Some(input),
            signals,
            waiting: VecDeque::new(),
            at_once: at_once.clamp(1, MOST),
            busy: 0,
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
            if self.input.is_none() && self.busy == 0 {
                return None;
            }
            select! {
                recv(self.input.as_ref().unwrap_or(&nothing)) -> item => match item {
                    Ok(Item::Work(task)) => self.waiting.push_back(task),
                    Ok(Item::Other(line)) => return Some(Event::Other(line)),
                    Ok(Item::Wrong(failure)) => return Some(Event::Wrong(failure)),
                    Err(_) => self.input = None,
                },
                recv(self.results) -> result => {
                    self.busy -= 1;
                    return result.ok().map(Event::Done);
                }
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
        while self.busy < self.at_once
            && let Some(task) = self.waiting.pop_front()
        {
            if self.busy == self.threads && (self.start)() {
                self.threads += 1;
            }
            if self.threads == 0 {
                return Some((self.work)(task));
            }
            self.busy += 1;
            // A thread has the other end.
            let _ = self.tasks.send(task);
        }
        None
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
        MOST,
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
