//! One ssh master process: started, watched, ended.
//!
//! The crate openssh could start it, but always passes a host-key policy of its own that
//! nothing overrides. So we start ssh ourselves, with everything that users can set in a
//! configuration file, and openssh speaks to the control socket.
//!
//! `ssh -f` returns once the login is done and the control socket listens; what stays is a
//! process of its own session, not our child. We keep a leash on it; when we die, even by
//! SIGKILL, the kernel lets go of that, and the master ends after [`IDLE_SECONDS`].

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio as ProcessStdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::leash::Leash;
use super::{config, diagnosis};
use crate::directory::{Directory, Folder};
use crate::error::ConnectError;
use crate::local::{fresh_command, spawn_error};
use crate::target::Ssh;

/// How long a master outlives us. It must cover the moment between its start and our leash.
const IDLE_SECONDS: u32 = 10;

/// Pauses before the next try when a server hangs up without a greeting (it drops logins
/// beyond MaxStartups at random, or is just booting), or when ssh itself was killed.
const AGAIN_PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(900),
    Duration::from_millis(2700),
];

/// How long a master, a process of this machine, may take to answer on its socket.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How long a master may take to say goodbye before it is killed. It has nothing to do any more.
const GOODBYE_TIME: Duration = Duration::from_millis(300);

/// How long the kernel may take to end a master that is killed.
const KILL_TIME: Duration = Duration::from_secs(2);

/// What all masters of a connector share.
pub(crate) struct Setup {
    pub(crate) directory: Directory,
    pub(crate) program: PathBuf,
    pub(crate) user_config: Option<PathBuf>,
    pub(crate) open_timeout: Duration,
    pub(crate) open_files: Option<u64>,
    pub(crate) opening: Semaphore,
    pub(crate) notice_within: Duration,
}

/// A running master. Dropping it ends the process without waiting for that.
pub(crate) struct Master {
    host: String,
    pub(super) session: Arc<openssh::Session>,
    leash: Leash,
    folder: Folder,
    notice_within: Duration,
}

impl Master {
    /// Logs in.
    pub(crate) async fn open(setup: &Setup, ssh: &Ssh) -> Result<Self, ConnectError> {
        let identity = identity(ssh)?;
        let folder = prepare_folder(setup, ssh)?;
        let _turn = setup.opening.acquire().await.expect("the semaphore is never closed");
        let mut pauses = AGAIN_PAUSES.iter();
        let leash = loop {
            let launched = match launch(setup, ssh, identity.as_deref(), &folder).await {
                Ok(()) => attach(ssh, &folder, setup.notice_within).await,
                Err(error) => Err(error),
            };
            match (launched, pauses.next()) {
                (Ok(leash), _) => break leash,
                // A process that was killed here says nothing of the host.
                (Err(ConnectError::Busy { .. } | ConnectError::Lost { .. }), Some(pause)) => {
                    sleep(*pause).await
                }
                (Err(error), _) => return Err(error),
            }
        };
        let socket = folder.join("master");
        let notice_within = setup.notice_within;
        log::debug!("{}: ssh master is process {}", ssh.host, leash.pid());
        Ok(Master {
            host: ssh.host.clone(),
            session: Arc::new(openssh::Session::resume_mux(socket.into(), None)),
            leash,
            folder,
            notice_within,
        })
    }

    /// The host, as its record names it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Whether it still serves its control socket.
    pub(super) async fn answers(&self) -> bool {
        matches!(timeout(ANSWER_TIME, self.session.check()).await, Ok(Ok(())))
    }

    /// The error for a session that ended because the master did.
    pub(super) fn lost(&self) -> ConnectError {
        lost(&self.host, &self.folder, self.notice_within)
    }

    /// Ends the process and waits until it is gone, for some seconds at most.
    pub(crate) async fn close(&self) {
        for (signal, time) in [(Signal::SIGTERM, GOODBYE_TIME), (Signal::SIGKILL, KILL_TIME)] {
            self.leash.signal(signal);
            if timeout(time, self.leash.gone()).await.is_ok() {
                return;
            }
        }
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.leash.signal(Signal::SIGTERM);
    }
}

/// Finds the process that has logged in.
async fn attach(ssh: &Ssh, folder: &Folder, notice_within: Duration) -> Result<Leash, ConnectError> {
    let attached = timeout(ANSWER_TIME, Leash::attach(&folder.join("master"))).await;
    let Ok(Ok(leash)) = attached else { return Err(lost(&ssh.host, folder, notice_within)) };
    Ok(leash)
}

