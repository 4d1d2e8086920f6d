//! Where records come from: several sources, one after another, of whatever kind, as one stream of events.
//!
//! A thread of its own opens, unpacks and parses (`block`); the caller works with what is finished, so that two cores
//! are used and nothing is seen of it. What is held is a few blocks, whatever the stream's length.

pub(crate) mod block;
mod grow;
pub(crate) mod open;
pub(crate) mod run_dir;

pub(crate) use run_dir::JOURNAL;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use atex_cli::input::{LONGEST_LINE, reason};
use atex_model::LineError;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::event::Event;
use crate::stop::Stop;
use block::{Bad, Block};
use grow::Over;

/// How many bad lines are reported one by one; the rest is counted. A file that is not a stream of records has
/// nothing else, and the first ones show what is wrong with it. `-v` reports all.
pub const MESSAGES: u64 = 20;

/// How much is read at a time, unless a line is longer. What one core has parsed must still be near when the other one
/// works with it: with larger blocks both take a quarter more time.
const BLOCK: usize = 32 << 10;

/// How long what was taken may be held back while the reading thread is awaited: it may only have to wait for a core, and
/// a commit, or a write, for each block would cost more than the block.
const LULL: Duration = Duration::from_millis(10);

/// How many blocks may wait: enough that neither side waits for the other at every turn.
const WAITING: usize = 6;

/// Where records come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// A file: records, plain or packed, or an archive of a run.
    File(PathBuf),
    /// A run directory.
    Run(PathBuf),
    /// A file that grows until the run ends. One that is packed does not grow.
    GrowingFile(PathBuf),
    /// A run directory that grows until the run ends.
    GrowingRun(PathBuf),
}

impl Source {
    /// The same, to be followed while it grows. A pipe always is.
    pub fn growing(self) -> Source {
        match self {
            Source::File(path) => Source::GrowingFile(path),
            Source::Run(path) => Source::GrowingRun(path),
            other => other,
        }
    }

    fn is_growing(&self) -> bool {
        matches!(self, Source::GrowingFile(_) | Source::GrowingRun(_))
    }
}

/// What takes events.
pub trait Take {
    /// The next event.
    ///
    /// # Errors
    /// Nothing more is wanted, or what it comes to cannot be written.
    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop>;

    /// There is nothing more right now: what was held back may be written.
    ///
    /// # Errors
    /// As [`Take::event`].
    fn idle(&mut self) -> Result<(), Stop> {
        Ok(())
    }
}

impl<F: FnMut(&Event<'_>)> Take for F {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        self(event);
        Ok(())
    }
}

/// What was wrong with the input, and where to say so.
pub struct Faults<'a> {
    /// Lines that are no records.
    pub lines: u64,
    /// Sources that could not be read to their end, or are cut off.
    pub sources: u64,
    /// How many bad lines are reported one by one.
    limit: u64,
    say: &'a mut dyn FnMut(&str),
}

impl<'a> Faults<'a> {
    /// None yet. Reports at most `limit` bad lines to `say`, one message a call.
    pub fn new(limit: u64, say: &'a mut dyn FnMut(&str)) -> Self {
        Faults { lines: 0, sources: 0, limit, say }
    }

    /// Says something that concerns the input and is no fault.
    pub fn say(&mut self, message: &str) {
        (self.say)(message);
    }

    /// A line is no record.
    pub fn line(&mut self, message: &str) {
        self.lines += 1;
        if self.lines <= self.limit {
            (self.say)(message);
        }
    }

    /// A source could not be read to its end.
    pub fn source(&mut self, message: &str) {
        self.sources += 1;
        (self.say)(message);
    }

    fn bad(&mut self, bad: &Bad) {
        if bad.cut { self.source(&bad.message) } else { self.line(&bad.message) }
    }

    /// Reports how many were not reported.
    fn finish(&mut self) {
        let left = self.lines.saturating_sub(self.limit);
        if left > 0 {
            (self.say)(&format!("{left} more lines are no records either (-v names them)"));
            // What is read next has more of its own.
            self.limit = self.lines;
        }
    }
}

