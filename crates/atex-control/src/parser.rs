//! The state machine: bytes of the control stream in, events out.

use crate::error::{FeedError, ProtocolError};
use crate::excess::Excess;
use crate::incoming::{Incoming, Testout};
use crate::limits::Limits;
use crate::partial::OpenResults;
use crate::path::{Paths, file_path};
use crate::store::{Complete, StoredResult};
use crate::tally::{Status, Tally};
use crate::time_limit::LimitChange;
use crate::word::{self, Word};
use serde::{Deserialize, Serialize};

/// What the caller has to do, in this order. Text in an event lives as long as the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// From here on bytes are sent for this file: create it unless it is there.
    ///
    /// The path is relative, below `files/`, and safe: no `..`, nothing empty, no control
    /// character. The parser has made sure that it collides with no other file of the test;
    /// symbolic links on the way are the caller's to refuse.
    FileStart {
        /// The file.
        path: &'a str,
    },
    /// Append these bytes to the file. After a restore the first of them come without a
    /// [`FileStart`](Self::FileStart).
    FileData {
        /// The file of the last `FileStart`.
        path: &'a str,
        /// A part of the input, as it is.
        bytes: &'a [u8],
    },
    /// Link the test's captured output under this path, which is as safe and is free.
    Link {
        /// The path, below `files/`.
        path: &'a str,
    },
    /// A result is complete, its files with it: store it.
    Result(StoredResult<'a>),
    /// `duration`: see [`TimeLimit::apply`](crate::TimeLimit::apply).
    Duration(LimitChange),
    /// `exitcode`: what the test says its exit status is. It changes nothing here.
    ExitCode(i64),
    /// `disconnect`: store it, then close the channel. The parser reads no further until
    /// [`Parser::reopen`].
    Disconnect,
    /// `noop`.
    Noop,
    /// `mark`: set or clear a mark on the host.
    Mark {
        /// Its name: not empty, no control characters.
        name: &'a str,
        /// False to clear it.
        set: bool,
    },
    /// `note`: a progress line. It may be empty and hold control characters.
    Note(&'a str),
}

/// Reads the control stream of one attempt, over all its restarts.
///
/// Its memory depends on the files of the test (their paths) and on what is open, never on the
/// number of results. File contents pass through without being looked at or copied.
#[derive(Debug)]
pub struct Parser {
    pub(crate) limits: Limits,
    pub(crate) state: State,
    /// The beginning of a line, or of a JSON object, whose rest has not come yet.
    pub(crate) held: Vec<u8>,
    /// The object that the last line announced.
    pub(crate) json: Option<AnnouncedJson>,
    /// Room to write a stored result in.
    line: String,
    /// What the caller has to say of the test, for its end.
    pub(crate) remarks: Vec<(Status, String)>,
}

/// All that a parser has to remember between two feeds, for a checkpoint.
///
/// It holds no bytes of the stream: one that was cut in the middle of a line or of a JSON object
/// goes back to the beginning of that line. So the bytes from [`offset`](Self::offset) on, not
/// from where the last feed ended, have to be fed to the restored parser, and must be kept until
/// then. Inside of a file's contents the two are the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub(crate) offset: u64,
    pub(crate) channel: Channel,
    pub(crate) upload: Option<Upload>,
    pub(crate) paths: Paths,
    pub(crate) open: OpenResults,
    pub(crate) tally: Tally,
    /// Whether a result for the test itself has been stored.
    pub(crate) reported: bool,
    pub(crate) error: Option<ProtocolError>,
    /// Bytes of stored results and of files.
    result_bytes: u64,
    file_bytes: u64,
    notes: u64,
    pub(crate) excess: Excess,
}

impl State {
    /// Where in the stream the restored parser reads on.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the channel is open; if not, what is fed is ignored, wherever it begins.
    pub fn is_open(&self) -> bool {
        self.channel == Channel::Open
    }

    /// Whether the test has said `disconnect` and has not been started again.
    pub fn is_disconnected(&self) -> bool {
        self.channel == Channel::Disconnected
    }