/// The key file to use, once it is known to be readable: ssh would only warn, and then be
/// refused for another reason.
fn identity(ssh: &Ssh) -> Result<Option<PathBuf>, ConnectError> {
    let Some(path) = &ssh.identity else { return Ok(None) };
    let path = expand_home(path);
    match fs::File::open(&path) {
        Ok(_) => Ok(Some(path)),
        Err(error) => {
            Err(ConnectError::IdentityMissing { host: ssh.host.clone(), path, detail: error.to_string() })
        }
    }
}

fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_path_buf(),
    }
}

fn prepare_folder(setup: &Setup, ssh: &Ssh) -> Result<Folder, ConnectError> {
    let text = config::text(&ssh.host, &ssh.options, setup.user_config.as_deref(), setup.notice_within);
    let text = text.map_err(|detail| ConnectError::Invalid { host: ssh.host.clone(), detail })?;
    let write = || -> io::Result<Folder> {
        let folder = setup.directory.folder()?;
        fs::write(folder.join("config"), text)?;
        Ok(folder)
    };
    write().map_err(|error| ConnectError::Other {
        host: ssh.host.clone(),
        detail: format!("no folder for its control socket: {error}"),
    })
}

/// Runs ssh until it has logged in and gone to the background.
async fn launch(
    setup: &Setup,
    ssh: &Ssh,
    identity: Option<&Path>,
    folder: &Folder,
) -> Result<(), ConnectError> {
    let log = folder.join("log");
    // ssh appends; what an earlier try left there would be taken for this one's.
    let _ = fs::remove_file(&log);
    let _ = fs::remove_file(folder.join("master"));
    let mut command = fresh_command(&setup.program, setup.open_files);
    command.args(["-M", "-f", "-N", "-T"]);
    command.arg("-S").arg(folder.join("master"));
    command.arg("-E").arg(&log);
    command.arg("-F").arg(folder.join("config"));
    for option in fixed_options() {
        command.arg("-o").arg(option);
    }
    if let Some(user) = &ssh.user {
        command.arg("-l").arg(user);
    }
    if let Some(port) = ssh.port {
        command.arg("-p").arg(port.to_string());
    }
    if let Some(path) = identity {
        command.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(path);
    }
    command.arg("--").arg(&ssh.host);
    command
        .stdin(ProcessStdio::null())
        .stdout(ProcessStdio::null())
        .stderr(ProcessStdio::null())
        .kill_on_drop(true);
    let status = timeout(setup.open_timeout, command.status()).await;
    match status {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) if status.signal().is_some() => Err(ConnectError::Lost {
            host: ssh.host.clone(),
            detail: format!("ssh was ended while it logged in: {status}"),
            silent: Duration::ZERO,
        }),
        Ok(Ok(_)) => Err(diagnosis::connect_error(&ssh.host, &read_log(folder))),
        Ok(Err(error)) => Err(spawn_error(&ssh.host, &setup.program.to_string_lossy(), &error)),
        Err(_) => Err(ConnectError::Unreachable {
            host: ssh.host.clone(),
            detail: format!("no login within {} s", setup.open_timeout.as_secs()),
        }),
    }
}

/// What must be so for us to work, whatever the user's files say.
fn fixed_options() -> [String; 6] {
    [
        "BatchMode=yes".to_owned(),
        format!("ControlPersist={IDLE_SECONDS}"),
        // Forwardings are for the user's own connections: a second one cannot bind the port.
        "ClearAllForwardings=yes".to_owned(),
        "RemoteCommand=none".to_owned(),
        "ForkAfterAuthentication=yes".to_owned(),
        // Below this ssh does not say why it ends.
        "LogLevel=INFO".to_owned(),
    ]
}

fn read_log(folder: &Folder) -> String {
    fs::read(folder.join("log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn lost(host: &str, folder: &Folder, notice_within: Duration) -> ConnectError {
    let log = read_log(folder);
    let detail = diagnosis::last_line(&log);
    let silent = if diagnosis::was_silent(detail) { notice_within } else { Duration::ZERO };
    ConnectError::Lost { host: host.to_owned(), detail: detail.to_owned(), silent }
}
