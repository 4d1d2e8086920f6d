//! `repro.sh`: a script that repeats a test on the host where it failed, while that is held.
//!
//! What bash ran for the test lies on the host still, with its environment and beside its directory. So nothing of that
//! stands in the script: no value of a variable leaves the host or the run directory.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use atex_connect::Target;
use atex_model::Connect;

/// The command line by which one enters a host.
pub(crate) fn enter(connect: &Connect, dirs: &[String]) -> String {
    let words = joined(&Target::from(connect).prefix());
    match connect {
        Connect::Local => format!("cd {}", quote(&dirs[0])),
        Connect::Command(_) => format!("{words} sh"),
        Connect::Ssh(_) => words,
    }
}

/// Writes the script into the directory of an attempt. The run's directory on the host is one of `dirs`.
pub(crate) fn write(artifacts: &Path, connect: &Connect, dirs: &[String]) -> io::Result<PathBuf> {
    let path = artifacts.join("repro.sh");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o700).open(&path)?;
    file.write_all(script(connect, dirs).as_bytes())?;
    Ok(path)
}

fn script(connect: &Connect, dirs: &[String]) -> String {
    let words = joined(&Target::from(connect).prefix());
    let command = match connect {
        Connect::Local => format!("sh -c {}", quote(&there(dirs))),
        Connect::Command(_) => format!("{words} sh -c {}", quote(&there(dirs))),
        // It is the shell of a user that reads this there, whichever that is.
        Connect::Ssh(_) => format!("{words} {}", quote(&format!("sh -c {}", quote(&there(dirs))))),
    };
    format!(
        "#!/bin/sh\n\
         # Repeats the test of this directory on the host where it failed, with its environment and in its\n\
         # directory, while the host is held. What it prints is shown, and its exit status is that of this script;\n\
         # what it says over test control goes into the file `control` in its directory's `test`.\n\
         exec {command}\n"
    )
}

/// What sh does there.
fn there(dirs: &[String]) -> String {
    let dirs = joined(dirs);
    format!(
        "for dir in {dirs}; do if [ -O \"$dir/test/run\" ]; then cd \"$dir/test\" || exit 125; \
         exec bash run </dev/null 9>control; fi; done; \
         echo \"repro.sh: the directory of the run is not on this host any more\" >&2; exit 125"
    )
}

fn joined(words: &[String]) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

fn quote(word: &str) -> String {
    // It refuses NUL only, which no path and no argument holds.
    shlex::try_quote(word).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use atex_model::{Command, Ssh};

    #[test]
    fn a_host_is_entered_as_its_record_says() {
        let ssh = Ssh {
            host: "10.0.0.7".into(),
            user: Some("root".into()),
            port: Some(2201),
            identity: Some("/keys/my ci".into()),
            options: [("ProxyJump".to_owned(), "gate".to_owned())].into_iter().collect(),
        };
        let command = Command { argv: ["podman", "exec", "-i", "box"].map(str::to_owned).to_vec() };
        for (connect, expected) in [
            (Connect::Local, "cd '/w x'"),
            (Connect::Command(command), "podman exec -i box sh"),
            (
                Connect::Ssh(ssh),
                "ssh -o 'ProxyJump=gate' -o 'IdentitiesOnly=yes' -i '/keys/my ci' -p 2201 -l root 10.0.0.7",
            ),
        ] {
            let shown = enter(&connect, &["/w x".to_owned()]);
            assert_eq!(shlex::split(&shown), shlex::split(expected), "{shown}");
        }
    }
}
