//! Processes on this machine: commands of local hosts, command prefixes, ssh itself.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio as ProcessStdio;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use tokio::process::Command;

use crate::drive::{Child, Source, Stdio};
use crate::error::ConnectError;
use crate::session::Exit;

/// A command that starts as from a fresh login: no signal blocked or ignored, in a process
/// group of its own so that a ^C at our terminal is ours to handle, and with `open_files` as
/// the soft limit of open files if we have raised our own.
pub(crate) fn fresh_command(program: &Path, open_files: Option<u64>) -> Command {
    let mut command = Command::new(program);
    command.process_group(0);
    // SAFETY: between fork and exec only system calls are made; nothing allocates or locks.
    unsafe {
        command.pre_exec(move || Ok(restore_defaults(open_files)?));
    }
    command
}

fn restore_defaults(open_files: Option<u64>) -> nix::Result<()> {
    for each in Signal::iterator() {
        if matches!(each, Signal::SIGKILL | Signal::SIGSTOP) {
            continue;
        }
        // SAFETY: the default action is no code of ours.
        unsafe { signal(each, SigHandler::SigDfl) }?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    if let Some(soft) = open_files {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard)?;
    }
    Ok(())
}

/// Whether the first word of a command prefix is a program that can be found.
pub(crate) fn find_program(argv: &[String]) -> Result<(), ConnectError> {
    let host = argv.join(" ");
    let Some(program) = argv.first().filter(|word| !word.is_empty()) else {
        let detail = "a command prefix needs at least a program".to_owned();
        return Err(ConnectError::Invalid { host, detail });
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = match program.contains('/') {
        true => Path::new(program).is_file(),
        false => std::env::split_paths(&path).any(|folder| folder.join(program).is_file()),
    };
    if found {
        return Ok(());
    }
    Err(spawn_error(&host, program, &io::ErrorKind::NotFound.into()))
}

/// Starts `argv` with these streams.
pub(crate) fn spawn(
    host: &str,
    argv: &[&str],
    stdio: Stdio,
    open_files: Option<u64>,
) -> Result<LocalChild, ConnectError> {
    let (program, arguments) = argv.split_first().expect("there is at least the shell");
    let mut command = fresh_command(Path::new(program), open_files);
    command
        .args(arguments)
        .stdin(process_stdin(stdio.stdin))
        .stdout(ProcessStdio::from(stdio.stdout))
        .stderr(ProcessStdio::from(stdio.stderr));
    let child = command.spawn().map_err(|error| spawn_error(host, program, &error))?;
    Ok(LocalChild { host: host.to_owned(), child: Some(child) })
}

fn process_stdin(source: Source) -> ProcessStdio {
    match source {
        Source::Null => ProcessStdio::null(),
        Source::Fd(fd) => ProcessStdio::from(fd),
    }
}

/// The error for a program that did not start.
pub(crate) fn spawn_error(host: &str, program: &str, error: &io::Error) -> ConnectError {
    let host = host.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            ConnectError::ProgramMissing { host, program: program.to_owned(), detail: error.to_string() }
        }
        _ => {
            let detail = format!("{program} did not start: {error}{}", advice(error));
            ConnectError::Other { host, detail }
        }
    }
}

/// What to do about an error of the system, where that is known.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    use nix::errno::Errno;
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EMFILE | Errno::ENFILE) => "; raise `ulimit -n`, or use fewer hosts at a time",
        Some(Errno::EAGAIN) => "; raise `ulimit -u`, or use fewer hosts at a time",
        _ => "",
    }
}

/// A process of this machine. It is reaped also when nobody waits for it any more.
pub(crate) struct LocalChild {
    host: String,
    child: Option<tokio::process::Child>,
}

impl Child for LocalChild {
    async fn wait(mut self) -> Result<Exit, ConnectError> {
        let child = self.child.as_mut().expect("a child is only taken below and by drop");
        let waited = child.wait().await;
        self.child = None;
        waited.map(exit).map_err(|error| ConnectError::Other {
            host: self.host.clone(),
            detail: format!("its exit status is lost: {error}"),
        })
    }
}

fn exit(status: std::process::ExitStatus) -> Exit {
    status.code().map_or(Exit::Signal(status.signal()), Exit::Code)
}

impl Drop for LocalChild {
    fn drop(&mut self) {
        // Still there: the session was abandoned.
        let Some(mut child) = self.child.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move { child.wait().await });
    }
}