/// Reads all of the sources, one after another, and hands each event to `take`.
///
/// # Errors
/// Only those of `take`; what is wrong with the sources is in `faults`.
pub fn read(sources: &[Source], faults: &mut Faults<'_>, take: &mut dyn Take) -> Result<(), Stop> {
    read_streams(sources.iter().cloned().map(Stream::Source).collect(), faults, take)
}

/// Reads anything that can be read, under a name for messages.
///
/// # Errors
/// As [`read`].
pub fn read_from(
    name: &str,
    from: Box<dyn Read + Send>,
    faults: &mut Faults<'_>,
    take: &mut dyn Take,
) -> Result<(), Stop> {
    read_streams([Stream::Open(name.to_owned(), from)].into(), faults, take)
}

/// What is wrong within a source that can be read on behind it: an error of a reader that holds one ends nothing.
#[derive(Debug)]
pub(crate) enum Within {
    /// Something that is no record.
    Line(String),
    /// Something that cannot be read to its end.
    Source(String),
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Within::Line(message) | Within::Source(message)) = self;
        f.write_str(message)
    }
}

impl std::error::Error for Within {}

/// What is read.
enum Stream {
    Source(Source),
    Open(String, Box<dyn Read + Send>),
}

/// What the reading thread hands over.
#[expect(clippy::large_enum_variant, reason = "nearly all are blocks")]
enum Packet {
    Block(Block),
    /// A source ends too early: why.
    Fault(String),
    /// Something within a source is wrong, and it goes on.
    Within(Within),
    /// A line was too long to be read to its end, and nothing behind it can be.
    Endless(String),
}

fn read_streams(streams: VecDeque<Stream>, faults: &mut Faults<'_>, take: &mut dyn Take) -> Result<(), Stop> {
    let (to, packets) = bounded(WAITING);
    let (back, used) = bounded(WAITING + 1);
    // What grows is followed all at once, and otherwise one comes after another.
    let follow = streams.iter().any(|stream| matches!(stream, Stream::Source(source) if source.is_growing()));
    let groups: Vec<VecDeque<Stream>> =
        if follow { streams.into_iter().map(|stream| [stream].into()).collect() } else { vec![streams] };
    let mut threads = Vec::new();
    for streams in groups {
        let pump = Pump { to: to.clone(), used: used.clone() };
        let thread = thread::Builder::new().name("input".into()).spawn(move || pump.run(streams));
        threads.push(thread.map_err(|e| Stop::trouble(format!("a thread for the input: {}", reason(&e))))?);
    }
    drop(to);
    hand_over(&packets, &back, faults, take)?;
    // They have ended; those that are left by `?` end when they next have something to hand over.
    for thread in threads {
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
    faults.finish();
    Ok(())
}

fn hand_over(
    packets: &Receiver<Packet>,
    back: &Sender<Block>,
    faults: &mut Faults<'_>,
    take: &mut dyn Take,
) -> Result<(), Stop> {
    let mut due = Instant::now() + LULL;
    loop {
        let packet = match packets.recv_deadline(due) {
            Ok(packet) => packet,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                take.idle()?;
                let Ok(packet) = packets.recv() else { return Ok(()) };
                due = Instant::now() + LULL;
                packet
            }
        };
        match packet {
            Packet::Block(block) => {
                for found in block.found() {
                    match found {
                        Ok(event) => take.event(&event)?,
                        Err(bad) => faults.bad(bad),
                    }
                }
                let _ = back.try_send(block);
            }
            Packet::Fault(message) | Packet::Within(Within::Source(message)) => faults.source(&message),
            Packet::Within(Within::Line(message)) => faults.line(&message),
            Packet::Endless(message) => {
                faults.line(&message);
                faults.sources += 1;
            }
        }
    }
}

/// The reading thread.
struct Pump {
    to: Sender<Packet>,
    used: Receiver<Block>,
}

/// Nobody takes what is read.
struct Unwanted;