    /// The paths below `files/` that the test has made so far, in order, with the number of bytes that
    /// have been handed out for each; `None` for a link to its output.
    pub fn files(&self) -> impl Iterator<Item = (&str, Option<u64>)> {
        self.paths.iter()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Channel {
    Open,
    /// After `disconnect`, until the test is started again.
    Disconnected,
    /// After an error, for good.
    Broken,
}

/// A result whose files are arriving.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub incoming: Incoming<'static>,
    /// Where its control word is.
    pub word: u64,
    /// The file that comes next.
    next: usize,
    /// The file that is arriving, and how much of it has not.
    pub path: String,
    pub left: u64,
    /// It is not to be stored.
    is_left_out: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct AnnouncedJson {
    /// Bytes in the control line, newline included.
    line: usize,
    pub length: usize,
}

impl Parser {
    /// A parser for the start of an attempt.
    pub fn new(limits: Limits) -> Self {
        let state = State {
            offset: 0,
            channel: Channel::Open,
            upload: None,
            paths: Paths::default(),
            open: OpenResults::default(),
            tally: Tally::default(),
            reported: false,
            error: None,
            result_bytes: 0,
            file_bytes: 0,
            notes: 0,
            excess: Excess::default(),
        };
        Parser::restore(limits, state)
    }

    /// A parser that goes on where another was; see [`State`] for what to feed it.
    pub fn restore(limits: Limits, state: State) -> Self {
        Parser { limits, state, held: Vec::new(), json: None, line: String::new(), remarks: Vec::new() }
    }

    /// What to restore this parser from. Writing it out costs time in proportion to the open
    /// partial results and the number of the test's files.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What the results stored so far come to.
    pub fn tally(&self) -> &Tally {
        &self.state.tally
    }

    /// Adds a result for a subtest that the caller has seen by other means.
    pub fn report<E, S>(
        &mut self,
        subtest: &str,
        status: Status,
        note: Option<&str>,
        sink: &mut S,
    ) -> Result<(), E>
    where
        S: FnMut(Event<'_>) -> Result<(), E>,
    {
        self.store(&Complete::from(Incoming::new(subtest, status.word(), note)), sink)
    }

    /// Something that the test is to be told at its end, in a result of its own that counts for the outcome.
    pub fn remark(&mut self, status: Status, note: String) {
        self.remarks.push((status, note));
    }

    /// The test is started again after `disconnect`, with a new, empty control stream. Results,
    /// files and open partial results stay; what the old stream left unfinished is dropped. Does
    /// nothing after an error.
    pub fn reopen(&mut self) {
        if self.state.channel == Channel::Broken {
            return;
        }
        self.state.channel = Channel::Open;
        self.state.offset = 0;
        self.state.upload = None;
        self.json = None;
        self.held.clear();
    }

    /// Takes in the next bytes of the stream and hands what they mean to `sink`.
    ///
    /// After `disconnect` and after an error the channel is closed: further bytes are ignored. A
    /// protocol error is also remembered for [`finish`](Self::finish).
    pub fn feed<E, S>(&mut self, bytes: &[u8], sink: &mut S) -> Result<(), FeedError<E>>
    where
        S: FnMut(Event<'_>) -> Result<(), E>,
    {
        let mut input = bytes;
        while !input.is_empty() && self.state.channel == Channel::Open {
            let step = if self.state.upload.is_some() {
                self.read_file(&mut input, sink)
            } else if let Some(json) = self.json {
                self.read_json(json, &mut input, sink)
            } else {
                self.read_line(&mut input, sink)
            };
            if let Err(error) = step {
                self.state.channel = Channel::Broken;
                if let FeedError::Protocol(error) = &error {
                    self.state.error = Some(error.clone());
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn read_line<E, S>(&mut self, input: &mut &[u8], sink: &mut S) -> Result<(), FeedError<E>>
    where
        S: FnMut(Event<'_>) -> Result<(), E>,
    {
        let room = self.limits.line - self.held.len();
        let window = &input[..room.min(input.len())];
        match window.iter().position(|&byte| byte == b'\n') {
            Some(end) if self.held.is_empty() => {
                *input = &input[end + 1..];
                self.obey(&window[..end], sink)
            }
            Some(end) => {
                *input = &input[end + 1..];
                let mut held = std::mem::take(&mut self.held);
                held.extend_from_slice(&window[..end]);
                self.obey(&held, sink)
            }
            None => {
                self.held.extend_from_slice(window);
                *input = &input[window.len()..];
                if window.len() < room {
                    return Ok(());
                }
                let word = word::shown_word(&self.held);
                let reason = format!("a control line of more than {} bytes", self.limits.line);
                Err(ProtocolError { word, offset: self.state.offset, reason }.into())
            }
        }
    }

    /// Does what a line says, newline taken off.
    fn obey<E, S>(&mut self, line: &[u8], sink: &mut S) -> Result<(), FeedError<E>>
    where
        S: FnMut(Event<'_>) -> Result<(), E>,
    {
        let offset = self.state.offset;
        let refuse = |reason| ProtocolError { word: word::shown_word(line), offset, reason };
        let length = line.len() + 1;
        let event = match word::parse(line).map_err(refuse)? {
            Word::Result(json) => {
                let json = self.json_length(json).map_err(refuse)?;
                self.json = Some(AnnouncedJson { line: length, length: json });
                return Ok(());
            }
            Word::ExitCode(code) => Event::ExitCode(code),
            Word::Duration(change) => Event::Duration(change),
            Word::Noop => Event::Noop,
            Word::Mark { .. } | Word::Note(_) if self.state.notes >= self.limits.notes => {
                self.state.excess.notes += 1;
                Event::Noop
            }
            Word::Mark { name, set } => {
                self.state.notes += 1;
                Event::Mark { name, set }
            }
            Word::Note(note) => {
                self.state.notes += 1;
                Event::Note(note)
            }
            Word::Disconnect => {
                self.state.channel = Channel::Disconnected;
                Event::Disconnect
            }
        };
        self.state.offset += length as u64;
        sink(event).map_err(FeedError::Sink)
    }

    fn json_length(&self, length: u64) -> Result<usize, String> {
        match usize::try_from(length) {
            Ok(0) => Err("bad argument: a result of 0 bytes holds no JSON object".into()),
            Ok(length) if length <= self.limits.json => Ok(length),
            _ => Err(format!("bad argument: a result of more than {} bytes", self.limits.json)),
        }
    }

    fn read_json<E, S>(
        &mut self,
        json: AnnouncedJson,
        input: &mut &[u8],
        sink: &mut S,
    ) -> Result<(), FeedError<E>>
    where
        S: FnMut(Event<'_>) -> Result<(), E>,
    {
        // Held bytes grow as they come, not as announced: a number is no reason to take memory.
        let missing = json.length - self.held.len();
        let (now, later) = input.split_at(missing.min(input.len()));
        *input = later;
        if now.len() < missing {
            self.held.extend_from_slice(now);
            return Ok(());
        }
        self.json = None;
        let size = (json.line + json.length) as u64;
        if self.held.is_empty() {
            return self.read_result(now, size, sink);
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(now);
        self.read_result(&held, size, sink)
    }

    /// Reads a result whose control line and JSON are `size` bytes together.
    fn read_result<E, S>(&mut self, json: &[u8], size: u64, sink: &mut S) -> Result<(), FeedError<E>>
    where
        S: FnMut(Event<'_>) -> Result<(), E>,
    {
        let word = self.state.offset;
        let incoming = Incoming::parse(json, &self.limits).map_err(|reason| refuse_result(word, reason))?;
        self.state.offset += size;
        if incoming.files.is_empty() {
            return self.complete(incoming, word, sink);
        }
        let incoming = incoming.into_owned();
        self.state.upload =
            Some(Upload { incoming, word, next: 0, path: String::new(), left: 0, is_left_out: false });
        self.next_file(sink)
    }

    fn read_file<E, S>(&mut self, input: &mut &[u8], sink: &mut S) -> Result<(), FeedError<E>>
    where
        S: FnMut(Event<'_>) -> Result<(), E>,
    {
        let Some(upload) = &mut self.state.upload else { return Ok(()) };
        let length = usize::try_from(upload.left).unwrap_or(usize::MAX).min(input.len());
        let (bytes, rest) = input.split_at(length);
        *input = rest;
        self.state.offset += length as u64;
        upload.left -= length as u64;
        let room =
            if upload.is_left_out { 0 } else { self.limits.file_bytes.saturating_sub(self.state.file_bytes) };
        let kept = &bytes[..usize::try_from(room).unwrap_or(usize::MAX).min(length)];
        if !kept.is_empty() {
            self.state.file_bytes += kept.len() as u64;
            self.state.paths.grow(&upload.path, kept.len() as u64);
            sink(Event::FileData { path: &upload.path, bytes: kept }).map_err(FeedError::Sink)?;
        }
        if !upload.is_left_out {
            self.state.excess.file_bytes += (length - kept.len()) as u64;
        }
        if upload.left == 0 { self.next_file(sink) } else { Ok(()) }
    }

    /// Goes on to the next file that has bytes, or completes the result behind the last one.
    fn next_file<E, S>(&mut self, sink: &mut S) -> Result<(), FeedError<E>>
    where
        S: FnMut(Event<'_>) -> Result<(), E>,
    {
        while let Some(mut upload) = self.state.upload.take() {
            let Some(file) = upload.incoming.files.get_mut(upload.next) else {
                return self.complete(upload.incoming, upload.word, sink);
            };
            upload.next += 1;
            upload.left = file.length;
            upload.path = file_path(upload.incoming.name.as_deref(), &file.name);
            let fits = file.length == 0 || self.state.file_bytes < self.limits.file_bytes;
            upload.is_left_out = !fits || !self.state.paths.has_room(&upload.path, &self.limits);
            if upload.is_left_out {
                file.name.clear();
                self.state.excess.files += 1;
                self.state.upload = Some(upload);
            } else {
                let taken = self.state.paths.take_file(&upload.path, &self.limits);
                taken.map_err(|reason| refuse_result(upload.word, reason))?;
                let upload = self.state.upload.insert(upload);
                sink(Event::FileStart { path: &upload.path }).map_err(FeedError::Sink)?;
            }
            if self.state.upload.as_ref().is_some_and(|upload| upload.left > 0) {
                break;
            }
        }
        Ok(())
    }

    /// A result has come with all its files: keep it open, or close it.
    fn complete<E, S>(&mut self, incoming: Incoming<'_>, word: u64, sink: &mut S) -> Result<(), FeedError<E>>
    where
        S: FnMut(Event<'_>) -> Result<(), E>,
    {
        let refuse = |reason| refuse_result(word, reason);
        if incoming.partial {
            return Ok(self.state.open.merge(incoming, word, &self.limits).map_err(refuse)?);
        }
        // Checked before anything is merged: a result that is refused leaves the open one as it was.
        let output = self.output_path(&incoming);
        if let Some(path) = &output {
            self.state.paths.check_output(path, &self.limits).map_err(refuse)?;
        }
        let mut complete = self.close(incoming, word).map_err(refuse)?;
        if let Some(path) = &output {
            if self.state.paths.has_room(path, &self.limits) {
                self.state.paths.take_output(path, &self.limits).map_err(refuse)?;
            } else {
                complete.testout = None;
                self.state.excess.files += 1;
            }
        }
        self.store(&complete, sink).map_err(FeedError::Sink)
    }

    /// Merges a closing result into the open one of its name, if there is one.
    fn close<'a>(&mut self, incoming: Incoming<'a>, word: u64) -> Result<Complete<'a>, String> {
        let name = incoming.name.clone();
        if self.state.open.get(name.as_deref()).is_none() {
            return Ok(Complete::from(incoming));
        }
        self.state.open.merge(incoming, word, &self.limits)?;
        Ok(self.state.open.take(name.as_deref()).unwrap_or_default().into())
    }

    /// Where a closing result wants the output to be linked.
    fn output_path(&self, incoming: &Incoming<'_>) -> Option<String> {
        let subtest = incoming.name.as_deref();
        let testout = match &incoming.testout {
            Testout::Name(name) => Some(name),
            Testout::Remove => None,
            Testout::Unsaid => self.state.open.get(subtest).and_then(|open| open.testout.as_ref()),
        };
        testout.map(|testout| file_path(subtest, testout))
    }

    /// Hands out a result of the test's, if there is room for it.
    pub(crate) fn store<E, S>(&mut self, complete: &Complete<'_>, sink: &mut S) -> Result<(), E>
    where
        S: FnMut(Event<'_>) -> Result<(), E>,
    {
        let keep_as = keep_as(complete);
        self.write(complete, keep_as);
        let bytes = self.state.result_bytes + self.line.len() as u64 + 1;
        if self.state.tally.total() >= self.limits.results || bytes > self.limits.result_bytes {
            self.state.excess.results += 1;
            return Ok(());
        }
        self.hand_out(complete, keep_as, sink)
    }

    /// Hands out a result of the executor's, for which there is always room; with another status than its own
    /// where `keep_as` is one.
    pub(crate) fn store_ours<E, S>(
        &mut self,
        complete: &Complete<'_>,
        keep_as: Option<&str>,
        sink: &mut S,
    ) -> Result<(), E>
    where
        S: FnMut(Event<'_>) -> Result<(), E>,
    {
        self.write(complete, keep_as);
        self.hand_out(complete, keep_as, sink)
    }

    fn write(&mut self, complete: &Complete<'_>, keep_as: Option<&str>) {
        self.line.clear();
        complete.write(&mut self.line, keep_as);
    }

    /// Hands out the result that has just been written. The path of its `testout` has been taken.
    fn hand_out<E, S>(
        &mut self,
        complete: &Complete<'_>,
        keep_as: Option<&str>,
        sink: &mut S,
    ) -> Result<(), E>
    where
        S: FnMut(Event<'_>) -> Result<(), E>,
    {
        let name = complete.name.as_deref();
        let own = complete.status();
        let status = keep_as.or(own.as_deref());
        if let Some(testout) = &complete.testout {
            sink(Event::Link { path: &file_path(name, testout) })?;
        }
        self.state.result_bytes += self.line.len() as u64 + 1;
        self.state.tally.add(name, status);
        self.state.reported |= name.is_none();
        sink(Event::Result(StoredResult { line: &self.line, name, status }))
    }
}

/// A status that is the executor's to give is not stored as such.
pub(crate) fn keep_as(complete: &Complete<'_>) -> Option<&'static str> {
    (complete.status().as_deref() == Some("infra")).then_some("error")
}

pub(crate) fn refuse_result(word: u64, reason: String) -> ProtocolError {
    ProtocolError { word: "result".into(), offset: word, reason }
}
