//! What goes to every host before anything else, as one tar stream: the agent, the commands that tests find on their
//! `PATH`, what stands before every test, and the directories that the first test needs. A host that had to start a
//! program for each of them would need longer for that than for a test.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tar::{Builder, EntryType, Header};

/// The names of the commands. They are one file on the host, which is told by its name what to do.
pub(crate) const COMMANDS: [&str; 15] = [
    ".submit-data",
    "tmt-report-result",
    "rstrnt-report-result",
    "rhts-report-result",
    "tmt-file-submit",
    "rstrnt-report-log",
    "rhts-submit-log",
    "rhts_submit_log",
    "tmt-reboot",
    "rstrnt-reboot",
    "rhts-reboot",
    "tmt-abort",
    "rstrnt-abort",
    "rhts-abort",
    "rstrnt-adjust-watchdog",
];

/// What is unpacked even where a directory is there already: nothing that a test may have put links in place of.
pub(crate) const ALWAYS: &str = "agent guard commands prelude lock bin";

/// The agent writes the first line anew where bash is elsewhere.
const STUB: &str = "#!/bin/bash\n. \"${0%/*}/../commands\"\n";

/// What the agent's first session for tests would have to start programs for; see `serve` there.
const SPOOLS: &str = "spool.1";
const FIFOS: [&str; 9] = [
    "control.pipe",
    "output.pipe",
    "control.go",
    "output.go",
    "control.said",
    "output.said",
    "done",
    "guard",
    "orders",
];

/// A directory that any user may write into.
const FOR_ALL: u32 = 0o1777;

/// A kit, and the set-up that it is for.
struct Made {
    setup: Option<String>,
    kit: Arc<[u8]>,
}

/// The kit; with the name of a set-up, also its directory, for a set-up that has no files. It is the same for most
/// hosts, and there may be thousands of them: they share one copy.
pub(crate) fn kit(setup: Option<&str>) -> io::Result<Arc<[u8]>> {
    static LAST: Mutex<Option<Made>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = last.as_ref().filter(|made| made.setup.as_deref() == setup) {
        return Ok(Arc::clone(&made.kit));
    }
    let kit: Arc<[u8]> = pack(setup)?.into();
    *last = Some(Made { setup: setup.map(str::to_owned), kit: Arc::clone(&kit) });
    Ok(kit)
}

fn pack(setup: Option<&str>) -> io::Result<Vec<u8>> {
    let mut kit = Kit(Builder::new(Vec::new()));
    kit.file("agent", 0o644, include_str!("agent.sh"))?;
    kit.file("guard", 0o644, include_str!("guard.bash"))?;
    kit.file("commands", 0o644, include_str!("helpers.sh"))?;
    kit.file("prelude", 0o644, include_str!("prelude.bash"))?;
    kit.file("lock", 0o644, "")?;
    kit.dir("bin", 0o755)?;
    let [first, others @ ..] = COMMANDS.map(|name| format!("bin/{name}"));
    kit.file(&first, 0o755, STUB)?;
    for name in others {
        kit.link(&name, &first)?;
    }
    kit.dir("test", 0o755)?;
    kit.dir("work", FOR_ALL)?;
    kit.dir("work/data", FOR_ALL)?;
    kit.dir(SPOOLS, 0o755)?;
    for name in FIFOS {
        kit.fifo(&format!("{SPOOLS}/{name}"))?;
    }
    if let Some(setup) = setup {
        let within = |name: &str| format!("{setup}/{name}");
        kit.dir(setup, 0o755)?;
        kit.dir(&within("tree"), 0o755)?;
        kit.dir(&within("plan-data"), FOR_ALL)?;
        kit.file(&within("environment"), 0o644, "")?;
    }
    kit.0.into_inner()
}

struct Kit(Builder<Vec<u8>>);

impl Kit {
    fn file(&mut self, name: &str, mode: u32, text: &str) -> io::Result<()> {
        let mut header = header(EntryType::Regular, mode);
        header.set_size(text.len() as u64);
        self.0.append_data(&mut header, name, text.as_bytes())
    }

    fn dir(&mut self, name: &str, mode: u32) -> io::Result<()> {
        // With a slash at its end, as tar itself writes it.
        self.0.append_data(&mut header(EntryType::Directory, mode), format!("{name}/"), io::empty())
    }

    fn fifo(&mut self, name: &str) -> io::Result<()> {
        self.0.append_data(&mut header(EntryType::Fifo, 0o644), name, io::empty())
    }

    fn link(&mut self, name: &str, to: &str) -> io::Result<()> {
        self.0.append_link(&mut header(EntryType::Link, 0o755), name, PathBuf::from(to))
    }
}

fn header(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    // tar remarks on times that are as old as can be.
    header.set_mtime(1_000_000_000);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_known_to_what_it_calls() {
        let text = include_str!("helpers.sh");
        let (_, cases) = text.rsplit_once("case $me in").unwrap();
        for name in COMMANDS {
            let stands = |line: &str| {
                line.split_once(')').is_some_and(|(names, _)| names.split('|').any(|one| one.trim() == name))
            };
            assert!(cases.lines().any(stands), "{name}");
        }
    }
}
