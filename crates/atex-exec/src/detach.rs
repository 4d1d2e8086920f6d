//! `--detach`: the run goes to the background once it can be talked to.
//!
//! The process that was started only waits for the one that does the work, and ends with its exit status if that cannot
//! begin; so whoever has started it hears of all that is wrong, as ever. The other one is in a session of its own from
//! the beginning, and lets go of the caller's standard output and error when the control socket is there. Standard input
//! stays, since tests come from there, unless it is a terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, PipeReader, PipeWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use atex_cli::{Failure, input::reason};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};

use crate::run_dir::trouble;

/// Where standard output and error go, in the run directory.
const OUTPUT: &str = "stdout.jsonl";
const MESSAGES: &str = "stderr.log";

/// Who waits to hear where the run is.
pub(crate) struct Caller(PipeWriter);

/// Goes on in another process, of a session of its own. The first one never returns.
///
/// To be called while there is one thread.
pub(crate) fn in_background() -> Result<Caller, Failure> {
    let cannot = |e: io::Error| Failure::trouble(format!("--detach: {}", reason(&e)));
    let (from, to) = io::pipe().map_err(cannot)?;
    // SAFETY: there is no other thread that could hold a lock which the new process would miss.
    match unsafe { fork() }.map_err(|e| cannot(e.into()))? {
        ForkResult::Parent { child } => {
            drop(to);
            std::process::exit(wait_for(child, from));
        }
        ForkResult::Child => {
            setsid().map_err(|e| cannot(e.into()))?;
            Ok(Caller(to))
        }
    }
}

/// Says where the run is, or ends as it has ended.
fn wait_for(child: Pid, from: PipeReader) -> i32 {
    let mut line = String::new();
    let said = BufReader::new(from).read_line(&mut line);
    if said.is_ok() && line.ends_with('\n') {
        // Nobody to tell it to: the run goes on all the same, as it was asked to.
        let _ = io::stdout().write_all(line.as_bytes());
        return 0;
    }
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return code,
            Ok(WaitStatus::Signaled(_, signal, _)) => return 128 + signal as i32,
            Err(nix::Error::EINTR) | Ok(_) => {}
            Err(_) => return 3,
        }
    }
}

impl Caller {
    /// The run in this directory can be talked to: lets go of the caller.
    pub fn let_go(mut self, dir: &Path) -> Result<(), Failure> {
        let open = |name: &str| {
            let path = dir.join(name);
            let mut options = OpenOptions::new();
            options.append(true).create(true).mode(0o600).open(&path).map_err(|e| trouble(&path, &e))
        };
        let (output, messages) = (open(OUTPUT)?, open(MESSAGES)?);
        let cannot = |e: io::Error| Failure::trouble(format!("--detach: {}", reason(&e)));
        take(&output, &messages).map_err(cannot)?;
        let said = self.0.write_all(format!("{}\n", dir.display()).as_bytes());
        said.map_err(|e| Failure::trouble(format!("--detach: who has started it is gone: {}", reason(&e))))
    }
}

/// Puts files in the place of the standard streams.
fn take(output: &File, messages: &File) -> io::Result<()> {
    if io::stdin().is_terminal() {
        dup2_stdin(File::open("/dev/null")?.as_fd())?;
    }
    dup2_stdout(output.as_fd())?;
    dup2_stderr(messages.as_fd())?;
    Ok(())
}
