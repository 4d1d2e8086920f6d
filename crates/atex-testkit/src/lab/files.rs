//! The folder of a lab, and what a host finds on its disk.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::stat::{Mode, SFlag, mknod};

use crate::keys;
use crate::sshd::COMMON_CONFIG;

/// An overlay writes to a real file system; `/tmp` often is none.
const PARENT: &str = "/var/tmp";
const PREFIX: &str = "atex-lab-";

/// A folder that names its owner, so that it can be removed when that was killed.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn create(number: u32) -> Folder {
        let pid = std::process::id();
        let start = start_time(pid).expect("this process is in /proc");
        let path = Path::new(PARENT).join(format!("{PREFIX}{pid}-{start}-{number}"));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Folder { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next lab.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the folders of labs whose process is gone.
pub(super) fn remove_leftovers() {
    let entries = fs::read_dir(PARENT).expect("/var/tmp is there");
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(parse_owner);
        if owner.is_some_and(|(pid, start)| start_time(pid) != Some(start)) {
            // Another process may be removing it, too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn parse_owner(name: &str) -> Option<(u32, u64)> {
    let mut parts = name.split('-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// When a process started, in clock ticks since the machine booted.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19)?.parse().ok()
}

/// Whether overlays of the root and the other namespaces are to be had.
pub(super) fn try_overlay() -> Result<(), String> {
    let folder = tempfile::tempdir_in(PARENT).map_err(|error| format!("{PARENT}: {error}"))?;
    let script = "cd \"$1\" && mkdir u w r && mount -t overlay overlay -o lowerdir=/,upperdir=u,workdir=w r";
    let tried = Command::new("unshare")
        .args([
            "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--time", "--fork", "--", "sh", "-c", script,
            "sh",
        ])
        .arg(folder.path())
        .output()
        .map_err(|error| format!("unshare: {error}"))?;
    match tried.status.success() {
        true => Ok(()),
        false => Err(format!("no namespaces or overlays: {}", String::from_utf8_lossy(&tried.stderr).trim())),
    }
}

/// Writes what is particular to a host into the upper folder of its overlay. Returns its
/// public key.
pub(super) fn write_host(folder: &Path, name: &str, address: &str, authorized: &str) -> io::Result<String> {
    for path in ["work", "root", "var-tmp"] {
        fs::create_dir_all(folder.join(path))?;
    }
    fs::set_permissions(folder.join("var-tmp"), fs::Permissions::from_mode(0o1777))?;
    let upper = folder.join("upper");
    for path in ["etc/ssh", "usr/sbin", "root/.ssh"] {
        fs::create_dir_all(upper.join(path))?;
    }
    for path in ["root", "root/.ssh"] {
        fs::set_permissions(upper.join(path), fs::Permissions::from_mode(0o700))?;
    }
    let public = keys::generate(&upper.join("etc/ssh/ssh_host_ed25519_key"));
    let config = format!("HostKey /etc/ssh/ssh_host_ed25519_key\nPidFile /run/sshd.pid\n{COMMON_CONFIG}");
    let texts = [
        ("etc/ssh/sshd_config", config),
        ("etc/hostname", format!("{name}\n")),
        ("etc/hosts", format!("127.0.0.1 localhost\n{address} {name}\n")),
        ("etc/motd", String::new()),
        ("root/.ssh/authorized_keys", format!("{authorized}\n")),
        ("root/.bashrc", String::new()),
        ("root/.profile", String::new()),
    ];
    for (path, text) in texts {
        fs::write(upper.join(path), text)?;
    }
    for (path, signal) in [("reboot", "USR1"), ("poweroff", "TERM"), ("halt", "TERM")] {
        let path = upper.join("usr/sbin").join(path);
        fs::write(&path, format!("#!/bin/sh\nkill -{signal} 1\n"))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(public)
}

/// Makes files of this machine absent from a host: a whiteout in its upper folder.
pub(super) fn hide(upper: &Path, paths: &[&str]) -> io::Result<()> {
    for path in paths {
        let real = real_path(Path::new(path))?;
        let hidden = upper.join(real.strip_prefix("/").map_err(io::Error::other)?);
        if let Some(parent) = hidden.parent() {
            fs::create_dir_all(parent)?;
        }
        mknod(&hidden, SFlag::S_IFCHR, Mode::empty(), 0)?;
        if root_shell().is_ok_and(|shell| shell == real) {
            replace_root_shell(upper)?;
        }
    }
    Ok(())
}

/// The path without links among its folders: `/bin` is one to `/usr/bin`.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(fs::canonicalize(parent)?.join(name)),
        _ => Err(io::Error::other("it is no path of a file")),
    }
}

fn root_shell() -> io::Result<PathBuf> {
    let text = fs::read_to_string("/etc/passwd")?;
    let shell = text.lines().find(|line| line.starts_with("root:")).and_then(|line| line.rsplit(':').next());
    real_path(Path::new(shell.unwrap_or("/bin/sh")))
}

fn replace_root_shell(upper: &Path) -> io::Result<()> {
    let text = fs::read_to_string("/etc/passwd")?;
    let replace = |line: &str| match line.rsplit_once(':') {
        Some((rest, _)) if line.starts_with("root:") => format!("{rest}:/bin/sh\n"),
        _ => format!("{line}\n"),
    };
    fs::write(upper.join("etc/passwd"), text.lines().map(replace).collect::<String>())
}