impl Pump {
    fn run(&self, streams: VecDeque<Stream>) {
        for stream in streams {
            let over = Over::default();
            let is_watched = matches!(&stream, Stream::Source(Source::GrowingFile(_)));
            let (name, opened) = match stream {
                Stream::Source(source) => open::open(&source, &over),
                Stream::Open(name, from) => (name, open::unpack(from)),
            };
            let done = match opened {
                Ok(from) => self.read(&Arc::from(name), from, is_watched.then_some(&over)),
                Err(error) => self.send(Packet::Fault(format!("{name}: {}", reason(&error)))),
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn send(&self, packet: Packet) -> Result<(), Unwanted> {
        self.to.send(packet).map_err(|_| Unwanted)
    }

    fn block(&self, name: &Arc<str>) -> Block {
        let mut block = self.used.try_recv().unwrap_or_default();
        block.reset(name);
        block
    }

    fn read(
        &self,
        name: &Arc<str>,
        mut from: Box<dyn Read + Send>,
        over: Option<&Over>,
    ) -> Result<(), Unwanted> {
        let mut buffer = vec![0; BLOCK];
        // What is there of a line whose end was not read, and the number of that line.
        let (mut held, mut number) = (0, 1);
        loop {
            if held == buffer.len() {
                if held > LONGEST_LINE {
                    return self.send(Packet::Endless(endless(name, number)));
                }
                buffer.resize(2 * held, 0);
            }
            let n = match from.read(&mut buffer[held..]) {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => match e.downcast::<Within>() {
                    Ok(within) => {
                        self.send(Packet::Within(within))?;
                        continue;
                    }
                    Err(e) => return self.send(Packet::Fault(format!("{name}:{number}: {}", reason(&e)))),
                },
            };
            if n == 0 {
                return self.last(name, &buffer[..held], number);
            }
            let all = held + n;
            match memchr::memrchr(b'\n', &buffer[held..all]) {
                Some(at) => {
                    let end = held + at + 1;
                    let mut block = self.block(name);
                    number = block.add(&buffer[..end], number);
                    if let Some(over) = over {
                        over.look(&block);
                    }
                    self.send(Packet::Block(block))?;
                    buffer.copy_within(end..all, 0);
                    held = all - end;
                    if buffer.len() > BLOCK && held < BLOCK {
                        buffer.truncate(BLOCK);
                        buffer.shrink_to_fit();
                    }
                }
                None => held = all,
            }
        }
    }

    fn last(&self, name: &Arc<str>, rest: &[u8], number: u64) -> Result<(), Unwanted> {
        if rest.is_empty() {
            return Ok(());
        }
        let mut block = self.block(name);
        block.add(rest, number);
        self.send(Packet::Block(block))
    }
}

fn endless(name: &str, number: u64) -> String {
    let message = format!("expected a record, found a line over {} MiB", LONGEST_LINE >> 20);
    LineError { column: LONGEST_LINE, message }.at(name, number).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records that were read, the messages, and the counts of bad lines and sources.
    fn outcome(from: Box<dyn Read + Send>, limit: u64) -> (usize, Vec<String>, (u64, u64)) {
        let (mut records, mut messages) = (0, Vec::new());
        let mut say = |text: &str| messages.push(text.to_owned());
        let mut faults = Faults::new(limit, &mut say);
        assert!(read_from("in", from, &mut faults, &mut |_: &Event<'_>| records += 1).is_ok());
        let counts = (faults.lines, faults.sources);
        (records, messages, counts)
    }

    #[test]
    fn bad_lines_are_named_and_the_rest_is_read() {
        let text = b"nonsense\n\n{\"type\":\"x\"}\n\xff\n[]\n{\"type\":\"y\"}";
        let (records, messages, counts) = outcome(Box::new(&text[..]), 9);
        assert_eq!((records, messages.len(), counts), (2, 3, (3, 0)));
        assert_eq!(messages[1], "in:4:1: not UTF-8");
    }

    #[test]
    fn a_stream_that_was_cut_is_no_bad_line() {
        let (records, messages, counts) = outcome(Box::new(&b"{\"type\":\"x\"}\n{\"type\":\"resu"[..]), 9);
        assert_eq!((records, counts), (1, (0, 1)));
        assert_eq!(messages, ["in:2:13: cut off in the middle of a line"]);
    }

    #[test]
    fn messages_are_bounded_and_what_is_left_is_counted() {
        let (records, messages, counts) = outcome(Box::new(&b"1\n2\n3\n4\n"[..]), 2);
        assert_eq!((records, messages.len(), counts), (0, 3, (4, 0)));
        assert_eq!(messages[2], "2 more lines are no records either (-v names them)");
    }

    #[test]
    fn an_endless_line_ends_the_source() {
        let (records, messages, counts) = outcome(Box::new(io::repeat(b'x')), 9);
        assert_eq!((records, counts), (0, (1, 1)));
        assert_eq!(messages, ["in:1:67108864: expected a record, found a line over 64 MiB"]);
    }

    #[test]
    fn a_line_of_50_megabytes_is_read_and_its_memory_given_back() {
        let note = "x".repeat(50 << 20);
        let text = format!("{{\"type\":\"x\",\"note\":\"{note}\"}}\n{{\"type\":\"y\"}}\n");
        let (records, messages, counts) = outcome(Box::new(io::Cursor::new(text)), 9);
        assert_eq!((records, messages, counts), (2, vec![], (0, 0)));
    }

    #[test]
    fn a_source_that_breaks_is_named() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk on fire"))
            }
        }
        let (records, messages, counts) = outcome(Box::new(b"{\"type\":\"x\"}\n".chain(Broken)), 9);
        assert_eq!((records, messages, counts), (1, vec!["in:2: disk on fire".to_owned()], (0, 1)));
    }

    #[test]
    fn a_stream_that_trickles_is_not_held_back() {
        const MOST: u32 = 5_000;
        /// Gives a line each millisecond until it hears that what was taken is written.
        struct Trickle(Receiver<()>, u32);
        impl Read for Trickle {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                if self.1 == MOST || self.0.recv_timeout(Duration::from_millis(1)).is_ok() {
                    return Ok(0);
                }
                self.1 += 1;
                (&b"{\"type\":\"x\"}\n"[..]).read(to)
            }
        }
        struct Taken(Sender<()>, u32);
        impl Take for Taken {
            fn event(&mut self, _: &Event<'_>) -> Result<(), Stop> {
                self.1 += 1;
                Ok(())
            }
            fn idle(&mut self) -> Result<(), Stop> {
                let _ = self.0.try_send(());
                Ok(())
            }
        }
        let (to, idle) = bounded(1);
        let mut taken = Taken(to, 0);
        let mut say = |text: &str| panic!("{text}");
        let mut faults = Faults::new(9, &mut say);
        let from = Box::new(io::BufReader::new(Trickle(idle, 0)));
        assert!(read_from("in", from, &mut faults, &mut taken).is_ok());
        assert!(taken.1 < MOST, "nothing was written in {} milliseconds", taken.1);
    }

    #[test]
    fn a_file_that_went_away_does_not_stop_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("there");
        std::fs::write(&there, "{\"type\":\"x\"}\n").unwrap();
        let sources = [Source::File(dir.path().join("gone")), Source::File(there)];
        let (mut records, mut messages) = (0, 0);
        let mut say = |_: &str| messages += 1;
        let mut faults = Faults::new(9, &mut say);
        assert!(read(&sources, &mut faults, &mut |_: &Event<'_>| records += 1).is_ok());
        assert_eq!((faults.sources, records, messages), (1, 1, 1));
    }

    #[test]
    fn whoever_has_enough_stops_the_reading() {
        struct One(u32);
        impl Take for One {
            fn event(&mut self, _: &Event<'_>) -> Result<(), Stop> {
                self.0 += 1;
                Err(Stop::Closed)
            }
        }
        let lines = io::Cursor::new("{\"type\":\"x\"}\n".repeat(100_000)).chain(io::repeat(b'x'));
        let (mut take, mut quiet) = (One(0), |_: &str| ());
        let stop = read_from("in", Box::new(lines), &mut Faults::new(9, &mut quiet), &mut take);
        assert!(matches!(stop, Err(Stop::Closed)));
        assert_eq!(take.0, 1);
    }
}
