//! `--resume`: goes on with a run after a crash, a reboot, or a signal.

use std::path::Path;

use atex_cli::{Exit, Failure};
use clap::{CommandFactory, Parser};
use crossbeam_channel::{Receiver, unbounded};
use nix::sys::signal::Signal;

use crate::announce::Announcer;
use crate::args::{Args, not_beside_resume};
use crate::config::Config;
use crate::cursor::Cursor;
use crate::detach::Caller;
use crate::dispatch::{self, Ends, Files, last_line};
use crate::environment::CallerEnv;
use crate::hosts_file::HostsFile;
use crate::journal::Journal;
use crate::past::{Over, Past};
use crate::run_dir::{Called, DAMAGED, RunDir, trouble};

/// Goes on with the run in a directory and says how it ended.
pub(crate) fn run(
    args: &Args,
    dir: &Path,
    signals: Receiver<Signal>,
    caller: Option<Caller>,
) -> Result<Exit, Failure> {
    let refused = not_beside_resume(&Args::command().get_matches());
    if !refused.is_empty() {
        let message = format!("{}: not with --resume: a run keeps its options", refused.join(", "));
        return Err(Failure::usage(message));
    }
    let (dir, called) = RunDir::open(dir)?;
    let called = parse(&dir, &called)?;
    // Opened before they are read, which cuts off what was not written whole.
    let journal = Journal::open(&dir.journal()).map_err(|e| trouble(&dir.journal(), &e).hint(DAMAGED))?;
    let hosts =
        HostsFile::open(&dir.hosts_file()).map_err(|e| trouble(&dir.hosts_file(), &e).hint(DAMAGED))?;
    let (past, tests) = Past::read(&dir)?;
    let mut cursor =
        Cursor::open(&dir.announced(), journal.length()).map_err(|e| trouble(&dir.announced(), &e))?;
    if args.from_start {
        cursor.rewind();
    }
    let files = Files { journal, tests, hosts, cursor };
    // Hosts that could not be given back are tried again.
    if let Some(over) = past.over()
        && past.leases.is_empty()
    {
        return say_over(&dir, files, over);
    }
    let env = CallerEnv::kept(&dir.env(), &called.env.env)?;
    let config = Config::resumed(called, env, args, past.input_ended)?;
    dispatch::come_back(config, dir, files, past).live(Ends::of_program(signals, caller)?)
}

/// The arguments that the run was called with.
fn parse(dir: &RunDir, called: &Called) -> Result<Args, Failure> {
    Args::try_parse_from(&called.argv).map_err(|e| {
        let text = e.to_string();
        let what = text.lines().next().unwrap_or_default();
        Failure::usage(format!("{}: how it was called is not understood: {what}", dir.path.display()))
            .hint("was it another version of atex-exec?")
    })
}

/// There is nothing left to do, but perhaps something to say.
fn say_over(dir: &RunDir, files: Files, over: &Over) -> Result<Exit, Failure> {
    log::warn!("{}: this run has ended: all of its tests are settled", dir.path.display());
    let exit = exit_of_code(over.code);
    let (length, at) = (files.journal.length(), files.cursor.at());
    if at < length {
        let (say_failed, failed) = unbounded();
        let followed = Files::followed(dir, files.cursor)?;
        let announcer = Announcer::start(followed, std::io::stdout(), say_failed)
            .map_err(|e| Failure::trouble(format!("cannot start a thread: {e}")))?;
        announcer.grown(length, 0);
        announcer.finish(last_line(&over.end, over.code));
        if let Ok(unsaid) = failed.try_recv() {
            return Err(unsaid.failure(dir));
        }
    }
    dir.tidy();
    Ok(exit)
}

/// The status with this number.
pub(crate) fn exit_of_code(code: u8) -> Exit {
    let all = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Trouble, Exit::Stopped];
    all.into_iter().find(|exit| exit.code() == code).unwrap_or(Exit::Signal(code & 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_status_is_what_its_number_says() {
        for exit in [Exit::Done, Exit::Failed, Exit::Usage, Exit::Trouble, Exit::Stopped, Exit::Signal(15)] {
            assert_eq!(exit_of_code(exit.code()), exit);
        }
    }
}
