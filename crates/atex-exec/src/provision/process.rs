//! One process of a provisioner, and the threads that carry what is said: none of them is waited for.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{ChildStderr, ChildStdin, ChildStdout, ExitStatus, Stdio};

use atex_cli::input::Lines;
use atex_cli::text::visible::visible;
use crossbeam_channel::{Receiver, Sender, bounded};
use nix::sys::signal::Signal;

use super::line::{self, Heard};
use crate::program::{Program, Shared, Variables, open_log};

/// How many lines are read ahead. A provisioner that prints faster than we listen waits.
const READ_AHEAD: usize = 16;

/// How many lines of its standard error are shown; what comes after that is in the log only.
const SHOWN: u32 = 100;

/// The longest piece of a line of its standard error that is shown as one.
const LONGEST: u64 = 4096;

/// How much of its standard error is kept in the log, over all of the run.
const LOG_BYTES: u64 = 64 << 20;

/// See the module's documentation.
pub(super) struct Process {
    program: Shared,
    /// What is sent is written. Without it the program sees the end of its input.
    to_writer: Option<Sender<Vec<u8>>>,
    /// The writer can take something.
    pub ready: Receiver<()>,
    pub lines: Receiver<Heard>,
    pub exit: Receiver<ExitStatus>,
}

impl Process {
    /// Starts it. `name` is what it is called in messages.
    pub fn start(command: &str, variables: &Variables, name: &str, log: &Path) -> io::Result<Process> {
        let log_file = open_log(log)?;
        let mut program = Program::start(command, variables, Stdio::piped())?;
        let (input, output, errors) = (program.stdin(), program.stdout(), program.stderr());
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let (input, output) = (input.ok_or_else(gone)?, output.ok_or_else(gone)?);
        let errors = errors.ok_or_else(gone)?;
        let program = Shared::new(program);
        let (to_writer, to_write) = bounded(1);
        let (say_ready, ready) = bounded(1);
        let (say_line, lines) = bounded(READ_AHEAD);
        let (say_exit, exit) = bounded(1);
        let spawn = |what: &str| std::thread::Builder::new().name(what.into());
        let threads = || {
            spawn("provision-in").spawn(move || write(input, &to_write, &say_ready))?;
            let source = format!("provisioner {name}");
            spawn("provision-out").spawn(move || read(output, &source, &say_line))?;
            let listener =
                Listener { name: name.to_owned(), shown: 0, log: log_file, path: log.display().to_string() };
            spawn("provision-err").spawn(move || listener.listen(errors))?;
            let waiting = program.clone();
            spawn("provision-end").spawn(move || say_exit.send(waiting.wait_only()))?;
            Ok(())
        };
        if let Err(e) = threads() {
            program.signal(Signal::SIGKILL);
            return Err(e);
        }
        Ok(Process { program, to_writer: Some(to_writer), ready, lines, exit })
    }

    /// Writes lines, once the writer has said that it can take something.
    pub fn write(&self, lines: Vec<u8>) {
        if let Some(to_writer) = &self.to_writer {
            // It ends when the program does not read any more, which is heard of otherwise.
            let _ = to_writer.send(lines);
        }
    }

    /// Shows the program the end of its input, after what was written.
    pub fn close(&mut self) {
        self.to_writer = None;
    }

    pub fn signal(&self, signal: Signal) {
        self.program.signal(signal);
    }
}

fn write(mut input: ChildStdin, to_write: &Receiver<Vec<u8>>, ready: &Sender<()>) {
    while ready.send(()).is_ok() {
        let Ok(lines) = to_write.recv() else { return };
        if input.write_all(&lines).is_err() {
            return;
        }
    }
}

fn read(output: ChildStdout, source: &str, to: &Sender<Heard>) {
    let mut lines = Lines::new(source, Box::new(output));
    while !lines.is_spent() {
        let heard = match lines.next_line() {
            Ok(None) => break,
            Ok(Some(line)) => line::read(line),
            Err(failure) => Heard::Wrong(failure.message),
        };
        if to.send(heard).is_err() {
            break;
        }
    }
}

/// Keeps what it prints on standard error, and shows it.
struct Listener {
    name: String,
    shown: u32,
    log: File,
    path: String,
}

impl Listener {
    fn listen(mut self, errors: ChildStderr) {
        let mut errors = BufReader::new(errors);
        let mut line = Vec::new();
        loop {
            line.clear();
            match errors.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => self.heard(&line),
            }
        }
    }

    fn heard(&mut self, line: &[u8]) {
        // A log that cannot be written, or is full, is no reason to stop listening: the program would wait for us.
        if self.log.metadata().is_ok_and(|log| log.len() < LOG_BYTES) {
            let _ = self.log.write_all(line);
        }
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if text.is_empty() || self.shown > SHOWN {
            return;
        }
        self.shown += 1;
        if self.shown > SHOWN {
            log::warn!("provisioner {}: what else it says is in {}", self.name, self.path);
        } else {
            log::warn!("provisioner {}: {}", self.name, visible(text));
        }
    }
}
