//! `atex-exec attach`: the stream and the view of a run that goes on, from anywhere else.
//!
//! Nothing is asked of the run: the journal is followed as the run's own announcer follows it, with a cursor of our
//! own, and the control socket, kept open, tells that the run has ended.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use atex_cli::output::OutputError;
use atex_cli::{Exit, Failure, input::reason, status};
use atex_model::report::{
    Counts, End, EndTag, HostEndTag, HostStartTag, JobEnd, JobEndTag, TestEnd, TestEndTag, TestStart,
    TestStartTag,
};
use atex_schedule::HostId;
use crossbeam_channel::{Receiver, unbounded};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::announce::{Announcer, Followed, Unsaid};
use crate::args::Attach;
use crate::control::client::{Client, not_going_on};
use crate::cursor::Cursor;
use crate::dispatch::last_line;
use crate::history::History;
use crate::journal::{EXIT, INPUT_ENDED, JobExit};
use crate::progress::{Progress, Shown};
use crate::resume::exit_of_code;
use crate::run_dir::{RunDir, trouble};

/// Shows a run and says how it ended.
pub(crate) fn run(args: &Attach) -> Result<Exit, Failure> {
    let dir = RunDir::look_at(&args.dir)?;
    let client = Client::connect(&dir).map_err(|e| trouble(&dir, &e))?;
    let own = |e: io::Error| Failure::trouble(format!("cannot follow the run: {}", reason(&e)));
    let growth = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(|e| own(e.into()))?;
    let journal = RunDir::journal_in(&dir);
    // Before it is read, so that nothing is missed between.
    growth.add_watch(&journal, AddWatchFlags::IN_MODIFY).map_err(|e| trouble(&journal, &e.into()))?;
    let mut reader = Reader::open(&dir, &journal, args.new, args.quiet)?;
    reader.read()?;
    let Some(client) = client else {
        return reader.finish();
    };
    while reader.unsaid.is_empty() {
        let mut watched = [
            PollFd::new(client.stream().as_fd(), PollFlags::POLLIN),
            PollFd::new(growth.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut watched, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(own(e.into())),
        }
        let is_over = watched[0].any().unwrap_or(false);
        // That something was written is enough.
        while growth.read_events().is_ok_and(|events| !events.is_empty()) {}
        reader.read()?;
        if is_over {
            break;
        }
    }
    reader.finish()
}

/// Reads a journal as it grows.
struct Reader {
    dir: PathBuf,
    path: PathBuf,
    journal: BufReader<File>,
    tests: BufReader<File>,
    announcer: Announcer,
    unsaid: Receiver<Unsaid>,
    progress: Progress,
    /// What was read of a line that is not whole yet.
    part: String,
    /// The length of the lines that were read.
    length: u64,
    hosts: HashMap<String, HostId>,
    /// How the run ended, and the exit status that was written before that.
    end: Option<JobEnd>,
    code: u8,
}

impl Reader {
    fn open(dir: &Path, path: &Path, new: bool, quiet: bool) -> Result<Reader, Failure> {
        let open = |path: &Path| File::open(path).map_err(|e| trouble(path, &e));
        let journal = open(path)?;
        let tests = open(&RunDir::tests_in(dir))?;
        let mut cursor = Cursor::beginning();
        if new {
            let length = journal.metadata().map_err(|e| trouble(path, &e))?.len();
            cursor.skip(length);
        }
        let (failed, unsaid) = unbounded();
        let followed = Followed {
            journal: open(path)?,
            taken_in: Vec::new(),
            dir: dir.to_owned(),
            cursor,
            only_shown: true,
        };
        let own = |e: io::Error| Failure::trouble(format!("cannot start a thread: {}", reason(&e)));
        let output = status::Above::new(io::stdout());
        let announcer = Announcer::start(followed, output, failed).map_err(own)?;
        // A line a minute is for who waits for the run itself.
        let shown = if Shown::here(quiet) == Shown::Terminal { Shown::Terminal } else { Shown::Nowhere };
        Ok(Reader {
            dir: dir.to_owned(),
            path: path.to_owned(),
            journal: BufReader::with_capacity(64 << 10, journal),
            tests: BufReader::with_capacity(64 << 10, tests),
            announcer,
            unsaid,
            progress: Progress::start(shown, History::default()).map_err(own)?,
            part: String::new(),
            length: 0,
            hosts: HashMap::new(),
            end: None,
            code: 0,
        })
    }

    /// Reads what has come.
    fn read(&mut self) -> Result<(), Failure> {
        self.count_tests().map_err(|e| trouble(&RunDir::tests_in(&self.dir), &e))?;
        let before = self.length;
        while self.journal.read_line(&mut self.part).map_err(|e| trouble(&self.path, &e))? > 0
            && self.part.ends_with('\n')
        {
            let line = std::mem::take(&mut self.part);
            self.length += line.len() as u64;
            self.take(&line);
        }
        if self.length > before {
            self.announcer.grown(self.length, 0);
        }
        Ok(())
    }

    fn count_tests(&mut self) -> io::Result<()> {
        let mut count = 0;
        loop {
            let block = self.tests.fill_buf()?;
            if block.is_empty() {
                break;
            }
            count += memchr::memchr_iter(b'\n', block).count();
            let length = block.len();
            self.tests.consume(length);
        }
        self.progress.taken_in_unread(count as u64);
        Ok(())
    }

    fn take(&mut self, line: &str) {
        match atex_model::kind(line).as_deref() {
            Ok(HostStartTag::TEXT) => self.progress.host_joined(),
            Ok(HostEndTag::TEXT) => self.progress.host_left(),
            Ok(INPUT_ENDED) => self.progress.input_ended(),
            Ok(TestStartTag::TEXT) => {
                if let Ok(start) = atex_model::parse::<TestStart>(line) {
                    let host = self.host(&start.host);
                    self.progress.started(host, &start);
                }
            }
            Ok(TestEndTag::TEXT) => {
                if let Ok(end) = atex_model::parse::<TestEnd>(line) {
                    let host = end.host.as_deref().map(|host| self.host(host));
                    self.progress.ended(host, &end);
                }
            }
            Ok(EXIT) => self.code = atex_model::parse::<JobExit>(line).map_or(0, |exit| exit.code),
            Ok(JobEndTag::TEXT) => self.end = atex_model::parse(line).ok(),
            // It went on.
            Ok("job-resume") => self.end = None,
            _ => {}
        }
    }

    fn host(&mut self, name: &str) -> HostId {
        let next = HostId(u32::try_from(self.hosts.len()).unwrap_or(u32::MAX));
        *self.hosts.entry(name.to_owned()).or_insert(next)
    }

    /// Says the last words of the run.
    fn finish(mut self) -> Result<Exit, Failure> {
        self.progress.finish();
        let (end, result) = match &self.end {
            Some(end) => (last_line(end, self.code), Ok(exit_of_code(self.code))),
            None => {
                let code = Exit::Trouble.code();
                let tool = crate::TOOL.name.to_owned();
                let end = End { kind: EndTag, tool, complete: false, exit: code, counts: Counts::new() };
                (end, Err(not_going_on(&self.dir)))
            }
        };
        self.announcer.finish(end);
        match self.unsaid.try_recv() {
            // Whoever reads no more has what they wanted.
            Ok(Unsaid::Output(OutputError::Closed)) => Ok(Exit::Done),
            Ok(Unsaid::Output(error)) => Err(Failure::trouble(error)),
            Ok(Unsaid::Storage(error)) => Err(trouble(&self.path, &error)),
            Err(_) => result,
        }
    }
}
