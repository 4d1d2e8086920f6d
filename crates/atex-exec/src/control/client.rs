//! The side of who asks.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use atex_cli::output::Output;
use atex_cli::{Exit, Failure, input::reason};
use serde_json::{Value, json};

use super::{Request, way_to};
use crate::args::Ctl;
use crate::run_dir::{RunDir, State, trouble};

/// A connection to a run that goes on.
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the run in a directory. None: it does not go on.
    pub fn connect(dir: &Path) -> io::Result<Option<Client>> {
        let (path, _held) = way_to(dir)?;
        match UnixStream::connect(path) {
            Ok(stream) => Ok(Some(Client { stream: BufReader::new(stream) })),
            // There is none, or nobody listens to it: its run was killed.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// Asks for something. An answer that says no is an error.
    pub fn ask(&mut self, request: &Request) -> Result<Value, String> {
        let lost = |e: &io::Error| format!("the run has ended meanwhile: {}", reason(e));
        let mut line = serde_json::to_string(request).map_err(|e| e.to_string())?;
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes()).map_err(|e| lost(&e))?;
        let mut said = String::new();
        self.stream.read_line(&mut said).map_err(|e| lost(&e))?;
        if said.is_empty() {
            return Err("the run has ended meanwhile".into());
        }
        let answer: Value =
            serde_json::from_str(&said).map_err(|e| format!("what it answers is not JSON: {e}"))?;
        if answer["ok"] == true {
            return Ok(answer);
        }
        Err(answer["error"].as_str().unwrap_or("it says no").to_owned())
    }

    /// What tells when the run has ended: it can be read then.
    pub fn stream(&self) -> &UnixStream {
        self.stream.get_ref()
    }
}

/// What is said of a directory without a run that goes on.
pub(crate) fn not_going_on(dir: &Path) -> Failure {
    Failure::trouble(format!("{}: no run goes on here", dir.display()))
        .hint(format!("--resume {} goes on with one that was cut short", dir.display()))
}

/// `atex-exec ctl`: one request, and its answer as a record.
pub(crate) fn ctl(args: &Ctl) -> Result<Exit, Failure> {
    let dir = RunDir::look_at(&args.dir)?;
    let client = Client::connect(&dir).map_err(|e| trouble(&dir, &e))?;
    let mut client = client.ok_or_else(|| not_going_on(&dir))?;
    let answer = client.ask(&args.request).map_err(|e| Failure::usage(format!("{}: {e}", dir.display())))?;
    say(&answer)
}

/// `atex-exec status`: the same for who only wants to know how far it is, also when it is over.
pub(crate) fn status(dir: &Path) -> Result<Exit, Failure> {
    let dir = RunDir::look_at(dir)?;
    if let Some(mut client) = Client::connect(&dir).map_err(|e| trouble(&dir, &e))?
        && let Ok(answer) = client.ask(&Request::Status)
    {
        return say(&answer);
    }
    let state = match RunDir::state(&dir)? {
        Some((_, State::AtWork)) => "beginning",
        Some((_, State::Over)) => "over",
        Some((_, State::CutShort)) | None => "cut-short",
    };
    say(&json!({"ok": true, "cmd": "status", "dir": dir.to_string_lossy(), "state": state}))
}

fn say(answer: &Value) -> Result<Exit, Failure> {
    let mut out = Output::stdout();
    out.record(answer)?;
    out.flush()?;
    Ok(Exit::Done)
}
