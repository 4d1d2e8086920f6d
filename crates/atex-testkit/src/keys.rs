//! Throw-away keys.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Makes a key pair, `path` and `path.pub`, and returns the public key: kind and text.
pub(crate) fn generate(path: &Path) -> String {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(path)
        .output()
        .expect("ssh-keygen starts");
    assert!(made.status.success(), "ssh-keygen: {made:?}");
    let public =
        fs::read_to_string(path.with_extension("pub")).expect("ssh-keygen has written the public key");
    public.trim().to_owned()
}
