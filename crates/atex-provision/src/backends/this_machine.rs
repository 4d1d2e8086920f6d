//! What can be told of this machine.

use std::fs;

use atex_model::{Connect, Facts, Host};

/// The `number`th time this machine, of which `facts` are known.
pub(super) fn host(number: u32, facts: &Facts) -> Host {
    let mut host = Host::new(format!("local/{number}"), Connect::Local);
    host.facts = facts.clone();
    host
}

/// What can be told of this machine for the price of reading a file.
pub(super) fn facts() -> Facts {
    let release =
        fs::read_to_string("/etc/os-release").or_else(|_| fs::read_to_string("/usr/lib/os-release")).ok();
    let mut facts = Facts::new();
    if let Some(distro) = release.as_deref().and_then(atex_host::facts::distro) {
        facts.insert("distro".into(), distro.into());
    }
    facts.insert("arch".into(), arch().into());
    facts
}

/// The architecture as `uname -m` names it.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        "x86" => "i686",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_an_architecture() {
        assert!(facts()["arch"].as_str().is_some_and(|arch| !arch.is_empty()));
    }
}
